/* The run as a whole, on a real but tiny network: the same bits however it is driven, cut or resumed; commands at the
 * steps where they are recorded; a divergence stopped in its step, with nothing bad saved. */
#include "tests/engine/tiny_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static void run_to_end(struct tiny_run *run, const struct tiny_checkpoint *from)
{
    struct error error = {0};
    tiny_create(run, from);
    if (trainer_run(run->trainer, &error) < 0)
        fail_msg("%s", error.message);
}

/* The uninterrupted run that others are compared with. */
static struct tiny_run *reference(void)
{
    static struct tiny_run run;
    if (!run.trainer) {
        tiny_init(&run, "micro");
        run.options.checkpoint_every = 1;
        run_to_end(&run, NULL);
    }
    return &run;
}

static int close_all(void **state)
{
    tiny_free(reference());
    return tiny_close(state);
}

static void assert_same_steps(const struct tiny_run *a, const struct tiny_run *b)
{
    const int offset = a->step_count - b->step_count;
    assert_true(offset >= 0);
    for (int i = 0; i < b->step_count; i++) {
        assert_int_equal(a->steps[offset + i].step, b->steps[i].step);
        assert_true(a->steps[offset + i].loss == b->steps[i].loss);
        assert_true(a->steps[offset + i].learning_rate == b->steps[i].learning_rate);
        assert_true(a->steps[offset + i].gradient_norm == b->steps[i].gradient_norm);
    }
}

/* ---- What a run reports ---- */

