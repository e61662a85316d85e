/* Evaluation against a count by hand from the network's own logits; the parts that it and the training take. */
#include "tests/engine/tiny_run.h"

#include "engine/augment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CLASSES = 10, FIRST = 13, COUNT = 30 }; /* three batches of 8 and one of 6 */

static const struct channel_statistics statistics = {{0.5f, 0.4f, 0.3f}, {0.2f, 0.25f, 0.3f}};

static struct evaluation_options options(void)
{
    return (struct evaluation_options){.split = SPLIT_TEST,
                                       .first = FIRST,
                                       .count = COUNT,
                                       .batch = 8,
                                       .normalize = NORMALIZE_DATASET,
                                       .statistics = statistics};
}

static void test_counts_are_those_of_the_logits(void **state)
{
    (void)state;
    struct tiny_run run;
    struct error error = {0};
    tiny_init(&run, "micro");
    tiny_create(&run, NULL);

    float *images = malloc(COUNT * IMAGE_BYTES * sizeof *images);
    float logits[COUNT][CLASSES];
    assert_non_null(images);
    for (int i = 0; i < COUNT; i++)
        normalize_image(NORMALIZE_DATASET, &statistics, dataset_image(tiny_dataset(), SPLIT_TEST, FIRST + i),
                        images + (size_t)i * IMAGE_BYTES);
    assert_int_equal(network_predict(run.network, images, COUNT, false, logits[0], &error), 0);

    struct prediction predictions[COUNT];
    double losses[COUNT], confidences[COUNT];
    uint32_t expected[CLASSES * CLASSES] = {0}, confusion[CLASSES * CLASSES];
    double loss = 0;
    long correct = 0;
    for (int i = 0; i < COUNT; i++) {
        const int label = dataset_label(tiny_dataset(), SPLIT_TEST, FIRST + i);
        double sum = 0;
        int best = 0;
        for (int c = 0; c < CLASSES; c++) {
            sum += exp((double)logits[i][c]);
            best = logits[i][c] > logits[i][best] ? c : best;
        }
        losses[i] = log(sum) - (double)logits[i][label];
        confidences[i] = exp((double)logits[i][best]) / sum;
        loss += losses[i];
        correct += best == label;
        expected[label * CLASSES + best]++;
    }

    struct evaluation_options evaluated = options();
    struct evaluation result;
    memset(confusion, 0xff, sizeof confusion); /* is overwritten, not added to */
    memset(predictions, 0xff, sizeof predictions);
    evaluated.confusion = confusion;
    evaluated.predictions = predictions;
    assert_int_equal(evaluate(run.network, tiny_dataset(), &evaluated, &result, &error), 0);
    assert_int_equal(result.count, COUNT);
    assert_int_equal(result.correct, correct);
    assert_true(result.accuracy == (double)correct / COUNT);
    assert_true(fabs(result.loss - loss / COUNT) < 1e-6);
    assert_memory_equal(confusion, expected, sizeof expected);
    memset(expected, 0, sizeof expected);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(predictions[i].label, dataset_label(tiny_dataset(), SPLIT_TEST, FIRST + i));
        assert_float_equal(predictions[i].loss, losses[i], 1e-5);
        assert_float_equal(predictions[i].confidence, confidences[i], 1e-5);
        expected[predictions[i].label * CLASSES + predictions[i].predicted]++;
    }
    assert_memory_equal(confusion, expected, sizeof expected);
    free(images);
    tiny_free(&run);
}

/* What the caller has in memory is measured just as the same images of a data set, and needs none. */
static void test_images_of_the_callers_own(void **state)
{
    (void)state;
    struct tiny_run run;
    struct error error = {0};
    struct evaluation_options evaluated = options();
    struct evaluation results[3];
    struct prediction predictions[3][COUNT];
    static float probabilities[3][COUNT * CLASSES];
    static uint8_t images[COUNT * IMAGE_BYTES];
    tiny_init(&run, "micro");
    tiny_create(&run, NULL);
    for (int i = 0; i < COUNT; i++)
        memcpy(images + (size_t)i * IMAGE_BYTES, dataset_image(tiny_dataset(), SPLIT_TEST, FIRST + i), IMAGE_BYTES);
    for (int i = 0; i < 3; i++) {
        evaluated.images = i == 0 ? NULL : images;
        evaluated.predictions = predictions[i];
        evaluated.probabilities = probabilities[i];
        assert_int_equal(evaluate(run.network, i == 2 ? NULL : tiny_dataset(), &evaluated, &results[i], &error), 0);
        assert_memory_equal(probabilities[i], probabilities[0], sizeof *probabilities);
    }
    assert_memory_equal(&results[1], &results[0], sizeof *results);
    assert_memory_equal(predictions[1], predictions[0], sizeof *predictions);
    assert_int_equal(results[2].count, COUNT);
    assert_int_equal(results[2].correct, 0);
    assert_true(isnan(results[2].loss));
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(predictions[2][i].label, -1);
        assert_int_equal(predictions[2][i].predicted, predictions[0][i].predicted);
        assert_true(predictions[2][i].confidence == predictions[0][i].confidence);
        assert_true(isnan(predictions[2][i].loss));
    }
    tiny_free(&run);
}

