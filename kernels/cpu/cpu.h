/* Internal header of the CPU back end: its state, how work is spread over threads, and the functions behind the slots
 * of `struct backend` (kernels/kernels.h says what each computes). One .c file an op family. */
#ifndef NFBENCH_KERNELS_CPU_CPU_H
#define NFBENCH_KERNELS_CPU_CPU_H

#include "kernels/kernels.h"

/* Reductions keep their partial results here; a slot uses it only while it runs. */
enum { CPU_SCRATCH_BYTES = 1 << 20 };

/* Lists of rows (standardisation, update) are always cut into so many slices, whatever the number of threads. */
enum { CPU_SLICES = 64 };

struct cpu_backend {
    struct backend backend; /* first: a slot's `struct backend *` is also this struct's address */
    void *conv_state;       /* conv.c's engine and stream, between cpu_conv_open and cpu_conv_close */
    void *scratch;          /* CPU_SCRATCH_BYTES */
    uint64_t posted;        /* posts so far */
    char posts[POST_SLOTS][POST_BYTES];
};

static inline void *cpu_scratch(struct backend *backend)
{
    return ((struct cpu_backend *)backend)->scratch;
}

/* Calls function(arguments, begin, end) for the ranges [0, grain), [grain, 2 * grain), ... of `count` items, each
 * thread taking a contiguous run of ranges. The ranges do not depend on the number of threads, so neither do the
 * results. `work` is the number of elements an item stands for: little work stays on the calling thread. */
typedef void cpu_range_function(const void *arguments, size_t begin, size_t end);
void cpu_parallel(struct backend *backend, size_t count, size_t grain, size_t work, cpu_range_function *function,
                  const void *arguments);

/* The rows [first, last) of a matrix that slice `slice` owns, when the matrix begins at element `base` of a list with
 * `total` elements in all and a row is `row_length` long. A row belongs to the slice in which it begins. */
struct cpu_row_range {
    size_t first, last;
};
struct cpu_row_range cpu_slice_rows(size_t base, size_t rows, size_t row_length, size_t total, size_t slice);
/* The same in a walk through the list: moves `base`, 0 at first, behind the matrix. */
struct cpu_row_range cpu_next_rows(size_t *base, int rows, int row_length, size_t total, size_t slice);

/* backend.c */
int cpu_allocate(struct backend *backend, size_t bytes, void **out, struct error *error);
void cpu_release(struct backend *backend, void *pointer);

/* conv.c. `cpu_conv_close` may be called after a failed `cpu_conv_open`. */
int cpu_conv_open(struct cpu_backend *backend, struct error *error);
void cpu_conv_close(struct cpu_backend *backend);
int cpu_conv_create(struct backend *backend, const struct conv_shape *shape, struct conv **out, struct error *error);
void cpu_conv_destroy(struct backend *backend, struct conv *conv);
/* weights (cout, cin / groups, k, k) fp32 -> the packed forms; packed_backward may be NULL when not wanted */
int cpu_conv_pack(struct backend *backend, struct conv *conv, const float *weights, void *packed_forward,
                  void *packed_backward, void *scratch, struct error *error);
int cpu_conv_forward(struct backend *backend, struct conv *conv, const void *x, const void *packed_forward,
                     const float *bias, void *y, void *y_relu, void *scratch, struct error *error);
int cpu_conv_backward_data(struct backend *backend, struct conv *conv, const void *x, const void *dy,
                           const void *packed_backward, void *dx, void *scratch, struct error *error);
int cpu_conv_backward_weights(struct backend *backend, struct conv *conv, const void *x, const void *dy,
                              float *weight_gradient, float *bias_gradient, bool add, void *scratch,
                              struct error *error);

/* conv_bias.c: bytes of scratch, and the sums over the rows of dy, added to bias_gradient (cout) when `add` */
size_t cpu_bias_scratch(const struct conv_shape *shape);
void cpu_bias_gradient(struct backend *backend, const struct conv *conv, const void *dy, float *bias_gradient, bool add,
                       void *scratch);

/* weights.c */
int cpu_weights_create(struct backend *backend, const struct ws_layer *layers, int count, struct weights **out,
                       struct error *error);
