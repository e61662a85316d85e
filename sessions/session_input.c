/* What a session's network reads, in a file of its own (input.json): for whoever uses the network without its data set,
 * `nfbench predict` and programs elsewhere; see session_write_input in session.h. */
#include "sessions/session_internal.h"

#include "sessions/crc32c.h"
#include "sessions/fields.h"
#include "sessions/json.h"
#include "sessions/metrics_record.h"
#include "sessions/number.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add_channels(const char *name, const float values[3], struct text *text)
{
    text_add(text, ",\"%s\":[", name);
    for (int c = 0; c < 3; c++) {
        char number[NUMBER_SIZE];
        number_from_float(values[c], number);
        text_add(text, "%s%s", c ? "," : "", number);
    }
    text_add(text, "]");
}

static void make_text(const struct session *session, const struct dataset *dataset,
                      const struct channel_statistics *statistics, struct text *text)
{
    const bool by_set = session->settings.train.normalize == NORMALIZE_DATASET;
    text_add(text, "{\"data\":");
    text_add_string(text, dataset_name(dataset));
    text_add(text, ",\"normalize\":\"%s\"", by_set ? "dataset" : "image");
    if (by_set) {
        add_channels("mean", statistics->mean, text);
        add_channels("deviation", statistics->deviation, text);
    }
    text_add(text, ",\"classes\":[");
    for (int c = 0; c < dataset_classes(dataset); c++) {
        text_add(text, c ? "," : "");
        text_add_string(text, dataset_class_name(dataset, c));
    }
    text_add(text, "]");
    if (!text->failed)
        text_add(text, ",\"crc\":\"%08x\"}\n", crc32c(text->data, text->length));
}

static bool is_there(const char *path, const struct text *text)
{
    char *data = NULL;
    size_t size = 0;
    const bool same =
        file_read(path, &data, &size, NULL) == 0 && size == text->length && memcmp(data, text->data, text->length) == 0;
    free(data);
    return same;
}

int session_write_input(const struct session *session, const struct dataset *dataset,
                        const struct channel_statistics *statistics, struct error *error)
{
    const char *path = session->paths.input;
    struct text text = {0};
    int result = 0;
    make_text(session, dataset, statistics, &text);
    if (text.failed)
        result = error_set(error, "cannot write %s: out of memory", path);
    else if (!is_there(path, &text))
        result = file_replace(path, text.data, text.length, error);
    free(text.data);
    return result;
}

/* ---- Reading ---- */

json_t *session_input_json(const char *path, struct error *error)
{
    char *data = NULL;
    size_t size = 0;
    json_error_t why;
    if (file_read(path, &data, &size, error))
        return NULL;
    json_t *json = json_read(data, size, &why);
    if (!json && errno == ENOMEM)
        error_set(error, "cannot read %s: out of memory", path);
    else if (!json || size == 0 || data[size - 1] != '\n' || !record_checksum_fits(data, size - 1))
        file_damaged(error, "%s is damaged", path);
    else {
        free(data);
        return json;
    }
    const int reason = errno;
    free(data);
    json_decref(json);
    errno = reason;
    return NULL;
}

static bool read_channels(const json_t *list, float values[3])
{
    for (size_t c = 0; c < 3; c++) {
        const json_t *value = json_array_get(list, c);
        if (!json_is_number(value))
            return false;
        values[c] = (float)json_number_value(value);
    }
    return json_array_size(list) == 3;
}

static bool read_names(const json_t *list, struct session_input *out)
{
    out->class_count = (int)json_array_size(list);
    if (out->class_count > MODEL_MAX_CLASSES)
        return false;
    for (int c = 0; c < out->class_count; c++) {
        const char *name = json_string_value(json_array_get(list, (size_t)c));
        if (!name || !class_name_fits(name, strlen(name)))
            return false;
        strcpy(out->classes[c], name);
    }
    return true;
}

bool session_input_take(const json_t *json, const struct settings *settings, struct session_input *out)
{
    memset(out, 0, sizeof *out);
    const char *data = json_string_value(json_object_get(json, "data"));
    const bool by_set = settings->train.normalize == NORMALIZE_DATASET;
    if (!data || !class_name_fits(data, strlen(data)) || !read_names(json_object_get(json, "classes"), out) ||
        out->class_count != settings->model.classes ||
        (by_set && (!read_channels(json_object_get(json, "mean"), out->statistics.mean) ||
                    !read_channels(json_object_get(json, "deviation"), out->statistics.deviation))))
        return false;
    strcpy(out->data, data);
    return true;
}

int session_read_input(const struct session *session, struct session_input *out, struct error *error)
{
    const char *path = session->paths.input;
    json_t *json = session_input_json(path, error);
    if (!json)
        return -1;
    const bool good = session_input_take(json, &session->settings, out);
    json_decref(json);
    return good ? 0 : file_damaged(error, "%s does not fit the session's settings", path);
}

void session_input_of(const struct dataset *dataset, const struct channel_statistics *statistics,
                      struct session_input *out)
{
    memset(out, 0, sizeof *out);
    out->statistics = *statistics;
    out->class_count = dataset_classes(dataset);
    snprintf(out->data, sizeof out->data, "%s", dataset_name(dataset));
    for (int c = 0; c < out->class_count; c++)
        snprintf(out->classes[c], sizeof *out->classes, "%s", dataset_class_name(dataset, c));
}
