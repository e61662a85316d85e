/* Pictures of others: every kind of PNG is read, what is broken is refused, and the middle is resized as Pillow does it
 * (bit for bit, where Pillow is here to be asked). */
#include "tests/viz/png_kinds.h"
#include "tests/viz/viz_test.h"
#include "viz/bitmap.h"

#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WIDTH = 13, HEIGHT = 7, SIZE = 32, SQUARE = SIZE * SIZE * 3 };

/* ---- What is good ---- */

static void every_kind_of_png_is_read(void **state)
{
    (void)state;
    static struct png_file file;
    for (int k = 0; k < PNG_KINDS; k++) {
        struct bitmap bitmap;
        struct error error = {""};
        png_kind_make(k, WIDTH, HEIGHT, &file);
        if (png_read(file.bytes, file.size, &bitmap, &error) != 0)
            fail_msg("kind %d: %s", k, error.message);
        assert_int_equal(bitmap.width, WIDTH);
        assert_int_equal(bitmap.height, HEIGHT);
        for (int i = 0; i < WIDTH * HEIGHT * 3; i++) {
            const int expected = png_kind_value(k, i / 3 % WIDTH, i / 3 / WIDTH, i % 3);
            if (bitmap.rgb[i] != expected)
                fail_msg("kind %d, value %d: %d in place of %d", k, i, bitmap.rgb[i], expected);
        }
        bitmap_free(&bitmap);
    }
}

/* ---- What is broken ---- */

static void every_cut_is_refused(void **state)
{
    (void)state;
    static struct png_file file;
    struct bitmap bitmap;
    struct error error;
    png_kind_make(PNG_KINDS - 1, WIDTH, HEIGHT, &file);
    for (size_t size = 0; size < file.size; size++) {
        uint8_t *cut = malloc(size + !size); /* of just that size: a sanitizer sees who reads on */
        assert_non_null(cut);
        memcpy(cut, file.bytes, size);
        error.message[0] = '\0';
        assert_int_equal(png_read(cut, size, &bitmap, &error), -1);
        assert_non_null(strstr(error.message, size < 8 ? "it is no PNG" : "cut short"));
        free(cut);
    }
}

static uint32_t checksum(const uint8_t *bytes, size_t size)
{
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

/* Makes the chunks' checksums right, as far as they can be followed: else they alone would stop nearly everything. */
static void mend_checksums(struct png_file *file)
{
    size_t at = 8;
    while (at + 12 <= file->size) {
        const size_t length = png_get_uint_32(file->bytes + at);
        if (length > file->size - at - 12)
            return;
        png_save_uint_32(file->bytes + at + 8 + length, checksum(file->bytes + at + 4, length + 4));
        at += 12 + length;
    }
}

/* No mutation crashes or leaks; NFBENCH_FUZZ says how many are tried. */
static void mutations_are_read_or_refused(void **state)
{
    (void)state;
    static struct png_file file, mutated;
    const char *asked = getenv("NFBENCH_FUZZ");
    const long rounds = asked ? atol(asked) : 320;
    uint32_t random = 1;
    long refused = 0;
    for (long round = 0; round < rounds; round++) {
        struct bitmap bitmap;
        struct error error = {""};
        if (round < PNG_KINDS || round % 16 == 0)
            png_kind_make((int)(round / 16 % PNG_KINDS), WIDTH, HEIGHT, &file);
        const size_t from = round % 4 ? 24 : 8; /* behind width and height: else most time goes into large images */
        mutated = file;
        for (int i = 0; i <= round % 5; i++) {
            random = random * 1664525 + 1013904223;
            mutated.bytes[from + (random >> 8) % (mutated.size - from)] ^= (uint8_t)(1 << (random >> 5) % 8);
        }
        if (round % 4)
            mend_checksums(&mutated);
        if (png_read(mutated.bytes, mutated.size, &bitmap, &error) == 0) {
            uint8_t square[SQUARE];
            assert_int_equal(bitmap_square(&bitmap, SIZE, square, &error), 0);
            bitmap_free(&bitmap);
        } else {
            assert_true(error.message[0]);
            assert_null(strchr(error.message, '\n'));
            assert_null(bitmap.rgb);
            refused++;
        }
    }
    assert_in_range(refused, rounds / 4, rounds - 1);
}

/* A header alone, with its checksum: the size is told before any memory is taken. */
static void more_than_a_hundred_megapixels_are_refused(void **state)
{
    (void)state;
    static const struct {
        unsigned width, height;
        const char *text;
    } cases[] = {{20000, 5001, "20000 x 5001 pixels: more than 100 million are not read"},
                 {1u << 31, 1, "libpng"},
                 {0x7fffffff, 0x7fffffff, "libpng"},
                 {0, 5, "libpng"},
                 {10000, 10000, "cut short"}};
    static struct png_file file;
    png_kind_make(0, WIDTH, HEIGHT, &file);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bitmap bitmap;
        struct error error = {""};
        uint8_t bytes[64];
        memcpy(bytes, file.bytes, sizeof bytes);
        png_save_uint_32(bytes + 16, cases[i].width);
        png_save_uint_32(bytes + 20, cases[i].height);
        png_save_uint_32(bytes + 29, checksum(bytes + 12, 17));
        assert_int_equal(png_read(bytes, 57, &bitmap, &error), -1); /* up to the pixels */
        if (!strstr(error.message, cases[i].text))
            fail_msg("%u x %u: %s", cases[i].width, cases[i].height, error.message);
        assert_null(bitmap.rgb);
    }
}

