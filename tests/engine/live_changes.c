/* See live_changes.h. */
#include "tests/engine/live_changes.h"

#include "tests/engine/tiny_reference.h"

#include "engine/live.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct condition now = {WHEN_NOW, RELATION_AT, 0};

static struct condition at(long step)
{
    return (struct condition){WHEN_STEP, RELATION_AT, (double)step};
}

static void ask(struct tiny_run *run, struct condition when, enum command_kind kind, double value)
{
    struct error error = {""};
    const struct command command = {.kind = kind, .value = value, .count = -1, .when = when, .text = "as typed"};
    if (trainer_command(run->trainer, &command, &error) < 0)
        fail_msg("%s", error.message);
}

static void begin(struct tiny_run *run)
{
    tiny_init(run, "micro");
}

static void finish(struct tiny_run *run)
{
    struct error error = {""};
    if (trainer_run(run->trainer, &error) < 0)
        fail_msg("%s", error.message);
}

static const struct tiny_checkpoint *checkpoint_at(const struct tiny_run *run, long step)
{
    for (int i = run->checkpoint_count - 1; i >= 0; i--)
        if (run->checkpoints[i].state.step == step)
            return &run->checkpoints[i];
    fail_msg("no checkpoint at step %ld", step);
    return NULL;
}

static const struct command_record *record_of(const struct tiny_run *run, enum command_kind kind)
{
    for (int i = 0; i < run->command_count; i++)
        if (run->commands[i].command.kind == kind)
            return &run->commands[i];
    fail_msg("no record of kind %d", (int)kind);
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
    finish(leg);
}

/* ---- The same bits ---- */

static const struct change {
    enum command_kind kind;
    double value;
} changes[] = {
    {COMMAND_LEARNING_RATE, 0.01},     {COMMAND_MOMENTUM, 0.5},
    {COMMAND_WEIGHT_DECAY, 0.05},      {COMMAND_AGC, 0.001},
    {COMMAND_LABEL_SMOOTHING, 0.3},    {COMMAND_EMA, 0.5},
    {COMMAND_AUGMENT, AUGMENT_REPORT}, {COMMAND_SCHEDULE, SCHEDULE_COSINE},
};

static void each_setting_changes_at_its_step(void **state)
{
    (void)state;
    static struct tiny_run live, leg;
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        begin(&live);
        tiny_create(&live, NULL);
        ask(&live, at(5), changes[i].kind, changes[i].value);
        finish(&live);
        assert_int_equal(record_of(&live, changes[i].kind)->step, 5);
        assert_true(record_of(&live, changes[i].kind)->ok);

        begin(&leg);
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
    begin(&live);
    begin(&leg);
    tiny_create(&live, NULL);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        ask(&live, at(5), changes[i].kind, changes[i].value);
        live_put(live_of_command(changes[i].kind), &leg.options, changes[i].value);
    }
    finish(&live);
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
    begin(&live);
    tiny_create(&live, NULL);
    ask(&live, at(3), COMMAND_BATCH, 16);
    finish(&live);
    assert_string_equal(record_of(&live, COMMAND_BATCH)->outcome, "batch 8 -> 16 from step 8 on, where epoch 2 begins");
    assert_int_equal(tiny_last(&live)->state.step, 12);
    assert_int_equal(tiny_last(&live)->state.epoch, 2);

    begin(&leg);
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
    begin(&live);
    live.options.schedule = SCHEDULE_COSINE;
    live.options.warmup_epochs = 0;
    live.options.learning_rate = 0.1f;
    tiny_create(&live, NULL);
    ask(&live, now, COMMAND_BATCH, 8);
    ask(&live, at(3), COMMAND_BATCH, 16);
    finish(&live);
    assert_true(fabs((double)live.steps[TINY_EPOCH].learning_rate - 0.05) < 1e-7); /* the first of the second half */
    assert_true(fabs((double)live.steps[TINY_EPOCH + 2].learning_rate - 0.1 * 0.5 * (1 - sqrt(0.5))) < 1e-7);
    tiny_free(&live);
}

static void at_an_epochs_start_a_batch_changes_at_once(void **state)
{
    (void)state;
    static struct tiny_run live;
    begin(&live);
    tiny_create(&live, NULL);
    ask(&live, now, COMMAND_BATCH, 30);
    finish(&live);
    assert_string_equal(live.commands[0].outcome, "batch 8 -> 30");
    assert_int_equal(tiny_last(&live)->state.step, 4); /* two epochs of two */
    tiny_free(&live);
}

