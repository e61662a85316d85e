/* Checkpoints with a name, and going back in a session: to which records, and that a process which ends anywhere in
 * between leaves a session that goes on. */
#include "session_log.h"

#include "sessions/session_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct error error;

/* ---- A process that ends at its n-th change of a folder ---- */

static int changes_left = -1; /* -1: it lives */

static void count_down(void)
{
    if (changes_left == 0)
        _exit(9);
    changes_left -= changes_left > 0;
}

int rename(const char *from, const char *to)
{
    count_down();
    return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int link(const char *from, const char *to)
{
    count_down();
    return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int unlink(const char *path)
{
    if (access(path, F_OK) == 0)
        count_down();
    return unlinkat(AT_FDCWD, path, 0);
}

/* Calls `work` in a process that ends at its n-th change; false when it came to its end. */
static bool dies_in(void (*work)(void), int changes)
{
    int status;
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        changes_left = changes;
        work();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status) == 9;
}

/* ---- A run ---- */

/* A step of another course. */
static void log_other(struct session *session, long step)
{
    const struct trainer_sink sink = session_sink(session);
    const struct step_record record = {.step = step, .loss = 7};
    assert_ok(sink.on_step(sink.context, &record, &error), &error);
}

static void go_back(struct session *session, struct rig *rig, const char *name, const struct training_state *state)
{
    const struct trainer_sink sink = session_sink(session);
    assert_ok(sink.on_rollback(sink.context, rig->network, state, name, &error), &error);
    log_command(session, state->step, COMMAND_ROLLBACK, "back");
    assert_ok(sink.on_checkpoint(sink.context, rig->network, state, false, &error), &error);
}

static void load(struct session *session, struct rig *rig, const char *name)
{
    const struct trainer_sink sink = session_sink(session);
    struct training_state state;
    assert_ok(sink.on_load(sink.context, name, -1, rig->network, &state, &error), &error);
    go_back(session, rig, name, &state);
}

static void name(struct session *session, const char *name, long step)
{
    const struct trainer_sink sink = session_sink(session);
    assert_ok(sink.on_name(sink.context, name, step, &error), &error);
}

/* ---- Names ---- */

static void names_are_kept_listed_and_loaded(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct rig rig = make_rig(&settings, 1), loaded = make_rig(&settings, 2);
    struct session *session = six_steps(&settings, "named", &rig);
    struct session_name *names;
    struct training_state at;
    const struct checkpoint_choice half = {.which = CHECKPOINT_NAMED, .name = "half"};
    char note[256];
    int count;
    name(session, "whole", 6);
    name(session, "half", 4);
    save_step(session, &rig, 4, false);
    name(session, "half", 4); /* the same step: again */
    const struct trainer_sink sink = session_sink(session);
    assert_error(sink.on_name(sink.context, "half", 6, &error), &error, "half is the checkpoint of step 4 already");
    assert_error(sink.on_name(sink.context, "a/b", 6, &error), &error, "neither blanks nor '/'");
    for (long step = 7; step <= 12; step++) { /* the step's own file gives way, the name stays */
        log_steps(session, step, step);
        save_step(session, &rig, step, false);
    }
    assert_false(exists(inside(session, "checkpoints/4.safetensors")));
    assert_ok(session_names(session, &names, &count, &error), &error);
    assert_int_equal(count, 2);
    assert_string_equal(names[0].name, "half");
    assert_int_equal(names[0].step, 4);
    assert_string_equal(names[1].name, "whole");
    free(names);
    assert_ok(session_load_choice(session, &half, loaded.network, &at, note, &error), &error);
    assert_int_equal(at.step, 4);
    assert_true(same_network(rig.network, loaded.network));
    const struct checkpoint_choice none = {.which = CHECKPOINT_NAMED, .name = "none"};
    assert_error(session_load_choice(session, &none, loaded.network, &at, note, &error), &error,
                 "session named has no checkpoint none");
    session_close(session);
    free_rig(&rig);
    free_rig(&loaded);
}

/* One step has other weights on another course: those that have the name stay. */
static void a_name_is_not_given_to_another_course(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct rig rig = make_rig(&settings, 1), other = make_rig(&settings, 2), loaded = make_rig(&settings, 3);
    struct session *session = six_steps(&settings, "twice", &rig);
    const struct checkpoint_choice six = {.which = CHECKPOINT_NAMED, .name = "six"};
    const struct training_state four = {.step = 4, .commands = 1};
    struct training_state at;
    char note[256];
    name(session, "six", 6);
    go_back(session, &rig, NULL, &four);
    log_other(session, 5);
    log_other(session, 6);
    save_step(session, &other, 6, false);
    const struct trainer_sink sink = session_sink(session);
    assert_error(sink.on_name(sink.context, "six", 6, &error), &error,
                 "six is another checkpoint of step 6 already: choose another name");
    assert_ok(session_load_choice(session, &six, loaded.network, &at, note, &error), &error);
    assert_true(same_network(rig.network, loaded.network));
    load(session, &loaded, "six");
    assert_steps_and_commands(session, 6, "one four five back"); /* its own, not those of the other course */
    session_close(session);
    free_rig(&rig);
    free_rig(&other);
    free_rig(&loaded);
}

/* Whichever way the run went since: the records are those that the checkpoint was saved with. */
/* It may be the same file as that of its step, under two names: what is saved there later is another file. */
static void what_is_saved_later_leaves_the_name_alone(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct rig rig = make_rig(&settings, 1), other = make_rig(&settings, 2);
    struct session *session = six_steps(&settings, "linked", &rig);
    size_t size, size_now;
    name(session, "six", 6);
    name(session, "six", 6);
    char *before = read_file(inside(session, "checkpoints/six.safetensors"), &size);
    load(session, &rig, "six");
    save_step(session, &other, 6, false);
    char *now = read_file(inside(session, "checkpoints/six.safetensors"), &size_now);
    assert_int_equal(size, size_now);
    assert_memory_equal(before, now, size);
    assert_false(exists(inside(session, "checkpoints/six.safetensors.tmp")));
    free(before);
    free(now);
    session_close(session);
    free_rig(&rig);
    free_rig(&other);
}

static void a_name_brings_its_records_along(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct rig rig = make_rig(&settings, 1);
    struct session *session = six_steps(&settings, "course", &rig);
    const struct training_state four = {.step = 4, .commands = 1};
    name(session, "six", 6);
    go_back(session, &rig, NULL, &four);
    assert_steps_and_commands(session, 4, "one back"); /* four was done behind that checkpoint */
    log_other(session, 5);
    save_step(session, &rig, 5, false);
    load(session, &rig, "six"); /* ahead of the run */
    assert_steps_and_commands(session, 6, "one four five back");
    assert_false(exists(inside(session, "checkpoints/4.safetensors"))); /* saved behind the first `back` */
    assert_false(exists(inside(session, "checkpoints/5.safetensors"))); /* of the other course */
    log_other(session, 7);
    log_other(session, 8);
    save_step(session, &rig, 8, false);
    load(session, &rig, "six"); /* behind it */
    assert_steps_and_commands(session, 6, "one four five back");
    session_close(session);
    free_rig(&rig);
}

/* ---- A process that ends in between ---- */

static struct settings dying_settings;
static struct rig dying_rig;
static const char *dying_name;

static struct session *open_dying(void)
{
    struct session *session;
    assert_ok(session_open(&dying_settings, dying_name, SESSION_WRITE, &session, &error), &error);
    return session;
}

static void die_going_back(void)
{
    const struct training_state four = {.step = 4, .commands = 1};
    go_back(open_dying(), &dying_rig, NULL, &four);
}

static void die_naming(void)
{
    name(open_dying(), "kept", 6);
}

static void die_loading(void)
{
    load(open_dying(), &dying_rig, "five");
}

static void resume_after(long *step, char note[256])
{
    struct training_state state;
    struct session *session = open_dying();
    assert_ok(session_resume(session, CHECKPOINT_LATEST, dying_rig.network, &state, note, &error), &error);
    *step = state.step;
    session_close(session);
}

/* Wherever it ends: the session resumes at the step it was at or went to, and its records are those up to there. */
static void going_back_survives_a_crash_anywhere(void **state)
{
    (void)state;
    int deaths = 0, there = 0;
    bool died = true;
    dying_settings = small_settings();
    dying_rig = make_rig(&dying_settings, 1);
    for (; died; deaths++) {
        char session_name[32], note[256];
        long step;
        snprintf(session_name, sizeof session_name, "dies-%d", deaths);
        dying_name = session_name;
        session_close(six_steps(&dying_settings, session_name, &dying_rig));
        died = dies_in(die_going_back, deaths);
        resume_after(&step, note);
        if (*note) /* it brings the way back to its end, and says what that undoes */
            assert_true(step == 4 && strstr(note, " behind step 4 ") && strstr(note, "kept in undone.jsonl"));
        struct session *session = open_dying();
        assert_true(step == 6 || step == 4);
        assert_true(step == 4 || died);
        there += step == 4;
        struct metrics metrics;
        assert_ok(session_metrics(session, &metrics, &error), &error);
        assert_int_equal(metrics.step_count, step);
        assert_int_equal(metrics.steps[step - 1].step, step);
        metrics_free(&metrics);
        assert_true(exists(inside(session, step == 4 ? "checkpoints/4.safetensors" : "checkpoints/6.safetensors")));
        assert_int_equal(exists(inside(session, "checkpoints/6.safetensors")), step == 6);
        assert_false(exists(inside(session, "checkpoints/undone")));
        session_close(session);
    }
    assert_true(deaths >= 6 && there >= 4);
    free_rig(&dying_rig);
}

static void naming_survives_a_crash_anywhere(void **state)
{
    (void)state;
    bool died = true;
    dying_settings = small_settings();
    dying_rig = make_rig(&dying_settings, 1);
    dying_name = "names";
    session_close(six_steps(&dying_settings, dying_name, &dying_rig));
    for (int deaths = 0; died; deaths++) {
        struct session_name *names;
        int count;
        died = dies_in(die_naming, deaths);
        struct session *session = open_dying();
        assert_ok(session_names(session, &names, &count, &error), &error);
        assert_int_equal(count, !died);
        assert_steps_and_commands(session, 6, "one four five");
        free(names);
        session_close(session);
    }
    free_rig(&dying_rig);
}

static void loading_survives_a_crash_anywhere(void **state)
{
    (void)state;
    int deaths = 0, there = 0;
    bool died = true;
    dying_settings = small_settings();
    dying_rig = make_rig(&dying_settings, 1);
    for (; died; deaths++) {
        const struct training_state four = {.step = 4, .commands = 1};
        char session_name[32], note[256];
        long step;
        snprintf(session_name, sizeof session_name, "loads-%d", deaths);
        dying_name = session_name;
        struct session *session = six_steps(&dying_settings, session_name, &dying_rig);
        name(session, "five", 6);
        go_back(session, &dying_rig, NULL, &four);
        log_other(session, 5);
        save_step(session, &dying_rig, 5, false);
        session_close(session);
        died = dies_in(die_loading, deaths);
        resume_after(&step, note);
        assert_true(step == 5 || step == 6);
        assert_true(step == 6 || died);
        there += step == 6;
        session = open_dying();
        if (step == 5)
            assert_steps_and_commands(session, 5, "one back");
        else if (died)
            assert_steps_and_commands(session, 6, "one four five");
        assert_false(exists(inside(session, "checkpoints/undone")));
        session_close(session);
    }
    assert_true(deaths >= 6 && there >= 4);
    free_rig(&dying_rig);
}

/* ---- Forks ---- */

static struct session_summary summary_of(const struct settings *settings, const char *name)
{
    struct session *session;
    struct session_summary summary;
    assert_ok(session_open(settings, name, SESSION_READ, &session, &error), &error);
    session_summarize(session, &summary);
    session_close(session);
    return summary;
}

static void a_fork_has_the_records_up_to_its_step(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct rig rig = make_rig(&settings, 1), loaded = make_rig(&settings, 2);
    struct session *session = six_steps(&settings, "parent", &rig), *fork;
    const struct training_state four = {.step = 4, .commands = 1};
    struct session_changes changes = {.count = 1};
    struct training_state resumed;
    char name[SESSION_NAME_SIZE], note[256];
    changes.records[0] =
        (struct command_record){.step = 4, .command = {.kind = COMMAND_LEARNING_RATE, .text = "fork's"}, .ok = true};
    assert_ok(session_fork(session, "", &settings, rig.network, &four, &changes, name, &error), &error);
    assert_string_equal(name, "parent-at-4");
    assert_ok(session_fork(session, "", &settings, rig.network, &four, NULL, name, &error), &error);
    assert_string_equal(name, "parent-at-4-2");
    assert_error(session_fork(session, "parent", &settings, rig.network, &four, NULL, name, &error), &error,
                 "session parent exists already");
    assert_steps_and_commands(session, 6, "one four five");
    struct stat there, here; /* others may read it where they may read its parent */
    char path[512];
    snprintf(path, sizeof path, "%s/parent-at-4", settings.sessions_dir);
    assert_int_equal(stat(path, &there), 0);
    assert_int_equal(stat(session_path(session), &here), 0);
    assert_int_equal(there.st_mode, here.st_mode);
    session_close(session);

    assert_ok(session_open(&settings, "parent-at-4", SESSION_WRITE, &fork, &error), &error);
    assert_steps_and_commands(fork, 4, "one fork's");
    assert_ok(session_resume(fork, CHECKPOINT_LATEST, loaded.network, &resumed, note, &error), &error);
    assert_int_equal(resumed.step, 4);
    assert_true(same_network(rig.network, loaded.network));
    assert_steps_and_commands(fork, 4, "one fork's"); /* they are part of its checkpoint */
    session_close(fork);
    struct session_summary summary = summary_of(&settings, "parent-at-4");
    assert_string_equal(summary.parent, "parent");
    assert_int_equal(summary.parent_step, 4);
    summary = summary_of(&settings, "parent");
    assert_string_equal(summary.parent, "");
    free_rig(&rig);
    free_rig(&loaded);
}

static void die_forking(void)
{
    const struct training_state four = {.step = 4, .commands = 1};
    struct session *session;
    char name[SESSION_NAME_SIZE];
    assert_ok(session_open(&dying_settings, dying_name, SESSION_READ, &session, &error), &error);
    assert_ok(session_fork(session, "child", &dying_settings, dying_rig.network, &four, NULL, name, &error), &error);
}

static int count_hidden(const char *folder)
{
    DIR *directory = opendir(folder);
    const struct dirent *entry;
    int count = 0;
    assert_non_null(directory);
    while ((entry = readdir(directory)))
        count += strncmp(entry->d_name, ".fork-", 6) == 0;
    closedir(directory);
    return count;
}

/* Wherever it ends: the fork is whole or not there, and the parent as it was. */
static void forking_survives_a_crash_anywhere(void **state)
{
    (void)state;
    bool died = true;
    int deaths = 0;
    dying_settings = small_settings();
    dying_rig = make_rig(&dying_settings, 1);
    dying_name = "forks";
    session_close(six_steps(&dying_settings, dying_name, &dying_rig));
    for (; died; deaths++) {
        struct session_summary *list;
        int count;
        died = dies_in(die_forking, deaths);
        assert_ok(sessions_list(&dying_settings, &list, &count, &error), &error);
        assert_int_equal(count, died ? 1 : 2);
        for (int i = 0; i < count; i++)
            assert_string_not_equal(list[i].state, "damaged");
        free(list);
        assert_int_equal(count_hidden(dying_settings.sessions_dir), died); /* the next one removes what one has left */
    }
    assert_true(deaths > 5);
    assert_int_equal(summary_of(&dying_settings, "child").step, 4);
    assert_false(summary_of(&dying_settings, "child").locked);
    free_rig(&dying_rig);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, folder_setup, folder_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_name_is_not_given_to_another_course),     TEST(names_are_kept_listed_and_loaded),
        TEST(what_is_saved_later_leaves_the_name_alone), TEST(a_name_brings_its_records_along),
        TEST(going_back_survives_a_crash_anywhere),      TEST(naming_survives_a_crash_anywhere),
        TEST(loading_survives_a_crash_anywhere),         TEST(a_fork_has_the_records_up_to_its_step),
        TEST(forking_survives_a_crash_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
