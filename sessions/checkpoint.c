/* Networks and their training state to files and back; see checkpoint.h. */
#include "sessions/checkpoint.h"

#include "sessions/fields.h"
#include "sessions/json.h"
#include "sessions/number.h"
#include "sessions/safetensors.h"
#include "sessions/state_record.h"
#include "sessions/tensors.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct field state_fields[] = {
    FIELD(training_state, step, FIELD_LONG),
    FIELD(training_state, epoch, FIELD_INT),
    FIELD(training_state, batch_in_epoch, FIELD_UINT32),
    FIELD(training_state, learning_rate, FIELD_FLOAT),
    FIELD(training_state, seconds, FIELD_DOUBLE),
    FIELD(training_state, epoch_loss_sum, FIELD_DOUBLE),
    FIELD(training_state, epoch_correct, FIELD_LONG),
    FIELD(training_state, epoch_images, FIELD_LONG),
    FIELD(training_state, best_accuracy, FIELD_FLOAT),
    FIELD(training_state, best_step, FIELD_LONG),
    FIELD(training_state, last_loss, FIELD_FLOAT),
};
enum { STATE_FIELDS = sizeof state_fields / sizeof *state_fields };

/* Members and tensors may be added without a new number: who does not know them passes them over. */
enum { CHECKPOINT_FORMAT = 1 };

static const char suffix[] = ".safetensors";

bool checkpoint_is_lost(int reason)
{
    return reason == EBADMSG || reason == ENOENT;
}

/* ---- Saving ---- */

static bool state_is_finite(const struct training_state *state)
{
    return isfinite(state->learning_rate) && isfinite(state->seconds) && isfinite(state->epoch_loss_sum) &&
           isfinite(state->best_accuracy) && isfinite(state->last_loss);
}

int checkpoint_save(const char *path, struct network *network, const struct checkpoint_info *info, struct error *error)
{
    int result = -1;
    struct text state = {0}, run = {0}, settings = {0};
    char commands[24], format[24];
    snprintf(format, sizeof format, "%d", CHECKPOINT_FORMAT);
    snprintf(commands, sizeof commands, "%ld", info->commands);
    if (!state_is_finite(&info->state))
        return error_set(error, "cannot save %s: the training state is not finite", path);
    text_add(&state, "{");
    fields_write(state_fields, STATE_FIELDS, &info->state, &state);
    text_add(&state, "}");
    state_record_write(&info->state, &run);
    if (info->settings && settings_format(info->settings, &settings, error))
        goto out;
    if (state.failed || run.failed || settings.failed) {
        error_set(error, "cannot save %s: out of memory", path);
        goto out;
    }
    const struct metadata metadata[] = {
        {"format", "pt"}, /* other programs want to know whose tensor layout it is */
        {"nfbench", format},
        {"state", state.data},
        {"run", run.data},
        {"commands", commands},
        {"best", info->best ? "true" : "false"},
        {"unsound", info->state.unsound ? "true" : "false"},
        {"settings", info->settings_digest},
        {"settings.ini", settings.data},
    };
    const int count = sizeof metadata / sizeof *metadata - (info->settings ? 0 : 1);
    result = tensors_save(path, network, TENSORS_STATE, metadata, count, error);
out:
    free(state.data);
    free(run.data);
    free(settings.data);
    return result;
}

/* ---- Loading ---- */

/* Whose file it is, and whether this program knows its format. */
static int check_format(const struct safetensors *file, struct error *error)
{
    const char *format = safetensors_metadata(file, "nfbench");
    long number;
    if (!format || !number_to_long(format, &number))
        return file_damaged(error, "not a checkpoint of nfbench: use `nfbench import`");
    return number <= CHECKPOINT_FORMAT ? 0 : file_newer(error, number, CHECKPOINT_FORMAT);
}

