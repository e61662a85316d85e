/* A sink whose disk is full: the run waits with everything as it is, and comes to the bits of one that never lacked
 * room. */
#include "tests/engine/divergences_fixture.h"
#include "tests/engine/tiny_reference.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum news { STEP, EPOCH, COMMAND, CHECKPOINT, PROBE, ROLLBACK, FINDING, DIVERGENCE, END };

/* The sink of a tiny run on a disk that is full for one kind of news, from its nth piece on. */
static struct {
    struct trainer_sink inner;
    enum news kind;
    int before, number; /* pieces that still fit; errno */
    atomic_bool room;
    atomic_int refused;
    int ends; /* that were told, and the last of them */
    enum trainer_state end;
} disk;

static int refuse(enum news kind, struct error *error)
{
    if (kind != disk.kind || disk.room || disk.before-- > 0)
        return 0;
    disk.refused++;
    error_set(error, "cannot write /full: no room");
    errno = disk.number;
    return -1;
}

static int on_step(void *context, const struct step_record *record, struct error *error)
{
    return refuse(STEP, error) ? -1 : disk.inner.on_step(context, record, error);
}

static int on_epoch(void *context, const struct epoch_record *record, struct error *error)
{
    return refuse(EPOCH, error) ? -1 : disk.inner.on_epoch(context, record, error);
}

static int on_command(void *context, const struct command_record *record, struct error *error)
{
    return refuse(COMMAND, error) ? -1 : disk.inner.on_command(context, record, error);
}

static int on_probe(void *context, const struct probe *probe, struct error *error)
{
    return refuse(PROBE, error) ? -1 : disk.inner.on_probe(context, probe, error);
}

static int on_checkpoint(void *context, struct network *network, const struct training_state *state, bool best,
                         struct error *error)
{
    return refuse(CHECKPOINT, error) ? -1 : disk.inner.on_checkpoint(context, network, state, best, error);
}

static int on_rollback(void *context, struct network *network, const struct training_state *state, const char *name,
                       struct error *error)
{
    return refuse(ROLLBACK, error) ? -1 : disk.inner.on_rollback(context, network, state, name, error);
}

static int on_finding(void *context, const struct finding *finding, struct error *error)
{
    return refuse(FINDING, error) ? -1 : disk.inner.on_finding(context, finding, error);
}

static int on_divergence(void *context, const char *diagnosis, long step, struct error *error)
{
    return refuse(DIVERGENCE, error) ? -1 : disk.inner.on_divergence(context, diagnosis, step, error);
}

static int on_end(void *context, enum trainer_state state, long step, const char *message, struct error *error)
{
    (void)context, (void)step, (void)message;
    if (refuse(END, error))
        return -1;
    disk.ends++;
    disk.end = state;
    return 0;
}

/* Of a run that has its options; it is paused. */
static void start_paused(struct tiny_run *run, enum news kind, int before, int number)
{
    struct error error = {""};
    disk.inner = run->sink;
    disk.kind = kind;
    disk.before = before;
    disk.number = number;
    disk.room = false;
    disk.refused = disk.ends = 0;
    run->sink.on_step = on_step;
    run->sink.on_epoch = on_epoch;
    run->sink.on_command = on_command;
    run->sink.on_probe = on_probe;
    run->sink.on_checkpoint = on_checkpoint;
    run->sink.on_rollback = on_rollback;
    run->sink.on_finding = on_finding;
    run->sink.on_divergence = on_divergence;
    run->sink.on_end = on_end;
    tiny_create(run, NULL);
    if (trainer_start(run->trainer, true, &error))
        fail_msg("%s", error.message);
}

static void start(struct tiny_run *run, enum news kind, int before, int number)
{
    start_paused(run, kind, before, number);
    tiny_command(run, COMMAND_RESUME, 0, 0);
}

static void begin(struct tiny_run *run, enum news kind, int before, int number)
{
    tiny_init(run, "micro");
    run->options.checkpoint_every = 1;
    run->options.probe_every = 4;
    start(run, kind, before, number);
}

/* From now on there is room. The run is told so, else a few seconds pass before it tries again: where it has tried by
 * itself just now, it may be at its end already. */
