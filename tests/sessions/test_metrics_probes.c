/* Probes in the logs: each number comes back, and what diverged is read as such. */
#include "metrics_log.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct error error;

/* A probe whose every number is another. */
static struct probe *probe_of(long step, int count)
{
    struct probe *probe;
    assert_ok(probe_create_summary(count, &probe, &error), &error);
    probe->step = step;
    probe->images = 128;
    probe->loss = 1.0f / 3;
    probe->gradients = true;
    for (int i = 0; i < count; i++) {
        struct probe_point *point = &probe->points[i];
        float *const numbers[] = {&point->predicted,
                                  &point->squared_mean,
                                  &point->variance,
                                  &point->shortcut_variance,
                                  &point->branch_variance,
                                  &point->least,
                                  &point->most,
                                  &point->dead,
                                  &point->gradient_norm,
                                  &point->gradient_variance,
                                  &point->weight_norm,
                                  &point->weight_gradient_norm,
                                  &point->update_ratio,
                                  &point->clipped};
        for (size_t j = 0; j < sizeof numbers / sizeof *numbers; j++)
            *numbers[j] = ((float)step + (float)(i + 1) / 7) * (float)(j + 1) / 3;
        point->channels = 16 << i % 4;
        point->finite = i % 2 == 0;
        for (int bin = 1 + i; bin < VALUE_BINS && i > 0; bin += i)
            point->values[bin] = (uint32_t)bin * (uint32_t)bin * 17u;
        point->variances[i] = 31;
        point->variances[VALUE_BINS - 1 - i] = 32;
    }
    if (count > 1)
        probe->points[1].values[7] = UINT32_MAX;
    return probe;
}

static void assert_same_probe(const struct probe *a, const struct probe *b)
{
    assert_int_equal(a->step, b->step);
    assert_int_equal(a->images, b->images);
    assert_true(a->loss == b->loss);
    assert_true(a->gradients == b->gradients);
    assert_int_equal(a->count, b->count);
    for (int i = 0; i < a->count; i++)
        assert_memory_equal(&a->points[i], &b->points[i], sizeof *a->points);
}

static void test_probes_come_back(void **state)
{
    (void)state;
    const char *path = path_of("probes.jsonl");
    struct probe *probes[] = {probe_of(0, 16), probe_of(1, 16), probe_of(100, 16), probe_of(100, 16)};
    probes[2]->loss = 9; /* taken again by a resumed run, which it stands for */
    struct metrics_log *log = log_make(path, 2);
    for (int i = 0; i < 4; i++)
        assert_ok(metrics_log_probe(log, probes[i], &error), &error);
    assert_ok(metrics_log_close(log, &error), &error);
    struct metrics metrics = log_read(path);
    assert_int_equal(metrics.probe_count, 3);
    assert_int_equal(metrics.step_count, 2);
    assert_int_equal(metrics.damaged_lines, 0);
    assert_int_equal(metrics.last_step, 100);
    assert_same_probe(metrics.probes[0], probes[0]);
    assert_same_probe(metrics.probes[1], probes[1]);
    assert_same_probe(metrics.probes[2], probes[3]);
    assert_null(metrics.probes[0]->points[3].channel_mean);
    metrics_free(&metrics);
    assert_ok(metrics_read_summary(path, &metrics, &error), &error);
    assert_int_equal(metrics.probe_count, 0);
    assert_int_equal(metrics.last_step, 2);
    metrics_free(&metrics);
    for (int i = 0; i < 4; i++)
        probe_destroy(probes[i]);
}

/* What diverged is read back as such; a count that does not fit its bin's place is no record. */
static void test_probes_that_are_not_finite(void **state)
{
    (void)state;
    const char *path = path_of("nan.jsonl");
    struct probe *probe = probe_of(3, 2);
    probe->points[1].variance = NAN;
    probe->points[1].most = INFINITY;
    struct metrics_log *log = log_make(path, 0);
    assert_ok(metrics_log_probe(log, probe, &error), &error);
    assert_ok(metrics_log_close(log, &error), &error);
    struct metrics metrics = log_read(path);
    assert_int_equal(metrics.probe_count, 1);
    assert_true(isnan(metrics.probes[0]->points[1].variance));
    assert_true(isnan(metrics.probes[0]->points[1].most));
    assert_true(metrics.probes[0]->points[0].variance == probe->points[0].variance);
    metrics_free(&metrics);
    probe_destroy(probe);
}

static void test_the_cut_takes_probes_along(void **state)
{
    (void)state;
    const char *path = path_of("cut-probes.jsonl");
    struct metrics_log *log = log_make(path, 4);
    for (long step = 0; step <= 4; step++) {
        struct probe *probe = probe_of(step, 3);
        assert_ok(metrics_log_probe(log, probe, &error), &error);
        probe_destroy(probe);
    }
    assert_ok(log_cut(log, 2, 0, &error), &error);
    assert_ok(metrics_log_close(log, &error), &error);
    struct metrics metrics = log_read(path);
    assert_int_equal(metrics.probe_count, 3);
    assert_int_equal(metrics.step_count, 2);
    assert_int_equal(metrics.last_step, 2);
    metrics_free(&metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_probes_come_back),
        cmocka_unit_test(test_probes_that_are_not_finite),
        cmocka_unit_test(test_the_cut_takes_probes_along),
    };
    return cmocka_run_group_tests(tests, folder_setup, folder_teardown);
}
