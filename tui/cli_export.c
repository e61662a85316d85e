/* `nfbench export`: a session's pictures as PNG files, and what other programs read of it. */
#include "sessions/tensorboard.h"
#include "tui/cli.h"
#include "tui/cli_progress.h"
#include "tui/export_data.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

/* What came of what was asked for. */
struct results {
    const struct cli *cli;
    json_t *files, *skipped; /* arrays; of --json */
    int written, failed;
    bool named;                /* each row was asked for by its name: none may be missing */
    struct tensorboard *board; /* to which the pictures go; NULL: into files of their own */
};

static bool has_probes(const struct export_set *set)
{
    const struct export_row *row;
    for (int i = 0; (row = export_row(i)); i++)
        if (set->rows[i] && row->probes)
            return true;
    return false;
}

static int read_options(const struct cli *cli, struct export_source *source, struct export_set *set,
                        struct error *error)
{
    const char *what = cli_value(cli, "what"), *theme = cli_value(cli, "theme");
    const bool data = cli_value(cli, "csv") || cli_value(cli, "tensorboard") || cli_value(cli, "safetensors");
    long scale;
    const bool pictures = !data || what || cli_value(cli, "all");
    if (cli_value(cli, "to") && (!pictures || cli_value(cli, "tensorboard")))
        return error_set(error, "--to is the folder of pictures, and none goes there: %s",
                         pictures ? "--tensorboard takes them" : "--what or --all asks for some");
    if (what && cli_value(cli, "all"))
        return error_set(error, "--all is every picture, --what some of them: give one of the two");
    if (export_parse(what                    ? what
                     : cli_value(cli, "all") ? "all"
                                             : "log",
                     set, error) != 0 ||
        cli_number(cli, "scale", 2, 1, EXPORT_SCALE_MAX, &scale, error) != 0 ||
        cli_number(cli, "step", -1, 0, LONG_MAX, &source->probe_at, error) != 0 ||
        cli_checkpoint(cli, MEASURE_BEST, &source->checkpoint, error) != 0 || cli_split(cli, &source->part, error) != 0)
        return -1;
    if (!pictures)
        *set = (struct export_set){{false}};
    if (cli_value(cli, "step") && !has_probes(set))
        return error_set(error, "--step chooses a probe, and none of the pictures is of one");
    source->scale = (int)scale;
    source->theme = theme_find(theme ? theme : "light");
    if (!source->theme)
        return error_set(error, "--theme %.60s: must be light, dark or mono", theme);
    return 0;
}

static void tell_written(void *context, const char *name, const char *path)
{
    struct results *results = context;
    const struct cli *cli = results->cli;
    results->written++;
    if (cli->settings.json)
        json_array_append_new(results->files, json_pack("{s:s, s:o}", "name", name, "path", cli_json_text(path)));
    else
        printf("%s\n", path);
    fflush(stdout); /* a network's pictures take a while: each is told as it is there */
}

static void tell_failed(struct results *results, const char *name, const struct error *error)
{
    const struct cli *cli = results->cli;
    results->failed++;
    if (cli->settings.json)
        json_array_append_new(results->skipped,
                              json_pack("{s:s, s:o}", "name", name, "why", cli_json_text(error->message)));
    fprintf(stderr, "%s: %s: %s\n", results->named ? "nfbench export" : "note", name, error->message);
}

static int show_progress(void *context, int done, int total)
{
    progress_share(context, "evaluating", done, total);
    return 0;
}

/* One picture; of the network's, the first measures the images and shows how far it is. `path` stays empty where it
 * goes to TensorBoard. */
static int write_picture(struct results *results, struct export_source *source, int row, char path[EXPORT_PATH_SIZE],
                         struct error *error)
{
    struct progress progress;
    progress_open(&progress, STDERR_FILENO);
    source->progress = show_progress;
    source->context = &progress;
    int status = results->board ? export_write_event(source, row, results->board, error)
                                : export_write(source, row, cli_value(results->cli, "to"), path, error);
    progress_close(&progress);
    source->progress = NULL;
    source->context = NULL;
    return status;
}

static void write_set(struct export_source *source, const struct export_set *set, struct results *results)
{
    const struct export_row *row;
    for (int i = 0; (row = export_row(i)); i++) {
        char path[EXPORT_PATH_SIZE] = "";
        struct error error = {""};
        if (!set->rows[i])
            continue;
        if (write_picture(results, source, i, path, &error) != 0)
            tell_failed(results, row->name, &error);
        else if (*path)
            tell_written(results, row->name, path);
    }
}

/* For other programs. */
static int write_data(struct export_source *source, struct results *results, struct error *error)
{
    const char *csv = cli_value(results->cli, "csv"), *logdir = cli_value(results->cli, "tensorboard"),
               *weights = cli_value(results->cli, "safetensors");
    char path[EXPORT_PATH_SIZE];
    if (csv && export_csv(source, csv, tell_written, results, error) != 0)
        return -1;
    if (weights && export_weights_file(source, weights, error) != 0)
        return -1;
    if (weights)
        tell_written(results, "safetensors", weights);
    if (logdir && export_open_events(source, logdir, &results->board, path, error) != 0)
        return -1;
    if (logdir)
        tell_written(results, "tensorboard", path);
    return 0;
}

/* Of all pictures some may have nothing to show, of those named none. */
static enum cli_status finish(struct cli *cli, const struct export_source *source, struct results *results)
{
    enum cli_status status = CLI_DONE;
    if (results->written == 0 || (results->named && results->failed))
        status = CLI_FAILED;
    if (cli->settings.json) {
        json_t *object =
            json_pack("{s:o, s:I, s:O, s:O}", "session", cli_json_text(session_name(source->session)), "step",
                      (json_int_t)source->step, "files", results->files, "skipped", results->skipped);
        if (cli_print_json(cli, object) != CLI_DONE)
            status = CLI_FAILED;
    }
    return status;
}

enum cli_status cli_export(struct cli *cli)
{
    struct error error = {""};
    struct session *session = NULL;
    struct export_source source = {.session = NULL}, options = source;
    struct export_set set;
    struct results results = {
        .cli = cli, .files = json_array(), .skipped = json_array(), .named = cli_value(cli, "what") != NULL};
    enum cli_status status = CLI_FAILED;
    if (read_options(cli, &options, &set, &error) != 0) {
        status = cli_usage(cli, &error);
        goto out;
    }
    if (session_open(&cli->settings, cli->operands[0], SESSION_READ, &session, &error) != 0) {
        cli_failed(cli, &error);
        goto out;
    }
    struct settings settings = *session_settings(session);
    if (cli_over_session(cli, &settings, &error) != 0) {
        status = cli_usage(cli, &error);
        goto out;
    }
    if (export_open(&source, session, &settings, &error) != 0) {
        cli_failed(cli, &error);
        goto out;
    }
    source.scale = options.scale;
    source.theme = options.theme;
    source.probe_at = options.probe_at;
    source.checkpoint = options.checkpoint;
    source.part = options.part;
    if (write_data(&source, &results, &error) != 0) {
        cli_failed(cli, &error);
        goto out;
    }
    write_set(&source, &set, &results);
    cli_note(source.measure.device_note);
    cli_note(source.measure.note);
    cli_note(source.measure.data_note);
    cli_note_last(cli, &source.taken, source.step, ": --checkpoint last");
    status = finish(cli, &source, &results);
out:
    tensorboard_close(results.board);
    export_close(&source);
    session_close(session);
    json_decref(results.files);
    json_decref(results.skipped);
    return status;
}
