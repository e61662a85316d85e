/* Session folders: names, lock, what the sink writes, resume from the newest good checkpoint, the list. */
#include "fixture.h"

#include "sessions/session.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct error error;

static struct session *create(struct settings *settings, const char *name)
{
    struct session *session;
    strcpy(settings->session, name);
    assert_ok(session_create(settings, &session, &error), &error);
    return session;
}

static void log_steps(struct session *session, long first, long last)
{
    struct trainer_sink sink = session_sink(session);
    for (long i = first; i <= last; i++) {
        const struct step_record record = {.step = i, .loss = 1.0f / (float)i};
        assert_ok(sink.on_step(sink.context, &record, &error), &error);
    }
}

static void log_epoch(struct session *session, long step, float validation, float test)
{
    struct trainer_sink sink = session_sink(session);
    const struct epoch_record record = {.step = step, .validation_accuracy = validation, .test_accuracy = test};
    assert_ok(sink.on_epoch(sink.context, &record, &error), &error);
}

static void save(struct session *session, struct rig *rig, long step, bool best)
{
    struct trainer_sink sink = session_sink(session);
    const struct training_state state = {.step = step, .best_accuracy = -1};
    assert_ok(sink.on_checkpoint(sink.context, rig->network, &state, best, &error), &error);
}

static const char *inside(const struct session *session, const char *name)
{
    static char path[1024];
    snprintf(path, sizeof path, "%s/%s", session_path(session), name);
    return path;
}

static void damage(const char *path)
{
    size_t size;
    char *bytes = read_file(path, &size);
    bytes[size / 2] ^= 1;
    write_file(path, bytes, size);
    free(bytes);
}

/* ---- Folder and names ---- */

