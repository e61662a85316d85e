/* The screen's manners: whatever ends it in whatever view, the terminal is as it was; idle, it sleeps; drawing a point
 * more costs few bytes; no keys, in no view and at no size, bring it down or leave a mess behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/terminal/pty_internal.h"
#include "tui/layout.h"

#define CLOCK "NFBENCH_CLOCK=1700000000 "
#define MODEL                                                                                                          \
    "--data synthetic --stem 8 --stages 16/8x2 --limit 2000 --validation 200 --batch 8 --threads 1 --precision fp32 "  \
    "--lr 0.02 --schedule constant "
#define LONG MODEL "--epochs 400 "

static void open_view(int view)
{
    char command[64];

    snprintf(command, sizeof command, "view %s", view_name((enum view)view));
    pty_command(command);
}

/* As the header has it: the log says so before it is. */
static bool is_paused(void)
{
    return strstr(pty_row(0), " paused ") || strstr(pty_row(1), " paused ");
}

/* A run that stands still: whatever moves on the screen then is the screen's own doing. */
static void start_paused(int columns, int rows, const char *environment, const char *arguments)
{
    pty_start(columns, rows, environment, arguments);
    pty_wait(" training ");
    pty_keys(" ");
    for (const long limit = pty_now() + PTY_PATIENCE_MS; !is_paused(); pty_take(50))
        assert_true(pty_now() < limit && pty_runs());
    pty_settle();
}

/* ---- The terminal afterwards ---- */

static void assert_restored(void)
{
    const struct pty_modes modes = pty_modes();

    assert_true(pty_line_restored());
    assert_false(modes.other_screen);
    assert_true(modes.cursor);
    assert_int_equal(modes.mouse, 0);
}

/* One of the two in each view, in turn: both end it in the same way. */
static void ends_in_every_view(const int numbers[2], bool crash)
{
    for (int view = 0; view < VIEW_COUNT; view++) {
        const int number = numbers[view % 2];
        int status;

        /* without the names of functions, which take a sanitizer long to find */
        pty_start(80, 24, "ASAN_OPTIONS=symbolize=0", LONG);
        pty_wait(" training ");
        open_view(view);
        pty_settle();
        assert_true(pty_modes().other_screen);
        assert_int_equal(kill(pty_pid(), number), 0);
        status = pty_status();
        if (crash)
            assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
        else
            assert_int_equal(WEXITSTATUS(status), 130);
        assert_restored();
    }
}

static void a_crash(void **state)
{
    (void)state;
    ends_in_every_view((const int[]){SIGSEGV, SIGABRT}, true);
}

static void a_signal(void **state)
{
    (void)state;
    ends_in_every_view((const int[]){SIGTERM, SIGINT}, false);
}

/* ---- What it costs ---- */

/* Processor time of the screen's thread, and how often it has woken. */
struct effort {
    double seconds;
    long wakes;
};

static struct effort screen_effort(void)
{
    struct effort effort = {0};
    char path[64], line[1024];
    long user = 0, system = 0;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/task/%d/stat", pty_pid(), pty_pid());
    file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof line, file));
    fclose(file);
    assert_int_equal(
        sscanf(strrchr(line, ')') + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld", &user, &system), 2);
    effort.seconds = (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
    snprintf(path, sizeof path, "/proc/%d/task/%d/status", pty_pid(), pty_pid());
    file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file))
        (void)sscanf(line, "voluntary_ctxt_switches: %ld", &effort.wakes);
    fclose(file);
    return effort;
}

static bool rests_for_half_a_second(bool silent)
{
    const long bytes = pty_bytes(), from = pty_now();
    const struct effort before = screen_effort();
    struct effort after;
    double seconds;

    while (pty_now() < from + 500)
        pty_take(100);
    after = screen_effort();
    seconds = (double)(pty_now() - from) / 1000;
    after.seconds -= before.seconds;
    after.wakes -= before.wakes;
    if (after.seconds <= 0.05 * seconds && (double)after.wakes <= 2 + 30 * seconds && (!silent || pty_bytes() == bytes))
        return true;
    print_message("in %.2f s: %ld bytes, %.3f s of the processor, %ld wakes\n", seconds, pty_bytes() - bytes,
                  after.seconds, after.wakes);
    return false;
}

