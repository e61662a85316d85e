/* The checkpoints of a session under verify.h: each file by itself, and whether it agrees with settings and logs. */
#include "sessions/verify_internal.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* "checkpoints/40.safetensors" */
static const char *file_of(const struct verify *verify, const struct checkpoint_entry *entry)
{
    return entry->path + strlen(verify->paths.folder) + 1;
}

/* ---- One file ---- */

/* "cannot read PATH: damaged": the finding says which file it is of. */
static const char *reason(const struct error *error, const struct checkpoint_entry *entry)
{
    const char *path = strstr(error->message, entry->path), *behind = path ? path + strlen(entry->path) : NULL;
    return behind && strncmp(behind, ": ", 2) == 0 ? behind + 2 : error->message;
}

static void tell_damaged(struct verify *verify, const struct checkpoint_entry *entry, const struct error *why)
{
    const char *file = file_of(verify, entry), *name = strrchr(file, '/') + 1;
    struct error error = {""};
    struct verify_finding *finding = verify_add(verify, VERIFY_WRONG, file, "%s", reason(why, entry));
    if (*entry->name)
        snprintf(finding->means, sizeof finding->means, "`load %s` and --checkpoint %s cannot go to it", entry->name,
                 entry->name);
    else
        snprintf(finding->means, sizeof finding->means, "nothing can go on from it: a resume takes the one before it");
    snprintf(finding->mend, sizeof finding->mend, "moves it aside, to %s.damaged", name);
    verify_mended(verify, finding, verify->repair ? verify_move_aside(entry->path, &error) : 0, &error);
}

/* The settings are those that it was made with. Where they are not, it is they that are in doubt: a network of theirs
 * may be of any size. */
static bool settings_fit(const struct verify *verify, const struct checkpoint_info *info)
{
    char digest[SETTINGS_DIGEST_SIZE];
    settings_digest(&verify->settings, digest);
    return strcmp(digest, info->settings_digest) == 0;
}

static int open_network(struct verify *verify, struct backend **backend, struct error *error)
{
    const struct settings *settings = &verify->settings;
    const struct network_options options = {.batch = 1,
                                            .dtype = DTYPE_FP32,
                                            .seed = settings->train.seed,
                                            .ema = settings->train.ema > 0,
                                            .lookahead = settings->train.lookahead > 0};
    if (backend_cpu_create(1, backend, error))
        return -1;
    return network_create(*backend, &settings->model, &options, &verify->network, error);
}

static void tell_unfit(struct verify *verify, const struct checkpoint_entry *entry, const struct error *why)
{
    struct verify_finding *finding = verify_add(verify, VERIFY_WRONG, file_of(verify, entry), "%s", reason(why, entry));
    snprintf(finding->means, sizeof finding->means,
             "its checksum fits, so it is as it was written, but not by a run of this session");
}

/* ... beside the logs that it was saved with. */
static void check_commands(struct verify *verify, const struct checkpoint_entry *entry,
                           const struct checkpoint_info *info, const struct log_facts *commands)
{
    const long step = info->state.step, known = info->commands == LONG_MAX ? 0 : info->commands;
    struct error why = {""};
    if (known > commands->lines)
        error_set(&why, "it was saved after %ld commands, and commands.jsonl has %ld", known, commands->lines);
    for (long i = 0; i < commands->lines && !*why.message; i++) {
        if (i < known && commands->steps[i] > step)
            error_set(&why, "command %ld is of step %ld, but among the %ld that it was saved after", i + 1,
                      commands->steps[i], known);
        else if (i >= known && info->commands != LONG_MAX && commands->changes[i] && commands->steps[i] >= 0 &&
                 commands->steps[i] < step)
            error_set(&why, "command %ld, of step %ld, is not among the %ld that it was saved after", i + 1,
                      commands->steps[i], known);
    }
    if (!*why.message)
        return;
    struct verify_finding *finding = verify_add(verify, VERIFY_WRONG, file_of(verify, entry), "%s", why.message);
    snprintf(
        finding->means, sizeof finding->means,
        "it can be gone on from, but what was commanded before it is not known as a whole, and cannot be replayed");
}

