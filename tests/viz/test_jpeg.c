/* JPEG files of others: every kind is read, turned as the camera was held, bit for bit as Pillow reads it (where it is
 * here to be asked); what is damaged is refused in one line, without a word on standard error. */
#include "tests/viz/jpeg_kinds.h"
#include "tests/viz/viz_test.h"
#include "viz/bitmap.h"
#include "viz/orientation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WIDTH = 37, HEIGHT = 22, SIZE = 32, SQUARE = SIZE * SIZE * 3 };

static struct jpeg_file file;

static struct bitmap read_file(int kind)
{
    struct bitmap bitmap;
    struct error error = {""};
    if (jpeg_read(file.bytes, file.size, &bitmap, &error) != 0)
        fail_msg("kind %d: %s", kind, error.message);
    return bitmap;
}

/* ---- What is good ---- */

static void every_kind_of_jpeg_is_read(void **state)
{
    (void)state;
    for (int k = 0; k < JPEG_KINDS; k++) {
        jpeg_kind_make(k, WIDTH, HEIGHT, 0, &file);
        struct bitmap bitmap = read_file(k);
        assert_int_equal(bitmap.width, WIDTH);
        assert_int_equal(bitmap.height, HEIGHT);
        for (int i = 0; i < WIDTH * HEIGHT * 3; i++) {
            const int expected = jpeg_kind_value(k, WIDTH, HEIGHT, i / 3 % WIDTH, i / 3 / WIDTH, i % 3);
            if (abs(bitmap.rgb[i] - expected) > 8)
                fail_msg("kind %d, value %d: %d in place of %d", k, i, bitmap.rgb[i], expected);
        }
        bitmap_free(&bitmap);
    }
}

/* The corner that is at the top left on the sensor, and its neighbour along the sensor's rows, as they are seen. */
static void it_is_turned_as_exif_says(void **state)
{
    (void)state;
    const int right = WIDTH - 1, bottom = HEIGHT - 1;
    const struct {
        int orientation, width, height, corner[2], neighbour[2];
    } cases[] = {{1, WIDTH, HEIGHT, {0, 0}, {1, 0}},
                 {2, WIDTH, HEIGHT, {right, 0}, {right - 1, 0}},
                 {3, WIDTH, HEIGHT, {right, bottom}, {right - 1, bottom}},
                 {4, WIDTH, HEIGHT, {0, bottom}, {1, bottom}},
                 {5, HEIGHT, WIDTH, {0, 0}, {0, 1}},
                 {6, HEIGHT, WIDTH, {bottom, 0}, {bottom, 1}},
                 {7, HEIGHT, WIDTH, {bottom, right}, {bottom, right - 1}},
                 {8, HEIGHT, WIDTH, {0, right}, {0, right - 1}},
                 {9, WIDTH, HEIGHT, {0, 0}, {1, 0}}}; /* of no meaning */
    jpeg_kind_make(1, WIDTH, HEIGHT, 0, &file);
    struct bitmap plain = read_file(1);
    assert_memory_not_equal(plain.rgb, plain.rgb + 3, 3);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        jpeg_kind_make(1, WIDTH, HEIGHT, cases[i].orientation, &file);
        struct bitmap turned = read_file(1);
        assert_int_equal(turned.width, cases[i].width);
        assert_int_equal(turned.height, cases[i].height);
        const int *corner = cases[i].corner, *neighbour = cases[i].neighbour;
        assert_memory_equal(turned.rgb + (corner[1] * turned.width + corner[0]) * 3, plain.rgb, 3);
        assert_memory_equal(turned.rgb + (neighbour[1] * turned.width + neighbour[0]) * 3, plain.rgb + 3, 3);
        bitmap_free(&turned);
    }
    bitmap_free(&plain);
}

/* Broken offsets and lengths are read as "as it is": each byte of a segment in turn, at its true end. */
static void broken_exif_turns_nothing(void **state)
{
    (void)state;
    static const uint8_t segment[] = "Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0";
    const size_t size = sizeof segment - 1;
    assert_int_equal(exif_orientation(segment, size), 6);
    for (size_t cut = 0; cut <= size; cut++) {
        uint8_t *bytes = malloc(cut + !cut); /* of just that size: a sanitizer sees who reads on */
        assert_non_null(bytes);
        memcpy(bytes, segment, cut);
        assert_int_equal(exif_orientation(bytes, cut), cut >= 28 ? 6 : 1);
        for (size_t i = 0; i < cut; i++)
            for (int bit = 0; bit < 8; bit++) {
                bytes[i] ^= (uint8_t)(1 << bit);
                assert_in_range(exif_orientation(bytes, cut), 1, 8);
                bytes[i] ^= (uint8_t)(1 << bit);
            }
        free(bytes);
    }
}

/* ---- What Pillow makes of it ---- */

