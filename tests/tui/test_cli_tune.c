/* `nfbench tune` as people meet it: grids, random searches and halvings are trained, and what came of them is told.
 * What happens to them on the way is in test_cli_tune_faults.c. */
#include "tests/tui/tuned.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static double value_of(const json_t *trial, const char *setting)
{
    return json_number_at(json_object_get(trial, "values"), setting);
}

/* ---- What is trained ---- */

/* A trial is a session like any other, with the same figures. Whether its two accuracies differ. */
static bool is_as_its_session(const json_t *trial)
{
    json_t *session = last_json(run_expecting(0, "sessions show %s --json", json_text_at(trial, "session")));
    const json_t *epochs = json_object_get(session, "epochs"),
                 *end = json_array_get(epochs, json_array_size(epochs) - 1);
    const double validation = json_number_at(end, "validation_accuracy"), test = json_number_at(end, "test_accuracy");
    assert_string_equal(json_text_at(session, "state"), "finished");
    assert_true(json_number_at(trial, "accuracy") == validation);
    assert_true(json_number_at(trial, "test_accuracy") == test);
    json_decref(session);
    return validation != test;
}

static int by_value(const void *a, const void *b)
{
    const double left = *(const double *)a, right = *(const double *)b;
    return left < right ? -1 : left > right;
}

/* Of the steps that its session has on record. */
static void assert_median_speed(const json_t *trial)
{
    static const char key[] = "\"images_per_second\":";
    char name[256];
    double speeds[64] = {0};
    size_t count = 0;
    snprintf(name, sizeof name, "nfbench/%s/metrics.jsonl", json_text_at(trial, "session"));
    for (const char *at = tune_file(name); (at = strstr(at, key)) && count < 64; at += sizeof key)
        speeds[count++] = strtod(at + sizeof key - 1, NULL);
    assert_int_equal(count, (int)json_number_at(trial, "step"));
    qsort(speeds, count, sizeof *speeds, by_value);
    const double median = (speeds[(count - 1) / 2] + speeds[count / 2]) / 2;
    assert_true(fabs(json_number_at(trial, "images_per_second") - median) <= 1e-5 * median);
}

static void a_grid_is_trained_and_told(void **state)
{
    (void)state;
    const struct outcome *outcome = run_expecting(0, "tune " GRID "--name grid --jobs 2 --csv grid.csv --png grid.png");
    assert_non_null(strstr(outcome->out, "tune grid: validation accuracy"));
    assert_int_equal(tune_times_in(outcome->out, "finished"), 4);
    assert_int_equal(tune_times_in(outcome->out, "  best  "), 1);
    assert_int_equal(tune_times_in(outcome->err, ": training;"), 4);
    assert_int_equal(tune_times_in(outcome->err, "epoch 2/2, loss "), 4);
    assert_non_null(strstr(outcome->err, "nfbench attach grid-lr0.02-batch16 shows it"));
    const char *csv = tune_file("grid.csv");
    assert_int_equal(strncmp(csv, "session,lr,batch,state,epochs,steps,best_accuracy,accuracy_1,accuracy_2,", 71), 0);
    assert_non_null(strstr(csv, "\r\ngrid-lr0.05-batch32,0.05,32,finished,2,6,"));
    assert_memory_equal(tune_file("grid.png") + 1, "PNG", 3);
    assert_memory_equal(tune_file("nfbench/grid.tune/results.png") + 1, "PNG", 3);

    json_t *tune = tune_shown("grid");
    assert_true(json_is_true(json_object_get(tune, "complete")));
    assert_string_equal(json_text_at(tune, "metric"), "validation accuracy");
    for (size_t i = 0; i < 4; i++) { /* the last axis turns fastest */
        const json_t *trial = tune_trial(tune, i);
        assert_float_equal(value_of(trial, "lr"), (i < 2 ? 0.02 : 0.05), 1e-9);
        assert_int_equal((int)value_of(trial, "batch"), i % 2 == 0 ? 16 : 32);
        assert_int_equal(json_array_size(json_object_get(trial, "accuracies")), 2);
        assert_true(json_number_at(trial, "best_accuracy") >= json_number_at(trial, "accuracy"));
    }
    bool differ = false; /* so that taking the one for the other is seen */
    for (size_t i = 0; i < 4; i++)
        differ |= is_as_its_session(tune_trial(tune, i));
    for (size_t i = 0; i < 4; i++)
        assert_median_speed(tune_trial(tune, i));
    assert_true(differ);
    json_decref(tune);
}

