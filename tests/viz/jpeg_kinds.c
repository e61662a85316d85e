/* JPEG files of every kind, made in memory with libjpeg; see jpeg_kinds.h. */
#include "tests/viz/jpeg_kinds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jpeglib.h>

struct jpeg_kind {
    J_COLOR_SPACE given, stored;
    int across, down; /* pixels that share one value of colour */
    bool progressive;
    unsigned restart; /* rows of blocks between two marks; 0: none */
};

static const struct jpeg_kind kinds[] = {
    {JCS_GRAYSCALE, JCS_GRAYSCALE, 1, 1, false, 0},
    {JCS_RGB, JCS_YCbCr, 2, 2, false, 0},
    {JCS_RGB, JCS_YCbCr, 1, 1, false, 0},
    {JCS_RGB, JCS_YCbCr, 2, 2, true, 0},
    {JCS_RGB, JCS_YCbCr, 2, 1, false, 1},
    {JCS_GRAYSCALE, JCS_GRAYSCALE, 1, 1, true, 0},
    {JCS_RGB, JCS_RGB, 1, 1, false, 0},
    {JCS_CMYK, JCS_CMYK, 1, 1, false, 0},
    {JCS_CMYK, JCS_YCCK, 2, 2, true, 2},
};
_Static_assert(sizeof kinds / sizeof *kinds == JPEG_KINDS, "as many as the header says");

/* Means of the blocks, and the rest: nothing is refined. */
static const jpeg_scan_info two_scans[] = {{1, {0}, 0, 0, 0, 0}, {1, {0}, 1, 63, 0, 0}};

/* Colours that change slowly, which a JPEG keeps well. */
int jpeg_kind_value(int index, int width, int height, int x, int y, int channel)
{
    const int across = 200 * x / width, down = 200 * y / height;
    if (kinds[index].given == JCS_GRAYSCALE)
        return 20 + (across + down) / 2;
    return channel == 0 ? 20 + across : channel == 1 ? 220 - down : 30 + (across + down) / 2;
}

struct encoding {
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr handlers;
    unsigned char *bytes;
    unsigned long size;
};

static void begin(struct encoding *encoding, struct jpeg_file *file)
{
    encoding->bytes = file->bytes;
    encoding->size = sizeof file->bytes;
    encoding->jpeg.err = jpeg_std_error(&encoding->handlers);
    jpeg_create_compress(&encoding->jpeg);
    jpeg_mem_dest(&encoding->jpeg, &encoding->bytes, &encoding->size);
}

static void end(struct encoding *encoding, struct jpeg_file *file)
{
    jpeg_finish_compress(&encoding->jpeg);
    jpeg_destroy_compress(&encoding->jpeg);
    assert_ptr_equal(encoding->bytes, file->bytes); /* it had room there */
    file->size = encoding->size;
}

/* With another tag before it, and in either order of bytes. */
static void write_orientation(struct jpeg_compress_struct *jpeg, int orientation)
{
    enum { BYTES = 44 };
    uint8_t little[BYTES + 1] = "Exif\0\0II*\0\x08\0\0\0\x02\0\x0f\x01\x02\0\x04\0\0\0"
                                "abc\0\x12\x01\x03\0\x01\0\0\0?";
    uint8_t big[BYTES + 1] = "Exif\0\0MM\0*\0\0\0\x08\0\x02\x01\x0f\0\x02\0\0\0\x04"
                             "abc\0\x01\x12\0\x03\0\0\0\x01\0?";
    uint8_t *segment = orientation % 2 ? big : little;
    uint8_t *place = memchr(segment, '?', BYTES);
    *place = (uint8_t)orientation;
    jpeg_write_marker(jpeg, JPEG_APP0 + 1, segment, BYTES);
}

/* Inks are as Adobe stores them: inverted. Black takes what the three could do together in the picture's lower half. */
static void put_pixel(int index, int width, int height, int x, int y, uint8_t *out)
{
    const int components = kinds[index].given == JCS_CMYK ? 4 : kinds[index].given == JCS_GRAYSCALE ? 1 : 3;
    int light = 255;
    if (components == 4)
        out[3] = (uint8_t)(light = 255 - (y > height / 2 ? 30 : 0));
    for (int c = 0; c < components && c < 3; c++) {
        const int value = jpeg_kind_value(index, width, height, x, y, c) * 255 / light;
        out[c] = (uint8_t)(value > 255 ? 255 : value);
    }
}

void jpeg_kind_make(int index, int width, int height, int orientation, struct jpeg_file *file)
{
    const struct jpeg_kind *kind = &kinds[index];
    struct encoding encoding;
    struct jpeg_compress_struct *jpeg = &encoding.jpeg;
    begin(&encoding, file);
    jpeg->image_width = (JDIMENSION)width;
    jpeg->image_height = (JDIMENSION)height;
    jpeg->input_components = kind->given == JCS_CMYK ? 4 : kind->given == JCS_GRAYSCALE ? 1 : 3;
    jpeg->in_color_space = kind->given;
    jpeg_set_defaults(jpeg);
    jpeg_set_colorspace(jpeg, kind->stored);
    jpeg_set_quality(jpeg, 95, TRUE);
    jpeg->comp_info[0].h_samp_factor = kind->across;
    jpeg->comp_info[0].v_samp_factor = kind->down;
    if (kind->stored == JCS_YCCK) { /* black is as fine as brightness */
        jpeg->comp_info[3].h_samp_factor = kind->across;
        jpeg->comp_info[3].v_samp_factor = kind->down;
    }
    jpeg->restart_in_rows = (int)kind->restart;
    if (kind->progressive && kind->given == JCS_GRAYSCALE) {
        jpeg->scan_info = two_scans;
        jpeg->num_scans = 2;
    } else if (kind->progressive) {
        jpeg_simple_progression(jpeg);
    }
    jpeg_start_compress(jpeg, TRUE);
    if (orientation)
        write_orientation(jpeg, orientation);
    uint8_t *row = malloc((size_t)width * 4);
    assert_non_null(row);
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++)
            put_pixel(index, width, height, x, y, row + x * jpeg->input_components);
        jpeg_write_scanlines(jpeg, &row, 1);
    }
    free(row);
    end(&encoding, file);
}

void jpeg_two_components_make(struct jpeg_file *file)
{
    struct encoding encoding;
    struct jpeg_compress_struct *jpeg = &encoding.jpeg;
    begin(&encoding, file);
    jpeg->image_width = jpeg->image_height = 8;
    jpeg->input_components = 2;
    jpeg->in_color_space = JCS_UNKNOWN;
    jpeg_set_defaults(jpeg);
    jpeg_start_compress(jpeg, TRUE);
    for (int y = 0; y < 8; y++) {
        JSAMPLE row[16] = {0};
        JSAMPROW rows = row;
        jpeg_write_scanlines(jpeg, &rows, 1);
    }
    end(&encoding, file);
}
