/* Training steps in flight. On a GPU a few are queued ahead, and each is counted and reported when its results have
 * arrived, so neither side waits for the other; on a CPU a step is done when it was queued. Commands, evaluations and
 * checkpoints see the run with nothing in flight. */
#include "engine/ranks.h"

#include "base/clock.h"

#include <math.h>

static struct backend *backend_of(const struct trainer *trainer)
{
    return network_backend(trainer->network);
}

/* ---- Queueing ---- */

/* Whether one more step may follow those in flight: not past the end of the epoch or of the run, a checkpoint or a
 * pause. */
static bool may_queue(const struct trainer *trainer)
{
    const struct training_state *state = &trainer->state;
    const int flights = trainer->flight_count;
    const long next = state->step + flights;
    const long every = trainer->options.checkpoint_every;
    if (flights == 0)
        return true;
    if (trainer->rehearsal && next >= trainer->rehearsal->until)
        return false;
    return trainer->device && flights < TRAINER_FLIGHTS && next < trainer->steps_total &&
           !trainer_probe_due(trainer, next) && !trainer_may_be_due(trainer, next) &&
           state->batch_in_epoch + (uint32_t)flights < trainer->steps_per_epoch && (every <= 0 || next % every != 0) &&
           (trainer->pause_after == 0 || flights < trainer->pause_after);
}

/* The batch from the device's own images. */
static int device_batch(struct trainer *trainer, uint32_t number, struct step_batch *batch)
{
    const int size = trainer->options.batch < trainer->parts.train ? trainer->options.batch : trainer->parts.train;
    const uint32_t epoch = (uint32_t)trainer->state.epoch;
    if (!trainer->ordered || trainer->ordered_epoch != epoch) {
        if (device_data_order(trainer->device, loader_order(trainer->loader, epoch), trainer->parts.train,
                              &trainer->failure))
            return -1;
        trainer->ordered = true;
        trainer->ordered_epoch = epoch;
    }
    const int start = (int)number * size, left = trainer->parts.train - start;
    const struct train_options *options = &trainer->options;
    *batch = (struct step_batch){.n = left < size ? left : size,
                                 .source = &trainer->source,
                                 .epoch = epoch,
                                 .start = (uint32_t)start,
                                 .mixed = mix_is_on(&options->mix),
                                 .mix = mix_draw(&options->mix, options->seed, epoch, number)};
    return 0;
}

int trainer_next_batch(struct trainer *trainer, struct step_batch *batch, double *waited)
{
    *waited = 0;
    if (trainer->device)
        return device_batch(trainer, trainer->state.batch_in_epoch + (uint32_t)trainer->flight_count, batch);
    if (!trainer->fetched) {
        const double asked = clock_measured();
        trainer->batch = loader_next(trainer->loader);
        *waited = clock_measured() - asked;
        trainer->fetched = true;
    }
    *batch = (struct step_batch){.n = trainer->batch->n,
                                 .images = trainer->batch->images,
                                 .labels = trainer->batch->labels,
                                 .mixed = trainer->batch->partners,
                                 .mix = trainer->batch->mix,
                                 .partners = trainer->batch->partners};
    return 0;
}

static double rate_behind(const struct trainer *trainer, long step)
{
    const struct rehearsal *rehearsal = trainer->rehearsal;
    if (rehearsal && rehearsal->rate)
        return rehearsal->rate(rehearsal->context, step);
    return trainer->state.learning_rate * trainer_factor(trainer, step);
}

/* To the other ranks, which make it along. */
static int say_step(struct trainer *trainer, const struct step_options *step, const struct optimizer_options *update)
{
    struct order order = {.kind = ORDER_STEP};
    order.step = (struct step_order){.options = trainer->options,
                                     .epoch = (uint32_t)trainer->state.epoch,
                                     .number = trainer->state.batch_in_epoch + (uint32_t)trainer->flight_count,
                                     .flights = trainer->flight_count,
                                     .step = *step,
                                     .update = *update};
    return ranks_say(trainer, &order, &trainer->failure);
}

