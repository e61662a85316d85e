/* See figure_images.h. */
#include "tui/figure_images.h"

#include "engine/augment.h"
#include "viz/image_grid.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    HEAD_TEXT = 192,
    CAPTION_TEXT = 160,
    FILTER_SIZE = 3,
    /* columns of a picture in a PNG, and pictures a row */
    PAIR_TILE = 16,
    PAIRS_A_ROW = 4,
    SAMPLE_TILE = 16, /* wider where the names are longer */
    SAMPLES_A_ROW = 10,
    FILTER_TILE = 10,
    FILTERS_A_ROW = 8,
    MANY_FILTERS = 64 /* more than these: twice as many a row */
};

/* ---- Sheets ---- */

struct sheet {
    struct image_grid grid; /* of what follows */
    char title[HEAD_TEXT], note[HEAD_TEXT];
    int tile; /* columns of a picture in a PNG */
    struct grid_image *images;
    uint8_t *pixels; /* (count, 1 or 2, size, size, 3) */
    char (*captions)[CAPTION_TEXT];
};

void sheet_destroy(struct sheet *sheet)
{
    if (!sheet)
        return;
    free(sheet->images);
    free(sheet->pixels);
    free(sheet->captions);
    free(sheet);
}

/* A sheet of `count` empty places for pictures of size x size, or pairs of them; the caller fills them. */
static struct sheet *create_sheet(const struct figure_head *head, int count, int size, bool pairs, struct error *error)
{
    const size_t bytes = (size_t)size * (size_t)size * 3, pictures = pairs ? 2 : 1;
    struct sheet *sheet = calloc(1, sizeof *sheet);
    if (!sheet || !(sheet->images = calloc((size_t)count, sizeof *sheet->images)) ||
        !(sheet->pixels = calloc((size_t)count * pictures, bytes)) ||
        !(sheet->captions = calloc((size_t)count, sizeof *sheet->captions))) {
        sheet_destroy(sheet);
        error_set(error, "out of memory for a sheet of %d pictures", count);
        return NULL;
    }
    snprintf(sheet->title, sizeof sheet->title, "%s", head->title ? head->title : "");
    snprintf(sheet->note, sizeof sheet->note, "%s", head->note ? head->note : "");
    sheet->grid = (struct image_grid){.title = head->title ? sheet->title : NULL,
                                      .note = head->note ? sheet->note : NULL,
                                      .images = sheet->images,
                                      .count = count,
                                      .size = size};
    for (int i = 0; i < count; i++) {
        uint8_t *rgb = sheet->pixels + (size_t)i * pictures * bytes;
        sheet->images[i] = (struct grid_image){
            .rgb = rgb, .beside = pairs ? rgb + bytes : NULL, .caption = sheet->captions[i], .role = ROLE_TEXT};
    }
    return sheet;
}

void figure_sheet(struct canvas *canvas, struct rect area, const struct sheet *sheet)
{
    struct image_grid grid = sheet->grid;
    if (!canvas_has_pixels(canvas)) /* a panel has its own shape */
        grid.per_row = 0;
    image_grid_draw(canvas, area, &grid);
}

void sheet_size(const struct sheet *sheet, int *columns, int *rows)
{
    image_grid_size(&sheet->grid, sheet->tile, columns, rows);
}

/* How many pictures should be in sight: of small ones all, else as many as an area of this size can show well. */
static int wanted_pictures(struct rect area, const struct image_grid *grid)
{
    enum { SMALL_SIZE = 8, CELLS = 400, PAIR_CELLS = 700, LEAST = 4, LEAST_PAIRS = 3 };
    const bool pairs = grid->images[0].beside;
    int wanted = area.columns * area.rows / (pairs ? PAIR_CELLS : CELLS);
    const int least = pairs ? LEAST_PAIRS : LEAST;
    wanted = wanted > least ? wanted : least;
    return grid->size < SMALL_SIZE || grid->count < wanted ? grid->count : wanted;
}

/* The largest pictures of which that many have room; else the smallest. */
int sheet_view_shape(struct rect area, const struct sheet *sheet, struct sheet_view *view)
{
    static const int tiles[] = {32, 24, 20, 16, 12, 10, 8, 6};
    enum { TILES = sizeof tiles / sizeof *tiles, MOST_ENLARGED = 4 };
    const struct image_grid *grid = &sheet->grid;
    const int wanted = wanted_pictures(area, grid);
    for (int i = 0; i < TILES; i++) {
        image_grid_fit(area, grid, tiles[i], &view->per_row, &view->rows);
        if (view->per_row * view->rows >= wanted && tiles[i] <= MOST_ENLARGED * grid->size)
            return tiles[i];
    }
    view->per_row = view->per_row > 0 ? view->per_row : 1;
    view->rows = view->rows > 0 ? view->rows : 1;
    return tiles[TILES - 1];
}

