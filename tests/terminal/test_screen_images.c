/* The view of images on the real screen: its pages, and pixel graphics on terminals that say that they have them, that
 * say it late, or never. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/data.h"
#include "tests/terminal/picture_terminal.h"
#include "tests/terminal/pty.h"

#define RUN                                                                                                            \
    "--data synthetic --stem 8 --stages 16/8x1 --limit 600 --validation 200 --batch 16 --threads 1 --precision fp32 "  \
    "--epochs 4000 --lr 0.02 --schedule constant"
/* In the header, where blanks stand before it: the log and the command line tell of a pause before it is one. */
#define PAUSED "  paused "
#define CLOCK "NFBENCH_CLOCK=1700000000 "
#define YES "\033_Gi=31;OK\033\\"
#define PLAIN "\033[?62;1c"
#define SIXELS "\033[?62;4;22c"
#define HALF_BLOCKS "\xe2\x96\x80\xe2\x96\x80\xe2\x96\x80\xe2\x96\x80"

static int end(void **state)
{
    (void)state;
    picture_terminal_end();
    return 0;
}

/* The page shows a look into the network as it is now, and all that belongs to it. */
static void wait_for_look(void)
{
    const long limit = pty_now() + PTY_PATIENCE_MS;
    int row, column;

    while (!pty_find("Images \xc2\xb7 step ", &row, &column) && !pty_find("Images . step ", &row, &column)) {
        if (pty_now() > limit)
            fail_msg("there is no look:\n%s", pty_text());
        pty_take(50);
    }
    pty_wait_gone("being measured");
    pty_settle();
}

/* A paused run with the view of images open. */
static void start(int columns, int rows, const char *environment)
{
    char all[256];

    /* by a clock that stands, looks take no time, and are of all the images that they may be of */
    snprintf(all, sizeof all, CLOCK "%s", environment);
    pty_start(columns, rows, all, RUN);
    pty_wait(" training ");
    pty_keys(" ");
    pty_wait(PAUSED);
    pty_wait("space resume");
    pty_keys("6");
    pty_wait("trains on");
    wait_for_look();
}

static void leave(void)
{
    pty_keys("q");
    assert_int_equal(pty_status(), 0);
    assert_true(pty_line_restored());
}

static void pages_on_the_screen(void **state)
{
    (void)state;
    start(100, 30, "");
    pty_wait(HALF_BLOCKS);
    pty_wait("Images \xc2\xb7 step ");
    pty_keys("r");
    pty_wait("draw 2 of the images of step ");
    pty_keys("p");
    pty_wait("512 test images");
    pty_keys("\r");
    pty_wait("test image ");
    pty_wait("predicted ");
    pty_keys("\033[C");
    pty_wait("2/512");
    pty_keys("\r");
    pty_wait_gone("predicted ");
    pty_command("images confusion");
    pty_wait("accuracy ");
    pty_wait("truth");
    pty_command("images filters");
    pty_wait("the 8 filters of the stem");
    pty_command("images nothing");
    pty_wait("no images 'nothing'");
    pty_keys("\033");
    pty_wait_gone("no images 'nothing'");
    leave();
}

/* While it trains the page stays as it is, and says so; u measures, and so does a pause. */
static void a_look_is_taken_when_asked_and_at_a_pause(void **state)
{
    (void)state;
    start(100, 30, "");
    pty_keys(" ");
    pty_wait(" training ");
    pty_wait("u measures now");
    pty_keys("u");
    pty_wait("draw 1: just what");
    pty_keys(" ");
    pty_wait(PAUSED);
    pty_wait("space resume");
    pty_wait_gone("u measures now");
    pty_wait_gone("being measured");
    pty_wait_gone("u measures now"); /* it is of the step of the pause */
    leave();
}

/* At the end it was looked at by itself, and is again where the session is opened later; the pictures of its last
 * batch stay. */
static void the_end_of_a_run_can_be_looked_at(void **state)
{
    static const char *const arguments[] = {RUN " --steps 12 --session whole", "resume --screen whole"};

    (void)state;
    for (int i = 0; i < 2; i++) {
        pty_start(100, 30, CLOCK, arguments[i]);
        pty_wait(" finished ");
        pty_keys("6");
        pty_wait("the run has ended; draw 1 of the images of its last batch (epoch 1, batch 12)");
        pty_keys("p");
        pty_wait("512 test images at step 12");
        leave();
    }
}