static int parse_info(const struct safetensors *file, struct checkpoint_info *info, struct error *error)
{
    const char *text = safetensors_metadata(file, "state"), *best = safetensors_metadata(file, "best");
    const char *digest = safetensors_metadata(file, "settings"), *commands = safetensors_metadata(file, "commands");
    memset(info, 0, sizeof *info);
    if (check_format(file, error))
        return -1;
    if (!text || !best || !digest || strlen(digest) >= sizeof info->settings_digest)
        return file_damaged(error, "not a checkpoint of nfbench: use `nfbench import`");
    json_error_t reason;
    json_t *state = json_read(text, strlen(text), &reason);
    if (!state)
        return error_set(error, "its training state: %s", errno == ENOMEM ? "out of memory" : "not valid JSON");
    int result = fields_read(state_fields, STATE_FIELDS, state, &info->state, error);
    json_decref(state);
    if (result || state_record_read(safetensors_metadata(file, "run"), &info->state, error))
        return error_prefix(error, "its training state");
    if (info->state.step < 0 || info->state.epoch < 0 || !state_is_finite(&info->state))
        return file_damaged(error, "its training state makes no sense");
    info->commands = LONG_MAX; /* a checkpoint made elsewhere need not say */
    if (commands && (!number_to_long(commands, &info->commands) || info->commands < 0))
        return file_damaged(error, "its number of commands makes no sense");
    info->state.commands = info->commands;
    info->best = strcmp(best, "true") == 0;
    const char *unsound = safetensors_metadata(file, "unsound"); /* one made elsewhere need not say */
    info->state.unsound = unsound && strcmp(unsound, "true") == 0;
    strcpy(info->settings_digest, digest);
    return 0;
}

int checkpoint_read_info(const char *path, struct checkpoint_info *info, struct error *error)
{
    struct safetensors *file;
    if (safetensors_open(path, &file, error))
        return -1;
    int result = parse_info(file, info, error);
    if (result)
        error_prefix(error, "cannot read %s", path);
    safetensors_close(file);
    return result;
}

/* In this order: a digit that has flipped in its format's number makes no newer file of it. */
static int verify_info(const struct safetensors *file, struct checkpoint_info *info, struct error *error)
{
    return safetensors_verify(file, error) || parse_info(file, info, error) ? -1 : 0;
}

int checkpoint_verify(const char *path, struct checkpoint_info *info, struct error *error)
{
    struct safetensors *file;
    if (safetensors_open(path, &file, error))
        return -1;
    const int result = verify_info(file, info, error);
    if (result)
        error_prefix(error, "cannot read %s", path);
    safetensors_close(file);
    return result;
}

int checkpoint_read_settings(const char *path, struct settings *settings, struct error *error)
{
    struct checkpoint_info info;
    struct safetensors *file;
    FILE *text = NULL;
    int result = -1;
    if (safetensors_open(path, &file, error))
        return -1;
    const char *kept = safetensors_metadata(file, "settings.ini");
    if (verify_info(file, &info, error))
        error_prefix(error, "cannot read %s", path);
    else if (!kept)
        file_damaged(error, "%s has no settings: it is older than that", path);
    else if (!(text = fmemopen((void *)kept, strlen(kept), "r")))
        file_failed(error, "read", path);
    else
        result = settings_read_stream(settings, text, path, error);
    if (text)
        fclose(text);
    safetensors_close(file);
    return result;
}

int checkpoint_load(const char *path, struct network *network, struct checkpoint_info *info, struct error *error)
{
    struct safetensors *file;
    struct checkpoint_info found;
    if (safetensors_open(path, &file, error))
        return -1;
    int result = -1;
    if (verify_info(file, &found, error) || tensors_load(file, network, TENSORS_ALL, error))
        error_prefix(error, "cannot load %s", path);
    else {
        *info = found;
        result = 0;
    }
    safetensors_close(file);
    return result;
}

/* ---- The folder ---- */

/* The step of "1234.safetensors", -1 for any other name. */
static long step_of_name(const char *name)
{
    char *end;
    if (*name < '0' || *name > '9')
        return -1;
    errno = 0;
    long step = strtol(name, &end, 10);
    return errno == 0 && strcmp(end, suffix) == 0 ? step : -1;
}

static bool has_suffix(const char *name, const char *end)
{
    size_t length = strlen(name), tail = strlen(end);
    return length >= tail && strcmp(name + length - tail, end) == 0;
}

static int newest_first(const void *a, const void *b)
{
    const struct checkpoint_entry *left = a, *right = b;
    return (left->step < right->step) - (left->step > right->step);
}

/* Calls `visit` for each name of the folder. */
static int each_name(const char *folder, int (*visit)(void *context, const char *name, struct error *error),
                     void *context, struct error *error)
{
    DIR *directory = opendir(folder);
    if (!directory)
        return errno == ENOENT ? 0 : file_failed(error, "read", folder);
    int result = 0;
    const struct dirent *entry;
    while (result == 0 && (errno = 0, entry = readdir(directory)))
        result = visit(context, entry->d_name, error);
    if (result == 0 && errno)
        result = file_failed(error, "read", folder);
    closedir(directory);
    return result;
}

