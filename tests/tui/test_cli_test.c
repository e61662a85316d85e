/* `nfbench test` on the real program: its figures against those worked out here from its own counts, both sets of
 * weights, pictures, corrupted images, and data of which there are the test images alone. */
#include "tests/tui/process.h"

#include "engine/corruption.h"
#include "engine/data.h"
#include "kernels/philox.h"
#include "viz/png.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CLASSES = 10, IMAGES = 128, RECORD = 3073 };

static int train_sessions(void **state)
{
    if (process_setup(state) != 0)
        return -1;
    run_expecting(0, "train " TINY "--epochs 2 --session plain");
    run_expecting(0, "train " TINY "--epochs 2 --ema 0.9 --session averaged");
    return 0;
}

static json_t *test_json(const char *arguments)
{
    return last_json(run_expecting(0, "test %s --json", arguments));
}

/* ---- Figures ---- */

static void classes_are_scored_by_the_counts(void **state)
{
    (void)state;
    json_t *test = test_json("plain");
    const json_t *confusion = json_object_get(test, "confusion"), *classes = json_object_get(test, "classes");
    double macro[3] = {0};
    for (size_t c = 0; c < CLASSES; c++) {
        double own = 0, truth = 0, taken = 0;
        for (size_t k = 0; k < CLASSES; k++) {
            truth += (double)json_integer_value(json_array_get(json_array_get(confusion, c), k));
            taken += (double)json_integer_value(json_array_get(json_array_get(confusion, k), c));
        }
        own = (double)json_integer_value(json_array_get(json_array_get(confusion, c), c));
        const struct {
            const char *key;
            double part, whole;
        } scores[] = {{"precision", own, taken}, {"recall", own, truth}, {"f1", 2 * own, truth + taken}};
        for (int s = 0; s < 3; s++) {
            const json_t *score = json_object_get(json_array_get(classes, c), scores[s].key);
            if (scores[s].whole == 0)
                assert_true(json_is_null(score));
            else
                assert_float_equal(json_number_value(score), scores[s].part / scores[s].whole, 1e-6);
            macro[s] += scores[s].whole > 0 ? scores[s].part / scores[s].whole / CLASSES : 0;
        }
    }
    assert_float_equal(json_number_at(test, "macro_precision"), macro[0], 1e-6);
    assert_float_equal(json_number_at(test, "macro_recall"), macro[1], 1e-6);
    assert_float_equal(json_number_at(test, "macro_f1"), macro[2], 1e-6);
    json_decref(test);
}

static void calibration_is_that_of_the_bins(void **state)
{
    (void)state;
    json_t *test = test_json("plain");
    const json_t *bins = json_object_get(test, "reliability");
    double error = 0, greatest = 0, accuracy = 0, confidence = 0, images = 0;
    assert_int_equal(json_array_size(bins), 15);
    for (size_t i = 0; i < 15; i++) {
        const json_t *bin = json_array_get(bins, i);
        const double count = json_number_at(bin, "images");
        assert_float_equal(json_number_at(bin, "low"), (double)i / 15, 1e-6);
        images += count;
        if (count == 0) {
            assert_true(json_is_null(json_object_get(bin, "accuracy")));
            continue;
        }
        const double right = json_number_at(bin, "accuracy"), sure = json_number_at(bin, "confidence");
        assert_true(sure > json_number_at(bin, "low") - 1e-6 && sure <= json_number_at(bin, "high") + 1e-6);
        error += fabs(right - sure) * count / IMAGES;
        greatest = fmax(greatest, fabs(right - sure));
        accuracy += right * count / IMAGES;
        confidence += sure * count / IMAGES;
    }
    assert_float_equal(images, IMAGES, 0);
    assert_float_equal(json_number_at(test, "ece"), error, 1e-6);
    assert_float_equal(json_number_at(test, "mce"), greatest, 1e-6);
    assert_float_equal(json_number_at(test, "accuracy"), accuracy, 1e-6);
    assert_float_equal(json_number_at(test, "confidence"), confidence, 1e-6);
    json_decref(test);
}

