/* See live_changes.h. */
#include "tests/engine/live_changes.h"

#include "tests/engine/live_fixture.h"
#include "tests/engine/tiny_reference.h"

#include "engine/live.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct condition now = {WHEN_NOW, RELATION_AT, 0};

static const struct tiny_checkpoint *checkpoint_at(const struct tiny_run *run, long step)
{
    for (int i = run->checkpoint_count - 1; i >= 0; i--)
        if (run->checkpoints[i].state.step == step)
            return &run->checkpoints[i];
    fail_msg("no checkpoint at step %ld", step);
    return NULL;
}

static bool same_parameters(const struct tiny_run *a, const struct tiny_run *b)
{
    return memcmp(tiny_last(a)->parameters, tiny_last(b)->parameters, tiny_parameter_floats(a) * sizeof(float)) == 0;
}

/* A run from a checkpoint of the reference, as if it had been begun with these options. */
static void run_second_leg(struct tiny_run *leg, const struct tiny_checkpoint *from)
{
    struct tiny_checkpoint start = *from;
    start.state.has_values = false;
    start.state.learning_rate = leg->options.learning_rate;
    tiny_create(leg, &start);
    live_finish(leg);
}

/* ---- The same bits ---- */

static const struct change {
    enum command_kind kind;
    double value;
} changes[] = {
    {COMMAND_LEARNING_RATE, 0.01},
    {COMMAND_MOMENTUM, 0.5},
    {COMMAND_WEIGHT_DECAY, 0.05},
    {COMMAND_AGC, 0.001},
    {COMMAND_LABEL_SMOOTHING, 0.3},
    {COMMAND_EMA, 0.5},
    {COMMAND_AUGMENT, AUGMENT_REPORT},
    {COMMAND_SCHEDULE, SCHEDULE_COSINE},
    {COMMAND_MIXUP, 0.5},
    {COMMAND_CUTMIX, 2},
};

static void each_setting_changes_at_its_step(void **state)
{
    (void)state;
    static struct tiny_run live, leg;
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        tiny_init(&live, "micro");
        tiny_create(&live, NULL);
        live_ask(&live, live_at(5), changes[i].kind, changes[i].value);
        live_finish(&live);
        assert_int_equal(live_record_of(&live, changes[i].kind)->step, 5);
        assert_true(live_record_of(&live, changes[i].kind)->ok);

        tiny_init(&leg, "micro");
        live_put(live_of_command(changes[i].kind), &leg.options, changes[i].value);
        run_second_leg(&leg, checkpoint_at(tiny_reference(), 5));
        tiny_assert_same_steps(&live, &leg);
        tiny_assert_same_end(&live, &leg);
        assert_false(same_parameters(&live, tiny_reference())); /* it does something */
        tiny_free(&live);
        tiny_free(&leg);
    }
}

static void all_settings_change_at_one_step(void **state)
{
    (void)state;
    static struct tiny_run live, leg;
    tiny_init(&live, "micro");
    tiny_init(&leg, "micro");
    tiny_create(&live, NULL);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        live_ask(&live, live_at(5), changes[i].kind, changes[i].value);
        live_put(live_of_command(changes[i].kind), &leg.options, changes[i].value);
    }
    live_finish(&live);
    run_second_leg(&leg, checkpoint_at(tiny_reference(), 5));
    tiny_assert_same_steps(&live, &leg);
    tiny_assert_same_end(&live, &leg);
    tiny_free(&live);
    tiny_free(&leg);
}

