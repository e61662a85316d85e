/* The progress of a run: the bar keeps within the width and redraws no more than ten times a second; logs stay short.
 */
#include "tui/cli_progress.h"

#include <fcntl.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static const struct snapshot midway = {.state = TRAINER_RUNNING,
                                       .step = {.step = 500, .epoch = 1, .loss = 1.5f, .images_per_second = 412},
                                       .steps_total = 1000,
                                       .steps_per_epoch = 334,
                                       .epochs_total = 3,
                                       .eta_seconds = 75};

static int cells(const char *text)
{
    int count = 0;
    for (; *text; text++)
        count += ((unsigned char)*text & 0xC0) != 0x80; /* not a byte within a character */
    return count;
}

static void test_bar_keeps_within_every_width(void **state)
{
    (void)state;
    char text[PROGRESS_LINE_SIZE];
    for (int utf8 = 0; utf8 < 2; utf8++)
        for (int width = 0; width <= 400; width++) {
            const struct progress progress = {.utf8 = utf8, .loss = 1.5, .accuracy = 0.5, .weight = 1};
            progress_format(&progress, &midway, width, text);
            assert_true(cells(text) <= width);
            if (!utf8)
                assert_int_equal(cells(text), strlen(text));
        }
}

static void test_bar_says_all_where_there_is_room_and_the_loss_last(void **state)
{
    (void)state;
    char text[PROGRESS_LINE_SIZE];
    const struct progress progress = {.loss = 1.5, .accuracy = 0.5, .weight = 1};
    static const char *const all[] = {"epoch 2/3", "#",          "50 %",           "412 images/s",
                                      "ETA  1:15", "loss 1.500", "accuracy 50.0 %"};
    progress_format(&progress, &midway, 120, text);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        assert_non_null(strstr(text, all[i]));
    progress_format(&progress, &midway, 10, text);
    assert_string_equal(text, "loss 1.500");
}

static void test_bar_before_the_first_step_and_past_the_end(void **state)
{
    (void)state;
    char text[PROGRESS_LINE_SIZE];
    const struct progress progress = {0};
    const struct snapshot none = {.eta_seconds = -1, .epochs_total = 3};
    progress_format(&progress, &none, 80, text);
    assert_non_null(strstr(text, "epoch 1/3"));
    assert_non_null(strstr(text, "ETA     ?"));
    assert_null(strstr(text, "loss"));
    struct snapshot past = midway;
    past.step.step = 2000;
    past.step.epoch = 3;
    progress_format(&progress, &past, 80, text);
    assert_non_null(strstr(text, "epoch 3/3"));
    assert_non_null(strstr(text, "100 %"));
}

/* The steps of a trial are no steps of the run. */
static void test_bar_says_how_far_a_trial_is(void **state)
{
    (void)state;
    char text[PROGRESS_LINE_SIZE];
    const struct progress progress = {0};
    struct snapshot trying = midway;
    trying.state = TRAINER_TRYING;
    trying.trial = (struct trial_progress){.index = 1, .count = 3, .step = 57, .steps = 200};
    progress_format(&progress, &trying, 120, text);
    assert_non_null(strstr(text, "trying 2/3, step 57/200"));
    assert_non_null(strstr(text, " 28 %"));
}

static void test_bar_says_when_it_evaluates(void **state)
{
    (void)state;
    char text[PROGRESS_LINE_SIZE];
    const struct progress progress = {0};
    struct snapshot evaluating = midway;
    evaluating.state = TRAINER_EVALUATING;
    evaluating.evaluated = 300;
    evaluating.evaluate_total = 1000;
    progress_format(&progress, &evaluating, 120, text);
    assert_non_null(strstr(text, "evaluating   300/1000"));
}

/* A pipe or a pseudo terminal, and all that was written to it. */
struct sink {
    int read_end, write_end;
    char text[1 << 16];
};

