/* Each instantiation of the tensor-core convolutions under emulation, on shapes that do not fill its tiles, against the
 * definition, in bf16 and in fp32 by TF32's products. test_conv.cu goes through the slots, which choose among them. */
#include "kernels/cuda/conv_mma.cuh"
#include "tests/cuda/conv_support.h"

enum { RELU = 1, ACCUMULATE = 2, BIAS = 4, MASK = 8, COPY = 16 };

static struct cuda_backend cuda;
static unsigned runs; /* kernels take turns in the order of their threads */

static int set_up(void **state)
{
    return conv_open(state, &cuda);
}

static int tear_down(void **state)
{
    return conv_close(state, &cuda);
}

/* k, stride, n, h, w, cin, cout; fp32 takes half as many channels, which are as many chunks. */
static struct conv_shape shape_of(enum dtype dtype, const int numbers[7])
{
    struct conv_shape s = {};
    s.k = numbers[0];
    s.stride = numbers[1];
    s.n = numbers[2];
    s.h = numbers[3];
    s.w = numbers[4];
    s.cin = dtype == DTYPE_BF16 ? numbers[5] : numbers[5] / 2;
    s.cout = dtype == DTYPE_BF16 ? numbers[6] : numbers[6] / 2;
    s.groups = 1;
    s.dtype = dtype;
    s.tf32 = dtype == DTYPE_FP32;
    s.input_gradient = true;
    return s;
}

/* Lets a kernel have the shared memory that it wants, and chooses the order of its threads. */
static void before_launch(const void *kernel, size_t bytes)
{
    emulation_set_order((enum emulation_order)(runs++ % EMULATION_ORDERS), 7);
    if (bytes > 48 * 1024)
        assert_int_equal(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)bytes),
                         cudaSuccess);
}

/* Factors of a product on the device. In fp32 not quite the whole numbers: less than half of TF32's last place
 * above or below, which only rounding to nearest takes away on both sides. */
static void *factors(enum dtype dtype, const float *whole, size_t count)
{
    float *near = (float *)memory(count * sizeof *near);
    for (size_t i = 0; i < count; i++)
        near[i] = whole[i] * (dtype == DTYPE_BF16 ? 1.0f : i % 3 ? 1.0f + 0x1p-12f : 1.0f - 0x1p-13f);
    void *result = device_as(dtype, near, count);
    free(near);
    return result;
}

static void same_bits(const char *what, const struct conv_shape *s, const struct mma_tile *tile, const void *device_out,
                      const void *expected, size_t count, size_t size)
{
    unsigned char *got = (unsigned char *)malloc(count * size);
    assert_non_null(got);
    assert_int_equal(cudaMemcpy(got, device_out, count * size, cudaMemcpyDeviceToHost), cudaSuccess);
    for (size_t i = 0; i < count; i++)
        if (memcmp(got + i * size, (const unsigned char *)expected + i * size, size) != 0)
            fail_msg(
                "%s, %s, tile %d x %d: k %d, stride %d, n %d, %d x %d, %d -> %d, relu %d, accumulate %d: element %zu "
                "of %zu differs",
                what, s->tf32 ? "tf32" : "bf16", tile->rows, tile->columns, s->k, s->stride, s->n, s->h, s->w, s->cin,
                s->cout, s->relu, s->accumulate, i, count);
    free(got);
}

/* ---- Forward ---- */

/* Runs one kernel; `prior` is what its output holds before, NULL for NaN. */
static void run(const char *what, const struct mma_kernel *kernel, struct mma_job job, const struct conv_shape *shape,
                const float *prior, const float *expected, size_t count)
{
    struct error error = {};
    const size_t size = dtype_size(shape->dtype);
    void *out = prior ? device_as(shape->dtype, prior, count) : device(NULL, count * size);
    void *copy = device(NULL, count * size);
    job.out = (uint4 *)out;
    job.relu_copy = shape->relu_copy ? (uint4 *)copy : NULL;
    before_launch((const void *)kernel->launch, kernel->shared_bytes(&job));
    assert_int_equal(mma_launch(&cuda, kernel, &job, &error), 0);
    void *stored = as_dtype(shape->dtype, expected, count);
    same_bits(what, shape, &kernel->tile, out, stored, count, size);
    free(stored);
    if (shape->relu_copy) {
        float *positive = zeros(count);
        for (size_t i = 0; i < count; i++)
            positive[i] = expected[i] > 0.0f ? expected[i] : 0.0f;
        stored = as_dtype(shape->dtype, positive, count);
        same_bits("its relu", shape, &kernel->tile, copy, stored, count, size);
        free(stored);
        free(positive);
    }
    release(copy);
    release(out);
}

