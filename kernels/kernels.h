/* The one interface between the engine and the machine: a table of functions that the CPU and the CUDA back ends fill.
 *
 * Conventions. Tensors are NHWC, contiguous; the shape of each pointer is written beside it. Activations are of the
 * network's `enum dtype` (void pointers); parameters, gradients, statistics, logits and losses are always fp32. All
 * pointers of tensors are device pointers of that back end (plain memory on the CPU), 64-byte aligned unless said
 * otherwise. Calls are queued in order; only `synchronize`, `copy_out` and a `collect` that is told to wait. Every slot
 * returns 0, or -1 with the message in `error`, and is required unless it says "optional". No slot allocates except
 * those named *_create and `allocate`. What a slot is given by value or by a host pointer is fixed when a step is
 * captured (see `capture_begin`); what changes from step to step lies in device memory, in `struct step_values`.
 * Reductions go over a fixed tree: same bits for the same shape and thread count. */
#ifndef NFBENCH_KERNELS_KERNELS_H
#define NFBENCH_KERNELS_KERNELS_H

#include "base/error.h"
#include "kernels/augment.h"

#include <stddef.h>
#include <stdint.h>

enum dtype { DTYPE_FP32, DTYPE_BF16 };

/* Counts of values of any size, taken in one pass: logarithmic bins, eight linear parts to each octave from 2^-8 to 2^8
 * on either side of 0. The middle bin holds what is smaller than that, the outer ones what is larger; NaN lies in one
 * of the outer ones. Shared by both back ends. */
enum { VALUE_SIDE = 16 * 8, VALUE_MIDDLE = VALUE_SIDE + 1, VALUE_BINS = 2 * VALUE_MIDDLE + 1 };

PHILOX_FUNCTION int value_bin(float value)
{
    union {
        float value;
        uint32_t bits;
    } as = {value};
    /* exponent and three bits of the mantissa, from those of 2^-8 on */
    int part = (int)((as.bits & 0x7fffffff) >> 20) - ((127 - 8) << 3) + 1;
    part = part < 0 ? 0 : part;
    part = part > VALUE_MIDDLE ? VALUE_MIDDLE : part;
    return as.bits >> 31 ? VALUE_MIDDLE - part : VALUE_MIDDLE + part;
}

/* The value at which bin `edge` begins and bin `edge` - 1 ends, 1 <= edge < VALUE_BINS. */
static inline float value_edge(int edge)
{
    const int part = edge > VALUE_MIDDLE ? edge - VALUE_MIDDLE - 1 : VALUE_MIDDLE - edge;
    const float size = (float)(1u << (part / 8)) * (1 + (float)(part % 8) / 8) / 256;
    return edge > VALUE_MIDDLE ? size : -size;
}

enum activation { ACTIVATION_RELU, ACTIVATION_GELU, ACTIVATION_SILU, ACTIVATION_TANH };

/* `post` takes so many bytes, and so many may wait to be collected. */
enum { POST_BYTES = 64, POST_SLOTS = 64 };

/* Of an id by which devices find each other. */
enum { RANKS_ID_BYTES = 128 };

static inline size_t dtype_size(enum dtype dtype)
{
    return dtype == DTYPE_FP32 ? 4 : 2;
}

/* ---- Convolution (also the dense layers: h = w = k = 1) ---- */

/* Padding is k / 2 on each side; output height is (h + 2 * (k / 2) - k) / stride + 1, width alike. */
struct conv_shape {
    int n, h, w, cin, cout;
    int k;      /* 1 or 3 */
    int stride; /* 1 or 2 */
    int groups; /* divides cin and cout */
    enum dtype dtype;
    bool tf32;           /* fp32: factors of products may be rounded to TF32; back ends without it compute in fp32 */
    bool relu;           /* y = max(0, conv + bias) */
    bool relu_input;     /* x is a relu's output: conv_backward_data masks dx by x > 0 */
    bool accumulate;     /* y += conv + bias (the residual sum); not together with relu */
    bool input_gradient; /* false for the stem: backward_data is never called */
    bool frozen;         /* the weights are never trained: backward_weights makes the bias's gradient alone */
    bool relu_copy;      /* conv_forward also writes relu(y); only where the back end fuses_stream */
    bool add_dx;         /* dx += the (masked) gradient instead of dx =; only where the back end fuses_stream */
};

