/* Commands that wait for a step or a figure; see live_changes.h. */
#include "tests/engine/live_fixture.h"

#include "tests/engine/tiny_reference.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

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
    tiny_init(&run, "micro");
    tiny_create(&run, NULL);
    live_ask(&run, (struct condition){WHEN_LOSS, RELATION_UP_TO, (double)least}, COMMAND_NOTE, 1);
    live_ask(&run, (struct condition){WHEN_GRADIENT_NORM, RELATION_FROM, (double)most}, COMMAND_NOTE, 2);
    live_ask(&run, (struct condition){WHEN_STEP, RELATION_ABOVE, 9}, COMMAND_NOTE, 3);
    live_ask(&run, (struct condition){WHEN_EPOCH, RELATION_FROM, 1}, COMMAND_NOTE, 4);
    live_ask(&run, (struct condition){WHEN_VALIDATION_LOSS, RELATION_ABOVE, 0}, COMMAND_NOTE, 5);
    live_ask(&run, (struct condition){WHEN_VALIDATION_ACCURACY, RELATION_ABOVE, 1}, COMMAND_NOTE, 6); /* never */
    live_ask(&run, (struct condition){WHEN_LOSS, RELATION_BELOW, (double)NAN}, COMMAND_NOTE, 7);      /* never */
    live_ask(&run, live_at(TINY_EPOCH), COMMAND_NOTE, 8);
    live_ask(&run, live_at(2 * TINY_EPOCH), COMMAND_NOTE, 9); /* behind the last step */
    live_ask(&run, (struct condition){WHEN_ACCURACY, RELATION_FROM, 0}, COMMAND_NOTE, 10);
    live_finish(&run);
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
    tiny_init(&run, "micro");
    tiny_create(&run, NULL);
    assert_int_equal(trainer_start(run.trainer, true, &error), 0);
    tiny_command(&run, COMMAND_STEP, 0, 4);
    tiny_wait(&run, TRAINER_PAUSED, 4);
    live_ask(&run, live_at(3), COMMAND_NOTE, 0); /* behind */
    for (int i = 0; i <= PENDING_MOST; i++)
        live_ask(&run, live_at(6), COMMAND_LEARNING_RATE, 0.001);
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
    tiny_init(&run, "micro");
    tiny_create(&run, NULL);
    live_ask(&run, live_at(5), COMMAND_STOP, 0);
    live_finish(&run);
    assert_int_equal(tiny_last(&run)->state.step, 5);
    assert_int_equal(tiny_last(&run)->state.pending_count, 0);
    assert_string_equal(live_record_of(&run, COMMAND_STOP)->outcome, "stopped and saved at step 5");
    tiny_init(&resumed, "micro");
    tiny_create(&resumed, tiny_last(&run));
    live_finish(&resumed);
    tiny_assert_same_end(tiny_reference(), &resumed);
    tiny_free(&resumed);
    tiny_free(&run);
}

/* A change of momentum waits for step 3; at step 5 the run goes back, and stands there. */
static void go_back_to(struct tiny_run *run, int step, const char *text)
{
    struct error error = {""};
    tiny_init(run, "micro");
    run->options.checkpoint_every = 1;
    run->options.schedule = SCHEDULE_CONSTANT;
    tiny_create(run, NULL);
    live_ask(run, live_at(3), COMMAND_MOMENTUM, 0.25);
    struct command back = {.kind = COMMAND_BACK, .count = step, .when = live_at(5)};
    snprintf(back.text, sizeof back.text, "%s", text);
    assert_int_equal(trainer_command(run->trainer, &back, &error), 0);
    assert_int_equal(trainer_start(run->trainer, false, &error), 0);
    tiny_wait(run, TRAINER_PAUSED, step);
}

/* Back before it was done, a command waits again, but not the one that went back. */
static void going_back_brings_back_what_waited(void **state)
{
    (void)state;
    static struct tiny_run run;
    struct error error;
    go_back_to(&run, 2, "at 5 back 2");
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

/* Back at its very step, it is not done, which is said. */
static void going_back_to_what_waited_names_it(void **state)
{
    (void)state;
    static struct tiny_run run;
    struct error error;
    go_back_to(&run, 3, "at 5 back 3");
    tiny_command(&run, COMMAND_RESUME, 0, 0);
    assert_int_equal(trainer_join(run.trainer, &error), 0);
    struct snapshot snapshot;
    trainer_snapshot(run.trainer, &snapshot);
    assert_true(snapshot.options.momentum == run.options.momentum);
    const char *outcome = live_record_of(&run, COMMAND_ROLLBACK)->outcome;
    if (!strstr(outcome, "; not done: `as typed`"))
        fail_msg("%s", outcome);
    tiny_free(&run);
}

int live_waits(bool brief)
{
    const struct CMUnitTest few[] = {
        cmocka_unit_test(conditions_hold_at_the_first_step_that_meets_them),
    };
    const struct CMUnitTest all[] = {
        cmocka_unit_test(conditions_hold_at_the_first_step_that_meets_them),
        cmocka_unit_test(those_that_wait_can_be_cancelled_and_are_few),
        cmocka_unit_test(a_stop_can_wait),
        cmocka_unit_test(going_back_brings_back_what_waited),
        cmocka_unit_test(going_back_to_what_waited_names_it),
    };
    return brief ? cmocka_run_group_tests(few, tiny_open, tiny_close_reference)
                 : cmocka_run_group_tests(all, tiny_open, tiny_close_reference);
}
