/* Each augmentation against a plain re-computation of its definition from what it says it did, how often each case is
 * drawn, and what is said of it. */
#include "engine/augment.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SEED = 7, EPOCH = 11 };

static const struct augment_options none = AUGMENT_USUAL(AUGMENT_NONE), report = AUGMENT_USUAL(AUGMENT_REPORT),
                                    report_text = AUGMENT_USUAL(AUGMENT_REPORT_TEXT),
                                    standard = AUGMENT_USUAL(AUGMENT_STANDARD);

/* A photograph's stand-in: smooth, with an edge, all values in use, no symmetry. */
static void make_image(uint8_t image[IMAGE_BYTES])
{
    for (int c = 0; c < 3; c++)
        for (int y = 0; y < 32; y++)
            for (int x = 0; x < 32; x++) {
                double value = 128 + 90 * sin(0.3 * x + c) * cos(0.21 * y - c) + (3 * x > 40 + y ? 30 : -30);
                image[c * 1024 + y * 32 + x] = (uint8_t)fmin(fmax(value, 0), 255);
            }
}

static double at(const double *plane, int x, int y)
{
    return x >= 0 && x < 32 && y >= 0 && y < 32 ? plane[y * 32 + x] : 0;
}

/* Index of a padded position: mirrored without the edge (c b | a b c), or -1 for zero. */
static int padded(int i, bool mirror)
{
    if (i >= 0 && i < 32)
        return i;
    return !mirror ? -1 : i < 0 ? -i : 62 - i;
}

static void expect_crop(const uint8_t *in, int shift_x, int shift_y, bool mirror, double out[3][1024])
{
    for (int c = 0; c < 3; c++)
        for (int y = 0; y < 32; y++)
            for (int x = 0; x < 32; x++) {
                int sx = padded(x + shift_x, mirror), sy = padded(y + shift_y, mirror);
                out[c][y * 32 + x] = sx < 0 || sy < 0 ? 0 : in[c * 1024 + sy * 32 + sx];
            }
}

static void expect_flip(double image[3][1024])
{
    for (int c = 0; c < 3; c++)
        for (int y = 0; y < 32; y++)
            for (int x = 0; x < 16; x++) {
                double swap = image[c][y * 32 + x];
                image[c][y * 32 + x] = image[c][y * 32 + 31 - x];
                image[c][y * 32 + 31 - x] = swap;
            }
}

/* Half-sample mirror, d c b a | a b c d. */
static int mirrored(int i)
{
    return i < 0 ? -1 - i : i > 31 ? 63 - i : i;
}

static void expect_blur(double image[3][1024])
{
    double weight[9], sum = 0, copy[1024];
    for (int k = 0; k < 9; k++)
        sum += weight[k] = exp(-0.5 * (k - 4) * (k - 4));
    for (int c = 0; c < 3; c++)
        for (int vertical = 0; vertical < 2; vertical++) {
            memcpy(copy, image[c], sizeof copy);
            for (int y = 0; y < 32; y++)
                for (int x = 0; x < 32; x++) {
                    double total = 0;
                    for (int k = 0; k < 9; k++)
                        total += weight[k] / sum *
                                 (vertical ? copy[mirrored(y + k - 4) * 32 + x] : copy[y * 32 + mirrored(x + k - 4)]);
                    image[c][y * 32 + x] = total;
                }
        }
}

static void expect_rotation(double image[3][1024], double degrees)
{
    double copy[1024], angle = degrees * acos(-1) / 180;
    for (int c = 0; c < 3; c++) {
        memcpy(copy, image[c], sizeof copy);
        for (int y = 0; y < 32; y++)
            for (int x = 0; x < 32; x++) {
                /* the point that a counter-clockwise turn (rows go down) brings here */
                double sx = 15.5 + (x - 15.5) * cos(angle) - (y - 15.5) * sin(angle);
                double sy = 15.5 + (x - 15.5) * sin(angle) + (y - 15.5) * cos(angle);
                int left = (int)floor(sx), top = (int)floor(sy);
                double fx = sx - left, fy = sy - top;
                image[c][y * 32 + x] = (1 - fy) * ((1 - fx) * at(copy, left, top) + fx * at(copy, left + 1, top)) +
                                       fy * ((1 - fx) * at(copy, left, top + 1) + fx * at(copy, left + 1, top + 1));
            }
    }
}