/* ---- The square ---- */

static struct bitmap make_bitmap(int width, int height)
{
    struct bitmap bitmap = {width, height, malloc((size_t)width * (size_t)height * 3)};
    uint32_t random = (uint32_t)(width * 7 + height);
    assert_non_null(bitmap.rgb);
    for (int i = 0; i < width * height * 3; i++) {
        random = random * 1664525 + 1013904223;
        bitmap.rgb[i] = (uint8_t)(random >> 24);
    }
    return bitmap;
}

static void the_right_size_stays_as_it_is(void **state)
{
    (void)state;
    struct error error;
    uint8_t out[SQUARE];
    struct bitmap bitmap = make_bitmap(SIZE, SIZE), wide = make_bitmap(SIZE + 9, SIZE);
    assert_int_equal(bitmap_square(&bitmap, SIZE, out, &error), 0);
    assert_memory_equal(out, bitmap.rgb, SQUARE);
    assert_int_equal(bitmap_square(&wide, SIZE, out, &error), 0); /* 4 columns go on the left, 5 on the right */
    for (int y = 0; y < SIZE; y++)
        assert_memory_equal(out + y * SIZE * 3, wide.rgb + (y * (SIZE + 9) + 4) * 3, SIZE * 3);
    bitmap_free(&bitmap);
    bitmap_free(&wide);
}

/* One colour stays that colour at any size; fine stripes become their mean, where a filter that is too narrow would let
 * some of them through. */
static void colours_and_means_are_kept(void **state)
{
    (void)state;
    static const int sides[] = {1, 2, 17, 31, 33, 64, 500, 1021};
    struct error error;
    uint8_t out[SQUARE];
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
        struct bitmap bitmap = make_bitmap(sides[i], sides[i]);
        memset(bitmap.rgb, 201, (size_t)sides[i] * (size_t)sides[i] * 3);
        assert_int_equal(bitmap_square(&bitmap, SIZE, out, &error), 0);
        for (int k = 0; k < SQUARE; k++)
            assert_int_equal(out[k], 201);
        bitmap_free(&bitmap);
    }
    struct bitmap stripes = make_bitmap(1024, 1024);
    for (int k = 0; k < 1024 * 1024; k++)
        memset(stripes.rgb + (size_t)k * 3, k % 2 ? 255 : 0, 3);
    assert_int_equal(bitmap_square(&stripes, SIZE, out, &error), 0);
    for (int k = 0; k < SQUARE; k++)
        assert_in_range(out[k], 126, 129);
    bitmap_free(&stripes);
}

static const char script[] = "import sys\n"
                             "try:\n"
                             "    from PIL import Image\n"
                             "except ImportError:\n"
                             "    sys.exit(77)\n"
                             "w, h = int(sys.argv[1]), int(sys.argv[2])\n"
                             "im = Image.frombytes('RGB', (w, h), open(sys.argv[3], 'rb').read())\n"
                             "s = min(w, h); x, y = (w - s) // 2, (h - s) // 2\n"
                             "im = im.crop((x, y, x + s, y + s)).resize((32, 32), Image.BICUBIC)\n"
                             "open(sys.argv[4], 'wb').write(im.tobytes())\n";

static void it_is_what_pillow_makes(void **state)
{
    (void)state;
    static const int sizes[][2] = {{1, 1}, {3, 2}, {31, 31}, {33, 40}, {100, 75}, {17, 300}, {640, 427}};
    char folder[] = "/tmp/nfbench-bitmap-XXXXXX", paths[3][64], command[512];
    const char *python = getenv("PYTHON");
    int status = 0;
    assert_non_null(mkdtemp(folder));
    static const char *const names[] = {"resize.py", "in", "out"};
    for (int i = 0; i < 3; i++)
        snprintf(paths[i], sizeof *paths, "%s/%s", folder, names[i]);
    write_file(paths[0], script, strlen(script));
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes && status == 0; i++) {
        uint8_t own[SQUARE], theirs[SQUARE];
        struct error error;
        struct bitmap bitmap = make_bitmap(sizes[i][0], sizes[i][1]);
        write_file(paths[1], bitmap.rgb, (size_t)bitmap.width * (size_t)bitmap.height * 3);
        snprintf(command, sizeof command, "%s %s %d %d %s %s", python ? python : "python3", paths[0], bitmap.width,
                 bitmap.height, paths[1], paths[2]);
        status = system(command);
        assert_int_equal(bitmap_square(&bitmap, SIZE, own, &error), 0);
        FILE *file = status == 0 ? fopen(paths[2], "rb") : NULL;
        if (file) {
            assert_int_equal(fread(theirs, 1, SQUARE, file), SQUARE);
            fclose(file);
            assert_memory_equal(own, theirs, SQUARE);
        }
        bitmap_free(&bitmap);
    }
    for (int i = 0; i < 3; i++)
        unlink(paths[i]);
    rmdir(folder);
    if (status != 0) {
        print_message("SKIPPED: no Python with Pillow here\n");
        skip();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_png_is_read),     cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(mutations_are_read_or_refused), cmocka_unit_test(more_than_a_hundred_megapixels_are_refused),
        cmocka_unit_test(the_right_size_stays_as_it_is), cmocka_unit_test(colours_and_means_are_kept),
        cmocka_unit_test(it_is_what_pillow_makes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
