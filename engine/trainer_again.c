/* Steps made again: a run comes to any step of its past from the nearest state before it, with the commands that were
 * in force, and compares each loss with the recorded one. Until it stands there nothing is undone: whoever calls the
 * way off, a step that is not finite, or a loss that is another one, leaves the run where it was. */
#include "engine/again.h"

#include <stdio.h>
#include <string.h>

static void name_undone(struct again *again, const struct command *command)
{
    const size_t length = strlen(again->undone);
    if (again->undone_count++ < UNDONE_NAMED)
        snprintf(again->undone + length, sizeof again->undone - length, "%s`%.60s`", length ? ", " : "", command->text);
}

/* What commands that waited come to is among the recorded ones; at the step itself it is undone, which is to be said.
 */
static void forget_due(struct again *again)
{
    struct trainer *trainer = again->trainer;
    struct command gone;
    while (trainer_take_due(trainer, &gone))
        if (trainer->state.step == again->until)
            name_undone(again, &gone);
}

/* What is recorded of a step; NULL: nothing. Asked for in their order. */
static const struct step_record *recorded_step(struct again *again, long step)
{
    const struct past *past = &again->past;
    while (again->compared < past->step_count && past->steps[again->compared].step < step)
        again->compared++;
    return again->compared < past->step_count && past->steps[again->compared].step == step
               ? &past->steps[again->compared]
               : NULL;
}

static int compare(void *context, const struct step_record *made)
{
    struct again *again = context;
    struct trainer *trainer = again->trainer;
    const struct step_record *recorded = recorded_step(again, made->step);
    forget_due(again);
    trainer->now.rehearsed = made->step - again->from;
    if (again->replay)
        return replay_step(again, made, recorded);
    again->compared_any |= recorded != NULL;
    if (recorded && recorded->loss != made->loss && again->other == 0)
        again->other = made->step;
    trainer_publish(trainer);
    return again->other != 0; /* what comes out of it is not the run that was recorded */
}

/* The state has the results of an epoch or an evaluation. */
static void take_result(struct trainer *trainer, const struct epoch_record *record)
{
    struct training_state *state = &trainer->state;
    const bool validation = trainer->parts.validation > 0;
    state->validation_loss = validation ? record->validation_loss : record->test_loss;
    state->validation_accuracy = validation ? record->validation_accuracy : record->test_accuracy;
    trainer->now.epoch = *record;
    if (!record->best)
        return;
    state->best_accuracy = state->validation_accuracy;
    state->best_step = record->step;
}

/* The next record of an epoch or an evaluation up to the state's step; NULL: there is none. */
static const struct epoch_record *next_result(const struct again *again)
{
    const struct past *past = &again->past;
    const bool is_there =
        again->epochs < past->epoch_count && past->epochs[again->epochs].step <= again->trainer->state.step;
    return is_there ? &past->epochs[again->epochs] : NULL;
}

/* Takes the next one from its record; a replay measures it. */
static enum progress take_next(struct again *again)
{
    const struct epoch_record *record = next_result(again);
    enum progress progress = RUN_ON;
    if (!record)
        return RUN_ON;
    if (again->replay)
        progress = replay_epoch(again, record);
    again->epochs++;
    take_result(again->trainer, record);
    return progress;
}

static enum progress take_results(struct again *again)
{
    enum progress progress = RUN_ON;
    while (progress == RUN_ON && next_result(again))
        progress = take_next(again);
    return progress;
}

/* Whether the epoch that ends at the state's step was measured, so that the run had gone on into the next. */
static bool was_measured(const struct again *again)
{
    const struct training_state *state = &again->trainer->state;
    for (int i = 0; i < again->past.epoch_count; i++)
        if (again->past.epochs[i].step == state->step && again->past.epochs[i].epoch == state->epoch + 1)
            return true;
    return false;
}

