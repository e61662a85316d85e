/* The formulas by which an image's bytes become the network's input: by the training set's statistics, or by its own.
 */
#include "engine/augment.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* All values in use, and each channel with others at its places. */
static void make_image(uint8_t image[IMAGE_BYTES])
{
    for (int i = 0; i < IMAGE_BYTES; i++)
        image[i] = (uint8_t)(i * 37 + i / 1024 * 11 + i / 32 * 5);
}

static void test_normalisation_by_the_set_is_per_channel(void **state)
{
    (void)state;
    const struct channel_statistics statistics = {{0.5f, 0.4f, 0.3f}, {0.25f, 0.2f, 0.0f}};
    uint8_t image[IMAGE_BYTES];
    float out[IMAGE_BYTES];
    make_image(image);
    normalize_image(NORMALIZE_DATASET, &statistics, image, out);
    for (int p = 0; p < 1024; p++) {
        assert_float_equal(out[3 * p], (image[p] / 255. - 0.5) / 0.25, 1e-5);
        assert_float_equal(out[3 * p + 1], (image[1024 + p] / 255. - 0.4) / 0.2, 1e-5);
        assert_float_equal(out[3 * p + 2], 0, 0); /* no deviation */
    }
}

static void test_normalisation_by_the_image_is_over_all_its_values(void **state)
{
    (void)state;
    uint8_t image[IMAGE_BYTES];
    float out[IMAGE_BYTES];
    double mean = 0, variance = 0;
    make_image(image);
    for (int i = 0; i < IMAGE_BYTES; i++)
        mean += image[i] / 3072.;
    for (int i = 0; i < IMAGE_BYTES; i++)
        variance += (image[i] - mean) * (image[i] - mean) / 3072;
    normalize_image(NORMALIZE_IMAGE, NULL, image, out);
    for (int i = 0; i < IMAGE_BYTES; i++)
        assert_float_equal(out[i % 1024 * 3 + i / 1024], (image[i] - mean) / sqrt(variance), 1e-5);
    memset(image, 255, sizeof image);
    normalize_image(NORMALIZE_IMAGE, NULL, image, out);
    for (int i = 0; i < IMAGE_BYTES; i++)
        assert_float_equal(out[i], 0, 0); /* not NaN */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_normalisation_by_the_set_is_per_channel),
        cmocka_unit_test(test_normalisation_by_the_image_is_over_all_its_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