/* Paused, each view comes to rest: half a second without a byte (but for gauges, which go on), at most 5 % of a
 * processor and few wakes. What the view has asked for may come before. */
static void idle_it_sleeps(void **state)
{
    (void)state;
    start_paused(160, 48, CLOCK, LONG);
    for (int view = 0; view < VIEW_COUNT; view++) {
        open_view(view);
        pty_settle();
        for (int windows = 0; !rests_for_half_a_second(view != VIEW_SYSTEM); windows++)
            if (windows == 100)
                fail_msg("%s does not come to rest", view_name((enum view)view));
    }
    pty_keys("q");
    assert_int_equal(pty_status(), 0);
}

static int by_size(const void *a, const void *b)
{
    const long x = *(const long *)a, y = *(const long *)b;

    return (x > y) - (x < y);
}

/* What of the header is taken anew seldom: the numbers behind the step's, and how fast it is. */
static void copy_figures(char figures[256])
{
    int row, column;

    assert_true(pty_find(" epoch ", &row, &column));
    snprintf(figures, 256, "%.120s", strstr(pty_row(row), " epoch "));
    assert_true(pty_find("images/s ", &row, &column));
    snprintf(figures + strlen(figures), 128, "%.100s", strstr(pty_row(row), "images/s "));
}

static long step_shown(void)
{
    long step = 0;
    int row, column;

    assert_true(pty_find(" step ", &row, &column));
    for (const char *at = strstr(pty_row(row), " step ") + 6; *at && *at != '/'; at++)
        if (*at >= '0' && *at <= '9')
            step = 10 * step + *at - '0';
    return step;
}

/* Costs of so many drawings, the dearest last. */
struct costs {
    long of[64];
    int count;
};

static void assert_median(struct costs *costs, const char *what, long budget)
{
    if (costs->count == 0)
        return;
    qsort(costs->of, (size_t)costs->count, sizeof *costs->of, by_size);
    print_message("%s: %ld bytes, from %ld to %ld, %d times\n", what, costs->of[costs->count / 2], costs->of[0],
                  costs->of[costs->count - 1], costs->count);
    assert_true(costs->count < 5 || costs->of[costs->count / 2] <= budget);
}

/* Steps that take far longer than a frame: each burst is one point more on the chart and the step's number, moves of
 * the cursor and colours included. The other figures of the header, which stand a while, come with some of them: with
 * all where a step takes longer than they stand. Where an axis grows, more is drawn: the medians count. Two points that
 * a quick or a busy machine draws at once are not one point more. */
static void a_point_more_costs_few_bytes(void **state)
{
    enum { FIRST = 5, POINTS = 15, BURSTS = 40, ALONE = 130, WITH_FIGURES = 200 };
    struct costs alone = {.count = 0}, with_figures = {.count = 0}, *costs;
    char figures[256], before_figures[256];
    long before, step;

    (void)state;
    pty_start(100, 30, CLOCK,
              "--data synthetic --stem 32 --stages 64/32x4 --limit 9000 --validation 200 --batch 64 --threads 1 "
              "--precision fp32 --lr 0.005 --probe-every 0");
    pty_wait(" training ");
    pty_command("view loss");
    pty_settle();
    for (int i = 0; i < BURSTS && alone.count + with_figures.count < POINTS; i++) {
        pty_take_until_quiet(120);
        before = pty_bytes();
        copy_figures(before_figures);
        step = step_shown();
        while (!pty_take(1000))
            assert_true(pty_runs());
        pty_take_until_quiet(120);
        copy_figures(figures);
        if (step < FIRST || step_shown() != step + 1) /* the axes find their ranges first */
            continue;
        costs = strcmp(figures, before_figures) == 0 ? &alone : &with_figures;
        costs->of[costs->count++] = pty_bytes() - before;
    }
    assert_median(&alone, "a point more", ALONE);
    assert_median(&with_figures, "a point more and all figures", WITH_FIGURES);
}

