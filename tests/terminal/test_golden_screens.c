/* Golden screens: each view at four sizes, as text, of a run with a fixed seed under a clock that stands. To write them
 * anew, after having looked at them: make golden-screens. Where the processor, or the compiler, rounds otherwise than
 * where they were written, the run's digits and curves are not compared, and the test says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/terminal/pty.h"
#include "tui/layout.h"

enum { SCREENS_SIZE = 1 << 20 };

#define FOLDER "tests/terminal/golden/"
#define RUN                                                                                                            \
    "--data synthetic --family papers --stem 8 --stages 16/8x2,32/16x2/2 --limit 512 --validation 64 --batch 16 "      \
    "--threads 1 --precision fp32 --epochs 2 --lr 0.05 --schedule cosine --seed 1 --probe-every 8 --session golden"

struct golden {
    const char *name, *environment;
    int columns, rows;
};

static char screens[SCREENS_SIZE], expected[SCREENS_SIZE];

/* A sum of all losses to their last digit: two that are the same were computed alike. */
static unsigned sum_of_losses(void)
{
    FILE *file = fopen(pty_path("sessions/golden/metrics.jsonl"), "r");
    char line[1 << 14];
    unsigned sum = 2166136261u;

    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        const char *at = strstr(line, "\"loss\":");

        for (; at && *at != ',' && *at != '}'; at++)
            sum = (sum ^ (unsigned char)*at) * 16777619u;
    }
    fclose(file);
    return sum;
}

/* What the machine does just now is no business of a golden screen: it shows this one, of which all lines are there
 * from the first look on. What they say hangs on the number of looks all the same. */
static void make_machine(void)
{
    char *machine = realpath("tests/tui/machines/version2", NULL);

    assert_non_null(machine);
    assert_int_equal(symlink(machine, pty_path("machine")), 0);
    free(machine);
}

/* From these labels on to the panel's edge. */
static void hide_machine(char *text)
{
    static const char *const labels[] = {"processor  ", "machine  ", "each  ", "memory  ", "this screen "};

    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++)
        for (char *at = text; (at = strstr(at, labels[i]));) {
            char *end;

            at += strlen(labels[i]);
            for (end = at; *end && *end != '\n' && strncmp(end, "\xe2\x94\x82", 3) != 0;)
                end++;
            memmove(at, end, strlen(end) + 1);
        }
}

/* Appends the open view to `screens`. Of the machine's own view only what does not hang on the machine: keys and
 * command line. */
static size_t add_screen(const struct golden *golden, enum view view, size_t used)
{
    used += (size_t)snprintf(screens + used, sizeof screens - used, "---- %s\n", view_name(view));
    if (view != VIEW_SYSTEM)
        used += (size_t)snprintf(screens + used, sizeof screens - used, "%s", pty_text());
    for (int row = golden->rows - 2; view == VIEW_SYSTEM && row < golden->rows; row++)
        used += (size_t)snprintf(screens + used, sizeof screens - used, "%s\n", pty_row(row));
    assert_true(used < sizeof screens);
    return used;
}

static void draw_all(const struct golden *golden)
{
    size_t used;

    make_machine();
    pty_start(golden->columns, golden->rows, golden->environment, RUN);
    pty_wait("q leaves");
    used = (size_t)snprintf(screens, sizeof screens, "losses %08x\n", sum_of_losses());
    for (int view = 0; view < VIEW_COUNT; view++) {
        char command[64];

        snprintf(command, sizeof command, "view %s", view_name((enum view)view));
        pty_command(command);
        pty_settle();
        pty_wait_gone("reading the folder"); /* of the sessions, on a thread of its own */
        pty_take_until_quiet(60);
        used = add_screen(golden, (enum view)view, used);
    }
    hide_machine(screens);
    pty_keys("q");
    assert_int_equal(pty_status(), 0);
    assert_true(pty_line_restored());
}

static void write_golden(const char *path)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(screens, file) >= 0);
    assert_int_equal(fclose(file), 0);
    print_message("wrote %s\n", path);
}

static void read_golden(const char *path)
{
    FILE *file = fopen(path, "r");
    size_t used;

    if (!file)
        fail_msg("%s is not there", path);
    used = fread(expected, 1, sizeof expected - 1, file);
    expected[used] = 0;
    fclose(file);
}