/* What the back end made for one shape. */
struct conv {
    struct conv_shape shape;
    int out_h, out_w;
    size_t packed_forward_bytes;  /* weights as `conv_forward` wants them */
    size_t packed_backward_bytes; /* weights as `conv_backward_data` wants them; 0: the forward ones serve */
    size_t scratch_bytes;         /* largest scratch of any of its calls */
};

/* ---- Weights: standardised, folded, packed ---- */

enum ws_mode {
    WS_OFF,    /* effective = scale * W */
    WS_PAPERS, /* effective = scale * gain * (W - mean) / sqrt(max(fan_in * var, 1e-4)), biased var (SPP, NFNet) */
    WS_REPORT  /* effective = scale * 1.712858 * (W - mean) / ((std + 1e-5) * sqrt(fan_in)), unbiased std */
};

/* One convolution's weights: raw, and effective (standardised with the neighbouring scalars folded in).
 * scale = in_scale * out_scale * (skip_gain ? *skip_gain : 1); the effective bias is bias * scale / in_scale. */
struct ws_layer {
    enum ws_mode mode;
    int rows, fan_in;       /* rows = output units */
    const float *weight;    /* (rows, fan_in): OIHW */
    const float *gain;      /* (rows) or NULL for 1 */
    const float *bias;      /* (rows) */
    const float *skip_gain; /* (1) or NULL for 1 */
    float in_scale;         /* activation gain / beta of the layer's input */
    float out_scale;        /* alpha for the last convolution of a residual branch, else 1 */
    float *effective;       /* (rows, fan_in) out */
    float *effective_bias;  /* (rows) out */
    float *row_moments;     /* (rows, 2) out: mean, and the multiplier r of (W - mean) before gain and scale */
    struct conv *conv;      /* the convolution that reads them, which says the packed sizes; NULL: nothing is packed */
    void *packed_forward;   /* out */
    void *packed_backward;  /* out; NULL where conv->packed_backward_bytes is 0 */
    /* backward: gradients of the effective weights and bias come in by the same buffers that the raw ones leave by */
    float *weight_gradient;    /* (rows, fan_in) in: of effective, out: of weight */
    float *bias_gradient;      /* (rows) in: of effective_bias, out: of bias */
    float *gain_gradient;      /* (rows) out, or NULL */
    float *skip_gain_gradient; /* (1) out, or NULL */
};

struct weights; /* a list of ws_layers, as the back end keeps it */

/* ---- The update: AGC, weight decay, momentum, Nesterov, step, lookahead, EMA ---- */

struct update_parameter {
    int rows, row_length; /* units of AGC; a vector has rows = its length, row_length = 1 */
    bool clip;            /* AGC applies */
    bool decay;           /* weight decay applies */
    float *value;         /* (rows, row_length), fp32 master */
    float *gradient;      /* same; clipped in place */
    float *momentum;      /* same */
    float *ema;           /* same, or NULL */
    float *slow;          /* same: slow weights of lookahead, or NULL */
};

struct update_options {
    float learning_rate, momentum, weight_decay;
    float agc;       /* clip factor; 0: off */
    float ema_decay; /* ema = d * ema + (1 - d) * value; ignored where ema is NULL */
    float lookahead; /* not 0 in steps with which the weights begin again from the slow ones: slow += lookahead * (value
                      * - slow), value = slow; ignored where slow is NULL */
    bool nesterov;
};

struct updater; /* a list of update_parameters, as the back end keeps it */

struct update_result {
    float gradient_norm; /* over all parameters, before clipping */
    int clipped_units;   /* by AGC */
    int finite;          /* 0: a gradient or the loss was not finite; then nothing was changed */
};

