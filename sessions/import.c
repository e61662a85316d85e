/* Foreign weights into a session; see import.h. */
#include "sessions/import.h"

#include "sessions/safetensors.h"
#include "sessions/session_internal.h"
#include "sessions/tensors.h"

#include <stdio.h>
#include <string.h>

int import_classes(const char *path, int *classes, struct error *error)
{
    struct safetensors *file;
    if (safetensors_open(path, &file, error))
        return -1;
    const struct tensor *head = safetensors_find(file, "head.weight");
    int result = 0;
    if (!head || head->dim_count != 2 || head->dims[0] < 2 || head->dims[0] > MODEL_MAX_CLASSES)
        result = error_set(error, "cannot import %s: it has no head.weight of shape (classes, width)", path);
    else
        *classes = (int)head->dims[0];
    safetensors_close(file);
    return result;
}

static int take_network(const struct settings *kept, struct settings *settings, struct error *error)
{
    const struct settings given = *settings;
    const struct setting *row;
    settings->model = kept->model;
    strcpy(settings->origin, kept->origin);
    if (!settings_given(&given, "normalize"))
        settings->train.normalize = kept->train.normalize;
    for (int i = 0; (row = settings_row(i)); i++) {
        char value[SETTINGS_VALUE_SIZE];
        if (strcmp(row->section, "model") != 0 || !settings_given(&given, row->name))
            continue;
        settings_get(&given, row, value);
        if (settings_set(settings, row->name, value, error))
            return -1;
    }
    return settings_validate(settings, error);
}

int import_network(const char *path, struct settings *settings, bool *known, struct error *error)
{
    struct safetensors *file;
    struct settings kept;
    *known = false;
    if (safetensors_open(path, &file, error))
        return -1;
    const char *text = safetensors_metadata(file, "settings.ini");
    FILE *stream = NULL;
    int result = 0;
    if (text) {
        *known = true;
        stream = fmemopen((void *)text, strlen(text), "r");
        result = stream ? 0 : file_failed(error, "read", path);
        if (result == 0 && (settings_default(&kept, error) || settings_read_stream(&kept, stream, path, error) ||
                            take_network(&kept, settings, error)))
            result = error_prefix(error, "the settings in the file");
    }
    if (stream)
        fclose(stream);
    safetensors_close(file);
    return result;
}

int import_weights(const char *path, struct network *network, struct error *error)
{
    struct safetensors *file;
    if (safetensors_open(path, &file, error))
        return -1;
    int result = tensors_load(file, network, TENSORS_WEIGHTS, error);
    if (result)
        error_prefix(error, "cannot import %s", path);
    safetensors_close(file);
    return result;
}

int import_session(const char *path, const struct settings *settings, struct network *network, struct session **out,
                   struct error *error)
{
    const struct training_state state = training_state_first(settings->train.learning_rate);
    struct session *session;
    if (import_weights(path, network, error) || session_prepare(settings, &session, error))
        return -1;
    if (metrics_log_state(session->metrics, METRICS_IMPORTED, 0, path, error) ||
        session_save(session, network, &state, false, error) ||
        session_keep_name(session, CHECKPOINT_IMPORTED, state.step, error) || session_publish(session, error)) {
        session_abandon(session);
        return -1;
    }
    *out = session;
    return 0;
}
