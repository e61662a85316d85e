/* Pooling: the 2x2 mean of the papers' transitions, and the mean over all positions before the head and the
 * squeeze-excite gate. */
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/value.h"

struct average_job {
    enum dtype dtype;
    const void *from;
    void *to;
    const void *relu_x; /* backward: like `to`, masks where it is not above 0; NULL: no mask */
    bool add;
    size_t out_w, c;
};

/* Ranges are rows of the pooled map, over all images: rows 2r and 2r + 1 of the large map make row r of the small one,
 * also across images, because h is even. */
CPU_TEMPLATE void average_forward_kernel(enum dtype dtype, const struct average_job *job, size_t begin, size_t end)
{
    size_t c = job->c, line = 2 * job->out_w * c;
    for (size_t cell = begin * job->out_w; cell < end * job->out_w; cell++) {
        size_t row = cell / job->out_w, column = cell % job->out_w;
        const void *top = cpu_at_const(dtype, job->from, 2 * row * line + 2 * column * c);
        void *y = cpu_at(dtype, job->to, cell * c);
#pragma omp simd
        for (size_t i = 0; i < c; i++) {
            float sum = cpu_load(dtype, top, i) + cpu_load(dtype, top, c + i) + cpu_load(dtype, top, line + i) +
                        cpu_load(dtype, top, line + c + i);
            cpu_store(dtype, y, i, 0.25f * sum);
        }
    }
}

CPU_TEMPLATE void put(enum dtype dtype, bool add, void *to, size_t i, float value)
{
    cpu_store(dtype, to, i, add ? cpu_load(dtype, to, i) + value : value);
}

/* The gradient of element i through the relu that made x. */
CPU_TEMPLATE float masked(enum dtype dtype, bool mask, const void *x, size_t i, float gradient)
{
    return !mask || cpu_load(dtype, x, i) > 0.0f ? gradient : 0.0f;
}

CPU_TEMPLATE void average_backward_loop(enum dtype dtype, bool add, bool mask, const struct average_job *job,
                                        size_t begin, size_t end)
{
    size_t c = job->c, line = 2 * job->out_w * c;
    for (size_t cell = begin * job->out_w; cell < end * job->out_w; cell++) {
        size_t row = cell / job->out_w, column = cell % job->out_w;
        const void *dy = cpu_at_const(dtype, job->from, cell * c);
        const size_t square = 2 * row * line + 2 * column * c;
        void *dx = cpu_at(dtype, job->to, square);
        const void *x = mask ? cpu_at_const(dtype, job->relu_x, square) : NULL;
#pragma omp simd
        for (size_t i = 0; i < c; i++) {
            float d = 0.25f * cpu_load(dtype, dy, i);
            put(dtype, add, dx, i, masked(dtype, mask, x, i, d));
            put(dtype, add, dx, c + i, masked(dtype, mask, x, c + i, d));
            put(dtype, add, dx, line + i, masked(dtype, mask, x, line + i, d));
            put(dtype, add, dx, line + c + i, masked(dtype, mask, x, line + c + i, d));
        }
    }
}

CPU_TEMPLATE void average_backward_kernel(enum dtype dtype, const struct average_job *job, size_t begin, size_t end)
{
    if (job->relu_x)
        average_backward_loop(dtype, job->add, true, job, begin, end);
    else if (job->add)
        average_backward_loop(dtype, true, false, job, begin, end);
    else
        average_backward_loop(dtype, false, false, job, begin, end);
}

static void average_forward_range(const void *arguments, size_t begin, size_t end)
{
    const struct average_job *job = arguments;
    CPU_DISPATCH(job->dtype, average_forward_kernel, job, begin, end);
}

static void average_backward_range(const void *arguments, size_t begin, size_t end)
{
    const struct average_job *job = arguments;
    CPU_DISPATCH(job->dtype, average_backward_kernel, job, begin, end);
}

static int average_pool(struct backend *backend, const struct average_job *job, int n, int h, int w,
                        cpu_range_function *function, struct error *error)
{
    if (h % 2 || w % 2)
        return error_set(error, "average pooling needs an even height and width, not %d x %d", h, w);
    cpu_parallel(backend, (size_t)n * (size_t)(h / 2), 1, 4 * job->out_w * job->c, function, job);
    return 0;
}

