/* What each command does to a run, between two steps, and what is recorded of it. */
#include "base/digits.h"
#include "engine/live.h"
#include "engine/network_probe.h"
#include "engine/trainer_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 3, 0))) static void say(struct command_record *record, size_t from, const char *format,
                                                      va_list arguments)
{
    vsnprintf(record->outcome + from, sizeof record->outcome - from, format, arguments);
}

void trainer_outcome(struct command_record *record, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(record, 0, format, arguments);
    va_end(arguments);
}

void trainer_add_outcome(struct command_record *record, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(record, strlen(record->outcome), format, arguments);
    va_end(arguments);
}

enum progress trainer_refuse(struct command_record *record, const char *format, ...)
{
    va_list arguments;
    record->ok = false;
    va_start(arguments, format);
    say(record, 0, format, arguments);
    va_end(arguments);
    return RUN_ON;
}

static enum progress set_rate(struct trainer *trainer, struct command_record *record)
{
    const struct command *command = &record->command;
    const float old = trainer->state.learning_rate;
    const float rate = (float)(command->kind == COMMAND_SCALE_LEARNING_RATE ? old * command->value : command->value);
    if (!(rate > 0 && rate <= TRAIN_MAX_LEARNING_RATE))
        return trainer_refuse(record, "the learning rate must be above 0 and up to %d, not %g; still %g",
                              TRAIN_MAX_LEARNING_RATE, (double)rate, (double)old);
    trainer->state.learning_rate = rate;
    trainer->unsaved = true;
    if (rate != old)
        trainer_remember_change(trainer, COMMAND_LEARNING_RATE, (double)old);
    const double factor = trainer_factor(trainer, trainer->state.step);
    if (trainer->options.schedule == SCHEDULE_CONSTANT && factor == 1)
        trainer_outcome(record, "lr %g -> %g", (double)old, (double)rate);
    else
        trainer_outcome(
            record, "peak lr %g -> %g; by the %s schedule the next step has %.3g", (double)old, (double)rate,
            trainer->options.schedule == SCHEDULE_CONSTANT ? "warm-up" : schedule_words[trainer->options.schedule],
            factor * rate);
    return RUN_ON;
}

static enum progress set_policy(struct trainer *trainer, struct command_record *record)
{
    static const char *const words[] = {
        [DIVERGENCE_PAUSE] = "the run pauses at a step that is not finite",
        [DIVERGENCE_ROLLBACK] = "the run goes back to its last good checkpoint when a step is not finite",
        [DIVERGENCE_CONTINUE] = "the run passes over batches whose step is not finite",
    };
    const int policy = (int)record->command.value;
    if (policy < 0 || policy >= (int)(sizeof words / sizeof *words)) {
        return trainer_refuse(record, "there is no such policy: %g", record->command.value);
    }
    if (policy != (int)trainer->options.on_divergence)
        trainer_remember_change(trainer, COMMAND_ON_DIVERGENCE, trainer->options.on_divergence);
    trainer->options.on_divergence = (enum divergence_policy)policy;
    trainer_outcome(record, "%s", words[policy]);
    /* what there is to go back to is the checkpoint on the disk; of lost weights none is made */
    return policy == DIVERGENCE_ROLLBACK && !trainer->stuck ? trainer_checkpoint(trainer, false) : RUN_ON;
}

/* The step that was not finite is tried again. */
static void leave_divergence(struct trainer *trainer)
{
    trainer->stuck = trainer->now.diverged = false;
    trainer->now.message[0] = '\0';
}

/* A person who has chosen `rollback` at a divergence, and lets the run go on. */
static enum progress roll_back_first(struct trainer *trainer, struct command_record *record)
{
    char diagnosis[FINDING_TEXT_SIZE];
    snprintf(diagnosis, sizeof diagnosis, "%s", trainer->now.message);
    if (trainer_roll_back(trainer, trainer->now.diverged_step, diagnosis) == RUN_FAILED)
        return RUN_FAILED;
    record->step = trainer->state.step;
    trainer_outcome(record, "running from step %ld", trainer->state.step);
    return RUN_ON;
}

static bool rolls_back(struct trainer *trainer)
{
    if (!trainer->stuck || trainer->options.on_divergence != DIVERGENCE_ROLLBACK)
        return false;
    trainer->rollbacks = 0; /* those before were not asked for by this command */
    return trainer_can_roll_back(trainer);
}

