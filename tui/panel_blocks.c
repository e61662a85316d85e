/* The table of blocks: one row for the stem and each residual block, coloured by its health; the measured variance as a
 * bar beside the predicted one, numbers as there is room for them, and how the output's values were distributed over
 * the steps. */
#include "base/digits.h"
#include "tui/figure_signal.h"
#include "tui/panel_probe.h"

#include <math.h>
#include <stdio.h>

enum {
    NAME_COLUMNS = 12,
    BAR_LEAST = 10,
    BAR_MOST = 40,
    STRIP_LEAST = 16,
    STRIP_MOST = 70,
    TALL_LEAST = 3, /* rows of a block where there are so many more rows than blocks: a strip and a gap below it */
    TALL_MOST = 4,
    PREVIEW_ROWS = 6,  /* the least that are left over for the chosen block's figures ... */
    PREVIEW_GOOD = 10, /* ... and what is spared for them */
    SENTENCE_ROWS = 2,
    SENTENCE_FROM = 8 /* rows of the panel */
};

/* ---- Columns ---- */

struct row {
    const struct probe *probe;
    const struct probe_point *point;
    int index;
};

static void write_number(double value, char text[16])
{
    digits_significant(value, 3, text, 16);
}

static void write_share(double value, char text[16])
{
    snprintf(text, 16, isfinite(value) ? "%.0f %%" : "NaN", 100 * value);
}

static void write_variance(const struct row *row, char text[16])
{
    write_number((double)row->point->variance, text);
}

static void write_predicted(const struct row *row, char text[16])
{
    const double predicted = signal_predicted(row->probe, row->index, SIGNAL_VARIANCE);

    if (isnan(predicted))
        snprintf(text, 16, "-");
    else
        write_number(predicted, text);
}

static void write_gradient(const struct row *row, char text[16])
{
    if (row->probe->gradients)
        write_number((double)row->point->gradient_norm, text);
    else
        snprintf(text, 16, "-");
}

static void write_dead(const struct row *row, char text[16])
{
    write_share((double)row->point->dead, text);
}

static void write_update(const struct row *row, char text[16])
{
    write_number((double)row->point->update_ratio, text);
}

static void write_clipped(const struct row *row, char text[16])
{
    write_share((double)row->point->clipped, text);
}

static void write_mean(const struct row *row, char text[16])
{
    write_number((double)row->point->squared_mean, text);
}

/* In the order in which they appear as the screen gets wider; those that always stand there first. */
static const struct column {
    const char *title;
    int columns; /* with the gap before it */
    void (*write)(const struct row *row, char text[16]);
} columns[] = {{"variance", 10, write_variance}, {"predicted", 11, write_predicted}, {"dead", 7, write_dead},
               {"gradient", 10, write_gradient}, {"update", 9, write_update},        {"AGC", 7, write_clipped},
               {"mean\u00b2", 9, write_mean}};

enum { COLUMNS = sizeof(columns) / sizeof(*columns), COLUMNS_ALWAYS = 2, COLUMNS_BEFORE_STRIP = 5 };

/* What stands where in a row. */
struct table {
    struct rect rows;        /* of blocks */
    int bar, numbers, strip; /* columns that they take; the strip's 0: none */
    int count;               /* of `columns` */
    int tall;                /* rows of a block */
    int shown;               /* blocks */
    bool scrolls;
};

static int clamp(int value, int low, int high)
{
    return value < low ? low : value > high ? high : value;
}

static struct table lay_out(struct rect area, int points)
{
    struct table table = {.rows = area};
    int room;

    table.rows.row++;
    table.rows.rows -= 1 + (area.rows >= SENTENCE_FROM ? SENTENCE_ROWS : 0);
    room = area.columns - NAME_COLUMNS - 2 - BAR_LEAST; /* the scroll bar and a gap before it */
    for (table.count = 0; table.count < COLUMNS; table.count++) {
        bool strip = table.count >= COLUMNS_BEFORE_STRIP && room - table.numbers >= STRIP_LEAST;
        int numbers = table.numbers + columns[table.count].columns;

        table.strip = strip ? STRIP_LEAST : table.strip;
        if (table.count >= COLUMNS_ALWAYS && numbers + table.strip > room)
            break;
        table.numbers = numbers;
    }
    room -= table.numbers + table.strip;
    if (table.strip) { /* the rest is shared out between the two */
        int more = clamp(room * 2 / 3, 0, STRIP_MOST - STRIP_LEAST);

        table.strip += more;
        room -= more;
    }
    table.bar = clamp(BAR_LEAST + room, 0, BAR_MOST);
    table.tall = table.strip ? clamp(table.rows.rows / points, 1, TALL_MOST) : 1;
    if (table.tall < TALL_LEAST)
        table.tall = 1;
    if (table.tall > TALL_LEAST && table.rows.rows - table.tall * points < PREVIEW_GOOD)
        table.tall = TALL_LEAST;
    table.shown = table.rows.rows / table.tall < 1 ? 1 : table.rows.rows / table.tall;
    table.scrolls = table.shown < points;
    return table;
}

