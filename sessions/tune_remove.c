/* Takes a tune away, when a person has asked for it; see tune_list.h. */
#include "sessions/session_paths.h"
#include "sessions/tune_list.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* ---- Whose session it is ---- */

static int read_planned(const struct tune *tune, int trial, struct settings *settings)
{
    char path[FILE_PATH_SIZE];
    return settings_default(settings, NULL) || tune_path(tune, trial, "ini", path, NULL) ||
                   settings_read(settings, path, NULL)
               ? -1
               : 0;
}

static bool is_fork(const struct session *session)
{
    char parent[SESSION_NAME_SIZE];
    struct session_paths paths;
    long step;
    if (session_paths(session_path(session), &paths, NULL))
        return false;
    session_read_parent(&paths, parent, &step);
    return *parent;
}

bool tune_owns_session(const struct tune *tune, int trial, const struct session *session)
{
    char planned[SETTINGS_DIGEST_SIZE], there[SETTINGS_DIGEST_SIZE];
    struct settings *settings = calloc(1, sizeof *settings);
    bool own = false;
    if (settings && read_planned(tune, trial, settings) == 0) {
        settings_digest(settings, planned);
        settings_digest(session_settings(session), there);
        own = strcmp(planned, there) == 0 && !is_fork(session);
    }
    free(settings);
    return own;
}

/* ---- Claims ---- */

/* A descriptor for each: more than a process may have without asking. */
static void allow_descriptors(int count)
{
    enum { OTHERS = 64 };
    struct rlimit limit;
    const rlim_t wanted = (rlim_t)count + OTHERS;
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

int tune_claim_all(const struct tune *tune, int *claims, struct error *error)
{
    allow_descriptors(tune->count);
    for (int i = 0; i < tune->count; i++) {
        const int claimed = tune_claim(tune, i, &claims[i], error);
        if (claimed > 0)
            continue;
        while (i > 0)
            close(claims[--i]);
        return claimed < 0 ? -1 : error_set(error, "tune %s is being trained: end that first", tune->name);
    }
    return 0;
}

/* ---- The folder ---- */

static int remove_file(const char *path, struct error *error)
{
    return unlink(path) == 0 || errno == ENOENT ? 0 : file_failed(error, "remove", path);
}

static int remove_named(const struct tune *tune, const char *name, struct error *error)
{
    char path[FILE_PATH_SIZE];
    return path_format(path, error, "%s/%s", tune->folder, name) || remove_file(path, error) ? -1 : 0;
}

int tune_remove(const struct tune *tune, struct error *error)
{
    static const char *const ends[] = {"log", "json", "ini", "lock"};
    static const char *const others[] = {"results.csv", "results.png", "plan.json"};
    char path[FILE_PATH_SIZE];
    for (int i = 0; i < tune->count; i++)
        for (size_t e = 0; e < sizeof ends / sizeof *ends; e++)
            if (tune_path(tune, i, ends[e], path, error) || remove_file(path, error))
                return -1;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (remove_named(tune, others[i], error))
            return -1;
    if (rmdir(tune->folder) == 0 || errno == ENOTEMPTY || errno == EEXIST)
        return 0;
    return file_failed(error, "remove", tune->folder);
}
