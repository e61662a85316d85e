/* See tally.h. */
#include "engine/tally.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int tally_create(struct tally *tally, int channels, struct error *error)
{
    const size_t count = (size_t)channels;
    *tally = (struct tally){.channels = channels};
    tally->mean = malloc(2 * count * sizeof *tally->mean);
    tally->least = malloc(2 * count * sizeof *tally->least);
    if (!tally->mean || !tally->least) {
        tally_free(tally);
        return error_set(error, "out of memory for a probe");
    }
    tally->square = tally->mean + count;
    tally->most = tally->least + count;
    tally_reset(tally);
    return 0;
}

void tally_free(struct tally *tally)
{
    free(tally->mean);
    free(tally->least);
    tally->mean = NULL;
    tally->least = NULL;
}

void tally_reset(struct tally *tally)
{
    tally->rows = 0;
    tally->finite = true;
    memset(tally->counts, 0, sizeof tally->counts);
    for (int i = 0; i < tally->channels; i++) {
        tally->mean[i] = tally->square[i] = 0;
        tally->least[i] = INFINITY;
        tally->most[i] = -INFINITY;
    }
}

void tally_add(struct tally *tally, size_t rows, const float *statistics, const uint32_t *counts, bool finite)
{
    const int c = tally->channels;
    const float *mean = statistics, *variance = mean + c, *least = variance + c, *most = least + c;
    const double more = (double)rows, share = more / (tally->rows + more);
    for (int i = 0; i < c; i++) {
        const double delta = (double)mean[i] - tally->mean[i];
        tally->square[i] += (double)variance[i] * more + delta * delta * tally->rows * share;
        tally->mean[i] += delta * share;
        tally->least[i] = fminf(tally->least[i], least[i]);
        tally->most[i] = fmaxf(tally->most[i], most[i]);
    }
    for (int i = 0; counts && i < VALUE_BINS; i++)
        tally->counts[i] += counts[i];
    tally->rows += more;
    tally->finite &= finite;
}

double tally_variance(const struct tally *tally)
{
    double sum = 0;
    for (int i = 0; i < tally->channels; i++)
        sum += tally->square[i];
    return sum / tally->rows / tally->channels;
}

double tally_squared_mean(const struct tally *tally)
{
    double sum = 0;
    for (int i = 0; i < tally->channels; i++)
        sum += tally->mean[i] * tally->mean[i];
    return sum / tally->channels;
}

double tally_square_sum(const struct tally *tally)
{
    double sum = 0;
    for (int i = 0; i < tally->channels; i++)
        sum += tally->square[i] + tally->rows * tally->mean[i] * tally->mean[i];
    return sum;
}
