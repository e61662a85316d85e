/* Batches made ahead of the training step by worker threads: shuffled, augmented, normalised. The batches are the same
 * for any number of workers, and any batch can be asked for again by its (epoch, number). */
#ifndef NFBENCH_ENGINE_LOADER_H
#define NFBENCH_ENGINE_LOADER_H

#include "engine/augment.h"

struct loader;

struct loader_options {
    enum split split;
    int first, count; /* the images [first, first + count) of the split */
    int batch;        /* the last, smaller batch of an epoch is kept */
    bool shuffle;     /* a new Philox permutation each epoch */
    enum augment_kind augment;
    enum normalize_kind normalize;
    struct channel_statistics statistics;
    uint64_t seed;
    int workers; /* 0: made in loader_next itself */
};

struct batch {
    int n;
    uint32_t epoch, number; /* of the batch in its epoch, from 0 */
    float *images;          /* (n, 32, 32, 3) */
    uint8_t *labels;        /* (n) */
    uint32_t *indices;      /* (n) in the split */
};

int loader_create(const struct dataset *dataset, const struct loader_options *options, struct loader **out,
                  struct error *error);
void loader_destroy(struct loader *loader);
int loader_batches(const struct loader *loader); /* an epoch */
/* The next batch, valid until the next call; goes on into the next epoch by itself. */
const struct batch *loader_next(struct loader *loader);
/* The batch after this call is number `number` of `epoch`; what was made ahead is dropped. */
void loader_seek(struct loader *loader, uint32_t epoch, uint32_t number);
/* A new augmentation from the next batch on (no effect on those already handed out). */
void loader_set_augment(struct loader *loader, enum augment_kind augment);

#endif
