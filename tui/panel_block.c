/* One block in detail: its numbers, what its health says, and figures: how its values and its channels' variances are
 * distributed, how that and the variance went over the steps, and each channel. As many figures as have room stand
 * there; Up and Down bring the others. */
#include "base/digits.h"
#include "tui/figure_signal.h"
#include "tui/keys.h"
#include "tui/panel_probe.h"

#include <math.h>
#include <stdio.h>

enum { NUMBER_COLUMNS = 25, NUMBER_LABEL = 12, FIGURE_ROWS = 5, FIGURE_COLUMNS = 28, WIDE_COLUMNS = 40 };

/* ---- Numbers ---- */

enum { NUMBERS = 13 };

struct number {
    const char *label;
    char text[24];
};

static void add_number(struct number *numbers, int *count, const char *label, double value)
{
    struct number *number = &numbers[(*count)++];

    number->label = label;
    digits_significant(value, 4, number->text, sizeof(number->text));
}

static void add_share(struct number *numbers, int *count, const char *label, double value)
{
    struct number *number = &numbers[(*count)++];

    number->label = label;
    snprintf(number->text, sizeof(number->text), isfinite(value) ? "%.1f %%" : "NaN", 100 * value);
}

/* The most telling first: where room is short the last ones are left out. */
static int list_numbers(const struct probe *probe, int index, struct number numbers[NUMBERS])
{
    const struct probe_point *point = &probe->points[index];
    int count = 0;

    add_number(numbers, &count, "variance", (double)point->variance);
    if (isfinite(signal_predicted(probe, index, SIGNAL_VARIANCE)))
        add_number(numbers, &count, "predicted", (double)point->predicted);
    add_number(numbers, &count, "mean\u00b2", (double)point->squared_mean);
    if (index > 0) {
        add_number(numbers, &count, "branch var.", (double)point->branch_variance);
        add_number(numbers, &count, "shortcut v.", (double)point->shortcut_variance);
        add_share(numbers, &count, "dead", (double)point->dead);
    }
    if (probe->gradients) {
        add_number(numbers, &count, "gradient", (double)point->gradient_norm);
        add_number(numbers, &count, "update", (double)point->update_ratio);
        add_share(numbers, &count, "AGC clips", (double)point->clipped);
    }
    add_number(numbers, &count, "weights", (double)point->weight_norm);
    add_number(numbers, &count, "least", (double)point->least);
    add_number(numbers, &count, "greatest", (double)point->most);
    snprintf(numbers[count].text, sizeof(numbers->text), "%d", point->channels);
    numbers[count++].label = "channels";
    return count;
}

/* In columns, over a third of the area at most; returns the rows. */
static int draw_numbers(const struct probe *probe, int point, struct canvas *canvas, struct rect area)
{
    struct number numbers[NUMBERS];
    int count = list_numbers(probe, point, numbers), per_row = area.columns / NUMBER_COLUMNS, rows;

    per_row = per_row < 1 ? 1 : per_row > 6 ? 6 : per_row;
    rows = (count + per_row - 1) / per_row;
    rows = rows > area.rows / 3 ? area.rows / 3 : rows;
    rows = rows < 1 ? 1 : rows;
    for (int i = 0; i < count && i < rows * per_row; i++) {
        int column = area.column + i % per_row * (area.columns / per_row), row = area.row + i / per_row;

        canvas_text_cut(canvas, column, row, NUMBER_LABEL - 1, STYLE(ROLE_LABEL), numbers[i].label);
        canvas_text_cut(canvas, column + NUMBER_LABEL, row, area.columns / per_row - NUMBER_LABEL, STYLE(ROLE_TEXT),
                        numbers[i].text);
    }
    return rows;
}

/* ---- Figures ---- */

static void draw_values(const struct scene *scene, struct canvas *canvas, struct rect area)
{
    const struct distribution_figure figure = {.title = "values",
                                               .now = probes_shown(scene->probes),
                                               .start = probes_first(scene->probes),
                                               .point = scene->selected,
                                               .of = DISTRIBUTION_VALUES};

    figure_distribution(canvas, area, &figure);
}

static void draw_variances(const struct scene *scene, struct canvas *canvas, struct rect area)
{
    const struct distribution_figure figure = {.title = "channels' variances",
                                               .now = probes_shown(scene->probes),
                                               .start = probes_first(scene->probes),
                                               .point = scene->selected,
                                               .of = DISTRIBUTION_VARIANCES};

    figure_distribution(canvas, area, &figure);
}

static void draw_history(const struct scene *scene, struct canvas *canvas, struct rect area)
{
    const struct history_figure figure = {.title = "variance over the steps",
                                          .probes = probes_all(scene->probes),
                                          .count = probes_count(scene->probes),
                                          .point = scene->selected,
                                          .signals = SIGNAL_SET(SIGNAL_VARIANCE),
                                          .log_axis = probe_log_axis(scene, AXIS_SIGNAL),
                                          .cursor = probe_cursor(scene)};

    figure_history(canvas, area, &figure);
}

static void draw_strip(const struct scene *scene, struct canvas *canvas, struct rect area)
{
    const struct strip_figure figure = {.title = "values over the steps",
                                        .probes = probes_all(scene->probes),
                                        .count = probes_count(scene->probes),
                                        .point = scene->selected,
                                        .of = DISTRIBUTION_VALUES,
                                        .cursor = probe_cursor(scene)};

    figure_strip(canvas, area, &figure);
}