static void expect_cutout(double image[3][1024], const struct augmentation *what)
{
    for (int c = 0; c < 3; c++)
        for (int y = 0; y < 32; y++)
            for (int x = 0; x < 32; x++) {
                int dx = x - what->cutout_x + what->cutout_size / 2, dy = y - what->cutout_y + what->cutout_size / 2;
                if (dx >= 0 && dx < what->cutout_size && dy >= 0 && dy < what->cutout_size)
                    image[c][y * 32 + x] = 120;
            }
}

static void assert_close(const uint8_t *got, double expected[3][1024], double tolerance)
{
    for (int i = 0; i < IMAGE_BYTES; i++)
        if (fabs(got[i] - expected[i / 1024][i % 1024]) > tolerance)
            fail_msg("channel %d, row %d, column %d: %d, expected %.3f", i / 1024, i / 32 % 32, i % 32, got[i],
                     expected[i / 1024][i % 1024]);
}

/* How often each thing was done in the images [0, count). */
struct tally {
    int nothing, flip, blur, noise, rotation, cutout;
    int shift_x[2 * AUGMENT_MOST_CROP + 1], shift_y[2 * AUGMENT_MOST_CROP + 1], degrees[30];
};

static void count_one(struct tally *tally, const struct augmentation *what)
{
    tally->flip += what->flip;
    tally->blur += what->blur;
    tally->noise += what->noise;
    tally->rotation += what->rotation != 0;
    tally->cutout += what->cutout_size > 0;
    tally->nothing += !what->flip && !what->blur && !what->noise && !what->rotation && !what->cutout_size;
    tally->shift_x[what->shift_x + AUGMENT_MOST_CROP]++;
    tally->shift_y[what->shift_y + AUGMENT_MOST_CROP]++;
    tally->degrees[what->rotation + 15]++;
}

/* Does `count` images and holds each against its definition. */
static struct tally check_images(const struct augment_options *options, int count)
{
    struct tally tally = {0};
    uint8_t image[IMAGE_BYTES], out[IMAGE_BYTES];
    double expected[3][1024];
    make_image(image);
    for (int i = 0; i < count; i++) {
        struct augmentation what;
        memset(&what, 0x55, sizeof what);
        augment_image(options, image, SEED, EPOCH, (uint32_t)i, out, &what);
        count_one(&tally, &what);
        expect_crop(image, what.shift_x, what.shift_y, options->kind == AUGMENT_STANDARD, expected);
        if (what.flip)
            expect_flip(expected);
        if (what.blur)
            expect_blur(expected);
        if (what.rotation)
            expect_rotation(expected, what.rotation);
        if (what.cutout_size)
            expect_cutout(expected, &what);
        if (!what.noise) /* the noise has a test of its own */
            assert_close(out, expected, what.blur || what.rotation ? 1.6 : 0);
    }
    return tally;
}

/* `seen` of `count` is within five standard deviations of a binomial draw. */
static void assert_share(int seen, int count, double share)
{
    double deviation = sqrt(count * share * (1 - share));
    if (fabs(seen - count * share) > 5 * deviation)
        fail_msg("%d of %d, expected %.1f", seen, count, count * share);
}

static void test_report_follows_its_code(void **state)
{
    (void)state;
    enum { COUNT = 3600 };
    struct tally tally = check_images(&report, COUNT);
    assert_share(tally.nothing, COUNT, 4 / 9. + 2 / 9. / 30); /* an angle of 0 is nothing too */
    assert_share(tally.blur, COUNT, 2 / 9.);
    assert_share(tally.rotation, COUNT, 2 / 9. * 29 / 30);
    assert_share(tally.flip, COUNT, 1 / 9.);
    assert_int_equal(tally.noise, 0);
    assert_int_equal(tally.cutout, 0);
    assert_int_equal(tally.nothing + tally.blur + tally.rotation + tally.flip, COUNT); /* one change at most */
    for (int s = -4; s <= 4; s++) {
        assert_share(tally.shift_x[AUGMENT_MOST_CROP + s], COUNT, 1 / 9.);
        assert_share(tally.shift_y[AUGMENT_MOST_CROP + s], COUNT, 1 / 9.);
    }
    for (int d = 0; d < 30; d++)
        assert_true(tally.degrees[d] > 0);
}

