/* Probes of a run: at which steps, of which batch, and that the training is to the bit what it is without them. */
#include "tests/engine/tiny_reference.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void assert_probed_at(const struct tiny_run *run, const long *steps, int count)
{
    assert_int_equal(run->probe_count, count);
    for (int i = 0; i < count; i++)
        assert_int_equal(run->probes[i]->step, steps[i]);
}

/* Whatever the network: one with batch norm has running statistics to spoil, dropout and stochastic depth have draws.
 */
static void test_probing_leaves_the_bits_alone(void **state)
{
    (void)state;
    for (int variant = 0; variant < 3; variant++) {
        static struct tiny_run runs[2];
        for (int i = 0; i < 2; i++) {
            tiny_init(&runs[i], variant == 2 ? "report" : "micro");
            runs[i].options.probe_every = i;
            runs[i].spec.norm = variant == 0 ? NORM_BATCH : NORM_NONE;
            runs[i].spec.dropout = runs[i].spec.stochastic_depth = variant == 1 ? 0.3f : 0;
            tiny_run_to_end(&runs[i], NULL);
        }
        assert_int_equal(runs[0].probe_count, 0);
        assert_int_equal(runs[1].probe_count, runs[1].step_count + 1);
        assert_int_equal(runs[0].step_count, runs[1].step_count);
        for (int i = 0; i < runs[0].step_count; i++)
            assert_true(runs[0].steps[i].loss == runs[1].steps[i].loss);
        tiny_assert_same_end(&runs[0], &runs[1]);
        tiny_free(&runs[0]);
        tiny_free(&runs[1]);
    }
}

/* At the powers of four first, where things change fast, then every so many steps, and behind the last; of the batch
 * that comes next. */
static void test_when_and_of_which_batch(void **state)
{
    (void)state;
    static struct tiny_run run;
    static const long expected[] = {0, 1, 4, 6, 12, 2 * TINY_EPOCH};
    tiny_init(&run, "micro");
    run.options.probe_every = 6;
    run.options.agc = 0.001f;
    tiny_run_to_end(&run, NULL);
    assert_probed_at(&run, expected, sizeof expected / sizeof *expected);
    for (int i = 0; i < run.probe_count - 1; i++) {
        const struct probe *probe = run.probes[i];
        const struct step_record *next = &run.steps[probe->step];
        assert_int_equal(next->step, probe->step + 1);
        assert_true(fabsf(probe->loss - next->loss) < 1e-5f * next->loss);
        assert_int_equal(probe->images, probe->step % TINY_EPOCH == TINY_EPOCH - 1 ? 4 : 8);
        assert_true(probe->gradients);
        assert_true(probe->points[1].gradient_norm > 0 && probe->points[1].clipped > 0);
        assert_true((probe->points[1].update_ratio > 0) == (probe->step > 0));
    }
    tiny_free(&run);
}

static void test_a_resumed_run_goes_on_as_one_that_was_not_cut(void **state)
{
    (void)state;
    static struct tiny_run whole, first, second;
    tiny_init(&whole, "micro");
    whole.options.probe_every = 3;
    tiny_run_to_end(&whole, NULL);
    tiny_init(&first, "micro");
    first.options.probe_every = 3;
    first.stop_at = 5;
    tiny_run_to_end(&first, NULL);
    tiny_init(&second, "micro");
    second.options.probe_every = 3;
    tiny_run_to_end(&second, tiny_last(&first));
    tiny_assert_same_end(&whole, &second);
    const int offset = whole.probe_count - second.probe_count;
    assert_true(second.probe_count > 2);
    for (int i = 0; i < second.probe_count; i++) {
        const struct probe *a = whole.probes[offset + i], *b = second.probes[i];
        assert_int_equal(a->step, b->step);
        assert_true(a->loss == b->loss);
        assert_true(a->points[1].variance == b->points[1].variance);
        assert_true(a->points[1].gradient_norm == b->points[1].gradient_norm);
    }
    tiny_free(&whole);
    tiny_free(&first);
    tiny_free(&second);
}

static void stop_at_four(struct tiny_run *run, const struct probe *probe)
{
    if (probe->step == 4)
        trainer_request_stop(run->trainer);
}

/* A step may take long: none is made behind a probe in which a stop was asked for. */
static void test_a_stop_in_a_probe_needs_no_step(void **state)
{
    (void)state;
    static struct tiny_run whole, first, second;
    tiny_init(&whole, "micro");
    tiny_init(&first, "micro");
    tiny_init(&second, "micro");
    whole.options.probe_every = first.options.probe_every = second.options.probe_every = 4;
    first.probed = stop_at_four;
    tiny_run_to_end(&whole, NULL);
    tiny_run_to_end(&first, NULL);
    assert_int_equal(first.step_count, 4);
    assert_int_equal(tiny_last(&first)->state.step, 4);
    tiny_run_to_end(&second, tiny_last(&first));
    tiny_assert_same_end(&whole, &second);
    tiny_free(&whole);
    tiny_free(&first);
    tiny_free(&second);
}

/* Takes all that wait; returns the step of the last, -1 for none. */
static long drain(struct tiny_run *run, struct probe *into)
{
    long step = -1;
    while (trainer_next_probe(run->trainer, into))
        step = into->step;
    return step;
}

