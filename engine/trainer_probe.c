/* Probes of a run: when, of which batch, and whom they reach. */
#include "engine/trainer_internal.h"

#include "engine/network_probe.h"

#include <stdio.h>

/* Steps between probes so that training slows by less than 2 %: a GPU has its steps in flight to wait for, too. */
enum { PROBE_EVERY_CPU = 200, PROBE_EVERY_GPU = 400 };

enum { MOST_CLOSE_LOOKS = 16 };

int trainer_schedule_probes(struct trainer *trainer, struct error *error)
{
    const struct train_options *options = &trainer->options;
    const bool whole = network_backend(trainer->network)->whole_batch;
    long every = options->probe_every;
    if (every == PROBE_EVERY_AUTO)
        every = whole ? PROBE_EVERY_GPU : PROBE_EVERY_CPU;
    if (every > 0 && probe_reserve(trainer->network, options->batch, error))
        return -1;
    trainer->probe_every = every;
    return 0;
}

int trainer_prepare_probes(struct trainer *trainer, struct error *error)
{
    const struct model_spec *spec = network_spec(trainer->network);
    trainer->probed = trainer->state.step < trainer->steps_total ? -1 : trainer->state.step; /* a run that was over */
    if (probe_create(spec, &trainer->probe, error))
        return -1;
    return trainer_schedule_probes(trainer, error);
}

long trainer_probe_every(const struct trainer *trainer)
{
    return trainer->probe_every;
}

/* Early on things change fast, but each probe costs about two steps: powers of four keep a short run below the 2 %. */
static bool is_power_of_four(long step)
{
    while (step > 0 && step % 4 == 0)
        step /= 4;
    return step == 1;
}

static bool scheduled(const struct trainer *trainer, long step)
{
    const long every = trainer->probe_every;
    return every > 0 && (step % every == 0 || (step < every && is_power_of_four(step)));
}

/* While the loss rises, each step is looked into, some times in a run: it shows where that begins. */
bool trainer_probe_due(const struct trainer *trainer, long step)
{
    const bool rises =
        trainer->probe_every > 0 && trainer->close_looks < MOST_CLOSE_LOOKS && !loss_history_is_calm(&trainer->losses);
    return rises || scheduled(trainer, step);
}

/* Of the whole batch, of which a rank's step needs but a slice. */
static int take(struct trainer *trainer)
{
    const struct training_state *state = &trainer->state;
    struct step_batch batch;
    double waited;
    const struct probe_options options = {
        .gradients = true,
        .step = state->step,
        .label_smoothing = trainer->options.label_smoothing,
        .learning_rate = state->step > 0 ? trainer->now.step.learning_rate : 0,
        .agc = trainer->options.agc,
    };
    if (trainer_next_batch(trainer, &batch, &waited))
        return -1;
    loader_complete(trainer->loader);
    return probe_take(trainer->network, &batch, &options, trainer->probe, &trainer->failure) ? -1 : 0;
}

enum progress trainer_probe(struct trainer *trainer)
{
    const long step = trainer->state.step;
    const bool at_end = trainer->state.batch_in_epoch == trainer->steps_per_epoch; /* no batch follows yet */
    if (trainer->probed == step || at_end)
        return RUN_ON;
    if (take(trainer))
        return RUN_FAILED;
    trainer->probed = step;
    trainer->close_looks += !scheduled(trainer, step) && !loss_history_is_calm(&trainer->losses);
    if (trainer->keep_events)
        port_probe(&trainer->own, trainer->probe);
    if (trainer->keep_events && trainer->guests)
        port_probe(trainer->guests, trainer->probe);
    return trainer_tell_probe(trainer) < 0 || trainer_judge_probe(trainer) < 0 ? RUN_FAILED : RUN_ON;
}

/* Where none are scheduled the memory is taken at the first need; a run that has none for it goes on without. */
enum progress trainer_probe_pause(struct trainer *trainer)
{
    struct error failure = {""};
    char text[sizeof failure.message + 32];
    if (trainer->probed == trainer->state.step || trainer->probe_refused)
        return RUN_ON;
    if (probe_reserve(trainer->network, trainer->options.batch, &failure) == 0)
        return trainer_probe(trainer);
    trainer->probe_refused = true;
    snprintf(text, sizeof text, "no probe at this pause: %s", failure.message);
    return trainer_message(trainer, text) < 0 ? RUN_FAILED : RUN_ON;
}
