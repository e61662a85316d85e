/* See noise.h. */
#include "engine/noise.h"

#include "engine/data.h"
#include "kernels/philox.h"

void noise_batch(uint64_t seed, int classes, int n, float *images, uint8_t *labels)
{
    const size_t values = (size_t)n * IMAGE_BYTES;
    for (size_t i = 0; i < values; i += 4) { /* an image is a multiple of four values */
        const struct philox draw = philox_draw(seed, PHILOX_SYNTHETIC, 0, i / 4, 0);
        philox_normal(draw.word[0], draw.word[1], images + i);
        philox_normal(draw.word[2], draw.word[3], images + i + 2);
    }
    for (size_t i = 0; i < (size_t)n; i++) {
        const struct philox draw = philox_draw(seed, PHILOX_SYNTHETIC, 1, i, 0);
        labels[i] = (uint8_t)philox_below(draw.word[0], (uint32_t)classes);
    }
}
