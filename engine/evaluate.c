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

/* Cross-entropy of one image by the shifted log-sum-exp, and the first of the greatest logits. */
static double image_loss(const float *logits, int classes, int label, int *predicted)
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
    return log1p(others) + (double)logits[best] - (double)logits[label];
}

static void count_batch(const struct batch *batch, const float *logits, int classes, struct evaluation *sums,
                        uint32_t *confusion)
{
    for (int i = 0; i < batch->n; i++) {
        int label = batch->labels[i];
        int predicted;
        sums->loss += image_loss(logits + (size_t)i * (size_t)classes, classes, label, &predicted);
        sums->correct += predicted == label;
        sums->count++;
        if (confusion)
            confusion[label * classes + predicted]++;
    }
}

int evaluate(struct network *network, const struct dataset *dataset, const struct evaluation_options *options,
             struct evaluation *out, struct error *error)
{
    const int classes = network_spec(network)->classes;
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
    struct loader *loader = NULL;
    struct evaluation sums = {0};
    int status = -1;

    if (options->count <= 0)
        return error_set(error, "nothing to evaluate: the data set has no images in this part");
    float *logits = malloc((size_t)options->batch * (size_t)classes * sizeof *logits);
    if (!logits) {
        error_set(error, "out of memory for the logits of %d images", options->batch);
        goto out;
    }
    if (loader_create(dataset, &loading, &loader, error) < 0)
        goto out;
    if (options->confusion)
        memset(options->confusion, 0, (size_t)classes * (size_t)classes * sizeof *options->confusion);

    while (sums.count < options->count) {
        const struct batch *batch = loader_next(loader);
        if (network_predict(network, batch->images, batch->n, options->use_ema, logits, error) < 0)
            goto out;
        count_batch(batch, logits, classes, &sums, options->confusion);
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
    loader_destroy(loader);
    free(logits);
    return status;
}
