/* A diagnosis names what went first: the stem, a block, the head; and since when the loss had been rising. */
#include "engine/divergence.h"
#include "tests/engine/tiny_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void add_losses(struct loss_history *history, const float *losses, int count)
{
    for (int i = 0; i < count; i++)
        loss_history_add(history, history->last_step + 1, losses[i]);
}

#define ADD_LOSSES(history, ...)                                                                                       \
    do {                                                                                                               \
        static const float losses[] = {__VA_ARGS__};                                                                   \
        add_losses(history, losses, sizeof losses / sizeof *losses);                                                   \
    } while (0)

static void test_an_explosion_begins_above_ten_medians(void **state)
{
    (void)state;
    struct loss_history history = {0};
    ADD_LOSSES(&history, 2, 2.5f, 3, 2.4f, 24); /* the median of the four is 2.5 */
    assert_int_equal(history.explosion_step, 0);
    ADD_LOSSES(&history, 26);
    assert_int_equal(history.explosion_step, 6);
    ADD_LOSSES(&history, 1e4f, 1e20f);
    assert_int_equal(history.explosion_step, 6);
}

static void test_a_spike_that_passes_is_forgotten(void **state)
{
    (void)state;
    struct loss_history history = {0};
    ADD_LOSSES(&history, 2, 2, 2, 50, 3);
    assert_int_equal(history.explosion_step, 0);
    ADD_LOSSES(&history, 60);
    assert_int_equal(history.explosion_step, 6);
}

/* However long it lasts, an explosion does not become the measure of itself. */
static void test_a_long_explosion_keeps_its_first_step(void **state)
{
    (void)state;
    struct loss_history history = {0};
    for (long step = 1; step <= 500; step++)
        loss_history_add(&history, step, step <= 100 ? 2.0f : 100.0f);
    assert_int_equal(history.explosion_step, 101);
}

/* The sorted window against a plain sort, over values that come again and fall out. */
static void test_the_median_is_that_of_the_last_64(void **state)
{
    (void)state;
    struct loss_history history = {0};
    float losses[400];
    for (int i = 0; i < 400; i++) {
        losses[i] = 1 + (float)((i * 37 + i / 7) % 23) / 8; /* 1 to 3.75: never ten times the median */
        loss_history_add(&history, i + 1, losses[i]);
        const int count = i + 1 < LOSS_MEDIAN_WINDOW ? i + 1 : LOSS_MEDIAN_WINDOW;
        assert_int_equal(history.count, count);
        const float middle = history.sorted[count / 2];
        int below = 0, equal = 0;
        for (int k = i + 1 - count; k <= i; k++) {
            below += losses[k] < middle;
            equal += losses[k] == middle;
        }
        assert_true(below <= count / 2 && below + equal > count / 2);
    }
}

/* ---- Diagnoses of a network with one bad weight ---- */

struct diagnosis {
    const char *parameter;
    enum parameter_part part;
    enum divergence_cause cause;
    const char *words;
};

static void assert_diagnosed(const struct diagnosis *expected, const struct loss_history *history)
{
    struct tiny_run run;
    struct error error = {0};
    tiny_init(&run, "micro");
    run.spec.stages[0].blocks = 2;
    tiny_create(&run, NULL);
    if (expected->parameter)
        tiny_spoil(&run, expected->parameter, expected->part, NAN, 0);
    float *images = calloc(4 * IMAGE_BYTES, sizeof *images);
    assert_non_null(images);
    for (int i = 0; i < 4 * IMAGE_BYTES; i++)
        images[i] = (float)(i % 7) - 3;
    const struct divergence_case what = {.cause = expected->cause,
                                         .step = 77,
                                         .learning_rate = 0.05f,
                                         .peak = 0.2f,
                                         .agc = 0.02f,
                                         .images = images,
                                         .n = 4,
                                         .history = history};
    char text[512];
    assert_int_equal(divergence_explain(run.network, &what, text, sizeof text, &error), 0);
    if (!strstr(text, expected->words))
        fail_msg("\"%s\" is missing in: %s", expected->words, text);
    assert_non_null(strstr(text, "diverged at step 77, lr 0.05: "));
    assert_non_null(strstr(text, "Try --lr 0.02"));
    assert_null(strstr(text, "--agc")); /* is on */
    free(images);
    tiny_free(&run);
}

