/* Probes on the (emulated) GPU: the CPU's numbers, in every network, and a training that does not notice them. */
#include "tests/cuda_emulation/emulation.h"
#include "tests/engine/probe_rig.h"
#include "tests/engine/tiny_run.h"

#include "kernels/cuda.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { N = 3 };

static int open_cuda(struct backend **out, struct error *error)
{
    return backend_cuda_create(0, out, error);
}

static const struct variant {
    const char *name;
    enum model_family family;
    enum norm_kind norm;
    enum activation activation;
    float squeeze_excite;
    int group_width;
    enum shortcut_kind shortcut;
} variants[] = {
    {"papers", FAMILY_PAPERS, NORM_NONE, ACTIVATION_RELU, 0, 0, SHORTCUT_POOL},
    {"report", FAMILY_REPORT, NORM_NONE, ACTIVATION_RELU, 0, 0, SHORTCUT_POOL},
    {"all options", FAMILY_PAPERS, NORM_NONE, ACTIVATION_SILU, 0.5f, 4, SHORTCUT_CONV},
    {"batch norm", FAMILY_PAPERS, NORM_BATCH, ACTIVATION_RELU, 0, 0, SHORTCUT_POOL},
};

static struct network *network_on(struct backend *backend, const struct variant *variant, enum dtype dtype)
{
    struct model_spec spec = rig_narrow(variant->family);
    struct network *network = NULL;
    struct error error = {""};
    const struct network_options options = {.batch = N, .dtype = dtype, .seed = 3};
    spec.norm = variant->norm;
    spec.activation = variant->activation;
    spec.squeeze_excite = variant->squeeze_excite;
    spec.group_width = variant->group_width;
    spec.shortcut = variant->shortcut;
    if (network_create(backend, &spec, &options, &network, &error))
        fail_msg("%s", error.message);
    rig_stir(network);
    rig_set(network, "blocks.1.conv1.bias", PART_VALUE, -100, 3); /* dead units */
    rig_set(network, "blocks.0.conv1.weight", PART_MOMENTUM, 0.25f, 0);
    return network;
}

/* How far two counts of the same values are apart: the share that lies in other bins. */
static double moved(const uint32_t *a, const uint32_t *b)
{
    double differing = 0, all = 0;
    for (int i = 0; i < VALUE_BINS; i++) {
        differing += fabs((double)a[i] - (double)b[i]);
        all += (double)a[i] + (double)b[i];
    }
    return differing / all;
}

static void compare(const struct variant *variant, const struct probe *a, const struct probe *b, double tolerance)
{
    assert_true(fabs((double)(a->loss - b->loss)) < tolerance * (double)b->loss);
    for (int i = 0; i < a->count; i++) {
        const struct probe_point *p = &a->points[i], *q = &b->points[i];
        const float pairs[][2] = {{p->predicted, q->predicted},
                                  {p->variance, q->variance},
                                  {p->shortcut_variance, q->shortcut_variance},
                                  {p->branch_variance, q->branch_variance},
                                  {p->least, q->least},
                                  {p->most, q->most},
                                  {p->dead, q->dead},
                                  {p->gradient_norm, q->gradient_norm},
                                  {p->gradient_variance, q->gradient_variance},
                                  {p->weight_norm, q->weight_norm},
                                  {p->weight_gradient_norm, q->weight_gradient_norm},
                                  {p->update_ratio, q->update_ratio}};
        for (size_t j = 0; j < sizeof pairs / sizeof *pairs; j++)
            if (!(fabs((double)(pairs[j][0] - pairs[j][1])) <= 2 * tolerance * fabs((double)pairs[j][1])))
                fail_msg("%s: point %d, number %d: %g, the CPU's %g", variant->name, i, (int)j, (double)pairs[j][0],
                         (double)pairs[j][1]);
        /* means near 0 are differences of what is large */
        assert_true(fabs((double)(p->squared_mean - q->squared_mean)) < tolerance * (double)q->variance);
        assert_true(fabsf(p->clipped - q->clipped) < 0.05f);
        assert_int_equal(p->channels, q->channels);
        assert_true(p->finite && q->finite);
        assert_true(moved(p->values, q->values) < 4 * tolerance);
        for (int c = 0; c < p->channels; c++)
            assert_true(fabs((double)(p->channel_variance[c] - q->channel_variance[c])) <
                        4 * tolerance * (double)q->channel_variance[c]);
    }
}

