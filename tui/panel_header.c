/* The header: what is trained, with what, on what, how far it is and how well it does. Every number has a field of
 * fixed width, so that nothing moves while it counts. */
#include "base/digits.h"
#include "tui/panel.h"
#include "tui/words.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { FIELDS = 10, BAR_LEAST = 10, CHANGED_LEAST = 12 };

struct field {
    const char *label, *shorter; /* where room is short */
    char value[64];
    int width;      /* kept for the value */
    enum role role; /* of the label: values change often, and in one colour they are fewer bytes */
    int rank;       /* the highest rank goes first where room is short */
};

static int field_columns(const struct field *field)
{
    int value = text_columns(field->value);

    return text_columns(field->label) + (*field->label ? 1 : 0) + (value > field->width ? value : field->width);
}

static int all_columns(const struct field *fields, int count)
{
    int total = 0;

    for (int i = 0; i < count; i++)
        total += field_columns(&fields[i]);
    return total;
}

/* Shortens labels, then takes fields away, until the rest fits with two columns between; returns the columns they take
 * without gaps. */
static int fit_fields(struct field *fields, int *count, int columns)
{
    for (int i = 0; i < *count && all_columns(fields, *count) + 2 * (*count - 1) > columns; i++)
        fields[i].label = fields[i].shorter;
    while (*count > 1 && all_columns(fields, *count) + 2 * (*count - 1) > columns) {
        int worst = 0;

        for (int i = 0; i < *count; i++)
            worst = fields[i].rank > fields[worst].rank ? i : worst;
        memmove(&fields[worst], &fields[worst + 1], (size_t)(*count - 1 - worst) * sizeof(*fields));
        --*count;
    }
    return all_columns(fields, *count);
}

static void draw_fields(struct canvas *canvas, struct rect line, struct field *fields, int count)
{
    int total = fit_fields(fields, &count, line.columns);
    int gap = count > 1 ? (line.columns - total) / (count - 1) : 0, column = line.column;

    gap = gap > 5 ? 5 : gap;
    for (int i = 0; i < count; i++) {
        const struct field *field = &fields[i];
        int width = field_columns(field), value = text_columns(field->value);

        canvas_text(canvas, column, line.row, STYLE(field->role), field->label);
        canvas_text(canvas, column + width - value, line.row, STYLE(ROLE_TEXT), field->value);
        column += width + gap;
    }
}

static struct field *add_field(struct field *fields, int *count, const char *label, enum role role, int width, int rank)
{
    struct field *field = &fields[(*count)++];

    *field = (struct field){.label = label, .shorter = label, .role = role, .width = width, .rank = rank};
    return field;
}

static void add_step(const struct scene *scene, struct field *fields, int *count)
{
    const struct snapshot *now = &scene->snapshot;
    char step[24], total[24];
    struct field *field;

    words_count((double)scene->figures.step, step, sizeof(step));
    words_count((double)now->steps_total, total, sizeof(total));
    field = add_field(fields, count, "step", ROLE_LABEL, 2 * (int)strlen(total) + 1, 0);
    snprintf(field->value, sizeof(field->value), "%s/%s", step, total);
    if (isnan(scene->figures.epoch))
        return;
    field = add_field(fields, count, "epoch", ROLE_LABEL, 2 * snprintf(NULL, 0, "%d", now->epochs_total) + 4, 4);
    snprintf(field->value, sizeof(field->value), "%.2f/%d", scene->figures.epoch, now->epochs_total);
}

static void add_speed(const struct scene *scene, struct field *fields, int *count)
{
    struct field *field = add_field(fields, count, "images/s", ROLE_LABEL, 7, 6);

    if (scene->figures.images_per_second > 0)
        words_count(scene->figures.images_per_second, field->value, sizeof(field->value));
    else
        snprintf(field->value, sizeof(field->value), "-");
}