/* The part of the sheet that is in sight. */
static struct image_grid grid_in_sight(struct rect area, const struct sheet *sheet, struct sheet_view *view)
{
    struct image_grid grid = sheet->grid;
    grid.per_row = 0;
    grid.tile = sheet_view_shape(area, sheet, view);
    const int row = view->selected / view->per_row,
              last = (grid.count + view->per_row - 1) / view->per_row - view->rows;
    view->top = view->top > last ? last : view->top;
    view->top = view->top < 0 ? 0 : view->top;
    view->top = row < view->top ? row : row >= view->top + view->rows ? row - view->rows + 1 : view->top;
    grid.first = view->top * view->per_row;
    grid.selected = view->selected < grid.count ? &grid.images[view->selected] : NULL;
    const int end = grid.first + view->per_row * view->rows;
    grid.count = grid.count < end ? grid.count : end;
    return grid;
}

void figure_sheet_view(struct canvas *canvas, struct rect area, const struct sheet *sheet, struct sheet_view *view)
{
    const struct image_grid grid = grid_in_sight(area, sheet, view);
    image_grid_draw(canvas, area, &grid);
}

int sheet_view_at(struct rect area, const struct sheet *sheet, const struct sheet_view *view, int column, int row)
{
    struct sheet_view same = *view;
    const struct image_grid grid = grid_in_sight(area, sheet, &same);
    return image_grid_at(area, &grid, column, row);
}

void figure_sheet_one(struct canvas *canvas, struct rect area, const struct sheet *sheet, int index)
{
    struct image_grid grid = sheet->grid;
    grid.images += index;
    grid.count = 1;
    grid.per_row = 1;
    image_grid_draw(canvas, area, &grid);
}

/* Two lines, "mixup: 70 % cat" and "30 % dog", the larger share first, or one where they are of one class. */
static void say_shares(const struct dataset *dataset, int image, int partner, const struct mix *mix, char *text,
                       size_t size)
{
    const int label = dataset_label(dataset, SPLIT_TRAIN, image);
    const int other = dataset_label(dataset, SPLIT_TRAIN, partner);
    const int percent = label == other ? 0 : (100 * mix->partner + MIX_WHOLE / 2) / MIX_WHOLE;
    const bool own_first = percent <= 50;
    const char *own = dataset_class_name(dataset, label), *theirs = dataset_class_name(dataset, other);
    const int used = snprintf(text, size, "\n%s: %d %% %s", mix->right == 0 ? "mixup" : "cutmix",
                              own_first ? 100 - percent : percent, own_first ? own : theirs);
    if (label != other)
        snprintf(text + used, size - (size_t)used, "\n%d %% %s", own_first ? percent : 100 - percent,
                 own_first ? theirs : own);
}

/* What the run makes of the i-th image, and its caption. */
static void make_augmented(const struct augmentation_sheet *what, int i, uint8_t *out, char caption[CAPTION_TEXT])
{
    const uint32_t number = (uint32_t)what->images[i];
    struct augmentation done;
    augment_image(&what->augment, dataset_image(what->dataset, SPLIT_TRAIN, what->images[i]), what->seed, what->epoch,
                  number, out, &done);
    augment_describe(&done, caption, CAPTION_TEXT);
    if (!what->partners)
        return;
    uint8_t own[IMAGE_BYTES], other[IMAGE_BYTES];
    const size_t used = strlen(caption);
    memcpy(own, out, sizeof own);
    augment_image(&what->augment, dataset_image(what->dataset, SPLIT_TRAIN, what->partners[i]), what->seed, what->epoch,
                  (uint32_t)what->partners[i], other, NULL);
    mix_image(&what->mixes[i], own, other, out);
    say_shares(what->dataset, what->images[i], what->partners[i], &what->mixes[i], caption + used, CAPTION_TEXT - used);
}

