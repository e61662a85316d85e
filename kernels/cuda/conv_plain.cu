/* Convolutions on the ordinary cores, of any shape and dtype: the whole network in fp32, groups, strides, and what
 * tensor cores or cuBLAS do not take. Here the three directions are stated as problems for the kernel of
 * conv_plain.cuh, and tiles chosen. */
#include "kernels/cuda/conv_plain.cuh"

/* ---- Which tile ---- */

/* Rows, columns, each thread's share of them, and what a result costs: smaller shares read shared memory more often.
 * The costs are estimates. bf16 comes here with groups, for a stem's three channels, or on Turing, not for the whole
 * network: it does with the small tiles, and the compiler with half its time. */
#define SMALL_TILES(X)                                                                                                 \
    X(128, 16, 4, 4, 7)                                                                                                \
    X(32, 64, 4, 4, 7)
#define TILES(X)                                                                                                       \
    SMALL_TILES(X)                                                                                                     \
    X(128, 32, 8, 4, 5)                                                                                                \
    X(128, 64, 8, 8, 4)

struct tile {
    int rows, columns, cost;
};

#define TILE_ROW(rows, columns, height, width, cost) {rows, columns, cost},
static const struct tile TILE_TABLE[] = {TILES(TILE_ROW)}; /* the small ones first */

static int tiles_of(enum dtype dtype)
{
    static const struct tile SMALL_TABLE[] = {SMALL_TILES(TILE_ROW)};
    return (int)((dtype == DTYPE_BF16 ? sizeof SMALL_TABLE : sizeof TILE_TABLE) / sizeof *TILE_TABLE);
}

template <typename T>
using plain_function = void (*)(const struct problem, const T *, const T *, const struct result<T>);

#define TILE_KERNEL(rows, columns, height, width, cost) plain_kernel<DIRECTION, T, rows, columns, height, width>,
template <enum plain_direction DIRECTION, typename T> static plain_function<T> kernel_of(int tile)
{
    if constexpr (sizeof(T) == sizeof(bf16)) {
        static const plain_function<T> KERNELS[] = {SMALL_TILES(TILE_KERNEL)};
        return KERNELS[tile];
    } else {
        static const plain_function<T> KERNELS[] = {TILES(TILE_KERNEL)};
        return KERNELS[tile];
    }
}

static int64_t tile_count(const struct tile *tile, int rows, int columns)
{
    return (int64_t)cuda_ceil_div((size_t)rows, (size_t)tile->rows) *
           (int64_t)cuda_ceil_div((size_t)columns, (size_t)tile->columns);
}

/* The tile with the least work for the busiest of `multiprocessors` (1: the least work in all). */
static int choose_tile(enum dtype dtype, int multiprocessors, int rows, int columns, int groups)
{
    int best = 0;
    int64_t least = INT64_MAX;
    for (int i = 0; i < tiles_of(dtype); i++) {
        const struct tile *tile = &TILE_TABLE[i];
        const int64_t blocks = tile_count(tile, rows, columns) * groups;
        const int64_t work = (blocks + multiprocessors - 1) / multiprocessors * tile->rows * tile->columns * tile->cost;
        if (work < least) {
            least = work;
            best = i;
        }
    }
    return best;
}

/* ---- The routes ---- */

static struct gather gather_of(int n, int grid_h, int grid_w, int taps_h, int taps_w, int group_channels)
{
    struct gather g = {};
    g.positions = n * grid_h * grid_w;
    g.grid_area = divisor_of(grid_h * grid_w);
    g.grid_w = divisor_of(grid_w);
    g.group_channels = divisor_of(group_channels);
    g.taps_w = divisor_of(taps_w > 0 ? taps_w : 1);
    g.depth = taps_h * taps_w * group_channels;
    g.vector = group_channels % VECTOR == 0;
    return g;
}

/* What the forward pass and the weights have in common. */
static struct problem forward_problem(const struct conv *conv)
{
    const struct conv_shape *s = &conv->shape;
    struct problem p = {};
    p.gather = gather_of(s->n, conv->out_h, conv->out_w, s->k, s->k, s->cin / s->groups);
    p.gather.scale = s->stride;
    p.gather.sign = 1;
    p.gather.first_h = p.gather.first_w = -(s->k / 2);
    p.gather.h = s->h;
    p.gather.w = s->w;
    p.gather.channels = s->cin;
    p.groups = s->groups;
    p.columns = s->cout / s->groups;
    p.vector = p.columns % VECTOR == 0;
    p.kernel = s->k;
    p.stride = s->stride;
    return p;
}

/* Of the positions of x whose coordinates leave the remainders first_h and first_w by the stride. */
static struct problem backward_data_problem(const struct conv *conv, int first_h, int first_w)
{
    const struct conv_shape *s = &conv->shape;
    const int stride = s->stride, padding = s->k / 2;
    const int tap_h = (first_h + padding) % stride, tap_w = (first_w + padding) % stride;
    struct problem p = {};
    p.gather =
        gather_of(s->n, (s->h - first_h + stride - 1) / stride, (s->w - first_w + stride - 1) / stride,
                  (s->k - tap_h + stride - 1) / stride, (s->k - tap_w + stride - 1) / stride, s->cout / s->groups);
    p.gather.scale = 1;
    p.gather.sign = -1;
    p.gather.first_h = (first_h + padding - tap_h) / stride;
    p.gather.first_w = (first_w + padding - tap_w) / stride;
    p.gather.h = conv->out_h;
    p.gather.w = conv->out_w;
    p.gather.channels = s->cout;
    p.groups = s->groups;
    p.columns = s->cin / s->groups;
    p.vector = p.columns % VECTOR == 0;
    p.stored_pitch = s->k * s->k * p.columns;
    p.stored_group = s->cout / s->groups * p.stored_pitch;
    p.kernel = s->k;
    p.stride = stride;
    p.tap_h = tap_h;
    p.tap_w = tap_w;
    p.out_h = s->h;
    p.out_w = s->w;
    p.out_first_h = first_h;
    p.out_first_w = first_w;
    return p;
}