static void add_duration(const char *label, double seconds, int rank, struct field *fields, int *count)
{
    struct field *field = add_field(fields, count, label, ROLE_LABEL, 7, rank);

    words_duration(seconds, field->value, sizeof(field->value));
}

static void add_quality(const struct scene *scene, struct field *fields, int *count)
{
    const double loss = scene->figures.loss;
    struct field *field = add_field(fields, count, "smoothed loss", ROLE_SERIES_1, 7, 1);

    field->shorter = "loss";
    if (isfinite(loss))
        digits_steady(loss, 4, field->value, sizeof(field->value));
    else
        snprintf(field->value, sizeof(field->value), "-");
    field = add_field(fields, count, "training", ROLE_SERIES_1, 7, 7);
    words_percent(scene->figures.accuracy, field->value, sizeof(field->value));
    field = add_field(fields, count, scene->best_is_test ? "best test" : "best", ROLE_SERIES_2, 7, 3);
    words_percent((double)scene->best, field->value, sizeof(field->value));
}

/* With all that a progress bar below would say, where there is none. */
static void draw_numbers(const struct scene *scene, struct canvas *canvas, struct rect line, bool bar)
{
    struct field fields[FIELDS], *field;
    int count = 0;

    if (scene->phase == PHASE_STARTING || scene->phase == PHASE_BROKEN) {
        canvas_text_cut(canvas, line.column, line.row, line.columns, STYLE(ROLE_DIM), scene->progress);
        return;
    }
    add_step(scene, fields, &count);
    field = add_field(fields, &count, "lr", ROLE_LABEL, 9, 2);
    words_rate(scene->figures.learning_rate, field->value, sizeof(field->value));
    if (!bar) {
        add_speed(scene, fields, &count);
        add_duration("ETA", scene->figures.eta_seconds, 5, fields, &count);
    }
    add_quality(scene, fields, &count);
    draw_fields(canvas, line, fields, count);
}

/* ---- State ---- */

struct badge {
    char text[64];
    enum role role;
};

static struct badge state_badge(const struct scene *scene)
{
    static const enum role roles[] = {
        [TRAINER_STARTING] = ROLE_DIM,       [TRAINER_RUNNING] = ROLE_GOOD,  [TRAINER_PAUSED] = ROLE_WARNING,
        [TRAINER_EVALUATING] = ROLE_ACCENT,  [TRAINER_SAVING] = ROLE_ACCENT, [TRAINER_TRYING] = ROLE_ACCENT,
        [TRAINER_RECOMPUTING] = ROLE_ACCENT, [TRAINER_FINISHED] = ROLE_GOOD, [TRAINER_STOPPED] = ROLE_WARNING,
        [TRAINER_DIVERGED] = ROLE_BAD,       [TRAINER_FAILED] = ROLE_BAD,    [TRAINER_WAITING] = ROLE_BAD};
    const struct snapshot *now = &scene->snapshot;
    struct badge badge = {.role = ROLE_DIM};

    if (scene->phase == PHASE_LEAVING && now->state != TRAINER_WAITING) {
        badge = (struct badge){"saving and leaving", ROLE_ACCENT};
    } else if (scene->phase == PHASE_BROKEN) {
        badge = (struct badge){"cannot start", ROLE_BAD};
    } else if (scene->phase == PHASE_STARTING) {
        snprintf(badge.text, sizeof(badge.text), "starting");
    } else if (scene->asked && scene->asked_for == COMMAND_PAUSE && now->state == TRAINER_RUNNING) {
        badge = (struct badge){"pausing", ROLE_WARNING};
    } else if (now->state == TRAINER_PAUSED && scene->undecided) {
        badge = (struct badge){"tried: accept or drop", ROLE_WARNING};
    } else if (now->state == TRAINER_PAUSED && now->diverged) {
        badge = (struct badge){"diverged", ROLE_BAD};
    } else {
        badge.role = roles[now->state];
        snprintf(badge.text, sizeof(badge.text), "%s",
                 now->state == TRAINER_RUNNING ? "training" : trainer_state_name(now->state));
        if (now->state == TRAINER_WAITING)
            snprintf(badge.text, sizeof(badge.text), "waiting: disk full");
        if (now->state == TRAINER_EVALUATING && now->evaluate_total > 0)
            snprintf(badge.text, sizeof(badge.text), "evaluating %3d %%", 100 * now->evaluated / now->evaluate_total);
        if (now->state == TRAINER_RECOMPUTING && now->rehearse_total > 0)
            snprintf(badge.text, sizeof(badge.text), "made again: %ld/%ld", now->rehearsed, now->rehearse_total);
        if (now->state == TRAINER_TRYING && now->trial.count > 0)
            snprintf(badge.text, sizeof(badge.text), "trying %d/%d, step %ld/%ld", now->trial.index + 1,
                     now->trial.count, now->trial.step, now->trial.steps);
    }
    return badge;
}

