/* Internal header of the CUDA back end: its state, checks and the functions behind the slots of `struct backend`
 * (kernels/kernels.h says what each computes). One .cu file an op family, of the same name as its CPU twin.
 *
 * All work goes to one stream. Reductions go over fixed trees, without atomics. A slot only launches: it neither waits
 * nor allocates, so that a step can be captured; what it needs beyond its arguments lies in `scratch` while it runs. */
#ifndef NFBENCH_KERNELS_CUDA_CUDA_H
#define NFBENCH_KERNELS_CUDA_CUDA_H

#include <hardware.h>

#include <cublasLt.h>

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

extern "C" {
#include "kernels/cuda.h"
}

/* Reductions keep their partial results here; a slot uses it only while it runs. */
enum { CUDA_SCRATCH_BYTES = 4 << 20 };

struct cuda_posts;
struct ncclComm;

struct cuda_backend {
    struct backend backend; /* first: a slot's `struct backend *` is also this struct's address */
    cudaStream_t stream;
    struct cuda_device device;
    size_t shared_most; /* bytes of shared memory a block may ask for */
    cublasLtHandle_t blas;
    void *blas_workspace; /* cuBLAS's own, so that it allocates nothing and its results repeat */
    size_t blas_workspace_bytes;
    void *scratch;            /* CUDA_SCRATCH_BYTES, device memory */
    struct cuda_posts *posts; /* backend.cu: pinned slots of `post`, and staging for small copies */
    struct ncclComm *ranks;   /* NCCL's, of the processes that it trains with; NULL: alone */
};

/* ranks_*.cu: fills in the slots of that name where this build has them; leaves the others. */
void cuda_ranks_offer(struct backend *backend);
void cuda_ranks_leave(struct cuda_backend *cuda);

/* Makes GPU `index` the calling thread's own: CUDA keeps one for each thread, at first number 0. */
cudaError_t cuda_use(int index);

/* What a slot was called for, with its GPU as this thread's. Should that fail, the call that follows says so. */
static inline struct cuda_backend *cuda_of(struct backend *backend)
{
    struct cuda_backend *cuda = (struct cuda_backend *)backend;
    (void)cuda_use(cuda->device.index);
    return cuda;
}

/* Sets the message "STATEMENT: CUDA's words" and returns -1. */
int cuda_failed(struct error *error, const char *statement, cudaError_t code);

