/* Batches of images made on the device against the engine's own, to the bit: every kind of augmentation and both
 * normalisations, over epochs in which each change is drawn. */
#include "engine/mix.h"
#include "tests/cuda/twins.h"
#include "tests/cuda_emulation/emulation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { COUNT = 40, BATCH = 7, FIRST_INDEX = 45000, IMAGES_AT_ONCE = 9, SEED = 21 };

static const struct channel_statistics statistics = {{0.4914f, 0.4822f, 0.4465f}, {0.247f, 0.2435f, 0.0f}};

/* Noise over a gradient; image 3 is all white, image 4 black: no deviation. */
static void make_pixels(uint8_t *pixels)
{
    for (uint32_t i = 0; i < COUNT; i++)
        for (uint32_t p = 0; p < IMAGE_BYTES; p++) {
            const struct philox drawn = philox_draw(3, PHILOX_SYNTHETIC, 0, i * IMAGE_BYTES + p, 0);
            const uint32_t value = drawn.word[0] >> 25;
            pixels[i * IMAGE_BYTES + p] = (uint8_t)(i == 3 ? 255 : i == 4 ? 0 : value + p % 128);
        }
}

/* The data set in the device's memory, and room for a batch. */
struct data {
    struct pool pool;
    uint8_t pixels[COUNT * IMAGE_BYTES], labels[COUNT];
    uint32_t order[COUNT];
    struct image_source source;
    struct step_values *values;
    float *images;
    uint8_t *image_labels, *partner_labels;
};

static void make_data(struct data *data, struct backend *backend)
{
    struct pool *pool = &data->pool;
    pool_open(pool, backend, 1 << 20);
    make_pixels(data->pixels);
    for (uint32_t i = 0; i < COUNT; i++) {
        data->labels[i] = (uint8_t)(i * 7 % 100);
        data->order[i] = i * 11 % COUNT;
    }
    data->source = (struct image_source){.pixels = pool_add(pool, data->pixels, sizeof data->pixels),
                                         .labels = pool_add(pool, data->labels, sizeof data->labels),
                                         .order = pool_add(pool, data->order, sizeof data->order),
                                         .count = COUNT,
                                         .first_index = FIRST_INDEX,
                                         .seed = (uint64_t)SEED << 33};
    normalize_by_set(&statistics, data->source.mean, data->source.scale);
    data->values = pool_add(pool, NULL, sizeof *data->values);
    data->image_labels = pool_add(pool, NULL, IMAGES_AT_ONCE);
    data->partner_labels = pool_add(pool, NULL, IMAGES_AT_ONCE);
    data->images = pool_add(pool, NULL, IMAGES_AT_ONCE * IMAGE_BYTES * sizeof *data->images);
}

static void mirror_image(uint8_t *bytes)
{
    for (uint8_t *row = bytes; row < bytes + IMAGE_BYTES; row += IMAGE_SIZE)
        for (int x = 0; x < IMAGE_SIZE / 2; x++) {
            const uint8_t left = row[x];
            row[x] = row[IMAGE_SIZE - 1 - x];
            row[IMAGE_SIZE - 1 - x] = left;
        }
}

/* Images [start, start + n) of the source's order as the engine makes them. */
static void expect_images(struct data *data, enum dtype dtype, uint32_t start, uint32_t epoch, uint32_t n)
{
    const struct image_source *source = &data->source;
    const void *images = pool_copy(&data->pool, data->images);
    const uint8_t *labels = pool_copy(&data->pool, data->image_labels);
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t number = source->order ? data->order[start + i] : start + i;
        uint8_t bytes[IMAGE_BYTES];
        float expected[IMAGE_BYTES];
        augment_image(&source->augment, data->pixels + number * IMAGE_BYTES, source->seed, epoch, FIRST_INDEX + number,
                      bytes, NULL);
        if (source->mirror)
            mirror_image(bytes);
        normalize_image(source->normalize, &statistics, bytes, expected);
        assert_int_equal(labels[i], data->labels[number]);
        for (uint32_t p = 0; p < IMAGE_BYTES; p++) {
            const float got = stored_value(dtype, images, i * IMAGE_BYTES + p);
            if ((double)got != round_to(dtype, (double)expected[p]))
                fail_msg("kind %d, epoch %u, image %u, value %u: %.9g, expected %.9g", (int)source->augment.kind, epoch,
                         number, p, (double)got, (double)expected[p]);
        }
    }
}