void cpu_weights_destroy(struct backend *backend, struct weights *weights);
int cpu_weights_prepare(struct backend *backend, struct weights *weights, void *scratch, struct error *error);
int cpu_weights_backward(struct backend *backend, struct weights *weights, struct error *error);

/* activation.c */
int cpu_activation_forward(struct backend *backend, enum activation activation, enum dtype dtype, const void *x,
                           void *y, size_t count, struct error *error);
int cpu_activation_backward(struct backend *backend, enum activation activation, enum dtype dtype, const void *x,
                            const void *dy, void *dx, bool add, size_t count, struct error *error);

/* pool.c */
int cpu_average_pool_forward(struct backend *backend, enum dtype dtype, const void *x, void *y, int n, int h, int w,
                             int c, struct error *error);
int cpu_average_pool_backward(struct backend *backend, enum dtype dtype, const void *relu_x, const void *dy, void *dx,
                              bool add, int n, int h, int w, int c, struct error *error);
int cpu_global_pool_forward(struct backend *backend, enum dtype dtype, const void *x, float *y, float scale, int n,
                            int spatial, int c, struct error *error);
int cpu_global_pool_backward(struct backend *backend, enum dtype dtype, const void *relu_x, const float *dy, void *dx,
                             float scale, bool add, int n, int spatial, int c, struct error *error);

/* residual.c */
int cpu_residual_add_forward(struct backend *backend, enum dtype dtype, void *x, const void *branch,
                             const struct residual_gate *gate, int n, int spatial, int c, struct error *error);
int cpu_residual_add_backward(struct backend *backend, enum dtype dtype, const void *dx, const void *branch,
                              const struct residual_gate *gate, void *dbranch, float *dchannel, float *dskip_gain,
                              bool add, float *scratch, int n, int spatial, int c, struct error *error);

/* gate.c */
int cpu_gate_forward(struct backend *backend, const float *x, float *y, size_t count, struct error *error);
int cpu_gate_backward(struct backend *backend, const float *y, const float *dy, float *dx, size_t count,
                      struct error *error);
int cpu_dropout(struct backend *backend, const float *x, float *y, float rate, uint64_t seed,
                const struct step_values *values, uint64_t first, size_t count, struct error *error);
int cpu_drop_path(struct backend *backend, float *gates, float rate, uint64_t seed, const struct step_values *values,
                  int block, uint64_t first, int n, struct error *error);

/* batch_norm.c */
int cpu_batch_norm_forward(struct backend *backend, enum dtype dtype, const struct batch_norm *norm, const void *x,
                           void *y, bool training, bool relu, size_t rows, struct error *error);
int cpu_batch_norm_backward(struct backend *backend, enum dtype dtype, const struct batch_norm *norm, const void *x,
                            const void *y, const void *dy, void *dx, bool relu, bool add, size_t rows,
                            struct error *error);

/* statistics.c */
int cpu_statistics(struct backend *backend, enum dtype dtype, const void *x, size_t rows, int c, float *out,
                   uint32_t *counts, int *finite, struct error *error);

/* loss.c */
int cpu_softmax_cross_entropy(struct backend *backend, const float *logits, const struct loss_target *target,
                              float loss_scale, float *dlogits, struct loss_result *result, bool add, int n,
                              int classes, struct error *error);

/* update.c */
int cpu_updater_create(struct backend *backend, const struct update_parameter *parameters, int count,
                       struct updater **out, struct error *error);
void cpu_updater_destroy(struct backend *backend, struct updater *updater);
int cpu_update(struct backend *backend, struct updater *updater, const struct step_values *values,
               struct step_report *report, struct error *error);
int cpu_copy_unless_halted(struct backend *backend, const struct step_report *report, const float *from, float *to,
                           size_t count, struct error *error);
int cpu_unit_squares(struct backend *backend, struct updater *updater, float *out, struct error *error);

/* convert.c */
int cpu_convert(struct backend *backend, enum dtype from, const void *x, enum dtype to, void *y, size_t count,
                struct error *error);

#endif
