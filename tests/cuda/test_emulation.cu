/* What the emulated GPU promises of kernels: the orders, barriers, operations of warps, and that it finds what kernels
 * do wrong. */
#include "tests/cuda/emulation_support.h"

enum { MOST = 1024 };

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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
