/* PNG files of every kind, made in memory with libpng; see png_kinds.h. */
#include "tests/viz/png_kinds.h"

#include <png.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- Files in memory ---- */

static void put_bytes(png_structp png, png_bytep bytes, size_t count)
{
    struct png_file *file = png_get_io_ptr(png);
    assert_true(file->size + count <= sizeof file->bytes);
    memcpy(file->bytes + file->size, bytes, count);
    file->size += count;
}

static void put_nothing(png_structp png)
{
    (void)png;
}

struct png_kind {
    int type, depth;
    bool interlaced, transparent; /* transparent: by a tRNS chunk */
};

static const struct png_kind kinds[] = {
    {PNG_COLOR_TYPE_GRAY, 1, false, false},       {PNG_COLOR_TYPE_GRAY, 2, true, false},
    {PNG_COLOR_TYPE_GRAY, 4, false, false},       {PNG_COLOR_TYPE_GRAY, 8, true, true},
    {PNG_COLOR_TYPE_GRAY, 16, false, false},      {PNG_COLOR_TYPE_GRAY_ALPHA, 8, true, false},
    {PNG_COLOR_TYPE_GRAY_ALPHA, 16, true, false}, {PNG_COLOR_TYPE_PALETTE, 1, false, true},
    {PNG_COLOR_TYPE_PALETTE, 2, true, false},     {PNG_COLOR_TYPE_PALETTE, 4, true, true},
    {PNG_COLOR_TYPE_PALETTE, 8, false, false},    {PNG_COLOR_TYPE_RGB, 8, false, false},
    {PNG_COLOR_TYPE_RGB, 8, true, true},          {PNG_COLOR_TYPE_RGB, 16, true, false},
    {PNG_COLOR_TYPE_RGB_ALPHA, 8, false, false},  {PNG_COLOR_TYPE_RGB_ALPHA, 16, true, false},
};
enum { COLOURS = 256 };
_Static_assert(sizeof kinds / sizeof *kinds == PNG_KINDS, "as many as the header says");

/* Any function of the place. */
static unsigned sample(const struct png_kind *kind, int x, int y, int channel)
{
    const unsigned most = (1u << kind->depth) - 1, value = (unsigned)(x * 37 + y * 101 + channel * 59 + x * y * 7);
    return kind->depth == 16 ? value * 257 % 65521 : value & most;
}

static uint8_t palette_value(unsigned index, int channel)
{
    return (uint8_t)(index * (unsigned)(31 + 40 * channel) + 17);
}

static uint8_t palette_alpha(unsigned index)
{
    return (uint8_t)(index * 90);
}

static int channels_of(const struct png_kind *kind)
{
    return kind->type == PNG_COLOR_TYPE_PALETTE
               ? 1
               : (kind->type & PNG_COLOR_MASK_COLOR ? 3 : 1) + ((kind->type & PNG_COLOR_MASK_ALPHA) != 0);
}

static void write_rows(png_structp png, const struct png_kind *kind, int width, int height)
{
    const int channels = channels_of(kind), passes = png_set_interlace_handling(png);
    uint8_t *row = malloc((size_t)width * 8);
    assert_non_null(row);
    for (int pass = 0; pass < passes; pass++)
        for (int y = 0; y < height; y++) {
            memset(row, 0, (size_t)width * 8);
            for (int x = 0; x < width; x++)
                for (int c = 0; c < channels; c++) {
                    const unsigned value = sample(kind, x, y, c);
                    const int at = x * channels + c;
                    if (kind->depth == 16) {
                        row[2 * at] = (uint8_t)(value >> 8);
                        row[2 * at + 1] = (uint8_t)value;
                    } else {
                        const int bit = at * kind->depth;
                        row[bit / 8] |= (uint8_t)(value << (8 - kind->depth - bit % 8));
                    }
                }
            png_write_row(png, row);
        }
    free(row);
}

void png_kind_make(int index, int width, int height, struct png_file *file)
{
    const struct png_kind *kind = &kinds[index];
    file->size = 0;
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    assert_non_null(info);
    if (setjmp(png_jmpbuf(png)))
        fail_msg("no PNG can be made");
    png_set_write_fn(png, file, put_bytes, put_nothing);
    png_set_IHDR(png, info, (png_uint_32)width, (png_uint_32)height, kind->depth, kind->type,
                 kind->interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    png_set_gAMA(png, info, 1.0); /* is to change nothing */
    if (kind->type == PNG_COLOR_TYPE_PALETTE) {
        png_color colours[COLOURS];
        uint8_t alpha[COLOURS];
        for (unsigned i = 0; i < COLOURS; i++) {
            colours[i] = (png_color){palette_value(i, 0), palette_value(i, 1), palette_value(i, 2)};
            alpha[i] = palette_alpha(i);
        }
        png_set_PLTE(png, info, colours, 1 << kind->depth);
        if (kind->transparent)
            png_set_tRNS(png, info, alpha, 1 << kind->depth, NULL);
    } else if (kind->transparent) { /* all pixels of the colour that stands at (1, 1) */
        png_color_16 colour = {.gray = (png_uint_16)sample(kind, 1, 1, 0),
                               .red = (png_uint_16)sample(kind, 1, 1, 0),
                               .green = (png_uint_16)sample(kind, 1, 1, 1),
                               .blue = (png_uint_16)sample(kind, 1, 1, 2)};
        png_set_tRNS(png, info, NULL, 0, &colour);
    }
    png_write_info(png, info);
    write_rows(png, kind, width, height);
    png_write_end(png, NULL);
    png_destroy_write_struct(&png, &info);
}

/* ---- What must come out ---- */

static unsigned as_byte(const struct png_kind *kind, unsigned value)
{
    const unsigned most = (1u << kind->depth) - 1;
    return (value * 255 * 2 + most) / (2 * most);
}

static uint8_t over_white(unsigned value, unsigned alpha)
{
    return (uint8_t)((value * alpha + 255 * (255 - alpha) + 127) / 255);
}

uint8_t png_kind_value(int index, int x, int y, int channel)
{
    const struct png_kind *kind = &kinds[index];
    const bool coloured = kind->type & PNG_COLOR_MASK_COLOR;
    if (kind->type == PNG_COLOR_TYPE_PALETTE) {
        const unsigned colour = sample(kind, x, y, 0);
        return over_white(palette_value(colour, channel), kind->transparent ? palette_alpha(colour) : 255);
    }
    unsigned alpha = 255;
    if (kind->type & PNG_COLOR_MASK_ALPHA)
        alpha = as_byte(kind, sample(kind, x, y, coloured ? 3 : 1));
    if (kind->transparent) {
        bool same = true;
        for (int c = 0; c < (coloured ? 3 : 1); c++)
            same = same && sample(kind, x, y, c) == sample(kind, 1, 1, c);
        alpha = same ? 0 : 255;
    }
    return over_white(as_byte(kind, sample(kind, x, y, coloured ? channel : 0)), alpha);
}