/* By what reading it has left in errno (checkpoint.h). */
static void tell_unread(struct verify *verify, const struct checkpoint_entry *entry, int why, const struct error *error)
{
    if (why == EBADMSG) {
        tell_damaged(verify, entry, error);
        return;
    }
    struct verify_finding *finding =
        verify_add(verify, VERIFY_WRONG, file_of(verify, entry), "%s", reason(error, entry));
    snprintf(finding->means, sizeof finding->means, "%s",
             why == ENOTSUP ? "nothing is known to be wrong with it, but this nfbench cannot go on from it"
                            : "it may be whole: this machine cannot read it now");
}

/* False when it cannot be read, or is not there any more: a run that goes on removes its older ones. */
static bool read_file(struct verify *verify, const struct checkpoint_entry *entry, struct checkpoint_info *info)
{
    struct error error = {""};
    errno = 0;
    if (checkpoint_verify(entry->path, info, &error) == 0)
        return true;
    const int why = errno;
    if (access(entry->path, F_OK) == 0)
        tell_unread(verify, entry, why, &error);
    return false;
}

static void try_to_load(struct verify *verify, const struct checkpoint_entry *entry)
{
    struct checkpoint_info info;
    struct error error = {""};
    errno = 0;
    if (!verify->network || checkpoint_load(entry->path, verify->network, &info, &error) == 0)
        return;
    if (errno == ENOMEM)
        verify->out_of_memory = true;
    else if (access(entry->path, F_OK) == 0) /* see read_file */
        tell_unfit(verify, entry, &error);
}

static void check_entry(struct verify *verify, const struct checkpoint_entry *entry, const struct log_facts *commands,
                        bool *other_settings)
{
    struct checkpoint_info info;
    struct error error = {""};
    if (!read_file(verify, entry, &info))
        return;
    verify->report->checkpoints++;
    const bool of_run = !*entry->name;
    const bool newer = of_run && (!verify->has_newest || info.state.step > verify->newest.state.step);
    const bool later = newer && verify->has_newest && verify->report->training; /* than the logs were read */
    if (newer && !later) {
        verify->newest = info;
        verify->has_newest = true;
    }
    if (of_run && info.state.step != entry->step) {
        error_set(&error, "it is of step %ld", info.state.step);
        tell_unfit(verify, entry, &error);
        return;
    }
    if (verify->settings_known && !settings_fit(verify, &info))
        *other_settings = true;
    else
        try_to_load(verify, entry);
    if (!verify->unfinished_back && !later)
        check_commands(verify, entry, &info, commands);
}

/* ---- The folder ---- */

static void tell_other_settings(struct verify *verify)
{
    struct verify_finding *finding = verify_add(verify, VERIFY_WRONG, "settings.ini",
                                                "the checkpoints were made with other settings than it has now");
    snprintf(finding->means, sizeof finding->means,
             "a run that goes on would be another experiment than the one that made them");
    if (!verify->settings_changed || !verify_can_restore(&verify->paths))
        return; /* nfbench wrote it: who knows which is right? */
    struct error error = {""};
    snprintf(finding->mend, sizeof finding->mend,
             "takes those of the newest checkpoint, and keeps it as settings.ini.damaged");
    const int result = verify->repair ? verify_restore_settings(&verify->paths, &verify->settings, &error) : 0;
    verify_mended(verify, finding, result, &error);
}

/* A checkpoint with a name has its logs beside it; what `save NAME` began and a crash has ended has logs alone. */
static void check_named(struct verify *verify, const struct checkpoint_entry *entry, bool *other_settings)
{
    static const char *const ends[] = {"metrics.jsonl", "commands.jsonl"};
    struct log_facts facts[2] = {{.there = false}, {.there = false}};
    char path[FILE_PATH_SIZE], file[160];
    for (int i = 0; i < 2; i++) {
        snprintf(file, sizeof file, "checkpoints/%s.%s", entry->name, ends[i]);
        if (path_format(path, NULL, "%s/%s", verify->paths.folder, file))
            continue;
        verify_log(verify, path, file, i == 1, &facts[i]);
        if (facts[i].there)
            continue;
        struct verify_finding *finding = verify_add(verify, VERIFY_WRONG, file, "it is missing");
        snprintf(finding->means, sizeof finding->means,
                 "`load %s` cannot bring its records back; `nfbench fork --at %s` can go on from it", entry->name,
                 entry->name);
    }
    if (facts[0].there && facts[1].there)
        check_entry(verify, entry, &facts[1], other_settings);
    verify_facts_free(&facts[0]);
    verify_facts_free(&facts[1]);
}