static struct sink open_sink(bool terminal, unsigned short columns)
{
    struct sink sink = {0};
    int ends[2];
    if (terminal) {
        const struct winsize size = {.ws_row = 24, .ws_col = columns};
        assert_int_equal(openpty(&sink.read_end, &sink.write_end, NULL, NULL, &size), 0);
    } else {
        assert_int_equal(pipe(ends), 0);
        sink.read_end = ends[0];
        sink.write_end = ends[1];
    }
    assert_int_equal(fcntl(sink.read_end, F_SETFL, O_NONBLOCK), 0);
    return sink;
}

static void drain_sink(struct sink *sink)
{
    size_t used = strlen(sink->text);
    ssize_t count;
    while (used < sizeof sink->text - 1 &&
           (count = read(sink->read_end, sink->text + used, sizeof sink->text - 1 - used)) > 0)
        used += (size_t)count;
    sink->text[used] = '\0';
}

static void close_sink(struct sink *sink)
{
    close(sink->read_end);
    close(sink->write_end);
}

static int occurrences(const char *text, const char *what)
{
    int count = 0;
    for (const char *at = text; (at = strstr(at, what)); at += strlen(what))
        count++;
    return count;
}

static double seconds(void)
{
    struct timespec time;
    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &time), 0);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void test_terminal_is_redrawn_at_most_ten_times_a_second(void **state)
{
    (void)state;
    struct sink sink = open_sink(true, 80);
    struct progress progress;
    double start = seconds();
    progress_open(&progress, sink.write_end);
    for (int i = 0; i < 20000; i++)
        progress_show(&progress, &midway);
    double most = (seconds() - start) / 0.1 + 2;
    drain_sink(&sink);
    assert_true(occurrences(sink.text, "\r") >= 1);
    assert_true(occurrences(sink.text, "\r") <= most);
    assert_null(strchr(sink.text, '\n'));
    close_sink(&sink);
}

static void test_lines_stay_above_the_bar(void **state)
{
    (void)state;
    struct sink sink = open_sink(true, 40);
    struct progress progress;
    progress_open(&progress, sink.write_end);
    progress_show(&progress, &midway);
    progress_line(&progress, "a line");
    progress_show(&progress, &midway);
    progress_close(&progress);
    drain_sink(&sink);
    const char *line = strstr(sink.text, "\r\033[Ka line");
    assert_non_null(line);
    assert_non_null(strstr(line, "epoch 2/3"));                                          /* the bar is back */
    assert_string_equal(sink.text + strlen(sink.text) - strlen("\r\033[K"), "\r\033[K"); /* and gone at the end */
    close_sink(&sink);
}

static const struct event epoch_event = {.kind = EVENT_EPOCH,
                                         .epoch = {.step = 334,
                                                   .epoch = 1,
                                                   .train_loss = 1.5f,
                                                   .train_accuracy = 0.5f,
                                                   .validation_accuracy = 0.55f,
                                                   .validation_loss = 1.25f,
                                                   .test_accuracy = -1,
                                                   .test_loss = -1,
                                                   .seconds = 61,
                                                   .epoch_end = true}};

static void test_logs_have_a_line_an_epoch_and_no_bar(void **state)
{
    (void)state;
    struct sink sink = open_sink(false, 0);
    struct progress progress;
    progress_open(&progress, sink.write_end);
    for (int i = 0; i < 20000; i++)
        progress_show(&progress, &midway);
    progress_event(&progress, &epoch_event, &midway);
    progress_share(&progress, "evaluating", 1, 2);
    progress_doing(&progress, "opening");
    progress_close(&progress);
    drain_sink(&sink);
    assert_non_null(strstr(sink.text, "epoch 1/3  step 334  training 50.00 % (loss 1.5000)  validation 55.00 % (loss "
                                      "1.2500)  1:01"));
    assert_null(strstr(sink.text, "test")); /* not measured */
    assert_null(strpbrk(sink.text, "\r\033"));
    assert_true(occurrences(sink.text, "\n") <= 2);
    close_sink(&sink);
}