/* A pause shows the state at the pause, once, and a viewer sees it when it sees the pause. */
static void test_a_pause_takes_a_probe(void **state)
{
    (void)state;
    static struct tiny_run run, plain;
    struct error error = {""};
    struct probe *seen;
    tiny_init(&plain, "micro");
    tiny_run_to_end(&plain, NULL);
    tiny_init(&run, "micro");
    run.options.probe_every = 1000;
    tiny_create(&run, NULL);
    assert_int_equal(probe_create(&run.spec, &seen, &error), 0);
    assert_int_equal(trainer_start(run.trainer, true, &error), 0);
    tiny_wait(&run, TRAINER_PAUSED, 0);
    assert_int_equal(drain(&run, seen), 0);
    tiny_command(&run, COMMAND_STEP, 0, 5);
    tiny_wait(&run, TRAINER_PAUSED, 5);
    assert_int_equal(drain(&run, seen), 5);
    assert_true(seen->points[1].variance > 0 && seen->points[1].channel_variance[0] > 0);
    tiny_command(&run, COMMAND_PAUSE, 0, 0);
    tiny_command(&run, COMMAND_PROBE, 0, 0); /* there is one of this step already */
    tiny_command(&run, COMMAND_RESUME, 0, 0);
    assert_int_equal(trainer_join(run.trainer, &error), 0);
    static const long expected[] = {0, 1, 4, 5, 2 * TINY_EPOCH};
    assert_probed_at(&run, expected, sizeof expected / sizeof *expected);
    assert_int_equal(drain(&run, seen), 2 * TINY_EPOCH);
    assert_string_equal(run.commands[run.command_count - 2].outcome, "probed at step 5");
    for (int i = 0; i < run.step_count; i++)
        assert_true(run.steps[i].loss == plain.steps[i].loss);
    probe_destroy(seen);
    tiny_free(&run);
    tiny_free(&plain);
}

/* Where none are scheduled, each pause takes one all the same, and so does the command; the run's end takes none. */
static void test_a_pause_where_none_are_scheduled(void **state)
{
    (void)state;
    static struct tiny_run run;
    struct error error = {""};
    struct probe *seen;
    tiny_init(&run, "micro");
    tiny_create(&run, NULL);
    assert_int_equal(probe_create(&run.spec, &seen, &error), 0);
    assert_int_equal(trainer_start(run.trainer, true, &error), 0);
    tiny_wait(&run, TRAINER_PAUSED, 0);
    assert_int_equal(drain(&run, seen), 0);
    tiny_command(&run, COMMAND_STEP, 0, 3);
    tiny_wait(&run, TRAINER_PAUSED, 3);
    assert_int_equal(drain(&run, seen), 3);
    tiny_command(&run, COMMAND_STEP, 0, 2);
    tiny_wait(&run, TRAINER_PAUSED, 5);
    assert_int_equal(drain(&run, seen), 5);
    tiny_command(&run, COMMAND_PROBE, 0, 0);
    tiny_command(&run, COMMAND_RESUME, 0, 0);
    assert_int_equal(trainer_join(run.trainer, &error), 0);
    static const long expected[] = {0, 3, 5};
    assert_probed_at(&run, expected, 3);
    assert_true(run.commands[2].ok);
    assert_string_equal(run.commands[2].outcome, "probed at step 5");
    probe_destroy(seen);
    tiny_free(&run);
}

/* A viewer that looks only after the run finds the newest, and the oldest before it. */
static void test_a_sleeping_viewer_gets_the_newest(void **state)
{
    (void)state;
    static struct tiny_run run;
    struct error error = {""};
    struct probe *seen;
    tiny_init(&run, "micro");
    run.options.probe_every = 1;
    tiny_create(&run, NULL);
    assert_int_equal(probe_create(&run.spec, &seen, &error), 0);
    assert_int_equal(trainer_start(run.trainer, false, &error), 0);
    assert_int_equal(trainer_join(run.trainer, &error), 0);
    for (long step = 0; step < 8; step++) {
        assert_true(trainer_next_probe(run.trainer, seen));
        assert_int_equal(seen->step, step);
    }
    assert_true(trainer_next_probe(run.trainer, seen));
    assert_int_equal(seen->step, 2 * TINY_EPOCH);
    assert_memory_equal(seen->points[1].values, run.probes[2 * TINY_EPOCH]->points[1].values,
                        sizeof seen->points[1].values);
    assert_false(trainer_next_probe(run.trainer, seen));
    probe_destroy(seen);
    tiny_free(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_probing_leaves_the_bits_alone),
        cmocka_unit_test(test_when_and_of_which_batch),
        cmocka_unit_test(test_a_resumed_run_goes_on_as_one_that_was_not_cut),
        cmocka_unit_test(test_a_stop_in_a_probe_needs_no_step),
        cmocka_unit_test(test_a_pause_takes_a_probe),
        cmocka_unit_test(test_a_pause_where_none_are_scheduled),
        cmocka_unit_test(test_a_sleeping_viewer_gets_the_newest),
    };
    return cmocka_run_group_tests(tests, tiny_open, tiny_close);
}
