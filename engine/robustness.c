/* See robustness.h. A severity's images are corrupted by all threads, then evaluated. */
#include "engine/robustness.h"

#include <stdlib.h>

struct robustness_run {
    const struct dataset *dataset;
    const struct evaluation_options *options;
    uint8_t *images; /* (count, 3, 32, 32) */
    robustness_progress *progress;
    void *context;
    enum corruption_kind kind;
    int severity, before; /* images of the severities and kinds before it */
};

static int corrupt_images(const struct robustness_run *run, struct error *error)
{
    const struct evaluation_options *options = run->options;
    struct corruption *corruption;
    if (corruption_create(run->kind, run->severity, &corruption, error) != 0)
        return -1;
#pragma omp parallel for schedule(dynamic, 16)
    for (int i = 0; i < options->count; i++) {
        const int image = options->first + i;
        corruption_apply(corruption, (uint32_t)image, dataset_image(run->dataset, options->split, image),
                         run->images + (size_t)i * IMAGE_BYTES);
    }
    corruption_destroy(corruption);
    return 0;
}

static int tell(void *context, int done, int total)
{
    const struct robustness_run *run = context;
    return run->progress ? run->progress(run->context, run->kind, run->severity, run->before + done,
                                         total * CORRUPTION_KINDS * CORRUPTION_SEVERITIES)
                         : 0;
}

static int measure_severity(struct robustness_run *run, struct network *network, struct robustness *out,
                            struct error *error)
{
    struct evaluation_options options = evaluation_of_figures(run->options);
    struct evaluation result;
    options.images = run->images;
    options.device = NULL;
    options.progress = tell;
    options.context = run;
    if (corrupt_images(run, error) != 0)
        return -1;
    const int status = evaluate(network, run->dataset, &options, &result, error);
    run->before += options.count;
    if (status != 0)
        return status;
    out->accuracy[run->kind][run->severity - 1] = result.accuracy;
    out->loss[run->kind][run->severity - 1] = result.loss;
    return 0;
}

int robustness_measure(struct network *network, const struct dataset *dataset, const struct evaluation_options *options,
                       robustness_progress *progress, void *context, struct robustness *out, struct error *error)
{
    struct robustness_run run = {.dataset = dataset, .options = options, .progress = progress, .context = context};
    int status = 0;
    run.images = malloc((size_t)options->count * IMAGE_BYTES);
    if (!run.images)
        return error_set(error, "out of memory for %d corrupted images", options->count);
    for (int i = 0; i < CORRUPTION_KINDS * CORRUPTION_SEVERITIES && status == 0; i++) {
        run.kind = (enum corruption_kind)(i / CORRUPTION_SEVERITIES);
        run.severity = i % CORRUPTION_SEVERITIES + 1;
        status = measure_severity(&run, network, out, error);
    }
    free(run.images);
    return status;
}

double robustness_kind_mean(const struct robustness *robustness, enum corruption_kind kind)
{
    double sum = 0;
    for (int s = 0; s < CORRUPTION_SEVERITIES; s++)
        sum += robustness->accuracy[kind][s];
    return sum / CORRUPTION_SEVERITIES;
}

double robustness_severity_mean(const struct robustness *robustness, int severity)
{
    double sum = 0;
    for (int k = 0; k < CORRUPTION_KINDS; k++)
        sum += robustness->accuracy[k][severity - 1];
    return sum / CORRUPTION_KINDS;
}

double robustness_mean(const struct robustness *robustness)
{
    double sum = 0;
    for (int k = 0; k < CORRUPTION_KINDS; k++)
        sum += robustness_kind_mean(robustness, (enum corruption_kind)k);
    return sum / CORRUPTION_KINDS;
}
