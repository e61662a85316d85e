/* Session folders: names, lock, the list. What a run writes into one is in test_session_run.c. */
#include "session_log.h"
#include "tests/support/noon.h"

#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct error error;

/* ---- Folder and names ---- */

static void test_create_makes_the_folder(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    snprintf(settings.sessions_dir, sizeof settings.sessions_dir, "%s/some/where", folder);
    struct session *session = create_session(&settings, "first");
    assert_string_equal(session_name(session), "first");
    assert_string_equal(session_path(session), path_of("some/where/first"));
    static const char *const names[] = {"settings.ini", "metrics.jsonl", "commands.jsonl",
                                        "checkpoints",  "images",        "lock"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_true(exists(inside(session, names[i])));
    session_close(session);

    struct session *opened;
    assert_ok(session_open(&settings, "first", SESSION_READ, &opened, &error), &error);
    const struct settings *read = session_settings(opened);
    assert_memory_equal(&read->model, &settings.model, sizeof read->model);
    assert_memory_equal(&read->train, &settings.train, sizeof read->train);
    session_close(opened);
    assert_ok(session_open(&settings, path_of("some/where/first/"), SESSION_READ, &opened, &error), &error);
    assert_string_equal(session_name(opened), "first");
    session_close(opened);
}

/* Its neighbours are those beside it, and a command finds it again, whatever the shell makes of its name. */
static void test_opened_by_its_path(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    char reference[FORK_REFERENCE_SIZE], wanted[FORK_REFERENCE_SIZE];
    snprintf(settings.sessions_dir, sizeof settings.sessions_dir, "%s/else/where", folder);
    session_close(create_session(&settings, "it's here"));
    struct session *opened;
    settings.sessions_dir[0] = '\0';
    assert_ok(session_open(&settings, path_of("else/./where/it's here//"), SESSION_READ, &opened, &error), &error);
    assert_string_equal(session_name(opened), "it's here");
    assert_string_equal(session_settings(opened)->sessions_dir, path_of("else/where"));
    snprintf(wanted, sizeof wanted, "'%s/else/./where/it'\\''s here'", folder);
    assert_string_equal(session_reference(opened), wanted);
    session_fork_reference(opened, session_settings(opened), "b", reference);
    assert_string_equal(reference, path_of("else/./where/b"));
    session_close(opened);
}

static void test_names_are_made_up(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    be_noon();
    struct session *one = create_session(&settings, ""), *two = create_session(&settings, "");
    const char *tail = strrchr(session_name(one), '-');
    assert_non_null(strstr(session_name(one), "-micro-")); /* which it began from */
    assert_string_equal(tail, "-1");
    assert_string_equal(strrchr(session_name(two), '-'), "-2");
    session_close(one);
    session_close(two);
}

static void test_bad_names(void **state)
{
    (void)state;
    static const char *const bad[] = {"a/b", ".hidden", "..", "-x", "a\tb"};
    char long_name[200];
    struct settings settings = small_settings();
    struct session *session;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        strcpy(settings.session, bad[i]);
        assert_error(session_create(&settings, &session, &error), &error, "cannot be a session's name");
    }
    memset(long_name, 'a', sizeof long_name);
    long_name[sizeof long_name - 1] = '\0';
    strcpy(settings.session, long_name);
    assert_error(session_create(&settings, &session, &error), &error, "1 to 127 bytes");
    assert_error(session_open(&settings, "..", SESSION_READ, &session, &error), &error, "cannot be a session's name");
}

static void test_what_is_not_there(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct session *session = create_session(&settings, "twice");
    session_close(session);
    assert_error(session_create(&settings, &session, &error), &error, "session twice exists already");
    assert_error(session_open(&settings, "none", SESSION_READ, &session, &error), &error, "there is no session");
    assert_int_equal(mkdir(path_of("empty"), 0777), 0);
    assert_error(session_open(&settings, "empty", SESSION_READ, &session, &error), &error, "has no settings.ini");
    write_file(path_of("file"), "", 0);
    snprintf(settings.sessions_dir, sizeof settings.sessions_dir, "%s/file", folder);
    assert_error(session_create(&settings, &session, &error), &error, "Not a directory");
}

/* What could not be filled leaves nothing behind. */
static void test_a_failed_create_cleans_up(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct session *session;
    strcpy(settings.session, "lost");
    strcpy(settings.data, "no/such/folder");
    assert_error(session_create(&settings, &session, &error), &error, "data no/such/folder: No such file");
    assert_false(exists(path_of("lost")));
}

/* What a process leaves that dies while it makes a session is none, and its name is free; one that lives, or a session
 * that has lost its settings, keeps the name. */
