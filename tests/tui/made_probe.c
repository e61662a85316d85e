/* See made_probe.h. */
#include "tests/tui/made_probe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

enum { NORMAL_VALUES = 1000000 };

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

static void normal_counts(uint32_t counts[VALUE_BINS], double variance)
{
    double before = 0;

    for (int bin = 0; bin < VALUE_BINS; bin++) {
        double edge = bin + 1 < VALUE_BINS ? (double)value_edge(bin + 1) : INFINITY;
        double below = 0.5 * erfc(-edge / sqrt(2 * variance));

        counts[bin] = (uint32_t)lround((below - before) * NORMAL_VALUES);
        before = below;
    }
}

struct probe *made_normal_probe(const struct model_spec *spec, long step, double scale)
{
    struct probe *probe = made_probe(spec, step);

    for (int p = 0; p < probe->count; p++) {
        struct probe_point *point = &probe->points[p];
        double variance = scale * point->predicted;

        point->variance = (float)variance;
        point->squared_mean = (float)(0.02 * scale * (p + 1));
        point->branch_variance = p ? (float)(0.8 * scale) : 0;
        point->gradient_norm = (float)(0.1 * exp(-0.2 * p));
        point->gradient_variance = (float)(1e-6 * exp(-0.4 * p));
        point->update_ratio = step ? 0.002f : 0;
        normal_counts(point->values, variance);
        memset(point->variances, 0, sizeof(point->variances));
        for (int c = 0; c < point->channels; c++) {
            point->channel_variance[c] = (float)(variance * pow(2, 2.0 * c / point->channels - 1));
            point->variances[value_bin(point->channel_variance[c])]++;
        }
    }
    return probe;
}
