/* The convolution slots of the CUDA back end under emulation, on every route, against the definition. */
#include "tests/cuda/conv_support.h"

static struct cuda_backend cuda;

static int set_up(void **state)
{
    return conv_open(state, &cuda);
}

static int tear_down(void **state)
{
    return conv_close(state, &cuda);
}

static struct conv *made(const struct conv_shape *shape)
{
    struct error error = {};
    struct conv *conv = NULL;
    if (cuda_conv_create(&cuda.backend, shape, &conv, &error))
        fail_msg("%s", error.message);
    return conv;
}

static void same(const char *what, const struct conv_shape *s, const void *got_on_device, const float *expected,
                 size_t count, enum dtype dtype)
{
    const size_t size = dtype_size(dtype);
    char *got = (char *)memory(count * size), *want = (char *)as_dtype(dtype, expected, count);
    assert_int_equal(cudaMemcpy(got, got_on_device, count * size, cudaMemcpyDeviceToHost), cudaSuccess);
    for (size_t i = 0; i < count; i++)
        if (memcmp(got + i * size, want + i * size, size) != 0)
            fail_msg(
                "%s, %s: k %d, stride %d, n %d, %d x %d, %d -> %d in %d groups: element %zu of %zu is %g, not %g", what,
                s->dtype == DTYPE_FP32 ? "fp32" : "bf16", s->k, s->stride, s->n, s->h, s->w, s->cin, s->cout, s->groups,
                i, count,
                (double)(size == 4 ? *(float *)(void *)(got + i * size) : widened(*(bf16 *)(void *)(got + i * size))),
                (double)expected[i]);
    free(got);
    free(want);
}

/* ---- Each direction ---- */

static void check_forward(struct conv *conv, const struct definition *d, void *x, void *weights, void *scratch)
{
    const struct conv_shape *s = &d->shape;
    float *y = zeros(d->y_count);
    for_each_product(d, [&](size_t at, size_t from, size_t weight) { y[at] += d->x[from] * d->weights[weight]; });
    for (size_t i = 0; i < d->y_count; i++) {
        y[i] += d->bias[i % (size_t)s->cout] + (s->accumulate ? d->prior[i] : 0.0f);
        if (s->relu && y[i] < 0.0f)
            y[i] = 0.0f;
    }
    float *bias = (float *)device(d->bias, (size_t)s->cout * sizeof(float));
    void *out =
        s->accumulate ? device_as(s->dtype, d->prior, d->y_count) : device(NULL, d->y_count * dtype_size(s->dtype));
    void *relu = s->relu_copy ? device(NULL, d->y_count * dtype_size(s->dtype)) : NULL;
    struct error error = {};
    assert_int_equal(cuda_conv_forward(&cuda.backend, conv, x, weights, bias, out, relu, scratch, &error), 0);
    same("forward", s, out, y, d->y_count, s->dtype);
    for (size_t i = 0; i < d->y_count; i++)
        y[i] = y[i] < 0.0f ? 0.0f : y[i];
    if (relu)
        same("relu of the result", s, relu, y, d->y_count, s->dtype);
    release(relu);
    release(out);
    release(bias);
    free(y);
}

/* The packed weights that backward_data wants. */
static void *packed_backward(const struct conv *conv, const struct definition *d)
{
    if (conv->packed_backward_bytes == 0)
        return device_as(d->shape.dtype, d->weights, d->weight_count);
    const int taps = d->shape.k * d->shape.k, cin = d->shape.cin, cout = d->shape.cout;
    float *packed = zeros(d->weight_count);
    for (int o = 0; o < cout; o++)
        for (int tap = 0; tap < taps; tap++)
            for (int i = 0; i < cin; i++)
                packed[(i * taps + taps - 1 - tap) * cout + o] = d->weights[(o * taps + tap) * cin + i];
    void *result = device_as(d->shape.dtype, packed, d->weight_count);
    free(packed);
    return result;
}

static void check_backward_data(struct conv *conv, const struct definition *d, void *x, void *dy, void *scratch)
{
    const struct conv_shape *s = &d->shape;
    float *dx = zeros(d->x_count);
    for_each_product(d, [&](size_t from, size_t at, size_t weight) { dx[at] += d->dy[from] * d->weights[weight]; });
    float *prior = values(6, d->x_count, 9);
    for (size_t i = 0; i < d->x_count; i++)
        dx[i] = (s->relu_input && !(d->x[i] > 0.0f) ? 0.0f : dx[i]) + (s->add_dx ? prior[i] : 0.0f);
    void *weights = packed_backward(conv, d);
    void *out = s->add_dx ? device_as(s->dtype, prior, d->x_count) : device(NULL, d->x_count * dtype_size(s->dtype));
    struct error error = {};
    assert_int_equal(
        cuda_conv_backward_data(&cuda.backend, conv, s->relu_input ? x : NULL, dy, weights, out, scratch, &error), 0);
    same("input gradient", s, out, dx, d->x_count, s->dtype);
    release(out);
    release(weights);
    free(prior);
    free(dx);
}

