/* The calendar jumps while a run trains, and files bear the dates of other years: training, durations, names and lists
 * are none the worse. */
#include "tests/faults/faults.h"
#include "tests/support/noon.h"
#include "tests/terminal/pty.h"

#include <fcntl.h>
#include <regex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { YEAR = 365 * 86400 };
static const long jumps[] = {-60L * YEAR, -YEAR, -3600, 3600, 80L * YEAR};
enum { JUMPS = sizeof jumps / sizeof *jumps };

#define LONG FAULTS_RUN "--epochs 40 "

static int set_up(void **state)
{
    be_noon();
    return faults_setup(state) != 0 || pty_set_up(state) != 0 ? -1 : 0;
}

static int tear_down(void **state)
{
    pty_tear_down(state);
    return faults_teardown(state);
}

/* Fails the test when a duration or a speed is below nothing. */
static void assert_no_negative_time(const char *text)
{
    regex_t negative;
    regmatch_t found;
    assert_int_equal(regcomp(&negative, "-[0-9]+:[0-9][0-9]|-[0-9.]+ (images|ms|s\\b|h\\b)", REG_EXTENDED), 0);
    if (regexec(&negative, text, 1, &found, 0) == 0)
        fail_msg("below nothing: %.60s", text + found.rm_so);
    regfree(&negative);
}

static void assert_durations(const char *name)
{
    struct settings settings;
    struct session *session;
    struct metrics metrics;
    double before = 0;
    assert_int_equal(settings_default(&settings, NULL), 0);
    assert_int_equal(session_open(&settings, name, SESSION_READ, &session, NULL), 0);
    assert_int_equal(session_metrics(session, &metrics, NULL), 0);
    for (int i = 0; i < metrics.step_count; i++) {
        assert_true(metrics.steps[i].seconds >= before && metrics.steps[i].images_per_second > 0);
        before = metrics.steps[i].seconds;
    }
    assert_true(before < 3600);
    metrics_free(&metrics);
    session_close(session);
}

static void begin_jump(void)
{
    FILE *file = fopen(process_path("now"), "w");
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
}

static void a_run_whose_calendar_jumps_is_the_same(void **state)
{
    (void)state;
    run_expecting(0, "train " LONG "--session long");
    for (int i = 0; i < JUMPS; i++) {
        snprintf(trial, sizeof trial, "a jump of %ld s", jumps[i]);
        shim_load(&(struct shim){.clock = jumps[i], .clock_from = "now"});
        struct process process = process_start("train " LONG "--session jump", NULL);
        shim_unload();
        wait_for_text("nfbench/jump/metrics.jsonl", "\"step\":7,");
        begin_jump(); /* in the middle of a step, or of something else */
        const struct outcome *outcome = process_finish(&process);
        assert_int_equal(outcome->status, 0);
        assert_no_negative_time(outcome->err);
        assert_no_negative_time(outcome->out);
        assert_same_course("jump", "long");
        assert_durations("jump");
        assert_no_negative_time(run_expecting(0, "sessions show jump")->out);
        session_wipe("jump");
        assert_int_equal(unlink(process_path("now")), 0);
    }
    trial[0] = '\0';
}

/* In whatever year they are made, two of a day and all others have names of their own. */
static void names_are_made_in_any_year(void **state)
{
    (void)state;
    for (int i = 0; i < JUMPS; i++) {
        const time_t now = time(NULL) + jumps[i];
        char day[16], first[64], second[64];
        struct tm local;
        assert_non_null(localtime_r(&now, &local));
        assert_true(strftime(day, sizeof day, "%Y%m%d", &local) > 0);
        snprintf(first, sizeof first, "%s-micro-1", day);
        snprintf(second, sizeof second, "%s-micro-2", day);
        snprintf(trial, sizeof trial, "%s", first);
        shim_load(&(struct shim){.clock = jumps[i]});
        run_expecting(0, "train " FAULTS_RUN "--steps 2");
        run_expecting(0, "train " FAULTS_RUN "--steps 2");
        run_expecting(0, "sessions");
        shim_unload();
        const bool same_day = jumps[i] > -86400 && jumps[i] < 86400; /* whose numbers others of them may have */
        assert_true(same_day || (session_is_there(first) && session_is_there(second)));
        assert_non_null(strstr(run_expecting(0, "sessions")->out, day));
    }
    trial[0] = '\0';
}

static void date_file(const char *session, const char *file, time_t date)
{
    char name[128];
    const struct timespec times[] = {{.tv_sec = date}, {.tv_sec = date}};
    snprintf(name, sizeof name, "nfbench/%s/%s", session, file);
    assert_int_equal(utimensat(AT_FDCWD, process_path(name), times, 0), 0);
}

/* The list goes by the dates that the files have, whatever these are; what was made stays usable. */
static void lists_are_in_the_order_of_their_files_dates(void **state)
{
    (void)state;
    static const char *const files[] = {"settings.ini", "metrics.jsonl", "commands.jsonl", "checkpoints"};
    const time_t now = time(NULL);
    session_copy("whole", "tomorrow");
    session_copy("whole", "ancient");
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        date_file("tomorrow", files[i], now + 10L * YEAR);
        date_file("ancient", files[i], 0);
    }
    const struct outcome *outcome = run_expecting(0, "sessions");
    const char *first = strstr(outcome->out, "\ntomorrow "), *last = strstr(outcome->out, "\nancient ");
    const char *middle = strstr(outcome->out, "\nwhole ");
    assert_true(first && middle && last && first < middle && middle < last);
    assert_no_negative_time(outcome->out);
    run_expecting(0, "resume tomorrow --epochs 6");
    run_expecting(0, "resume ancient --epochs 6");
    assert_same_course("tomorrow", "ancient");
}

static void the_screen_shows_no_time_below_nothing(void **state)
{
    (void)state;
    char arguments[1024];
    snprintf(arguments, sizeof arguments, LONG "--epochs 4000 --session screen --sessions-dir %s",
             process_path("nfbench"));
    for (int i = 0; i < JUMPS; i += JUMPS - 1) {
        snprintf(trial, sizeof trial, "a jump of %ld s", jumps[i]);
        shim_load(&(struct shim){.clock = jumps[i], .clock_from = "now"});
        pty_start(120, 36, "", arguments);
        shim_unload();
        pty_wait("images/s");
        begin_jump();
        for (int look = 0; look < 10; look++) {
            (void)pty_take(100);
            assert_no_negative_time(pty_text());
        }
        assert_int_equal(kill(pty_pid(), SIGTERM), 0);
        (void)pty_status();
        assert_durations("screen");
        session_wipe("screen");
        assert_int_equal(unlink(process_path("now")), 0);
    }
    trial[0] = '\0';
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_run_whose_calendar_jumps_is_the_same, trial_teardown),
        cmocka_unit_test_teardown(names_are_made_in_any_year, trial_teardown),
        cmocka_unit_test(lists_are_in_the_order_of_their_files_dates),
        cmocka_unit_test_teardown(the_screen_shows_no_time_below_nothing, trial_teardown),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
