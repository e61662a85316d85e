/* Looks into a run's network: they leave the training's bits alone, say what an evaluation says, and name just the
 * images that the next step trains on. */
#include "tests/engine/looks.h"

#include "engine/loader.h"
#include "tests/engine/tiny_reference.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Asks for one behind some steps, from the sink, which is the viewer then. */
enum { LOOK_EVERY = 5 };
static void look_now_and_then(struct tiny_run *run, const struct step_record *record)
{
    if (record->step % LOOK_EVERY == 0)
        tiny_command(run, COMMAND_LOOK, 0, 0);
}

static void test_looking_leaves_the_bits_alone(void **state)
{
    (void)state;
    for (int variant = 0; variant < 3; variant++) {
        static struct tiny_run runs[2];
        for (int i = 0; i < 2; i++) {
            tiny_init(&runs[i], variant == 2 ? "report" : "micro");
            runs[i].options.probe_every = 5;
            runs[i].spec.norm = variant == 0 ? NORM_BATCH : NORM_NONE;
            runs[i].spec.dropout = runs[i].spec.stochastic_depth = variant == 1 ? 0.3f : 0;
            runs[i].watch = i == 1 ? look_now_and_then : NULL;
            tiny_run_to_end(&runs[i], NULL);
        }
        assert_int_equal(runs[0].step_count, runs[1].step_count);
        for (int i = 0; i < runs[0].step_count; i++)
            assert_true(runs[0].steps[i].loss == runs[1].steps[i].loss);
        tiny_assert_same_end(&runs[0], &runs[1]);
        const struct look *look = trainer_newest_look(runs[1].trainer);
        assert_non_null(look);
        assert_int_equal(look->number, runs[1].step_count / LOOK_EVERY);
        assert_null(trainer_newest_look(runs[0].trainer));
        assert_int_equal(runs[1].command_count, 0); /* it is no intervention */
        tiny_free(&runs[0]);
        tiny_free(&runs[1]);
    }
}

static const struct look *look_at(struct tiny_run *run)
{
    struct snapshot now;
    const struct look *look = trainer_newest_look(run->trainer);
    const long before = look ? look->number : 0;
    tiny_command(run, COMMAND_LOOK, 0, 0);
    while (!(look = trainer_newest_look(run->trainer)) || look->number == before) {
        trainer_snapshot(run->trainer, &now);
        assert_false(trainer_has_ended(now.state));
    }
    return look;
}

/* Starts paused and lets so many steps be made. */
static void start(struct tiny_run *run, long steps)
{
    struct error error = {""};
    tiny_create(run, NULL);
    assert_int_equal(trainer_start(run->trainer, true, &error), 0);
    if (steps > 0)
        tiny_command(run, COMMAND_STEP, 0, steps);
    tiny_wait(run, TRAINER_PAUSED, steps);
}

static void test_it_says_what_an_evaluation_says(void **state)
{
    (void)state;
    static struct tiny_run run;
    struct error error = {""};
    tiny_init(&run, "micro");
    start(&run, 5);
    const struct look *look = look_at(&run);
    const int classes = run.spec.classes;
    assert_string_equal(look->failure, "");
    assert_int_equal(look->step, 5);
    assert_int_equal(look->split, SPLIT_TEST);
    assert_int_equal(look->count, TINY_TRAIN); /* the limit holds for each part */
    assert_true(look->averaged);

    /* paused, so the network is ours for a moment */
    struct partition parts;
    struct prediction expected[TINY_TRAIN];
    uint32_t *confusion = calloc((size_t)(classes * classes), sizeof *confusion);
    struct evaluation result;
    assert_non_null(confusion);
    assert_int_equal(partition_make(tiny_dataset(), &run.options, &parts, &error), 0);
    const struct evaluation_options options = {.split = SPLIT_TEST,
                                               .count = parts.test,
                                               .batch = run.options.batch,
                                               .normalize = run.options.normalize,
                                               .statistics = parts.statistics,
                                               .use_ema = true,
                                               .confusion = confusion,
                                               .predictions = expected};
    assert_int_equal(evaluate(run.network, tiny_dataset(), &options, &result, &error), 0);
    assert_memory_equal(look->predictions, expected, sizeof expected);
    assert_memory_equal(look->confusion, confusion, (size_t)(classes * classes) * sizeof *confusion);
    assert_true(fabs(look->result.loss - result.loss) < 1e-6);
    assert_true(look->result.accuracy == result.accuracy);
    for (int i = 0; i < look->count; i++) {
        const float *of = look->probabilities + i * classes;
        double sum = 0;
        for (int c = 0; c < classes; c++) {
            sum += (double)of[c];
            assert_true(of[c] <= of[look->predictions[i].predicted]);
        }
        assert_float_equal(sum, 1, 1e-5);
        assert_true(of[look->predictions[i].predicted] == look->predictions[i].confidence);
        assert_float_equal(-log((double)of[look->predictions[i].label]), look->predictions[i].loss, 1e-4);
    }
    float filters[8 * 27];
    const struct parameter *stem = network_find(run.network, "stem.weight");
    assert_int_equal(look->filter_count, 8);
    assert_int_equal(stem->count, 8 * 27);
    assert_int_equal(network_read_effective(run.network, stem, true, filters, &error), 0);
    assert_memory_equal(look->filters, filters, sizeof filters);
    free(confusion);
    tiny_free(&run);
}

