/* See device_data.h. Images go up in pieces, by one staging buffer. */
#include "engine/device_data.h"

#include "engine/augment.h"

#include <stdlib.h>
#include <string.h>

enum { SPLITS = 2, PIECE = 1024 /* images */ };

struct device_data {
    struct backend *backend;
    int count[SPLITS];
    uint8_t *pixels[SPLITS]; /* (count, 3, 32, 32), device */
    uint8_t *labels[SPLITS]; /* (count), device */
    uint32_t *order;         /* (count of the training split), device */
};

static int upload_piece(struct device_data *data, const struct dataset *dataset, enum split split, int begin, int count,
                        uint8_t *staging, struct error *error)
{
    struct backend *backend = data->backend;
    uint8_t *labels = staging + (size_t)PIECE * IMAGE_BYTES;
    for (int i = 0; i < count; i++) {
        memcpy(staging + (size_t)i * IMAGE_BYTES, dataset_image(dataset, split, begin + i), IMAGE_BYTES);
        labels[i] = (uint8_t)dataset_label(dataset, split, begin + i);
    }
    return backend->copy_in(backend, data->pixels[split] + (size_t)begin * IMAGE_BYTES, staging,
                            (size_t)count * IMAGE_BYTES, error) ||
                   backend->copy_in(backend, data->labels[split] + begin, labels, (size_t)count, error)
               ? -1
               : 0;
}

static int upload_split(struct device_data *data, const struct dataset *dataset, enum split split, uint8_t *staging,
                        struct error *error)
{
    struct backend *backend = data->backend;
    const int count = data->count[split] = dataset_count(dataset, split);
    if (backend->allocate(backend, (size_t)count * IMAGE_BYTES, (void **)&data->pixels[split], error) ||
        backend->allocate(backend, (size_t)count, (void **)&data->labels[split], error))
        return -1;
    for (int begin = 0; begin < count; begin += PIECE) {
        const int piece = count - begin < PIECE ? count - begin : PIECE;
        if (upload_piece(data, dataset, split, begin, piece, staging, error))
            return -1;
    }
    return 0;
}

int device_data_create(struct backend *backend, const struct dataset *dataset, struct device_data **out,
                       struct error *error)
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
    if (upload_split(data, dataset, SPLIT_TRAIN, staging, error) ||
        upload_split(data, dataset, SPLIT_TEST, staging, error) ||
        backend->allocate(backend, (size_t)data->count[SPLIT_TRAIN] * sizeof *data->order, (void **)&data->order,
                          error))
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
    for (int split = 0; split < SPLITS; split++) {
        if (data->pixels[split])
            data->backend->release(data->backend, data->pixels[split]);
        if (data->labels[split])
            data->backend->release(data->backend, data->labels[split]);
    }
    if (data->order)
        data->backend->release(data->backend, data->order);
    free(data);
}

int device_data_order(struct device_data *data, const uint32_t *order, int count, struct error *error)
{
    return data->backend->copy_in(data->backend, data->order, order, (size_t)count * sizeof *order, error);
}

void device_data_source(const struct device_data *data, const struct device_view *view, struct image_source *out)
{
    memset(out, 0, sizeof *out);
    out->pixels = data->pixels[view->split];
    out->labels = data->labels[view->split];
    out->order = view->ordered ? data->order : NULL;
    out->count = data->count[view->split];
    out->augment = view->augment;
    out->normalize = view->normalize;
    out->seed = view->seed;
    if (view->normalize == NORMALIZE_DATASET)
        normalize_by_set(&view->statistics, out->mean, out->scale);
}
