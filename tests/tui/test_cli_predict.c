/* `nfbench predict` as people use it: the same answers as `nfbench test` for the same images, from every kind of file,
 * with nothing but the session; and what cannot be read does not stop the rest. */
#include "tests/tui/process.h"
#include "tests/viz/png_kinds.h"

#include "viz/bitmap.h"
#include "viz/png.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <math.h>

enum { IMAGES = 100, CLASSES = 10, PIXELS = 3072, RECORD = 3073, IMAGE = 32 };

static uint8_t records[IMAGES][RECORD]; /* the first of the test images */

/* ---- Files ---- */

static void write_file(const char *name, const void *bytes, size_t size)
{
    FILE *file = fopen(process_path(name), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* Of the official size, but with no more than these records that are not zero: the rest costs no disk. */
static void write_part(const char *name)
{
    write_file(name, records, sizeof records);
    assert_int_equal(truncate(process_path(name), 10000 * RECORD), 0);
}

/* Images of a class are alike, so that something can be learnt. */
static void make_records(void)
{
    uint32_t random = 5;
    for (int i = 0; i < IMAGES; i++) {
        records[i][0] = (uint8_t)(i * 7 % CLASSES);
        for (int k = 1; k < RECORD; k++) {
            random = random * 1664525 + 1013904223;
            records[i][k] = (uint8_t)(random >> 25) + (uint8_t)(records[i][0] * 12);
        }
    }
}

static int set_up(void **state)
{
    static const char *const parts[] = {"data/data_batch_1.bin", "data/data_batch_2.bin", "data/data_batch_3.bin",
                                        "data/data_batch_4.bin", "data/data_batch_5.bin", "data/test_batch.bin"};
    if (process_setup(state) != 0 || mkdir(process_path("data"), 0755) != 0 || mkdir(process_path("f"), 0755) != 0)
        return -1;
    make_records();
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        write_part(parts[i]);
    write_file("test.bin", records, sizeof records);
    run_expecting(0, "train " NETWORK "--data data --limit 100 --batch 16 --epochs 2 --lr 0.05 --ema 0.8 --session s");
    return 0;
}

static void hide_data(void)
{
    assert_int_equal(rename(process_path("data"), process_path("hidden")), 0);
}

static void show_data(void)
{
    assert_int_equal(rename(process_path("hidden"), process_path("data")), 0);
}

/* The pixels of a record as a PNG shows them. */
static void record_pixels(int record, uint8_t rgb[PIXELS])
{
    for (int k = 0; k < PIXELS; k++)
        rgb[k] = records[record][1 + k % 3 * IMAGE * IMAGE + k / 3];
}

static void write_png(const char *name, const uint8_t *rgb, int width, int height)
{
    assert_int_equal(png_write(process_path(name), rgb, width, height, NULL, 0, NULL), 0);
}

/* An .npy file of float32 with a header of 128 bytes. */
static void read_npy(const char *name, int rows, float *out)
{
    char header[129] = "", shape[64];
    FILE *file = fopen(process_path(name), "rb");
    assert_non_null(file);
    assert_int_equal(fread(header, 1, 128, file), 128);
    assert_memory_equal(header, "\x93NUMPY\x01\x00\x76\x00", 10);
    snprintf(shape, sizeof shape, "{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }", rows, CLASSES);
    assert_memory_equal(header + 10, shape, strlen(shape));
    assert_int_equal(header[127], '\n');
    assert_int_equal(fread(out, sizeof *out * CLASSES, (size_t)rows, file), (size_t)rows);
    assert_int_equal(fgetc(file), EOF);
    fclose(file);
}

static const json_t *row(const json_t *object, size_t index)
{
    const json_t *one = json_array_get(json_object_get(object, "predictions"), index);
    assert_non_null(one);
    return one;
}

/* ---- Against `nfbench test` ---- */

static void same_as_test(const char *options)
{
    static float probabilities[IMAGES][CLASSES];
    uint32_t confusion[CLASSES][CLASSES] = {0};
    double loss = 0;
    json_t *tested = last_json(run_expecting(0, "test s --json %s", options));
    json_t *predicted = last_json(run_expecting(0, "predict s test.bin --json --npy p.npy %s", options));
    const json_t *classes = json_object_get(tested, "classes"), *matrix = json_object_get(tested, "confusion");
    read_npy("p.npy", IMAGES, probabilities[0]);
    assert_int_equal(json_number_at(predicted, "images"), IMAGES);
    assert_int_equal(json_number_at(predicted, "labelled"), IMAGES);
    assert_true(json_number_at(predicted, "correct") == json_number_at(tested, "correct"));
    assert_true(json_number_at(predicted, "accuracy") == json_number_at(tested, "accuracy"));
    for (int i = 0; i < IMAGES; i++) {
        const json_t *one = row(predicted, (size_t)i), *top = json_object_get(one, "top");
        const int label = records[i][0];
        int best = 0;
        double sum = 0;
        for (int c = 0; c < CLASSES; c++) {
            best = probabilities[i][c] > probabilities[i][best] ? c : best;
            sum += (double)probabilities[i][c];
        }
        assert_true(fabs(sum - 1) < 1e-5);
        loss -= log((double)probabilities[i][label]);
        confusion[label][best]++;
        assert_string_equal(json_text_at(one, "file"), "test.bin");
        assert_int_equal(json_number_at(one, "record"), i);
        assert_string_equal(json_text_at(one, "label"), json_text_at(json_array_get(classes, (size_t)label), "name"));
        assert_string_equal(json_text_at(one, "class"), json_text_at(json_array_get(classes, (size_t)best), "name"));
        assert_true(fabs(json_number_at(one, "confidence") - (double)probabilities[i][best]) < 1e-7);
        assert_int_equal(json_array_size(top), 3);
        for (size_t k = 1; k < 3; k++)
            assert_true(json_number_at(json_array_get(top, k), "confidence") <=
                        json_number_at(json_array_get(top, k - 1), "confidence"));
    }
    for (int t = 0; t < CLASSES; t++)
        for (int c = 0; c < CLASSES; c++)
            assert_int_equal(confusion[t][c],
                             json_integer_value(json_array_get(json_array_get(matrix, (size_t)t), (size_t)c)));
    assert_true(fabs(loss / IMAGES - json_number_at(tested, "loss")) < 1e-5);
    json_decref(tested);
    json_decref(predicted);
}

static void it_says_what_test_says(void **state)
{
    (void)state;
    same_as_test("");
    same_as_test("--tta flip");
    same_as_test("--batch 7 --checkpoint best");
}

static void no_data_set_is_needed(void **state)
{
    (void)state;
    static float there[IMAGES * CLASSES], hidden[IMAGES * CLASSES], named[IMAGES * CLASSES];
    run_expecting(0, "predict s test.bin --npy p.npy");
    read_npy("p.npy", IMAGES, there);
    run_expecting(0, "predict s test.bin --npy p.npy --data data");
    read_npy("p.npy", IMAGES, named);
    hide_data();
    run_expecting(0, "predict s test.bin --npy p.npy");
    read_npy("p.npy", IMAGES, hidden);
    show_data();
    assert_memory_equal(there, hidden, sizeof there);
    assert_memory_equal(there, named, sizeof there);
}

/* Sessions that know nothing of their input are helped by their data set, wherever it is now. */
static void an_old_session_asks_its_data_set(void **state)
{
    (void)state;
    static float there[IMAGES * CLASSES], asked[IMAGES * CLASSES];
    run_expecting(0, "predict s test.bin --npy p.npy");
    read_npy("p.npy", IMAGES, there);
    assert_int_equal(rename(process_path("nfbench/s/input.json"), process_path("input.json")), 0);
    for (int damaged = 0; damaged < 2; damaged++) {
        if (damaged)
            write_file("nfbench/s/input.json", "{\"data\":\"CIFAR-10\"}\n", 20);
        run_expecting(0, "predict s test.bin --npy p.npy");
        read_npy("p.npy", IMAGES, asked);
        assert_memory_equal(there, asked, sizeof there);
        hide_data();
        const struct outcome *outcome = run_expecting(1, "predict s test.bin");
        assert_non_null(strstr(outcome->err, "--data DIR names the data set"));
        assert_non_null(strstr(outcome->err, damaged ? "input.json is damaged" : "no record of how"));
        run_expecting(0, "predict s test.bin --npy p.npy --data hidden");
        read_npy("p.npy", IMAGES, asked);
        show_data();
        assert_memory_equal(there, asked, sizeof there);
    }
    assert_int_equal(rename(process_path("input.json"), process_path("nfbench/s/input.json")), 0);
}

/* ---- Files of all kinds ---- */

/* A PNG of a record's pixels is that record. */
static void a_png_is_as_good_as_a_record(void **state)
{
    (void)state;
    uint8_t rgb[PIXELS];
    float png[CLASSES], record[CLASSES];
    record_pixels(3, rgb);
    write_png("three.png", rgb, IMAGE, IMAGE);
    write_file("three.bin", records[3], RECORD);
    run_expecting(0, "predict s three.png --npy png.npy");
    run_expecting(0, "predict s three.bin --npy bin.npy");
    read_npy("png.npy", 1, png);
    read_npy("bin.npy", 1, record);
    assert_memory_equal(png, record, sizeof png);
}

/* Each kind beside the RGB file of what it shows. */
static void every_kind_of_png_is_taken(void **state)
{
    (void)state;
    static struct png_file file;
    static float probabilities[2 * PNG_KINDS][CLASSES];
    char arguments[1024] = "predict s --npy p.npy";
    for (int k = 0; k < PNG_KINDS; k++) {
        const int width = 20 + 9 * k, height = 90;
        uint8_t *rgb = malloc((size_t)(width * height * 3));
        char name[32];
        assert_non_null(rgb);
        for (int i = 0; i < width * height * 3; i++)
            rgb[i] = png_kind_value(k, i / 3 % width, i / 3 / width, i % 3);
        png_kind_make(k, width, height, &file);
        snprintf(name, sizeof name, "kind%d.png", k);
        write_file(name, file.bytes, file.size);
        snprintf(name, sizeof name, "plain%d.png", k);
        write_png(name, rgb, width, height);
        free(rgb);
        const size_t used = strlen(arguments);
        snprintf(arguments + used, sizeof arguments - used, " kind%d.png plain%d.png", k, k);
    }
    run_expecting(0, "%s", arguments);
    read_npy("p.npy", 2 * PNG_KINDS, probabilities[0]);
    for (int k = 0; k < PNG_KINDS; k++)
        assert_memory_equal(probabilities[2 * k], probabilities[2 * k + 1], sizeof *probabilities);
}

/* From one pixel to a banner, each as the square that its middle is resized to. */
static void any_size_is_taken(void **state)
{
    (void)state;
    static const int sizes[][2] = {{1, 1}, {3000, 17}, {2, 900}, {250, 330}};
    enum { SIZES = sizeof sizes / sizeof *sizes };
    float probabilities[2 * SIZES][CLASSES];
    char arguments[512] = "predict s --npy p.npy";
    for (int i = 0; i < SIZES; i++) {
        struct bitmap bitmap = {sizes[i][0], sizes[i][1], malloc((size_t)(sizes[i][0] * sizes[i][1] * 3))};
        uint8_t square[PIXELS];
        char name[32];
        assert_non_null(bitmap.rgb);
        for (int k = 0; k < bitmap.width * bitmap.height * 3; k++)
            bitmap.rgb[k] = (uint8_t)(k * k / 7 + k);
        assert_int_equal(bitmap_square(&bitmap, IMAGE, square, NULL), 0);
        snprintf(name, sizeof name, "size%d.png", i);
        write_png(name, bitmap.rgb, bitmap.width, bitmap.height);
        snprintf(name, sizeof name, "square%d.png", i);
        write_png(name, square, IMAGE, IMAGE);
        bitmap_free(&bitmap);
        const size_t used = strlen(arguments);
        snprintf(arguments + used, sizeof arguments - used, " size%d.png square%d.png", i, i);
    }
    run_expecting(0, "%s", arguments);
    read_npy("p.npy", 2 * SIZES, probabilities[0]);
    for (int i = 0; i < SIZES; i++)
        assert_memory_equal(probabilities[2 * i], probabilities[2 * i + 1], sizeof *probabilities);
}

static int count_lines(const char *text)
{
    int lines = 0;
    for (; (text = strchr(text, '\n')); text++)
        lines++;
    return lines;
}

/* What is no image has one line that names it; the rest comes in the order of the names. */
static void a_folder_is_read_around_its_junk(void **state)
{
    (void)state;
    static const char *const failing[] = {"f/cut.png: it is a PNG that is cut short",
                                          "f/empty.png: it is empty",
                                          "f/esc?[31m.png: it is text",
                                          "f/long.bin: it has the size of CIFAR-10 records, but record 1 (counted from "
                                          "0) has label 77, above 9",
                                          "f/odd.bin: it is neither a PNG nor CIFAR records: 3000 bytes",
                                          "f/photo.png: it is a JPEG"};
    enum { FAILING = sizeof failing / sizeof *failing };
    static const char *const good[] = {"f/a.png", "f/b.bin", "f/b.bin", "f/z.PNG"};
    static struct png_file file;
    uint8_t two[2][RECORD];
    png_kind_make(11, 40, 40, &file);
    write_file("f/a.png", file.bytes, file.size);
    write_file("f/z.PNG", file.bytes, file.size);
    write_file("f/cut.png", file.bytes, file.size / 2);
    write_file("f/empty.png", "", 0);
    write_file("f/esc\033[31m.png", "hello, I am text", 16);
    write_file("f/b.bin", records, sizeof two);
    memcpy(two, records, sizeof two);
    two[1][0] = 77;
    write_file("f/long.bin", two, sizeof two);
    write_file("f/odd.bin", records, 3000);
    write_file("f/photo.png", "\xff\xd8\xff\xe0 not a PNG", 14);
    write_file("f/notes.txt", "not looked at", 13);
    mkdir(process_path("f/below.png"), 0755);
    const struct outcome *outcome = run_expecting(1, "predict s f --json");
    json_t *object = last_json(outcome);
    assert_int_equal(count_lines(outcome->err), FAILING);
    assert_int_equal(json_array_size(json_object_get(object, "failed")), FAILING);
    for (int i = 0; i < FAILING; i++)
        if (!strstr(outcome->err, failing[i]))
            fail_msg("'%s' is not in: %s", failing[i], outcome->err);
    assert_int_equal(json_number_at(object, "images"), sizeof good / sizeof *good);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_string_equal(json_text_at(row(object, i), "file"), good[i]);
    assert_true(json_is_null(json_object_get(row(object, 0), "label")));
    assert_true(json_is_null(json_object_get(row(object, 0), "record")));
    json_decref(object);

    outcome = run_expecting(1, "predict s nowhere f/below.png test.bin");
    assert_non_null(strstr(outcome->err, "nowhere: No such file or directory"));
    assert_non_null(strstr(outcome->err, "f/below.png: no .png or .bin file is in this folder"));
    assert_non_null(strstr(outcome->out, "\ntest.bin:99  "));
    assert_non_null(strstr(outcome->out, "\n100 images: accuracy "));
    outcome = run_expecting(1, "predict s nowhere --npy none.npy"); /* nothing to write */
    assert_int_equal(access(process_path("none.npy"), F_OK), -1);
}

static const struct outcome *run_fed(const char *arguments, const void *bytes, size_t size)
{
    int in;
    struct process process = process_start_fed(arguments, &in);
    assert_int_equal(write(in, bytes, size), size);
    close(in);
    return process_finish(&process);
}

static void standard_input_is_a_file_too(void **state)
{
    (void)state;
    static struct png_file file;
    png_kind_make(6, 50, 31, &file);
    const struct outcome *outcome = run_fed("predict s - --json", file.bytes, file.size);
    assert_int_equal(outcome->status, 0);
    json_t *object = last_json(outcome);
    assert_int_equal(json_number_at(object, "images"), 1);
    assert_string_equal(json_text_at(row(object, 0), "file"), "-");
    json_decref(object);

    outcome = run_fed("predict s --csv - -", records, 5 * RECORD);
    assert_int_equal(outcome->status, 0);
    static const char first[] = "file,record,label,predicted,confidence,airplane,automobile,bird,cat,deer,dog,frog,"
                                "horse,ship,truck\r\n-,0,airplane,";
    assert_memory_equal(outcome->out, first, strlen(first));
    assert_int_equal(count_lines(outcome->out), 6);

    outcome = run_fed("predict s -", "neither", 7);
    assert_int_equal(outcome->status, 1);
    assert_non_null(strstr(outcome->err, "nfbench predict: standard input: it is text"));
}

/* Records of another data set are images like any other, but their labels mean nothing. */
static void foreign_labels_are_left_out(void **state)
{
    (void)state;
    uint8_t foreign[3][RECORD + 1];
    for (int i = 0; i < 3; i++) {
        foreign[i][0] = 19;
        foreign[i][1] = 99;
        memcpy(foreign[i] + 2, records[i] + 1, PIXELS);
    }
    write_file("hundred.bin", foreign, sizeof foreign);
    const struct outcome *outcome = run_expecting(0, "predict s hundred.bin --json");
    assert_non_null(strstr(outcome->err, "note: hundred.bin: its labels are of other classes"));
    json_t *object = last_json(outcome);
    assert_int_equal(json_number_at(object, "images"), 3);
    assert_int_equal(json_number_at(object, "labelled"), 0);
    assert_true(json_is_null(json_object_get(object, "accuracy")));
    json_decref(object);
}

/* ---- Results ---- */

/* NumPy reads the file, and the table has the same numbers. */
static void numpy_reads_it(void **state)
{
    (void)state;
    static const char script[] = "import sys, csv\n"
                                 "try:\n"
                                 "    import numpy as np\n"
                                 "except ImportError:\n"
                                 "    sys.exit(77)\n"
                                 "p = np.load(sys.argv[1], allow_pickle=False)\n"
                                 "rows = list(csv.reader(open(sys.argv[2], newline='')))[1:]\n"
                                 "assert p.shape == (100, 10) and p.dtype == np.float32 and p.flags.c_contiguous\n"
                                 "assert np.array_equal(p, np.array([r[5:] for r in rows], dtype=np.float32))\n"
                                 "assert [int(r[1]) for r in rows] == list(range(100))\n";
    char command[2048];
    const char *python = getenv("PYTHON");
    const struct outcome *outcome = run_expecting(0, "predict s test.bin --npy p.npy --csv p.csv");
    assert_non_null(strstr(outcome->out, "written: p.csv\nwritten: p.npy\n"));
    assert_null(strstr(outcome->out, "test.bin:0"));
    assert_int_equal(access(process_path("p.npy.tmp"), F_OK), -1);
    write_file("check.py", script, strlen(script));
    snprintf(command, sizeof command, "%s '%s' '%s' '%s'", python ? python : "python3", process_path("check.py"),
             process_path("p.npy"), process_path("p.csv"));
    const int status = system(command);
    if (status == 77 << 8) {
        print_message("SKIPPED: no Python with NumPy here\n");
        skip();
    }
    assert_int_equal(status, 0);
}

static void mistakes_are_told_at_once(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *arguments, *text;
    } cases[] = {
        {2, "predict s", "needs SESSION FILE..."},
        {2, "predict s test.bin --npy -", "--npy -: it takes the name of a file"},
        {2, "predict s test.bin --json --csv -", "both go to standard output"},
        {2, "predict s test.bin --tta rotate", "--tta rotate: must be none or flip"},
        {2, "predict s test.bin --batch 0", "--batch 0"},
        {2, "predict s test.bin --epochs 3", "--epochs means nothing to predict"},
        {1, "predict s test.bin --npy nowhere/p.npy", "nowhere/p.npy"},
        {1, "predict s test.bin --csv nowhere/p.csv", "nowhere/p.csv"},
        {1, "predict nobody test.bin", "nobody"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct outcome *outcome = run_expecting(cases[i].status, "%s", cases[i].arguments);
        if (!strstr(outcome->err, cases[i].text))
            fail_msg("%s: '%s' is not in: %s", cases[i].arguments, cases[i].text, outcome->err);
        assert_string_equal(outcome->out, "");
        assert_int_equal(count_lines(outcome->err), 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_says_what_test_says),           cmocka_unit_test(no_data_set_is_needed),
        cmocka_unit_test(an_old_session_asks_its_data_set), cmocka_unit_test(a_png_is_as_good_as_a_record),
        cmocka_unit_test(every_kind_of_png_is_taken),       cmocka_unit_test(any_size_is_taken),
        cmocka_unit_test(a_folder_is_read_around_its_junk), cmocka_unit_test(standard_input_is_a_file_too),
        cmocka_unit_test(foreign_labels_are_left_out),      cmocka_unit_test(numpy_reads_it),
        cmocka_unit_test(mistakes_are_told_at_once),
    };
    return cmocka_run_group_tests(tests, set_up, process_teardown);
}
