/* A batch of images from the data set on the device: gathered, augmented and normalised as engine/augment.c does it, to
 * the bit; kernels/augment.h has the arithmetic of both. A block an image, which stays in shared memory from byte to
 * float. Floor: 3 KB read and 6 or 12 KB written an image. */
#include "kernels/cuda/vector.cuh"

enum { LOAD_THREADS = 256, IMAGE_WORDS = IMAGE_BYTES / 4 };

static_assert(IMAGE_BYTES % 16 == 0 && IMAGE_SIZE % 4 == 0, "images are moved in vectors and words");
static_assert((IMAGE_SIZE & (IMAGE_SIZE - 1)) == 0, "rows are mirrored by the bits of their places");

struct load_shared {
    uint8_t image[2][IMAGE_BYTES]; /* a change reads one and writes the other */
    unsigned long long sums[2][LOAD_THREADS / 32];
    uint8_t partner[IMAGE_BYTES]; /* of a mixed batch alone */
};

static_assert(offsetof(struct load_shared, partner) % 16 == 0, "filled by vectors");

/* Which of an image's draws these are. */
struct draw_key {
    uint64_t seed;
    uint32_t epoch, index;
};

/* What a pixel of the changed image is made of. */
enum change { CHANGE_CROP, CHANGE_BLUR_ROWS, CHANGE_BLUR_COLUMNS, CHANGE_ROTATE };

struct rotation {
    int cosine, sine;
};

static __device__ inline uint8_t cropped_pixel(const uint8_t *plane, int x, int y, const struct augmentation *what,
                                               bool mirror)
{
    if (what->cutout_size) {
        int left, right, top, bottom;
        augment_square(what->cutout_x, what->cutout_size, &left, &right);
        augment_square(what->cutout_y, what->cutout_size, &top, &bottom);
        if (x >= left && x < right && y >= top && y < bottom)
            return AUGMENT_CUTOUT_GREY;
    }
    const int column = augment_crop_source(what->flip ? IMAGE_SIZE - 1 - x : x, what->shift_x, mirror);
    const int row = augment_crop_source(y, what->shift_y, mirror);
    return column == IMAGE_SIZE || row == IMAGE_SIZE ? 0 : plane[row * IMAGE_SIZE + column];
}

/* `line` points to position 0 of a row or column, `at` is the position, `stride` between positions. */
static __device__ inline uint8_t blurred_pixel(const uint8_t *line, int at, int stride)
{
    uint32_t pairs[AUGMENT_BLUR_RADIUS + 1];
#pragma unroll
    for (int d = 0; d <= AUGMENT_BLUR_RADIUS; d++)
        pairs[d] = (uint32_t)line[augment_blur_source(at - d) * stride] + line[augment_blur_source(at + d) * stride];
    return augment_blurred(pairs[0] / 2, pairs[1], pairs[2], pairs[3], pairs[4]);
}

template <enum change CHANGE>
static __device__ inline uint8_t changed_pixel(const uint8_t *plane, int x, int y, const struct augmentation *what,
                                               bool mirror, struct rotation rotation)
{
    if constexpr (CHANGE == CHANGE_CROP)
        return cropped_pixel(plane, x, y, what, mirror);
    else if constexpr (CHANGE == CHANGE_BLUR_ROWS)
        return blurred_pixel(plane + y * IMAGE_SIZE, x, 1);
    else if constexpr (CHANGE == CHANGE_BLUR_COLUMNS)
        return blurred_pixel(plane + x, y, IMAGE_SIZE);
    else
        return augment_between(plane, augment_rotated_from(x, y, rotation.cosine, rotation.sine));
}

/* Changes the whole image, a word of four pixels a thread at a time. */
template <enum change CHANGE>
static __device__ inline void change_image(const uint8_t *image, uint8_t *out, const struct augmentation *what,
                                           bool mirror)
{
    struct rotation rotation = {0, 0};
    if constexpr (CHANGE == CHANGE_ROTATE)
        augment_rotation(what->rotation, &rotation.cosine, &rotation.sine);
    for (int word = (int)threadIdx.x; word < IMAGE_WORDS; word += LOAD_THREADS) {
        const int plane = word * 4 / IMAGE_PIXELS, pixel = word * 4 % IMAGE_PIXELS;
        const int y = pixel / IMAGE_SIZE, x = pixel % IMAGE_SIZE;
        uint32_t bytes = 0;
#pragma unroll
        for (int k = 0; k < 4; k++)
            bytes |= (uint32_t)changed_pixel<CHANGE>(image + plane * IMAGE_PIXELS, x + k, y, what, mirror, rotation)
                     << 8 * k;
        reinterpret_cast<uint32_t *>(out)[word] = bytes;
    }
}

