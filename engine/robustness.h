/* How much of its accuracy a network keeps on corrupted images: every kind of corruption.h at every severity. */
#ifndef NFBENCH_ENGINE_ROBUSTNESS_H
#define NFBENCH_ENGINE_ROBUSTNESS_H

#include "engine/corruption.h"
#include "engine/evaluate.h"

struct robustness {
    double accuracy[CORRUPTION_KINDS][CORRUPTION_SEVERITIES];
    double loss[CORRUPTION_KINDS][CORRUPTION_SEVERITIES];
};

/* Told the kind and the severity (from 1) that is being measured, and how many images of all there are to do; non-zero
 * ends it. */
typedef int robustness_progress(void *context, enum corruption_kind kind, int severity, int done, int total);

/* Evaluates the images of the options corrupted, which takes as much memory as their bytes; of the options' results and
 * progress none is used. As evaluate() returns. `progress` may be NULL. */
int robustness_measure(struct network *network, const struct dataset *dataset, const struct evaluation_options *options,
                       robustness_progress *progress, void *context, struct robustness *out, struct error *error);

double robustness_kind_mean(const struct robustness *robustness, enum corruption_kind kind);
double robustness_severity_mean(const struct robustness *robustness, int severity); /* from 1 */
double robustness_mean(const struct robustness *robustness);

#endif