static void test_the_name_of_what_was_never_made_is_free(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct rig rig = make_rig(&settings, 1);
    struct session *session = create_session(&settings, "half"), *other;
    assert_int_equal(unlink(inside(session, "settings.ini")), 0);
    write_file(inside(session, "settings.ini.tmp"), "[mod", 4);
    assert_ok(session_name_is_free(&settings, &error), &error);
    assert_error(session_create(&settings, &other, &error), &error, "session half exists already");
    session_close(session);
    session = create_session(&settings, "half");
    assert_false(exists(inside(session, "settings.ini.tmp")));

    save_step(session, &rig, 4, false);
    assert_int_equal(unlink(inside(session, "settings.ini")), 0);
    session_close(session);
    assert_error(session_name_is_free(&settings, &error), &error, "there is one of that name");
    assert_error(session_create(&settings, &other, &error), &error, "session half exists already");
    assert_true(exists(path_of("half/checkpoints/4.safetensors")));

    assert_int_equal(mkdir(path_of("bare"), 0777), 0);
    session_close(create_session(&settings, "bare"));
    assert_int_equal(mkdir(path_of("mine"), 0777), 0);
    write_file(path_of("mine/notes"), "", 0);
    strcpy(settings.session, "mine");
    assert_error(session_create(&settings, &other, &error), &error, "session mine exists already");
    assert_true(exists(path_of("mine/notes")));
    free_rig(&rig);
}

static void test_data_is_absolute(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    strcpy(settings.data, ".");
    struct session *session = create_session(&settings, "absolute");
    assert_int_equal(session_settings(session)->data[0], '/');
    session_close(session);
}

static void test_default_directory(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    char path[SETTINGS_PATH_SIZE];
    const char *home = getenv("HOME"), *data = getenv("XDG_DATA_HOME");
    char *old_home = home ? strdup(home) : NULL, *old_data = data ? strdup(data) : NULL;
    settings.sessions_dir[0] = '\0';
    setenv("HOME", "/home/x", 1);
    setenv("XDG_DATA_HOME", "/data", 1);
    assert_ok(sessions_directory(&settings, path, &error), &error);
    assert_string_equal(path, "/data/nfbench");
    setenv("XDG_DATA_HOME", "relative", 1);
    assert_ok(sessions_directory(&settings, path, &error), &error);
    assert_string_equal(path, "/home/x/.local/share/nfbench");
    unsetenv("XDG_DATA_HOME");
    assert_ok(sessions_directory(&settings, path, &error), &error);
    assert_string_equal(path, "/home/x/.local/share/nfbench");
    unsetenv("HOME");
    if (old_home)
        setenv("HOME", old_home, 1);
    if (old_data)
        setenv("XDG_DATA_HOME", old_data, 1);
    free(old_home);
    free(old_data);
}

/* ---- Lock ---- */

static void test_one_writer(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct session *session = create_session(&settings, "locked"), *other;
    char owner[64];
    snprintf(owner, sizeof owner, "in use by process %ld", (long)getpid());
    assert_error(session_open(&settings, "locked", SESSION_WRITE, &other, &error), &error, owner);
    assert_ok(session_open(&settings, "locked", SESSION_READ, &other, &error), &error);
    session_close(other);
    session_close(session);
    assert_ok(session_open(&settings, "locked", SESSION_WRITE, &other, &error), &error);
    session_close(other);
}

static void *look_for_long(void *lock)
{
    nanosleep(&(struct timespec){.tv_nsec = 600000000}, NULL);
    close(*(int *)lock);
    return NULL;
}

/* Whoever only looks has the lock for a moment, which may be long where the processors have much to do. */
static void test_who_looks_is_waited_for(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct session *session = create_session(&settings, "looked-at");
    char path[4096];
    pthread_t looker;
    snprintf(path, sizeof path, "%s", inside(session, "lock"));
    session_close(session);
    int lock = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(lock >= 0);
    assert_int_equal(flock(lock, LOCK_SH), 0);
    assert_int_equal(pthread_create(&looker, NULL, look_for_long, &lock), 0);
    assert_ok(session_open(&settings, "looked-at", SESSION_WRITE, &session, &error), &error);
    pthread_join(looker, NULL);
    session_close(session);
}

/* Who makes a session has the signals that end it blocked, and looks at them later. */
static void test_a_signal_ends_the_wait_for_a_guarded_folder(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct session *session;
    sigset_t signals, before;
    session_close(create_session(&settings, "first"));
    const int guard = open(settings.sessions_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(guard >= 0);
    assert_int_equal(flock(guard, LOCK_EX), 0);
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, &signals, &before), 0);
    assert_int_equal(raise(SIGTERM), 0);
    snprintf(settings.session, sizeof settings.session, "second");
    assert_error(session_create(&settings, &session, &error), &error, "interrupted while waiting for ");
    assert_int_equal(sigtimedwait(&signals, NULL, &(struct timespec){0}), SIGTERM);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
    close(guard);
    session_close(create_session(&settings, "second"));
}