static void make_room(struct tiny_run *run)
{
    const struct command resume = {.kind = COMMAND_RESUME, .text = "as typed"};
    disk.room = true;
    (void)trainer_command(run->trainer, &resume, NULL);
}

/* The messages of the run so far, one after the other. */
static const char *messages(struct tiny_run *run)
{
    static char text[2048];
    struct event event;
    text[0] = '\0';
    while (trainer_next_event(run->trainer, &event))
        if (event.kind == EVENT_MESSAGE) {
            const size_t used = strlen(text);
            snprintf(text + used, sizeof text - used, "%s\n", event.message);
        }
    return text;
}

static void test_a_run_waits_for_room_and_loses_nothing(void **state)
{
    (void)state;
    static const struct {
        enum news kind;
        int before, number;
        long step; /* that it waits at */
    } cases[] = {{STEP, 4, ENOSPC, 5},       {EPOCH, 0, EDQUOT, TINY_EPOCH},
                 {COMMAND, 0, ENOSPC, 0},    {CHECKPOINT, 0, ENOSPC, 0}, /* the first of all */
                 {CHECKPOINT, 3, EDQUOT, 3}, {CHECKPOINT, TINY_EPOCH, ENOSPC, TINY_EPOCH},
                 {PROBE, 2, ENOSPC, 4},      {END, 0, ENOSPC, 2 * TINY_EPOCH}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tiny_run run;
        struct error error = {""};
        begin(&run, cases[i].kind, cases[i].before, cases[i].number);
        tiny_wait(&run, TRAINER_WAITING, cases[i].step);
        assert_non_null(strstr(messages(&run), "cannot write /full: no room. Training waits"));
        make_room(&run);
        if (trainer_join(run.trainer, &error))
            fail_msg("%s", error.message);
        assert_true(disk.refused >= 1);
        assert_string_equal(messages(&run),
                            cases[i].kind == END ? "there is room again\n" : "there is room again: training goes on\n");
        assert_int_equal(run.step_count, tiny_reference()->step_count);
        tiny_assert_same_steps(&run, tiny_reference());
        tiny_assert_same_end(&run, tiny_reference());
        assert_true(disk.ends == 1 && disk.end == TRAINER_FINISHED);
        tiny_free(&run);
    }
}

/* It is all saved, and only its end is not written: who stops it then is not told that steps are lost. */
static void test_an_end_that_lacks_room_loses_no_step(void **state)
{
    (void)state;
    struct tiny_run run;
    struct error error = {""};
    begin(&run, END, 0, ENOSPC);
    tiny_wait(&run, TRAINER_WAITING, 2 * TINY_EPOCH);
    trainer_request_stop(run.trainer);
    assert_int_equal(trainer_join(run.trainer, &error), -1);
    assert_string_equal(error.message, "cannot write /full: no room. All steps are saved: a resume goes on from there");
    assert_int_equal(disk.ends, 0);
    assert_int_equal(tiny_last(&run)->state.step, 2 * TINY_EPOCH);
    tiny_free(&run);
}

/* ---- Ends before the last step ---- */

enum way { UNTIL, WAITED, IN_TURN, TYPED };

/* A run that somebody ends behind step 3, while nobody knows that its disk is full for a kind of news; its checkpoints
 * are those of epochs and ends alone. Returns when it waits. */
static void end_early(struct tiny_run *run, enum news kind, enum way way)
{
    static const int recorded[] = {[UNTIL] = 2, [WAITED] = 3, [IN_TURN] = 1, [TYPED] = 1}; /* before the stop */
    const long step = way == UNTIL ? TINY_EPOCH : way == WAITED ? 4 : 3;
    struct command stop = {.kind = COMMAND_STOP, .in_turn = way == IN_TURN, .text = "stop"};
    struct error error = {""};
    tiny_init(run, "micro");
    start_paused(run, kind, kind == COMMAND ? recorded[way] : kind == CHECKPOINT ? 1 : 0, ENOSPC);
    tiny_command(run, COMMAND_STEP, 0, 3);
    tiny_wait(run, TRAINER_PAUSED, 3);
    if (way == UNTIL)
        trainer_until(run->trainer, 1); /* the run stands still, and looks when it goes on */
    if (way == WAITED)
        stop.when = (struct condition){WHEN_STEP, RELATION_AT, 4};
    if (way != UNTIL && trainer_command(run->trainer, &stop, &error))
        fail_msg("%s", error.message);
    if (way == UNTIL || way == WAITED)
        tiny_command(run, COMMAND_RESUME, 0, 0);
    tiny_wait(run, TRAINER_WAITING, step);
    assert_non_null(strstr(messages(run), "cannot write /full: no room. Training waits"));
}

