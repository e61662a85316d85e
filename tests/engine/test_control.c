/* Queues between two real threads: nothing is lost, nothing comes twice, order is kept, merged steps add up. Built with
 * -fsanitize=thread as well, which sees the races that luck hides. */
#include "engine/control.h"
#include "engine/snapshot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

/* ---- Commands ---- */

static void test_command_queue_refuses_what_does_not_fit(void **state)
{
    (void)state;
    static struct command_queue queue;
    struct command command = {.kind = COMMAND_STEP};
    assert_false(command_queue_pop(&queue, &command));
    for (long i = 0; i < COMMAND_QUEUE_SIZE; i++) {
        command.count = i;
        assert_true(command_queue_push(&queue, &command));
    }
    assert_false(command_queue_has_room(&queue));
    assert_false(command_queue_push(&queue, &command));
    for (long i = 0; i < COMMAND_QUEUE_SIZE; i++) {
        assert_true(command_queue_pop(&queue, &command));
        assert_int_equal(command.count, i);
    }
    assert_false(command_queue_pop(&queue, &command));
}

/* What waits for a step calls nothing off, nor does what waits for those before it. */
static void test_command_queue_counts_what_is_to_be_done_at_once(void **state)
{
    (void)state;
    static struct command_queue queue;
    const struct command later = {.kind = COMMAND_PAUSE, .when = {WHEN_STEP, RELATION_AT, 290}};
    const struct command now = {.kind = COMMAND_PAUSE};
    assert_true(command_queue_push(&queue, &later));
    assert_int_equal(command_queue_count(&queue, COMMAND_PAUSE, false), 0);
    assert_true(command_queue_push(&queue, &now));
    assert_int_equal(command_queue_count(&queue, COMMAND_PAUSE, false), 1);
    assert_true(command_queue_push(&queue, &now));
    assert_int_equal(command_queue_count(&queue, COMMAND_PAUSE, false), 2);
    const struct command in_turn = {.kind = COMMAND_PAUSE, .in_turn = true};
    assert_true(command_queue_push(&queue, &in_turn));
    assert_int_equal(command_queue_count(&queue, COMMAND_PAUSE, false), 2);
    assert_int_equal(command_queue_count(&queue, COMMAND_PAUSE, true), 3);
    assert_int_equal(command_queue_count(&queue, COMMAND_STOP, true), 0);
}

enum { COMMANDS = 20000 };

static void *push_commands(void *argument)
{
    struct command_queue *queue = argument;
    for (long i = 0; i < COMMANDS; i++) {
        struct command command = {.kind = COMMAND_STEP, .count = i, .value = (double)i / 2};
        while (!command_queue_push(queue, &command))
            sched_yield();
    }
    return NULL;
}

static void test_commands_cross_threads_in_order(void **state)
{
    (void)state;
    static struct command_queue queue;
    pthread_t producer;
    assert_int_equal(pthread_create(&producer, NULL, push_commands, &queue), 0);
    for (long i = 0; i < COMMANDS; i++) {
        struct command command;
        while (!command_queue_pop(&queue, &command))
            sched_yield();
        assert_int_equal(command.count, i);
        assert_true(command.value == (double)i / 2);
    }
    assert_int_equal(pthread_join(producer, NULL), 0);
}

/* ---- Events ---- */

static struct event step_event(long step)
{
    const struct step_record record = {.step = step,
                                       .loss = (float)(step % 1000),
                                       .accuracy = 0.5f,
                                       .learning_rate = (float)step,
                                       .seconds = (double)step};
    return (struct event){.kind = EVENT_STEPS, .steps = step_summary_of(&record)};
}

static struct event epoch_event(long step)
{
    return (struct event){.kind = EVENT_EPOCH, .epoch = {.step = step, .epoch = (int)(step / 100)}};
}

/* What a viewer has put together of all the events. */
struct seen {
    long next_step, steps, epochs, merged;
    double loss_sum, accuracy_sum;
    float loss_min, loss_max;
};

static void see(struct seen *seen, const struct event *event)
{
    if (event->kind == EVENT_EPOCH) {
        assert_int_equal(event->epoch.step, seen->next_step - 1); /* right behind the step that it ended */
        seen->epochs++;
        return;
    }
    const struct step_summary *steps = &event->steps;
    assert_int_equal(steps->first_step, seen->next_step);
    assert_int_equal(steps->last_step - steps->first_step + 1, steps->count);
    assert_true(steps->learning_rate == (float)steps->last_step);
    assert_true(steps->seconds == (double)steps->last_step);
    seen->next_step = steps->last_step + 1;
    seen->steps += steps->count;
    seen->merged += steps->count > 1;
    seen->loss_sum += steps->loss_sum;
    seen->accuracy_sum += steps->accuracy_sum;
    seen->loss_min = fminf(seen->loss_min, steps->loss_min);
    seen->loss_max = fmaxf(seen->loss_max, steps->loss_max);
}

