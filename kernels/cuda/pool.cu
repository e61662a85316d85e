/* Pooling: the 2x2 mean of the papers' transitions, and the mean over all positions before the head and the
 * squeeze-excite gate. Floor: each input read and each output written once. A thread holds N channels: 16 bytes where
 * the number of channels allows, else one. */
#include "kernels/cuda/vector.cuh"

/* The small map in groups of N channels: (cells, groups), cells = n * h / 2 rows of out_w. */
struct average_shape {
    unsigned items, groups, out_w;
};

/* Element of the large map that begins the 2x2 square of a group of channels. Rows 2r and 2r + 1 of the large map make
 * row r of the small one, also across images, because h is even. `line` is a row of the large map. */
template <int N>
static __device__ inline size_t square_of(const struct average_shape &shape, unsigned item, size_t line)
{
    const unsigned cell = item / shape.groups, group = item % shape.groups;
    const unsigned row = cell / shape.out_w, column = cell % shape.out_w;
    return 2 * row * line + ((size_t)2 * column * shape.groups + group) * N;
}

template <typename T, int N>
__global__ void average_pool_forward_kernel(const T *x, T *y, const struct average_shape shape)
{
    const unsigned item = blockIdx.x * FLAT_THREADS + threadIdx.x;
    if (item >= shape.items)
        return;
    const size_t c = (size_t)shape.groups * N, line = 2 * shape.out_w * c;
    const T *square = x + square_of<N>(shape, item, line);
    float a[N], b[N], d[N], e[N];
    load_vector(square, a);
    load_vector(square + c, b);
    load_vector(square + line, d);
    load_vector(square + line + c, e);
#pragma unroll
    for (int i = 0; i < N; i++)
        a[i] = 0.25f * (a[i] + b[i] + d[i] + e[i]);
    store_vector(y + (size_t)item * N, a);
}

/* Writes a gradient to dx, or adds it, where relu_x (like dx; NULL: no mask) is above 0. */
template <typename T, int N, bool ADD>
static __device__ inline void put(T *dx, const T *relu_x, size_t at, const float (&gradient)[N])
{
    float values[N], other[N];
#pragma unroll
    for (int i = 0; i < N; i++)
        values[i] = gradient[i];
    if (relu_x) {
        load_vector(relu_x + at, other);
#pragma unroll
        for (int i = 0; i < N; i++)
            values[i] = other[i] > 0.0f ? values[i] : 0.0f;
    }
    if constexpr (ADD) {
        load_vector(dx + at, other);
#pragma unroll
        for (int i = 0; i < N; i++)
            values[i] += other[i];
    }
    store_vector(dx + at, values);
}

template <typename T, int N, bool ADD>
__global__ void average_pool_backward_kernel(const T *relu_x, const T *dy, T *dx, const struct average_shape shape)
{
    const unsigned item = blockIdx.x * FLAT_THREADS + threadIdx.x;
    if (item >= shape.items)
        return;
    const size_t c = (size_t)shape.groups * N, line = 2 * shape.out_w * c;
    const size_t square = square_of<N>(shape, item, line);
    float d[N];
    load_vector(dy + (size_t)item * N, d);
#pragma unroll
    for (int i = 0; i < N; i++)
        d[i] *= 0.25f;
    put<T, N, ADD>(dx, relu_x, square, d);
    put<T, N, ADD>(dx, relu_x, square + c, d);
    put<T, N, ADD>(dx, relu_x, square + line, d);
    put<T, N, ADD>(dx, relu_x, square + line + c, d);
}

static int average_shape_of(int n, int h, int w, int c, int width, struct average_shape *out, struct error *error)
{
    if (h % 2 || w % 2)
        return error_set(error, "average pooling needs an even height and width, not %d x %d", h, w);
    const size_t groups = (size_t)(c / width), items = (size_t)n * (size_t)(h / 2) * (size_t)(w / 2) * groups;
    if (items > UINT32_MAX)
        return error_set(error, "average pooling of a batch of %d is too large", n);
    *out = {(unsigned)items, (unsigned)groups, (unsigned)w / 2};
    return 0;
}

template <typename T, int N>
static int average_forward(struct cuda_backend *cuda, const void *x, void *y, int n, int h, int w, int c,
                           struct error *error)
{
    struct average_shape shape;
    if (average_shape_of(n, h, w, c, N, &shape, error))
        return -1;
    if (shape.items)
        CUDA_LAUNCH((average_pool_forward_kernel<T, N>), flat_grid(shape.items, 1), dim3(FLAT_THREADS), 0, (const T *)x,
                    (T *)y, shape);
    return 0;
}

template <typename T, int N, bool ADD>
static int average_backward(struct cuda_backend *cuda, const void *relu_x, const void *dy, void *dx, int n, int h,
                            int w, int c, struct error *error)
{
    struct average_shape shape;
    if (average_shape_of(n, h, w, c, N, &shape, error))
        return -1;
    if (shape.items)
        CUDA_LAUNCH((average_pool_backward_kernel<T, N, ADD>), flat_grid(shape.items, 1), dim3(FLAT_THREADS), 0,
                    (const T *)relu_x, (const T *)dy, (T *)dx, shape);
    return 0;
}