static void test_records_of_a_whole_run(void **state)
{
    (void)state;
    const struct tiny_run *run = reference();
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

/* The last batch has 4 of the 60 images: it is trained on, and counts by its images. */
static void test_epoch_loss_is_the_mean_over_images(void **state)
{
    (void)state;
    const struct tiny_run *run = reference();
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
    const struct tiny_run *run = reference();
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
    run_to_end(&run, NULL);
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
    run_to_end(&run, NULL);
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
    run_to_end(&plain, NULL);
    assert_true(plain.steps[0].loss != reference()->steps[0].loss);
    tiny_init(&sgd, "micro");
    sgd.options.optimizer = OPTIMIZER_SGD;
    run_to_end(&sgd, NULL);
    assert_true(sgd.steps[0].loss == reference()->steps[0].loss);
    assert_true(sgd.steps[5].loss != reference()->steps[5].loss);
    tiny_free(&plain);
    tiny_free(&sgd);
}

/* The average's decay grows with the steps done: min(0.9, (1 + t) / (10 + t)) for the step after t others. */
static void test_averages_follow_the_steps(void **state)
{
    (void)state;
    const struct tiny_run *run = reference();
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
    run.options.augment = AUGMENT_NONE;
    run.options.limit = 1;
    run.options.epochs = 8;
    run.options.learning_rate = 1e-30f;
    run_to_end(&run, NULL);
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
    run_to_end(&run, NULL);
    assert_same_steps(reference(), &run);
    tiny_assert_same_end(reference(), &run);
    tiny_free(&run);
}

static void test_resuming_anywhere_gives_the_same_bits(void **state)
{
    (void)state;
    static const long steps[] = {1, 3, TINY_EPOCH - 1, TINY_EPOCH, TINY_EPOCH + 1, 2 * TINY_EPOCH - 1};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        const struct tiny_checkpoint *from = NULL;
        for (int c = 0; c < reference()->checkpoint_count; c++)
            if (reference()->checkpoints[c].state.step == steps[i])
                from = &reference()->checkpoints[c];
        assert_non_null(from);
        struct tiny_run run;
        tiny_init(&run, "micro");
        run_to_end(&run, from);
        assert_int_equal(run.step_count, 2 * TINY_EPOCH - steps[i]);
        assert_same_steps(reference(), &run);
        tiny_assert_same_end(reference(), &run);
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
    run_to_end(&run, tiny_last(reference()));
    assert_int_equal(run.step_count, 0);
    assert_int_equal(run.epoch_count, 1);
    assert_true(run.epochs[0].test_loss == reference()->epochs[1].test_loss);
    assert_false(run.epochs[0].best);
    tiny_free(&run);
}

/* ---- Commands ---- */

static void test_pause_step_and_resume_leave_the_bits_alone(void **state)
{
    (void)state;
    struct tiny_run run;
    struct error error = {0};
    tiny_init(&run, "micro");
    tiny_create(&run, NULL);
    assert_int_equal(trainer_start(run.trainer, true, &error), 0);
    tiny_wait(&run, TRAINER_PAUSED, 0);
    tiny_command(&run, COMMAND_STEP, 0, 3);
    tiny_wait(&run, TRAINER_PAUSED, 3);
    tiny_command(&run, COMMAND_EVALUATE, 0, 0);
    tiny_command(&run, COMMAND_SAVE, 0, 0);
    tiny_command(&run, COMMAND_STEP, 0, TINY_EPOCH - 3); /* up to the epoch's end, its evaluation included */
    tiny_wait(&run, TRAINER_PAUSED, TINY_EPOCH);
    tiny_command(&run, COMMAND_PAUSE, 0, 0);
    tiny_command(&run, COMMAND_STEP, 0, 0);
    tiny_command(&run, COMMAND_RESUME, 0, 0);
    assert_int_equal(trainer_join(run.trainer, &error), 0);

    static const struct {
        long step;
        enum command_kind kind;
        bool ok;
        const char *outcome;
    } expected[] = {
        {0, COMMAND_STEP, true, "runs 3 steps, then pauses at step 3"},
        {3, COMMAND_EVALUATE, true, "validation accuracy "},
        {3, COMMAND_SAVE, true, "saved at step 3"},
        {3, COMMAND_STEP, true, "runs 5 steps, then pauses at step 8"},
        {TINY_EPOCH, COMMAND_PAUSE, true, "already paused at step 8"},
        {TINY_EPOCH, COMMAND_STEP, false, "a number of steps must be 1 or more, not 0"},
        {TINY_EPOCH, COMMAND_RESUME, true, "running"},
    };
    assert_int_equal(run.command_count, sizeof expected / sizeof *expected);
    for (int i = 0; i < run.command_count; i++) {
        assert_int_equal(run.commands[i].step, expected[i].step);
        assert_int_equal(run.commands[i].command.kind, expected[i].kind);
        assert_int_equal(run.commands[i].ok, expected[i].ok);
        assert_memory_equal(run.commands[i].outcome, expected[i].outcome, strlen(expected[i].outcome));
        assert_string_equal(run.commands[i].command.text, "as typed");
    }
    assert_int_equal(run.epoch_count, 3);
    assert_int_equal(run.epochs[0].step, 3);
    assert_false(run.epochs[0].epoch_end || run.epochs[0].run_end || run.epochs[0].best);
    assert_int_equal(run.checkpoints[0].state.step, 0);
    assert_int_equal(run.checkpoints[1].state.step, 3);
    assert_same_steps(reference(), &run);
    tiny_assert_same_end(reference(), &run);
    tiny_free(&run);
}

static void test_learning_rate_commands(void **state)
{
    (void)state;
    struct tiny_run run;
    struct error error = {0};
    tiny_init(&run, "micro");
    run.options.schedule = SCHEDULE_CONSTANT;
    run.options.learning_rate = 0.1f;
    tiny_create(&run, NULL);
    assert_int_equal(trainer_start(run.trainer, true, &error), 0);
    tiny_command(&run, COMMAND_STEP, 0, 2);
    tiny_wait(&run, TRAINER_PAUSED, 2);
    tiny_command(&run, COMMAND_LEARNING_RATE, 0.02, 0);
    tiny_command(&run, COMMAND_STEP, 0, 1);
    tiny_wait(&run, TRAINER_PAUSED, 3);
    tiny_command(&run, COMMAND_SCALE_LEARNING_RATE, 0.5, 0);
    tiny_command(&run, COMMAND_LEARNING_RATE, -1, 0);
    tiny_command(&run, COMMAND_LEARNING_RATE, (double)NAN, 0);
    tiny_command(&run, COMMAND_RESUME, 0, 0);
    assert_int_equal(trainer_join(run.trainer, &error), 0);

    assert_true(run.steps[1].learning_rate == 0.1f);
    assert_true(run.steps[2].learning_rate == 0.02f);
    assert_true(run.steps[3].learning_rate == 0.01f);
    assert_string_equal(run.commands[1].outcome, "lr 0.1 -> 0.02");
    assert_string_equal(run.commands[3].outcome, "lr 0.02 -> 0.01");
    assert_false(run.commands[4].ok || run.commands[5].ok);
    assert_string_equal(run.commands[4].outcome,
                        "the learning rate must be above 0 and up to 1000, not -1; still 0.01");
    assert_true(tiny_last(&run)->state.learning_rate == 0.01f);
    struct snapshot snapshot;
    trainer_snapshot(run.trainer, &snapshot);
    assert_true(snapshot.peak_learning_rate == 0.01f);
    tiny_free(&run);
}

/* Onecycle over 16 steps rises over 2: at its start the factor is 1/25. */
static void test_learning_rate_under_a_schedule_is_the_peak(void **state)
{
    (void)state;
    struct tiny_run run;
    struct error error = {0};
    tiny_init(&run, "micro");
    run.options.learning_rate = 0.5f;
    tiny_create(&run, NULL);
    assert_int_equal(trainer_start(run.trainer, true, &error), 0);
    tiny_command(&run, COMMAND_LEARNING_RATE, 0.25, 0);
    tiny_command(&run, COMMAND_RESUME, 0, 0);
    assert_int_equal(trainer_join(run.trainer, &error), 0);
    assert_string_equal(run.commands[0].outcome,
                        "peak lr 0.5 -> 0.25; by the onecycle schedule the next step has 0.01");
    assert_true(fabs((double)run.steps[0].learning_rate - 0.01) < 1e-7);
    assert_true(fabs((double)run.steps[2].learning_rate - 0.25) < 1e-7);
    tiny_free(&run);
}

/* ---- Stopping ---- */

static struct trainer *signalled;

static void on_signal(int number)
{
    (void)number;
    trainer_request_stop(signalled);
}

static void test_a_signal_stops_and_saves(void **state)
{
    (void)state;
    struct tiny_run run;
    struct error error = {0};
    tiny_init(&run, "micro");
    tiny_create(&run, NULL);
    signalled = run.trainer;
    const struct sigaction action = {.sa_handler = on_signal};
    struct sigaction before;
    assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
    assert_int_equal(trainer_start(run.trainer, true, &error), 0);
    tiny_command(&run, COMMAND_STEP, 0, 5);
    tiny_wait(&run, TRAINER_PAUSED, 5);
    assert_int_equal(raise(SIGUSR1), 0); /* wakes the paused thread */
    assert_int_equal(trainer_join(run.trainer, &error), 0);
    assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);

    struct snapshot snapshot;
    trainer_snapshot(run.trainer, &snapshot);
    assert_int_equal(snapshot.state, TRAINER_STOPPED);
    assert_int_equal(run.checkpoint_count, 2); /* at the start, and now */
    assert_int_equal(tiny_last(&run)->state.step, 5);
    assert_int_equal(run.commands[1].command.kind, COMMAND_STOP);
    assert_string_equal(run.commands[1].outcome, "stopped and saved at step 5");

    struct tiny_run resumed;
    tiny_init(&resumed, "micro");
    run_to_end(&resumed, tiny_last(&run));
    tiny_assert_same_end(reference(), &resumed);
    tiny_free(&resumed);
    tiny_free(&run);
}

