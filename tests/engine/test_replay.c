/* Runs made again by COMMAND_REPLAY: figure by figure, over steps that were not finite too, and what is told of those
 * that are others. The loss of some steps is spoilt behind the network's back, then as now. */
#include "engine/network.h"
#include "tests/engine/tiny_reference.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- Steps that are not finite ---- */

static uint32_t spoil_first, spoil_last; /* counted from 0; last < first: none */
static int spoils_left;                  /* how often */
static int (*real_update)(struct backend *, struct updater *, const struct step_values *, struct step_report *,
                          struct error *);

static int spoiling_update(struct backend *on, struct updater *updater, const struct step_values *values,
                           struct step_report *report, struct error *error)
{
    if (values->step >= spoil_first && values->step <= spoil_last && spoils_left > 0) {
        spoils_left--;
        report->loss.loss = NAN;
    }
    return real_update(on, updater, values, report, error);
}

static int open_spoiling(struct backend **out, struct error *error)
{
    if (backend_cpu_create(1, out, error) != 0)
        return -1;
    real_update = (*out)->update;
    (*out)->update = spoiling_update;
    return 0;
}

static void spoil(uint32_t first, uint32_t last, int times)
{
    spoil_first = first;
    spoil_last = last;
    spoils_left = times;
}

/* ---- The run, and its replay ---- */

static void init(struct tiny_run *run)
{
    tiny_init(run, "micro");
    run->spec.norm = NORM_BATCH; /* whose running statistics are part of what must be the same */
    run->options.augment.kind = AUGMENT_STANDARD;
    run->options.schedule = SCHEDULE_COSINE;
    run->options.learning_rate = 0.01f;
}

/* Of a run that has ended, by a network of its own. */
static struct replay replay(struct tiny_run *made, struct tiny_run *again, long until, bool goes_on)
{
    struct error error = {""};
    struct snapshot now;
    struct event event;
    const struct command command = {.kind = COMMAND_REPLAY, .count = until, .value = goes_on, .text = "replay"};
    init(again);
    again->options = made->options;
    again->options.on_divergence = DIVERGENCE_PAUSE;
    again->sink = (struct trainer_sink){.context = made, .recall = made->sink.recall};
    tiny_create(again, NULL);
    trainer_only_looks(again->trainer);
    assert_int_equal(trainer_start(again->trainer, true, &error), 0);
    assert_int_equal(trainer_command(again->trainer, &command, &error), 0);
    for (bool done = false; !done;) {
        trainer_snapshot(again->trainer, &now);
        while (!done && trainer_next_event(again->trainer, &event))
            done = event.kind == EVENT_COMMAND;
        assert_false(trainer_has_ended(now.state));
    }
    assert_true(event.command.ok);
    trainer_snapshot(again->trainer, &now);
    return now.replay;
}

static void assert_same_weights(struct tiny_run *a, struct tiny_run *b)
{
    const size_t floats = network_state_floats(a->network);
    float *x = malloc(floats * sizeof *x), *y = malloc(floats * sizeof *y);
    assert_non_null(x);
    assert_non_null(y);
    assert_int_equal(network_read_state(a->network, x, NULL), 0);
    assert_int_equal(network_read_state(b->network, y, NULL), 0);
    assert_memory_equal(x, y, floats * sizeof *x);
    free(x);
    free(y);
}

static void on_step_12(struct tiny_run *run, const struct step_record *record)
{
    if (record->step == 12)
        tiny_command(run, COMMAND_ON_DIVERGENCE, DIVERGENCE_PAUSE, 0);
    if (record->step == 13)
        tiny_command(run, COMMAND_SCALE_LEARNING_RATE, 0.5, 0);
}

