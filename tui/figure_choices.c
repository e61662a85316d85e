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

/* A dashed line is a prediction. */
static enum stroke stroke_of(int stroke)
{
    return stroke % 2 ? STROKE_DOTTED : STROKE_SOLID;
}

static struct style style_of(int color)
{
    return STYLE((enum role)(ROLE_SERIES_1 + color % SERIES_ROLES));
}

static enum marker_shape marker_of(int color)
{
    return (enum marker_shape)(color % MARKER_SHAPES);
}

static void draw_plot(struct canvas *canvas, struct rect area, const struct choices_figure *figure, enum signal signal)
{
    struct profile_line lines[CHOICES_MOST + 1];
    struct choice_line data[CHOICES_MOST];
    int count = 0;
    for (int i = 0; i < figure->count; i++) {
        const struct choice *choice = &figure->choices[i];
        data[i] = (struct choice_line){choice->probe, signal};
        lines[count++] = (struct profile_line){.value = line_value,
                                               .data = &data[i],
                                               .style = style_of(choice->color),
                                               .stroke = stroke_of(choice->stroke),
                                               .width = 2.5,
                                               .markers = true,
                                               .marker = marker_of(choice->color)};
    }
    lines[count++] = (struct profile_line){
        .value = line_predicted, .data = &data[0], .style = STYLE(ROLE_TEXT), .stroke = STROKE_DASHED, .width = 2};
    const struct profile profile = {.title = signal_name(signal),
                                    .x_label = "block",
                                    .count = figure->choices[0].probe->count,
                                    .name = signal_depth_name,
                                    .lines = lines,
                                    .line_count = count,
                                    .log_y = true,
                                    .no_legend = true,
                                    .cursor = NAN};
    profile_draw(canvas, area, &profile);
}

static int list_legend(const struct choices_figure *figure, struct legend_entry *legend)
{
    int count = 0;
    for (int i = 0; i < figure->color_count; i++) {
        legend[count] = (struct legend_entry){.style = style_of(i), .sample = SAMPLE_POINTS, .marker = marker_of(i)};
        snprintf(legend[count++].text, LEGEND_TEXT, "%s", figure->colors[i]);
    }
    for (int i = 0; i < figure->stroke_count; i++) {
        legend[count] = (struct legend_entry){.style = STYLE(ROLE_DIM), .sample = SAMPLE_LINE, .stroke = stroke_of(i)};
        snprintf(legend[count++].text, LEGEND_TEXT, "%s", figure->strokes[i]);
    }
    if (isfinite(signal_predicted(figure->choices[0].probe, 0, SIGNAL_VARIANCE)))
        legend[count++] = (struct legend_entry){
            .text = "predicted", .style = STYLE(ROLE_TEXT), .sample = SAMPLE_LINE, .stroke = STROKE_DASHED};
    return count;
}

void figure_choices(struct canvas *canvas, struct rect area, const struct choices_figure *figure)
{
    struct legend_entry legend[2 * CHOICES_MOST + 1];
    const int count = list_legend(figure, legend);
    const int rows = axes_draw_header(canvas, area, figure->title, legend, count) + 1;
    area = (struct rect){area.column, area.row + rows, area.columns, area.rows - rows};
    const struct grid grid = grid_of(area, PLOTS, PROFILE_ASPECT);
    for (int i = 0; i < PLOTS; i++)
        draw_plot(canvas, grid_cell(&grid, i), figure, shown[i]);
}
