/* The optimiser's step over all parameters in three launches: measure (is every gradient finite, and the norm), apply
 * (adaptive gradient clipping, weight decay, momentum, Nesterov, step, lookahead, EMA), finish (the report). The twin
 * of kernels/cpu/update.c. Floor: 4 bytes of gradient an element to measure and 28 to apply (w, g, v, EMA read; w, v,
 * EMA written); g is written only where it was clipped. */
#include "kernels/cuda/update.cuh"

/* ---- Sums ---- */

static __device__ inline double warp_total(double value)
{
#pragma unroll
    for (int offset = 16; offset > 0; offset /= 2)
        value += __shfl_xor_sync(0xffffffffu, value, offset);
    return value;
}

/* Over the block; every thread gets the same bits. `shared` holds 32 values and is free again after the next barrier.
 */
static __device__ inline double block_total(double value, double *shared)
{
    const unsigned lane = threadIdx.x % 32, warps = blockDim.x / 32;
    const double sum = warp_total(value);
    if (lane == 0)
        shared[threadIdx.x / 32] = sum;
    __syncthreads();
    return warp_total(lane < warps ? shared[lane] : 0.0);
}

/* Norms are wanted to full precision for any finite values: a float sum of squares serves within this range. */
static __device__ inline bool is_safe(float square_sum)
{
    return square_sum > 1e-30f && square_sum < 1e30f;
}

/* ---- Measure ---- */

/* Square sum of a thread's elements in double; not finite exactly when one of them is not. */
template <int N> static __device__ inline double exact_square_sum(const float (&v)[N])
{
    float sum = 0.0f;
#pragma unroll
    for (int k = 0; k < N; k++)
        sum += v[k] * v[k];
    if (is_safe(sum))
        return (double)sum;
    double exact = 0.0;
#pragma unroll
    for (int k = 0; k < N; k++)
        exact += (double)v[k] * (double)v[k];
    return exact;
}

static __global__ void __launch_bounds__(MEASURE_THREADS)
    measure_kernel(const struct measure_task *tasks, int count, double *square_sums)
{
    double sum = 0.0;
    for (int t = (int)blockIdx.x; t < count; t += (int)gridDim.x) {
        const struct measure_task task = tasks[t];
        float v[8];
#pragma unroll
        for (int part = 0; part < 2; part++) {
            const int first = (part * MEASURE_THREADS + (int)threadIdx.x) * 4;
            float four[4] = {};
            if (first < task.count)
                load_part(task.gradient + first, (size_t)(task.count - first), four);
#pragma unroll
            for (int k = 0; k < 4; k++)
                v[part * 4 + k] = four[k];
        }
        sum += exact_square_sum(v);
    }
    sum = block_total(sum, shared_memory<double>());
    if (threadIdx.x == 0)
        square_sums[blockIdx.x] = sum;
}

/* ---- Apply ---- */

struct apply_shared {
    float sums[2 * 32];
    double totals[2][32];
    int stops[ROW_WARPS], clipped[ROW_WARPS];
};

/* What `measure` wrote: one of its sums a thread. */
struct measured {
    const double *square_sums;
    int count;
};

static __device__ inline double measured_sum(struct measured measured)
{
    return (int)threadIdx.x < measured.count ? measured.square_sums[threadIdx.x] : 0.0;
}

/* Whether nothing may change: known to every block by itself, so that none waits for another. */
static __device__ inline bool is_stopped(struct measured measured, const struct step_values *values,
                                         const struct step_report *report, int *stops)
{
    const bool halted = report->halted && !values->resume;
    const bool stop = halted || !isfinite(report->loss.loss) || !isfinite(measured_sum(measured));
    const bool any = __any_sync(0xffffffffu, stop);
    if (threadIdx.x % 32 == 0)
        stops[threadIdx.x / 32] = any;
    __syncthreads();
    int all = 0;
#pragma unroll
    for (int warp = 0; warp < ROW_WARPS; warp++)
        all |= stops[warp];
    return all != 0;
}