/* The same command again finds all of it done; so does --resume, and nothing can be another then. */
static void what_is_done_is_not_done_again(void **state)
{
    (void)state;
    const struct stat before = tune_stat("nfbench/grid-lr0.02-batch16/metrics.jsonl");
    const struct outcome *outcome = run_expecting(0, "tune " GRID "--name grid");
    assert_non_null(strstr(outcome->err, "4 of them have ended before"));
    assert_int_equal(tune_times_in(outcome->out, "finished"), 4);
    run_expecting(0, "tune --resume grid.tune");
    const struct stat after = tune_stat("nfbench/grid-lr0.02-batch16/metrics.jsonl");
    assert_memory_equal(&before.st_mtim, &after.st_mtim, sizeof before.st_mtim);
    assert_non_null(strstr(run_expecting(2, "tune " SHARED "--lr 0.02,0.05 --batch 16 --epochs 2 --name grid")->err,
                           "there is a tune grid with another plan"));
    assert_non_null(strstr(run_expecting(2, "tune --resume grid --lr 0.1")->err, ": --lr means nothing with --resume"));
}

static void a_plan_without_a_name_has_always_the_same(void **state)
{
    (void)state;
    char first[128];
    json_t *tune = last_json(run_expecting(0, "tune " SHARED "--lr 0.03 --batch 16,32 --steps 1 --json"));
    snprintf(first, sizeof first, "%s", json_text_at(tune, "tune"));
    json_decref(tune);
    tune = last_json(run_expecting(0, "tune " SHARED "--lr 0.03 --batch 16,32 --steps 1 --json --jobs 2"));
    assert_string_equal(json_text_at(tune, "tune"), first);
    json_decref(tune);
    tune = last_json(run_expecting(0, "tune " SHARED "--lr 0.03 --batch 16,32 --steps 2 --json"));
    assert_string_not_equal(json_text_at(tune, "tune"), first);
    json_decref(tune);
    /* precision and threads are part of the plan as soon as they are said */
    static const char *const said[] = {"--precision bf16", "--threads 2"};
    for (size_t i = 0; i < 2; i++) {
        tune = last_json(run_expecting(0, "tune " SHARED "--lr 0.03 --batch 16,32 --steps 1 --json %s", said[i]));
        assert_string_not_equal(json_text_at(tune, "tune"), first);
        json_decref(tune);
    }
}

static json_t *plan(const char *arguments)
{
    return last_json(run_expecting(0, "tune --data synthetic %s --plan --json --name planned", arguments));
}

static void assert_axes(const json_t *tune, const char *first, const char *second)
{
    const json_t *axes = json_object_get(tune, "axes");
    assert_int_equal(json_array_size(axes), second ? 2 : 1);
    assert_string_equal(json_string_value(json_array_get(axes, 0)), first);
    if (second)
        assert_string_equal(json_string_value(json_array_get(axes, 1)), second);
}

/* Without an axis it is the report's search, with one that axis alone, over what `train` would take. */
static void only_what_was_asked_for_is_searched(void **state)
{
    (void)state;
    static const struct {
        const char *arguments, *preset, *first, *second;
        size_t trials;
        int epochs;
    } rows[] = {{"", "report", "lr", "batch", 12, 40},
                {"--preset micro --limit 200", "micro", "lr", "batch", 12, 40},
                {"--lr 0.1 --epochs 3", "report", "batch", NULL, 4, 3},
                {"--random 5", "report", "lr", "batch", 5, 40},
                {"--preset report --lr 0.01,0.1 --epochs 7", "report", "lr", NULL, 2, 7},
                {"--device cpu --mixup 0,0.5", "micro", "mixup", NULL, 2, 0},
                {"--device cpu --mixup 0,0.5 --batch 16,32", "micro", "mixup", "batch", 4, 0}, /* as they were typed */
                {"--device cpu --random 4 --lr 0.01..0.5 --ema 0,0.9", "micro", "lr", "ema", 4, 0}};
    struct stat status;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_t *tune = plan(rows[i].arguments);
        assert_axes(tune, rows[i].first, rows[i].second);
        assert_int_equal(json_array_size(json_object_get(tune, "trials")), rows[i].trials);
        for (size_t t = 0; t < rows[i].trials; t++) {
            assert_string_equal(json_text_at(tune_trial(tune, t), "preset"), rows[i].preset);
            if (rows[i].epochs > 0)
                assert_int_equal((int)json_number_at(tune_trial(tune, t), "epochs"), rows[i].epochs);
        }
        json_decref(tune);
    }
    assert_int_not_equal(stat(process_path("nfbench/planned.tune"), &status), 0); /* a plan leaves nothing */
}