static enum progress pause_run(struct trainer *trainer, struct command_record *record)
{
    trainer_outcome(record, "%s at step %ld", trainer->paused ? "already paused" : "paused", trainer->state.step);
    trainer->paused = trainer->trial.paused = true;
    trainer->pause_after = 0;
    return RUN_ON;
}

static enum progress resume_run(struct trainer *trainer, struct command_record *record)
{
    const bool paused = trainer->paused;
    trainer->paused = trainer->trial.paused = false;
    trainer->pause_after = 0;
    if (rolls_back(trainer))
        return roll_back_first(trainer, record);
    if (trainer->stuck)
        trainer_outcome(record, "tries step %ld again", trainer->state.step + 1);
    else
        trainer_outcome(record, "%s", paused ? "running" : "already running");
    leave_divergence(trainer);
    return RUN_ON;
}

static enum progress run_steps(struct trainer *trainer, struct command_record *record)
{
    const long count = record->command.count;
    if (count < 1) {
        return trainer_refuse(record, "a number of steps must be 1 or more, not %ld", count);
    }
    if (rolls_back(trainer) && roll_back_first(trainer, record) == RUN_FAILED)
        return RUN_FAILED;
    leave_divergence(trainer);
    const long left = trainer->steps_total - trainer->state.step;
    trainer->paused = false;
    trainer->pause_after = count;
    if (count <= left)
        trainer_outcome(record, "runs %ld step%s, then pauses at step %ld", count, count == 1 ? "" : "s",
                        trainer->state.step + count);
    else
        trainer_outcome(record, "runs the %ld step%s left", left, left == 1 ? "" : "s");
    return RUN_ON;
}

static void measured(struct command_record *record, const char *part, float accuracy, float loss)
{
    char digits[32];
    digits_loss((double)loss, digits, sizeof digits);
    trainer_outcome(record, "%s accuracy %.2f %%, loss %s", part, 100 * (double)accuracy, digits);
}

static enum progress evaluate_run(struct trainer *trainer, struct command_record *record)
{
    struct epoch_record epoch;
    const enum progress progress = trainer_evaluate_now(trainer, record->command.number, &epoch);
    record->ok = progress == RUN_ON;
    if (!record->ok)
        trainer_outcome(record, "%s",
                        progress == RUN_INTERRUPTED ? "interrupted by a stop"
                        : progress == RUN_AGAIN     ? "the loss was not finite"
                                                    : "the run ended in it");
    else
        measured(record, epoch.validation_accuracy >= 0 ? "validation" : "test",
                 epoch.validation_accuracy >= 0 ? epoch.validation_accuracy : epoch.test_accuracy,
                 epoch.validation_accuracy >= 0 ? epoch.validation_loss : epoch.test_loss);
    return progress;
}

static enum progress save_run(struct trainer *trainer, struct command_record *record)
{
    if (*record->command.name)
        return trainer_save_as(trainer, record);
    const enum progress progress = trainer_checkpoint(trainer, false);
    record->ok = progress == RUN_ON;
    trainer_outcome(record, record->ok ? "saved at step %ld" : "not saved at step %ld", trainer->state.step);
    return progress;
}

/* Where there is no memory for it, the run goes on without. */
static enum progress probe_run(struct trainer *trainer, struct command_record *record)
{
    struct error failure = {""};
    if (probe_reserve(trainer->network, trainer->options.batch, &failure)) {
        return trainer_refuse(record, "%.150s", failure.message);
    }
    const enum progress progress = trainer_probe(trainer);
    record->ok = trainer->probed == trainer->state.step;
    trainer_outcome(
        record, record->ok ? "probed at step %ld" : "not probed: step %ld ends an epoch, and its next batch is to come",
        trainer->state.step);
    trainer_skip_time(trainer);
    return progress;
}

int trainer_report_command(struct trainer *trainer, const struct command_record *record)
{
    const struct event event = {.kind = EVENT_COMMAND, .command = *record};
    if (trainer_emit(trainer, &event) < 0)
        return -1;
    return trainer_tell_command(trainer, record);
}

static enum progress note(struct trainer *trainer, struct command_record *record)
{
    trainer_outcome(record, "noted at step %ld", trainer->state.step);
    return RUN_ON;
}

/* One that had waited, or stands in a script. */
static enum progress stop_run(struct trainer *trainer, struct command_record *record)
{
    trainer->stop_command = record->command;
    trainer_request_end(trainer);
    return RUN_ON;
}

