/* Internal to the network: the plan, a flat list of operations with their buffers in one arena. Made once from a model
 * spec and a number of images; forward and backward are two loops over the list. Buffers carry the span of operations
 * that need them, and those whose spans do not meet share memory. */
#ifndef NFBENCH_ENGINE_PLAN_H
#define NFBENCH_ENGINE_PLAN_H

#include "engine/network.h"
#include "engine/parameters.h"

enum op_kind {
    OP_CONV,       /* y = conv(x), relu or the residual sum fused in as the shape says; dense layers too. Backward: the
                    * mask of a relu that made x goes with the input gradient */
    OP_ACTIVATION, /* y = act(x) */
    OP_COPY,       /* y = x; the gradient stream is shared, so nothing backward */
    OP_FORK,       /* x has a second consumer with gradient buffer dy: backward dx += dy, forward nothing */
    OP_AVERAGE_POOL, /* y = 2x2 mean of x */
    OP_GLOBAL_POOL,  /* y (n, c) fp32 = scale * spatial mean of x */
    OP_BATCH_NORM,   /* y = bn(x), relu fused in when `relu` */
    OP_GATE,         /* y = 2 * sigmoid(x), (n, c) */
    OP_RESIDUAL_ADD, /* y += alpha * skip gain * sample gate * channel gate * x, in place */
    OP_DROPOUT       /* y = dropout(x), (n, c) */
};

/* Marks on an operation behind which a block's output is complete. */
enum { MARK_NONE = -2, MARK_STEM = -1 };

enum { NO_BUFFER = -1 };

struct op {
    enum op_kind kind;
    int x, y;       /* value buffers */
    int dx, dy;     /* gradient buffers; dx may be NO_BUFFER: not wanted */
    int y_relu;     /* OP_CONV: buffer of relu(y), or NO_BUFFER */
    bool add;       /* backward adds to dx */
    int n, h, w, c; /* of x */
    int mark;       /* block number whose output y now holds, MARK_STEM or MARK_NONE */
    enum activation activation;
    bool relu;        /* OP_BATCH_NORM: followed by relu; pooling: x is a relu's output, and backward masks dx by it */
    enum dtype dtype; /* of x and y */
    float scale;      /* OP_GLOBAL_POOL; alpha of OP_RESIDUAL_ADD; rate of OP_DROPOUT */
    struct conv *conv;
    int layer;                              /* OP_CONV: its weights, an index into the network's layers */
    size_t packed_forward, packed_backward; /* OP_CONV: arena offsets */
    int norm;        /* OP_BATCH_NORM: parameter number of its weight; bias and running statistics follow it */
    int saved;       /* OP_BATCH_NORM: buffer of the saved moments */
    int gate, dgate; /* OP_RESIDUAL_ADD: buffers of the channel gates, NO_BUFFER without squeeze-excite */
    int sample;      /* OP_RESIDUAL_ADD: buffer of the sample gates, NO_BUFFER without stochastic depth */
    int skip_gain;   /* OP_RESIDUAL_ADD: parameter number or -1 */
    int block;       /* that it belongs to: MARK_STEM, a block's number, the block count for the head */
    float drop_rate;
};

struct buffer {
    size_t bytes, offset;
    int first, last; /* span of the operations that need it: forward i, backward 2 * count - 1 - i */
};

/* Which weights a plan runs with. */
enum weight_source { WEIGHTS_TRAINED, WEIGHTS_AVERAGED, WEIGHT_SOURCES };

struct plan {
    int n;        /* images it takes at once */
    bool probing; /* for probes: the ends of the residual branches are tensors of their own, to which OP_RESIDUAL_ADD
                   * applies skip gain and alpha; they are not folded into the weights */
    enum dtype dtype;
    bool tf32; /* of fp32: convolutions may make their products in TF32 */
    struct op *ops;
    int op_count, op_capacity;
    struct buffer *buffers;
    int buffer_count, buffer_capacity;
    int input_staging;    /* (n, 32, 32, 3) fp32 as copied in */
    int input;            /* the same in the plan's dtype (the same buffer in fp32) */
    int labels, partners; /* (n) bytes each: of the images, and of what they are mixed with */
    int logits, dlogits;
    int scratch;
    size_t packed_bytes; /* of all packed weights, at the arena's start */
    size_t arena_bytes;
    char *arena; /* NULL until network_make_plan */
    struct weights
        *weights[WEIGHT_SOURCES]; /* the layers' list for this plan's packed weights; NULL without averages */
};

/* Builds the list, makes the convolutions and plans the arena, whose memory `allocate` of the back end gives later
 * (network.c: the size alone answers what fits). */
int plan_create(struct backend *backend, const struct model_spec *spec, const struct parameter_list *parameters,
                enum dtype dtype, bool tf32, int n, bool probing, struct plan **out, struct error *error);
void plan_destroy(struct backend *backend, struct plan *plan);

static inline void *plan_buffer(const struct plan *plan, int buffer)
{
    return buffer == NO_BUFFER ? NULL : plan->arena + plan->buffers[buffer].offset;
}

/* Notes for each buffer the first and the last operation that needs it; one pass forward, one backward. */
void plan_find_spans(struct plan *plan);

/* Gives each buffer its offset behind `start`; returns the end. Largest first, each at the lowest place that is free
 * throughout its span. */
size_t plan_place_buffers(struct buffer *buffers, int count, size_t start);

#endif
