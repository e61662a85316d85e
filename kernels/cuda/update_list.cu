/* The list of parameters that an update changes, and which block of its launches does what of them: tables in device
 * memory, made once. */
#include "kernels/cuda/update.cuh"

#include <stdlib.h>

static struct parameter parameter_of(const struct update_parameter *p)
{
    const size_t count = (size_t)p->rows * (size_t)p->row_length;
    struct parameter out = {
        p->value,   p->gradient, p->momentum,           p->ema, p->slow, count, p->rows, p->row_length,
        UNITS_ROWS, p->decay,    p->row_length % 4 == 0};
    if (!p->clip || p->row_length == 1) {
        out.units = p->clip ? UNITS_ELEMENTS : UNITS_NONE;
        out.rows = (int)((count + FLAT_LENGTH - 1) / FLAT_LENGTH);
        out.length = FLAT_LENGTH;
        out.vector = count % 4 == 0;
    }
    return out;
}

static void append_measures(struct measure_task *tasks, int *count, const struct parameter *p)
{
    for (size_t first = 0; first < p->count; first += MEASURE_CHUNK, (*count)++)
        if (tasks)
            tasks[*count] = {p->gradient + first,
                             p->count - first < MEASURE_CHUNK ? (int)(p->count - first) : (int)MEASURE_CHUNK};
}

static void append_squares(struct row_task *tasks, int *count, int item, const struct update_parameter *p)
{
    const int step = p->row_length == 1 ? ROW_THREADS : p->row_length >= ROW_LONG ? 1 : ROW_WARPS;
    row_tasks_append_steps(tasks, count, item, p->rows, step);
}

/* Host memory while the tables are made. */
struct tables {
    struct parameter *parameters;
    struct measure_task *measures;
    struct row_task *applies, *squares;
    struct unit_rows *units;
};

static int fill_tables(const struct update_parameter *parameters, int count, struct tables *tables,
                       struct updater *updater, struct error *error)
{
    tables->parameters = (struct parameter *)calloc((size_t)count + 1, sizeof *tables->parameters);
    tables->units = (struct unit_rows *)calloc((size_t)count + 1, sizeof *tables->units);
    if (!tables->parameters || !tables->units)
        return error_set(error, "out of memory for a list of %d parameters", count);
    for (int i = 0; i < count; i++) {
        const struct parameter p = tables->parameters[i] = parameter_of(&parameters[i]);
        append_measures(NULL, &updater->measure_count, &p);
        row_tasks_append(NULL, &updater->apply_count, i, p.rows, p.length);
        append_squares(NULL, &updater->square_count, i, &parameters[i]);
    }
    tables->measures = (struct measure_task *)calloc((size_t)updater->measure_count + 1, sizeof *tables->measures);
    tables->applies = (struct row_task *)calloc((size_t)updater->apply_count + 1, sizeof *tables->applies);
    tables->squares = (struct row_task *)calloc((size_t)updater->square_count + 1, sizeof *tables->squares);
    if (!tables->measures || !tables->applies || !tables->squares)
        return error_set(error, "out of memory for a list of %d parameters", count);
    int measures = 0, applies = 0, squares = 0, units = 0;
    for (int i = 0; i < count; i++) {
        append_measures(tables->measures, &measures, &tables->parameters[i]);
        row_tasks_append(tables->applies, &applies, i, tables->parameters[i].rows, tables->parameters[i].length);
        append_squares(tables->squares, &squares, i, &parameters[i]);
        const struct update_parameter *p = &parameters[i];
        tables->units[i] = {p->value, p->gradient, p->momentum, p->rows, p->row_length, units};
        units += p->rows;
    }
    return 0;
}

static int build(struct cuda_backend *cuda, const struct update_parameter *parameters, int count, struct tables *tables,
                 struct updater *updater, struct error *error)
{
    if (fill_tables(parameters, count, tables, updater, error) ||
        table_to_device(cuda, tables->parameters, (size_t)count, &updater->parameters, error) ||
        table_to_device(cuda, tables->measures, (size_t)updater->measure_count, &updater->measures, error) ||
        table_to_device(cuda, tables->applies, (size_t)updater->apply_count, &updater->applies, error) ||
        table_to_device(cuda, tables->units, (size_t)count, &updater->units, error) ||
        table_to_device(cuda, tables->squares, (size_t)updater->square_count, &updater->squares, error))
        return -1;
    updater->measure_blocks = updater->measure_count < MEASURE_BLOCKS ? updater->measure_count : (int)MEASURE_BLOCKS;
    if (count > 0) {
        CUDA_TRY(cudaMalloc((void **)&updater->square_sums, MEASURE_BLOCKS * sizeof *updater->square_sums));
        CUDA_TRY(cudaMalloc((void **)&updater->clipped, (size_t)updater->apply_count * sizeof *updater->clipped));
    }
    return 0;
}

int cuda_updater_create(struct backend *backend, const struct update_parameter *parameters, int count,
                        struct updater **out, struct error *error)
{
    struct tables tables = {};
    struct updater *updater = (struct updater *)calloc(1, sizeof *updater);
    if (!updater)
        return error_set(error, "out of memory for a list of %d parameters", count);
    const int result = build(cuda_of(backend), parameters, count, &tables, updater, error);
    free(tables.parameters);
    free(tables.measures);
    free(tables.applies);
    free(tables.units);
    free(tables.squares);
    if (result)
        cuda_updater_destroy(backend, updater);
    else
        *out = updater;
    return result;
}

void cuda_updater_destroy(struct backend *backend, struct updater *updater)
{
    (void)backend;
    if (!updater)
        return;
    cudaFree(updater->parameters);
    cudaFree(updater->measures);
    cudaFree(updater->applies);
    cudaFree(updater->units);
    cudaFree(updater->squares);
    cudaFree(updater->square_sums);
    cudaFree(updater->clipped);
    free(updater);
}