/* The batch of (epoch, number) as the training's own loader makes it, with threads and all. */
static void assert_trained_on(const struct look *look, const struct tiny_run *run, const int *images, int count)
{
    struct error error = {""};
    struct partition parts;
    struct loader *loader;
    assert_int_equal(partition_make(tiny_dataset(), &run->options, &parts, &error), 0);
    const struct loader_options options = {.split = SPLIT_TRAIN,
                                           .count = parts.train,
                                           .batch = run->options.batch,
                                           .shuffle = true,
                                           .augment = run->options.augment,
                                           .normalize = run->options.normalize,
                                           .statistics = parts.statistics,
                                           .seed = run->options.seed,
                                           .workers = 2};
    assert_int_equal(loader_create(tiny_dataset(), &options, &loader, &error), 0);
    loader_seek(loader, look->epoch, look->batch);
    const struct batch *batch = loader_next(loader);
    assert_int_equal(count, batch->n);
    for (int i = 0; i < count; i++) {
        uint8_t changed[IMAGE_BYTES];
        float expected[IMAGE_BYTES];
        assert_int_equal(images[i], batch->indices[i]);
        augment_image(&look->augment, dataset_image(tiny_dataset(), SPLIT_TRAIN, images[i]), look->seed, look->epoch,
                      (uint32_t)images[i], changed, NULL);
        normalize_image(options.normalize, &parts.statistics, changed, expected);
        assert_memory_equal(expected, batch->images + (size_t)i * IMAGE_BYTES, sizeof expected);
    }
    loader_destroy(loader);
}

static void test_the_next_batch_is_the_one_that_is_trained_on(void **state)
{
    (void)state;
    static struct tiny_run run;
    /* the first, one within, an epoch's last and smaller one, the next epoch's first */
    static const long steps[] = {0, 3, TINY_EPOCH - 1, TINY_EPOCH, TINY_EPOCH + 2};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        struct error error = {""};
        int images[8];
        tiny_init(&run, "micro");
        run.options.augment.kind = AUGMENT_REPORT;
        start(&run, steps[i]);
        const struct look *look = look_at(&run);
        assert_int_equal(look->step, steps[i]);
        assert_int_equal(look->epoch, steps[i] / TINY_EPOCH);
        assert_int_equal(look->batch, steps[i] % TINY_EPOCH);
        const int count = look_batch(look, tiny_dataset(), images, &error);
        assert_int_equal(count, steps[i] == TINY_EPOCH - 1 ? 4 : 8);
        assert_trained_on(look, &run, images, count);
        tiny_free(&run);
    }
}

/* The end of a run that a person watches is looked at by itself: nobody can ask any more. */
static void test_the_end_is_looked_at(void **state)
{
    (void)state;
    static struct tiny_run run;
    for (int attended = 0; attended < 2; attended++) {
        struct error error = {""};
        int images[8];
        tiny_init(&run, "micro");
        tiny_create(&run, NULL);
        if (attended)
            trainer_attend(run.trainer);
        assert_int_equal(trainer_start(run.trainer, false, &error), 0);
        assert_int_equal(trainer_join(run.trainer, &error), 0);
        const struct look *look = trainer_newest_look(run.trainer);
        assert_int_equal(look != NULL, attended);
        if (attended) {
            assert_int_equal(look->step, 2 * TINY_EPOCH);
            assert_true(look->over);
            assert_int_equal(look->epoch, 1); /* the last batch, which is smaller */
            assert_int_equal(look->batch, TINY_EPOCH - 1);
            const int count = look_batch(look, tiny_dataset(), images, &error);
            assert_int_equal(count, 4);
            assert_trained_on(look, &run, images, count);
        }
        tiny_free(&run);
    }
}

static void test_parts_that_are_not_there(void **state)
{
    (void)state;
    static struct tiny_run run;
    struct error error = {""};
    struct partition parts;
    struct look *look;
    tiny_init(&run, "micro");
    tiny_create(&run, NULL);
    assert_int_equal(partition_make(tiny_dataset(), &run.options, &parts, &error), 0);
    assert_int_equal(look_create(&run.spec, &look, &error), 0);
    parts.test = 0;
    assert_int_equal(look_take(run.network, tiny_dataset(), &run.options, &parts, NULL, look, &error), 0);
    assert_int_equal(look->split, SPLIT_TRAIN);
    assert_int_equal(look->first, parts.validation_first);
    assert_int_equal(look->count, TINY_HELD_OUT);
    assert_int_equal(look->predictions[3].label,
                     dataset_label(tiny_dataset(), SPLIT_TRAIN, parts.validation_first + 3));
    parts.validation = 0;
    assert_int_equal(look_take(run.network, tiny_dataset(), &run.options, &parts, NULL, look, &error), 0);
    assert_int_equal(look->count, 0);
    assert_true(look->result.accuracy == 0);
    assert_true(look->filters[0] != 0);
    look_destroy(look);
    tiny_free(&run);
}

int looks_run(void)
{
    /* a look takes as many images as a second holds: on a busy machine all of them, too */
    if (setenv("NFBENCH_CLOCK", "1700000000", 1))
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_looking_leaves_the_bits_alone),
        cmocka_unit_test(test_it_says_what_an_evaluation_says),
        cmocka_unit_test(test_the_next_batch_is_the_one_that_is_trained_on),
        cmocka_unit_test(test_the_end_is_looked_at),
        cmocka_unit_test(test_parts_that_are_not_there),
    };
    return cmocka_run_group_tests(tests, tiny_open, tiny_close);
}
