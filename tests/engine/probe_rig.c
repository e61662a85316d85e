/* See probe_rig.h. */
#include "probe_rig.h"

#include "kernels/philox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

struct backend *rig_backend;
float *rig_images;
uint8_t rig_labels[RIG_IMAGES];

int probe_rig_open(void **state)
{
    (void)state;
    struct error error = {""};
    rig_images = malloc((size_t)RIG_IMAGES * RIG_IMAGE * sizeof *rig_images);
    if (!rig_images)
        return -1;
    for (int i = 0; i < RIG_IMAGES * RIG_IMAGE; i += 4) {
        const struct philox draw = philox_draw(5, PHILOX_SYNTHETIC, 0, (uint64_t)i, 0);
        philox_normal(draw.word[0], draw.word[1], rig_images + i);
        philox_normal(draw.word[2], draw.word[3], rig_images + i + 2);
    }
    for (int i = 0; i < RIG_IMAGES; i++)
        rig_labels[i] = (uint8_t)(i * 7 % 10);
    return backend_cpu_create(1, &rig_backend, &error);
}

int probe_rig_close(void **state)
{
    (void)state;
    rig_backend->destroy(rig_backend);
    free(rig_images);
    return 0;
}

struct model_spec rig_preset(const char *name)
{
    struct model_spec spec;
    struct train_options options;
    struct error error = {""};
    if (model_preset(name, &spec, &options, &error))
        fail_msg("%s", error.message);
    return spec;
}

struct model_spec rig_narrow(enum model_family family)
{
    struct model_spec spec = rig_preset(family == FAMILY_REPORT ? "report" : "micro");
    spec.stem = 8;
    spec.stage_count = 2;
    spec.stages[0] = (struct stage_spec){16, 8, 2, 1};
    spec.stages[1] = (struct stage_spec){16, 8, 1, 2};
    spec.alpha = 0.5f;
    spec.skip_gain = SKIP_GAIN_ONE;
    return spec;
}

struct network *rig_network(const struct model_spec *spec, int batch, uint64_t seed)
{
    struct error error = {""};
    struct network *network = NULL;
    const struct network_options options = {.batch = batch, .dtype = DTYPE_FP32, .seed = seed};
    if (network_create(rig_backend, spec, &options, &network, &error))
        fail_msg("%s", error.message);
    return network;
}

void rig_stir(struct network *network)
{
    int count;
    const struct parameter *parameters = network_parameters(network, &count);
    for (int i = 0; i < count; i++) {
        const struct parameter *p = &parameters[i];
        if (p->role == PARAMETER_BUFFER)
            continue;
        float *values = malloc(p->count * sizeof *values);
        assert_non_null(values);
        assert_int_equal(network_read(network, p, PART_VALUE, values, NULL), 0);
        for (size_t j = 0; j < p->count; j++)
            values[j] += 0.2f * (philox_uniform(philox_draw(9, PHILOX_INITIALISE, (uint32_t)i, j, 0).word[0]) - 0.5f);
        assert_int_equal(network_write(network, p, PART_VALUE, values, NULL), 0);
        free(values);
    }
}

struct probe *rig_probe(struct network *network, int n, const struct probe_options *options)
{
    static const struct probe_options with_gradients = {.gradients = true};
    const struct step_batch batch = {.n = n, .images = rig_images, .labels = rig_labels};
    struct error error = {""};
    struct probe *probe;
    if (probe_create(network_spec(network), &probe, &error) ||
        probe_take(network, &batch, options ? options : &with_gradients, probe, &error))
        fail_msg("%s", error.message);
    return probe;
}

void rig_set(struct network *network, const char *name, enum parameter_part part, float value, size_t count)
{
    const struct parameter *p = network_find(network, name);
    assert_non_null(p);
    float *values = malloc(p->count * sizeof *values);
    assert_non_null(values);
    assert_int_equal(network_read(network, p, part, values, NULL), 0);
    for (size_t i = 0; i < (count ? count : p->count); i++)
        values[i] = value;
    assert_int_equal(network_write(network, p, part, values, NULL), 0);
    free(values);
}