/* One batch; `values` may be NULL. What lies behind it must stay NaN. */
static void check_batch(struct data *data, enum dtype dtype, const struct step_values *values, uint32_t n)
{
    struct backend *backend = data->pool.backend;
    struct error error = {""};
    uint8_t *images = pool_copy(&data->pool, data->images), *labels = pool_copy(&data->pool, data->image_labels);
    const size_t all = IMAGES_AT_ONCE * IMAGE_BYTES * sizeof(float), used = n * IMAGE_BYTES * dtype_size(dtype);
    memset(images, 0xFF, all);
    memset(labels, 0xFF, IMAGES_AT_ONCE);
    if (values)
        memcpy(pool_copy(&data->pool, data->values), values, sizeof *values);
    pool_upload(&data->pool);
    if (backend->load_batch(backend, &data->source, values ? data->values : NULL, dtype, data->images,
                            data->image_labels, NULL, (int)n, &error))
        fail_msg("%s", error.message);
    pool_download(&data->pool);
    expect_images(data, dtype, values ? values->start : 0, values ? values->epoch : 0, n);
    for (size_t i = used; i < all; i++)
        assert_int_equal(images[i], 0xFF);
    for (size_t i = n; i < IMAGES_AT_ONCE; i++)
        assert_int_equal(labels[i], 0xFF);
}

/* Which changes the images [0, COUNT) see in some epochs. */
static void expect_drawn(const struct image_source *source, uint32_t epochs)
{
    struct augmentation seen = {0};
    for (uint32_t epoch = 0; epoch < epochs; epoch++)
        for (uint32_t i = 0; i < COUNT; i++) {
            const struct augmentation what = augment_draw(&source->augment, source->seed, epoch, FIRST_INDEX + i);
            seen.flip |= what.flip;
            seen.blur |= what.blur;
            seen.noise |= what.noise;
            seen.rotation |= what.rotation != 0;
            seen.cutout_size |= what.cutout_size;
        }
    assert_true(seen.flip || source->augment.kind == AUGMENT_NONE);
    assert_true(seen.blur == (source->augment.kind == AUGMENT_REPORT));
    assert_true(seen.noise == (source->augment.kind == AUGMENT_REPORT_TEXT));
    assert_true(seen.rotation ==
                (source->augment.kind == AUGMENT_REPORT || source->augment.kind == AUGMENT_REPORT_TEXT));
    assert_true((seen.cutout_size > 0) == (source->augment.kind == AUGMENT_STANDARD));
}

static void check_options(const struct twins *twins, const struct augment_options *options)
{
    static struct data data;
    make_data(&data, twins->cuda);
    data.source.augment = *options;
    const uint32_t epochs = options->kind == AUGMENT_NONE ? 1 : 4;
    expect_drawn(&data.source, epochs);
    for (uint32_t epoch = 0; epoch < epochs; epoch++)
        for (uint32_t start = 0; start + BATCH <= COUNT; start += BATCH) {
            const struct step_values values = {.epoch = epoch, .start = start};
            emulation_set_order((enum emulation_order)(start % EMULATION_ORDERS), start);
            data.source.normalize = start % 2 ? NORMALIZE_IMAGE : NORMALIZE_DATASET;
            check_batch(&data, epoch % 2 ? DTYPE_BF16 : DTYPE_FP32, &values, BATCH);
        }
    emulation_set_order(EMULATION_ASCENDING, 0);
    pool_close(&data.pool);
}

static void check_kind(const struct twins *twins, enum augment_kind kind)
{
    check_options(twins, &(struct augment_options)AUGMENT_USUAL(kind));
}

static void none_is_the_image_itself(void **state)
{
    check_kind(*state, AUGMENT_NONE);
}

static void mirrored_it_is_mirrored_behind_all_else(void **state)
{
    const struct twins *twins = *state;
    static struct data data;
    make_data(&data, twins->cuda);
    data.source.mirror = true;
    check_batch(&data, DTYPE_FP32, &(struct step_values){.start = 3}, IMAGES_AT_ONCE);
    data.source.normalize = NORMALIZE_IMAGE;
    data.source.augment = (struct augment_options)AUGMENT_USUAL(AUGMENT_STANDARD);
    check_batch(&data, DTYPE_BF16, &(struct step_values){.epoch = 9}, BATCH);
    pool_close(&data.pool);
}

static void report_is_the_engines(void **state)
{
    check_kind(*state, AUGMENT_REPORT);
}

static void report_text_is_the_engines(void **state)
{
    check_kind(*state, AUGMENT_REPORT_TEXT);
}

static void standard_is_the_engines(void **state)
{
    check_kind(*state, AUGMENT_STANDARD);
}

