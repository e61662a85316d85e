/* The CPU back end beside the op table: memory, errors, the edges of bf16, NaN that must not get lost, counts and
 * running statistics. */
#include "tests/kernels/rig.h"
#include "tests/kernels/statistics_checks.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OK(call)                                                                                                       \
    do {                                                                                                               \
        struct error error = {""};                                                                                     \
        if (call)                                                                                                      \
            fail_msg("%s: %s", #call, error.message);                                                                  \
    } while (0)

static void memory_is_aligned_and_copies(void **state)
{
    struct backend *b = *state;
    const size_t sizes[] = {0, 1, 255, 4096, 9u << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        void *memory = NULL;
        OK(b->allocate(b, sizes[i], &memory, &error));
        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % 256, 0);
        OK(b->fill_zero(b, memory, sizes[i], &error));
        if (sizes[i] >= 4) {
            char back[4] = {0};
            OK(b->copy_in(b, (char *)memory + sizes[i] - 4, "abcd", 4, &error));
            OK(b->copy_out(b, back, (char *)memory + sizes[i] - 4, 4, &error));
            assert_memory_equal(back, "abcd", 4);
        }
        b->release(b, memory);
    }
    b->release(b, NULL);
}

static void too_much_memory_is_an_error(void **state)
{
    struct backend *b = *state;
    void *memory = NULL;
    struct error error = {""};
    assert_int_equal(b->allocate(b, SIZE_MAX - 3, &memory, &error), -1);
    assert_non_null(strstr(error.message, "cannot allocate"));
}

static void laps_add_up_until_the_next_start(void **state)
{
    struct backend *b = *state;
    struct step_laps laps = {.mark = 1, .seconds = {7, 7, 7, 7}}, before;
    OK(b->lap(b, &laps, LAP_START, &error));
    for (int i = 0; i < LAPS; i++)
        assert_true(laps.seconds[i] == 0);
    assert_true(laps.mark > 1);
    before = laps;
    OK(b->lap(b, &laps, LAP_BACKWARD, &error));
    assert_true(laps.seconds[LAP_BACKWARD] == 1e-9f * (float)(laps.mark - before.mark));
    before = laps;
    OK(b->lap(b, &laps, LAP_BACKWARD, &error));
    assert_true(laps.seconds[LAP_BACKWARD] == before.seconds[LAP_BACKWARD] + 1e-9f * (float)(laps.mark - before.mark));
    assert_true(laps.seconds[LAP_FORWARD] == 0 && laps.seconds[LAP_UPDATE] == 0);
}

static void thread_counts_are_checked(void **state)
{
    (void)state;
    struct backend *b;
    struct error error = {""};
    assert_int_equal(backend_cpu_create(-1, &b, &error), -1);
    assert_non_null(strstr(error.message, "threads"));
    assert_null(b);
    OK(backend_cpu_create(0, &b, &error));
    assert_true(b->threads >= 1);
    assert_string_equal(b->name, "cpu");
    b->destroy(b);
}

/* fp32 bits and the bf16 bits they round to. */
static void bf16_rounds_to_nearest_even(void **state)
{
    struct backend *b = *state;
    static const struct {
        uint32_t from;
        uint16_t to;
    } cases[] = {{0x3f800000, 0x3f80},                                             /* 1 */
                 {0x3f808000, 0x3f80}, {0x3f818000, 0x3f82}, {0x3f808001, 0x3f81}, /* ties go to even */
                 {0x80000000, 0x8000},                                             /* -0 */
                 {0x7f7fffff, 0x7f80}, {0xff7fffff, 0xff80},                       /* beyond the largest: infinity */
                 {0x7f7f7fff, 0x7f7f},                                             /* the largest that stays */
                 {0x7f800000, 0x7f80}, {0xff800000, 0xff80},                       /* infinities */
                 {0x7f800001, 0x7fc0}, {0xff800001, 0xffc0}, {0x7fffffff, 0x7fff}, /* a NaN stays one */
                 {0x00000001, 0x0000}, {0x00018000, 0x0002}};                      /* below the normal numbers */
    enum { COUNT = sizeof cases / sizeof *cases };
    uint32_t x[COUNT], back[COUNT];
    uint16_t y[COUNT];
    for (int i = 0; i < COUNT; i++)
        x[i] = cases[i].from;
    OK(b->convert(b, DTYPE_FP32, x, DTYPE_BF16, y, COUNT, &error));
    OK(b->convert(b, DTYPE_BF16, y, DTYPE_FP32, back, COUNT, &error));
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(y[i], cases[i].to);
        assert_int_equal(back[i], (uint32_t)cases[i].to << 16);
    }
}