/* An epoch of 60 images has 8 steps at first, then 4 of 16: 12 in all. */
static void a_batch_changes_with_the_epoch(void **state)
{
    (void)state;
    static struct tiny_run live, leg;
    tiny_init(&live, "micro");
    tiny_create(&live, NULL);
    live_ask(&live, live_at(3), COMMAND_BATCH, 16);
    live_finish(&live);
    assert_string_equal(live_record_of(&live, COMMAND_BATCH)->outcome,
                        "batch 8 -> 16 from step 8 on, where epoch 2 begins");
    assert_int_equal(tiny_last(&live)->state.step, 12);
    assert_int_equal(tiny_last(&live)->state.epoch, 2);

    tiny_init(&leg, "micro");
    leg.options.batch = 16;
    struct tiny_checkpoint start = *checkpoint_at(tiny_reference(), TINY_EPOCH);
    start.state.extra_steps = TINY_EPOCH - 4; /* as an epoch of 16 images a step had 4 */
    run_second_leg(&leg, &start);
    tiny_assert_same_steps(&live, &leg);
    tiny_assert_same_end(&live, &leg);

    struct snapshot snapshot;
    trainer_snapshot(live.trainer, &snapshot);
    assert_int_equal(snapshot.options.batch, 16);
    assert_int_equal(snapshot.steps_total, 12);
    assert_int_equal(snapshot.steps_per_epoch, 4);
    assert_int_equal(snapshot.extra_steps, 4);
    assert_int_equal(snapshot.epochs_total, 2);
    tiny_free(&live);
    tiny_free(&leg);
}

/* Half of the epochs are half of a schedule, however many steps they had. */
static void a_schedule_goes_on_where_it_was(void **state)
{
    (void)state;
    static struct tiny_run live;
    tiny_init(&live, "micro");
    live.options.schedule = SCHEDULE_COSINE;
    live.options.warmup_epochs = 0;
    live.options.learning_rate = 0.1f;
    tiny_create(&live, NULL);
    live_ask(&live, now, COMMAND_BATCH, 8);
    live_ask(&live, live_at(3), COMMAND_BATCH, 16);
    live_finish(&live);
    assert_true(fabs((double)live.steps[TINY_EPOCH].learning_rate - 0.05) < 1e-7); /* the first of the second half */
    assert_true(fabs((double)live.steps[TINY_EPOCH + 2].learning_rate - 0.1 * 0.5 * (1 - sqrt(0.5))) < 1e-7);
    tiny_free(&live);
}

static void at_an_epochs_start_a_batch_changes_at_once(void **state)
{
    (void)state;
    static struct tiny_run live;
    tiny_init(&live, "micro");
    tiny_create(&live, NULL);
    live_ask(&live, now, COMMAND_BATCH, 30);
    live_finish(&live);
    assert_string_equal(live.commands[0].outcome, "batch 8 -> 30");
    assert_int_equal(tiny_last(&live)->state.step, 4); /* two epochs of two */
    tiny_free(&live);
}

/* Many changes, and what waits for later, in whatever checkpoint the run goes on from. */
static void a_resume_anywhere_goes_on_with_what_is_in_force(void **state)
{
    (void)state;
    static struct tiny_run live, resumed;
    tiny_init(&live, "micro");
    live.options.checkpoint_every = 1;
    tiny_create(&live, NULL);
    live_ask(&live, live_at(2), COMMAND_MOMENTUM, 0.5);
    live_ask(&live, live_at(3), COMMAND_BATCH, 16);
    live_ask(&live, live_at(4), COMMAND_AUGMENT, AUGMENT_NONE);
    live_ask(&live, live_at(5), COMMAND_SCHEDULE, SCHEDULE_CONSTANT);
    live_ask(&live, live_at(6), COMMAND_UNDO, 0);
    live_ask(&live, live_at(7), COMMAND_MIXUP, 1);
    live_ask(&live, live_at(9), COMMAND_SCALE_LEARNING_RATE, 0.5);
    live_ask(&live, (struct condition){WHEN_EPOCH, RELATION_FROM, 1}, COMMAND_AGC, 0.001);
    live_ask(&live, live_at(10), COMMAND_UNDO, 0);
    live_finish(&live);
    assert_int_equal(live_record_of(&live, COMMAND_AGC)->step, TINY_EPOCH);
    assert_int_equal(tiny_last(&live)->state.step, 12);
    /* the first checkpoint was made before all of them; behind the last step there is nothing to go on with */
    for (int i = 1; live.checkpoints[i].state.step < 12; i++) {
        tiny_init(&resumed, "micro");
        tiny_create(&resumed, &live.checkpoints[i]);
        live_finish(&resumed);
        tiny_assert_same_steps(&live, &resumed);
        tiny_assert_same_end(&live, &resumed);
        assert_memory_equal(tiny_last(&resumed)->state.values, tiny_last(&live)->state.values,
                            sizeof tiny_last(&live)->state.values -
                                4 * sizeof(double)); /* the last are the session's */
        tiny_free(&resumed);
    }
    tiny_free(&live);
}

