/* The table of op cases; see op_cases.h. Shapes are odd and even, smaller and larger than a vector, a range and a
 * thread's share. */
#include "tests/kernels/op_cases.h"

#include <math.h>

static double prior(size_t i)
{
    return (double)((int)(i % 7) - 3) / 32.0;
}

void op_fill_prior(double *values, size_t count, bool add)
{
    for (size_t i = 0; i < count; i++)
        values[i] = add ? prior(i) : (double)NAN;
}

void op_take_prior(double *values, size_t count, bool add)
{
    for (size_t i = 0; i < count && add; i++)
        values[i] -= prior(i);
}

/* clang-format off: a row is a case */
#define CONV(n_, h_, w_, cin_, cout_, k_, stride_, groups_, ...)                                                       \
    .op = &conv_op, .conv = {.n = n_,                                                                                  \
                             .h = h_,                                                                                  \
                             .w = w_,                                                                                  \
                             .cin = cin_,                                                                              \
                             .cout = cout_,                                                                            \
                             .k = k_,                                                                                  \
                             .stride = stride_,                                                                        \
                             .groups = groups_,                                                                        \
                             .input_gradient = true,                                                                   \
                             __VA_ARGS__}
#define ACT(kind_, count_) .op = &activation_op, .activation = ACTIVATION_##kind_, .n = 1, .c = count_
#define MAP(op_, n_, h_, w_, c_) .op = &op_, .n = n_, .h = h_, .w = w_, .c = c_
#define ROWS(op_, n_, c_) .op = &op_, .n = n_, .c = c_