static void same_dtype_conversion_copies(void **state)
{
    struct backend *b = *state;
    const uint16_t x[3] = {0x3f80, 0xffff, 1};
    uint16_t y[3] = {0};
    OK(b->convert(b, DTYPE_BF16, x, DTYPE_BF16, y, 3, &error));
    assert_memory_equal(x, y, sizeof x);
}

/* NaN and infinity at each place of a vector come out again, whatever the activation and dtype. */
static void activations_let_nan_through(void **state)
{
    struct backend *b = *state;
    enum { COUNT = 35 };
    for (int activation = ACTIVATION_RELU; activation <= ACTIVATION_TANH; activation++)
        for (int dtype = DTYPE_FP32; dtype <= DTYPE_BF16; dtype++)
            for (int at = 0; at < COUNT; at++) {
                float x[COUNT], y[COUNT];
                uint32_t stored[COUNT];
                for (int i = 0; i < COUNT; i++)
                    x[i] = i == at ? (i % 2 ? NAN : -NAN) : 0.5f;
                OK(b->convert(b, DTYPE_FP32, x, (enum dtype)dtype, stored, COUNT, &error));
                OK(b->activation_forward(b, (enum activation)activation, (enum dtype)dtype, stored, stored, COUNT,
                                         &error));
                OK(b->convert(b, (enum dtype)dtype, stored, DTYPE_FP32, y, COUNT, &error));
                for (int i = 0; i < COUNT; i++)
                    assert_int_equal(isnan(y[i]) != 0, i == at);
            }
}

static void activations_stay_finite_far_out(void **state)
{
    struct backend *b = *state;
    const float x[6] = {-1e30f, -200.0f, -88.5f, 88.5f, 200.0f, 1e30f};
    const float ones[6] = {1.0f, 1.0f, 1.0f, 1.0f, 1.0f, 1.0f};
    for (int activation = ACTIVATION_RELU; activation <= ACTIVATION_TANH; activation++) {
        float y[6], dx[6];
        OK(b->activation_forward(b, (enum activation)activation, DTYPE_FP32, x, y, 6, &error));
        OK(b->activation_backward(b, (enum activation)activation, DTYPE_FP32, x, ones, dx, false, 6, &error));
        for (int i = 0; i < 6; i++) {
            float expected = activation == ACTIVATION_TANH ? (x[i] > 0.0f ? 1.0f : -1.0f) : x[i] > 0.0f ? x[i] : 0.0f;
            assert_true(fabsf(y[i] - expected) <= 1e-5f * fabsf(expected) + 1e-5f);
            assert_true(fabsf(dx[i] - (activation != ACTIVATION_TANH && x[i] > 0.0f ? 1.0f : 0.0f)) < 1e-5f);
        }
    }
}

/* For relu the output serves the backward as well as the input. */
static void relu_backward_takes_the_output(void **state)
{
    struct backend *b = *state;
    const float x[4] = {-1.0f, 2.0f, 0.0f, -0.0f}, dy[4] = {1.0f, 2.0f, 3.0f, 4.0f};
    float y[4], from_x[4], from_y[4];
    OK(b->activation_forward(b, ACTIVATION_RELU, DTYPE_FP32, x, y, 4, &error));
    OK(b->activation_backward(b, ACTIVATION_RELU, DTYPE_FP32, x, dy, from_x, false, 4, &error));
    OK(b->activation_backward(b, ACTIVATION_RELU, DTYPE_FP32, y, dy, from_y, false, 4, &error));
    assert_memory_equal(from_x, from_y, sizeof from_x);
    assert_true(from_x[0] == 0.0f && from_x[1] == 2.0f && from_x[2] == 0.0f && from_x[3] == 0.0f);
}

static void loss_counts_and_adds(void **state)
{
    struct backend *b = *state;
    const float logits[4][3] = {{1.0f, 3.0f, 3.0f}, {0.0f, 0.0f, 5.0f}, {9.0f, 0.0f, 0.0f}, {1.0f, 1.0f, 1.0f}};
    const uint8_t labels[4] = {2, 2, 0, 0}; /* the first of equals counts: wrong, right, right, right */
    struct loss_result result = {.loss = 10.0f, .correct = 5};
    OK(b->softmax_cross_entropy(b, logits[0], &(struct loss_target){.labels = labels}, 1.0f, NULL, &result, true, 4, 3,
                                &error));
    assert_int_equal(result.correct, 5 + 3);
    float first = result.loss;
    OK(b->softmax_cross_entropy(b, logits[0], &(struct loss_target){.labels = labels}, 1.0f, NULL, &result, false, 4, 3,
                                &error));
    assert_int_equal(result.correct, 3);
    assert_true(fabsf(first - 10.0f - result.loss) < 1e-5f);
}

