/* A batch that there was memory for when it was asked for, and none when it is to change: the run goes on with the one
 * it has, and knows of no change. */
#include "tests/engine/tiny_reference.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <time.h>

/* ---- A back end that refuses memory once ---- */

static int (*allocate)(struct backend *, size_t, void **, struct error *);
static bool refuse;

static int allocate_or_refuse(struct backend *backend, size_t bytes, void **out, struct error *error)
{
    if (!refuse)
        return allocate(backend, bytes, out, error);
    refuse = false;
    return error_set(error, "no memory for %zu bytes", bytes);
}

static void create(struct tiny_run *run)
{
    tiny_init(run, "micro");
    tiny_create(run, NULL);
    struct backend *backend = network_backend(run->network);
    if (backend->allocate != allocate_or_refuse)
        allocate = backend->allocate;
    backend->allocate = allocate_or_refuse;
    refuse = false;
}

static void finish(struct tiny_run *run)
{
    struct error error = {""};
    assert_int_equal(trainer_run(run->trainer, &error), 0);
}

static void assert_unchanged(struct tiny_run *run)
{
    assert_false(refuse); /* it was asked */
    assert_int_equal(tiny_last(run)->state.change_count, 0);
    tiny_assert_same_steps(tiny_reference(), run);
    tiny_free(run);
}

static void one_that_is_refused_at_once_changes_nothing(void **state)
{
    (void)state;
    static struct tiny_run run;
    create(&run);
    refuse = true;
    tiny_command(&run, COMMAND_BATCH, 30, 0);
    finish(&run);
    assert_int_equal(run.command_count, 1);
    assert_false(run.commands[0].ok);
    assert_string_equal(run.commands[0].outcome, "batch stays 8: no memory for 30");
    assert_unchanged(&run);
}

/* The change waits for the next epoch. */
static void ask_at_3_refuse_at_5(struct tiny_run *run, const struct step_record *record)
{
    if (record->step == 3)
        tiny_command(run, COMMAND_BATCH, 30, 0);
    refuse |= record->step == 5;
}

static void one_that_is_refused_later_is_nothing_to_undo(void **state)
{
    (void)state;
    static struct tiny_run run;
    create(&run);
    run.watch = ask_at_3_refuse_at_5;
    finish(&run);
    assert_int_equal(run.command_count, 2);
    assert_int_equal(run.commands[1].step, TINY_EPOCH);
    assert_non_null(strstr(run.commands[1].outcome, "the batch stays 8: no memory for "));
    assert_unchanged(&run);
}

/* A trial's steps go over the epoch's end, too. */
static void in_a_trial_nothing_is_told(void **state)
{
    (void)state;
    static struct tiny_run run;
    struct error error = {""};
    const struct command trial = {.kind = COMMAND_TRY,
                                  .trial = {.setting = COMMAND_LEARNING_RATE, .values = {0.05}, .count = 1, .steps = 6},
                                  .text = "try lr 0.05 for 6"};
    create(&run);
    assert_int_equal(trainer_start(run.trainer, true, &error), 0);
    tiny_command(&run, COMMAND_STEP, 0, 5);
    tiny_wait(&run, TRAINER_PAUSED, 5);
    tiny_command(&run, COMMAND_BATCH, 30, 0);
    refuse = true;
    assert_int_equal(trainer_command(run.trainer, &trial, &error), 0);
    while (!trainer_is_settled(run.trainer))
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    tiny_command(&run, COMMAND_DROP, 0, 0);
    tiny_command(&run, COMMAND_RESUME, 0, 0);
    assert_int_equal(trainer_join(run.trainer, &error), 0);
    assert_false(refuse);
    for (int i = 0; i < run.command_count; i++)
        assert_null(strstr(run.commands[i].outcome, "the batch stays"));
    assert_int_equal(tiny_last(&run)->state.change_count, 1); /* the run's own was not refused */
    tiny_free(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_is_refused_at_once_changes_nothing),
        cmocka_unit_test(one_that_is_refused_later_is_nothing_to_undo),
        cmocka_unit_test(in_a_trial_nothing_is_told),
    };
    return cmocka_run_group_tests(tests, tiny_open, tiny_close);
}
