/* Reading PNG files; see bitmap.h. libpng leaves a broken file by longjmp: all that it could leak or spoil lives in one
 * struct of the caller's of that function, and is freed there. */
#include "viz/bitmap.h"

#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

enum { SIGNATURE_SIZE = 8, CHANNELS = 4, MOST_CHUNK_BYTES = 8 << 20, WHITE = 255 };

struct decoding {
    const uint8_t *at;
    size_t left;
    png_structp png;
    png_infop info;
    struct bitmap *out;
    uint8_t *rgba; /* (height, width, 4) */
    struct error *error;
};

static void on_error(png_structp png, png_const_charp message)
{
    error_set(png_get_error_ptr(png), "it is a broken PNG (libpng: %s)", message);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message; /* about what stands beside the pixels */
}

static void take_bytes(png_structp png, png_bytep out, size_t count)
{
    struct decoding *decoding = png_get_io_ptr(png);
    if (count > decoding->left) {
        error_set(decoding->error, "it is a PNG that is cut short");
        png_longjmp(png, 1);
    }
    memcpy(out, decoding->at, count);
    decoding->at += count;
    decoding->left -= count;
}

/* Everything as RGBA of 8 bits. */
static void set_conversions(png_structp png, png_infop info)
{
    png_set_expand(png);
    png_set_scale_16(png);
    png_set_gray_to_rgb(png);
    png_set_add_alpha(png, WHITE, PNG_FILLER_AFTER);
    png_read_update_info(png, info);
}

/* Width, height and the memory for the pixels; -1 when there are too many. May longjmp. */
static int begin(struct decoding *decoding)
{
    png_structp png = decoding->png;
    png_set_read_fn(png, decoding, take_bytes);
    png_set_user_limits(png, BITMAP_MOST_PIXELS, BITMAP_MOST_PIXELS);
    png_set_chunk_malloc_max(png, MOST_CHUNK_BYTES);
    /* texts, profiles and what else is not needed for the pixels */
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_read_info(png, decoding->info);
    const png_uint_32 width = png_get_image_width(png, decoding->info);
    const png_uint_32 height = png_get_image_height(png, decoding->info);
    if ((uint64_t)width * height > BITMAP_MOST_PIXELS)
        return error_set(decoding->error, "it has %u x %u pixels: more than %d million are not read", width, height,
                         BITMAP_MOST_PIXELS / 1000000);
    decoding->out->width = (int)width;
    decoding->out->height = (int)height;
    decoding->rgba = calloc((size_t)width * height, CHANNELS);
    return decoding->rgba ? 0 : error_set(decoding->error, "out of memory for its %u x %u pixels", width, height);
}

/* No variable of its own lives on behind a longjmp. */
static int decode(struct decoding *decoding)
{
    if (setjmp(png_jmpbuf(decoding->png)))
        return -1;
    if (begin(decoding) != 0)
        return -1;
    const int passes = png_set_interlace_handling(decoding->png);
    const size_t stride = (size_t)decoding->out->width * CHANNELS;
    set_conversions(decoding->png, decoding->info);
    if (png_get_rowbytes(decoding->png, decoding->info) != stride)
        return error_set(decoding->error, "it is a PNG of a kind that is not known");
    for (int pass = 0; pass < passes; pass++)
        for (int y = 0; y < decoding->out->height; y++)
            png_read_row(decoding->png, decoding->rgba + (size_t)y * stride, NULL);
    png_read_end(decoding->png, NULL);
    return 0;
}

/* RGBA over white, to RGB in the same memory: no pixel is written before it was read. */
static void lay_over_white(uint8_t *pixels, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const unsigned alpha = pixels[CHANNELS * i + 3];
        for (size_t c = 0; c < 3; c++)
            pixels[3 * i + c] = (uint8_t)((pixels[CHANNELS * i + c] * alpha + WHITE * (255 - alpha) + 127) / 255);
    }
}

bool png_is_one(const void *data, size_t size)
{
    return size >= SIGNATURE_SIZE && png_sig_cmp(data, 0, SIGNATURE_SIZE) == 0;
}

int png_read(const void *data, size_t size, struct bitmap *out, struct error *error)
{
    struct decoding decoding = {.at = data, .left = size, .out = out, .error = error};
    int result = -1;
    *out = (struct bitmap){0};
    if (!png_is_one(data, size))
        return error_set(error, "it is no PNG");
    decoding.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, error, on_error, on_warning);
    if (!decoding.png || !(decoding.info = png_create_info_struct(decoding.png)))
        error_set(error, "out of memory for a PNG");
    else
        result = decode(&decoding);
    png_destroy_read_struct(&decoding.png, &decoding.info, NULL);
    if (result != 0) {
        free(decoding.rgba);
        return -1;
    }
    lay_over_white(decoding.rgba, (size_t)out->width * (size_t)out->height);
    out->rgb = decoding.rgba;
    return 0;
}

void bitmap_free(struct bitmap *bitmap)
{
    free(bitmap->rgb);
    *bitmap = (struct bitmap){0};
}
