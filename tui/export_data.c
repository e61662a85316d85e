/* See export_data.h. */
#include "tui/export_data.h"

#include "base/destination.h"
#include "sessions/csv.h"
#include "sessions/fields.h"
#include "sessions/file.h"
#include "sessions/tensorboard.h"
#include "sessions/tensors.h"
#include "tui/run.h"
#include "viz/png.h"

#include <stdlib.h>
#include <sys/stat.h>

/* ---- Tables ---- */

int export_csv(const struct export_source *source, const char *folder, export_told *told, void *context,
               struct error *error)
{
    const char *name;
    for (int i = 0; (name = csv_table(i)); i++) {
        char path[FILE_PATH_SIZE];
        if (csv_write(i, &source->metrics, folder, path, error) != 0)
            return -1;
        told(context, name, path);
    }
    return 0;
}

/* ---- Weights ---- */

static int save_weights(struct export_source *source, struct network *network, const char *path, struct error *error)
{
    char note[256];
    if (measure_load(source->session, &source->checkpoint, network, &source->taken, note, error) != 0)
        return -1;
    struct text settings = {0};
    if (settings_format(session_settings(source->session), &settings, error) != 0) {
        free(settings.data);
        return -1;
    }
    char *caption = export_caption(session_name(source->session), source->taken.step, &source->settings);
    const bool averaged = source->settings.train.ema > 0;
    const struct metadata metadata[] = {{"format", "pt"},
                                        {"nfbench:session", caption},
                                        {"weights", averaged ? "averaged" : "raw"},
                                        {"settings.ini", settings.data}};
    const int result = caption && !settings.failed
                           ? tensors_save(path, network, averaged ? TENSORS_AVERAGED : TENSORS_VALUES, metadata,
                                          sizeof metadata / sizeof *metadata, error)
                           : error_set(error, "out of memory");
    free(caption);
    free(settings.data);
    return result;
}

/* The file behind a link. The digest goes in last, at the file's beginning: a pipe cannot take that. */
static int find_file(const char *path, char real[PATH_MAX], struct error *error)
{
    switch (destination_find(path, real)) {
    case DESTINATION_FILE:
        return 0;
    case DESTINATION_SPECIAL:
        return error_set(error, "cannot write %s: safetensors need a file, and this is none", path);
    case DESTINATION_FAILED:
        break;
    }
    return file_failed(error, "write", path);
}

int export_weights_file(struct export_source *source, const char *path, struct error *error)
{
    char real[PATH_MAX];
    struct settings settings = source->settings;
    struct backend *backend = NULL;
    struct network *network = NULL;
    char device[DEVICE_TEXT_SIZE], note[DEVICE_NOTE_SIZE];
    if (find_file(path, real, error) != 0 ||
        run_open_network(&settings, NULL, &backend, &network, device, note, error) != 0)
        return -1;
    const int result = save_weights(source, network, real, error);
    network_destroy(network);
    backend->destroy(backend);
    return result;
}

/* ---- TensorBoard ---- */

/* When the session's last record was written. */
static double last_record(const struct session *session)
{
    char path[FILE_PATH_SIZE];
    struct stat status;
    if (path_format(path, NULL, "%s/metrics.jsonl", session_path(session)) || stat(path, &status) != 0)
        return 0;
    return (double)status.st_mtim.tv_sec;
}

int export_open_events(const struct export_source *source, const char *logdir, struct tensorboard **out,
                       char path[EXPORT_PATH_SIZE], struct error *error)
{
    const struct metrics *metrics = &source->metrics;
    *out = NULL;
    if (path_format(path, error, "%s/%s", logdir, session_name(source->session)) || file_make_folders(path, error) ||
        tensorboard_open(path, out, error))
        return -1;
    if (tensorboard_start(*out, metrics, 0, last_record(source->session), error) == 0 &&
        tensorboard_settings(*out, &source->settings, 0, error) == 0 &&
        (!*metrics->end_state ||
         tensorboard_state(*out, metrics->last_step, metrics->end_state, metrics->end_message, error) == 0))
        return 0;
    tensorboard_close(*out);
    *out = NULL;
    return -1;
}

int export_write_event(struct export_source *source, int row, struct tensorboard *board, struct error *error)
{
    struct tensorboard_picture picture = {.name = export_row(row)->name};
    struct canvas *canvas = NULL;
    char *png = NULL;
    if (export_row(row)->draw(source, &canvas, error) != 0)
        return -1;
    const uint8_t *rgb = canvas_pixels(canvas, &picture.width, &picture.height);
    int status = png_encode(rgb, picture.width, picture.height, &png, &picture.size, error);
    if (status == 0) {
        picture.png = png;
        status = tensorboard_picture(board, &picture, export_step_of(source, row), error);
    }
    free(png);
    canvas_destroy(canvas);
    return status;
}
