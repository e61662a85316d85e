/* What the emulated GPU promises of kernels: the orders, barriers, operations of warps, asynchronous copies, tensor
 * cores, and that it finds what kernels do wrong. */
#include "tests/cuda/report.h"
#include "tests/cuda_emulation/emulation.h"

#include <hardware.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
extern "C" {
#include <cmocka.h>
}

enum { MOST = 1024 };

/* ---- Helpers ---- */

static float *device_floats(const float *host, int count)
{
    float *device = NULL;
    assert_int_equal(cudaMalloc(&device, (size_t)count * sizeof *device), cudaSuccess);
    if (host)
        assert_int_equal(cudaMemcpy(device, host, (size_t)count * sizeof *device, cudaMemcpyHostToDevice), cudaSuccess);
    return device;
}

/* Copies back what kernels made and frees it. */
static void fetch(void *host, void *device, size_t bytes)
{
    assert_int_equal(cudaDeviceSynchronize(), cudaSuccess);
    assert_int_equal(cudaGetLastError(), cudaSuccess);
    assert_int_equal(cudaMemcpy(host, device, bytes, cudaMemcpyDeviceToHost), cudaSuccess);
    assert_int_equal(cudaFree(device), cudaSuccess);
}

#define EXPECT_REPORT(body, data, ...)                                                                                 \
    do {                                                                                                               \
        const char *const words_[] = {__VA_ARGS__, NULL};                                                              \
        report_expect(body, data, words_);                                                                             \
    } while (0)

static int reset(void **)
{
    emulation_set_order(EMULATION_ASCENDING, 0);
    emulation_break(-1);
    return emulation_allocated() == 0 ? 0 : -1;
}

/* ---- Orders ---- */

__global__ void note_turn(unsigned *counter, unsigned *turn)
{
    turn[blockIdx.x * blockDim.x + threadIdx.x] = atomicAdd(counter, 1u);
}

static void turns(enum emulation_order order, uint32_t seed, unsigned out[4 * 100])
{
    unsigned zero = 0, *counter = NULL, *turn = (unsigned *)device_floats(NULL, 400);
    assert_int_equal(cudaMalloc(&counter, 4), cudaSuccess);
    assert_int_equal(cudaMemcpy(counter, &zero, 4, cudaMemcpyHostToDevice), cudaSuccess);
    emulation_set_order(order, seed);
    LAUNCH(note_turn, 4, 100, 0, 0, counter, turn);
    fetch(out, turn, 1600);
    assert_int_equal(cudaFree(counter), cudaSuccess);
}

static void threads_and_blocks_run_in_the_order_asked_for(void **)
{
    unsigned up[400], down[400], mixed[400], again[400], other[400];
    turns(EMULATION_ASCENDING, 1, up);
    turns(EMULATION_DESCENDING, 1, down);
    turns(EMULATION_SHUFFLED, 1, mixed);
    turns(EMULATION_SHUFFLED, 1, again);
    turns(EMULATION_SHUFFLED, 2, other);
    bool seen[400] = {};
    for (unsigned i = 0; i < 400; i++) {
        assert_int_equal(up[i], i);
        assert_int_equal(down[i], 399 - i);
        assert_false(seen[mixed[i]]);
        seen[mixed[i]] = true;
    }
    assert_memory_equal(mixed, again, sizeof mixed);
    assert_memory_not_equal(mixed, other, sizeof mixed);
    assert_memory_not_equal(mixed, up, sizeof mixed);
}

__global__ void note_place(uint3 *out)
{
    const unsigned block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    const unsigned thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
    out[block * blockDim.x * blockDim.y * blockDim.z + thread] = {thread, block, threadIdx.y};
}

static void three_dimensions_are_counted_as_cuda_counts(void **)
{
    uint3 got[2 * 3 * 2 * 24], *out = (uint3 *)device_floats(NULL, 3 * 288);
    LAUNCH(note_place, dim3(2, 3, 2), dim3(4, 3, 2), 0, 0, out);
    fetch(got, out, sizeof got);
    for (unsigned i = 0; i < 288; i++) {
        assert_int_equal(got[i].x, i % 24);
        assert_int_equal(got[i].y, i / 24);
        assert_int_equal(got[i].z, i % 12 / 4);
    }
}

/* ---- The block's barrier and shared memory ---- */

__global__ void reverse(const float *in, float *out, int count)
{
    float *shared = shared_memory<float>();
    if ((int)threadIdx.x >= count)
        return; /* it counts as arrived */
    shared[threadIdx.x] = in[threadIdx.x];
    __syncthreads();
    out[threadIdx.x] = shared[count - 1 - (int)threadIdx.x];
}