static void check_all(struct verify *verify)
{
    struct checkpoint_entry *entries = NULL, *named = NULL;
    struct error error = {""};
    int count = 0, named_count = 0;
    bool other_settings = false;
    if (checkpoint_list(verify->paths.checkpoints, &entries, &count, &error) ||
        checkpoint_list_named(verify->paths.checkpoints, &named, &named_count, &error))
        verify_add(verify, VERIFY_WRONG, "checkpoints", "%s", error.message);
    for (int i = 0; i < count; i++)
        check_entry(verify, &entries[i], &verify->commands, &other_settings);
    for (int i = 0; i < named_count; i++)
        check_named(verify, &named[i], &other_settings);
    free(entries);
    free(named);
    if (other_settings)
        tell_other_settings(verify);
    verify->checkpoint_files = count;
}

/* A network of the settings, where a checkpoint says that they are those it was made with. */
static bool wants_network(const struct verify *verify)
{
    struct checkpoint_entry *entries = NULL;
    struct checkpoint_info info;
    int count = 0;
    bool wants = false;
    if (verify->settings_known && checkpoint_list(verify->paths.checkpoints, &entries, &count, NULL) == 0)
        for (int i = 0; i < count && !wants; i++)
            wants = checkpoint_read_info(entries[i].path, &info, NULL) == 0 && settings_fit(verify, &info);
    free(entries);
    return wants;
}

void verify_checkpoints(struct verify *verify)
{
    struct backend *backend = NULL;
    struct error error = {""};
    if (wants_network(verify) && open_network(verify, &backend, &error)) {
        struct verify_finding *finding =
            verify_add(verify, VERIFY_NOTE, NULL, "its network cannot be made here: %.400s", error.message);
        snprintf(finding->means, sizeof finding->means, "whether its checkpoints fit it was not looked at");
    }
    check_all(verify);
    network_destroy(verify->network);
    verify->network = NULL;
    if (backend)
        backend->destroy(backend);
}

/* ---- With the logs ---- */

/* A repair has moved or copied it aside before: what that cost was told then. */
static bool was_set_aside(const char *path)
{
    char aside[FILE_PATH_SIZE];
    return path_format(aside, NULL, "%s.damaged", path) == 0 && access(aside, F_OK) == 0;
}

static void check_epochs(struct verify *verify)
{
    const struct training_state *state = &verify->newest.state;
    if (verify->metrics.damaged || state->epoch <= verify->metrics.epochs)
        return;
    struct verify_finding *finding =
        verify_add(verify, was_set_aside(verify->paths.metrics) ? VERIFY_NOTE : VERIFY_WRONG, "metrics.jsonl",
                   "%d epochs had ended at the checkpoint of step %ld, it has %ld", state->epoch, state->step,
                   verify->metrics.epochs);
    snprintf(finding->means, sizeof finding->means,
             "records are lost: charts end early; the run itself goes on from its checkpoint to the bit");
}

/* A log that was lost is begun anew by the next resume. */
static bool check_beginning(struct verify *verify)
{
    const struct log_facts *facts = &verify->metrics;
    const struct metrics metrics = {
        .damaged_lines = facts->damaged > 0, .any = facts->last_step >= 0, .first_step = facts->first_step};
    if (!verify->settings_known ||
        !session_lacks_beginning(&metrics, verify->newest.state.step, verify->settings.train.log_every))
        return false;
    struct verify_finding *finding = verify_add(
        verify, was_set_aside(verify->paths.metrics) ? VERIFY_NOTE : VERIFY_WRONG, "metrics.jsonl",
        "no record is there from before step %ld", metrics.any ? metrics.first_step : verify->newest.state.step + 1);
    snprintf(finding->means, sizeof finding->means, "charts and tables lack them; the run itself goes on to the bit");
    return true;
}

