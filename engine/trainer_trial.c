/* What-if trials: steps that are not the run's (a rehearsal each), from a state that is kept and put back to the bit.
 * They go over the same batches as the run's own would; no sink hears of them. */
#include "engine/trainer_internal.h"

#include "base/digits.h"
#include "engine/live.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const double keep = 0.95; /* weight of the past in a result's loss */

int trial_best(const struct trial_result *results, int count, long steps)
{
    int best = -1;
    for (int i = 0; i < count; i++)
        if (results[i].steps == steps && (best < 0 || results[i].loss < results[best].loss))
            best = i;
    return best;
}

/* ---- News ---- */

static struct trial_event news_of(const struct trial *trial, enum trial_news news)
{
    const struct trial_request *request = &trial->request;
    struct trial_event event = {.news = news,
                                .range = trial->range,
                                .low = request->values[0],
                                .high = request->values[1],
                                .index = trial->at,
                                .count = trial->count,
                                .from = trial->step,
                                .steps = request->steps,
                                .result = trial->results[trial->at]};
    snprintf(event.name, sizeof event.name, "%s", live_of_command((enum command_kind)request->setting)->name);
    return event;
}

static int tell(struct trainer *trainer, const struct trial_event *news)
{
    const struct event event = {.kind = EVENT_TRIAL, .trial = *news};
    return trainer_emit(trainer, &event);
}

static int tell_place(struct trainer *trainer, enum trial_news place)
{
    const struct trial_event news = news_of(&trainer->trial, place);
    return tell(trainer, &news);
}

static void show_progress(struct trainer *trainer)
{
    const struct trial *trial = &trainer->trial;
    trainer->now.trial = (struct trial_progress){.index = trial->at,
                                                 .count = trial->count,
                                                 .step = trial->results[trial->at].steps,
                                                 .steps = trial->request.steps};
    trainer_publish(trainer);
}

/* ---- The steps of a value ---- */

/* A stop and a pause end every rehearsal; so do these here, and all else waits in the queue. */
static bool ends_trial(struct trainer *trainer)
{
    static const enum command_kind kinds[] = {COMMAND_BACK,    COMMAND_LOAD,   COMMAND_TRY,
                                              COMMAND_LR_FIND, COMMAND_ACCEPT, COMMAND_DROP};
    bool ends = false;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        ends |= command_queue_count(&trainer->commands, kinds[i], false) > 0;
    return ends;
}

static void average_in(struct trial_result *result, double loss)
{
    const double weight = 1 - pow(keep, (double)result->steps);
    const double average = result->steps > 0 ? (double)result->loss * weight : 0;
    result->steps++;
    result->loss = (float)((keep * average + (1 - keep) * loss) / (1 - pow(keep, (double)result->steps)));
}

/* Non-zero: there are to be no more of them. */
static int on_step(void *context, const struct step_record *record)
{
    struct trainer *trainer = context;
    struct trial *trial = &trainer->trial;
    average_in(&trial->results[trial->at], (double)record->loss);
    struct trial_event news = news_of(trial, TRIAL_STEPS);
    news.taken = step_summary_of(record);
    trial->deaf |= tell(trainer, &news) < 0;
    show_progress(trainer);
    if (trial->range)
        trial->over = !lr_find_add(&trial->find, record->learning_rate, record->loss);
    return trial->over || trial->deaf || ends_trial(trainer);
}

static double rate_of_range(void *context, long step)
{
    const struct trial *trial = &((const struct trainer *)context)->trial;
    const struct trial_request *request = &trial->request;
    return lr_find_rate(request->values[0], request->values[1], (int)request->steps, (int)(step - trial->step));
}

