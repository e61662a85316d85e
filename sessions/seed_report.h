/* What the seed report published, as plain data: its final run and its search for a learning rate and a batch size, to
 * be set beside what nfbench measures. Losses are means over an epoch's training images; accuracies are fractions. */
#ifndef NFBENCH_SESSIONS_SEED_REPORT_H
#define NFBENCH_SESSIONS_SEED_REPORT_H

#include "sessions/settings.h"

#define SEED_REPORT_TITLE "CIFAR Classification using NFNets"

/* Whether its figures may stand beside a run with these settings on that data set (dataset_name): network, images and
 * settings are its own, but for learning rate, batch size, length and seed. */
bool seed_report_is_like(const struct settings *settings, const char *data);

/* Its final run: learning rate 0.01, batch 64, 200 epochs. */
#define SEED_REPORT_RATE 0.01
#define SEED_REPORT_BATCH 64
#define SEED_REPORT_TEST_ACCURACY 0.8928
struct seed_epoch {
    int epoch; /* epochs done */
    double loss, validation_accuracy;
};
/* The index-th epoch that it tells of; NULL behind the last. */
const struct seed_epoch *seed_report_epoch(int index);
/* What it tells of this epoch; NULL: nothing. */
const struct seed_epoch *seed_report_at(int epoch);

/* Its search: every learning rate with every batch size, 40 epochs each. */
enum { SEED_REPORT_MARKS = 4 };
extern const int seed_report_marks[SEED_REPORT_MARKS]; /* the epochs after which it measured: 10, 20, 30, 40 */
struct seed_trial {
    double learning_rate;
    int batch;
    double validation_accuracy[SEED_REPORT_MARKS];
    double loss; /* after 40 epochs; NAN: it was no number any more */
};
/* The index-th of its twelve trials, by learning rate, then batch; NULL behind the last. */
const struct seed_trial *seed_report_trial(int index);
/* The trial with these settings; NULL: it tried no such. */
const struct seed_trial *seed_report_tried(double learning_rate, int batch);

/* Measured variance of its network at initialisation, where it predicts 1.04 and 1.2. */
#define SEED_REPORT_VARIANCE_FIRST 7.0 /* behind the first block */
#define SEED_REPORT_VARIANCE_LAST 36.0 /* ... and the last */

#endif