static void the_plan_is_told_before_it_is_trained(void **state)
{
    (void)state;
    static const char network[] =
        "2 at a time, network micro, changed (family papers, stem 8, stages 8/4x1, 16/8x1/2); in ",
                      axes[] = "\nlr of 2 values (0.02, 0.05) x batch of 2 values (16, 32)\n";
    const struct outcome *outcome = run_expecting(0, "tune " GRID "--name told --jobs 2 --plan");
    assert_non_null(strstr(outcome->out, "tune told: 4 trials of 2 epochs, "));
    assert_non_null(strstr(outcome->out, network));
    assert_non_null(strstr(outcome->out, axes));
    assert_non_null(strstr(outcome->out, "0.05     32       2      6  told-lr0.05-batch32\n"));
    outcome = run_expecting(0, "tune " GRID "--name told --jobs 2 --steps 1");
    assert_non_null(strstr(outcome->err, "tune told: 4 trials of 1 epoch, "));
    assert_non_null(strstr(outcome->err, network));
    assert_non_null(strstr(outcome->err, axes));
    outcome = run_expecting(0, "tune " SHARED "--random 2 --lr 0.01..0.1 --ema 0,0.9 --epochs 4 --halving --factor 2 "
                               "--plan");
    assert_non_null(strstr(
        outcome->out,
        "\ndrawn: lr from 0.01 to 0.1, ema of 2 values (0, 0.9); rungs end after epochs 2, 4, one in 2 goes on\n"));
    assert_non_null(strstr(run_expecting(2, "tune --plan --csv a.csv")->err, "--plan trains nothing"));
    assert_non_null(strstr(run_expecting(2, "tune --plan --resume told")->err, "--plan means nothing with --resume"));
}

/* Only where a trial of the same plan has ended, which the line says. The one that is left has as many images as each
 * of the others. */
static void a_plan_tells_the_time_where_it_is_known(void **state)
{
    (void)state;
    static const char arguments[] = SHARED "--lr 0.01,0.02,0.05 --batch 48 --epochs 2 --name timed";
    assert_null(strstr(run_expecting(0, "tune %s --plan", arguments)->out, "to go"));
    run_expecting(0, "tune %s", arguments);
    assert_null(strstr(run_expecting(0, "tune %s --plan", arguments)->out, "to go")); /* nothing is left */
    run_expecting(0, "sessions rm timed-lr0.05 --yes");
    assert_non_null(strstr(run_expecting(0, "tune %s --plan", arguments)->out,
                           " to go, by the speed of the 2 trials of it that have ended\n"));
    json_t *timed = last_json(run_expecting(0, "tune %s --plan --json", arguments)), *ended = tune_shown("timed");
    const double mean =
        (json_number_at(tune_trial(ended, 0), "seconds") + json_number_at(tune_trial(ended, 1), "seconds")) / 2;
    assert_true(mean > 0 && fabs(json_number_at(timed, "seconds_left") - mean) <= 1e-5 * mean);
    assert_int_equal((int)json_number_at(timed, "ended"), 2);
    json_decref(ended);
    json_decref(timed);
    assert_null(
        strstr(run_expecting(0, "tune %s --weight-decay 0.01 --plan", arguments)->out, "to go")); /* another plan */
}

