/* Renders the synthetic images. All arithmetic is in whole numbers (Q-formats are named beside each variable): floating
 * point would differ between builds that fuse multiply and add and those that do not. The ranges of the random draws
 * below are what makes the set hard; they were chosen by training on it (see synthetic.h). */
#include "engine/synthetic.h"

#include "kernels/philox.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { DATA_SEED = 20210211 }; /* names this version of the set: another seed is another set */

enum shape { SHAPE_DISC, SHAPE_RING, SHAPE_SQUARE, SHAPE_TRIANGLE, SHAPE_CROSS, SHAPES };
enum texture { TEXTURE_STRIPES, TEXTURE_CHECKS, TEXTURES };

/* ---- Random draws: a stream of words for one image ---- */

struct stream {
    enum split split;
    uint32_t index, block;
    int used;
    struct philox words;
};

static uint32_t next_word(struct stream *stream)
{
    if (stream->used == 4) {
        stream->words =
            philox_draw(DATA_SEED, PHILOX_SYNTHETIC, (uint32_t)stream->split, stream->index, stream->block++);
        stream->used = 0;
    }
    return stream->words.word[stream->used++];
}

/* A whole number in [low, high]. */
static int draw(struct stream *stream, int low, int high)
{
    return low + (int)philox_below(next_word(stream), (uint32_t)(high - low + 1));
}

/* ---- Geometry ---- */

/* sin(2 pi angle / 1024) in Q14, by a parabola and its square: within 0.002. */
static int sine(int angle)
{
    int x = angle & 511;
    int p = (x * (512 - x)) >> 2;
    int s = (p * 12698 + ((p * p) >> 14) * 3686) >> 14;
    return angle & 512 ? -s : s;
}

static int cosine(int angle)
{
    return sine(angle + 256);
}

static int absolute(int x)
{
    return x < 0 ? -x : x;
}

static int larger(int a, int b)
{
    return a > b ? a : b;
}

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

static int clamp(int x, int low, int high)
{
    return smaller(larger(x, low), high);
}

/* Signed distance to the shape's edge, negative inside, of the point (u, v); all in Q10 of the shape's radius. */
static inline int shape_distance(enum shape shape, int u, int v)
{
    switch (shape) {
    case SHAPE_DISC: /* (r^2 - 1) / 2, the distance to first order at the edge */
        return (u * u + v * v - (1 << 20)) >> 11;
    case SHAPE_RING: /* the hole's radius is 0.55 */
        return larger((u * u + v * v - (1 << 20)) >> 11, (563 * 563 - u * u - v * v) >> 10);
    case SHAPE_SQUARE:
        return larger(absolute(u), absolute(v)) - 880;
    case SHAPE_TRIANGLE: /* equilateral: three half planes at 0.6 */
        return larger(v, (absolute(u) * 887 - v * 512) >> 10) - 614;
    default: /* a cross: two bars */
        return smaller(larger(absolute(u) - 369, absolute(v) - 1075), larger(absolute(u) - 1075, absolute(v) - 369));
    }
}

/* A wave with steep sides in -256..256, period 1024. */
static inline int wave(int phase)
{
    int triangle = absolute((phase & 1023) - 512) - 256;
    return clamp(triangle * 3, -256, 256);
}

/* ---- Layers ---- */

struct canvas {
    int16_t plane[3][IMAGE_PIXELS]; /* 0..255 */
};

struct colour {
    int channel[3];
};

/* Something painted on the canvas: a shape filled with a texture of two colours. */
struct layer {
    enum shape shape;
    enum texture texture;
    int x, y;          /* centre, Q4 pixels */
    int radius;        /* Q4 pixels */
    int squeeze;       /* Q8: the shape is this much wider than high */
    int angle;         /* of the shape, 1024 a turn */
    int texture_angle; /* of the texture */
    int period;        /* of the texture, Q4 pixels */
    int phase;
    struct colour colour[2];
};

/* How much of each pixel the layer covers, and how much of its first colour it shows there; both 0..256. Always inlined
 * with a constant shape, so that the loop has no branch and becomes vector code. */