/* Each drawing writes the letter of the last key anew, and neither stands elsewhere; "[Z" is a move of the cursor. */
static long drawings;

static size_t count_drawings(char *bytes, size_t count)
{
    static char before;

    for (size_t i = 0; i < count; before = bytes[i++])
        drawings += (bytes[i] == 'Y' || bytes[i] == 'Z') && before != '[';
    return count;
}

/* Each key changes a word; a busy machine makes the time longer, and the bound with it. */
static void keys_are_drawn_thirty_times_a_second_at_most(void **state)
{
    enum { KEYS = 1000 };
    long from;

    (void)state;
    pty_set_filter(count_drawings);
    start_paused(100, 30, CLOCK, LONG);
    from = pty_now();
    drawings = 0;
    for (int i = 0; i < KEYS; i++) {
        pty_keys(i % 2 ? "Y" : "Z");
        pty_take(1);
    }
    print_message("%d keys: %ld drawings in %ld ms\n", KEYS, drawings, pty_now() - from);
    assert_true(drawings > 0);
    assert_true(drawings <= 2 + 30 * (pty_now() - from) / 1000);
    pty_settle();
    pty_set_filter(NULL);
}

/* ---- Any keys at all ---- */

static unsigned long seed;

static unsigned draw(unsigned below)
{
    seed = seed * 6364136223846793005ul + 1442695040888963407ul;
    return (unsigned)(seed >> 33) % below;
}

/* A key, a piece of one, a click, or a byte. The keys that end or stop the program are not among them. */
static size_t draw_key(char *out)
{
    static const char *const keys[] = {"\033[A",  "\033[B", "\033[C", "\033[D",   "\033[H", "\033[F", "\033[5~",
                                       "\033[6~", "\033[Z", "\t",     "\r",       "\033",   "?",      ":",
                                       "\x7f",    "\014",   "\022",   "\033[<0;", "\033[",  "\033[M"};
    const unsigned kind = draw(10);
    unsigned char byte;

    if (kind < 5)
        return (size_t)sprintf(out, "%s", keys[draw(sizeof keys / sizeof *keys)]);
    if (kind == 5)
        return (size_t)sprintf(out, "\033[<%u;%u;%u%c", draw(70), draw(120), draw(40), draw(2) ? 'M' : 'm');
    do
        byte = (unsigned char)(kind < 9 ? ' ' + draw(95) : draw(256));
    while (byte == 'q' || byte == 3 || byte == 26 || byte == 28);
    out[0] = (char)byte;
    return 1;
}

enum { ROWS = 30 };

/* Gauges go on, and the list of sessions is read again now and then. */
static bool goes_on(const char *text)
{
    return strstr(text, "processor  ") || strstr(text, "\u2500 Runs");
}

/* Back to where a key means itself and nothing moves: no half of a key, no command line, no message, a paused run. */
static void calm_down(void)
{
    for (int i = 0; i < 3; i++) {
        pty_keys("\033");
        pty_take_until_quiet(60);
    }
    pty_keys("\033[99~");
    pty_settle();
    pty_command("pause");
    for (long limit = pty_now() + PTY_PATIENCE_MS; !is_paused() || !strstr(pty_row(ROWS - 1), "paused at step");
         pty_take(50))
        assert_true(pty_now() < limit);
    if (goes_on(pty_text()))
        open_view(VIEW_LOG);
    pty_settle();
    pty_settle(); /* long enough for one more look at the run */
    pty_wait_gone("being measured");
    pty_settle();
}

