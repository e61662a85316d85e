/* The System view: how fast the run is and where a step's time goes; processor, memory and GPU now, as far as they can
 * be read; the network's work; and charts of all of it over the minutes where there is room. The overview shows its
 * first lines on a large screen. */
#include "tui/figure_time.h"
#include "tui/panel.h"
#include "tui/words.h"
#include "viz/chart.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    LABEL_COLUMNS = 12,
    BAR_MOST = 24,
    BAR_FROM = 56,        /* columns of the area from which on numbers have bars */
    SIDE_FROM = 110,      /* columns from which on charts stand beside the numbers ... */
    NUMBERS_COLUMNS = 62, /* ... which then take so many */
    CHART_ROWS = 6,
    CHART_COLUMNS = 40,
    CHARTS = 7,
    TALL_FROM = 20 /* rows from which on the processors' bars are taller */
};

/* Where the next line goes. */
struct pen {
    struct canvas *canvas;
    struct rect rest;
};

static bool next_rows(struct pen *pen, int rows, struct rect *out)
{
    if (pen->rest.rows < rows)
        return false;
    *out = pen->rest;
    out->rows = rows;
    pen->rest.row += rows;
    pen->rest.rows -= rows;
    return true;
}

/* ---- Numbers ---- */

/* "memory      [=====     ] text": a share of 0..1 as a bar; NAN: none. */
static void draw_line(struct pen *pen, const char *label, double share, const char *text)
{
    struct rect line;
    int column, bar = pen->rest.columns / 4;

    bar = bar > BAR_MOST ? BAR_MOST : bar;
    if (!next_rows(pen, 1, &line))
        return;
    canvas_text_cut(pen->canvas, line.column, line.row, LABEL_COLUMNS - 1, STYLE(ROLE_LABEL), label);
    column = line.column + LABEL_COLUMNS;
    if (isfinite(share)) {
        for (int i = 0; i < bar; i++)
            canvas_put(pen->canvas, column + i, line.row, STYLE(ROLE_GRID), 0x00B7);
        canvas_bar_right(pen->canvas, column, line.row, fmin(1, fmax(0, share)) * bar,
                         STYLE(share > 0.9 ? ROLE_WARNING : ROLE_ACCENT));
        column += bar + 2;
    }
    canvas_text_cut(pen->canvas, column, line.row, line.column + line.columns - column, STYLE(ROLE_TEXT), text);
}

