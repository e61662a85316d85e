/* Gradients of whole networks, with every option, against finite differences of the loss. */
#include "tests/engine/probe_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 3 };

static double step(struct network *network)
{
    struct error error = {""};
    struct step_result result;
    const struct step_options options = {.label_smoothing = 0.1f, .step = 7};
    if (network_train_step(network, rig_images, rig_labels, BATCH, &options, &result, &error))
        fail_msg("%s", error.message);
    assert_true(result.finite);
    return (double)result.loss;
}

/* Loss with one parameter moved by `distance` along `direction`. */
static double moved_loss(struct network *network, const struct parameter *p, const float *values,
                         const float *direction, double distance)
{
    float *moved = malloc(p->count * sizeof *moved);
    assert_non_null(moved);
    for (size_t i = 0; i < p->count; i++)
        moved[i] = (float)((double)values[i] + distance * (double)direction[i]);
    assert_int_equal(network_write(network, p, PART_VALUE, moved, NULL), 0);
    free(moved);
    return step(network);
}

/* Along its own gradient, every parameter's loss must change by the gradient's norm: central differences at several
 * distances, the best of them counts (fp32 noise wants a large one, curvature and relu's kinks a small one). */
static void check_parameter(struct network *network, const char *what, const struct parameter *p)
{
    enum { LOSS_NOISE = 2 }; /* in units of 1e-6 */
    float *gradient = malloc(p->count * sizeof *gradient), *values = malloc(p->count * sizeof *values);
    assert_non_null(gradient);
    assert_non_null(values);
    step(network);
    assert_int_equal(network_read(network, p, PART_GRADIENT, gradient, NULL), 0);
    assert_int_equal(network_read(network, p, PART_VALUE, values, NULL), 0);
    double norm = 0, best = INFINITY;
    for (size_t i = 0; i < p->count; i++)
        norm += (double)gradient[i] * (double)gradient[i];
    norm = sqrt(norm);
    if (norm < 2e-5)
        fail_msg("%s: %s: the gradient vanishes, nothing is checked", what, p->name);
    for (size_t i = 0; i < p->count; i++)
        gradient[i] = (float)((double)gradient[i] / norm);
    for (double distance = 0.025; distance > 0.001; distance /= 4) {
        const double slope =
            (moved_loss(network, p, values, gradient, distance) - moved_loss(network, p, values, gradient, -distance)) /
            (2 * distance);
        best = fmin(best, fabs(slope - norm) - LOSS_NOISE * 1e-6 / distance);
    }
    assert_int_equal(network_write(network, p, PART_VALUE, values, NULL), 0);
    if (best > 0.015 * norm)
        fail_msg("%s: %s: the gradient is %g, but the loss's slope along it is off by %.2f %%", what, p->name, norm,
                 100 * best / norm);
    free(gradient);
    free(values);
}

/* A sanitizer looks at memory, not at slopes: of the parameters it has a few. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { EACH = 9 };
#else
enum { EACH = 1 };
#endif

static void check_gradients(const char *what, const struct model_spec *spec)
{
    struct network *network = rig_network(spec, BATCH, 3);
    int count;
    const struct parameter *parameters = network_parameters(network, &count);
    rig_stir(network);
    for (int i = 0; i < count; i += EACH) {
        /* batch norm takes out the mean that a bias before it adds: those gradients are zero, not wrong */
        const bool idle = spec->norm == NORM_BATCH && parameters[i].role == PARAMETER_BIAS &&
                          !strstr(parameters[i].name, "bn") && !strstr(parameters[i].name, "head");
        if (parameters[i].role != PARAMETER_BUFFER && parameters[i].role != PARAMETER_FROZEN && !idle)
            check_parameter(network, what, &parameters[i]);
    }
    network_destroy(network);
}

static void test_gradients_papers(void **state)
{
    (void)state;
    struct model_spec spec = rig_narrow(FAMILY_PAPERS);
    check_gradients("papers", &spec);
    spec.shortcut = SHORTCUT_CONV;
    check_gradients("papers, a shortcut that strides by its convolution", &spec);
}

static void test_gradients_report(void **state)
{
    (void)state;
    struct model_spec spec = rig_narrow(FAMILY_REPORT);
    check_gradients("report", &spec);
}

static void test_gradients_activations(void **state)
{
    (void)state;
    static const char *const names[] = {"relu", "gelu", "silu", "tanh"};
    for (int a = ACTIVATION_GELU; a <= ACTIVATION_TANH; a++) {
        struct model_spec spec = rig_narrow(FAMILY_PAPERS);
        spec.activation = (enum activation)a;
        check_gradients(names[a], &spec);
    }
}

static void test_gradients_without_standardization(void **state)
{
    (void)state;
    struct model_spec spec = rig_narrow(FAMILY_PAPERS);
    spec.weight_standardization = false;
    check_gradients("ws off", &spec);
}

static void test_gradients_behind_a_frozen_stem(void **state)
{
    (void)state;
    for (int family = FAMILY_PAPERS; family <= FAMILY_REPORT; family++) {
        struct model_spec spec = rig_narrow((enum model_family)family);
        spec.stem_kind = STEM_WHITENED;
        check_gradients(family == FAMILY_REPORT ? "report with a frozen stem" : "papers with a frozen stem", &spec);
    }
}

static void test_gradients_squeeze_excite_and_stochastic_depth(void **state)
{
    (void)state;
    struct model_spec spec = rig_narrow(FAMILY_PAPERS);
    spec.squeeze_excite = 0.5f;
    check_gradients("squeeze-excite", &spec);
    spec.stochastic_depth = 0.3f;
    check_gradients("squeeze-excite and stochastic depth", &spec);
}

static void test_gradients_groups_and_dropout(void **state)
{
    (void)state;
    struct model_spec spec = rig_narrow(FAMILY_PAPERS);
    spec.group_width = 4;
    spec.dropout = 0.25f;
    check_gradients("groups and dropout", &spec);
}

static void test_gradients_batch_norm(void **state)
{
    (void)state;
    for (int family = FAMILY_PAPERS; family <= FAMILY_REPORT; family++) {
        struct model_spec spec = rig_narrow((enum model_family)family);
        spec.norm = NORM_BATCH;
        check_gradients(family == FAMILY_REPORT ? "report with batch norm" : "papers with batch norm", &spec);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients_papers),
        cmocka_unit_test(test_gradients_report),
        cmocka_unit_test(test_gradients_activations),
        cmocka_unit_test(test_gradients_without_standardization),
        cmocka_unit_test(test_gradients_behind_a_frozen_stem),
        cmocka_unit_test(test_gradients_squeeze_excite_and_stochastic_depth),
        cmocka_unit_test(test_gradients_groups_and_dropout),
        cmocka_unit_test(test_gradients_batch_norm),
    };
    return cmocka_run_group_tests(tests, probe_rig_open, probe_rig_close);
}