static inline __attribute__((always_inline)) void rasterize(const struct layer *layer, enum shape shape,
                                                            int16_t cover[IMAGE_PIXELS], int16_t mix[IMAGE_PIXELS])
{
    int c = cosine(layer->angle), s = sine(layer->angle);
    int tc = cosine(layer->texture_angle), ts = sine(layer->texture_angle);
    int scale = (1 << 14) / layer->radius; /* 1 / radius, Q10 */
    int texture_scale = (1 << 14) / layer->period;
    int narrow = (1 << 16) / layer->squeeze; /* Q8 */
    int checks = layer->texture == TEXTURE_CHECKS;
    for (int y = 0; y < IMAGE_SIZE; y++)
        for (int x = 0; x < IMAGE_SIZE; x++) {
            int dx = x * 16 - layer->x, dy = y * 16 - layer->y; /* Q4 pixels */
            int u = (((dx * c + dy * s) >> 8) * scale) >> 10;
            int v = (((dy * c - dx * s) >> 8) * scale) >> 10;
            int distance = shape_distance(shape, (u * narrow) >> 8, v);
            cover[y * IMAGE_SIZE + x] = (int16_t)clamp(128 - ((distance * layer->radius) >> 6), 0, 256);
            int a = wave((((dx * tc + dy * ts) >> 8) * texture_scale >> 10) + layer->phase);
            int b = wave((((dy * tc - dx * ts) >> 8) * texture_scale >> 10) + layer->phase);
            mix[y * IMAGE_SIZE + x] = (int16_t)(128 + (checks ? (a * b) >> 9 : a >> 1));
        }
}

static void paint(struct canvas *canvas, const struct layer *layer)
{
    int16_t cover[IMAGE_PIXELS], mix[IMAGE_PIXELS];
    switch (layer->shape) {
    case SHAPE_DISC:
        rasterize(layer, SHAPE_DISC, cover, mix);
        break;
    case SHAPE_RING:
        rasterize(layer, SHAPE_RING, cover, mix);
        break;
    case SHAPE_SQUARE:
        rasterize(layer, SHAPE_SQUARE, cover, mix);
        break;
    case SHAPE_TRIANGLE:
        rasterize(layer, SHAPE_TRIANGLE, cover, mix);
        break;
    default:
        rasterize(layer, SHAPE_CROSS, cover, mix);
    }
    for (int c = 0; c < 3; c++) {
        int first = layer->colour[0].channel[c], second = layer->colour[1].channel[c];
        int16_t *plane = canvas->plane[c];
        for (int p = 0; p < IMAGE_PIXELS; p++) {
            int value = second + (((first - second) * mix[p]) >> 8);
            plane[p] = (int16_t)(plane[p] + (((value - plane[p]) * cover[p]) >> 8));
        }
    }
}

static struct colour draw_colour(struct stream *stream)
{
    struct colour colour;
    for (int c = 0; c < 3; c++)
        colour.channel[c] = draw(stream, 16, 239);
    return colour;
}

/* A grey with a touch of colour. */
static struct colour draw_pale(struct stream *stream)
{
    struct colour colour;
    int grey = draw(stream, 40, 215);
    for (int c = 0; c < 3; c++)
        colour.channel[c] = grey + draw(stream, -40, 40);
    return colour;
}

/* A colour so far from another that a texture of both can be seen (the last of a few tries stands). */
static struct colour draw_apart(struct stream *stream, struct colour other, int distance)
{
    struct colour colour = other;
    for (int attempt = 0, apart = 0; attempt < 8 && apart < distance; attempt++) {
        colour = draw_colour(stream);
        apart = 0;
        for (int c = 0; c < 3; c++)
            apart += absolute(colour.channel[c] - other.channel[c]);
    }
    return colour;
}

