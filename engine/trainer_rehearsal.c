/* Steps that are not the run's own, made by the same code as those that are; see struct rehearsal. */
#include "engine/trainer_internal.h"

static bool is_called_off(struct trainer *trainer)
{
    return trainer_interrupted(trainer) || command_queue_count(&trainer->commands, COMMAND_PAUSE, false) > 0;
}

static enum progress rehearse(struct trainer *trainer, long until)
{
    enum progress progress = RUN_ON;
    while (progress == RUN_ON && trainer->state.step < until) {
        trainer_flush(trainer);
        if (is_called_off(trainer))
            progress = RUN_INTERRUPTED;
        else if (trainer->state.batch_in_epoch < trainer->steps_per_epoch)
            progress = trainer_train(trainer);
        else {
            trainer_roll_over(trainer);
            progress = trainer_change_batch(trainer);
        }
    }
    return progress;
}

enum progress trainer_rehearse(struct trainer *trainer, const struct rehearsal *rehearsal)
{
    const long until = rehearsal->until < trainer->steps_total ? rehearsal->until : trainer->steps_total;
    trainer->rehearsal = rehearsal;
    trainer_skip_time(trainer);
    const enum progress progress = rehearse(trainer, until);
    trainer_forget_flights(trainer); /* of a rehearsal that was called off */
    trainer->rehearsal = NULL;
    trainer_skip_time(trainer);
    return progress;
}