/* (cout, k, k, cin / groups) -> (cout, cin / groups, k, k) */
static float *as_oihw(const struct conv_shape *s, const float *packed)
{
    const int taps = s->k * s->k, in = s->cin / s->groups;
    float *out = zeros((size_t)(s->cout * taps * in));
    for (int o = 0; o < s->cout; o++)
        for (int tap = 0; tap < taps; tap++)
            for (int i = 0; i < in; i++)
                out[(o * in + i) * taps + tap] = packed[(o * taps + tap) * in + i];
    return out;
}

/* Overwrites, then adds: the second time twice the gradient must be there. */
static void check_backward_weights(struct conv *conv, const struct definition *d, void *x, void *dy, void *scratch)
{
    const struct conv_shape *s = &d->shape;
    const size_t units = (size_t)s->cout;
    float *packed = zeros(d->weight_count), *bias = zeros(units);
    for_each_product(d, [&](size_t y, size_t from, size_t at) { packed[at] += d->dy[y] * d->x[from]; });
    for (size_t i = 0; i < d->y_count; i++)
        bias[i % units] += d->dy[i];
    float *weights = as_oihw(s, packed);
    float *weight_gradient = (float *)device(NULL, d->weight_count * sizeof(float));
    float *bias_gradient = (float *)device(NULL, units * sizeof(float));
    struct error error = {};
    for (int add = 0; add < 2; add++) {
        assert_int_equal(cuda_conv_backward_weights(&cuda.backend, conv, x, dy, weight_gradient, bias_gradient, add,
                                                    scratch, &error),
                         0);
        same("weight gradient", s, weight_gradient, weights, d->weight_count, DTYPE_FP32);
        same("bias gradient", s, bias_gradient, bias, units, DTYPE_FP32);
        for (size_t i = 0; i < d->weight_count; i++)
            weights[i] *= 2.0f;
        for (size_t i = 0; i < units; i++)
            bias[i] *= 2.0f;
    }
    release(weight_gradient);
    release(bias_gradient);
    free(weights);
    free(packed);
    free(bias);
}

static void check(const struct conv_shape *shape)
{
    struct definition d = definition_of(shape);
    struct conv *conv = made(shape);
    void *x = device_as(shape->dtype, d.x, d.x_count), *dy = device_as(shape->dtype, d.dy, d.y_count);
    void *weights = device_as(shape->dtype, d.weights, d.weight_count), *scratch = device(NULL, conv->scratch_bytes);
    assert_int_equal(conv->packed_forward_bytes, d.weight_count * dtype_size(shape->dtype));
    for (int order = 0; order < emulation_orders(); order++) {
        emulation_set_order((enum emulation_order)order, 7);
        check_forward(conv, &d, x, weights, scratch);
        if (shape->input_gradient)
            check_backward_data(conv, &d, x, dy, scratch);
        check_backward_weights(conv, &d, x, dy, scratch);
    }
    void *tensors[] = {x, dy, weights, scratch};
    for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++)
        release(tensors[i]);
    cuda_conv_destroy(&cuda.backend, conv);
    definition_free(&d);
}

/* ---- What must be true ---- */

/* Odd sizes and channels, the stem, groups, strides, one pixel; several tiles, tiles of each kind, and sums in parts.
 */
