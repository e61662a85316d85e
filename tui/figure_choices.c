/* See figure_choices.h. */
#include "tui/figure_choices.h"

#include "tui/figure_grid.h"
#include "tui/figure_signal.h"
#include "viz/profile.h"

#include <math.h>
#include <stdio.h>

/* The quantities, a plot each. */
static const enum signal shown[] = {SIGNAL_VARIANCE, SIGNAL_SQUARED_MEAN};

enum { PLOTS = sizeof shown / sizeof *shown };

struct choice_line {
    const struct probe *probe;
    enum signal signal;
};

static double line_value(const void *data, int point)
{
    const struct choice_line *line = data;
    return signal_value(line->probe, point, line->signal);
}

/* 0 has no place on a logarithmic axis. */
static double line_predicted(const void *data, int point)
{
    const struct choice_line *line = data;
    const double value = signal_predicted(line->probe, point, line->signal);
    return value > 0 ? value : NAN;
}

static struct style choice_style(int index)
{
    return STYLE((enum role)(ROLE_SERIES_1 + index % SERIES_ROLES));
}

static void draw_plot(struct canvas *canvas, struct rect area, const struct choices_figure *figure, enum signal signal)
{
    struct profile_line lines[CHOICES_MOST + 1];
    struct choice_line data[CHOICES_MOST];
    int count = 0;
    for (int i = 0; i < figure->count; i++) {
        data[i] = (struct choice_line){figure->probes[i], signal};
        lines[count++] = (struct profile_line){.value = line_value,
                                               .data = &data[i],
                                               .style = choice_style(i),
                                               .width = 2.5,
                                               .markers = true,
                                               .marker = (enum marker_shape)(i % MARKER_SHAPES)};
    }
    lines[count++] = (struct profile_line){
        .value = line_predicted, .data = &data[0], .style = STYLE(ROLE_TEXT), .stroke = STROKE_DASHED, .width = 2};
    const struct profile profile = {.title = signal_name(signal),
                                    .x_label = "block",
                                    .count = figure->probes[0]->count,
                                    .name = signal_depth_name,
                                    .lines = lines,
                                    .line_count = count,
                                    .log_y = true,
                                    .no_legend = true,
                                    .cursor = NAN};
    profile_draw(canvas, area, &profile);
}

void figure_choices(struct canvas *canvas, struct rect area, const struct choices_figure *figure)
{
    struct legend_entry legend[CHOICES_MOST + 1];
    int count = 0;
    for (; count < figure->count; count++) {
        legend[count] = (struct legend_entry){.style = choice_style(count),
                                              .sample = SAMPLE_POINTS,
                                              .marker = (enum marker_shape)(count % MARKER_SHAPES)};
        snprintf(legend[count].text, LEGEND_TEXT, "%s", figure->names[count]);
    }
    legend[count] =
        (struct legend_entry){.style = STYLE(ROLE_TEXT), .sample = SAMPLE_LINE, .stroke = STROKE_DASHED};
    snprintf(legend[count++].text, LEGEND_TEXT, "predicted");
    const int rows = axes_draw_header(canvas, area, figure->title, legend, count);
    area = (struct rect){area.column, area.row + rows, area.columns, area.rows - rows};
    const struct grid grid = grid_of(area, PLOTS, PROFILE_ASPECT);
    for (int i = 0; i < PLOTS; i++)
        draw_plot(canvas, grid_cell(&grid, i), figure, shown[i]);
}
