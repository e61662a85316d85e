/* Internal to the network: what measures it. A plan of its own, the list of what is measured in it, and where the
 * results gather: on the device through one chunk of the batch, then joined on the host. */
#ifndef NFBENCH_ENGINE_PROBER_H
#define NFBENCH_ENGINE_PROBER_H

#include "engine/execute.h"
#include "engine/tally.h"

enum measure_kind {
    MEASURE_SHORTCUT, /* what a branch is added to */
    MEASURE_BRANCH,   /* its end, gated by squeeze-excite */
    MEASURE_UNITS,    /* the output of a relu before a convolution of a branch */
    MEASURE_OUTPUT,   /* of the stem or a block */
    MEASURE_GRADIENT  /* ... and its gradient */
};

struct measure {
    enum measure_kind kind;
    int point;      /* its number in the probe */
    size_t offset;  /* of its results, in bytes */
    size_t spatial; /* rows an image */
    struct tally tally;
};

struct prober {
    struct plan *plan;
    struct measure *measures; /* by operation */
    int measure_count, measure_capacity;
    int *first; /* (op_count + 1): the operation's first measure */
    /* Device memory and its copy on the host: of each measure what measure_results says; behind them the sums of each
     * unit of the weights (units, 3). */
    char *results, *copy;
    size_t bytes, units_offset;
};

/* What one measure leaves in `results` or their copy. */
struct measure_results {
    float *statistics; /* (4, channels) */
    uint32_t *counts;  /* (VALUE_BINS) */
    int *finite;
};

static inline struct measure_results measure_results(const struct measure *measure, char *results)
{
    void *const statistics = results + measure->offset;
    void *const counts = results + measure->offset + 4 * sizeof(float) * (size_t)measure->tally.channels;
    void *const finite = (uint32_t *)counts + VALUE_BINS;
    return (struct measure_results){statistics, counts, finite};
}

/* For batches of `n` images: with batch norm just so many, else any number, in chunks. */
int prober_create(struct network *network, int n, struct prober **out, struct error *error);
void prober_destroy(struct network *network, struct prober *prober);
/* Images at once, of a batch. */
int prober_chunk(const struct network *network, int batch);
/* Bytes on the device; `prober` may be NULL. */
size_t prober_bytes(const struct prober *prober);

#endif