static enum progress pass_epoch_end(struct again *again)
{
    struct trainer *trainer = again->trainer;
    const bool measured = was_measured(again);
    enum progress progress = RUN_ON;
    if (trainer->state.batch_in_epoch < trainer->steps_per_epoch)
        return RUN_ON;
    if (again->replay && measured)
        progress = take_next(again);
    if (progress != RUN_ON || !(measured || (again->replay && trainer->state.step < again->until)))
        return progress;
    const bool ends = trainer->state.step >= trainer->steps_total;
    trainer_roll_over(trainer);
    trainer->measured = ends;
    return ends ? RUN_ON : trainer_change_batch(trainer);
}

static enum progress do_again(struct again *again, const struct command_record *recorded, struct error *why)
{
    struct trainer *trainer = again->trainer;
    struct command_record record = {.step = trainer->state.step, .command = recorded->command, .ok = true};
    if (!recorded->ok)
        return RUN_ON;
    if (record.command.kind == COMMAND_EVALUATE)
        return again->replay ? take_next(again) : RUN_ON; /* else its result is taken from its record */
    if (record.command.kind == COMMAND_WAIT) {
        if (trainer_wait_again(trainer, &recorded->command) < 0)
            error_set(why, "the record of `%.60s` does not say what waits", recorded->command.text);
        forget_due(again);
        return RUN_ON;
    }
    const bool rollback = record.command.kind == COMMAND_ROLLBACK;
    if (!rollback && record.command.count == COUNT_OF_UNDO)
        record.command.kind = COMMAND_UNDO; /* so that the change is none to undo any more */
    trainer->undoing = rollback;            /* its rate is no change to undo, either */
    const enum progress progress = trainer_do(trainer, &record);
    trainer->undoing = false;
    return progress == RUN_FAILED ? RUN_FAILED : RUN_ON;
}

/* The batch was passed over then, too: the run went on behind it, and recorded nothing of it. */
static enum progress pass_over(struct again *again)
{
    struct trainer *trainer = again->trainer;
    const long step = trainer->state.step + 1;
    const struct step_record *recorded = recorded_step(again, step);
    if (again->replay && replay_lost_step(again, step, recorded))
        return RUN_INTERRUPTED;
    if (!again->replay && recorded)
        return RUN_AGAIN;
    trainer->state.step++;
    trainer->state.batch_in_epoch++;
    trainer_seek(trainer);
    return RUN_ON;
}

/* Where no step can follow although there are some to make. */
static int say_end(const struct again *again, struct error *why)
{
    const struct trainer *trainer = again->trainer;
    const struct training_state *state = &trainer->state;
    if (state->step >= trainer->steps_total)
        return error_set(why, "step %ld cannot be made again: by its settings the run ends at step %ld", again->until,
                         state->step);
    return error_set(why, "step %ld cannot be made again: the record of epoch %d is missing, or damaged", again->until,
                     state->epoch + 1);
}

/* Up to the next command, the epoch's end or the last step. */
static enum progress make_some(struct again *again, struct error *why)
{
    struct trainer *trainer = again->trainer;
    const struct training_state *state = &trainer->state;
    const struct past *past = &again->past;
    long until = state->step + trainer->steps_per_epoch - state->batch_in_epoch;
    if (again->commands < past->command_count && past->commands[again->commands].step < until)
        until = past->commands[again->commands].step;
    if (again->until < until)
        until = again->until;
    if (until <= state->step || state->step >= trainer->steps_total) {
        (void)say_end(again, why);
        return RUN_ON;
    }
    const struct rehearsal rehearsal = {.until = until, .context = again, .on_step = compare};
    const enum progress progress = trainer_rehearse(trainer, &rehearsal);
    return progress == RUN_AGAIN ? pass_over(again) : progress;
}

