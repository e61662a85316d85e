/* Corruptions: what each must do to an image, by its statistics or by a known answer; stronger severities change more;
 * where Python's PIL is, JPEG and pixelate are its own. */
#include "engine/corruption.h"

#include "kernels/augment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum { IMAGES = 24 };

static void corrupt(enum corruption_kind kind, int severity, uint32_t index, const uint8_t *image, uint8_t *out)
{
    struct corruption *corruption;
    struct error error = {""};
    assert_int_equal(corruption_create(kind, severity, &corruption, &error), 0);
    corruption_apply(corruption, index, image, out);
    corruption_destroy(corruption);
}

/* Edges, slopes and colours; no two alike. */
static void make_image(uint32_t number, uint8_t image[IMAGE_BYTES])
{
    const struct philox draw = philox_draw(5, PHILOX_SYNTHETIC, 0, number, 0);
    const double turn = philox_uniform(draw.word[0]) * 6.28, wave = 4 + 20 * philox_uniform(draw.word[1]);
    for (int c = 0; c < 3; c++)
        for (int p = 0; p < IMAGE_PIXELS; p++) {
            const double along = cos(turn) * (p % IMAGE_SIZE) + sin(turn) * (p / IMAGE_SIZE);
            const int edge = (p % IMAGE_SIZE > (int)(draw.word[2] % 32)) * 60;
            image[c * IMAGE_PIXELS + p] = (uint8_t)lrint(90 + 60 * sin(6.28 * along / wave + c) + edge);
        }
}

static void fill_image(uint8_t image[IMAGE_BYTES], int value)
{
    memset(image, value, IMAGE_BYTES);
}

static double square_distance(const uint8_t *a, const uint8_t *b)
{
    double sum = 0;
    for (int i = 0; i < IMAGE_BYTES; i++)
        sum += (a[i] - b[i]) * (double)(a[i] - b[i]);
    return sum / IMAGE_BYTES;
}

static void stronger_severities_change_more(void **state)
{
    (void)state;
    for (int kind = 0; kind < CORRUPTION_KINDS; kind++) {
        double before = 0;
        for (int severity = 1; severity <= CORRUPTION_SEVERITIES; severity++) {
            double distance = 0;
            for (uint32_t i = 0; i < IMAGES; i++) {
                uint8_t image[IMAGE_BYTES], out[IMAGE_BYTES];
                make_image(i, image);
                corrupt((enum corruption_kind)kind, severity, i, image, out);
                distance += square_distance(image, out) / IMAGES;
            }
            if (distance <= before)
                fail_msg("%s %d: distance %g, %g before", corruption_name((enum corruption_kind)kind), severity,
                         distance, before);
            before = distance;
        }
    }
}

/* The same image always comes out the same; the noise of another is another. */
static void noise_is_of_the_image(void **state)
{
    (void)state;
    uint8_t image[IMAGE_BYTES], one[IMAGE_BYTES], same[IMAGE_BYTES], other[IMAGE_BYTES];
    make_image(0, image);
    for (int kind = 0; kind < CORRUPTION_KINDS; kind++) {
        corrupt((enum corruption_kind)kind, 3, 7, image, one);
        corrupt((enum corruption_kind)kind, 3, 7, image, same);
        corrupt((enum corruption_kind)kind, 3, 8, image, other);
        assert_memory_equal(one, same, sizeof one);
        assert_int_equal(memcmp(one, other, sizeof one) != 0, kind <= CORRUPTION_IMPULSE_NOISE);
    }
}

struct moments {
    double mean, variance;
};

/* Of IMAGES corrupted images that are all of one value. */
static struct moments moments_of(enum corruption_kind kind, int severity, int value)
{
    double sum = 0, squares = 0;
    const double n = (double)IMAGES * IMAGE_BYTES;
    for (uint32_t i = 0; i < IMAGES; i++) {
        uint8_t image[IMAGE_BYTES], out[IMAGE_BYTES];
        fill_image(image, value);
        corrupt(kind, severity, i, image, out);
        for (int p = 0; p < IMAGE_BYTES; p++) {
            sum += out[p];
            squares += out[p] * (double)out[p];
        }
    }
    return (struct moments){sum / n, squares / n - sum / n * (sum / n)};
}

/* Within five deviations of a mean and a variance of so many values. */
static void assert_moments(struct moments found, double mean, double variance)
{
    const double n = (double)IMAGES * IMAGE_BYTES;
    if (fabs(found.mean - mean) > 5 * sqrt(variance / n) ||
        fabs(found.variance - variance) > 5 * variance * sqrt(2 / n))
        fail_msg("mean %g, variance %g, expected %g and %g", found.mean, found.variance, mean, variance);
}

static void gaussian_noise_has_its_deviation(void **state)
{
    (void)state;
    static const double deviations[] = {0.04, 0.06, 0.08, 0.09, 0.1};
    for (int s = 1; s <= CORRUPTION_SEVERITIES; s++) {
        const double deviation = 255 * deviations[s - 1];
        assert_moments(moments_of(CORRUPTION_GAUSSIAN_NOISE, s, 128), 128, deviation * deviation + 1 / 12.0);
    }
}