/* ---- undo ---- */

static void undo_goes_back_down_the_stack(void **state)
{
    (void)state;
    static struct tiny_run run;
    tiny_init(&run, "micro");
    run.options.schedule = SCHEDULE_CONSTANT;
    run.options.learning_rate = 0.01f;
    run.options.momentum = 0.9f;
    tiny_create(&run, NULL);
    live_ask(&run, live_at(1), COMMAND_LEARNING_RATE, 0.003);
    live_ask(&run, live_at(2), COMMAND_MOMENTUM, 0.5);
    live_ask(&run, live_at(2), COMMAND_MOMENTUM, 0.5); /* changes nothing: nothing to undo */
    live_ask(&run, live_at(3), COMMAND_UNDO, 0);
    live_ask(&run, live_at(4), COMMAND_UNDO, 0);
    live_ask(&run, live_at(5), COMMAND_UNDO, 0);
    live_finish(&run);
    const struct command_record *last = &run.commands[run.command_count - 3];
    assert_int_equal(last[0].step, 3);
    assert_int_equal(last[0].command.kind, COMMAND_MOMENTUM); /* what it comes to */
    assert_true(last[0].command.value == (double)0.9f);
    assert_string_equal(last[0].outcome, "momentum 0.5 -> 0.9");
    assert_string_equal(last[1].outcome, "lr 0.003 -> 0.01");
    assert_true(run.steps[4].learning_rate == 0.01f);
    assert_true(run.steps[2].learning_rate == 0.003f);
    assert_int_equal(last[2].command.kind, COMMAND_UNDO);
    assert_false(last[2].ok);
    assert_string_equal(last[2].outcome, "there is nothing to undo: no setting was changed");
    tiny_free(&run);
}

/* Undone before a step was made with it, a change leaves no trace. */
static void what_is_undone_at_once_was_never_there(void **state)
{
    (void)state;
    static struct tiny_run run;
    struct error error = {""};
    tiny_init(&run, "micro");
    tiny_create(&run, NULL);
    assert_int_equal(trainer_start(run.trainer, true, &error), 0);
    tiny_command(&run, COMMAND_STEP, 0, 4);
    tiny_wait(&run, TRAINER_PAUSED, 4);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
        live_ask(&run, now, changes[i].kind, changes[i].value);
    live_ask(&run, now, COMMAND_BATCH, 4);
    for (size_t i = 0; i <= sizeof changes / sizeof *changes; i++)
        live_ask(&run, now, COMMAND_UNDO, 0);
    tiny_command(&run, COMMAND_RESUME, 0, 0);
    assert_int_equal(trainer_join(run.trainer, &error), 0);
    tiny_assert_same_steps(tiny_reference(), &run);
    tiny_assert_same_end(tiny_reference(), &run);
    tiny_free(&run);
}

/* ---- Refusals ---- */

static int little_memory(struct backend *backend, size_t *available, size_t *total, struct error *error)
{
    (void)backend;
    (void)error;
    *available = 1 << 20;
    *total = 1 << 21;
    return 0;
}

static void a_batch_has_at_most_all_training_images(void **state)
{
    (void)state;
    static struct tiny_run run;
    tiny_init(&run, "micro");
    tiny_create(&run, NULL);
    live_ask(&run, live_at(3), COMMAND_BATCH, TINY_TRAIN + 1);
    live_finish(&run);
    assert_false(live_record_of(&run, COMMAND_BATCH)->ok);
    assert_non_null(strstr(live_record_of(&run, COMMAND_BATCH)->outcome, "training images; it stays 8"));
    tiny_free(&run);
}

