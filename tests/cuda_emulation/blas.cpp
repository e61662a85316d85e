/* cuBLASLt's products on the CPU: what they read and write is checked against the allocations, the workspace is spoilt
 * as a real product would, and sums go from the first k to the last. */
#include "tests/cuda_emulation/machine.h"

#include <cublasLt.h>
#include <hardware.h>

#include <stdio.h>
#include <stdlib.h>

enum { WORKSPACE_BYTES = 64 << 10, USUAL_ALIGNMENT = 256 };

struct emulation_blas {
    int unused;
};

struct emulation_matmul {
    int32_t transpose_a, transpose_b;
    uint32_t epilogue;
    const void *bias;
    cublasComputeType_t compute;
};

struct emulation_layout {
    cudaDataType_t type;
    uint64_t rows, columns;
    int64_t leading;
};

struct emulation_preference {
    uint64_t workspace;
    uint32_t reductions, alignment[4];
};

static bool refuses;

void emulation_blas_refuse(bool refuse)
{
    refuses = refuse;
}

static const struct {
    cublasStatus_t status;
    const char *name;
} names[] = {
    {CUBLAS_STATUS_SUCCESS, "CUBLAS_STATUS_SUCCESS"},
    {CUBLAS_STATUS_NOT_INITIALIZED, "CUBLAS_STATUS_NOT_INITIALIZED"},
    {CUBLAS_STATUS_ALLOC_FAILED, "CUBLAS_STATUS_ALLOC_FAILED"},
    {CUBLAS_STATUS_INVALID_VALUE, "CUBLAS_STATUS_INVALID_VALUE"},
    {CUBLAS_STATUS_EXECUTION_FAILED, "CUBLAS_STATUS_EXECUTION_FAILED"},
    {CUBLAS_STATUS_NOT_SUPPORTED, "CUBLAS_STATUS_NOT_SUPPORTED"},
};

const char *cublasLtGetStatusName(cublasStatus_t status)
{
    for (const auto &row : names)
        if (row.status == status)
            return row.name;
    return "CUBLAS_STATUS_UNKNOWN";
}

const char *cublasLtGetStatusString(cublasStatus_t status)
{
    return cublasLtGetStatusName(status);
}

size_t cublasLtGetVersion()
{
    return 130000;
}

template <typename T> static cublasStatus_t create(T **out)
{
    *out = (T *)calloc(1, sizeof **out);
    return *out ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_ALLOC_FAILED;
}

template <typename T> static cublasStatus_t set(T *to, const void *value, size_t bytes)
{
    if (bytes != sizeof *to)
        return CUBLAS_STATUS_INVALID_VALUE;
    memcpy(to, value, bytes);
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t destroy(void *object)
{
    free(object);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtCreate(cublasLtHandle_t *out)
{
    return machine.devices ? create(out) : CUBLAS_STATUS_NOT_INITIALIZED;
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle)
{
    return destroy(handle);
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *out, cublasComputeType_t compute, cudaDataType_t scale)
{
    const cublasStatus_t status = scale == CUDA_R_32F ? create(out) : CUBLAS_STATUS_NOT_SUPPORTED;
    if (status == CUBLAS_STATUS_SUCCESS) {
        (*out)->epilogue = CUBLASLT_EPILOGUE_DEFAULT;
        (*out)->compute = compute;
    }
    return status;
}

cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t description)
{
    return destroy(description);
}

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t description,
                                              cublasLtMatmulDescAttributes_t attribute, const void *value, size_t bytes)
{
    switch (attribute) {
    case CUBLASLT_MATMUL_DESC_TRANSA:
        return set(&description->transpose_a, value, bytes);
    case CUBLASLT_MATMUL_DESC_TRANSB:
        return set(&description->transpose_b, value, bytes);
    case CUBLASLT_MATMUL_DESC_EPILOGUE:
        return set(&description->epilogue, value, bytes);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
        return set(&description->bias, value, bytes);
    }
    return CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *out, cudaDataType_t type, uint64_t rows,
                                          uint64_t columns, int64_t leading)
{
    if (rows == 0 || columns == 0 || leading < (int64_t)rows)
        return CUBLAS_STATUS_INVALID_VALUE;
    const cublasStatus_t status = create(out);
    if (status == CUBLAS_STATUS_SUCCESS)
        **out = {type, rows, columns, leading};
    return status;
}

cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout)
{
    return destroy(layout);
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *out)
{
    const cublasStatus_t status = create(out);
    if (status == CUBLAS_STATUS_SUCCESS)
        **out = {
            0, CUBLASLT_REDUCTION_SCHEME_MASK, {USUAL_ALIGNMENT, USUAL_ALIGNMENT, USUAL_ALIGNMENT, USUAL_ALIGNMENT}};
    return status;
}

cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference)
{
    return destroy(preference);
}

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t attribute, const void *value,
                                                    size_t bytes)
{
    if (attribute == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES)
        return set(&preference->workspace, value, bytes);
    if (attribute == CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK)
        return set(&preference->reductions, value, bytes);
    if (attribute >= CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES &&
        attribute <= CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES)
        return set(&preference->alignment[attribute - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES], value, bytes);
    return CUBLAS_STATUS_INVALID_VALUE;
}

/* ---- Products ---- */

/* op(A) (m, k), op(B) (k, n), D (m, n) */
struct sizes {
    uint64_t m, n, k;
};

static bool sizes_of(const struct emulation_matmul *description, const struct emulation_layout *a,
                     const struct emulation_layout *b, const struct emulation_layout *c,
                     const struct emulation_layout *d, struct sizes *out)
{
    const bool ta = description->transpose_a == CUBLAS_OP_T, tb = description->transpose_b == CUBLAS_OP_T;
    *out = {ta ? a->columns : a->rows, tb ? b->rows : b->columns, ta ? a->rows : a->columns};
    return (tb ? b->columns : b->rows) == out->k && d->rows == out->m && d->columns == out->n && c->rows == d->rows &&
           c->columns == d->columns && a->type == b->type && c->type == d->type;
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t description,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int wanted,
                                              cublasLtMatmulHeuristicResult_t *results, int *found)
{
    struct sizes sizes;
    *found = 0;
    if (!handle || wanted < 1 || !sizes_of(description, a, b, c, d, &sizes))
        return CUBLAS_STATUS_INVALID_VALUE;
    if (refuses || (a->type == CUDA_R_32F && d->type != CUDA_R_32F))
        return CUBLAS_STATUS_NOT_SUPPORTED;
    const size_t workspace = min((size_t)preference->workspace, (size_t)WORKSPACE_BYTES);
    results[0] = {{workspace, {}}, workspace, CUBLAS_STATUS_SUCCESS, 1.0f};
    memcpy(results[0].algo.alignment, preference->alignment, sizeof preference->alignment);
    *found = 1;
    return CUBLAS_STATUS_SUCCESS;
}

struct matmul_call {
    struct sizes sizes;
    struct emulation_matmul description;
    struct emulation_layout a, b, c, d;
    float alpha, beta;
    const void *pa, *pb, *pc;
    void *pd, *workspace;
    size_t workspace_bytes;
};

static float load(cudaDataType_t type, const void *matrix, uint64_t at)
{
    return type == CUDA_R_32F ? ((const float *)matrix)[at] : to_float(((const bf16 *)matrix)[at]);
}

static void store(cudaDataType_t type, void *matrix, uint64_t at, float value)
{
    if (type == CUDA_R_32F)
        ((float *)matrix)[at] = value;
    else
        ((bf16 *)matrix)[at] = from_float<bf16>(value);
}

/* op(matrix) as floats, or as what TF32 keeps of them; columns contiguous. */
static float *unpack(const struct emulation_layout *layout, const void *matrix, bool transposed,
                     cublasComputeType_t compute)
{
    float *out = (float *)malloc(layout->rows * layout->columns * sizeof *out);
    if (!out)
        emulation_report("out of the host's memory");
    for (uint64_t j = 0; j < layout->columns; j++)
        for (uint64_t i = 0; i < layout->rows; i++)
            out[transposed ? i * layout->columns + j : j * layout->rows + i] =
                load(layout->type, matrix, j * (uint64_t)layout->leading + i);
    for (uint64_t i = 0; compute == CUBLAS_COMPUTE_32F_FAST_TF32 && i < layout->rows * layout->columns; i++)
        out[i] = __uint_as_float(to_tf32(out[i]));
    return out;
}