static enum progress queue_step(struct trainer *trainer)
{
    const struct train_options *options = &trainer->options;
    struct flight *flight = &trainer->flights[(trainer->flight_first + trainer->flight_count) % TRAINER_FLIGHTS];
    const long index = trainer->state.step + trainer->flight_count;
    struct step_batch batch = {0};
    *flight = (struct flight){0};
    if (trainer_next_batch(trainer, &batch, &flight->waited))
        return RUN_FAILED;
    flight->n = batch.n;
    flight->rate = rate_behind(trainer, index);
    const struct step_options step = {.label_smoothing = options->label_smoothing, .step = (uint32_t)index};
    const struct optimizer_options update = {
        .learning_rate = (float)flight->rate,
        .momentum = options->momentum,
        .weight_decay = options->weight_decay,
        .agc = options->agc,
        .ema = options->ema,
        .lookahead = options->lookahead,
        .nesterov = options->optimizer == OPTIMIZER_NESTEROV,
        .decay_all = options->decay_all,
        .step = index,
    };
    if (trainer->leads && say_step(trainer, &step, &update) < 0)
        return RUN_FAILED;
    if (network_queue_step(trainer->network, &batch, &step, &update, &flight->ticket, &trainer->failure) < 0) {
        dist_break();
        return RUN_FAILED;
    }
    trainer->fetched = false;
    trainer->flight_count++;
    return RUN_ON;
}

/* ---- What has arrived ---- */

static enum progress report_step(struct trainer *trainer, const struct flight *flight, const struct step_result *result,
                                 const struct update_result *update)
{
    const struct pace_piece window = pace_window(&trainer->pace);
    const struct step_time recent = step_time_settle(&window.time);
    const struct training_state *state = &trainer->state;
    const struct step_record record = {
        .step = state->step,
        .epoch = state->epoch,
        .loss = result->loss,
        .accuracy = (float)result->correct / (float)flight->n,
        .learning_rate = (float)flight->rate,
        .gradient_norm = update->gradient_norm,
        .clipped_units = update->clipped_units,
        .seconds = state->seconds,
        .images_per_second = recent.whole > 0 ? (double)window.images / recent.whole : 0,
    };
    if (trainer->rehearsal)
        return trainer->rehearsal->on_step(trainer->rehearsal->context, &record) ? RUN_INTERRUPTED : RUN_ON;
    trainer->now.step = record;
    trainer->now.recent = step_time_mean(&recent, window.steps);
    trainer->now.trained = step_time_settle(&trainer->trained);
    trainer->now.eta_seconds = trainer_time_left(trainer);
    trainer_publish(trainer);

    const struct event event = {.kind = EVENT_STEPS, .steps = step_summary_of(&record)};
    if (trainer_emit(trainer, &event) < 0)
        return RUN_FAILED;
    if (trainer_tell_step(trainer, &record) < 0)
        return RUN_FAILED;
    return trainer_judge_step(trainer) < 0 ? RUN_FAILED : RUN_ON;
}

static void count_step(struct trainer *trainer, const struct flight *flight, const struct step_result *result,
                       const struct update_result *update)
{
    struct training_state *state = &trainer->state;
    const double now = clock_measured();
    const double seconds = now - trainer->mark;
    double parts[STEP_OTHER] = {[STEP_DATA] = flight->waited, [STEP_PROBE] = trainer->probe_seconds};
    for (int lap = 0; lap < LAPS; lap++)
        parts[lap] += (double)result->laps[lap];
    state->step++;
    state->batch_in_epoch++;
    state->seconds += now - trainer->mark;
    state->epoch_loss_sum += (double)result->loss * flight->n;
    state->epoch_correct += result->correct;
    state->epoch_images += flight->n;
    state->last_loss = result->loss;
    state->last_accuracy = (float)result->correct / (float)flight->n;
    state->last_gradient_norm = update->gradient_norm;
    pace_add_step(&trainer->pace, seconds, parts, flight->n);
    loss_history_add(&trainer->losses, state->step, result->loss);
    trainer->mark = now;
    trainer->probe_seconds = 0;
    if (trainer->rehearsal)
        return;
    trainer->counted++;
    trainer->now.images += flight->n;
    trainer->now.trained_steps++;
    step_time_add(&trainer->trained, seconds, parts);
    trainer->unsaved = true;
    if (trainer->pause_after > 0 && --trainer->pause_after == 0)
        trainer->paused = true;
}

/* Takes the results of the oldest step off the list; `arrived` is false when they are not there yet. */
static int collect_oldest(struct trainer *trainer, bool wait, struct flight *flight, struct step_result *result,
                          struct update_result *update, bool *arrived)
{
    *flight = trainer->flights[trainer->flight_first];
    const int status =
        network_collect_step(trainer->network, flight->ticket, flight->n, wait, result, update, &trainer->failure);
    *arrived = status == 0;
    if (status == 0) {
        trainer->flight_first = (trainer->flight_first + 1) % TRAINER_FLIGHTS;
        trainer->flight_count--;
    }
    return status < 0 ? -1 : 0;
}

