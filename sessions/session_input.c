/* What a session's network reads, in a file of its own (input.json): for programs that load the network elsewhere; see
 * session_write_input in session.h. */
#include "sessions/session_internal.h"

#include "sessions/crc32c.h"
#include "sessions/fields.h"
#include "sessions/number.h"

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
