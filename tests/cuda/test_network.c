/* Whole networks on the (emulated) GPU: gradients and weights of a step are the CPU's in every precision, the same bits
 * in every order, and so are the losses of steps that are replayed. */
#include "tests/cuda_emulation/emulation.h"
#include "tests/engine/tiny_run.h"
#include "tests/kernels/rig.h"

#include "engine/network.h"
#include "kernels/cuda.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__)
enum { N = 2 }; /* which slows kernels down eightfold, and looks at accesses alone */
#else
enum { N = 4 };
#endif
enum { IMAGE = 32 * 32 * 3 };

/* Two stages, both families, and the options that bring operations of their own. */
static const struct variant {
    const char *name;
    enum model_family family;
    enum norm_kind norm;
    enum activation activation;
    float squeeze_excite, stochastic_depth, dropout;
    int group_width;
    enum shortcut_kind shortcut;
    enum stem_kind stem_kind;
} variants[] = {
    {"papers", FAMILY_PAPERS, NORM_NONE, ACTIVATION_RELU, 0, 0, 0, 0, SHORTCUT_POOL, STEM_LEARNT},
    {"report", FAMILY_REPORT, NORM_NONE, ACTIVATION_RELU, 0, 0, 0, 0, SHORTCUT_POOL, STEM_LEARNT},
    {"all options", FAMILY_PAPERS, NORM_NONE, ACTIVATION_SILU, 0.5f, 0.3f, 0.2f, 8, SHORTCUT_POOL, STEM_LEARNT},
    {"batch norm", FAMILY_PAPERS, NORM_BATCH, ACTIVATION_RELU, 0, 0, 0, 0, SHORTCUT_POOL, STEM_LEARNT},
    {"strided shortcut, frozen stem", FAMILY_PAPERS, NORM_NONE, ACTIVATION_RELU, 0, 0, 0, 0, SHORTCUT_CONV,
     STEM_WHITENED},
};

static struct model_spec spec_of(const struct variant *variant)
{
    struct model_spec spec;
    struct train_options options;
    struct error error;
    assert_int_equal(model_preset(variant->family == FAMILY_REPORT ? "report" : "micro", &spec, &options, &error), 0);
    spec.stem = 16;
    spec.stage_count = 2;
    spec.stages[0] = (struct stage_spec){.width = 16, .mid = 8, .blocks = 1, .stride = 1};
    spec.stages[1] = (struct stage_spec){.width = 32, .mid = 16, .blocks = 2, .stride = 2};
    spec.norm = variant->norm;
    spec.activation = variant->activation;
    spec.squeeze_excite = variant->squeeze_excite;
    spec.stochastic_depth = variant->stochastic_depth;
    spec.dropout = variant->dropout;
    spec.group_width = variant->group_width;
    spec.shortcut = variant->shortcut;
    spec.stem_kind = variant->stem_kind;
    spec.skip_gain = SKIP_GAIN_ONE; /* or no gradient comes through the branches */
    return spec;
}

/* Everything a step leaves: gradients before the update, then weights after it. */
struct step_outcome {
    float loss;
    float *gradients, *values;
    size_t count;
};

static struct step_outcome run_step(struct backend *backend, const struct variant *variant, enum dtype dtype, bool tf32)
{
    const struct model_spec spec = spec_of(variant);
    const struct network_options options = {.batch = N, .dtype = dtype, .tf32 = tf32, .seed = 3, .ema = true};
    const struct step_options step = {.label_smoothing = 0.1f, .step = 9};
    const struct optimizer_options optimizer = {
        .learning_rate = 0.1f, .momentum = 0.9f, .weight_decay = 1e-3f, .agc = 0.1f, .ema = 0.9f, .nesterov = true};
    struct network *network;
    struct error error;
    struct step_result result;
    struct update_result update;
    float *images = malloc((size_t)N * IMAGE * sizeof *images);
    uint8_t labels[N];
    for (int i = 0; i < N * IMAGE; i++)
        images[i] = sinf(0.37f * (float)i) + 0.3f * cosf(0.011f * (float)i);
    for (int i = 0; i < N; i++)
        labels[i] = (uint8_t)(3 * i % 10);
    if (network_create(backend, &spec, &options, &network, &error) ||
        network_train_step(network, images, labels, N, &step, &result, &error))
        fail_msg("%s: %s", variant->name, error.message);
    struct step_outcome out = {.loss = result.loss, .count = tiny_read_all(network, PART_VALUE, NULL)};
    out.gradients = malloc(out.count * sizeof(float));
    out.values = malloc(out.count * sizeof(float));
    tiny_read_all(network, PART_GRADIENT, out.gradients);
    if (network_update(network, &optimizer, &update, &error))
        fail_msg("%s: %s", variant->name, error.message);
    assert_true(update.finite);
    tiny_read_all(network, PART_VALUE, out.values);
    network_destroy(network);
    free(images);
    return out;
}

static void free_outcome(struct step_outcome *outcome)
{
    free(outcome->gradients);
    free(outcome->values);
}