/* What the logits ought to say. */
struct loss_target {
    const uint8_t *labels;   /* (n) */
    const uint8_t *partners; /* (n) labels of what the samples are mixed with; NULL: they are not */
    const struct mix *mix;   /* the partners' share, in device memory; not read without them */
    float smoothing;         /* share that is spread over all classes */
};

struct loss_result {
    float loss;  /* sum over the samples, label smoothing included */
    int correct; /* argmax (first of equals) is the label; of a mixed sample that with the larger share */
};

/* ---- What changes from step to step, and what a step tells: in device memory ---- */

struct step_values {
    struct update_options update;
    uint32_t step;  /* counts the run's steps: keys dropout and stochastic depth */
    uint32_t epoch; /* keys augmentation */
    uint32_t start; /* of the batch in the epoch's order */
    uint32_t ends;  /* first and last place of the batch there, added up: an image's partner is at ends - its own */
    struct mix mix;
    uint32_t resume; /* 1: clears `halted` in the step's report before anything else */
};

/* The parts of a step, timed on the device by `lap`: making the images or taking them in; weights, forward pass and
 * loss; backward pass; update. */
enum step_lap { LAP_DATA, LAP_FORWARD, LAP_BACKWARD, LAP_UPDATE, LAPS, LAP_START = LAPS };

struct step_laps {
    uint64_t mark; /* nanoseconds of the device's clock at the last lap */
    float seconds[LAPS];
};

struct step_report {
    struct loss_result loss;
    struct update_result update;
    int halted; /* stays 1 from the first step that was not finite on: later updates change nothing until `resume` */
    uint32_t step;
    struct step_laps laps;
};

/* ---- Images on the device (optional: `load_batch`) ---- */

struct image_source {
    const uint8_t *pixels; /* (count, 3, 32, 32) */
    const uint8_t *labels; /* (count) */
    const uint32_t *order; /* (count) image numbers in the order of the epoch; NULL: as they lie */
    int count;
    int first_index; /* number of image 0 in its split: keys augmentation */
    struct augment_options augment;
    enum normalize_kind normalize;
    bool mirror;             /* left and right exchanged, behind all else */
    float mean[3], scale[3]; /* of bytes, NORMALIZE_DATASET: (byte - mean) * scale */
    uint64_t seed;
};

/* A step recorded once and replayed: see `capture_begin`. */
struct graph;

struct residual_gate {
    const float *sample;    /* (n) 0 or 1, stochastic depth; NULL for 1 */
    const float *channel;   /* (n, c) squeeze-excite gates; NULL for 1 */
    const float *skip_gain; /* (1); NULL for 1 */
    float alpha;
};

struct batch_norm {
    int c;
    const float *weight, *bias;             /* (c) */
    float *running_mean, *running_variance; /* (c), updated by the training forward: 0.9 * old + 0.1 * new, unbiased;
                                             * not in channels whose batch is not finite */
    float *saved;                           /* (2, c): mean, 1 / sqrt(var + 1e-5), of the forward, for the backward */
    float *weight_gradient, *bias_gradient; /* (c) */
};

struct backend {
    const char *name;  /* "cpu", "cuda" */
    int threads;       /* of the CPU; 1 on a GPU */
    bool whole_batch;  /* a step goes through the plan once, not in chunks that fit into caches */
    bool host_memory;  /* its device pointers are the host's */
    bool fuses_stream; /* its convolutions take the relu of the residual stream along, see conv_shape */

    /* Memory. `allocate` aligns to 256 bytes and leaves the bytes undefined. */
    int (*allocate)(struct backend *, size_t bytes, void **out, struct error *error);
    void (*release)(struct backend *, void *pointer);
    int (*copy_in)(struct backend *, void *device, const void *host, size_t bytes, struct error *error);
    int (*copy_out)(struct backend *, void *host, const void *device, size_t bytes, struct error *error);
    int (*fill_zero)(struct backend *, void *device, size_t bytes, struct error *error);
    int (*synchronize)(struct backend *, struct error *error);
    void (*destroy)(struct backend *);
    /* Bytes of the device: what is free and what there is in all. */
    int (*memory)(struct backend *, size_t *available, size_t *total, struct error *error);

