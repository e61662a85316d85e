/* Commands that wait for a step or for a figure of the run. They are part of its state, and are looked at between two
 * steps with nothing in flight: what they do does not depend on when a person or a screen came by. */
#include "engine/trainer_internal.h"

#include <math.h>
#include <string.h>

/* ---- Conditions ---- */

static double known(float figure)
{
    return figure >= 0 ? (double)figure : (double)NAN;
}

static double figure_of(const struct training_state *state, enum quantity_kind quantity)
{
    switch (quantity) {
    case WHEN_STEP:
        return (double)state->step;
    case WHEN_EPOCH:
        return state->epoch;
    case WHEN_LOSS:
        return state->step > 0 ? (double)state->last_loss : (double)NAN;
    case WHEN_ACCURACY:
        return known(state->last_accuracy);
    case WHEN_GRADIENT_NORM:
        return known(state->last_gradient_norm);
    case WHEN_VALIDATION_LOSS:
        return known(state->validation_loss);
    case WHEN_VALIDATION_ACCURACY:
        return known(state->validation_accuracy);
    case WHEN_NOW:
        break;
    }
    return 0;
}

/* False for what is not a number. Figures are floats: a bound is compared as the float it is nearest to. */
static bool holds(const struct condition *when, double figure)
{
    const double bound = when->quantity == WHEN_STEP ? when->value : (double)(float)when->value;
    switch (when->relation) {
    case RELATION_BELOW:
        return figure < bound;
    case RELATION_UP_TO:
        return figure <= bound;
    case RELATION_ABOVE:
        return figure > bound;
    default:
        return figure >= bound;
    }
}

bool trainer_may_be_due(const struct trainer *trainer, long step)
{
    const struct training_state *state = &trainer->state;
    for (int i = 0; i < state->pending_count; i++) {
        const struct condition *when = &state->pending[i].when;
        const bool each_step =
            when->quantity == WHEN_LOSS || when->quantity == WHEN_ACCURACY || when->quantity == WHEN_GRADIENT_NORM;
        if (each_step || (when->quantity == WHEN_STEP && holds(when, (double)step)))
            return true;
    }
    return false;
}

static void remove_at(struct training_state *state, int index)
{
    state->pending_count--;
    memmove(state->pending + index, state->pending + index + 1,
            (size_t)(state->pending_count - index) * sizeof *state->pending);
}

bool trainer_take_due(struct trainer *trainer, struct command *command)
{
    struct training_state *state = &trainer->state;
    if (trainer->flight_count > 0)
        return false; /* none is due before they are collected: see trainer_may_be_due */
    for (int i = 0; i < state->pending_count; i++) {
        if (!holds(&state->pending[i].when, figure_of(state, state->pending[i].when.quantity)))
            continue;
        *command = state->pending[i];
        remove_at(state, i);
        trainer->unsaved = true;
        return true;
    }
    return false;
}

void trainer_forget_pending(struct trainer *trainer, long number)
{
    for (int i = 0; i < trainer->state.pending_count; i++)
        if (trainer->state.pending[i].number == number)
            remove_at(&trainer->state, i--);
}

/* ---- Commands ---- */

enum progress trainer_wait(struct trainer *trainer, struct command_record *record)
{
    struct training_state *state = &trainer->state;
    const struct condition *when = &record->command.when;
    struct command waiting = record->command;
    record->command.kind = COMMAND_WAIT;
    record->ok = false;
    if (when->relation == RELATION_AT && when->value < (double)state->step)
        trainer_outcome(record, "the run is at step %ld already: step %.0f is behind it", state->step, when->value);
    else if (waiting.kind == COMMAND_TRY || waiting.kind == COMMAND_LR_FIND || waiting.kind == COMMAND_ACCEPT ||
             waiting.kind == COMMAND_DROP)
        trainer_outcome(record, "what is tried, accepted and dropped is a person's to say, at its time");
    else if (state->pending_count == PENDING_MOST)
        trainer_outcome(record, "%d commands wait already: cancel one first", (int)PENDING_MOST);
    else {
        record->ok = true;
        trainer->unsaved = true;
        waiting.number = record->command.number = ++state->pending_number;
        record->command.then = waiting.kind;
        state->pending[state->pending_count++] = waiting;
        trainer_outcome(record, "waits as number %ld%s", waiting.number,
                        when->quantity == WHEN_STEP && when->value > (double)trainer->steps_total
                            ? "; the run is to end before that"
                            : "");
    }
    return RUN_ON;
}

int trainer_wait_again(struct trainer *trainer, const struct command *recorded)
{
    struct training_state *state = &trainer->state;
    if (recorded->then == COMMAND_WAIT || state->pending_count == PENDING_MOST)
        return -1;
    struct command *waiting = &state->pending[state->pending_count++];
    *waiting = *recorded;
    waiting->kind = recorded->then;
    waiting->then = 0;
    state->pending_number = recorded->number;
    return 0;
}

enum progress trainer_cancel(struct trainer *trainer, struct command_record *record)
{
    struct training_state *state = &trainer->state;
    const long number = record->command.count;
    const int before = state->pending_count;
    if (number < 0)
        state->pending_count = 0;
    else
        trainer_forget_pending(trainer, number);
    const int gone = before - state->pending_count;
    record->ok = gone > 0;
    trainer->unsaved |= record->ok;
    if (record->ok)
        trainer_outcome(record, "cancelled %d command%s, %d still wait%s", gone, gone == 1 ? "" : "s",
                        state->pending_count, state->pending_count == 1 ? "s" : "");
    else if (number < 0)
        trainer_outcome(record, "nothing waits");
    else
        trainer_outcome(record, "no command waits as number %ld: `pending` lists them", number);
    return RUN_ON;
}