template <enum plain_direction DIRECTION, typename T>
static int launch(struct cuda_backend *cuda, struct problem *p, int tile_number, int parts, const void *source,
                  const void *stored, const struct result<T> *result, struct error *error)
{
    const struct tile *tile = &TILE_TABLE[tile_number];
    const int rows = DIRECTION == BACKWARD_WEIGHTS ? p->gather.depth : p->gather.positions;
    p->column_tiles = (int)cuda_ceil_div((size_t)p->columns, (size_t)tile->columns);
    const dim3 grid((unsigned)tile_count(tile, rows, p->columns), 1, (unsigned)(p->groups * parts));
    const size_t shared = 2 * DEPTH * (size_t)(tile->rows + tile->columns + 2 * PADDING) * sizeof(float);
    const auto plain_convolution = kernel_of<DIRECTION, T>(tile_number);
    CUDA_LAUNCH(plain_convolution, grid, dim3(THREADS), shared, *p, (const T *)source, (const T *)stored, *result);
    return 0;
}

template <typename T>
static int forward(struct cuda_backend *cuda, const struct conv *conv, const void *x, const void *packed,
                   const float *bias, void *y, void *y_relu, struct error *error)
{
    struct problem p = forward_problem(conv);
    p.stored_pitch = p.gather.depth;
    p.stored_group = p.columns * p.gather.depth;
    p.relu = conv->shape.relu;
    p.accumulate = conv->shape.accumulate;
    const struct result<T> result = {
        (T *)y, (T *)y_relu, NULL, bias, NULL
    };
    const int tile =
        choose_tile(conv->shape.dtype, cuda->device.multiprocessors, p.gather.positions, p.columns, p.groups);
    return launch<FORWARD, T>(cuda, &p, tile, 1, x, packed, &result, error);
}

int cuda_plain_forward(struct cuda_backend *cuda, const struct cuda_conv *conv, const void *x, const void *packed,
                       const float *bias, void *y, void *y_relu, struct error *error)
{
    WITH_DTYPE(conv->conv.shape.dtype, return forward<T>(cuda, &conv->conv, x, packed, bias, y, y_relu, error));
}

template <typename T>
static int backward_data(struct cuda_backend *cuda, const struct conv *conv, const void *x, const void *dy,
                         const void *packed, void *dx, struct error *error)
{
    const struct conv_shape *s = &conv->shape;
    const struct result<T> result = {
        (T *)dx, NULL, NULL, NULL, s->relu_input ? (const T *)x : NULL
    };
    for (int parity = 0; parity < s->stride * s->stride; parity++) {
        const int first_h = parity / s->stride, first_w = parity % s->stride;
        if (first_h >= s->h || first_w >= s->w)
            continue;
        struct problem p = backward_data_problem(conv, first_h, first_w);
        p.accumulate = s->add_dx;
        const int tile =
            choose_tile(conv->shape.dtype, cuda->device.multiprocessors, p.gather.positions, p.columns, p.groups);
        if (launch<BACKWARD_DATA, T>(cuda, &p, tile, 1, dy, packed, &result, error))
            return -1;
    }
    return 0;
}

int cuda_plain_backward_data(struct cuda_backend *cuda, const struct cuda_conv *conv, const void *x, const void *dy,
                             const void *packed_forward, void *dx, struct error *error)
{
    WITH_DTYPE(conv->conv.shape.dtype, return backward_data<T>(cuda, &conv->conv, x, dy, packed_forward, dx, error));
}

/* The parts fill the GPU, so the tile only has to waste little. */
static int weights_tile(enum dtype dtype, const struct problem *p)
{
    return choose_tile(dtype, 1, p->gather.depth, p->columns, p->groups);
}

/* Two blocks a multiprocessor, but at least eight stages a block. */
int cuda_plain_splits(const struct cuda_backend *cuda, const struct conv *conv)
{
    const struct problem p = forward_problem(conv);
    const int64_t blocks =
        tile_count(&TILE_TABLE[weights_tile(conv->shape.dtype, &p)], p.gather.depth, p.columns) * p.groups;
    const int64_t wanted = (2 * cuda->device.multiprocessors + blocks - 1) / blocks;
    const int64_t most = cuda_ceil_div((size_t)p.gather.positions, 8 * DEPTH);
    return (int)(wanted < most ? wanted : most);
}

template <typename T>
static int backward_weights(struct cuda_backend *cuda, const struct cuda_conv *conv, const void *x, const void *dy,
                            float *partial, struct error *error)
{
    struct problem p = forward_problem(&conv->conv);
    p.stored_pitch = conv->conv.shape.cout;
    p.stored_group = p.columns;
    const size_t share = cuda_ceil_div((size_t)p.gather.positions, (size_t)conv->weight_splits);
    p.per_part = (int)cuda_ceil_div(share, DEPTH) * DEPTH;
    const struct result<T> result = {
        NULL, NULL, partial, NULL, NULL
    };
    return launch<BACKWARD_WEIGHTS, T>(cuda, &p, weights_tile(conv->conv.shape.dtype, &p), conv->weight_splits, x, dy,
                                       &result, error);
}

int cuda_plain_backward_weights(struct cuda_backend *cuda, const struct cuda_conv *conv, const void *x, const void *dy,
                                float *partial, struct error *error)
{
    WITH_DTYPE(conv->conv.shape.dtype, return backward_weights<T>(cuda, conv, x, dy, partial, error));
}
