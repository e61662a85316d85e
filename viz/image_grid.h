/* A grid of small RGB images with captions: batches, augmentations, mistakes. Half blocks on cells, enlarged pixels in
 * a PNG. */
#ifndef NFBENCH_VIZ_IMAGE_GRID_H
#define NFBENCH_VIZ_IMAGE_GRID_H

#include "viz/canvas.h"

struct grid_image {
    const uint8_t *rgb; /* (size, size, 3) */
    const char *caption;
    enum role role; /* of the caption: good, bad, text */
};

struct image_grid {
    const char *title;
    const struct grid_image *images;
    int count, size;
    int per_row; /* 0: as many as fit */
};

void image_grid_draw(struct canvas *canvas, struct rect area, const struct image_grid *grid);
/* Makes a pixel canvas that just holds the grid, each image `enlarge` (1..16) times its size; the caller destroys it.
 */
int image_grid_render(const struct image_grid *grid, int enlarge, const struct theme *theme, struct canvas **out,
                      struct error *error);
/* Planar bytes (3, size, size), as CIFAR stores them, to RGB (size, size, 3). */
void rgb_from_planes(const uint8_t *planes, int size, uint8_t *rgb);

#endif
