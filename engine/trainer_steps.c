/* The pieces of a run between its steps: the end of an epoch, an evaluation, a checkpoint. */
#include "engine/ranks.h"

#include "base/clock.h"
#include "engine/schedule.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void trainer_skip_time(struct trainer *trainer)
{
    trainer->mark = clock_measured();
    trainer->probe_seconds = 0;
}

static double images_of_steps(const struct trainer *trainer, long steps)
{
    return (double)steps * trainer->parts.train / (double)trainer->steps_per_epoch;
}

/* Images of the evaluations that are still to come up to a step. */
static double evaluations_to(const struct trainer *trainer, long step)
{
    const struct partition *parts = &trainer->parts;
    const long steps = step - trainer->state.extra_steps;
    const long epochs = steps / trainer->steps_per_epoch - trainer->state.epoch;
    const bool split_epoch = steps % trainer->steps_per_epoch != 0;
    const double each = parts->validation > 0 ? parts->validation : parts->test;
    const double last = parts->validation > 0 && !trainer->measured ? parts->test : 0;
    return each * (double)(epochs + split_epoch) + last;
}

void trainer_note_state(struct trainer *trainer)
{
    const struct training_state *state = &trainer->state;
    struct snapshot *now = &trainer->now;
    now->peak_learning_rate = state->learning_rate;
    now->next_learning_rate = (float)(state->learning_rate * trainer_factor(trainer, state->step));
    now->options = trainer->options;
    now->options.learning_rate = state->learning_rate;
    now->next_batch = state->next_batch;
    now->memory = (double)network_memory(trainer->network);
    now->extra_steps = state->extra_steps;
    now->probe_every = trainer->probe_every;
    memcpy(now->pending, state->pending, sizeof now->pending);
    now->pending_count = state->pending_count;
}

static enum standstill find_standstill(const struct trainer *trainer)
{
    const struct trial *trial = &trainer->trial;
    const struct snapshot *now = &trainer->now;
    if (trainer->ranks_late)
        return STANDSTILL_RANKS;
    if (now->state == TRAINER_WAITING)
        return STANDSTILL_ROOM;
    if (now->state != TRAINER_PAUSED)
        return STANDSTILL_NONE;
    if (trial->waiting && trial->step == trainer->state.step)
        return STANDSTILL_CHOICE;
    return now->diverged ? STANDSTILL_DIVERGED : STANDSTILL_PAUSED;
}

void trainer_set_state(struct trainer *trainer, enum trainer_state state)
{
    const struct trainer_sink *sink = &trainer->sink;
    const enum standstill before = trainer->now.standstill;
    trainer->now.state = state;
    trainer->now.standstill = find_standstill(trainer);
    trainer_note_state(trainer);
    if (trainer->now.standstill != before && sink->on_standstill)
        sink->on_standstill(sink->context, trainer->now.standstill);
    trainer_publish(trainer);
}

int trainer_emit(struct trainer *trainer, const struct event *event)
{
    if (!trainer->keep_events)
        return 0;
    if (trainer->guests && port_emit(trainer->guests, event, &trainer->failure) < 0)
        return -1;
    return port_emit(&trainer->own, event, &trainer->failure);
}

void trainer_publish(struct trainer *trainer)
{
    port_publish(&trainer->own, &trainer->now);
    if (trainer->guests)
        port_publish(trainer->guests, &trainer->now);
}

void trainer_flush(struct trainer *trainer)
{
    port_flush(&trainer->own);
    if (trainer->guests)
        port_flush(trainer->guests);
}

int trainer_message(struct trainer *trainer, const char *text)
{
    struct event event = {.kind = EVENT_MESSAGE};
    snprintf(event.message, sizeof event.message, "%s", text);
    return trainer_emit(trainer, &event);
}

double trainer_factor(const struct trainer *trainer, long step)
{
    const long extra = trainer->state.extra_steps; /* as if all epochs had had the batch of this one */
    return schedule_factor(&trainer->options, step - extra, trainer->steps_total - extra, trainer->steps_per_epoch);
}

double trainer_time_to(const struct trainer *trainer, long step)
{
    return pace_left(&trainer->pace, images_of_steps(trainer, step - trainer->state.step),
                     evaluations_to(trainer, step));
}

double trainer_time_left(const struct trainer *trainer)
{
    return trainer_time_to(trainer, trainer->steps_total);
}

/* ---- Checkpoints ---- */

static int find_non_finite(struct trainer *trainer, const struct parameter **out)
{
    static const enum parameter_part parts[] = {PART_VALUE, PART_MOMENTUM, PART_EMA, PART_SLOW};
    *out = NULL;
    for (size_t i = 0; i < sizeof parts / sizeof *parts && !*out; i++)
        if (parameter_find_non_finite(trainer->network, parts[i], trainer->scratch, out, &trainer->failure) < 0)
            return -1;
    return 0;
}