static void run_all(const char *what, struct mma_job job, const struct conv_shape *shape, const float *prior,
                    const float *expected, size_t count)
{
    int kernels;
    if (job.k == 3 && job.source_step == 1 && job.out_step == 1) {
        const struct mma_kernel *windows = mma_window_kernels(job.dtype, &kernels);
        for (int i = 0; i < kernels; i++)
            run(what, &windows[i], job, shape, prior, expected, count);
    }
    const struct mma_kernel *gathers = mma_gather_kernels(job.dtype, &kernels);
    for (int i = 0; i < kernels; i++)
        run(what, &gathers[i], job, shape, prior, expected, count);
}

static void check_forward(struct conv_shape shape, int options)
{
    shape.relu = options & RELU;
    shape.accumulate = options & ACCUMULATE;
    shape.relu_copy = options & COPY;
    struct definition d = definition_of(&shape);
    float *y = zeros(d.y_count);
    for_each_product(&d, [&](size_t at, size_t x, size_t w) { y[at] += d.x[x] * d.weights[w]; });
    for (size_t i = 0; i < d.y_count; i++) {
        y[i] += options & BIAS ? d.bias[i % (size_t)shape.cout] : 0.0f;
        y[i] += shape.accumulate ? d.prior[i] : 0.0f;
        y[i] = shape.relu && y[i] < 0.0f ? 0.0f : y[i];
    }
    void *x = factors(shape.dtype, d.x, d.x_count), *weights = factors(shape.dtype, d.weights, d.weight_count);
    void *bias = device(d.bias, (size_t)shape.cout * sizeof(float));
    struct mma_job job = mma_forward_job(&shape);
    job.source = (const uint4 *)x;
    job.weights = (const uint4 *)weights;
    job.bias = options & BIAS ? (const float *)bias : NULL;
    run_all("forward", job, &shape, shape.accumulate ? d.prior : NULL, y, d.y_count);
    release(x);
    release(weights);
    release(bias);
    free(y);
    definition_free(&d);
}

/* ---- Input gradient ---- */

/* (cin, k, k, cout), both spatial axes reversed. */
static void *packed_backward(const struct definition *d)
{
    const int taps = d->shape.k * d->shape.k, cin = d->shape.cin, cout = d->shape.cout;
    float *packed = zeros(d->weight_count);
    for (int o = 0; o < cout; o++)
        for (int tap = 0; tap < taps; tap++)
            for (int i = 0; i < cin; i++)
                packed[(i * taps + taps - 1 - tap) * cout + o] = d->weights[(o * taps + tap) * cin + i];
    void *result = factors(d->shape.dtype, packed, d->weight_count);
    free(packed);
    return result;
}

static void check_backward_data(struct conv_shape shape, int options)
{
    shape.add_dx = options & ACCUMULATE;
    struct definition d = definition_of(&shape);
    float *dx = zeros(d.x_count), *prior = values(6, d.x_count, 9);
    for_each_product(&d, [&](size_t y, size_t at, size_t w) { dx[at] += d.dy[y] * d.weights[w]; });
    for (size_t i = 0; i < d.x_count; i++)
        dx[i] = (options & MASK && !(d.x[i] > 0.0f) ? 0.0f : dx[i]) + (shape.add_dx ? prior[i] : 0.0f);
    void *x = device_as(shape.dtype, d.x, d.x_count), *dy = factors(shape.dtype, d.dy, d.y_count);
    void *weights = packed_backward(&d);
    struct mma_job job = mma_backward_data_job(&shape);
    job.source = (const uint4 *)dy;
    job.weights = (const uint4 *)weights;
    job.mask = options & MASK ? (const uint4 *)x : NULL;
    run_all("input gradient", job, &shape, shape.add_dx ? prior : NULL, dx, d.x_count);
    release(x);
    release(dy);
    release(weights);
    free(prior);
    free(dx);
    definition_free(&d);
}

/* ---- Weight gradient ---- */

