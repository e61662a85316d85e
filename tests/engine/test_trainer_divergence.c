/* A divergence is stopped in its step and diagnosed, with nothing bad saved; what a run does then: divergences.h. */
#include "engine/trainer_internal.h"
#include "tests/engine/tiny_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

static void assert_all_finite(const struct tiny_run *run)
{
    const size_t floats = tiny_parameter_floats(run);
    for (int c = 0; c < run->checkpoint_count; c++)
        for (size_t i = 0; i < floats; i++)
            if (!isfinite(run->checkpoints[c].parameters[i]))
                fail_msg("value %zu of the checkpoint at step %ld is not finite", i, run->checkpoints[c].state.step);
}

/* Prepares a run that saves after each step at a constant rate. */
static void init_reckless(struct tiny_run *run, const char *preset, float learning_rate)
{
    tiny_init(run, preset);
    run->options.schedule = SCHEDULE_CONSTANT;
    run->options.agc = 0;
    run->options.learning_rate = learning_rate;
    run->options.checkpoint_every = 1;
}

static void assert_diverges(struct tiny_run *run)
{
    struct error error = {0};
    if (!run->trainer)
        tiny_create(run, NULL);
    assert_int_equal(trainer_run(run->trainer, &error), -1);

    struct snapshot snapshot;
    trainer_snapshot(run->trainer, &snapshot);
    assert_int_equal(snapshot.state, TRAINER_DIVERGED);
    assert_string_equal(snapshot.message, run->diagnosis);
    assert_string_equal(error.message, run->diagnosis);
    assert_all_finite(run);
    for (int i = 0; i < run->step_count; i++)
        assert_true(isfinite(run->steps[i].loss));
}

static void assert_says(const struct tiny_run *run, const char *words)
{
    if (!strstr(run->diagnosis, words))
        fail_msg("\"%s\" is missing in: %s", words, run->diagnosis);
}

static void test_divergence_is_stopped_in_its_step_and_diagnosed(void **state)
{
    (void)state;
    struct tiny_run run;
    init_reckless(&run, "micro", 1e12f);
    run.spec.weight_standardization = false;
    assert_diverges(&run);
    assert_int_equal(run.diverged_step, run.step_count + 1); /* that step reported nothing else */
    assert_int_equal(tiny_last(&run)->state.step, run.step_count);
    assert_says(&run, "lr 1e+12: block 1 of 1 left the finite range first (predicted variance 1.04)");
    assert_says(&run, "Try --lr 0.2 or --agc 0.02");
    tiny_free(&run);
}

/* A gain of 1e36 behind a skip gain of 0 does not show in the forward pass; the gradient of the latter overflows. */
static void test_a_gradient_that_overflows_is_not_applied(void **state)
{
    (void)state;
    struct tiny_run run;
    init_reckless(&run, "micro", 0.1f);
    tiny_create(&run, NULL);
    tiny_spoil(&run, "blocks.0.conv3.gain", PART_VALUE, 1e36f, 0);
    tiny_spoil(&run, "head.weight", PART_VALUE, 1e10f, 8);
    assert_diverges(&run);
    assert_int_equal(run.diverged_step, 1);
    assert_int_equal(run.step_count, 0);
    assert_says(&run, "all activations are finite, but the gradient of blocks.0.");
    const struct parameter *bias = network_find(run.network, "head.bias");
    for (size_t i = 0; i < bias->count; i++) /* has a gradient, and still its initial value */
        assert_true(bias->value[i] == 0);
    tiny_free(&run);
}

/* Logits and gradients are finite, the sum of the losses is not. */
static void test_a_loss_that_overflows_is_not_trained_on(void **state)
{
    (void)state;
    struct tiny_run run;
    init_reckless(&run, "micro", 0.1f);
    tiny_create(&run, NULL);
    tiny_spoil(&run, "head.bias", PART_VALUE, -3e38f, 8);
    assert_diverges(&run);
    assert_int_equal(run.diverged_step, 1);
    assert_int_equal(run.step_count, 0);
    assert_says(&run, "all activations are finite, but the loss is not");
    tiny_free(&run);
}