/* True when `reverse` does its work. */
static bool reverses(enum emulation_order order)
{
    float in[MOST], got[MOST];
    for (int i = 0; i < MOST; i++)
        in[i] = (float)i;
    emulation_set_order(order, 3);
    float *a = device_floats(in, MOST), *b = device_floats(NULL, MOST);
    LAUNCH(reverse, 1, MOST, 1000 * sizeof(float), 0, a, b, 1000);
    fetch(got, b, sizeof got);
    assert_int_equal(cudaFree(a), cudaSuccess);
    bool right = true;
    for (int i = 0; i < 1000; i++)
        right = right && got[i] == in[999 - i];
    return right;
}

/* The number of the only place of that kind in `kernel`. */
static int site_of(const char *kernel, enum emulation_site_kind kind)
{
    for (int i = 0; i < emulation_site_count(); i++)
        if (emulation_site_at(i).kind == kind && strcmp(emulation_site_at(i).kernel, kernel) == 0)
            return i;
    fail_msg("%s has no such place", kernel);
    return -1;
}

static void a_barrier_holds_and_its_absence_shows(void **)
{
    for (int order = 0; order < EMULATION_ORDERS; order++)
        assert_true(reverses((enum emulation_order)order));
    emulation_break(site_of("reverse", EMULATION_BARRIER));
    for (int order = 0; order < EMULATION_ORDERS; order++)
        assert_false(reverses((enum emulation_order)order));
}

__global__ void read_unwritten(float *out)
{
    out[threadIdx.x] = shared_memory<float>()[threadIdx.x];
}

__global__ void leave_something()
{
    shared_memory<float>()[threadIdx.x] = 1.0f;
}

static void shared_memory_never_written_is_nan(void **)
{
    float got[64], *out = device_floats(NULL, 64);
    LAUNCH(leave_something, 1, 64, 256, 0);
    LAUNCH(read_unwritten, 1, 64, 256, 0, out);
    fetch(got, out, sizeof got);
    for (int i = 0; i < 64; i++)
        assert_true(isnan(got[i]));
}

__global__ void write_beyond(int at)
{
    shared_memory<char>()[at] = 1;
}

static void overflow_shared(void *at)
{
    LAUNCH(write_beyond, 1, 1, 100, 0, *(int *)at);
    cudaDeviceSynchronize();
}

static void overflow_of_shared_memory_is_reported(void **)
{
    static int places[] = {-1, 100};
    for (int &at : places)
#if defined(__SANITIZE_ADDRESS__)
        EXPECT_REPORT(overflow_shared, &at, "use-after-poison", "write_beyond");
#else
        EXPECT_REPORT(overflow_shared, &at, "CUDA emulation: write_beyond", "beyond the 100 bytes of shared memory");
#endif
}

__global__ void two_barriers()
{
    if (threadIdx.x < 32)
        __syncthreads();
    else
        __syncthreads();
}

static void launch_two_barriers(void *)
{
    LAUNCH(two_barriers, 1, 64, 0, 0);
    cudaDeviceSynchronize();
}

static void threads_at_different_barriers_are_reported(void **)
{
    EXPECT_REPORT(launch_two_barriers, NULL, "CUDA emulation: two_barriers (launched at tests/cuda/test_emulation.cu",
                  "block (0, 0, 0), thread (63, 0, 0)", "wait at different barriers", "thread (0, 0, 0)");
}

__global__ void half_a_warp()
{
    if (threadIdx.x % 32 < 16)
        __syncthreads();
    else
        __shfl_sync(0xffffffffu, 1, 0);
}

static void launch_half_a_warp(void *)
{
    LAUNCH(half_a_warp, dim3(3, 1, 1), 32, 0, 0);
    cudaDeviceSynchronize();
}

static void a_deadlock_is_reported(void **)
{
    EXPECT_REPORT(launch_half_a_warp, NULL, "half_a_warp", "block (0, 0, 0)", "deadlock", "__syncthreads",
                  "__shfl_sync");
}

/* ---- Operations of a warp ---- */

enum { SHUFFLES = 9 };

__global__ void shuffle(int *out)
{
    const int lane = (int)threadIdx.x % 32, value = (int)threadIdx.x * 10;
    int *own = out + threadIdx.x * SHUFFLES;
    own[0] = __shfl_sync(0xffffffffu, value, 5);
    own[1] = __shfl_sync(0xffffffffu, value, lane + 1, 8);
    own[2] = __shfl_up_sync(0xffffffffu, value, 3);
    own[3] = __shfl_down_sync(0xffffffffu, value, 3, 16);
    own[4] = __shfl_xor_sync(0xffffffffu, value, 17);
    own[5] = (int)__ballot_sync(0xffffffffu, lane % 3 == 0);
    own[6] = __any_sync(0xffffffffu, lane == 40) * 2 + __all_sync(0xffffffffu, lane < 32);
    const unsigned odd = lane % 2 ? 0xaaaaaaaau : 0x55555555u;
    own[7] = __shfl_xor_sync(odd, value, 2);
    own[8] = __shfl_up_sync(odd, value, 2);
}

