/* kill -9 in all that writes into a session beside its training: whatever was being done, the session can be read, and
 * what goes on from it comes to the bits of the one in which nobody was killed. */
#include "tests/faults/faults.h"
#include "tests/terminal/pty.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Each makes or changes the session "victim". */
static const struct deed {
    const char *name;
    const char *from;      /* the session that the victim is a copy of; NULL: the arguments make it */
    const char *arguments; /* is killed; again if that has left no session */
    const char *expected;  /* what `resume victim` then comes to */
} deeds[] = {
    {"start", NULL, "train " FAULTS_RUN "--session victim", "whole"},
    {"import", NULL, "import nfbench/whole/checkpoints/30.safetensors " FAULTS_RUN "--session victim", "imported"},
    {"fork", NULL, "fork whole --at 13 --name victim", "whole"},
    {"resume", "half", "resume victim", "whole"},
    {"resume from the best", "half", "resume victim --checkpoint best", "whole"},
    {"resume from a name", "named", "resume victim --checkpoint middle", "whole"},
    {"back", "half", "resume victim --script back", "whole"},
    {"save and load", "half", "resume victim --script load", "whole"},
};

/* "half": killed at a step of its middle, its log's last line torn. */
static void make_half(void)
{
    long count, at = 0;
    shim_load(&(struct shim){.log = "calls", .calls = "write"});
    run_expecting(0, "train " FAULTS_RUN "--session half");
    session_wipe("half");
    struct call *calls = shim_calls("calls", &count);
    while (at < count && !strstr(calls[at].path, "/18.safetensors"))
        at++;
    free(calls);
    shim_load(&(struct shim){.at = at, .calls = "write", .signal = SIGKILL, .torn = true});
    run_expecting(128 + SIGKILL, "train " FAULTS_RUN "--session half");
    shim_unload();
    assert_true(session_place("half").saved == 16);
}

static int set_up(void **state)
{
    if (faults_setup(state) != 0 || pty_set_up(state) != 0)
        return -1;
    make_half();
    write_script("back", "back 9\nresume\n");
    write_script("load", "save here\nback 9\nload here\nresume\n");
    write_script("name", "save middle\n");
    session_copy("half", "named");
    run_expecting(0, "resume named --script name");
    run_expecting(0, "%s", deeds[1].arguments);
    assert_int_equal(rename(process_path("nfbench/victim"), process_path("nfbench/imported")), 0);
    run_expecting(0, "resume imported");
    return 0;
}

static int tear_down(void **state)
{
    pty_tear_down(state);
    return faults_teardown(state);
}

/* Leaves out those that do the same to the same file as the call before. */
static long drop_repeated(struct call *calls, long count, long *numbers)
{
    long kept = 0;
    for (long i = 0; i < count; i++)
        if (i == 0 || strcmp(calls[i].name, calls[i - 1].name) != 0 || strcmp(calls[i].path, calls[i - 1].path) != 0)
            numbers[kept++] = i + 1;
    return kept;
}

static void prepare(const struct deed *deed)
{
    session_wipe("victim");
    if (deed->from)
        session_copy(deed->from, "victim");
}

static void check(const struct deed *deed)
{
    if (!session_is_there("victim"))
        run_expecting(0, "%s", deed->arguments);
    (void)session_place("victim");
    run_expecting(0, "sessions show victim");
    run_expecting(0, "resume victim");
    assert_same_course("victim", deed->expected);
}

static void kill_at_call(const struct deed *deed, const struct call *call, long number)
{
    const bool torn = strcmp(call->name, "write") == 0 && faults_random(2);
    snprintf(trial, sizeof trial, "%s, killed %s call %ld, %s %.160s", deed->name, torn ? "within" : "before", number,
             call->name, call->path);
    prepare(deed);
    shim_load(&(struct shim){.at = number, .signal = SIGKILL, .torn = torn});
    run_expecting(128 + SIGKILL, "%s", deed->arguments);
    shim_unload();
    check(deed);
}

static void kill_at_instant(const struct deed *deed, long span)
{
    const long after = faults_random(span);
    snprintf(trial, sizeof trial, "%s, killed after %ld us", deed->name, after);
    prepare(deed);
    (void)faults_end_after(deed->arguments, after, SIGKILL);
    check(deed);
}

/* Each of its calls where all is asked for, else some; and some instants. */
static void kill_in(const struct deed *deed)
{
    long count;
    prepare(deed);
    const long begin = faults_microseconds();
    shim_load(&(struct shim){.log = "calls"});
    run_expecting(0, "%s", deed->arguments);
    shim_unload();
    const long span = faults_microseconds() - begin;
    struct call *calls = shim_calls("calls", &count);
    long *numbers = calloc((size_t)count, sizeof *numbers);
    assert_non_null(numbers);
    const long different = drop_repeated(calls, count, numbers), tries = faults_count(6, (int)different);
    for (long i = 0; i < tries; i++) {
        const long number = numbers[tries < different ? faults_random(different) : i];
        kill_at_call(deed, &calls[number - 1], number);
    }
    for (int i = faults_count(2, 20); i > 0; i--)
        kill_at_instant(deed, span);
    free(numbers);
    free(calls);
}