/* A plane from one colour to another in a random direction, with a coarse random relief over it. */
static void paint_background(struct canvas *canvas, struct stream *stream)
{
    enum { CELLS = 4, CELL = IMAGE_SIZE / CELLS };
    struct colour from = draw_pale(stream), to = draw_pale(stream);
    int angle = draw(stream, 0, 1023), relief = draw(stream, 10, 60);
    int c = cosine(angle), s = sine(angle);
    for (int channel = 0; channel < 3; channel++) {
        int lattice[CELLS + 1][CELLS + 1]; /* -relief..relief */
        for (int i = 0; i < (CELLS + 1) * (CELLS + 1); i++)
            lattice[i / (CELLS + 1)][i % (CELLS + 1)] = draw(stream, -relief, relief);
        for (int y = 0; y < IMAGE_SIZE; y++)
            for (int x = 0; x < IMAGE_SIZE; x++) {
                const int *above = &lattice[y / CELL][x / CELL], *below = &lattice[y / CELL + 1][x / CELL];
                int fx = x % CELL, fy = y % CELL;
                int bump = (above[0] * (CELL - fx) + above[1] * fx) * (CELL - fy) +
                           (below[0] * (CELL - fx) + below[1] * fx) * fy;
                int along = clamp(128 + (((2 * x - 31) * c + (2 * y - 31) * s) >> 12), 0, 256);
                int value = from.channel[channel] + (((to.channel[channel] - from.channel[channel]) * along) >> 8) +
                            bump / (CELL * CELL);
                canvas->plane[channel][y * IMAGE_SIZE + x] = (int16_t)clamp(value, 0, 255);
            }
    }
}

/* Place, size and pose: `turn` is the largest angle to either side. */
static void draw_layer(struct stream *stream, struct layer *layer, int reach, int radius_low, int radius_high, int turn)
{
    layer->x = 248 + draw(stream, -reach, reach);
    layer->y = 248 + draw(stream, -reach, reach);
    layer->radius = draw(stream, radius_low, radius_high);
    layer->squeeze = draw(stream, 190, 345);
    layer->angle = draw(stream, -turn, turn);
    layer->texture_angle = layer->angle + draw(stream, -60, 60);
    layer->period = draw(stream, 72, 112);
    layer->phase = draw(stream, 0, 1023);
}

/* Small shapes of any kind and texture around the object: neither one texture nor one edge somewhere tells the class.
 */
static void paint_clutter(struct canvas *canvas, struct stream *stream)
{
    for (int i = draw(stream, 1, 4); i > 0; i--) {
        struct layer layer = {.shape = (enum shape)draw(stream, 0, SHAPES - 1),
                              .texture = (enum texture)draw(stream, 0, TEXTURES - 1)};
        draw_layer(stream, &layer, 240, 32, 80, 512);
        layer.colour[0] = draw_colour(stream);
        layer.colour[1] = draw_apart(stream, layer.colour[0], 150);
        paint(canvas, &layer);
    }
}

/* As in photographs, colour is a hint to the class and no proof of it: without such a hint a network finds nothing to
 * follow at first, since stripes and edges of random colours cancel out in every linear feature. */
static struct colour tint(struct colour colour, int class_index, int weight)
{
    static const uint8_t typical[SYNTHETIC_CLASSES][3] = {
        {214, 52, 52},  {226, 132, 40}, {214, 206, 48}, {110, 190, 48}, {44, 160, 90},
        {44, 190, 196}, {48, 104, 214}, {112, 60, 206}, {200, 64, 188}, {232, 226, 214}};
    for (int c = 0; c < 3; c++)
        colour.channel[c] += ((typical[class_index][c] - colour.channel[c]) * weight) >> 8;
    return colour;
}

static void paint_object(struct canvas *canvas, struct stream *stream, int class_index)
{
    struct layer layer = {.shape = (enum shape)(class_index / TEXTURES),
                          .texture = (enum texture)(class_index % TEXTURES)};
    draw_layer(stream, &layer, 64, 144, 216, 96);
    layer.colour[0] = tint(draw_colour(stream), class_index, draw(stream, 40, 220));
    layer.colour[1] = draw_apart(stream, layer.colour[0], 180);
    paint(canvas, &layer);
}

/* In a third of the images a plain bar or disc hides a part of the object. */
static void paint_occluder(struct canvas *canvas, struct stream *stream)
{
    if (draw(stream, 0, 2))
        return;
    struct layer layer = {.shape = draw(stream, 0, 1) ? SHAPE_DISC : SHAPE_SQUARE, .texture = TEXTURE_STRIPES};
    draw_layer(stream, &layer, 176, 48, 80, 512);
    if (layer.shape == SHAPE_SQUARE)
        layer.squeeze = 256 * 8; /* a bar across the image */
    layer.colour[0] = layer.colour[1] = draw_colour(stream);
    paint(canvas, &layer);
}

/* Light that changes across the image, then noise: the sum of two random bytes a value, nearly normal, of deviation
 * 104.5 * gain / 256. */