static void shot_noise_counts_photons(void **state)
{
    (void)state;
    static const int photons[] = {500, 250, 100, 75, 50};
    for (int s = 1; s <= CORRUPTION_SEVERITIES; s++) {
        assert_moments(moments_of(CORRUPTION_SHOT_NOISE, s, 100), 100, 255 * 100.0 / photons[s - 1]);
        const struct moments dark = moments_of(CORRUPTION_SHOT_NOISE, s, 10); /* where rounding shows, too */
        assert_float_equal(dark.mean, 10, 0.2);
        assert_float_equal(dark.variance, 255 * 10.0 / photons[s - 1], 0.05 * 255 * 10 / photons[s - 1]);
        assert_true(moments_of(CORRUPTION_SHOT_NOISE, s, 0).mean == 0);
    }
}

static void impulse_noise_is_salt_and_pepper(void **state)
{
    (void)state;
    static const double amounts[] = {0.01, 0.02, 0.03, 0.05, 0.07};
    for (int s = 1; s <= CORRUPTION_SEVERITIES; s++) {
        long salt = 0, pepper = 0;
        for (uint32_t i = 0; i < IMAGES; i++) {
            uint8_t image[IMAGE_BYTES], out[IMAGE_BYTES];
            fill_image(image, 77);
            corrupt(CORRUPTION_IMPULSE_NOISE, s, i, image, out);
            for (int p = 0; p < IMAGE_BYTES; p++) {
                salt += out[p] == 255;
                pepper += out[p] == 0;
                assert_true(out[p] == 77 || out[p] == 0 || out[p] == 255);
            }
        }
        const double expected = amounts[s - 1] * IMAGES * IMAGE_BYTES / 2;
        assert_true(fabs(salt - expected) < 5 * sqrt(expected));
        assert_true(fabs(pepper - expected) < 5 * sqrt(expected));
    }
}

static void a_point_out_of_focus_is_a_disc(void **state)
{
    (void)state;
    enum { X = 10, Y = 20 };
    uint8_t image[IMAGE_BYTES], out[IMAGE_BYTES];
    fill_image(image, 0);
    image[Y * IMAGE_SIZE + X] = 255;
    corrupt(CORRUPTION_DEFOCUS_BLUR, 4, 0, image, out); /* five pixels */
    for (int p = 0; p < IMAGE_BYTES; p++) {
        const int distance = abs(p / IMAGE_SIZE - Y) + abs(p % IMAGE_SIZE - X);
        assert_int_equal(out[p], distance <= 1 ? 51 : 0);
    }
    corrupt(CORRUPTION_DEFOCUS_BLUR, 5, 0, image, out); /* nine */
    for (int y = Y - 1; y <= Y + 1; y++)
        for (int x = X - 1; x <= X + 1; x++)
            assert_int_equal(out[y * IMAGE_SIZE + x], 28);
    corrupt(CORRUPTION_DEFOCUS_BLUR, 1, 0, image, out); /* one, smoothed: exp(-1 / 0.32) beside it */
    const double side = exp(-1 / 0.32), whole = 1 + 2 * side;
    assert_int_equal(out[Y * IMAGE_SIZE + X], lrint(255 / (whole * whole)));
    assert_int_equal(out[Y * IMAGE_SIZE + X + 1], lrint(255 * side / (whole * whole)));
    fill_image(image, 200); /* the borders lose nothing */
    corrupt(CORRUPTION_DEFOCUS_BLUR, 5, 0, image, out);
    assert_memory_equal(out, image, sizeof image);
}

static void set_pixel(uint8_t *image, int pixel, int red, int green, int blue)
{
    image[pixel] = (uint8_t)red;
    image[IMAGE_PIXELS + pixel] = (uint8_t)green;
    image[2 * IMAGE_PIXELS + pixel] = (uint8_t)blue;
}

static void assert_pixel(const uint8_t *image, int pixel, int red, int green, int blue)
{
    assert_int_equal(image[pixel], red);
    assert_int_equal(image[IMAGE_PIXELS + pixel], green);
    assert_int_equal(image[2 * IMAGE_PIXELS + pixel], blue);
}

static void brightness_keeps_the_hue(void **state)
{
    (void)state;
    uint8_t image[IMAGE_BYTES], out[IMAGE_BYTES];
    fill_image(image, 0);
    set_pixel(image, 1, 100, 60, 0);
    set_pixel(image, 2, 0, 100, 230);
    set_pixel(image, 3, 255, 255, 255);
    corrupt(CORRUPTION_BRIGHTNESS, 4, 0, image, out); /* 51 more */
    assert_pixel(out, 0, 51, 51, 51);
    assert_pixel(out, 1, 151, 91, 0);
    assert_pixel(out, 2, 0, 111, 255);
    assert_pixel(out, 3, 255, 255, 255);
}

