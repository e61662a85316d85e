/* See run_events.h. The picture is made at each start, so it is small: the pixels alone, without text, in a moment. */
#include "tui/run_events.h"

#include "engine/augment.h"
#include "engine/samples.h"
#include "sessions/tensorboard.h"
#include "viz/image_grid.h"
#include "viz/png.h"

#include <stdlib.h>
#include <string.h>

enum { ACROSS = 16, ROWS = 2, WIDTH = ACROSS * IMAGE_SIZE, HEIGHT = ROWS * IMAGE_SIZE };

/* An image of three planes into the picture. */
static void place(const uint8_t *planes, int column, int row, uint8_t *picture)
{
    uint8_t rgb[IMAGE_BYTES];
    rgb_from_planes(planes, IMAGE_SIZE, rgb);
    for (int y = 0; y < IMAGE_SIZE; y++)
        memcpy(picture + 3 * ((size_t)(row * IMAGE_SIZE + y) * WIDTH + (size_t)column * IMAGE_SIZE),
               rgb + (size_t)3 * IMAGE_SIZE * (size_t)y, (size_t)3 * IMAGE_SIZE);
}

/* Random training images, and below each what the first epoch at full strength makes of it, before any mixing. */
static void draw_augmentation(const struct run_parts *parts, int images, uint8_t picture[3 * WIDTH * HEIGHT])
{
    const struct train_options *train = &parts->settings->train;
    int chosen[ACROSS];
    const int count = samples_random(images, train->seed, ACROSS, chosen);
    memset(picture, 255, (size_t)3 * WIDTH * HEIGHT);
    for (int i = 0; i < count; i++) {
        const uint8_t *image = dataset_image(parts->dataset, SPLIT_TRAIN, chosen[i]);
        uint8_t changed[IMAGE_BYTES];
        augment_image(&train->augment, image, train->seed, (uint32_t)train->augment.growing, (uint32_t)chosen[i],
                      changed, NULL);
        place(image, i, 0, picture);
        place(changed, i, 1, picture);
    }
}

/* One that cannot be made, for want of memory, is left out. */
static void show_augmentation(const struct run_parts *parts, int images)
{
    struct tensorboard_picture picture = {.name = "augmentation", .width = WIDTH, .height = HEIGHT};
    uint8_t *rgb = malloc((size_t)3 * WIDTH * HEIGHT);
    char *png = NULL;
    if (rgb) {
        draw_augmentation(parts, images, rgb);
        if (png_encode(rgb, WIDTH, HEIGHT, &png, &picture.size, NULL) == 0) {
            picture.png = png;
            session_show_picture(parts->session, &picture, parts->resumed_step);
        }
    }
    free(png);
    free(rgb);
}

void run_begin_events(const struct run_parts *parts, int images)
{
    session_begin_events(parts->session, parts->resumed_step);
    if (parts->settings->tensorboard && parts->settings->train.augment.kind != AUGMENT_NONE)
        show_augmentation(parts, images);
}
