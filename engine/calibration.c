/* See calibration.h. */
#include "engine/calibration.h"

#include <math.h>

/* Confidences are floats, and are compared as such: 0.2f is no more than 3 of 15. */
static int bin_of(float confidence)
{
    int bin = 0;
    while (bin < CALIBRATION_BINS - 1 && confidence > (float)((bin + 1) / (double)CALIBRATION_BINS))
        bin++;
    return bin;
}

static void find_means(struct calibration *out)
{
    for (int b = 0; b < CALIBRATION_BINS; b++) {
        struct calibration_bin *bin = &out->bins[b];
        out->accuracy += bin->accuracy;
        out->confidence += bin->confidence;
        if (bin->count > 0) {
            bin->accuracy /= (double)bin->count;
            bin->confidence /= (double)bin->count;
        }
        const double gap = fabs(bin->accuracy - bin->confidence);
        out->expected_error += gap * (double)bin->count / (double)out->count;
        out->greatest_error = fmax(out->greatest_error, gap);
    }
    out->accuracy /= (double)out->count;
    out->confidence /= (double)out->count;
}

void calibrate(const struct prediction *predictions, long count, struct calibration *out)
{
    bool finite = count > 0;
    *out = (struct calibration){.count = count};
    for (long i = 0; i < count; i++) {
        if (!isfinite(predictions[i].confidence)) {
            finite = false;
            continue;
        }
        struct calibration_bin *bin = &out->bins[bin_of(predictions[i].confidence)];
        bin->count++;
        bin->accuracy += predictions[i].predicted == predictions[i].label;
        bin->confidence += (double)predictions[i].confidence;
    }
    if (count > 0)
        find_means(out);
    if (!finite)
        out->expected_error = out->greatest_error = NAN;
}