enum progress trainer_checkpoint(struct trainer *trainer, bool best)
{
    const double begin = clock_measured();
    const enum trainer_state before = trainer->now.state;
    const struct event saved = {.kind = EVENT_CHECKPOINT, .saved = trainer->state.step};
    const struct parameter *bad;
    trainer_set_state(trainer, TRAINER_SAVING);
    if (find_non_finite(trainer, &bad) < 0)
        return RUN_FAILED;
    if (bad)
        return trainer_diverge(trainer, DIVERGED_PARAMETER, trainer->state.step);
    trainer->state.unsound = trainer_is_unsound(trainer);
    const double waited = trainer->waited;
    if (trainer_hold(trainer) < 0 || trainer_tell_checkpoint(trainer, best) < 0)
        return RUN_FAILED;
    trainer->unsaved = false;
    trainer->now.saved_step = trainer->state.step;
    trainer->now.saving_seconds += clock_measured() - begin - (trainer->waited - waited);
    trainer_set_state(trainer, before);
    if (trainer_emit(trainer, &saved) < 0)
        return RUN_FAILED;
    trainer_skip_time(trainer);
    return RUN_ON;
}

/* ---- Evaluation ---- */

struct evaluation_watch {
    struct trainer *trainer;
    int before; /* images of the parts measured before this one */
};

static int on_evaluated(void *context, int done, int total)
{
    (void)total;
    const struct evaluation_watch *watch = context;
    struct trainer *trainer = watch->trainer;
    trainer->now.evaluated = watch->before + done;
    trainer_publish(trainer);
    trainer_flush(trainer);
    return trainer_interrupted(trainer);
}

/* By all ranks, where there are several. */
static int evaluate_images(struct trainer *trainer, const struct evaluation_options *options, struct evaluation *out)
{
    struct order order = {.kind = ORDER_EVALUATE, .evaluate = *options};
    if (!trainer->leads)
        return evaluate(trainer->network, trainer->dataset, options, out, &trainer->failure);
    return ranks_say(trainer, &order, &trainer->failure) < 0 ? -1
                                                             : ranks_evaluate(trainer, options, out, &trainer->failure);
}

static enum progress evaluate_part(struct trainer *trainer, enum split split, int first, int count, int before,
                                   float *loss, float *accuracy)
{
    struct evaluation_watch watch = {trainer, before};
    const struct evaluation_options options = {
        .split = split,
        .first = first,
        .count = count,
        .batch = trainer->options.batch,
        .normalize = trainer->options.normalize,
        .statistics = trainer->parts.statistics,
        .use_ema = trainer->options.ema > 0,
        .device = trainer->device,
        .progress = on_evaluated,
        .context = &watch,
    };
    struct evaluation evaluation;
    const double start = clock_measured();
    const int status = evaluate_images(trainer, &options, &evaluation);
    if (status < 0)
        return RUN_FAILED;
    if (status == EVALUATION_INTERRUPTED)
        return RUN_INTERRUPTED;
    if (!isfinite(evaluation.loss))
        return trainer->replaying ? RUN_AGAIN : trainer_diverge(trainer, DIVERGED_EVALUATION, trainer->state.step);
    const double seconds = clock_measured() - start;
    pace_add_evaluation(&trainer->pace, seconds, count);
    trainer->now.evaluating_seconds += seconds;
    *loss = (float)evaluation.loss;
    *accuracy = (float)evaluation.accuracy;
    return RUN_ON;
}

/* Fills the record's measured fields: the validation part, where there is one, and the test set. */
static enum progress measure_parts(struct trainer *trainer, bool test, struct epoch_record *record)
{
    const struct partition *parts = &trainer->parts;
    const bool validation = parts->validation > 0;
    const enum trainer_state before = trainer->now.state;
    enum progress progress = RUN_ON;

    trainer->now.evaluated = 0;
    trainer->now.evaluate_total = (validation ? parts->validation : 0) + (test ? parts->test : 0);
    trainer_set_state(trainer, TRAINER_EVALUATING);
    if (validation)
        progress = evaluate_part(trainer, SPLIT_TRAIN, parts->validation_first, parts->validation, 0,
                                 &record->validation_loss, &record->validation_accuracy);
    if (progress == RUN_ON && test)
        progress = evaluate_part(trainer, SPLIT_TEST, 0, parts->test, validation ? parts->validation : 0,
                                 &record->test_loss, &record->test_accuracy);
    trainer->now.evaluated = trainer->now.evaluate_total = 0;
    if (progress == RUN_ON || progress == RUN_INTERRUPTED)
        trainer_set_state(trainer, before);
    trainer_skip_time(trainer);
    return progress;
}

