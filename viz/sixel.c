/* See sixel.h. A sixel is a column of six pixels of one colour, a bit each from the top; a band of them is written once
 * for each of its colours. */
#include "viz/sixel.h"

#include <stdlib.h>
#include <string.h>

enum { PALETTE = 256, BAND = 6 };

/* ---- The palette ---- */

struct box {
    int first, count; /* of the sorted pixels */
};

struct quantizer {
    const uint8_t *rgb;
    int *order;     /* (count): pixels, those of a box together */
    uint8_t *index; /* (count): of a pixel's colour in the palette */
    uint8_t palette[PALETTE][3];
    struct box boxes[PALETTE];
    int colors;
};

struct by_channel {
    const uint8_t *rgb;
    int channel;
};

static int compare(const void *a, const void *b, void *context)
{
    const struct by_channel *by = context;
    const int i = *(const int *)a, j = *(const int *)b;
    const int difference = by->rgb[3 * i + by->channel] - by->rgb[3 * j + by->channel];
    return difference ? difference : i - j;
}

/* The channel in which a box is widest, and how wide. */
static int widest(const struct quantizer *q, const struct box *box, int *channel)
{
    int most = 0;
    *channel = 0;
    for (int c = 0; c < 3; c++) {
        int low = 255, high = 0;
        for (int i = box->first; i < box->first + box->count; i++) {
            const int value = q->rgb[3 * q->order[i] + c];
            low = value < low ? value : low;
            high = value > high ? value : high;
        }
        if (high - low > most) {
            most = high - low;
            *channel = c;
        }
    }
    return most;
}

/* Halves the widest box; false when all are of one colour. */
static bool split_widest(struct quantizer *q, int width[PALETTE], int channel[PALETTE])
{
    int at = 0;
    for (int b = 1; b < q->colors; b++)
        at = width[b] > width[at] ? b : at;
    if (width[at] == 0)
        return false;
    struct box *box = &q->boxes[at], *other = &q->boxes[q->colors];
    struct by_channel by = {q->rgb, channel[at]};
    qsort_r(q->order + box->first, (size_t)box->count, sizeof *q->order, compare, &by);
    *other = (struct box){box->first + box->count / 2, box->count - box->count / 2};
    box->count /= 2;
    width[at] = widest(q, box, &channel[at]);
    width[q->colors] = widest(q, other, &channel[q->colors]);
    q->colors++;
    return true;
}

/* A box's colour is the mean of its pixels. */
static void name_colors(struct quantizer *q)
{
    for (int b = 0; b < q->colors; b++) {
        const struct box *box = &q->boxes[b];
        for (int c = 0; c < 3; c++) {
            int sum = 0;
            for (int i = box->first; i < box->first + box->count; i++)
                sum += q->rgb[3 * q->order[i] + c];
            q->palette[b][c] = (uint8_t)((sum + box->count / 2) / box->count);
        }
        for (int i = box->first; i < box->first + box->count; i++)
            q->index[q->order[i]] = (uint8_t)b;
    }
}

static void quantize(struct quantizer *q, int count)
{
    int width[PALETTE], channel[PALETTE];
    for (int i = 0; i < count; i++)
        q->order[i] = i;
    q->boxes[0] = (struct box){0, count};
    q->colors = 1;
    width[0] = widest(q, &q->boxes[0], &channel[0]);
    while (q->colors < PALETTE && split_widest(q, width, channel))
        ;
    name_colors(q);
}

/* ---- Sixels ---- */

struct sixels {
    FILE *file;
    const uint8_t *index; /* of the source */
    int source_width, source_height, width, height;
    uint8_t *band; /* (6, width): indices of the band's pixels */
};

/* Returns its height. */
static int fill_band(const struct sixels *s, int top)
{
    const int rows = s->height - top < BAND ? s->height - top : BAND;
    for (int y = 0; y < rows; y++) {
        const uint8_t *source = s->index + (long)(top + y) * s->source_height / s->height * s->source_width;
        for (int x = 0; x < s->width; x++)
            s->band[y * s->width + x] = source[(long)x * s->source_width / s->width];
    }
    return rows;
}

static void write_run(FILE *file, int count, int bits)
{
    const char sixel = (char)(0x3f + bits);
    if (count > 3)
        fprintf(file, "!%d%c", count, sixel);
    else
        while (count-- > 0)
            fputc(sixel, file);
}

/* One colour's pixels of a band; what is behind the last of them is left out. */
static void write_color(const struct sixels *s, int rows, int color)
{
    int run = 0, before = -1;
    fprintf(s->file, "#%d", color);
    for (int x = 0; x < s->width; x++) {
        int bits = 0;
        for (int y = 0; y < rows; y++)
            bits |= (s->band[y * s->width + x] == color) << y;
        if (bits != before && run > 0) {
            write_run(s->file, run, before);
            run = 0;
        }
        before = bits;
        run++;
    }
    if (before > 0)
        write_run(s->file, run, before);
}

