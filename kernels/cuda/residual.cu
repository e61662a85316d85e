/* The residual sum where it cannot be folded into a convolution: stochastic depth, squeeze-excite gates, probes. Floor:
 * each map read once, x or dbranch written once; a thread holds N channels, 16 bytes where their number allows. */
#include "kernels/cuda/vector.cuh"

/* A map (n, spatial, c) in groups of N channels. */
struct residual_shape {
    unsigned spatial, groups;
};

/* What multiplies every channel of one sample's branch. */
static __device__ inline float sample_factor(const struct residual_gate &gate, size_t sample)
{
    float factor = gate.alpha;
    if (gate.skip_gain)
        factor *= *gate.skip_gain;
    if (gate.sample)
        factor *= gate.sample[sample];
    return factor;
}

/* factor * channel for a group of channels of one sample */
template <int N>
static __device__ inline void group_factors(const struct residual_gate &gate, size_t sample, size_t group,
                                            size_t groups, float (&factors)[N])
{
    const float factor = sample_factor(gate, sample);
    if (gate.channel)
        load_vector(gate.channel + (sample * groups + group) * N, factors);
#pragma unroll
    for (int i = 0; i < N; i++)
        factors[i] = gate.channel ? factor * factors[i] : factor;
}

/* out (+)= factor * channel * in */
template <typename T, int N, bool ADD>
__global__ void residual_scale_kernel(const T *in, T *out, const struct residual_gate gate,
                                      const struct residual_shape shape, unsigned items)
{
    const unsigned item = blockIdx.x * FLAT_THREADS + threadIdx.x;
    if (item >= items)
        return;
    const unsigned row = item / shape.groups;
    float factors[N], values[N], sum[N] = {};
    group_factors(gate, row / shape.spatial, item - row * shape.groups, shape.groups, factors);
    load_vector(in + (size_t)item * N, values);
    if constexpr (ADD)
        load_vector(out + (size_t)item * N, sum);
#pragma unroll
    for (int i = 0; i < N; i++)
        sum[i] = ADD ? sum[i] + factors[i] * values[i] : factors[i] * values[i];
    store_vector(out + (size_t)item * N, sum);
}

/* The same for the backward pass with the products dx * branch summed over the positions. A block does some channels of
 * one sample: threadIdx.x is a group of N channels, threadIdx.y takes every blockDim.y-th position. `parts` (n, chunks)
 * gets each block's share of the skip gain's gradient. */
template <typename T, int N>
__global__ void residual_backward_kernel(const T *dx, const T *branch, T *dbranch, const struct residual_gate gate,
                                         const struct residual_shape shape, float *dchannel, float *parts)
{
    const size_t sample = blockIdx.x, group = blockIdx.y * blockDim.x + threadIdx.x;
    const size_t c = (size_t)shape.groups * N, first = sample * shape.spatial * c + group * N;
    float factors[N], dots[N] = {};
    if (group < shape.groups) {
        group_factors(gate, sample, group, shape.groups, factors);
#pragma unroll 2
        for (unsigned position = threadIdx.y; position < shape.spatial; position += blockDim.y) {
            float gradient[N], values[N];
            load_vector(dx + first + position * c, gradient);
            load_vector(branch + first + position * c, values);
#pragma unroll
            for (int i = 0; i < N; i++) {
                dots[i] = fmaf(gradient[i], values[i], dots[i]);
                gradient[i] *= factors[i];
            }
            store_vector(dbranch + first + position * c, gradient);
        }
    }
    float *shared = shared_memory<float>();
    column_sums(dots, shared);
    __syncthreads();
    float part[1] = {0.0f};
    if (threadIdx.y == 0 && group < shape.groups) {
        const float factor = sample_factor(gate, sample);
        /* without the skip gain, which is what the sum is the gradient of */
        const float without = gate.alpha * (gate.sample ? gate.sample[sample] : 1.0f);
        const size_t at = (sample * shape.groups + group) * N;
#pragma unroll
        for (int i = 0; i < N; i++) {
            part[0] += without * (gate.channel ? gate.channel[at + i] : 1.0f) * dots[i];
            dots[i] *= factor;
        }
        if (dchannel)
            store_vector(dchannel + at, dots);
    }
    block_sums(part, shared);
    if (thread_rank() == 0)
        parts[sample * gridDim.y + blockIdx.y] = part[0];
}

