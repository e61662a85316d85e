/* The run as a whole, on a real but tiny network: what it reports, and the same bits however often it is run or where
 * it is resumed. */
#include "tests/engine/tiny_reference.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

/* ---- What a run reports ---- */

static void test_records_of_a_whole_run(void **state)
{
    (void)state;
    const struct tiny_run *run = tiny_reference();
    assert_int_equal(run->step_count, 2 * TINY_EPOCH);
    assert_int_equal(run->epoch_count, 2);
    for (int i = 0; i < run->step_count; i++) {
        assert_int_equal(run->steps[i].step, i + 1);
        assert_int_equal(run->steps[i].epoch, i / TINY_EPOCH);
        assert_true(run->steps[i].images_per_second > 0);
    }
    const struct epoch_record *first = &run->epochs[0], *last = &run->epochs[1];
    assert_int_equal(first->epoch, 1);
    assert_true(first->epoch_end && !first->run_end);
    assert_true(first->validation_accuracy >= 0 && first->test_accuracy == -1);
    assert_true(first->best); /* the first always is */
    assert_true(last->epoch_end && last->run_end);
    assert_true(last->validation_accuracy >= 0 && last->test_accuracy >= 0);
    assert_int_equal(last->best, last->validation_accuracy > first->validation_accuracy);

    struct snapshot snapshot;
    trainer_snapshot(run->trainer, &snapshot);
    assert_int_equal(snapshot.state, TRAINER_FINISHED);
    assert_int_equal(snapshot.step.step, 2 * TINY_EPOCH);
    assert_int_equal(snapshot.steps_total, 2 * TINY_EPOCH);
    assert_int_equal(snapshot.saved_step, 2 * TINY_EPOCH);
    assert_true(snapshot.eta_seconds == 0);
}

static void assert_whole(const struct step_time *time)
{
    double sum = 0;
    for (int p = 0; p < STEP_PARTS; p++) {
        assert_true(time->parts[p] >= 0);
        sum += time->parts[p];
    }
    assert_true(fabs(sum - time->whole) <= 1e-9 * time->whole);
}

static void test_the_time_of_steps_is_that_of_their_parts(void **state)
{
    (void)state;
    const struct tiny_run *run = tiny_reference();
    struct snapshot now;
    trainer_snapshot(run->trainer, &now);
    assert_int_equal(now.trained_steps, run->step_count);
    assert_int_equal(now.images, 2 * TINY_TRAIN);
    assert_true(fabs(now.trained.whole - now.step.seconds) <= 1e-9 * now.step.seconds);
    assert_whole(&now.trained);
    assert_whole(&now.recent);
    for (int lap = 0; lap < LAPS; lap++)
        assert_true(now.trained.parts[lap] > 0);
    assert_true(now.trained.parts[STEP_PROBE] == 0); /* it takes none */
    assert_true(now.evaluating_seconds > 0 && now.saving_seconds > 0);
}

/* The last batch has 4 of the 60 images: it is trained on, and counts by its images. */
static void test_epoch_loss_is_the_mean_over_images(void **state)
{
    (void)state;
    const struct tiny_run *run = tiny_reference();
    double loss = 0, accuracy = 0;
    for (int i = 0; i < TINY_EPOCH; i++) {
        const int n = i + 1 < TINY_EPOCH ? 8 : 4;
        loss += (double)run->steps[i].loss * n;
        accuracy += (double)run->steps[i].accuracy * n;
    }
    assert_true(fabs((double)run->epochs[0].train_loss - loss / TINY_TRAIN) < 1e-6);
    assert_true(fabs((double)run->epochs[0].train_accuracy - accuracy / TINY_TRAIN) < 1e-6);
}

static void test_evaluation_takes_the_averaged_weights(void **state)
{
    (void)state;
    const struct tiny_run *run = tiny_reference();
    struct partition parts;
    struct error error = {0};
    assert_int_equal(partition_make(tiny_dataset(), &run->options, &parts, &error), 0);
    struct evaluation_options options = {.split = SPLIT_TRAIN,
                                         .first = parts.validation_first,
                                         .count = parts.validation,
                                         .batch = run->options.batch,
                                         .normalize = run->options.normalize,
                                         .statistics = parts.statistics,
                                         .use_ema = true};
    struct evaluation averaged, raw;
    assert_int_equal(evaluate(run->network, tiny_dataset(), &options, &averaged, &error), 0);
    options.use_ema = false;
    assert_int_equal(evaluate(run->network, tiny_dataset(), &options, &raw, &error), 0);
    assert_true(run->epochs[1].validation_loss == (float)averaged.loss);
    assert_true(run->epochs[1].validation_loss != (float)raw.loss);
}

