/* COMMAND_REPLAY: a run's recorded steps are made again, and every figure that was logged of them and of their
 * evaluations is compared with the one that comes now, to the bit. */
#include "engine/again.h"

#include <math.h>
#include <string.h>

/* ---- Comparing ---- */

static double relative(double recorded, double made)
{
    if (!isfinite(recorded) || !isfinite(made))
        return INFINITY;
    return recorded != 0 ? fabs(made - recorded) / fabs(recorded) : INFINITY;
}

static void compare(struct replay *replay, long step, const char *figure, float recorded, float made)
{
    const struct difference found = {step, figure, (double)recorded, (double)made,
                                     relative((double)recorded, (double)made)};
    const bool is_loss = strstr(figure, "loss");
    if (recorded == made || (isnan(recorded) && isnan(made)))
        return;
    if (replay->first.step == 0)
        replay->first = found;
    if (is_loss && (replay->largest.step == 0 || found.relative > replay->largest.relative))
        replay->largest = found;
}

static bool ends(const struct again *again)
{
    return again->replay->first.step > 0 && !again->goes_on;
}

/* A viewer sees it as a run that trains. */
static void show(const struct again *again)
{
    struct trainer *trainer = again->trainer;
    trainer->now.steps_total = again->until;
    trainer->now.eta_seconds = trainer_time_to(trainer, again->until);
    trainer_publish(trainer);
}

bool replay_step(struct again *again, const struct step_record *made, const struct step_record *recorded)
{
    struct trainer *trainer = again->trainer;
    struct replay *replay = again->replay;
    const struct event event = {.kind = EVENT_STEPS, .steps = step_summary_of(made)};
    if (recorded) {
        compare(replay, made->step, "loss", recorded->loss, made->loss);
        compare(replay, made->step, "accuracy", recorded->accuracy, made->accuracy);
        compare(replay, made->step, "lr", recorded->learning_rate, made->learning_rate);
        compare(replay, made->step, "gradient_norm", recorded->gradient_norm, made->gradient_norm);
        compare(replay, made->step, "clipped_units", (float)recorded->clipped_units, (float)made->clipped_units);
        replay->steps++;
    }
    replay->step = made->step;
    trainer->now.step = *made;
    show(again);
    return trainer_emit(trainer, &event) < 0 || ends(again); /* the ring's failure is the trainer's */
}

bool replay_lost_step(struct again *again, long step, const struct step_record *recorded)
{
    if (recorded)
        compare(again->replay, step, "loss", recorded->loss, NAN);
    again->replay->step = step;
    return ends(again);
}

enum progress replay_epoch(struct again *again, const struct epoch_record *recorded)
{
    struct trainer *trainer = again->trainer;
    struct replay *replay = again->replay;
    struct event event = {.kind = EVENT_EPOCH};
    struct epoch_record *made = &event.epoch;
    const enum progress progress = trainer_measure_again(trainer, recorded, made);
    if (progress != RUN_ON && progress != RUN_AGAIN)
        return progress;
    if (progress == RUN_AGAIN)
        made->validation_loss = made->test_loss = NAN;
    compare(replay, made->step, "train_loss", recorded->train_loss, made->train_loss);
    compare(replay, made->step, "train_accuracy", recorded->train_accuracy, made->train_accuracy);
    compare(replay, made->step, "validation_loss", recorded->validation_loss, made->validation_loss);
    compare(replay, made->step, "validation_accuracy", recorded->validation_accuracy, made->validation_accuracy);
    compare(replay, made->step, "test_loss", recorded->test_loss, made->test_loss);
    compare(replay, made->step, "test_accuracy", recorded->test_accuracy, made->test_accuracy);
    replay->epochs++;
    show(again);
    if (trainer_emit(trainer, &event) < 0)
        return RUN_FAILED;
    return ends(again) ? RUN_INTERRUPTED : RUN_ON;
}

/* ---- The command ---- */

static enum progress walk(struct again *again, struct command_record *record)
{
    struct trainer *trainer = again->trainer;
    const struct trainer_sink *sink = &trainer->sink;
    struct error why = {""};
    if (!sink->recall)
        return trainer_refuse(record, "nothing is recorded here");
    if (sink->recall(sink_source(sink), &trainer->state, again->until, &again->past, &why) != 0)
        return trainer_refuse(record, "%.150s", why.message);
    trainer_set_state(trainer, TRAINER_RECOMPUTING);
    const enum progress progress = again_walk(again, &why);
    past_free(&again->past);
    if (progress == RUN_FAILED)
        return RUN_FAILED;
    if (*why.message)
        return trainer_refuse(record, "%.150s", why.message);
    if (progress == RUN_INTERRUPTED && !ends(again))
        return trainer_refuse(record, "called off at step %ld", trainer->state.step);
    trainer_outcome(record, "steps %ld to %ld made again", again->from, trainer->state.step);
    return RUN_ON;
}

enum progress trainer_replay(struct trainer *trainer, struct command_record *record)
{
    struct again again = {.trainer = trainer,
                          .from = trainer->state.step,
                          .until = record->command.count,
                          .replay = &trainer->now.replay,
                          .goes_on = record->command.value != 0};
    *again.replay = (struct replay){.step = again.from};
    if (!trainer->only_looks)
        return trainer_refuse(record, "a run that trains is not made again");
    const enum progress progress = walk(&again, record);
    trainer->paused = true;
    trainer->state.commands = 0; /* those at the step itself are still to come */
    trainer_set_state(trainer, TRAINER_PAUSED);
    return progress;
}
