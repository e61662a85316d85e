/* What a probe is asked for and of what: without labels, of the weights, of a smaller batch; what is not finite in it,
 * and the memory that it takes. */
#include "probe_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Without labels there is no loss and no gradient, and all else is the same. */
static void test_images_without_labels(void **state)
{
    (void)state;
    const struct model_spec spec = rig_narrow(FAMILY_REPORT);
    struct network *network = rig_network(&spec, 5, 3);
    const struct step_batch batch = {.n = 5, .images = rig_images};
    struct probe_options options = {.step = 9};
    struct error error = {""};
    struct probe *probe, *labelled = rig_probe(network, 5, &options);
    assert_int_equal(probe_create(&spec, &probe, &error), 0);
    assert_int_equal(probe_take(network, &batch, &options, probe, &error), 0);
    assert_true(probe->loss == 0 && labelled->loss > 1);
    assert_int_equal(probe->step, 9);
    assert_true(probe->points[3].variance == labelled->points[3].variance);
    options.gradients = true;
    assert_int_equal(probe_take(network, &batch, &options, probe, &error), -1);
    assert_non_null(strstr(error.message, "labels"));
    probe_destroy(probe);
    probe_destroy(labelled);
    network_destroy(network);
}

/* Norms of the weights of each point against sums over its tensors, ratio and clipping by their formulas. */
static void test_weights_of_a_point(void **state)
{
    (void)state;
    const struct model_spec spec = rig_narrow(FAMILY_PAPERS);
    struct network *network = rig_network(&spec, 8, 3);
    const struct probe_options options = {.gradients = true, .learning_rate = 0.5f, .agc = 0.01f};
    rig_stir(network);
    rig_set(network, "blocks.0.conv1.weight", PART_MOMENTUM, 0.25f, 0);
    struct probe *probe = rig_probe(network, 8, &options);
    int count, total_clipped = 0, total_units = 0;
    const struct parameter *parameters = network_parameters(network, &count);
    for (int i = 0; i < probe->count; i++) {
        char prefix[32] = "stem.";
        double value = 0, gradient = 0, momentum = 0;
        int units = 0, clipped = 0;
        if (i > 0)
            snprintf(prefix, sizeof prefix, "blocks.%d.", i - 1);
        for (int j = 0; j < count; j++) {
            const struct parameter *p = &parameters[j];
            if (p->role != PARAMETER_WEIGHT || strncmp(p->name, prefix, strlen(prefix)))
                continue;
            const size_t length = p->count / (size_t)p->dims[0];
            for (int unit = 0; unit < p->dims[0]; unit++) {
                double w = 0, g = 0;
                for (size_t k = (size_t)unit * length; k < ((size_t)unit + 1) * length; k++) {
                    w += (double)p->value[k] * (double)p->value[k];
                    g += (double)p->gradient[k] * (double)p->gradient[k];
                    momentum += (double)p->momentum[k] * (double)p->momentum[k];
                }
                value += w;
                gradient += g;
                units++;
                clipped += 0.01 * fmax(sqrt(w), 1e-3) < fmax(sqrt(g), 1e-6);
            }
        }
        const struct probe_point *point = &probe->points[i];
        assert_true(fabs((double)point->weight_norm - sqrt(value)) < 1e-5 * sqrt(value));
        assert_true(fabs((double)point->weight_gradient_norm - sqrt(gradient)) < 1e-5 * sqrt(gradient));
        assert_true(fabs((double)point->update_ratio - 0.5 * sqrt(momentum / value)) < 1e-5);
        assert_true(fabs((double)point->clipped - (double)clipped / units) < 1e-6);
        assert_true((point->update_ratio > 0) == (i == 1));
        total_clipped += clipped;
        total_units += units;
    }
    assert_in_range(total_clipped, 1, total_units - 1); /* both kinds were there */
    probe_destroy(probe);
    network_destroy(network);
}

static void test_what_is_not_finite_is_told(void **state)
{
    (void)state;
    const struct model_spec spec = rig_narrow(FAMILY_PAPERS);
    struct network *network = rig_network(&spec, 5, 3);
    rig_set(network, "blocks.1.conv3.bias", PART_VALUE, NAN, 1);
    struct probe *probe = rig_probe(network, 5, NULL);
    assert_true(probe->points[1].finite);
    assert_false(probe->points[2].finite);
    assert_false(probe->points[3].finite);
    assert_true(isnan(probe->points[2].variance) && isfinite(probe->points[1].variance));
    probe_destroy(probe);
    network_destroy(network);
}

/* Batch norm's last batch is a smaller one, whose statistics are its own. */
static void test_batches_of_another_size(void **state)
{
    (void)state;
    struct model_spec spec = rig_narrow(FAMILY_PAPERS);
    spec.norm = NORM_BATCH;
    struct network *network = rig_network(&spec, 8, 3), *small = rig_network(&spec, 3, 3);
    struct probe *first = rig_probe(network, 8, NULL), *second = rig_probe(network, 3, NULL);
    struct probe *third = rig_probe(network, 8, NULL), *alone = rig_probe(small, 3, NULL);
    for (int i = 0; i < first->count; i++) {
        assert_true(first->points[i].variance == third->points[i].variance);
        assert_true(second->points[i].variance == alone->points[i].variance);
        assert_true(first->points[i].predicted == 0);
    }
    struct probe *const all[] = {first, second, third, alone};
    for (int i = 0; i < 4; i++)
        probe_destroy(all[i]);
    network_destroy(network);
    network_destroy(small);
}

/* What probes take is part of what the network takes, and is taken at once where the run wants them. */
static void test_memory(void **state)
{
    (void)state;
    const struct model_spec spec = rig_narrow(FAMILY_PAPERS);
    const struct network_options options = {.batch = 20, .seed = 3, .probes = true};
    struct network *with = NULL, *without = rig_network(&spec, 20, 3);
    struct error error = {""};
    const size_t before = network_memory(without);
    assert_int_equal(network_create(rig_backend, &spec, &options, &with, &error), 0);
    probe_destroy(rig_probe(without, 20, NULL));
    assert_true(network_memory(without) > before);
    assert_int_equal(network_memory(without), network_memory(with));
    const size_t more = network_memory(with);
    probe_destroy(rig_probe(with, 20, NULL));
    assert_int_equal(network_memory(with), more);
    network_destroy(with);
    network_destroy(without);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_images_without_labels),
        cmocka_unit_test(test_weights_of_a_point),
        cmocka_unit_test(test_what_is_not_finite_is_told),
        cmocka_unit_test(test_batches_of_another_size),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, probe_rig_open, probe_rig_close);
}
