/* Findings are raised once, say where, since when, against what and what to try; what the theory explains is none. All
 * on probes and losses that are made up. */
#include "engine/health.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* A network, its options, a healthy probe of it, and what has been found so far. */
static struct bench {
    struct model_spec spec;
    struct train_options options;
    struct health_run run;
    struct probe *probe;
    struct health_watch watch;
    struct finding found[FINDING_KINDS];
    int count;
} bench;

static void set_healthy(void)
{
    for (int p = 0; p < bench.probe->count; p++) {
        struct probe_point *point = &bench.probe->points[p];
        point->predicted = p ? model_block(&bench.spec, p - 1).variance_out : 1;
        point->variance = 0.8f * health_expected_variance(&bench.spec, p);
        point->squared_mean = 0.02f;
        point->finite = true;
        point->dead = 0.1f;
        point->update_ratio = 0.002f;
        point->gradient_norm = point->weight_gradient_norm = point->weight_norm = 1;
    }
}

static void set_up(const char *preset)
{
    struct error error;
    memset(&bench.watch, 0, sizeof bench.watch);
    assert_int_equal(model_preset(preset, &bench.spec, &bench.options, &error), 0);
    bench.run = (struct health_run){
        .spec = &bench.spec, .options = &bench.options, .learning_rate = 0.2f, .steps_per_epoch = 200};
    assert_int_equal(probe_create(&bench.spec, &bench.probe, &error), 0);
    set_healthy();
}

static int tear_down(void **state)
{
    (void)state;
    probe_destroy(bench.probe);
    bench.probe = NULL;
    return 0;
}

static int look(long step)
{
    bench.probe->step = step;
    memset(bench.found, 0, sizeof bench.found);
    bench.count = health_watch_probe(&bench.watch, &bench.run, bench.probe, bench.found);
    return bench.count;
}

static void assert_says(const struct finding *finding, const char *words)
{
    if (!strstr(finding->text, words))
        fail_msg("\"%s\" is missing in: %s", words, finding->text);
}

static void what_is_healthy_is_not_mentioned(void **state)
{
    (void)state;
    static const char *const presets[] = {"micro", "small", "large"};
    for (size_t i = 0; i < sizeof presets / sizeof *presets; i++) {
        char why[128] = "kept";
        set_up(presets[i]);
        for (long step = 0; step < 8; step++)
            assert_int_equal(look(step), 0);
        for (int p = 0; p < bench.probe->count; p++) {
            assert_int_equal(health_of_point(&bench.spec, bench.probe, p, why, sizeof why), HEALTH_GOOD);
            assert_string_equal(why, "");
        }
        tear_down(NULL);
    }
}

/* Zero padding and average pooling cost a correct network variance: DESIGN section 2. */
static void less_than_predicted_is_no_finding(void **state)
{
    (void)state;
    char why[128];
    set_up("large");
    for (int p = 0; p < bench.probe->count; p++)
        bench.probe->points[p].variance *= 0.05f;
    assert_int_equal(look(0), 0);
    assert_int_equal(health_of_point(&bench.spec, bench.probe, 9, why, sizeof why), HEALTH_GOOD);
}

/* A signal that fades is to be watched; what average pools take of noise is not. */
static void a_signal_that_fades_is_watched(void **state)
{
    (void)state;
    char why[128];
    set_up("report");
    bench.spec.weight_standardization = false;
    set_healthy();
    bench.probe->points[15].variance = 0.025f * bench.probe->points[15].predicted;
    assert_int_equal(health_of_point(&bench.spec, bench.probe, 15, why, sizeof why), HEALTH_WATCH);
    assert_non_null(strstr(why, "the signal fades"));
    tear_down(NULL);
    set_up("micro");
    bench.probe->points[bench.probe->count - 1].variance =
        0.025f * bench.probe->points[bench.probe->count - 1].predicted;
    assert_int_equal(health_of_point(&bench.spec, bench.probe, bench.probe->count - 1, why, sizeof why), HEALTH_GOOD);
    bench.probe->points[1].update_ratio = 0.048f;
    assert_int_equal(health_of_point(&bench.spec, bench.probe, 1, why, sizeof why), HEALTH_WATCH);
    assert_non_null(strstr(why, "by 0.048 of their norm (watched from 0.03)"));
}