/* Has the trainer's batches made as the second of three ranks has them, with no numbers where the images of the others
 * would be. */
static void slice_batches(struct tiny_run *run)
{
    struct trainer *trainer = run->trainer;
    const struct loader_options options = {
        .split = SPLIT_TRAIN,
        .count = trainer->parts.train,
        .batch = trainer->options.batch,
        .shuffle = true,
        .augment = trainer->options.augment,
        .mix = trainer->options.mix,
        .normalize = trainer->options.normalize,
        .statistics = trainer->parts.statistics,
        .slicing = {.rank = 1, .ranks = 3, .unit = 1},
        .seed = trainer->options.seed,
    };
    struct error error = {""};
    struct loader *loader;
    if (loader_create(tiny_dataset(), &options, &loader, &error))
        fail_msg("%s", error.message);
    const struct batch *batch = loader_next(loader); /* without workers all batches have the same memory */
    for (int i = 0; i < batch->n * (int)IMAGE_BYTES; i++)
        batch->images[i] = NAN;
    loader_destroy(trainer->loader);
    trainer->loader = loader;
    trainer_seek(trainer);
}

/* A rank has made the images of its slice alone, and the batch broke as a whole. */
static void test_a_rank_explains_it_by_the_whole_batch(void **state)
{
    (void)state;
    struct tiny_run run;
    init_reckless(&run, "micro", 0.1f);
    tiny_create(&run, NULL);
    tiny_spoil(&run, "head.bias", PART_VALUE, -3e38f, 8);
    slice_batches(&run);
    assert_diverges(&run);
    assert_int_equal(run.diverged_step, 1);
    assert_says(&run, "all activations are finite, but the loss is not");
    tiny_free(&run);
}

/* With standardised weights the loss stays finite at this rate: what overflows is a gradient or a weight. */
static void test_what_overflows_beside_the_activations_is_named(void **state)
{
    (void)state;
    struct tiny_run run;
    init_reckless(&run, "micro", 1e12f);
    assert_diverges(&run);
    assert_says(&run, "all activations are finite, but the ");
    assert_says(&run, " of blocks.0.");
    tiny_free(&run);
}

static void test_divergence_of_the_report_points_to_the_papers(void **state)
{
    (void)state;
    struct tiny_run run;
    init_reckless(&run, "report", 1e12f);
    assert_diverges(&run);
    assert_says(&run, "left the finite range first");
    assert_says(&run, "--preset micro or small");
    tiny_free(&run);
}

/* What went bad without showing in a loss is found before it is written. */
static void test_an_infinite_momentum_is_not_saved(void **state)
{
    (void)state;
    struct tiny_run run;
    tiny_init(&run, "micro");
    run.options.checkpoint_every = 1;
    run.spoil_at = 3;
    assert_diverges(&run);
    assert_int_equal(run.step_count, 3);
    assert_int_equal(tiny_last(&run)->state.step, 2);
    assert_int_equal(run.diverged_step, 3);
    assert_says(&run, "but the momentum of head.bias is not");
    tiny_free(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_divergence_is_stopped_in_its_step_and_diagnosed),
        cmocka_unit_test(test_a_gradient_that_overflows_is_not_applied),
        cmocka_unit_test(test_a_loss_that_overflows_is_not_trained_on),
        cmocka_unit_test(test_a_rank_explains_it_by_the_whole_batch),
        cmocka_unit_test(test_what_overflows_beside_the_activations_is_named),
        cmocka_unit_test(test_divergence_of_the_report_points_to_the_papers),
        cmocka_unit_test(test_an_infinite_momentum_is_not_saved),
    };
    return cmocka_run_group_tests_name("divergence of a run", tests, tiny_open, tiny_close);
}
