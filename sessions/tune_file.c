/* A tune's plan on the disk; see tune.h. */
#include "base/line.h"
#include "sessions/fields.h"
#include "sessions/json.h"
#include "sessions/session_paths.h"
#include "sessions/tune_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PLAN_FORMAT = 1 };

/* ---- Places ---- */

int tune_find_folder(struct tune *tune, struct error *error)
{
    struct settings *place = calloc(1, sizeof *place);
    char directory[SETTINGS_PATH_SIZE];
    if (!place)
        return error_set(error, "out of memory");
    memcpy(place->sessions_dir, tune->sessions_dir, sizeof place->sessions_dir);
    const int result = sessions_directory(place, directory, error);
    free(place);
    return result ? -1 : path_format(tune->folder, error, "%s/%s" TUNE_FOLDER_END, directory, tune->name);
}

int tune_path(const struct tune *tune, int trial, const char *end, char path[FILE_PATH_SIZE], struct error *error)
{
    return path_format(path, error, "%s/trial-%d.%s", tune->folder, trial + 1, end);
}

int tune_check_folder(const struct tune *tune, struct error *error)
{
    const char *slash = strrchr(tune->folder, '/'), *folder = slash ? slash + 1 : tune->folder;
    const size_t length = strlen(tune->name);
    if (strncmp(folder, tune->name, length) == 0 && strcmp(folder + length, TUNE_FOLDER_END) == 0)
        return 0;
    return error_set(error,
                     "%s is the folder of tune %s copied or renamed, and its sessions are those of %s" TUNE_FOLDER_END
                     ": give it that name, or remove the folder alone",
                     tune->folder, tune->name, tune->name);
}

void tune_reference(const struct tune *tune, char *text, size_t size)
{
    session_shell_word(*tune->sessions_dir ? tune->folder : tune->name, text, size);
}

void tune_trial_reference(const struct tune *tune, int trial, char *text, size_t size)
{
    const char *session = tune->trials[trial].session;
    char path[FILE_PATH_SIZE];
    if (*tune->sessions_dir && path_format(path, NULL, "%s/%s", tune->sessions_dir, session) == 0)
        session_shell_word(path, text, size);
    else
        session_shell_word(session, text, size);
}

void tune_trial_words(const struct tune *tune, int trial, char *text, size_t size)
{
    struct line line = line_begin(text, size);
    for (int a = 0; a < tune->axis_count; a++)
        line_add(&line, "%s%s %s", a ? ", " : "", tune->axes[a].row->name, tune->trials[trial].values[a]);
}

/* ---- Writing ---- */

static json_t *axes_json(const struct tune *tune)
{
    json_t *list = json_array();
    for (int a = 0; a < tune->axis_count; a++) {
        const struct tune_axis *axis = &tune->axes[a];
        json_t *values = json_array();
        for (int i = 0; i < axis->count; i++)
            json_array_append_new(values, json_string(axis->values[i]));
        json_array_append_new(list, json_pack("{s:s, s:b, s:f, s:f, s:o}", "setting", axis->row->name, "range",
                                              axis->range, "low", axis->low, "high", axis->high, "values", values));
    }
    return list;
}

static json_t *trials_json(const struct tune *tune)
{
    json_t *list = json_array();
    for (int i = 0; i < tune->count; i++) {
        const struct tune_trial *trial = &tune->trials[i];
        json_t *values = json_array();
        for (int a = 0; a < tune->axis_count; a++)
            json_array_append_new(values, json_string(trial->values[a]));
        json_array_append_new(list, json_pack("{s:s, s:o, s:i, s:i, s:f, s:i, s:b, s:b, s:b, s:I, s:I}", "session",
                                              trial->session, "values", values, "epochs", trial->epochs, "classes",
                                              trial->classes, "lr", trial->learning_rate, "batch", trial->batch,
                                              "held_out", trial->held_out, "any_device", trial->any_device, "as_report",
                                              trial->as_report, "steps", (json_int_t)trial->steps, "steps_per_epoch",
                                              (json_int_t)trial->steps_per_epoch));
    }
    return list;
}

static int write_plan(const struct tune *tune, const char *path, struct error *error)
{
    json_t *plan = json_pack("{s:i, s:s, s:s, s:b, s:i, s:o, s:o}", "format", PLAN_FORMAT, "name", tune->name, "digest",
                             tune->digest, "random", tune->random, "factor", tune->factor, "axes", axes_json(tune),
                             "trials", trials_json(tune));
    char *text = plan ? json_dumps(plan, JSON_INDENT(1)) : NULL;
    const int result = text ? file_replace(path, text, strlen(text), error) : error_set(error, "out of memory");
    free(text);
    json_decref(plan);
    return result;
}