static void run_matmul(const void *data)
{
    const struct matmul_call *call = (const struct matmul_call *)data;
    const struct sizes s = call->sizes;
    if (call->workspace)
        memset(call->workspace, POISON, call->workspace_bytes);
    float *a = unpack(&call->a, call->pa, call->description.transpose_a == CUBLAS_OP_T, call->description.compute);
    float *b = unpack(&call->b, call->pb, call->description.transpose_b == CUBLAS_OP_T, call->description.compute);
    float *column = (float *)malloc(s.m * sizeof *column);
    if (!column)
        emulation_report("out of the host's memory");
    for (uint64_t j = 0; j < s.n; j++) {
        memset(column, 0, s.m * sizeof *column);
        for (uint64_t k = 0; k < s.k; k++)
            for (uint64_t i = 0; i < s.m; i++)
                column[i] += a[k * s.m + i] * b[j * s.k + k];
        for (uint64_t i = 0; i < s.m; i++) {
            float value = call->alpha * column[i];
            if (call->beta != 0.0f)
                value += call->beta * load(call->c.type, call->pc, j * (uint64_t)call->c.leading + i);
            if (call->description.epilogue & CUBLASLT_EPILOGUE_BIAS)
                value += load(call->d.type, call->description.bias, i);
            if (call->description.epilogue & CUBLASLT_EPILOGUE_RELU)
                value = value > 0.0f ? value : 0.0f;
            store(call->d.type, call->pd, j * (uint64_t)call->d.leading + i, value);
        }
    }
    free(a);
    free(b);
    free(column);
}

static size_t bytes_of(const struct emulation_layout *layout)
{
    const size_t elements = (size_t)layout->leading * (layout->columns - 1) + layout->rows;
    return elements * (layout->type == CUDA_R_32F ? 4 : 2);
}

static void check_operand(const char *name, const void *pointer, size_t bytes, uint32_t alignment)
{
    if (!memory_is_device(pointer, bytes))
        emulation_report("cublasLtMatmul: %s (%zu bytes at %p) is not in device memory", name, bytes, pointer);
    if ((uintptr_t)pointer % alignment)
        emulation_report("cublasLtMatmul: %s at %p has not the alignment of %u bytes that the algorithm was chosen for",
                         name, pointer, alignment);
}

static void check_operands(const struct matmul_call *call, const cublasLtMatmulAlgo_t *algorithm)
{
    check_operand("A", call->pa, bytes_of(&call->a), algorithm->alignment[0]);
    check_operand("B", call->pb, bytes_of(&call->b), algorithm->alignment[1]);
    if (call->beta != 0.0f)
        check_operand("C", call->pc, bytes_of(&call->c), algorithm->alignment[2]);
    check_operand("D", call->pd, bytes_of(&call->d), algorithm->alignment[3]);
    if (call->description.epilogue & CUBLASLT_EPILOGUE_BIAS)
        check_operand("the bias", call->description.bias, call->sizes.m * (call->d.type == CUDA_R_32F ? 4 : 2), 4);
    const char *d = (const char *)call->pd, *inputs[2] = {(const char *)call->pa, (const char *)call->pb};
    const size_t bytes[2] = {bytes_of(&call->a), bytes_of(&call->b)};
    for (int i = 0; i < 2; i++)
        if (d < inputs[i] + bytes[i] && inputs[i] < d + bytes_of(&call->d))
            emulation_report("cublasLtMatmul: D overlaps %c", "AB"[i]);
}

static void destroy_call(void *data)
{
    free(data);
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t description, const void *alpha,
                              const void *a, cublasLtMatrixLayout_t a_layout, const void *b,
                              cublasLtMatrixLayout_t b_layout, const void *beta, const void *c,
                              cublasLtMatrixLayout_t c_layout, void *d, cublasLtMatrixLayout_t d_layout,
                              const cublasLtMatmulAlgo_t *algorithm, void *workspace, size_t workspace_bytes,
                              cudaStream_t stream)
{
    struct sizes sizes;
    if (!handle || !sizes_of(description, a_layout, b_layout, c_layout, d_layout, &sizes) ||
        workspace_bytes < algorithm->workspace ||
        (algorithm->workspace && !memory_is_device(workspace, workspace_bytes)))
        return CUBLAS_STATUS_INVALID_VALUE;
    struct matmul_call *call;
    if (create(&call) != CUBLAS_STATUS_SUCCESS)
        return CUBLAS_STATUS_ALLOC_FAILED;
    *call = {sizes,
             *description,
             *a_layout,
             *b_layout,
             *c_layout,
             *d_layout,
             *(const float *)alpha,
             *(const float *)beta,
             a,
             b,
             c,
             d,
             workspace,
             algorithm->workspace};
    check_operands(call, algorithm);
    return stream_queue_call(stream, {run_matmul, destroy_call, call}) == cudaSuccess ? CUBLAS_STATUS_SUCCESS
                                                                                      : CUBLAS_STATUS_EXECUTION_FAILED;
}