static void standard_of_other_options_is_the_engines(void **state)
{
    check_options(*state, &(struct augment_options){AUGMENT_STANDARD, FLIP_RANDOM, AUGMENT_MOST_CROP, 13, 0});
    check_options(*state, &(struct augment_options){AUGMENT_STANDARD, FLIP_ALTERNATING, 0, IMAGE_SIZE, 2});
}

static void without_order_and_values_it_is_the_first_images(void **state)
{
    const struct twins *twins = *state;
    static struct data data;
    make_data(&data, twins->cuda);
    data.source.order = NULL;
    data.source.normalize = NORMALIZE_IMAGE; /* of images without deviation too */
    check_batch(&data, DTYPE_FP32, NULL, IMAGES_AT_ONCE);
    data.source.normalize = NORMALIZE_DATASET;
    check_batch(&data, DTYPE_BF16, &(struct step_values){.start = COUNT - 1}, 1);
    pool_close(&data.pool);
}

/* ---- Mixed batches ---- */

/* The image at a place of the order as the engine augments it; returns its number. */
static uint32_t engine_image(const struct data *data, const struct step_values *values, uint32_t place, uint8_t *bytes)
{
    const struct image_source *source = &data->source;
    const uint32_t number = data->order[place];
    augment_image(&source->augment, data->pixels + number * IMAGE_BYTES, source->seed, values->epoch,
                  FIRST_INDEX + number, bytes, NULL);
    return number;
}

/* Images [values->start, + n) of a batch, which may have others before and behind them. */
static void check_mixed(struct data *data, enum dtype dtype, const struct step_values *values, uint32_t n)
{
    struct backend *backend = data->pool.backend;
    struct error error = {""};
    memcpy(pool_copy(&data->pool, data->values), values, sizeof *values);
    pool_upload(&data->pool);
    if (backend->load_batch(backend, &data->source, data->values, dtype, data->images, data->image_labels,
                            data->partner_labels, (int)n, &error))
        fail_msg("%s", error.message);
    pool_download(&data->pool);
    const void *images = pool_copy(&data->pool, data->images);
    const uint8_t *labels = pool_copy(&data->pool, data->image_labels);
    const uint8_t *partners = pool_copy(&data->pool, data->partner_labels);
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t place = values->start + i;
        uint8_t own[IMAGE_BYTES], other[IMAGE_BYTES];
        float expected[IMAGE_BYTES];
        assert_int_equal(labels[i], data->labels[engine_image(data, values, place, own)]);
        assert_int_equal(partners[i], data->labels[engine_image(data, values, values->ends - place, other)]);
        mix_normalize(data->source.normalize, &statistics, &values->mix, own, other, expected);
        for (uint32_t p = 0; p < IMAGE_BYTES; p++)
            if ((double)stored_value(dtype, images, i * IMAGE_BYTES + p) != round_to(dtype, (double)expected[p]))
                fail_msg("place %u, value %u: %.9g, expected %.9g", place, p,
                         (double)stored_value(dtype, images, i * IMAGE_BYTES + p), (double)expected[p]);
    }
}

static void mixed_images_are_the_engines(void **state)
{
    const struct twins *twins = *state;
    static struct data data;
    static const struct mix_options options[] = {{.mixup = 1}, {.cutmix = 1}};
    enum { WHOLE = 12, PART = 5 }; /* of the batch: what a chunk or a process of several takes of it */
    make_data(&data, twins->cuda);
    for (uint32_t i = 0; i < 16; i++) {
        data.source.augment = (struct augment_options)AUGMENT_USUAL((enum augment_kind)(i / 4));
        data.source.normalize = i & 1 ? NORMALIZE_IMAGE : NORMALIZE_DATASET;
        const struct step_values values = {
            .epoch = 9, .start = i + 3, .ends = 2 * i + WHOLE - 1, .mix = mix_draw(&options[i / 2 % 2], SEED, 9, i)};
        emulation_set_order((enum emulation_order)(i % EMULATION_ORDERS), i);
        check_mixed(&data, i & 4 ? DTYPE_BF16 : DTYPE_FP32, &values, PART);
    }
    emulation_set_order(EMULATION_ASCENDING, 0);
    pool_close(&data.pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(none_is_the_image_itself),
        cmocka_unit_test(mirrored_it_is_mirrored_behind_all_else),
        cmocka_unit_test(report_is_the_engines),
        cmocka_unit_test(report_text_is_the_engines),
        cmocka_unit_test(standard_is_the_engines),
        cmocka_unit_test(standard_of_other_options_is_the_engines),
        cmocka_unit_test(without_order_and_values_it_is_the_first_images),
        cmocka_unit_test(mixed_images_are_the_engines),
    };
    return cmocka_run_group_tests(tests, twins_open, twins_close);
}