/* In the middle or at the end: told by the distances of the records that are there. */
static void check_gaps(struct verify *verify)
{
    const struct session_paths *paths = &verify->paths;
    struct metrics metrics = {0};
    struct metrics_lost lost = {.stretches = 0};
    char parent[SESSION_NAME_SIZE], words[128] = "";
    long forked;
    session_read_parent(paths, parent, &forked);
    if (metrics_read(paths->metrics, &metrics, NULL) == 0 && metrics_read(paths->commands, &metrics, NULL) == 0) {
        metrics_find_lost(&metrics, !*parent, verify->settings.train.log_every, verify->newest.state.step, &lost);
        metrics_lost_words(&lost, words, sizeof words);
    }
    metrics_free(&metrics);
    if (!*words)
        return;
    struct verify_finding *finding =
        verify_add(verify, was_set_aside(paths->metrics) ? VERIFY_NOTE : VERIFY_WRONG, "metrics.jsonl", "%s", words);
    snprintf(finding->means, sizeof finding->means,
             "charts have a gap there, and a replay compares nothing of them; the run itself goes on to the bit");
}

static void check_lost_commands(struct verify *verify)
{
    const long lost = verify->commands.lost;
    if (!lost)
        return;
    struct verify_finding *finding =
        verify_add(verify, VERIFY_NOTE, "commands.jsonl", "%ld command%s of the run %s lost", lost,
                   lost == 1 ? "" : "s", lost == 1 ? "is" : "are");
    snprintf(finding->means, sizeof finding->means, "remarks stand there; the run cannot be replayed to its end");
}

static long best_by_now(const struct verify *verify)
{
    struct metrics metrics = {0};
    long best = -1;
    if (metrics_read_summary(verify->paths.metrics, &metrics, NULL) == 0)
        for (int i = 0; i < metrics.epoch_count; i++)
            best = metrics.epochs[i].best ? metrics.epochs[i].step : best;
    metrics_free(&metrics);
    return best;
}

/* Where a run went back, or a fork began, the best may be one that was left behind there; and a run that trains has a
 * better one, perhaps. */
static void check_best(struct verify *verify)
{
    char parent[SESSION_NAME_SIZE], path[FILE_PATH_SIZE];
    long forked, best = verify->metrics.best_step;
    session_read_parent(&verify->paths, parent, &forked);
    if (best < 0 || best <= forked || best > verify->newest.state.step || verify->commands.went_back ||
        path_format(path, NULL, "%s/%ld.safetensors", verify->paths.checkpoints, best) || access(path, F_OK) == 0 ||
        (verify->report->training && best_by_now(verify) != best))
        return;
    struct verify_finding *finding = verify_add(verify, was_set_aside(path) ? VERIFY_NOTE : VERIFY_WRONG, "checkpoints",
                                                "step %ld was the best, and its checkpoint is not there", best);
    snprintf(finding->means, sizeof finding->means,
             "--checkpoint best takes another; `nfbench fork --at %ld` makes it again", best);
}

static bool has_diverged(const struct verify *verify)
{
    struct metrics metrics = {0};
    const bool diverged =
        metrics_read_summary(verify->paths.metrics, &metrics, NULL) == 0 && strcmp(metrics.end_state, "diverged") == 0;
    metrics_free(&metrics);
    return diverged;
}

static void check_behind(struct verify *verify)
{
    const long behind = verify->metrics.last_step - verify->newest.state.step;
    if (behind <= 0 || verify->report->training)
        return;
    struct verify_finding *finding =
        verify_add(verify, VERIFY_NOTE, "metrics.jsonl", "it has %ld step%s behind the last checkpoint, of step %ld",
                   behind, behind == 1 ? "" : "s", verify->newest.state.step);
    snprintf(finding->means, sizeof finding->means, "the run %s; the next resume makes them again",
             has_diverged(verify) ? "diverged there" : "did not end by itself");
}

/* A run has one before its first step. */
static void check_none(struct verify *verify)
{
    if (verify->report->training || (verify->metrics.last_step <= 0 && !verify->checkpoint_files && !verify->aside))
        return;
    struct verify_finding *finding = verify_add(verify, VERIFY_WRONG, "checkpoints", "there is none that is whole");
    snprintf(finding->means, sizeof finding->means, "the session cannot be resumed; its records can be read");
}

void verify_agreement(struct verify *verify)
{
    if (!verify->has_newest) {
        check_none(verify);
        return;
    }
    check_epochs(verify);
    const bool begins_late = check_beginning(verify);
    if (!begins_late && verify->settings_known && !verify->metrics.damaged && !verify->metrics.disordered)
        check_gaps(verify);
    check_lost_commands(verify);
    check_best(verify);
    check_behind(verify);
}