struct watch {
    int calls, last, total, stop_at;
};

static int watch(void *context, int done, int total)
{
    struct watch *seen = context;
    assert_true(done > seen->last && done <= total);
    seen->calls++;
    seen->last = done;
    seen->total = total;
    return seen->stop_at > 0 && done >= seen->stop_at;
}

/* Against the mean of two predictions, the mirror image made of the bytes. */
static void test_the_mirror_image_is_taken_into_account(void **state)
{
    (void)state;
    struct tiny_run run;
    struct error error = {0};
    static float images[2][COUNT * IMAGE_BYTES];
    float logits[2][COUNT][CLASSES], probabilities[COUNT * CLASSES];
    double loss = 0, plain_loss = 0;
    long correct = 0;
    tiny_init(&run, "micro");
    tiny_create(&run, NULL);
    for (int i = 0; i < COUNT; i++) {
        const uint8_t *image = dataset_image(tiny_dataset(), SPLIT_TEST, FIRST + i);
        uint8_t mirrored[IMAGE_BYTES];
        for (int p = 0; p < IMAGE_BYTES; p++)
            mirrored[p] = image[p / IMAGE_SIZE * IMAGE_SIZE + IMAGE_SIZE - 1 - p % IMAGE_SIZE];
        normalize_image(NORMALIZE_DATASET, &statistics, image, images[0] + (size_t)i * IMAGE_BYTES);
        normalize_image(NORMALIZE_DATASET, &statistics, mirrored, images[1] + (size_t)i * IMAGE_BYTES);
    }
    for (int k = 0; k < 2; k++)
        assert_int_equal(network_predict(run.network, images[k], COUNT, false, logits[k][0], &error), 0);

    struct prediction predictions[COUNT];
    struct evaluation_options evaluated = options();
    struct evaluation result, plain = {.count = -7};
    evaluated.tta = TTA_FLIP;
    evaluated.plain = &plain;
    evaluated.predictions = predictions;
    evaluated.probabilities = probabilities;
    assert_int_equal(evaluate(run.network, tiny_dataset(), &evaluated, &result, &error), 0);
    for (int i = 0; i < COUNT; i++) {
        const int label = dataset_label(tiny_dataset(), SPLIT_TEST, FIRST + i);
        double mean[CLASSES], sum = 0, plain_sum = 0;
        int best = 0;
        for (int c = 0; c < CLASSES; c++) {
            mean[c] = ((double)logits[0][i][c] + (double)logits[1][i][c]) / 2;
            best = mean[c] > mean[best] ? c : best;
            sum += exp(mean[c]);
            plain_sum += exp((double)logits[0][i][c]);
        }
        for (int c = 0; c < CLASSES; c++)
            assert_float_equal(probabilities[i * CLASSES + c], exp(mean[c]) / sum, 1e-5);
        assert_int_equal(predictions[i].predicted, best);
        loss += log(sum) - mean[label];
        plain_loss += log(plain_sum) - (double)logits[0][i][label];
        correct += best == label;
    }
    assert_int_equal(result.correct, correct);
    assert_true(fabs(result.loss - loss / COUNT) < 1e-6);
    assert_int_equal(plain.count, COUNT);
    assert_true(fabs(plain.loss - plain_loss / COUNT) < 1e-6);
    assert_true(fabs(plain.loss - result.loss) > 1e-5); /* else nothing was shown */

    evaluated = options();
    assert_int_equal(evaluate(run.network, tiny_dataset(), &evaluated, &result, &error), 0);
    assert_true(result.loss == plain.loss && result.correct == plain.correct);
    tiny_free(&run);
}

/* By hand: class 0 of four images, class 1 of two, class 2 of none and never predicted. */
static void test_scores_of_classes(void **state)
{
    (void)state;
    const uint32_t confusion[] = {3, 1, 0, 1, 1, 0, 0, 0, 0};
    assert_float_equal(confusion_precision(confusion, 3, 0), 0.75, 1e-12);
    assert_float_equal(confusion_accuracy(confusion, 3, 0), 0.75, 1e-12);
    assert_float_equal(confusion_precision(confusion, 3, 1), 0.5, 1e-12);
    assert_float_equal(confusion_f1(confusion, 3, 1), 0.5, 1e-12);
    assert_true(confusion_precision(confusion, 3, 2) < 0 && confusion_f1(confusion, 3, 2) < 0);
    const struct macro_scores macro = confusion_macro(confusion, 3);
    assert_float_equal(macro.precision, 1.25 / 3, 1e-12);
    assert_float_equal(macro.recall, 1.25 / 3, 1e-12);
    assert_float_equal(macro.f1, 1.25 / 3, 1e-12);
    const uint32_t uneven[] = {2, 2, 0, 4};
    assert_float_equal(confusion_precision(uneven, 2, 1), 4 / 6.0, 1e-12);
    assert_float_equal(confusion_accuracy(uneven, 2, 1), 1, 1e-12);
    assert_float_equal(confusion_f1(uneven, 2, 1), 0.8, 1e-12);
}