int sheet_of_augmentation(const struct augmentation_sheet *what, struct sheet **out, struct error *error)
{
    struct sheet *sheet = create_sheet(&what->head, what->count, IMAGE_SIZE, true, error);
    if (!sheet)
        return -1;
    for (int i = 0; i < what->count; i++) {
        const uint8_t *image = dataset_image(what->dataset, SPLIT_TRAIN, what->images[i]);
        uint8_t changed[IMAGE_BYTES], *rgb = sheet->pixels + (size_t)i * 2 * IMAGE_BYTES;
        make_augmented(what, i, changed, sheet->captions[i]);
        rgb_from_planes(image, IMAGE_SIZE, rgb);
        rgb_from_planes(changed, IMAGE_SIZE, rgb + IMAGE_BYTES);
    }
    sheet->tile = PAIR_TILE;
    sheet->grid.per_row = PAIRS_A_ROW;
    *out = sheet;
    return 0;
}

/* Three lines: class, mark and predicted class, confidence and loss. */
static void caption_sample(const struct dataset *dataset, const struct prediction *prediction, char *text)
{
    const bool right = prediction->predicted == prediction->label;
    const int used = snprintf(text, CAPTION_TEXT, "%s\n%s %s\n", dataset_class_name(dataset, prediction->label),
                              right ? "\u2713" : "\u2717", dataset_class_name(dataset, prediction->predicted));
    if (!isfinite(prediction->confidence))
        snprintf(text + used, CAPTION_TEXT - (size_t)used, "not finite");
    else
        snprintf(text + used, CAPTION_TEXT - (size_t)used, "%.0f %%, loss %.*f", 100 * (double)prediction->confidence,
                 prediction->loss < 9.95f ? 2 : 1, (double)prediction->loss);
}

/* Columns of a picture below which every class name has room behind its mark. */
static int sample_tile(const struct dataset *dataset)
{
    int widest = SAMPLE_TILE;
    for (int c = 0; c < dataset_classes(dataset); c++) {
        const int columns = text_columns(dataset_class_name(dataset, c)) + 2;
        widest = columns > widest ? columns : widest;
    }
    return widest;
}

int sheet_of_samples(const struct samples_sheet *what, struct sheet **out, struct error *error)
{
    struct sheet *sheet = create_sheet(&what->head, what->count, IMAGE_SIZE, false, error);
    if (!sheet)
        return -1;
    for (int i = 0; i < what->count; i++) {
        const int place = what->places[i];
        if (place < 0) {
            sheet->images[i].rgb = NULL;
            continue;
        }
        const struct prediction *prediction = &what->predictions[place];
        rgb_from_planes(dataset_image(what->dataset, what->split, what->first + place), IMAGE_SIZE,
                        sheet->pixels + (size_t)i * IMAGE_BYTES);
        caption_sample(what->dataset, prediction, sheet->captions[i]);
        sheet->images[i].role = prediction->predicted == prediction->label ? ROLE_GOOD : ROLE_BAD;
    }
    sheet->tile = sample_tile(what->dataset);
    sheet->grid.per_row = what->per_row > 0 ? what->per_row : SAMPLES_A_ROW;
    *out = sheet;
    return 0;
}

/* (3, 3, 3) weights, channel by channel, to RGB; returns the largest absolute weight, 0 when none is finite. */
static float paint_filter(const float *weights, uint8_t *rgb)
{
    enum { PIXELS = FILTER_SIZE * FILTER_SIZE };
    float largest = 0;
    for (int i = 0; i < 3 * PIXELS; i++)
        if (isfinite(weights[i]) && fabsf(weights[i]) > largest)
            largest = fabsf(weights[i]);
    for (int c = 0; c < 3; c++)
        for (int p = 0; p < PIXELS; p++) {
            const float weight = weights[c * PIXELS + p];
            const float part = largest > 0 && isfinite(weight) ? weight / largest : 0;
            rgb[3 * p + c] = (uint8_t)lroundf(127.5f + 127.5f * part);
        }
    return largest;
}

int sheet_of_filters(const struct filters_sheet *what, struct sheet **out, struct error *error)
{
    enum { WEIGHTS = 3 * FILTER_SIZE * FILTER_SIZE };
    struct sheet *sheet = create_sheet(&what->head, what->count, FILTER_SIZE, false, error);
    if (!sheet)
        return -1;
    for (int i = 0; i < what->count; i++) {
        const float largest = paint_filter(what->weights + (size_t)i * WEIGHTS, sheet->pixels + (size_t)i * WEIGHTS);
        snprintf(sheet->captions[i], CAPTION_TEXT, "%d\n\u00b1%#.3g", i, (double)largest);
    }
    sheet->tile = FILTER_TILE;
    sheet->grid.per_row = what->count > MANY_FILTERS ? 2 * FILTERS_A_ROW : FILTERS_A_ROW;
    *out = sheet;
    return 0;
}