/* Of a mixed sample the label with the larger share is the right answer; the losses are mixed as the labels are. */
static void loss_of_mixed_samples(void **state)
{
    struct backend *b = *state;
    const float logits[2][3] = {{1.0f, 3.0f, 2.0f}, {0.0f, 1.0f, 5.0f}};
    const uint8_t labels[2] = {1, 0}, partners[2] = {0, 2};
    struct mix mix = {.partner = MIX_WHOLE / 4};
    struct loss_result own, other, both;
    OK(b->softmax_cross_entropy(b, logits[0], &(struct loss_target){.labels = labels}, 1.0f, NULL, &own, false, 2, 3,
                                &error));
    OK(b->softmax_cross_entropy(b, logits[0], &(struct loss_target){.labels = partners}, 1.0f, NULL, &other, false, 2,
                                3, &error));
    const struct loss_target target = {.labels = labels, .partners = partners, .mix = &mix};
    OK(b->softmax_cross_entropy(b, logits[0], &target, 1.0f, NULL, &both, false, 2, 3, &error));
    assert_true(fabsf(both.loss - 0.75f * own.loss - 0.25f * other.loss) < 1e-5f);
    assert_int_equal(both.correct, 1); /* the first, by its own label */
    mix.partner = MIX_WHOLE / 2;
    OK(b->softmax_cross_entropy(b, logits[0], &target, 1.0f, NULL, &both, false, 2, 3, &error));
    assert_int_equal(both.correct, 1); /* of equals the own one */
    mix.partner = MIX_WHOLE / 2 + 1;
    OK(b->softmax_cross_entropy(b, logits[0], &target, 1.0f, NULL, &both, false, 2, 3, &error));
    assert_int_equal(both.correct, 1); /* the second, by its partner's */
    const uint8_t wrong[2] = {0, 3};
    struct error error = {""};
    assert_int_equal(b->softmax_cross_entropy(b, logits[0],
                                              &(struct loss_target){.labels = labels, .partners = wrong, .mix = &mix},
                                              1.0f, NULL, &both, false, 2, 3, &error),
                     -1);
    assert_non_null(strstr(error.message, "label 3"));
}

static void loss_survives_large_logits_and_shows_nan(void **state)
{
    struct backend *b = *state;
    const float large[3] = {1e4f, -1e4f, 0.0f}, bad[3] = {0.0f, NAN, 0.0f};
    const uint8_t label = 1, wrong = 3;
    float gradient[3];
    struct loss_result result;
    OK(b->softmax_cross_entropy(b, large, &(struct loss_target){.labels = &label}, 1.0f, gradient, &result, false, 1, 3,
                                &error));
    assert_true(fabsf(result.loss - 2e4f) < 1.0f);
    assert_true(fabsf(gradient[0] - 1.0f) < 1e-6f && fabsf(gradient[1] + 1.0f) < 1e-6f);
    OK(b->softmax_cross_entropy(b, bad, &(struct loss_target){.labels = &label}, 1.0f, gradient, &result, false, 1, 3,
                                &error));
    assert_true(isnan(result.loss));
    struct error error = {""};
    assert_int_equal(b->softmax_cross_entropy(b, large, &(struct loss_target){.labels = &wrong}, 1.0f, NULL, &result,
                                              false, 1, 3, &error),
                     -1);
    assert_non_null(strstr(error.message, "label 3"));
}