/* Each trial ends at its own. */
static void the_length_may_be_an_axis(void **state)
{
    (void)state;
    json_t *tune = last_json(run_expecting(0, "tune " SHARED "--epochs 1,3,2 --batch 48 --name long --json"));
    assert_int_equal(tune_in_state(tune, "finished"), 3);
    assert_int_equal((int)json_number_at(tune_trial(tune, 0), "epochs"), 1);
    assert_int_equal((int)json_number_at(tune_trial(tune, 1), "epochs"), 3);
    assert_int_equal((int)json_number_at(tune_trial(tune, 2), "epochs"), 2);
    json_decref(tune);
}

/* Network and block as axes; --stages has commas of its own. */
static void any_setting_may_be_an_axis(void **state)
{
    (void)state;
    json_t *tune = last_json(run_expecting(
        0, "tune --family papers,report --stem 8 --stages 8/4x1;8/4x2 --ws on,off --threads 1 --data synthetic --limit "
           "32 --validation 16 --lr 0.01 --batch 16 --steps 1 --agc 0.01 --name block --json --png block.png"));
    assert_int_equal(json_array_size(json_object_get(tune, "axes")), 3);
    assert_int_equal(tune_in_state(tune, "finished"), 8);
    const json_t *values = json_object_get(tune_trial(tune, 7), "values");
    assert_string_equal(json_text_at(values, "family"), "report");
    assert_string_equal(json_text_at(values, "stages"), "8/4x2");
    assert_string_equal(json_text_at(values, "ws"), "off");
    json_decref(tune);
}

static void a_random_search_is_the_same_by_its_seed(void **state)
{
    (void)state;
    static const char *const names[] = {"one", "two", "other"};
    double rates[3][3];
    for (int n = 0; n < 3; n++) {
        json_t *tune = last_json(run_expecting(
            0,
            "tune " SHARED "--lr 0.001..0.1 --batch 8..64 --ema 0,0.9 --random 3 --steps 1 --seed %d --name %s --json",
            n < 2 ? 5 : 6, names[n]));
        for (size_t i = 0; i < 3; i++) {
            const json_t *trial = tune_trial(tune, i);
            rates[n][i] = value_of(trial, "lr");
            assert_true(rates[n][i] >= 0.001 && rates[n][i] <= 0.1);
            assert_true(value_of(trial, "batch") >= 8 && value_of(trial, "batch") <= 64);
            assert_true(value_of(trial, "ema") == 0 || value_of(trial, "ema") > 0.89);
        }
        json_decref(tune);
    }
    assert_memory_equal(rates[0], rates[1], sizeof rates[0]);
    assert_memory_not_equal(rates[0], rates[2], sizeof rates[0]);
}

/* ---- Halving ---- */

static double accuracy_at(const json_t *trial, size_t epoch)
{
    return json_number_value(json_array_get(json_object_get(trial, "accuracies"), epoch - 1));
}

/* Of four two go on behind the first epoch, and of these one behind the second. */
static void a_halving_keeps_the_best_of_each_rung(void **state)
{
    (void)state;
    json_t *tune =
        last_json(run_expecting(0, "tune " SHARED "--lr 0.003,0.01,0.03,0.1 --batch 8 --epochs 4 --halving --factor 2 "
                                   "--jobs 2 --name halving --json"));
    size_t epochs[4], winner = 4;
    assert_int_equal(json_array_size(json_object_get(tune, "rungs")), 3);
    assert_int_equal(tune_in_state(tune, "dropped"), 3);
    assert_int_equal(tune_in_state(tune, "finished"), 1);
    for (size_t i = 0; i < 4; i++) {
        epochs[i] = json_array_size(json_object_get(tune_trial(tune, i), "accuracies"));
        winner = epochs[i] == 4 ? i : winner;
    }
    assert_true(winner < 4);
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < 4; j++)
            if (epochs[i] > epochs[j]) /* i went on where j was dropped */
                assert_true(accuracy_at(tune_trial(tune, i), epochs[j]) >= accuracy_at(tune_trial(tune, j), epochs[j]));
    /* it was stopped twice, and is to the bit what a run without a stop is */
    const char *session = json_text_at(tune_trial(tune, winner), "session");
    const struct outcome *outcome = run_expecting(0, "replay %s", session);
    assert_non_null(strstr(outcome->out, "identical through step 48"));
    json_decref(tune);
}

