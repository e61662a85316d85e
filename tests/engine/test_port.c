/* What a second viewer of a run sees, and who gives a run commands: both viewers see the same, one that takes nothing
 * holds nothing up, and commands of many threads all arrive. */
#include "engine/port.h"
#include "tests/engine/divergences_fixture.h"
#include "tests/engine/tiny_reference.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { EVENTS = 256 };

struct seen {
    struct event events[EVENTS];
    int count;
    long steps;
};

static void take_events(struct port *port, struct seen *seen)
{
    while (seen->count < EVENTS && port_next_event(port, &seen->events[seen->count])) {
        const struct event *event = &seen->events[seen->count++];
        seen->steps += event->kind == EVENT_STEPS ? event->steps.count : 0;
    }
}

static void both_viewers_see_the_same(void **state)
{
    (void)state;
    static struct tiny_run run;
    static struct seen own, guests;
    static struct snapshot last[2];
    struct error error = {""};
    struct port *port;
    struct probe *probes[2];
    tiny_init(&run, "micro");
    run.options.probe_every = 5;
    tiny_create(&run, NULL);
    assert_int_equal(trainer_open_guests(run.trainer, &port, &error), 0);
    assert_int_equal(trainer_start(run.trainer, true, &error), 0);
    tiny_command(&run, COMMAND_LOOK, 0, 0);
    tiny_command(&run, COMMAND_EVALUATE, 0, 0);
    tiny_command(&run, COMMAND_RESUME, 0, 0);
    assert_int_equal(trainer_join(run.trainer, &error), 0);

    assert_true(port_has_ended(port));
    take_events(trainer_port(run.trainer), &own);
    take_events(port, &guests);
    assert_int_equal(own.steps, run.step_count);
    assert_int_equal(guests.count, own.count);
    for (int i = 0; i < own.count; i++) {
        assert_int_equal(guests.events[i].kind, own.events[i].kind);
        assert_memory_equal(&guests.events[i], &own.events[i], sizeof own.events[i]);
    }
    trainer_snapshot(run.trainer, &last[0]);
    port_snapshot(port, &last[1]);
    assert_memory_equal(&last[0], &last[1], sizeof last[0]);

    for (int i = 0; i < 2; i++)
        assert_int_equal(probe_create(&run.spec, &probes[i], &error), 0);
    int count = 0;
    while (trainer_next_probe(run.trainer, probes[0])) {
        assert_true(port_next_probe(port, probes[1]));
        assert_int_equal(probes[0]->step, probes[1]->step);
        assert_true(probes[0]->points[1].variance == probes[1]->points[1].variance);
        count++;
    }
    assert_true(count > 1);
    assert_false(port_next_probe(port, probes[1]));
    const struct look *look = trainer_newest_look(run.trainer), *other = port_newest_look(port);
    assert_non_null(look);
    assert_non_null(other);
    assert_int_equal(other->number, look->number);
    assert_memory_equal(other->predictions, look->predictions, (size_t)look->count * sizeof *look->predictions);
    assert_memory_equal(other->filters, look->filters,
                        (size_t)look->filter_count * LOOK_FILTER_WEIGHTS * sizeof *look->filters);
    for (int i = 0; i < 2; i++)
        probe_destroy(probes[i]);
    tiny_free(&run);
}

static void a_guest_that_takes_nothing_changes_nothing(void **state)
{
    (void)state;
    static struct tiny_run run;
    static struct seen seen;
    struct error error = {""};
    struct port *port;
    tiny_init(&run, "micro");
    tiny_create(&run, NULL);
    assert_int_equal(trainer_open_guests(run.trainer, &port, &error), 0);
    assert_int_equal(trainer_start(run.trainer, false, &error), 0);
    assert_int_equal(trainer_join(run.trainer, &error), 0);
    tiny_assert_same_steps(tiny_reference(), &run);
    tiny_assert_same_end(tiny_reference(), &run);
    take_events(port, &seen);
    assert_int_equal(seen.steps, run.step_count);
    tiny_free(&run);
}

