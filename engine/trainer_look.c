/* Looks into a run's network: what a viewer of images shows. */
#include "engine/trainer_internal.h"

#include <stdio.h>

/* The batch of the next step; where none follows, the one of the last. */
static void find_batch(const struct trainer *trainer, struct look *look)
{
    const struct training_state *state = &trainer->state;
    const uint32_t batches = (uint32_t)trainer->steps_per_epoch;
    const bool epoch_end = state->batch_in_epoch == batches;
    look->over = state->step >= trainer->steps_total;
    look->epoch = (uint32_t)state->epoch + epoch_end;
    look->batch = epoch_end ? 0 : state->batch_in_epoch;
    look->batch_size = look->batch == 0 && state->next_batch > 0 ? state->next_batch : trainer->options.batch;
    if (!look->over)
        return;
    if (look->batch == 0 && look->epoch > 0) {
        look->epoch--;
        look->batch = batches;
    }
    look->batch = look->batch > batches ? batches - 1 : look->batch > 0 ? look->batch - 1 : 0;
    look->batch_size = trainer->options.batch;
}

void trainer_look(struct trainer *trainer)
{
    const struct train_options *options = &trainer->options;
    struct look *look = look_buffer_writing(&trainer->own.looks);
    look->step = trainer->state.step;
    find_batch(trainer, look);
    look->augment = options->augment;
    look->mix = options->mix;
    look->seed = options->seed;
    look->train = trainer->parts.train;
    struct error error = {""};
    if (look_take(trainer->network, trainer->dataset, options, &trainer->parts, trainer->device, look, &error) < 0)
        look->count = 0; /* the viewer is told; the run needs it not */
    snprintf(look->failure, sizeof look->failure, "%s", error.message);
    look->number = ++trainer->looked;
    if (trainer->guests)
        port_show_look(trainer->guests, look);
    look_buffer_publish(&trainer->own.looks);
    trainer_skip_time(trainer);
}

void trainer_look_now(struct trainer *trainer)
{
    trainer_look(trainer);
}