/* Makes the steps with what is in force now. */
static enum progress make_steps(struct trainer *trainer)
{
    struct trial *trial = &trainer->trial;
    const struct rehearsal rehearsal = {.until = trial->step + trial->request.steps,
                                        .context = trainer,
                                        .on_step = on_step,
                                        .rate = trial->range ? rate_of_range : NULL};
    if (tell_place(trainer, TRIAL_BEGINS) < 0)
        return RUN_FAILED;
    show_progress(trainer);
    const enum progress progress = trainer_rehearse(trainer, &rehearsal);
    if (progress == RUN_AGAIN)
        trial->results[trial->at].diverged = trainer->state.step + 1;
    trial->cut = progress == RUN_INTERRUPTED && !trial->over;
    if (progress == RUN_FAILED || trial->deaf || tell_place(trainer, TRIAL_ENDS) < 0)
        return RUN_FAILED;
    return RUN_ON;
}

/* ---- The values ---- */

/* A factor may lead out of the range that the settings' table allows. */
static bool is_sensible(enum command_kind setting, double value)
{
    const bool part = setting == COMMAND_MOMENTUM || setting == COMMAND_EMA || setting == COMMAND_LABEL_SMOOTHING;
    const bool mix = setting == COMMAND_MIXUP || setting == COMMAND_CUTMIX;
    return isfinite(value) && value >= 0 && (!part || value < 1) && (!mix || value <= MIX_MOST);
}

/* Where it is refused, so is the whole: `record` gets the reason. */
static enum progress set_value(struct trainer *trainer, int index, struct command_record *record)
{
    const struct trial *trial = &trainer->trial;
    struct command_record change = {.step = trainer->state.step, .ok = true};
    change.command.kind = (enum command_kind)trial->request.setting;
    change.command.value = trial->results[index].value;
    if (!is_sensible(change.command.kind, change.command.value)) {
        change.ok = false;
        trainer_outcome(&change, "%s cannot be %g", live_of_command(change.command.kind)->name, change.command.value);
    } else if (trainer_do(trainer, &change) == RUN_FAILED) {
        return RUN_FAILED;
    }
    if (!change.ok) {
        record->ok = false;
        trainer_outcome(record, "%s", change.outcome);
    }
    return RUN_ON;
}

/* From the same state for each. */
static enum progress try_values(struct trainer *trainer, const struct kept_state *kept, struct command_record *record)
{
    struct trial *trial = &trainer->trial;
    for (trial->at = 0; trial->at < trial->count && !trial->cut; trial->at++) {
        if (!trial->range && set_value(trainer, trial->at, record) == RUN_FAILED)
            return RUN_FAILED;
        if (make_steps(trainer) != RUN_ON || kept_state_put_back(trainer, kept) < 0)
            return RUN_FAILED;
        trial->done++;
    }
    return RUN_ON;
}

/* All values first: a wrong one is told before anything is tried. */
static enum progress check_values(struct trainer *trainer, const struct kept_state *kept, struct command_record *record)
{
    for (int i = 0; i < trainer->trial.count && record->ok && !trainer->trial.range; i++)
        if (set_value(trainer, i, record) == RUN_FAILED)
            return RUN_FAILED;
    return kept_state_put_back(trainer, kept) < 0 ? RUN_FAILED : RUN_ON;
}

/* ---- What came of it, in words ---- */

/* "tried lr 0.05, 0.1, 0.2 for 200 steps: loss 1.43, 1.39 (best), diverged after 31 steps" */
static void say_values(const struct trial *trial, struct command_record *record)
{
    char loss[32];
    const int best = trial_best(trial->results, trial->done, trial->request.steps);
    trainer_add_outcome(record, "tried %s", live_of_command((enum command_kind)trial->request.setting)->name);
    for (int i = 0; i < trial->done; i++)
        trainer_add_outcome(record, "%s %g", i ? "," : "", trial->results[i].value);
    trainer_add_outcome(record, " for %ld steps: loss", trial->request.steps);
    for (int i = 0; i < trial->done; i++) {
        const struct trial_result *result = &trial->results[i];
        if (result->diverged)
            trainer_add_outcome(record, "%s diverged after %ld steps", i ? "," : "", result->diverged - trial->step);
        else {
            digits_loss((double)result->loss, loss, sizeof loss);
            trainer_add_outcome(record, "%s %s%s", i ? "," : "", loss, i == best ? " (best)" : "");
        }
    }
}