static const struct seen nothing_seen = {.next_step = 1, .loss_min = INFINITY, .loss_max = -INFINITY};

/* Steps 1 to `steps`, an epoch behind each hundredth. */
static void produce(struct event_ring *ring, long steps)
{
    for (long step = 1; step <= steps; step++) {
        struct event event = step_event(step);
        if (event_ring_push(ring, &event, NULL) < 0)
            abort();
        event = epoch_event(step);
        if (step % 100 == 0 && event_ring_push(ring, &event, NULL) < 0)
            abort();
    }
}

static void assert_complete(const struct seen *seen, long steps)
{
    double sum = 0;
    for (long step = 1; step <= steps; step++)
        sum += (double)(step % 1000);
    assert_int_equal(seen->steps, steps);
    assert_int_equal(seen->epochs, steps / 100);
    assert_true(seen->loss_sum == sum);
    assert_true(seen->accuracy_sum == 0.5 * (double)steps);
    assert_true(seen->loss_min == (steps >= 1000 ? 0 : 1));
    assert_true(seen->loss_max == 999);
}

/* A viewer that sleeps through 5000 steps and then takes all. */
static void test_a_sleeping_viewer_loses_no_step(void **state)
{
    (void)state;
    struct event_ring *ring = calloc(1, sizeof *ring);
    assert_non_null(ring);
    struct seen seen = nothing_seen;
    struct event event;
    produce(ring, 5000);
    assert_true(event_ring_has_backlog(ring));
    /* of 5000 steps the first fill the ring, the rest waits as one summary for each stretch between two epochs */
    assert_true(ring->waiting_count <= 2 * 5000 / 100 + 2);
    while (event_ring_has_backlog(ring)) {
        while (event_ring_pop(ring, &event))
            see(&seen, &event);
        event_ring_flush(ring);
    }
    while (event_ring_pop(ring, &event))
        see(&seen, &event);
    assert_complete(&seen, 5000);
    assert_true(seen.merged > 0);
    event_ring_free(ring);
    free(ring);
}

static struct event trial_step(int index, long step, bool range)
{
    const struct step_record record = {.step = step, .loss = (float)step, .learning_rate = (float)step};
    struct event event = {.kind = EVENT_TRIAL, .trial = {.news = TRIAL_STEPS, .index = index, .range = range}};
    event.trial.taken = step_summary_of(&record);
    event.trial.result.steps = step;
    return event;
}

/* Steps of one value of a trial become one event while nobody looks; those of the next value, and those of a range of
 * rates, where each stands for its own rate, do not. */
static void test_a_sleeping_viewer_finds_a_trials_values_apart(void **state)
{
    (void)state;
    static struct event_ring ring;
    struct event event;
    struct error error = {0};
    for (long step = 1; step <= EVENT_RING_SIZE; step++) {
        event = (struct event){.kind = EVENT_MESSAGE};
        assert_int_equal(event_ring_push(&ring, &event, &error), 0);
    }
    for (int index = 0; index < 3; index++)
        for (long step = 1; step <= 10; step++) {
            event = trial_step(index, step, index == 2);
            assert_int_equal(event_ring_push(&ring, &event, &error), 0);
        }
    assert_int_equal(ring.waiting_count, 1 + 1 + 10);
    for (int i = 0; i < EVENT_RING_SIZE; i++)
        assert_true(event_ring_pop(&ring, &event));
    event_ring_flush(&ring);
    for (int index = 0; index < 2; index++) {
        assert_true(event_ring_pop(&ring, &event));
        assert_int_equal(event.trial.index, index);
        assert_int_equal(event.trial.taken.count, 10);
        assert_int_equal(event.trial.taken.last_step, 10);
        assert_int_equal(event.trial.result.steps, 10);
    }
    for (long step = 1; step <= 10; step++) {
        assert_true(event_ring_pop(&ring, &event));
        assert_true(event.trial.taken.count == 1 && event.trial.taken.learning_rate == (float)step);
    }
    assert_false(event_ring_pop(&ring, &event));
    event_ring_free(&ring);
}

