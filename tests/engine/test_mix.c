/* How batches are mixed: the shares' distribution, the rectangles, the pixels and their normalisation against a plain
 * computation in double precision. */
#include "engine/mix.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { SEED = 11, DRAWS = 4000 };

static bool is_cut(const struct mix *mix)
{
    return mix->right > 0;
}

static int area(const struct mix *mix)
{
    return (mix->right - mix->left) * (mix->bottom - mix->top);
}

static void test_off_is_nothing(void **state)
{
    (void)state;
    const struct mix_options off = {0};
    const struct mix zero = {0}, mix = mix_draw(&off, SEED, 3, 5);
    assert_false(mix_is_on(&off));
    assert_memory_equal(&mix, &zero, sizeof mix);
}

/* Beta(a, a): mean 1/2, variance 1 / (4 (2 a + 1)), symmetric. */
static void check_beta(float shape)
{
    const struct mix_options options = {.mixup = shape};
    double sum = 0, squares = 0;
    int low = 0;
    for (uint32_t i = 0; i < DRAWS; i++) {
        const struct mix mix = mix_draw(&options, SEED, i / 100, i % 100);
        assert_in_range(mix.partner, 0, MIX_WHOLE);
        assert_false(is_cut(&mix));
        const double share = mix.partner / (double)MIX_WHOLE;
        sum += share - 0.5;
        squares += (share - 0.5) * (share - 0.5);
        low += share < 0.25;
    }
    const double variance = 1 / (4 * (2 * (double)shape + 1));
    assert_float_equal(sum / DRAWS, 0, 5 * sqrt(variance / DRAWS));
    assert_float_equal(squares / DRAWS, variance, 0.08 * variance + 2e-4);
    if (shape == 1) /* uniform */
        assert_float_equal(low / (double)DRAWS, 0.25, 0.04);
    if (shape == 0.5f) /* the arcsine law: 2 / pi * asin(sqrt(x)) */
        assert_float_equal(low / (double)DRAWS, 1 / 3., 0.04);
}

static void test_shares_of_mixup_are_from_beta(void **state)
{
    (void)state;
    static const float shapes[] = {0.1f, 0.2f, 0.5f, 1, 2, 8, MIX_MOST};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        check_beta(shapes[i]);
    const struct mix_options tiny = {.mixup = 1e-30f}; /* all of one image, half of the time of the partner */
    int whole = 0;
    for (uint32_t i = 0; i < 200; i++) {
        const int partner = mix_draw(&tiny, SEED, 0, i).partner;
        assert_true(partner == 0 || partner == MIX_WHOLE);
        whole += partner == MIX_WHOLE;
    }
    assert_in_range(whole, 60, 140);
}

static void test_rectangles_of_cutmix_have_the_area_of_their_share(void **state)
{
    (void)state;
    const struct mix_options options = {.cutmix = 1};
    int cut = 0, at_edge = 0;
    double before = 0;
    for (uint32_t i = 0; i < DRAWS; i++) {
        const struct mix mix = mix_draw(&options, SEED, 0, i);
        if (mix.partner == 0) {
            const struct mix zero = {0};
            assert_memory_equal(&mix, &zero, sizeof mix);
            continue;
        }
        assert_true(mix.left >= 0 && mix.left < mix.right && mix.right <= IMAGE_SIZE);
        assert_true(mix.top >= 0 && mix.top < mix.bottom && mix.bottom <= IMAGE_SIZE);
        assert_int_equal(mix.partner, area(&mix));
        if (mix.left > 0 && mix.right < IMAGE_SIZE && mix.top > 0 && mix.bottom < IMAGE_SIZE)
            assert_int_equal(mix.right - mix.left, mix.bottom - mix.top); /* square where it is whole */
        else
            at_edge++;
        cut++;
        before += mix.partner;
    }
    assert_true(cut > DRAWS * 95 / 100); /* no area below 1 / 1024 */
    assert_true(at_edge > DRAWS / 4 && at_edge < cut);
    assert_float_equal(before / DRAWS / MIX_WHOLE, 0.31, 0.03); /* half, less what edges cut off */
}

static void test_with_both_a_fair_draw_chooses(void **state)
{
    (void)state;
    const struct mix_options options = {.mixup = 0.2f, .cutmix = 1};
    int cut = 0;
    for (uint32_t i = 0; i < DRAWS; i++) {
        const struct mix mix = mix_draw(&options, SEED, 1, i);
        cut += is_cut(&mix);
    }
    assert_float_equal(cut / (double)DRAWS, 0.5, 0.05);
}

