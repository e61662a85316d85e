/* See whitening.h. Pixels are bytes, so the sums over an image's patches are whole numbers, and exact. */
#include "engine/whitening.h"

#include "engine/augment.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { INPUTS = WHITENING_INPUTS, KERNEL = 3, SIDE = IMAGE_SIZE - KERNEL + 1 /* patches a row, without padding */ };

/* Added to each eigenvalue, so that the edges that zero padding makes, which no image has, do not drown the directions
 * in which images hardly differ: 27 filters of CIFAR-10 have variances up to 1.8 with it, up to 5 with a sixth of it.
 */
static const double epsilon = 3e-3;

typedef double matrix[INPUTS][INPUTS];

/* ---- The covariance ---- */

/* Of normalised values, over all patches so far. */
struct moments {
    double patches, sum[INPUTS];
    matrix product; /* the lower half */
};

static int channel_of(int input)
{
    return input / (KERNEL * KERNEL);
}

/* The first of the SIDE x SIDE pixels that are value `input` of all patches of an image (3, 32, 32). */
static const uint8_t *plane(const uint8_t *image, int input)
{
    return image + channel_of(input) * IMAGE_PIXELS + input / KERNEL % KERNEL * IMAGE_SIZE + input % KERNEL;
}

static uint32_t plane_sum(const uint8_t *a)
{
    uint32_t sum = 0;
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            sum += a[y * IMAGE_SIZE + x];
    return sum;
}

static uint32_t plane_product(const uint8_t *a, const uint8_t *b)
{
    uint32_t sum = 0;
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            sum += (uint32_t)a[y * IMAGE_SIZE + x] * b[y * IMAGE_SIZE + x];
    return sum;
}

/* A normalised value is (byte - mean) * scale, by channel. */
static void add_image(struct moments *moments, const uint8_t *image, const float mean[3], const float scale[3])
{
    const double patches = SIDE * SIDE;
    double sums[INPUTS];
    for (int i = 0; i < INPUTS; i++) {
        const int c = channel_of(i);
        sums[i] = plane_sum(plane(image, i));
        moments->sum[i] += (double)scale[c] * (sums[i] - patches * (double)mean[c]);
    }
    for (int i = 0; i < INPUTS; i++)
        for (int j = 0; j <= i; j++) {
            const double m = (double)mean[channel_of(i)], n = (double)mean[channel_of(j)];
            const double product = plane_product(plane(image, i), plane(image, j));
            moments->product[i][j] += (double)scale[channel_of(i)] * (double)scale[channel_of(j)] *
                                      (product - m * sums[j] - n * sums[i] + patches * m * n);
        }
    moments->patches += patches;
}

static void find_covariance(const struct dataset *dataset, const struct partition *parts, enum normalize_kind normalize,
                            matrix covariance)
{
    struct moments moments = {0};
    const int count = parts->train < WHITENING_IMAGES ? parts->train : WHITENING_IMAGES;
    for (int n = 0; n < count; n++) {
        const uint8_t *image = dataset_image(dataset, SPLIT_TRAIN, n);
        float mean[3], scale[3];
        normalize_by(normalize, &parts->statistics, image, mean, scale);
        add_image(&moments, image, mean, scale);
    }
    for (int i = 0; i < INPUTS; i++)
        for (int j = 0; j <= i; j++)
            covariance[i][j] = covariance[j][i] =
                (moments.product[i][j] - moments.sum[i] * moments.sum[j] / moments.patches) / moments.patches;
}

/* ---- Eigenvectors: cyclic Jacobi (Golub and Van Loan, Matrix Computations, 8.5) ---- */

/* Makes a[p][q] zero by a rotation of rows and columns p and q, and rotates the columns of v along. */
static void rotate(matrix a, matrix v, int p, int q)
{
    if (a[p][q] == 0)
        return;
    const double theta = (a[q][q] - a[p][p]) / (2 * a[p][q]);
    const double t = (theta < 0 ? -1 : 1) / (fabs(theta) + sqrt(theta * theta + 1));
    const double c = 1 / sqrt(t * t + 1), s = t * c;
    for (int k = 0; k < INPUTS; k++) {
        const double kp = a[k][p], kq = a[k][q];
        a[k][p] = c * kp - s * kq;
        a[k][q] = s * kp + c * kq;
    }
    for (int k = 0; k < INPUTS; k++) {
        const double pk = a[p][k], qk = a[q][k], vp = v[k][p], vq = v[k][q];
        a[p][k] = c * pk - s * qk;
        a[q][k] = s * pk + c * qk;
        v[k][p] = c * vp - s * vq;
        v[k][q] = s * vp + c * vq;
    }
    a[p][q] = a[q][p] = 0;
}

/* Afterwards the eigenvalues are on the diagonal of `a`, and the columns of v their vectors. */
static void find_eigenvectors(matrix a, matrix v)
{
    enum { SWEEPS = 16 }; /* it converges quadratically: half of them leave nothing to do */
    memset(v, 0, sizeof(matrix));
    for (int i = 0; i < INPUTS; i++)
        v[i][i] = 1;
    for (int sweep = 0; sweep < SWEEPS; sweep++)
        for (int p = 0; p < INPUTS - 1; p++)
            for (int q = p + 1; q < INPUTS; q++)
                rotate(a, v, p, q);
}

/* ---- Filters ---- */

/* Columns by falling eigenvalue. */
static void sort_columns(matrix a, int order[INPUTS])
{
    for (int i = 0; i < INPUTS; i++) {
        int at = i;
        for (; at > 0 && a[order[at - 1]][order[at - 1]] < a[i][i]; at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
}

/* An eigenvector may have either sign: the one that makes its largest element positive. */
static double sign_of(matrix v, int column)
{
    double largest = 0;
    for (int i = 0; i < INPUTS; i++)
        if (fabs(v[i][column]) > fabs(largest))
            largest = v[i][column];
    return largest < 0 ? -1 : 1;
}

void whitening_filters(matrix covariance, int channels, float *filters)
{
    matrix vectors;
    int order[INPUTS];
    find_eigenvectors(covariance, vectors);
    sort_columns(covariance, order);
    for (int channel = 0; channel < channels; channel++) {
        const int column = order[channel / 2];
        const double sign = channel % 2 ? -sign_of(vectors, column) : sign_of(vectors, column);
        const double scale = sign / sqrt(fmax(covariance[column][column], 0) + epsilon);
        for (int i = 0; i < INPUTS; i++)
            filters[channel * INPUTS + i] = (float)(scale * vectors[i][column]);
    }
}

void whitening_of_noise(int channels, float *filters)
{
    matrix identity = {{0}};
    for (int i = 0; i < INPUTS; i++)
        identity[i][i] = 1;
    whitening_filters(identity, channels, filters);
}

int whitening_apply(struct network *network, const struct dataset *dataset, const struct partition *parts,
                    enum normalize_kind normalize, struct error *error)
{
    const struct model_spec *spec = network_spec(network);
    float filters[WHITENING_CHANNELS * WHITENING_INPUTS];
    matrix covariance;
    if (spec->stem_kind != STEM_WHITENED)
        return 0;
    find_covariance(dataset, parts, normalize, covariance);
    whitening_filters(covariance, spec->stem, filters);
    return network_write(network, network_find(network, "stem.weight"), PART_VALUE, filters, error);
}
