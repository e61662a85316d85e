/* `nfbench test`: a session's network measured on a part of the data: loss, accuracy, each class, what is taken for
 * what, calibration, and what is left of the accuracy on corrupted images. */
#include "tui/cli_test.h"

#include "sessions/file.h"
#include "tui/cli_progress.h"

#include <unistd.h>

/* What to measure. */
struct test_options {
    struct settings settings;
    const char *part;
    struct checkpoint_choice checkpoint;
    enum tta_kind tta;
    const char *weights; /* "ema", "raw"; NULL: as there are */
    bool corruptions;
    const char *folder; /* of the pictures; NULL: none */
};

/* ---- Options ---- */

static int read_options(const struct cli *cli, struct test_options *options, struct error *error)
{
    long batch, limit;
    if (cli_split(cli, &options->part, error) != 0 ||
        cli_number(cli, "batch", options->settings.train.batch, 1, 65536, &batch, error) != 0 ||
        cli_number(cli, "limit", options->settings.train.limit, 0, 1000000, &limit, error) != 0 ||
        cli_checkpoint(cli, CHECKPOINT_LATEST, &options->checkpoint, error) != 0 ||
        cli_tta(cli, &options->tta, error) != 0 || cli_weights(cli, &options->weights, error) != 0 ||
        cli_over_session(cli, &options->settings, error) != 0)
        return -1;
    options->settings.train.batch = (int)batch;
    options->settings.train.limit = (int)limit;
    options->corruptions = cli_value(cli, "corruptions") != NULL;
    options->folder = cli_value(cli, "to");
    return 0;
}

/* ---- Measuring ---- */

struct watch {
    struct progress progress;
    const char *what;
};

static int show_progress(void *context, int done, int total)
{
    struct watch *watch = context;
    progress_share(&watch->progress, watch->what, done, total);
    return 0;
}

static int show_corruption(void *context, enum corruption_kind kind, int severity, int done, int total)
{
    struct watch *watch = context;
    char what[CLI_VALUE_SIZE];
    snprintf(what, sizeof what, "%s, severity %d: image", corruption_name(kind), severity);
    progress_share(&watch->progress, what, done, total);
    return 0;
}

static int measure_weights(struct measure *measure, bool averaged, const char *part, struct watch *watch,
                           struct test_weights *out, struct error *error)
{
    measure->averaged = averaged;
    watch->what = averaged ? "evaluating the averaged weights" : "evaluating";
    if (measure_run(measure, part, show_progress, watch, error) != 0)
        return -1;
    out->measured = true;
    out->result = measure->result;
    out->plain = measure->plain;
    calibrate(measure->predictions, measure->result.count, &out->calibration);
    return 0;
}

/* Those that were chosen come last: the measure keeps what came of them. */
static int measure_all(struct measure *measure, const struct test_options *options, struct watch *watch,
                       struct test_results *results, struct error *error)
{
    const bool has = measure->averaged;
    bool averaged = has;
    if (cli_choose_weights(options->weights, measure->session, &averaged, error) != 0)
        return -1;
    measure->tta = options->tta;
    if (has && measure_weights(measure, !averaged, options->part, watch, averaged ? &results->raw : &results->averaged,
                               error) != 0)
        return -1;
    if (measure_weights(measure, averaged, options->part, watch, averaged ? &results->averaged : &results->raw,
                        error) != 0)
        return -1;
    results->corrupted = options->corruptions;
    return options->corruptions ? measure_corrupted(measure, show_corruption, watch, &results->robustness, error) : 0;
}

static int measure_with_progress(struct measure *measure, const struct test_options *options,
                                 struct test_results *results, struct error *error)
{
    struct watch watch;
    cli_note(measure->device_note);
    cli_note(measure->data_note);
    progress_open(&watch.progress, STDERR_FILENO);
    const int result = measure_all(measure, options, &watch, results, error);
    progress_close(&watch.progress);
    return result;
}

/* ---- Pictures ---- */

static int keep_path(struct test_results *results, const char *name, const char *path, struct error *error)
{
    json_t *file = json_pack("{s:s, s:o}", "name", name, "path", cli_json_text(path));
    return json_array_append_new(results->files, file) == 0 ? 0 : error_set(error, "out of memory");
}

static int draw_corruptions(const struct export_source *source, const char *folder, struct test_results *results,
                            char path[EXPORT_PATH_SIZE], struct error *error)
{
    struct canvas *canvas = NULL;
    int status = export_corruptions(source, &results->robustness, &canvas, error);
    if (status == 0)
        status = export_save(source, "corruptions", source->measure.state.step, canvas, folder, path, error);
    canvas_destroy(canvas);
    return status;
}

/* Confusion matrix and reliability diagram, as `nfbench export` makes them, and the accuracies on corrupted images. */
static int draw_pictures(struct export_source *source, const char *folder, struct test_results *results,
                         struct error *error)
{
    struct export_set set;
    const struct export_row *row;
    char path[EXPORT_PATH_SIZE];
    if (export_parse("confusion,reliability", &set, error) != 0)
        return -1;
    for (int i = 0; (row = export_row(i)); i++)
        if (set.rows[i] &&
            (export_write(source, i, folder, path, error) != 0 || keep_path(results, row->name, path, error) != 0))
            return -1;
    if (!results->corrupted)
        return 0;
    return draw_corruptions(source, folder, results, path, error) || keep_path(results, "corruptions", path, error) ? -1
                                                                                                                    : 0;
}

/* ---- The command ---- */

const struct test_weights *test_chosen(const struct test_results *results)
{
    return results->measure->averaged ? &results->averaged : &results->raw;
}

static int measure_and_draw(struct export_source *source, const struct test_options *options,
                            struct test_results *results, struct error *error)
{
    if (options->folder && file_make_folders(options->folder, error) != 0) /* before minutes of work */
        return -1;
    if (measure_with_progress(&source->measure, options, results, error) != 0)
        return -1;
    source->measured = true;
    return options->folder ? draw_pictures(source, options->folder, results, error) : 0;
}

static enum cli_status report(struct cli *cli, const struct test_results *results)
{
    struct error error;
    cli_note(results->measure->note);
    cli_note_best(cli, &results->measure->state);
    if (cli->settings.json)
        return cli_print_json(cli, test_json(results));
    return test_print(results, &error) == 0 ? CLI_DONE : cli_failed(cli, &error);
}

enum cli_status cli_test(struct cli *cli)
{
    struct test_options options = {0};
    struct session *session;
    struct export_source source = {.theme = theme_find("light"), .scale = 2};
    struct test_results results = {.measure = &source.measure, .files = json_array()};
    struct error error;
    enum cli_status status = CLI_FAILED;
    if (session_open(&cli->settings, cli->operands[0], SESSION_READ, &session, &error) != 0) {
        json_decref(results.files);
        return cli_failed(cli, &error);
    }
    source.session = session;
    options.settings = *session_settings(session);
    if (read_options(cli, &options, &error) != 0) {
        status = cli_usage(cli, &error);
        goto out;
    }
    source.settings = options.settings;
    source.opened = true; /* half opened ones are closed, too */
    if (measure_open(&source.measure, session, &options.settings, &options.checkpoint, &error) != 0 ||
        measure_and_draw(&source, &options, &results, &error) != 0)
        status = cli_failed(cli, &error);
    else
        status = report(cli, &results);
out:
    export_close_network(&source);
    session_close(session);
    json_decref(results.files);
    return status;
}
