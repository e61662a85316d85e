/* What `nfbench predict` takes: every kind and size of PNG and JPEG, CIFAR records, folders, standard input; and what
 * cannot be read does not stop the rest. */
#include "tests/tui/predict_case.h"
#include "tests/viz/jpeg_kinds.h"
#include "tests/viz/png_kinds.h"

#include "viz/bitmap.h"

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

/* The pixels of a record as a PNG shows them. */
static void record_pixels(int record, uint8_t rgb[PIXELS])
{
    for (int k = 0; k < PIXELS; k++)
        rgb[k] = records[record][1 + k % 3 * IMAGE * IMAGE + k / 3];
}

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

/* ---- Files that must be the same image, two and two ---- */

enum { PAIRS_MOST = 32 };

struct pairs {
    char files[1024];
    int count;
};

static void add_pair(struct pairs *pairs, const char *one, const char *other)
{
    const size_t used = strlen(pairs->files);
    snprintf(pairs->files + used, sizeof pairs->files - used, " %s %s", one, other);
    pairs->count++;
}

/* Nothing is said of them, and the network says the same of both. */
static void assert_alike(const struct pairs *pairs)
{
    static float probabilities[2 * PAIRS_MOST][CLASSES];
    assert_in_range(pairs->count, 1, PAIRS_MOST);
    assert_string_equal(run_expecting(0, "predict s --checkpoint last --npy p.npy%s", pairs->files)->err, "");
    read_npy("p.npy", 2 * pairs->count, probabilities[0]);
    for (int k = 0; k < pairs->count; k++)
        assert_memory_equal(probabilities[2 * k], probabilities[2 * k + 1], sizeof *probabilities);
}

/* Each kind beside the RGB file of what it shows. */
static void every_kind_of_png_is_taken(void **state)
{
    (void)state;
    static struct png_file file;
    struct pairs pairs = {.count = 0};
    for (int k = 0; k < PNG_KINDS; k++) {
        const int width = 20 + 9 * k, height = 90;
        uint8_t *rgb = malloc((size_t)(width * height * 3));
        char kind[32], plain[32];
        assert_non_null(rgb);
        for (int i = 0; i < width * height * 3; i++)
            rgb[i] = png_kind_value(k, i / 3 % width, i / 3 / width, i % 3);
        png_kind_make(k, width, height, &file);
        snprintf(kind, sizeof kind, "kind%d.png", k);
        write_file(kind, file.bytes, file.size);
        snprintf(plain, sizeof plain, "plain%d.png", k);
        write_png(plain, rgb, width, height);
        free(rgb);
        add_pair(&pairs, kind, plain);
    }
    assert_alike(&pairs);
}

/* From one pixel to a banner, each as the square that its middle is resized to. */
static void any_size_is_taken(void **state)
{
    (void)state;
    static const int sizes[][2] = {{1, 1}, {3000, 17}, {2, 900}, {250, 330}};
    enum { SIZES = sizeof sizes / sizeof *sizes };
    struct pairs pairs = {.count = 0};
    for (int i = 0; i < SIZES; i++) {
        struct bitmap bitmap = {sizes[i][0], sizes[i][1], malloc((size_t)(sizes[i][0] * sizes[i][1] * 3))};
        uint8_t square[PIXELS];
        char whole[32], resized[32];
        assert_non_null(bitmap.rgb);
        for (int k = 0; k < bitmap.width * bitmap.height * 3; k++)
            bitmap.rgb[k] = (uint8_t)((unsigned)k * (unsigned)k / 7 + (unsigned)k);
        assert_int_equal(bitmap_square(&bitmap, IMAGE, square, NULL), 0);
        snprintf(whole, sizeof whole, "size%d.png", i);
        write_png(whole, bitmap.rgb, bitmap.width, bitmap.height);
        snprintf(resized, sizeof resized, "square%d.png", i);
        write_png(resized, square, IMAGE, IMAGE);
        bitmap_free(&bitmap);
        add_pair(&pairs, whole, resized);
    }
    assert_alike(&pairs);
}