/* Many changes, and what waits for later, in whatever checkpoint the run goes on from. */
static void a_resume_anywhere_goes_on_with_what_is_in_force(void **state)
{
    (void)state;
    static struct tiny_run live, resumed;
    begin(&live);
    live.options.checkpoint_every = 1;
    tiny_create(&live, NULL);
    ask(&live, at(2), COMMAND_MOMENTUM, 0.5);
    ask(&live, at(3), COMMAND_BATCH, 16);
    ask(&live, at(4), COMMAND_AUGMENT, AUGMENT_NONE);
    ask(&live, at(5), COMMAND_SCHEDULE, SCHEDULE_CONSTANT);
    ask(&live, at(6), COMMAND_UNDO, 0);
    ask(&live, at(9), COMMAND_SCALE_LEARNING_RATE, 0.5);
    ask(&live, (struct condition){WHEN_EPOCH, RELATION_FROM, 1}, COMMAND_AGC, 0.001);
    ask(&live, at(10), COMMAND_UNDO, 0);
    finish(&live);
    assert_int_equal(record_of(&live, COMMAND_AGC)->step, TINY_EPOCH);
    assert_int_equal(tiny_last(&live)->state.step, 12);
    /* the first checkpoint was made before all of them; behind the last step there is nothing to go on with */
    for (int i = 1; live.checkpoints[i].state.step < 12; i++) {
        tiny_init(&resumed, "micro");
        tiny_create(&resumed, &live.checkpoints[i]);
        finish(&resumed);
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
    begin(&run);
    run.options.schedule = SCHEDULE_CONSTANT;
    run.options.learning_rate = 0.01f;
    run.options.momentum = 0.9f;
    tiny_create(&run, NULL);
    ask(&run, at(1), COMMAND_LEARNING_RATE, 0.003);
    ask(&run, at(2), COMMAND_MOMENTUM, 0.5);
    ask(&run, at(2), COMMAND_MOMENTUM, 0.5); /* changes nothing: nothing to undo */
    ask(&run, at(3), COMMAND_UNDO, 0);
    ask(&run, at(4), COMMAND_UNDO, 0);
    ask(&run, at(5), COMMAND_UNDO, 0);
    finish(&run);
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
    begin(&run);
    tiny_create(&run, NULL);
    assert_int_equal(trainer_start(run.trainer, true, &error), 0);
    tiny_command(&run, COMMAND_STEP, 0, 4);
    tiny_wait(&run, TRAINER_PAUSED, 4);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
        ask(&run, now, changes[i].kind, changes[i].value);
    ask(&run, now, COMMAND_BATCH, 4);
    for (size_t i = 0; i <= sizeof changes / sizeof *changes; i++)
        ask(&run, now, COMMAND_UNDO, 0);
    tiny_command(&run, COMMAND_RESUME, 0, 0);
    assert_int_equal(trainer_join(run.trainer, &error), 0);
    tiny_assert_same_steps(tiny_reference(), &run);
    tiny_assert_same_end(tiny_reference(), &run);
    tiny_free(&run);
}

/* ---- at and when ---- */

static void conditions_hold_at_the_first_step_that_meets_them(void **state)
{
    (void)state;
    static struct tiny_run run;
    const struct tiny_run *reference = tiny_reference();
    float least = INFINITY, most = 0;
    long least_step = 0, most_step = 0;
    for (int i = 0; i < 6; i++) {
        if (reference->steps[i].loss < least) {
            least = reference->steps[i].loss;
            least_step = i + 1;
        }
        if (reference->steps[i].gradient_norm > most) {
            most = reference->steps[i].gradient_norm;
            most_step = i + 1;
        }
    }
    begin(&run);
    tiny_create(&run, NULL);
    ask(&run, (struct condition){WHEN_LOSS, RELATION_UP_TO, (double)least}, COMMAND_NOTE, 1);
    ask(&run, (struct condition){WHEN_GRADIENT_NORM, RELATION_FROM, (double)most}, COMMAND_NOTE, 2);
    ask(&run, (struct condition){WHEN_STEP, RELATION_ABOVE, 9}, COMMAND_NOTE, 3);
    ask(&run, (struct condition){WHEN_EPOCH, RELATION_FROM, 1}, COMMAND_NOTE, 4);
    ask(&run, (struct condition){WHEN_VALIDATION_LOSS, RELATION_ABOVE, 0}, COMMAND_NOTE, 5);
    ask(&run, (struct condition){WHEN_VALIDATION_ACCURACY, RELATION_ABOVE, 1}, COMMAND_NOTE, 6); /* never */
    ask(&run, (struct condition){WHEN_LOSS, RELATION_BELOW, (double)NAN}, COMMAND_NOTE, 7);      /* never */
    ask(&run, at(TINY_EPOCH), COMMAND_NOTE, 8);
    ask(&run, at(2 * TINY_EPOCH), COMMAND_NOTE, 9); /* behind the last step */
    ask(&run, (struct condition){WHEN_ACCURACY, RELATION_FROM, 0}, COMMAND_NOTE, 10);
    finish(&run);
    static const struct {
        int note;
        long step;
    } fixed[] = {{3, 10}, {4, TINY_EPOCH}, {5, TINY_EPOCH}, {8, TINY_EPOCH}, {9, 2 * TINY_EPOCH}, {10, 1}};
    long seen[11];
    memset(seen, -1, sizeof seen);
    for (int i = 0; i < run.command_count; i++) {
        if (run.commands[i].command.kind != COMMAND_NOTE)
            continue;
        const int note = (int)run.commands[i].command.value;
        assert_int_equal(seen[note], -1); /* once */
        seen[note] = run.commands[i].step;
    }
    assert_int_equal(seen[1], least_step);
    assert_int_equal(seen[2], most_step);
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        assert_int_equal(seen[fixed[i].note], fixed[i].step);
    assert_int_equal(seen[6], -1);
    assert_int_equal(seen[7], -1);
    assert_int_equal(tiny_last(&run)->state.pending_count, 2); /* those wait still */
    tiny_assert_same_end(reference, &run);                     /* notes change no bit */
    tiny_free(&run);
}

static void those_that_wait_can_be_cancelled_and_are_few(void **state)
{
    (void)state;
    static struct tiny_run run;
    struct error error = {""};
    struct snapshot snapshot;
    begin(&run);
    tiny_create(&run, NULL);
    assert_int_equal(trainer_start(run.trainer, true, &error), 0);
    tiny_command(&run, COMMAND_STEP, 0, 4);
    tiny_wait(&run, TRAINER_PAUSED, 4);
    ask(&run, at(3), COMMAND_NOTE, 0); /* behind */
    for (int i = 0; i <= PENDING_MOST; i++)
        ask(&run, at(6), COMMAND_LEARNING_RATE, 0.001);
    tiny_command(&run, COMMAND_CANCEL, 0, 3);
    tiny_command(&run, COMMAND_CANCEL, 0, 3);
    tiny_command(&run, COMMAND_STEP, 0, 1);
    tiny_wait(&run, TRAINER_PAUSED, 5);
    trainer_snapshot(run.trainer, &snapshot);
    assert_int_equal(snapshot.pending_count, PENDING_MOST - 1);
    assert_int_equal(snapshot.pending[2].number, 4); /* numbers stay */
    tiny_command(&run, COMMAND_CANCEL, 0, -1);
    tiny_command(&run, COMMAND_CANCEL, 0, -1);
    tiny_command(&run, COMMAND_RESUME, 0, 0);
    assert_int_equal(trainer_join(run.trainer, &error), 0);
    static const char *const outcomes[] = {"the run is at step 4 already: step 3 is behind it", "waits as number 1"};
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(run.commands[i + 1].outcome, outcomes[i]);
        assert_int_equal(run.commands[i + 1].command.kind, COMMAND_WAIT);
    }
    const struct command_record *rest = &run.commands[2 + PENDING_MOST];
    assert_string_equal(rest[0].outcome, "16 commands wait already: cancel one first");
    assert_string_equal(rest[1].outcome, "cancelled 1 command, 15 still wait");
    assert_string_equal(rest[2].outcome, "no command waits as number 3: `pending` lists them");
    assert_string_equal(rest[4].outcome, "cancelled 15 commands, 0 still wait");
    assert_string_equal(rest[5].outcome, "nothing waits");
    tiny_assert_same_end(tiny_reference(), &run);
    tiny_free(&run);
}