static const char script[] = "import sys\n"
                             "try:\n"
                             "    from PIL import Image, ImageOps\n"
                             "except ImportError:\n"
                             "    sys.exit(77)\n"
                             "out = open(sys.argv[1] + '/out', 'wb')\n"
                             "for k in range(int(sys.argv[2])):\n"
                             "    im = Image.open('%s/%d.jpg' % (sys.argv[1], k))\n"
                             "    im = ImageOps.exif_transpose(im).convert('RGB')\n"
                             "    out.write(im.tobytes())\n"
                             "    s = min(im.size); x, y = (im.size[0] - s) // 2, (im.size[1] - s) // 2\n"
                             "    im = im.crop((x, y, x + s, y + s)).resize((32, 32), Image.BICUBIC)\n"
                             "    out.write(im.tobytes())\n";

/* Pictures of many sizes, each with an orientation or none: 0 to 8. */
static void make_numbered(int k)
{
    jpeg_kind_make(k % JPEG_KINDS, 17 + 31 * k % 230, 11 + 57 * k % 170, (k + k / JPEG_KINDS) % 9, &file);
}

static void it_is_what_pillow_reads(void **state)
{
    (void)state;
    enum { FILES = 3 * JPEG_KINDS };
    char folder[] = "/tmp/nfbench-jpeg-XXXXXX", path[64], command[256];
    const char *python = getenv("PYTHON");
    assert_non_null(mkdtemp(folder));
    for (int k = 0; k < FILES; k++) {
        make_numbered(k);
        snprintf(path, sizeof path, "%s/%d.jpg", folder, k);
        write_file(path, file.bytes, file.size);
    }
    snprintf(path, sizeof path, "%s/read.py", folder);
    write_file(path, script, strlen(script));
    snprintf(command, sizeof command, "%s %s %s %d", python ? python : "python3", path, folder, FILES);
    const int status = system(command);
    snprintf(path, sizeof path, "%s/out", folder);
    FILE *out = status == 0 ? fopen(path, "rb") : NULL;
    for (int k = 0; k < FILES && out; k++) {
        uint8_t square[SQUARE], theirs[SQUARE];
        make_numbered(k);
        struct bitmap bitmap = read_file(k);
        const size_t bytes = (size_t)bitmap.width * (size_t)bitmap.height * 3;
        uint8_t *pixels = malloc(bytes);
        assert_non_null(pixels);
        assert_int_equal(fread(pixels, 1, bytes, out), bytes);
        if (memcmp(pixels, bitmap.rgb, bytes) != 0)
            fail_msg("file %d: not Pillow's pixels", k);
        assert_int_equal(fread(theirs, 1, SQUARE, out), SQUARE);
        assert_int_equal(bitmap_square(&bitmap, SIZE, square, NULL), 0);
        if (memcmp(theirs, square, SQUARE) != 0)
            fail_msg("file %d: not Pillow's square", k);
        free(pixels);
        bitmap_free(&bitmap);
    }
    if (out)
        fclose(out);
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
    if (status != 0) {
        print_message("SKIPPED: no Python with Pillow here\n");
        skip();
    }
}

/* ---- What is damaged ---- */

/* Refused, with these words; and what is read is of just that size: a sanitizer sees who reads on. */
static void assert_refused(size_t size, const char *words)
{
    struct bitmap bitmap;
    struct error error = {""};
    uint8_t *bytes = malloc(size + !size);
    assert_non_null(bytes);
    memcpy(bytes, file.bytes, size);
    assert_int_equal(jpeg_read(bytes, size, &bitmap, &error), -1);
    if (!strstr(error.message, words))
        fail_msg("%zu bytes: '%s' is not in: %s", size, words, error.message);
    assert_null(bitmap.rgb);
    free(bytes);
}

static void every_cut_is_refused(void **state)
{
    (void)state;
    static const int cut[] = {1, JPEG_PROGRESSIVE, JPEG_INKS};
    for (size_t k = 0; k < sizeof cut / sizeof *cut; k++) {
        jpeg_kind_make(cut[k], 24, 17, 6, &file);
        for (size_t size = 0; size < file.size; size++)
            assert_refused(size, size < 3 ? "it is no JPEG" : "it is a JPEG that is cut short");
    }
}

/* Behind the marker's two bytes. */
static uint8_t *segment_of(uint8_t marker)
{
    for (size_t i = 2; i + 1 < file.size; i++)
        if (file.bytes[i] == 0xff && file.bytes[i + 1] == marker)
            return file.bytes + i + 2;
    fail_msg("no segment %02x", marker);
    return NULL;
}

static void damage_is_named(void **state)
{
    (void)state;
    jpeg_kind_make(2, WIDTH, HEIGHT, 0, &file);
    memset(file.bytes + file.size - 20, 0xff, 18); /* the data end before the picture does */
    assert_refused(file.size, "it is a damaged JPEG (libjpeg: Corrupt JPEG data: ");
    jpeg_kind_make(2, WIDTH, HEIGHT, 0, &file);
    segment_of(0xc0)[2] = 12; /* bits of a value */
    assert_refused(file.size, "it is a damaged JPEG (libjpeg: Unsupported JPEG data precision 12)");
    jpeg_two_components_make(&file);
    assert_refused(file.size, "it is a JPEG of 2 components: grey, colours and CMYK are read");
    memset(file.bytes, 0, 3);
    assert_refused(file.size, "it is no JPEG");
}

