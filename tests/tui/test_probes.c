/* What a viewer keeps of a run's probes: always the first and the newest, evenly the rest, never more than there is
 * room for; and what it says of their health. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "tests/tui/made_probe.h"
#include "tui/probes.h"

static struct model_spec spec;
static struct probes *probes;

static int set_up(void **state)
{
    struct error error;

    (void)state;
    made_spec(&spec, 3);
    return probes_create(&spec, &probes, &error);
}

static int tear_down(void **state)
{
    (void)state;
    probes_destroy(probes);
    return 0;
}

static void add(long step)
{
    struct probe *probe = made_probe(&spec, step);
    struct error error;

    probe->loss = (float)step;
    assert_int_equal(probes_add(probes, probe, &error), 0);
    probe_destroy(probe);
    assert_int_equal(probes_newest(probes)->step, step);
    assert_true(probes_newest(probes)->loss == (float)step);
}

static void before_the_first_there_is_nothing(void **state)
{
    const char *why;

    (void)state;
    assert_int_equal(probes_count(probes), 0);
    assert_null(probes_newest(probes));
    assert_null(probes_first(probes));
    assert_null(probes_at(probes, 0));
    assert_int_equal(probes_points(probes), 4);
    assert_int_equal(probes_health(probes, 3, &why), HEALTH_GOOD);
    assert_string_equal(why, "");
    assert_int_equal(probes_worst(probes), -1);
}

static void first_and_newest_stay_and_the_rest_is_even(void **state)
{
    long widest = 0, count;

    (void)state;
    for (long step = 1; step < 100; step *= 2)
        add(step - 1);
    for (long step = 100; step <= 100000; step += 100) {
        add(step);
        assert_int_equal(probes_first(probes)->step, 0);
        assert_true(probes_count(probes) <= PROBES_MOST);
    }
    count = probes_count(probes);
    assert_int_equal(count, PROBES_MOST);
    for (int i = 1; i < count; i++) {
        long gap = probes_at(probes, i)->step - probes_at(probes, i - 1)->step;

        assert_true(gap > 0);
        assert_ptr_equal(probes_all(probes)[i], probes_at(probes, i));
        widest = gap > widest ? gap : widest;
    }
    assert_true(widest <= 4 * 100000 / count); /* no long stretch is without one */
}

static void going_back_forgets_what_lay_ahead(void **state)
{
    (void)state;
    add(0);
    add(100);
    add(200);
    add(300);
    add(150); /* rolled back to a step before 150, and on */
    assert_int_equal(probes_count(probes), 3);
    assert_int_equal(probes_at(probes, 1)->step, 100);
    add(150); /* the same step again: a pause behind a scheduled one */
    assert_int_equal(probes_count(probes), 3);
    assert_int_equal(probes_at(probes, 2)->step, 150);
}

/* One that was walked back to stays while others come, and goes with what a rollback takes. */
static void one_walks_back_and_returns_to_the_newest(void **state)
{
    const long version = probes_version(probes);

    (void)state;
    probes_walk(probes, -1); /* nothing to walk through */
    assert_null(probes_shown(probes));
    for (long step = 0; step <= 400; step += 100)
        add(step);
    assert_int_equal(probes_shown(probes)->step, 400);
    probes_walk(probes, -2);
    assert_int_equal(probes_shown(probes)->step, 200);
    assert_int_not_equal(probes_version(probes), version);
    add(500);
    assert_int_equal(probes_shown(probes)->step, 200);
    probes_walk(probes, 1);
    assert_int_equal(probes_shown(probes)->step, 300);
    add(301); /* rolled back behind it, which leaves it there */
    assert_int_equal(probes_shown(probes)->step, 300);
    probes_walk(probes, -PROBES_MOST);
    assert_int_equal(probes_shown(probes)->step, 0);
    probes_walk(probes, PROBES_MOST);
    add(400);
    assert_int_equal(probes_shown(probes)->step, 400);
    probes_walk(probes, -1);
    add(50); /* rolled back before it */
    assert_int_equal(probes_shown(probes)->step, 50);
}

/* At once, not with the next probe: the steps that diverged are not what the network is any more. */
static void a_rollback_takes_away_what_lay_behind_it(void **state)
{
    struct probe *probe = made_probe(&spec, 200);
    struct error error;
    const char *why;
    long version;

    (void)state;
    add(0);
    add(100);
    probe->points[2].variance = 1e6f;
    assert_int_equal(probes_add(probes, probe, &error), 0);
    probe_destroy(probe);
    assert_int_equal(probes_health(probes, 2, &why), HEALTH_BAD);
    version = probes_version(probes);
    probes_cut(probes, 100);
    assert_int_equal(probes_newest(probes)->step, 100);
    assert_int_equal(probes_health(probes, 2, &why), HEALTH_GOOD);
    assert_int_not_equal(probes_version(probes), version);
    probes_cut(probes, -1);
    assert_int_equal(probes_count(probes), 0);
    assert_int_equal(probes_worst(probes), -1);
}

