/* Going back: to a state kept in memory, to a checkpoint, or to any step (trainer_again.c); checkpoints with a name,
 * and forks. */
#include "engine/trainer_internal.h"

/* ---- Standing at a state ---- */

/* What the run was to go back to is behind it no more. */
static void forget_undone(struct trainer *trainer)
{
    const struct training_state *state = &trainer->state;
    kept_ring_cut(&trainer->kept, state);
    if (trainer->held.parameters && trainer->held.state.step > state->step)
        kept_state_free(&trainer->held);
}

int trainer_tell_place(struct trainer *trainer, const char *name)
{
    const struct event event = {.kind = name ? EVENT_COURSE : EVENT_ROLLBACK, .rollback = trainer->state.step};
    trainer->skipped = 0;
    trainer->stuck = trainer->now.diverged = false;
    trainer->now.message[0] = '\0';
    trainer->unsaved = true;
    /* one that is due was taken when the run first came by; any other is of weights that are gone */
    trainer->probed = trainer_probe_due(trainer, trainer->state.step) ? trainer->state.step : -1;
    forget_undone(trainer);
    return trainer_tell_rollback(trainer, name) < 0 ? -1 : trainer_emit(trainer, &event);
}

int trainer_stand_at(struct trainer *trainer, const struct kept_state *at, float rate)
{
    struct kept_state to = *at;
    to.state.learning_rate = rate;
    if (kept_state_put_back(trainer, &to) < 0)
        return -1;
    if (!at->parameters) /* a checkpoint has no record of its step */
        trainer->now.step = trainer_record_now(trainer);
    return trainer_tell_place(trainer, NULL);
}

int trainer_load_state(struct trainer *trainer, const char *name, long step, struct kept_state *at, struct error *why)
{
    const struct trainer_sink *sink = &trainer->sink;
    *at = (struct kept_state){0};
    if (!sink->on_load)
        return error_set(why, "no checkpoints are kept here");
    if (sink->on_load(sink_source(sink), name, step, trainer->network, &at->state, why) != 0)
        return -1;
    if (trainer->now.epoch.step <= at->state.step)
        at->now.epoch = trainer->now.epoch;
    return 0;
}

enum progress trainer_go_back(struct trainer *trainer, long step, struct error *why)
{
    struct kept_state at;
    why->message[0] = '\0';
    if (trainer_load_state(trainer, NULL, step, &at, why) < 0)
        return RUN_ON;
    return trainer_stand_at(trainer, &at, trainer->state.learning_rate) < 0 ? RUN_FAILED : RUN_ON;
}

/* ---- The commands ---- */

static enum progress go_to_good(struct trainer *trainer, struct command_record *record)
{
    const long from = trainer->state.step, step = trainer_good_step(trainer);
    struct error why = {""};
    if (step < 0)
        return trainer_refuse(record, "there is no good checkpoint to go back to");
    if (trainer_go_back(trainer, step, &why) == RUN_FAILED)
        return RUN_FAILED;
    if (*why.message)
        return trainer_refuse(record, "%.150s", why.message);
    trainer_outcome(record, "back at step %ld from step %ld, paused; lr %g: change it, then resume", step, from,
                    (double)trainer->state.learning_rate);
    return RUN_ON;
}

static enum progress go_before_command(struct trainer *trainer, struct command_record *record)
{
    const struct kept_command *top = kept_ring_top(&trainer->kept);
    const long from = trainer->state.step;
    if (!top)
        return trainer_refuse(record,
                              "no state is kept in memory from before a command: back STEP makes any step again, back "
                              "good goes to the last good checkpoint");
    const struct command command = top->command;
    if (trainer_stand_at(trainer, &top->before, top->before.state.learning_rate) < 0)
        return RUN_FAILED;
    trainer_outcome(record, "back at step %ld from step %ld, before `%.60s`, paused; lr %g", trainer->state.step, from,
                    command.text, (double)trainer->state.learning_rate);
    return RUN_ON;
}

static void stay_there(struct trainer *trainer, struct command_record *record)
{
    trainer->paused = true;
    trainer->pause_after = 0;
    record->step = trainer->state.step;
    record->command.kind = COMMAND_ROLLBACK;
    record->command.value = (double)trainer->state.learning_rate;
}

enum progress trainer_back(struct trainer *trainer, struct command_record *record)
{
    const long asked = record->command.count;
    enum progress progress;
    if (asked > trainer->state.step && !trainer->only_looks) {
        record->ok = false;
        trainer_outcome(record, "step %ld is not behind the run", asked);
        return RUN_ON;
    }
    if (asked >= 0)
        progress = trainer_make_again(trainer, record);
    else if (asked == BACK_GOOD || trainer->stuck) /* weights that are lost are no state to change something in */
        progress = go_to_good(trainer, record);
    else
        progress = go_before_command(trainer, record);
    if (progress == RUN_ON && record->ok)
        stay_there(trainer, record);
    return progress;
}

enum progress trainer_load(struct trainer *trainer, struct command_record *record)
{
    const char *name = record->command.name;
    const long from = trainer->state.step;
    struct kept_state at;
    struct error why = {""};
    if (trainer_load_state(trainer, name, -1, &at, &why) < 0)
        return trainer_refuse(record, "%.150s", why.message);
    if (kept_state_put_back(trainer, &at) < 0)
        return RUN_FAILED;
    trainer->now.step = trainer_record_now(trainer);
    kept_ring_free(&trainer->kept); /* of another course, perhaps */
    kept_state_free(&trainer->held);
    if (trainer_tell_place(trainer, name) < 0)
        return RUN_FAILED;
    trainer_outcome(record, "at step %ld as saved in %.60s, from step %ld; paused; lr %g", trainer->state.step, name,
                    from, (double)trainer->state.learning_rate);
    stay_there(trainer, record);
    return RUN_ON;
}

enum progress trainer_save_as(struct trainer *trainer, struct command_record *record)
{
    const struct trainer_sink *sink = &trainer->sink;
    struct error why = {""};
    if (!sink->on_name)
        return trainer_refuse(record, "no checkpoints are kept here");
    const enum progress progress = trainer_checkpoint(trainer, false);
    if (progress != RUN_ON)
        return progress;
    if (sink->on_name(sink->context, record->command.name, trainer->state.step, &why) != 0)
        return trainer_refuse(record, "%.150s", why.message);
    trainer_outcome(record, "saved at step %ld as %.60s", trainer->state.step, record->command.name);
    return RUN_ON;
}

enum progress trainer_fork(struct trainer *trainer, struct command_record *record)
{
    const struct trainer_sink *sink = &trainer->sink;
    struct training_state state = trainer->state;
    struct error why = {""};
    char reference[FORK_REFERENCE_SIZE];
    if (!sink->on_fork)
        return trainer_refuse(record, "no sessions are kept here");
    if (trainer->stuck)
        return trainer_refuse(record, "the next step is not finite: go back before you fork");
    state.commands = sink->recorded_commands ? sink->recorded_commands(sink->context) : state.commands;
    if (state.commands < 0)
        return trainer_refuse(record, "the recorded commands cannot be counted");
    state.unsound = trainer_is_unsound(trainer);
    if (sink->on_fork(sink->context, record->command.name, trainer->network, &state, reference, &why) != 0)
        return trainer_refuse(record, "%.150s", why.message);
    trainer_outcome(record, "forked at step %ld: nfbench resume --screen %.250s", state.step, reference);
    trainer_skip_time(trainer);
    return RUN_ON;
}
