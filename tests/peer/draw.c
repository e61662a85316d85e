/* See draw.h; peer.py's philox, name_hash, draw and projections are the same formulae. */
#include "tests/peer/draw.h"

#include "kernels/philox.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum stream { STREAM_VALUES, STREAM_SIGNS };

static uint32_t name_hash(const char *name)
{
    uint32_t hash = 0x811C9DC5u;
    for (; *name; name++)
        hash = (hash ^ (uint8_t)*name) * 0x01000193u;
    return hash;
}

/* Words 4 * group to 4 * group + 3 of a tensor's stream. */
static struct philox draw_group(uint32_t tensor, enum stream stream, size_t group)
{
    const uint32_t counter[4] = {(uint32_t)group, 0, tensor, stream};
    return philox_raw(counter, 0x6E666265u, 0);
}

static int ends_with(const char *name, const char *end)
{
    size_t length = strlen(name), tail = strlen(end);
    return length >= tail && strcmp(name + length - tail, end) == 0;
}

void draw_tensor(const char *name, const int *dims, int dim_count, float *out)
{
    size_t count = 1;
    for (int i = 0; i < dim_count; i++)
        count *= (size_t)dims[i];
    double center = 0, spread = 0.2;
    if (strcmp(name, "input") == 0) {
        spread = sqrt(3.0);
    } else if (ends_with(name, ".gain")) {
        center = 1;
        spread = 0.3;
    } else if (ends_with(name, ".skip_gain")) {
        center = 0.75;
        spread = 0.25;
    } else if (dim_count == 4) {
        spread = sqrt(6.0 / ((double)dims[1] * dims[2] * dims[3]));
    }
    uint32_t tensor = name_hash(name);
    struct philox words = {{0}};
    for (size_t i = 0; i < count; i++) {
        if (i % 4 == 0)
            words = draw_group(tensor, STREAM_VALUES, i / 4);
        out[i] = (float)(center + spread * (2.0 * philox_uniform(words.word[i % 4]) - 1));
    }
}

void draw_images(int n, float *images, uint8_t *labels)
{
    uint32_t tensor = name_hash("labels");
    const int dims[4] = {n, 3, 32, 32};
    float *planes = malloc((size_t)n * 3072 * sizeof *planes);
    if (!planes)
        abort();
    draw_tensor("input", dims, 4, planes);
    for (int i = 0; i < n; i++) {
        labels[i] = (uint8_t)(draw_group(tensor, STREAM_VALUES, (size_t)i / 4).word[i % 4] % 10);
        for (int pixel = 0; pixel < 1024; pixel++)
            for (int channel = 0; channel < 3; channel++)
                images[(i * 1024 + pixel) * 3 + channel] = planes[(i * 3 + channel) * 1024 + pixel];
    }
    free(planes);
}

void draw_projections(const char *name, const float *gradient, size_t count, double out[1 + PROJECTIONS])
{
    uint32_t tensor = name_hash(name);
    double squares = 0, products[PROJECTIONS] = {0};
    struct philox words = {{0}};
    for (size_t i = 0; i < count; i++) {
        if (i % 4 == 0)
            words = draw_group(tensor, STREAM_SIGNS, i / 4);
        squares += (double)gradient[i] * gradient[i];
        for (int k = 0; k < PROJECTIONS; k++)
            products[k] += (1 - 2 * (double)(words.word[i % 4] >> k & 1)) * gradient[i];
    }
    out[0] = sqrt(squares);
    memcpy(out + 1, products, sizeof products);
}