static void add(char *text, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void add(char *text, size_t size, const char *format, ...)
{
    size_t used = strlen(text);
    va_list arguments;

    if (used && used + 2 < size)
        used += (size_t)snprintf(text + used, size - used, ", ");
    va_start(arguments, format);
    if (used < size)
        vsnprintf(text + used, size - used, format, arguments);
    va_end(arguments);
}

static void draw_speed(const struct scene *scene, struct pen *pen)
{
    const struct snapshot *now = &scene->snapshot;
    char text[160] = "", number[32];

    words_count(now->step.images_per_second, number, sizeof(number));
    if (now->step.images_per_second > 0)
        add(text, sizeof(text), "%s now", number);
    if (now->images > 0) {
        words_count((double)now->images / now->trained.whole, number, sizeof(number));
        add(text, sizeof(text), "%s in the mean", number);
    }
    draw_line(pen, "images/s", NAN, *text ? text : "no step yet");
}

static void draw_step(const struct scene *scene, struct pen *pen)
{
    const struct step_time *time = &scene->snapshot.recent;
    struct rect area;
    char text[160] = "";

    if (time->whole > 0)
        add(text, sizeof(text), "%.2f ms", 1e3 * time->whole);
    if (time->whole > 0 && scene->facts.image_flops > 0) {
        double step = scene->facts.image_flops * scene->snapshot.options.batch;

        add(text, sizeof(text), step >= 1e12 ? "%.3g TFLOP" : "%.3g GFLOP", step / (step >= 1e12 ? 1e12 : 1e9));
        add(text, sizeof(text), "%.0f GFLOP/s",
            scene->facts.image_flops * scene->snapshot.step.images_per_second / 1e9);
    }
    draw_line(pen, "step", NAN, *text ? text : "-");
    if (next_rows(pen, 1, &area))
        figure_time_bar(pen->canvas, area, time);
    area = pen->rest;
    area.rows = figure_time_legend(pen->canvas, area, time);
    (void)next_rows(pen, area.rows, &area);
}

/* One bar up a processor; where they are more than columns, several share one by their mean. */
static void draw_processors(const struct machine_reading *machine, int rows, struct pen *pen)
{
    int count = machine->processors < MACHINE_PROCESSORS ? machine->processors : MACHINE_PROCESSORS, wide, each;
    struct rect area;

    if (count < 2 || !next_rows(pen, rows, &area))
        return;
    canvas_text_cut(pen->canvas, area.column, area.row + rows - 1, LABEL_COLUMNS - 1, STYLE(ROLE_LABEL), "each");
    area.column += LABEL_COLUMNS;
    area.columns -= LABEL_COLUMNS;
    each = area.columns > 0 ? (count + area.columns - 1) / area.columns : 1;
    wide = area.columns / count >= 4 ? 3 : 1; /* and a gap */
    for (int at = 0; at * each < count; at++) {
        int column = area.column + at * (wide > 1 ? wide + 1 : 1), members = 0;
        double sum = 0;

        for (int i = at * each; i < (at + 1) * each && i < count; i++)
            if (isfinite((double)machine->load[i])) {
                sum += (double)machine->load[i];
                members++;
            }
        for (int i = 0; i < wide; i++)
            canvas_put(pen->canvas, column + i, area.row + rows - 1, STYLE(ROLE_GRID), '_');
        if (members > 0)
            canvas_bar_up(pen->canvas, column, area.row + rows - 1, wide, sum / members * rows, STYLE(ROLE_SERIES_1));
    }
}

static void draw_processor_lines(const struct machine_reading *machine, int rows, struct pen *pen)
{
    const double most = monitor_processors(machine);
    char text[96] = "";

    if (isfinite(machine->process))
        add(text, sizeof(text), "%.2f of %.3g processors", machine->process, most);
    if (machine->threads > 0)
        add(text, sizeof(text), "%d threads", machine->threads);
    draw_line(pen, "processor", machine->process / most, *text ? text : "not known");
    text[0] = '\0';
    if (isfinite(machine->machine))
        add(text, sizeof(text), "%.0f %%", 100 * machine->machine);
    if (isfinite(machine->temperature))
        add(text, sizeof(text), "%.0f \u00b0C", machine->temperature);
    if (*text)
        draw_line(pen, "machine", machine->machine, text);
    draw_processors(machine, rows, pen);
}

static void draw_memory_lines(const struct machine_reading *machine, struct pen *pen)
{
    const double in_use = machine->memory_total - machine->memory_available;
    const bool limited = isfinite(machine->memory_limit);
    const double most = limited ? machine->memory_limit : machine->memory_total;
    char text[96] = "not known", used[32], total[32];

    words_bytes(machine->resident, used, sizeof(used));
    words_bytes(most, total, sizeof(total));
    if (isfinite(machine->resident))
        snprintf(text, sizeof(text), limited ? "%s of %s allowed" : "%s", used, total);
    draw_line(pen, "memory", machine->resident / most, text);
    if (!isfinite(in_use))
        return;
    words_bytes(in_use, used, sizeof(used));
    words_bytes(machine->memory_total, total, sizeof(total));
    snprintf(text, sizeof(text), "%s of %s", used, total);
    draw_line(pen, "machine", in_use / machine->memory_total, text);
}

static void draw_gpu(const struct nvml_reading *gpu, struct pen *pen)
{
    char text[160] = "";

    if (gpu->valid & NVML_LOAD)
        add(text, sizeof(text), "%d %%", gpu->load);
    if (gpu->valid & NVML_TEMPERATURE)
        add(text, sizeof(text), "%d \u00b0C", gpu->temperature);
    if (gpu->valid & NVML_POWER)
        add(text, sizeof(text), "%.0f W", gpu->power);
    draw_line(pen, "GPU", (gpu->valid & NVML_LOAD) ? gpu->load / 100.0 : NAN, *text ? text : "not known");
    if (!(gpu->valid & NVML_MEMORY))
        return;
    snprintf(text, sizeof(text), "%.1f of %.0f GB", gpu->memory_used / 1e9, gpu->memory_total / 1e9);
    draw_line(pen, "GPU memory", gpu->memory_used / gpu->memory_total, text);
}

/* What the run does beside its steps, and for how long so far. */
static void draw_beside(const struct snapshot *now, struct pen *pen)
{
    char text[96], training[32], evaluating[32], saving[32];

    words_duration(now->trained.whole, training, sizeof(training));
    words_duration(now->evaluating_seconds, evaluating, sizeof(evaluating));
    words_duration(now->saving_seconds, saving, sizeof(saving));
    snprintf(text, sizeof(text), "steps %s, evaluating %s, saving %s", training, evaluating, saving);
    draw_line(pen, "time", NAN, text);
}

static void draw_facts(const struct scene *scene, const struct monitor_sample *sample, struct pen *pen)
{
    char text[160], count[32], bytes[32];

    words_count(scene->facts.parameters, count, sizeof(count));
    words_bytes(scene->snapshot.memory, bytes, sizeof(bytes));
    snprintf(text, sizeof(text), "%s parameters, %s, batch %d", count, bytes, scene->snapshot.options.batch);
    draw_line(pen, "network", NAN, text);
    draw_beside(&scene->snapshot, pen);
    if (!sample || !isfinite(sample->screen))
        return;
    snprintf(text, sizeof(text), "%.1f %% of a processor, %.0f frames/s", 100 * sample->screen, sample->frames);
    draw_line(pen, "this screen", NAN, text);
}

/* In the order of their weight: where room is short the last ones are left out. */
static void draw_numbers(const struct scene *scene, struct pen *pen)
{
    const struct monitor_sample *sample = scene->monitor ? monitor_latest(scene->monitor) : NULL;
    int rows = pen->rest.rows >= TALL_FROM ? 2 : 1;

    draw_speed(scene, pen);
    draw_step(scene, pen);
    if (sample && sample->gpu_is_there)
        draw_gpu(&sample->gpu, pen);
    if (sample) {
        draw_processor_lines(&sample->machine, rows, pen);
        draw_memory_lines(&sample->machine, pen);
    }
    if (scene->snapshot.options.batch > 0)
        draw_facts(scene, sample, pen);
}

/* ---- Charts ---- */

/* Lines that share an axis, and their names. */
static const struct figure {
    const char *title, *y_label;
    enum chart_format format;
    double most; /* of the y axis; NAN: of the data */
    struct {
        enum history history;
        const char *name;
    } lines[3];
    int count;
} figures[] = {
    {"Speed", "images/s", CHART_NUMBER, NAN, {{HISTORY_IMAGES, "images/s"}}, 1},
    {"Load",
     NULL,
     CHART_PERCENT,
     1,
     {{HISTORY_GPU_LOAD, "GPU"}, {HISTORY_PROCESS, "this process"}, {HISTORY_MACHINE, "machine"}},
     3},
    {"GPU memory", "GB", CHART_NUMBER, NAN, {{HISTORY_GPU_MEMORY, "GB"}}, 1},
    {"Temperature",
     "\u00b0C",
     CHART_NUMBER,
     NAN,
     {{HISTORY_GPU_TEMPERATURE, "GPU"}, {HISTORY_TEMPERATURE, "processor"}},
     2},
    {"Power", "W", CHART_NUMBER, NAN, {{HISTORY_GPU_POWER, "W"}}, 1},
    {"Memory of this process", "GB", CHART_NUMBER, NAN, {{HISTORY_RESIDENT, "GB"}}, 1},
};

enum { FIGURES = sizeof(figures) / sizeof(*figures) };

static void draw_figure(const struct monitor *monitor, const struct figure *figure, struct canvas *canvas,
                        struct rect area)
{
    static const enum stroke strokes[] = {STROKE_SOLID, STROKE_DASHED, STROKE_DOTTED};
    struct chart chart = chart_init();
    struct chart_series lines[3];

    for (int i = 0; i < figure->count; i++) {
        const struct series *series = monitor_history(monitor, figure->lines[i].history);

        if (series_count(series) == 0)
            continue;
        lines[chart.series_count] = (struct chart_series){.series = series,
                                                          .name = figure->lines[i].name,
                                                          .role = (enum role)(ROLE_SERIES_1 + chart.series_count),
                                                          .stroke = strokes[chart.series_count],
                                                          .kind = CHART_LINE,
                                                          .hide_raw = true};
        chart.series_count++;
    }
    chart.title = figure->title;
    chart.y_label = figure->y_label;
    chart.x_label = "minutes";
    chart.series = lines;
    chart.format = figure->format;
    chart.y_min = 0;
    chart.y_max = figure->most;
    chart.x_max = chart_hold_domain(1, series_x(lines[0].series, series_count(lines[0].series) - 1), 0);
    chart_draw(canvas, area, &chart);
}

static bool has_points(const struct monitor *monitor, const struct figure *figure)
{
    for (int i = 0; i < figure->count; i++)
        if (series_count(monitor_history(monitor, figure->lines[i].history)) > 0)
            return true;
    return false;
}

static const struct step_time *step_ago(const void *context, int ago)
{
    return monitor_step(context, ago);
}

static void draw_step_history(const struct monitor *monitor, struct canvas *canvas, struct rect area)
{
    canvas_text_cut(canvas, area.column, area.row, area.columns, STYLE(ROLE_TITLE),
                    "Parts of a step, the newest right");
    area.row++;
    area.rows--;
    figure_time_history(canvas, area, monitor_steps(monitor), step_ago, monitor);
}

/* As many as have room in a grid, the most telling first; where they are asked for, the parts of steps come second. */
static void draw_charts(const struct monitor *monitor, bool steps, struct canvas *canvas, struct rect area)
{
    const struct figure *shown[CHARTS] = {NULL};
    int count = 0, across = area.columns / CHART_COLUMNS, down;

    for (int f = 0; f < FIGURES; f++) {
        if (has_points(monitor, &figures[f]))
            shown[count++] = &figures[f];
        if (f == 0 && steps && monitor_steps(monitor) > 0)
            shown[count++] = NULL;
    }
    across = across < 1 ? 1 : across > 2 ? 2 : across;
    down = area.rows / CHART_ROWS;
    if (down * across < count)
        count = down * across;
    if (count == 0)
        return;
    across = across > count ? count : across;
    down = (count + across - 1) / across;
    for (int i = 0; i < count; i++) {
        int row = i / across * area.rows / down, below = (i / across + 1) * area.rows / down,
            wide = area.columns / across;
        struct rect place = {area.column + i % across * wide, area.row + row, wide - 1, below - row};

        if (i == count - 1 && i % across == 0) /* alone in the last row */
            place.columns = area.columns - 1;
        if (shown[i])
            draw_figure(monitor, shown[i], canvas, place);
        else
            draw_step_history(monitor, canvas, place);
    }
}

static void draw(struct scene *scene, struct canvas *canvas, struct rect area)
{
    struct pen pen = {canvas, {area.column + 1, area.row, area.columns - 2, area.rows}};
    bool beside = area.columns >= SIDE_FROM;

    if (scene->phase == PHASE_STARTING || scene->phase == PHASE_BROKEN) {
        canvas_text_cut(canvas, area.column + 1, area.row, area.columns - 2, STYLE(ROLE_DIM), scene->progress);
        return;
    }
    if (beside)
        pen.rest.columns = NUMBERS_COLUMNS;
    draw_numbers(scene, &pen);
    if (!scene->monitor)
        return;
    pen.rest.row++;
    pen.rest.rows--;
    if (!beside) {
        draw_charts(scene->monitor, true, canvas, pen.rest);
        return;
    }
    area.columns -= NUMBERS_COLUMNS + 3;
    area.column += NUMBERS_COLUMNS + 3;
    draw_charts(scene->monitor, pen.rest.rows < CHART_ROWS, canvas, area);
    if (pen.rest.rows >= CHART_ROWS)
        draw_step_history(scene->monitor, canvas, pen.rest);
}

const struct panel_ops panel_system = {.place = PLACE_SYSTEM, .title = "System", .draw = draw};