static void test_the_first_place_is_named(void **state)
{
    (void)state;
    static const struct diagnosis cases[] = {
        {"stem.weight", PART_VALUE, DIVERGED_LOSS, "the stem left the finite range first"},
        {"blocks.0.conv3.bias", PART_VALUE, DIVERGED_LOSS, "block 1 of 2 left the finite range first (predicted"},
        {"blocks.1.conv3.weight", PART_VALUE, DIVERGED_EVALUATION, "block 2 of 2 left the finite range first"},
        {"head.bias", PART_VALUE, DIVERGED_LOSS, "the head left the finite range first; before it, variance "},
        {"head.bias", PART_VALUE, DIVERGED_PARAMETER, "but the value of head.bias is not"},
        {"blocks.0.conv0.gain", PART_MOMENTUM, DIVERGED_PARAMETER,
         "but the momentum of blocks.0.conv0.gain (block 1) is not"},
        {"blocks.1.conv2.bias", PART_GRADIENT, DIVERGED_GRADIENT,
         "but the gradient of blocks.1.conv2.bias (block 2) is not; behind the last block, variance "},
        {"stem.bias", PART_EMA, DIVERGED_EVALUATION, "but the average of stem.bias is not"},
        {NULL, PART_VALUE, DIVERGED_LOSS, "all activations are finite, but the loss is not"},
    };
    const struct loss_history none = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_diagnosed(&cases[i], &none);
}

static void test_the_losses_before_are_told(void **state)
{
    (void)state;
    struct loss_history history = {0};
    ADD_LOSSES(&history, 2.4f, 2.2f, 2.3f, 3, 5, 9, 70, 1e5f);
    const struct diagnosis expected = {
        "head.bias", PART_VALUE, DIVERGED_LOSS,
        ". Loss before: 5, 9, 70, 1e+05, doubled from step 2 to 5, over 10 times its median since step 7. "
        "The weights are already lost since step 7: `back` goes to checkpoint 0. Try"};
    assert_diagnosed(&expected, &history);
}

/* Whatever the room, the advice is whole, and what is left out is left out whole. */
static void test_what_does_not_fit_is_left_out_by_whole_clauses(void **state)
{
    (void)state;
    static const char place[] = "diverged at step 77, lr 0.05: the stem left the finite range first",
                      advice[] = ". Try --lr 0.02 or --agc 0.02";
    static const char *const clauses[] = {". Loss before: 5, 9, 70, 1e+05", ", doubled from step 2 to 5",
                                          ", over 10 times its median since step 7",
                                          ". The weights are already lost since step 7: `back` goes to checkpoint 0"};
    struct tiny_run run;
    struct error error = {0};
    struct loss_history history = {0};
    float images[IMAGE_BYTES] = {0};
    int most = 0;
    ADD_LOSSES(&history, 2.4f, 2.2f, 2.3f, 3, 5, 9, 70, 1e5f);
    tiny_init(&run, "micro");
    tiny_create(&run, NULL);
    tiny_spoil(&run, "stem.weight", PART_VALUE, NAN, 0);
    const struct divergence_case what = {
        .step = 77, .learning_rate = 0.05f, .peak = 0.2f, .images = images, .n = 1, .history = &history};
    for (size_t size = strlen(place) + strlen(advice) + 1; size <= 320; size++) {
        char text[320];
        int told = 0;
        assert_int_equal(divergence_explain(run.network, &what, text, size, &error), 0);
        assert_memory_equal(text, place, strlen(place));
        const char *at = text + strlen(place);
        for (size_t c = 0; c < sizeof clauses / sizeof *clauses; c++)
            if (strncmp(at, clauses[c], strlen(clauses[c])) == 0) {
                at += strlen(clauses[c]);
                told++;
            }
        assert_string_equal(at, advice);
        assert_true(told >= most);
        most = told;
    }
    assert_int_equal(most, 4);
    tiny_free(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_explosion_begins_above_ten_medians),
        cmocka_unit_test(test_a_spike_that_passes_is_forgotten),
        cmocka_unit_test(test_a_long_explosion_keeps_its_first_step),
        cmocka_unit_test(test_the_median_is_that_of_the_last_64),
        cmocka_unit_test(test_the_first_place_is_named),
        cmocka_unit_test(test_the_losses_before_are_told),
        cmocka_unit_test(test_what_does_not_fit_is_left_out_by_whole_clauses),
    };
    return cmocka_run_group_tests(tests, tiny_open, tiny_close);
}
