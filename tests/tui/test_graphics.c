/* Pixel graphics on a terminal that is a file: what is asked, that answers are told from keys however they are cut, and
 * that pictures are drawn once, again when they have changed, and taken away. */
#include "tests/support/pictures.h"
#include "tests/viz/viz_test.h"

#include "tui/graphics.h"

#include <unistd.h>

static char *bytes;
static size_t count, taken;
static FILE *terminal;

static void begin_on(const char *type)
{
    unsetenv("TMUX");
    unsetenv("TERM_PROGRAM");
    setenv("TERM", type, 1);
    terminal = open_memstream(&bytes, &count);
    assert_non_null(terminal);
    taken = 0;
    graphics_open(terminal);
    graphics_show(); /* behind the first frame */
}

static int set_up(void **state)
{
    (void)state;
    begin_on("xterm-256color");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    /* as if answered, for standard input is nobody's */
    graphics_answer((const unsigned char *)"\033[?1c", 5, true);
    graphics_close();
    fclose(terminal);
    free(bytes);
    return 0;
}

/* What was written since the last call; static. */
static const char *written(void)
{
    static char text[1 << 20];
    fflush(terminal);
    assert_true(count - taken < sizeof text);
    memcpy(text, bytes + taken, count - taken);
    text[count - taken] = 0;
    taken = count;
    return text;
}

static size_t answer(const char *text, bool last)
{
    return graphics_answer((const unsigned char *)text, strlen(text), last);
}

static double patience(const char *text)
{
    return graphics_patience((const unsigned char *)text, strlen(text));
}

static void it_asks_once_and_never_in_tmux(void **state)
{
    static const char *const quiet[] = {"tmux-256color", "screen", "linux", "vt100"};

    (void)state;
    assert_string_equal(written(), "\033_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\033\\\033[c");
    graphics_show();
    assert_string_equal(written(), "");
    for (size_t i = 0; i < sizeof quiet / sizeof *quiet; i++) {
        tear_down(NULL);
        begin_on(quiet[i]);
        assert_string_equal(written(), "\033[c"); /* these would show the other question, or take it for a title */
        assert_string_equal(graphics_farewell(), "");
    }
}

static void answers_are_told_from_keys(void **state)
{
    static const char *const keys[] = {"q", "\033", "\033[A", "\033OA", "\033[5~", "\033a", "\033[<0;1;1M", "[?1c"};

    (void)state;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        for (int last = 0; last < 2; last++)
            assert_int_equal(answer(keys[i], last), 0);
    assert_int_equal(answer("\033[?62;4;22cq", false), 11); /* the key behind it stays */
    assert_int_equal(answer("\033_Gi=31;OK\033\\\033[?62c", false), 12);
    assert_int_equal(answer("\033[?62;1u", false), 0); /* something else, which is a key that means nothing */
}

/* However an answer is cut, its beginning is neither a key nor an answer until the rest is there. */
static void cut_answers_are_waited_for(void **state)
{
    static const char *const answers[] = {"\033_Gi=31;OK\033\\", "\033[?62;4c"};

    (void)state;
    for (size_t a = 0; a < 2; a++)
        for (size_t cut = 1; cut < strlen(answers[a]); cut++) {
            char part[32];
            snprintf(part, sizeof part, "%.*s", (int)cut, answers[a]);
            assert_int_equal(answer(part, false), 0);
            assert_true(patience(part) > 0.1);
            if (cut > 2)
                assert_int_equal(answer(part, true), cut); /* what never comes whole is no key either */
        }
    assert_true(patience("\033[A") == 0);
    assert_true(patience("q") == 0);
    assert_int_equal(answer("\033[?1c", false), 5);
    assert_true(patience("\033") == 0); /* Escape is quick again */
}

static void draw(struct canvas *canvas, int shift, int color, bool cover)
{
    uint8_t rgb[2][32 * 32 * 3];
    memset(rgb[0], 50, sizeof rgb[0]);
    memset(rgb[1], color, sizeof rgb[1]);
    canvas_clear(canvas);
    canvas_picture(canvas, (struct rect){2, 1, 16, 8}, rgb[0], 32, 32);
    canvas_picture(canvas, (struct rect){20 + shift, 1, 16, 8}, rgb[1], 32, 32);
    if (cover)
        canvas_text(canvas, 3, 2, STYLE(ROLE_TEXT), "x");
    graphics_take(canvas);
    graphics_show();
}