/* Adds `splits` partial sums of `count` values up, into the first of them. */
static void add_up(float *partial, int splits, size_t count)
{
    const size_t bytes = (size_t)splits * count * sizeof(float);
    float *host = (float *)memory(bytes);
    assert_int_equal(cudaMemcpy(host, partial, bytes, cudaMemcpyDeviceToHost), cudaSuccess);
    for (size_t i = count; i < (size_t)splits * count; i++)
        host[i % count] += host[i];
    assert_int_equal(cudaMemcpy(partial, host, count * sizeof(float), cudaMemcpyHostToDevice), cudaSuccess);
    free(host);
}

static void run_weights(const struct mma_weights_kernel *kernel, struct mma_weights_job job,
                        const struct conv_shape *shape, int splits, const float *expected, size_t count,
                        const float *expected_bias)
{
    struct error error = {};
    const size_t channels = (size_t)shape->cout;
    job.partial = (float *)device(NULL, (size_t)splits * count * sizeof(float));
    job.bias = (float *)device(NULL, (size_t)splits * channels * sizeof(float));
    before_launch((const void *)kernel->launch, kernel->shared_bytes(&job));
    assert_int_equal(mma_weights_launch(&cuda, kernel, job, splits, &error), 0);
    add_up(job.partial, splits, count);
    add_up(job.bias, splits, channels);
    same_bits("weight gradient", shape, &kernel->tile, job.partial, expected, count, sizeof(float));
    same_bits("bias gradient", shape, &kernel->tile, job.bias, expected_bias, channels, sizeof(float));
    release(job.partial);
    release(job.bias);
}

static void check_backward_weights(struct conv_shape shape, int splits)
{
    struct definition d = definition_of(&shape);
    float *expected = zeros(d.weight_count), *bias = zeros((size_t)shape.cout);
    for_each_product(&d, [&](size_t y, size_t x, size_t at) { expected[at] += d.dy[y] * d.x[x]; });
    for (size_t i = 0; i < d.y_count; i++)
        bias[i % (size_t)shape.cout] += d.dy[i];
    void *x = factors(shape.dtype, d.x, d.x_count), *dy = factors(shape.dtype, d.dy, d.y_count);
    struct mma_weights_job job = mma_weights_job_of(&shape);
    job.x = (const uint4 *)x;
    job.dy = (const uint4 *)dy;
    int kernels;
    if (shape.k == 3 && shape.stride == 1) {
        const struct mma_weights_kernel *windows = mma_weights_window_kernels(job.dtype, &kernels);
        for (int i = 0; i < kernels; i++)
            run_weights(&windows[i], job, &shape, splits, expected, d.weight_count, bias);
    }
    const struct mma_weights_kernel *gathers = mma_weights_gather_kernels(job.dtype, &kernels);
    for (int i = 0; i < kernels; i++)
        run_weights(&gathers[i], job, &shape, splits, expected, d.weight_count, bias);
    release(x);
    release(dy);
    free(expected);
    free(bias);
    definition_free(&d);
}

/* ---- What must be true ---- */

/* k, stride, n, h, w, cin, cout: images that do not fill a tile, or lie in several; channels below, at and beyond the
 * slices that kernels take; a height of 1; odd sizes with a stride. */
