/* `nfbench tune --rm`: takes a tune away with its trials' sessions, when the person has said so twice. */
#include "sessions/tune_list.h"
#include "tui/cli_remove.h"
#include "tui/cli_tune.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What is done with the session of a trial. */
enum fate {
    FATE_NONE, /* there is none */
    FATE_REMOVED,
    FATE_OTHERS,
    FATE_LONGER, /* a person went on with it */
    FATE_UNREAD
};

struct removal {
    const struct cli *cli;
    struct tune *tune;
    int *claims;      /* (trials) */
    enum fate *fates; /* (trials) */
    int sessions;     /* that go */
};

/* Sessions lie beside the tune's folder, wherever that is. */
static void locate(const struct removal *removal, int trial, char path[FILE_PATH_SIZE])
{
    const struct tune *tune = removal->tune;
    const char *slash = strrchr(tune->folder, '/'), *session = tune->trials[trial].session;
    snprintf(path, FILE_PATH_SIZE, "%.*s/%s", slash ? (int)(slash - tune->folder) : 1, slash ? tune->folder : ".",
             session);
}

static int look_at(struct removal *removal, int trial, struct error *error)
{
    char path[FILE_PATH_SIZE];
    struct session *session;
    locate(removal, trial, path);
    if (access(path, F_OK) != 0)
        return 0;
    if (session_open(&removal->cli->settings, path, SESSION_READ, &session, NULL) != 0) {
        removal->fates[trial] = FATE_UNREAD;
        return 0;
    }
    if (!tune_owns_session(removal->tune, trial, session)) {
        session_close(session);
        removal->fates[trial] = FATE_OTHERS;
        return 0;
    }
    const bool trained = session_is_trained(session);
    long step = 0;
    const int result = session_newest_step(session, &step, error);
    session_close(session);
    if (result != 0)
        return -1;
    const bool longer = step > removal->tune->trials[trial].steps;
    removal->fates[trial] = longer ? FATE_LONGER : FATE_REMOVED;
    removal->sessions += !longer;
    return trained && !longer ? error_set(error, "session %s is being trained: end the run first",
                                          removal->tune->trials[trial].session)
                              : 0;
}

static int note_forks(const struct removal *removal, struct error *error)
{
    struct tune *tune = removal->tune;
    /* There is one at least, which a compiler without much optimisation does not see. */
    char **names = tune->count > 0 ? calloc((size_t)tune->count, sizeof *names) : NULL;
    int count = 0;
    if (!names)
        return error_set(error, "out of memory");
    for (int i = 0; i < tune->count; i++)
        if (removal->fates[i] == FATE_REMOVED)
            names[count++] = tune->trials[i].session;
    cli_remove_note_forks(removal->cli, names, count);
    free(names);
    return 0;
}

/* All is looked at before the first goes. */
static int describe(struct removal *removal, struct error *error)
{
    const struct tune *tune = removal->tune;
    for (int i = 0; i < tune->count; i++)
        if (look_at(removal, i, error) != 0)
            return -1;
    if (!cli_value(removal->cli, "yes"))
        fprintf(stderr, "%s, and %d session%s of its %d trials, with all their checkpoints\n", tune->folder,
                removal->sessions, removal->sessions == 1 ? "" : "s", tune->count);
    for (int i = 0; i < tune->count; i++) {
        char note[FILE_PATH_SIZE];
        if (removal->fates[i] == FATE_OTHERS)
            snprintf(note, sizeof note, "%s stays: it is not what the tune has trained", tune->trials[i].session);
        else if (removal->fates[i] == FATE_UNREAD)
            snprintf(note, sizeof note, "%s stays: it cannot be read; remove its folder by hand",
                     tune->trials[i].session);
        else if (removal->fates[i] == FATE_LONGER)
            snprintf(note, sizeof note, "%s stays: it was trained on beyond the tune's %ld steps",
                     tune->trials[i].session, tune->trials[i].steps);
        else
            continue;
        cli_note(note);
    }
    return note_forks(removal, error);
}

static enum cli_status tell(const struct removal *removal)
{
    const struct tune *tune = removal->tune;
    json_t *removed = json_array(), *kept = json_array();
    for (int i = 0; i < tune->count; i++)
        if (removal->fates[i] != FATE_NONE)
            json_array_append_new(removal->fates[i] == FATE_REMOVED ? removed : kept,
                                  cli_json_text(tune->trials[i].session));
    if (access(tune->folder, F_OK) == 0)
        cli_note("the tune's folder stays: there are files in it that nfbench has not written");
    if (removal->cli->settings.json)
        return cli_print_json(removal->cli,
                              json_pack("{s:s, s:o, s:o}", "tune", tune->name, "removed", removed, "kept", kept));
    json_decref(removed);
    json_decref(kept);
    printf("removed tune %s and %d session%s\n", tune->name, removal->sessions, removal->sessions == 1 ? "" : "s");
    return CLI_DONE;
}

static int remove_all(const struct removal *removal, struct error *error)
{
    char path[FILE_PATH_SIZE];
    for (int i = 0; i < removal->tune->count; i++) {
        locate(removal, i, path);
        if (removal->fates[i] == FATE_REMOVED && session_remove(&removal->cli->settings, path, error) != 0)
            return -1;
    }
    return tune_remove(removal->tune, error);
}

/* With all trials claimed. */
static enum cli_status remove_claimed(struct removal *removal)
{
    struct error error;
    if (describe(removal, &error) != 0)
        return cli_failed(removal->cli, &error);
    if (!cli_remove_agreed(removal->cli, "these")) {
        error_set(&error, "nothing was removed");
        return cli_failed(removal->cli, &error);
    }
    return remove_all(removal, &error) == 0 ? tell(removal) : cli_failed(removal->cli, &error);
}

static enum cli_status remove_tune(const struct cli *cli, struct tune *tune)
{
    struct error error;
    struct removal removal = {.cli = cli, .tune = tune};
    enum cli_status status = CLI_FAILED;
    removal.claims = calloc((size_t)tune->count, sizeof *removal.claims);
    removal.fates = calloc((size_t)tune->count, sizeof *removal.fates);
    if (!removal.claims || !removal.fates) {
        error_set(&error, "out of memory");
        cli_failed(cli, &error);
    } else if (tune_claim_all(tune, removal.claims, &error) != 0)
        cli_failed(cli, &error);
    else {
        status = remove_claimed(&removal);
        for (int i = 0; i < tune->count; i++)
            close(removal.claims[i]);
    }
    free(removal.claims);
    free(removal.fates);
    return status;
}

enum cli_status cli_tune_remove(const struct cli *cli, const char *name)
{
    struct error error;
    enum cli_status status;
    struct tune *tune = calloc(1, sizeof *tune);
    if (!tune)
        error_set(&error, "out of memory");
    if (!tune || tune_open(&cli->settings, name, tune, &error) != 0 || tune_check_folder(tune, &error) != 0)
        status = cli_failed(cli, &error);
    else if (cli_remove_check(cli, &error) != 0)
        status = cli_usage(cli, &error);
    else
        status = remove_tune(cli, tune);
    if (tune)
        tune_free(tune);
    free(tune);
    return status;
}