static void a_stop_can_wait(void **state)
{
    (void)state;
    static struct tiny_run run, resumed;
    begin(&run);
    tiny_create(&run, NULL);
    ask(&run, at(5), COMMAND_STOP, 0);
    finish(&run);
    assert_int_equal(tiny_last(&run)->state.step, 5);
    assert_int_equal(tiny_last(&run)->state.pending_count, 0);
    assert_string_equal(record_of(&run, COMMAND_STOP)->outcome, "stopped and saved at step 5");
    tiny_init(&resumed, "micro");
    tiny_create(&resumed, tiny_last(&run));
    finish(&resumed);
    tiny_assert_same_end(tiny_reference(), &resumed);
    tiny_free(&resumed);
    tiny_free(&run);
}

/* Back before it was done, a command waits again, but not the one that went back. */
static void going_back_brings_back_what_waited(void **state)
{
    (void)state;
    static struct tiny_run run;
    struct error error = {""};
    begin(&run);
    run.options.checkpoint_every = 1;
    run.options.schedule = SCHEDULE_CONSTANT;
    tiny_create(&run, NULL);
    ask(&run, at(3), COMMAND_MOMENTUM, 0.25);
    const struct command back = {.kind = COMMAND_BACK, .count = 2, .when = at(5), .text = "at 5 back 2"};
    assert_int_equal(trainer_command(run.trainer, &back, &error), 0);
    assert_int_equal(trainer_start(run.trainer, false, &error), 0);
    tiny_wait(&run, TRAINER_PAUSED, 2);
    struct snapshot snapshot;
    trainer_snapshot(run.trainer, &snapshot);
    assert_int_equal(snapshot.step.step, 2);
    assert_int_equal(snapshot.pending_count, 1);
    assert_true(snapshot.options.momentum == run.options.momentum);
    tiny_command(&run, COMMAND_RESUME, 0, 0);
    assert_int_equal(trainer_join(run.trainer, &error), 0);
    trainer_snapshot(run.trainer, &snapshot);
    assert_true(snapshot.options.momentum == 0.25f);
    assert_int_equal(run.rollback_count, 1);
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
    ask(&run, at(3), COMMAND_BATCH, TINY_TRAIN + 1);
    finish(&run);
    assert_false(record_of(&run, COMMAND_BATCH)->ok);
    assert_non_null(strstr(record_of(&run, COMMAND_BATCH)->outcome, "training images; it stays 8"));
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
    finish(&plain);
    tiny_init(&run, "micro");
    run.spec.norm = NORM_BATCH;
    tiny_create(&run, NULL);
    struct backend *backend = network_backend(run.network);
    int (*const memory)(struct backend *, size_t *, size_t *, struct error *) = backend->memory;
    backend->memory = little_memory;
    ask(&run, at(3), COMMAND_BATCH, 60);
    finish(&run);
    backend->memory = memory;
    const struct command_record *record = record_of(&run, COMMAND_BATCH);
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
    begin(&run);
    tiny_create(&run, NULL);
    ask(&run, now, COMMAND_EMA, 0);
    finish(&run);
    assert_false(run.commands[0].ok);
    tiny_assert_same_end(tiny_reference(), &run);
    tiny_free(&run);
    begin(&run);
    run.options.ema = 0;
    tiny_create(&run, NULL);
    ask(&run, now, COMMAND_EMA, 0.9);
    finish(&run);
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
    ask(&run, at(2), COMMAND_CHECKPOINT_EVERY, 3);
    ask(&run, at(3), COMMAND_PROBE_EVERY, 2);
    ask(&run, at(5), COMMAND_UNDO, 0);
    finish(&run);
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
        cmocka_unit_test(conditions_hold_at_the_first_step_that_meets_them),
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
        cmocka_unit_test(conditions_hold_at_the_first_step_that_meets_them),
        cmocka_unit_test(those_that_wait_can_be_cancelled_and_are_few),
        cmocka_unit_test(a_stop_can_wait),
        cmocka_unit_test(going_back_brings_back_what_waited),
        cmocka_unit_test(a_batch_has_at_most_all_training_images),
        cmocka_unit_test(a_batch_without_memory_is_refused_before_it_counts),
        cmocka_unit_test(averages_that_are_not_kept_cannot_change),
        cmocka_unit_test(when_checkpoints_and_probes_come_can_change),
    };
    return brief ? cmocka_run_group_tests(few, tiny_open, tiny_close_reference)
                 : cmocka_run_group_tests(all, tiny_open, tiny_close_reference);
}