int cpu_average_pool_forward(struct backend *backend, enum dtype dtype, const void *x, void *y, int n, int h, int w,
                             int c, struct error *error)
{
    struct average_job job = {.dtype = dtype, .from = x, .to = y, .out_w = (size_t)w / 2, .c = (size_t)c};
    return average_pool(backend, &job, n, h, w, average_forward_range, error);
}

int cpu_average_pool_backward(struct backend *backend, enum dtype dtype, const void *relu_x, const void *dy, void *dx,
                              bool add, int n, int h, int w, int c, struct error *error)
{
    struct average_job job = {
        .dtype = dtype, .from = dy, .to = dx, .relu_x = relu_x, .add = add, .out_w = (size_t)w / 2, .c = (size_t)c};
    return average_pool(backend, &job, n, h, w, average_backward_range, error);
}

struct global_job {
    enum dtype dtype;
    const void *from;
    void *to;
    const void *relu_x; /* backward: as above */
    float scale;        /* of the sum, or of the gradient */
    bool add;
    size_t spatial, c;
};

CPU_TEMPLATE void global_forward_kernel(enum dtype dtype, const struct global_job *job, size_t begin, size_t end)
{
    size_t c = job->c;
    for (size_t image = begin; image < end; image++) {
        float *restrict y = (float *)job->to + image * c;
        memset(y, 0, c * sizeof *y);
        for (size_t s = 0; s < job->spatial; s++) {
            const void *x = cpu_at_const(dtype, job->from, (image * job->spatial + s) * c);
#pragma omp simd
            for (size_t i = 0; i < c; i++)
                y[i] += cpu_load(dtype, x, i);
        }
        for (size_t i = 0; i < c; i++)
            y[i] *= job->scale;
    }
}

CPU_TEMPLATE void global_backward_loop(enum dtype dtype, bool add, bool mask, const struct global_job *job,
                                       size_t begin, size_t end)
{
    size_t c = job->c;
    float scale = job->scale;
    for (size_t row = begin * job->spatial; row < end * job->spatial; row++) {
        const float *dy = (const float *)job->from + row / job->spatial * c;
        void *dx = cpu_at(dtype, job->to, row * c);
        const void *x = mask ? cpu_at_const(dtype, job->relu_x, row * c) : NULL;
#pragma omp simd
        for (size_t i = 0; i < c; i++)
            put(dtype, add, dx, i, masked(dtype, mask, x, i, scale * dy[i]));
    }
}

CPU_TEMPLATE void global_backward_kernel(enum dtype dtype, const struct global_job *job, size_t begin, size_t end)
{
    if (job->relu_x)
        global_backward_loop(dtype, job->add, true, job, begin, end);
    else if (job->add)
        global_backward_loop(dtype, true, false, job, begin, end);
    else
        global_backward_loop(dtype, false, false, job, begin, end);
}

static void global_forward_range(const void *arguments, size_t begin, size_t end)
{
    const struct global_job *job = arguments;
    CPU_DISPATCH(job->dtype, global_forward_kernel, job, begin, end);
}

static void global_backward_range(const void *arguments, size_t begin, size_t end)
{
    const struct global_job *job = arguments;
    CPU_DISPATCH(job->dtype, global_backward_kernel, job, begin, end);
}

int cpu_global_pool_forward(struct backend *backend, enum dtype dtype, const void *x, float *y, float scale, int n,
                            int spatial, int c, struct error *error)
{
    (void)error;
    struct global_job job = {.dtype = dtype,
                             .from = x,
                             .to = y,
                             .scale = scale / (float)spatial,
                             .spatial = (size_t)spatial,
                             .c = (size_t)c};
    cpu_parallel(backend, (size_t)n, 1, job.spatial * job.c, global_forward_range, &job);
    return 0;
}

int cpu_global_pool_backward(struct backend *backend, enum dtype dtype, const void *relu_x, const float *dy, void *dx,
                             float scale, bool add, int n, int spatial, int c, struct error *error)
{
    (void)error;
    struct global_job job = {.dtype = dtype,
                             .from = dy,
                             .to = dx,
                             .relu_x = relu_x,
                             .scale = scale / (float)spatial,
                             .add = add,
                             .spatial = (size_t)spatial,
                             .c = (size_t)c};
    cpu_parallel(backend, (size_t)n, 1, job.spatial * job.c, global_backward_range, &job);
    return 0;
}