static void say_range(const struct trial *trial, struct command_record *record)
{
    const struct lr_advice advice = lr_find_advise(&trial->find);
    trainer_add_outcome(record, "tried lr %g to %g over %d of %ld steps: ", trial->request.values[0],
                        trial->request.values[1], trial->find.count, trial->request.steps);
    if (advice.steepest > 0)
        trainer_add_outcome(record, "steepest fall at %.2g, lowest loss %.4f at %.2g, a tenth of that is %.2g",
                            advice.steepest, advice.lowest_loss, advice.lowest, advice.tenth);
    else
        trainer_add_outcome(record, "no certain fall of the loss, no advice");
}

static void say_outcome(struct trial *trial, struct command_record *record)
{
    (trial->range ? say_range : say_values)(trial, record);
    if (trial->cut)
        trainer_add_outcome(record, "; cut short");
}

/* ---- The commands ---- */

/* The trial as it begins: all values worked out, nothing made of them yet. */
static void prepare(struct trainer *trainer, const struct command *command)
{
    struct trial *trial = &trainer->trial;
    const struct trial_request *request = &command->trial;
    const struct live_setting *setting = live_of_command((enum command_kind)request->setting);
    const double now = live_get(setting, &trainer->options);
    const long left = trainer->steps_total - trainer->state.step;
    *trial = (struct trial){.request = *request,
                            .range = command->kind == COMMAND_LR_FIND,
                            .step = trainer->state.step,
                            .paused = trainer->paused};
    trial->count = trial->range ? 1 : request->count;
    for (int i = 0; i < trial->count; i++)
        trial->results[i] = (struct trial_result){
            .value = request->relative[i] ? now * request->values[i] : request->values[i], .loss = NAN};
    if (trial->request.steps > left)
        trial->request.steps = left;
    trial->find.steps = (int)trial->request.steps;
}

/* What a range advises can be accepted like a value that was tried. */
static void take_advice(struct trial *trial)
{
    const struct lr_advice advice = lr_find_advise(&trial->find);
    trial->results[0].value = advice.steepest;
    trial->results[1].value = advice.tenth;
    trial->done = advice.steepest > 0 ? 2 : 0;
}

static enum progress run_trial(struct trainer *trainer, const struct kept_state *kept, struct command_record *record)
{
    struct trial *trial = &trainer->trial;
    if (check_values(trainer, kept, record) == RUN_FAILED)
        return RUN_FAILED;
    if (!record->ok)
        return RUN_ON;
    const enum trainer_state before = trainer->now.state;
    trainer_set_state(trainer, TRAINER_TRYING);
    if (try_values(trainer, kept, record) == RUN_FAILED)
        return RUN_FAILED;
    say_outcome(trial, record);
    if (trial->range)
        take_advice(trial);
    trial->waiting = true;
    trainer->paused = true;
    trainer->now.trial = (struct trial_progress){0};
    trainer_set_state(trainer, before);
    return RUN_ON;
}

static enum progress begin_trial(struct trainer *trainer, struct command_record *record)
{
    struct kept_state kept = {0};
    const long steps = trainer->trial.request.steps;
    if (steps < (trainer->trial.range ? LR_FIND_LEAST : 1))
        return trainer_refuse(
            record, trainer->trial.range ? "it takes %d steps, and %ld are left" : "no step is left to try it",
            (int)LR_FIND_LEAST, steps);
    const int taken = kept_state_take(trainer, &kept);
    if (taken > 0)
        return trainer_refuse(record, "out of memory for a copy of the weights to come back to");
    const enum progress progress = taken < 0 ? RUN_FAILED : run_trial(trainer, &kept, record);
    kept_state_free(&kept);
    return progress;
}