/* What is on the screen is what a fresh drawing of it shows. */
static void assert_no_mess(void)
{
    char *before = strdup(pty_text());
    const char *after;

    assert_non_null(before);
    pty_keys("\014"); /* Ctrl-L */
    pty_settle();
    after = pty_text();
    for (const char *was = before; *after; after += strcspn(after, "\n") + 1, was += strcspn(was, "\n") + 1)
        if (strncmp(was, after, strcspn(after, "\n") + 1) != 0)
            fail_msg("a new drawing shows something else:\nwas %.*s\nis  %.*s", (int)strcspn(was, "\n"), was,
                     (int)strcspn(after, "\n"), after);
    free(before);
}

static void no_keys_bring_it_down(void **state)
{
    enum { KEYS = 10000, ROUND = 500 };
    char key[32];

    (void)state;
    seed = 20261127;
    start_paused(100, ROWS, CLOCK, LONG);
    for (int count = 0; count < KEYS; count += ROUND) {
        open_view(count / ROUND % VIEW_COUNT);
        for (int i = 0; i < ROUND; i++) {
            pty_send(key, draw_key(key));
            if (i % 8 == 0)
                pty_take(0);
        }
        calm_down();
        if (!pty_runs())
            fail_msg("it has ended after %d keys:\n%s", count + ROUND, pty_text());
        assert_no_mess();
    }
    pty_keys("q");
    assert_int_equal(pty_status(), 0);
    assert_restored();
}

/* An answer of the terminal that does not end: more than there is room for, and nobody has hung up. */
static void a_key_without_an_end_is_let_go(void **state)
{
    (void)state;
    start_paused(80, 24, CLOCK, LONG);
    pty_keys("\033[?");
    for (int i = 0; i < 10000; i++)
        pty_keys("1;");
    pty_keys("\033");
    pty_take_until_quiet(200);
    pty_settle();
    pty_wait(" paused ");
    pty_keys("q");
    assert_int_equal(pty_status(), 0);
}

/* At Ctrl-C the line throws away what the program has written and the terminal has not read, here the end of a frame of
 * more bytes than wait to be read at one time. */
static void ctrl_c_leaves_no_half_of_a_frame(void **state)
{
    enum { BEGUN = 2048 };
    int waiting = 0;

    (void)state;
    start_paused(160, 48, CLOCK, LONG);
    pty_keys(":zzz");
    pty_wait(":zzz");
    pty_take_until_quiet(60);
    pty_resize(200, ROWS + 30);
    for (const long limit = pty_now() + PTY_PATIENCE_MS; waiting < BEGUN; poll(NULL, 0, 10)) {
        assert_int_equal(ioctl(pty.terminal, FIONREAD, &waiting), 0);
        assert_true(pty_now() < limit);
    }
    pty_keys("\003");
    pty_wait_gone(":zzz");
    pty_settle();
    assert_no_mess();
    pty_keys("q");
    assert_int_equal(pty_status(), 0);
}

/* What a person typed comes back in the log. U+05BF has no width of its own for curses, which would draw it over what
 * stands before. */
static void a_letter_without_width_shifts_nothing(void **state)
{
    (void)state;
    start_paused(80, 24, CLOCK, LONG);
    pty_command("view log");
    pty_command("note a\xd6\xbfz");
    pty_wait("note a\xef\xbf\xbdz");
    pty_keys("q");
    assert_int_equal(pty_status(), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, pty_set_up, pty_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_point_more_costs_few_bytes),
        TEST(keys_are_drawn_thirty_times_a_second_at_most),
        TEST(no_keys_bring_it_down),
        TEST(a_key_without_an_end_is_let_go),
        TEST(ctrl_c_leaves_no_half_of_a_frame),
        TEST(a_letter_without_width_shifts_nothing),
        TEST(a_crash),
        TEST(a_signal),
        TEST(idle_it_sleeps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