static void no_colors_and_ascii_will_do(void **state)
{
    (void)state;
    start(80, 24, "NO_COLOR=1");
    pty_wait("\xe2\x96\x92"); /* a shade */
    assert_null(strstr(pty_text(), HALF_BLOCKS));
    leave();
    picture_terminal_end();
    start(80, 24, "LC_ALL=C TERM=vt100");
    for (const char *at = pty_text(); *at; at++)
        assert_true((unsigned char)*at < 0x80);
    leave();
}

/* ---- Pixels ---- */

static bool is_training_image(const struct standing *picture)
{
    static struct dataset *dataset;
    struct error error;
    bool found = false;

    assert_int_equal(dataset_open("synthetic", &dataset, &error), 0);
    for (int i = 0; i < 600 && !found; i++) {
        const uint8_t *planes = dataset_image(dataset, SPLIT_TRAIN, i);

        found = true;
        for (int p = 0; p < IMAGE_PIXELS && found; p++)
            for (int c = 0; c < 3; c++)
                found &= picture->rgb[3 * p + c] == planes[c * IMAGE_PIXELS + p];
    }
    dataset_close(dataset);
    return found;
}

/* Nothing is written below any. */
static void assert_blank_below(void)
{
    for (int i = 0; i < standing_count; i++)
        for (int row = standing[i].row; row < standing[i].row + standing[i].rows; row++) {
            const char *text = pty_row(row);
            int column = 0;

            for (; *text; text++) {
                const bool inside = column >= standing[i].column && column < standing[i].column + standing[i].columns;

                if ((*text & 0xc0) == 0x80)
                    continue;
                if (inside && *text != ' ' && memcmp(text, "\xc2\xa0", 2) != 0)
                    fail_msg("something is written below a picture:\n%s", pty_text());
                column++;
            }
        }
}

static void kitty_shows_pictures_and_takes_them_away(void **state)
{
    int shown, sent;

    (void)state;
    picture_terminal(YES, PLAIN, 0, 0);
    start(100, 30, "TERM=xterm-256color");
    assert_int_equal(kitty_questions, 1);
    assert_int_equal(attribute_questions, 1);
    wait_for_pictures(-1);
    shown = standing_count;
    assert_int_equal(standing[0].width, 32);
    assert_int_equal(standing[0].height, 32);
    assert_int_equal(standing[0].columns, 2 * standing[0].rows);
    assert_true(is_training_image(&standing[0])); /* the left one of the first pair */
    assert_null(strstr(pty_text(), HALF_BLOCKS));
    assert_blank_below();

    sent = pictures_sent;
    pty_settle(); /* something else is drawn */
    assert_int_equal(pictures_sent, sent);
    pty_keys("\033[C"); /* another is chosen: no picture changes */
    pty_wait("2/16");
    assert_int_equal(pictures_sent, sent);
    pty_keys("?"); /* what the help covers goes; what is not covered stays */
    pty_wait("Keys and commands");
    pty_keys("\033");
    pty_wait_gone("Keys and commands");
    wait_for_pictures(shown);
    assert_blank_below();
    pty_keys("4");
    pty_wait("Signal propagation");
    wait_for_pictures(0);
    pty_keys("6");
    wait_for_pictures(shown);
    pty_resize(60, 18);
    pty_wait("p: next");
    wait_for_pictures_within(60, 18);
    assert_blank_below();
    pty_command("graphics cells");
    pty_wait(HALF_BLOCKS);
    wait_for_pictures(0);
    pty_command("graphics auto");
    pty_wait("drawn by kitty");
    wait_for_pictures(-1);
    leave();
    assert_int_equal(standing_count, 0);
}

/* Whatever ends it, none is left on the terminal. */
static void no_picture_is_left_behind(void **state)
{
    static const int signals[] = {SIGTERM, SIGSEGV, SIGABRT};

    (void)state;
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        picture_terminal(YES, PLAIN, 0, 0);
        start(100, 30, "TERM=xterm-256color");
        wait_for_pictures(-1);
        assert_int_equal(kill(pty_pid(), signals[i]), 0);
        pty_status();
        assert_int_equal(standing_count, 0);
        assert_true(pty_line_restored());
        assert_false(pty_modes().other_screen);
    }
}