/* What cameras leave between a picture's data and its end, and behind it, is no damage. */
static void bytes_beside_the_picture_do_no_harm(void **state)
{
    (void)state;
    jpeg_kind_make(2, WIDTH, HEIGHT, 0, &file);
    struct bitmap whole = read_file(2);
    memset(file.bytes + file.size - 2, 0, 40); /* more than the decoder looks ahead */
    memcpy(file.bytes + file.size + 38, "\xff\xd9 and a film", 13);
    file.size += 51;
    struct bitmap bitmap = read_file(2);
    assert_memory_equal(bitmap.rgb, whole.rgb, WIDTH * HEIGHT * 3);
    bitmap_free(&bitmap);
    bitmap_free(&whole);
}

/* The size is told before any memory is taken. */
static void more_than_a_hundred_megapixels_are_refused(void **state)
{
    (void)state;
    static const struct {
        int width, height;
        const char *text;
    } cases[] = {{20000, 5001, "20000 x 5001 pixels: more than 100 million are not read"},
                 {65535, 65535, "libjpeg: Maximum supported image dimension"},
                 {0, 5, "libjpeg: Empty JPEG image"},
                 {10000, 10000, "libjpeg: Corrupt JPEG data"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        jpeg_kind_make(2, WIDTH, HEIGHT, 0, &file);
        uint8_t *frame = segment_of(0xc0);
        frame[3] = (uint8_t)(cases[i].height >> 8);
        frame[4] = (uint8_t)cases[i].height;
        frame[5] = (uint8_t)(cases[i].width >> 8);
        frame[6] = (uint8_t)cases[i].width;
        assert_refused(file.size, cases[i].text);
    }
}

/* The last scan of a progressive file again and again: each takes time for the whole picture. */
static void endless_scans_are_refused(void **state)
{
    (void)state;
    jpeg_kind_make(JPEG_TWO_SCANS, 8, 8, 0, &file);
    size_t last = 0;
    for (size_t i = 0; i + 1 < file.size; i++)
        if (file.bytes[i] == 0xff && file.bytes[i + 1] == 0xda)
            last = i;
    const size_t length = file.size - 2 - last;
    uint8_t scan[64];
    assert_in_range(length, 10, sizeof scan);
    memcpy(scan, file.bytes + last, length);
    while (file.size + length < sizeof file.bytes) {
        memcpy(file.bytes + file.size - 2, scan, length);
        file.size += length;
        memcpy(file.bytes + file.size - 2, "\xff\xd9", 2);
    }
    assert_refused(file.size, "it is a JPEG of more than 500 scans");
}

/* No mutation crashes, leaks or speaks; NFBENCH_FUZZ says how many are tried. */
static void mutations_are_read_or_refused(void **state)
{
    (void)state;
    static struct jpeg_file mutated;
    const char *asked = getenv("NFBENCH_FUZZ");
    const long rounds = asked ? atol(asked) : 360;
    uint32_t random = 1;
    long refused = 0;
    for (long round = 0; round < rounds; round++) {
        struct bitmap bitmap;
        struct error error = {""};
        if (round % 4 == 0)
            jpeg_kind_make((int)(round / 4 % JPEG_KINDS), 24, 17, (int)(round % 9), &file);
        mutated = file;
        for (int i = 0; i <= round % 5; i++) {
            random = random * 1664525 + 1013904223;
            mutated.bytes[3 + (random >> 8) % (mutated.size - 3)] ^= (uint8_t)(1 << (random >> 5) % 8);
        }
        uint8_t *bytes = malloc(mutated.size);
        assert_non_null(bytes);
        memcpy(bytes, mutated.bytes, mutated.size);
        if (jpeg_read(bytes, mutated.size, &bitmap, &error) == 0) {
            uint8_t square[SQUARE];
            assert_int_equal(bitmap_square(&bitmap, SIZE, square, &error), 0);
            bitmap_free(&bitmap);
        } else {
            assert_true(error.message[0]);
            assert_null(strchr(error.message, '\n'));
            assert_null(bitmap.rgb);
            refused++;
        }
        free(bytes);
    }
    assert_in_range(refused, rounds / 4, rounds - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_jpeg_is_read),
        cmocka_unit_test(it_is_turned_as_exif_says),
        cmocka_unit_test(broken_exif_turns_nothing),
        cmocka_unit_test(it_is_what_pillow_reads),
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(damage_is_named),
        cmocka_unit_test(bytes_beside_the_picture_do_no_harm),
        cmocka_unit_test(more_than_a_hundred_megapixels_are_refused),
        cmocka_unit_test(endless_scans_are_refused),
        cmocka_unit_test(mutations_are_read_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
