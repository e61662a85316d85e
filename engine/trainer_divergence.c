/* What is not finite, and what is not healthy: diagnoses and findings on their way out, and the three things that a run
 * can do at a step that is not finite. The step changed no weight, so each begins with the weights before it. */
#include "engine/trainer_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const float rollback_factor = 0.5f; /* of the learning rate */
enum { MOST_ROLLBACKS = 5, MOST_SKIPPED = 100 };

/* ---- Findings ---- */

static int report(struct trainer *trainer, const struct finding *finding)
{
    const struct event event = {.kind = EVENT_FINDING, .finding = *finding};
    if (trainer_emit(trainer, &event) < 0)
        return -1;
    return trainer_tell_finding(trainer, finding);
}

static struct health_run health_run_of(const struct trainer *trainer)
{
    return (struct health_run){.spec = network_spec(trainer->network),
                               .options = &trainer->options,
                               .learning_rate = trainer->state.learning_rate,
                               .steps_per_epoch = trainer->steps_per_epoch,
                               .steps_total = trainer->steps_total - trainer->state.extra_steps,
                               .diverging = trainer->diverging};
}

int trainer_judge_probe(struct trainer *trainer)
{
    const struct health_run run = health_run_of(trainer);
    struct finding findings[FINDING_KINDS];
    const int count = health_watch_probe(&trainer->health, &run, trainer->probe, findings);
    for (int i = 0; i < count; i++)
        if (report(trainer, &findings[i]) < 0)
            return -1;
    return 0;
}

static int end_skipping(struct trainer *trainer)
{
    struct finding finding = {.kind = FINDING_DIVERGENCE,
                              .severity = FINDING_NOTE,
                              .over = true,
                              .step = trainer->state.step,
                              .since = trainer->state.step - trainer->skipped,
                              .point = -1};
    snprintf(finding.text, sizeof finding.text, "over at step %ld: it is finite; passed over before it: %d batch%s",
             finding.step, trainer->skipped, trainer->skipped == 1 ? "" : "es");
    trainer->skipped = 0;
    return report(trainer, &finding);
}

int trainer_judge_step(struct trainer *trainer)
{
    const struct health_run run = health_run_of(trainer);
    struct finding finding;
    if (trainer->skipped > 0 && end_skipping(trainer) < 0)
        return -1;
    if (health_watch_loss(&trainer->health, &run, trainer->state.step, trainer->state.last_loss, &finding) == 0)
        return 0;
    return report(trainer, &finding);
}

/* ---- Good states ---- */

bool trainer_is_unsound(const struct trainer *trainer)
{
    return trainer->stuck || trainer->skipped > 0 || !loss_history_is_calm(&trainer->losses) ||
           health_loss_is_absurd(network_spec(trainer->network)->classes, trainer->state.last_loss);
}

/* The weights behind the step before the first bad one made it bad. */
static long good_step_before(const struct trainer *trainer, long step)
{
    const struct trainer_sink *sink = &trainer->sink;
    const long exploded = trainer->losses.explosion_step, limit = (exploded > 0 ? exploded : step) - 2;
    return sink->good_step ? sink->good_step(sink->context, limit > 0 ? limit : 0) : -1;
}

long trainer_good_step(const struct trainer *trainer)
{
    /* a healthy run has no bad step: it goes back from where it is */
    return good_step_before(trainer, trainer->state.step + 1);
}

/* ---- Held states ---- */

int trainer_hold(struct trainer *trainer)
{
    if (trainer->options.on_divergence != DIVERGENCE_ROLLBACK || trainer_is_unsound(trainer))
        return 0;
    const int status = kept_state_take(trainer, &trainer->held);
    if (status > 0)
        return error_set(&trainer->failure, "out of memory for a copy of the weights to go back to "
                                            "(--on-divergence rollback)");
    return status;
}

/* ---- What to do ---- */

/* Whether it came to nothing but a step that was not made. */
static bool is_of_step(enum divergence_cause cause)
{
    return cause == DIVERGED_LOSS || cause == DIVERGED_GRADIENT;
}

/* A last look at the network as it was before the step, with the batch that it broke on: what has left its range by now
 * is part of the diagnosis. That it is not finite is what the diagnosis says anyway. */
