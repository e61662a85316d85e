/* What the emulated GPU promises of cuBLASLt: products by their definition, and no less alignment than was promised. */
#include "tests/cuda/report.h"
#include "tests/cuda_emulation/emulation.h"

#include <cublasLt.h>
#include <hardware.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
extern "C" {
#include <cmocka.h>
}

#define OK(call) assert_int_equal(call, cudaSuccess)

static int reset(void **)
{
    return emulation_allocated() == 0 && cudaGetLastError() == cudaSuccess ? 0 : -1;
}

enum { M = 5, N = 3, K = 4 };

struct product {
    cudaDataType_t in, out;
    bool transpose_a, transpose_b;
    uint32_t epilogue;
    float beta;
    uint32_t alignment;
    size_t offset; /* of A from an aligned address, in bytes */
};

/* Small whole numbers: exact in bf16. */
static float element(int matrix, int row, int column)
{
    return (float)((row * 3 + column * 5 + matrix * 7) % 9 - 4);
}

static void *upload(cudaDataType_t type, int matrix, int rows, int columns, bool transposed, size_t offset)
{
    char *device = NULL, host[256];
    const size_t size = type == CUDA_R_32F ? 4 : 2;
    for (int j = 0; j < columns; j++)
        for (int i = 0; i < rows; i++) {
            const float value = element(matrix, i, j);
            const bf16 half = from_float<bf16>(value);
            memcpy(host + (size_t)(transposed ? i * columns + j : j * rows + i) * size,
                   type == CUDA_R_32F ? (const void *)&value : (const void *)&half, size);
        }
    OK(cudaMalloc(&device, (size_t)(rows * columns) * size + offset));
    OK(cudaMemcpy(device + offset, host, (size_t)(rows * columns) * size, cudaMemcpyHostToDevice));
    return device + offset;
}

static cublasLtMatrixLayout_t layout_of(cudaDataType_t type, int rows, int columns, bool transposed)
{
    cublasLtMatrixLayout_t layout;
    const uint64_t r = (uint64_t)(transposed ? columns : rows), c = (uint64_t)(transposed ? rows : columns);
    assert_int_equal(cublasLtMatrixLayoutCreate(&layout, type, r, c, (int64_t)r), CUBLAS_STATUS_SUCCESS);
    return layout;
}

/* D goes to `out` as floats. */
static void multiply(const struct product *p, float out[M * N])
{
    cublasLtHandle_t handle;
    cublasLtMatmulDesc_t description;
    cublasLtMatmulPreference_t preference;
    cublasLtMatmulHeuristicResult_t best;
    const int32_t ta = p->transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N, tb = p->transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N;
    const uint64_t workspace_bytes = 4096;
    const float alpha = 2.0f;
    int found = 0;
    char *a = (char *)upload(p->in, 0, M, K, p->transpose_a, p->offset), *workspace = NULL;
    void *b = upload(p->in, 1, K, N, p->transpose_b, 0), *d = upload(p->out, 2, M, N, false, 0);
    const void *bias = upload(p->out, 3, M, 1, false, 0);
    OK(cudaMalloc(&workspace, workspace_bytes));
    cublasLtMatrixLayout_t la = layout_of(p->in, M, K, p->transpose_a), lb = layout_of(p->in, K, N, p->transpose_b);
    cublasLtMatrixLayout_t ld = layout_of(p->out, M, N, false);
    cublasLtCreate(&handle);
    cublasLtMatmulDescCreate(&description, CUBLAS_COMPUTE_32F, CUDA_R_32F);
    cublasLtMatmulDescSetAttribute(description, CUBLASLT_MATMUL_DESC_TRANSA, &ta, sizeof ta);
    cublasLtMatmulDescSetAttribute(description, CUBLASLT_MATMUL_DESC_TRANSB, &tb, sizeof tb);
    cublasLtMatmulDescSetAttribute(description, CUBLASLT_MATMUL_DESC_EPILOGUE, &p->epilogue, sizeof p->epilogue);
    cublasLtMatmulDescSetAttribute(description, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias);
    cublasLtMatmulPreferenceCreate(&preference);
    cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace_bytes,
                                         sizeof workspace_bytes);
    cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, &p->alignment,
                                         sizeof p->alignment);
    assert_int_equal(cublasLtMatmulAlgoGetHeuristic(handle, description, la, lb, ld, ld, preference, 1, &best, &found),
                     CUBLAS_STATUS_SUCCESS);
    assert_int_equal(found, 1);
    assert_int_equal(cublasLtMatmul(handle, description, &alpha, a, la, b, lb, &p->beta, d, ld, d, ld, &best.algo,
                                    workspace, workspace_bytes, 0),
                     CUBLAS_STATUS_SUCCESS);
    char host[M * N * 4];
    OK(cudaMemcpy(host, d, M * N * (p->out == CUDA_R_32F ? 4 : 2), cudaMemcpyDeviceToHost));
    for (int i = 0; i < M * N; i++)
        out[i] = p->out == CUDA_R_32F ? ((const float *)(void *)host)[i] : to_float(((const bf16 *)(void *)host)[i]);
    cublasLtMatmulPreferenceDestroy(preference);
    cublasLtMatmulDescDestroy(description);
    cublasLtMatrixLayoutDestroy(la);
    cublasLtMatrixLayoutDestroy(lb);
    cublasLtMatrixLayoutDestroy(ld);
    cublasLtDestroy(handle);
    OK(cudaFree(a - p->offset));
    OK(cudaFree(b));
    OK(cudaFree(d));
    OK(cudaFree((void *)bias));
    OK(cudaFree(workspace));
}

static void matrix_products_are_their_definition(void **)
{
    for (int variant = 0; variant < 48; variant++) {
        static const uint32_t epilogues[] = {CUBLASLT_EPILOGUE_DEFAULT, CUBLASLT_EPILOGUE_BIAS,
                                             CUBLASLT_EPILOGUE_RELU_BIAS, CUBLASLT_EPILOGUE_RELU};
        struct product p = {};
        p.in = variant % 3 ? CUDA_R_16BF : CUDA_R_32F;
        p.out = variant % 3 == 1 ? CUDA_R_16BF : CUDA_R_32F;
        p.transpose_a = variant / 3 % 2;
        p.transpose_b = variant / 6 % 2;
        p.epilogue = epilogues[variant / 12];
        p.beta = variant % 2 ? 1.0f : 0.0f;
        p.alignment = 16;
        float got[M * N];
        multiply(&p, got);
        for (int i = 0; i < M; i++)
            for (int j = 0; j < N; j++) {
                float sum = 0.0f;
                for (int k = 0; k < K; k++)
                    sum += 2.0f * element(0, i, k) * element(1, k, j);
                sum += p.beta * element(2, i, j) + (p.epilogue & CUBLASLT_EPILOGUE_BIAS ? element(3, i, 0) : 0.0f);
                sum = p.epilogue & CUBLASLT_EPILOGUE_RELU && sum < 0.0f ? 0.0f : sum;
                assert_true(got[j * M + i] == sum);
            }
    }
}

static void multiply_misaligned(void *data)
{
    float out[M * N];
    multiply((const struct product *)data, out);
}

static void less_alignment_than_promised_is_reported(void **)
{
    struct product p = {CUDA_R_32F, CUDA_R_32F, false, false, CUBLASLT_EPILOGUE_DEFAULT, 0.0f, 16, 8};
    EXPECT_REPORT(multiply_misaligned, &p, "cublasLtMatmul: A at", "has not the alignment of 16 bytes");
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(matrix_products_are_their_definition, reset),
        cmocka_unit_test_teardown(less_alignment_than_promised_is_reported, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
