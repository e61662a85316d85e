/* See mix.h; the arithmetic of a pixel is in kernels/augment.h. */
#include "engine/mix.h"

#include <math.h>

enum { SECOND_GAMMA = 1 << 20 }; /* block of its first draw */

/* In (0, 1]. */
static double uniform(uint32_t word)
{
    return ((double)word + 1) / 4294967296.0;
}

/* The logarithm of a draw from Gamma(shape), by that of Gamma(shape + 1) (Marsaglia and Tsang 2000), which never
 * underflows: draws of a small shape are below the smallest double. */
static double draw_log_gamma(double shape, uint64_t seed, uint32_t epoch, uint32_t number, uint32_t block)
{
    const double d = shape + 2.0 / 3, c = 1 / sqrt(9 * d);
    for (;; block++) {
        const struct philox words = philox_draw(seed, PHILOX_MIX, epoch, number, block);
        float normal[2];
        philox_normal(words.word[0], words.word[1], normal);
        const double x = (double)normal[0], root = 1 + c * x, v = root * root * root;
        if (v > 0 && log(uniform(words.word[2])) < 0.5 * x * x + d - d * v + d * log(v))
            return log(d * v) + log(uniform(words.word[3])) / shape;
    }
}

/* In 0..1, from Beta(shape, shape). */
static double draw_beta(double shape, uint64_t seed, uint32_t epoch, uint32_t number)
{
    const double first = draw_log_gamma(shape, seed, epoch, number, 1);
    const double second = draw_log_gamma(shape, seed, epoch, number, SECOND_GAMMA);
    return 1 / (1 + exp(second - first));
}

static struct mix mix_of_rectangle(double share, uint32_t across, uint32_t down)
{
    const int side = (int)(IMAGE_SIZE * sqrt(share));
    struct mix mix = {0};
    augment_square((int)philox_below(across, IMAGE_SIZE), side, &mix.left, &mix.right);
    augment_square((int)philox_below(down, IMAGE_SIZE), side, &mix.top, &mix.bottom);
    mix.partner = (mix.right - mix.left) * (mix.bottom - mix.top);
    return mix.partner > 0 ? mix : (struct mix){0};
}

struct mix mix_draw(const struct mix_options *options, uint64_t seed, uint32_t epoch, uint32_t number)
{
    if (!mix_is_on(options))
        return (struct mix){0};
    const struct philox words = philox_draw(seed, PHILOX_MIX, epoch, number, 0);
    const bool cut = options->cutmix > 0 && (options->mixup <= 0 || words.word[0] >> 31);
    const double share = draw_beta((double)(cut ? options->cutmix : options->mixup), seed, epoch, number);
    if (cut)
        return mix_of_rectangle(share, words.word[1], words.word[2]);
    return (struct mix){.partner = (int)lrint(share * MIX_WHOLE)};
}

static void mix_values(const struct mix *mix, const uint8_t *image, const uint8_t *partner, uint32_t out[IMAGE_BYTES])
{
    for (int i = 0; i < IMAGE_BYTES; i++)
        out[i] = mix_value(mix, image[i], partner[i], i % IMAGE_SIZE, i % IMAGE_PIXELS / IMAGE_SIZE);
}

void mix_normalize(enum normalize_kind kind, const struct channel_statistics *statistics, const struct mix *mix,
                   const uint8_t *image, const uint8_t *partner, float *out)
{
    uint32_t values[IMAGE_BYTES];
    float mean[3], scale[3]; /* of bytes */
    mix_values(mix, image, partner, values);
    if (kind == NORMALIZE_IMAGE) {
        uint64_t sum = 0, squares = 0;
        for (int i = 0; i < IMAGE_BYTES; i++) {
            sum += values[i];
            squares += (uint64_t)values[i] * values[i];
        }
        normalize_by_sums(sum, squares, MIX_WHOLE, &mean[0], &scale[0]);
        mean[2] = mean[1] = mean[0];
        scale[2] = scale[1] = scale[0];
    } else {
        normalize_by_set(statistics, mean, scale);
    }
    for (int p = 0; p < IMAGE_PIXELS; p++)
        for (int c = 0; c < 3; c++)
            out[3 * p + c] = (mix_byte(values[c * IMAGE_PIXELS + p]) - mean[c]) * scale[c];
}

void mix_image(const struct mix *mix, const uint8_t *image, const uint8_t *partner, uint8_t *out)
{
    uint32_t values[IMAGE_BYTES];
    mix_values(mix, image, partner, values);
    for (int i = 0; i < IMAGE_BYTES; i++)
        out[i] = (uint8_t)((values[i] + MIX_WHOLE / 2) / MIX_WHOLE);
}
