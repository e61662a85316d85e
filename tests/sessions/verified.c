/* See verified.h. */
#include "verified.h"

#include "sessions/session_paths.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct error error;
struct settings settings;
struct verify_report report;

void make_session(const char *name)
{
    settings = small_settings();
    struct rig rig = make_rig(&settings, 1);
    struct session *session = create_session(&settings, name);
    struct trainer_sink sink = session_sink(session);
    for (int epoch = 1; epoch <= 2; epoch++) {
        const long step = 10 * epoch;
        struct command_record command = {
            .step = step - 5, .ok = true, .command = {COMMAND_LEARNING_RATE, .value = 0.1}};
        const struct epoch_record record = {.step = step, .epoch = epoch, .best = epoch == 1};
        struct training_state state = {.step = step, .epoch = epoch, .best_accuracy = -1};
        strcpy(command.command.text, "lr 0.1");
        for (long i = step - 9; i <= step; i++) {
            const struct step_record one = {.step = i, .epoch = epoch - 1, .loss = 1};
            assert_ok(sink.on_step(sink.context, &one, &error), &error);
        }
        assert_ok(sink.on_command(sink.context, &command, &error), &error);
        assert_ok(sink.on_epoch(sink.context, &record, &error), &error);
        train_once(rig.network);
        assert_ok(sink.on_checkpoint(sink.context, rig.network, &state, epoch == 1, &error), &error);
        if (epoch == 1)
            assert_ok(sink.on_name(sink.context, "first", step, &error), &error);
    }
    assert_ok(session_end(session, TRAINER_FINISHED, 20, "", &error), &error);
    session_close(session);
    free_rig(&rig);
}

void be_fork(const char *name, const char *parent, long step)
{
    struct session_paths paths;
    assert_ok(session_paths(path_in(name, ""), &paths, &error), &error);
    assert_ok(session_write_parent(&paths, parent, step, &error), &error);
}

void verify(const char *name, bool repair)
{
    verify_free(&report);
    assert_ok(session_verify(&settings, name, repair, &report, &error), &error);
}

const struct verify_finding *find(const char *part)
{
    for (int i = 0; i < report.count; i++)
        if (strstr(report.findings[i].what, part))
            return &report.findings[i];
    return NULL;
}

const struct verify_finding *found(const char *file, const char *part)
{
    const struct verify_finding *finding = find(part);
    if (!finding) {
        for (int i = 0; i < report.count; i++)
            print_error("found: %s: %s\n", report.findings[i].file, report.findings[i].what);
        fail_msg("'%s' was not found", part);
        return NULL;
    }
    assert_string_equal(finding->file, file);
    assert_true(*finding->means != '\0');
    return finding;
}

char *path_in(const char *session, const char *file)
{
    static char paths[4][512];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s/%s", folder, session, file);
    return path;
}

void flip(const char *path, long at, int bit)
{
    size_t size;
    char *data = read_file(path, &size);
    data[at < 0 ? (size_t)((long)size + at) : (size_t)at % size] ^= (char)(1 << bit);
    assert_int_equal(unlink(path), 0);
    write_file(path, data, size);
    free(data);
}

void append(const char *path, const char *text)
{
    FILE *file = fopen(path, "a");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

int verified_teardown(void **state)
{
    verify_free(&report);
    return folder_teardown(state);
}
