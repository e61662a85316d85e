/* The list of what an update changes, as it lies in device memory: made in update_list.cu, gone over in update.cu. */
#ifndef NFBENCH_KERNELS_CUDA_UPDATE_CUH
#define NFBENCH_KERNELS_CUDA_UPDATE_CUH

#include "kernels/cuda/rows.cuh"

enum {
    MEASURE_BLOCKS = ROW_THREADS, /* at most, and as many partial sums: a thread of `apply` looks at one */
    MEASURE_THREADS = 512,
    MEASURE_CHUNK = 8 * MEASURE_THREADS, /* elements that a block measures at once: two vectors a thread */
    FLAT_LENGTH = 4096 /* tensors without units are applied in pieces of so many elements, as if they were rows */
};

/* What AGC takes for a unit. */
enum units { UNITS_NONE, UNITS_ROWS, UNITS_ELEMENTS };

struct parameter {
    float *value, *gradient, *momentum, *ema, *slow;
    size_t count;
    int rows, length; /* as `apply` goes over it; the last row may be shorter */
    enum units units;
    bool decay;
    bool vector; /* rows start at multiples of 16 bytes and have a multiple of 4 elements */
};

struct measure_task {
    const float *gradient;
    int count;
};

/* A parameter's units, whatever AGC takes for one; `first` counts those of the parameters before it. */
struct unit_rows {
    const float *value, *gradient, *momentum;
    int rows, length, first;
};

struct updater {
    struct parameter *parameters; /* these in device memory */
    struct measure_task *measures;
    struct row_task *applies, *squares;
    struct unit_rows *units;
    double *square_sums; /* (measure_blocks) */
    int *clipped;        /* (apply_count) */
    int measure_count, measure_blocks, apply_count, square_count;
};

#endif