static void test_a_stop_command_is_recorded_as_typed(void **state)
{
    (void)state;
    struct tiny_run run;
    struct error error = {0};
    tiny_init(&run, "micro");
    tiny_create(&run, NULL);
    assert_int_equal(trainer_start(run.trainer, true, &error), 0);
    tiny_command(&run, COMMAND_STOP, 0, 0);
    assert_int_equal(trainer_join(run.trainer, &error), 0);
    assert_int_equal(run.command_count, 1);
    assert_string_equal(run.commands[0].command.text, "as typed");
    assert_int_equal(run.commands[0].step, 0);
    assert_int_equal(run.step_count, 0);
    assert_int_equal(tiny_last(&run)->state.step, 0);
    tiny_free(&run);
}

/* Behind the last batch, before the epoch's evaluation: the state says so, and resuming evaluates. */
static void test_a_stop_before_an_evaluation_leaves_it_to_the_resumed_run(void **state)
{
    (void)state;
    struct tiny_run run, resumed;
    tiny_init(&run, "micro");
    run.stop_at = TINY_EPOCH;
    run_to_end(&run, NULL);
    assert_int_equal(run.epoch_count, 0);
    assert_int_equal(tiny_last(&run)->state.batch_in_epoch, TINY_EPOCH);
    tiny_init(&resumed, "micro");
    run_to_end(&resumed, tiny_last(&run));
    assert_int_equal(resumed.epoch_count, 2);
    assert_true(resumed.epochs[0].train_loss == reference()->epochs[0].train_loss);
    tiny_assert_same_end(reference(), &resumed);
    tiny_free(&resumed);
    tiny_free(&run);
}

