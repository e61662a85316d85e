/* See kept_states.h. What is kept is taken and put back on the trainer's own thread, behind a checkpoint, where no step
 * is in flight. */
#include "tests/engine/kept_states.h"

#include "engine/trainer_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { KEPT_AT = 4, REHEARSED = 10 }; /* the rehearsal goes past the epoch's end */

static struct step_record rehearsed[REHEARSED];
static int rehearsed_count, called_off_at;
static enum progress came_to;

/* Augmented images, averages, clipping, a schedule that changes the rate at each step. */
static void init(struct tiny_run *run)
{
    tiny_init(run, "micro");
    run->options.checkpoint_every = KEPT_AT;
    run->options.augment.kind = AUGMENT_STANDARD;
    run->options.schedule = SCHEDULE_COSINE;
    run->options.agc = 0.01f;
    run->options.lookahead = 3;
}

static void finish(struct tiny_run *run)
{
    struct error error = {""};
    if (trainer_run(run->trainer, &error))
        fail_msg("%s", error.message);
}

static int keep_record(void *context, const struct step_record *record)
{
    (void)context;
    assert_true(rehearsed_count < REHEARSED);
    rehearsed[rehearsed_count++] = *record;
    return rehearsed_count == called_off_at;
}

static bool spoilt;

static void rehearse(struct tiny_run *run, long step)
{
    static struct kept_state kept;
    const struct rehearsal rehearsal = {.until = KEPT_AT + REHEARSED, .on_step = keep_record};
    if (step != KEPT_AT)
        return;
    assert_int_equal(kept_state_take(run->trainer, &kept), 0);
    if (spoilt)
        tiny_spoil(run, "head.bias", PART_VALUE, -3e38f, 8);
    came_to = trainer_rehearse(run->trainer, &rehearsal);
    if (came_to == RUN_ON)
        assert_int_equal(run->trainer->state.step, KEPT_AT + REHEARSED);
    assert_int_equal(kept_state_put_back(run->trainer, &kept), 0);
    kept_state_free(&kept);
}

/* The run with a rehearsal in it, and the same run without. */
static void run_both(struct tiny_run *run, struct tiny_run *reference)
{
    rehearsed_count = 0;
    init(run);
    run->saved = rehearse;
    tiny_create(run, NULL);
    finish(run);
    init(reference);
    tiny_create(reference, NULL);
    finish(reference);
}

static void assert_same_course(const struct tiny_run *run, const struct tiny_run *reference)
{
    assert_int_equal(run->step_count, reference->step_count);
    for (int i = 0; i < run->step_count; i++)
        assert_true(run->steps[i].loss == reference->steps[i].loss);
    assert_int_equal(run->epoch_count, reference->epoch_count);
    assert_int_equal(run->checkpoint_count, reference->checkpoint_count);
    tiny_assert_same_end(run, reference);
}

/* Nothing of the rehearsal is in the run, and its steps are those that the run makes then. */
static void a_rehearsal_leaves_no_trace(void **state)
{
    (void)state;
    static struct tiny_run run, reference;
    called_off_at = 0;
    run_both(&run, &reference);
    assert_int_equal(came_to, RUN_ON);
    assert_int_equal(rehearsed_count, REHEARSED);
    for (int i = 0; i < REHEARSED; i++) {
        assert_int_equal(rehearsed[i].step, KEPT_AT + 1 + i);
        assert_true(rehearsed[i].loss == reference.steps[KEPT_AT + i].loss);
        assert_true(rehearsed[i].learning_rate == reference.steps[KEPT_AT + i].learning_rate);
    }
    assert_same_course(&run, &reference);
    tiny_free(&run);
    tiny_free(&reference);
}

static void one_that_is_called_off_leaves_none_either(void **state)
{
    (void)state;
    static struct tiny_run run, reference;
    called_off_at = 3;
    run_both(&run, &reference);
    assert_int_equal(came_to, RUN_INTERRUPTED);
    assert_int_equal(rehearsed_count, 3);
    assert_same_course(&run, &reference);
    tiny_free(&run);
    tiny_free(&reference);
}