static void test_without_held_out_images_each_epoch_takes_the_test_set(void **state)
{
    (void)state;
    struct tiny_run run;
    tiny_init(&run, "micro");
    run.options.validation = 0;
    tiny_run_to_end(&run, NULL);
    assert_int_equal(run.epoch_count, 2);
    for (int i = 0; i < 2; i++) {
        assert_true(run.epochs[i].test_accuracy >= 0);
        assert_true(run.epochs[i].validation_accuracy == -1);
    }
    assert_true(run.epochs[0].best);
    assert_true(tiny_last(&run)->state.best_accuracy ==
                fmaxf(run.epochs[0].test_accuracy, run.epochs[1].test_accuracy));
    tiny_free(&run);
}

static void test_a_number_of_steps_ends_the_run_inside_an_epoch(void **state)
{
    (void)state;
    struct tiny_run run;
    tiny_init(&run, "micro");
    run.options.steps = TINY_EPOCH + 3;
    tiny_run_to_end(&run, NULL);
    assert_int_equal(run.step_count, TINY_EPOCH + 3);
    assert_int_equal(run.epoch_count, 2);
    assert_true(run.epochs[1].run_end && !run.epochs[1].epoch_end);
    assert_true(run.epochs[1].test_accuracy >= 0);
    assert_int_equal(tiny_last(&run)->state.step, TINY_EPOCH + 3);
    assert_int_equal(tiny_last(&run)->state.batch_in_epoch, 3);
    tiny_free(&run);
}

static void test_label_smoothing_and_momentum_kind_change_the_run(void **state)
{
    (void)state;
    struct tiny_run plain, sgd;
    tiny_init(&plain, "micro");
    plain.options.label_smoothing = 0;
    tiny_run_to_end(&plain, NULL);
    assert_true(plain.steps[0].loss != tiny_reference()->steps[0].loss);
    tiny_init(&sgd, "micro");
    sgd.options.optimizer = OPTIMIZER_SGD;
    tiny_run_to_end(&sgd, NULL);
    assert_true(sgd.steps[0].loss == tiny_reference()->steps[0].loss);
    assert_true(sgd.steps[5].loss != tiny_reference()->steps[5].loss);
    tiny_free(&plain);
    tiny_free(&sgd);
}

/* The average's decay grows with the steps done: min(0.9, (1 + t) / (10 + t)) for the step after t others. */
static void test_averages_follow_the_steps(void **state)
{
    (void)state;
    const struct tiny_run *run = tiny_reference();
    const size_t count = network_find(run->network, "stem.weight")->count; /* the first: value, momentum, average */
    for (int t = 1; t < TINY_EPOCH - 1; t++) {
        const double decay = (1.0 + t) / (10 + t);
        const float *before = run->checkpoints[t].parameters, *after = run->checkpoints[t + 1].parameters;
        assert_int_equal(run->checkpoints[t + 1].state.step, t + 1);
        for (size_t i = 0; i < count; i++) {
            const double expected = decay * (double)before[2 * count + i] + (1 - decay) * (double)after[i];
            assert_true(fabs((double)after[2 * count + i] - expected) < 1e-6);
        }
    }
}

/* One image again and again at a rate that moves nothing: the loss differs by what is dropped alone. */
static void test_dropout_differs_from_step_to_step(void **state)
{
    (void)state;
    struct tiny_run run;
    tiny_init(&run, "micro");
    run.spec.dropout = 0.5f;
    run.options.augment.kind = AUGMENT_NONE;
    run.options.limit = 1;
    run.options.epochs = 8;
    run.options.learning_rate = 1e-30f;
    tiny_run_to_end(&run, NULL);
    int different = 0;
    for (int i = 1; i < run.step_count; i++)
        different += run.steps[i].loss != run.steps[0].loss;
    assert_int_equal(run.step_count, 8);
    assert_true(different >= 6);
    tiny_free(&run);
}

/* ---- The same bits ---- */

static void test_two_runs_have_the_same_bits(void **state)
{
    (void)state;
    struct tiny_run run;
    tiny_init(&run, "micro");
    tiny_run_to_end(&run, NULL);
    tiny_assert_same_steps(tiny_reference(), &run);
    tiny_assert_same_end(tiny_reference(), &run);
    tiny_free(&run);
}

static void test_resuming_anywhere_gives_the_same_bits(void **state)
{
    (void)state;
    static const long steps[] = {1, 3, TINY_EPOCH - 1, TINY_EPOCH, TINY_EPOCH + 1, 2 * TINY_EPOCH - 1};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        const struct tiny_checkpoint *from = NULL;
        for (int c = 0; c < tiny_reference()->checkpoint_count; c++)
            if (tiny_reference()->checkpoints[c].state.step == steps[i])
                from = &tiny_reference()->checkpoints[c];
        assert_non_null(from);
        struct tiny_run run;
        tiny_init(&run, "micro");
        tiny_run_to_end(&run, from);
        assert_int_equal(run.step_count, 2 * TINY_EPOCH - steps[i]);
        tiny_assert_same_steps(tiny_reference(), &run);
        tiny_assert_same_end(tiny_reference(), &run);
        assert_true(run.steps[0].seconds > from->state.seconds);
        tiny_free(&run);
    }
}