/* Digits become '0', what curves and bars are drawn with becomes a blank, as where they are not: a curve that rounds
 * otherwise may go through the next cell. Blanks at a line's end go. */
static void blur(char *text)
{
    char *to = text, *line = text;

    for (const char *from = text; *from;) {
        unsigned char byte = (unsigned char)*from;
        bool drawn = byte == 0xe2 && ((unsigned char)from[1] >= 0xa0 || (unsigned char)from[1] == 0x96);

        if (byte == '\n')
            while (to > line && to[-1] == ' ')
                to--;
        *to++ = drawn ? ' ' : byte >= '0' && byte <= '9' ? '0' : *from;
        if (byte == '\n')
            line = to;
        from += drawn ? 3 : 1;
    }
    *to = 0;
}

/* Otherwise the screens of another processor would differ, or nothing would. */
static void what_rounds_is_blurred_and_words_are_not(void **state)
{
    char one[] = "Loss 1.25 \u2502\u28c0  \u2580\u2502\nx \u28c0\n", other[] = "Loss 3.07 \u2502  \u28ff \u2502\nx\n";
    char word[] = "Lass 1.25 \u2502    \u2502\nx\n";

    (void)state;
    blur(one);
    blur(other);
    blur(word);
    assert_string_equal(one, other);
    assert_string_not_equal(one, word);
}

/* The first line that differs, and in which view. */
static void compare(const char *path)
{
    const char *is = screens, *should = expected;
    char view[64] = "";
    int line = 1;

    while (*is && *should) {
        size_t a = strcspn(is, "\n"), b = strcspn(should, "\n");

        if (a != b || strncmp(is, should, a) != 0)
            break;
        if (strncmp(is, "---- ", 5) == 0)
            snprintf(view, sizeof view, "%.*s", (int)a, is);
        line++;
        is += a + (is[a] == '\n');
        should += b + (should[b] == '\n');
    }
    if (*is || *should)
        fail_msg("%s:%d, %s:\nis     %.*s\nshould %.*s\n(make golden-screens writes them anew)", path, line, view,
                 (int)strcspn(is, "\n"), is, (int)strcspn(should, "\n"), should);
}

static void looks_as_ever(void **state)
{
    const struct golden *golden = *state;
    char path[128];

    draw_all(golden);
    snprintf(path, sizeof path, FOLDER "%s.txt", golden->name);
    if (getenv("NFBENCH_WRITE_GOLDEN")) {
        write_golden(path);
        return;
    }
    read_golden(path);
    if (strncmp(screens, expected, strcspn(expected, "\n")) != 0) {
        print_message("%s was written where numbers round otherwise: digits and curves are not compared\n", path);
        blur(strchr(screens, '\n'));
        blur(strchr(expected, '\n'));
        memmove(screens, strchr(screens, '\n'), strlen(strchr(screens, '\n')) + 1);
        memmove(expected, strchr(expected, '\n'), strlen(strchr(expected, '\n')) + 1);
    }
    compare(path);
}

/* The machine lies where it runs. */
#define CLOCK "NFBENCH_CLOCK=1700000000 NFBENCH_MACHINE=machine "

static const struct golden goldens[] = {{"60x18", CLOCK, 60, 18},
                                        {"80x24", CLOCK, 80, 24},
                                        {"160x48", CLOCK, 160, 48},
                                        {"200x60", CLOCK, 200, 60},
                                        {"80x24-mono", CLOCK "NO_COLOR=1", 80, 24},
                                        {"80x24-ascii", CLOCK "LC_ALL=C", 80, 24}};

enum { GOLDENS = sizeof goldens / sizeof *goldens };

int main(void)
{
    struct CMUnitTest tests[GOLDENS + 1] = {[GOLDENS] = cmocka_unit_test(what_rounds_is_blurred_and_words_are_not)};

    for (size_t i = 0; i < GOLDENS; i++)
        tests[i] = (struct CMUnitTest){goldens[i].name, looks_as_ever, pty_set_up, pty_tear_down, (void *)&goldens[i]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