/* What AGC multiplies a unit's gradient by, from the two norms. */
static __device__ inline float clip_factor(float agc, float weight_norm, float gradient_norm)
{
    const float limit = agc * fmaxf(weight_norm, 1e-3f);
    return gradient_norm > limit ? limit / fmaxf(gradient_norm, 1e-6f) : 1.0f;
}

/* A row of one parameter: `count` elements from `first` on. */
struct span {
    size_t first;
    int count;
};

static __device__ inline double exact_row_sum(const float *x, int count, struct row_group group, double *shared)
{
    double sum = 0.0;
    for (int i = (int)group.rank; i < count; i += (int)group.size)
        sum += (double)x[i] * (double)x[i];
    return group.whole_block ? block_total(sum, shared) : warp_total(sum);
}

/* Clip factor of a row by its norms. */
template <int WIDTH>
static __device__ inline float row_factor(const struct parameter *p, struct span row, float agc, struct row_group group,
                                          struct apply_shared *shared)
{
    const float *value = p->value + row.first, *gradient = p->gradient + row.first;
    float sums[2] = {0.0f, 0.0f};
    for (int i = (int)group.rank * WIDTH; i < row.count; i += (int)group.size * WIDTH) {
        float w[WIDTH], g[WIDTH];
        load_vector(value + i, w);
        load_vector(gradient + i, g);
#pragma unroll
        for (int k = 0; k < WIDTH; k++) {
            sums[0] += w[k] * w[k];
            sums[1] += g[k] * g[k];
        }
    }
    row_sums(group, sums, shared->sums);
    if (is_safe(sums[0]) && is_safe(sums[1])) /* the same in all threads of the group */
        return clip_factor(agc, sqrtf(sums[0]), sqrtf(sums[1]));
    const double weight = exact_row_sum(value, row.count, group, shared->totals[0]);
    return clip_factor(agc, (float)sqrt(weight),
                       (float)sqrt(exact_row_sum(gradient, row.count, group, shared->totals[1])));
}

/* Changes a row's elements; returns how many of this thread's were clipped as units of their own. */
template <int WIDTH, bool ELEMENTS>
static __device__ inline int step_elements(const struct parameter *p, struct span row,
                                           const struct update_options *options, float factor, struct row_group group)
{
    float *__restrict__ value = p->value + row.first;
    float *__restrict__ gradient = p->gradient + row.first;
    float *__restrict__ momentum = p->momentum + row.first;
    float *__restrict__ ema = p->ema ? p->ema + row.first : NULL;
    float *__restrict__ slow = p->slow && options->lookahead > 0.0f ? p->slow + row.first : NULL;
    const float decay = p->decay ? options->weight_decay : 0.0f, d = options->ema_decay;
    int clipped = 0;
    for (int i = (int)group.rank * WIDTH; i < row.count; i += (int)group.size * WIDTH) {
        float w[WIDTH], g[WIDTH], v[WIDTH], average[WIDTH] = {}, behind[WIDTH] = {};
        load_vector(value + i, w);
        load_vector(gradient + i, g);
        load_vector(momentum + i, v);
        if (ema)
            load_vector(ema + i, average);
        if (slow)
            load_vector(slow + i, behind);
#pragma unroll
        for (int k = 0; k < WIDTH; k++) {
            const float unit = ELEMENTS ? clip_factor(options->agc, fabsf(w[k]), fabsf(g[k])) : factor;
            clipped += ELEMENTS && unit < 1.0f;
            g[k] *= unit;
            const float change = g[k] + decay * w[k];
            v[k] = options->momentum * v[k] + change;
            w[k] -= options->learning_rate * (options->nesterov ? change + options->momentum * v[k] : v[k]);
            if (slow)
                w[k] = behind[k] += options->lookahead * (w[k] - behind[k]);
            average[k] = d * average[k] + (1.0f - d) * w[k];
        }
        if (ELEMENTS || factor < 1.0f)
            store_vector(gradient + i, g);
        store_vector(momentum + i, v);
        store_vector(value + i, w);
        if (ema)
            store_vector(ema + i, average);
        if (slow)
            store_vector(slow + i, behind);
    }
    return clipped;
}