/* One block: dskip_gain (+)= the sum of the parts. */
__global__ void residual_skip_gain_kernel(const float *parts, size_t count, float *dskip_gain, bool add)
{
    float sum[1] = {0.0f};
    for (size_t i = threadIdx.x; i < count; i += blockDim.x)
        sum[0] += parts[i];
    block_sums(sum, shared_memory<float>());
    if (threadIdx.x == 0)
        *dskip_gain = add ? *dskip_gain + sum[0] : sum[0];
}

template <typename T, int N, bool ADD>
static int scale(struct cuda_backend *cuda, const void *in, void *out, const struct residual_gate *gate, size_t n,
                 size_t spatial, size_t c, struct error *error)
{
    const size_t items = n * spatial * (c / N);
    if (items > UINT32_MAX)
        return error_set(error, "the residual sum over a batch of %zu is too large", n);
    const struct residual_shape shape = {(unsigned)spatial, (unsigned)(c / N)};
    if (items)
        CUDA_LAUNCH((residual_scale_kernel<T, N, ADD>), flat_grid(items, 1), dim3(FLAT_THREADS), 0, (const T *)in,
                    (T *)out, *gate, shape, (unsigned)items);
    return 0;
}

int cuda_residual_add_forward(struct backend *backend, enum dtype dtype, void *x, const void *branch,
                              const struct residual_gate *gate, int n, int spatial, int c, struct error *error)
{
    struct cuda_backend *cuda = cuda_of(backend);
    WITH_DTYPE(dtype, WITH_WIDTH(T, c, return scale<T, N, true>(cuda, branch, x, gate, n, spatial, c, error)));
}

struct backward_outputs {
    void *dbranch;
    float *dchannel, *dskip_gain;
    bool add;
    float *parts;
};

template <typename T, int N>
static int backward(struct cuda_backend *cuda, const void *dx, const void *branch, const struct residual_gate *gate,
                    const struct backward_outputs *out, size_t n, size_t spatial, size_t c, struct error *error)
{
    const dim3 block = column_block(c / N, spatial, n);
    const dim3 grid((unsigned)n, cuda_ceil_div(c / N, block.x));
    const unsigned threads = block.x * block.y;
    const size_t shared = (threads * N > 32 ? threads * N : 32) * sizeof(float);
    const struct residual_shape shape = {(unsigned)spatial, (unsigned)(c / N)};
    CUDA_LAUNCH((residual_backward_kernel<T, N>), grid, block, shared, (const T *)dx, (const T *)branch,
                (T *)out->dbranch, *gate, shape, out->dchannel, out->parts);
    if (out->dskip_gain)
        CUDA_LAUNCH(residual_skip_gain_kernel, dim3(1), dim3(1024), 32 * sizeof(float), out->parts,
                    (size_t)grid.x * grid.y, out->dskip_gain, out->add);
    return 0;
}

int cuda_residual_add_backward(struct backend *backend, enum dtype dtype, const void *dx, const void *branch,
                               const struct residual_gate *gate, void *dbranch, float *dchannel, float *dskip_gain,
                               bool add, float *scratch, int n, int spatial, int c, struct error *error)
{
    struct cuda_backend *cuda = cuda_of(backend);
    const struct backward_outputs out = {dbranch, dchannel, dskip_gain, add, scratch};
    if (!dchannel && !dskip_gain)
        WITH_DTYPE(dtype, WITH_WIDTH(T, c, return scale<T, N, false>(cuda, dx, dbranch, gate, n, spatial, c, error)));
    WITH_DTYPE(dtype, WITH_WIDTH(T, c, return backward<T, N>(cuda, dx, branch, gate, &out, n, spatial, c, error)));
}