    /* Read-back that does not wait: `post` queues a copy of at most POST_BYTES, `collect` fetches it by its ticket, in
     * any order, but before POST_SLOTS later ones are posted. `collect` returns 1 when it is not there yet and `wait`
     * is false. */
    int (*post)(struct backend *, const void *device, size_t bytes, uint64_t *ticket, struct error *error);
    int (*collect)(struct backend *, uint64_t ticket, void *host, size_t bytes, bool wait, struct error *error);

    /* Reads the clock between the work queued before and behind it. LAP_START makes all of `laps` (device memory) 0,
     * the others add the time since the last call to their own. */
    int (*lap)(struct backend *, struct step_laps *laps, enum step_lap lap, struct error *error);

    /* Optional, all four or none. Between begin and end all calls are recorded instead of done; no call that waits or
     * allocates may be among them. `graph_launch` queues the recorded work again, on the memory named then. */
    int (*capture_begin)(struct backend *, struct error *error);
    int (*capture_end)(struct backend *, struct graph **out, struct error *error);
    int (*graph_launch)(struct backend *, struct graph *graph, struct error *error);
    void (*graph_destroy)(struct backend *, struct graph *graph);

    /* Optional. Images [values->start, values->start + n) of the source's order: augmented with draws keyed (seed,
     * PHILOX_AUGMENT, values->epoch, first_index + image), normalised, mirrored where the source says so, as images (n,
     * 32, 32, 3) of `dtype`, and their labels (n). With `partners` (n), which gets the partners' labels, they are mixed
     * by values->mix, each with the one at values->ends - its place. The same images as the engine's augment.c and
     * mix.c make. `values` NULL: start 0, epoch 0, and no partners. */
    int (*load_batch)(struct backend *, const struct image_source *source, const struct step_values *values,
                      enum dtype dtype, void *images, uint8_t *labels, uint8_t *partners, int n, struct error *error);

    /* Convolution. `x` (n, h, w, cin), `y` (n, out_h, out_w, cout) of shape.dtype; `scratch` of scratch_bytes. */
    int (*conv_create)(struct backend *, const struct conv_shape *shape, struct conv **out, struct error *error);
    void (*conv_destroy)(struct backend *, struct conv *conv);
    /* y_relu like y, NULL unless shape.relu_copy */
    int (*conv_forward)(struct backend *, struct conv *conv, const void *x, const void *packed_forward,
                        const float *bias, void *y, void *y_relu, void *scratch, struct error *error);
    /* dx = gradient of x (overwritten unless shape.add_dx), masked by x > 0 where shape.relu_input (else `x` may be
     * NULL); dy is the gradient after any relu mask of this convolution's own relu was applied to it */
    int (*conv_backward_data)(struct backend *, struct conv *conv, const void *x, const void *dy,
                              const void *packed_backward, void *dx, void *scratch, struct error *error);
    /* Adds to weight_gradient (cout, cin / groups, k, k; NULL where shape.frozen) and bias_gradient (cout) when `add`,
     * else overwrites them. */
    int (*conv_backward_weights)(struct backend *, struct conv *conv, const void *x, const void *dy,
                                 float *weight_gradient, float *bias_gradient, bool add, void *scratch,
                                 struct error *error);

    /* All layers in one call. The list is copied; its tensors and convs must outlive it. `prepare` makes the effective
     * and the packed weights of the raw ones; `backward` turns the gradients of the effective ones into those of the
     * raw ones. `scratch` as large as the largest scratch of the convs, or NULL where there are none. */
    int (*weights_create)(struct backend *, const struct ws_layer *layers, int count, struct weights **out,
                          struct error *error);
    void (*weights_destroy)(struct backend *, struct weights *weights);
    int (*weights_prepare)(struct backend *, struct weights *weights, void *scratch, struct error *error);
    int (*weights_backward)(struct backend *, struct weights *weights, struct error *error);