/* ---- Commands of many threads ---- */

enum { GIVERS = 4, EACH = 12 };

struct giver {
    struct tiny_run *run;
    int number;
    pthread_t thread;
};

static void *give(void *argument)
{
    const struct giver *giver = argument;
    for (int i = 0; i < EACH; i++) {
        struct command command = {.kind = COMMAND_NOTE};
        snprintf(command.text, sizeof command.text, "note %d/%d", giver->number, i);
        if (trainer_command(giver->run->trainer, &command, NULL))
            return argument;
    }
    return NULL;
}

static void commands_of_many_threads_all_arrive_in_their_order(void **state)
{
    (void)state;
    static struct tiny_run run;
    struct giver givers[GIVERS];
    struct error error = {""};
    int next[GIVERS] = {0};
    tiny_init(&run, "micro");
    tiny_create(&run, NULL);
    assert_int_equal(trainer_start(run.trainer, true, &error), 0);
    for (int i = 0; i < GIVERS; i++) {
        givers[i] = (struct giver){.run = &run, .number = i};
        assert_int_equal(pthread_create(&givers[i].thread, NULL, give, &givers[i]), 0);
    }
    for (int i = 0; i < GIVERS; i++) {
        void *failed;
        pthread_join(givers[i].thread, &failed);
        assert_null(failed);
    }
    tiny_command(&run, COMMAND_RESUME, 0, 0);
    assert_int_equal(trainer_join(run.trainer, &error), 0);
    assert_int_equal(run.command_count, GIVERS * EACH + 1);
    for (int i = 0; i < GIVERS * EACH; i++) {
        int number, count;
        assert_int_equal(sscanf(run.commands[i].command.text, "note %d/%d", &number, &count), 2);
        assert_int_equal(count, next[number]++);
    }
    const struct command late = {.kind = COMMAND_NOTE, .text = "note late"};
    assert_int_equal(trainer_command(run.trainer, &late, &error), -1);
    assert_string_equal(error.message, "too late: the run has ended");
    tiny_free(&run);
}

/* ---- Who is there at a divergence ---- */

static void who_has_gone_is_not_waited_for(void **state)
{
    (void)state;
    static struct tiny_run run;
    struct error error = {""};
    diverging_init(&run, DIVERGENCE_PAUSE);
    tiny_create(&run, NULL);
    trainer_attend(run.trainer);
    trainer_attend(run.trainer);
    assert_int_equal(trainer_start(run.trainer, true, &error), 0);
    trainer_desert(run.trainer);
    trainer_desert(run.trainer);
    tiny_command(&run, COMMAND_RESUME, 0, 0);
    assert_int_equal(trainer_join(run.trainer, &error), -1);
    tiny_free(&run);
}

static void who_comes_later_is_waited_for(void **state)
{
    (void)state;
    static struct tiny_run run;
    struct error error = {""};
    diverging_init(&run, DIVERGENCE_PAUSE);
    tiny_create(&run, NULL);
    assert_int_equal(trainer_start(run.trainer, true, &error), 0);
    trainer_attend(run.trainer);
    tiny_command(&run, COMMAND_RESUME, 0, 0);
    tiny_wait(&run, TRAINER_PAUSED, BROKEN - 1);
    tiny_command(&run, COMMAND_STOP, 0, 0);
    assert_int_equal(trainer_join(run.trainer, &error), -1);
    tiny_free(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_viewers_see_the_same),
        cmocka_unit_test(a_guest_that_takes_nothing_changes_nothing),
        cmocka_unit_test(commands_of_many_threads_all_arrive_in_their_order),
        cmocka_unit_test(who_has_gone_is_not_waited_for),
        cmocka_unit_test(who_comes_later_is_waited_for),
    };
    return cmocka_run_group_tests(tests, tiny_open, tiny_close_reference);
}
