/* See made_up_probe.h. */
#include "tests/tui/made_up_probe.h"

#include <math.h>
#include <stdlib.h>

struct model_spec made_up_model(void)
{
    struct model_spec spec;
    struct train_options options;
    struct error error;
    if (model_preset("micro", &spec, &options, &error))
        abort();
    spec.classes = 10;
    return spec;
}

void made_up_counts(uint32_t counts[VALUE_BINS], double mean, double variance, double number)
{
    double before = 0;
    for (int bin = 0; bin < VALUE_BINS; bin++) {
        double edge = bin + 1 < VALUE_BINS ? value_edge(bin + 1) : INFINITY;
        double below = 0.5 * erfc(-(edge - mean) / sqrt(2 * variance));
        counts[bin] = (uint32_t)lround((below - before) * number);
        before = below;
    }
}

struct probe *made_up_probe(const struct model_spec *spec, long step, double scale)
{
    struct probe *probe;
    struct error error;
    if (probe_create(spec, &probe, &error))
        abort();
    probe->step = step;
    probe->images = 64;
    probe->loss = 2.3f;
    probe->gradients = true;
    for (int p = 0; p < probe->count; p++) {
        struct probe_point *point = &probe->points[p];
        double predicted = p == 0 ? 1 : (double)model_block(spec, p - 1).variance_out, variance = scale * predicted;
        point->predicted = (float)predicted;
        point->variance = (float)variance;
        point->squared_mean = (float)(0.02 * scale * (p + 1));
        point->shortcut_variance = (float)(variance - 0.04 * scale);
        point->branch_variance = p == 0 ? 0 : (float)(0.8 * scale);
        point->finite = isfinite(scale);
        point->gradient_norm = (float)(0.1 * exp(-0.2 * p));
        point->gradient_variance = (float)(1e-6 * exp(-0.4 * p));
        point->weight_norm = (float)(4 + p);
        point->update_ratio = step ? 0.002f : 0;
        made_up_counts(point->values, 0, variance, MADE_UP_VALUES);
        for (int c = 0; c < point->channels; c++) {
            point->channel_mean[c] = (float)(0.1 * sin(c));
            point->channel_variance[c] = (float)(variance * pow(2, 2.0 * c / point->channels - 1));
            point->variances[value_bin(point->channel_variance[c])]++;
        }
    }
    return probe;
}