enum progress trainer_try(struct trainer *trainer, struct command_record *record)
{
    const struct trial before = trainer->trial;
    prepare(trainer, &record->command);
    if (before.waiting && before.step == trainer->state.step)
        trainer->trial.paused = before.paused; /* not by this pause, which is for the choice */
    const enum progress progress = begin_trial(trainer, record);
    if (!record->ok)
        trainer->trial = before;
    return progress;
}

/* The number of what is to be accepted; -1: it was not tried. */
static int find_choice(const struct trial *trial, const struct command *command)
{
    const double close = 1e-5; /* as it is shown, in six digits */
    for (int i = 0; i < trial->done; i++)
        if (fabs(command->value - trial->results[i].value) <= close * fabs(trial->results[i].value))
            return i;
    if (command->count == 0)
        return trial->range ? 0 : trial_best(trial->results, trial->done, trial->request.steps);
    return command->count > 0 && command->count <= trial->done ? (int)command->count - 1 : -1;
}

static enum progress no_choice(const struct trial *trial, struct command_record *record)
{
    char values[160] = "";
    if (trial->done == 0)
        return trainer_refuse(record, "nothing was found that could be accepted: drop goes on");
    if (record->command.count == 0)
        return trainer_refuse(record, "none of them is the best, since none made all steps: accept a value");
    for (int i = 0; i < trial->done; i++)
        snprintf(values + strlen(values), sizeof values - strlen(values), "%s%g", i ? ", " : "",
                 trial->results[i].value);
    return trainer_refuse(record, "that was not tried: there %s %s, numbered from 1", trial->done == 1 ? "is" : "are",
                          values);
}

/* The viewer forgets it, and the run goes on, if it went on before. */
static enum progress leave_trial(struct trainer *trainer)
{
    struct trial *trial = &trainer->trial;
    trial->waiting = false;
    trial->at = 0;
    if (trainer->state.step == trial->step && !trial->paused)
        trainer->paused = false;
    return tell_place(trainer, TRIAL_GONE) < 0 ? RUN_FAILED : RUN_ON;
}

/* It is recorded as the command that sets the value, so that a replay needs no trial. */
enum progress trainer_accept(struct trainer *trainer, struct command_record *record)
{
    const struct trial *trial = &trainer->trial;
    if (!trial->waiting)
        return trainer_refuse(record, "nothing was tried that could be accepted");
    if (trainer->state.step != trial->step)
        return trainer_refuse(record, "it was tried from step %ld on, and the run stands at %ld: back %ld goes there",
                              trial->step, trainer->state.step, trial->step);
    const int choice = find_choice(trial, &record->command);
    if (choice < 0)
        return no_choice(trial, record);
    const enum command_kind kind = (enum command_kind)trial->request.setting;
    struct command command = {.kind = kind, .value = trial->results[choice].value};
    char value[32], outcome[sizeof record->outcome];
    digits_shortest((float)command.value, value, sizeof value);
    snprintf(command.text, sizeof command.text, "%s%s %s", kind == COMMAND_LEARNING_RATE ? "" : "set ",
             live_of_command(kind)->name, value);
    record->command = command;
    const enum progress progress = trainer_do(trainer, record);
    memcpy(outcome, record->outcome, sizeof outcome);
    if (record->ok)
        trainer_outcome(record, "accepted: %s", outcome);
    return progress == RUN_ON && record->ok ? leave_trial(trainer) : progress;
}

enum progress trainer_drop(struct trainer *trainer, struct command_record *record)
{
    if (!trainer->trial.waiting)
        return trainer_refuse(record, "nothing was tried that could be dropped");
    const enum progress progress = leave_trial(trainer);
    trainer_outcome(record, trainer->paused ? "dropped; paused at step %ld" : "dropped; running from step %ld",
                    trainer->state.step);
    return progress;
}
