/* See words.h. */
#include "tui/words.h"

#include "viz/canvas.h"

#include <ctype.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

void words_count(double value, char *text, size_t size)
{
    char digits[32];
    size_t used = 0, length;

    if (!isfinite(value) || fabs(value) >= 1e15) {
        snprintf(text, size, "%.3g", value);
        return;
    }
    length = (size_t)snprintf(digits, sizeof(digits), "%.0f", fabs(value));
    if (value <= -0.5 && size > 1)
        text[used++] = '-';
    for (size_t i = 0; i < length && used + 2 < size; i++) {
        text[used++] = digits[i];
        if (i + 1 < length && (length - i - 1) % 3 == 0)
            text[used++] = ',';
    }
    if (size)
        text[used] = 0;
}

void words_bytes(double bytes, char *text, size_t size)
{
    if (bytes >= 1e9)
        snprintf(text, size, "%.1f GB", bytes / 1e9);
    else if (bytes >= 1e6)
        snprintf(text, size, "%.0f MB", bytes / 1e6);
    else
        snprintf(text, size, "%.0f kB", bytes / 1e3);
}

void words_duration(double seconds, char *text, size_t size)
{
    long whole;

    if (!(seconds >= 0) || seconds > 1e9) {
        snprintf(text, size, "-");
        return;
    }
    whole = lround(seconds);
    if (whole >= 86400)
        snprintf(text, size, "%ld d %02ld:%02ld", whole / 86400, whole / 3600 % 24, whole / 60 % 60);
    else if (whole >= 3600)
        snprintf(text, size, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
    else
        snprintf(text, size, "%ld:%02ld", whole / 60, whole % 60);
}

void words_sentences(char *text)
{
    for (char *dot = strstr(text, ". "); dot; dot = strstr(dot + 2, ". "))
        if (isupper((unsigned char)dot[2]))
            dot[1] = '\n';
}

void words_percent(double part, char *text, size_t size)
{
    if (part >= 0)
        snprintf(text, size, "%.2f %%", 100 * part);
    else
        snprintf(text, size, "-");
}

void words_cut(char *text, size_t size, int columns)
{
    const char *at = text, *keep = text;
    int used = 0;

    if (text_columns(text) <= columns)
        return;
    while (*at) {
        used += code_columns(text_next(&at));
        if (used > columns - 1 || (size_t)(at - text) + sizeof("\u2026") > size)
            break;
        keep = at;
    }
    memcpy(text + (keep - text), "\u2026", sizeof("\u2026"));
}

static bool steers_terminal(uint32_t code)
{
    return code < ' ' || (code >= 0x7F && code < 0xA0) || (code >= 0x202A && code <= 0x202E) ||
           (code >= 0x2066 && code <= 0x2069) || code == 0xFFFD;
}

void words_printable(const char *from, char *text, size_t size)
{
    size_t used = 0;
    for (const char *at = from; *from; from = at) {
        const uint32_t code = text_next(&at);
        const bool kept = !steers_terminal(code);
        const size_t length = kept ? (size_t)(at - from) : 1;
        if (used + length >= size)
            break;
        memcpy(text + used, kept ? from : "?", length);
        used += length;
    }
    text[used] = 0;
}

void words_rate(double rate, char *text, size_t size)
{
    snprintf(text, size, "%.4g", rate);
}

size_t words_wrap(const char *text, int columns, const char **next)
{
    const char *at = text, *blank = NULL;
    int used = 0;

    while (*at && *at != '\n') {
        const char *after = at;
        int width = code_columns(text_next(&after));

        if (used + width > columns && at > text)
            break;
        if (*at == ' ')
            blank = at;
        used += width;
        at = after;
    }
    if (*at && *at != '\n' && *at != ' ' && blank)
        at = blank;
    *next = at + (*at == '\n' ? 1 : strspn(at, " "));
    while (at > text && at[-1] == ' ')
        at--;
    return (size_t)(at - text);
}

int words_wrapped_lines(const char *text, int columns)
{
    int lines = 0;

    for (; *text; lines++)
        words_wrap(text, columns, &text);
    return lines;
}