/* A step of it that is not finite is no divergence of the run. */
static void one_that_diverges_is_no_divergence(void **state)
{
    (void)state;
    static struct tiny_run run, reference;
    spoilt = true;
    run_both(&run, &reference);
    spoilt = false;
    assert_int_equal(came_to, RUN_AGAIN);
    assert_int_equal(rehearsed_count, 0);
    assert_int_equal(run.finding_count, 0);
    assert_int_equal(run.diverged_step, 0);
    assert_same_course(&run, &reference);
    tiny_free(&run);
    tiny_free(&reference);
}

/* ---- The ring ---- */

static void keep_at(struct tiny_run *run, struct kept_ring *ring, long step)
{
    const struct command command = {.kind = COMMAND_LEARNING_RATE, .value = (double)step};
    run->trainer->state.step = step;
    assert_int_equal(kept_ring_push(run->trainer, ring, &command), 0);
    kept_ring_trim(run->trainer, ring);
}

static void the_last_states_are_kept_in_their_order(void **state)
{
    (void)state;
    static struct tiny_run run;
    static struct kept_ring ring;
    init(&run);
    tiny_create(&run, NULL);
    assert_null(kept_ring_top(&ring));
    for (long step = 1; step <= KEPT_STATES + 3; step++)
        keep_at(&run, &ring, step);
    assert_int_equal(ring.count, KEPT_STATES);
    assert_null(kept_ring_find(&ring, 3));
    assert_int_equal(kept_ring_find(&ring, 4)->before.state.step, 4);
    assert_int_equal(kept_ring_find(&ring, 1000)->before.state.step, KEPT_STATES + 3);
    const struct command refused = {.kind = COMMAND_LEARNING_RATE};
    assert_int_equal(kept_ring_push(run.trainer, &ring, &refused), 0);
    kept_ring_pop(&ring);
    assert_int_equal(kept_ring_find(&ring, 4)->before.state.step, 4); /* it cost none of them */
    for (long step = KEPT_STATES + 3; step > 7; step--) {
        assert_int_equal(kept_ring_top(&ring)->before.state.step, step);
        assert_true(kept_ring_top(&ring)->command.value == (double)step);
        kept_ring_pop(&ring);
    }
    keep_at(&run, &ring, 7); /* a second command at a step */
    assert_ptr_equal(kept_ring_find(&ring, 7), &ring.kept[(ring.first + ring.count - 2) % KEPT_SLOTS]);
    run.trainer->state.step = 7;
    kept_ring_cut(&ring, &run.trainer->state);
    assert_int_equal(kept_ring_top(&ring)->before.state.step, 6);
    kept_ring_free(&ring);
    assert_null(kept_ring_top(&ring));
    tiny_free(&run);
}

static long uncounted(void *context)
{
    (void)context;
    return -1;
}

/* A state that does not know which commands it has would lose some of them in a `back`. */
static void none_is_kept_without_the_number_of_commands(void **state)
{
    (void)state;
    static struct tiny_run run;
    struct kept_state kept = {0};
    init(&run);
    run.sink.recorded_commands = uncounted;
    tiny_create(&run, NULL);
    assert_int_equal(kept_state_take(run.trainer, &kept), -1);
    assert_string_equal(run.trainer->failure.message, "the recorded commands cannot be counted");
    assert_null(kept.parameters);
    tiny_free(&run);
}

int kept_states_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rehearsal_leaves_no_trace),
        cmocka_unit_test(one_that_is_called_off_leaves_none_either),
        cmocka_unit_test(one_that_diverges_is_no_divergence),
        cmocka_unit_test(the_last_states_are_kept_in_their_order),
        cmocka_unit_test(none_is_kept_without_the_number_of_commands),
    };
    return cmocka_run_group_tests(tests, tiny_open, tiny_close);
}
