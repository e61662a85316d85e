/* See device_data.h. Images go up in pieces, by one staging buffer. */
#include "engine/device_data.h"

#include "engine/augment.h"

#include <stdlib.h>
#include <string.h>

enum { PIECE = 1024 /* images */ };

struct part {
    struct device_range range;
    uint8_t *pixels; /* (count, 3, 32, 32), device; NULL: an empty range */
    uint8_t *labels; /* (count), device */
};

struct device_data {
    struct backend *backend;
    struct part parts[DEVICE_RANGES];
    uint32_t *order; /* (count of the first range), device */
};

/* Images [begin, begin + count) of the range. Those of the synthetic set are rendered here, each on its own. */
static void gather(const struct dataset *dataset, const struct device_range *range, int begin, int count,
                   uint8_t *pixels, uint8_t *labels)
{
#pragma omp parallel for schedule(dynamic, 16)
    for (int i = 0; i < count; i++) {
        const int image = range->first + begin + i;
        memcpy(pixels + (size_t)i * IMAGE_BYTES, dataset_image(dataset, range->split, image), IMAGE_BYTES);
        labels[i] = (uint8_t)dataset_label(dataset, range->split, image);
    }
}

static int upload(struct device_data *data, struct part *part, const struct dataset *dataset, uint8_t *staging,
                  struct error *error)
{
    struct backend *backend = data->backend;
    uint8_t *labels = staging + (size_t)PIECE * IMAGE_BYTES;
    const int count = part->range.count;
    if (backend->allocate(backend, (size_t)count * IMAGE_BYTES, (void **)&part->pixels, error) ||
        backend->allocate(backend, (size_t)count, (void **)&part->labels, error))
        return -1;
    for (int begin = 0; begin < count; begin += PIECE) {
        const int n = count - begin < PIECE ? count - begin : PIECE;
        gather(dataset, &part->range, begin, n, staging, labels);
        if (backend->copy_in(backend, part->pixels + (size_t)begin * IMAGE_BYTES, staging, (size_t)n * IMAGE_BYTES,
                             error) ||
            backend->copy_in(backend, part->labels + begin, labels, (size_t)n, error))
            return -1;
    }
    return 0;
}

size_t device_data_bytes(const struct device_range ranges[DEVICE_RANGES])
{
    size_t bytes = (size_t)ranges[0].count * sizeof(uint32_t);
    for (int i = 0; i < DEVICE_RANGES; i++)
        bytes += (size_t)ranges[i].count * (IMAGE_BYTES + 1);
    return bytes;
}

int device_data_create(struct backend *backend, const struct dataset *dataset,
                       const struct device_range ranges[DEVICE_RANGES], struct device_data **out, struct error *error)
{
    if (!backend->load_batch)
        return error_set(error, "the %s back end does not make batches from images in its memory", backend->name);
    struct device_data *data = calloc(1, sizeof *data);
    uint8_t *staging = malloc((size_t)PIECE * (IMAGE_BYTES + 1));
    if (!data || !staging) {
        error_set(error, "out of memory for the upload of the images");
        goto fail;
    }
    data->backend = backend;
    for (int i = 0; i < DEVICE_RANGES; i++) {
        data->parts[i].range = ranges[i];
        if (ranges[i].count > 0 && upload(data, &data->parts[i], dataset, staging, error))
            goto fail;
    }
    if (backend->allocate(backend, (size_t)ranges[0].count * sizeof *data->order, (void **)&data->order, error))
        goto fail;
    free(staging);
    *out = data;
    return 0;
fail:
    error_prefix(error, "images of %s on the device", dataset_name(dataset));
    device_data_destroy(data);
    free(staging);
    return -1;
}

void device_data_destroy(struct device_data *data)
{
    if (!data)
        return;
    for (int i = 0; i < DEVICE_RANGES; i++) {
        if (data->parts[i].pixels)
            data->backend->release(data->backend, data->parts[i].pixels);
        if (data->parts[i].labels)
            data->backend->release(data->backend, data->parts[i].labels);
    }
    if (data->order)
        data->backend->release(data->backend, data->order);
    free(data);
}

int device_data_order(struct device_data *data, const uint32_t *order, int count, struct error *error)
{
    return data->backend->copy_in(data->backend, data->order, order, (size_t)count * sizeof *order, error);
}

static const struct part *find_part(const struct device_data *data, enum split split, int image)
{
    for (int i = 0; i < DEVICE_RANGES; i++) {
        const struct device_range *range = &data->parts[i].range;
        if (range->split == split && image >= range->first && image < range->first + range->count)
            return &data->parts[i];
    }
    return NULL;
}

int device_data_source(const struct device_data *data, const struct device_view *view, int image,
                       struct image_source *out, uint32_t *place, struct error *error)
{
    const struct part *part = find_part(data, view->split, image);
    if (!part)
        return error_set(error, "image %d was not uploaded to the device", image);
    *place = (uint32_t)(view->ordered ? 0 : image - part->range.first);
    memset(out, 0, sizeof *out);
    out->pixels = part->pixels;
    out->labels = part->labels;
    out->order = view->ordered ? data->order : NULL;
    out->count = part->range.count;
    out->first_index = part->range.first;
    out->augment = view->augment;
    out->normalize = view->normalize;
    out->seed = view->seed;
    if (view->normalize == NORMALIZE_DATASET)
        normalize_by_set(&view->statistics, out->mean, out->scale);
    return 0;
}
