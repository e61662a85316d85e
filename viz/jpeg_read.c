/* Reading JPEG files; see bitmap.h. libjpeg would end the process where a file is broken and complain on standard
 * error: here it leaves by longjmp, and all that this could leak or spoil lives in one struct of the caller's of that
 * function, and is freed there. */
#include "viz/bitmap.h"
#include "viz/orientation.h"

#include <setjmp.h>
#include <stdio.h> /* jpeglib.h needs it */
#include <stdlib.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

/* MOST_SCANS: each costs time for all pixels and may be a few bytes long. Encoders make a dozen. */
enum { MOST_SCANS = 500, SEGMENT_BYTES = 0xffff, INKS = 4 };

static const uint8_t first_bytes[] = {0xff, 0xd8, 0xff};

struct decoding {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr handlers;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    jmp_buf leave;
    struct bitmap *out;
    int orientation;
    struct error *error;
};

/* ---- What libjpeg calls ---- */

static void leave(j_common_ptr jpeg)
{
    struct decoding *decoding = jpeg->client_data;
    longjmp(decoding->leave, 1);
}

static void on_error(j_common_ptr jpeg)
{
    struct decoding *decoding = jpeg->client_data;
    char message[JMSG_LENGTH_MAX];
    jpeg->err->format_message(jpeg, message);
    if (jpeg->err->msg_code == JERR_OUT_OF_MEMORY)
        error_set(decoding->error, "out of memory for a JPEG");
    else
        error_set(decoding->error, "it is a damaged JPEG (libjpeg: %s)", message);
    leave(jpeg);
}

/* A level below 0 is damage that libjpeg would go on behind, with pixels that are wrong. Not so these four: bytes
 * between segments, and oddities of headers. */
static void on_message(j_common_ptr jpeg, int level)
{
    const int code = jpeg->err->msg_code;
    if (level < 0 && code != JWRN_EXTRANEOUS_DATA && code != JWRN_ADOBE_XFORM && code != JWRN_JFIF_MAJOR &&
        code != JWRN_NOT_SEQUENTIAL)
        on_error(jpeg);
}

static void say_nothing(j_common_ptr jpeg)
{
    (void)jpeg;
}

static void on_source(j_decompress_ptr jpeg)
{
    (void)jpeg; /* all bytes are there from the beginning, and stay */
}

static boolean on_end_of_bytes(j_decompress_ptr jpeg)
{
    struct decoding *decoding = jpeg->client_data;
    error_set(decoding->error, "it is a JPEG that is cut short");
    leave((j_common_ptr)jpeg);
    return FALSE;
}

static void skip_bytes(j_decompress_ptr jpeg, long count)
{
    if (count <= 0)
        return;
    if ((size_t)count > jpeg->src->bytes_in_buffer)
        (void)on_end_of_bytes(jpeg);
    jpeg->src->next_input_byte += count;
    jpeg->src->bytes_in_buffer -= (size_t)count;
}

static void count_scans(j_common_ptr jpeg)
{
    struct decoding *decoding = jpeg->client_data;
    if (decoding->jpeg.input_scan_number <= MOST_SCANS)
        return;
    error_set(decoding->error, "it is a JPEG of more than %d scans, which no encoder makes", MOST_SCANS);
    leave(jpeg);
}

/* ---- Decoding ---- */

/* That of the first segment that has one. */
static int orientation_of(const struct jpeg_decompress_struct *jpeg)
{
    int orientation = 1;
    for (jpeg_saved_marker_ptr marker = jpeg->marker_list; marker && orientation == 1; marker = marker->next)
        orientation = exif_orientation(marker->data, marker->data_length);
    return orientation;
}