    /* Element by element over `count` values; y may be x. No gain: act(x) exactly. */
    int (*activation_forward)(struct backend *, enum activation, enum dtype, const void *x, void *y, size_t count,
                              struct error *error);
    /* dx = dy * act'(x), or += when `add`; dx may be dy. For relu `x` may be the output instead of the input. */
    int (*activation_backward)(struct backend *, enum activation, enum dtype, const void *x, const void *dy, void *dx,
                               bool add, size_t count, struct error *error);

    /* 2x2 mean, stride 2: x (n, h, w, c) -> y (n, h / 2, w / 2, c); h and w even. */
    int (*average_pool_forward)(struct backend *, enum dtype, const void *x, void *y, int n, int h, int w, int c,
                                struct error *error);
    /* dx (n, h, w, c) (+)= spread of dy (n, h / 2, w / 2, c), where relu_x (n, h, w, c) > 0 unless that is NULL */
    int (*average_pool_backward)(struct backend *, enum dtype dtype, const void *relu_x, const void *dy, void *dx,
                                 bool add, int n, int h, int w, int c, struct error *error);
    /* y (n, c) fp32 = scale * mean over the spatial positions of x (n, spatial, c) */
    int (*global_pool_forward)(struct backend *, enum dtype, const void *x, float *y, float scale, int n, int spatial,
                               int c, struct error *error);
    /* dx (n, spatial, c) (+)= scale / spatial * dy (n, c), where relu_x (n, spatial, c) > 0 unless that is NULL */
    int (*global_pool_backward)(struct backend *, enum dtype dtype, const void *relu_x, const float *dy, void *dx,
                                float scale, bool add, int n, int spatial, int c, struct error *error);

    /* x (n, spatial, c) += alpha * skip_gain * sample[n] * channel[n, c] * branch (n, spatial, c), in place */
    int (*residual_add_forward)(struct backend *, enum dtype, void *x, const void *branch,
                                const struct residual_gate *gate, int n, int spatial, int c, struct error *error);
    /* dbranch = alpha * skip_gain * sample * channel * dx; dchannel (n, c) and dskip_gain (1) likewise where not NULL;
     * dskip_gain is added to when `add`; scratch holds n * c floats */
    int (*residual_add_backward)(struct backend *, enum dtype, const void *dx, const void *branch,
                                 const struct residual_gate *gate, void *dbranch, float *dchannel, float *dskip_gain,
                                 bool add, float *scratch, int n, int spatial, int c, struct error *error);
    /* gate y (count) = 2 * sigmoid(x); dx = dy * y * (1 - y / 2) */
    int (*gate_forward)(struct backend *, const float *x, float *y, size_t count, struct error *error);
    int (*gate_backward)(struct backend *, const float *y, const float *dy, float *dx, size_t count,
                         struct error *error);
    /* y = x / (1 - rate) where a Philox draw keyed (seed, PHILOX_DROPOUT, values->step, (first + element) / 4) keeps
     * it, else 0; the backward pass is the same call on the gradient. y may be x. `first` is a multiple of 4. */
    int (*dropout)(struct backend *, const float *x, float *y, float rate, uint64_t seed,
                   const struct step_values *values, uint64_t first, size_t count, struct error *error);
    /* Stochastic depth: gates (n) = 1 where a draw keyed (seed, PHILOX_DROP_PATH, values->step, block << 32 | (first +
     * sample)) is at least `rate`, else 0. */
    int (*drop_path)(struct backend *, float *gates, float rate, uint64_t seed, const struct step_values *values,
                     int block, uint64_t first, int n, struct error *error);

    /* y = (x - mean) / sqrt(var + 1e-5) * weight + bias, then relu when asked; training: over rows = n * h * w */
    int (*batch_norm_forward)(struct backend *, enum dtype, const struct batch_norm *norm, const void *x, void *y,
                              bool training, bool relu, size_t rows, struct error *error);
    /* dx (+)= ...; dy is taken through the relu by the sign of y when `relu`; x is the forward's input */
    int (*batch_norm_backward)(struct backend *, enum dtype, const struct batch_norm *norm, const void *x,
                               const void *y, const void *dy, void *dx, bool relu, bool add, size_t rows,
                               struct error *error);

