/* See live_fixture.h. */
#include "tests/engine/live_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct condition live_at(long step)
{
    return (struct condition){WHEN_STEP, RELATION_AT, (double)step};
}

void live_ask(struct tiny_run *run, struct condition when, enum command_kind kind, double value)
{
    struct error error = {""};
    const struct command command = {.kind = kind, .value = value, .count = -1, .when = when, .text = "as typed"};
    if (trainer_command(run->trainer, &command, &error) < 0)
        fail_msg("%s", error.message);
}

void live_finish(struct tiny_run *run)
{
    struct error error = {""};
    if (trainer_run(run->trainer, &error) < 0)
        fail_msg("%s", error.message);
}

const struct command_record *live_record_of(const struct tiny_run *run, enum command_kind kind)
{
    for (int i = 0; i < run->command_count; i++)
        if (run->commands[i].command.kind == kind)
            return &run->commands[i];
    fail_msg("no record of kind %d", (int)kind);
    return NULL;
}