/* The steps behind one that was not finite changed nothing, and count for nothing. */
static enum progress discard_flights(struct trainer *trainer)
{
    struct flight flight;
    struct step_result result;
    struct update_result update;
    bool arrived;
    while (trainer->flight_count > 0)
        if (collect_oldest(trainer, true, &flight, &result, &update, &arrived) < 0)
            return RUN_FAILED;
    return RUN_ON;
}

void trainer_host_batch(struct trainer *trainer, uint32_t number)
{
    loader_seek(trainer->loader, (uint32_t)trainer->state.epoch, number);
    trainer->batch = loader_next(trainer->loader);
    trainer->fetched = false;
}

void trainer_forget_flights(struct trainer *trainer)
{
    const struct error failure = trainer->failure;
    (void)discard_flights(trainer); /* the run has ended already, whatever this says */
    trainer->failure = failure;
}

static enum progress not_finite(struct trainer *trainer, enum divergence_cause cause)
{
    if (discard_flights(trainer) != RUN_ON)
        return RUN_FAILED;
    if (trainer->rehearsal)
        return RUN_AGAIN;
    return trainer_diverge(trainer, cause, trainer->state.step + 1);
}

/* Counts and reports the oldest step, unless it is still under way. */
static enum progress land_oldest(struct trainer *trainer, bool wait, bool *landed)
{
    struct flight flight;
    struct step_result result;
    struct update_result update;
    if (collect_oldest(trainer, wait, &flight, &result, &update, landed) < 0)
        return RUN_FAILED;
    if (!*landed)
        return RUN_ON;
    if (!result.finite || !isfinite(result.loss))
        return not_finite(trainer, DIVERGED_LOSS);
    if (!update.finite)
        return not_finite(trainer, DIVERGED_GRADIENT);
    count_step(trainer, &flight, &result, &update);
    return report_step(trainer, &flight, &result, &update);
}

enum progress trainer_land(struct trainer *trainer)
{
    enum progress progress = RUN_ON;
    bool landed;
    while (trainer->flight_count > 0 && progress == RUN_ON)
        progress = land_oldest(trainer, true, &landed);
    return progress;
}

enum progress trainer_train(struct trainer *trainer)
{
    bool landed = true;
    enum progress progress = queue_step(trainer);
    while (progress == RUN_ON && landed && trainer->flight_count > 0)
        progress = land_oldest(trainer, !may_queue(trainer), &landed);
    return progress;
}

enum progress trainer_step(struct trainer *trainer)
{
    enum progress progress = RUN_ON;
    if (trainer->flight_count == 0 && trainer_probe_due(trainer, trainer->state.step)) {
        const double begin = clock_measured();
        progress = trainer_probe(trainer);
        trainer->probe_seconds = clock_measured() - begin;
        if (progress == RUN_ON && trainer_interrupted(trainer))
            return RUN_ON; /* whoever has the run stopped need not wait for a step besides */
    }
    if (progress == RUN_ON)
        progress = trainer_train(trainer);
    if (progress != RUN_ON)
        return progress;
    const struct training_state *state = &trainer->state;
    const long every = trainer->options.checkpoint_every;
    const bool due = every > 0 && state->step % every == 0 && trainer->flight_count == 0;
    const bool epoch_end = state->batch_in_epoch == trainer->steps_per_epoch; /* saves by itself */
    return due && !epoch_end ? trainer_checkpoint(trainer, false) : RUN_ON;
}

/* ---- The device's images ---- */

static void list_ranges(const struct partition *parts, struct device_range ranges[DEVICE_RANGES])
{
    ranges[0] = (struct device_range){SPLIT_TRAIN, 0, parts->train};
    ranges[1] = (struct device_range){SPLIT_TRAIN, parts->validation_first, parts->validation};
    ranges[2] = (struct device_range){SPLIT_TEST, 0, parts->test};
}

void trainer_needs(const struct partition *parts, struct network_options *network)
{
    struct device_range ranges[DEVICE_RANGES];
    list_ranges(parts, ranges);
    network->images = parts->train;
    network->image_bytes = device_data_bytes(ranges);
}

int trainer_upload(struct trainer *trainer, struct error *error)
{
    if (!backend_of(trainer)->load_batch)
        return 0;
    const struct partition *parts = &trainer->parts;
    struct device_range ranges[DEVICE_RANGES];
    list_ranges(parts, ranges);
    if (device_data_create(backend_of(trainer), trainer->dataset, ranges, &trainer->device, error))
        return network_explain_memory(trainer->network, error);
    return trainer_make_source(trainer, error);
}