static void sixels_fill_their_cells(void **state)
{
    int shown;

    (void)state;
    picture_terminal(NULL, SIXELS, 10, 20);
    start(100, 30, "TERM=xterm-256color");
    wait_for_pictures(-1);
    shown = standing_count;
    assert_int_equal(standing[0].width, 10 * standing[0].columns);
    assert_int_equal(standing[0].height, 20 * standing[0].rows);
    assert_blank_below();
    pty_keys("\014"); /* all is drawn anew */
    pty_settle();
    wait_for_pictures(shown);
    assert_true(pictures_sent >= 2 * shown);
    leave();
}

/* Without the size of its cells nothing can be drawn in them. */
static void sixels_need_the_size_of_cells(void **state)
{
    (void)state;
    picture_terminal(NULL, SIXELS, 0, 0);
    start(100, 30, "TERM=xterm-256color");
    pty_wait(HALF_BLOCKS);
    assert_int_equal(pictures_sent, 0);
    pty_command("graphics sixel");
    pty_wait("how many pixels");
    leave();
}

static void how_images_are_drawn_may_be_said_at_the_start(void **state)
{
    (void)state;
    picture_terminal(YES, PLAIN, 0, 0);
    pty_start(100, 30, CLOCK "TERM=xterm-256color", RUN " --graphics cells");
    pty_wait(" training ");
    pty_keys("6");
    pty_wait(HALF_BLOCKS);
    assert_int_equal(pictures_sent, 0);
    pty_end();
    picture_terminal(NULL, SIXELS, 0, 0);
    pty_start(100, 30, CLOCK "TERM=xterm-256color", RUN " --graphics sixel");
    pty_wait("--graphics sixel: this terminal does not say how many pixels");
}

static void a_terminal_that_never_answers_has_half_blocks(void **state)
{
    (void)state;
    picture_terminal(NULL, NULL, 10, 20);
    start(100, 30, "TERM=xterm-256color");
    pty_wait(HALF_BLOCKS);
    assert_int_equal(kitty_questions, 1);
    assert_int_equal(pictures_sent, 0);
    leave();
}

/* In the midst of a line that is being typed, whole or byte for byte: nothing of it is typed into the line. (An Escape
 * that stands alone for long is a key.) */
static void a_late_answer_is_no_key(void **state)
{
    static const char answer[] = YES PLAIN;

    (void)state;
    picture_terminal(NULL, NULL, 10, 20);
    start(100, 30, "TERM=xterm-256color");
    pty_wait(HALF_BLOCKS);
    pty_keys(":lr 0.0");
    for (const char *at = answer, *next; *at; at = next) {
        next = at + (*at == '\033' ? 2 : 1);
        pty_send(at, (size_t)(next - at));
    }
    pty_keys("25\r");
    pty_wait("lr 0.02 -> 0.025");
    wait_for_pictures(-1);
    pty_keys(YES SIXELS); /* unasked, once more */
    pty_settle();
    wait_for_pictures(-1);
    leave();
}

/* tmux would take kitty's question for a title. */
static void tmux_is_asked_for_its_attributes_alone(void **state)
{
    (void)state;
    picture_terminal(NULL, PLAIN, 10, 20);
    start(100, 30, "TERM=tmux-256color");
    pty_wait(HALF_BLOCKS);
    assert_int_equal(kitty_questions, 0);
    assert_int_equal(attribute_questions, 1);
    leave();
}

#define TEST(name) cmocka_unit_test_teardown(name, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(pages_on_the_screen),
        TEST(a_look_is_taken_when_asked_and_at_a_pause),
        TEST(the_end_of_a_run_can_be_looked_at),
        TEST(no_colors_and_ascii_will_do),
        TEST(kitty_shows_pictures_and_takes_them_away),
        TEST(no_picture_is_left_behind),
        TEST(sixels_fill_their_cells),
        TEST(sixels_need_the_size_of_cells),
        TEST(a_terminal_that_never_answers_has_half_blocks),
        TEST(how_images_are_drawn_may_be_said_at_the_start),
        TEST(a_late_answer_is_no_key),
        TEST(tmux_is_asked_for_its_attributes_alone),
    };
    return cmocka_run_group_tests(tests, pty_set_up, pty_tear_down);
}
