/* Lamport's single-producer single-consumer ring, three times; see control.h. The indices only grow (modulo 2^32), the
 * release store of one side pairs with the acquire load of the other. */
#include "engine/control.h"

#include <stdlib.h>
#include <string.h>

bool command_queue_has_room(struct command_queue *queue)
{
    unsigned tail = atomic_load_explicit(&queue->tail, memory_order_relaxed);
    unsigned head = atomic_load_explicit(&queue->head, memory_order_acquire);
    return tail - head < COMMAND_QUEUE_SIZE;
}

bool command_queue_push(struct command_queue *queue, const struct command *command)
{
    unsigned tail = atomic_load_explicit(&queue->tail, memory_order_relaxed);
    if (!command_queue_has_room(queue))
        return false;
    queue->slots[tail % COMMAND_QUEUE_SIZE] = *command;
    atomic_store_explicit(&queue->tail, tail + 1, memory_order_release);
    return true;
}

bool command_queue_pop(struct command_queue *queue, struct command *out)
{
    unsigned head = atomic_load_explicit(&queue->head, memory_order_relaxed);
    unsigned tail = atomic_load_explicit(&queue->tail, memory_order_acquire);
    if (head == tail)
        return false;
    *out = queue->slots[head % COMMAND_QUEUE_SIZE];
    atomic_store_explicit(&queue->head, head + 1, memory_order_release);
    return true;
}

int command_queue_count(struct command_queue *queue, enum command_kind kind, bool in_turn)
{
    unsigned head = atomic_load_explicit(&queue->head, memory_order_relaxed);
    unsigned tail = atomic_load_explicit(&queue->tail, memory_order_acquire);
    int count = 0;
    for (; head != tail; head++) {
        const struct command *command = &queue->slots[head % COMMAND_QUEUE_SIZE];
        count += command->kind == kind && command->when.quantity == WHEN_NOW && (in_turn || !command->in_turn);
    }
    return count;
}

static bool ring_push(struct event_ring *ring, const struct event *event)
{
    unsigned tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    unsigned head = atomic_load_explicit(&ring->head, memory_order_acquire);
    if (tail - head == EVENT_RING_SIZE)
        return false;
    ring->slots[tail % EVENT_RING_SIZE] = *event;
    atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
    return true;
}

bool event_ring_pop(struct event_ring *ring, struct event *out)
{
    unsigned head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    unsigned tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
    if (head == tail)
        return false;
    *out = ring->slots[head % EVENT_RING_SIZE];
    atomic_store_explicit(&ring->head, head + 1, memory_order_release);
    return true;
}

void event_ring_free(struct event_ring *ring)
{
    free(ring->waiting);
    ring->waiting = NULL;
    ring->waiting_first = ring->waiting_count = ring->waiting_capacity = 0;
}

void event_ring_flush(struct event_ring *ring)
{
    while (ring->waiting_count > 0 && ring_push(ring, &ring->waiting[ring->waiting_first])) {
        ring->waiting_first++;
        ring->waiting_count--;
    }
    if (ring->waiting_count == 0)
        ring->waiting_first = 0;
    atomic_store_explicit(&ring->backlog, ring->waiting_count > 0, memory_order_release);
}

bool event_ring_has_backlog(struct event_ring *ring)
{
    return atomic_load_explicit(&ring->backlog, memory_order_acquire);
}

/* Room for one more event behind those that wait. */
static int grow_waiting(struct event_ring *ring, struct error *error)
{
    if (ring->waiting_first + ring->waiting_count < ring->waiting_capacity)
        return 0;
    if (ring->waiting_first > 0) {
        memmove(ring->waiting, ring->waiting + ring->waiting_first, ring->waiting_count * sizeof *ring->waiting);
        ring->waiting_first = 0;
        return 0;
    }
    size_t capacity = ring->waiting_capacity ? 2 * ring->waiting_capacity : 16;
    struct event *waiting = realloc(ring->waiting, capacity * sizeof *waiting);
    if (!waiting)
        return error_set(error, "out of memory for events that wait for the screen");
    ring->waiting = waiting;
    ring->waiting_capacity = capacity;
    return 0;
}

