/* All layers' weights: standardised, folded and packed for the convolutions in two launches, and the exact backward of
 * standardisation in one (two where there are skip gains). The twin of kernels/cpu/weights.c, which has the sources and
 * the formulas. Floor: W read once; effective and packed weights written once (the packed backward ones are made of
 * effective weights that still lie in the L2 cache); backward reads W and G and writes G. */
#include "kernels/cuda/rows.cuh"

#include <stdlib.h>

/* A layer as the kernels see it; ws.conv is a host pointer, what matters of it stands beside. */
struct layer {
    struct ws_layer ws;
    enum dtype dtype;
    int taps, channels; /* fan_in = channels * taps, a channel's taps together */
    bool vector;        /* rows start at multiples of 16 bytes */
    double *skip_parts; /* (rows) parts of the skip gain's gradient, or NULL */
};

/* The packed backward weights are a transposition, made in tiles of this size. */
enum { TILE = 64 };

struct tile_task {
    int layer, row, column;
};

struct weights {
    struct layer *layers; /* these in device memory */
    struct row_task *rows;
    struct tile_task *tiles;
    int *skips;    /* numbers of the layers with a skip gain's gradient */
    double *parts; /* their skip_parts */
    int layer_count, row_count, tile_count, skip_count;
};

/* ---- One row ---- */

static __device__ inline float fixed_scale(const struct ws_layer *layer)
{
    return layer->in_scale * layer->out_scale;
}

static __device__ inline float skip_gain(const struct ws_layer *layer)
{
    return layer->skip_gain ? *layer->skip_gain : 1.0f;
}

static __device__ inline float row_gain(const struct ws_layer *layer, int row)
{
    return layer->gain && layer->mode != WS_OFF ? layer->gain[row] : 1.0f;
}

/* The multiplier r of c = W - mean, and the coefficient b of its derivative dr = -r b <c, dc>. */
struct multiplier {
    float r, b;
};

static __device__ inline struct multiplier row_multiplier(enum ws_mode mode, float square_sum, int n)
{
    const float report_gain = 1.712858f, report_epsilon = 1e-5f, papers_epsilon = 1e-4f;
    struct multiplier m = {1.0f, 0.0f};
    if (mode == WS_PAPERS) {
        const bool clamped = square_sum < papers_epsilon;
        m.r = 1.0f / sqrtf(clamped ? papers_epsilon : square_sum);
        m.b = clamped ? 0.0f : 1.0f / square_sum;
    } else if (mode == WS_REPORT) {
        const float freedom = n > 1 ? (float)(n - 1) : 1.0f;
        const float deviation = sqrtf(square_sum / freedom);
        m.r = report_gain / ((deviation + report_epsilon) * sqrtf((float)n));
        m.b = deviation > 0.0f ? 1.0f / ((deviation + report_epsilon) * freedom * deviation) : 0.0f;
    }
    return m;
}

/* ---- Prepare: effective and packed forward weights ---- */

/* Floats of a row that a warp reorders at once: 64 channels of 3x3. */
enum { WARP_CHUNK = 576 };

struct prepare_shared {
    float sum[32], squares[32];
    float chunk[ROW_WARPS * WARP_CHUNK];
};

static __device__ inline void store_pair(float *to, float low, float high)
{
    *reinterpret_cast<float2 *>(to) = make_float2(low, high);
}

static __device__ inline void store_pair(bf16 *to, float low, float high)
{
    *reinterpret_cast<uint32_t *>(to) = pack_bf16(low, high);
}

/* From (count, taps) in `chunk` to `count` of the row's `channels` columns of (taps, channels) at `packed`. */
template <typename T>
static __device__ inline void pack_chunk(const float *chunk, int count, int taps, int channels, T *packed,
                                         struct row_group group)
{
    if (channels % 2 == 0) {
        for (int tap = 0; tap < taps; tap++)
            for (int c = 2 * (int)group.rank; c < count; c += 2 * (int)group.size)
                store_pair(packed + tap * channels + c, chunk[c * taps + tap], chunk[(c + 1) * taps + tap]);
        return;
    }
    for (int tap = 0; tap < taps; tap++)
        for (int c = (int)group.rank; c < count; c += (int)group.size)
            packed[tap * channels + c] = from_float<T>(chunk[c * taps + tap]);
}

/* What a row's weights become: factor * (w - mean). */
struct row_map {
    float mean, factor;
};