static void test_report_text_follows_its_text(void **state)
{
    (void)state;
    enum { COUNT = 3000 };
    struct tally tally = check_images(&report_text, COUNT);
    assert_share(tally.nothing, COUNT, 0.4 + 0.2 / 30);
    assert_share(tally.noise, COUNT, 0.2);
    assert_share(tally.rotation, COUNT, 0.2 * 29 / 30);
    assert_share(tally.flip, COUNT, 0.2);
    assert_int_equal(tally.nothing + tally.noise + tally.rotation + tally.flip, COUNT);
    assert_int_equal(tally.shift_x[AUGMENT_MOST_CROP], COUNT); /* no crop */
    assert_int_equal(tally.shift_y[AUGMENT_MOST_CROP], COUNT);
}

/* Each shift is the sum of two draws: of (pad + 1)^2 there are pad + 1 - |shift|. */
static void assert_small_shifts(const struct tally *tally, int count, int pad)
{
    int seen = 0;
    for (int s = -pad; s <= pad; s++) {
        const double share = (pad + 1 - abs(s)) / (double)((pad + 1) * (pad + 1));
        assert_share(tally->shift_x[AUGMENT_MOST_CROP + s], count, share);
        assert_share(tally->shift_y[AUGMENT_MOST_CROP + s], count, share);
        seen += tally->shift_x[AUGMENT_MOST_CROP + s];
    }
    assert_int_equal(seen, count);
}

static void test_standard_flips_crops_and_cuts_out(void **state)
{
    (void)state;
    enum { COUNT = 3600 };
    struct tally tally = check_images(&standard, COUNT);
    assert_share(tally.flip, COUNT, 0.5);
    assert_share(tally.cutout, COUNT, 0.5);
    assert_int_equal(tally.blur + tally.noise + tally.rotation, 0);
    assert_small_shifts(&tally, COUNT, 4); /* of 25: 1 2 3 4 5 4 3 2 1 */
}

static void test_standard_grows_over_eight_epochs(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    uint8_t image[IMAGE_BYTES], out[IMAGE_BYTES];
    make_image(image);
    for (uint32_t epoch = 0; epoch < 12; epoch += 2) {
        int cut = 0, moved = 0;
        for (uint32_t i = 0; i < COUNT; i++) {
            struct augmentation what;
            augment_image(&standard, image, SEED, epoch, i, out, &what);
            cut += what.cutout_size > 0;
            moved += what.shift_x != 0 || what.shift_y != 0;
        }
        const double share = epoch < 8 ? epoch / 8. : 1;
        assert_share(cut, COUNT, share / 2);
        assert_share(moved, COUNT, share * (1 - 1 / 25.)); /* both shifts are 0 with 1/5 each */
    }
}

static void test_standard_is_of_the_strength_that_its_options_say(void **state)
{
    (void)state;
    enum { COUNT = 2000 };
    static const int crops[] = {0, 1, 2, 7, AUGMENT_MOST_CROP}, cutouts[] = {0, 1, 5, 16, IMAGE_SIZE};
    for (int i = 0; i < 5; i++) {
        const struct augment_options options = {AUGMENT_STANDARD, FLIP_NONE, crops[i], cutouts[i], 0};
        const struct tally tally = check_images(&options, COUNT); /* the cutout's side too */
        assert_small_shifts(&tally, COUNT, crops[i]);
        assert_share(tally.cutout, COUNT, cutouts[i] ? 0.5 : 0);
        assert_int_equal(tally.flip, 0);
    }
}

static void test_growing_takes_as_many_epochs_as_it_is_told(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    static const int epochs[] = {0, 1, 3, 20};
    for (int i = 0; i < 4; i++) {
        const struct augment_options options = {AUGMENT_STANDARD, FLIP_ALTERNATING, 4, 8, epochs[i]};
        for (uint32_t epoch = 0; epoch < 22; epoch += 1 + epoch / 3) {
            int cut = 0;
            for (uint32_t k = 0; k < COUNT; k++)
                cut += augment_draw(&options, SEED, epoch, k).cutout_size > 0;
            assert_share(cut, COUNT, (int)epoch < epochs[i] ? epoch / (double)epochs[i] / 2 : 0.5);
        }
    }
}