struct listing {
    const char *folder;
    struct checkpoint_entry *entries;
    int count;
};

static int add_entry(void *context, const char *name, struct error *error)
{
    struct listing *listing = context;
    long step = step_of_name(name);
    if (step < 0)
        return 0;
    struct checkpoint_entry *grown =
        reallocarray(listing->entries, (size_t)listing->count + 1, sizeof *listing->entries);
    if (!grown)
        return error_set(error, "cannot read %s: out of memory", listing->folder);
    listing->entries = grown;
    grown[listing->count].step = step;
    grown[listing->count].name[0] = '\0';
    return path_format(grown[listing->count++].path, error, "%s/%s", listing->folder, name);
}

int checkpoint_list(const char *folder, struct checkpoint_entry **out, int *count, struct error *error)
{
    struct listing listing = {.folder = folder};
    if (each_name(folder, add_entry, &listing, error)) {
        free(listing.entries);
        return -1;
    }
    if (listing.count)
        qsort(listing.entries, (size_t)listing.count, sizeof *listing.entries, newest_first);
    *out = listing.entries;
    *count = listing.count;
    return 0;
}

static int add_named(void *context, const char *name, struct error *error)
{
    struct listing *listing = context;
    const size_t length = strlen(name) - (has_suffix(name, suffix) ? strlen(suffix) : strlen(name));
    struct checkpoint_info info;
    if (length == 0 || length >= CHECKPOINT_NAME_SIZE || step_of_name(name) >= 0)
        return 0;
    struct checkpoint_entry *grown =
        reallocarray(listing->entries, (size_t)listing->count + 1, sizeof *listing->entries);
    if (!grown)
        return error_set(error, "cannot read %s: out of memory", listing->folder);
    listing->entries = grown;
    struct checkpoint_entry *entry = &grown[listing->count];
    if (path_format(entry->path, error, "%s/%s", listing->folder, name))
        return -1;
    snprintf(entry->name, sizeof entry->name, "%.*s", (int)length, name);
    entry->step = checkpoint_read_info(entry->path, &info, NULL) == 0 ? info.state.step : -1;
    listing->count++;
    return 0;
}

static int by_step_and_name(const void *a, const void *b)
{
    const struct checkpoint_entry *left = a, *right = b;
    const int order = newest_first(a, b);
    return order ? -order : strcmp(left->name, right->name);
}

int checkpoint_list_named(const char *folder, struct checkpoint_entry **out, int *count, struct error *error)
{
    struct listing listing = {.folder = folder};
    if (each_name(folder, add_named, &listing, error)) {
        free(listing.entries);
        return -1;
    }
    if (listing.count)
        qsort(listing.entries, (size_t)listing.count, sizeof *listing.entries, by_step_and_name);
    *out = listing.entries;
    *count = listing.count;
    return 0;
}

static int remove_file(const char *path, struct error *error)
{
    if (unlink(path) && errno != ENOENT)
        return file_failed(error, "remove", path);
    return 0;
}

static int remove_half_written(void *context, const char *name, struct error *error)
{
    char path[FILE_PATH_SIZE];
    if (!has_suffix(name, ".safetensors.tmp"))
        return 0;
    if (path_format(path, error, "%s/%s", (const char *)context, name))
        return -1;
    return remove_file(path, error);
}

int checkpoint_prune(const char *folder, struct error *error)
{
    struct checkpoint_entry *entries;
    struct checkpoint_info info;
    int count, result = 0, sound = 0;
    bool best_seen = false;
    if (each_name(folder, remove_half_written, (void *)folder, error) ||
        checkpoint_list(folder, &entries, &count, error))
        return -1;
    for (int i = 0; result == 0 && i < count; i++) {
        errno = 0;
        const bool known = checkpoint_read_info(entries[i].path, &info, NULL) == 0;
        if (!known && !checkpoint_is_lost(errno))
            continue; /* it may be the best */
        const bool is_sound = known && !info.state.unsound;
        /* the newest of those that were the best so far is the best of all */
        const bool best = !best_seen && known && info.best;
        /* neither lost weights nor damaged files push out the last good ones */
        const bool good = is_sound && sound < CHECKPOINTS_KEPT;
        if (!best && !good && i >= CHECKPOINTS_KEPT)
            result = remove_file(entries[i].path, error);
        best_seen = best_seen || best;
        sound += is_sound;
    }
    free(entries);
    return result;
}
