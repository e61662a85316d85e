/* See figure_time.h. */
#include "tui/figure_time.h"

#include <math.h>
#include <stdio.h>

enum { ITEM_COLUMNS = 29, ITEM_COLUMNS_MOST = 40 };

static const struct {
    enum role role;
    uint32_t code;
    char ascii;
} fillings[STEP_PARTS] = {
    [STEP_DATA] = {ROLE_SERIES_5, 0x2591, ':'},     [STEP_FORWARD] = {ROLE_SERIES_1, 0x2588, '#'},
    [STEP_BACKWARD] = {ROLE_SERIES_2, 0x2593, '='}, [STEP_UPDATE] = {ROLE_SERIES_3, 0x2592, '+'},
    [STEP_PROBE] = {ROLE_SERIES_4, 0x259A, '%'},    [STEP_OTHER] = {ROLE_SERIES_8, 0x00B7, '.'},
};

static void fill(struct canvas *canvas, int column, int row, int part)
{
    uint32_t code = canvas_glyphs(canvas) == GLYPHS_ASCII ? (uint32_t)fillings[part].ascii : fillings[part].code;

    canvas_put(canvas, column, row, STYLE(fillings[part].role), code);
}

/* By where each part ends, so that the sum needs no mending. */
void figure_time_cells(const struct step_time *time, int cells, int parts[STEP_PARTS])
{
    double end = 0;
    int used = 0;

    for (int p = 0; p < STEP_PARTS; p++) {
        int to = 0;

        end += time->parts[p];
        if (time->whole > 0)
            to = (int)lround(fmin(1, end / time->whole) * cells);
        parts[p] = to - used;
        used = to;
    }
}

void figure_time_bar(struct canvas *canvas, struct rect area, const struct step_time *time)
{
    int parts[STEP_PARTS], column = area.column;

    figure_time_cells(time, area.columns, parts);
    for (int p = 0; p < STEP_PARTS; p++)
        for (int i = 0; i < parts[p]; i++, column++)
            for (int row = 0; row < area.rows; row++)
                fill(canvas, column, area.row + row, p);
}

static int per_row(int columns)
{
    int count = columns / ITEM_COLUMNS;

    return count < 1 ? 1 : count > STEP_PARTS ? STEP_PARTS : count;
}

int figure_time_legend_rows(int columns)
{
    return (STEP_PARTS + per_row(columns) - 1) / per_row(columns);
}

int figure_time_legend(struct canvas *canvas, struct rect area, const struct step_time *time)
{
    int count = per_row(area.columns), rows = figure_time_legend_rows(area.columns), wide = area.columns / count;

    wide = wide > ITEM_COLUMNS_MOST ? ITEM_COLUMNS_MOST : wide;
    for (int p = 0; p < STEP_PARTS; p++) {
        int column = area.column + p % count * wide, row = area.row + p / count;
        char text[48];

        if (p / count >= area.rows)
            break;
        fill(canvas, column, row, p);
        canvas_text(canvas, column + 2, row, STYLE(ROLE_LABEL), step_part_name((enum step_part)p));
        if (time->whole > 0)
            snprintf(text, sizeof(text), "%8.2f ms %3.0f %%", 1e3 * time->parts[p], 100 * time->parts[p] / time->whole);
        else
            snprintf(text, sizeof(text), "%8s ms %3s %%", "-", "-");
        canvas_text_cut(canvas, column + 11, row, wide - 11, STYLE(ROLE_TEXT), text);
    }
    return rows < area.rows ? rows : area.rows;
}

void figure_time_history(struct canvas *canvas, struct rect area, int count,
                         const struct step_time *(*at)(const void *context, int ago), const void *context)
{
    for (int ago = 0; ago < count && ago < area.columns; ago++) {
        int parts[STEP_PARTS], row = area.row + area.rows - 1;

        figure_time_cells(at(context, ago), area.rows, parts);
        for (int p = 0; p < STEP_PARTS; p++)
            for (int i = 0; i < parts[p]; i++)
                fill(canvas, area.column + area.columns - 1 - ago, row--, p);
    }
}