static void test_random_flips_are_drawn_anew_each_epoch(void **state)
{
    (void)state;
    enum { COUNT = 2000 };
    const struct augment_options options = {AUGMENT_STANDARD, FLIP_RANDOM, 0, 0, 0};
    int flips = 0, changes = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        const bool now = augment_draw(&options, SEED, EPOCH, i).flip;
        flips += now;
        changes += now != augment_draw(&options, SEED, EPOCH + 1, i).flip;
    }
    assert_share(flips, COUNT, 0.5);
    assert_share(changes, COUNT, 0.5);
}

/* What sessions were trained on must not change under them. */
static void test_the_usual_draws_are_those_of_older_sessions(void **state)
{
    (void)state;
    const struct augment_options *const kinds[] = {&report, &report_text, &standard};
    static const uint32_t expected[] = {0x0dd83266, 0x2029ff62, 0x03462b67}; /* of the code before it had options */
    for (int k = 0; k < 3; k++) {
        uint32_t sum = 0;
        for (uint32_t i = 0; i < 12000; i++) {
            const struct augmentation a = augment_draw(kinds[k], SEED, i / 1000, i % 1000);
            const int parts[] = {a.shift_x,  a.shift_y,  a.flip,     a.blur,       a.noise,
                                 a.rotation, a.cutout_x, a.cutout_y, a.cutout_size};
            for (int p = 0; p < 9; p++)
                sum = sum * 31 + (uint32_t)parts[p];
        }
        assert_int_equal(sum, expected[k]);
    }
}

static void test_standard_shows_each_image_both_ways_in_two_epochs(void **state)
{
    (void)state;
    uint8_t image[IMAGE_BYTES], out[IMAGE_BYTES];
    make_image(image);
    for (uint32_t i = 0; i < 100; i++) {
        struct augmentation first, then;
        for (uint32_t epoch = 0; epoch < 4; epoch++) {
            augment_image(&standard, image, SEED, epoch, i, out, &first);
            augment_image(&standard, image, SEED, epoch + 1, i, out, &then);
            assert_true(first.flip != then.flip);
        }
    }
}

static void test_none_is_a_copy(void **state)
{
    (void)state;
    struct augmentation what, zero = {0};
    uint8_t image[IMAGE_BYTES], out[IMAGE_BYTES];
    make_image(image);
    augment_image(&none, image, SEED, EPOCH, 5, out, &what);
    assert_memory_equal(out, image, IMAGE_BYTES);
    assert_memory_equal(&what, &zero, sizeof what);
}

static void test_noise_has_the_deviation_it_says(void **state)
{
    (void)state;
    uint8_t grey[IMAGE_BYTES], out[IMAGE_BYTES];
    double sum = 0, squares = 0, neighbours = 0;
    int values = 0;
    memset(grey, 128, sizeof grey);
    for (uint32_t i = 0; values < 100 * IMAGE_BYTES; i++) {
        struct augmentation what;
        augment_image(&report_text, grey, SEED, EPOCH, i, out, &what);
        for (int p = 0; what.noise && p < IMAGE_BYTES; p++, values++) {
            double noise = out[p] - 128.0;
            sum += noise;
            squares += noise * noise;
            neighbours += noise * (out[(p + 1) % IMAGE_BYTES] - 128.0);
        }
    }
    assert_float_equal(sum / values, 0, 0.3);
    assert_float_equal(sqrt(squares / values), 25.5, 0.3);
    assert_float_equal(neighbours / squares, 0, 0.01); /* each value draws its own */
}

static void test_a_positive_angle_turns_counter_clockwise(void **state)
{
    (void)state;
    uint8_t image[IMAGE_BYTES] = {0}, out[IMAGE_BYTES] = {0};
    struct augmentation what = {0};
    for (int y = 15; y <= 16; y++) /* a spot at the right end of the middle */
        image[y * 32 + 28] = image[y * 32 + 29] = 255;
    for (uint32_t i = 0; what.rotation < 10; i++)
        augment_image(&report_text, image, SEED, EPOCH, i, out, &what);
    double row = 0, sum = 0;
    for (int p = 0; p < 1024; p++) {
        row += out[p] * (p / 32);
        sum += out[p];
    }
    assert_float_equal(15.5 - row / sum, 13 * sin(what.rotation * acos(-1) / 180), 0.1); /* it went up */
}

