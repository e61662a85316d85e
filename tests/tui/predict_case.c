/* See predict_case.h. */
#include "tests/tui/predict_case.h"

#include "viz/png.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

uint8_t records[IMAGES][RECORD];

void write_file(const char *name, const void *bytes, size_t size)
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

int predict_set_up(void **state)
{
    static const char *const parts[] = {"data/data_batch_1.bin", "data/data_batch_2.bin", "data/data_batch_3.bin",
                                        "data/data_batch_4.bin", "data/data_batch_5.bin", "data/test_batch.bin"};
    if (process_setup(state) != 0 || mkdir(process_path("data"), 0755) != 0)
        return -1;
    make_records();
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        write_part(parts[i]);
    write_file("test.bin", records, sizeof records);
    run_expecting(0, "train " NETWORK "--data data --limit 100 --batch 16 --epochs 2 --lr 0.05 --ema 0.8 --session s");
    return 0;
}

void write_png(const char *name, const uint8_t *rgb, int width, int height)
{
    assert_int_equal(png_write(process_path(name), rgb, width, height, NULL, 0, NULL), 0);
}

/* An .npy file of float32 with a header of 128 bytes. */
void read_npy(const char *name, int rows, float *out)
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

const json_t *row(const json_t *object, size_t index)
{
    const json_t *one = json_array_get(json_object_get(object, "predictions"), index);
    assert_non_null(one);
    return one;
}

int count_lines(const char *text)
{
    int lines = 0;
    for (; (text = strchr(text, '\n')); text++)
        lines++;
    return lines;
}
