/* The synthetic set: the same bytes on every machine, in every build and from any thread; ten classes of equal size;
 * images with contrast, whose colour alone tells little of the class. */
#include "engine/synthetic.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct dataset *open_set(void)
{
    struct dataset *dataset = NULL;
    struct error error = {""};
    if (dataset_open("synthetic", &dataset, &error))
        fail_msg("%s", error.message);
    return dataset;
}

/* FNV-1a, 64 bits. */
static uint64_t hash_image(uint64_t hash, const uint8_t *image)
{
    for (int i = 0; i < IMAGE_BYTES; i++)
        hash = (hash ^ image[i]) * 0x100000001b3u;
    return hash;
}

static void test_bytes_are_what_they_always_were(void **state)
{
    (void)state;
    static const int indices[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9999};
    uint64_t train = 0xcbf29ce484222325u, test = train;
    uint8_t image[IMAGE_BYTES];
    for (size_t i = 0; i < sizeof indices / sizeof indices[0]; i++) {
        synthetic_render(SPLIT_TRAIN, indices[i], image);
        train = hash_image(train, image);
        synthetic_render(SPLIT_TEST, indices[i], image);
        test = hash_image(test, image);
    }
    /* a change here makes every session on the synthetic set impossible to resume or replay */
    assert_int_equal(train, 0x991cb139b2b704d5u);
    assert_int_equal(test, 0xbbeccb4ccbc1d6b1u);
}

static void test_the_data_set_shows_the_rendered_images(void **state)
{
    (void)state;
    struct dataset *dataset = open_set();
    uint8_t image[IMAGE_BYTES];
    assert_string_equal(dataset_name(dataset), "synthetic");
    assert_string_equal(dataset_location(dataset), "built in");
    assert_int_equal(dataset_classes(dataset), 10);
    assert_int_equal(dataset_count(dataset, SPLIT_TRAIN), 50000);
    assert_int_equal(dataset_count(dataset, SPLIT_TEST), 10000);
    for (int split = SPLIT_TRAIN; split <= SPLIT_TEST; split++)
        for (int i = 0; i < dataset_count(dataset, split); i += 1111) {
            synthetic_render(split, i, image);
            assert_memory_equal(dataset_image(dataset, split, i), image, IMAGE_BYTES);
            assert_ptr_equal(dataset_image(dataset, split, i), dataset_image(dataset, split, i));
        }
    dataset_close(dataset);
}

static void test_classes_are_of_equal_size_and_have_names(void **state)
{
    (void)state;
    struct dataset *dataset = open_set();
    int count[10] = {0};
    for (int i = 0; i < 10000; i++)
        count[dataset_label(dataset, SPLIT_TEST, i)]++;
    for (int c = 0; c < 10; c++) {
        assert_int_equal(count[c], 1000);
        for (int other = 0; other < c; other++)
            assert_string_not_equal(dataset_class_name(dataset, c), dataset_class_name(dataset, other));
    }
    dataset_close(dataset);
}

static void test_no_image_comes_twice(void **state)
{
    (void)state;
    enum { COUNT = 300 };
    static uint64_t seen[2 * COUNT];
    uint8_t image[IMAGE_BYTES];
    for (int i = 0; i < 2 * COUNT; i++) {
        synthetic_render(i < COUNT ? SPLIT_TRAIN : SPLIT_TEST, i % COUNT, image);
        seen[i] = hash_image(0xcbf29ce484222325u, image);
        for (int other = 0; other < i; other++)
            assert_true(seen[i] != seen[other]);
    }
}

/* Pixels of one image vary, use the range, and are not mostly clipped. */
static void test_images_have_contrast_and_little_clipping(void **state)
{
    (void)state;
    int clipped = 0;
    uint8_t image[IMAGE_BYTES];
    for (int i = 0; i < 200; i++) {
        double sum = 0, squares = 0;
        synthetic_render(SPLIT_TRAIN, i, image);
        for (int p = 0; p < IMAGE_BYTES; p++) {
            sum += image[p];
            squares += image[p] * image[p];
            clipped += image[p] == 0 || image[p] == 255;
        }
        double mean = sum / IMAGE_BYTES;
        assert_true(squares / IMAGE_BYTES - mean * mean > 10 * 10);
    }
    assert_true(clipped < 200 * IMAGE_BYTES / 10);
}

