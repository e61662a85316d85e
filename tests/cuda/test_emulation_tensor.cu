/* What the emulated GPU promises of asynchronous copies and tensor cores, and that it finds what kernels do wrong. */
#include "tests/cuda/emulation_support.h"

/* ---- Asynchronous copies ---- */

/* Two groups of copies of 16 bytes a thread; what shared memory holds after each step goes out. */
__global__ void copy_twice(const float4 *in, float4 *out, int valid)
{
    float4 *shared = shared_memory<float4>();
    const int i = (int)threadIdx.x, count = (int)blockDim.x;
    for (int group = 0; group < 2; group++) {
        shared[group * count + i] = make_float4(9.0f, 9.0f, 9.0f, 9.0f); /* what was there before does not stay */
        cp_async_16(&shared[group * count + i], &in[group * count + i], i < valid);
        cp_async_commit();
    }
    out[i] = shared[i];
    cp_async_wait<1>();
    out[count + i] = shared[i];
    out[2 * count + i] = shared[count + i];
    cp_async_wait<0>();
    out[3 * count + i] = shared[count + i];
}

static void run_copy_twice(float got[4][32])
{
    float in[2][32];
    for (int i = 0; i < 64; i++)
        in[i / 32][i % 32] = (float)(i + 1);
    float *a = device_floats(in[0], 64), *b = device_floats(NULL, 128);
    LAUNCH(copy_twice, 1, 8, 256, 0, (const float4 *)a, (float4 *)b, 6);
    fetch(got, b, 4 * 32 * sizeof(float));
    assert_int_equal(cudaFree(a), cudaSuccess);
}

static void copies_arrive_at_the_wait_and_not_before(void **)
{
    float got[4][32];
    run_copy_twice(got);
    for (int i = 0; i < 32; i++) {
        const float first = i < 24 ? (float)(i + 1) : 0.0f, second = i < 24 ? (float)(i + 33) : 0.0f;
        assert_true(isnan(got[0][i]));
        assert_true(got[1][i] == first);
        assert_true(isnan(got[2][i]));
        assert_true(got[3][i] == second);
    }
}

__global__ void copy_wrongly(const char *in, int shared_offset, int offset, bool wait)
{
    cp_async_16(shared_memory<char>() + shared_offset, in + offset, true);
    cp_async_commit();
    if (wait)
        cp_async_wait<0>();
}

struct wrong_copy {
    int shared_offset, offset;
    bool wait;
};

static void launch_copy_wrongly(void *data)
{
    const struct wrong_copy *wrong = (const struct wrong_copy *)data;
    LAUNCH(copy_wrongly, 1, 1, 32, 0, (const char *)device_floats(NULL, 8), wrong->shared_offset, wrong->offset,
           wrong->wait);
    cudaDeviceSynchronize();
}

static void wrong_copies_are_reported(void **)
{
    struct wrong_copy forgotten = {0, 0, false}, misaligned = {0, 4, true}, shared = {8, 0, true},
                      beyond = {32, 0, true}, outside = {0, 32, true};
    EXPECT_REPORT(launch_copy_wrongly, &forgotten, "copy_wrongly", "thread (0, 0, 0)", "never waited for its cp.async");
    EXPECT_REPORT(launch_copy_wrongly, &misaligned, "not both 16-byte aligned");
    EXPECT_REPORT(launch_copy_wrongly, &shared, "not both 16-byte aligned");
    EXPECT_REPORT(launch_copy_wrongly, &beyond, "not in the block's 32 bytes of shared memory");
    EXPECT_REPORT(launch_copy_wrongly, &outside, "not in device memory");
}

static void a_missing_wait_shows(void **)
{
    float got[4][32];
    run_copy_twice(got);
    int number = site_of("copy_twice", EMULATION_COPY_WAIT); /* the first of the two */
    emulation_break(number);
    run_copy_twice(got);
    assert_true(isnan(got[1][0]));
    assert_true(got[3][0] == 33.0f);
}

/* ---- Tensor cores ---- */