/* A finished run that is resumed trains no further; it measures its results again. */
static void test_resuming_a_finished_run_gives_its_results(void **state)
{
    (void)state;
    struct tiny_run run;
    tiny_init(&run, "micro");
    tiny_run_to_end(&run, tiny_last(tiny_reference()));
    assert_int_equal(run.step_count, 0);
    assert_int_equal(run.epoch_count, 1);
    assert_true(run.epochs[0].test_loss == tiny_reference()->epochs[1].test_loss);
    assert_false(run.epochs[0].best);
    tiny_free(&run);
}

/* ---- The viewer ---- */

static void test_events_tell_the_whole_run(void **state)
{
    (void)state;
    struct tiny_run run;
    struct error error = {0};
    tiny_init(&run, "micro");
    tiny_create(&run, NULL);
    assert_int_equal(trainer_start(run.trainer, true, &error), 0);
    tiny_command(&run, COMMAND_RESUME, 0, 0);
    assert_int_equal(trainer_join(run.trainer, &error), 0);
    long steps = 0;
    int epochs = 0, commands = 0, checkpoints = 0;
    struct event event;
    while (trainer_next_event(run.trainer, &event)) {
        if (event.kind == EVENT_CHECKPOINT) /* each of those that the sink was given, in their order */
            assert_int_equal(event.saved, run.checkpoints[checkpoints++].state.step);
        steps += event.kind == EVENT_STEPS ? event.steps.count : 0;
        epochs += event.kind == EVENT_EPOCH;
        commands += event.kind == EVENT_COMMAND;
    }
    assert_int_equal(steps, 2 * TINY_EPOCH);
    assert_int_equal(epochs, 2);
    assert_int_equal(commands, 1);
    assert_int_equal(checkpoints, run.checkpoint_count);
    tiny_free(&run);
}

/* ---- What goes wrong ---- */

static void test_a_sink_that_fails_ends_the_run_with_its_words(void **state)
{
    (void)state;
    struct tiny_run run;
    struct error error = {0};
    tiny_init(&run, "micro");
    run.refuse_saves = true;
    tiny_create(&run, NULL);
    assert_int_equal(trainer_run(run.trainer, &error), -1);
    assert_string_equal(error.message, "no space left for the test");
    struct snapshot snapshot;
    trainer_snapshot(run.trainer, &snapshot);
    assert_int_equal(snapshot.state, TRAINER_FAILED);
    assert_string_equal(snapshot.message, "no space left for the test");
    tiny_free(&run);
}

static void test_what_cannot_be_run_is_refused(void **state)
{
    (void)state;
    const struct tiny_run *run = tiny_reference();
    const struct training_state misplaced = {.step = 5, .epoch = 1, .batch_in_epoch = 5, .learning_rate = 0.1f};
    struct train_options nothing = run->options, standstill = run->options, all_held_out = run->options;
    nothing.epochs = 0;
    standstill.learning_rate = 0;
    all_held_out.validation = dataset_count(tiny_dataset(), SPLIT_TRAIN);
    const struct {
        const struct train_options *options;
        const struct training_state *start;
        const char *words;
    } cases[] = {
        {&nothing, NULL, "epochs or steps"},
        {&standstill, NULL, "lr 0"},
        {&all_held_out, NULL, "validation"},
        {&run->options, &misplaced, "cannot go on at step 5"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct trainer *trainer = NULL;
        struct error error = {0};
        assert_int_equal(
            trainer_create(run->network, tiny_dataset(), cases[i].options, cases[i].start, NULL, &trainer, &error), -1);
        assert_non_null(strstr(error.message, cases[i].words));
        assert_null(trainer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records_of_a_whole_run),
        cmocka_unit_test(test_the_time_of_steps_is_that_of_their_parts),
        cmocka_unit_test(test_epoch_loss_is_the_mean_over_images),
        cmocka_unit_test(test_evaluation_takes_the_averaged_weights),
        cmocka_unit_test(test_without_held_out_images_each_epoch_takes_the_test_set),
        cmocka_unit_test(test_a_number_of_steps_ends_the_run_inside_an_epoch),
        cmocka_unit_test(test_label_smoothing_and_momentum_kind_change_the_run),
        cmocka_unit_test(test_averages_follow_the_steps),
        cmocka_unit_test(test_dropout_differs_from_step_to_step),
        cmocka_unit_test(test_two_runs_have_the_same_bits),
        cmocka_unit_test(test_resuming_anywhere_gives_the_same_bits),
        cmocka_unit_test(test_resuming_a_finished_run_gives_its_results),
        cmocka_unit_test(test_events_tell_the_whole_run),
        cmocka_unit_test(test_a_sink_that_fails_ends_the_run_with_its_words),
        cmocka_unit_test(test_what_cannot_be_run_is_refused),
    };
    return cmocka_run_group_tests_name("trainer", tests, tiny_open, tiny_close_reference);
}