static void test_progress_is_told_and_may_end_it(void **state)
{
    (void)state;
    struct tiny_run run;
    struct error error = {0};
    struct watch seen = {0};
    struct evaluation_options watched = options();
    struct evaluation result = {.count = -7};
    watched.progress = watch;
    watched.context = &seen;
    tiny_init(&run, "micro");
    tiny_create(&run, NULL);
    assert_int_equal(evaluate(run.network, tiny_dataset(), &watched, &result, &error), 0);
    assert_int_equal(seen.calls, 4);
    assert_int_equal(seen.last, COUNT);
    assert_int_equal(seen.total, COUNT);

    seen = (struct watch){.stop_at = 16};
    result.count = -7;
    assert_int_equal(evaluate(run.network, tiny_dataset(), &watched, &result, &error), EVALUATION_INTERRUPTED);
    assert_int_equal(seen.calls, 2);
    assert_int_equal(result.count, -7);
    tiny_free(&run);
}

static void test_a_logit_that_is_not_finite_shows_in_the_loss(void **state)
{
    (void)state;
    struct tiny_run run;
    struct error error = {0};
    float bias[CLASSES] = {0};
    const struct evaluation_options plain = options();
    struct evaluation result;
    tiny_init(&run, "micro");
    tiny_create(&run, NULL);
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    for (int i = 0; i < 3; i++) {
        for (int c = 0; c < CLASSES; c += CLASSES - 1) {
            memset(bias, 0, sizeof bias);
            bias[c] = bad[i];
            assert_int_equal(
                network_write(run.network, network_find(run.network, "head.bias"), PART_VALUE, bias, &error), 0);
            assert_int_equal(evaluate(run.network, tiny_dataset(), &plain, &result, &error), 0);
            assert_false(isfinite(result.loss));
        }
    }
    tiny_free(&run);
}

static void test_nothing_to_evaluate_is_an_error(void **state)
{
    (void)state;
    struct tiny_run run;
    struct error error = {0};
    struct evaluation_options none = options();
    struct evaluation result;
    none.count = 0;
    tiny_init(&run, "micro");
    tiny_create(&run, NULL);
    assert_int_equal(evaluate(run.network, tiny_dataset(), &none, &result, &error), -1);
    assert_non_null(strstr(error.message, "nothing to evaluate"));
    tiny_free(&run);
}

static void test_parts_of_a_data_set(void **state)
{
    (void)state;
    const int train = dataset_count(tiny_dataset(), SPLIT_TRAIN), test = dataset_count(tiny_dataset(), SPLIT_TEST);
    const struct {
        int validation, limit;
        struct partition expected;
    } cases[] = {
        {0, 0, {.train = train, .validation_first = train, .validation = 0, .test = test}},
        {100, 0, {.train = train - 100, .validation_first = train - 100, .validation = 100, .test = test}},
        {100, 60, {.train = 60, .validation_first = train - 100, .validation = 60, .test = 60}},
        {train - 1, 60, {.train = 1, .validation_first = 1, .validation = 60, .test = 60}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct train_options train_options = {
            .validation = cases[i].validation, .limit = cases[i].limit, .normalize = NORMALIZE_IMAGE};
        struct partition parts;
        assert_int_equal(partition_make(tiny_dataset(), &train_options, &parts, NULL), 0);
        assert_int_equal(parts.train, cases[i].expected.train);
        assert_int_equal(parts.validation_first, cases[i].expected.validation_first);
        assert_int_equal(parts.validation, cases[i].expected.validation);
        assert_int_equal(parts.test, cases[i].expected.test);
    }
    struct partition parts;
    struct error error = {0};
    const struct train_options all = {.validation = train}, negative = {.validation = -1}, limit = {.limit = -1};
    assert_int_equal(partition_make(tiny_dataset(), &all, &parts, &error), -1);
    assert_int_equal(partition_make(tiny_dataset(), &negative, &parts, &error), -1);
    assert_int_equal(partition_make(tiny_dataset(), &limit, &parts, &error), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts_are_those_of_the_logits),
        cmocka_unit_test(test_images_of_the_callers_own),
        cmocka_unit_test(test_the_mirror_image_is_taken_into_account),
        cmocka_unit_test(test_scores_of_classes),
        cmocka_unit_test(test_progress_is_told_and_may_end_it),
        cmocka_unit_test(test_a_logit_that_is_not_finite_shows_in_the_loss),
        cmocka_unit_test(test_nothing_to_evaluate_is_an_error),
        cmocka_unit_test(test_parts_of_a_data_set),
    };
    return cmocka_run_group_tests(tests, tiny_open, tiny_close);
}
