/* See pictures.h. */
#include "tests/support/pictures.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Sixels ---- */

struct reader {
    const char *at, *end;
};

static int read_number(struct reader *reader)
{
    int number = 0;
    while (reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9')
        number = 10 * number + *reader->at++ - '0';
    return number;
}

/* Numbers with semicolons between them; returns how many. */
static int read_numbers(struct reader *reader, int *numbers, int most)
{
    int count = 0;
    while (count < most) {
        numbers[count++] = read_number(reader);
        if (reader->at == reader->end || *reader->at != ';')
            break;
        reader->at++;
    }
    return count;
}

static void paint(struct sixel_picture *picture, int x, int top, int bits, const uint8_t color[3])
{
    for (int y = 0; y < 6; y++)
        if (bits >> y & 1 && x < picture->width && top + y < picture->height) {
            memcpy(picture->rgb + 3 * ((long)(top + y) * picture->width + x), color, 3);
            picture->painted++;
        }
}

bool sixel_decode(const char *bytes, size_t count, struct sixel_picture *out)
{
    struct reader reader = {bytes, bytes + count};
    uint8_t palette[256][3] = {{0}};
    int numbers[5], color = 0, x = 0, top = 0, repeat = 1;
    *out = (struct sixel_picture){0};
    while (reader.at < reader.end && *reader.at != 'q')
        reader.at++;
    if (reader.at == reader.end || *++reader.at != '"')
        return false;
    reader.at++;
    if (read_numbers(&reader, numbers, 4) != 4 || numbers[2] < 1 || numbers[3] < 1)
        return false;
    out->width = numbers[2];
    out->height = numbers[3];
    out->rgb = calloc((size_t)out->width * (size_t)out->height, 3);
    while (out->rgb && reader.at < reader.end) {
        const char byte = *reader.at++;
        if (byte == '#') {
            const int given = read_numbers(&reader, numbers, 5);
            color = numbers[0] & 255;
            out->colors += given == 5;
            for (int c = 0; given == 5 && c < 3; c++)
                palette[color][c] = (uint8_t)((numbers[2 + c] * 255 + 50) / 100);
        } else if (byte == '!') {
            repeat = read_number(&reader);
        } else if (byte == '$' || byte == '-') {
            x = 0;
            top += byte == '-' ? 6 : 0;
        } else if (byte >= 0x3f && byte <= 0x7e) {
            for (; repeat > 0; repeat--)
                paint(out, x++, top, byte - 0x3f, palette[color]);
            repeat = 1;
        } else {
            free(out->rgb);
            return false;
        }
    }
    return out->rgb != NULL;
}

/* ---- Kitty ---- */

static int digit(char byte)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = memchr(digits, byte, 64);
    return at ? (int)(at - digits) : -1;
}

static bool read_base64(const char *at, const char *end, struct kitty_command *out)
{
    unsigned word = 0;
    int bits = 0;
    out->payload = malloc((size_t)(end - at) + 1);
    if (!out->payload || (end - at) % 4)
        return false;
    for (; at < end && *at != '='; at++) {
        if (digit(*at) < 0)
            return false;
        word = word << 6 | (unsigned)digit(*at);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out->payload[out->size++] = (uint8_t)(word >> bits);
        }
    }
    return end - at <= 2;
}

bool kitty_decode(const char *bytes, size_t count, struct kitty_command *out)
{
    const char *end = bytes + count, *payload = memchr(bytes, ';', count), *keys = payload ? payload : end;
    *out = (struct kitty_command){0};
    for (struct reader reader = {bytes, keys}; reader.at < keys; reader.at++) {
        const char key = reader.at[0], value = reader.at[2];
        if (keys - reader.at < 3 || reader.at[1] != '=')
            return false;
        reader.at += 2;
        const int number = read_number(&reader);
        if (key == 'a')
            out->action = value;
        else if (key == 'd')
            out->what = value;
        while (reader.at < keys && *reader.at != ',')
            reader.at++;
        if (key == 'i')
            out->id = (unsigned)number;
        else if (key == 's')
            out->width = number;
        else if (key == 'v')
            out->height = number;
        else if (key == 'c')
            out->columns = number;
        else if (key == 'r')
            out->rows = number;
        else if (key == 'm')
            out->more = number == 1;
    }
    if (!payload || read_base64(payload + 1, end, out))
        return true;
    free(out->payload);
    return false;
}