    /* logits (n, classes): dlogits (n, classes) = gradient of loss_scale * sum of the losses (NULL: not wanted); the
     * target distribution is (1 - smoothing) * onehot(label) + smoothing / classes, and of mixed samples, where `share`
     * is mix->partner / MIX_WHOLE, has (1 - share) * onehot(label) + share * onehot(partner) for the onehot; result is
     * added to when `add` */
    int (*softmax_cross_entropy)(struct backend *, const float *logits, const struct loss_target *target,
                                 float loss_scale, float *dlogits, struct loss_result *result, bool add, int n,
                                 int classes, struct error *error);

    /* Order: AGC on the raw gradients, then weight decay, momentum, Nesterov, step, lookahead, EMA (PyTorch's SGD
     * conventions: v = m v + g; step by g + m v with Nesterov, else by v). The list is copied. `values` and `report`
     * are device memory: the options are read from values->update; report->loss must hold the step's loss when it runs;
     * report->update, halted and step are set. Nothing is changed when a gradient or the loss is not finite, nor while
     * report->halted is 1. */
    int (*updater_create)(struct backend *, const struct update_parameter *parameters, int count, struct updater **out,
                          struct error *error);
    void (*updater_destroy)(struct backend *, struct updater *updater);
    int (*update)(struct backend *, struct updater *updater, const struct step_values *values,
                  struct step_report *report, struct error *error);

    /* Optional, all three or none: processes that train together, each with a device of its own. The first of them
     * makes an id, with which all join, each with its number: that waits for the others. `ranks_sum`: values (count)
     * and the loss become the sums over the ranks, the same bits on each; queued, and never while work is recorded. */
    int (*ranks_id)(struct backend *, char id[RANKS_ID_BYTES], struct error *error);
    int (*ranks_join)(struct backend *, const char id[RANKS_ID_BYTES], int rank, int ranks, struct error *error);
    int (*ranks_sum)(struct backend *, float *values, size_t count, struct loss_result *loss, struct error *error);

    /* to (count) becomes from, unless the step that the report (device memory) tells of changed nothing. */
    int (*copy_unless_halted)(struct backend *, const struct step_report *report, const float *from, float *to,
                              size_t count, struct error *error);

    /* Sums of squares over every unit, that is every row, of every parameter of the updater's list, in its order: of
     * value, gradient and momentum, as fp32 out (units, 3). `units` is the sum of the parameters' `rows`, biases and
     * gains included. Nothing is changed; the gradient is what lies there: clipped, after an update. */
    int (*unit_squares)(struct backend *, struct updater *updater, float *out, struct error *error);

    /* What the values of x (rows, c) are like, in one pass: of each channel mean, biased variance, least and most, as
     * fp32 out (4, c); counts (VALUE_BINS) of value_bin() over all values, or NULL where they are not wanted;
     * *finite = 0 if some value is not, else 1. Least and most pass over NaN (inf and -inf where there is nothing
     * else); mean and variance of a channel with a value that is not finite are not finite. At least one value, and
     * fewer than 2^32. */
    int (*statistics)(struct backend *, enum dtype, const void *x, size_t rows, int c, float *out, uint32_t *counts,
                      int *finite, struct error *error);
    /* fp32 <-> dtype, element by element */
    int (*convert)(struct backend *, enum dtype from, const void *x, enum dtype to, void *y, size_t count,
                   struct error *error);
};

/* The CPU back end with `threads` OpenMP threads (0: as many as there are processors). Owned by the caller, who frees
 * it with its `destroy`. */
int backend_cpu_create(int threads, struct backend **out, struct error *error);

/* True when the processor computes bf16 itself (AVX-512 BF16 or AMX); elsewhere bf16 is emulated and slower. */
bool backend_cpu_has_bf16(void);

/* What computes the CPU's convolutions: "oneDNN 2.6.3". */
void backend_cpu_library(char *text, size_t size);

#endif
