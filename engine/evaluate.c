/* See evaluate.h. Loss and argmax are taken on the host, in double and in the data's order, so they are the same on
 * every device up to its logits. */
#include "engine/evaluate.h"

#include "engine/loader.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int limited(int count, int limit)
{
    return limit > 0 && limit < count ? limit : count;
}

int partition_make(const struct dataset *dataset, const struct train_options *options, struct partition *out,
                   struct error *error)
{
    int all = dataset_count(dataset, SPLIT_TRAIN);
    if (options->validation < 0 || options->validation >= all)
        return error_set(error, "validation %d: must be from 0 to %d, to leave some of the %d images for training",
                         options->validation, all - 1, all);
    if (options->limit < 0)
        return error_set(error, "limit %d: must be 0 (all images) or more", options->limit);
    *out = (struct partition){
        .train = limited(all - options->validation, options->limit),
        .validation_first = all - options->validation,
        .validation = limited(options->validation, options->limit),
        .test = limited(dataset_count(dataset, SPLIT_TEST), options->limit),
    };
    if (options->normalize == NORMALIZE_DATASET)
        out->statistics = dataset_statistics(dataset, out->train);
    return 0;
}

/* Cross-entropy of one image (label -1: NaN) by the shifted log-sum-exp, and the first of the greatest logits with its
 * softmax. */
static double image_loss(const float *logits, int classes, int label, int *predicted, double *confidence)
{
    int best = 0;
    for (int i = 1; i < classes; i++)
        if (logits[i] > logits[best])
            best = i;
    double others = 0;
    for (int i = 0; i < classes; i++)
        if (i != best)
            others += exp((double)logits[i] - (double)logits[best]);
    *predicted = best;
    *confidence = 1 / (1 + others);
    return label < 0 ? (double)NAN : log1p(others) + (double)logits[best] - (double)logits[label];
}

/* Softmax of one image's logits, the greatest of which is `best`. */
static void softmax(const float *logits, int classes, int best, double confidence, float *out)
{
    for (int i = 0; i < classes; i++)
        out[i] = (float)(confidence * exp((double)logits[i] - (double)logits[best]));
}

/* What is measured, batch by batch: the images from the device's memory, or made here: by the loader, or of those that
 * the caller has. */
struct measuring {
    struct network *network;
    const struct dataset *dataset;
    const struct evaluation_options *options;
    struct image_source source; /* on the device */
    uint32_t place;             /* of the first image in it */
    struct loader *loader;      /* on the host; else NULL */
    float *normalized;          /* (batch, 32, 32, 3), of the caller's images; else NULL */
    float *logits;              /* (batch, classes) */
};

static int open_images(struct measuring *m, struct error *error)
{
    const struct evaluation_options *options = m->options;
    if (options->images) {
        m->normalized = malloc((size_t)options->batch * IMAGE_BYTES * sizeof *m->normalized);
        return m->normalized ? 0 : error_set(error, "out of memory for %d images", options->batch);
    }
    if (options->device) {
        const struct device_view view = {
            .split = options->split, .normalize = options->normalize, .statistics = options->statistics};
        return device_data_source(options->device, &view, options->first, &m->source, &m->place, error);
    }
    const struct loader_options loading = {
        .split = options->split,
        .first = options->first,
        .count = options->count,
        .batch = options->batch,
        .augment = AUGMENT_NONE,
        .normalize = options->normalize,
        .statistics = options->statistics,
        .workers = 1,
    };
    return loader_create(m->dataset, &loading, &m->loader, error);
}

static const float *normalize_next(const struct measuring *m, int done, int n)
{
    const struct evaluation_options *options = m->options;
    for (int i = 0; i < n; i++)
        normalize_image(options->normalize, &options->statistics, options->images + (size_t)(done + i) * IMAGE_BYTES,
                        m->normalized + (size_t)i * IMAGE_BYTES);
    return m->normalized;
}

/* The logits of the images from number `done` of the part on; returns how many, or -1. */
static int predict_next(struct measuring *m, int done, struct error *error)
{
    const struct evaluation_options *options = m->options;
    const int left = options->count - done;
    struct step_batch batch = {.n = left < options->batch ? left : options->batch};
    if (options->images) {
        batch.images = normalize_next(m, done, batch.n);
    } else if (options->device) {
        batch.source = &m->source;
        batch.start = m->place + (uint32_t)done;
    } else {
        batch.images = loader_next(m->loader)->images;
    }
    return network_predict_batch(m->network, &batch, options->use_ema, m->logits, error) < 0 ? -1 : batch.n;
}

static void count_images(const struct measuring *m, int done, int n, struct evaluation *sums)
{
    const int classes = network_spec(m->network)->classes;
    for (int i = 0; i < n; i++) {
        int label = m->dataset ? dataset_label(m->dataset, m->options->split, m->options->first + done + i) : -1;
        int predicted;
        double confidence;
        const double loss =
            image_loss(m->logits + (size_t)i * (size_t)classes, classes, label, &predicted, &confidence);
        sums->loss += loss;
        sums->correct += predicted == label;
        sums->count++;
        if (m->options->confusion && label >= 0)
            m->options->confusion[label * classes + predicted]++;
        if (m->options->predictions)
            m->options->predictions[done + i] = (struct prediction){label, predicted, (float)confidence, (float)loss};
        if (m->options->probabilities)
            softmax(m->logits + (size_t)i * (size_t)classes, classes, predicted, confidence,
                    m->options->probabilities + (size_t)(done + i) * (size_t)classes);
    }
}

int evaluate(struct network *network, const struct dataset *dataset, const struct evaluation_options *options,
             struct evaluation *out, struct error *error)
{
    const size_t classes = (size_t)network_spec(network)->classes;
    struct measuring m = {.network = network, .dataset = dataset, .options = options};
    struct evaluation sums = {0};
    int status = -1;

    if (options->count <= 0)
        return error_set(error, "nothing to evaluate: the data set has no images in this part");
    m.logits = malloc((size_t)options->batch * classes * sizeof *m.logits);
    if (!m.logits) {
        error_set(error, "out of memory for the logits of %d images", options->batch);
        goto out;
    }
    if (open_images(&m, error) < 0)
        goto out;
    if (options->confusion)
        memset(options->confusion, 0, classes * classes * sizeof *options->confusion);

    for (int done = 0, n; done < options->count; done += n) {
        n = predict_next(&m, done, error);
        if (n < 0)
            goto out;
        count_images(&m, done, n, &sums);
        if (options->progress && options->progress(options->context, (int)sums.count, options->count) != 0) {
            status = EVALUATION_INTERRUPTED;
            goto out;
        }
    }
    sums.loss /= (double)sums.count;
    sums.accuracy = (double)sums.correct / (double)sums.count;
    *out = sums;
    status = 0;
out:
    loader_destroy(m.loader);
    free(m.normalized);
    free(m.logits);
    return status;
}

uint32_t confusion_images(const uint32_t *confusion, int classes, int truth)
{
    uint32_t count = 0;
    for (int c = 0; c < classes; c++)
        count += confusion[truth * classes + c];
    return count;
}

double confusion_accuracy(const uint32_t *confusion, int classes, int truth)
{
    const uint32_t count = confusion_images(confusion, classes, truth);
    return count ? (double)confusion[truth * classes + truth] / count : -1;
}
