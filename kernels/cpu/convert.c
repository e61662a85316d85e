/* fp32 <-> bf16, element by element. */
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/value.h"

enum { GRAIN = 8192 };

struct convert_job {
    enum dtype from, to;
    const void *x;
    void *y;
};

CPU_TEMPLATE void convert_kernel(enum dtype from, enum dtype to, const struct convert_job *job, size_t begin,
                                 size_t end)
{
    const void *x = job->x;
    void *y = job->y;
#pragma omp simd
    for (size_t i = begin; i < end; i++)
        cpu_store(to, y, i, cpu_load(from, x, i));
}

static void convert_range(const void *arguments, size_t begin, size_t end)
{
    const struct convert_job *job = arguments;
    if (job->from == job->to)
        memcpy(cpu_at(job->to, job->y, begin), cpu_at_const(job->from, job->x, begin),
               (end - begin) * dtype_size(job->to));
    else if (job->from == DTYPE_FP32)
        convert_kernel(DTYPE_FP32, DTYPE_BF16, job, begin, end);
    else
        convert_kernel(DTYPE_BF16, DTYPE_FP32, job, begin, end);
}

int cpu_convert(struct backend *backend, enum dtype from, const void *x, enum dtype to, void *y, size_t count,
                struct error *error)
{
    (void)error;
    struct convert_job job = {from, to, x, y};
    cpu_parallel(backend, count, GRAIN, 1, convert_range, &job);
    return 0;
}