/* "nfbench  SESSION attached   set momentum 0.8       [state]" */
static void draw_name(const struct scene *scene, struct canvas *canvas, struct rect line)
{
    struct badge badge = state_badge(scene);
    int width = text_columns(badge.text) + 2, right = line.column + line.columns - width, column = line.column;

    column += canvas_text(canvas, column, line.row, STYLE(ROLE_ACCENT, STYLE_BOLD), "nfbench") + 2;
    column += canvas_text_cut(canvas, column, line.row, right - column - 1, STYLE(ROLE_TITLE), scene->facts.session);
    if (scene->facts.attached && right - column > CHANGED_LEAST)
        column += 1 + canvas_text(canvas, column + 1, line.row, STYLE(ROLE_LABEL), "attached");
    if (*scene->changed && right - column > CHANGED_LEAST) {
        column += 3 + canvas_text(canvas, column + 3, line.row, STYLE(ROLE_LABEL), "set ");
        canvas_text_cut(canvas, column, line.row, right - column - 1, STYLE(ROLE_ACCENT), scene->changed);
    }
    canvas_printf(canvas, right, line.row, STYLE(badge.role, STYLE_REVERSE | STYLE_BOLD), " %s ", badge.text);
}

/* ---- What the run is ---- */

/* The network in as many words as there is room for beside the other two; the fewest where there is none. */
static void network_words(const struct scene *scene, int columns, char *text, size_t size)
{
    const struct facts *facts = &scene->facts;
    char count[32], memory[32];

    words_count(facts->parameters, count, sizeof(count));
    words_bytes(scene->snapshot.memory, memory, sizeof(memory));
    snprintf(text, size, "%s, %s parameters, %s", facts->network, count, memory);
    if (text_columns(text) > columns)
        snprintf(text, size, "%s, %s parameters", facts->network, count);
    if (text_columns(text) > columns)
        snprintf(text, size, "%s", facts->network);
}

static void draw_facts(const struct scene *scene, struct canvas *canvas, struct rect line)
{
    const struct facts *facts = &scene->facts;
    char network[128], device[192];
    int column = line.column, right = line.column + line.columns, room;

    if (!*facts->network)
        return;
    snprintf(device, sizeof(device), *scene->gauge ? "%s, %s" : "%s", facts->device, scene->gauge);
    if (text_columns(device) + text_columns(facts->data) + text_columns(facts->network) + 6 > line.columns)
        snprintf(device, sizeof(device), "%s", *scene->gauge ? scene->gauge : facts->device); /* the log has its name */
    room = line.columns - text_columns(device) - 6; /* for data and network, a dot before each other part */
    network_words(scene, room - text_columns(facts->data), network, sizeof(network));
    column += canvas_text_cut(canvas, column, line.row, room - text_columns(network),
                              STYLE(facts->synthetic ? ROLE_WARNING : ROLE_TEXT), facts->data);
    column += canvas_text(canvas, column, line.row, STYLE(ROLE_BORDER), " \u00b7 ");
    column += canvas_text_cut(canvas, column, line.row, right - column, STYLE(ROLE_TEXT), network);
    column += canvas_text(canvas, column, line.row, STYLE(ROLE_BORDER), " \u00b7 ");
    canvas_text_cut(canvas, column, line.row, right - column, STYLE(ROLE_TEXT), device);
}