/* Of four trials and two rungs one has ended, two have come to the end of the first, and one is gone. That is to do the
 * first epoch again, and two are taken to do the second: three epochs, where the one that has ended had two. */
static void the_time_of_a_halving_has_its_later_rungs(void **state)
{
    (void)state;
    static const char arguments[] =
        SHARED "--lr 0.003,0.01,0.03,0.1 --batch 48 --epochs 2 --halving --factor 2 --name rungs";
    json_t *tune = last_json(run_expecting(0, "tune %s --json", arguments)), *planned;
    const json_t *ended[2] = {NULL, NULL};
    assert_int_equal(tune_in_state(tune, "finished"), 2);
    for (size_t i = 0; i < 4; i++)
        if (strcmp(json_text_at(tune_trial(tune, i), "state"), "finished") == 0)
            ended[ended[0] != NULL] = tune_trial(tune, i);
    run_expecting(0, "sessions rm %s --yes", json_text_at(ended[0], "session"));
    const double seconds = json_number_at(ended[1], "seconds");
    for (int jobs = 1; jobs <= 2; jobs++) {
        planned = last_json(run_expecting(0, "tune %s --plan --jobs %d --json", arguments, jobs));
        assert_int_equal((int)json_number_at(planned, "ended"), 1);
        assert_true(fabs(json_number_at(planned, "seconds_left") * jobs - 1.5 * seconds) <= 1e-5 * seconds);
        json_decref(planned);
    }
    json_decref(tune);
}

static void until_ends_a_run_behind_an_epoch(void **state)
{
    (void)state;
    json_t *run =
        last_json(run_expecting(0, "train " TINY "--schedule cosine --epochs 3 --until 1 --session part --json"));
    assert_string_equal(json_text_at(run, "state"), "stopped");
    assert_int_equal((int)json_number_at(run, "step"), 8);
    assert_true(json_number_at(run, "validation_accuracy") >= 0);
    json_decref(run);
    run_expecting(0, "resume part --until 1");
    run_expecting(0, "resume part");
    assert_non_null(strstr(run_expecting(0, "replay part")->out, "identical through step 24"));
    assert_non_null(strstr(run_expecting(2, "resume part --until 0")->err, "--until 0: must be a whole number from 1"));
    assert_non_null(strstr(run_expecting(2, "resume part --screen --until 4")->err, "leave --screen out"));
}

/* ---- Beside the report ---- */