enum progress trainer_do(struct trainer *trainer, struct command_record *record)
{
    static enum progress (*const appliers[COMMAND_KINDS])(struct trainer *, struct command_record *) = {
        [COMMAND_LEARNING_RATE] = set_rate, [COMMAND_SCALE_LEARNING_RATE] = set_rate,
        [COMMAND_PAUSE] = pause_run,        [COMMAND_RESUME] = resume_run,
        [COMMAND_STEP] = run_steps,         [COMMAND_EVALUATE] = evaluate_run,
        [COMMAND_SAVE] = save_run,          [COMMAND_PROBE] = probe_run,
        [COMMAND_STOP] = stop_run,          [COMMAND_ON_DIVERGENCE] = set_policy,
        [COMMAND_ROLLBACK] = set_rate,      [COMMAND_BACK] = trainer_back,
        [COMMAND_LOAD] = trainer_load,      [COMMAND_FORK] = trainer_fork,
        [COMMAND_UNDO] = trainer_undo,      [COMMAND_NOTE] = note,
        [COMMAND_CANCEL] = trainer_cancel,  [COMMAND_TRY] = trainer_try,
        [COMMAND_LR_FIND] = trainer_try,    [COMMAND_ACCEPT] = trainer_accept,
        [COMMAND_DROP] = trainer_drop,      [COMMAND_REPLAY] = trainer_replay,
    };
    return (appliers[record->command.kind] ? appliers[record->command.kind] : trainer_set)(trainer, record);
}

/* Before a command that changes what comes, so that `back` can undo it. Without memory the run goes on all the same. */
static int keep_before(struct trainer *trainer, const struct command *command)
{
    const int status = kept_ring_push(trainer, &trainer->kept, command);
    return status > 0 ? trainer_message(trainer, "no memory to keep the state before this command: `back` does not "
                                                 "reach it")
                      : status;
}

static enum progress apply(struct trainer *trainer, const struct command *command)
{
    struct command_record record = {.step = trainer->state.step, .command = *command, .ok = true};
    const bool waits = command->when.quantity != WHEN_NOW && command->number == 0;
    if (command->kind == COMMAND_LOOK) {
        trainer_look(trainer);
        return RUN_ON;
    }
    const bool changes = waits || command_changes_state(command->kind);
    if (changes && keep_before(trainer, command) < 0)
        return RUN_FAILED;
    const enum progress progress = waits ? trainer_wait(trainer, &record) : trainer_do(trainer, &record);
    if (progress == RUN_FAILED)
        return RUN_FAILED;
    if (changes && !record.ok && trainer->kept.count > 0)
        kept_ring_pop(&trainer->kept);
    kept_ring_trim(trainer, &trainer->kept);
    trainer_forget_pending(trainer, command->number); /* it may be there again, where the run has gone back */
    if (command->kind == COMMAND_STOP && !waits)
        return RUN_ON;                              /* recorded when it is done */
    trainer_set_state(trainer, trainer->now.state); /* who hears of it finds it in the snapshot */
    if (trainer_report_command(trainer, &record) < 0)
        return RUN_FAILED;
    /* a resume begins there, too */
    const bool moved = (command->kind == COMMAND_BACK || command->kind == COMMAND_LOAD) && record.ok && !waits;
    return moved ? trainer_checkpoint(trainer, false) : progress;
}

int trainer_change(struct trainer *trainer, const struct command *command, struct error *error)
{
    struct command_record *record = &trainer->changes[trainer->change_count];
    const struct trainer_sink *sink = &trainer->sink;
    if (trainer->change_count == FIRST_CHANGES)
        return error_set(error, "too many changes before the start");
    *record = (struct command_record){.step = trainer->state.step, .command = *command, .ok = true};
    if ((command_changes_state(command->kind) && keep_before(trainer, command) < 0) ||
        trainer_do(trainer, record) != RUN_ON)
        return error_set(error, "%s", trainer->failure.message);
    kept_ring_trim(trainer, &trainer->kept);
    if (!record->ok)
        return error_set(error, "%s", record->outcome);
    trainer->change_count++;
    trainer_set_state(trainer, trainer->now.state);
    return sink->on_command && sink->on_command(sink->context, record, error) != 0 ? -1 : 0;
}

struct command_record trainer_too_late(const struct trainer *trainer, const struct command *command)
{
    struct command_record record = {.step = trainer->state.step, .command = *command};
    if (trainer->now.state == TRAINER_DIVERGED)
        trainer_outcome(&record, "too late: the run ended in step %ld", trainer->state.step + 1);
    else
        trainer_outcome(&record, "too late: the run has ended");
    return record;
}