const struct op_case op_cases[] = {
    {"1x1", CONV(2, 6, 6, 16, 16, 1, 1, 1)},
    {"1x1 odd map and widths", CONV(3, 5, 7, 13, 9, 1, 1, 1)},
    {"1x1 stride 2", CONV(2, 8, 8, 16, 32, 1, 2, 1)},
    {"1x1 stride 2 odd", CONV(2, 7, 5, 6, 5, 1, 2, 1), .add = true},
    {"1x1 relu", CONV(2, 6, 6, 32, 16, 1, 1, 1, .relu = true)},
    {"1x1 accumulate", CONV(2, 6, 6, 16, 64, 1, 1, 1, .accumulate = true), .add = true},
    {"1x1 one image", CONV(1, 4, 4, 64, 16, 1, 1, 1), .add = true},
    {"3x3", CONV(2, 8, 8, 16, 16, 3, 1, 1)},
    {"3x3 many channels", CONV(1, 3, 2, 520, 8, 3, 1, 1)},
    {"3x3 relu add", CONV(2, 8, 8, 16, 16, 3, 1, 1, .relu = true), .add = true},
    {"3x3 odd", CONV(2, 7, 5, 5, 7, 3, 1, 1), .add = true},
    {"3x3 stride 2", CONV(2, 8, 8, 16, 24, 3, 2, 1)},
    {"3x3 stride 2 odd", CONV(2, 7, 9, 12, 10, 3, 2, 1, .relu = true)},
    {"3x3 stride 2 odd map", CONV(3, 9, 7, 8, 16, 3, 2, 1), .add = true},
    {"3x3 wide map", CONV(3, 33, 32, 4, 16, 3, 1, 1), .add = true},
    {"1x1 stride 2 wide map", CONV(2, 32, 32, 8, 16, 1, 2, 1)},
    {"3x3 accumulate", CONV(2, 6, 6, 8, 8, 3, 1, 1, .accumulate = true)},
    {"3x3 behind a relu", CONV(2, 6, 6, 8, 16, 3, 1, 1, .relu_input = true)},
    {"1x1 behind a relu", CONV(2, 5, 5, 16, 8, 1, 1, 1, .relu_input = true, .accumulate = true)},
    {"3x3 stride 2 behind a relu", CONV(2, 6, 6, 16, 8, 3, 2, 1, .relu_input = true)},
    {"3x3 and its relu", CONV(2, 6, 6, 16, 16, 3, 1, 1, .relu_copy = true), .add = true},
    {"1x1 accumulate and its relu", CONV(2, 5, 5, 16, 24, 1, 1, 1, .accumulate = true, .relu_copy = true)},
    {"3x3 odd and its relu", CONV(2, 7, 5, 5, 7, 3, 1, 1, .relu_copy = true)},
    {"3x3 onto a gradient", CONV(2, 6, 6, 16, 16, 3, 1, 1, .relu_input = true, .add_dx = true)},
    {"1x1 onto a gradient", CONV(2, 5, 5, 16, 8, 1, 1, 1, .relu_input = true, .add_dx = true)},
    {"3x3 stride 2 onto a gradient", CONV(2, 7, 9, 16, 8, 3, 2, 1, .add_dx = true)},
    {"1x1 odd onto a gradient", CONV(3, 5, 7, 13, 9, 1, 1, 1, .add_dx = true)},
    {"3x3 stem", .op = &conv_op,
     .conv = {.n = 2, .h = 8, .w = 8, .cin = 3, .cout = 16, .k = 3, .stride = 1, .groups = 1}},
    {"3x3 frozen stem", .op = &conv_op,
     .conv = {.n = 2, .h = 8, .w = 8, .cin = 3, .cout = 54, .k = 3, .stride = 1, .groups = 1, .frozen = true}},
    {"3x3 frozen, added", .op = &conv_op, .add = true,
     .conv = {.n = 3, .h = 5, .w = 5, .cin = 4, .cout = 13, .k = 3, .stride = 1, .groups = 1, .frozen = true}},
    {"3x3 groups", CONV(2, 6, 6, 16, 16, 3, 1, 4)},
    {"3x3 groups stride 2 relu", CONV(2, 6, 6, 16, 16, 3, 2, 2, .relu = true), .add = true},
    {"3x3 depthwise", CONV(2, 5, 5, 8, 8, 3, 1, 8)},
    {"3x3 on one pixel", CONV(3, 1, 1, 8, 8, 3, 1, 1)},
    {"dense 10", CONV(5, 1, 1, 64, 10, 1, 1, 1)},
    {"dense 100 add", CONV(3, 1, 1, 33, 100, 1, 1, 1), .add = true},

    {"off", ROWS(standardize_op, 5, 27), .mode = WS_OFF, .scale = 0.5f},
    {"off skip", ROWS(standardize_op, 5, 27), .mode = WS_OFF, .scale = 0.5f, .skip = true, .skip_value = 0.7},
    {"papers", ROWS(standardize_op, 8, 144), .mode = WS_PAPERS, .scale = 0.5f, .gain = true},
    {"papers no gain", ROWS(standardize_op, 3, 7), .mode = WS_PAPERS, .scale = 0.5f},
    {"papers skip", ROWS(standardize_op, 7, 33), .mode = WS_PAPERS, .scale = 0.5f, .gain = true, .skip = true,
     .skip_value = -0.4},
    {"papers skip 0", ROWS(standardize_op, 7, 33), .mode = WS_PAPERS, .scale = 0.5f, .gain = true, .skip = true},
    {"papers clamped", ROWS(standardize_op, 4, 20), .mode = WS_PAPERS, .scale = 5e-4f, .gain = true, .skip = true,
     .skip_value = 0.5},
    {"papers large", ROWS(standardize_op, 70, 577), .mode = WS_PAPERS, .scale = 0.5f, .gain = true, .skip = true,
     .skip_value = 0.5},
    {"papers long rows", ROWS(standardize_op, 3, 2500), .mode = WS_PAPERS, .scale = 0.5f, .gain = true, .skip = true,
     .skip_value = 0.2},
    {"report", ROWS(standardize_op, 16, 64), .mode = WS_REPORT, .scale = 0.2f},
    {"report eps counts", ROWS(standardize_op, 5, 31), .mode = WS_REPORT, .scale = 2e-5f},
    {"report skip", ROWS(standardize_op, 5, 31), .mode = WS_REPORT, .scale = 0.2f, .skip = true, .skip_value = 0.3},

    {"relu", ACT(RELU, 129), .scale = 1.0f},
    {"relu add", ACT(RELU, 40003), .scale = 1.0f, .add = true},
    {"relu in place", ACT(RELU, 64), .scale = 1.0f, .in_place = true},
    {"gelu", ACT(GELU, 40003), .scale = 2.0f},
    {"gelu add", ACT(GELU, 77), .scale = 0.1f, .add = true},
    {"silu", ACT(SILU, 40003), .scale = 3.0f},
    {"silu wide", ACT(SILU, 1001), .scale = 40.0f},
    {"silu in place", ACT(SILU, 31), .scale = 1.0f, .in_place = true},
    {"tanh", ACT(TANH, 40003), .scale = 1.0f, .add = true},
    {"tanh wide", ACT(TANH, 1001), .scale = 30.0f},

    {"pool", MAP(average_pool_op, 2, 4, 6, 16)},
    {"pool odd width", MAP(average_pool_op, 3, 2, 4, 5), .add = true},
    {"pool behind a relu", MAP(average_pool_op, 2, 6, 4, 12), .relu = true},
    {"pool behind a relu add", MAP(average_pool_op, 2, 4, 4, 5), .relu = true, .add = true},
    {"pool large", MAP(average_pool_op, 4, 16, 18, 40)},
    {"all positions", MAP(global_pool_op, 3, 4, 4, 20), .scale = 1.7f},
    {"all positions add", MAP(global_pool_op, 2, 3, 5, 7), .scale = 1.0f, .add = true},
    {"all positions behind a relu", MAP(global_pool_op, 3, 4, 2, 12), .scale = 1.7f, .relu = true},
    {"all positions behind a relu add", MAP(global_pool_op, 2, 3, 5, 7), .scale = 1.0f, .relu = true, .add = true},
    {"all positions large", MAP(global_pool_op, 7, 8, 8, 100), .scale = 1.0f},

    {"plain", MAP(residual_op, 3, 3, 5, 9), .scale = 0.2f},
    {"skip gain", MAP(residual_op, 2, 4, 4, 16), .scale = 0.2f, .skip = true, .skip_value = 0.6},
    {"skip gain 0", MAP(residual_op, 2, 4, 4, 16), .scale = 0.2f, .skip = true, .add = true},
    {"stochastic depth", MAP(residual_op, 5, 2, 2, 8), .scale = 1.0f, .sample = true},
    {"squeeze-excite", MAP(residual_op, 3, 3, 3, 11), .scale = 0.5f, .channel = true},
    {"everything", MAP(residual_op, 5, 16, 16, 33), .scale = 0.2f, .channel = true, .sample = true, .skip = true,
     .skip_value = 0.8, .add = true},

    {"gate", ROWS(gate_op, 1, 1003)},
    {"gate large", ROWS(gate_op, 1, 40003)},
    {"dropout", ROWS(dropout_op, 1, 1003), .scale = 0.25f},
    {"dropout large in place", ROWS(dropout_op, 1, 40003), .scale = 0.5f, .in_place = true},
    {"dropout of nothing", ROWS(dropout_op, 1, 10), .scale = 0.0f},
    {"to dtype", ROWS(convert_op, 1, 1003)},
    {"to dtype and back", ROWS(convert_op, 1, 40003), .in_place = true},

    {"training", ROWS(batch_norm_op, 40, 16), .training = true},
    {"training relu", ROWS(batch_norm_op, 33, 9), .training = true, .relu = true},
    {"training relu add", ROWS(batch_norm_op, 1000, 41), .training = true, .relu = true, .add = true, .scale = 4.0f},
    {"training add", ROWS(batch_norm_op, 90, 520), .training = true, .add = true},
    {"moving statistics", ROWS(batch_norm_op, 12, 7)},
    {"moving statistics relu", ROWS(batch_norm_op, 12, 16), .relu = true, .in_place = true},
    {"moments", ROWS(statistics_op, 37, 16)},
    {"moments far from 0", ROWS(statistics_op, 100, 515), .scale = 50.0f},
    {"moments of a row", ROWS(statistics_op, 1, 5)},

    {"loss", ROWS(loss_op, 7, 10)},
    {"loss smoothing", ROWS(loss_op, 5, 10), .scale = 0.1f},
    {"loss add", ROWS(loss_op, 200, 37), .scale = 0.2f, .add = true},
    {"loss mixed", ROWS(loss_op, 9, 10), .skip = true, .skip_value = 0.25},
    {"loss mixed smoothing add", ROWS(loss_op, 50, 17), .scale = 0.1f, .add = true, .skip = true, .skip_value = 0.75},
    {"loss 100 classes", ROWS(loss_op, 33, 100)},
};
const int op_case_count = (int)(sizeof op_cases / sizeof *op_cases);

