/* The images picked to be looked at: the right ones, in the right order, each once, and the same ones again. */
#include "engine/samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

enum { COUNT = 200, MOST = 24, CLASSES = 10 };

static struct prediction predictions[COUNT];

/* One in three is wrong; confidences and losses are all different. */
static int make_predictions(void **state)
{
    (void)state;
    for (int i = 0; i < COUNT; i++) {
        const int label = i * 7 % CLASSES;
        predictions[i] = (struct prediction){.label = label,
                                             .predicted = i % 3 == 0 ? (label + 1) % CLASSES : label,
                                             .confidence = (float)(i * 37 % COUNT) / COUNT,
                                             .loss = (float)(i * 73 % COUNT) / 10};
    }
    return 0;
}

static void assert_each_once(const int *places, int picked)
{
    bool seen[COUNT] = {false};
    for (int i = 0; i < picked; i++) {
        assert_in_range(places[i], 0, COUNT - 1);
        assert_false(seen[places[i]]);
        seen[places[i]] = true;
    }
}

static void test_random_is_by_the_seed_alone(void **state)
{
    (void)state;
    int places[COUNT], again[COUNT], other[COUNT];
    assert_int_equal(samples_random(COUNT, 1, MOST, places), MOST);
    assert_each_once(places, MOST);
    assert_int_equal(samples_random(COUNT, 1, 2 * MOST, again), 2 * MOST);
    assert_memory_equal(places, again, MOST * sizeof *places); /* the first few stay when more are wanted */
    samples_random(COUNT, 2, MOST, other);
    assert_memory_not_equal(places, other, MOST * sizeof *places);
    assert_int_equal(samples_random(COUNT, 1, COUNT, places), COUNT); /* all of them, in some order */
    assert_each_once(places, COUNT);
    assert_int_equal(samples_random(5, 1, MOST, places), 5);
    assert_int_equal(samples_random(0, 1, MOST, places), 0);
    assert_int_equal(samples_random(COUNT, 1, 0, places), 0);
}

/* Each image comes equally often among the first MOST, over many seeds. */
static void test_random_prefers_no_image(void **state)
{
    (void)state;
    enum { SEEDS = 4000 };
    int often[COUNT] = {0}, places[MOST];
    for (uint64_t seed = 0; seed < SEEDS; seed++)
        for (int i = samples_random(COUNT, seed, MOST, places) - 1; i >= 0; i--)
            often[places[i]]++;
    const double share = (double)MOST / COUNT, deviation = sqrt(SEEDS * share * (1 - share));
    for (int i = 0; i < COUNT; i++)
        assert_true(fabs(often[i] - SEEDS * share) < 5 * deviation);
}

static void test_a_class_has_its_own_images_only(void **state)
{
    (void)state;
    int places[COUNT];
    for (int label = 0; label < CLASSES; label++) {
        assert_int_equal(samples_of_class(predictions, COUNT, label, 1, 8, places), 8);
        assert_each_once(places, 8);
        for (int i = 0; i < 8; i++)
            assert_int_equal(predictions[places[i]].label, label);
    }
    assert_int_equal(samples_of_class(predictions, COUNT, 3, 1, COUNT, places), COUNT / CLASSES);
    assert_int_equal(samples_of_class(predictions, COUNT, CLASSES, 1, 8, places), 0);
}

static void test_mistakes_come_by_confidence(void **state)
{
    (void)state;
    int places[COUNT];
    assert_int_equal(samples_mistakes(predictions, COUNT, MOST, places), MOST);
    assert_each_once(places, MOST);
    int above = 0; /* mistakes more confident than the last one shown: just those before it */
    for (int i = 0; i < COUNT; i++)
        above += predictions[i].predicted != predictions[i].label &&
                 predictions[i].confidence > predictions[places[MOST - 1]].confidence;
    assert_int_equal(above, MOST - 1);
    for (int i = 0; i < MOST; i++) {
        assert_int_not_equal(predictions[places[i]].predicted, predictions[places[i]].label);
        assert_true(i == 0 || predictions[places[i]].confidence < predictions[places[i - 1]].confidence);
    }
    assert_int_equal(samples_mistakes(predictions, COUNT, COUNT, places), (COUNT + 2) / 3);
}

static void test_losses_come_greatest_first_and_not_finite_before(void **state)
{
    (void)state;
    struct prediction spoilt[COUNT];
    int places[MOST];
    memcpy(spoilt, predictions, sizeof spoilt);
    assert_int_equal(samples_highest_loss(spoilt, COUNT, MOST, places), MOST);
    for (int i = 0; i < MOST; i++)
        assert_true(spoilt[places[i]].loss == (float)(COUNT - 1 - i) / 10);
    spoilt[150].loss = NAN;
    spoilt[20].loss = INFINITY;
    samples_highest_loss(spoilt, COUNT, MOST, places);
    assert_int_equal(places[0], 20);
    assert_int_equal(places[1], 150);
    assert_true(spoilt[places[2]].loss == (float)(COUNT - 1) / 10);
}

/* Equal scores: the earlier image first, so that the choice never depends on the way of sorting. */
static void test_equals_stay_in_order(void **state)
{
    (void)state;
    struct prediction same[COUNT];
    int places[MOST];
    for (int i = 0; i < COUNT; i++)
        same[i] = (struct prediction){.label = 0, .predicted = 1, .confidence = 1, .loss = 2};
    assert_int_equal(samples_mistakes(same, COUNT, MOST, places), MOST);
    for (int i = 0; i < MOST; i++)
        assert_int_equal(places[i], i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_is_by_the_seed_alone),
        cmocka_unit_test(test_random_prefers_no_image),
        cmocka_unit_test(test_a_class_has_its_own_images_only),
        cmocka_unit_test(test_mistakes_come_by_confidence),
        cmocka_unit_test(test_losses_come_greatest_first_and_not_finite_before),
        cmocka_unit_test(test_equals_stay_in_order),
    };
    return cmocka_run_group_tests(tests, make_predictions, NULL);
}