static void test_a_killed_owner_leaves_no_lock(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct session *session = create_session(&settings, "killed");
    session_close(session);
    int ready[2], status;
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int result = session_open(&settings, "killed", SESSION_WRITE, &session, NULL);
        if (write(ready[1], &result, sizeof result) != sizeof result)
            _exit(1);
        pause();
        _exit(0);
    }
    int result = -1;
    assert_int_equal(read(ready[0], &result, sizeof result), sizeof result);
    assert_int_equal(result, 0);
    char owner[64];
    snprintf(owner, sizeof owner, "process %ld", (long)child);
    assert_error(session_open(&settings, "killed", SESSION_WRITE, &session, &error), &error, owner);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_ok(session_open(&settings, "killed", SESSION_WRITE, &session, &error), &error);
    session_close(session);
    close(ready[0]);
    close(ready[1]);
}

/* ---- List ---- */

static const struct session_summary *find(const struct session_summary *list, int count, const char *name)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(list[i].name, name) == 0)
            return &list[i];
    }
    fail_msg("%s is not in the list", name);
    return NULL;
}

/* A screen that is still looked at keeps the session open behind the end. */
static void test_an_end_is_an_end_whoever_has_it_open(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct session *session = create_session(&settings, "looked-at");
    struct session_summary summary;
    log_steps(session, 1, 2);
    session_summarize(session, &summary);
    assert_string_equal(summary.state, "training");
    assert_ok(session_end(session, TRAINER_FINISHED, 2, "", &error), &error);
    session_summarize(session, &summary);
    assert_true(summary.locked);
    assert_string_equal(summary.state, trainer_state_name(TRAINER_FINISHED));
    session_close(session);
}

/* Told by who holds the lock: seen though no other file has changed, and gone with the process, whatever it said last.
 */
static void test_a_run_that_stands_still_is_listed_as_such(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct session *session = create_session(&settings, "still");
    const struct trainer_sink sink = session_sink(session);
    struct session_summary *list = NULL;
    int count = 0;
    log_steps(session, 1, 2);
    for (int i = STANDSTILL_NONE; i < STANDSTILLS; i++) {
        sink.on_standstill(sink.context, (enum standstill)i);
        assert_ok(sessions_update(&settings, &list, &count, &error), &error);
        const struct session_summary *row = find(list, count, "still");
        assert_int_equal(row->standstill, i);
        assert_string_equal(row->state, i ? standstill_name((enum standstill)i) : "training");
        assert_true(!i == !*standstill_waits_for((enum standstill)i));
    }
    session_close(session);
    assert_ok(sessions_update(&settings, &list, &count, &error), &error);
    assert_int_equal(find(list, count, "still")->standstill, STANDSTILL_NONE);
    assert_string_equal(find(list, count, "still")->state, "interrupted");

    assert_ok(session_open(&settings, "still", SESSION_WRITE, &session, &error), &error);
    assert_ok(sessions_update(&settings, &list, &count, &error), &error);
    assert_string_equal(find(list, count, "still")->state, "training"); /* not what another process has said */
    assert_ok(session_end(session, TRAINER_STOPPED, 2, "", &error), &error);
    session_close(session);
    assert_int_equal(session_remove(&settings, "still", &error), 0);
    free(list);
}