static enum progress look(struct trainer *trainer)
{
    trainer_seek(trainer);
    trainer->diverging = true;
    const enum progress progress = trainer->probe_every > 0 ? trainer_probe(trainer) : RUN_ON;
    trainer->diverging = false;
    return progress;
}

static int explain(struct trainer *trainer, enum divergence_cause cause, long step, char *diagnosis, size_t size)
{
    const uint32_t next = trainer->state.batch_in_epoch;
    const bool of_next = is_of_step(cause) || next == 0; /* else with the last batch that it trained on */
    if (!trainer->batch)
        trainer_host_batch(trainer, of_next ? next : next - 1);
    loader_complete(trainer->loader);
    const struct divergence_case what = {
        .cause = cause,
        .step = step,
        .learning_rate = trainer->now.step.learning_rate, /* of the step that made the weights */
        .peak = trainer->state.learning_rate,
        .agc = trainer->options.agc,
        .images = trainer->batch->images,
        .n = trainer->batch->n,
        .history = &trainer->losses,
        .watch = &trainer->health,
        .good_step = good_step_before(trainer, step),
    };
    return divergence_explain(trainer->network, &what, diagnosis, size, &trainer->failure);
}

/* The loop begins anew at the state's step. */
static enum progress go_on(struct trainer *trainer)
{
    trainer_seek(trainer);
    trainer_set_state(trainer, TRAINER_RUNNING);
    trainer_skip_time(trainer);
    return RUN_AGAIN;
}

static struct finding divergence_finding(const struct trainer *trainer, enum finding_severity severity, long step)
{
    return (struct finding){.kind = FINDING_DIVERGENCE,
                            .severity = severity,
                            .step = trainer->state.step,
                            .since = step < trainer->state.step ? step : trainer->state.step,
                            .point = -1};
}

/* The batch counts as done, though nothing was learnt from it. */
static enum progress skip(struct trainer *trainer, long step, const char *diagnosis)
{
    struct training_state *state = &trainer->state;
    state->step++;
    state->batch_in_epoch++;
    trainer->unsaved = true;
    trainer->now.skipped_batches++;
    trainer->now.step.step = state->step;
    trainer->now.step.epoch = state->epoch;
    trainer->now.step.learning_rate = (float)(state->learning_rate * trainer_factor(trainer, state->step - 1));
    if (trainer->pause_after > 0 && --trainer->pause_after == 0)
        trainer->paused = true;
    if (trainer->skipped++ == 0) { /* those that follow it are counted, not explained */
        struct finding finding = divergence_finding(trainer, FINDING_WARNING, step);
        snprintf(finding.text, sizeof finding.text, "batch passed over: %s", diagnosis);
        if (report(trainer, &finding) < 0)
            return RUN_FAILED;
    }
    return go_on(trainer);
}

static int record_rollback(struct trainer *trainer, long step, float old)
{
    struct command_record record = {
        .step = trainer->state.step,
        .command = {.kind = COMMAND_ROLLBACK, .value = (double)trainer->state.learning_rate},
        .ok = true};
    snprintf(record.command.text, sizeof record.command.text, "rollback");
    snprintf(record.outcome, sizeof record.outcome,
             "back at step %ld from step %ld, which was not finite: peak lr %g -> %g (rollback %d of %d)",
             trainer->state.step, step, (double)old, (double)trainer->state.learning_rate, trainer->rollbacks,
             (int)MOST_ROLLBACKS);
    return trainer_report_command(trainer, &record);
}

bool trainer_can_roll_back(const struct trainer *trainer)
{
    return trainer->rollbacks < MOST_ROLLBACKS && (trainer->held.parameters || trainer_good_step(trainer) >= 0);
}