static int write_trials(const struct tune *tune, struct error *error)
{
    char path[FILE_PATH_SIZE];
    for (int i = 0; i < tune->count; i++)
        if (tune_path(tune, i, "ini", path, error) || settings_write(&tune->settings[i], path, error))
            return -1;
    return 0;
}

/* ---- Reading ---- */

static int read_texts(const json_t *list, char (*out)[TUNE_VALUE_SIZE], int most)
{
    const size_t count = json_array_size(list);
    if (!json_is_array(list) || count > (size_t)most)
        return -1;
    for (size_t i = 0; i < count; i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (!text || strlen(text) >= TUNE_VALUE_SIZE)
            return -1;
        strcpy(out[i], text);
    }
    return (int)count;
}

static int read_axis(json_t *object, struct tune_axis *axis)
{
    const char *name;
    int range;
    json_t *values;
    if (json_unpack(object, "{s:s, s:b, s:F, s:F, s:o}", "setting", &name, "range", &range, "low", &axis->low, "high",
                    &axis->high, "values", &values) != 0)
        return -1;
    axis->row = settings_row(settings_find(name));
    axis->range = range;
    axis->count = read_texts(values, axis->values, TUNE_VALUES);
    return axis->row && axis->count >= 0 ? 0 : -1;
}

static int read_trial(json_t *object, int axes, struct tune_trial *trial)
{
    const char *session;
    int held_out, any_device = false, as_report; /* the first plans said nothing of the device */
    json_int_t steps, per_epoch;
    json_t *values;
    if (json_unpack(object, "{s:s, s:o, s:i, s:i, s:F, s:i, s:b, s?b, s:b, s:I, s:I}", "session", &session, "values",
                    &values, "epochs", &trial->epochs, "classes", &trial->classes, "lr", &trial->learning_rate, "batch",
                    &trial->batch, "held_out", &held_out, "any_device", &any_device, "as_report", &as_report, "steps",
                    &steps, "steps_per_epoch", &per_epoch) != 0 ||
        session_check_name(session, NULL) || read_texts(values, trial->values, TUNE_AXES) != axes || steps < 1 ||
        per_epoch < 1 || trial->epochs < 1)
        return -1;
    snprintf(trial->session, sizeof trial->session, "%s", session);
    trial->held_out = held_out;
    trial->any_device = any_device;
    trial->as_report = as_report;
    trial->steps = (long)steps;
    trial->steps_per_epoch = (long)per_epoch;
    return 0;
}

static int take_plan(json_t *plan, struct tune *tune)
{
    const char *name, *digest;
    int random;
    json_t *axes, *trials;
    if (json_unpack(plan, "{s:s, s:s, s:b, s:i, s:o, s:o}", "name", &name, "digest", &digest, "random", &random,
                    "factor", &tune->factor, "axes", &axes, "trials", &trials) != 0)
        return -1;
    const size_t axis_count = json_array_size(axes), count = json_array_size(trials);
    if (axis_count > TUNE_AXES || count < 1 || count > TUNE_TRIALS || tune->factor < 0 || tune->factor > 64)
        return -1;
    snprintf(tune->name, sizeof tune->name, "%s", name);
    snprintf(tune->digest, sizeof tune->digest, "%s", digest);
    tune->random = random;
    tune->trials = calloc(count, sizeof *tune->trials);
    if (!tune->trials)
        return -1;
    tune->axis_count = (int)axis_count;
    tune->count = (int)count;
    for (size_t a = 0; a < axis_count; a++)
        if (read_axis(json_array_get(axes, a), &tune->axes[a]))
            return -1;
    for (size_t i = 0; i < count; i++)
        if (read_trial(json_array_get(trials, i), tune->axis_count, &tune->trials[i]))
            return -1;
    tune_set_rungs(tune, tune->trials[0].epochs);
    return 0;
}

static int plan_damaged(const char *path, const char *why, struct error *error)
{
    error_set(error,
              "%s: %s; to be rid of the tune, remove its folder by hand and its sessions by `nfbench sessions rm`",
              path, why);
    errno = EBADMSG;
    return -1;
}