static void test_list(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct rig rig = make_rig(&settings, 1);
    struct session_summary *list;
    int count;
    assert_ok(sessions_list(&settings, &list, &count, &error), &error);
    assert_int_equal(count, 0);

    session_close(create_session(&settings, "new"));
    struct session *finished = create_session(&settings, "finished"), *broken = create_session(&settings, "broken");
    log_steps(finished, 1, 10);
    log_epoch(finished, 10, 0.5f, 0.9f);
    log_epoch(finished, 10, 0.4f, 0.9f);
    save_step(finished, &rig, 10, false);
    assert_ok(session_end(finished, TRAINER_FINISHED, 10, "", &error), &error);
    write_file(inside(broken, "settings.ini"), "nonsense\n", 9);
    session_close(finished);
    session_close(broken);
    struct session *restored = create_session(&settings, "restored");
    log_epoch(restored, 10, 0.5f, 0.9f);
    save_step(restored, &rig, 10, false);
    write_file(inside(restored, "settings.ini"), "nonsense\n", 9);
    session_close(restored);
    struct session *interrupted = create_session(&settings, "interrupted");
    log_steps(interrupted, 1, 5);
    log_epoch(interrupted, 5, -1, 0.25f);
    session_close(interrupted);
    struct session *open_one = create_session(&settings, "open");
    struct session *diverged = create_session(&settings, "diverged");
    struct trainer_sink sink = session_sink(diverged);
    const struct epoch_record absurd = {
        .step = 11, .validation_accuracy = 0.3f, .validation_loss = 5e33f, .test_accuracy = -1, .test_loss = -1};
    assert_ok(sink.on_epoch(sink.context, &absurd, &error), &error);
    assert_ok(sink.on_divergence(sink.context, "block 3", 12, &error), &error);
    session_close(diverged);
    write_file(path_of("not-a-session"), "", 0);

    assert_ok(sessions_list(&settings, &list, &count, &error), &error);
    assert_int_equal(count, 7);
    assert_string_equal(find(list, count, "new")->state, "new");
    assert_string_equal(find(list, count, "finished")->state, trainer_state_name(TRAINER_FINISHED));
    assert_true(find(list, count, "finished")->best_accuracy == 0.5f);
    assert_int_equal(find(list, count, "finished")->step, 10);
    assert_string_equal(find(list, count, "finished")->preset, "custom");
    assert_string_equal(find(list, count, "finished")->network, "micro, changed");
    assert_string_equal(find(list, count, "broken")->state, "damaged");
    assert_string_equal(find(list, count, "restored")->state, "interrupted"); /* it goes on, from its checkpoint */
    assert_int_equal(find(list, count, "restored")->step, 10);
    assert_true(find(list, count, "restored")->best_accuracy == 0.5f);
    assert_string_equal(find(list, count, "restored")->preset, "custom");
    assert_string_equal(find(list, count, "interrupted")->state, "interrupted");
    assert_true(find(list, count, "interrupted")->best_accuracy == 0.25f);
    assert_string_equal(find(list, count, "open")->state, "training");
    assert_true(find(list, count, "open")->locked && !find(list, count, "new")->locked);
    assert_string_equal(find(list, count, "diverged")->state, trainer_state_name(TRAINER_DIVERGED));
    assert_int_equal(find(list, count, "diverged")->step, 12);
    assert_true(find(list, count, "diverged")->best_accuracy == -1); /* beside such a loss it is chance */
    free(list);
    session_close(open_one);

    snprintf(settings.sessions_dir, sizeof settings.sessions_dir, "%s/absent", folder);
    assert_ok(sessions_list(&settings, &list, &count, &error), &error);
    assert_int_equal(count, 0);
    free_rig(&rig);
}

/* Only what was written is read again: a row that was forged stays until then. */
static void test_update(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct session_summary *list = NULL;
    int count = 0;
    struct session *still = create_session(&settings, "still"), *runs = create_session(&settings, "runs");
    log_steps(still, 1, 4);
    log_steps(runs, 1, 4);
    session_close(still);
    assert_ok(sessions_update(&settings, &list, &count, &error), &error);
    assert_int_equal(count, 2);
    assert_int_equal(find(list, count, "still")->step, 4);
    assert_true(find(list, count, "still")->started > 1600000000);
    assert_true(isfinite(find(list, count, "still")->last_loss));
    for (int i = 0; i < count; i++)
        list[i].step = 77;
    log_steps(runs, 5, 6);
    assert_ok(sessions_update(&settings, &list, &count, &error), &error);
    assert_int_equal(find(list, count, "runs")->step, 6);
    assert_int_equal(find(list, count, "still")->step, 77);
    assert_true(find(list, count, "runs")->locked);
    session_close(runs);
    assert_ok(sessions_update(&settings, &list, &count, &error), &error);
    assert_false(find(list, count, "runs")->locked);
    session_close(create_session(&settings, "new"));
    assert_ok(sessions_update(&settings, &list, &count, &error), &error);
    assert_int_equal(count, 3);
    assert_true(isnan(find(list, count, "new")->last_loss));
    free(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_create_makes_the_folder, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_opened_by_its_path, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_names_are_made_up, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_bad_names, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_what_is_not_there, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_a_failed_create_cleans_up, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_the_name_of_what_was_never_made_is_free, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_data_is_absolute, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_default_directory, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_one_writer, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_who_looks_is_waited_for, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_a_signal_ends_the_wait_for_a_guarded_folder, folder_setup,
                                        folder_teardown),
        cmocka_unit_test_setup_teardown(test_a_killed_owner_leaves_no_lock, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_an_end_is_an_end_whoever_has_it_open, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_a_run_that_stands_still_is_listed_as_such, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_list, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_update, folder_setup, folder_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