/* ---- Weights ---- */

static void both_sets_of_weights_are_measured(void **state)
{
    (void)state;
    json_t *ema = test_json("averaged"), *raw = test_json("averaged --weights raw");
    const json_t *both = json_object_get(ema, "by_weights");
    assert_true(json_equal(both, json_object_get(raw, "by_weights")));
    assert_string_equal(json_text_at(ema, "weights"), "ema");
    assert_string_equal(json_text_at(raw, "weights"), "raw");
    static const char *const keys[] = {"accuracy", "loss", "ece", "correct"};
    static const uint8_t grey[IMAGE_BYTES];
    assert_int_equal(png_write(process_path("grey.png"), grey, IMAGE_SIZE, IMAGE_SIZE, NULL, 0, NULL), 0);
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
        assert_true(json_equal(json_object_get(ema, keys[k]), json_object_get(json_object_get(both, "ema"), keys[k])));
        assert_true(json_equal(json_object_get(raw, keys[k]), json_object_get(json_object_get(both, "raw"), keys[k])));
    }
    assert_true(json_number_at(ema, "loss") != json_number_at(raw, "loss"));
    json_decref(raw);
    json_decref(ema);
    assert_non_null(strstr(run_expecting(0, "test averaged")->out, "\nof the raw weights "));
    assert_non_null(strstr(run_expecting(0, "test averaged --weights raw")->out, "\nof the averaged weights "));

    json_t *predicted = last_json(run_expecting(0, "predict averaged grey.png --weights raw --json"));
    assert_true(json_is_false(json_object_get(predicted, "averaged_weights")));
    json_decref(predicted);
    assert_non_null(strstr(run_expecting(1, "predict plain grey.png --weights ema")->err, "no averaged weights"));

    json_t *plain = test_json("plain --weights raw");
    assert_true(json_is_null(json_object_get(json_object_get(plain, "by_weights"), "ema")));
    json_decref(plain);
    assert_non_null(
        strstr(run_expecting(1, "test plain --weights ema")->err, "session plain keeps no averaged weights (--ema)"));
    assert_non_null(strstr(run_expecting(2, "test plain --weights all")->err, "--weights all: must be ema or raw"));
}

/* ---- Pictures, corrupted images ---- */

static void pictures_go_into_a_folder(void **state)
{
    (void)state;
    static const char *const names[] = {"confusion", "reliability", "corruptions"};
    json_t *test = test_json("plain --limit 16 --corruptions --to pictures");
    const json_t *files = json_object_get(test, "files");
    assert_int_equal(json_array_size(files), 3);
    for (size_t i = 0; i < 3; i++) {
        char path[64];
        const json_t *file = json_array_get(files, i);
        snprintf(path, sizeof path, "pictures/step-000016-%s.png", names[i]);
        assert_string_equal(json_text_at(file, "name"), names[i]);
        assert_string_equal(json_text_at(file, "path"), path);
        assert_int_equal(access(process_path(path), R_OK), 0);
    }
    json_decref(test);
    assert_non_null(strstr(run_expecting(0, "export plain --what reliability")->out, "/step-000016-reliability.png"));
    run_expecting(1, "test plain --to /dev/null/here");
}