enum progress again_walk(struct again *again, struct error *why)
{
    struct trainer *trainer = again->trainer;
    const struct past *past = &again->past;
    for (;;) {
        enum progress progress = pass_epoch_end(again);
        if (progress == RUN_ON && !again->replay)
            progress = take_results(again);
        forget_due(again);
        while (progress == RUN_ON && !*why->message && again->commands < past->command_count &&
               past->commands[again->commands].step <= trainer->state.step)
            progress = do_again(again, &past->commands[again->commands++], why);
        if (progress == RUN_ON && again->replay) { /* what was measured there without a command: a run's end */
            progress = take_results(again);
            forget_due(again);
        }
        if (progress != RUN_ON || *why->message || trainer->state.step >= again->until)
            return progress;
        progress = make_some(again, why);
        if (progress != RUN_ON || *why->message)
            return progress;
    }
}

/* The figures that are not made by the steps: those of the record. */
static void take_clock(const struct again *again, double seconds)
{
    struct trainer *trainer = again->trainer;
    const struct past *past = &again->past;
    trainer->state.seconds = seconds;
    trainer->now.step = trainer_record_now(trainer);
    for (int i = past->step_count - 1; i >= 0; i--) {
        if (past->steps[i].step > trainer->state.step)
            continue;
        trainer->state.seconds = trainer->now.step.seconds = past->steps[i].seconds;
        if (past->steps[i].step == trainer->state.step)
            trainer->now.step = past->steps[i];
        return;
    }
}

/* What every run can be made of again. */
static int stand_at_the_start(struct trainer *trainer)
{
    const struct kept_state first = {.state = trainer_first_state(trainer), .now.epoch = {0}};
    if (network_begin_anew(trainer->network, &trainer->failure) || kept_state_put_back(trainer, &first) < 0)
        return -1;
    trainer->now.step = trainer_record_now(trainer);
    return 0;
}

/* What an imported run was made of. 0 with `why` where it is not there. */
static int stand_at_imported(struct again *again, struct error *why)
{
    struct trainer *trainer = again->trainer;
    struct kept_state at;
    struct error lost;
    if (trainer_load_state(trainer, CHECKPOINT_IMPORTED, -1, &at, &lost) == 0)
        return kept_state_put_back(trainer, &at);
    error_set(why, "the run began with imported weights, and no checkpoint of them is left from before step %ld",
              again->until + 1);
    return 0;
}

/* The run stands at the newest state that is not behind the step, of those in memory and on the disk, else at its first
 * one. -1 with the trainer's failure. */
static int stand_before(struct again *again)
{
    struct trainer *trainer = again->trainer;
    const struct trainer_sink *sink = &trainer->sink;
    const struct kept_command *kept = kept_ring_find(&trainer->kept, again->until);
    struct kept_state at;
    struct error damaged;
    for (long saved = again->until + 1; sink->saved_step && saved > 0;) {
        saved = sink->saved_step(sink_source(sink), saved - 1);
        if (saved < 0 || (kept && kept->before.state.step >= saved))
            break;
        if (trainer_load_state(trainer, NULL, saved, &at, &damaged) < 0)
            continue;
        if (kept_state_put_back(trainer, &at) < 0)
            return -1;
        trainer->now.step = trainer_record_now(trainer);
        return 0;
    }
    if (kept && kept->before.state.step == again->until && kept->command.number > 0)
        name_undone(again, &kept->command); /* it waits in that state no more */
    if (kept)
        return kept_state_put_back(trainer, &kept->before);
    again->anew = true;
    return stand_at_the_start(trainer);
}

/* The network and the state become those of the step. With RUN_AGAIN, RUN_INTERRUPTED, or an error in `why`, they are
 * anything. */