static const int SHAPES[][8] = {
    /* k, stride, n, h, w, cin, cout, groups */
    {3, 1, 1, 2, 2, 1, 1, 1},     {3, 1, 2, 5, 7, 3, 10, 1},   {3, 1, 3, 8, 8, 16, 16, 1},  {3, 1, 1, 6, 5, 20, 36, 1},
    {3, 1, 1, 9, 16, 4, 68, 1},   {3, 2, 2, 5, 7, 3, 16, 1},   {3, 2, 1, 1, 1, 8, 8, 1},    {3, 2, 3, 8, 6, 12, 20, 1},
    {3, 1, 2, 4, 4, 12, 24, 3},   {3, 2, 1, 7, 4, 10, 15, 5},  {1, 2, 2, 6, 5, 8, 24, 1},   {1, 1, 2, 3, 5, 6, 10, 2},
    {1, 1, 5, 1, 1, 20, 10, 1},   {1, 1, 2, 4, 3, 16, 24, 1},  {1, 2, 1, 1, 3, 7, 9, 1},    {3, 1, 5, 6, 6, 32, 40, 1},
    {3, 1, 1, 10, 13, 64, 12, 1}, {3, 1, 4, 16, 17, 4, 40, 1}, {1, 1, 2, 3, 3, 16, 8, 1},   {1, 1, 2, 3, 3, 8, 16, 1},
    {3, 1, 4, 16, 16, 8, 16, 1},  {1, 1, 2, 17, 19, 16, 8, 1}, {3, 2, 3, 25, 27, 8, 24, 1},
};

static void every_direction_is_the_definition(enum dtype dtype, bool tf32 = false)
{
    for (size_t i = 0; i < sizeof SHAPES / sizeof *SHAPES; i++) {
        const int *s = SHAPES[i];
        struct conv_shape shape = {};
        shape.k = s[0], shape.stride = s[1], shape.n = s[2], shape.h = s[3], shape.w = s[4];
        shape.cin = s[5], shape.cout = s[6], shape.groups = s[7];
        shape.dtype = dtype;
        shape.tf32 = tf32;
        shape.relu = i % 3 == 0;
        shape.accumulate = i % 3 == 1;
        shape.relu_input = i % 2 == 0;
        shape.input_gradient = s[5] != 3;
        shape.relu_copy = !shape.relu && i % 4 < 2;
        shape.add_dx = i % 4 > 1;
        check(&shape);
    }
}

static void fp32_is_the_definition(void **state)
{
    (void)state;
    every_direction_is_the_definition(DTYPE_FP32);
}

static void bf16_is_the_definition(void **state)
{
    (void)state;
    every_direction_is_the_definition(DTYPE_BF16);
}

static void tf32_is_the_definition(void **state)
{
    (void)state;
    every_direction_is_the_definition(DTYPE_FP32, true);
}

/* A small GPU gets the tiles that waste least, a large one those that make most blocks. */
static void a_small_gpu_computes_the_same(void **state)
{
    (void)state;
    cuda.device.multiprocessors = 1;
    every_direction_is_the_definition(DTYPE_FP32);
}

/* Turing has neither bf16 nor TF32 in its tensor cores. */
static void old_tensor_cores_are_left_alone(void **state)
{
    (void)state;
    cuda.device.major = 7;
    cuda.device.minor = 5;
    cuda.device.multiprocessors = 1;
    every_direction_is_the_definition(DTYPE_BF16);
    every_direction_is_the_definition(DTYPE_FP32, true);
}

/* Where cuBLAS has no algorithm for a product. */
static void without_blas_the_plain_route_computes(void **state)
{
    (void)state;
    emulation_blas_refuse(true);
    every_direction_is_the_definition(DTYPE_FP32);
    emulation_blas_refuse(false);
}

/* So that the checks above meet every route. */
static bool tf32_will_do; /* in expect_routes */

static void expect_routes(enum dtype dtype, int k, int stride, int groups, bool relu_input, enum cuda_route forward,
                          enum cuda_route backward_data, enum cuda_route backward_weights)
{
    struct conv_shape shape = {};
    shape.n = 2, shape.h = shape.w = 4, shape.cin = 16, shape.cout = 24;
    shape.k = k, shape.stride = stride, shape.groups = groups;
    shape.dtype = dtype;
    shape.tf32 = tf32_will_do;
    shape.relu_input = relu_input;
    shape.input_gradient = true;
    struct conv *conv = made(&shape);
    const struct cuda_conv *c = cuda_conv_of(conv);
    assert_int_equal(c->forward, forward);
    assert_int_equal(c->backward_data, backward_data);
    assert_int_equal(c->backward_weights, backward_weights);
    assert_int_equal(conv->packed_backward_bytes, backward_data == ROUTE_MMA ? conv->packed_forward_bytes : 0);
    cuda_conv_destroy(&cuda.backend, conv);
}