static void every_corruption_is_measured(void **state)
{
    (void)state;
    json_t *test = test_json("plain --limit 16 --corruptions"), *none = test_json("plain --limit 16");
    const json_t *corruptions = json_object_get(test, "corruptions"), *kinds = json_object_get(corruptions, "kinds");
    double sum = 0;
    assert_int_equal(json_array_size(kinds), CORRUPTION_KINDS);
    for (size_t k = 0; k < CORRUPTION_KINDS; k++) {
        const json_t *kind = json_array_get(kinds, k), *accuracies = json_object_get(kind, "accuracy");
        double mean = 0;
        assert_string_equal(json_text_at(kind, "name"), corruption_name((enum corruption_kind)k));
        assert_int_equal(json_array_size(accuracies), CORRUPTION_SEVERITIES);
        assert_true(json_number_value(json_array_get(json_object_get(kind, "loss"), 4)) > 0);
        for (size_t s = 0; s < CORRUPTION_SEVERITIES; s++)
            mean += json_number_value(json_array_get(accuracies, s)) / CORRUPTION_SEVERITIES;
        assert_float_equal(json_number_at(kind, "mean"), mean, 1e-6);
        sum += mean / CORRUPTION_KINDS;
    }
    assert_float_equal(json_number_at(corruptions, "mean"), sum, 1e-6);
    assert_true(json_is_null(json_object_get(none, "corruptions")));
    assert_true(json_equal(json_object_get(test, "loss"), json_object_get(none, "loss")));
    assert_int_equal((int)json_number_at(test, "images"), 16);
    json_decref(none);
    json_decref(test);
    const struct outcome *outcome = run_expecting(0, "test plain --limit 16 --corruptions");
    assert_non_null(strstr(outcome->out, "\naccuracy at severity:"));
    assert_non_null(strstr(outcome->out, "\nimpulse noise "));
}

static void an_interrupt_ends_it(void **state)
{
    (void)state;
    struct process process = process_start("test plain --corruptions", NULL);
    assert_int_equal(kill(process.pid, SIGINT), 0);
    assert_int_equal(process_finish(&process)->status, 130);
}

/* ---- Data ---- */

/* A file of so many records, the first ones of noise. */
static void make_records(const char *name, int count, uint32_t first)
{
    enum { NOISE = 64 };
    static uint8_t records[NOISE][RECORD];
    for (uint32_t r = 0; r < NOISE; r++) {
        records[r][0] = (uint8_t)(r % CLASSES);
        for (uint32_t p = 1; p < RECORD; p++)
            records[r][p] = (uint8_t)(philox_draw(8, PHILOX_SYNTHETIC, first + r, p, 0).word[0] >> 24);
    }
    FILE *file = fopen(process_path(name), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(records, sizeof records, 1, file), 1);
    assert_int_equal(ftruncate(fileno(file), (off_t)count * RECORD), 0);
    assert_int_equal(fclose(file), 0);
}

/* The same figures by NumPy, where that is, from the probabilities that `nfbench predict` writes. */
static void numpy_finds_the_same(const json_t *test)
{
    char command[600];
    const char *python = getenv("PYTHON");
    assert_int_equal(json_dump_file(test, process_path("noise.json"), 0), 0);
    run_expecting(0, "predict noise cifar/test_batch.bin --npy noise.npy --json");
    int used = snprintf(command, sizeof command, "exec %s tests/tui/check_scores.py", python ? python : "python3");
    static const char *const files[] = {"noise.npy", "cifar/test_batch.bin", "noise.json"};
    for (int i = 0; i < 3; i++)
        used += snprintf(command + used, sizeof command - (size_t)used, " %s", process_path(files[i]));
    const int status = system(command);
    if (WIFEXITED(status) && (WEXITSTATUS(status) == 77 || WEXITSTATUS(status) == 127))
        print_message("SKIPPED: there is no NumPy\n");
    else
        assert_int_equal(status, 0);
}

/* A part of the test set does not look like the whole. */
static void a_limit_is_told(void **state)
{
    (void)state;
    const struct outcome *outcome = run_expecting(0, "test plain --limit 100");
    assert_non_null(strstr(outcome->out, ", on the first 100 of "));
    assert_non_null(strstr(outcome->out, " (--limit 0: all), on CPU"));
    outcome = run_expecting(0, "test plain --limit 0");
    assert_null(strstr(outcome->out, " first "));
    assert_null(strstr(outcome->out, "--limit"));
}

