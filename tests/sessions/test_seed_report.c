/* The seed report's figures can be found by epoch and by settings, as the settings hold them. */
#include "sessions/seed_report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

static void epochs_ascend_and_are_found(void **state)
{
    (void)state;
    const struct seed_epoch *epoch;
    int before = 0, count = 0;
    for (; (epoch = seed_report_epoch(count)); count++) {
        assert_true(epoch->epoch > before && epoch->loss > 0);
        assert_true(epoch->validation_accuracy > 0.7 && epoch->validation_accuracy < 0.9);
        assert_ptr_equal(seed_report_at(epoch->epoch), epoch);
        before = epoch->epoch;
    }
    assert_int_equal(count, 14);
    assert_int_equal(before, 200);
    assert_null(seed_report_at(130));
    assert_null(seed_report_epoch(-1));
}

static void each_rate_was_tried_with_each_batch(void **state)
{
    (void)state;
    static const float rates[] = {0.001f, 0.01f, 0.1f};
    static const int batches[] = {32, 64, 128, 256};
    for (int i = 0; i < 12; i++) {
        const float rate = rates[i / 4];
        const struct seed_trial *trial = seed_report_tried((double)rate, batches[i % 4]);
        assert_non_null(trial);
        assert_ptr_equal(trial, seed_report_trial(i));
        assert_int_equal(isnan(trial->loss), rate > 0.05f);
    }
    assert_true(seed_report_tried(0.01, 64)->validation_accuracy[3] == 0.8501);
    assert_null(seed_report_trial(12));
    assert_null(seed_report_tried(0.01, 65));
    assert_null(seed_report_tried(0.02, 64));
}

static void a_run_like_its_own_is_known(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value;
        bool like;
    } rows[] = {{"lr", "0.03", true},       {"batch", "99", true},     {"epochs", "7", true},
                {"seed", "5", true},        {"threads", "3", true},    {"momentum", "0.5", false},
                {"limit", "64", false},     {"ws", "off", false},      {"schedule", "cosine", false},
                {"validation", "0", false}, {"augment", "none", false}};
    struct settings settings;
    struct error error;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(settings_default(&settings, &error), 0);
        assert_int_equal(settings_set(&settings, "preset", "report", &error), 0);
        assert_true(seed_report_is_like(&settings, "CIFAR-10"));
        assert_false(seed_report_is_like(&settings, "CIFAR-100"));
        assert_int_equal(settings_set(&settings, rows[i].name, rows[i].value, &error), 0);
        if (seed_report_is_like(&settings, "CIFAR-10") != rows[i].like)
            fail_msg("--%s %s", rows[i].name, rows[i].value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(epochs_ascend_and_are_found),
        cmocka_unit_test(a_run_like_its_own_is_known),
        cmocka_unit_test(each_rate_was_tried_with_each_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
