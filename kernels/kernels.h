/* The one interface between the engine and the machine: a table of functions that the CPU and the CUDA back ends fill.
 *
 * Conventions. Tensors are NHWC, contiguous; the shape of each pointer is written beside it. Activations are of the
 * network's `enum dtype` (void pointers); parameters, gradients, statistics, logits and losses are always fp32. All
 * pointers of tensors are device pointers of that back end (plain memory on the CPU), 64-byte aligned unless said
 * otherwise. Calls are queued in order; only `synchronize` and `copy_out` wait. Every slot returns 0, or -1 with the
 * message in `error`; every slot is required. No slot allocates except those named *_create and `allocate`.
 * Reductions go over a fixed tree: same bits for the same shape and thread count. */
#ifndef NFBENCH_KERNELS_KERNELS_H
#define NFBENCH_KERNELS_KERNELS_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

enum dtype { DTYPE_FP32, DTYPE_BF16 };

enum activation { ACTIVATION_RELU, ACTIVATION_GELU, ACTIVATION_SILU, ACTIVATION_TANH };

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
    bool relu;           /* y = max(0, conv + bias) */
    bool accumulate;     /* y += conv + bias (the residual sum); not together with relu */
    bool input_gradient; /* false for the stem: backward_data is never called */
};

/* What the back end made for one shape. */
struct conv {
    struct conv_shape shape;
    int out_h, out_w;
    size_t packed_forward_bytes;  /* weights as `conv_forward` wants them */
    size_t packed_backward_bytes; /* weights as `conv_backward_data` wants them; 0: the forward ones serve */
    size_t scratch_bytes;         /* largest scratch of any of its calls */
};

/* ---- Weight standardisation ---- */

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
    /* backward: gradients of the effective weights and bias come in by the same buffers that the raw ones leave by */
    float *weight_gradient;    /* (rows, fan_in) in: of effective, out: of weight */
    float *bias_gradient;      /* (rows) in: of effective_bias, out: of bias */
    float *gain_gradient;      /* (rows) out, or NULL */
    float *skip_gain_gradient; /* (1) out, or NULL */
};

/* ---- The update: AGC, weight decay, momentum, Nesterov, step, EMA ---- */

struct update_parameter {
    int rows, row_length; /* units of AGC; a vector has rows = its length, row_length = 1 */
    bool clip;            /* AGC applies */
    bool decay;           /* weight decay applies */
    float *value;         /* (rows, row_length), fp32 master */
    float *gradient;      /* same; clipped in place */
    float *momentum;      /* same */
    float *ema;           /* same, or NULL */
};

struct update_options {
    float learning_rate, momentum, weight_decay;
    float agc;       /* clip factor; 0: off */
    float ema_decay; /* ema = d * ema + (1 - d) * value; ignored where ema is NULL */
    bool nesterov;
};

/* Set by `update`, read back by the host when it likes. */
struct update_result {
    float gradient_norm; /* over all parameters, before clipping */
    int clipped_units;   /* by AGC */
    int finite;          /* 0: some gradient was not finite; then nothing was changed */
};

struct loss_result {
    float loss;  /* sum over the samples, label smoothing included */
    int correct; /* argmax equals the label (first of equals) */
};

struct residual_gate {
    const float *sample;    /* (n) 0 or 1, stochastic depth; NULL for 1 */
    const float *channel;   /* (n, c) squeeze-excite gates; NULL for 1 */
    const float *skip_gain; /* (1); NULL for 1 */
    float alpha;
};

struct batch_norm {
    int c;
    const float *weight, *bias;             /* (c) */
    float *running_mean, *running_variance; /* (c), updated by the training forward: 0.9 * old + 0.1 * new, unbiased */
    float *saved;                           /* (2, c): mean, 1 / sqrt(var + 1e-5), of the forward, for the backward */
    float *weight_gradient, *bias_gradient; /* (c) */
};

struct backend {
    const char *name; /* "cpu", "cuda" */
    int threads;

    /* Memory. `allocate` aligns to 256 bytes and leaves the bytes undefined. */
    int (*allocate)(struct backend *, size_t bytes, void **out, struct error *error);
    void (*release)(struct backend *, void *pointer);
    int (*copy_in)(struct backend *, void *device, const void *host, size_t bytes, struct error *error);
    int (*copy_out)(struct backend *, void *host, const void *device, size_t bytes, struct error *error);
    int (*fill_zero)(struct backend *, void *device, size_t bytes, struct error *error);
    int (*synchronize)(struct backend *, struct error *error);
    void (*destroy)(struct backend *);