static void test_create_makes_the_folder(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    snprintf(settings.sessions_dir, sizeof settings.sessions_dir, "%s/some/where", folder);
    struct session *session = create(&settings, "first");
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

static void test_names_are_made_up(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct session *one = create(&settings, ""), *two = create(&settings, "");
    const char *tail = strrchr(session_name(one), '-');
    assert_non_null(strstr(session_name(one), "-custom-"));
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
    struct session *session = create(&settings, "twice");
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

static void test_data_is_absolute(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    strcpy(settings.data, ".");
    struct session *session = create(&settings, "absolute");
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
    struct session *session = create(&settings, "locked"), *other;
    char owner[64];
    snprintf(owner, sizeof owner, "in use by process %ld", (long)getpid());
    assert_error(session_open(&settings, "locked", SESSION_WRITE, &other, &error), &error, owner);
    assert_ok(session_open(&settings, "locked", SESSION_READ, &other, &error), &error);
    session_close(other);
    session_close(session);
    assert_ok(session_open(&settings, "locked", SESSION_WRITE, &other, &error), &error);
    session_close(other);
}

static void test_a_killed_owner_leaves_no_lock(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct session *session = create(&settings, "killed");
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

/* ---- Writing and resuming ---- */

static void test_steps_are_logged_every_so_many(void **state)
{
    (void)state;
    struct settings settings = small_settings(); /* log-every 2 */
    struct session *session = create(&settings, "log");
    struct trainer_sink sink = session_sink(session);
    struct metrics metrics;
    const struct command_record command = {.step = 3, .command = {.text = "pause"}, .ok = true, .outcome = "paused"};
    log_steps(session, 1, 7);
    assert_ok(sink.on_command(sink.context, &command, &error), &error);
    assert_ok(session_metrics(session, &metrics, &error), &error); /* while it is being written */
    assert_int_equal(metrics.step_count, 3);
    assert_int_equal(metrics.steps[2].step, 6);
    assert_int_equal(metrics.command_count, 1);
    metrics_free(&metrics);
    session_close(session);
}

/* Each probe, whatever the steps between records; a resumed session has those up to its checkpoint. */
static void test_probes_are_logged_and_resumed(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct rig rig = make_rig(&settings, 1);
    struct session *session = create(&settings, "probes");
    struct trainer_sink sink = session_sink(session);
    struct metrics metrics;
    struct probe *probe = NULL;
    struct training_state at = {.step = 2};
    char note[256];
    assert_ok(probe_create(&settings.model, &probe, &error), &error);
    for (probe->step = 0; probe->step < 4; probe->step++) {
        probe->points[1].variance = 1 + (float)probe->step / 3;
        assert_ok(sink.on_probe(sink.context, probe, &error), &error);
    }
    assert_ok(session_save(session, rig.network, &at, false, &error), &error);
    session_close(session);
    assert_ok(session_open(&settings, "probes", SESSION_WRITE, &session, &error), &error);
    assert_ok(session_resume(session, rig.network, &at, note, &error), &error);
    assert_ok(session_metrics(session, &metrics, &error), &error);
    assert_int_equal(metrics.probe_count, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(metrics.probes[i]->step, i);
        assert_int_equal(metrics.probes[i]->count, probe->count);
        assert_int_equal(metrics.probes[i]->points[1].channels, 8);
        assert_true(metrics.probes[i]->points[1].variance == 1 + (float)i / 3);
    }
    metrics_free(&metrics);
    probe_destroy(probe);
    session_close(session);
    free_rig(&rig);
}

static void test_resume_goes_on_from_the_newest(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct rig rig = make_rig(&settings, 1), loaded = make_rig(&settings, 2);
    struct session *session = create(&settings, "resume");
    struct training_state start;
    struct metrics metrics;
    char note[256];
    log_steps(session, 1, 4);
    train_once(rig.network);
    save(session, &rig, 4, false);
    log_steps(session, 5, 9); /* and then the machine dies */
    session_close(session);

    assert_ok(session_open(&settings, "resume", SESSION_WRITE, &session, &error), &error);
    assert_ok(session_resume(session, loaded.network, &start, note, &error), &error);
    assert_int_equal(start.step, 4);
    assert_string_equal(note, "");
    assert_true(same_network(rig.network, loaded.network));
    log_steps(session, 5, 8);
    assert_ok(session_metrics(session, &metrics, &error), &error);
    assert_int_equal(metrics.step_count, 4);
    for (int i = 0; i < 4; i++)
        assert_int_equal(metrics.steps[i].step, 2 * (i + 1));
    metrics_free(&metrics);
    session_close(session);
    free_rig(&rig);
    free_rig(&loaded);
}

static void do_command(struct session *session, long step, enum command_kind kind, const char *text)
{
    struct trainer_sink sink = session_sink(session);
    struct command_record record = {.step = step, .command = {.kind = kind}, .ok = true};
    snprintf(record.command.text, sizeof record.command.text, "%s", text);
    assert_ok(sink.on_command(sink.context, &record, &error), &error);
}

/* Opens the session again, resumes it and compares the commands that are left with `expected`, one a word. */
static void assert_resumed_commands(const struct settings *settings, const char *name, struct rig *rig,
                                    const char *expected)
{
    struct session *session;
    struct training_state start;
    struct metrics metrics;
    char note[256], found[256] = "";
    assert_ok(session_open(settings, name, SESSION_WRITE, &session, &error), &error);
    assert_ok(session_resume(session, rig->network, &start, note, &error), &error);
    assert_ok(session_metrics(session, &metrics, &error), &error);
    for (int i = 0; i < metrics.command_count; i++) {
        size_t used = strlen(found);
        snprintf(found + used, sizeof found - used, "%s%s", i ? " " : "", metrics.commands[i].command.text);
    }
    assert_string_equal(found, expected);
    metrics_free(&metrics);
    session_close(session);
}

/* What a resumed run's log says was done is in force: a rate set behind the checkpoint, at its very step, is not. */
static void test_resume_forgets_commands_behind_the_checkpoint(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct rig rig = make_rig(&settings, 1);
    struct session *session = create(&settings, "orders");
    do_command(session, 4, COMMAND_LEARNING_RATE, "before");
    save(session, &rig, 4, false);
    do_command(session, 4, COMMAND_SAVE, "save"); /* changes nothing, so it stays */
    do_command(session, 4, COMMAND_SCALE_LEARNING_RATE, "after");
    do_command(session, 5, COMMAND_PAUSE, "later");
    session_close(session);
    assert_resumed_commands(&settings, "orders", &rig, "before save");

    assert_ok(session_open(&settings, "orders", SESSION_WRITE, &session, &error), &error);
    do_command(session, 4, COMMAND_LEARNING_RATE, "again");
    save(session, &rig, 4, false);
    session_close(session);
    assert_resumed_commands(&settings, "orders", &rig, "before save again");
    free_rig(&rig);
}

/* Whatever checkpoint it goes on from; what was refused changes nothing. */
static void test_a_command_changes_what_a_divergence_does(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct session *session = create(&settings, "policy");
    struct trainer_sink sink = session_sink(session);
    struct command_record record = {.command = {.kind = COMMAND_ON_DIVERGENCE, .value = DIVERGENCE_CONTINUE},
                                    .ok = true};
    assert_ok(sink.on_command(sink.context, &record, &error), &error);
    record.command.value = 7;
    record.ok = false;
    assert_ok(sink.on_command(sink.context, &record, &error), &error);
    session_close(session);

    assert_ok(session_open(&settings, "policy", SESSION_READ, &session, &error), &error);
    const struct settings *read = session_settings(session);
    settings.train.on_divergence = DIVERGENCE_CONTINUE;
    assert_memory_equal(&read->model, &settings.model, sizeof read->model);
    assert_memory_equal(&read->train, &settings.train, sizeof read->train);
    session_close(session);
}

static void test_a_divergence_is_recorded_once_and_whole(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct session *session = create(&settings, "wild");
    struct trainer_sink sink = session_sink(session);
    size_t size;
    assert_ok(sink.on_divergence(sink.context, "diverged in block 3", 12, &error), &error);
    assert_ok(session_end(session, TRAINER_DIVERGED, 11, "diverged in block 3", &error), &error);
    char *text = read_file(inside(session, "metrics.jsonl"), &size);
    const char *first = strstr(text, "block 3");
    assert_non_null(first);
    assert_null(strstr(first + 1, "block 3"));
    free(text);
    session_close(session);
}

/* The person has changed something at the divergence, and the run goes on: it is no longer what the session says. */
static void test_a_divergence_that_was_overcome_is_not_the_end(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct session *session = create(&settings, "tamed");
    struct trainer_sink sink = session_sink(session);
    struct metrics metrics;
    const struct step_record step = {.step = 12};
    assert_ok(sink.on_divergence(sink.context, "diverged in block 3", 12, &error), &error);
    assert_ok(session_metrics(session, &metrics, &error), &error);
    assert_string_equal(metrics.end_state, "diverged");
    metrics_free(&metrics);
    assert_ok(sink.on_step(sink.context, &step, &error), &error); /* killed now, it was interrupted */
    assert_ok(session_metrics(session, &metrics, &error), &error);
    assert_string_equal(metrics.end_state, "started");
    metrics_free(&metrics);
    assert_ok(session_end(session, TRAINER_DIVERGED, 12, "again", &error), &error);
    assert_ok(session_metrics(session, &metrics, &error), &error);
    assert_string_equal(metrics.end_message, "again");
    metrics_free(&metrics);
    session_close(session);
}

/* Back to step 2: records and checkpoints behind it are gone once its own is written again, and a resume has the rate
 * of the rollback. */
static void test_a_rollback_undoes_what_was_behind(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct rig rig = make_rig(&settings, 1);
    struct session *session = create(&settings, "back");
    const struct trainer_sink sink = session_sink(session);
    const struct command_record back = {
        .step = 2, .command = {.kind = COMMAND_ROLLBACK, .value = 0.05, .text = "rollback"}, .ok = true};
    const struct finding finding = {.kind = FINDING_DIVERGENCE, .step = 2, .since = 7, .text = "step 7 in block 1"};
    struct training_state to = {.step = 2, .learning_rate = 0.05f}, resumed;
    struct metrics metrics;
    char note[256];
    for (long step = 2; step <= 6; step += 2) {
        log_steps(session, step - 1, step);
        if (step == 2)
            do_command(session, 1, COMMAND_LEARNING_RATE, "before it");
        save(session, &rig, step, false); /* the one of step 2 has given way by the third */
    }
    do_command(session, 2, COMMAND_LEARNING_RATE, "undone");
    assert_false(exists(inside(session, "checkpoints/2.safetensors")));
    assert_ok(sink.on_rollback(sink.context, &to, &error), &error);
    assert_ok(sink.on_finding(sink.context, &finding, &error), &error);
    assert_ok(sink.on_command(sink.context, &back, &error), &error);
    assert_true(exists(inside(session, "checkpoints/6.safetensors"))); /* until there is another */
    assert_ok(sink.on_checkpoint(sink.context, rig.network, &to, false, &error), &error);
    assert_false(exists(inside(session, "checkpoints/4.safetensors")));
    assert_false(exists(inside(session, "checkpoints/6.safetensors")));
    session_close(session);

    assert_ok(session_open(&settings, "back", SESSION_WRITE, &session, &error), &error);
    assert_ok(session_resume(session, rig.network, &resumed, note, &error), &error);
    assert_int_equal(resumed.step, 2);
    assert_true(resumed.learning_rate == 0.05f);
    assert_ok(session_metrics(session, &metrics, &error), &error);
    assert_true(metrics.step_count > 0 && metrics.steps[metrics.step_count - 1].step == 2);
    assert_int_equal(metrics.command_count, 2);
    assert_string_equal(metrics.commands[0].command.text, "before it");
    assert_int_equal(metrics.commands[1].command.kind, COMMAND_ROLLBACK);
    assert_int_equal(metrics.finding_count, 1);
    assert_int_equal(metrics.findings[0].since, 7);
    metrics_free(&metrics);
    session_close(session);
    free_rig(&rig);
}

static void test_a_damaged_newest_is_passed_over(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct rig rig = make_rig(&settings, 1), loaded = make_rig(&settings, 2), good = make_rig(&settings, 1);
    struct session *session = create(&settings, "damaged");
    struct training_state start;
    char note[256];
    train_once(good.network);
    train_once(rig.network);
    save(session, &rig, 4, false);
    train_once(rig.network);
    save(session, &rig, 8, true);
    damage(inside(session, "checkpoints/8.safetensors"));

    assert_ok(session_load(session, CHECKPOINT_LATEST, loaded.network, &start, note, &error), &error);
    assert_non_null(strstr(note, "step 4 taken instead"));
    assert_error(session_load(session, 8, loaded.network, &start, note, &error), &error, "damaged");
    assert_true(exists(inside(session, "checkpoints/8.safetensors"))); /* loading changes nothing */
    assert_ok(session_resume(session, loaded.network, &start, note, &error), &error);
    assert_int_equal(start.step, 4);
    assert_non_null(strstr(note, "step 4 taken instead"));
    assert_true(same_network(good.network, loaded.network));
    assert_true(exists(inside(session, "checkpoints/8.safetensors.damaged")));
    save(session, &rig, 8, false);
    assert_ok(session_load(session, CHECKPOINT_LATEST, loaded.network, &start, note, &error), &error);
    assert_int_equal(start.step, 8);
    assert_string_equal(note, "");

    damage(inside(session, "checkpoints/8.safetensors"));
    damage(inside(session, "checkpoints/4.safetensors"));
    assert_error(session_resume(session, loaded.network, &start, note, &error), &error, "8.safetensors: damaged");
    assert_true(exists(inside(session, "checkpoints/8.safetensors")));
    session_close(session);
    free_rig(&rig);
    free_rig(&loaded);
    free_rig(&good);
}

/* The good file stays until the new one is known to be good, though both are of the same step. */
static void test_a_bad_save_keeps_the_good_file(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct rig rig = make_rig(&settings, 1), loaded = make_rig(&settings, 2);
    struct session *session = create(&settings, "twice");
    const struct training_state now = {.step = 4, .best_accuracy = -1};
    struct training_state start;
    char note[256];
    save(session, &rig, 4, false);
    disk_damages = true;
    const int result = session_save(session, rig.network, &now, false, &error);
    disk_damages = false;
    assert_error(result, &error, "damaged");
    assert_false(exists(inside(session, "checkpoints/4.safetensors.tmp")));
    assert_ok(session_load(session, CHECKPOINT_LATEST, loaded.network, &start, note, &error), &error);
    assert_true(same_network(rig.network, loaded.network));
    session_close(session);
    free_rig(&rig);
    free_rig(&loaded);
}

static void test_best_and_given_steps(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct rig rig = make_rig(&settings, 1);
    struct session *session = create(&settings, "best");
    struct training_state start;
    char note[256];
    assert_error(session_load(session, CHECKPOINT_LATEST, rig.network, &start, note, &error), &error,
                 "session best has no checkpoint yet");
    save(session, &rig, 4, true);
    save(session, &rig, 4, false); /* `save` again at the same step keeps the mark */
    save(session, &rig, 8, false);
    save(session, &rig, 12, false);
    assert_ok(session_load(session, CHECKPOINT_BEST, rig.network, &start, note, &error), &error);
    assert_int_equal(start.step, 4);
    assert_ok(session_load(session, CHECKPOINT_LATEST, rig.network, NULL, note, &error), &error);
    assert_ok(session_load(session, 8, rig.network, &start, note, &error), &error);
    assert_int_equal(start.step, 8);
    assert_error(session_load(session, 5, rig.network, &start, note, &error), &error, "no checkpoint at step 5");
    session_close(session);
    free_rig(&rig);
}

static void test_changed_settings_are_noted(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct rig rig = make_rig(&settings, 1);
    struct session *session = create(&settings, "changed");
    char note[256];
    save(session, &rig, 4, false);
    struct settings changed = *session_settings(session);
    changed.train.epochs = 99;
    assert_ok(session_update_settings(session, &changed, &error), &error);
    assert_ok(session_load(session, CHECKPOINT_LATEST, rig.network, NULL, note, &error), &error);
    assert_string_equal(note, "");
    changed.train.seed = 99;
    assert_ok(session_update_settings(session, &changed, &error), &error);
    assert_ok(session_load(session, CHECKPOINT_LATEST, rig.network, NULL, note, &error), &error);
    assert_non_null(strstr(note, "made with other settings"));
    session_close(session);
    assert_ok(session_open(&settings, "changed", SESSION_READ, &session, &error), &error);
    assert_int_equal(session_settings(session)->train.epochs, 99);
    session_close(session);
    free_rig(&rig);
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

static void test_list(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct rig rig = make_rig(&settings, 1);
    struct session_summary *list;
    int count;
    assert_ok(sessions_list(&settings, &list, &count, &error), &error);
    assert_int_equal(count, 0);

    session_close(create(&settings, "new"));
    struct session *finished = create(&settings, "finished"), *broken = create(&settings, "broken");
    log_steps(finished, 1, 10);
    log_epoch(finished, 10, 0.5f, 0.9f);
    log_epoch(finished, 10, 0.4f, 0.9f);
    save(finished, &rig, 10, false);
    assert_ok(session_end(finished, TRAINER_FINISHED, 10, "", &error), &error);
    write_file(inside(broken, "settings.ini"), "nonsense\n", 9);
    session_close(finished);
    session_close(broken);
    struct session *interrupted = create(&settings, "interrupted");
    log_steps(interrupted, 1, 5);
    log_epoch(interrupted, 5, -1, 0.25f);
    session_close(interrupted);
    struct session *open_one = create(&settings, "open");
    struct session *diverged = create(&settings, "diverged");
    struct trainer_sink sink = session_sink(diverged);
    assert_ok(sink.on_divergence(sink.context, "block 3", 12, &error), &error);
    session_close(diverged);
    write_file(path_of("not-a-session"), "", 0);

    assert_ok(sessions_list(&settings, &list, &count, &error), &error);
    assert_int_equal(count, 6);
    assert_string_equal(find(list, count, "new")->state, "new");
    assert_string_equal(find(list, count, "finished")->state, trainer_state_name(TRAINER_FINISHED));
    assert_true(find(list, count, "finished")->best_accuracy == 0.5f);
    assert_int_equal(find(list, count, "finished")->step, 10);
    assert_string_equal(find(list, count, "finished")->preset, "custom");
    assert_string_equal(find(list, count, "broken")->state, "damaged");
    assert_string_equal(find(list, count, "interrupted")->state, "interrupted");
    assert_true(find(list, count, "interrupted")->best_accuracy == 0.25f);
    assert_string_equal(find(list, count, "open")->state, "training");
    assert_true(find(list, count, "open")->locked && !find(list, count, "new")->locked);
    assert_string_equal(find(list, count, "diverged")->state, trainer_state_name(TRAINER_DIVERGED));
    assert_int_equal(find(list, count, "diverged")->step, 12);
    free(list);
    session_close(open_one);

    snprintf(settings.sessions_dir, sizeof settings.sessions_dir, "%s/absent", folder);
    assert_ok(sessions_list(&settings, &list, &count, &error), &error);
    assert_int_equal(count, 0);
    free_rig(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_create_makes_the_folder, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_names_are_made_up, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_bad_names, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_what_is_not_there, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_a_failed_create_cleans_up, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_data_is_absolute, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_default_directory, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_one_writer, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_a_killed_owner_leaves_no_lock, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_steps_are_logged_every_so_many, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_probes_are_logged_and_resumed, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_resume_goes_on_from_the_newest, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_resume_forgets_commands_behind_the_checkpoint, folder_setup,
                                        folder_teardown),
        cmocka_unit_test_setup_teardown(test_a_command_changes_what_a_divergence_does, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_a_divergence_is_recorded_once_and_whole, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_a_damaged_newest_is_passed_over, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_a_bad_save_keeps_the_good_file, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_a_divergence_that_was_overcome_is_not_the_end, folder_setup,
                                        folder_teardown),
        cmocka_unit_test_setup_teardown(test_a_rollback_undoes_what_was_behind, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_best_and_given_steps, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_changed_settings_are_noted, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_list, folder_setup, folder_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
