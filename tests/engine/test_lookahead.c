/* Lookahead (Zhang et al., arXiv 1907.08610) in whole networks: slow weights go half of the way every so many steps,
 * the others begin again from there, the momentum stays, averages take what a step leaves. */
#include "engine/execute.h"
#include "tests/engine/probe_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 3, EVERY = 3 };

static struct network *make(bool lookahead)
{
    struct model_spec spec;
    struct train_options train;
    struct error error = {""};
    struct network *network = NULL;
    assert_int_equal(model_preset("micro", &spec, &train, &error), 0);
    spec.stem = 8;
    spec.stage_count = 1;
    spec.stages[0] = (struct stage_spec){.width = 8, .mid = 8, .blocks = 1, .stride = 2};
    const struct network_options options = {
        .batch = BATCH, .dtype = DTYPE_FP32, .seed = 3, .ema = true, .lookahead = lookahead};
    if (network_create(rig_backend, &spec, &options, &network, &error))
        fail_msg("%s", error.message);
    return network;
}

/* Updates number `from` to `to` - 1. */
static void train(struct network *network, int every, int from, int to)
{
    for (int i = from; i < to; i++) {
        struct error error = {""};
        struct step_result result;
        struct update_result update;
        const struct step_options step = {.step = (uint32_t)i};
        const struct optimizer_options optimizer = {.learning_rate = 0.1f,
                                                    .momentum = 0.9f,
                                                    .agc = 0.02f,
                                                    .ema = 0.9f,
                                                    .lookahead = every,
                                                    .step = 100 * EVERY + i};
        if (network_train_step(network, rig_images, rig_labels, BATCH, &step, &result, &error) ||
            network_update(network, &optimizer, &update, &error))
            fail_msg("%s", error.message);
        assert_true(update.finite);
    }
}

static float *part_of(struct network *network, enum parameter_part part, size_t *count)
{
    const struct parameter *p = network_find(network, "blocks.0.conv1.weight");
    float *values = malloc(p->count * sizeof *values);
    assert_non_null(values);
    *count = p->count;
    assert_int_equal(network_read(network, p, part, values, NULL), 0);
    return values;
}

static bool same(const float *a, const float *b, size_t count)
{
    return memcmp(a, b, count * sizeof *a) == 0;
}

static void slow_weights_go_half_of_the_way(void **state)
{
    (void)state;
    size_t n;
    struct network *plain = make(false), *looks = make(true);
    float *first = part_of(plain, PART_VALUE, &n);

    /* up to the third step it is the plain run */
    train(plain, 0, 0, EVERY - 1);
    train(looks, EVERY, 0, EVERY - 1);
    float *value = part_of(looks, PART_VALUE, &n), *slow = part_of(looks, PART_SLOW, &n);
    float *expected = part_of(plain, PART_VALUE, &n), *average = part_of(plain, PART_EMA, &n);
    assert_true(same(value, expected, n) && same(slow, first, n));
    free(value), free(slow), free(expected);

    /* with that one the weights are half-way back, and the momentum is as it was */
    train(plain, 0, EVERY - 1, EVERY);
    train(looks, EVERY, EVERY - 1, EVERY);
    value = part_of(looks, PART_VALUE, &n), slow = part_of(looks, PART_SLOW, &n);
    expected = part_of(plain, PART_VALUE, &n);
    float *momentum = part_of(looks, PART_MOMENTUM, &n), *plain_momentum = part_of(plain, PART_MOMENTUM, &n);
    float *ema = part_of(looks, PART_EMA, &n);
    assert_true(same(value, slow, n) && same(momentum, plain_momentum, n));
    for (size_t i = 0; i < n; i++) {
        assert_float_equal(value[i], (first[i] + expected[i]) / 2, 1e-6);
        assert_float_equal(ema[i], 0.9f * average[i] + 0.1f * value[i], 1e-6);
    }

    /* and until the sixth the slow ones wait there */
    train(looks, EVERY, EVERY, 2 * EVERY - 1);
    float *later = part_of(looks, PART_SLOW, &n), *moved = part_of(looks, PART_VALUE, &n);
    assert_true(same(later, slow, n) && !same(moved, slow, n));
    train(looks, EVERY, 2 * EVERY - 1, 2 * EVERY);
    float *last = part_of(looks, PART_SLOW, &n);
    assert_false(same(last, slow, n));
    free(first), free(value), free(slow), free(expected), free(average), free(momentum), free(plain_momentum);
    free(ema), free(later), free(moved), free(last);
    network_destroy(plain);
    network_destroy(looks);
}

/* It takes a copy of all parameters, which the count of memory knows of, and the state of a run has. */
static void the_memory_is_counted(void **state)
{
    (void)state;
    struct network *plain = make(false), *looks = make(true);
    const size_t floats = plain->parameters.floats;
    assert_int_equal(network_state_floats(looks), network_state_floats(plain) + floats);
    assert_true(network_memory(looks) >= network_memory(plain) + floats * sizeof(float));
    assert_null(network_find(plain, "stem.weight")->slow);
    network_destroy(plain);
    network_destroy(looks);
}

/* A step more, and back: all is as it was. */
static void a_state_has_the_slow_weights(void **state)
{
    (void)state;
    size_t n;
    struct network *network = make(true);
    train(network, EVERY, 0, EVERY);
    const size_t floats = network_state_floats(network);
    float *kept = malloc(floats * sizeof *kept), *before = part_of(network, PART_SLOW, &n);
    assert_non_null(kept);
    assert_int_equal(network_read_state(network, kept, NULL), 0);
    train(network, EVERY, EVERY, 2 * EVERY);
    float *other = part_of(network, PART_SLOW, &n);
    assert_false(same(before, other, n));
    assert_int_equal(network_write_state(network, kept, NULL), 0);
    float *after = part_of(network, PART_SLOW, &n);
    assert_true(same(before, after, n));
    assert_int_equal(network_begin_anew(network, NULL), 0);
    float *slow = part_of(network, PART_SLOW, &n), *value = part_of(network, PART_VALUE, &n);
    assert_true(same(slow, value, n) && !same(slow, before, n));
    free(kept), free(before), free(other), free(after), free(slow), free(value);
    network_destroy(network);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slow_weights_go_half_of_the_way),
        cmocka_unit_test(the_memory_is_counted),
        cmocka_unit_test(a_state_has_the_slow_weights),
    };
    return cmocka_run_group_tests(tests, probe_rig_open, probe_rig_close);
}
