/* 1x1 convolutions and dense layers as matrix products of cuBLASLt. Descriptors, layouts and the algorithm are made
 * once: a call only sets the bias pointer and queues the product.
 *
 * cuBLAS thinks in columns: our row-major (rows, c) is its (c, rows). Results repeat to the bit: the algorithm is the
 * heuristic's first, the workspace our own, and parts of a sum may meet only in that workspace, added in order. */
#include "kernels/cuda/cuda.h"

#include <stdlib.h>

/* op(A) (m, k) times op(B) (k, n) gives D (m, n), all column-major without gaps. */
struct product {
    cudaDataType_t in, out;
    cublasComputeType_t compute;
    bool transpose_a, transpose_b;
    uint64_t m, n, k;
    cublasLtEpilogue_t epilogue;
};

struct blas_matmul {
    cublasLtMatmulDesc_t description;
    cublasLtMatrixLayout_t a, b, d;
    cublasLtMatmulAlgo_t algorithm;
};

/* All that a tensor's address promises; kernels.h promises 64 bytes, which no algorithm needs. */
static const uint32_t OPERAND_ALIGNMENT = 16;

#define BLAS_TRY(call)                                                                                                 \
    do {                                                                                                               \
        const cublasStatus_t status_ = (call);                                                                         \
        if (status_ != CUBLAS_STATUS_SUCCESS)                                                                          \
            return error_set(error, "cuBLAS: %s: %s", #call, cublasLtGetStatusString(status_));                        \
    } while (0)

static void matmul_destroy(struct blas_matmul *matmul)
{
    if (!matmul)
        return;
    if (matmul->d)
        cublasLtMatrixLayoutDestroy(matmul->d);
    if (matmul->b)
        cublasLtMatrixLayoutDestroy(matmul->b);
    if (matmul->a)
        cublasLtMatrixLayoutDestroy(matmul->a);
    if (matmul->description)
        cublasLtMatmulDescDestroy(matmul->description);
    free(matmul);
}

static int layout_create(cublasLtMatrixLayout_t *layout, cudaDataType_t type, bool transposed, uint64_t rows,
                         uint64_t columns, struct error *error)
{
    const uint64_t stored_rows = transposed ? columns : rows, stored_columns = transposed ? rows : columns;
    BLAS_TRY(cublasLtMatrixLayoutCreate(layout, type, stored_rows, stored_columns, (int64_t)stored_rows));
    return 0;
}

/* Sums in fp32; products in TF32 only where the shape allows it. */
static int describe(struct blas_matmul *matmul, const struct product *p, struct error *error)
{
    const int32_t transpose_a = p->transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N;
    const int32_t transpose_b = p->transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N;
    const uint32_t epilogue = p->epilogue;
    BLAS_TRY(cublasLtMatmulDescCreate(&matmul->description, p->compute, CUDA_R_32F));
    BLAS_TRY(cublasLtMatmulDescSetAttribute(matmul->description, CUBLASLT_MATMUL_DESC_TRANSA, &transpose_a,
                                            sizeof transpose_a));
    BLAS_TRY(cublasLtMatmulDescSetAttribute(matmul->description, CUBLASLT_MATMUL_DESC_TRANSB, &transpose_b,
                                            sizeof transpose_b));
    BLAS_TRY(
        cublasLtMatmulDescSetAttribute(matmul->description, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue));
    return layout_create(&matmul->a, p->in, p->transpose_a, p->m, p->k, error) ||
                   layout_create(&matmul->b, p->in, p->transpose_b, p->k, p->n, error) ||
                   layout_create(&matmul->d, p->out, false, p->m, p->n, error)
               ? -1
               : 0;
}

static int bias_set(struct blas_matmul *matmul, const void *bias, struct error *error)
{
    BLAS_TRY(
        cublasLtMatmulDescSetAttribute(matmul->description, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias));
    return 0;
}

static int preference_set(cublasLtMatmulPreference_t preference, size_t workspace_bytes, struct error *error)
{
    static const cublasLtMatmulPreferenceAttributes_t ALIGNMENTS[] = {
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES};
    const uint64_t workspace = workspace_bytes;
    const uint32_t reductions = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
    BLAS_TRY(cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace,
                                                  sizeof workspace));
    BLAS_TRY(cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &reductions,
                                                  sizeof reductions));
    for (size_t i = 0; i < sizeof ALIGNMENTS / sizeof *ALIGNMENTS; i++)
        BLAS_TRY(cublasLtMatmulPreferenceSetAttribute(preference, ALIGNMENTS[i], &OPERAND_ALIGNMENT,
                                                      sizeof OPERAND_ALIGNMENT));
    return 0;
}

/* Picks the algorithm; *found is false where cuBLAS has none for the product. */
static int choose_algorithm(const struct cuda_backend *cuda, struct blas_matmul *matmul, bool *found,
                            struct error *error)
{
    cublasLtMatmulPreference_t preference = NULL;
    BLAS_TRY(cublasLtMatmulPreferenceCreate(&preference));
    cublasLtMatmulHeuristicResult_t best;
    int count = 0;
    cublasStatus_t status = CUBLAS_STATUS_SUCCESS;
    const int result = preference_set(preference, cuda->blas_workspace_bytes, error);
    if (!result)
        status = cublasLtMatmulAlgoGetHeuristic(cuda->blas, matmul->description, matmul->a, matmul->b, matmul->d,
                                                matmul->d, preference, 1, &best, &count);
    cublasLtMatmulPreferenceDestroy(preference);
    if (result)
        return -1;
    *found = status == CUBLAS_STATUS_SUCCESS && count == 1 && best.state == CUBLAS_STATUS_SUCCESS;
    if (*found)
        matmul->algorithm = best.algo;
    else if (status != CUBLAS_STATUS_SUCCESS && status != CUBLAS_STATUS_NOT_SUPPORTED)
        return error_set(error, "cuBLAS: choosing an algorithm: %s", cublasLtGetStatusString(status));
    return 0;
}

