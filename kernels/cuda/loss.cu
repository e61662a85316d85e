/* Softmax cross-entropy with label smoothing: loss, gradient and the count of right answers in one pass over the
 * logits. Those of a batch are some KB: one launch of one block where they allow it, else a second one for the sums. */
#include "kernels/cuda/vector.cuh"

static const unsigned loss_threads = 1024, classes_a_lane = 16;

struct loss_job {
    const float *logits;
    struct loss_target target;
    float scale;
    float *dlogits;
    struct loss_result *result;
    float *parts; /* (blocks, 2) loss and right answers of each block, where there are several */
    unsigned n, classes, lanes;
    bool add;
};

/* Sum over the `lanes` neighbours that share a sample; all lanes of the warp take part. */
static __device__ inline float lanes_sum(float value, unsigned lanes)
{
    for (unsigned offset = lanes / 2; offset > 0; offset /= 2)
        value += __shfl_xor_sync(0xffffffffu, value, (int)offset);
    return value;
}

struct best {
    float logit;
    unsigned index; /* the first of equals */
};

static __device__ inline struct best lanes_best(struct best best, unsigned lanes)
{
    for (unsigned offset = lanes / 2; offset > 0; offset /= 2) {
        const float logit = __shfl_xor_sync(0xffffffffu, best.logit, (int)offset);
        const unsigned index = __shfl_xor_sync(0xffffffffu, best.index, (int)offset);
        if (logit > best.logit || (logit == best.logit && index < best.index))
            best = {logit, index};
    }
    return best;
}

/* A sample's classes, and the share of its partner's. */
struct wanted {
    unsigned label, partner;
    float share; /* 0: not mixed */
};

static __device__ inline struct wanted wanted_of(const struct loss_target &target, size_t sample)
{
    const unsigned label = target.labels[sample];
    if (!target.partners)
        return {label, label, 0.0f};
    return {label, target.partners[sample], (float)target.mix->partner / MIX_WHOLE};
}

/* The target's share of a class, before smoothing. */
static __device__ inline float class_share(const struct wanted &wanted, unsigned index)
{
    return (index == wanted.label ? 1.0f - wanted.share : 0.0f) + (index == wanted.partner ? wanted.share : 0.0f);
}

/* Loss (log(sum e^z) - (1 - smoothing) z[label] - smoothing mean(z), all z less their largest) and 1 for a right answer
 * of one sample, by `lanes` threads; the gradient is written where it is wanted. A label that is no class makes the
 * loss NaN: the step is then not taken. */
static __device__ inline void sample_loss(const struct loss_job &job, const float *z, float *d,
                                          const struct wanted &wanted, float (&sums)[2])
{
    const unsigned lane = threadIdx.x % job.lanes;
    struct best best = {-INFINITY, job.classes};
    for (unsigned i = lane; i < job.classes; i += job.lanes)
        if (z[i] > best.logit)
            best = {z[i], i};
    best = lanes_best(best, job.lanes);
    const float smoothing = job.target.smoothing;
    const bool known = wanted.label < job.classes && wanted.partner < job.classes;
    float exp_sum = 0.0f, total = 0.0f, target = known ? 0.0f : NAN;
    for (unsigned i = lane; i < job.classes; i += job.lanes) {
        const float shifted = z[i] - best.logit;
        exp_sum += expf(shifted);
        total += shifted;
        if (i == wanted.label || i == wanted.partner)
            target += class_share(wanted, i) * shifted;
    }
    exp_sum = lanes_sum(exp_sum, job.lanes);
    total = lanes_sum(total, job.lanes);
    target = lanes_sum(target, job.lanes);
    if (lane == 0) {
        sums[0] += logf(exp_sum) - (1.0f - smoothing) * target - smoothing * total / (float)job.classes;
        sums[1] += best.index == (wanted.share > 0.5f ? wanted.partner : wanted.label) ? 1.0f : 0.0f;
    }
    if (!d)
        return;
    const float uniform = smoothing / (float)job.classes, inverse = 1.0f / exp_sum;
    for (unsigned i = lane; i < job.classes; i += job.lanes) {
        const float gradient = job.scale * (expf(z[i] - best.logit) * inverse - uniform);
        d[i] = i == wanted.label || i == wanted.partner
                   ? gradient - job.scale * ((1.0f - smoothing) * class_share(wanted, i))
                   : gradient;
    }
}

static __device__ inline void put_result(const struct loss_job &job, const float (&sums)[2])
{
    job.result->loss = job.add ? job.result->loss + sums[0] : sums[0];
    job.result->correct = (job.add ? job.result->correct : 0) + (int)sums[1];
}

__global__ void loss_kernel(const struct loss_job job)
{
    const size_t sample = ((size_t)blockIdx.x * blockDim.x + threadIdx.x) / job.lanes;
    /* what is beyond the batch does the last sample again for its warp's sake, and counts for nothing */
    const size_t own = sample < job.n ? sample : job.n - 1;
    float sums[2] = {0.0f, 0.0f};
    sample_loss(job, job.logits + own * job.classes,
                job.dlogits && sample < job.n ? job.dlogits + own * job.classes : NULL, wanted_of(job.target, own),
                sums);
    if (sample >= job.n)
        sums[0] = sums[1] = 0.0f;
    block_sums(sums, shared_memory<float>());
    if (threadIdx.x > 0)
        return;
    if (gridDim.x == 1) {
        put_result(job, sums);
    } else {
        job.parts[2 * blockIdx.x] = sums[0];
        job.parts[2 * blockIdx.x + 1] = sums[1];
    }
}

__global__ void loss_join_kernel(const struct loss_job job, unsigned blocks)
{
    float sums[2] = {0.0f, 0.0f};
    for (unsigned i = threadIdx.x; i < blocks; i += blockDim.x) {
        sums[0] += job.parts[2 * i];
        sums[1] += job.parts[2 * i + 1];
    }
    block_sums(sums, shared_memory<float>());
    if (threadIdx.x == 0)
        put_result(job, sums);
}

/* Threads that share a sample: a power of two that leaves each some classes. */
static unsigned lanes_of(int classes)
{
    unsigned lanes = 1;
    while (lanes < 32 && lanes * classes_a_lane < (unsigned)classes)
        lanes *= 2;
    return lanes;
}

int cuda_softmax_cross_entropy(struct backend *backend, const float *logits, const struct loss_target *target,
                               float loss_scale, float *dlogits, struct loss_result *result, bool add, int n,
                               int classes, struct error *error)
{
    struct cuda_backend *cuda = cuda_of(backend);
    if (n < 1 || classes < 1)
        return error_set(error, "the loss of %d samples and %d classes", n, classes);
    const struct loss_job job = {
        logits,      *target,           loss_scale,        dlogits, result, (float *)cuda->scratch,
        (unsigned)n, (unsigned)classes, lanes_of(classes), add};
    const size_t threads = (size_t)n * job.lanes;
    const unsigned blocks = cuda_ceil_div(threads, loss_threads);
    const unsigned block = blocks > 1 ? loss_threads : cuda_ceil_div(threads, 32) * 32;
    if (blocks > CUDA_SCRATCH_BYTES / (2 * sizeof(float)))
        return error_set(error, "a batch of %d samples is too large for the loss", n);
    CUDA_LAUNCH(loss_kernel, dim3(blocks), dim3(block), 64 * sizeof(float), job);
    if (blocks > 1)
        CUDA_LAUNCH(loss_join_kernel, dim3(1), dim3(256), 64 * sizeof(float), job, blocks);
    return 0;
}
