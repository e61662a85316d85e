/* The memory of probes; see probe.h. */
#include "engine/probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int probe_create_summary(int count, struct probe **out, struct error *error)
{
    struct probe *probe = calloc(1, sizeof *probe);
    if (probe)
        probe->points = calloc((size_t)count, sizeof *probe->points);
    if (!probe || !probe->points) {
        probe_destroy(probe);
        return error_set(error, "out of memory for a probe");
    }
    probe->count = count;
    *out = probe;
    return 0;
}

int probe_create(const struct model_spec *spec, struct probe **out, struct error *error)
{
    struct probe *probe = NULL;
    const int count = 1 + model_block_count(spec);
    size_t channels = 0;
    if (probe_create_summary(count, &probe, error))
        return -1;
    for (int i = 0; i < count; i++) {
        probe->points[i].channels = i == 0 ? spec->stem : model_block(spec, i - 1).cout;
        channels += (size_t)probe->points[i].channels;
    }
    float *next = probe->memory = calloc(2 * channels, sizeof *probe->memory);
    if (!next) {
        probe_destroy(probe);
        return error_set(error, "out of memory for a probe");
    }
    for (int i = 0; i < count; i++) {
        probe->points[i].channel_mean = next;
        probe->points[i].channel_variance = next + probe->points[i].channels;
        next += 2 * probe->points[i].channels;
    }
    *out = probe;
    return 0;
}

void probe_destroy(struct probe *probe)
{
    if (!probe)
        return;
    free(probe->points);
    free(probe->memory);
    free(probe);
}

void probe_copy(struct probe *to, const struct probe *from)
{
    to->step = from->step;
    to->images = from->images;
    to->loss = from->loss;
    to->gradients = from->gradients;
    for (int i = 0; i < to->count; i++) {
        struct probe_point *point = &to->points[i];
        const struct probe_point *source = &from->points[i];
        float *const mean = point->channel_mean, *const variance = point->channel_variance;
        const size_t bytes = (size_t)source->channels * sizeof *mean;
        *point = *source;
        point->channel_mean = mean;
        point->channel_variance = variance;
        if (!mean || !source->channel_mean)
            continue;
        memcpy(mean, source->channel_mean, bytes);
        memcpy(variance, source->channel_variance, bytes);
    }
}

void probe_point_name(int point, char *text, size_t size)
{
    if (point == 0)
        snprintf(text, size, "stem");
    else
        snprintf(text, size, "block %d", point);
}