const struct op_case op_speed_cases[] = {
    {"stem", CONV(64, 32, 32, 3, 16, 3, 1, 1)},
    {"32x32 1x1 64->16 relu", CONV(64, 32, 32, 64, 16, 1, 1, 1, .relu = true)},
    {"32x32 3x3 16", CONV(64, 32, 32, 16, 16, 3, 1, 1, .relu = true)},
    {"32x32 1x1 16->64 +", CONV(64, 32, 32, 16, 64, 1, 1, 1, .accumulate = true)},
    {"16x16 1x1 128->32 relu", CONV(64, 16, 16, 128, 32, 1, 1, 1, .relu = true)},
    {"16x16 3x3 32", CONV(64, 16, 16, 32, 32, 3, 1, 1, .relu = true)},
    {"16x16 1x1 32->128 +", CONV(64, 16, 16, 32, 128, 1, 1, 1, .accumulate = true)},
    {"8x8 1x1 256->64 relu", CONV(64, 8, 8, 256, 64, 1, 1, 1, .relu = true)},
    {"8x8 3x3 64", CONV(64, 8, 8, 64, 64, 3, 1, 1, .relu = true)},
    {"8x8 1x1 64->256 +", CONV(64, 8, 8, 64, 256, 1, 1, 1, .accumulate = true)},
    {"relu 64 x 32x32x64", ACT(RELU, 64 * 1024 * 64), .scale = 1.0f},
    {"relu 16 x 32x32x64", ACT(RELU, 16 * 1024 * 64), .scale = 1.0f},
    {"relu 16 x 32x32x64 add", ACT(RELU, 16 * 1024 * 64), .scale = 1.0f, .add = true},
    {"relu 16 x 16x16x128", ACT(RELU, 16 * 256 * 128), .scale = 1.0f},
    {"relu 16 x 8x8x256", ACT(RELU, 16 * 64 * 256), .scale = 1.0f},
    {"gelu 16 x 32x32x64", ACT(GELU, 16 * 1024 * 64), .scale = 1.0f},
    {"silu 16 x 32x32x64", ACT(SILU, 16 * 1024 * 64), .scale = 1.0f},
    {"tanh 16 x 32x32x64", ACT(TANH, 16 * 1024 * 64), .scale = 1.0f},
    {"2x2 64 x 32x32x64", MAP(average_pool_op, 64, 32, 32, 64)},
    {"2x2 16 x 16x16x128", MAP(average_pool_op, 16, 16, 16, 128)},
    {"all 64 x 8x8x256", MAP(global_pool_op, 64, 8, 8, 256), .scale = 1.0f},
    {"16 x 32x32x64", MAP(residual_op, 16, 32, 32, 64), .scale = 0.2f, .skip = true, .skip_value = 0.1},
    {"16 x 32x32x64 gated", MAP(residual_op, 16, 32, 32, 64), .scale = 0.2f, .skip = true, .skip_value = 0.1,
     .sample = true, .channel = true},
    {"64 x 32x32x16", ROWS(batch_norm_op, 64 * 1024, 16), .training = true, .relu = true},
    {"16 x 32x32x64", ROWS(batch_norm_op, 16 * 1024, 64), .training = true, .relu = true},
    {"64 x 32x32x64", ROWS(statistics_op, 64 * 1024, 64)},
    {"64 x 32x32x16", ROWS(statistics_op, 64 * 1024, 16)},
    {"64 x 8x8x256", ROWS(statistics_op, 64 * 64, 256)},
    {"32x32x64 x 16", ROWS(convert_op, 16, 1024 * 64)},
    {"64 x 10", ROWS(loss_op, 64, 10)},
    {"3000 rows of 192", ROWS(standardize_op, 3000, 192), .mode = WS_REPORT, .scale = 0.2f},
    {"3000 rows of 192", ROWS(standardize_op, 3000, 192), .mode = WS_PAPERS, .scale = 0.2f, .gain = true},
    {"64 x 256", ROWS(dropout_op, 64, 256), .scale = 0.5f},
};
const int op_speed_case_count = (int)(sizeof op_speed_cases / sizeof *op_speed_cases);
/* clang-format on */