/* Mean colour of an image's middle; its nearest class mean must be right more often than by chance, and far from
 * always: colour is a hint only. */
static void middle_colour(enum split split, int index, double colour[3])
{
    uint8_t image[IMAGE_BYTES];
    synthetic_render(split, index, image);
    for (int c = 0; c < 3; c++) {
        colour[c] = 0;
        for (int p = 0; p < 256; p++)
            colour[c] += image[c * 1024 + (8 + p / 16) * 32 + 8 + p % 16] / 256.;
    }
}

static void test_colour_alone_does_not_tell_the_class(void **state)
{
    (void)state;
    enum { TRAIN = 1000, TEST = 1000 };
    double mean[10][3] = {{0}}, colour[3];
    int correct = 0;
    for (int i = 0; i < TRAIN; i++) {
        middle_colour(SPLIT_TRAIN, i, colour);
        for (int c = 0; c < 3; c++)
            mean[synthetic_label(i)][c] += colour[c] / (TRAIN / 10);
    }
    for (int i = 0; i < TEST; i++) {
        int best = 0;
        double least = 1e9;
        middle_colour(SPLIT_TEST, i, colour);
        for (int k = 0; k < 10; k++) {
            double distance = 0;
            for (int c = 0; c < 3; c++)
                distance += (colour[c] - mean[k][c]) * (colour[c] - mean[k][c]);
            if (distance < least) {
                least = distance;
                best = k;
            }
        }
        correct += best == synthetic_label(i);
    }
    assert_in_range(correct, TEST * 12 / 100, TEST * 30 / 100);
}

enum { THREADS = 4, SHARED_IMAGES = 400 };

struct reader {
    const struct dataset *dataset;
    uint64_t hash;
};

static void *read_all(void *argument)
{
    struct reader *reader = argument;
    reader->hash = 0xcbf29ce484222325u;
    for (int i = 0; i < SHARED_IMAGES; i++)
        reader->hash = hash_image(reader->hash, dataset_image(reader->dataset, SPLIT_TRAIN, i));
    return NULL;
}

static void test_many_threads_may_ask_for_the_same_images_first(void **state)
{
    (void)state;
    struct dataset *dataset = open_set();
    pthread_t threads[THREADS];
    struct reader readers[THREADS];
    uint64_t expected = 0xcbf29ce484222325u;
    uint8_t image[IMAGE_BYTES];
    for (int t = 0; t < THREADS; t++) {
        readers[t].dataset = dataset;
        assert_int_equal(pthread_create(&threads[t], NULL, read_all, &readers[t]), 0);
    }
    for (int i = 0; i < SHARED_IMAGES; i++) {
        synthetic_render(SPLIT_TRAIN, i, image);
        expected = hash_image(expected, image);
    }
    for (int t = 0; t < THREADS; t++) {
        assert_int_equal(pthread_join(threads[t], NULL), 0);
        assert_true(readers[t].hash == expected);
    }
    dataset_close(dataset);
}

static void test_statistics_need_a_sample_only(void **state)
{
    (void)state;
    struct dataset *dataset = open_set();
    struct channel_statistics all = dataset_statistics(dataset, 50000), sample = dataset_statistics(dataset, 2000);
    for (int c = 0; c < 3; c++) {
        assert_float_equal(all.mean[c], sample.mean[c], 0);
        assert_float_equal(all.deviation[c], sample.deviation[c], 0);
        assert_true(all.mean[c] > 0.3 && all.mean[c] < 0.7);
        assert_true(all.deviation[c] > 0.1 && all.deviation[c] < 0.4);
    }
    dataset_close(dataset);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_are_what_they_always_were),
        cmocka_unit_test(test_the_data_set_shows_the_rendered_images),
        cmocka_unit_test(test_classes_are_of_equal_size_and_have_names),
        cmocka_unit_test(test_no_image_comes_twice),
        cmocka_unit_test(test_images_have_contrast_and_little_clipping),
        cmocka_unit_test(test_colour_alone_does_not_tell_the_class),
        cmocka_unit_test(test_many_threads_may_ask_for_the_same_images_first),
        cmocka_unit_test(test_statistics_need_a_sample_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