/* The run ended in what was under way when the command came. */
static enum progress too_late(struct trainer *trainer, const struct command *command)
{
    const struct command_record record = trainer_too_late(trainer, command);
    if (command->kind == COMMAND_LOOK)
        return RUN_ENDED;
    return trainer_report_command(trainer, &record) < 0 ? RUN_FAILED : RUN_ENDED;
}

static void note_applied(struct trainer *trainer)
{
    atomic_store_explicit(&trainer->applied, atomic_load(&trainer->commands.head), memory_order_release);
}

enum progress trainer_refuse_commands(struct trainer *trainer)
{
    struct command command;
    while (command_queue_pop(&trainer->commands, &command))
        if (too_late(trainer, &command) == RUN_FAILED)
            return RUN_FAILED;
    note_applied(trainer);
    return RUN_ENDED;
}

/* Those whose condition holds now. */
static enum progress apply_due(struct trainer *trainer)
{
    struct command command;
    while (!trainer->only_looks && !trainer_interrupted(trainer) && trainer_take_due(trainer, &command)) {
        const enum progress progress = apply(trainer, &command);
        if (progress == RUN_FAILED || progress == RUN_ENDED)
            return progress;
    }
    return RUN_ON;
}

/* Applies the commands that wait now, up to a stop. */
static enum progress drain(struct trainer *trainer)
{
    struct command command;
    for (;;) {
        const enum progress due = apply_due(trainer);
        if (due == RUN_FAILED || due == RUN_ENDED || !command_queue_pop(&trainer->commands, &command))
            return due;
        if (command.kind == COMMAND_STOP && command.when.quantity == WHEN_NOW) {
            trainer->stop_command = command;
            trainer_request_end(trainer); /* the flag does the rest */
            return RUN_ON;
        }
        enum progress progress = trainer_land(trainer); /* a command takes effect between two steps */
        if (progress == RUN_ON || progress == RUN_AGAIN)
            progress = apply(trainer, &command);
        else if (progress == RUN_ENDED)
            progress = too_late(trainer, &command);
        if (progress == RUN_FAILED || progress == RUN_ENDED)
            return progress;
        trainer_set_state(trainer, trainer->now.state);
        note_applied(trainer);
    }
}

enum progress trainer_apply_commands(struct trainer *trainer)
{
    while (sem_trywait(&trainer->wake) == 0)
        ; /* each was posted after its command was put in, so none is missed below */
    for (;;) {
        const enum progress progress = drain(trainer);
        if (progress != RUN_ON)
            return progress;
        trainer_flush(trainer);
        if (!trainer->paused || trainer_interrupted(trainer))
            break;
        if (trainer_probe_pause(trainer) == RUN_FAILED)
            return RUN_FAILED;
        if (trainer->now.state != TRAINER_PAUSED)
            trainer_set_state(trainer, TRAINER_PAUSED);
        atomic_store(&trainer->waits, true);
        while (sem_wait(&trainer->wake) != 0 && errno == EINTR)
            ;
        atomic_store(&trainer->waits, false); /* before `applied` tells of what comes now */
    }
    if (trainer->now.state == TRAINER_PAUSED) {
        trainer_set_state(trainer, TRAINER_RUNNING);
        trainer_skip_time(trainer);
    }
    /* it may have gone back to an epoch's end */
    return trainer->state.batch_in_epoch == trainer->steps_per_epoch ? RUN_AGAIN : RUN_ON;
}

enum progress trainer_stop(struct trainer *trainer)
{
    const enum progress landed = trainer_land(trainer);
    if (landed == RUN_FAILED || landed == RUN_ENDED)
        return landed;
    if (trainer->stuck) {
        trainer->now.state = TRAINER_DIVERGED;
        return RUN_ENDED;
    }
    struct command_record record = {.step = trainer->state.step, .command = trainer->stop_command, .ok = true};
    if (record.command.text[0] == '\0') /* a signal's */
        record.command = (struct command){.kind = COMMAND_STOP, .text = "stop"};
    if (trainer->unsaved) {
        const enum progress progress = trainer_checkpoint(trainer, false);
        if (progress == RUN_FAILED || progress == RUN_ENDED)
            return progress;
    }
    trainer_outcome(&record, "stopped and saved at step %ld", trainer->state.step);
    const struct event event = {.kind = EVENT_COMMAND, .command = record};
    if (trainer_tell_command(trainer, &record) < 0 || trainer_emit(trainer, &event) < 0) /* said when it is so */
        return RUN_FAILED;
    trainer->now.state = TRAINER_STOPPED;
    return RUN_ENDED;
}