/* Each kind, one turned, beside the PNG of what is seen in it: under any name, since the first bytes say what it is. */
static void every_kind_of_jpeg_is_taken(void **state)
{
    (void)state;
    static struct jpeg_file file;
    struct pairs pairs = {.count = 0};
    for (int k = 0; k < JPEG_KINDS; k++) {
        struct bitmap bitmap;
        char kind[32], seen[32];
        jpeg_kind_make(k, 50 + 9 * k, 90, k == 1 ? 6 : 0, &file);
        snprintf(kind, sizeof kind, "kind%d.%s", k, k % 2 ? "jpg" : "photo");
        write_file(kind, file.bytes, file.size);
        assert_int_equal(jpeg_read(file.bytes, file.size, &bitmap, NULL), 0);
        snprintf(seen, sizeof seen, "seen%d.png", k);
        write_png(seen, bitmap.rgb, bitmap.width, bitmap.height);
        bitmap_free(&bitmap);
        add_pair(&pairs, kind, seen);
    }
    assert_alike(&pairs);
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
                                          "f/odd.bin: it is neither a PNG, a JPEG nor CIFAR records: 3000 bytes",
                                          "f/lost.png: No such file or directory",
                                          "f/photo.jpg: it is a JPEG that is cut short",
                                          "f/photo.JPEG: it is a damaged JPEG (libjpeg: ",
                                          "f/photo.png: it is a GIF"};
    enum { FAILING = sizeof failing / sizeof *failing };
    static const char *const good[] = {"f/a.png", "f/b.bin", "f/b.bin", "f/c.jpeg", "f/z.PNG"};
    static struct png_file file;
    static struct jpeg_file jpeg;
    uint8_t two[2][RECORD];
    png_kind_make(11, 40, 40, &file);
    assert_int_equal(mkdir(process_path("f"), 0755), 0);
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
    write_file("f/photo.png", "GIF89a not a PNG", 16);
    jpeg_kind_make(JPEG_PROGRESSIVE, 40, 40, 0, &jpeg);
    write_file("f/c.jpeg", jpeg.bytes, jpeg.size);
    write_file("f/photo.jpg", jpeg.bytes, jpeg.size / 2);
    memset(jpeg.bytes + jpeg.size - 20, 0xff, 18); /* the data end before the picture does */
    write_file("f/photo.JPEG", jpeg.bytes, jpeg.size);
    write_file("f/notes.txt", "not looked at", 13);
    mkdir(process_path("f/below.png"), 0755);
    assert_int_equal(symlink("nowhere", process_path("f/lost.png")), 0);
    assert_int_equal(mkfifo(process_path("f/pipe.png"), 0666), 0); /* nobody waits for its writer */
    const struct outcome *outcome = run_expecting(1, "predict s f --json --checkpoint last");
    json_t *object = last_json(outcome);
    assert_int_equal(count_lines(outcome->err), FAILING + 1);
    assert_non_null(strstr(outcome->err, "note: passed over: 2 other files and 1 folder ("));
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
    assert_non_null(strstr(outcome->err, "f/below.png: no .png, .jpg, .jpeg or .bin file is in this folder"));
    assert_non_null(strstr(outcome->out, "\ntest.bin:99  "));
    assert_non_null(strstr(outcome->out, "\n100 images: accuracy "));
    outcome = run_expecting(1, "predict s nowhere --npy none.npy"); /* nothing to write */
    assert_string_equal(outcome->out, "");
    assert_int_equal(access(process_path("none.npy"), F_OK), -1);
    outcome = run_expecting(0, "predict s f/a.png f/b.bin");
    assert_non_null(strstr(outcome->out, "\n3 images, 2 with a label: accuracy "));
    assert_non_null(strstr(outcome->out, " of 2 right)"));
}

static const struct outcome *run_fed(const char *arguments, const void *bytes, size_t size)
{
    int in;
    struct process process = process_start_fed(arguments, "", &in);
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

    static struct jpeg_file jpeg;
    jpeg_kind_make(JPEG_INKS, 50, 31, 0, &jpeg);
    outcome = run_fed("predict s -", jpeg.bytes, jpeg.size);
    assert_int_equal(outcome->status, 0);
    assert_non_null(strstr(outcome->out, "\n1 image\n"));

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        process_test(a_png_is_as_good_as_a_record),     process_test(every_kind_of_png_is_taken),
        process_test(every_kind_of_jpeg_is_taken),      process_test(any_size_is_taken),
        process_test(a_folder_is_read_around_its_junk), process_test(standard_input_is_a_file_too),
        process_test(foreign_labels_are_left_out),
    };
    return cmocka_run_group_tests(tests, predict_set_up, process_teardown);
}