static void test_rotation_table_is_rounded_cosine_and_sine(void **state)
{
    (void)state;
    for (int degrees = -15; degrees <= 15; degrees++) {
        int cosine, sine;
        augment_rotation(degrees, &cosine, &sine);
        assert_int_equal(cosine, lrint(65536 * cos(degrees * acos(-1) / 180)));
        assert_int_equal(sine, lrint(65536 * sin(degrees * acos(-1) / 180)));
    }
}

static void test_draws_depend_on_seed_epoch_and_index_alone(void **state)
{
    (void)state;
    uint8_t image[IMAGE_BYTES], a[IMAGE_BYTES], b[IMAGE_BYTES];
    int same_epoch = 0, same_seed = 0, same_index = 0;
    make_image(image);
    for (uint32_t i = 0; i < 200; i++) {
        augment_image(&standard, image, SEED, EPOCH, i, a, NULL);
        augment_image(&standard, image, SEED, EPOCH, i, b, NULL);
        assert_memory_equal(a, b, IMAGE_BYTES);
        augment_image(&standard, image, SEED, EPOCH + 1, i, b, NULL);
        same_epoch += !memcmp(a, b, IMAGE_BYTES);
        augment_image(&standard, image, SEED + ((uint64_t)1 << 40), EPOCH, i, b, NULL);
        same_seed += !memcmp(a, b, IMAGE_BYTES);
        augment_image(&standard, image, SEED, EPOCH, i + 1000, b, NULL);
        same_index += !memcmp(a, b, IMAGE_BYTES);
    }
    assert_true(same_epoch < 10 && same_seed < 10 && same_index < 20); /* by chance a few */
}

static void test_the_caption_says_all_that_was_done(void **state)
{
    (void)state;
    const struct {
        struct augmentation what;
        const char *text;
    } cases[] = {
        {{0}, "unchanged"},
        {{.shift_x = 2, .shift_y = -3, .flip = true}, "crop +2,-3, flip"},
        {{.shift_y = 4}, "crop +0,+4"},
        {{.blur = true}, "blur"},
        {{.noise = true}, "noise"},
        {{.rotation = -7}, "rotate -7°"},
        {{.shift_x = -1, .rotation = 14}, "crop -1,+0, rotate +14°"},
        {{.shift_x = -4, .shift_y = -4, .flip = true, .cutout_size = 8}, "crop -4,-4, flip, cutout"},
    };
    char text[AUGMENT_TEXT_SIZE];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        augment_describe(&cases[i].what, text, sizeof text);
        assert_string_equal(text, cases[i].text);
    }
    augment_describe(&cases[1].what, text, 7);
    assert_string_equal(text, "crop +");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_report_follows_its_code),
        cmocka_unit_test(test_report_text_follows_its_text),
        cmocka_unit_test(test_standard_flips_crops_and_cuts_out),
        cmocka_unit_test(test_standard_grows_over_eight_epochs),
        cmocka_unit_test(test_standard_is_of_the_strength_that_its_options_say),
        cmocka_unit_test(test_growing_takes_as_many_epochs_as_it_is_told),
        cmocka_unit_test(test_random_flips_are_drawn_anew_each_epoch),
        cmocka_unit_test(test_the_usual_draws_are_those_of_older_sessions),
        cmocka_unit_test(test_standard_shows_each_image_both_ways_in_two_epochs),
        cmocka_unit_test(test_none_is_a_copy),
        cmocka_unit_test(test_noise_has_the_deviation_it_says),
        cmocka_unit_test(test_a_positive_angle_turns_counter_clockwise),
        cmocka_unit_test(test_the_caption_says_all_that_was_done),
        cmocka_unit_test(test_rotation_table_is_rounded_cosine_and_sine),
        cmocka_unit_test(test_draws_depend_on_seed_epoch_and_index_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