/* Returns the clipped units, each counted by one thread. */
template <int WIDTH>
static __device__ inline int apply_row(const struct parameter *p, struct span row, const struct update_options *options,
                                       struct row_group group, struct apply_shared *shared)
{
    if (p->units == UNITS_ELEMENTS && options->agc > 0.0f)
        return step_elements<WIDTH, true>(p, row, options, 1.0f, group);
    float factor = 1.0f;
    if (p->units == UNITS_ROWS && options->agc > 0.0f)
        factor = row_factor<WIDTH>(p, row, options->agc, group, shared);
    step_elements<WIDTH, false>(p, row, options, factor, group);
    return factor < 1.0f && group.rank == 0 ? 1 : 0;
}

static __device__ inline int apply_task(const struct parameter *p, struct row_task task,
                                        const struct update_options *options, struct apply_shared *shared)
{
    const struct row_group group = row_group_of(p->length);
    const int number = row_of(task, group);
    if (number >= p->rows)
        return 0; /* a whole warp, where a row is a warp's */
    const size_t first = (size_t)number * (size_t)p->length;
    const struct span row = {first, p->count - first < (size_t)p->length ? (int)(p->count - first) : p->length};
    return p->vector ? apply_row<4>(p, row, options, group, shared) : apply_row<1>(p, row, options, group, shared);
}

static __global__ void __launch_bounds__(ROW_THREADS)
    apply_kernel(const struct parameter *parameters, const struct row_task *tasks, const struct step_values *values,
                 const struct step_report *report, struct measured measured, int *clipped)
{
    struct apply_shared *shared = shared_memory<struct apply_shared>();
    /* copies, read before the barrier so that a block waits for memory once */
    const struct row_task task = tasks[blockIdx.x];
    const struct parameter parameter = parameters[task.item];
    const struct update_options options = values->update;
    int count = 0;
    if (!is_stopped(measured, values, report, shared->stops)) /* the same in the whole block */
        count = apply_task(&parameter, task, &options, shared);
#pragma unroll
    for (int offset = 16; offset > 0; offset /= 2)
        count += __shfl_xor_sync(0xffffffffu, count, offset);
    if (threadIdx.x % 32 == 0)
        shared->clipped[threadIdx.x / 32] = count;
    __syncthreads();
    if (threadIdx.x == 0) {
        count = 0;
        for (int warp = 0; warp < ROW_WARPS; warp++)
            count += shared->clipped[warp];
        clipped[blockIdx.x] = count;
    }
}

/* ---- Finish ---- */

struct finish_shared {
    double square_sums[32], clipped[32];
};

/* One block. */
static __global__ void __launch_bounds__(MEASURE_BLOCKS)
    finish_kernel(struct measured measured, const int *clipped, int apply_count, const struct step_values *values,
                  struct step_report *report)
{
    struct finish_shared *shared = shared_memory<struct finish_shared>();
    const double square_sum = block_total(measured_sum(measured), shared->square_sums);
    int count = 0;
    for (int i = (int)threadIdx.x; i < apply_count; i += MEASURE_BLOCKS)
        count += clipped[i];
    const double units = block_total((double)count, shared->clipped); /* whole numbers: exact */
    if (threadIdx.x > 0)
        return;
    const bool finite = isfinite(square_sum) && isfinite(report->loss.loss);
    report->update.gradient_norm = (float)sqrt(square_sum);
    report->update.clipped_units = (int)units;
    report->update.finite = finite;
    report->halted = (report->halted && !values->resume) || !finite;
    report->step = values->step;
}

/* ---- Squares of units ---- */

/* Of element `at`, or of WIDTH elements from there on. */
template <int WIDTH>
static __device__ inline void add_squares(const struct unit_rows &unit, size_t at, float (&sums)[3])
{
    float v[3][WIDTH];
    load_vector(unit.value + at, v[0]);
    load_vector(unit.gradient + at, v[1]);
    load_vector(unit.momentum + at, v[2]);
#pragma unroll
    for (int tensor = 0; tensor < 3; tensor++)
#pragma unroll
        for (int k = 0; k < WIDTH; k++)
            sums[tensor] = fmaf(v[tensor][k], v[tensor][k], sums[tensor]);
}