enum progress trainer_roll_back(struct trainer *trainer, long step, const char *diagnosis)
{
    const float rate = trainer->state.learning_rate;
    struct error why = {""};
    if (trainer->held.parameters) {
        if (trainer_stand_at(trainer, &trainer->held, rollback_factor * rate) < 0)
            return RUN_FAILED;
    } else { /* the policy was not this one when the checkpoint was made */
        trainer->state.learning_rate = rollback_factor * rate;
        if (trainer_go_back(trainer, trainer_good_step(trainer), &why) != RUN_ON)
            return RUN_FAILED;
        if (*why.message) {
            trainer->failure = why;
            return RUN_FAILED;
        }
    }
    trainer->rollbacks++;
    struct finding finding = divergence_finding(trainer, FINDING_WARNING, step);
    snprintf(finding.text, sizeof finding.text, "%s", diagnosis);
    if (report(trainer, &finding) < 0 || record_rollback(trainer, step, rate) < 0)
        return RUN_FAILED;
    /* a resume begins with the new rate, too */
    const enum progress saved = trainer_checkpoint(trainer, false);
    return saved == RUN_ON ? go_on(trainer) : saved;
}

/* Waits for the person with the weights before the step, where there is one and they are good; else it is over. */
static enum progress give_up(struct trainer *trainer, enum divergence_cause cause, long step, const char *diagnosis)
{
    const bool waits = atomic_load(&trainer->attended) > 0 && cause != DIVERGED_PARAMETER;
    struct snapshot *now = &trainer->now;
    struct finding finding = divergence_finding(trainer, FINDING_ALARM, step);
    snprintf(finding.text, sizeof finding.text, "%s", diagnosis);
    snprintf(now->message, sizeof now->message, "%s", diagnosis);
    now->diverged = true;
    now->diverged_step = step;
    now->good_step = good_step_before(trainer, step);
    if (waits) {
        trainer->stuck = trainer->paused = true;
        trainer->pause_after = 0;
        trainer->skipped = 0;
        trainer_set_state(trainer, now->state); /* who hears of it finds it in the snapshot */
    }
    if (report(trainer, &finding) < 0 || trainer_tell_divergence(trainer, diagnosis) < 0)
        return RUN_FAILED;
    if (waits)
        return go_on(trainer);
    now->state = TRAINER_DIVERGED;
    return RUN_ENDED;
}

enum { PREFIX_SIZE = 96 }; /* of what is said before a diagnosis */

enum progress trainer_diverge(struct trainer *trainer, enum divergence_cause cause, long step)
{
    const enum divergence_policy policy = trainer->options.on_divergence;
    const bool of_step = is_of_step(cause);
    char why[FINDING_TEXT_SIZE] = "", tried[FINDING_TEXT_SIZE];
    const bool skips = policy == DIVERGENCE_CONTINUE && of_step && trainer->skipped < MOST_SKIPPED;
    if (skips && trainer->skipped > 0)
        return skip(trainer, step, why);
    const size_t room = policy == DIVERGENCE_PAUSE ? sizeof why : sizeof why - PREFIX_SIZE;
    if ((of_step && look(trainer) != RUN_ON) || explain(trainer, cause, step, why, room) < 0)
        return RUN_FAILED;
    if (skips)
        return skip(trainer, step, why);
    if (policy == DIVERGENCE_ROLLBACK && trainer_can_roll_back(trainer))
        return trainer_roll_back(trainer, step, why);
    if (policy == DIVERGENCE_ROLLBACK && trainer->rollbacks > 0)
        snprintf(tried, sizeof tried, "after %d rollbacks: %s", trainer->rollbacks, why);
    else if (policy == DIVERGENCE_ROLLBACK)
        snprintf(tried, sizeof tried, "no checkpoint from before the loss rose is there to roll back to: %s", why);
    else if (policy == DIVERGENCE_CONTINUE && trainer->skipped > 0)
        snprintf(tried, sizeof tried, "after %d batches passed over: %s", trainer->skipped, why);
    else
        snprintf(tried, sizeof tried, "%s", why);
    return give_up(trainer, cause, step, tried);
}

enum progress trainer_end_skipped(struct trainer *trainer)
{
    char why[FINDING_TEXT_SIZE];
    const long skipped = trainer->now.skipped_batches;
    snprintf(why, sizeof why,
             "diverged: %ld of %ld batches were passed over, since their steps were not finite: the weights are lost",
             skipped, skipped + trainer->counted);
    return give_up(trainer, DIVERGED_PARAMETER, trainer->state.step, why);
}