static __device__ inline void add_noise(const uint8_t *image, uint8_t *out, struct draw_key key)
{
    for (uint32_t group = threadIdx.x; group < IMAGE_WORDS; group += LOAD_THREADS)
        augment_noise(image + 4 * group, key.seed, key.epoch, key.index, group, out + 4 * group);
}

/* Augments the image that lies in `a`, with room in `b`; returns which has the result, complete for all threads. */
static __device__ inline const uint8_t *augment(uint8_t *a, uint8_t *b, const struct augment_options *options,
                                                struct draw_key key)
{
    const struct augmentation what = augment_draw(options, key.seed, key.epoch, key.index);
    const bool mirror = options->kind == AUGMENT_STANDARD;
    if (options->kind == AUGMENT_NONE)
        return a;
    change_image<CHANGE_CROP>(a, b, &what, mirror);
    __syncthreads();
    if (what.blur) {
        change_image<CHANGE_BLUR_ROWS>(b, a, &what, mirror);
        __syncthreads();
        change_image<CHANGE_BLUR_COLUMNS>(a, b, &what, mirror);
        __syncthreads();
        return b;
    }
    if (!what.noise && !what.rotation)
        return b;
    if (what.noise)
        add_noise(b, a, key);
    else
        change_image<CHANGE_ROTATE>(b, a, &what, mirror);
    __syncthreads();
    return a;
}

/* ---- What is normalised: the bytes of an image, or what it and its partner come to ---- */

struct plain_pixels {
    typedef uint32_t count; /* holds the sum of the squares of a part of an image */
    enum { WHOLE = 1 };
    const uint8_t *image;

    __device__ uint32_t value(int i) const
    {
        return image[i];
    }
    __device__ float byte(int i) const
    {
        return (float)image[i];
    }
};

struct mixed_pixels {
    typedef unsigned long long count;
    enum { WHOLE = MIX_WHOLE };
    const uint8_t *image, *partner;
    struct mix mix;

    __device__ uint32_t value(int i) const
    {
        return mix_value(&mix, image[i], partner[i], i % IMAGE_SIZE, i % IMAGE_PIXELS / IMAGE_SIZE);
    }
    __device__ float byte(int i) const
    {
        return mix_byte(value(i));
    }
};

/* ---- Normalisation ---- */

struct channels {
    float mean[3], scale[3];
};

template <typename N> static __device__ inline N warp_count(N value)
{
#pragma unroll
    for (int offset = 16; offset > 0; offset /= 2)
        value += __shfl_xor_sync(0xffffffffu, value, offset);
    return value;
}

template <typename P>
static __device__ inline struct channels channels_of_image(struct load_shared *shared, const P &pixels)
{
    typename P::count own_sum = 0, own_squares = 0;
    for (int i = (int)threadIdx.x * 4; i < IMAGE_BYTES; i += LOAD_THREADS * 4) {
#pragma unroll
        for (int k = 0; k < 4; k++) {
            const typename P::count value = pixels.value(i + k);
            own_sum += value;
            own_squares += value * value;
        }
    }
    own_sum = warp_count(own_sum);
    own_squares = warp_count(own_squares);
    if (threadIdx.x % 32 == 0) {
        shared->sums[0][threadIdx.x / 32] = own_sum;
        shared->sums[1][threadIdx.x / 32] = own_squares;
    }
    __syncthreads();
    unsigned long long sum = 0, squares = 0;
#pragma unroll
    for (int warp = 0; warp < LOAD_THREADS / 32; warp++) {
        sum += shared->sums[0][warp];
        squares += shared->sums[1][warp];
    }
    float mean, scale;
    normalize_by_sums(sum, squares, P::WHOLE, &mean, &scale);
    return {{mean, mean, mean}, {scale, scale, scale}};
}

/* Four values of the interleaved image a thread at a time; the one product that something is added to is exact, so it
 * does not matter whether it is contracted. */