static bool steps_of_one_value(const struct event *last, const struct event *next)
{
    return last->kind == EVENT_TRIAL && next->kind == EVENT_TRIAL && last->trial.news == TRIAL_STEPS &&
           next->trial.news == TRIAL_STEPS && last->trial.index == next->trial.index && !next->trial.range;
}

int event_ring_push(struct event_ring *ring, const struct event *event, struct error *error)
{
    event_ring_flush(ring);
    if (ring->waiting_count == 0 && ring_push(ring, event))
        return 0;
    if (ring->waiting_count > 0) {
        struct event *last = &ring->waiting[ring->waiting_first + ring->waiting_count - 1];
        if (last->kind == EVENT_STEPS && event->kind == EVENT_STEPS) {
            step_summary_merge(&last->steps, &event->steps);
            return 0;
        }
        if (steps_of_one_value(last, event)) {
            step_summary_merge(&last->trial.taken, &event->trial.taken);
            last->trial.result = event->trial.result;
            return 0;
        }
    }
    if (grow_waiting(ring, error) < 0)
        return -1;
    ring->waiting[ring->waiting_first + ring->waiting_count++] = *event;
    atomic_store_explicit(&ring->backlog, true, memory_order_release);
    return 0;
}

int probe_ring_create(struct probe_ring *ring, const struct model_spec *spec, struct error *error)
{
    for (int i = 0; i < PROBE_RING_SIZE; i++)
        if (probe_create(spec, &ring->slots[i], error))
            return -1;
    return probe_create(spec, &ring->waiting, error);
}

void probe_ring_free(struct probe_ring *ring)
{
    for (int i = 0; i < PROBE_RING_SIZE; i++)
        probe_destroy(ring->slots[i]);
    probe_destroy(ring->waiting);
}

static bool probe_fits(struct probe_ring *ring, const struct probe *probe)
{
    unsigned tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    unsigned head = atomic_load_explicit(&ring->head, memory_order_acquire);
    if (tail - head == PROBE_RING_SIZE)
        return false;
    probe_copy(ring->slots[tail % PROBE_RING_SIZE], probe);
    atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
    return true;
}

void probe_ring_flush(struct probe_ring *ring)
{
    if (ring->waits)
        ring->waits = !probe_fits(ring, ring->waiting);
}

void probe_ring_push(struct probe_ring *ring, const struct probe *probe)
{
    probe_ring_flush(ring);
    if (!ring->waits && probe_fits(ring, probe))
        return;
    probe_copy(ring->waiting, probe);
    ring->waits = true;
}

bool probe_ring_pop(struct probe_ring *ring, struct probe *into)
{
    unsigned head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    unsigned tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
    if (head == tail)
        return false;
    probe_copy(into, ring->slots[head % PROBE_RING_SIZE]);
    atomic_store_explicit(&ring->head, head + 1, memory_order_release);
    return true;
}

struct step_summary step_summary_of(const struct step_record *record)
{
    return (struct step_summary){
        .first_step = record->step,
        .last_step = record->step,
        .count = 1,
        .loss_min = record->loss,
        .loss_max = record->loss,
        .loss_sum = (double)record->loss,
        .accuracy_sum = (double)record->accuracy,
        .gradient_norm_min = record->gradient_norm,
        .gradient_norm_max = record->gradient_norm,
        .gradient_norm_sum = (double)record->gradient_norm,
        .learning_rate = record->learning_rate,
        .seconds = record->seconds,
    };
}

void step_summary_merge(struct step_summary *into, const struct step_summary *next)
{
    into->last_step = next->last_step;
    into->count += next->count;
    if (next->loss_min < into->loss_min)
        into->loss_min = next->loss_min;
    if (next->loss_max > into->loss_max)
        into->loss_max = next->loss_max;
    into->loss_sum += next->loss_sum;
    into->accuracy_sum += next->accuracy_sum;
    if (next->gradient_norm_min < into->gradient_norm_min)
        into->gradient_norm_min = next->gradient_norm_min;
    if (next->gradient_norm_max > into->gradient_norm_max)
        into->gradient_norm_max = next->gradient_norm_max;
    into->gradient_norm_sum += next->gradient_norm_sum;
    into->learning_rate = next->learning_rate;
    into->seconds = next->seconds;
}