/* ---- How far it is ---- */

/* The results of a run that has ended, in place of its progress. */
static void draw_results(const struct scene *scene, struct canvas *canvas, struct rect line)
{
    const struct epoch_record *results = &scene->results;
    char text[256], time[32], part[32];
    int used;

    words_duration(scene->snapshot.step.seconds, time, sizeof(time));
    used = snprintf(text, sizeof(text), "%s after %s", trainer_state_name(scene->snapshot.state), time);
    if (results->test_accuracy >= 0) {
        words_percent((double)results->test_accuracy, part, sizeof(part));
        used += snprintf(text + used, sizeof(text) - (size_t)used, ": test accuracy %s, loss %.4g", part,
                         (double)results->test_loss);
    }
    if (scene->best >= 0 && !scene->best_is_test) {
        words_percent((double)scene->best, part, sizeof(part));
        snprintf(text + used, sizeof(text) - (size_t)used, "; best validation %s at step %ld", part, scene->best_step);
        if (text_columns(text) > line.columns)
            snprintf(text + used, sizeof(text) - (size_t)used, "; validation %s", part);
    }
    canvas_text_cut(canvas, line.column, line.row, line.columns, STYLE(ROLE_GOOD, STYLE_BOLD), text);
}

static void draw_bar(struct canvas *canvas, struct rect bar, double part, enum role role)
{
    uint32_t done = canvas_glyphs(canvas) == GLYPHS_ASCII ? '=' : 0x2501;
    int full = (int)floor(part * bar.columns);

    for (int column = 0; column < bar.columns; column++)
        canvas_put(canvas, bar.column + column, bar.row, STYLE(column < full ? role : ROLE_GRID),
                   column < full ? done : 0x2500);
}

static void draw_progress(const struct scene *scene, struct canvas *canvas, struct rect line)
{
    const struct snapshot *now = &scene->snapshot;
    struct field fields[FIELDS], *field;
    int count = 0, width;
    double part;

    if (scene->phase == PHASE_STARTING || scene->phase == PHASE_BROKEN)
        return;
    if (scene->results.step > 0) {
        draw_results(scene, canvas, line);
        return;
    }
    part = now->steps_total > 0 ? (double)scene->figures.step / (double)now->steps_total : 0;
    field = add_field(fields, &count, "", ROLE_LABEL, 5, 0);
    snprintf(field->value, sizeof(field->value), "%.0f %%", floor(100 * part));
    add_speed(scene, fields, &count);
    add_duration("elapsed", scene->figures.seconds, 2, fields, &count);
    add_duration("ETA", scene->figures.eta_seconds, 1, fields, &count);
    width = fit_fields(fields, &count, line.columns - BAR_LEAST - 2) + 2 * (count - 1);
    draw_bar(canvas, (struct rect){line.column, line.row, line.columns - width - 2, 1}, part,
             now->state == TRAINER_PAUSED ? ROLE_WARNING : ROLE_ACCENT);
    draw_fields(canvas, (struct rect){line.column + line.columns - width, line.row, width, 1}, fields, count);
}

static void draw(struct scene *scene, struct canvas *canvas, struct rect area)
{
    struct rect line = {area.column + 1, area.row, area.columns - 2, 1};

    draw_name(scene, canvas, line);
    if (area.rows >= 3) {
        line.row++;
        draw_facts(scene, canvas, line);
    }
    line.row++;
    draw_numbers(scene, canvas, line, area.rows >= 4);
    if (area.rows >= 4) {
        line.row++;
        draw_progress(scene, canvas, line);
    }
}

const struct panel_ops panel_header = {.place = PLACE_HEADER, .draw = draw};