static void compare_all(enum dtype dtype, double tolerance)
{
    const struct probe_options options = {.gradients = true, .learning_rate = 0.1f, .agc = 0.01f};
    struct backend *cuda;
    struct error error;
    assert_int_equal(backend_cuda_create(0, &cuda, &error), 0);
    for (size_t v = 0; v < sizeof variants / sizeof *variants; v++) {
        struct network *on_cpu = network_on(rig_backend, &variants[v], dtype);
        struct network *on_cuda = network_on(cuda, &variants[v], dtype);
        struct probe *expected = rig_probe(on_cpu, N, &options), *got = rig_probe(on_cuda, N, &options);
        compare(&variants[v], got, expected, tolerance);
        probe_destroy(expected);
        probe_destroy(got);
        network_destroy(on_cpu);
        network_destroy(on_cuda);
    }
    cuda->destroy(cuda);
}

static void a_probe_is_the_cpus_in_fp32(void **state)
{
    (void)state;
    compare_all(DTYPE_FP32, 1e-3);
}

static void a_probe_is_the_cpus_in_bf16(void **state)
{
    (void)state;
    compare_all(DTYPE_BF16, 3e-2);
}

/* ---- Runs ---- */

static void begin(struct tiny_run *run, long every)
{
    tiny_init(run, "micro");
    run->spec.stem = 8;
    run->spec.stage_count = 1;
    run->spec.stages[0] = (struct stage_spec){.width = 16, .mid = 8, .blocks = 1, .stride = 2};
    run->options.probe_every = every;
}

static void finish(struct tiny_run *run)
{
    struct error error = {""};
    tiny_create(run, NULL);
    if (trainer_run(run->trainer, &error))
        fail_msg("%s", error.message);
}

static void run(struct tiny_run *run, long every, int polls)
{
    begin(run, every);
    emulation_set_polls(polls);
    finish(run);
    emulation_set_polls(1);
}

/* Steps in flight land before a probe, which then sees the batch of the step that follows. */
static void probing_leaves_the_bits_alone(void **state)
{
    (void)state;
    static struct tiny_run plain, each, some;
    run(&plain, 0, 20);
    run(&each, 1, 20);
    run(&some, 5, 20);
    static const long expected[] = {0, 1, 4, 5, 10, 15, 2 * TINY_EPOCH};
    assert_int_equal(each.probe_count, 2 * TINY_EPOCH + 1);
    assert_int_equal(some.probe_count, sizeof expected / sizeof *expected);
    for (int i = 0; i < some.probe_count; i++) {
        const struct probe *probe = some.probes[i], *same = each.probes[expected[i]];
        assert_int_equal(probe->step, expected[i]);
        if (probe->step < plain.step_count)
            assert_true(fabsf(probe->loss - plain.steps[probe->step].loss) < 1e-4f);
        assert_memory_equal(probe->points[1].values, same->points[1].values, sizeof same->points[1].values);
        assert_true(probe->points[1].gradient_norm == same->points[1].gradient_norm);
    }
    for (int i = 0; i < plain.step_count; i++) {
        assert_true(plain.steps[i].loss == each.steps[i].loss);
        assert_true(plain.steps[i].loss == some.steps[i].loss);
    }
    tiny_assert_same_end(&plain, &each);
    tiny_assert_same_end(&plain, &some);
    tiny_free(&plain);
    tiny_free(&each);
    tiny_free(&some);
}

/* More images than a probe takes at once, out of those on the GPU: part by part they are those of the step. */
static void a_large_batch_is_taken_in_parts(void **state)
{
    (void)state;
    static struct tiny_run run;
    begin(&run, 1);
    run.options.limit = run.options.batch = 150;
    run.options.validation = 10;
    run.options.epochs = 1;
    finish(&run);
    assert_int_equal(run.step_count, 1);
    assert_int_equal(run.probe_count, 2); /* before the step, and behind it */
    assert_int_equal(run.probes[0]->images, 150);
    assert_true(fabsf(run.probes[0]->loss - run.steps[0].loss) < 1e-5f * run.steps[0].loss);
    tiny_free(&run);
}

int main(void)
{
    const struct CMUnitTest probes[] = {cmocka_unit_test(a_probe_is_the_cpus_in_fp32),
                                        cmocka_unit_test(a_probe_is_the_cpus_in_bf16)};
    const struct CMUnitTest runs[] = {cmocka_unit_test(probing_leaves_the_bits_alone),
                                      cmocka_unit_test(a_large_batch_is_taken_in_parts)};
    tiny_backend_open = open_cuda;
    const int failed = cmocka_run_group_tests(probes, probe_rig_open, probe_rig_close);
    return emulation_is_sanitized() ? failed : failed + cmocka_run_group_tests(runs, tiny_open, tiny_close);
}
