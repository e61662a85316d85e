/* Accuracy on corrupted images against evaluations of images that were corrupted here. */
#include "engine/robustness.h"

#include "tests/engine/tiny_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

enum { FIRST = 7, COUNT = 20 };

struct watch {
    int calls, last, stop_at;
};

static int watch(void *context, enum corruption_kind kind, int severity, int done, int total)
{
    struct watch *seen = context;
    assert_int_equal(total, COUNT * CORRUPTION_KINDS * CORRUPTION_SEVERITIES);
    assert_true(done > seen->last && done <= total);
    assert_in_range(done - 1, COUNT * (kind * CORRUPTION_SEVERITIES + severity - 1),
                    COUNT * (kind * CORRUPTION_SEVERITIES + severity) - 1);
    seen->last = done;
    return seen->stop_at > 0 && done >= seen->stop_at;
}

static struct evaluation by_hand(struct network *network, const struct evaluation_options *options,
                                 enum corruption_kind kind, int severity)
{
    static uint8_t images[COUNT][IMAGE_BYTES];
    struct corruption *corruption;
    struct error error = {""};
    struct evaluation result;
    assert_int_equal(corruption_create(kind, severity, &corruption, &error), 0);
    for (int i = 0; i < COUNT; i++)
        corruption_apply(corruption, FIRST + (uint32_t)i, dataset_image(tiny_dataset(), SPLIT_TEST, FIRST + i),
                         images[i]);
    corruption_destroy(corruption);
    struct evaluation_options own = *options;
    own.images = images[0];
    assert_int_equal(evaluate(network, tiny_dataset(), &own, &result, &error), 0);
    return result;
}

static void each_severity_is_an_evaluation(void **state)
{
    (void)state;
    struct tiny_run run;
    struct error error = {""};
    struct watch seen = {0};
    struct robustness found;
    const struct evaluation_options options = {
        .split = SPLIT_TEST, .first = FIRST, .count = COUNT, .batch = 8, .normalize = NORMALIZE_IMAGE};
    tiny_init(&run, "micro");
    tiny_create(&run, NULL);
    assert_int_equal(robustness_measure(run.network, tiny_dataset(), &options, watch, &seen, &found, &error), 0);
    assert_int_equal(seen.last, COUNT * CORRUPTION_KINDS * CORRUPTION_SEVERITIES);
    for (int kind = 0; kind < CORRUPTION_KINDS; kind++)
        for (int severity = 1; severity <= CORRUPTION_SEVERITIES; severity += 2) {
            const struct evaluation expected = by_hand(run.network, &options, (enum corruption_kind)kind, severity);
            assert_true(found.accuracy[kind][severity - 1] == expected.accuracy);
            assert_true(found.loss[kind][severity - 1] == expected.loss);
        }

    seen = (struct watch){.stop_at = COUNT + 1};
    assert_int_equal(robustness_measure(run.network, tiny_dataset(), &options, watch, &seen, &found, &error),
                     EVALUATION_INTERRUPTED);
    assert_in_range(seen.last, COUNT + 1, 2 * COUNT);
    tiny_free(&run);
}

static void means_are_over_kinds_and_severities(void **state)
{
    (void)state;
    struct robustness made;
    for (int k = 0; k < CORRUPTION_KINDS; k++)
        for (int s = 0; s < CORRUPTION_SEVERITIES; s++)
            made.accuracy[k][s] = 0.1 * k + 0.01 * s;
    assert_float_equal(robustness_kind_mean(&made, CORRUPTION_IMPULSE_NOISE), 0.22, 1e-9);
    assert_float_equal(robustness_severity_mean(&made, 1), 0.35, 1e-9);
    assert_float_equal(robustness_severity_mean(&made, 5), 0.39, 1e-9);
    assert_float_equal(robustness_mean(&made), 0.37, 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_severity_is_an_evaluation),
        cmocka_unit_test(means_are_over_kinds_and_severities),
    };
    return cmocka_run_group_tests(tests, tiny_open, tiny_close);
}
