/* Records to events; see tensorboard.h. */
#include "sessions/tensorboard.h"

#include "base/clock.h"
#include "sessions/fields.h"
#include "sessions/file.h"
#include "sessions/tfevents.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct tensorboard {
    struct tfevents *events;
    double opened, since; /* seconds since 1970, and of the clock that never jumps */
    double past;          /* the wall time of records that are written again; 0: they are new */
};

/* ---- Files ---- */

static const char prefix[] = "events.out.tfevents.";

/* The number in the name of an events file, seconds since 1970 at first; -1 of any other name. */
static long number_of(const char *name)
{
    const long most = 9999999998; /* the next has ten digits, too */
    const long number = strncmp(name, prefix, sizeof prefix - 1) == 0 ? strtol(name + sizeof prefix - 1, NULL, 10) : -1;
    return number <= most ? number : -1;
}

/* The name of the newest file, and its number: -1 when there is none. */
static long newest_file(const char *folder, char name[FILE_PATH_SIZE])
{
    long newest = -1;
    DIR *directory = opendir(folder);
    const struct dirent *entry;
    while (directory && (entry = readdir(directory))) {
        const long number = number_of(entry->d_name);
        if (number > newest) {
            newest = number;
            snprintf(name, FILE_PATH_SIZE, "%s", entry->d_name);
        }
    }
    if (directory)
        closedir(directory);
    return newest;
}

bool tensorboard_is_events(const char *name)
{
    return strncmp(name, prefix, sizeof prefix - 1) == 0;
}

long tensorboard_last_step(const char *folder)
{
    char name[FILE_PATH_SIZE], path[FILE_PATH_SIZE];
    if (newest_file(folder, name) < 0 || path_format(path, NULL, "%s/%s", folder, name))
        return -1;
    return tfevents_last_step(path);
}

int tensorboard_open(const char *folder, struct tensorboard **out, struct error *error)
{
    char path[FILE_PATH_SIZE], name[FILE_PATH_SIZE];
    struct tensorboard *board = calloc(1, sizeof *board);
    if (!board)
        return error_set(error, "out of memory");
    board->opened = (double)clock_calendar();
    board->since = clock_seconds();
    /* whatever the clock says: a reader never goes back to a file before the one it reads */
    const long before = newest_file(folder, name), now = (long)board->opened;
    if (path_format(path, error, "%s/%s%010ld.nfbench", folder, prefix, now > before ? now : before + 1) ||
        tfevents_create(path, board->opened, &board->events, error)) {
        free(board);
        return -1;
    }
    *out = board;
    return 0;
}

void tensorboard_close(struct tensorboard *board)
{
    if (!board)
        return;
    tfevents_close(board->events);
    free(board);
}

/* ---- Events ---- */

static double wall_time(const struct tensorboard *board)
{
    return board->past > 0 ? board->past : board->opened + (clock_seconds() - board->since);
}

static void begin(struct tensorboard *board, long step)
{
    tfevents_begin(board->events, step, wall_time(board));
}

static int write_text(struct tensorboard *board, const char *tag, long step, const struct text *text,
                      struct error *error)
{
    if (text->failed)
        return error_set(error, "out of memory");
    begin(board, step);
    tfevents_text(board->events, tag, text->data ? text->data : "");
    return tfevents_end(board->events, error);
}

int tensorboard_settings(struct tensorboard *board, const struct settings *settings, long step, struct error *error)
{
    struct text text = {0};
    const struct setting *row;
    text_add(&text, "| setting | value |\n|---|---|\n");
    for (int i = 0; (row = settings_row(i)); i++) {
        char value[SETTINGS_VALUE_SIZE];
        if (!row->saved)
            continue;
        settings_get(settings, row, value);
        text_add(&text, "| %s | %s |\n", row->name, value);
    }
    const int result = write_text(board, "settings", step, &text, error);
    free(text.data);
    return result;
}

int tensorboard_step(struct tensorboard *board, const struct step_record *record, struct error *error)
{
    struct tfevents *events = board->events;
    begin(board, record->step);
    tfevents_scalar(events, "train/loss", (double)record->loss);
    tfevents_scalar(events, "train/accuracy", (double)record->accuracy);
    tfevents_scalar(events, "train/learning_rate", (double)record->learning_rate);
    tfevents_scalar(events, "train/gradient_norm", (double)record->gradient_norm);
    tfevents_scalar(events, "train/clipped_units", record->clipped_units);
    tfevents_scalar(events, "train/images_per_second", record->images_per_second);
    return tfevents_end(events, error);
}

