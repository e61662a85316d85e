/* The kernel of conv_plain.cu: a convolution on the ordinary cores as a product of two matrices, in tiles. One of them
 * is implicit, its elements gathered from the tensor that the taps slide over; the other is stored. Per group:
 *
 *                     rows                     columns          sum over
 *   forward           positions of y           output channels  taps and input channels of x
 *   backward data     positions of x           input channels   taps and output channels of dy
 *   backward weights  taps and input channels  output channels  positions of y, in parts (the implicit matrix of the
 *                                                               forward pass, transposed)
 *
 * Where the stride is 2, a position of x meets only the taps of its parity: each of the four parities is a product of
 * its own, so that none of its terms is known to be zero.
 *
 * A block of 128 threads keeps two stages of both operands in shared memory: while one is multiplied, the next is on
 * its way to registers. Each element is summed in ascending order, whatever the tile. */
#ifndef NFBENCH_KERNELS_CUDA_CONV_PLAIN_CUH
#define NFBENCH_KERNELS_CUDA_CONV_PLAIN_CUH

#include "kernels/cuda/vector.cuh"

namespace
{

enum plain_direction { FORWARD, BACKWARD_DATA, BACKWARD_WEIGHTS };

enum {
    THREADS = 128,
    DEPTH = 16,   /* terms of the sum in a stage */
    VECTOR = 4,   /* elements a thread moves at once */
    PADDING = 4,  /* floats, against bank conflicts; rows stay aligned to 16 bytes */
    FAR = 1 << 29 /* a coordinate outside of any tensor, whatever is added to it */
};

/* ---- Division by what is fixed for a launch ---- */

/* n / by = (n * magic / 2^32 + n) >> shift, exactly, for 0 <= n < 2^31 */
struct divisor {
    uint32_t magic;
    int shift, by;
};

static struct divisor divisor_of(int by)
{
    int shift = 0;
    while ((1ll << shift) < by)
        shift++;
    return {(uint32_t)((((1ull << shift) - (uint64_t)by) << 32) / (uint64_t)by + 1), shift, by};
}

__device__ inline int divide(int n, const struct divisor &d)
{
    return (int)(((uint32_t)((uint64_t)(uint32_t)n * d.magic >> 32) + (uint32_t)n) >> d.shift);
}

/* ---- The problem ---- */

/* The implicit matrix: element (position, tap and channel) is source[image][scale * a + first_h + sign * i]
 * [scale * b + first_w + sign * j][channel], 0 outside, for the position (image, a, b) and the tap (i, j). */
struct gather {
    int positions; /* images * grid_h * grid_w */
    struct divisor grid_area, grid_w;
    int scale, sign, first_h, first_w;
    int h, w, channels; /* of the source; all groups' channels */
    struct divisor group_channels, taps_w;
    int depth;   /* taps * group_channels */
    bool vector; /* VECTOR channels may be read at once */
};

struct problem {
    struct gather gather;
    int groups;
    int columns;        /* of the result, in a group */
    int column_tiles;   /* blockIdx.x = row tile * column_tiles + column tile */
    bool vector;        /* VECTOR columns may be moved at once */
    int stored_pitch;   /* distance of the stored matrix's rows, see fetch_stored */
    int stored_group;   /* of its groups */
    int kernel, stride; /* of the convolution */
    int tap_h, tap_w;   /* backward data: the parity's first tap */
    int out_h, out_w;   /* backward data: of dx; the parity's first position */
    int out_first_h, out_first_w;
    int per_part; /* backward weights: positions in a part, a multiple of DEPTH */
    bool relu, accumulate;
};

/* The result, and what its making needs: forward the bias, backward data the mask x or NULL. */
template <typename T> struct result {
    T *tensor;
    T *relu_copy; /* forward: NULL, or gets the relu of the result */
    float *parts;
    const float *bias;
    const T *mask;
};

/* blockIdx.z = part * groups + group */
__device__ inline int group_of(const struct problem &p)
{
    return (int)blockIdx.z % p.groups;
}

/* ---- The implicit matrix ---- */

struct position {
    int pixel, h, w;
};

struct tap {
    int pixel, h, w, channel;
};

__device__ inline struct position position_of(const struct gather &g, int index, int end)
{
    if (index >= end)
        return {0, FAR, 0};
    const int image = divide(index, g.grid_area), rest = index - image * g.grid_area.by;
    const int a = divide(rest, g.grid_w), b = rest - a * g.grid_w.by;
    const int h = a * g.scale + g.first_h, w = b * g.scale + g.first_w;
    return {(image * g.h + h) * g.w + w, h, w};
}

__device__ inline struct tap tap_of(const struct gather &g, int index)
{
    if (index >= g.depth)
        return {0, FAR, 0, 0};
    const int number = divide(index, g.group_channels), i = divide(number, g.taps_w);
    const int h = g.sign * i, w = g.sign * (number - i * g.taps_w.by);
    return {h * g.w + w, h, w, index - number * g.group_channels.by};
}

template <typename T>
__device__ inline const T *element(const struct gather &g, const T *source, const struct position &p,
                                   const struct tap &t)
{
    const bool inside = (unsigned)(p.h + t.h) < (unsigned)g.h && (unsigned)(p.w + t.w) < (unsigned)g.w;
    return inside ? source + (int64_t)(p.pixel + t.pixel) * g.channels + t.channel : NULL;
}

/* Of VECTOR consecutive taps and channels; where the gather is in vectors, taps[0] stands for all of them. */
template <typename T>
__device__ inline void gather_vector(const struct gather &g, const T *source, const struct position &p,
                                     const struct tap (&taps)[VECTOR], float (&values)[VECTOR])
{
#pragma unroll
    for (int e = 0; e < VECTOR; e++)
        values[e] = 0.0f;
    if (g.vector) {
        const T *from = element(g, source, p, taps[0]);
        if (from)
            load_vector(from, values);
        return;
    }
#pragma unroll
    for (int e = 0; e < VECTOR; e++) {
        const T *from = element(g, source, p, taps[e]);
        if (from)
            values[e] = to_float(*from);
    }
}

__device__ inline void taps_of(const struct gather &g, int first, struct tap (&taps)[VECTOR])
{
    taps[0] = tap_of(g, first);
#pragma unroll
    for (int e = 1; e < VECTOR; e++)
        taps[e] = g.vector ? taps[0] : tap_of(g, first + e);
}

/* ---- Tiles: EXTENT rows or columns by DEPTH terms of the sum ---- */

/* Which vector of a tile a thread moves in its round i: along the sum where memory is contiguous that way. */
struct cell {
    int at, depth;
};

template <bool ALONG_DEPTH, int EXTENT> __device__ inline struct cell cell_of(int i)
{
    const int thread = (int)threadIdx.x;
    if (ALONG_DEPTH)
        return {thread / (DEPTH / VECTOR) + i * (THREADS * VECTOR / DEPTH), thread % (DEPTH / VECTOR) * VECTOR};
    return {thread % (EXTENT / VECTOR) * VECTOR, thread / (EXTENT / VECTOR) + i * (THREADS * VECTOR / EXTENT)};
}

/* Rounds until all of a tile is moved; the last threads have nothing to do where a tile is smaller than one round. */
template <int EXTENT> constexpr int rounds = (EXTENT * DEPTH / VECTOR + THREADS - 1) / THREADS;

template <int EXTENT> __device__ inline bool in_tile(const struct cell &cell)
{
    return cell.at < EXTENT && cell.depth < DEPTH;
}

template <int ROWS, int COLUMNS> struct stage {
    float rows[DEPTH][ROWS + PADDING];
    float columns[DEPTH][COLUMNS + PADDING];
};

template <bool ALONG_DEPTH, int EXTENT>
__device__ inline void tile_store(float (&tile)[DEPTH][EXTENT + PADDING], const float (&values)[rounds<EXTENT>][VECTOR])
{
#pragma unroll
    for (int i = 0; i < rounds<EXTENT>; i++) {
        const struct cell cell = cell_of<ALONG_DEPTH, EXTENT>(i);
        if (!in_tile<EXTENT>(cell))
            continue;
        if constexpr (ALONG_DEPTH) {
#pragma unroll
            for (int e = 0; e < VECTOR; e++)
                tile[cell.depth + e][cell.at] = values[i][e];
        } else {
            store_vector(&tile[cell.depth][cell.at], values[i]);
        }
    }
}

/* `kept` holds the positions of a thread's rows, which stay the same; backward weights finds its own. */
template <enum plain_direction DIRECTION, typename T, int ROWS>
__device__ inline void fetch_gathered(const struct problem &p, const T *source, int first_row, int depth, int end,
                                      const struct position (&kept)[rounds<ROWS>],
                                      float (&values)[rounds<ROWS>][VECTOR])
{
    constexpr bool ALONG_DEPTH = DIRECTION != BACKWARD_WEIGHTS;
    struct tap taps[VECTOR];
    const struct cell first = cell_of<ALONG_DEPTH, ROWS>(0);
    taps_of(p.gather, ALONG_DEPTH ? depth + first.depth : first_row + first.at, taps);
#pragma unroll
    for (int i = 0; i < rounds<ROWS>; i++) {
        const int term = depth + cell_of<ALONG_DEPTH, ROWS>(i).depth;
        gather_vector(p.gather, source, ALONG_DEPTH ? kept[i] : position_of(p.gather, term, end), taps, values[i]);
    }
}

/* Where row `term` of the stored matrix begins: a tap and output channel of the weights, or a position of dy. */
template <enum plain_direction DIRECTION> __device__ inline size_t stored_row(const struct problem &p, int term)
{
    if (DIRECTION == BACKWARD_WEIGHTS)
        return (size_t)term * (size_t)p.stored_pitch;
    const struct gather &g = p.gather;
    const int number = divide(term, g.group_channels), i = divide(number, g.taps_w), j = number - i * g.taps_w.by;
    const int tap = (p.tap_h + p.stride * i) * p.kernel + p.tap_w + p.stride * j;
    return (size_t)(term - number * g.group_channels.by) * (size_t)p.stored_pitch + (size_t)(tap * p.columns);
}

/* Forward it is the weights (columns, depth); else (depth, columns), by stored_row. */
template <enum plain_direction DIRECTION, typename T, int COLUMNS>
__device__ inline void fetch_stored(const struct problem &p, const T *stored, int first_column, int depth, int end,
                                    float (&values)[rounds<COLUMNS>][VECTOR])
{
    constexpr bool ALONG_DEPTH = DIRECTION == FORWARD;
#pragma unroll
    for (int i = 0; i < rounds<COLUMNS>; i++) {
        const struct cell cell = cell_of<ALONG_DEPTH, COLUMNS>(i);
        const int column = first_column + cell.at, term = depth + cell.depth;
#pragma unroll
        for (int e = 0; e < VECTOR; e++)
            values[i][e] = 0.0f;
        if (!in_tile<COLUMNS>(cell) || column >= p.columns || term >= end)
            continue;
        const T *from = ALONG_DEPTH ? stored + (size_t)column * (size_t)p.stored_pitch + term
                                    : stored + stored_row<DIRECTION>(p, term) + column;
        if (ALONG_DEPTH ? p.gather.vector : p.vector) {
            load_vector(from, values[i]);
            continue;
        }
        const int left = ALONG_DEPTH ? end - term : p.columns - column;
#pragma unroll
        for (int e = 0; e < VECTOR; e++)
            values[i][e] = e < left ? to_float(from[e]) : 0.0f;
    }
}

/* ---- The product of a tile ---- */

/* A thread's HEIGHT x WIDTH results lie in squares of VECTOR x VECTOR, spread over the tile: so the threads of a warp
 * read shared memory without conflicts. Where row or column i of a thread lies: */
template <int EXTENT, int SIZE> __device__ inline int spread(int thread, int i)
{
    return i / VECTOR * (EXTENT * VECTOR / SIZE) + thread * VECTOR + i % VECTOR;
}

template <int EXTENT, int SIZE>
__device__ inline void fragment_load(const float *line, int thread, float (&fragment)[SIZE])
{
#pragma unroll
    for (int i = 0; i < SIZE; i += VECTOR) {
        float part[VECTOR];
        load_vector(line + spread<EXTENT, SIZE>(thread, i), part);
#pragma unroll
        for (int e = 0; e < VECTOR; e++)
            fragment[i + e] = part[e];
    }
}

template <int ROWS, int COLUMNS, int HEIGHT, int WIDTH>
__device__ inline void multiply(const struct stage<ROWS, COLUMNS> &stage, int row_thread, int column_thread,
                                float (&sums)[HEIGHT][WIDTH])
{
    /* Four terms hide the loop and shared memory's latency; all sixteen cost the compiler half of its time. */
#pragma unroll 4
    for (int k = 0; k < DEPTH; k++) {
        float rows[HEIGHT], columns[WIDTH];
        fragment_load<ROWS>(stage.rows[k], row_thread, rows);
        fragment_load<COLUMNS>(stage.columns[k], column_thread, columns);
#pragma unroll
        for (int i = 0; i < HEIGHT; i++)
#pragma unroll
            for (int j = 0; j < WIDTH; j++)
                sums[i][j] = fmaf(rows[i], columns[j], sums[i][j]);
    }
}

/* ---- Writing the results ---- */

template <typename T>
__device__ inline void load_columns(const struct problem &p, const T *from, int column, float (&values)[VECTOR])
{
    if (p.vector) {
        load_vector(from, values);
        return;
    }
#pragma unroll
    for (int e = 0; e < VECTOR; e++)
        values[e] = column + e < p.columns ? to_float(from[e]) : 0.0f;
}

/* The pixel of the result that position `row` stands for. */
template <enum plain_direction DIRECTION> __device__ inline int result_pixel(const struct problem &p, int row)
{
    if (DIRECTION == FORWARD || p.stride == 1)
        return row;
    const int image = divide(row, p.gather.grid_area), rest = row - image * p.gather.grid_area.by;
    const int a = divide(rest, p.gather.grid_w), b = rest - a * p.gather.grid_w.by;
    return (image * p.out_h + a * p.stride + p.out_first_h) * p.out_w + b * p.stride + p.out_first_w;
}

template <typename T>
__device__ inline void store_columns(const struct problem &p, T *to, int column, const float (&values)[VECTOR])
{
    if (p.vector) {
        store_vector(to, values);
        return;
    }
#pragma unroll
    for (int e = 0; e < VECTOR; e++)
        if (column + e < p.columns)
            to[e] = from_float<T>(values[e]);
}

/* Keeps NaN, so that it is seen. */
__device__ inline float relu(float value)
{
    return value < 0.0f ? 0.0f : value;
}

/* VECTOR columns of one position: bias or mask, sum, relu. */
template <enum plain_direction DIRECTION, typename T>
__device__ inline void write_position(const struct problem &p, const struct result<T> &result, int row, int column,
                                      float (&values)[VECTOR])
{
    const size_t channel = (size_t)group_of(p) * (size_t)p.columns + (size_t)column;
    const size_t at = (size_t)result_pixel<DIRECTION>(p, row) * (size_t)(p.groups * p.columns) + channel;
    float other[VECTOR];
    if (DIRECTION == FORWARD) {
        load_columns(p, result.bias + channel, column, other);
#pragma unroll
        for (int e = 0; e < VECTOR; e++)
            values[e] += other[e];
    } else if (result.mask) {
        load_columns(p, result.mask + at, column, other);
#pragma unroll
        for (int e = 0; e < VECTOR; e++)
            values[e] = other[e] > 0.0f ? values[e] : 0.0f;
    }
    if (p.accumulate) {
        load_columns(p, result.tensor + at, column, other);
#pragma unroll
        for (int e = 0; e < VECTOR; e++)
            values[e] += other[e];
    }
#pragma unroll
    for (int e = 0; e < VECTOR; e++)
        other[e] = relu(values[e]);
    store_columns(p, result.tensor + at, column, p.relu ? other : values);
    if (DIRECTION == FORWARD && result.relu_copy)
        store_columns(p, result.relu_copy + at, column, other);
}

/* VECTOR rows (taps and input channels) of one output channel, in this block's part. */
__device__ inline void write_part(const struct problem &p, float *parts, int row, int column,
                                  const float (&values)[VECTOR])
{
    const int depth = p.gather.depth, part = (int)blockIdx.z / p.groups;
    const size_t unit = (size_t)(part * p.groups + group_of(p)) * (size_t)p.columns + (size_t)column;
    float *to = parts + unit * (size_t)depth + row;
    if (p.gather.vector) {
        store_vector(to, values);
        return;
    }
#pragma unroll
    for (int e = 0; e < VECTOR; e++)
        if (row + e < depth)
            to[e] = values[e];
}

template <enum plain_direction DIRECTION, typename T, int ROWS, int COLUMNS, int HEIGHT, int WIDTH>
__device__ inline void write_tile(const struct problem &p, const struct result<T> &result, int first_row,
                                  int first_column, int row_thread, int column_thread, float (&sums)[HEIGHT][WIDTH])
{
    constexpr bool PARTS = DIRECTION == BACKWARD_WEIGHTS; /* vectors go along the rows, else along the columns */
    constexpr int ROW_STEP = PARTS ? VECTOR : 1, COLUMN_STEP = PARTS ? 1 : VECTOR;
    const int rows = PARTS ? p.gather.depth : p.gather.positions;
#pragma unroll
    for (int i = 0; i < HEIGHT; i += ROW_STEP) {
#pragma unroll
        for (int j = 0; j < WIDTH; j += COLUMN_STEP) {
            const int row = first_row + spread<ROWS, HEIGHT>(row_thread, i);
            const int column = first_column + spread<COLUMNS, WIDTH>(column_thread, j);
            if (row >= rows || column >= p.columns)
                continue;
            float values[VECTOR];
#pragma unroll
            for (int e = 0; e < VECTOR; e++)
                values[e] = sums[i + (PARTS ? e : 0)][j + (PARTS ? 0 : e)];
            if constexpr (PARTS)
                write_part(p, result.parts, row, column, values);
            else
                write_position<DIRECTION>(p, result, row, column, values);
        }
    }
}

template <enum plain_direction DIRECTION, typename T, int ROWS, int COLUMNS, int HEIGHT, int WIDTH>
__global__ void __launch_bounds__(THREADS, HEIGHT *WIDTH >= 64 ? 3 : 4)
    plain_kernel(const struct problem p, const T *__restrict__ source, const T *__restrict__ stored,
                 const struct result<T> result)
{
    static_assert(ROWS / HEIGHT * (COLUMNS / WIDTH) == THREADS, "each thread has one share of the tile");
    struct stage<ROWS, COLUMNS> *stages = shared_memory<struct stage<ROWS, COLUMNS>>();
    constexpr bool ALONG_DEPTH = DIRECTION != BACKWARD_WEIGHTS;
    const int row_tile = (int)blockIdx.x / p.column_tiles;
    const int first_row = row_tile * ROWS, first_column = ((int)blockIdx.x - row_tile * p.column_tiles) * COLUMNS;
    const int row_thread = (int)threadIdx.x / (COLUMNS / WIDTH), column_thread = (int)threadIdx.x % (COLUMNS / WIDTH);
    source += group_of(p) * p.gather.group_channels.by;
    stored += (size_t)group_of(p) * (size_t)p.stored_group;

    int depth = 0, end = p.gather.depth;
    struct position kept[rounds<ROWS>] = {
    };
    if (ALONG_DEPTH) {
#pragma unroll
        for (int i = 0; i < rounds<ROWS>; i++)
            kept[i] = position_of(p.gather, first_row + cell_of<ALONG_DEPTH, ROWS>(i).at, p.gather.positions);
    } else {
        depth = (int)blockIdx.z / p.groups * p.per_part;
        end = depth + p.per_part < p.gather.positions ? depth + p.per_part : p.gather.positions;
    }

    /* One round more than there are stages: the first only fetches, the last only multiplies. */
    float sums[HEIGHT][WIDTH] = {};
    bool fetched = false;
    for (int current = 0;; current ^= 1, depth += DEPTH) {
        const bool more = depth < end;
        float rows[rounds<ROWS>][VECTOR] = {}, columns[rounds<COLUMNS>][VECTOR] = {};
        if (more) {
            fetch_gathered<DIRECTION, T, ROWS>(p, source, first_row, depth, end, kept, rows);
            fetch_stored<DIRECTION, T, COLUMNS>(p, stored, first_column, depth, end, columns);
        }
        if (fetched)
            multiply<ROWS, COLUMNS>(stages[current ^ 1], row_thread, column_thread, sums);
        if (!more)
            break;
        tile_store<ALONG_DEPTH, ROWS>(stages[current].rows, rows);
        tile_store<DIRECTION == FORWARD, COLUMNS>(stages[current].columns, columns);
        fetched = true;
        __syncthreads();
    }
    write_tile<DIRECTION, T, ROWS, COLUMNS>(p, result, first_row, first_column, row_thread, column_thread, sums);
}

} // namespace

#endif