static int strip_rows(const struct table *table)
{
    return table->tall > 1 ? table->tall - 1 : 1;
}

/* ---- Drawing ---- */

static void draw_titles(struct canvas *canvas, struct rect area, const struct table *table)
{
    int column = area.column + NAME_COLUMNS;

    canvas_text(canvas, area.column + 3, area.row, STYLE(ROLE_LABEL), "block");
    canvas_text_cut(canvas, column, area.row, table->bar, STYLE(ROLE_LABEL),
                    table->bar < 20 ? "measured" : "measured | predicted");
    column += table->bar;
    for (int i = 0; i < table->count; i++) {
        column += columns[i].columns;
        canvas_text(canvas, column - text_columns(columns[i].title), area.row, STYLE(ROLE_LABEL), columns[i].title);
    }
    if (table->strip)
        canvas_text_cut(canvas, column + 2, area.row, table->strip - 2, STYLE(ROLE_LABEL),
                        table->tall > 1 ? "values over the steps" : "values");
}

/* How the point's values went over the steps or, in a single row, where they lie now; kept until the next probe. */
static void draw_strip(struct scene *scene, struct canvas *canvas, struct rect area, int point)
{
    const struct strip_figure strip = {.probes = probes_all(scene->probes),
                                       .count = probes_count(scene->probes),
                                       .point = point,
                                       .of = DISTRIBUTION_VALUES,
                                       .bare = true,
                                       .cursor = NAN};

    if (cell_cache_put(scene->strips, point, canvas, area.column, area.row))
        return;
    if (area.rows > 1)
        figure_strip(canvas, area, &strip);
    else
        figure_sparkline(canvas, area, probes_shown(scene->probes), point);
    cell_cache_keep(scene->strips, point, canvas, area.column, area.row);
}

static void draw_row(struct scene *scene, struct canvas *canvas, struct rect area, const struct table *table, int point)
{
    const struct probe *probe = probes_shown(scene->probes);
    const struct row row = {probe, &probe->points[point], point};
    const char *why;
    enum health health = probes_health(scene->probes, point, &why);
    const struct bar_figure bar = {.measured = (double)row.point->variance,
                                   .predicted = signal_predicted(probe, point, SIGNAL_VARIANCE),
                                   .most = figure_bar_most(probe),
                                   .role = probe_role(health)};
    struct style style = STYLE(health == HEALTH_GOOD ? ROLE_TEXT : probe_role(health));
    int column = area.column + NAME_COLUMNS;
    char text[32];

    probe_point_name(point, text, sizeof(text));
    canvas_put(canvas, area.column + 1, area.row, STYLE(probe_role(health)), probe_mark(health));
    canvas_text(canvas, area.column + 3, area.row, point == scene->selected ? STYLE(ROLE_SELECTED) : style, text);
    figure_bar(canvas, (struct rect){column, area.row, table->bar, 1}, &bar);
    column += table->bar;
    for (int i = 0; i < table->count; i++) {
        char number[16];

        columns[i].write(&row, number);
        column += columns[i].columns;
        canvas_text(canvas, column - text_columns(number), area.row, style, number);
    }
    if (table->strip)
        draw_strip(scene, canvas, (struct rect){column + 2, area.row, table->strip - 2, strip_rows(table)}, point);
}