/* What was not measured is below 0. */
static void add_measured(struct tensorboard *board, const char *tag, float value)
{
    if (!(value < 0))
        tfevents_scalar(board->events, tag, (double)value);
}

int tensorboard_epoch(struct tensorboard *board, const struct epoch_record *record, struct error *error)
{
    begin(board, record->step);
    add_measured(board, "epoch/loss", record->train_loss);
    add_measured(board, "epoch/accuracy", record->train_accuracy);
    add_measured(board, "validation/loss", record->validation_loss);
    add_measured(board, "validation/accuracy", record->validation_accuracy);
    add_measured(board, "test/loss", record->test_loss);
    add_measured(board, "test/accuracy", record->test_accuracy);
    return tfevents_end(board->events, error);
}

/* ---- Probes ---- */

/* The bins that are not empty, as a histogram between `least` and `most`; sums by the middles of the bins. */
static void add_histogram(struct tensorboard *board, const char *tag, const uint32_t counts[VALUE_BINS], double least,
                          double most)
{
    double limits[VALUE_BINS], numbers[VALUE_BINS];
    struct tfevents_histogram histogram = {.least = least, .most = most, .limits = limits, .counts = numbers};
    int first = 0, last = VALUE_BINS - 1;
    while (first < last && counts[first] == 0)
        first++;
    while (last > first && counts[last] == 0)
        last--;
    for (int bin = first; bin <= last; bin++) {
        const double begins = bin == first ? least : (double)value_edge(bin),
                     ends = bin == last ? most : (double)value_edge(bin + 1), middle = (begins + ends) / 2;
        limits[histogram.buckets] = ends;
        numbers[histogram.buckets++] = counts[bin];
        histogram.count += counts[bin];
        histogram.sum += counts[bin] * middle;
        histogram.sum_squares += counts[bin] * middle * middle;
    }
    if (histogram.count > 0)
        tfevents_histogram(board->events, tag, &histogram);
}

/* The range of the bins of values that are not negative. */
static void find_range(const uint32_t counts[VALUE_BINS], double *least, double *most)
{
    *least = *most = 0;
    for (int bin = VALUE_MIDDLE; bin < VALUE_BINS; bin++) {
        if (counts[bin] == 0)
            continue;
        if (*most == 0 && bin > VALUE_MIDDLE)
            *least = (double)value_edge(bin);
        *most = bin + 1 < VALUE_BINS ? (double)value_edge(bin + 1) : 2 * (double)value_edge(bin);
    }
}

static void add_distributions(struct tensorboard *board, const char *name, const struct probe_point *point)
{
    char tag[64];
    double least, most;
    snprintf(tag, sizeof tag, "activations/%s", name);
    if (isfinite(point->least) && isfinite(point->most) && point->finite)
        add_histogram(board, tag, point->values, (double)point->least, (double)point->most);
    snprintf(tag, sizeof tag, "channel_variances/%s", name);
    find_range(point->variances, &least, &most);
    if (point->finite)
        add_histogram(board, tag, point->variances, least, most);
}

static void add_point(struct tensorboard *board, const struct probe *probe, int index)
{
    const struct probe_point *point = &probe->points[index];
    const struct {
        const char *of;
        float value;
        bool known;
    } scalars[] = {
        {"variance", point->variance, true},
        {"predicted_variance", point->predicted, point->predicted > 0},
        {"squared_mean", point->squared_mean, true},
        {"branch_variance", point->branch_variance, index > 0},
        {"gradient_norm", point->gradient_norm, probe->gradients},
        {"dead_units", point->dead, true},
        {"update_ratio", point->update_ratio, true},
    };
    char name[32] = "stem", tag[80];
    if (index > 0) /* so many digits that names in their order are blocks in theirs */
        snprintf(name, sizeof name, "block_%0*d", probe->count > 100 ? 3 : 2, index);
    for (size_t i = 0; i < sizeof scalars / sizeof *scalars; i++) {
        snprintf(tag, sizeof tag, "signal_%s/%s", scalars[i].of, name);
        if (scalars[i].known)
            tfevents_scalar(board->events, tag, (double)scalars[i].value);
    }
    add_distributions(board, name, point);
}