static void every_route_is_taken(void **state)
{
    (void)state;
    expect_routes(DTYPE_BF16, 3, 1, 1, true, ROUTE_MMA, ROUTE_MMA, ROUTE_MMA);
    expect_routes(DTYPE_BF16, 3, 2, 1, false, ROUTE_MMA, ROUTE_MMA, ROUTE_MMA);
    expect_routes(DTYPE_BF16, 1, 1, 1, true, ROUTE_MMA, ROUTE_MMA, ROUTE_MMA);
    expect_routes(DTYPE_BF16, 1, 1, 1, false, ROUTE_MMA, ROUTE_BLAS, ROUTE_MMA);
    expect_routes(DTYPE_BF16, 3, 1, 2, false, ROUTE_PLAIN, ROUTE_PLAIN, ROUTE_PLAIN);
    expect_routes(DTYPE_FP32, 1, 1, 1, true, ROUTE_BLAS, ROUTE_BLAS, ROUTE_BLAS);
    expect_routes(DTYPE_FP32, 1, 2, 1, true, ROUTE_PLAIN, ROUTE_PLAIN, ROUTE_PLAIN);
    expect_routes(DTYPE_FP32, 3, 1, 1, true, ROUTE_PLAIN, ROUTE_PLAIN, ROUTE_PLAIN);
    tf32_will_do = true;
    expect_routes(DTYPE_FP32, 3, 1, 1, true, ROUTE_MMA, ROUTE_MMA, ROUTE_MMA);
    expect_routes(DTYPE_FP32, 1, 2, 1, true, ROUTE_MMA, ROUTE_MMA, ROUTE_MMA);
    expect_routes(DTYPE_FP32, 1, 1, 1, false, ROUTE_MMA, ROUTE_BLAS, ROUTE_MMA);
    expect_routes(DTYPE_FP32, 3, 1, 2, false, ROUTE_PLAIN, ROUTE_PLAIN, ROUTE_PLAIN);
    cuda.device.major = 7;
    expect_routes(DTYPE_FP32, 3, 1, 1, true, ROUTE_PLAIN, ROUTE_PLAIN, ROUTE_PLAIN);
    tf32_will_do = false;
    expect_routes(DTYPE_BF16, 3, 1, 1, true, ROUTE_PLAIN, ROUTE_PLAIN, ROUTE_PLAIN);
    emulation_blas_refuse(true);
    expect_routes(DTYPE_FP32, 1, 1, 1, true, ROUTE_PLAIN, ROUTE_PLAIN, ROUTE_PLAIN);
    emulation_blas_refuse(false);
}

/* Where larger tiles repay a pass over dy for the bias. */
static void a_large_product_goes_by_blas(void **state)
{
    (void)state;
    struct conv_shape shape = {};
    shape.n = 20, shape.h = shape.w = 8, shape.k = shape.stride = shape.groups = 1;
    shape.cin = 512, shape.cout = 256, shape.dtype = DTYPE_BF16;
    struct definition d = definition_of(&shape);
    struct conv *conv = made(&shape);
    assert_int_equal(cuda_conv_of(conv)->backward_weights, ROUTE_BLAS);
    void *x = device_as(DTYPE_BF16, d.x, d.x_count), *dy = device_as(DTYPE_BF16, d.dy, d.y_count);
    void *scratch = device(NULL, conv->scratch_bytes);
    check_backward_weights(conv, &d, x, dy, scratch);
    release(x);
    release(dy);
    release(scratch);
    cuda_conv_destroy(&cuda.backend, conv);
    definition_free(&d);
}

static void refused(int k, int stride, int n, int cin, int cout, int groups, const char *why)
{
    struct conv_shape shape = {};
    struct conv *conv = NULL;
    struct error error = {};
    shape.k = k, shape.stride = stride, shape.n = n, shape.h = shape.w = 32;
    shape.cin = cin, shape.cout = cout, shape.groups = groups;
    assert_int_equal(cuda_conv_create(&cuda.backend, &shape, &conv, &error), -1);
    assert_non_null(strstr(error.message, why));
    assert_null(conv);
}

static void what_it_cannot_do_is_refused(void **state)
{
    (void)state;
    refused(5, 1, 1, 8, 8, 1, "kernel 5");
    refused(3, 3, 1, 8, 8, 1, "stride 3");
    refused(3, 1, 1, 8, 9, 2, "8 -> 9 channels in 2 groups");
    refused(3, 1, 1 << 21, 8, 8, 1, "smaller batch");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fp32_is_the_definition, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bf16_is_the_definition, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tf32_is_the_definition, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_small_gpu_computes_the_same, set_up, tear_down),
        cmocka_unit_test_setup_teardown(old_tensor_cores_are_left_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_blas_the_plain_route_computes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_route_is_taken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_large_product_goes_by_blas, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_it_cannot_do_is_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
