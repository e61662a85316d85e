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

struct evaluation_options evaluation_of_figures(const struct evaluation_options *options)
{
    struct evaluation_options figures = *options;
    figures.confusion = NULL;
    figures.predictions = NULL;
    figures.probabilities = NULL;
    figures.plain = NULL;
    figures.progress = NULL;
    figures.context = NULL;
    return figures;
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

void evaluation_softmax(const float *logits, int classes, float *probabilities)
{
    int best;
    double confidence;
    (void)image_loss(logits, classes, -1, &best, &confidence);
    for (int i = 0; i < classes; i++)
        probabilities[i] = (float)(confidence * exp((double)logits[i] - (double)logits[best]));
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
    float *mirrored;            /* (batch, classes), with TTA_FLIP; else NULL */
    struct evaluation sums, plain;
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

static void count_image(struct evaluation *sums, const struct prediction *image, double loss)
{
    sums->loss += loss;
    sums->correct += image->predicted == image->label;
    sums->count++;
}

/* What the logits say of image `index` of the part. */
static struct prediction read_logits(const struct measuring *m, const float *logits, int index, double *loss)
{
    const int label = m->dataset ? dataset_label(m->dataset, m->options->split, m->options->first + index) : -1;
    double confidence;
    struct prediction image = {.label = label};
    *loss = image_loss(logits, network_spec(m->network)->classes, label, &image.predicted, &confidence);
    image.confidence = (float)confidence;
    image.loss = (float)*loss;
    return image;
}

static void count_images(struct measuring *m, int done, int n)
{
    const struct evaluation_options *options = m->options;
    const int classes = network_spec(m->network)->classes;
    for (int i = 0; i < n; i++) {
        const float *logits = m->logits + (size_t)i * (size_t)classes;
        double loss;
        const struct prediction image = read_logits(m, logits, done + i, &loss);
        count_image(&m->sums, &image, loss);
        if (options->confusion && image.label >= 0)
            options->confusion[image.label * classes + image.predicted]++;
        if (options->predictions)
            options->predictions[done + i] = image;
        if (options->probabilities)
            evaluation_softmax(logits, classes, options->probabilities + (size_t)(done + i) * (size_t)classes);
    }
}

/* The same of the images alone, before the logits are averaged. */
static void count_plain(struct measuring *m, int done, int n)
{
    const size_t classes = (size_t)network_spec(m->network)->classes;
    for (int i = 0; i < n; i++) {
        double loss;
        const struct prediction image = read_logits(m, m->logits + (size_t)i * classes, done + i, &loss);
        count_image(&m->plain, &image, loss);
    }
}

/* Measures the images from number `done` of the part on; returns how many, or -1. */
static int measure_next(struct measuring *m, int done, struct error *error)
{
    const struct evaluation_options *options = m->options;
    const size_t classes = (size_t)network_spec(m->network)->classes;
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
    if (network_predict_batch(m->network, &batch, options->use_ema, m->logits, error) < 0)
        return -1;
    if (options->plain)
        count_plain(m, done, batch.n);
    if (options->tta == TTA_FLIP) {
        if (tta_mirror_logits(m->network, &batch, options->use_ema, m->mirrored, error) < 0)
            return -1;
        tta_average(m->logits, m->mirrored, (size_t)batch.n * classes);
    }
    count_images(m, done, batch.n);
    return batch.n;
}

static struct evaluation means_of(struct evaluation sums)
{
    sums.loss /= (double)sums.count;
    sums.accuracy = (double)sums.correct / (double)sums.count;
    return sums;
}

static int allocate_logits(struct measuring *m, struct error *error)
{
    const size_t bytes = (size_t)m->options->batch * (size_t)network_spec(m->network)->classes * sizeof(float);
    const bool flip = m->options->tta == TTA_FLIP;
    m->logits = malloc(bytes);
    m->mirrored = flip ? malloc(bytes) : NULL;
    return m->logits && (m->mirrored || !flip)
               ? 0
               : error_set(error, "out of memory for the logits of %d images", m->options->batch);
}

int evaluate(struct network *network, const struct dataset *dataset, const struct evaluation_options *options,
             struct evaluation *out, struct error *error)
{
    const size_t classes = (size_t)network_spec(network)->classes;
    struct measuring m = {.network = network, .dataset = dataset, .options = options};
    int status = -1;

    if (options->count <= 0)
        return error_set(error, "nothing to evaluate: the data set has no images in this part");
    if (allocate_logits(&m, error) < 0 || open_images(&m, error) < 0)
        goto out;
    if (options->confusion)
        memset(options->confusion, 0, classes * classes * sizeof *options->confusion);

    for (int done = 0, n; done < options->count; done += n) {
        n = measure_next(&m, done, error);
        if (n < 0)
            goto out;
        if (options->progress && options->progress(options->context, (int)m.sums.count, options->count) != 0) {
            status = EVALUATION_INTERRUPTED;
            goto out;
        }
    }
    *out = means_of(m.sums);
    if (options->plain)
        *options->plain = means_of(m.plain);
    status = 0;
out:
    loader_destroy(m.loader);
    free(m.normalized);
    free(m.logits);
    free(m.mirrored);
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

static uint32_t confusion_predicted(const uint32_t *confusion, int classes, int predicted)
{
    uint32_t count = 0;
    for (int t = 0; t < classes; t++)
        count += confusion[t * classes + predicted];
    return count;
}

double confusion_precision(const uint32_t *confusion, int classes, int predicted)
{
    const uint32_t count = confusion_predicted(confusion, classes, predicted);
    return count ? (double)confusion[predicted * classes + predicted] / count : -1;
}

double confusion_f1(const uint32_t *confusion, int classes, int class_index)
{
    const uint32_t both =
        confusion_images(confusion, classes, class_index) + confusion_predicted(confusion, classes, class_index);
    return both ? 2.0 * confusion[class_index * classes + class_index] / both : -1;
}

struct macro_scores confusion_macro(const uint32_t *confusion, int classes)
{
    struct macro_scores sums = {0};
    for (int c = 0; c < classes; c++) {
        sums.precision += fmax(0, confusion_precision(confusion, classes, c)) / classes;
        sums.recall += fmax(0, confusion_accuracy(confusion, classes, c)) / classes;
        sums.f1 += fmax(0, confusion_f1(confusion, classes, c)) / classes;
    }
    return sums;
}
