/* See kept_course.h. */
#include "tests/engine/kept_course.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

void course_init(struct tiny_run *run)
{
    tiny_init(run, "micro");
    run->options.epochs = 3;
    run->options.augment.kind = AUGMENT_STANDARD;
    run->options.schedule = SCHEDULE_COSINE;
    run->options.agc = 0.01f;
    run->options.lookahead = 3;
}

void course_start(struct tiny_run *run)
{
    struct error error = {""};
    tiny_create(run, NULL);
    assert_int_equal(trainer_start(run->trainer, true, &error), 0);
}

void course_go_to(struct tiny_run *run, long step)
{
    struct snapshot now;
    trainer_snapshot(run->trainer, &now);
    tiny_command(run, COMMAND_STEP, 0, step - now.step.step);
    tiny_wait(run, TRAINER_PAUSED, step);
}

static bool is_answer(const struct event *event, enum command_kind kind, long count)
{
    const struct command *command = &event->command.command;
    return event->kind == EVENT_COMMAND && command->count == count &&
           (command->kind == kind || command->kind == COMMAND_ROLLBACK);
}

struct command_record course_command(struct tiny_run *run, enum command_kind kind, double value, long count)
{
    struct event event = {.kind = EVENT_MESSAGE};
    tiny_command(run, kind, value, count);
    while (!is_answer(&event, kind, count) || !trainer_is_settled(run->trainer))
        if (!is_answer(&event, kind, count) && !trainer_next_event(run->trainer, &event))
            event.kind = EVENT_MESSAGE;
    return event.command;
}

void course_finish(struct tiny_run *run)
{
    struct error error = {""};
    tiny_command(run, COMMAND_RESUME, 0, 0);
    if (trainer_join(run->trainer, &error))
        fail_msg("%s", error.message);
}

void course_reference(struct tiny_run *run, long step, double rate)
{
    course_init(run);
    course_start(run);
    if (rate > 0) {
        course_go_to(run, step);
        tiny_command(run, COMMAND_LEARNING_RATE, rate, 0);
    }
    course_finish(run);
}

void course_assert_same(const struct tiny_run *run, const struct tiny_run *reference)
{
    assert_int_equal(run->step_count, reference->step_count);
    for (int i = 0; i < run->step_count; i++) {
        assert_int_equal(run->steps[i].step, reference->steps[i].step);
        assert_true(run->steps[i].loss == reference->steps[i].loss);
        assert_true(run->steps[i].learning_rate == reference->steps[i].learning_rate);
    }
    tiny_assert_same_end(run, reference);
}

static long first_checkpoint(void *context, long limit)
{
    (void)context;
    (void)limit;
    return 0;
}

void course_init_to_22(struct tiny_run *run)
{
    course_init(run);
    run->sink.saved_step = first_checkpoint;
}

void course_change_at_4_and_19(struct tiny_run *run)
{
    course_start(run);
    course_go_to(run, 4);
    tiny_command(run, COMMAND_LEARNING_RATE, 0.01, 0);
    course_go_to(run, 19);
    tiny_command(run, COMMAND_LEARNING_RATE, 0.5, 0);
    course_go_to(run, 22);
}

long course_no_checkpoint(void *context, long limit)
{
    (void)context;
    (void)limit;
    return -1;
}