/* Of what was written the commands of kitty: so many pictures sent, so many taken away. */
static void assert_sent(int pictures, int deleted)
{
    const char *text = written(), *at = text;
    int sent = 0, gone = 0;
    while ((at = strstr(at, "\033_G"))) {
        const char *end = strstr(at, "\033\\");
        struct kitty_command command;
        assert_true(kitty_decode(at + 3, (size_t)(end - at - 3), &command));
        sent += command.action == 'T';
        gone += command.action == 'd';
        free(command.payload);
        at = end;
    }
    assert_int_equal(sent, pictures);
    assert_int_equal(gone, deleted);
    if (pictures + deleted == 0)
        assert_null(strstr(text, "\033_"));
}

static void pictures_are_drawn_when_they_change(void **state)
{
    struct canvas *canvas = cells_of(60, 12, GLYPHS_BRAILLE);

    (void)state;
    written();
    draw(canvas, 0, 100, false);
    assert_sent(0, 0); /* it has not answered */
    assert_int_equal(cell_at(canvas, 2, 1)->code, 0x2580);
    answer("\033_Gi=31;OK\033\\", false);
    draw(canvas, 0, 100, false);
    assert_int_equal(cell_at(canvas, 2, 1)->code, 0xa0); /* nothing that would shine through */
    assert_int_equal(cell_at(canvas, 17, 8)->code, 0xa0);
    assert_int_equal(cell_at(canvas, 18, 8)->code, ' ');
    assert_sent(2, 0);
    draw(canvas, 0, 100, false);
    assert_sent(0, 0);
    draw(canvas, 0, 101, false);
    assert_sent(1, 1);
    draw(canvas, 3, 101, false);
    assert_sent(1, 1);
    draw(canvas, 3, 101, true); /* one is covered: its half blocks stand around what covers it */
    assert_int_equal(cell_at(canvas, 2, 1)->code, 0x2580);
    assert_sent(0, 1);
    draw(canvas, 3, 101, false);
    assert_sent(1, 0);
    graphics_forget();
    draw(canvas, 3, 101, false);
    assert_sent(2, 1); /* all away in one, and anew */
    canvas_clear(canvas);
    graphics_take(canvas);
    graphics_show();
    assert_sent(0, 2);
    draw(canvas, 3, 101, false);
    assert_sent(2, 0);
    graphics_leave();
    assert_sent(0, 1);
    assert_non_null(strstr(graphics_farewell(), "a=d,d=A"));
    canvas_destroy(canvas);
}

static void a_person_may_choose(void **state)
{
    struct canvas *canvas = cells_of(60, 12, GLYPHS_BRAILLE);
    const char *said;
    struct error error;

    (void)state;
    written();
    assert_int_equal(graphics_choose(GRAPHICS_KITTY, &said, &error), 0);
    assert_string_equal(said, "kitty");
    draw(canvas, 0, 100, false);
    assert_sent(2, 0);
    assert_int_equal(graphics_choose(GRAPHICS_CELLS, &said, &error), 0);
    assert_sent(0, 1);
    draw(canvas, 0, 100, false);
    assert_sent(0, 0);
    assert_int_equal(cell_at(canvas, 2, 1)->code, 0x2580);
    assert_int_equal(graphics_choose(GRAPHICS_SIXEL, &said, &error), -1); /* a file has no pixels */
    assert_non_null(strstr(error.message, "how many pixels"));
    canvas_destroy(canvas);
}

static void an_answer_that_says_no(void **state)
{
    const char *said;
    struct error error;

    (void)state;
    answer("\033_Gi=31;ENOTSUPPORTED:no\033\\", false);
    answer("\033[?64;1;2c", false);
    assert_int_equal(graphics_choose(GRAPHICS_AUTO, &said, &error), 0);
    assert_string_equal(said, "cells");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_asks_once_and_never_in_tmux),      TEST(answers_are_told_from_keys), TEST(cut_answers_are_waited_for),
        TEST(pictures_are_drawn_when_they_change), TEST(a_person_may_choose),        TEST(an_answer_that_says_no),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