static void shuffles_and_votes_are_those_of_the_warp(void **)
{
    static int got[96 * SHUFFLES];
    for (int order = 0; order < EMULATION_ORDERS; order++) {
        int *out = (int *)device_floats(NULL, 96 * SHUFFLES);
        emulation_set_order((enum emulation_order)order, 5);
        LAUNCH(shuffle, 1, 96, 0, 0, out);
        fetch(got, out, sizeof got);
        for (int i = 0; i < 96; i++) {
            const int lane = i % 32, warp = i - lane, *own = got + i * SHUFFLES;
            assert_int_equal(own[0], (warp + 5) * 10);
            assert_int_equal(own[1], (warp + lane / 8 * 8 + (lane + 1) % 8) * 10);
            assert_int_equal(own[2], (lane < 3 ? i : i - 3) * 10);
            assert_int_equal(own[3], (lane % 16 + 3 > 15 ? i : i + 3) * 10);
            assert_int_equal(own[4], (warp + (lane ^ 17)) * 10);
            assert_int_equal((unsigned)own[5], 0x49249249u);
            assert_int_equal(own[6], 1);
            assert_int_equal(own[7], (warp + (lane ^ 2)) * 10);
            assert_int_equal(own[8], (lane < 2 ? i : i - 2) * 10);
        }
    }
}

__global__ void partial_warp(float *out)
{
    float sum = 1.0f;
    if (threadIdx.x == 3)
        return;
    sum += __shfl_xor_sync(0xffffffffu, sum, 1);
    out[threadIdx.x] = sum;
}

static void lanes_that_ended_are_not_waited_for_and_give_nan(void **)
{
    float got[20], *out = device_floats(NULL, 20);
    LAUNCH(partial_warp, 1, 20, 0, 0, out);
    fetch(got, out, sizeof got);
    assert_true(got[0] == 2.0f && got[19] == 2.0f);
    assert_true(isnan(got[2]));
}

__global__ void diverge()
{
    if (threadIdx.x % 2)
        __shfl_sync(0xffffffffu, 1, 0);
    else
        __ballot_sync(0xffffffffu, 1);
}

static void launch_diverge(void *)
{
    LAUNCH(diverge, 1, 32, 0, 0);
    cudaDeviceSynchronize();
}

__global__ void left_out()
{
    __shfl_sync(0x0000ffffu, 1, 0);
}

static void launch_left_out(void *)
{
    LAUNCH(left_out, 1, 32, 0, 0);
    cudaDeviceSynchronize();
}

static void divergence_of_a_warp_is_reported(void **)
{
    EXPECT_REPORT(launch_diverge, NULL, "diverge", "thread (1, 0, 0)", "the warp diverges", "a vote", "__shfl_sync");
    EXPECT_REPORT(launch_left_out, NULL, "left_out", "thread (16, 0, 0)", "the mask 0000ffff", "leaves out");
}

__global__ void pass_on(int *out)
{
    int *shared = shared_memory<int>();
    shared[threadIdx.x] = (int)threadIdx.x;
    __syncwarp();
    out[threadIdx.x] = shared[threadIdx.x ^ 31];
}

static bool passes_on()
{
    int got[64], *out = (int *)device_floats(NULL, 64);
    LAUNCH(pass_on, 1, 64, 256, 0, out);
    fetch(got, out, sizeof got);
    for (int i = 0; i < 64; i++)
        if (got[i] != (i ^ 31))
            return false;
    return true;
}

static void a_warps_barrier_holds_and_its_absence_shows(void **)
{
    assert_true(passes_on());
    emulation_break(site_of("pass_on", EMULATION_WARP_BARRIER));
    assert_false(passes_on());
}

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
        cmocka_unit_test_teardown(threads_and_blocks_run_in_the_order_asked_for, reset),
        cmocka_unit_test_teardown(three_dimensions_are_counted_as_cuda_counts, reset),
        cmocka_unit_test_teardown(a_barrier_holds_and_its_absence_shows, reset),
        cmocka_unit_test_teardown(shared_memory_never_written_is_nan, reset),
        cmocka_unit_test_teardown(overflow_of_shared_memory_is_reported, reset),
        cmocka_unit_test_teardown(threads_at_different_barriers_are_reported, reset),
        cmocka_unit_test_teardown(a_deadlock_is_reported, reset),
        cmocka_unit_test_teardown(shuffles_and_votes_are_those_of_the_warp, reset),
        cmocka_unit_test_teardown(lanes_that_ended_are_not_waited_for_and_give_nan, reset),
        cmocka_unit_test_teardown(divergence_of_a_warp_is_reported, reset),
        cmocka_unit_test_teardown(a_warps_barrier_holds_and_its_absence_shows, reset),
        cmocka_unit_test_teardown(copies_arrive_at_the_wait_and_not_before, reset),
        cmocka_unit_test_teardown(wrong_copies_are_reported, reset),
        cmocka_unit_test_teardown(a_missing_wait_shows, reset),
        cmocka_unit_test_teardown(tensor_cores_multiply_in_the_documented_layout, reset),
        cmocka_unit_test_teardown(bf16_rounds_to_nearest_even, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