static void draw_channels(const struct scene *scene, struct canvas *canvas, struct rect area)
{
    const struct channels_figure figure = {.title = "channels: mean and variance",
                                           .now = probes_shown(scene->probes),
                                           .point = scene->selected,
                                           .log_axis = probe_log_axis(scene, AXIS_SIGNAL)};

    figure_channels(canvas, area, &figure);
}

static void draw_gradient(const struct scene *scene, struct canvas *canvas, struct rect area)
{
    const struct history_figure figure = {.title = "gradient norm over the steps",
                                          .probes = probes_all(scene->probes),
                                          .count = probes_count(scene->probes),
                                          .point = scene->selected,
                                          .signals = SIGNAL_SET(SIGNAL_GRADIENT_NORM),
                                          .log_axis = probe_log_axis(scene, AXIS_GRADIENTS),
                                          .cursor = probe_cursor(scene)};

    figure_history(canvas, area, &figure);
}

static void (*const figures[])(const struct scene *, struct canvas *, struct rect) = {
    draw_values, draw_strip, draw_history, draw_variances, draw_channels, draw_gradient};

enum { FIGURES = sizeof(figures) / sizeof(*figures) };

static int figures_across(int columns)
{
    return columns >= 3 * WIDE_COLUMNS ? 3 : columns >= 2 * FIGURE_COLUMNS ? 2 : 1;
}

/* So many rows of the grid, from its `first` on. */
static void draw_grid(const struct scene *scene, struct canvas *canvas, struct rect area, int first, int rows)
{
    int across = figures_across(area.columns);

    for (int i = 0; i < rows * across && first * across + i < FIGURES; i++) {
        int left = area.columns * (i % across) / across, right = area.columns * (i % across + 1) / across;
        int top = area.rows * (i / across) / rows, bottom = area.rows * (i / across + 1) / rows;
        struct rect place = {area.column + left, area.row + top, right - left - (i % across < across - 1 ? 2 : 0),
                             bottom - top};

        figures[first * across + i](scene, canvas, place);
    }
}

/* All of them, scrolled by whole rows of the grid. */
static void draw_figures(struct scene *scene, struct canvas *canvas, struct rect area)
{
    int across = figures_across(area.columns), down = (FIGURES + across - 1) / across;
    int rows = area.rows / FIGURE_ROWS;

    rows = rows > down ? down : rows < 1 ? 1 : rows;
    scene->block_scroll = scene->block_scroll > down - rows ? down - rows : scene->block_scroll;
    draw_grid(scene, canvas, area, scene->block_scroll, rows);
}

void panel_block_preview(const struct scene *scene, struct canvas *canvas, struct rect area)
{
    draw_grid(scene, canvas, area, 0, 1);
}

/* ---- The panel ---- */

static void draw(struct scene *scene, struct canvas *canvas, struct rect area)
{
    const struct probe *probe = probe_shown(scene, canvas, area);
    int rows;

    if (!probe)
        return;
    area.column++;
    area.columns -= 2;
    rows = draw_numbers(probe, scene->selected, canvas, area);
    area.row += rows;
    area.rows -= rows;
    rows = probe_draw_sentence(scene, canvas, (struct rect){area.column, area.row, area.columns, area.rows > 8 ? 2 : 1},
                               scene->selected);
    area.row += rows;
    area.rows -= rows;
    if (area.rows > 0)
        draw_figures(scene, canvas, area);
}

static bool key(struct scene *scene, struct rect area, int key)
{
    (void)area;
    if (key == KEY_CODE_ESCAPE)
        scene_open(scene, scene->block_from);
    else if (key == KEY_CODE_DOWN)
        scene->block_scroll++; /* drawing stops at the last */
    else if (key == KEY_CODE_UP)
        scene->block_scroll -= scene->block_scroll > 0;
    else if (key == 'l')
        probe_turn_axis(scene, AXIS_SIGNAL);
    else
        return key != KEY_CODE_ENTER && probe_choose(scene, 5, key);
    return true;
}

static bool wheel(struct scene *scene, struct rect area, const struct mouse *mouse)
{
    if (mouse->act != MOUSE_WHEEL_UP && mouse->act != MOUSE_WHEEL_DOWN)
        return false;
    return key(scene, area, mouse->act == MOUSE_WHEEL_UP ? KEY_CODE_UP : KEY_CODE_DOWN);
}

static void head(const struct scene *scene, char text[PANEL_TITLE])
{
    char name[32], title[64];

    probe_point_name(scene->selected, name, sizeof(name));
    if (scene->probes && scene->selected > 0)
        snprintf(title, sizeof(title), "Block %d of %d", scene->selected, probes_points(scene->probes) - 1);
    else
        snprintf(title, sizeof(title), "Block: the stem");
    probe_heading(scene, title, text);
}

const struct panel_ops panel_block = {
    .place = PLACE_BLOCK,
    .title = "Block",
    .heading = head,
    .draw = draw,
    .key = key,
    .mouse = wheel,
    .keys =
        {{"\u2190\u2192", "block"}, {"\u2191\u2193", "figures"}, {"Esc", "back"}, {"l", "log axis"}, {",.", "step"}},
    .help = "A block in detail: Left and Right go to its neighbours, Up and Down show more figures, Esc goes back."};