template <typename P, typename T>
static __device__ inline void store_image(const P &pixels, const struct channels *channels, bool mirror, T *out)
{
    const int other_end = mirror ? IMAGE_SIZE - 1 : 0; /* of a row: exchanges x and IMAGE_SIZE - 1 - x */
    for (int i = (int)threadIdx.x * 4; i < IMAGE_BYTES; i += LOAD_THREADS * 4) {
        float values[4];
#pragma unroll
        for (int k = 0; k < 4; k++) {
            const int pixel = (i + k) / 3 ^ other_end, c = (i + k) % 3;
            const float mean = c == 0 ? channels->mean[0] : c == 1 ? channels->mean[1] : channels->mean[2];
            const float scale = c == 0 ? channels->scale[0] : c == 1 ? channels->scale[1] : channels->scale[2];
            values[k] = (pixels.byte(c * IMAGE_PIXELS + pixel) - mean) * scale;
        }
        store_vector(out + i, values);
    }
}

template <typename P, typename T>
static __device__ inline void normalize(struct load_shared *shared, const struct image_source &source, const P &pixels,
                                        T *out)
{
    struct channels channels = {{source.mean[0], source.mean[1], source.mean[2]},
                                {source.scale[0], source.scale[1], source.scale[2]}};
    if (source.normalize == NORMALIZE_IMAGE)
        channels = channels_of_image(shared, pixels);
    store_image(pixels, &channels, source.mirror, out);
}

/* ---- The kernel ---- */

/* The image at a place of the order, augmented, from `a` with room in `b`, as augment(); its label goes out. */
static __device__ inline const uint8_t *load_image(const struct image_source &source, const struct step_values *values,
                                                   uint32_t position, uint8_t *a, uint8_t *b, uint8_t *label)
{
    const uint32_t number = source.order ? source.order[position] : position;
    const uint4 *from = reinterpret_cast<const uint4 *>(source.pixels + (size_t)number * IMAGE_BYTES);
    if (threadIdx.x < IMAGE_BYTES / 16)
        reinterpret_cast<uint4 *>(a)[threadIdx.x] = from[threadIdx.x];
    if (threadIdx.x == 0)
        *label = source.labels[number];
    __syncthreads();
    const struct draw_key key = {source.seed, values ? values->epoch : 0, (uint32_t)source.first_index + number};
    return augment(a, b, &source.augment, key);
}

template <typename T>
static __global__ void __launch_bounds__(LOAD_THREADS)
    load_batch_kernel(struct image_source source, const struct step_values *values, T *images, uint8_t *labels)
{
    struct load_shared *shared = shared_memory<struct load_shared>();
    const uint32_t position = (values ? values->start : 0) + blockIdx.x;
    const uint8_t *image =
        load_image(source, values, position, shared->image[0], shared->image[1], labels + blockIdx.x);
    const struct plain_pixels pixels = {image};
    normalize(shared, source, pixels, images + (size_t)blockIdx.x * IMAGE_BYTES);
}

/* Each block makes the partner of its image, too: half of that is done twice, but no block waits for another. */
template <typename T>
static __global__ void __launch_bounds__(LOAD_THREADS)
    load_mixed_kernel(struct image_source source, const struct step_values *values, T *images, uint8_t *labels,
                      uint8_t *partners)
{
    struct load_shared *shared = shared_memory<struct load_shared>();
    const uint32_t position = values->start + blockIdx.x;
    const uint8_t *image =
        load_image(source, values, position, shared->image[0], shared->image[1], labels + blockIdx.x);
    uint8_t *room = image == shared->image[0] ? shared->image[1] : shared->image[0];
    const uint8_t *partner =
        load_image(source, values, values->ends - position, shared->partner, room, partners + blockIdx.x);
    const struct mixed_pixels pixels = {image, partner, values->mix};
    normalize(shared, source, pixels, images + (size_t)blockIdx.x * IMAGE_BYTES);
}

int cuda_load_batch(struct backend *backend, const struct image_source *source, const struct step_values *values,
                    enum dtype dtype, void *images, uint8_t *labels, uint8_t *partners, int n, struct error *error)
{
    struct cuda_backend *cuda = cuda_of(backend);
    if (n <= 0)
        return 0;
    if (partners)
        WITH_DTYPE(dtype, CUDA_LAUNCH(load_mixed_kernel<T>, dim3((unsigned)n), dim3(LOAD_THREADS),
                                      sizeof(struct load_shared), *source, values, (T *)images, labels, partners));
    else
        WITH_DTYPE(dtype, CUDA_LAUNCH(load_batch_kernel<T>, dim3((unsigned)n), dim3(LOAD_THREADS),
                                      offsetof(struct load_shared, partner), *source, values, (T *)images, labels));
    return 0;
}