/* Whether the person has been told that the run was stopped and saved. */
static bool says_stopped(struct tiny_run *run)
{
    struct event event;
    bool says = false;
    while (trainer_next_event(run->trainer, &event))
        says |= event.kind == EVENT_COMMAND && strstr(event.command.outcome, "stopped and saved at step");
    return says;
}

static void test_an_end_before_the_last_step_waits_for_room(void **state)
{
    (void)state;
    static const enum news kinds[] = {CHECKPOINT, COMMAND, END};
    for (enum way way = UNTIL; way <= TYPED; way++)
        for (int k = 0; k < 3; k++) {
            struct tiny_run run;
            struct snapshot last;
            struct error error = {""};
            end_early(&run, kinds[k], way);
            make_room(&run);
            if (trainer_join(run.trainer, &error))
                fail_msg("%s", error.message);
            assert_int_equal(says_stopped(&run), kinds[k] != END);
            trainer_snapshot(run.trainer, &last);
            assert_int_equal(last.state, TRAINER_STOPPED);
            assert_true(disk.ends == 1 && disk.end == TRAINER_STOPPED);
            assert_int_equal(tiny_last(&run)->state.step, last.step.step);
            tiny_free(&run);
        }
}

/* As `stop` is typed once more, or a signal comes: before it has waited at all, or meanwhile. Or a script that has
 * ended the run says `stop` again. */
static void test_who_insists_on_an_end_does_not_wait(void **state)
{
    (void)state;
    const struct command in_turn = {.kind = COMMAND_STOP, .in_turn = true, .text = "stop"};
    for (int again = 0; again < 4; again++) {
        struct tiny_run run;
        struct error error = {""};
        if (again == 0) {
            tiny_init(&run, "micro");
            start_paused(&run, CHECKPOINT, 1, ENOSPC);
            tiny_command(&run, COMMAND_STEP, 0, 3);
            tiny_wait(&run, TRAINER_PAUSED, 3);
        } else {
            end_early(&run, CHECKPOINT, again == 3 ? IN_TURN : TYPED);
        }
        if (again == 1)
            tiny_command(&run, COMMAND_STOP, 0, 0);
        else if (again == 3)
            assert_int_equal(trainer_command(run.trainer, &in_turn, &error), 0);
        else
            trainer_request_stop(run.trainer);
        assert_int_equal(trainer_join(run.trainer, &error), -1);
        assert_non_null(strstr(error.message, "cannot write /full: no room. Ended without saving"));
        if (again == 0)
            assert_null(strstr(messages(&run), "Training waits"));
        assert_int_equal(disk.ends, 0);
        tiny_free(&run);
    }
}

/* What has failed, or is abandoned, has no end of its own. */
static void test_an_end_is_told_once_and_of_a_run_that_has_ended(void **state)
{
    (void)state;
    struct tiny_run run;
    struct error error = {""};
    tiny_init(&run, "micro");
    run.stop_at = 3;
    start(&run, END, 1000, ENOSPC);
    assert_int_equal(trainer_join(run.trainer, &error), 0);
    assert_true(disk.ends == 1 && disk.end == TRAINER_STOPPED);
    tiny_free(&run);
    begin(&run, CHECKPOINT, 3, EIO);
    assert_int_equal(trainer_join(run.trainer, &error), -1);
    assert_int_equal(disk.ends, 0);
    tiny_free(&run);
}