/* 7 after the first block and 36 after the last, where 1.04 and 1.2 are predicted, is what the formula makes. */
static void the_reports_own_variance_is_a_note(void **state)
{
    (void)state;
    char why[160];
    set_up("report");
    assert_float_equal(health_expected_variance(&bench.spec, 0), 2.934f, 1e-3f);
    assert_float_equal(health_expected_variance(&bench.spec, 1), 8.72f, 0.02f);
    assert_float_equal(health_expected_variance(&bench.spec, 15), 54, 6);
    bench.probe->points[1].variance = 7;
    bench.probe->points[15].variance = 36;
    assert_int_equal(look(0), 1);
    assert_int_equal(bench.found[0].kind, FINDING_GAMMA);
    assert_int_equal(bench.found[0].severity, FINDING_NOTE);
    assert_says(&bench.found[0],
                "variance 7 after the first block and 36 after the last, where 1.04 and 1.2 are predicted");
    assert_says(&bench.found[0], "2.93");
    assert_says(&bench.found[0], "--family papers");
    assert_int_equal(look(1), 0);
    assert_int_equal(health_of_point(&bench.spec, bench.probe, 15, why, sizeof why), HEALTH_WATCH);
    assert_non_null(strstr(why, "gamma sits in the report's weights"));

    bench.probe->points[3].variance = 20 * health_expected_variance(&bench.spec, 3); /* it hides no alarm */
    assert_int_equal(look(2), 1);
    assert_int_equal(bench.found[0].kind, FINDING_VARIANCE);
    assert_says(&bench.found[0], "that such a block makes");
    assert_says(&bench.found[0], "Try the papers' block (--family papers --agc 0.02), or --lr 0.01");
}

static void a_variance_is_raised_once_in_its_first_block_and_ended_once(void **state)
{
    (void)state;
    char why[128];
    set_up("micro");
    bench.options.agc = 0;
    bench.probe->points[4].variance = 3.3f;
    assert_int_equal(look(16), 0);
    bench.probe->points[4].variance = 31;
    bench.probe->points[6].variance = 3100;
    assert_int_equal(look(32), 1);
    const struct finding *found = &bench.found[0];
    assert_int_equal(found->kind, FINDING_VARIANCE);
    assert_int_equal(found->severity, FINDING_WARNING);
    assert_int_equal(found->point, 4);
    assert_int_equal(found->since, 32);
    assert_true(found->measured == 31 && !found->over);
    assert_says(found, "block 4 at step 32: its variance is 31 where 1.08 is predicted, over 10 times as much");
    assert_says(found, "; 3.3 at step 16; so in 2 of 7 places");
    assert_says(found, "Try --agc 0.02, or --lr 0.02");
    assert_int_equal(health_of_point(&bench.spec, bench.probe, 4, why, sizeof why), HEALTH_BAD);
    assert_string_equal(why, "variance 31, over 10 times the predicted 1.08");

    bench.probe->points[1].variance = 400; /* another block joins: not said again */
    assert_int_equal(look(64), 0);
    char first[160];
    health_watch_first(&bench.watch, &bench.spec, first, sizeof first);
    assert_string_equal(first, "it began in block 4 at step 32 (its variance is 31 where 1.08 is predicted)");

    set_healthy();
    bench.probe->points[4].variance = 9; /* below the limit, but hardly: may come back at once */
    assert_int_equal(look(128), 0);
    set_healthy();
    assert_int_equal(look(256), 1);
    assert_true(bench.found[0].over);
    assert_int_equal(bench.found[0].severity, FINDING_NOTE);
    assert_int_equal(bench.found[0].since, 32);
    assert_says(&bench.found[0], "over at step 256: all variances are back in their range (out of it since step 32");
    assert_int_equal(look(512), 0);
    health_watch_first(&bench.watch, &bench.spec, first, sizeof first);
    assert_string_equal(first, "");
}