static void what_is_killed_on_the_way_can_be_gone_on_with(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof deeds / sizeof *deeds; i++)
        kill_in(&deeds[i]);
    assert_same_course("whole", "named"); /* which all of them had read */
    trial[0] = '\0';
}

/* ---- A command that waits ---- */

static int commands_of(const char *session)
{
    char name[64];
    struct metrics metrics = {0};
    snprintf(name, sizeof name, "nfbench/%s/commands.jsonl", session);
    assert_int_equal(metrics_read(process_path(name), &metrics, NULL), 0);
    const int count = metrics.command_count;
    metrics_free(&metrics);
    return count;
}

/* It is done behind the checkpoint in which it waits; the run is killed before the next one, and does it again. */
static void what_is_done_again_stands_once(void **state)
{
    (void)state;
    long count, at = 0;
    write_script("measure", "at 8 eval\n");
    shim_load(&(struct shim){.log = "calls", .calls = "write"});
    run_expecting(0, "train " FAULTS_RUN "--script measure --session measured");
    struct call *calls = shim_calls("calls", &count);
    while (at < count && !strstr(calls[at].path, "/12.safetensors"))
        at++;
    free(calls);
    session_wipe("victim");
    shim_load(&(struct shim){.at = at, .calls = "write", .signal = SIGKILL});
    run_expecting(128 + SIGKILL, "train " FAULTS_RUN "--script measure --session victim");
    shim_unload();
    assert_int_equal(session_place("victim").saved, 8);
    assert_int_equal(commands_of("victim"), 2);
    assert_non_null(strstr(run_expecting(0, "resume victim")->err, "at 8 eval (step 8)"));
    assert_same_course("victim", "measured");
    assert_int_equal(commands_of("victim"), commands_of("measured"));
    run_expecting(0, "sessions verify victim");
    assert_non_null(strstr(run_expecting(0, "replay victim")->out, "identical"));
}

/* ---- Files for others ---- */

static void assert_pictures_are_whole(const char *folder)
{
    static const char end[] = {0, 0, 0, 0, 'I', 'E', 'N', 'D'}; /* and its checksum */
    DIR *directory = opendir(folder);
    const struct dirent *entry;
    assert_non_null(directory);
    while ((entry = readdir(directory))) {
        char path[1024], *data;
        size_t size;
        const char *suffix = strrchr(entry->d_name, '.');
        if (!suffix || strcmp(suffix, ".png") != 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        assert_int_equal(file_read(path, &data, &size, NULL), 0);
        assert_true(size > sizeof end + 4);
        assert_memory_equal(data + size - sizeof end - 4, end, sizeof end);
        free(data);
    }
    closedir(directory);
}

static void an_export_that_is_killed_leaves_whole_files(void **state)
{
    (void)state;
    const long begin = faults_microseconds();
    run_expecting(0, "export whole --what loss,signal,gradients --to pictures");
    const long span = faults_microseconds() - begin;
    for (int i = faults_count(10, 100); i > 0; i--) {
        const long after = faults_random(span);
        snprintf(trial, sizeof trial, "killed after %ld us", after);
        (void)faults_end_after("export whole --what loss,signal,gradients --to pictures", after, SIGKILL);
        assert_pictures_are_whole(process_path("pictures"));
    }
    assert_same_course("whole", "named");
    trial[0] = '\0';
}

/* ---- The screen ---- */

static void a_screen_that_is_killed_leaves_a_session_that_goes_on(void **state)
{
    (void)state;
    char arguments[1024];
    snprintf(arguments, sizeof arguments, FAULTS_RUN "--session victim --sessions-dir %s", process_path("nfbench"));
    for (int i = faults_count(5, 50); i > 0; i--) {
        const long until = faults_microseconds() + faults_random(600000);
        snprintf(trial, sizeof trial, "the screen, killed at %ld us", until);
        session_wipe("victim");
        pty_start(80, 24, "", arguments);
        while (faults_microseconds() < until)
            (void)pty_take(1);
        pty_end();
        if (!session_is_there("victim"))
            run_expecting(0, "%s", deeds[0].arguments);
        assert_resumes("victim", session_place("victim"));
    }
    trial[0] = '\0';
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(what_is_killed_on_the_way_can_be_gone_on_with, trial_teardown),
        cmocka_unit_test(what_is_done_again_stands_once),
        cmocka_unit_test_teardown(an_export_that_is_killed_leaves_whole_files, trial_teardown),
        cmocka_unit_test_teardown(a_screen_that_is_killed_leaves_a_session_that_goes_on, trial_teardown),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
