/* CIFAR-10 and CIFAR-100 in the official binary layout, memory-mapped and validated, and the built-in synthetic set.
 * Read only after opening (a synthetic image is rendered at its first use, behind a lock), so any number of threads may
 * use one. The files must not shrink while they are open. */
#ifndef NFBENCH_ENGINE_DATA_H
#define NFBENCH_ENGINE_DATA_H

#include "base/error.h"
#include "kernels/augment.h" /* IMAGE_SIZE, IMAGE_PIXELS, IMAGE_BYTES */

#include <stdbool.h>
#include <stdint.h>

enum split { SPLIT_TRAIN, SPLIT_TEST };

struct dataset;

/* `where` is "synthetic", or a folder that holds the binary files or a cifar-10-batches-bin or cifar-100-binary folder
 * that does (CIFAR-10 where it has both). Every size and label is checked. Errors name the file and what to do: wrong
 * size, label out of range, missing batch, no permission, nothing found. Class names come from the folder's
 * batches.meta.txt or fine_label_names.txt, else from a built-in list. Free with dataset_close (NULL is fine). */
int dataset_open(const char *where, struct dataset **out, struct error *error);
/* The same of which the test images are wanted: where some of the training files are missing, there are no training
 * images. */
int dataset_open_for_test(const char *where, struct dataset **out, struct error *error);
void dataset_close(struct dataset *dataset);
/* Whether any of those files is there, though they may be of no use: it tells a damaged data set from a folder that is
 * none. Also true when it cannot be told. */
bool dataset_is_at(const char *folder);

const char *dataset_name(const struct dataset *dataset);     /* "CIFAR-10", "CIFAR-100", "synthetic" */
const char *dataset_location(const struct dataset *dataset); /* absolute folder, or "built in" */
int dataset_classes(const struct dataset *dataset);
const char *dataset_class_name(const struct dataset *dataset, int class_index); /* printable, below 32 bytes */
int dataset_count(const struct dataset *dataset, enum split split);
/* Three planes of 32 x 32 bytes: R, G, B, row major. 0 <= index < dataset_count. */
const uint8_t *dataset_image(const struct dataset *dataset, enum split split, int index);
int dataset_label(const struct dataset *dataset, enum split split, int index);

/* Mean and standard deviation (population) per channel, of pixels in 0..1, over training images [0, count), count > 0
 * (of the synthetic set SYNTHETIC_SAMPLE at most: all its images come from one distribution, and are made when they are
 * first asked for). */
enum { SYNTHETIC_SAMPLE = 2000 };
struct channel_statistics {
    float mean[3], deviation[3];
};
struct channel_statistics dataset_statistics(const struct dataset *dataset, int count);

#endif