/* Elements [first, last) of a row at `offset` of the layer's: effective, and either to `chunk` or, where there is none
 * and weights are packed in the order they have, packed. */
template <int WIDTH>
static __device__ inline void map_elements(const struct layer *layer, size_t offset, int first, int last,
                                           struct row_map map, float *chunk, struct row_group group)
{
    const float *__restrict__ weight = layer->ws.weight + offset;
    float *__restrict__ effective = layer->ws.effective + offset;
    for (int i = first + (int)group.rank * WIDTH; i < last; i += (int)group.size * WIDTH) {
        float w[WIDTH];
        load_vector(weight + i, w);
#pragma unroll
        for (int k = 0; k < WIDTH; k++)
            w[k] = map.factor * (w[k] - map.mean);
        store_vector(effective + i, w);
        if (chunk)
            store_vector(chunk + i - first, w);
        else if (layer->ws.packed_forward)
            WITH_DTYPE(layer->dtype, store_vector((T *)layer->ws.packed_forward + offset + i, w));
    }
}

template <int WIDTH>
static __device__ inline void map_row(const struct layer *from, int row, struct row_map map, float *chunk,
                                      struct row_group group)
{
    const struct layer layer = *from; /* a copy, so that no store makes the compiler read it again */
    const int n = layer.ws.fan_in, taps = layer.taps, channels = layer.channels;
    const size_t offset = (size_t)row * (size_t)n;
    if (taps == 1 || !layer.ws.packed_forward) {
        map_elements<WIDTH>(&layer, offset, 0, n, map, NULL, group);
        return;
    }
    const int most = (group.whole_block ? (int)ROW_WARPS * WARP_CHUNK : (int)WARP_CHUNK) / taps;
    for (int c = 0; c < channels; c += most) {
        const int count = channels - c < most ? channels - c : most;
        map_elements<WIDTH>(&layer, offset, c * taps, (c + count) * taps, map, chunk, group);
        row_barrier(group);
        WITH_DTYPE(layer.dtype,
                   pack_chunk(chunk, count, taps, channels, (T *)layer.ws.packed_forward + offset + c, group));
        row_barrier(group);
    }
}

template <int WIDTH>
static __device__ inline float row_mean(const float *w, int n, struct row_group group, float *shared)
{
    float sum[1] = {0.0f};
    for (int i = (int)group.rank * WIDTH; i < n; i += (int)group.size * WIDTH) {
        float v[WIDTH];
        load_vector(w + i, v);
#pragma unroll
        for (int k = 0; k < WIDTH; k++)
            sum[0] += v[k];
    }
    row_sums(group, sum, shared);
    return sum[0] / (float)n;
}

template <int WIDTH>
static __device__ inline float row_square_sum(const float *w, float mean, int n, struct row_group group, float *shared)
{
    float sum[1] = {0.0f};
    for (int i = (int)group.rank * WIDTH; i < n; i += (int)group.size * WIDTH) {
        float v[WIDTH];
        load_vector(w + i, v);
#pragma unroll
        for (int k = 0; k < WIDTH; k++)
            sum[0] += (v[k] - mean) * (v[k] - mean);
    }
    row_sums(group, sum, shared);
    return sum[0];
}

template <int WIDTH>
static __device__ inline void prepare_row(const struct layer *layer, int row, struct row_group group,
                                          struct prepare_shared *shared)
{
    const struct ws_layer *ws = &layer->ws;
    const float *w = ws->weight + (size_t)row * (size_t)ws->fan_in;
    float mean = 0.0f, r = 1.0f;
    if (ws->mode != WS_OFF) {
        mean = row_mean<WIDTH>(w, ws->fan_in, group, shared->sum);
        const float squares = row_square_sum<WIDTH>(w, mean, ws->fan_in, group, shared->squares);
        r = row_multiplier(ws->mode, squares, ws->fan_in).r;
    }
    const struct row_map map = {mean, fixed_scale(ws) * skip_gain(ws) * row_gain(ws, row) * r};
    map_row<WIDTH>(layer, row, map, shared->chunk + (group.whole_block ? 0u : threadIdx.x / 32 * WARP_CHUNK), group);
    if (group.rank == 0) {
        ws->effective_bias[row] = ws->bias[row] * ws->out_scale * skip_gain(ws);
        ws->row_moments[2 * row] = mean;
        ws->row_moments[2 * row + 1] = r;
    }
}