/* On a terminal of any width in one row; of what is not known nothing is said. */
static void test_bytes_keep_within_the_width(void **state)
{
    (void)state;
    for (unsigned short width = 10; width <= 200; width += 5) {
        struct sink sink = open_sink(true, width);
        struct progress progress;
        progress_open(&progress, sink.write_end);
        progress.utf8 = width % 2 == 0;
        progress_bytes(&progress, "downloading", 42e6, 170e6, 3e6);
        drain_sink(&sink);
        const char *shown = strchr(sink.text, '\r');
        assert_non_null(shown);
        char *end = strchr(shown, '\033');
        assert_non_null(end);
        *end = '\0';
        assert_in_range(cells(shown + 1), 1, width - 1);
        if (width >= 80)
            assert_non_null(strstr(shown, "24 %  42 MB of 170 MB  3 MB/s  ETA 0:43"));
        close_sink(&sink);
    }
}

static void test_logs_are_told_a_share_now_and_then(void **state)
{
    (void)state;
    struct sink sink = open_sink(false, 0);
    struct progress progress;
    progress_open(&progress, sink.write_end);
    progress.next = 0; /* half a minute has gone by */
    for (int i = 100; i < 1000; i++)
        progress_share(&progress, "evaluating", i, 1000);
    progress_close(&progress);
    drain_sink(&sink);
    assert_string_equal(sink.text, "evaluating 100 of 1000\n");
    close_sink(&sink);
}

static void test_smoothing_starts_at_the_first_value_and_follows(void **state)
{
    (void)state;
    struct sink sink = open_sink(false, 0);
    struct progress progress;
    struct event event = {.kind = EVENT_STEPS, .steps = {.count = 1, .loss_sum = 2, .accuracy_sum = 0.25}};
    progress_open(&progress, sink.write_end);
    progress_event(&progress, &event, &midway);
    assert_float_equal(progress.loss, 2, 1e-9);
    assert_float_equal(progress.accuracy, 0.25, 1e-9);
    event.steps = (struct step_summary){.count = 1000, .loss_sum = 500, .accuracy_sum = 750};
    progress_event(&progress, &event, &midway);
    assert_float_equal(progress.loss, 0.5, 1e-6);
    assert_float_equal(progress.accuracy, 0.75, 1e-6);
    close_sink(&sink);
}

static void test_a_listener_that_leaves_is_no_error(void **state)
{
    (void)state;
    struct sink sink = open_sink(false, 0);
    struct progress progress;
    progress_open(&progress, sink.write_end);
    close(sink.read_end);
    progress_line(&progress, "to nobody");
    assert_true(progress.silent);
    progress_event(&progress, &epoch_event, &midway);
    progress_close(&progress);
    close(sink.write_end);
}

static int setup(void **state)
{
    (void)state;
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR || setenv("TERM", "tmux-256color", 1) != 0)
        return -1;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bar_keeps_within_every_width),
        cmocka_unit_test(test_bar_says_all_where_there_is_room_and_the_loss_last),
        cmocka_unit_test(test_bar_before_the_first_step_and_past_the_end),
        cmocka_unit_test(test_bar_says_how_far_a_trial_is),
        cmocka_unit_test(test_bar_says_when_it_evaluates),
        cmocka_unit_test(test_terminal_is_redrawn_at_most_ten_times_a_second),
        cmocka_unit_test(test_lines_stay_above_the_bar),
        cmocka_unit_test(test_logs_have_a_line_an_epoch_and_no_bar),
        cmocka_unit_test(test_bytes_keep_within_the_width),
        cmocka_unit_test(test_logs_are_told_a_share_now_and_then),
        cmocka_unit_test(test_smoothing_starts_at_the_first_value_and_follows),
        cmocka_unit_test(test_a_listener_that_leaves_is_no_error),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
