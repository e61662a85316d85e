/* The one place where the CPU back end's own work meets threads: everything is cut into ranges that depend on the
 * shape alone, so results have the same bits for any number of threads. */
#include "kernels/cpu/cpu.h"

/* Opening a parallel region costs a few microseconds, about what a core needs for so many elements. */
enum { SERIAL_WORK = 32768 };

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

void cpu_parallel(struct backend *backend, size_t count, size_t grain, size_t work, cpu_range_function *function,
                  const void *arguments)
{
    size_t ranges = (count + grain - 1) / grain;
    if (backend->threads == 1 || ranges < 2 || count * work < SERIAL_WORK) {
        for (size_t range = 0; range < ranges; range++)
            function(arguments, range * grain, smaller(count, (range + 1) * grain));
        return;
    }
#pragma omp parallel for schedule(static) num_threads(backend->threads)
    for (size_t range = 0; range < ranges; range++)
        function(arguments, range * grain, smaller(count, (range + 1) * grain));
}

/* The first row that begins at or behind `element` of the list. */
static size_t row_at(size_t element, size_t base, size_t rows, size_t row_length)
{
    if (element <= base)
        return 0;
    return smaller(rows, (element - base + row_length - 1) / row_length);
}

struct cpu_row_range cpu_slice_rows(size_t base, size_t rows, size_t row_length, size_t total, size_t slice)
{
    struct cpu_row_range range = {row_at(total * slice / CPU_SLICES, base, rows, row_length),
                                  row_at(total * (slice + 1) / CPU_SLICES, base, rows, row_length)};
    return range;
}

struct cpu_row_range cpu_next_rows(size_t *base, int rows, int row_length, size_t total, size_t slice)
{
    const size_t begin = *base;
    *base += (size_t)rows * (size_t)row_length;
    return cpu_slice_rows(begin, (size_t)rows, (size_t)row_length, total, slice);
}