static __global__ void __launch_bounds__(ROW_THREADS)
    prepare_rows_kernel(const struct layer *layers, const struct row_task *tasks)
{
    const struct row_task task = tasks[blockIdx.x];
    const struct layer *layer = &layers[task.item];
    const struct row_group group = row_group_of(layer->ws.fan_in);
    const int row = row_of(task, group);
    if (row >= layer->ws.rows)
        return; /* a whole warp, in a block without barriers */
    if (layer->vector)
        prepare_row<4>(layer, row, group, shared_memory<struct prepare_shared>());
    else
        prepare_row<1>(layer, row, group, shared_memory<struct prepare_shared>());
}

/* ---- Prepare: packed backward weights ---- */

/* Rows of 65 floats: columns are read without bank conflicts. */
struct tile_shared {
    float values[TILE][TILE + 1];
};

/* Rows [row, row + TILE) and columns [column, column + TILE) of (rows, fan_in), the taps of each channel reversed. */
template <typename T>
static __device__ inline void store_tile(const struct layer *layer, struct tile_task task,
                                         const struct tile_shared *shared)
{
    const int rows = layer->ws.rows, taps = layer->taps, lane = (int)threadIdx.x % 32;
    const int row_end = rows - task.row < TILE ? rows - task.row : TILE;
    for (int j = (int)threadIdx.x / 32; j < TILE && task.column + j < layer->ws.fan_in; j += ROW_WARPS) {
        const int column = task.column + j, channel = column / taps;
        const int line = channel * taps + taps - 1 - (column - channel * taps);
        T *to = (T *)layer->ws.packed_backward + (size_t)line * (size_t)rows + task.row;
        if (rows % 2 == 0) {
            if (2 * lane < row_end)
                store_pair(to + 2 * lane, shared->values[2 * lane][j], shared->values[2 * lane + 1][j]);
        } else {
            for (int row = lane; row < row_end; row += 32)
                to[row] = from_float<T>(shared->values[row][j]);
        }
    }
}

static __global__ void __launch_bounds__(ROW_THREADS)
    pack_backward_kernel(const struct layer *layers, const struct tile_task *tasks)
{
    const struct tile_task task = tasks[blockIdx.x];
    const struct layer layer = layers[task.layer];
    struct tile_shared *shared = shared_memory<struct tile_shared>();
    const int n = layer.ws.fan_in, column = (int)threadIdx.x % 16 * 4;
    const float *effective = layer.ws.effective + task.column;
    for (int row = (int)threadIdx.x / 16; row < TILE && task.row + row < layer.ws.rows; row += ROW_THREADS / 16) {
        const float *from = effective + (size_t)(task.row + row) * (size_t)n + column;
        const int left = n - task.column - column;
        float v[4] = {};
        if (layer.vector && left >= 4)
            load_vector(from, v);
        else
            for (int k = 0; k < 4 && k < left; k++)
                v[k] = from[k];
#pragma unroll
        for (int k = 0; k < 4; k++)
            shared->values[row][column + k] = v[k];
    }
    __syncthreads();
    WITH_DTYPE(layer.dtype, store_tile<T>(&layer, task, shared));
}

/* ---- Backward ---- */

struct backward_shared {
    float sums[3 * 32];
};

/* dW = k r (G - mean(G) - b <G, c> c), k all factors beside r; the skip gain's part is formed without dividing by the
 * skip gain, which may be 0. */
template <int WIDTH>
static __device__ inline void backward_row(const struct layer *layer, int row, struct row_group group,
                                           struct backward_shared *shared)
{
    const struct ws_layer *ws = &layer->ws;
    const int n = ws->fan_in;
    const float *weight = ws->weight + (size_t)row * (size_t)n;
    float *gradient = ws->weight_gradient + (size_t)row * (size_t)n;
    const float mean = ws->row_moments[2 * row];
    float sums[3] = {0.0f, 0.0f, 0.0f}; /* of c^2, G, G c */
    for (int i = (int)group.rank * WIDTH; i < n; i += (int)group.size * WIDTH) {
        float w[WIDTH], g[WIDTH];
        load_vector(weight + i, w);
        load_vector(gradient + i, g);
#pragma unroll
        for (int k = 0; k < WIDTH; k++) {
            const float c = w[k] - mean;
            sums[0] += c * c;
            sums[1] += g[k];
            sums[2] += g[k] * c;
        }
    }
    row_sums(group, sums, shared->sums);