static void compare_step(const struct variant *variant, enum dtype dtype, bool tf32, double tolerance,
                         double gradient_tolerance)
{
    struct backend *cpu, *cuda;
    struct error error;
    assert_int_equal(backend_cpu_create(1, &cpu, &error), 0);
    assert_int_equal(backend_cuda_create(0, &cuda, &error), 0);
    struct step_outcome expected = run_step(cpu, variant, dtype, false), got = run_step(cuda, variant, dtype, tf32);
    const double loss = fabs((double)(got.loss - expected.loss)) / (double)expected.loss;
    const double gradients = distance(got.gradients, expected.gradients, got.count);
    const double values = distance(got.values, expected.values, got.count);
    print_message("%s, %s: loss %.1e, gradients %.1e, weights %.1e apart\n", variant->name,
                  tf32                  ? "tf32"
                  : dtype == DTYPE_FP32 ? "fp32"
                                        : "bf16",
                  loss, gradients, values);
    assert_true(loss < tolerance);
    assert_true(gradients < gradient_tolerance);
    assert_true(!tf32 || gradients > 1e-4); /* it is made use of */
    assert_true(values < tolerance);
    free_outcome(&expected);
    free_outcome(&got);
    cuda->destroy(cuda);
    cpu->destroy(cpu);
}

static void a_step_is_the_cpus_in_fp32(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++)
        compare_step(&variants[i], DTYPE_FP32, false, 1e-3, 1e-3);
}

static void a_step_is_the_cpus_in_bf16(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++)
        compare_step(&variants[i], DTYPE_BF16, false, 2e-2, 2e-2);
}

/* Gradients differ more: a value beside a relu's bend may fall to the other side. */
static void a_step_is_the_cpus_fp32_in_tf32(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++)
        compare_step(&variants[i], DTYPE_FP32, true, 2e-3, 1e-2);
}

static void a_step_has_the_same_bits_in_every_order(void **state)
{
    (void)state;
    for (int tf32 = 0; tf32 < 2; tf32++) {
        struct step_outcome outcomes[EMULATION_ORDERS];
        for (int order = 0; order < emulation_orders(); order++) {
            struct backend *cuda;
            struct error error;
            emulation_set_order(order, 5);
            assert_int_equal(backend_cuda_create(0, &cuda, &error), 0);
            outcomes[order] = run_step(cuda, &variants[0], tf32 ? DTYPE_FP32 : DTYPE_BF16, tf32);
            cuda->destroy(cuda);
            assert_memory_equal(outcomes[order].gradients, outcomes[0].gradients, outcomes[0].count * sizeof(float));
            assert_memory_equal(outcomes[order].values, outcomes[0].values, outcomes[0].count * sizeof(float));
        }
        emulation_set_order(EMULATION_ASCENDING, 0);
        for (int order = 0; order < emulation_orders(); order++)
            free_outcome(&outcomes[order]);
    }
}

/* The losses of a few queued steps, full batches and a smaller one in turn: on the GPU each is replayed from its third
 * time on. */
enum { QUEUED = 6 };

static void queue_steps(struct backend *backend, const struct variant *variant, float losses[QUEUED])
{
    const struct model_spec spec = spec_of(variant);
    const struct network_options options = {.batch = N, .dtype = DTYPE_FP32, .seed = 3, .ema = true, .lookahead = true};
    struct network *network;
    struct error error;
    float *images = malloc((size_t)N * IMAGE * sizeof *images);
    const uint8_t labels[] = {1, 4, 7, 0};
    if (network_create(backend, &spec, &options, &network, &error))
        fail_msg("%s: %s", variant->name, error.message);
    for (int i = 0; i < QUEUED; i++) {
        const int n = i % 2 ? N - 1 : N;
        for (int j = 0; j < N * IMAGE; j++)
            images[j] = sinf(0.37f * (float)j + (float)i);
        const struct step_batch batch = {.n = n, .images = images, .labels = labels};
        const struct step_options step = {.label_smoothing = 0.1f, .step = (uint32_t)i};
        const struct optimizer_options optimizer = {.learning_rate = 0.02f / (float)(i + 1),
                                                    .momentum = 0.9f,
                                                    .agc = 0.1f,
                                                    .ema = 0.9f,
                                                    .lookahead = 2,
                                                    .nesterov = true,
                                                    .step = i};
        struct step_result result;
        struct update_result update;
        uint64_t ticket;
        if (network_queue_step(network, &batch, &step, &optimizer, &ticket, &error) ||
            network_collect_step(network, ticket, n, true, &result, &update, &error))
            fail_msg("%s: %s", variant->name, error.message);
        losses[i] = result.loss;
        /* replayed or not, the device timed its parts; the images came from the host, before them */
        assert_true(result.laps[LAP_FORWARD] > 0 && result.laps[LAP_BACKWARD] > 0 && result.laps[LAP_UPDATE] > 0);
        assert_true(result.laps[LAP_FORWARD] < 600 && result.laps[LAP_BACKWARD] < 600);
    }
    network_destroy(network);
    free(images);
}

static void replayed_steps_are_the_cpus(void **state)
{
    (void)state;
    struct backend *cpu, *cuda;
    struct error error;
    assert_int_equal(backend_cpu_create(1, &cpu, &error), 0);
    assert_int_equal(backend_cuda_create(0, &cuda, &error), 0);
    for (size_t v = 0; v < sizeof variants / sizeof *variants; v++) {
        float expected[QUEUED], got[QUEUED];
        queue_steps(cpu, &variants[v], expected);
        queue_steps(cuda, &variants[v], got);
        for (int i = 0; i < QUEUED; i++)
            assert_float_equal(got[i], expected[i], 2e-3f);
    }
    cuda->destroy(cuda);
    cpu->destroy(cpu);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_is_the_cpus_in_fp32), cmocka_unit_test(a_step_is_the_cpus_in_bf16),
        cmocka_unit_test(a_step_is_the_cpus_fp32_in_tf32), cmocka_unit_test(a_step_has_the_same_bits_in_every_order),
        cmocka_unit_test(replayed_steps_are_the_cpus)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