/* What is told of a step that is not finite: that the run goes back, that it has, or that it ends there. */
static void test_news_of_a_divergence_wait_too(void **state)
{
    (void)state;
    static const struct {
        enum news kind;
        enum divergence_policy policy;
    } cases[] = {{ROLLBACK, DIVERGENCE_ROLLBACK}, {FINDING, DIVERGENCE_ROLLBACK}, {DIVERGENCE, DIVERGENCE_PAUSE}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        static struct tiny_run run, reference;
        struct error error = {""};
        const bool ends = cases[i].policy == DIVERGENCE_PAUSE;
        diverging_init(&reference, cases[i].policy);
        tiny_create(&reference, NULL);
        assert_int_equal(trainer_run(reference.trainer, &error), ends ? -1 : 0);
        diverging_init(&run, cases[i].policy);
        start(&run, cases[i].kind, 0, ENOSPC);
        while (disk.refused == 0)
            ;
        make_room(&run);
        assert_int_equal(trainer_join(run.trainer, &error), ends ? -1 : 0);
        assert_string_equal(run.diagnosis, reference.diagnosis);
        assert_int_equal(run.diverged_step, reference.diverged_step);
        assert_int_equal(run.rollback_count, reference.rollback_count);
        assert_int_equal(run.finding_count, reference.finding_count);
        assert_int_equal(run.step_count, reference.step_count);
        tiny_assert_same_steps(&run, &reference);
        if (!ends)
            tiny_assert_same_end(&run, &reference);
        tiny_free(&run);
        tiny_free(&reference);
    }
}

/* Nobody else tries again: a `resume` that finds no room is told so, and answered once there is some. */
static void test_resume_tries_at_once(void **state)
{
    (void)state;
    struct tiny_run run;
    struct error error = {""};
    begin(&run, STEP, 4, ENOSPC);
    tiny_wait(&run, TRAINER_WAITING, 5);
    const int before = disk.refused;
    tiny_command(&run, COMMAND_RESUME, 0, 0);
    while (disk.refused == before)
        ;
    while (!strstr(messages(&run), "still no room on the disk"))
        ;
    assert_int_equal(run.command_count, 1); /* that of the beginning */
    disk.room = true;
    assert_int_equal(trainer_join(run.trainer, &error), 0);
    assert_int_equal(run.command_count, 2);
    assert_string_equal(run.commands[1].outcome, "already running");
    tiny_free(&run);
}

static void test_who_stops_meanwhile_is_told_what_was_not_saved(void **state)
{
    (void)state;
    struct tiny_run run;
    struct snapshot snapshot;
    struct error error = {""};
    begin(&run, CHECKPOINT, 3, ENOSPC);
    tiny_wait(&run, TRAINER_WAITING, 3);
    trainer_request_stop(run.trainer);
    assert_int_equal(trainer_join(run.trainer, &error), -1);
    assert_string_equal(error.message, "cannot write /full: no room. Ended without saving: a resume makes the steps "
                                       "behind the last checkpoint again");
    trainer_snapshot(run.trainer, &snapshot);
    assert_int_equal(snapshot.state, TRAINER_FAILED);
    assert_int_equal(tiny_last(&run)->state.step, 2);
    tiny_free(&run);
}

/* Leaving without saving does not wait either. */
static void test_a_run_that_waits_can_be_abandoned(void **state)
{
    (void)state;
    struct tiny_run run;
    begin(&run, EPOCH, 0, ENOSPC);
    tiny_wait(&run, TRAINER_WAITING, TINY_EPOCH);
    tiny_free(&run);
}

static void test_any_other_failure_ends_the_run(void **state)
{
    (void)state;
    struct tiny_run run;
    struct error error = {""};
    begin(&run, CHECKPOINT, 3, EIO);
    assert_int_equal(trainer_join(run.trainer, &error), -1);
    assert_string_equal(error.message, "cannot write /full: no room");
    assert_int_equal(disk.refused, 1);
    tiny_free(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_run_waits_for_room_and_loses_nothing),
        cmocka_unit_test(test_news_of_a_divergence_wait_too),
        cmocka_unit_test(test_an_end_that_lacks_room_loses_no_step),
        cmocka_unit_test(test_an_end_before_the_last_step_waits_for_room),
        cmocka_unit_test(test_who_insists_on_an_end_does_not_wait),
        cmocka_unit_test(test_an_end_is_told_once_and_of_a_run_that_has_ended),
        cmocka_unit_test(test_resume_tries_at_once),
        cmocka_unit_test(test_who_stops_meanwhile_is_told_what_was_not_saved),
        cmocka_unit_test(test_a_run_that_waits_can_be_abandoned),
        cmocka_unit_test(test_any_other_failure_ends_the_run),
    };
    return cmocka_run_group_tests(tests, tiny_open, tiny_close_reference);
}
