/* The table of what can be exported, and how a row becomes a file; see export.h. */
#include "tui/export.h"

#include "sessions/file.h"
#include "viz/png.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const struct export_row table[] = {
    {"loss", "loss in training, validation and test over the steps", false, false, export_loss},
    {"accuracy", "accuracy in training, validation and test over the steps", false, false, export_accuracy},
    {"signal", "signal propagation plot: what the newest probe measured over depth, against the prediction", true,
     false, export_signal},
    {"gradients", "norm and variance of the gradient over depth", true, false, export_gradients},
    {"weights", "norm of each block's weights, and how far a step moves them", true, false, export_weights},
    {"histograms", "distribution of each block's activations", true, false, export_histograms},
    {"variances", "distribution of the variances of each block's channels", true, false, export_variances},
    {"density", "activations of each block over the steps", true, false, export_density},
    {"learning-rate", "learning rate over the steps", false, false, export_learning_rate},
    {"gradient-norm", "norm of the whole gradient over the steps", false, false, export_gradient_norm},
    {"augmentation", "training images, each beside what augmentation makes of it", false, true, export_augmentation},
    {"samples", "random images: class, prediction, confidence", false, true, export_samples},
    {"classes", "random images of each class", false, true, export_classes},
    {"mistakes", "the most confident mistakes", false, true, export_mistakes},
    {"losses", "the images with the highest loss", false, true, export_losses},
    {"confusion", "confusion matrix: what is taken for what", false, true, export_confusion},
    {"reliability", "accuracy over confidence: is the network right as often as it is confident", false, true,
     export_reliability},
    {"filters", "the filters of the first convolution as pictures", false, true, export_filters},
};

enum { ROWS = sizeof table / sizeof *table };
_Static_assert((int)ROWS <= (int)EXPORT_ROWS, "a set holds every row");

const struct export_row *export_row(int index)
{
    return index >= 0 && index < ROWS ? &table[index] : NULL;
}

/* ---- Names ---- */

static bool is_word(const char *name, size_t length, const char *word)
{
    return strlen(word) == length && strncmp(name, word, length) == 0;
}

static bool take_name(const char *name, size_t length, struct export_set *set)
{
    bool all = is_word(name, length, "all"), log = is_word(name, length, "log"), found = all || log;
    for (int i = 0; i < ROWS; i++)
        if (all || (log && !table[i].network) || is_word(name, length, table[i].name))
            set->rows[i] = found = true;
    return found;
}

static int unknown_name(const char *name, size_t length, struct error *error)
{
    char names[400] = "";
    for (int i = 0; i < ROWS; i++)
        snprintf(names + strlen(names), sizeof names - strlen(names), "%s, ", table[i].name);
    return error_set(error, "there is no picture '%.*s': there are %sand all, log (those without the network)",
                     (int)(length < 40 ? length : 40), name, names);
}

int export_parse(const char *names, struct export_set *set, struct error *error)
{
    static const char between[] = ", ";
    *set = (struct export_set){{false}};
    names += strspn(names, between);
    if (!*names)
        return unknown_name("", 0, error);
    for (size_t length; *names; names += length, names += strspn(names, between)) {
        length = strcspn(names, between);
        if (!take_name(names, length, set))
            return unknown_name(names, length, error);
    }
    return 0;
}

bool export_needs_network(const struct export_set *set)
{
    for (int i = 0; i < ROWS; i++)
        if (set->rows[i] && table[i].network)
            return true;
    return false;
}

/* ---- A session's pictures ---- */

int export_open(struct export_source *source, struct session *session, const struct settings *settings,
                struct error *error)
{
    *source = (struct export_source){.session = session,
                                     .settings = *settings,
                                     .theme = theme_find("light"),
                                     .scale = 2,
                                     .probe_at = -1,
                                     .checkpoint = {.which = MEASURE_BEST},
                                     .part = "test"};
    if (session_metrics(session, &source->metrics, error) || curves_create(EXPORT_SMOOTHING, &source->curves, error) ||
        curves_add_history(source->curves, &source->metrics, error))
        return -1;
    source->step = source->metrics.last_step;
    return 0;
}

void export_close(struct export_source *source)
{
    export_close_network(source);
    curves_destroy(source->curves);
    metrics_free(&source->metrics);
}

char *export_caption(const char *session, long step, const struct settings *settings)
{
    json_t *saved = json_object(), *whole = NULL;
    const struct setting *row;
    int failed = saved == NULL;
    for (int i = 0; (row = settings_row(i)) && !failed; i++) {
        char value[SETTINGS_VALUE_SIZE];
        if (!row->saved)
            continue;
        settings_get(settings, row, value);
        failed = json_object_set_new(saved, row->name, json_string(value)) && json_string_value(saved);
    }
    whole = json_pack("{s:s*, s:I, s:o}", "session", session, "step", (json_int_t)step, "settings", saved);
    char *text = whole ? json_dumps(whole, JSON_COMPACT) : NULL;
    json_decref(whole);
    return text;
}

long export_step_of(const struct export_source *source, int row)
{
    const struct probe *probe = table[row].probes ? export_probe(source) : NULL;
    return probe ? probe->step : table[row].network && source->opened ? source->measure.state.step : source->step;
}

/* Where a picture goes; the folder is there then. */
static int find_path(const struct export_source *source, const char *name, long step, const char *folder,
                     char path[EXPORT_PATH_SIZE], struct error *error)
{
    char images[EXPORT_PATH_SIZE];
    if (!folder) {
        if (path_format(images, error, "%s/images", session_path(source->session)))
            return -1;
        folder = images;
    }
    if (file_make_folders(folder, error))
        return -1;
    return path_format(path, error, "%s/step-%06ld-%s.png", folder, step, name);
}

int export_save(const struct export_source *source, const char *name, long step, const struct canvas *canvas,
                const char *folder, char path[EXPORT_PATH_SIZE], struct error *error)
{
    char *caption = export_caption(session_name(source->session), step, &source->settings);
    if (!caption)
        return error_set(error, "out of memory");
    const struct png_caption text = {.key = "nfbench:session", .value = caption};
    int status = find_path(source, name, step, folder, path, error);
    if (status == 0)
        status = png_write_canvas(path, canvas, &text, 1, error);
    free(caption);
    return status;
}

int export_write(struct export_source *source, int row, const char *folder, char path[EXPORT_PATH_SIZE],
                 struct error *error)
{
    struct canvas *canvas = NULL;
    int status = table[row].draw(source, &canvas, error);
    if (status == 0)
        status = export_save(source, table[row].name, export_step_of(source, row), canvas, folder, path, error);
    canvas_destroy(canvas);
    return status;
}