static void channels_are_copied(void **state)
{
    struct probe *probe = made_probe(&spec, 7);
    struct error error;

    (void)state;
    probe->points[2].channel_mean[5] = 42;
    assert_int_equal(probes_add(probes, probe, &error), 0);
    probe_destroy(probe);
    assert_true(probes_newest(probes)->points[2].channel_mean[5] == 42);
}

/* A session's log knows nothing of single channels; what follows does, and the other way round. */
static void a_logs_probes_have_none(void **state)
{
    struct probe *full = made_probe(&spec, 7), *summary;
    struct error error;

    (void)state;
    assert_int_equal(probe_create_summary(full->count, &summary, &error), 0);
    probe_copy(summary, full);
    for (int round = 0; round < 3; round++) {
        assert_int_equal(probes_add(probes, summary, &error), 0);
        assert_null(probes_newest(probes)->points[2].channel_mean);
        assert_int_equal(probes_newest(probes)->points[2].channels, 8);
        full->points[2].channel_variance[5] = (float)round;
        assert_int_equal(probes_add(probes, full, &error), 0);
        assert_true(probes_newest(probes)->points[2].channel_variance[5] == (float)round);
        summary->step = full->step = 8 + round / 2;
    }
    probe_destroy(full);
    probe_destroy(summary);
}

static void another_networks_probe_is_refused(void **state)
{
    struct model_spec other;
    struct probe *probe;
    struct error error;

    (void)state;
    made_spec(&other, 4);
    probe = made_probe(&other, 7);
    assert_int_equal(probes_add(probes, probe, &error), -1);
    assert_non_null(strstr(error.message, "5 points"));
    assert_int_equal(probes_count(probes), 0);
    probe_destroy(probe);
}

static void health_is_the_newest_ones(void **state)
{
    struct probe *probe = made_probe(&spec, 100);
    struct error error;
    const char *why;

    (void)state;
    probe->points[1].dead = 0.6f;
    probe->points[2].variance = 100;
    probe->points[3].variance = NAN;
    probe->points[3].finite = false;
    assert_int_equal(probes_add(probes, probe, &error), 0);
    probe_destroy(probe);
    assert_int_equal(probes_health(probes, 0, &why), HEALTH_GOOD);
    assert_int_equal(probes_health(probes, 1, &why), HEALTH_WATCH);
    assert_non_null(strstr(why, "dead"));
    assert_int_equal(probes_health(probes, 2, &why), HEALTH_BAD);
    assert_int_equal(probes_worst(probes), 2); /* the first of the bad ones: there it began */
    add(200);
    assert_int_equal(probes_health(probes, 2, &why), HEALTH_GOOD);
    assert_int_equal(probes_worst(probes), -1);
}

/* Of 200 blocks of 512 channels a probe takes more than a megabyte; the few that are kept still span the run. */
static void large_networks_keep_few(void **state)
{
    struct probes *large;
    struct model_spec wide;
    struct error error;
    struct probe *probe;

    (void)state;
    made_spec(&wide, 200);
    wide.stages[0].width = 512;
    assert_int_equal(probes_create(&wide, &large, &error), 0);
    probe = made_probe(&wide, 0);
    for (int i = 0; i < 60; i++) {
        probe->step = 10L * i;
        assert_int_equal(probes_add(large, probe, &error), 0);
    }
    probe_destroy(probe);
    assert_true(probes_count(large) >= PROBES_LEAST && probes_count(large) < 40);
    assert_int_equal(probes_first(large)->step, 0);
    assert_int_equal(probes_newest(large)->step, 590);
    probes_destroy(large);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(before_the_first_there_is_nothing),
        TEST(first_and_newest_stay_and_the_rest_is_even),
        TEST(going_back_forgets_what_lay_ahead),
        TEST(one_walks_back_and_returns_to_the_newest),
        TEST(a_rollback_takes_away_what_lay_behind_it),
        TEST(channels_are_copied),
        TEST(a_logs_probes_have_none),
        TEST(another_networks_probe_is_refused),
        TEST(health_is_the_newest_ones),
        TEST(large_networks_keep_few),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
