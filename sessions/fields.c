/* JSON members from structs and back; see fields.h. */
#include "sessions/fields.h"

#include "sessions/file.h"
#include "sessions/number.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool reserve(struct text *text, size_t more)
{
    if (text->failed)
        return false;
    size_t need = text->length + more + 1;
    if (need <= text->capacity)
        return true;
    size_t capacity = need > 2 * text->capacity ? need : 2 * text->capacity;
    char *data = realloc(text->data, capacity);
    if (!data) {
        text->failed = true;
        return false;
    }
    text->data = data;
    text->capacity = capacity;
    return true;
}

void text_add(struct text *text, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0)
        text->failed = true;
    else if (reserve(text, (size_t)length)) {
        vsnprintf(text->data + text->length, (size_t)length + 1, format, again);
        text->length += (size_t)length;
    }
    va_end(again);
}

void text_add_bytes(struct text *text, const char *bytes, size_t count)
{
    if (!reserve(text, count))
        return;
    memcpy(text->data + text->length, bytes, count);
    text->length += count;
    text->data[text->length] = '\0';
}

/* Length of the UTF-8 sequence at `s`, 0 when it is not one (RFC 3629, roughly: jansson checks it fully on reading). */
static int utf8_length(const unsigned char *s)
{
    int length = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : s[0] >= 0xe0 && s[0] < 0xf0 ? 3 : 0;
    if (s[0] >= 0xf0 && s[0] < 0xf5)
        length = 4;
    for (int i = 1; i < length; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    }
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] >= 0xa0) || (s[0] == 0xf0 && s[1] < 0x90) ||
        (s[0] == 0xf4 && s[1] >= 0x90))
        return 0;
    return length;
}

void text_add_string(struct text *text, const char *string)
{
    text_add(text, "\"");
    for (const unsigned char *s = (const unsigned char *)string; *s;) {
        int length = utf8_length(s);
        if (length == 0)
            text_add(text, "?");
        else if (*s == '"' || *s == '\\')
            text_add(text, "\\%c", *s);
        else if (*s < 0x20)
            text_add(text, "\\u%04x", *s);
        else
            text_add(text, "%.*s", length, (const char *)s);
        s += length ? length : 1;
    }
    text_add(text, "\"");
}

void text_add_utf8(struct text *text, const char *string)
{
    for (const unsigned char *s = (const unsigned char *)string; *s;) {
        const int length = utf8_length(s);
        text_add(text, "%.*s", length ? length : 1, length ? (const char *)s : "?");
        s += length ? length : 1;
    }
}

static void write_real(double value, bool single, struct text *text)
{
    char number[NUMBER_SIZE];
    if (!isfinite(value)) {
        text_add(text, "null");
        return;
    }
    if (single)
        number_from_float((float)value, number);
    else
        number_from_double(value, number);
    text_add(text, "%s", number);
}

static void write_value(const struct field *field, const void *value, struct text *text)
{
    switch (field->type) {
    case FIELD_INT:
        text_add(text, "%d", *(const int *)value);
        break;
    case FIELD_LONG:
        text_add(text, "%ld", *(const long *)value);
        break;
    case FIELD_UINT32:
        text_add(text, "%u", *(const uint32_t *)value);
        break;
    case FIELD_FLOAT:
        write_real((double)*(const float *)value, true, text);
        break;
    case FIELD_DOUBLE:
        write_real(*(const double *)value, false, text);
        break;
    case FIELD_BOOL:
        text_add(text, "%s", *(const bool *)value ? "true" : "false");
        break;
    case FIELD_TEXT:
        text_add_string(text, value);
        break;
    case FIELD_WORD:
        text_add_string(text, field->words[*(const int *)value]);
        break;
    }
}

void field_write(const struct field *field, const void *from, struct text *text)
{
    write_value(field, (const char *)from + field->offset, text);
}

void fields_write(const struct field *fields, int count, const void *from, struct text *text)
{
    for (int i = 0; i < count; i++) {
        text_add(text, "%s\"%s\":", i ? "," : "", fields[i].name);
        field_write(&fields[i], from, text);
    }
}

static bool read_integer(const json_t *json, long minimum, long maximum, long *value)
{
    if (!json_is_integer(json))
        return false;
    json_int_t number = json_integer_value(json);
    *value = (long)number;
    return number >= minimum && number <= maximum;
}

static bool read_real(const json_t *json, double limit, double *value)
{
    *value = json_is_null(json) ? NAN : json_number_value(json);
    return json_is_null(json) || (json_is_number(json) && fabs(*value) <= limit);
}

static bool read_text(const json_t *json, char *out, size_t size)
{
    if (!json_is_string(json) || json_string_length(json) >= size)
        return false;
    memcpy(out, json_string_value(json), json_string_length(json) + 1);
    return true;
}

static bool read_word(const json_t *json, const char *const *words, int *value)
{
    const char *word = json_string_value(json);
    for (*value = 0; word && words[*value]; ++*value) {
        if (strcmp(word, words[*value]) == 0)
            return true;
    }
    return false;
}

static bool read_value(const struct field *field, const json_t *json, void *value)
{
    long integer;
    double real;
    bool ok = false;
    switch (field->type) {
    case FIELD_INT:
        if ((ok = read_integer(json, INT_MIN, INT_MAX, &integer)))
            *(int *)value = (int)integer;
        break;
    case FIELD_LONG:
        if ((ok = read_integer(json, LONG_MIN, LONG_MAX, &integer)))
            *(long *)value = integer;
        break;
    case FIELD_UINT32:
        if ((ok = read_integer(json, 0, UINT32_MAX, &integer)))
            *(uint32_t *)value = (uint32_t)integer;
        break;
    case FIELD_FLOAT:
        if ((ok = read_real(json, (double)__FLT_MAX__, &real)))
            *(float *)value = (float)real;
        break;
    case FIELD_DOUBLE:
        if ((ok = read_real(json, __DBL_MAX__, &real)))
            *(double *)value = real;
        break;
    case FIELD_BOOL:
        if ((ok = json_is_boolean(json)))
            *(bool *)value = json_is_true(json);
        break;
    case FIELD_TEXT:
        ok = read_text(json, value, field->size);
        break;
    case FIELD_WORD:
        ok = read_word(json, field->words, value);
        break;
    }
    return ok;
}

bool field_read(const struct field *field, const json_t *value, void *to)
{
    return read_value(field, value, (char *)to + field->offset);
}

int fields_read(const struct field *fields, int count, const json_t *object, void *to, struct error *error)
{
    for (int i = 0; i < count; i++) {
        const json_t *json = json_object_get(object, fields[i].name);
        if (json && field_read(&fields[i], json, to))
            continue;
        return file_damaged(error, "%s is %s", fields[i].name, json ? "not a valid value" : "missing");
    }
    return 0;
}