/* The test set at the run's end, or for want of a validation part. */
static enum progress measure(struct trainer *trainer, struct epoch_record *record)
{
    return measure_parts(trainer, record->run_end || trainer->parts.validation == 0, record);
}

static enum progress report_epoch(struct trainer *trainer, const struct epoch_record *record)
{
    const bool held_out = record->validation_accuracy >= 0;
    trainer->state.validation_loss = held_out ? record->validation_loss : record->test_loss;
    trainer->state.validation_accuracy = held_out ? record->validation_accuracy : record->test_accuracy;
    trainer->now.epoch = *record;
    trainer_publish(trainer);
    const struct event event = {.kind = EVENT_EPOCH, .epoch = *record};
    if (trainer_emit(trainer, &event) < 0)
        return RUN_FAILED;
    return trainer_tell_epoch(trainer, record) < 0 ? RUN_FAILED : RUN_ON;
}

static struct epoch_record record_so_far(const struct trainer *trainer)
{
    const struct training_state *state = &trainer->state;
    const double images = (double)state->epoch_images;
    return (struct epoch_record){
        .step = state->step,
        .epoch = state->epoch,
        .train_loss = images > 0 ? (float)(state->epoch_loss_sum / images) : -1,
        .train_accuracy = images > 0 ? (float)((double)state->epoch_correct / images) : -1,
        .validation_loss = -1,
        .validation_accuracy = -1,
        .test_loss = -1,
        .test_accuracy = -1,
        .seconds = state->seconds,
    };
}

/* The run's best is judged by held-out images, or by the test set where none are held out. */
static void judge(struct trainer *trainer, struct epoch_record *record)
{
    const float accuracy = trainer->parts.validation > 0 ? record->validation_accuracy : record->test_accuracy;
    const float loss = trainer->parts.validation > 0 ? record->validation_loss : record->test_loss;
    record->best = accuracy > trainer->state.best_accuracy &&
                   !health_loss_is_absurd(network_spec(trainer->network)->classes, loss);
    if (!record->best)
        return;
    trainer->state.best_accuracy = accuracy;
    trainer->state.best_step = trainer->state.step;
}

enum progress trainer_measure_again(struct trainer *trainer, const struct epoch_record *recorded,
                                    struct epoch_record *record)
{
    *record = record_so_far(trainer);
    record->epoch = recorded->epoch;
    record->epoch_end = recorded->epoch_end;
    trainer->replaying = true;
    const enum progress progress = measure_parts(trainer, recorded->test_accuracy >= 0, record);
    trainer->replaying = false;
    return progress;
}

enum progress trainer_evaluate_now(struct trainer *trainer, long waited, struct epoch_record *record)
{
    *record = record_so_far(trainer);
    record->waited = waited;
    const enum progress progress = measure(trainer, record);
    return progress == RUN_ON ? report_epoch(trainer, record) : progress;
}

void trainer_roll_over(struct trainer *trainer)
{
    struct training_state *state = &trainer->state;
    state->epoch++;
    state->batch_in_epoch = 0;
    state->epoch_loss_sum = 0;
    state->epoch_correct = state->epoch_images = 0;
}

enum progress trainer_end_epoch(struct trainer *trainer)
{
    struct training_state *state = &trainer->state;
    struct epoch_record record = record_so_far(trainer);
    record.epoch++;
    record.epoch_end = true;
    record.run_end = state->step >= trainer->steps_total;
    enum progress progress = measure(trainer, &record);
    if (progress != RUN_ON)
        return progress;

    judge(trainer, &record);
    trainer_roll_over(trainer);
    trainer->unsaved = true;
    trainer->measured = record.run_end;
    progress = report_epoch(trainer, &record);
    if (progress == RUN_ON && !record.run_end)
        progress = trainer_change_batch(trainer);
    return progress == RUN_ON ? trainer_checkpoint(trainer, record.best) : progress;
}

enum progress trainer_finish(struct trainer *trainer)
{
    enum progress progress = trainer->probe_every > 0 ? trainer_probe(trainer) : RUN_ON; /* what came of it */
    struct epoch_record record = {0};
    if (progress != RUN_ON)
        return progress;
    if (!trainer->measured) {
        record = record_so_far(trainer);
        record.run_end = true;
        progress = measure(trainer, &record);
        if (progress != RUN_ON)
            return progress;
        judge(trainer, &record);
        trainer->measured = true;
        trainer->unsaved |= record.best;
        progress = report_epoch(trainer, &record);
    }
    if (progress == RUN_ON && trainer->unsaved)
        progress = trainer_checkpoint(trainer, record.best);
    if (progress != RUN_ON)
        return progress;
    if (trainer->now.skipped_batches > trainer->counted)
        return trainer_end_skipped(trainer);
    if (atomic_load(&trainer->attended) > 0)
        trainer_look(trainer);
    trainer->now.state = TRAINER_FINISHED;
    return RUN_ENDED;
}