static enum progress reach(struct again *again, struct error *why)
{
    struct trainer *trainer = again->trainer;
    const struct trainer_sink *sink = &trainer->sink;
    if (stand_before(again) < 0)
        return RUN_FAILED;
    again->from = trainer->state.step;
    if (again->from == again->until && !(again->anew && sink->recall))
        return RUN_ON;
    if (!sink->recall) {
        error_set(why, "nothing is recorded here of the steps from %ld to %ld", again->from, again->until);
        return RUN_ON;
    }
    if (sink->recall(sink_source(sink), &trainer->state, again->until, &again->past, why) != 0)
        return RUN_ON;
    if (again->anew && again->past.imported && stand_at_imported(again, why) < 0)
        return RUN_FAILED;
    if (*why->message)
        return RUN_ON;
    const double seconds = trainer->state.seconds;
    trainer->now.rehearsed = 0;
    trainer->now.rehearse_total = again->until - again->from;
    trainer_set_state(trainer, TRAINER_RECOMPUTING);
    const enum progress progress = again_walk(again, why);
    trainer->now.rehearsed = trainer->now.rehearse_total = 0;
    take_clock(again, seconds);
    trainer->state.commands = 0; /* those at the step itself are undone */
    return progress;
}

/* Why the step was not reached, for the record. */
static void say_why(const struct again *again, enum progress progress, const struct error *why,
                    struct command_record *record)
{
    const long step = again->trainer->state.step;
    const char *nothing = again->trainer->only_looks ? "" : ": nothing was undone";
    if (*why->message)
        trainer_outcome(record, "%.150s", why->message);
    else if (again->other)
        trainer_outcome(record, "made again from step %ld, step %ld has not the loss that was recorded%s%s",
                        again->from, again->other,
                        again->anew ? "" : " (on another device, by another build or threads?)", nothing);
    else if (progress == RUN_INTERRUPTED)
        trainer_outcome(record, "called off at step %ld of the way to step %ld%s", step, again->until, nothing);
    else
        trainer_outcome(record, "step %ld was not finite when it was made again%s", step + 1, nothing);
    record->ok = false;
}

static void say_how(const struct again *again, long left, struct command_record *record)
{
    char from[80] = "", how[80] = "";
    if (!again->trainer->only_looks)
        snprintf(from, sizeof from, " from step %ld, paused", left);
    if (again->from < again->until)
        snprintf(how, sizeof how, "%s made again from step %ld, %s", *from ? ":" : ",", again->from,
                 again->compared_any ? "with the losses recorded then" : "where no losses were recorded");
    trainer_outcome(record, "%s step %ld%s%s; lr %g", *from ? "back at" : "at", again->until, from, how,
                    (double)again->trainer->state.learning_rate);
    if (again->undone_count > 0)
        trainer_add_outcome(record, "; not done: %s", again->undone);
    if (again->undone_count > UNDONE_NAMED)
        trainer_add_outcome(record, " and %d more", again->undone_count - UNDONE_NAMED);
}

/* With `here` as what to come back to. */
static enum progress go_from(struct trainer *trainer, const struct kept_state *here, struct command_record *record)
{
    struct again again = {.trainer = trainer, .until = record->command.count};
    struct error why = {""};
    const enum progress progress = reach(&again, &why);
    int status = 0;
    if (progress == RUN_ON && !*why.message && !again.other) {
        forget_due(&again);
        say_how(&again, here->state.step, record);
        status = trainer_tell_place(trainer, NULL);
    } else if (progress != RUN_FAILED) {
        say_why(&again, progress, &why, record);
        status = kept_state_put_back(trainer, here);
    }
    past_free(&again.past);
    return progress == RUN_FAILED || status < 0 ? RUN_FAILED : RUN_ON;
}

enum progress trainer_make_again(struct trainer *trainer, struct command_record *record)
{
    const enum trainer_state before = trainer->now.state;
    struct kept_state here = {0};
    const int kept = kept_state_take(trainer, &here);
    if (kept < 0)
        return RUN_FAILED;
    if (kept > 0) {
        record->ok = false;
        trainer_outcome(record, "there is no memory to keep the run as it is while steps are made again");
        return RUN_ON;
    }
    const enum progress progress = go_from(trainer, &here, record);
    kept_state_free(&here);
    trainer_set_state(trainer, before);
    return progress;
}
