/* The figures that are made of images: sheets of small pictures with captions (augmentations beside their originals,
 * images with what the network says of them, filters), and the confusion matrix. A figure is made once of what it
 * shows, owns all of it, and is drawn any number of times: on cells (live panel) and on pixels (PNG) by the same code.
 */
#ifndef NFBENCH_TUI_FIGURE_IMAGES_H
#define NFBENCH_TUI_FIGURE_IMAGES_H

#include "engine/evaluate.h"
#include "engine/mix.h"
#include "viz/canvas.h"

/* Two lines above a figure; copied. */
struct figure_head {
    const char *title, *note; /* may be NULL */
};

/* ---- Sheets ---- */

struct sheet;
void sheet_destroy(struct sheet *sheet); /* NULL is fine */

/* Drawn into any area in the largest pictures with which all fit; what does not fit is left out, from the end. */
void figure_sheet(struct canvas *canvas, struct rect area, const struct sheet *sheet);
/* The area that shows all of it well on a canvas of pixels. */
void sheet_size(const struct sheet *sheet, int *columns, int *rows);

/* The same in pictures of a size that a person can make something of, where not all of them have room: the part of the
 * sheet in which the `selected` one is, marked. */
struct sheet_view {
    int selected;
    int top;           /* the first row of pictures that is shown: moved as little as that takes */
    int per_row, rows; /* filled in: pictures beside and above each other */
};
/* Fills in per_row and rows for an area of cells, as drawing does, and returns the columns of a picture. */
int sheet_view_shape(struct rect area, const struct sheet *sheet, struct sheet_view *view);
void figure_sheet_view(struct canvas *canvas, struct rect area, const struct sheet *sheet, struct sheet_view *view);
/* The picture at a cell of what figure_sheet_view has drawn there; -1: none is. */
int sheet_view_at(struct rect area, const struct sheet *sheet, const struct sheet_view *view, int column, int row);
/* One picture of it, as large as the area allows. */
void figure_sheet_one(struct canvas *canvas, struct rect area, const struct sheet *sheet, int index);

/* Training images beside what `augment` makes of them in an epoch (from 0), each with what was done: just what a run of
 * this seed trains on then. `images` (count) are numbers in the training split. */
struct augmentation_sheet {
    struct figure_head head;
    const struct dataset *dataset;
    struct augment_options augment;
    uint64_t seed;
    uint32_t epoch;
    const int *images;
    int count;
    /* (count) what each is mixed with, augmented too, and how; the captions then have the labels' shares. NULL: a run
     * that does not mix */
    const int *partners;
    const struct mix *mixes;
};
int sheet_of_augmentation(const struct augmentation_sheet *what, struct sheet **out, struct error *error);

/* Images with their class, the class predicted, its confidence and the loss, in the colour of right or wrong. */
struct samples_sheet {
    struct figure_head head;
    const struct dataset *dataset;
    enum split split;
    int first;                            /* the image that predictions[0] is of */
    const struct prediction *predictions; /* of images first, first + 1, ... */
    const int *places;                    /* (count): into `predictions`; -1: an empty place */
    int count;
    int per_row; /* in a PNG; 0: ten */
};
int sheet_of_samples(const struct samples_sheet *what, struct sheet **out, struct error *error);

/* One image large, and what the network says of it: its class, the predicted one, and how likely each class is, in
 * bars; of more classes than there is room for the likeliest. */
struct sample_figure {
    const struct dataset *dataset;
    enum split split;
    int image; /* of the split */
    const struct prediction *prediction;
    const float *probabilities; /* (classes) */
};
void figure_sample(struct canvas *canvas, struct rect area, const struct sample_figure *figure);

/* Convolution filters over RGB as pictures of their 3 x 3 pixels: grey is 0, and each is scaled by its own largest
 * weight, which its caption says. `weights` is (count, 3, 3, 3), OIHW. */
struct filters_sheet {
    struct figure_head head;
    const float *weights;
    int count;
};
int sheet_of_filters(const struct filters_sheet *what, struct sheet **out, struct error *error);

/* ---- The confusion matrix ---- */

struct confusion;
void confusion_destroy(struct confusion *confusion); /* NULL is fine */

/* `counts` (classes, classes), row = truth; copied, and so are the names. */
int confusion_create(const struct figure_head *head, const struct dataset *dataset, const uint32_t *counts,
                     struct confusion **out, struct error *error);
void figure_confusion(struct canvas *canvas, struct rect area, const struct confusion *confusion);
void confusion_size(const struct confusion *confusion, int *columns, int *rows);

#endif