/* The plan in tune->folder. */
static int read_plan(struct tune *tune, struct error *error)
{
    char path[FILE_PATH_SIZE], *text = NULL;
    size_t size = 0;
    json_error_t why;
    int format = 0, result = -1;
    if (path_format(path, error, "%s/plan.json", tune->folder) || file_read(path, &text, &size, error))
        return -1;
    json_t *plan = json_read(text, size, &why);
    free(text);
    if (!plan)
        plan_damaged(path, why.text, error);
    else if (json_unpack(plan, "{s:i}", "format", &format) != 0 || format < 1)
        plan_damaged(path, "not the plan of a tune", error);
    else if (format > PLAN_FORMAT) {
        file_newer(error, format, PLAN_FORMAT);
        error_prefix(error, "%s", path);
    } else if (take_plan(plan, tune))
        plan_damaged(path, "it is damaged", error);
    else
        result = 0;
    json_decref(plan);
    return result;
}

static bool has_plan(const struct tune *tune)
{
    char path[FILE_PATH_SIZE];
    return path_format(path, NULL, "%s/plan.json", tune->folder) == 0 && access(path, F_OK) == 0;
}

int tune_open(const struct settings *settings, const char *name, struct tune *tune, struct error *error)
{
    memset(tune, 0, sizeof *tune);
    memcpy(tune->sessions_dir, settings->sessions_dir, sizeof tune->sessions_dir);
    if (strchr(name, '/')) {
        size_t length = strlen(name);
        while (length > 1 && name[length - 1] == '/')
            length--;
        if (path_format(tune->folder, error, "%.*s", (int)length, name))
            return -1;
        const char *slash = strrchr(tune->folder, '/');
        const int above = slash && slash > tune->folder ? (int)(slash - tune->folder) : 1;
        if (above >= SETTINGS_PATH_SIZE)
            return error_set(error, "the path of the tune is too long");
        snprintf(tune->sessions_dir, sizeof tune->sessions_dir, "%.*s", slash ? above : 1, slash ? tune->folder : ".");
    } else {
        const size_t length = strlen(name), end = strlen(TUNE_FOLDER_END);
        const bool ends = length > end && strcmp(name + length - end, TUNE_FOLDER_END) == 0;
        snprintf(tune->name, sizeof tune->name, "%.*s", (int)(ends ? length - end : length), name);
        if (tune_find_folder(tune, error))
            return -1;
    }
    if (!has_plan(tune))
        return error_set(error, "there is no tune %s", tune->folder);
    return read_plan(tune, error);
}

/* ---- Making ---- */

int tune_hold(const struct tune *tune, struct error *error)
{
    const int descriptor = open(tune->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0)
        return file_failed(error, "open", tune->folder);
    int locked;
    do
        locked = flock(descriptor, LOCK_EX);
    while (locked != 0 && errno == EINTR);
    if (locked == 0)
        return descriptor;
    file_failed(error, "lock", tune->folder);
    close(descriptor);
    return -1;
}

static int compare_plan(const struct tune *tune, bool *taken, struct error *error)
{
    struct tune *there = calloc(1, sizeof *there);
    if (!there)
        return error_set(error, "out of memory");
    memcpy(there->folder, tune->folder, sizeof there->folder);
    int result = read_plan(there, error);
    *taken = result == 0 && strcmp(there->digest, tune->digest) != 0;
    if (*taken)
        result = error_set(error,
                           "there is a tune %s with another plan: choose another --name, or --resume %s goes on "
                           "with that one",
                           tune->name, tune->name);
    tune_free(there);
    free(there);
    return result;
}

/* A trial's session must not be somebody's own. */
static int check_names(const struct tune *tune, bool *taken, struct error *error)
{
    struct settings *place = calloc(1, sizeof *place);
    int result = place ? 0 : error_set(error, "out of memory");
    if (place)
        memcpy(place->sessions_dir, tune->sessions_dir, sizeof place->sessions_dir);
    for (int i = 0; i < tune->count && result == 0; i++) {
        snprintf(place->session, sizeof place->session, "%s", tune->trials[i].session);
        errno = 0;
        result = session_name_is_free(place, error);
        *taken = result != 0 && errno == EEXIST;
        if (*taken)
            error_set(error, "there is a session %.120s already, of a tune that was removed, perhaps: choose a --name",
                      place->session);
    }
    free(place);
    return result;
}

int tune_create(struct tune *tune, bool *taken, struct error *error)
{
    *taken = false;
    char path[FILE_PATH_SIZE];
    if (path_format(path, error, "%s/plan.json", tune->folder) || file_make_folders(tune->folder, error))
        return -1;
    const int held = tune_hold(tune, error); /* of many processes that begin the same tune one writes the plan */
    if (held < 0)
        return -1;
    const bool existed = has_plan(tune);
    const int result =
        existed ? compare_plan(tune, taken, error)
                : check_names(tune, taken, error) || write_trials(tune, error) || write_plan(tune, path, error);
    close(held);
    if (result && !existed)
        (void)rmdir(tune->folder); /* where nothing is in it */
    return result ? -1 : 0;
}