static void write_band(const struct sixels *s, int top)
{
    const int rows = fill_band(s, top);
    bool there[PALETTE] = {false}, first = true;
    for (int i = 0; i < rows * s->width; i++)
        there[s->band[i]] = true;
    for (int color = 0; color < PALETTE; color++) {
        if (!there[color])
            continue;
        if (!first)
            fputc('$', s->file);
        first = false;
        write_color(s, rows, color);
    }
}

int sixel_write(FILE *file, const uint8_t *rgb, int source_width, int source_height, int width, int height,
                struct error *error)
{
    const size_t count = (size_t)source_width * (size_t)source_height;
    struct quantizer *q = calloc(1, sizeof *q);
    uint8_t *band = malloc((size_t)BAND * (size_t)width);
    int status = -1;
    if (!q || !band || !(q->order = malloc(count * sizeof *q->order)) || !(q->index = malloc(count))) {
        error_set(error, "out of memory for a picture of %d x %d pixels", source_width, source_height);
        goto out;
    }
    q->rgb = rgb;
    quantize(q, (int)count);
    fprintf(file, "\033P0;1q\"1;1;%d;%d", width, height);
    for (int c = 0; c < q->colors; c++)
        fprintf(file, "#%d;2;%d;%d;%d", c, (q->palette[c][0] * 100 + 127) / 255, (q->palette[c][1] * 100 + 127) / 255,
                (q->palette[c][2] * 100 + 127) / 255);
    const struct sixels sixels = {file, q->index, source_width, source_height, width, height, band};
    for (int top = 0; top < height; top += BAND) {
        if (top > 0)
            fputc('-', file);
        write_band(&sixels, top);
    }
    fputs("\033\\", file);
    status = 0;
out:
    if (q) {
        free(q->order);
        free(q->index);
    }
    free(q);
    free(band);
    return status;
}

/* ---- Kitty ---- */

enum { CHUNK = 3072, LEAST_SIDE = 24 }; /* bytes of a chunk: 4096 characters */

static void write_base64(FILE *file, const uint8_t *bytes, size_t count)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < count; i += 3) {
        const size_t left = count - i;
        const unsigned word = (unsigned)bytes[i] << 16 | (left > 1 ? (unsigned)bytes[i + 1] << 8 : 0) |
                              (left > 2 ? (unsigned)bytes[i + 2] : 0);
        fputc(digits[word >> 18], file);
        fputc(digits[word >> 12 & 63], file);
        fputc(left > 1 ? digits[word >> 6 & 63] : '=', file);
        fputc(left > 2 ? digits[word & 63] : '=', file);
    }
}

/* Each pixel `factor` times as wide and high. */
static uint8_t *enlarge(const uint8_t *rgb, int width, int height, int factor)
{
    uint8_t *larger = malloc((size_t)width * (size_t)height * (size_t)factor * (size_t)factor * 3);
    for (int y = 0; larger && y < height * factor; y++)
        for (int x = 0; x < width * factor; x++)
            memcpy(larger + 3 * ((size_t)y * (size_t)width * (size_t)factor + (size_t)x),
                   rgb + 3 * ((size_t)(y / factor) * (size_t)width + (size_t)(x / factor)), 3);
    return larger;
}

int kitty_write(FILE *file, unsigned id, const uint8_t *rgb, int width, int height, int columns, int rows,
                struct error *error)
{
    const int side = width < height ? width : height;
    const int factor = side < LEAST_SIDE ? (LEAST_SIDE + side - 1) / side : 1;
    uint8_t *larger = enlarge(rgb, width, height, factor);
    const size_t count = (size_t)width * (size_t)height * (size_t)factor * (size_t)factor * 3;
    if (!larger)
        return error_set(error, "out of memory for a picture of %d x %d pixels", width, height);
    for (size_t at = 0; at < count; at += CHUNK) {
        const size_t part = count - at < CHUNK ? count - at : CHUNK;
        const int more = at + part < count;
        if (at == 0)
            fprintf(file, "\033_Ga=T,f=24,s=%d,v=%d,c=%d,r=%d,i=%u,p=1,q=2,C=1,m=%d;", width * factor, height * factor,
                    columns, rows, id, more);
        else
            fprintf(file, "\033_Gm=%d,q=2;", more);
        write_base64(file, larger + at, part);
        fputs("\033\\", file);
    }
    free(larger);
    return 0;
}

void kitty_delete(FILE *file, unsigned id)
{
    fprintf(file, "\033_Ga=d,d=I,i=%u,q=2\033\\", id);
}