/* Whatever the policy has become since: that the run went on is the record. */
static void batches_passed_over_are_passed_over_again(void **state)
{
    (void)state;
    static struct tiny_run run, again;
    init(&run);
    run.options.on_divergence = DIVERGENCE_CONTINUE;
    run.watch = on_step_12;
    spoil(5, 6, 2);
    tiny_run_to_end(&run, NULL);
    assert_int_equal(run.step_count, 2 * TINY_EPOCH - 2);
    spoil(5, 6, 2);
    const struct replay found = replay(&run, &again, 2 * TINY_EPOCH, false);
    assert_int_equal(found.step, 2 * TINY_EPOCH);
    assert_int_equal(found.first.step, 0);
    assert_int_equal(found.steps, run.step_count);
    assert_int_equal(found.epochs, 2);
    assert_same_weights(&run, &again);
    tiny_free(&run);
    tiny_free(&again);
}

static void wait_for_divergence(struct tiny_run *run)
{
    struct event event = {.kind = EVENT_MESSAGE};
    while (event.kind != EVENT_FINDING)
        if (!trainer_next_event(run->trainer, &event))
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    assert_int_equal(event.finding.kind, FINDING_DIVERGENCE);
}

/* A step that was not finite, and that a person has had tried again, leaves no trace. */
static void a_step_that_was_tried_again_is_made_once(void **state)
{
    (void)state;
    static struct tiny_run run, plain;
    struct error error = {""};
    init(&run);
    tiny_create(&run, NULL);
    trainer_attend(run.trainer);
    spoil(5, 5, 2);
    assert_int_equal(trainer_start(run.trainer, false, &error), 0);
    for (int tries = 0; tries < 2; tries++) {
        wait_for_divergence(&run); /* a new one: that the run is paused is seen for a while behind a resume */
        tiny_wait(&run, TRAINER_PAUSED, 5);
        tiny_command(&run, COMMAND_RESUME, 0, 0);
    }
    assert_int_equal(trainer_join(run.trainer, &error), 0);
    assert_int_equal(spoils_left, 0);
    init(&plain);
    tiny_run_to_end(&plain, NULL);
    tiny_assert_same_end(&run, &plain);
    tiny_free(&run);
    tiny_free(&plain);
}

static int (*real_recall)(void *, const struct training_state *, long, struct past *, struct error *);

/* The record has other figures: a loss a little, a gradient norm much, and one of an epoch. */
static int recall_others(void *context, const struct training_state *from, long until, struct past *out,
                         struct error *error)
{
    const int status = real_recall(context, from, until, out, error);
    out->steps[3].gradient_norm *= 2;
    out->steps[5].loss *= 1 + 1e-5f;
    out->epochs[0].validation_loss *= 1.5f;
    return status;
}

static void every_figure_is_compared(void **state)
{
    (void)state;
    static struct tiny_run run, again;
    spoil(1, 0, 0);
    init(&run);
    tiny_run_to_end(&run, NULL);
    real_recall = run.sink.recall;
    run.sink.recall = recall_others;
    struct replay found = replay(&run, &again, 2 * TINY_EPOCH, false);
    assert_int_equal(found.step, 4); /* it ends there */
    assert_int_equal(found.first.step, 4);
    assert_string_equal(found.first.figure, "gradient_norm");
    assert_true(found.first.recorded == 2 * found.first.made && found.first.relative == 0.5);
    assert_int_equal(found.largest.step, 0); /* of losses */
    tiny_free(&again);
    found = replay(&run, &again, 2 * TINY_EPOCH, true);
    assert_int_equal(found.step, 2 * TINY_EPOCH);
    assert_int_equal(found.first.step, 4);
    assert_int_equal(found.largest.step, TINY_EPOCH);
    assert_string_equal(found.largest.figure, "validation_loss");
    assert_float_equal(found.largest.relative, 1.0 / 3, 1e-6);
    assert_int_equal(found.steps, 2 * TINY_EPOCH);
    assert_int_equal(found.epochs, 2);
    tiny_free(&run);
    tiny_free(&again);
}

static const char *forged; /* the figure that the record of step 4, or of the first epoch, has otherwise */