/* A plan on other images is made to look like the report's own. */
static void take_for_the_reports(const char *name)
{
    static const char mark[] = "\"as_report\": false";
    char text[1 << 16];
    snprintf(text, sizeof text, "%s", tune_file(name));
    char *at = strstr(text, mark);
    assert_non_null(at);
    memcpy(at + strlen(mark) - 5, "true ", 5);
    FILE *file = fopen(process_path(name), "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void the_reports_own_figures_stand_beside(void **state)
{
    (void)state;
    const struct outcome *outcome = run_expecting(
        0, "tune " NETWORK "--data synthetic --limit 16 --validation 16 --probe-every 0 --lr 0.01 --batch "
           "64 --epochs 40 --name report");
    assert_null(strstr(outcome->out, "seed report")); /* these are not its images */
    take_for_the_reports("nfbench/report.tune/plan.json");
    outcome = run_expecting(0, "tune --show report --csv report.csv");
    assert_non_null(strstr(outcome->out, "Beside the seed report's own search"));
    assert_non_null(strstr(outcome->out, "85.01 %"));
    assert_non_null(strstr(outcome->out, "0.351"));
    assert_non_null(strstr(tune_file("report.csv"), ",0.8501,\r\n"));
    json_t *tune = tune_shown("report");
    const json_t *trial = tune_trial(tune, 0);
    const double ours = json_number_at(trial, "accuracy");
    char difference[32];
    assert_float_equal(json_number_at(trial, "report_accuracy"), 0.8501, 1e-9);
    snprintf(difference, sizeof difference, "  %+.2f  ", 100 * (ours - 0.8501));
    assert_non_null(strstr(run_expecting(0, "tune --show report")->out, difference));
    json_decref(tune);
}

/* ---- Mistakes ---- */

static void what_makes_no_sense_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *arguments, *text;
    } rows[] = {
        {"--lr 0.1,x", "--lr 0.1,x: lr 'x': wanted a number"},
        {"--lr 0.1,0.1", "0.1 stands there twice"},
        {"--lr 0.1,", "a value is missing"},
        {"--lr 0.1,0.10", "0.1 stands there twice"},
        {"--lr 0.001..0.1", "--lr is a range: give --random N"},
        {"--random 3 --lr 0.1..0.001", "wanted LOW..HIGH"},
        {"--random 0", "--random 0: must be a whole number from 1"},
        {"--random 9 --lr 0.1,0.2 --batch 16", "there are not so many combinations"},
        {"--preset report,huge", "preset 'huge'"},
        {"--log-every 1,2", "one value for all trials"},
        {"--lr 0.1,0.2 --lr 0.1,0.3", "--lr is given twice"},
        {"--jobs 0", "--jobs 0: must be a whole number from 1"},
        {"--factor 2", "--factor is of --halving"},
        {"--halving --epochs 2,4", "--epochs can be no axis"},
        {"--halving --steps 10", "leave --steps out"},
        {"--halving --epochs 2", "--halving with --factor 3 needs 3 trials and 3 epochs at least: here are 12 and 2"},
        {"--halving --lr 0.1 --batch 8,16 --epochs 40", "needs 3 trials and 3 epochs at least: here are 2 and 40"},
        {"--validation 0,16", "cannot be compared"},
        {"--name a/b", "--name: 'a/b' cannot be a session's name: it may not hold '/'"},
        {"--name a\tb", "--name: 'a?b' cannot be a session's name: it may not hold control characters"},
        {"--name aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggg", "has 63 bytes at most"},
        {"--png a.jpg", "must end in .png"},
        {"--validation 40000,50000", "validation 50000"},
        {"--show a --resume b", "one of them"},
        {"grid", "tune does not take 'grid'"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct outcome *outcome = run_expecting(2, "tune --data synthetic %s", rows[i].arguments);
        if (!strstr(outcome->err, rows[i].text))
            print_error("tune %s: '%s' is not in: %s\n", rows[i].arguments, rows[i].text, outcome->err);
        assert_non_null(strstr(outcome->err, rows[i].text));
        assert_ptr_equal(strchr(outcome->err, '\n'), outcome->err + strlen(outcome->err) - 1);
    }
    assert_non_null(strstr(run_expecting(1, "tune --show nothing")->err, "there is no tune "));
    /* what cannot be written is told before anything is trained */
    assert_non_null(strstr(run_expecting(1, "tune " GRID "--name early --csv no/x.csv")->err, "no/x.csv"));
    assert_int_not_equal(access(process_path("nfbench/early.tune"), F_OK), 0);
    assert_non_null(strstr(run_expecting(1, "tune " GRID "--sessions-dir grid.csv/x")->err, "cannot make folder"));
    assert_non_null(strstr(run_expecting(2, "train --lr 0.1,0.2")->err, "lr '0.1,0.2'")); /* of a tune alone */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_grid_is_trained_and_told),
        cmocka_unit_test(what_is_done_is_not_done_again),
        cmocka_unit_test(a_plan_without_a_name_has_always_the_same),
        cmocka_unit_test(only_what_was_asked_for_is_searched),
        cmocka_unit_test(the_plan_is_told_before_it_is_trained),
        cmocka_unit_test(a_plan_tells_the_time_where_it_is_known),
        cmocka_unit_test(the_length_may_be_an_axis),
        cmocka_unit_test(any_setting_may_be_an_axis),
        cmocka_unit_test(a_random_search_is_the_same_by_its_seed),
        cmocka_unit_test(a_halving_keeps_the_best_of_each_rung),
        cmocka_unit_test(the_time_of_a_halving_has_its_later_rungs),
        cmocka_unit_test(until_ends_a_run_behind_an_epoch),
        cmocka_unit_test(the_reports_own_figures_stand_beside),
        cmocka_unit_test(what_makes_no_sense_is_refused),
    };
    return cmocka_run_group_tests_name("nfbench tune", tests, process_setup, process_teardown);
}