/* 0.9 of the old and 0.1 of the new, with the unbiased variance. */
static void batch_norm_keeps_running_statistics(void **state)
{
    struct backend *b = *state;
    const float x[4] = {1.0f, 3.0f, 5.0f, 7.0f}, one = 1.0f, zero = 0.0f;
    float mean = 10.0f, variance = 2.0f, saved[2], y[4];
    struct batch_norm norm = {
        .c = 1, .weight = &one, .bias = &zero, .running_mean = &mean, .running_variance = &variance, .saved = saved};
    OK(b->batch_norm_forward(b, DTYPE_FP32, &norm, x, y, true, false, 4, &error));
    assert_true(fabsf(mean - 9.4f) < 1e-5f);
    assert_true(fabsf(variance - (1.8f + 20.0f / 30.0f)) < 1e-5f);
    assert_true(fabsf(saved[0] - 4.0f) < 1e-6f && fabsf(saved[1] - 1.0f / sqrtf(5.0f + 1e-5f)) < 1e-6f);
    OK(b->batch_norm_forward(b, DTYPE_FP32, &norm, x, y, false, false, 4, &error));
    assert_true(fabsf(mean - 9.4f) < 1e-5f); /* inference leaves them alone */
}

static void batch_norm_passes_over_what_is_not_finite(void **state)
{
    batch_norm_check_not_finite(*state);
}

static void shapes_are_checked(void **state)
{
    struct backend *b = *state;
    float x[8] = {0.0f}, y[8];
    const struct step_values values = {.step = 0};
    struct error error = {""};
    assert_int_equal(b->average_pool_forward(b, DTYPE_FP32, x, y, 1, 3, 2, 1, &error), -1);
    assert_non_null(strstr(error.message, "even"));
    assert_int_equal(b->dropout(b, x, y, 1.0f, 0, &values, 0, 8, &error), -1);
    assert_non_null(strstr(error.message, "rate"));
}

/* What a convolution would leave out without a word; oneDNN's and the plain loops of tests/gpu/standin alike. */
static void what_convolutions_do_not_fuse_is_refused(void **state)
{
    struct backend *b = *state;
    const struct conv_shape plain = {2, 4, 4, 8, 8, 3, 1, 1, .input_gradient = true};
    struct conv_shape copies = plain, adds = plain;
    copies.relu_copy = adds.add_dx = true;
    struct conv *conv;
    struct error error = {""};
    OK(b->conv_create(b, &plain, &conv, &error));
    b->conv_destroy(b, conv);
    assert_int_equal(b->conv_create(b, &copies, &conv, &error), -1);
    assert_non_null(strstr(error.message, "residual stream"));
    assert_int_equal(b->conv_create(b, &adds, &conv, &error), -1);
}

/* Any way of cutting a tensor at multiples of 4 drops the same elements. */
static void dropout_does_not_depend_on_the_chunk(void **state)
{
    struct backend *b = *state;
    enum { COUNT = 103, CUT = 40 };
    const struct step_values third = {.step = 3}, fourth = {.step = 4};
    float x[COUNT], whole[COUNT], cut[COUNT];
    for (int i = 0; i < COUNT; i++)
        x[i] = 1.0f;
    OK(b->dropout(b, x, whole, 0.4f, 7, &third, 0, COUNT, &error));
    OK(b->dropout(b, x, cut, 0.4f, 7, &third, 0, CUT, &error));
    OK(b->dropout(b, x + CUT, cut + CUT, 0.4f, 7, &third, CUT, COUNT - CUT, &error));
    assert_memory_equal(whole, cut, sizeof whole);
    OK(b->dropout(b, x, cut, 0.4f, 7, &fourth, 0, COUNT, &error));
    assert_memory_not_equal(whole, cut, sizeof whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(memory_is_aligned_and_copies),
                                       cmocka_unit_test(too_much_memory_is_an_error),
                                       cmocka_unit_test(laps_add_up_until_the_next_start),
                                       cmocka_unit_test(thread_counts_are_checked),
                                       cmocka_unit_test(bf16_rounds_to_nearest_even),
                                       cmocka_unit_test(same_dtype_conversion_copies),
                                       cmocka_unit_test(activations_let_nan_through),
                                       cmocka_unit_test(activations_stay_finite_far_out),
                                       cmocka_unit_test(relu_backward_takes_the_output),
                                       cmocka_unit_test(loss_counts_and_adds),
                                       cmocka_unit_test(loss_of_mixed_samples),
                                       cmocka_unit_test(loss_survives_large_logits_and_shows_nan),
                                       cmocka_unit_test(batch_norm_keeps_running_statistics),
                                       cmocka_unit_test(batch_norm_passes_over_what_is_not_finite),
                                       cmocka_unit_test(shapes_are_checked),
                                       cmocka_unit_test(what_convolutions_do_not_fuse_is_refused),
                                       cmocka_unit_test(dropout_does_not_depend_on_the_chunk)};
    return cmocka_run_group_tests(tests, rig_open, rig_close);
}
