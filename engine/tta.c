/* See tta.h. Images on the host are mirrored here, those on a device as they are loaded there. */
#include "engine/tta.h"

#include "kernels/augment.h"

#include <stdlib.h>
#include <string.h>

const char *tta_name(enum tta_kind kind)
{
    return kind == TTA_FLIP ? "flip" : "none";
}

/* Rows of IMAGE_SIZE pixels of three floats. */
static void mirror_rows(const float *in, size_t rows, float *out)
{
    for (size_t row = 0; row < rows; row++, in += 3 * IMAGE_SIZE, out += 3 * IMAGE_SIZE)
        for (int x = 0; x < IMAGE_SIZE; x++)
            memcpy(out + 3 * x, in + 3 * (IMAGE_SIZE - 1 - x), 3 * sizeof *out);
}

int tta_mirror_logits(struct network *network, const struct step_batch *batch, bool use_ema, float *logits,
                      struct error *error)
{
    struct step_batch mirrored = *batch;
    struct image_source source;
    float *images = NULL;
    if (batch->source) {
        memcpy(&source, batch->source, sizeof source); /* padding too */
        source.mirror = true;
        mirrored.source = &source;
    } else {
        images = malloc((size_t)batch->n * IMAGE_BYTES * sizeof *images);
        if (!images)
            return error_set(error, "out of memory for the mirror images of %d images", batch->n);
        mirror_rows(batch->images, (size_t)batch->n * IMAGE_SIZE, images);
        mirrored.images = images;
    }
    const int status = network_predict_batch(network, &mirrored, use_ema, logits, error);
    free(images);
    return status;
}

void tta_average(float *logits, const float *others, size_t count)
{
    for (size_t i = 0; i < count; i++)
        logits[i] = 0.5f * logits[i] + 0.5f * others[i];
}