static const int shapes[][7] = {
    {3, 1, 1, 2, 2, 8, 8},   {3, 1, 3, 8, 8, 16, 16},  {3, 1, 2, 5, 4, 24, 40},  {3, 1, 1, 4, 5, 64, 64},
    {3, 1, 2, 8, 8, 40, 24}, {3, 1, 1, 8, 8, 136, 72}, {3, 1, 1, 1, 3, 8, 136},  {3, 1, 1, 5, 40, 32, 32},
    {3, 2, 1, 2, 2, 8, 8},   {3, 2, 3, 8, 8, 16, 24},  {3, 2, 2, 5, 7, 64, 40},  {3, 2, 1, 8, 5, 136, 16},
    {3, 2, 1, 1, 1, 16, 8},  {1, 1, 3, 5, 8, 24, 40},  {1, 1, 1, 1, 1, 64, 136}, {1, 1, 1, 8, 8, 136, 64},
    {1, 2, 1, 2, 2, 8, 8},   {1, 2, 3, 8, 8, 64, 24},  {1, 2, 2, 5, 7, 40, 16},  {1, 2, 1, 4, 4, 16, 136},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static void check_shapes(void (*check)(struct conv_shape shape, int options), const int *options, int count)
{
    for (int dtype = DTYPE_FP32; dtype <= DTYPE_BF16; dtype++)
        for (int i = 0; i < SHAPES; i++)
            check(shape_of((enum dtype)dtype, shapes[i]), options[i % count]);
}

static void forward_is_the_definition(void **state)
{
    (void)state;
    static const int options[] = {BIAS | RELU, COPY, BIAS | ACCUMULATE | COPY, 0, BIAS | ACCUMULATE};
    check_shapes(check_forward, options, 5);
}

static void input_gradient_is_the_definition(void **state)
{
    (void)state;
    static const int options[] = {0, MASK, MASK | ACCUMULATE};
    check_shapes(check_backward_data, options, 3);
}

static void weight_gradient_is_the_definition(void **state)
{
    (void)state;
    static const int splits[] = {1, 2, 3};
    check_shapes(check_backward_weights, splits, 3);
}

/* Enough positions for its ring to come round, where one step reads into the next and where it reaches further. */
static void weight_gradient_of_many_positions(void **state)
{
    (void)state;
    static const int long_shapes[][7] = {{3, 1, 2, 16, 16, 8, 16}, {3, 1, 1, 13, 40, 16, 8}};
    for (int dtype = DTYPE_FP32; dtype <= DTYPE_BF16; dtype++)
        for (int i = 0; i < 2; i++) {
            check_backward_weights(shape_of((enum dtype)dtype, long_shapes[i]), 1);
            check_backward_weights(shape_of((enum dtype)dtype, long_shapes[i]), 2);
        }
}

/* For the networks' layers at batch 64: no part is empty, most of the machine is busy, and the partial sums are not
 * many times what its registers hold. */
static void splits_fill_the_machine_once(void **state)
{
    (void)state;
    static const int layers[][7] = {{3, 1, 64, 32, 32, 16, 16},   {3, 1, 64, 16, 16, 32, 32},
                                    {3, 1, 64, 8, 8, 64, 64},     {3, 1, 64, 32, 32, 64, 64},
                                    {3, 1, 64, 16, 16, 128, 128}, {3, 1, 64, 8, 8, 256, 256},
                                    {3, 2, 64, 32, 32, 64, 64},   {1, 2, 64, 32, 32, 64, 32}};
    for (int dtype = DTYPE_FP32; dtype <= DTYPE_BF16; dtype++)
        for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
            struct conv_shape s = shape_of((enum dtype)dtype, layers[i]);
            s.cin = layers[i][5];
            s.cout = layers[i][6];
            const int splits = cuda_mma_splits(&cuda, &s), positions = mma_positions_of(s.dtype);
            const struct mma_weights_job job = mma_weights_job_of(&s);
            const int steps = (job.n * job.out_h * job.out_w + positions - 1) / positions;
            const int per_split = (steps + splits - 1) / splits;
            const int bytes = splits * s.cout * s.k * s.k * s.cin * (int)sizeof(float);
            assert_true(splits >= 1 && per_split * (splits - 1) < steps);
            assert_true(per_split == 4 || bytes > 132 * 24 * 1024);
            assert_true(bytes < 132 * 96 * 1024);
        }
}

/* What the swizzles are for: what ldmatrix reads at once lies in 32 banks, and what half a warp reads of floats. */
template <int CHUNKS> static void check_banks()
{
    for (int row = 0; row < 64; row++)
        for (int chunk = 0; chunk < CHUNKS; chunk += 2) {
            unsigned rows = 0, pairs = 0;
            for (int i = 0; i < 8; i++) {
                rows |= 1u << mma_at<CHUNKS>(row + i, chunk) % 8;
                pairs |= 1u << mma_at_position<float, CHUNKS>(row + i / 2, chunk + i % 2) % 8;
                assert_int_equal(mma_at<CHUNKS>(row + i, chunk) / CHUNKS, row + i);
                assert_int_equal((mma_at_position<float, CHUNKS>(row + i, chunk) / CHUNKS), row + i);
            }
            assert_int_equal(rows, 0xFF);
            assert_int_equal(pairs, 0xFF);
        }
}

static void no_two_rows_share_a_bank(void **state)
{
    (void)state;
    check_banks<2>();
    check_banks<4>();
    check_banks<8>();
    check_banks<16>();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forward_is_the_definition),         cmocka_unit_test(input_gradient_is_the_definition),
        cmocka_unit_test(weight_gradient_is_the_definition), cmocka_unit_test(weight_gradient_of_many_positions),
        cmocka_unit_test(splits_fill_the_machine_once),      cmocka_unit_test(no_two_rows_share_a_bank),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
