/* A data set in the device's memory, as bytes, so that a GPU makes its batches itself (struct backend's load_batch). */
#ifndef NFBENCH_ENGINE_DEVICE_DATA_H
#define NFBENCH_ENGINE_DEVICE_DATA_H

#include "engine/data.h"
#include "kernels/kernels.h"

struct device_data;

/* Images [first, first + count) of a split. */
struct device_range {
    enum split split;
    int first, count;
};

/* How a source's images are made. */
struct device_view {
    enum split split;
    bool ordered; /* by the order that device_data_order set last; else as they lie */
    struct augment_options augment;
    enum normalize_kind normalize;
    struct channel_statistics statistics; /* NORMALIZE_DATASET */
    uint64_t seed;
};

enum { DEVICE_RANGES = 3 };

/* Bytes that those ranges take. */
size_t device_data_bytes(const struct device_range ranges[DEVICE_RANGES]);

/* Uploads those ranges, empty ones left out; fails when the back end makes no batches, or for want of memory. The back
 * end must outlive it; the data set need not. */
int device_data_create(struct backend *backend, const struct dataset *dataset,
                       const struct device_range ranges[DEVICE_RANGES], struct device_data **out, struct error *error);
void device_data_destroy(struct device_data *data);

/* The images of an epoch in their order: `order` (count) are numbers in the first range's split. */
int device_data_order(struct device_data *data, const uint32_t *order, int count, struct error *error);

/* What load_batch reads of the range that holds image `image` of the view's split, and the place of that image in it (0
 * with an order). Every byte of `out` is set, padding too, so that two of the same view compare equal. Valid as long as
 * the data. -1 when no range holds the image. */
int device_data_source(const struct device_data *data, const struct device_view *view, int image,
                       struct image_source *out, uint32_t *place, struct error *error);

#endif
