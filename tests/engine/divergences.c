/* What the tests of divergences share, and all of them together; see divergences.h. Whatever a run does, the steps that
 * follow must have the bits of a run that began just there. */
#include "tests/engine/divergences.h"

#include "tests/engine/divergences_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

bool diverging_spoilt;

void diverging_spoil_once(struct tiny_run *run, long step)
{
    if (step != BROKEN - 1 || diverging_spoilt)
        return;
    diverging_spoilt = true;
    tiny_spoil(run, "head.bias", PART_VALUE, -3e38f, 8);
}

void diverging_init(struct tiny_run *run, enum divergence_policy policy)
{
    tiny_init(run, "micro");
    run->options.epochs = 1;
    run->options.schedule = SCHEDULE_CONSTANT;
    run->options.learning_rate = 0.1f;
    run->options.checkpoint_every = 4;
    run->options.on_divergence = policy;
    run->saved = diverging_spoil_once;
    diverging_spoilt = false;
}

void diverging_finish(struct tiny_run *run)
{
    struct error error = {""};
    if (trainer_run(run->trainer, &error))
        fail_msg("%s", error.message);
}

const struct tiny_checkpoint *diverging_checkpoint(const struct tiny_run *run, long step)
{
    for (int i = 0; i < run->checkpoint_count; i++)
        if (run->checkpoints[i].state.step == step)
            return &run->checkpoints[i];
    fail_msg("no checkpoint at step %ld", step);
    return NULL;
}

void diverging_assert_same_steps(const struct tiny_run *run, long first, const struct tiny_run *reference)
{
    const struct step_record *steps = run->steps;
    int count = run->step_count;
    while (count > 0 && steps->step < first) {
        steps++;
        count--;
    }
    assert_int_equal(count, reference->step_count);
    for (int i = 0; i < count; i++) {
        assert_int_equal(steps[i].step, reference->steps[i].step);
        assert_true(steps[i].loss == reference->steps[i].loss);
        assert_true(steps[i].learning_rate == reference->steps[i].learning_rate);
    }
}

void diverging_train_from(struct tiny_run *run, const struct tiny_checkpoint *from)
{
    diverging_init(run, DIVERGENCE_PAUSE);
    run->saved = NULL;
    tiny_create(run, from);
    diverging_finish(run);
}

void diverging_hurry(struct tiny_run *run, long step)
{
    if (step == 3 && !diverging_spoilt)
        tiny_spoil(run, "head.bias", PART_VALUE, 60, 1); /* step 4: finite, but twenty times the loss */
    diverging_spoil_once(run, step);
}

int divergences_run(void)
{
    return divergences_rollback() + divergences_continue() + divergences_pause();
}