static void test_draws_depend_on_seed_epoch_and_batch(void **state)
{
    (void)state;
    const struct mix_options options = {.mixup = 1};
    int same[3] = {0};
    for (uint32_t i = 0; i < 200; i++) {
        const int share = mix_draw(&options, SEED, 4, i).partner;
        assert_int_equal(mix_draw(&options, SEED, 4, i).partner, share);
        same[0] += mix_draw(&options, SEED + ((uint64_t)1 << 40), 4, i).partner == share;
        same[1] += mix_draw(&options, SEED, 5, i).partner == share;
        same[2] += mix_draw(&options, SEED, 4, i + 1).partner == share;
    }
    for (int i = 0; i < 3; i++)
        assert_true(same[i] < 5);
}

/* ---- Pixels ---- */

static void make_images(uint8_t *image, uint8_t *partner)
{
    for (uint32_t i = 0; i < IMAGE_BYTES; i++) {
        const struct philox words = philox_draw(SEED, PHILOX_SYNTHETIC, 0, i, 0);
        image[i] = (uint8_t)words.word[0];
        partner[i] = (uint8_t)(i < 100 ? 255 : words.word[1]);
    }
}

static void expect_values(const struct mix *mix, const uint8_t *image, const uint8_t *partner, double *out)
{
    for (int i = 0; i < IMAGE_BYTES; i++) {
        const int x = i % 32, y = i / 32 % 32;
        const bool inside = x >= mix->left && x < mix->right && y >= mix->top && y < mix->bottom;
        const double share = is_cut(mix) ? inside : mix->partner / 1024.;
        out[i] = (1 - share) * image[i] + share * partner[i];
    }
}

static void check_pixels(const struct mix *mix)
{
    const struct channel_statistics statistics = {{0.5f, 0.4f, 0.3f}, {0.25f, 0.2f, 0.0f}};
    uint8_t image[IMAGE_BYTES], partner[IMAGE_BYTES], seen[IMAGE_BYTES];
    float out[IMAGE_BYTES];
    double expected[IMAGE_BYTES], mean = 0, variance = 0;
    make_images(image, partner);
    expect_values(mix, image, partner, expected);
    mix_image(mix, image, partner, seen);
    for (int i = 0; i < IMAGE_BYTES; i++) {
        assert_int_equal(seen[i], (int)(expected[i] + 0.5));
        mean += expected[i] / IMAGE_BYTES;
    }
    for (int i = 0; i < IMAGE_BYTES; i++)
        variance += (expected[i] - mean) * (expected[i] - mean) / IMAGE_BYTES;
    mix_normalize(NORMALIZE_DATASET, &statistics, mix, image, partner, out);
    for (int i = 0; i < IMAGE_BYTES; i++) {
        const int c = i / 1024;
        const double deviation = (double)statistics.deviation[c];
        const double value = c == 2 ? 0 : (expected[i] / 255 - (double)statistics.mean[c]) / deviation;
        assert_float_equal(out[i % 1024 * 3 + c], value, 1e-5);
    }
    mix_normalize(NORMALIZE_IMAGE, NULL, mix, image, partner, out);
    for (int i = 0; i < IMAGE_BYTES; i++)
        assert_float_equal(out[i % 1024 * 3 + i / 1024], (expected[i] - mean) / sqrt(variance), 1e-5);
}

static void test_pixels_are_what_the_shares_say(void **state)
{
    (void)state;
    const struct mix mixes[] = {{.partner = 1},
                                {.partner = 400},
                                {.partner = MIX_WHOLE},
                                {.partner = 12, .left = 3, .right = 6, .top = 28, .bottom = 32},
                                {.partner = MIX_WHOLE, .right = 32, .bottom = 32}};
    for (size_t i = 0; i < sizeof mixes / sizeof *mixes; i++)
        check_pixels(&mixes[i]);
}

/* To the bit: a share of 0 is no change. */
static void test_a_share_of_nothing_is_the_image_itself(void **state)
{
    (void)state;
    const struct channel_statistics statistics = {{0.5f, 0.4f, 0.3f}, {0.25f, 0.2f, 0.1f}};
    const struct mix nothing = {0};
    uint8_t image[IMAGE_BYTES], partner[IMAGE_BYTES];
    float mixed[IMAGE_BYTES], plain[IMAGE_BYTES];
    make_images(image, partner);
    for (int kind = NORMALIZE_DATASET; kind <= NORMALIZE_IMAGE; kind++) {
        mix_normalize((enum normalize_kind)kind, &statistics, &nothing, image, partner, mixed);
        normalize_image((enum normalize_kind)kind, &statistics, image, plain);
        assert_memory_equal(mixed, plain, sizeof plain);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_off_is_nothing),
        cmocka_unit_test(test_shares_of_mixup_are_from_beta),
        cmocka_unit_test(test_rectangles_of_cutmix_have_the_area_of_their_share),
        cmocka_unit_test(test_with_both_a_fair_draw_chooses),
        cmocka_unit_test(test_draws_depend_on_seed_epoch_and_batch),
        cmocka_unit_test(test_pixels_are_what_the_shares_say),
        cmocka_unit_test(test_a_share_of_nothing_is_the_image_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
