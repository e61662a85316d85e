/* Softmax cross-entropy with label smoothing: loss, gradient and the count of right answers in one pass. */
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/value.h"

#include <math.h>

enum { SAMPLES = 16 }; /* a range */

struct loss_part {
    double loss;
    int correct;
};

struct loss_job {
    const float *logits;
    const uint8_t *labels, *partners; /* NULL: not mixed */
    float share;                      /* of the partners */
    float smoothing, scale;
    float *dlogits;
    struct loss_part *parts; /* one a range */
    size_t classes;
};

static size_t argmax(const float *z, size_t classes)
{
    size_t best = 0;
    for (size_t i = 1; i < classes; i++)
        best = z[i] > z[best] ? i : best;
    return best;
}

/* A sample's logit of its label, less the largest; mixed with that of its partner's label. */
static double target_logit(const struct loss_job *job, size_t sample, float largest)
{
    const float *z = job->logits + sample * job->classes;
    const double own = (double)(z[job->labels[sample]] - largest), share = (double)job->share;
    return job->partners ? (1.0 - share) * own + share * (double)(z[job->partners[sample]] - largest) : own;
}

/* loss = log(sum e^z) - (1 - smoothing) z[label] - smoothing mean(z), all z less their largest */
static double sample_loss(const struct loss_job *job, size_t sample, float largest, float *exp_sum)
{
    const float *z = job->logits + sample * job->classes;
    float sum = 0.0f, total = 0.0f;
#pragma omp simd reduction(+ : sum, total)
    for (size_t i = 0; i < job->classes; i++) {
        sum += cpu_exp(z[i] - largest);
        total += z[i] - largest;
    }
    *exp_sum = sum;
    double smoothing = (double)job->smoothing;
    /* the largest logit alone gives sum 1 */
    /* cppcheck-suppress invalidFunctionArg */
    return log((double)sum) - (1.0 - smoothing) * target_logit(job, sample, largest) -
           smoothing * (double)total / (double)job->classes;
}

static void sample_gradient(const struct loss_job *job, size_t sample, float largest, float exp_sum)
{
    size_t classes = job->classes;
    const float *z = job->logits + sample * classes;
    float *d = job->dlogits + sample * classes;
    float uniform = job->smoothing / (float)classes, inverse = 1.0f / exp_sum;
#pragma omp simd
    for (size_t i = 0; i < classes; i++)
        d[i] = job->scale * (cpu_exp(z[i] - largest) * inverse - uniform);
    d[job->labels[sample]] -= job->scale * ((1.0f - job->smoothing) * (1.0f - job->share));
    if (job->partners)
        d[job->partners[sample]] -= job->scale * ((1.0f - job->smoothing) * job->share);
}

static void loss_range(const void *arguments, size_t begin, size_t end)
{
    const struct loss_job *job = arguments;
    struct loss_part part = {0.0, 0};
    for (size_t sample = begin; sample < end; sample++) {
        const float *z = job->logits + sample * job->classes;
        size_t best = argmax(z, job->classes);
        float exp_sum;
        part.loss += sample_loss(job, sample, z[best], &exp_sum);
        part.correct += best == (job->share > 0.5f ? job->partners : job->labels)[sample];
        if (job->dlogits)
            sample_gradient(job, sample, z[best], exp_sum);
    }
    job->parts[begin / SAMPLES] = part;
}

static int check_labels(const uint8_t *labels, int n, int classes, struct error *error)
{
    for (int i = 0; i < n; i++)
        if (labels[i] >= classes)
            return error_set(error, "label %d of sample %d is not below the %d classes", labels[i], i, classes);
    return 0;
}

int cpu_softmax_cross_entropy(struct backend *backend, const float *logits, const struct loss_target *target,
                              float loss_scale, float *dlogits, struct loss_result *result, bool add, int n,
                              int classes, struct error *error)
{
    size_t ranges = ((size_t)n + SAMPLES - 1) / SAMPLES;
    if (ranges > CPU_SCRATCH_BYTES / sizeof(struct loss_part))
        return error_set(error, "a batch of %d samples is too large for the loss", n);
    if (check_labels(target->labels, n, classes, error) ||
        (target->partners && check_labels(target->partners, n, classes, error)))
        return -1;
    struct loss_job job = {.logits = logits,
                           .labels = target->labels,
                           .partners = target->partners,
                           .share = target->partners ? (float)target->mix->partner / MIX_WHOLE : 0.0f,
                           .smoothing = target->smoothing,
                           .scale = loss_scale,
                           .dlogits = dlogits,
                           .parts = cpu_scratch(backend),
                           .classes = (size_t)classes};
    cpu_parallel(backend, (size_t)n, SAMPLES, (size_t)classes * 8, loss_range, &job);
    struct loss_part sum = {0.0, 0};
    for (size_t range = 0; range < ranges; range++) {
        sum.loss += job.parts[range].loss;
        sum.correct += job.parts[range].correct;
    }
    result->loss = (float)(add ? (double)result->loss + sum.loss : sum.loss);
    result->correct = add ? result->correct + sum.correct : sum.correct;
    return 0;
}
