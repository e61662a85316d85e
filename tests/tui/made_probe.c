/* See made_probe.h. */
#include "tests/tui/made_probe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

void made_spec(struct model_spec *spec, int blocks)
{
    struct train_options options;
    struct error error;

    assert_int_equal(model_preset("micro", spec, &options, &error), 0);
    spec->stem = 8;
    spec->stage_count = 1;
    spec->stages[0] = (struct stage_spec){.width = 8, .mid = 4, .blocks = blocks, .stride = 1};
    spec->classes = 10;
}

struct probe *made_probe(const struct model_spec *spec, long step)
{
    struct probe *probe;
    struct error error;

    assert_int_equal(probe_create(spec, &probe, &error), 0);
    probe->step = step;
    probe->images = 64;
    probe->loss = 2.1f;
    probe->gradients = true;
    for (int i = 0; i < probe->count; i++) {
        struct probe_point *point = &probe->points[i];

        point->predicted = i ? model_block(spec, i - 1).variance_out : 1;
        point->variance = point->predicted;
        point->shortcut_variance = point->branch_variance = i ? 1 : 0;
        point->squared_mean = 0.01f;
        point->least = -3;
        point->most = 3;
        point->finite = true;
        point->gradient_norm = 0.5f;
        point->gradient_variance = 0.001f;
        point->weight_norm = 4;
        point->weight_gradient_norm = 0.2f;
        point->update_ratio = 0.002f;
        for (int bin = -40; bin <= 40; bin++)
            point->values[VALUE_MIDDLE + bin * 2] = (uint32_t)(100 - 2 * (bin < 0 ? -bin : bin));
        for (int c = 0; c < point->channels; c++) {
            point->channel_mean[c] = 0.05f * (float)(c - 4);
            point->channel_variance[c] = point->predicted * (0.8f + 0.05f * (float)c);
            point->variances[value_bin(point->channel_variance[c])]++;
        }
    }
    return probe;
}