int tensorboard_probe(struct tensorboard *board, const struct probe *probe, struct error *error)
{
    begin(board, probe->step);
    for (int i = 0; i < probe->count; i++)
        add_point(board, probe, i);
    return tfevents_end(board->events, error);
}

/* ---- Texts ---- */

int tensorboard_command(struct tensorboard *board, const struct command_record *record, struct error *error)
{
    const struct command *command = &record->command;
    const bool note = command->kind == COMMAND_NOTE && record->ok;
    struct text text = {0};
    if (note)
        text_add(&text, "%s", command_noted(command));
    else
        text_add(&text, "`%s`%s %s", command->text, record->ok ? ":" : " refused:", record->outcome);
    const int result = write_text(board, note ? "notes" : "commands", record->step, &text, error);
    free(text.data);
    return result;
}

int tensorboard_finding(struct tensorboard *board, const struct finding *finding, struct error *error)
{
    struct text text = {0};
    text_add(&text, "**%s**%s: %s", finding_severity_names[finding->severity], finding->over ? " (over)" : "",
             finding->text);
    const int result = write_text(board, "health", finding->step, &text, error);
    free(text.data);
    return result;
}

int tensorboard_state(struct tensorboard *board, long step, const char *state, const char *message, struct error *error)
{
    struct text text = {0};
    text_add(&text, "%s%s%s", state, *message ? ": " : "", message);
    const int result = write_text(board, "run", step, &text, error);
    free(text.data);
    return result;
}

int tensorboard_picture(struct tensorboard *board, const struct tensorboard_picture *picture, long step,
                        struct error *error)
{
    char tag[80];
    snprintf(tag, sizeof tag, "pictures/%s", picture->name);
    begin(board, step);
    tfevents_png(board->events, tag, picture->png, picture->size, picture->width, picture->height);
    return tfevents_end(board->events, error);
}

/* ---- The past ---- */

/* Training time at a step, by the last record up to it; 0 before the first. */
static double seconds_at(const struct metrics *past, long step)
{
    int low = 0, high = past->step_count;
    while (low < high) {
        const int middle = (low + high) / 2;
        if (past->steps[middle].step <= step)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 ? past->steps[low - 1].seconds : 0;
}

/* When a record of that step was made, had the run not paused since. */
static void date(struct tensorboard *board, const struct metrics *past, long step, double last)
{
    board->past = last - (seconds_at(past, past->last_step) - seconds_at(past, step));
}

static int write_texts(struct tensorboard *board, const struct metrics *past, long from, double last,
                       struct error *error)
{
    int result = 0;
    for (int i = 0; i < past->command_count && result == 0; i++) {
        date(board, past, past->commands[i].step, last);
        if (past->commands[i].step >= from)
            result = tensorboard_command(board, &past->commands[i], error);
    }
    for (int i = 0; i < past->finding_count && result == 0; i++) {
        date(board, past, past->findings[i].step, last);
        if (past->findings[i].step >= from)
            result = tensorboard_finding(board, &past->findings[i], error);
    }
    return result;
}

static int write_past(struct tensorboard *board, const struct metrics *past, long from, double last,
                      struct error *error)
{
    int result = 0;
    for (int i = 0; i < past->step_count && result == 0; i++) {
        date(board, past, past->steps[i].step, last);
        if (past->steps[i].step >= from)
            result = tensorboard_step(board, &past->steps[i], error);
    }
    for (int i = 0; i < past->epoch_count && result == 0; i++) {
        date(board, past, past->epochs[i].step, last);
        if (past->epochs[i].step >= from)
            result = tensorboard_epoch(board, &past->epochs[i], error);
    }
    for (int i = 0; i < past->probe_count && result == 0; i++) {
        date(board, past, past->probes[i]->step, last);
        if (past->probes[i]->step >= from)
            result = tensorboard_probe(board, past->probes[i], error);
    }
    return result == 0 ? write_texts(board, past, from, last, error) : -1;
}

int tensorboard_start(struct tensorboard *board, const struct metrics *past, long step, double last,
                      struct error *error)
{
    board->past = 0;
    if (last <= 0)
        last = wall_time(board);
    int result = tfevents_start(board->events, step, wall_time(board), error);
    if (result == 0)
        result = write_past(board, past, step, last, error);
    board->past = 0;
    return result;
}
