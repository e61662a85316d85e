/* See trials_fixture.h. */
#include "tests/engine/trials_fixture.h"

#include "tests/engine/tiny_reference.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <time.h>

struct trial_viewer trial_viewer;

const struct command_record *trial_wait_for(struct tiny_run *run, enum command_kind kind)
{
    struct event event;
    for (int tries = 0; tries < TINY_PATIENCE; tries++) {
        while (trainer_next_event(run->trainer, &event)) {
            if (event.kind == EVENT_TRIAL) {
                assert_true(trial_viewer.count < TRIAL_MOST_NEWS);
                trial_viewer.news[trial_viewer.count++] = event.trial;
            }
            if (event.kind != EVENT_COMMAND || event.command.command.kind != kind)
                continue;
            trial_viewer.last = event.command;
            return &trial_viewer.last;
        }
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    fail_msg("command %d was not done within some minutes", (int)kind);
    return NULL;
}

void trial_send(struct tiny_run *run, enum command_kind kind, const struct trial_request *trial)
{
    struct error error = {0};
    const struct command command = {.kind = kind, .trial = *trial, .text = "as typed"};
    assert_int_equal(trainer_command(run->trainer, &command, &error), 0);
}

void trial_begin(struct tiny_run *run)
{
    struct error error = {0};
    trial_viewer.count = 0;
    tiny_create(run, NULL);
    assert_int_equal(trainer_start(run->trainer, true, &error), 0);
    tiny_command(run, COMMAND_STEP, 0, TRIAL_FROM);
    trial_wait_for(run, COMMAND_STEP);
    tiny_wait(run, TRAINER_PAUSED, TRIAL_FROM);
    trial_viewer.findings = run->finding_count;
}

void trial_finish(struct tiny_run *run)
{
    struct error error = {0};
    tiny_command(run, COMMAND_RESUME, 0, 0);
    assert_int_equal(trainer_join(run->trainer, &error), 0);
}

const struct trial_request trial_two_rates = {
    .setting = COMMAND_LEARNING_RATE, .values = {0.05, 0.3}, .count = 2, .steps = TRIAL_STEPS_MADE};

const struct trial_event *trial_news(enum trial_news kind, int index, int number)
{
    for (int i = 0; i < trial_viewer.count; i++)
        if (trial_viewer.news[i].news == kind && trial_viewer.news[i].index == index && number-- == 0)
            return &trial_viewer.news[i];
    return NULL;
}

void trial_assert_untouched(const struct tiny_run *run)
{
    const struct tiny_run *plain = tiny_reference();
    assert_int_equal(run->step_count, plain->step_count);
    assert_int_equal(run->epoch_count, plain->epoch_count);
    assert_int_equal(run->diverged_step, 0);
    assert_int_equal(run->rollback_count, 0);
    tiny_assert_same_steps(plain, run);
    tiny_assert_same_end(plain, run);
}