static void dead_units_updates_and_what_is_not_finite_are_told_apart(void **state)
{
    (void)state;
    set_up("micro");
    bench.probe->points[2].dead = 0.95f;
    bench.probe->points[3].update_ratio = 0.4f;
    bench.probe->points[5].gradient_norm = NAN;
    assert_int_equal(look(8), 3);
    assert_int_equal(bench.found[0].kind, FINDING_NOT_FINITE);
    assert_int_equal(bench.found[0].severity, FINDING_ALARM);
    assert_int_equal(bench.found[0].point, 5);
    assert_int_equal(bench.found[1].kind, FINDING_DEAD);
    assert_says(&bench.found[1], "block 2 at step 8: 95 % of its relu units are dead (limit 90 %)");
    assert_says(&bench.found[1], "--activation silu");
    assert_int_equal(bench.found[2].kind, FINDING_UPDATE);
    assert_says(&bench.found[2], "block 3 at step 8: a step changes its weights by 0.4 of their norm (limit 0.1)");
    set_healthy();
    assert_int_equal(look(16), 3);
    for (int i = 0; i < 3; i++)
        assert_true(bench.found[i].over);
}

/* An output that is not finite makes all gradients before it so, too: it is the place, not they. */
static void an_output_goes_before_the_gradients_that_it_spoils(void **state)
{
    (void)state;
    char why[128];
    for (int overflow = 0; overflow < 2; overflow++) {
        set_up("micro");
        for (int p = 0; p <= 3; p++)
            bench.probe->points[p].gradient_norm = NAN;
        for (int p = 3; p < bench.probe->count; p++)
            bench.probe->points[p].variance = INFINITY;
        bench.probe->points[3].finite = overflow; /* values that are finite, and their squares are not */
        assert_int_equal(look(8), 2);
        assert_int_equal(bench.found[0].kind, FINDING_NOT_FINITE);
        assert_int_equal(bench.found[0].point, 3);
        assert_says(&bench.found[0], overflow ? "block 3 at step 8: its variance is beyond 3e38"
                                              : "block 3 at step 8: its output is not finite");
        assert_int_equal(health_of_point(&bench.spec, bench.probe, 3, why, sizeof why), HEALTH_BAD);
        assert_string_equal(why, overflow ? "its variance is beyond 3e38" : "its output is not finite");
        tear_down(NULL);
    }
    set_up("micro"); /* gradients alone: from the last block back */
    bench.probe->points[2].gradient_norm = bench.probe->points[4].gradient_norm = INFINITY;
    assert_int_equal(look(8), 1);
    assert_says(&bench.found[0], "block 4 at step 8: its gradient is not finite");
}

static void without_standardisation_that_is_what_to_try(void **state)
{
    (void)state;
    char why[128];
    set_up("small");
    bench.spec.weight_standardization = false;
    bench.probe->points[2].variance = 1e30f;
    assert_int_equal(look(0), 1);
    assert_says(&bench.found[0], "Try --ws on, or --lr 0.02");
    set_healthy();
    bench.probe->points[5].squared_mean = 1.5f;
    assert_int_equal(health_of_point(&bench.spec, bench.probe, 5, why, sizeof why), HEALTH_WATCH);
    assert_non_null(strstr(why, "means have shifted"));
}

static void batch_norm_has_no_prediction(void **state)
{
    (void)state;
    set_up("micro");
    bench.spec.norm = NORM_BATCH;
    for (int p = 0; p < bench.probe->count; p++)
        bench.probe->points[p].predicted = 0;
    bench.probe->points[2].variance = 3;
    assert_int_equal(look(0), 0);
    bench.probe->points[2].variance = 300;
    assert_int_equal(look(1), 1);
    assert_null(strstr(bench.found[0].text, "is predicted"));
    assert_null(strstr(bench.found[0].text, "--agc"));
}

/* ---- Losses ---- */

/* The number of findings in steps first .. last at one loss. */
static int feed(long first, long last, float loss, struct finding *out)
{
    int count = 0;
    for (long step = first; step <= last; step++) {
        struct finding found;
        if (health_watch_loss(&bench.watch, &bench.run, step, loss, &found)) {
            *out = found;
            count++;
        }
    }
    return count;
}

