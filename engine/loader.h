/* Batches made ahead of the training step by worker threads: shuffled, augmented, normalised. The batches are the same
 * for any number of workers, and any batch can be asked for again by its (epoch, number). All memory is taken at
 * creation. One thread uses a loader; its workers are its own. */
#ifndef NFBENCH_ENGINE_LOADER_H
#define NFBENCH_ENGINE_LOADER_H

#include "engine/mix.h"
#include "engine/slice.h"

enum { LOADER_MAX_WORKERS = 64 };

struct loader;

struct loader_options {
    enum split split;
    int first, count; /* the images [first, first + count) of the split */
    int batch;        /* the last, smaller batch of an epoch is kept */
    bool shuffle;     /* a new permutation each epoch, a function of (seed, epoch) alone; else in order */
    struct augment_options augment;
    struct mix_options mix;
    enum normalize_kind normalize;
    struct channel_statistics statistics;
    /* Of each batch the images of this slice are made, and with them their partners, no others. */
    struct slicing slicing;
    uint64_t seed;
    int workers; /* 0: made in loader_next itself; at most LOADER_MAX_WORKERS */
};

struct batch {
    int n;
    uint32_t epoch, number; /* of the batch in its epoch, from 0 */
    struct slice made;      /* those of the images that are there */
    float *images;          /* (n, 32, 32, 3), 64-byte aligned */
    uint8_t *labels;        /* (n) */
    uint8_t *partners;      /* (n) labels of what the images are mixed with, by `mix`; NULL: they are not */
    struct mix mix;
    uint32_t *indices; /* (n) in the split */
};

/* Starts at batch 0 of epoch 0. The data set must outlive the loader; the options are copied. -1 when a count is out of
 * range, or there is no memory or no thread. */
int loader_create(const struct dataset *dataset, const struct loader_options *options, struct loader **out,
                  struct error *error);
void loader_destroy(struct loader *loader);
int loader_batches(const struct loader *loader); /* an epoch */
/* The same of so many images, with no loader: the last batch may have fewer. */
int loader_batches_of(int images, int batch);
/* The next batch, valid until the next call of this function; goes on into the next epoch by itself. */
const struct batch *loader_next(struct loader *loader);
/* Makes what is not there of the images of the batch that loader_next returned last, if any. */
void loader_complete(struct loader *loader);
/* The batch after this call is number `number` (below loader_batches) of `epoch`; what was made ahead is dropped. */
void loader_seek(struct loader *loader, uint32_t epoch, uint32_t number);
/* The order of an epoch's images (count), numbers in the split; valid until the next call of any function of a loader
 * that shuffles and has no workers. */
const uint32_t *loader_order(struct loader *loader, uint32_t epoch);
/* What `count` of an epoch's images are mixed with in it, numbers in the split, and how; of the same loaders. */
void loader_partners(struct loader *loader, uint32_t epoch, const int *images, int count, int *partners,
                     struct mix *mixes);

#endif