    /* Convolution. `x` (n, h, w, cin), `y` (n, out_h, out_w, cout) of shape.dtype; `scratch` of scratch_bytes. */
    int (*conv_create)(struct backend *, const struct conv_shape *shape, struct conv **out, struct error *error);
    void (*conv_destroy)(struct backend *, struct conv *conv);
    /* weights (cout, cin / groups, k, k) fp32 -> the packed forms; packed_backward may be NULL when not wanted */
    int (*conv_pack)(struct backend *, struct conv *conv, const float *weights, void *packed_forward,
                     void *packed_backward, void *scratch, struct error *error);
    int (*conv_forward)(struct backend *, struct conv *conv, const void *x, const void *packed_forward,
                        const float *bias, void *y, void *scratch, struct error *error);
    /* dx = gradient of x (overwritten); dy is the gradient after any relu mask was applied to it */
    int (*conv_backward_data)(struct backend *, struct conv *conv, const void *dy, const void *packed_backward,
                              void *dx, void *scratch, struct error *error);
    /* Adds to weight_gradient (cout, cin / groups, k, k) and bias_gradient (cout) when `add`, else overwrites them. */
    int (*conv_backward_weights)(struct backend *, struct conv *conv, const void *x, const void *dy,
                                 float *weight_gradient, float *bias_gradient, bool add, void *scratch,
                                 struct error *error);

    /* All layers in one call. */
    int (*standardize_forward)(struct backend *, const struct ws_layer *layers, int count, struct error *error);
    int (*standardize_backward)(struct backend *, const struct ws_layer *layers, int count, struct error *error);

    /* Element by element over `count` values; y may be x. No gain: act(x) exactly. */
    int (*activation_forward)(struct backend *, enum activation, enum dtype, const void *x, void *y, size_t count,
                              struct error *error);
    /* dx = dy * act'(x), or += when `add`; dx may be dy. For relu `x` may be the output instead of the input. */
    int (*activation_backward)(struct backend *, enum activation, enum dtype, const void *x, const void *dy, void *dx,
                               bool add, size_t count, struct error *error);

    /* 2x2 mean, stride 2: x (n, h, w, c) -> y (n, h / 2, w / 2, c); h and w even. */
    int (*average_pool_forward)(struct backend *, enum dtype, const void *x, void *y, int n, int h, int w, int c,
                                struct error *error);
    /* dx (n, h, w, c) (+)= spread of dy (n, h / 2, w / 2, c) */
    int (*average_pool_backward)(struct backend *, enum dtype, const void *dy, void *dx, bool add, int n, int h, int w,
                                 int c, struct error *error);
    /* y (n, c) fp32 = scale * mean over the spatial positions of x (n, spatial, c) */
    int (*global_pool_forward)(struct backend *, enum dtype, const void *x, float *y, float scale, int n, int spatial,
                               int c, struct error *error);
    /* dx (n, spatial, c) (+)= scale / spatial * dy (n, c) */
    int (*global_pool_backward)(struct backend *, enum dtype, const float *dy, void *dx, float scale, bool add, int n,
                                int spatial, int c, struct error *error);

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
    /* y = x / (1 - rate) where a Philox draw keyed (seed, PHILOX_DROPOUT, step, (first + element) / 4) keeps it, else
     * 0; the backward pass is the same call on the gradient. y may be x. `first` is a multiple of 4. */
    int (*dropout)(struct backend *, const float *x, float *y, float rate, uint64_t seed, uint32_t step, uint64_t first,
                   size_t count, struct error *error);

    /* y = (x - mean) / sqrt(var + 1e-5) * weight + bias, then relu when asked; training: over rows = n * h * w */
    int (*batch_norm_forward)(struct backend *, enum dtype, const struct batch_norm *norm, const void *x, void *y,
                              bool training, bool relu, size_t rows, struct error *error);
    /* dx (+)= ...; dy is taken through the relu by the sign of y when `relu`; x is the forward's input */
    int (*batch_norm_backward)(struct backend *, enum dtype, const struct batch_norm *norm, const void *x,
                               const void *y, const void *dy, void *dx, bool relu, bool add, size_t rows,
                               struct error *error);

    /* logits (n, classes), labels (n): dlogits (n, classes) = gradient of loss_scale * sum of the losses (NULL: not
     * wanted); loss with target (1 - smoothing) * onehot + smoothing / classes; result is added to when `add` */
    int (*softmax_cross_entropy)(struct backend *, const float *logits, const uint8_t *labels, float smoothing,
                                 float loss_scale, float *dlogits, struct loss_result *result, bool add, int n,
                                 int classes, struct error *error);

    /* Order: AGC on the raw gradients, then weight decay, momentum, Nesterov, step, EMA (PyTorch's SGD conventions:
     * v = m v + g; step by g + m v with Nesterov, else by v). */
    int (*update)(struct backend *, const struct update_parameter *parameters, int count,
                  const struct update_options *options, struct update_result *result, struct error *error);

    /* Per channel of x (rows, c): mean and biased variance, in fp32 out (2, c); *finite = 0 if some value is not. */
    int (*channel_moments)(struct backend *, enum dtype, const void *x, size_t rows, int c, float *moments, int *finite,
                           struct error *error);
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