/* Where the last checkpoint is not the best, and nobody has asked for it. At this rate the network gets worse soon. */
static void the_best_checkpoint_is_told(void **state)
{
    (void)state;
    char note[64], taken[128];
    run_expecting(0, "train " NETWORK "--data synthetic --limit 128 --batch 16 --validation 64 --lr 1 --agc 0.02 "
                     "--schedule constant --epochs 6 --session wild");
    json_t *last = test_json("wild"), *best = test_json("wild --checkpoint best");
    const int step = (int)json_number_at(best, "step");
    snprintf(note, sizeof note, "the best is that of step %d: --checkpoint best", step);
    const bool other = step != (int)json_number_at(last, "step");
    assert_int_equal(strstr(run_expecting(0, "test wild")->err, note) != NULL, other);
    assert_null(strstr(run_expecting(0, "test wild --checkpoint last")->err, "the best is"));
    assert_null(strstr(run_expecting(0, "test wild --checkpoint best")->err, "the best is"));
    /* export and report take the best */
    snprintf(taken, sizeof taken, "of the best checkpoint, of step %d; the run's last step is %d", step,
             (int)json_number_at(last, "step"));
    assert_int_equal(strstr(run_expecting(0, "export wild --safetensors w")->err, taken) != NULL, other);
    assert_int_equal(strstr(run_expecting(0, "report wild --markdown --output r")->err, taken) != NULL, other);
    assert_null(strstr(run_expecting(0, "export wild --safetensors w --checkpoint last")->err, "best"));
    assert_null(strstr(run_expecting(0, "report wild --log-only --markdown --output r")->err, "best"));
    json_decref(last);
    json_decref(best);
}

/* The session knows how its training images were normalised. */
static void the_test_images_alone_are_enough(void **state)
{
    (void)state;
    char name[64];
    assert_int_equal(mkdir(process_path("cifar"), 0755), 0);
    for (int b = 1; b <= 5; b++) {
        snprintf(name, sizeof name, "cifar/data_batch_%d.bin", b);
        make_records(name, 10000, (uint32_t)b * 1000);
    }
    make_records("cifar/test_batch.bin", 10000, 0);
    run_expecting(0, "train " NETWORK "--data cifar --limit 64 --batch 16 --validation 64 --epochs 1 --session noise");
    json_t *whole = test_json("noise");
    numpy_finds_the_same(whole);
    for (int b = 1; b <= 5; b += 2) {
        snprintf(name, sizeof name, "cifar/data_batch_%d.bin", b);
        assert_int_equal(unlink(process_path(name)), 0);
    }
    json_t *part = test_json("noise");
    assert_true(json_equal(json_object_get(whole, "loss"), json_object_get(part, "loss")));
    assert_true(json_equal(json_object_get(whole, "confusion"), json_object_get(part, "confusion")));
    json_decref(part);
    json_decref(whole);
    assert_string_equal(run_expecting(0, "test noise --json")->err, "");
    const char *note =
        "note: the network was trained on synthetic and is measured on CIFAR-10, whose classes are others\n";
    assert_string_equal(run_expecting(0, "test plain --data cifar --json")->err, note);
    assert_non_null(strstr(run_expecting(0, "report plain --data cifar")->err, note));
    const struct outcome *outcome = run_expecting(1, "test noise --split validation");
    assert_non_null(strstr(outcome->err, "/cifar has the test images alone: there is no validation split"));
    assert_non_null(strstr(run_expecting(1, "resume noise --epochs 2")->err, "has no data_batch_1.bin"));
    assert_int_equal(unlink(process_path("nfbench/noise/input.json")), 0);
    outcome = run_expecting(1, "test noise");
    assert_non_null(strstr(outcome->err, "the session has no record of how its images are normalised"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        process_test(classes_are_scored_by_the_counts),
        process_test(calibration_is_that_of_the_bins),
        process_test(both_sets_of_weights_are_measured),
        process_test(pictures_go_into_a_folder),
        process_test(every_corruption_is_measured),
        process_test(an_interrupt_ends_it),
        process_test(a_limit_is_told),
        process_test(the_best_checkpoint_is_told),
        process_test(the_test_images_alone_are_enough),
    };
    return cmocka_run_group_tests(tests, train_sessions, process_teardown);
}