static int recall_forged(void *context, const struct training_state *from, long until, struct past *out,
                         struct error *error)
{
    const int status = real_recall(context, from, until, out, error);
    struct step_record *step = &out->steps[3];
    struct epoch_record *epoch = &out->epochs[0];
    const struct {
        const char *name;
        float *figure;
    } figures[] = {{"loss", &step->loss},
                   {"accuracy", &step->accuracy},
                   {"lr", &step->learning_rate},
                   {"gradient_norm", &step->gradient_norm},
                   {"train_loss", &epoch->train_loss},
                   {"train_accuracy", &epoch->train_accuracy},
                   {"validation_loss", &epoch->validation_loss},
                   {"validation_accuracy", &epoch->validation_accuracy},
                   {"test_loss", &epoch->test_loss},
                   {"test_accuracy", &epoch->test_accuracy}};
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
        if (strcmp(forged, figures[i].name) == 0)
            *figures[i].figure += 0.25f;
    step->clipped_units += strcmp(forged, "clipped_units") == 0;
    return status;
}

static void none_is_left_out(void **state)
{
    (void)state;
    static const char *const steps[] = {"loss", "accuracy", "lr", "gradient_norm", "clipped_units"};
    static const char *const epochs[] = {"train_loss",          "train_accuracy", "validation_loss",
                                         "validation_accuracy", "test_loss",      "test_accuracy"};
    enum { STEPS = sizeof steps / sizeof *steps, EPOCHS = sizeof epochs / sizeof *epochs };
    static struct tiny_run run, again;
    spoil(1, 0, 0);
    init(&run);
    run.options.epochs = 1; /* at whose end both parts are measured */
    tiny_run_to_end(&run, NULL);
    real_recall = run.sink.recall;
    run.sink.recall = recall_forged;
    for (int i = 0; i < STEPS + EPOCHS; i++) {
        forged = i < STEPS ? steps[i] : epochs[i - STEPS];
        const struct replay found = replay(&run, &again, TINY_EPOCH, false);
        if (found.first.step == 0)
            fail_msg("%s is not compared", forged);
        assert_string_equal(found.first.figure, forged);
        assert_int_equal(found.first.step, i < STEPS ? 4 : TINY_EPOCH);
        tiny_free(&again);
    }
    tiny_free(&run);
}

/* A loss was logged of it: then it was finite. */
static void a_step_that_is_not_finite_now_is_a_difference(void **state)
{
    (void)state;
    static struct tiny_run run, again;
    spoil(1, 0, 0);
    init(&run);
    tiny_run_to_end(&run, NULL);
    spoil(6, 6, 1);
    const struct replay found = replay(&run, &again, 2 * TINY_EPOCH, false);
    assert_int_equal(found.first.step, 7);
    assert_true(isnan(found.first.made) && isfinite(found.first.recorded));
    assert_int_equal(found.step, 7);
    tiny_free(&run);
    tiny_free(&again);
}

static void a_run_that_trains_is_not_replayed(void **state)
{
    (void)state;
    static struct tiny_run run;
    struct error error = {""};
    init(&run);
    tiny_create(&run, NULL);
    assert_int_equal(trainer_start(run.trainer, true, &error), 0);
    tiny_command(&run, COMMAND_REPLAY, 0, 4);
    while (!trainer_is_settled(run.trainer))
        ;
    assert_int_equal(run.command_count, 1);
    assert_false(run.commands[0].ok);
    tiny_free(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_passed_over_are_passed_over_again),
        cmocka_unit_test(a_step_that_was_tried_again_is_made_once),
        cmocka_unit_test(every_figure_is_compared),
        cmocka_unit_test(none_is_left_out),
        cmocka_unit_test(a_step_that_is_not_finite_now_is_a_difference),
        cmocka_unit_test(a_run_that_trains_is_not_replayed),
    };
    tiny_backend_open = open_spoiling;
    return cmocka_run_group_tests(tests, tiny_open, tiny_close);
}
