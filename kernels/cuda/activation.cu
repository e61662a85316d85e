/* Activation functions, element by element: relu, GELU (exact), SiLU, tanh; and fp32 <-> bf16. Floor: each input read
 * and each output written once; a thread moves 16 bytes of the wider tensor. */
#include "kernels/cuda/vector.cuh"

static __device__ inline float sigmoid(float x)
{
    return 1.0f / (1.0f + expf(-x));
}

/* The standard normal distribution: density, and cumulative by Abramowitz and Stegun 7.1.26 (error below 1e-7), which
 * costs a third of erff and keeps the lower tail's digits. */
struct normal {
    float density, cumulative;
};

static __device__ inline struct normal normal_of(float x)
{
    const float e = expf(-0.5f * x * x);
    const float t = 1.0f / (1.0f + 0.3275911f * 0.70710678f * fabsf(x));
    float p = 1.061405429f;
    p = fmaf(p, t, -1.453152027f);
    p = fmaf(p, t, 1.421413741f);
    p = fmaf(p, t, -0.284496736f);
    p = fmaf(p, t, 0.254829592f);
    const float tail = 0.5f * p * t * e;
    return {0.39894228f * e, x < 0.0f ? tail : 1.0f - tail};
}

/* Comparisons are such that a NaN goes through: it must reach the loss and be found. */
template <enum activation A> __device__ inline float activate(float x)
{
    if constexpr (A == ACTIVATION_RELU)
        return x < 0.0f ? 0.0f : x;
    else if constexpr (A == ACTIVATION_GELU)
        return x * normal_of(x).cumulative;
    else if constexpr (A == ACTIVATION_SILU)
        return x * sigmoid(x);
    else
        return tanhf(x);
}

/* dy * act'(x) */
template <enum activation A> __device__ inline float activate_backward(float x, float dy)
{
    if constexpr (A == ACTIVATION_RELU) {
        return x > 0.0f ? dy : 0.0f;
    } else if constexpr (A == ACTIVATION_GELU) {
        const struct normal normal = normal_of(x);
        return dy * (normal.cumulative + x * normal.density);
    } else if constexpr (A == ACTIVATION_SILU) {
        const float s = sigmoid(x);
        return dy * s * (1.0f + x * (1.0f - s));
    } else {
        const float t = tanhf(x);
        return dy * (1.0f - t * t);
    }
}

template <typename T, enum activation A> __global__ void activation_forward_kernel(const T *x, T *y, size_t count)
{
    constexpr int width = vector_width<T>;
    const size_t first = flat_first(width);
    if (first >= count)
        return;
    float values[width];
    load_part(x + first, count - first, values);
#pragma unroll
    for (int i = 0; i < width; i++)
        values[i] = activate<A>(values[i]);
    store_part(y + first, count - first, values);
}

template <typename T, enum activation A, bool ADD>
__global__ void activation_backward_kernel(const T *x, const T *dy, T *dx, size_t count)
{
    constexpr int width = vector_width<T>;
    const size_t first = flat_first(width);
    if (first >= count)
        return;
    float input[width], gradient[width], sum[width] = {};
    load_part(x + first, count - first, input);
    load_part(dy + first, count - first, gradient);
    if constexpr (ADD)
        load_part(dx + first, count - first, sum);
#pragma unroll
    for (int i = 0; i < width; i++) {
        const float d = activate_backward<A>(input[i], gradient[i]);
        sum[i] = ADD ? sum[i] + d : d;
    }
    store_part(dx + first, count - first, sum);
}

template <typename T, enum activation A>
static int forward(struct cuda_backend *cuda, const void *x, void *y, size_t count, struct error *error)
{
    CUDA_LAUNCH((activation_forward_kernel<T, A>), flat_grid(count, vector_width<T>), dim3(FLAT_THREADS), 0,
                (const T *)x, (T *)y, count);
    return 0;
}

template <typename T, enum activation A>
static int backward(struct cuda_backend *cuda, const void *x, const void *dy, void *dx, bool add, size_t count,
                    struct error *error)
{
    const dim3 grid = flat_grid(count, vector_width<T>), block(FLAT_THREADS);
    if (add)
        CUDA_LAUNCH((activation_backward_kernel<T, A, true>), grid, block, 0, (const T *)x, (const T *)dy, (T *)dx,
                    count);
    else
        CUDA_LAUNCH((activation_backward_kernel<T, A, false>), grid, block, 0, (const T *)x, (const T *)dy, (T *)dx,
                    count);
    return 0;
}

int cuda_activation_forward(struct backend *backend, enum activation activation, enum dtype dtype, const void *x,
                            void *y, size_t count, struct error *error)
{
    struct cuda_backend *cuda = cuda_of(backend);
    if (count == 0)
        return 0;
    switch (activation) {
    case ACTIVATION_RELU:
        WITH_DTYPE(dtype, return forward<T, ACTIVATION_RELU>(cuda, x, y, count, error));
    case ACTIVATION_GELU:
        WITH_DTYPE(dtype, return forward<T, ACTIVATION_GELU>(cuda, x, y, count, error));
    case ACTIVATION_SILU:
        WITH_DTYPE(dtype, return forward<T, ACTIVATION_SILU>(cuda, x, y, count, error));
    case ACTIVATION_TANH:
        WITH_DTYPE(dtype, return forward<T, ACTIVATION_TANH>(cuda, x, y, count, error));
    }
    return error_set(error, "unknown activation %d", (int)activation);
}

int cuda_activation_backward(struct backend *backend, enum activation activation, enum dtype dtype, const void *x,
                             const void *dy, void *dx, bool add, size_t count, struct error *error)
{
    struct cuda_backend *cuda = cuda_of(backend);
    if (count == 0)
        return 0;
    switch (activation) {
    case ACTIVATION_RELU:
        WITH_DTYPE(dtype, return backward<T, ACTIVATION_RELU>(cuda, x, dy, dx, add, count, error));
    case ACTIVATION_GELU:
        WITH_DTYPE(dtype, return backward<T, ACTIVATION_GELU>(cuda, x, dy, dx, add, count, error));
    case ACTIVATION_SILU:
        WITH_DTYPE(dtype, return backward<T, ACTIVATION_SILU>(cuda, x, dy, dx, add, count, error));
    case ACTIVATION_TANH:
        WITH_DTYPE(dtype, return backward<T, ACTIVATION_TANH>(cuda, x, dy, dx, add, count, error));
    }
    return error_set(error, "unknown activation %d", (int)activation);
}

template <typename FROM, typename TO> __global__ void convert_kernel(const FROM *x, TO *y, size_t count)
{
    constexpr int width = vector_width<bf16>;
    const size_t first = flat_first(width);
    if (first >= count)
        return;
    float values[width];
    load_part(x + first, count - first, values);
    store_part(y + first, count - first, values);
}

template <typename FROM>
static int convert_from(struct cuda_backend *cuda, const void *x, enum dtype to, void *y, size_t count,
                        struct error *error)
{
    WITH_DTYPE(to, CUDA_LAUNCH((convert_kernel<FROM, T>), flat_grid(count, vector_width<bf16>), dim3(FLAT_THREADS), 0,
                               (const FROM *)x, (T *)y, count));
    return 0;
}

int cuda_convert(struct backend *backend, enum dtype from, const void *x, enum dtype to, void *y, size_t count,
                 struct error *error)
{
    struct cuda_backend *cuda = cuda_of(backend);
    if (count == 0)
        return 0;
    WITH_DTYPE(from, return convert_from<T>(cuda, x, to, y, count, error));
}