/* Whenever the stop comes, the evaluation is whole or not at all. */
static void test_a_stop_during_an_evaluation(void **state)
{
    (void)state;
    struct tiny_run run, resumed;
    struct error error = {0};
    tiny_init(&run, "micro");
    tiny_create(&run, NULL);
    assert_int_equal(trainer_start(run.trainer, true, &error), 0);
    tiny_command(&run, COMMAND_STEP, 0, TINY_EPOCH - 1);
    tiny_wait(&run, TRAINER_PAUSED, TINY_EPOCH - 1);
    tiny_command(&run, COMMAND_RESUME, 0, 0);
    struct snapshot snapshot;
    do
        trainer_snapshot(run.trainer, &snapshot);
    while (snapshot.state == TRAINER_PAUSED || snapshot.step.step < TINY_EPOCH);
    trainer_request_stop(run.trainer);
    assert_int_equal(trainer_join(run.trainer, &error), 0);
    tiny_init(&resumed, "micro");
    run_to_end(&resumed, tiny_last(&run));
    tiny_assert_same_end(reference(), &resumed);
    tiny_free(&resumed);
    tiny_free(&run);
}

static void test_a_resumed_run_shows_where_it_stands_before_its_first_step(void **state)
{
    (void)state;
    struct tiny_run run;
    struct snapshot snapshot;
    tiny_init(&run, "micro");
    const struct tiny_checkpoint *from = &reference()->checkpoints[3];
    tiny_create(&run, from);
    trainer_snapshot(run.trainer, &snapshot);
    assert_int_equal(snapshot.step.step, 3);
    assert_true(snapshot.step.loss == from->state.last_loss);
    assert_true(snapshot.step.learning_rate > 0);
    tiny_free(&run);
}

static void test_destroying_a_running_trainer_saves_nothing(void **state)
{
    (void)state;
    struct tiny_run run;
    struct error error = {0};
    tiny_init(&run, "micro");
    tiny_create(&run, NULL);
    assert_int_equal(trainer_start(run.trainer, true, &error), 0);
    tiny_command(&run, COMMAND_STEP, 0, 2);
    tiny_wait(&run, TRAINER_PAUSED, 2);
    trainer_destroy(run.trainer);
    run.trainer = NULL;
    assert_int_equal(run.checkpoint_count, 1);
    assert_int_equal(tiny_last(&run)->state.step, 0); /* the one of the start */
    assert_int_equal(run.step_count, 2);
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
    int epochs = 0, commands = 0;
    struct event event;
    while (trainer_next_event(run.trainer, &event)) {
        steps += event.kind == EVENT_STEPS ? event.steps.count : 0;
        epochs += event.kind == EVENT_EPOCH;
        commands += event.kind == EVENT_COMMAND;
    }
    assert_int_equal(steps, 2 * TINY_EPOCH);
    assert_int_equal(epochs, 2);
    assert_int_equal(commands, 1);
    tiny_free(&run);
}

/* ---- What goes wrong ---- */

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
    assert_says(&run, "Try --lr 1e+11 or --agc 0.02");
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
    const struct tiny_run *run = reference();
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
        cmocka_unit_test(test_pause_step_and_resume_leave_the_bits_alone),
        cmocka_unit_test(test_learning_rate_commands),
        cmocka_unit_test(test_learning_rate_under_a_schedule_is_the_peak),
        cmocka_unit_test(test_a_signal_stops_and_saves),
        cmocka_unit_test(test_a_stop_command_is_recorded_as_typed),
        cmocka_unit_test(test_a_stop_before_an_evaluation_leaves_it_to_the_resumed_run),
        cmocka_unit_test(test_a_stop_during_an_evaluation),
        cmocka_unit_test(test_a_resumed_run_shows_where_it_stands_before_its_first_step),
        cmocka_unit_test(test_destroying_a_running_trainer_saves_nothing),
        cmocka_unit_test(test_events_tell_the_whole_run),
        cmocka_unit_test(test_divergence_is_stopped_in_its_step_and_diagnosed),
        cmocka_unit_test(test_a_gradient_that_overflows_is_not_applied),
        cmocka_unit_test(test_a_loss_that_overflows_is_not_trained_on),
        cmocka_unit_test(test_what_overflows_beside_the_activations_is_named),
        cmocka_unit_test(test_divergence_of_the_report_points_to_the_papers),
        cmocka_unit_test(test_an_infinite_momentum_is_not_saved),
        cmocka_unit_test(test_a_sink_that_fails_ends_the_run_with_its_words),
        cmocka_unit_test(test_what_cannot_be_run_is_refused),
    };
    return cmocka_run_group_tests_name("trainer", tests, tiny_open, close_all);
}
