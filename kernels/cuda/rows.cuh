/* Work on rows of many tensors in one launch, for weights and update: a row is done by a warp, or by the whole block
 * where it is long. Which block does which rows stands in a table in device memory, made once. */
#ifndef NFBENCH_KERNELS_CUDA_ROWS_CUH
#define NFBENCH_KERNELS_CUDA_ROWS_CUH

#include "kernels/cuda/vector.cuh"

enum {
    ROW_WARPS = 8,
    ROW_THREADS = 32 * ROW_WARPS,
    ROW_LONG = 2048 /* from this length on a row has a whole block */
};

/* What a block does: rows [first_row, first_row + ROW_WARPS) of a tensor as far as there are so many, a warp each; or
 * the one row first_row, if it is long. */
struct row_task {
    int item, first_row;
};

/* The threads that do one row together, and this one's number among them. */
struct row_group {
    bool whole_block;
    unsigned rank, size;
};

__device__ inline struct row_group row_group_of(int length)
{
    const bool whole_block = length >= ROW_LONG;
    return {whole_block, whole_block ? threadIdx.x : threadIdx.x % 32, whole_block ? (unsigned)ROW_THREADS : 32u};
}

/* The row of this thread's group. */
__device__ inline int row_of(struct row_task task, struct row_group group)
{
    return task.first_row + (group.whole_block ? 0 : (int)threadIdx.x / 32);
}

__device__ inline void row_barrier(struct row_group group)
{
    if (group.whole_block)
        __syncthreads();
    else
        __syncwarp();
}

/* Sums each of the N values over the group. `shared` holds 32 * N floats; a block that sums a second time takes
 * others. */
template <int N> __device__ inline void row_sums(struct row_group group, float (&values)[N], float *shared)
{
    if (group.whole_block) {
        block_sums(values, shared);
        return;
    }
#pragma unroll
    for (int i = 0; i < N; i++)
        values[i] = warp_sum(values[i]);
}

/* Appends tasks of `step` rows of one tensor to `tasks` (NULL: they are only counted). */
static inline void row_tasks_append_steps(struct row_task *tasks, int *count, int item, int rows, int step)
{
    for (int row = 0; row < rows; row += step, (*count)++)
        if (tasks)
            tasks[*count] = {item, row};
}

static inline void row_tasks_append(struct row_task *tasks, int *count, int item, int rows, int length)
{
    row_tasks_append_steps(tasks, count, item, rows, length >= ROW_LONG ? 1 : ROW_WARPS);
}

/* A copy of a host array in device memory, there when the call returns; NULL of no bytes. Freed with cudaFree. */
template <typename T>
static inline int table_to_device(const struct cuda_backend *cuda, const T *host, size_t count, T **out,
                                  struct error *error)
{
    *out = NULL;
    if (count == 0)
        return 0;
    CUDA_TRY(cudaMalloc((void **)out, count * sizeof(T)));
    CUDA_TRY(cudaMemcpyAsync(*out, host, count * sizeof(T), cudaMemcpyHostToDevice, cuda->stream));
    CUDA_TRY(cudaStreamSynchronize(cuda->stream));
    return 0;
}

#endif