int cuda_average_pool_forward(struct backend *backend, enum dtype dtype, const void *x, void *y, int n, int h, int w,
                              int c, struct error *error)
{
    struct cuda_backend *cuda = cuda_of(backend);
    WITH_DTYPE(dtype, WITH_WIDTH(T, c, return average_forward<T, N>(cuda, x, y, n, h, w, c, error)));
}

int cuda_average_pool_backward(struct backend *backend, enum dtype dtype, const void *relu_x, const void *dy, void *dx,
                               bool add, int n, int h, int w, int c, struct error *error)
{
    struct cuda_backend *cuda = cuda_of(backend);
    if (add)
        WITH_DTYPE(dtype,
                   WITH_WIDTH(T, c, return average_backward<T, N, true>(cuda, relu_x, dy, dx, n, h, w, c, error)));
    WITH_DTYPE(dtype, WITH_WIDTH(T, c, return average_backward<T, N, false>(cuda, relu_x, dy, dx, n, h, w, c, error)));
}

/* A block does some channels of one image: threadIdx.x is a group of N channels, threadIdx.y takes every blockDim.y-th
 * position. */
template <typename T, int N>
__global__ void global_pool_forward_kernel(const T *x, float *y, float scale, unsigned spatial, unsigned groups)
{
    const unsigned group = blockIdx.y * blockDim.x + threadIdx.x;
    const size_t c = (size_t)groups * N, first = (size_t)group * N;
    const T *image = x + (size_t)blockIdx.x * spatial * c;
    float sum[N] = {};
    if (group < groups) {
#pragma unroll 4
        for (unsigned position = threadIdx.y; position < spatial; position += blockDim.y) {
            float values[N];
            load_vector(image + position * c + first, values);
#pragma unroll
            for (int i = 0; i < N; i++)
                sum[i] += values[i];
        }
    }
    column_sums(sum, shared_memory<float>());
    if (threadIdx.y > 0 || group >= groups)
        return;
#pragma unroll
    for (int i = 0; i < N; i++)
        sum[i] *= scale;
    store_vector(y + blockIdx.x * c + first, sum);
}

template <typename T, int N, bool ADD>
__global__ void global_pool_backward_kernel(const T *relu_x, const float *dy, T *dx, float scale, unsigned items,
                                            unsigned spatial, unsigned groups)
{
    const unsigned item = blockIdx.x * FLAT_THREADS + threadIdx.x;
    if (item >= items)
        return;
    const unsigned image = item / groups / spatial, group = item % groups;
    float d[N];
    load_vector(dy + ((size_t)image * groups + group) * N, d);
#pragma unroll
    for (int i = 0; i < N; i++)
        d[i] *= scale;
    put<T, N, ADD>(dx, relu_x, (size_t)item * N, d);
}

template <typename T, int N>
static int global_forward(struct cuda_backend *cuda, const void *x, float *y, float scale, size_t n, size_t spatial,
                          size_t c, struct error *error)
{
    const dim3 block = column_block(c / N, spatial, n);
    const dim3 grid((unsigned)n, cuda_ceil_div(c / N, block.x));
    CUDA_LAUNCH((global_pool_forward_kernel<T, N>), grid, block, block.x * block.y * N * sizeof(float), (const T *)x, y,
                scale, (unsigned)spatial, (unsigned)(c / N));
    return 0;
}

template <typename T, int N, bool ADD>
static int global_backward(struct cuda_backend *cuda, const void *relu_x, const float *dy, void *dx, float scale,
                           size_t n, size_t spatial, size_t c, struct error *error)
{
    const size_t items = n * spatial * (c / N);
    if (items > UINT32_MAX)
        return error_set(error, "global pooling of a batch of %zu is too large", n);
    CUDA_LAUNCH((global_pool_backward_kernel<T, N, ADD>), flat_grid(items, 1), dim3(FLAT_THREADS), 0, (const T *)relu_x,
                dy, (T *)dx, scale, (unsigned)items, (unsigned)spatial, (unsigned)(c / N));
    return 0;
}

int cuda_global_pool_forward(struct backend *backend, enum dtype dtype, const void *x, float *y, float scale, int n,
                             int spatial, int c, struct error *error)
{
    struct cuda_backend *cuda = cuda_of(backend);
    const float factor = scale / (float)spatial;
    if (n == 0)
        return 0;
    WITH_DTYPE(dtype, WITH_WIDTH(T, c, return global_forward<T, N>(cuda, x, y, factor, n, spatial, c, error)));
}

int cuda_global_pool_backward(struct backend *backend, enum dtype dtype, const void *relu_x, const float *dy, void *dx,
                              float scale, bool add, int n, int spatial, int c, struct error *error)
{
    struct cuda_backend *cuda = cuda_of(backend);
    const float factor = scale / (float)spatial;
    if (n == 0)
        return 0;
    if (add)
        WITH_DTYPE(
            dtype,
            WITH_WIDTH(T, c, return global_backward<T, N, true>(cuda, relu_x, dy, dx, factor, n, spatial, c, error)));
    WITH_DTYPE(
        dtype,
        WITH_WIDTH(T, c, return global_backward<T, N, false>(cuda, relu_x, dy, dx, factor, n, spatial, c, error)));
}
