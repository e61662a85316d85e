/* See kept_state.h. */
#include "engine/trainer_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- One state ---- */

int kept_state_take(struct trainer *trainer, struct kept_state *kept)
{
    const struct trainer_sink *sink = &trainer->sink;
    float *parameters = kept->parameters;
    if (!parameters)
        parameters = malloc(network_state_floats(trainer->network) * sizeof *parameters);
    *kept = (struct kept_state){0};
    if (!parameters)
        return 1;
    const long commands = sink->recorded_commands ? sink->recorded_commands(sink->context) : 0;
    if (commands < 0) {
        free(parameters);
        return error_set(&trainer->failure, "the recorded commands cannot be counted");
    }
    if (network_read_state(trainer->network, parameters, &trainer->failure)) {
        free(parameters);
        return -1;
    }
    kept->parameters = parameters;
    kept->state = trainer->state;
    kept->state.commands = commands;
    kept->now = trainer->now;
    kept->losses = trainer->losses;
    kept->health = trainer->health;
    kept->measured = trainer->measured;
    kept->stuck = trainer->stuck;
    kept->skipped = trainer->skipped;
    return 0;
}

int kept_state_put_back(struct trainer *trainer, const struct kept_state *kept)
{
    if (kept->parameters && network_write_state(trainer->network, kept->parameters, &trainer->failure))
        return -1;
    trainer->state = kept->state;
    trainer->losses = kept->losses;
    trainer->health = kept->health;
    trainer->measured = kept->measured;
    trainer->stuck = kept->stuck;
    trainer->skipped = kept->skipped;
    trainer->now.step = kept->now.step;
    trainer->now.epoch = kept->now.epoch;
    trainer->now.diverged = kept->now.diverged;
    trainer->now.diverged_step = kept->now.diverged_step;
    trainer->now.good_step = kept->now.good_step;
    memcpy(trainer->now.message, kept->now.message, sizeof trainer->now.message);
    if (trainer_adopt_settings(trainer, &trainer->failure) < 0)
        return -1;
    trainer_seek(trainer);
    return 0;
}

void kept_state_free(struct kept_state *kept)
{
    free(kept->parameters);
    *kept = (struct kept_state){0};
}

/* ---- The ring ---- */

static struct kept_command *slot(struct kept_ring *ring, int index)
{
    return &ring->kept[(ring->first + index) % KEPT_SLOTS];
}

static int room(const struct trainer *trainer)
{
    const size_t bytes = network_state_floats(trainer->network) * sizeof(float), fit = KEPT_BYTES / bytes;
    return fit < 2 ? 2 : fit > KEPT_STATES ? KEPT_STATES : (int)fit;
}

void kept_ring_trim(const struct trainer *trainer, struct kept_ring *ring)
{
    for (; ring->count > room(trainer); ring->count--) {
        kept_state_free(&slot(ring, 0)->before);
        ring->first = (ring->first + 1) % KEPT_SLOTS;
    }
}

int kept_ring_push(struct trainer *trainer, struct kept_ring *ring, const struct command *command)
{
    struct kept_command *to = slot(ring, ring->count);
    const int status = kept_state_take(trainer, &to->before);
    to->command = *command;
    if (status == 0)
        ring->count++;
    else
        kept_ring_free(ring);
    return status;
}

const struct kept_command *kept_ring_top(const struct kept_ring *ring)
{
    return ring->count > 0 ? &ring->kept[(ring->first + ring->count - 1) % KEPT_SLOTS] : NULL;
}

void kept_ring_pop(struct kept_ring *ring)
{
    ring->count--;
}

static bool is_undone(const struct training_state *kept, const struct training_state *by)
{
    return kept->step > by->step || (kept->step == by->step && kept->commands >= by->commands);
}

void kept_ring_cut(struct kept_ring *ring, const struct training_state *state)
{
    while (ring->count > 0 && is_undone(&kept_ring_top(ring)->before.state, state))
        kept_ring_pop(ring);
}

const struct kept_command *kept_ring_find(const struct kept_ring *ring, long step)
{
    const struct kept_command *found = NULL;
    for (int i = ring->count - 1; i >= 0; i--) {
        const struct kept_command *kept = &ring->kept[(ring->first + i) % KEPT_SLOTS];
        const long at = kept->before.state.step;
        if (at <= step && (!found || at == step))
            found = kept;
    }
    return found;
}

void kept_ring_free(struct kept_ring *ring)
{
    for (int i = 0; i < KEPT_SLOTS; i++)
        kept_state_free(&ring->kept[i].before);
    ring->first = ring->count = 0;
}
