/* One image large with the likelihood of each class: of figure_images.h. */
#include "base/digits.h"
#include "tui/figure_images.h"

#include "viz/image_grid.h"

#include <math.h>
#include <stdio.h>

enum { TEXT_COLUMNS = 34, LEAST_SIDE = 8, NAME_COLUMNS = 20, PERCENT_COLUMNS = 8, MOST_BARS = 24 };

/* Which classes have a bar: all in their order, or the likeliest first. Returns how many. */
static int choose_classes(const struct sample_figure *figure, int room, int classes[MOST_BARS])
{
    const int all = dataset_classes(figure->dataset);
    int count = 0;
    room = room < MOST_BARS ? room : MOST_BARS;
    if (all <= room) {
        for (; count < all; count++)
            classes[count] = count;
        return count;
    }
    for (int c = 0; c < all; c++) {
        int at = count;
        while (at > 0 && figure->probabilities[c] > figure->probabilities[classes[at - 1]])
            at--;
        if (at >= room)
            continue;
        count += count < room;
        for (int i = count - 1; i > at; i--)
            classes[i] = classes[i - 1];
        classes[at] = c;
    }
    return count;
}

static void draw_bar(struct canvas *canvas, struct rect row, const struct sample_figure *figure, int class_index)
{
    const struct prediction *prediction = figure->prediction;
    const double part = (double)figure->probabilities[class_index];
    const bool truth = class_index == prediction->label, said = class_index == prediction->predicted;
    const enum role role = truth ? ROLE_GOOD : said ? ROLE_BAD : ROLE_DIM;
    const int bar = row.columns - NAME_COLUMNS - PERCENT_COLUMNS;
    char percent[16];
    canvas_put(canvas, row.column, row.row, STYLE(role), truth ? 0x25B6 : ' ');
    canvas_text_cut(canvas, row.column + 2, row.row, NAME_COLUMNS - 3, STYLE(truth || said ? role : ROLE_LABEL),
                    dataset_class_name(figure->dataset, class_index));
    if (isfinite(part))
        snprintf(percent, sizeof percent, "%5.1f %%", 100 * part);
    else
        snprintf(percent, sizeof percent, "NaN");
    canvas_text(canvas, row.column + NAME_COLUMNS, row.row, STYLE(truth || said ? ROLE_TEXT : ROLE_DIM), percent);
    if (isfinite(part) && bar > 0)
        canvas_bar_right(canvas, row.column + NAME_COLUMNS + PERCENT_COLUMNS, row.row, part * bar, STYLE(role));
}

static void draw_words(struct canvas *canvas, struct rect area, const struct sample_figure *figure)
{
    const struct prediction *prediction = figure->prediction;
    const bool right = prediction->predicted == prediction->label;
    int classes[MOST_BARS], row = area.row;
    char loss[32], text[160];
    digits_loss((double)prediction->loss, loss, sizeof loss);
    snprintf(text, sizeof text, "%s image %d: %s", figure->split == SPLIT_TEST ? "test" : "held-out", figure->image,
             dataset_class_name(figure->dataset, prediction->label));
    canvas_text_cut(canvas, area.column, row++, area.columns, STYLE(ROLE_TITLE), text);
    snprintf(text, sizeof text, "%s predicted %s, loss %s", right ? "\u2713" : "\u2717",
             dataset_class_name(figure->dataset, prediction->predicted), loss);
    canvas_text_cut(canvas, area.column, row++, area.columns, STYLE(right ? ROLE_GOOD : ROLE_BAD), text);
    const int left = area.row + area.rows - row, count = choose_classes(figure, left, classes);
    row += left > count; /* a gap */
    for (int i = 0; i < count; i++)
        draw_bar(canvas, (struct rect){area.column, row + i, area.columns, 1}, figure, classes[i]);
}

void figure_sample(struct canvas *canvas, struct rect area, const struct sample_figure *figure)
{
    uint8_t rgb[IMAGE_BYTES];
    const struct rect before = canvas_clip(canvas, area);
    int side = area.columns - TEXT_COLUMNS < 2 * area.rows ? area.columns - TEXT_COLUMNS : 2 * area.rows;
    canvas_clip(canvas, rect_intersect(before, area));
    side = side > area.columns / 2 ? area.columns / 2 : side;
    side -= side % 2;
    if (side >= LEAST_SIDE) {
        rgb_from_planes(dataset_image(figure->dataset, figure->split, figure->image), IMAGE_SIZE, rgb);
        canvas_picture(canvas, (struct rect){area.column, area.row, side, side / 2}, rgb, IMAGE_SIZE, IMAGE_SIZE);
        area.column += side + 2;
        area.columns -= side + 2;
    }
    draw_words(canvas, area, figure);
    canvas_clip(canvas, before);
}
