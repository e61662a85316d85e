/* The screen on other terminals than the usual: small, growing and shrinking, without colours, without UTF-8. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "tests/terminal/tmux.h"

/* The screen's number of lines and the columns of its first, in characters. */
static void it_fills_the_screen(int columns, int rows)
{
    const char *text = screen_text();
    int lines = 0, characters = 0;

    for (const char *at = text; *at; at++) {
        lines += *at == '\n';
        characters += lines == 0 && (*at & 0xc0) != 0x80;
    }
    assert_int_equal(lines, rows);
    assert_true(characters <= columns);
}

static void every_size_and_back(void **state)
{
    static const struct {
        int columns, rows;
        const char *words;
    } sizes[] = {{80, 24, " Accuracy \xe2\x94\x80"},
                 {60, 18, " Accuracy \xe2\x94\x80"},
                 {40, 10, " Loss "},
                 {30, 8, "too small"},
                 {10, 2, "10x2"},
                 {160, 48, "\xe2\x95\xad"},
                 {80, 24, " Accuracy \xe2\x94\x80"}};

    (void)state;
    screen_start(100, 30, "", TINY);
    wait_for_step_above(3);
    screen_key("Space");
    wait_for(" paused ");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        screen_resize(sizes[i].columns, sizes[i].rows);
        wait_for(sizes[i].words);
        it_fills_the_screen(sizes[i].columns, sizes[i].rows);
    }
    wait_for(" paused ");
    wait_for("q quit");
    screen_leave();
}

static void a_storm_of_sizes(void **state)
{
    (void)state;
    screen_start(100, 30, "", TINY);
    wait_for_step_above(0);
    for (int i = 0; i < 40; i++)
        screen_resize(20 + i * 37 % 150, 4 + i * 11 % 50);
    screen_resize(90, 28);
    wait_for("q quit");
    wait_for(" training ");
    wait_for_step_above(screen_step());
    screen_leave();
}

/* A shell may export them, of another terminal or of this one before it was resized. */
static void the_terminal_knows_its_size_better_than_the_environment(void **state)
{
    (void)state;
    screen_start(100, 30, "COLUMNS=40 LINES=10", TINY);
    wait_for_in_row(30, "Tab completes there"); /* the last one, and behind 40 columns */
    screen_resize(120, 40);
    wait_for_in_row(40, "Tab completes there");
    screen_leave();
}

/* Colours in what tmux captures: ESC [ 3x, 4x, 9x, 38, 48; 39 and 49 are the terminal's own. */
static bool has_colors(const char *raw)
{
    for (const char *at = raw; (at = strstr(at, "\033[")); at++)
        for (const char *part = at + 2; *part && *part != 'm'; part++) {
            bool begins = part == at + 2 || part[-1] == ';';

            if (begins && strchr("349", part[0]) && part[1] >= '0' && part[1] <= '8')
                return true;
        }
    return false;
}

static void colors_where_there_are_some(void **state)
{
    (void)state;
    screen_start(100, 30, "COLORTERM=", TINY);
    wait_for_step_above(3);
    assert_true(has_colors(screen_raw()));
    assert_non_null(strstr(screen_raw(), "48;5;"));
    screen_leave();
}

static void true_colors_where_the_terminal_says_so(void **state)
{
    (void)state;
    screen_start(100, 30, "COLORTERM=truecolor", TINY);
    wait_for_step_above(3);
    assert_non_null(strstr(screen_raw(), "38;2;"));
    assert_non_null(strstr(screen_raw(), "48;2;15;20;25")); /* the dark theme's background */
    screen_leave();
    assert_terminal_restored();
}

static void no_color_means_none(void **state)
{
    (void)state;
    screen_start(100, 30, "NO_COLOR=1", TINY);
    wait_for_step_above(3);
    assert_false(has_colors(screen_raw()));
    assert_non_null(strstr(screen_raw(), "\033[1m")); /* attributes are left */
    screen_leave();
}

static void a_vt100_has_none_either(void **state)
{
    (void)state;
    screen_start(100, 30, "TERM=vt100", TINY);
    wait_for_step_above(3);
    assert_false(has_colors(screen_raw()));
    screen_command("theme dark");
    wait_for("has no colours");
    screen_leave();
}

static void eight_colors_do(void **state)
{
    (void)state;
    screen_start(100, 30, "TERM=screen", TINY);
    wait_for_step_above(3);
    assert_true(has_colors(screen_raw()));
    assert_null(strstr(screen_raw(), "38;5;"));
    screen_leave();
}

static void a_locale_without_utf_8_gets_ascii(void **state)
{
    (void)state;
    screen_start(80, 24, "LC_ALL=C", TINY);
    wait_for_step_above(3);
    wait_for_ascii();
    screen_command("glyphs braille");
    wait_for("ASCII alone");
    screen_leave();
}

/* A paused run leaves the terminal in peace; a training one costs little. */
static void nothing_is_drawn_when_nothing_changes(void **state)
{
    (void)state;
    screen_start(100, 30, "", TINY);
    wait_for_step_above(3);
    screen_key("Space");
    wait_for(" paused ");
    wait_for("space resume");
    screen_stays_quiet();
    screen_leave();
}

#define TEST(name) cmocka_unit_test_teardown(name, screen_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_size_and_back),
        TEST(a_storm_of_sizes),
        TEST(the_terminal_knows_its_size_better_than_the_environment),
        TEST(colors_where_there_are_some),
        TEST(true_colors_where_the_terminal_says_so),
        TEST(no_color_means_none),
        TEST(a_vt100_has_none_either),
        TEST(eight_colors_do),
        TEST(a_locale_without_utf_8_gets_ascii),
        TEST(nothing_is_drawn_when_nothing_changes),
    };
    return cmocka_run_group_tests(tests, tmux_set_up, tmux_tear_down);
}
