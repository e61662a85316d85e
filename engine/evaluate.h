/* Which images a run trains on and which it measures by, and the measuring itself: used by the trainer between two
 * epochs and by `nfbench test` on a finished session, so that both mean the same by "accuracy". */
#ifndef NFBENCH_ENGINE_EVALUATE_H
#define NFBENCH_ENGINE_EVALUATE_H

#include "engine/data.h"
#include "engine/device_data.h"
#include "engine/network.h"
#include "engine/options.h"
#include "engine/tta.h"

/* The parts of a data set under the options' `validation`, `limit` and `normalize`. Training images are [0, train) of
 * the training split, validation images [validation_first, validation_first + validation) of it. */
struct partition {
    int train;
    int validation_first, validation;
    int test;
    struct channel_statistics statistics; /* of the training images; zeros with NORMALIZE_IMAGE, which needs none */
};

/* -1 when the options leave nothing to train on. */
int partition_make(const struct dataset *dataset, const struct train_options *options, struct partition *out,
                   struct error *error);

struct evaluation {
    double loss; /* mean cross-entropy, without label smoothing; not finite when some logit is not */
    double accuracy;
    long correct, count;
};

/* What the network says of one image. */
struct prediction {
    int label, predicted; /* label -1: not known */
    float confidence;     /* softmax of the class predicted */
    float loss;           /* cross-entropy; not finite when some logit is not or the label is not known */
};

struct evaluation_options {
    enum split split;
    int first, count;
    int batch; /* at most the network's */
    enum normalize_kind normalize;
    struct channel_statistics statistics;
    bool use_ema;
    enum tta_kind tta;
    const struct device_data *device; /* the same images in the device's memory; NULL: from the host */
    /* (count, 3, 32, 32) bytes: measured in place of the data set's images, whose labels they have. The data set may be
     * NULL then: with no labels there is no loss (NaN), and none is correct. NULL: the data set's own */
    const uint8_t *images;
    uint32_t *confusion;            /* (classes, classes), row = truth; overwritten; NULL: not wanted */
    struct prediction *predictions; /* (count); overwritten; NULL: not wanted */
    float *probabilities;           /* (count, classes): softmax; overwritten; NULL: not wanted */
    struct evaluation *plain;       /* of the images alone, without `tta`; overwritten; NULL: not wanted */
    /* told after each batch (may be NULL); non-zero ends the evaluation, which then returns EVALUATION_INTERRUPTED */
    int (*progress)(void *context, int done, int total);
    void *context;
};

enum { EVALUATION_INTERRUPTED = 1 };

/* The same evaluation for its accuracy and loss alone: nothing else is wanted of it, and nobody is told. */
struct evaluation_options evaluation_of_figures(const struct evaluation_options *options);

/* Softmax of the logits of one image (classes), as all probabilities here. */
void evaluation_softmax(const float *logits, int classes, float *probabilities);

/* Accuracy and mean loss of the network on a part of the data, in order, without augmentation. 0, -1 with the error's
 * message, or EVALUATION_INTERRUPTED, where `out` and `plain` are not set. */
int evaluate(struct network *network, const struct dataset *dataset, const struct evaluation_options *options,
             struct evaluation *out, struct error *error);

/* Of a confusion matrix (classes, classes), row = truth. -1 where there is nothing to divide by. */
uint32_t confusion_images(const uint32_t *confusion, int classes, int truth);
double confusion_accuracy(const uint32_t *confusion, int classes, int truth);      /* share of its images: its recall */
double confusion_precision(const uint32_t *confusion, int classes, int predicted); /* share of what is taken for it */
double confusion_f1(const uint32_t *confusion, int classes, int class_index);      /* harmonic mean of both */

/* The same, means over the classes; those that have none count as 0, as scikit-learn's macro averages have it. */
struct macro_scores {
    double precision, recall, f1;
};
struct macro_scores confusion_macro(const uint32_t *confusion, int classes);

#endif