/* d (16, 8) = a (16, 16) b (16, 8) by bf16, fragments by ldmatrix; b is stored (k, n). */
__global__ void multiply_bf16(const float *a, const float *b, float *d)
{
    bf16 *tile = shared_memory<bf16>(); /* a: 16 rows of 16; b: 16 rows of 8 */
    const int lane = (int)threadIdx.x;
    for (int i = lane; i < 256; i += 32)
        tile[i] = from_float<bf16>(a[i]);
    for (int i = lane; i < 128; i += 32)
        tile[256 + i] = from_float<bf16>(b[i]);
    __syncwarp();
    uint32_t fa[4], fb[4];
    float sum[4] = {1.0f, 1.0f, 1.0f, 1.0f};
    ldmatrix_x4(fa, &tile[(lane % 8 + lane / 8 % 2 * 8) * 16 + lane / 16 * 8]);
    ldmatrix_x4_transposed(fb, &tile[256 + lane % 16 * 8]);
    mma_bf16(sum, fa, fb);
    for (int i = 0; i < 4; i++)
        d[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2] = sum[i];
}

__global__ void multiply_tf32(const float *a, const float *b, float *d)
{
    const int lane = (int)threadIdx.x, row = lane / 4, k = lane % 4;
    const uint32_t fa[4] = {to_tf32(a[row * 8 + k]), to_tf32(a[(row + 8) * 8 + k]), to_tf32(a[row * 8 + k + 4]),
                            to_tf32(a[(row + 8) * 8 + k + 4])};
    const uint32_t fb[2] = {to_tf32(b[k * 8 + row]), to_tf32(b[(k + 4) * 8 + row])};
    float sum[4] = {1.0f, 1.0f, 1.0f, 1.0f};
    mma_tf32(sum, fa, fb);
    for (int i = 0; i < 4; i++)
        d[(row + i / 2 * 8) * 8 + k * 2 + i % 2] = sum[i];
}

/* Whole numbers, exact in bf16 and TF32. */
static void check_product(int depth, void (*kernel)(const float *, const float *, float *))
{
    float a[256], b[128], got[128];
    for (int i = 0; i < 16 * depth; i++)
        a[i] = (float)(i * 7 % 23 - 11);
    for (int i = 0; i < depth * 8; i++)
        b[i] = (float)(i * 5 % 19 - 9);
    float *da = device_floats(a, 16 * depth), *db = device_floats(b, 8 * depth), *dd = device_floats(NULL, 128);
    LAUNCH(kernel, 1, 32, 1024, 0, da, db, dd);
    fetch(got, dd, sizeof got);
    for (int i = 0; i < 128; i++) {
        float expected = 1.0f;
        for (int k = 0; k < depth; k++)
            expected += a[i / 8 * depth + k] * b[k * 8 + i % 8];
        assert_true(got[i] == expected);
    }
    assert_int_equal(cudaFree(da), cudaSuccess);
    assert_int_equal(cudaFree(db), cudaSuccess);
}

static void tensor_cores_multiply_in_the_documented_layout(void **)
{
    check_product(16, multiply_bf16);
    check_product(8, multiply_tf32);
}

static void bf16_rounds_to_nearest_even(void **)
{
    static const uint32_t cases[][2] = {{0x3f808000, 0x3f80}, {0x3f818000, 0x3f82}, {0x3f808001, 0x3f81},
                                        {0x7f7fffff, 0x7f80}, {0x7f800001, 0x7fff}, {0x80000001, 0x8000}};
    for (const auto &c : cases)
        assert_int_equal(from_float<bf16>(__uint_as_float(c[0])).bits, c[1]);
    assert_int_equal(pack_bf16(1.0f, -2.0f), 0xc0003f80u);
    assert_true(to_float(bf16{0xc000}) == -2.0f);
    assert_int_equal(to_tf32(__uint_as_float(0x3f801000)), 0x3f802000); /* ties away from zero */
    assert_int_equal(to_tf32(__uint_as_float(0x3f800fff)), 0x3f800000);
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(copies_arrive_at_the_wait_and_not_before, reset),
        cmocka_unit_test_teardown(wrong_copies_are_reported, reset),
        cmocka_unit_test_teardown(a_missing_wait_shows, reset),
        cmocka_unit_test_teardown(tensor_cores_multiply_in_the_documented_layout, reset),
        cmocka_unit_test_teardown(bf16_rounds_to_nearest_even, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