/* Batch norm needs the whole batch at once. */
static void a_batch_without_memory_is_refused_before_it_counts(void **state)
{
    (void)state;
    static struct tiny_run run, plain;
    tiny_init(&plain, "micro");
    plain.spec.norm = NORM_BATCH;
    tiny_create(&plain, NULL);
    live_finish(&plain);
    tiny_init(&run, "micro");
    run.spec.norm = NORM_BATCH;
    tiny_create(&run, NULL);
    struct backend *backend = network_backend(run.network);
    int (*const memory)(struct backend *, size_t *, size_t *, struct error *) = backend->memory;
    backend->memory = little_memory;
    live_ask(&run, live_at(3), COMMAND_BATCH, 60);
    live_finish(&run);
    backend->memory = memory;
    const struct command_record *record = live_record_of(&run, COMMAND_BATCH);
    assert_false(record->ok);
    assert_non_null(strstr(record->outcome, "out of memory for batch 60"));
    assert_non_null(strstr(record->outcome, "the largest batch that fits is about"));
    tiny_assert_same_end(&plain, &run);
    tiny_free(&run);
    tiny_free(&plain);
}

static void averages_that_are_not_kept_cannot_change(void **state)
{
    (void)state;
    static struct tiny_run run;
    tiny_init(&run, "micro");
    tiny_create(&run, NULL);
    live_ask(&run, now, COMMAND_EMA, 0);
    live_finish(&run);
    assert_false(run.commands[0].ok);
    tiny_assert_same_end(tiny_reference(), &run);
    tiny_free(&run);
    tiny_init(&run, "micro");
    run.options.ema = 0;
    tiny_create(&run, NULL);
    live_ask(&run, now, COMMAND_EMA, 0.9);
    live_finish(&run);
    assert_false(run.commands[0].ok);
    assert_non_null(strstr(run.commands[0].outcome, "keeps no averaged weights"));
    tiny_free(&run);
}

static void when_checkpoints_and_probes_come_can_change(void **state)
{
    (void)state;
    static struct tiny_run run;
    tiny_init(&run, "micro");
    tiny_create(&run, NULL);
    live_ask(&run, live_at(2), COMMAND_CHECKPOINT_EVERY, 3);
    live_ask(&run, live_at(3), COMMAND_PROBE_EVERY, 2);
    live_ask(&run, live_at(5), COMMAND_UNDO, 0);
    live_finish(&run);
    assert_int_equal(run.checkpoints[1].state.step, 3);
    assert_int_equal(run.checkpoints[2].state.step, 6);
    assert_int_equal(run.probe_count, 1); /* before the step behind step 4 */
    assert_string_equal(run.commands[run.command_count - 1].outcome, "probe-every 2 -> 0");
    tiny_assert_same_end(tiny_reference(), &run);
    tiny_free(&run);
}

int live_changes_run(bool brief)
{
    const struct CMUnitTest few[] = {
        cmocka_unit_test(all_settings_change_at_one_step),
        cmocka_unit_test(a_batch_changes_with_the_epoch),
    };
    const struct CMUnitTest all[] = {
        cmocka_unit_test(all_settings_change_at_one_step),
        cmocka_unit_test(each_setting_changes_at_its_step),
        cmocka_unit_test(a_batch_changes_with_the_epoch),
        cmocka_unit_test(a_schedule_goes_on_where_it_was),
        cmocka_unit_test(at_an_epochs_start_a_batch_changes_at_once),
        cmocka_unit_test(a_resume_anywhere_goes_on_with_what_is_in_force),
        cmocka_unit_test(undo_goes_back_down_the_stack),
        cmocka_unit_test(what_is_undone_at_once_was_never_there),
        cmocka_unit_test(a_batch_has_at_most_all_training_images),
        cmocka_unit_test(a_batch_without_memory_is_refused_before_it_counts),
        cmocka_unit_test(averages_that_are_not_kept_cannot_change),
        cmocka_unit_test(when_checkpoints_and_probes_come_can_change),
    };
    const int failed = brief ? cmocka_run_group_tests(few, tiny_open, tiny_close_reference)
                             : cmocka_run_group_tests(all, tiny_open, tiny_close_reference);
    return failed + live_waits(brief);
}