static __device__ inline void store_squares(const struct unit_rows &unit, int row, const float (&sums)[3], float *out)
{
#pragma unroll
    for (int tensor = 0; tensor < 3; tensor++)
        out[3 * ((size_t)unit.first + (size_t)row) + tensor] = sums[tensor];
}

template <int WIDTH>
static __device__ inline void square_row(const struct unit_rows &unit, int row, struct row_group group, float *shared,
                                         float *out)
{
    float sums[3] = {0.0f, 0.0f, 0.0f};
    const size_t first = (size_t)row * (size_t)unit.length;
    for (int i = (int)group.rank * WIDTH; i < unit.length; i += (int)group.size * WIDTH)
        add_squares<WIDTH>(unit, first + (size_t)i, sums);
    row_sums(group, sums, shared);
    if (group.rank == 0)
        store_squares(unit, row, sums, out);
}

/* A unit is a thread's where it is one element, else a row. */
static __global__ void __launch_bounds__(ROW_THREADS)
    squares_kernel(const struct unit_rows *units, const struct row_task *tasks, float *out)
{
    const struct row_task task = tasks[blockIdx.x];
    const struct unit_rows unit = units[task.item];
    if (unit.length == 1) {
        const int row = task.first_row + (int)threadIdx.x;
        float sums[3] = {0.0f, 0.0f, 0.0f};
        if (row < unit.rows) {
            add_squares<1>(unit, (size_t)row, sums);
            store_squares(unit, row, sums, out);
        }
        return;
    }
    const struct row_group group = row_group_of(unit.length);
    const int row = row_of(task, group);
    if (row >= unit.rows)
        return; /* a whole warp, where a row is a warp's */
    float *shared = shared_memory<float>();
    if (unit.length % 4 == 0)
        square_row<4>(unit, row, group, shared, out);
    else
        square_row<1>(unit, row, group, shared, out);
}

/* ---- What goes with a step that changed something ---- */

static __global__ void copy_kernel(const struct step_report *report, const float *from, float *to, size_t count)
{
    const size_t i = (size_t)blockIdx.x * FLAT_THREADS + threadIdx.x;
    if (i < count && !report->halted)
        to[i] = from[i];
}

int cuda_copy_unless_halted(struct backend *backend, const struct step_report *report, const float *from, float *to,
                            size_t count, struct error *error)
{
    struct cuda_backend *cuda = cuda_of(backend);
    CUDA_LAUNCH(copy_kernel, flat_grid(count, 1), dim3(FLAT_THREADS), 0, report, from, to, count);
    return 0;
}

/* ---- The launches ---- */

int cuda_update(struct backend *backend, struct updater *updater, const struct step_values *values,
                struct step_report *report, struct error *error)
{
    struct cuda_backend *cuda = cuda_of(backend);
    const struct measured measured = {updater->square_sums, updater->measure_blocks};
    if (updater->apply_count > 0) {
        CUDA_LAUNCH(measure_kernel, dim3((unsigned)updater->measure_blocks), dim3(MEASURE_THREADS), 32 * sizeof(double),
                    updater->measures, updater->measure_count, updater->square_sums);
        CUDA_LAUNCH(apply_kernel, dim3((unsigned)updater->apply_count), dim3(ROW_THREADS), sizeof(struct apply_shared),
                    updater->parameters, updater->applies, values, report, measured, updater->clipped);
    }
    CUDA_LAUNCH(finish_kernel, dim3(1), dim3(MEASURE_BLOCKS), sizeof(struct finish_shared), measured, updater->clipped,
                updater->apply_count, values, report);
    return 0;
}

int cuda_unit_squares(struct backend *backend, struct updater *updater, float *out, struct error *error)
{
    struct cuda_backend *cuda = cuda_of(backend);
    if (updater->square_count > 0)
        CUDA_LAUNCH(squares_kernel, dim3((unsigned)updater->square_count), dim3(ROW_THREADS), 3 * 32 * sizeof(float),
                    updater->units, updater->squares, out);
    return 0;
}