/* Up to the pixels: their number, their colours and the memory for them. May longjmp. */
static int begin(struct decoding *decoding, const uint8_t *data, size_t size)
{
    struct jpeg_decompress_struct *jpeg = &decoding->jpeg;
    jpeg_create_decompress(jpeg);
    decoding->source = (struct jpeg_source_mgr){.next_input_byte = data,
                                                .bytes_in_buffer = size,
                                                .init_source = on_source,
                                                .fill_input_buffer = on_end_of_bytes,
                                                .skip_input_data = skip_bytes,
                                                .resync_to_restart = jpeg_resync_to_restart,
                                                .term_source = on_source};
    decoding->progress.progress_monitor = count_scans;
    jpeg->src = &decoding->source;
    jpeg->progress = &decoding->progress;
    jpeg_save_markers(jpeg, JPEG_APP0 + 1, SEGMENT_BYTES);
    (void)jpeg_read_header(jpeg, TRUE);
    decoding->orientation = orientation_of(jpeg);
    if ((uint64_t)jpeg->image_width * jpeg->image_height > BITMAP_MOST_PIXELS)
        return error_set(decoding->error, "it has %u x %u pixels: more than %d million are not read", jpeg->image_width,
                         jpeg->image_height, BITMAP_MOST_PIXELS / 1000000);
    if (jpeg->num_components != 1 && jpeg->num_components != 3 && jpeg->num_components != INKS)
        return error_set(decoding->error, "it is a JPEG of %d components: grey, colours and CMYK are read",
                         jpeg->num_components);
    jpeg->out_color_space = jpeg->num_components == INKS ? JCS_CMYK : JCS_RGB;
    decoding->out->width = (int)jpeg->image_width;
    decoding->out->height = (int)jpeg->image_height;
    decoding->out->rgb = malloc((size_t)jpeg->image_width * jpeg->image_height * 3);
    return decoding->out->rgb ? 0
                              : error_set(decoding->error, "out of memory for its %u x %u pixels", jpeg->image_width,
                                          jpeg->image_height);
}

/* As Pillow converts them: each file is taken to have its inks inverted, as Adobe's have, so that 255 is no ink. */
static void inks_to_rgb(const uint8_t *inks, int width, uint8_t *rgb)
{
    for (int x = 0; x < width; x++, inks += INKS, rgb += 3)
        for (int c = 0; c < 3; c++) {
            const unsigned light = inks[3], product = (255U - inks[c]) * light + 128;
            rgb[c] = (uint8_t)(light - ((product + (product >> 8)) >> 8));
        }
}

/* May longjmp. */
static void read_rows(struct decoding *decoding)
{
    struct jpeg_decompress_struct *jpeg = &decoding->jpeg;
    const struct bitmap *out = decoding->out;
    JSAMPARRAY inks = NULL; /* a row */
    if (jpeg->out_color_space == JCS_CMYK)
        inks = jpeg->mem->alloc_sarray((j_common_ptr)jpeg, JPOOL_IMAGE, jpeg->output_width * INKS, 1);
    while (jpeg->output_scanline < jpeg->output_height) {
        JSAMPROW row = out->rgb + (size_t)jpeg->output_scanline * (size_t)out->width * 3;
        (void)jpeg_read_scanlines(jpeg, inks ? inks : &row, 1);
        if (inks)
            inks_to_rgb(inks[0], out->width, row);
    }
}

/* No variable of its own lives on behind a longjmp. */
static int decode(struct decoding *decoding, const uint8_t *data, size_t size)
{
    if (setjmp(decoding->leave))
        return -1;
    if (begin(decoding, data, size) != 0)
        return -1;
    (void)jpeg_start_decompress(&decoding->jpeg);
    read_rows(decoding);
    (void)jpeg_finish_decompress(&decoding->jpeg); /* reads on to the mark of the image's end */
    return 0;
}

bool jpeg_is_one(const void *data, size_t size)
{
    return size >= sizeof first_bytes && memcmp(data, first_bytes, sizeof first_bytes) == 0;
}

int jpeg_read(const void *data, size_t size, struct bitmap *out, struct error *error)
{
    struct decoding decoding = {.out = out, .error = error};
    *out = (struct bitmap){0};
    if (!jpeg_is_one(data, size))
        return error_set(error, "it is no JPEG");
    decoding.jpeg.err = jpeg_std_error(&decoding.handlers);
    decoding.jpeg.client_data = &decoding;
    decoding.handlers.error_exit = on_error;
    decoding.handlers.emit_message = on_message;
    decoding.handlers.output_message = say_nothing;
    int result = decode(&decoding, data, size);
    if (result == 0)
        result = bitmap_turn(out, decoding.orientation, error);
    jpeg_destroy_decompress(&decoding.jpeg);
    if (result != 0)
        bitmap_free(out);
    return result;
}
