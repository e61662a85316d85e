/* The built-in data set for machines without CIFAR: ten classes, five shapes in two textures, under changes of colour,
 * pose, scale, clutter, occlusion, light and noise. Each image is a pure function of (split, index), in integers only,
 * so its bytes are the same on every machine and in every build, and a session can be resumed anywhere.
 * Class = 2 * shape + texture; label = index % 10. Preset micro reaches 68 % on its test images in a run of one epoch;
 * the mean colour of the middle alone tells 16 %. It is made for trying nfbench, not for comparing with papers. */
#ifndef NFBENCH_ENGINE_SYNTHETIC_H
#define NFBENCH_ENGINE_SYNTHETIC_H

#include "engine/data.h"

enum { SYNTHETIC_CLASSES = 10, SYNTHETIC_TRAIN = 50000, SYNTHETIC_TEST = 10000 };

struct synthetic;

/* Reserves address space for all images and makes none: each is rendered at its first use. */
int synthetic_create(struct synthetic **out, struct error *error);
void synthetic_destroy(struct synthetic *synthetic);

/* Three planes of 32 x 32 bytes, valid as long as the set. Any thread may ask for any image at any time: the first
 * renders it (some tens of microseconds), the others wait for it. */
const uint8_t *synthetic_image(struct synthetic *synthetic, enum split split, int index);
int synthetic_label(int index);
const char *synthetic_class_name(int class_index);

/* Renders one image into out (3, 32, 32). */
void synthetic_render(enum split split, int index, uint8_t *out);

#endif