    const struct multiplier m = row_multiplier(ws->mode, sums[0], n);
    const float skip = skip_gain(ws), gain = row_gain(ws, row), standard_dot = fixed_scale(ws) * m.r * sums[2];
    const float factor = fixed_scale(ws) * skip * gain * m.r;
    const float g_mean = ws->mode == WS_OFF ? 0.0f : sums[1] / (float)n, along = m.b * sums[2];
    for (int i = (int)group.rank * WIDTH; i < n; i += (int)group.size * WIDTH) {
        float w[WIDTH], g[WIDTH];
        load_vector(weight + i, w);
        load_vector(gradient + i, g);
#pragma unroll
        for (int k = 0; k < WIDTH; k++)
            g[k] = factor * (g[k] - g_mean - along * (w[k] - mean));
        store_vector(gradient + i, g);
    }
    if (group.rank == 0) {
        const float bias_gradient = ws->bias_gradient[row];
        if (ws->gain_gradient)
            ws->gain_gradient[row] = ws->mode == WS_OFF ? 0.0f : skip * standard_dot;
        if (layer->skip_parts)
            layer->skip_parts[row] =
                (double)gain * (double)standard_dot + (double)(ws->out_scale * ws->bias[row] * bias_gradient);
        ws->bias_gradient[row] = bias_gradient * (ws->out_scale * skip);
    }
}

static __global__ void __launch_bounds__(ROW_THREADS)
    backward_rows_kernel(const struct layer *layers, const struct row_task *tasks)
{
    const struct row_task task = tasks[blockIdx.x];
    const struct layer layer = layers[task.item]; /* a copy, so that no store makes the compiler read it again */
    const struct row_group group = row_group_of(layer.ws.fan_in);
    const int row = row_of(task, group);
    if (row >= layer.ws.rows)
        return; /* a whole warp, in a block without barriers */
    if (layer.vector)
        backward_row<4>(&layer, row, group, shared_memory<struct backward_shared>());
    else
        backward_row<1>(&layer, row, group, shared_memory<struct backward_shared>());
}

/* A warp a layer. */
static __global__ void sum_skip_parts_kernel(const struct layer *layers, const int *skips)
{
    const struct layer *layer = &layers[skips[blockIdx.x]];
    double sum = 0.0;
    for (int row = (int)threadIdx.x; row < layer->ws.rows; row += 32)
        sum += layer->skip_parts[row];
    for (int offset = 16; offset > 0; offset /= 2)
        sum += __shfl_xor_sync(0xffffffffu, sum, offset);
    if (threadIdx.x == 0)
        *layer->ws.skip_gain_gradient = (float)sum;
}

/* ---- The list ---- */

static bool packs_backward(const struct ws_layer *layer)
{
    return layer->conv && layer->conv->packed_backward_bytes > 0;
}

static struct layer layer_of(const struct ws_layer *ws, double *skip_parts)
{
    struct layer layer = {*ws, DTYPE_FP32, 1, ws->fan_in, ws->fan_in % 4 == 0, skip_parts};
    if (ws->conv) {
        layer.dtype = ws->conv->shape.dtype;
        layer.taps = ws->conv->shape.k * ws->conv->shape.k;
        layer.channels = ws->fan_in / layer.taps;
    } else {
        layer.ws.packed_forward = NULL;
    }
    layer.ws.conv = NULL;
    return layer;
}

static void append_tiles(struct tile_task *tiles, int *count, int number, const struct ws_layer *layer)
{
    for (int row = 0; row < layer->rows; row += TILE)
        for (int column = 0; column < layer->fan_in; column += TILE, (*count)++)
            if (tiles)
                tiles[*count] = {number, row, column};
}

/* Host memory while the tables are made. */
struct tables {
    struct layer *layers;
    struct row_task *rows;
    struct tile_task *tiles;
    int *skips;
};

static void free_tables(struct tables *tables)
{
    free(tables->layers);
    free(tables->rows);
    free(tables->tiles);
    free(tables->skips);
}