static void expose(const struct canvas *canvas, struct stream *stream, uint8_t *out)
{
    int angle = draw(stream, 0, 1023), level = draw(stream, 170, 290), slope = draw(stream, 0, 70);
    int gain = draw(stream, 8, 48);
    int c = cosine(angle) * slope >> 14, s = sine(angle) * slope >> 14;
    for (int p = 0; p < IMAGE_BYTES; p += 2) {
        uint32_t word = next_word(stream);
        for (int k = 0; k < 2; k++) {
            int pixel = (p + k) % IMAGE_PIXELS;
            int x = pixel % IMAGE_SIZE * 2 - 31, y = pixel / IMAGE_SIZE * 2 - 31;
            int light = level + (x * c + y * s) / 32;
            int noise = (int)(word >> (16 * k) & 255) + (int)(word >> (16 * k + 8) & 255) - 255;
            int value = (canvas->plane[(p + k) / IMAGE_PIXELS][pixel] * light + noise * gain) >> 8;
            out[p + k] = (uint8_t)clamp(value, 0, 255);
        }
    }
}

void synthetic_render(enum split split, int index, uint8_t *out)
{
    struct stream stream = {.split = split, .index = (uint32_t)index, .used = 4};
    struct canvas canvas;
    paint_background(&canvas, &stream);
    paint_clutter(&canvas, &stream);
    paint_object(&canvas, &stream, synthetic_label(index));
    paint_occluder(&canvas, &stream);
    expose(&canvas, &stream, out);
}

/* ---- The set ---- */

enum { LOCKS = 64, IMAGES = SYNTHETIC_TRAIN + SYNTHETIC_TEST };

struct synthetic {
    uint8_t *pixels; /* (IMAGES, 3, 32, 32), mapped */
    pthread_mutex_t locks[LOCKS];
    atomic_bool ready[IMAGES];
};

int synthetic_create(struct synthetic **out, struct error *error)
{
    struct synthetic *synthetic = calloc(1, sizeof *synthetic);
    if (!synthetic)
        return error_set(error, "no memory for the synthetic data set");
    void *pixels = mmap(NULL, (size_t)IMAGES * IMAGE_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pixels == MAP_FAILED) {
        error_set(error, "no memory for the synthetic data set (%d MB): %s", IMAGES / 1000 * IMAGE_BYTES / 1000,
                  strerror(errno));
        free(synthetic);
        return -1;
    }
    synthetic->pixels = pixels;
    for (int l = 0; l < LOCKS; l++)
        pthread_mutex_init(&synthetic->locks[l], NULL); /* cannot fail with default attributes on Linux */
    *out = synthetic;
    return 0;
}

void synthetic_destroy(struct synthetic *synthetic)
{
    if (!synthetic)
        return;
    for (int l = 0; l < LOCKS; l++)
        pthread_mutex_destroy(&synthetic->locks[l]);
    munmap(synthetic->pixels, (size_t)IMAGES * IMAGE_BYTES);
    free(synthetic);
}

const uint8_t *synthetic_image(struct synthetic *synthetic, enum split split, int index)
{
    size_t slot = (size_t)index + (split == SPLIT_TEST ? SYNTHETIC_TRAIN : 0);
    uint8_t *image = synthetic->pixels + slot * IMAGE_BYTES;
    if (atomic_load_explicit(&synthetic->ready[slot], memory_order_acquire))
        return image;
    pthread_mutex_t *lock = &synthetic->locks[slot % LOCKS];
    pthread_mutex_lock(lock);
    if (!atomic_load_explicit(&synthetic->ready[slot], memory_order_relaxed)) {
        synthetic_render(split, index, image);
        atomic_store_explicit(&synthetic->ready[slot], true, memory_order_release);
    }
    pthread_mutex_unlock(lock);
    return image;
}

int synthetic_label(int index)
{
    return index % SYNTHETIC_CLASSES;
}

const char *synthetic_class_name(int class_index)
{
    static const char *const names[SYNTHETIC_CLASSES] = {
        "striped_disc",   "checked_disc",     "striped_ring",     "checked_ring",  "striped_square",
        "checked_square", "striped_triangle", "checked_triangle", "striped_cross", "checked_cross"};
    return names[class_index];
}