/* Returns -1 from the function around it when a call of CUDA's runtime fails. */
#define CUDA_TRY(call)                                                                                                 \
    do {                                                                                                               \
        const cudaError_t code_ = (call);                                                                              \
        if (code_ != cudaSuccess)                                                                                      \
            return cuda_failed(error, #call, code_);                                                                   \
    } while (0)

/* Launches on the back end's stream; returns -1 from the function around it when the launch is refused. Needs `cuda`
 * (struct cuda_backend *) and `error` in scope. */
#define CUDA_LAUNCH(kernel, grid, block, shared_bytes, ...)                                                            \
    do {                                                                                                               \
        LAUNCH(kernel, grid, block, shared_bytes, cuda->stream, __VA_ARGS__);                                          \
        const cudaError_t code_ = cudaGetLastError();                                                                  \
        if (code_ != cudaSuccess)                                                                                      \
            return cuda_failed(error, "launch of " #kernel, code_);                                                    \
    } while (0)

/* Raises a kernel's limit of shared memory where `bytes` is over the 48 KB that need no asking; for *_create functions.
 */
#define CUDA_ALLOW_SHARED(kernel, bytes)                                                                               \
    do {                                                                                                               \
        if ((bytes) > 48 * 1024)                                                                                       \
            CUDA_TRY(cudaFuncSetAttribute((const void *)(kernel), cudaFuncAttributeMaxDynamicSharedMemorySize,         \
                                          (int)(bytes)));                                                              \
    } while (0)

static inline unsigned cuda_ceil_div(size_t count, size_t per)
{
    return (unsigned)((count + per - 1) / per);
}

/* ---- Convolution ---- */

/* Who computes what. MMA: implicit GEMM on tensor cores (sm_80 and later; groups 1; bf16 with cin and cout multiples of
 * 8, fp32 where TF32 will do with multiples of 4). BLAS: cuBLASLt (1x1, stride 1, groups 1). PLAIN: implicit GEMM on
 * the ordinary cores, any shape and dtype, fp32 in full. */
enum cuda_route { ROUTE_PLAIN, ROUTE_MMA, ROUTE_BLAS, ROUTE_NONE };

struct blas_matmul; /* conv_blas.cu: a matrix product's descriptors and algorithm, made once */

/* `conv` as the engine sees it, and the routes. Packed weights are the same for all routes, of shape.dtype:
 * forward (cout, k, k, cin / groups); backward, only where backward_data goes by MMA: (cin, k, k, cout) with both
 * spatial axes reversed, so that the input gradient of stride 1 is a forward convolution of dy. */
struct cuda_conv {
    struct conv conv; /* first */
    enum cuda_route forward, backward_data, backward_weights;
    struct blas_matmul *forward_matmul, *data_matmul, *weights_matmul; /* NULL off the BLAS route */
    int weight_splits; /* backward_weights: partial sums of so many parts of the positions, in scratch, added in order
                        */
};

static inline struct cuda_conv *cuda_conv_of(struct conv *conv)
{
    return (struct cuda_conv *)conv;
}

/* conv.cu: the slots, which choose the route */
int cuda_conv_create(struct backend *backend, const struct conv_shape *shape, struct conv **out, struct error *error);
void cuda_conv_destroy(struct backend *backend, struct conv *conv);
int cuda_conv_forward(struct backend *backend, struct conv *conv, const void *x, const void *packed_forward,
                      const float *bias, void *y, void *y_relu, void *scratch, struct error *error);
int cuda_conv_backward_data(struct backend *backend, struct conv *conv, const void *x, const void *dy,
                            const void *packed_backward, void *dx, void *scratch, struct error *error);
int cuda_conv_backward_weights(struct backend *backend, struct conv *conv, const void *x, const void *dy,
                               float *weight_gradient, float *bias_gradient, bool add, void *scratch,
                               struct error *error);

/* conv_plain.cu, conv_mma.cu: one route each; arguments as the slots'. `*_weights` write weight_splits partial sums
 * (weight_splits, cout, k, k, cin / groups) to `partial`, and cuda_mma_backward_weights the bias's (weight_splits,
 * cout) to `bias_partial`; conv.cu adds them in order and writes OIHW. */
int cuda_plain_forward(struct cuda_backend *cuda, const struct cuda_conv *conv, const void *x, const void *packed,
                       const float *bias, void *y, void *y_relu, struct error *error);
int cuda_plain_backward_data(struct cuda_backend *cuda, const struct cuda_conv *conv, const void *x, const void *dy,
                             const void *packed_forward, void *dx, struct error *error);
int cuda_plain_backward_weights(struct cuda_backend *cuda, const struct cuda_conv *conv, const void *x, const void *dy,
                                float *partial, struct error *error);
/* The best number of partial sums. */
int cuda_plain_splits(const struct cuda_backend *cuda, const struct conv *conv);
/* `mma_prepare` asks for the shared memory that the kernels of this shape need. `mma_splits` is the best number of
 * partial sums. */
int cuda_mma_prepare(struct cuda_backend *cuda, const struct conv_shape *shape, struct error *error);
int cuda_mma_splits(const struct cuda_backend *cuda, const struct conv_shape *shape);
int cuda_mma_forward(struct cuda_backend *cuda, const struct cuda_conv *conv, const void *x, const void *packed,
                     const float *bias, void *y, void *y_relu, struct error *error);
int cuda_mma_backward_data(struct cuda_backend *cuda, const struct cuda_conv *conv, const void *x, const void *dy,
                           const void *packed_backward, void *dx, struct error *error);
int cuda_mma_backward_weights(struct cuda_backend *cuda, const struct cuda_conv *conv, const void *x, const void *dy,
                              float *partial, float *bias_partial, struct error *error);

/* conv_blas.cu */
/* Makes what the directions that go by BLAS need; those for which cuBLAS has no algorithm go by `instead`. */
int cuda_blas_prepare(struct cuda_backend *cuda, struct cuda_conv *conv, enum cuda_route instead, struct error *error);
void cuda_blas_release(struct cuda_conv *conv);
int cuda_blas_forward(struct cuda_backend *cuda, const struct cuda_conv *conv, const void *x, const void *packed,
                      const float *bias, void *y, struct error *error);
int cuda_blas_backward_data(struct cuda_backend *cuda, const struct cuda_conv *conv, const void *x, const void *dy,
                            const void *packed_forward, void *dx, struct error *error);
/* Straight into weight_gradient (cout, cin), added to when `add`. */
int cuda_blas_backward_weights(struct cuda_backend *cuda, const struct cuda_conv *conv, const void *x, const void *dy,
                               float *weight_gradient, bool add, struct error *error);

/* ---- The other slots, a file a family ---- */

/* weights.cu */
int cuda_weights_create(struct backend *backend, const struct ws_layer *layers, int count, struct weights **out,
                        struct error *error);
void cuda_weights_destroy(struct backend *backend, struct weights *weights);
int cuda_weights_prepare(struct backend *backend, struct weights *weights, void *scratch, struct error *error);
int cuda_weights_backward(struct backend *backend, struct weights *weights, struct error *error);

/* update.cu */
int cuda_updater_create(struct backend *backend, const struct update_parameter *parameters, int count,
                        struct updater **out, struct error *error);
void cuda_updater_destroy(struct backend *backend, struct updater *updater);
int cuda_update(struct backend *backend, struct updater *updater, const struct step_values *values,
                struct step_report *report, struct error *error);
int cuda_copy_unless_halted(struct backend *backend, const struct step_report *report, const float *from, float *to,
                            size_t count, struct error *error);
int cuda_unit_squares(struct backend *backend, struct updater *updater, float *out, struct error *error);

/* activation.cu */
int cuda_activation_forward(struct backend *backend, enum activation activation, enum dtype dtype, const void *x,
                            void *y, size_t count, struct error *error);
int cuda_activation_backward(struct backend *backend, enum activation activation, enum dtype dtype, const void *x,
                             const void *dy, void *dx, bool add, size_t count, struct error *error);
int cuda_convert(struct backend *backend, enum dtype from, const void *x, enum dtype to, void *y, size_t count,
                 struct error *error);

/* pool.cu */
int cuda_average_pool_forward(struct backend *backend, enum dtype dtype, const void *x, void *y, int n, int h, int w,
                              int c, struct error *error);
int cuda_average_pool_backward(struct backend *backend, enum dtype dtype, const void *relu_x, const void *dy, void *dx,
                               bool add, int n, int h, int w, int c, struct error *error);
int cuda_global_pool_forward(struct backend *backend, enum dtype dtype, const void *x, float *y, float scale, int n,
                             int spatial, int c, struct error *error);
int cuda_global_pool_backward(struct backend *backend, enum dtype dtype, const void *relu_x, const float *dy, void *dx,
                              float scale, bool add, int n, int spatial, int c, struct error *error);

/* residual.cu */
int cuda_residual_add_forward(struct backend *backend, enum dtype dtype, void *x, const void *branch,
                              const struct residual_gate *gate, int n, int spatial, int c, struct error *error);
int cuda_residual_add_backward(struct backend *backend, enum dtype dtype, const void *dx, const void *branch,
                               const struct residual_gate *gate, void *dbranch, float *dchannel, float *dskip_gain,
                               bool add, float *scratch, int n, int spatial, int c, struct error *error);

/* gate.cu */
int cuda_gate_forward(struct backend *backend, const float *x, float *y, size_t count, struct error *error);
int cuda_gate_backward(struct backend *backend, const float *y, const float *dy, float *dx, size_t count,
                       struct error *error);
int cuda_dropout(struct backend *backend, const float *x, float *y, float rate, uint64_t seed,
                 const struct step_values *values, uint64_t first, size_t count, struct error *error);
int cuda_drop_path(struct backend *backend, float *gates, float rate, uint64_t seed, const struct step_values *values,
                   int block, uint64_t first, int n, struct error *error);

/* batch_norm.cu */
int cuda_batch_norm_forward(struct backend *backend, enum dtype dtype, const struct batch_norm *norm, const void *x,
                            void *y, bool training, bool relu, size_t rows, struct error *error);
int cuda_batch_norm_backward(struct backend *backend, enum dtype dtype, const struct batch_norm *norm, const void *x,
                             const void *y, const void *dy, void *dx, bool relu, bool add, size_t rows,
                             struct error *error);

/* loss.cu */
int cuda_softmax_cross_entropy(struct backend *backend, const float *logits, const struct loss_target *target,
                               float loss_scale, float *dlogits, struct loss_result *result, bool add, int n,
                               int classes, struct error *error);

/* statistics.cu */
int cuda_statistics(struct backend *backend, enum dtype dtype, const void *x, size_t rows, int c, float *out,
                    uint32_t *counts, int *finite, struct error *error);

/* lap.cu */
int cuda_lap(struct backend *backend, struct step_laps *laps, enum step_lap lap, struct error *error);

/* load_batch.cu */
int cuda_load_batch(struct backend *backend, const struct image_source *source, const struct step_values *values,
                    enum dtype dtype, void *images, uint8_t *labels, uint8_t *partners, int n, struct error *error);

#endif
