/* See probe_record.h. */
#include "sessions/probe_record.h"

#include <string.h>

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

static const struct field head_fields[] = {
    FIELD(probe, step, FIELD_LONG),
    FIELD(probe, images, FIELD_INT),
    FIELD(probe, loss, FIELD_FLOAT),
    FIELD(probe, gradients, FIELD_BOOL),
};
static const struct field point_fields[] = {
    FIELD(probe_point, channels, FIELD_INT),
    FIELD(probe_point, predicted, FIELD_FLOAT),
    FIELD(probe_point, squared_mean, FIELD_FLOAT),
    FIELD(probe_point, variance, FIELD_FLOAT),
    FIELD(probe_point, shortcut_variance, FIELD_FLOAT),
    FIELD(probe_point, branch_variance, FIELD_FLOAT),
    FIELD(probe_point, least, FIELD_FLOAT),
    FIELD(probe_point, most, FIELD_FLOAT),
    FIELD(probe_point, dead, FIELD_FLOAT),
    FIELD(probe_point, finite, FIELD_BOOL),
    FIELD(probe_point, gradient_norm, FIELD_FLOAT),
    FIELD(probe_point, gradient_variance, FIELD_FLOAT),
    FIELD(probe_point, weight_norm, FIELD_FLOAT),
    FIELD(probe_point, weight_gradient_norm, FIELD_FLOAT),
    FIELD(probe_point, update_ratio, FIELD_FLOAT),
    FIELD(probe_point, clipped, FIELD_FLOAT),
};

struct fields probe_head_fields(void)
{
    return (struct fields){head_fields, COUNT(head_fields)};
}

struct fields probe_point_fields(void)
{
    return (struct fields){point_fields, COUNT(point_fields)};
}

/* ---- Counts ---- */

static const char alphabet[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";
enum { BASE_BITS = 5, BASE = 1 << BASE_BITS, DIGITS = (32 + BASE_BITS - 1) / BASE_BITS };

static char *put_number(char *to, uint32_t number)
{
    for (; number >= BASE; number >>= BASE_BITS)
        *to++ = alphabet[BASE + number % BASE];
    *to++ = alphabet[number];
    return to;
}

/* False at the text's end, or where there is no number. */
static bool take_number(const char **text, uint32_t *number)
{
    *number = 0;
    for (int shift = 0; shift < 32; shift += BASE_BITS) {
        const char *place = **text ? strchr(alphabet, **text) : NULL;
        if (!place)
            return false;
        const uint32_t digit = (uint32_t)(place - alphabet);
        (*text)++;
        *number |= digit % BASE << shift;
        if (digit < BASE)
            return true;
    }
    return false;
}

static void write_counts(const uint32_t counts[VALUE_BINS], struct text *text)
{
    char all[DIGITS * (VALUE_BINS + 1) + 1];
    char *end = all;
    int first = 0, last = VALUE_BINS;
    while (first < VALUE_BINS && counts[first] == 0)
        first++;
    while (last > first && counts[last - 1] == 0)
        last--;
    if (first < last)
        end = put_number(end, (uint32_t)first);
    for (int i = first; i < last; i++)
        end = put_number(end, counts[i]);
    *end = '\0';
    text_add(text, "\"%s\"", all);
}

static bool read_counts(const json_t *json, uint32_t counts[VALUE_BINS])
{
    const char *text = json_string_value(json);
    uint32_t bin;
    if (!text || !*text)
        return text;
    if (!take_number(&text, &bin))
        return false;
    for (; *text; bin++)
        if (bin >= VALUE_BINS || !take_number(&text, &counts[bin]))
            return false;
    return true;
}

/* ---- The record ---- */

static void write_column(const struct probe *probe, const struct field *field, struct text *text)
{
    text_add(text, ",\"%s\":[", field->name);
    for (int i = 0; i < probe->count; i++) {
        text_add(text, i ? "," : "");
        field_write(field, &probe->points[i], text);
    }
    text_add(text, "]");
}

void probe_record_write(const struct probe *probe, struct text *text)
{
    fields_write(head_fields, COUNT(head_fields), probe, text);
    for (int i = 0; i < COUNT(point_fields); i++)
        write_column(probe, &point_fields[i], text);
    text_add(text, ",\"values\":[");
    for (int i = 0; i < probe->count; i++) {
        text_add(text, i ? "," : "");
        write_counts(probe->points[i].values, text);
    }
    text_add(text, "],\"variances\":[");
    for (int i = 0; i < probe->count; i++) {
        text_add(text, i ? "," : "");
        write_counts(probe->points[i].variances, text);
    }
    text_add(text, "]");
}

/* The list of that name, NULL unless it has an element for each point. */
static const json_t *column(const json_t *object, const char *name, int count)
{
    const json_t *list = json_object_get(object, name);
    return json_array_size(list) == (size_t)count ? list : NULL;
}

static bool read_points(const json_t *object, struct probe *probe)
{
    for (int f = 0; f < COUNT(point_fields); f++) {
        const json_t *list = column(object, point_fields[f].name, probe->count);
        for (int i = 0; i < probe->count; i++)
            if (!list || !field_read(&point_fields[f], json_array_get(list, (size_t)i), &probe->points[i]))
                return false;
    }
    const json_t *values = column(object, "values", probe->count);
    const json_t *variances = column(object, "variances", probe->count);
    for (int i = 0; i < probe->count; i++)
        if (!values || !variances || !read_counts(json_array_get(values, (size_t)i), probe->points[i].values) ||
            !read_counts(json_array_get(variances, (size_t)i), probe->points[i].variances))
            return false;
    return true;
}

struct probe *probe_record_read(const json_t *object)
{
    struct probe *probe = NULL;
    const size_t count = json_array_size(json_object_get(object, point_fields[0].name));
    if (count < 1 || count > 1 + MODEL_MAX_BLOCKS || probe_create_summary((int)count, &probe, NULL))
        return NULL;
    if (fields_read(head_fields, COUNT(head_fields), object, probe, NULL) == 0 && read_points(object, probe))
        return probe;
    probe_destroy(probe);
    return NULL;
}