static int make_tables(const struct ws_layer *layers, int count, struct tables *tables, struct weights *weights,
                       size_t *parts, struct error *error)
{
    weights->layer_count = count;
    for (int l = 0; l < count; l++) {
        row_tasks_append(NULL, &weights->row_count, l, layers[l].rows, layers[l].fan_in);
        if (packs_backward(&layers[l]))
            append_tiles(NULL, &weights->tile_count, l, &layers[l]);
        if (layers[l].skip_gain_gradient) {
            weights->skip_count++;
            *parts += (size_t)layers[l].rows;
        }
    }
    tables->layers = (struct layer *)calloc((size_t)count + 1, sizeof *tables->layers);
    tables->rows = (struct row_task *)calloc((size_t)weights->row_count + 1, sizeof *tables->rows);
    tables->tiles = (struct tile_task *)calloc((size_t)weights->tile_count + 1, sizeof *tables->tiles);
    tables->skips = (int *)calloc((size_t)weights->skip_count + 1, sizeof *tables->skips);
    if (!tables->layers || !tables->rows || !tables->tiles || !tables->skips)
        return error_set(error, "out of memory for a list of %d layers", count);
    return 0;
}

static void fill_tables(const struct ws_layer *layers, int count, double *parts, struct tables *tables)
{
    int rows = 0, tiles = 0, skips = 0;
    for (int l = 0; l < count; l++) {
        tables->layers[l] = layer_of(&layers[l], layers[l].skip_gain_gradient ? parts : NULL);
        row_tasks_append(tables->rows, &rows, l, layers[l].rows, layers[l].fan_in);
        if (packs_backward(&layers[l]))
            append_tiles(tables->tiles, &tiles, l, &layers[l]);
        if (layers[l].skip_gain_gradient) {
            tables->skips[skips++] = l;
            parts += layers[l].rows;
        }
    }
}

static int build(struct cuda_backend *cuda, const struct ws_layer *layers, int count, struct tables *tables,
                 struct weights *weights, struct error *error)
{
    size_t parts = 0;
    if (make_tables(layers, count, tables, weights, &parts, error))
        return -1;
    if (parts > 0)
        CUDA_TRY(cudaMalloc((void **)&weights->parts, parts * sizeof *weights->parts));
    fill_tables(layers, count, weights->parts, tables);
    if (table_to_device(cuda, tables->layers, (size_t)count, &weights->layers, error) ||
        table_to_device(cuda, tables->rows, (size_t)weights->row_count, &weights->rows, error) ||
        table_to_device(cuda, tables->tiles, (size_t)weights->tile_count, &weights->tiles, error) ||
        table_to_device(cuda, tables->skips, (size_t)weights->skip_count, &weights->skips, error))
        return -1;
    return 0;
}

int cuda_weights_create(struct backend *backend, const struct ws_layer *layers, int count, struct weights **out,
                        struct error *error)
{
    struct tables tables = {NULL, NULL, NULL, NULL};
    struct weights *weights = (struct weights *)calloc(1, sizeof *weights);
    if (!weights)
        return error_set(error, "out of memory for a list of %d layers", count);
    const int result = build(cuda_of(backend), layers, count, &tables, weights, error);
    free_tables(&tables);
    if (result)
        cuda_weights_destroy(backend, weights);
    else
        *out = weights;
    return result;
}

void cuda_weights_destroy(struct backend *backend, struct weights *weights)
{
    (void)backend;
    if (!weights)
        return;
    cudaFree(weights->layers);
    cudaFree(weights->rows);
    cudaFree(weights->tiles);
    cudaFree(weights->skips);
    cudaFree(weights->parts);
    free(weights);
}

int cuda_weights_prepare(struct backend *backend, struct weights *weights, void *scratch, struct error *error)
{
    struct cuda_backend *cuda = cuda_of(backend);
    (void)scratch;
    if (weights->row_count > 0)
        CUDA_LAUNCH(prepare_rows_kernel, dim3((unsigned)weights->row_count), dim3(ROW_THREADS),
                    sizeof(struct prepare_shared), weights->layers, weights->rows);
    if (weights->tile_count > 0)
        CUDA_LAUNCH(pack_backward_kernel, dim3((unsigned)weights->tile_count), dim3(ROW_THREADS),
                    sizeof(struct tile_shared), weights->layers, weights->tiles);
    return 0;
}

int cuda_weights_backward(struct backend *backend, struct weights *weights, struct error *error)
{
    struct cuda_backend *cuda = cuda_of(backend);
    if (weights->row_count > 0)
        CUDA_LAUNCH(backward_rows_kernel, dim3((unsigned)weights->row_count), dim3(ROW_THREADS),
                    sizeof(struct backward_shared), weights->layers, weights->rows);
    if (weights->skip_count > 0)
        CUDA_LAUNCH(sum_skip_parts_kernel, dim3((unsigned)weights->skip_count), dim3(32), 0, weights->layers,
                    weights->skips);
    return 0;
}