static void contrast_is_about_the_mean(void **state)
{
    (void)state;
    uint8_t image[IMAGE_BYTES], out[IMAGE_BYTES];
    for (int p = 0; p < IMAGE_PIXELS; p++)
        set_pixel(image, p, p % 2 ? 140 : 60, p % 2 ? 255 : 1, 9);
    corrupt(CORRUPTION_CONTRAST, 2, 0, image, out);
    assert_pixel(out, 0, 80, 64, 9); /* half: 128 - 63.5, to the even one */
    assert_pixel(out, 1, 120, 192, 9);
    corrupt(CORRUPTION_CONTRAST, 5, 0, image, out);
    assert_pixel(out, 1, 106, 147, 9);
}

/* Pixels of 32 / 20: those that the small image's pixels came of. */
static void pixelate_makes_pixels_larger(void **state)
{
    (void)state;
    uint8_t image[IMAGE_BYTES], out[IMAGE_BYTES];
    for (int p = 0; p < IMAGE_BYTES; p++)
        image[p] = (uint8_t)(8 * (p % IMAGE_SIZE));
    corrupt(CORRUPTION_PIXELATE, 5, 0, image, out);
    for (int y = 0; y < IMAGE_SIZE; y++) {
        int values = 1;
        for (int x = 1; x < IMAGE_SIZE; x++)
            values += out[y * IMAGE_SIZE + x] != out[y * IMAGE_SIZE + x - 1];
        assert_int_equal(values, 20);
        assert_memory_equal(out + y * IMAGE_SIZE, out, IMAGE_SIZE);
    }
}

/* Flat blocks are kept to half a step of their mean; a coefficient smaller than half its step goes. */
static void jpeg_quantizes_blocks(void **state)
{
    (void)state;
    uint8_t image[IMAGE_BYTES], out[IMAGE_BYTES];
    for (int quality = 20; quality <= 100; quality += 20)
        for (int value = 0; value < 256; value += 15) {
            const int percent = quality < 50 ? 5000 / quality : 200 - 2 * quality;
            const double step = fmax(1, (16 * percent + 50) / 100) / 8.0; /* of a block's mean */
            fill_image(image, value);
            jpeg_degrade(quality, image, out);
            assert_true(abs(out[0] - value) <= step / 2 + 0.5);
            for (int p = 0; p < IMAGE_BYTES; p++)
                assert_int_equal(out[p], out[0]);
        }
    for (int p = 0; p < IMAGE_BYTES; p++) /* the highest frequency, of which 49 * 8 / 64 * 2 is half a step at most */
        image[p] = (uint8_t)(128 + ((p + p / IMAGE_SIZE) % 2 ? 3 : -3));
    jpeg_degrade(50, image, out);
    for (int p = 0; p < IMAGE_BYTES; p++)
        assert_int_equal(out[p], 128);
    jpeg_degrade(100, image, out);
    assert_true(square_distance(image, out) < 1);
}

/* Writes images and what became of them for tests/engine/pil_corruptions.py, which compares. */
static void pil_makes_the_same(void **state)
{
    (void)state;
    static const enum corruption_kind kinds[] = {CORRUPTION_JPEG, CORRUPTION_PIXELATE};
    const char *python = getenv("PYTHON"), *folder = getenv("TMPDIR");
    char path[512], command[1200];
    snprintf(path, sizeof path, "%s/nfbench-corrupted-XXXXXX", folder ? folder : "/tmp");
    const int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    FILE *file = fdopen(descriptor, "wb");
    assert_non_null(file);
    for (int k = 0; k < 2; k++)
        for (int severity = 1; severity <= CORRUPTION_SEVERITIES; severity++)
            for (uint32_t i = 0; i < IMAGES; i++) {
                uint8_t images[2][IMAGE_BYTES];
                make_image(i, images[0]);
                corrupt(kinds[k], severity, i, images[0], images[1]);
                assert_int_equal(fwrite(images, sizeof images, 1, file), 1);
            }
    assert_int_equal(fclose(file), 0);
    snprintf(command, sizeof command, "exec %s tests/engine/pil_corruptions.py %s %d", python ? python : "python3",
             path, IMAGES);
    const int status = system(command);
    remove(path);
    if (WIFEXITED(status) && (WEXITSTATUS(status) == 77 || WEXITSTATUS(status) == 127))
        skip();
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stronger_severities_change_more),
        cmocka_unit_test(noise_is_of_the_image),
        cmocka_unit_test(gaussian_noise_has_its_deviation),
        cmocka_unit_test(shot_noise_counts_photons),
        cmocka_unit_test(impulse_noise_is_salt_and_pepper),
        cmocka_unit_test(a_point_out_of_focus_is_a_disc),
        cmocka_unit_test(brightness_keeps_the_hue),
        cmocka_unit_test(contrast_is_about_the_mean),
        cmocka_unit_test(pixelate_makes_pixels_larger),
        cmocka_unit_test(jpeg_quantizes_blocks),
        cmocka_unit_test(pil_makes_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
