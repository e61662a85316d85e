/* See picture.h. The same drawing functions as on the screen, on another canvas. */
#include "tui/picture.h"

#include "viz/png.h"
#include "viz/screenshot.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { FIGURE_WIDTH = 1600, FIGURE_HEIGHT = 900, PATH_SIZE = 1200 };

static struct png_caption caption_of(const struct scene *scene, char *text, size_t size)
{
    snprintf(text, size, "%s, %s, step %ld", scene->facts.session, scene->facts.preset, scene->snapshot.step.step);
    return (struct png_caption){.key = "nfbench:session", .value = text};
}

static int write_screen(struct scene *scene, const struct theme *theme, struct rect cells, enum glyph_set glyphs,
                        const char *path, struct error *error)
{
    char title[192], text[256];
    struct png_caption caption = caption_of(scene, text, sizeof(text));
    const struct screenshot_options options = {.theme = theme, .title = title, .cursor_column = -1, .cursor_row = -1};
    struct canvas *canvas;
    int result;

    snprintf(title, sizeof(title), "nfbench \u00b7 %s", scene->facts.session);
    if (canvas_create_cells(cells.columns, cells.rows, glyphs, &canvas, error))
        return -1;
    scene_draw(scene, canvas);
    result = screenshot_write(path, canvas, &options, &caption, 1, error);
    canvas_destroy(canvas);
    return result;
}

static int write_chart(struct scene *scene, const struct theme *theme, enum quantity quantity, const char *path,
                       struct error *error)
{
    static const char *const names[] = {[QUANTITY_LOSS] = "Loss", [QUANTITY_ACCURACY] = "Accuracy"};
    char title[256], text[256];
    struct png_caption caption = caption_of(scene, text, sizeof(text));
    const struct curves_look look = {.quantity = quantity,
                                     .log_axis = quantity == QUANTITY_LOSS && scene->log_axis,
                                     .steps_total = (double)scene->snapshot.steps_total,
                                     .cursor = NAN,
                                     .title = title,
                                     .empty_text = "no step yet"};
    struct canvas *canvas;
    struct rect all;
    int result;

    snprintf(title, sizeof(title), "%s \u00b7 %s \u00b7 %s", names[quantity], scene->facts.preset,
             scene->facts.session);
    if (canvas_create_pixels(FIGURE_WIDTH, FIGURE_HEIGHT, 2, theme, &canvas, error))
        return -1;
    canvas_clear(canvas);
    all = canvas_area(canvas);
    curves_draw(scene->curves, &look, canvas, (struct rect){2, 1, all.columns - 4, all.rows - 2});
    result = png_write_canvas(path, canvas, &caption, 1, error);
    canvas_destroy(canvas);
    return result;
}

int picture_write(struct scene *scene, const struct theme *theme, struct rect cells, enum glyph_set glyphs,
                  const char *path, struct error *error)
{
    static const char *const suffixes[] = {[QUANTITY_LOSS] = "loss", [QUANTITY_ACCURACY] = "accuracy"};
    int stem = (int)strlen(path) - 4;

    if (write_screen(scene, theme, cells, glyphs, path, error))
        return -1;
    for (int q = 0; q < QUANTITY_COUNT; q++) {
        char chart[PATH_SIZE];

        if (snprintf(chart, sizeof(chart), "%.*s-%s.png", stem, path, suffixes[q]) >= (int)sizeof(chart))
            return error_set(error, "the file's name is too long");
        if (write_chart(scene, theme, (enum quantity)q, chart, error))
            return -1;
    }
    return 0;
}