/* *out is NULL where cuBLAS has no algorithm for the product. */
static int matmul_create(const struct cuda_backend *cuda, const struct product *product, struct blas_matmul **out,
                         struct error *error)
{
    struct blas_matmul *matmul = (struct blas_matmul *)calloc(1, sizeof *matmul);
    if (!matmul)
        return error_set(error, "out of memory");
    bool found = false;
    int result = describe(matmul, product, error);
    if (!result && product->epilogue != CUBLASLT_EPILOGUE_DEFAULT) /* its value tells the alignment of every bias */
        result = bias_set(matmul, (const void *)(uintptr_t)OPERAND_ALIGNMENT, error);
    if (!result)
        result = choose_algorithm(cuda, matmul, &found, error);
    if (result || !found) {
        matmul_destroy(matmul);
        matmul = NULL;
    }
    *out = matmul;
    return result;
}

/* D = op(A) op(B) + beta D */
static int matmul_run(struct cuda_backend *cuda, const struct blas_matmul *matmul, const void *a, const void *b,
                      void *d, float beta, struct error *error)
{
    const float one = 1.0f;
    BLAS_TRY(cublasLtMatmul(cuda->blas, matmul->description, &one, a, matmul->a, b, matmul->b, &beta, d, matmul->d, d,
                            matmul->d, &matmul->algorithm, cuda->blas_workspace, cuda->blas_workspace_bytes,
                            cuda->stream));
    return 0;
}

static int route_prepare(const struct cuda_backend *cuda, const struct product *product, enum cuda_route *route,
                         enum cuda_route instead, struct blas_matmul **matmul, struct error *error)
{
    if (*route != ROUTE_BLAS)
        return 0;
    if (matmul_create(cuda, product, matmul, error))
        return -1;
    if (!*matmul)
        *route = instead;
    return 0;
}

int cuda_blas_prepare(struct cuda_backend *cuda, struct cuda_conv *conv, enum cuda_route instead, struct error *error)
{
    const struct conv_shape *shape = &conv->conv.shape;
    const cudaDataType_t type = shape->dtype == DTYPE_BF16 ? CUDA_R_16BF : CUDA_R_32F;
    const uint64_t rows = (uint64_t)shape->n * (uint64_t)(shape->h * shape->w);
    const uint64_t cin = (uint64_t)shape->cin, cout = (uint64_t)shape->cout;
    const cublasLtEpilogue_t bias = shape->relu ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_BIAS;
    const cublasComputeType_t compute = shape->tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
    const struct product forward = {type, type, compute, true, false, cout, rows, cin, bias};
    const struct product data = {type, type, compute, false, false, cin, rows, cout, CUBLASLT_EPILOGUE_DEFAULT};
    const struct product weights = {type, CUDA_R_32F, compute, false, true, cin, cout, rows, CUBLASLT_EPILOGUE_DEFAULT};
    if (route_prepare(cuda, &forward, &conv->forward, instead, &conv->forward_matmul, error) ||
        route_prepare(cuda, &data, &conv->backward_data, instead, &conv->data_matmul, error) ||
        route_prepare(cuda, &weights, &conv->backward_weights, instead, &conv->weights_matmul, error))
        return -1;
    return 0;
}

void cuda_blas_release(struct cuda_conv *conv)
{
    matmul_destroy(conv->forward_matmul);
    matmul_destroy(conv->data_matmul);
    matmul_destroy(conv->weights_matmul);
}

/* Of fp32 convolutions: in its epilogue cuBLAS takes a bias of the output's type, and ours is fp32. */
int cuda_blas_forward(struct cuda_backend *cuda, const struct cuda_conv *conv, const void *x, const void *packed,
                      const float *bias, void *y, struct error *error)
{
    if (bias_set(conv->forward_matmul, bias, error))
        return -1;
    return matmul_run(cuda, conv->forward_matmul, packed, x, y, conv->conv.shape.accumulate ? 1.0f : 0.0f, error);
}

/* Masked in a pass of its own, so not for masked gradients that are added to. */
int cuda_blas_backward_data(struct cuda_backend *cuda, const struct cuda_conv *conv, const void *x, const void *dy,
                            const void *packed_forward, void *dx, struct error *error)
{
    const struct conv_shape *shape = &conv->conv.shape;
    if (matmul_run(cuda, conv->data_matmul, packed_forward, dy, dx, shape->add_dx ? 1.0f : 0.0f, error))
        return -1;
    if (!shape->relu_input)
        return 0;
    const size_t count = (size_t)shape->n * (size_t)(shape->h * shape->w * shape->cin);
    return cuda_activation_backward(&cuda->backend, ACTIVATION_RELU, shape->dtype, x, dx, dx, false, count, error);
}

int cuda_blas_backward_weights(struct cuda_backend *cuda, const struct cuda_conv *conv, const void *x, const void *dy,
                               float *weight_gradient, bool add, struct error *error)
{
    return matmul_run(cuda, conv->weights_matmul, x, dy, weight_gradient, add ? 1.0f : 0.0f, error);
}