/* Far above chance level, or on its way down to it, a loss does not stand at it. */
static void a_loss_that_falls_to_chance_level_is_no_finding(void **state)
{
    (void)state;
    struct finding found;
    set_up("micro");
    assert_int_equal(feed(1, 100, 4.4f, &found), 0);
    assert_int_equal(feed(101, 200, 2.7f, &found), 0);
    assert_int_equal(feed(201, 300, 2.37f, &found), 0);
    assert_int_equal(feed(301, 399, 2.36f, &found), 0);
    assert_int_equal(feed(400, 400, 2.36f, &found), 1); /* now it stands */
    assert_int_equal(found.since, 201);
    assert_int_equal(feed(401, 500, 1e6f, &found), 1);
    assert_true(found.over);
    assert_says(&found, "the loss is above chance level");
}

/* Short epochs, and the low rates of a warm-up, say little of what is learnt. */
static void a_loss_is_given_time_to_leave_chance_level(void **state)
{
    (void)state;
    struct finding found;
    set_up("micro");
    bench.run.steps_per_epoch = 20;
    assert_int_equal(feed(1, 199, 2.31f, &found), 0);
    assert_int_equal(feed(200, 200, 2.31f, &found), 1);
    tear_down(NULL);
    set_up("micro");
    bench.options.warmup_epochs = 2;
    bench.run.steps_total = 20000;
    assert_int_equal(feed(1, 599, 2.31f, &found), 0);
    assert_int_equal(feed(600, 600, 2.31f, &found), 1);
    assert_int_equal(found.since, 401);
    tear_down(NULL);
    set_up("micro"); /* onecycle rises over a tenth of the run */
    assert_int_equal(bench.options.schedule, SCHEDULE_ONECYCLE);
    bench.run.steps_total = 4000;
    assert_int_equal(feed(1, 599, 2.31f, &found), 0);
    assert_int_equal(feed(600, 600, 2.31f, &found), 1);
    assert_int_equal(found.since, 401);
}

static void a_loss_at_chance_level_for_an_epoch_is_found(void **state)
{
    (void)state;
    struct finding found;
    set_up("micro");
    assert_int_equal(feed(1, 199, 2.31f, &found), 0);
    assert_int_equal(feed(200, 200, 2.31f, &found), 1);
    assert_int_equal(found.kind, FINDING_CHANCE);
    assert_int_equal(found.point, -1);
    assert_int_equal(found.since, 1);
    assert_says(&found, "chance level, ln(10) = 2.30, from step 1 to 200 (2.31 at the end)");
    assert_says(&found, "--lr 0.02");
    assert_int_equal(feed(201, 600, 2.3f, &found), 0);
    assert_int_equal(feed(601, 800, 1.9f, &found), 1);
    assert_true(found.over);
    assert_int_equal(feed(801, 1200, 1.7f, &found), 0);
}

/* Beginning to learn within the epoch is enough; with updates that change nothing, a higher rate is what to try. */
static void a_slow_start_is_no_finding_and_small_updates_want_a_higher_rate(void **state)
{
    (void)state;
    struct finding found;
    set_up("micro");
    assert_int_equal(feed(1, 100, 2.4f, &found), 0);
    assert_int_equal(feed(101, 200, 2.1f, &found), 0);
    for (int p = 0; p < bench.probe->count; p++)
        bench.probe->points[p].update_ratio = 1e-6f;
    assert_int_equal(look(200), 0);
    assert_int_equal(feed(201, 400, 2.3f, &found), 1);
    assert_says(&found, "--lr 2");
    assert_int_equal(found.since, 201);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_healthy_is_not_mentioned),
        TEST(less_than_predicted_is_no_finding),
        TEST(a_signal_that_fades_is_watched),
        TEST(the_reports_own_variance_is_a_note),
        TEST(a_variance_is_raised_once_in_its_first_block_and_ended_once),
        TEST(dead_units_updates_and_what_is_not_finite_are_told_apart),
        TEST(an_output_goes_before_the_gradients_that_it_spoils),
        TEST(without_standardisation_that_is_what_to_try),
        TEST(batch_norm_has_no_prediction),
        TEST(a_loss_is_given_time_to_leave_chance_level),
        TEST(a_loss_at_chance_level_for_an_epoch_is_found),
        TEST(a_loss_that_falls_to_chance_level_is_no_finding),
        TEST(a_slow_start_is_no_finding_and_small_updates_want_a_higher_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
