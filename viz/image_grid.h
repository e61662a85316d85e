/* A grid of small RGB images with captions: batches, augmentations, mistakes, filters. Half blocks on cells, enlarged
 * pixels in a PNG. */
#ifndef NFBENCH_VIZ_IMAGE_GRID_H
#define NFBENCH_VIZ_IMAGE_GRID_H

#include "viz/canvas.h"

struct grid_image {
    const uint8_t *rgb;    /* (size, size, 3); NULL: the place stays empty */
    const uint8_t *beside; /* a second one to its right, before and after; in all images of a grid or in none */
    const char *caption;   /* below it; lines are parted by '\n'; may be NULL */
    enum role role;        /* of the caption: good, bad, text */
};

struct image_grid {
    const char *title, *note; /* two lines above; may be NULL */
    const struct grid_image *images;
    int count, size;
    int per_row;                       /* 0: as many as fit */
    int tile;                          /* columns of an image; 0: the most with which all fit */
    int first;                         /* the image at the top left */
    const struct grid_image *selected; /* marked in its caption; NULL: none */
};

/* In the largest tiles with which all fit; what does not fit is left out, from the end. */
void image_grid_draw(struct canvas *canvas, struct rect area, const struct image_grid *grid);

/* On cells: how many images of `tile` columns stand beside each other in an area, and how many such rows fit whole; 0
 * where there is no room for one. */
void image_grid_fit(struct rect area, const struct image_grid *grid, int tile, int *per_row, int *rows);

/* Where `grid` is drawn in tiles of grid->tile columns on cells: the image at a cell; -1: none is. */
int image_grid_at(struct rect area, const struct image_grid *grid, int column, int row);

/* The area that just holds all of it with images of `tile` columns, on a canvas of pixels; per_row must be given. */
void image_grid_size(const struct image_grid *grid, int tile, int *columns, int *rows);

/* Planar bytes (3, size, size), as CIFAR stores them, to RGB (size, size, 3). */
void rgb_from_planes(const uint8_t *planes, int size, uint8_t *rgb);

#endif