/* Where the rows that are shown lie among all of them. */
static void draw_scroll_bar(struct canvas *canvas, const struct table *table, int top, int points)
{
    int rows = table->rows.rows, thumb = rows * table->shown / points, at;

    thumb = thumb < 1 ? 1 : thumb;
    at = points > table->shown ? (rows - thumb) * top / (points - table->shown) : 0;
    for (int row = 0; row < rows; row++) {
        bool on = row >= at && row < at + thumb;

        canvas_put(canvas, table->rows.column + table->rows.columns - 1, table->rows.row + row,
                   STYLE(on ? ROLE_LABEL : ROLE_GRID), on ? 0x2588 : 0x2502);
    }
}

/* Rows are scrolled as little as brings the chosen one into sight. */
static void keep_in_sight(struct scene *scene, int shown, int points)
{
    int *top = &scene->blocks_top;

    if (*top > scene->selected)
        *top = scene->selected;
    if (*top < scene->selected - shown + 1)
        *top = scene->selected - shown + 1;
    if (*top > points - shown)
        *top = points - shown;
    *top = *top < 0 ? 0 : *top;
}

/* Of the chosen block and, where a row is left, of the one that is worst off. */
static void draw_sentences(const struct scene *scene, struct canvas *canvas, struct rect area)
{
    int rows = probe_draw_sentence(scene, canvas, area, scene->selected), worst = probes_worst(scene->probes), columns;

    if (rows == area.rows || worst < 0 || worst == scene->selected)
        return;
    columns = canvas_text(canvas, area.column, area.row + rows, STYLE(ROLE_LABEL), "worst: ");
    probe_draw_sentence(scene, canvas,
                        (struct rect){area.column + columns, area.row + rows, area.columns - columns, area.rows - rows},
                        worst);
}

static void draw(struct scene *scene, struct canvas *canvas, struct rect area)
{
    int points;
    struct table table;
    struct rect row;

    if (!probe_shown(scene, canvas, area))
        return;
    points = probes_points(scene->probes);
    table = lay_out(area, points);
    keep_in_sight(scene, table.shown, points);
    draw_titles(canvas, area, &table);
    if (table.strip)
        cell_cache_fit(&scene->strips, points, table.strip - 2, strip_rows(&table), canvas_glyphs(canvas),
                       probes_version(scene->probes));
    row = (struct rect){area.column, table.rows.row, area.columns, table.tall};
    for (int i = 0; i < table.shown && scene->blocks_top + i < points; i++) {
        draw_row(scene, canvas, row, &table, scene->blocks_top + i);
        row.row += table.tall;
    }
    row.rows = table.rows.row + table.rows.rows - row.row;
    if (row.rows > PREVIEW_ROWS)
        panel_block_preview(scene, canvas, (struct rect){row.column + 1, row.row + 1, row.columns - 2, row.rows - 1});
    if (table.scrolls)
        draw_scroll_bar(canvas, &table, scene->blocks_top, points);
    if (area.rows >= SENTENCE_FROM)
        draw_sentences(
            scene, canvas,
            (struct rect){area.column + 1, area.row + area.rows - SENTENCE_ROWS, area.columns - 2, SENTENCE_ROWS});
}

static bool key(struct scene *scene, struct rect area, int key)
{
    int page = scene->probes ? lay_out(area, probes_points(scene->probes)).shown - 1 : 1;

    return probe_choose(scene, page < 1 ? 1 : page, key);
}

static bool mouse(struct scene *scene, struct rect area, const struct mouse *mouse)
{
    struct table table;
    int point;

    if (!scene->probes || !probes_shown(scene->probes))
        return false;
    if (mouse->act != MOUSE_PRESS)
        return probe_wheel(scene, mouse);
    table = lay_out(area, probes_points(scene->probes));
    point = scene->blocks_top + (mouse->row - table.rows.row) / table.tall;
    if (mouse->row < table.rows.row || point >= scene->blocks_top + table.shown ||
        point >= probes_points(scene->probes))
        return false;
    probe_click(scene, point);
    return true;
}

static void head(const struct scene *scene, char text[PANEL_TITLE])
{
    probe_heading(scene, "Blocks", text);
}

const struct panel_ops panel_blocks = {
    .place = PLACE_BLOCKS,
    .title = "Blocks",
    .heading = head,
    .draw = draw,
    .key = key,
    .mouse = mouse,
    .keys = {{"\u2191\u2193", "block"}, {"Enter", "detail"}, {",.", "step"}},
    .help =
        "Blocks: the arrows, Page Up and Down, Home and End choose a block, Enter opens it; ! is to be watched, x is "
        "bad."};