static void test_a_viewer_in_time_sees_each_step_alone(void **state)
{
    (void)state;
    struct event_ring *ring = calloc(1, sizeof *ring);
    assert_non_null(ring);
    struct event event;
    for (long step = 1; step <= 1000; step++) {
        const struct event pushed = step_event(step);
        assert_int_equal(event_ring_push(ring, &pushed, NULL), 0);
        assert_true(event_ring_pop(ring, &event));
        assert_int_equal(event.steps.count, 1);
        assert_int_equal(event.steps.last_step, step);
    }
    assert_false(event_ring_pop(ring, &event));
    assert_null(ring->waiting);
    event_ring_free(ring);
    free(ring);
}

enum { STEPS = 40000 };

struct production {
    struct event_ring ring;
    atomic_bool done;
};

static void *produce_all(void *argument)
{
    struct production *production = argument;
    produce(&production->ring, STEPS);
    while (event_ring_has_backlog(&production->ring)) {
        sched_yield();
        event_ring_flush(&production->ring);
    }
    atomic_store(&production->done, true);
    return NULL;
}

static void test_events_cross_threads_complete(void **state)
{
    (void)state;
    struct production *production = calloc(1, sizeof *production);
    assert_non_null(production);
    struct seen seen = nothing_seen;
    struct event event;
    pthread_t producer;
    assert_int_equal(pthread_create(&producer, NULL, produce_all, production), 0);
    bool done;
    do {
        done = atomic_load(&production->done);
        while (event_ring_pop(&production->ring, &event))
            see(&seen, &event);
        sched_yield();
    } while (!done);
    assert_int_equal(pthread_join(producer, NULL), 0);
    assert_complete(&seen, STEPS);
    event_ring_free(&production->ring);
    free(production);
}

/* ---- Snapshots ---- */

enum { SNAPSHOTS = 20000 };

/* All fields of the n-th snapshot follow from n, so a torn one shows. */
static struct snapshot snapshot_number(long n)
{
    struct snapshot snapshot = {.steps_total = n, .saved_step = n, .evaluated = (int)n};
    snapshot.step.step = n;
    memset(snapshot.message, (int)('a' + n % 26), sizeof snapshot.message - 1);
    return snapshot;
}

static void assert_whole(const struct snapshot *snapshot)
{
    const long n = snapshot->steps_total;
    assert_int_equal(snapshot->saved_step, n);
    assert_int_equal(snapshot->evaluated, n);
    assert_int_equal(snapshot->step.step, n);
    const char letter = (char)('a' + n % 26);
    for (size_t i = 0; i + 1 < sizeof snapshot->message; i++)
        if (snapshot->message[i] != letter)
            fail_msg("snapshot %ld is torn at letter %zu", n, i);
}

static void *publish_snapshots(void *argument)
{
    for (long n = 1; n <= SNAPSHOTS; n++) {
        const struct snapshot snapshot = snapshot_number(n);
        snapshot_publish(argument, &snapshot);
    }
    return NULL;
}

static void test_snapshots_are_whole_and_never_older(void **state)
{
    (void)state;
    struct snapshot_buffer *buffer = calloc(1, sizeof *buffer);
    assert_non_null(buffer);
    const struct snapshot first = snapshot_number(0);
    snapshot_init(buffer, &first);
    pthread_t writer;
    assert_int_equal(pthread_create(&writer, NULL, publish_snapshots, buffer), 0);
    long last = 0;
    while (last < SNAPSHOTS) { /* the newest arrives without another one behind it */
        struct snapshot snapshot;
        snapshot_read(buffer, &snapshot);
        assert_whole(&snapshot);
        assert_true(snapshot.steps_total >= last);
        last = snapshot.steps_total;
    }
    assert_int_equal(pthread_join(writer, NULL), 0);
    free(buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_command_queue_refuses_what_does_not_fit),
        cmocka_unit_test(test_command_queue_counts_what_is_to_be_done_at_once),
        cmocka_unit_test(test_commands_cross_threads_in_order),
        cmocka_unit_test(test_a_sleeping_viewer_loses_no_step),
        cmocka_unit_test(test_a_sleeping_viewer_finds_a_trials_values_apart),
        cmocka_unit_test(test_a_viewer_in_time_sees_each_step_alone),
        cmocka_unit_test(test_events_cross_threads_complete),
        cmocka_unit_test(test_snapshots_are_whole_and_never_older),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
