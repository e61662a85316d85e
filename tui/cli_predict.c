/* `nfbench predict`: what a session's network says of images in files. */
#include "tui/cli_predict.h"

#include "sessions/file.h"
#include "sessions/npy.h"
#include "tui/cli_progress.h"
#include "tui/measure.h"
#include "tui/words.h"

#include <string.h>
#include <unistd.h>

struct predict_options {
    struct settings settings;
    struct checkpoint_choice checkpoint;
    enum tta_kind tta;
    const char *weights;   /* "ema", "raw"; NULL: as there are */
    const char *csv, *npy; /* NULL: not wanted */
};

/* ---- Options ---- */

static int read_options(const struct cli *cli, struct predict_options *options, struct error *error)
{
    long batch;
    options->csv = cli_value(cli, "csv");
    options->npy = cli_value(cli, "npy");
    if (cli->settings.json && options->csv && strcmp(options->csv, "-") == 0)
        return error_set(error, "--json and --csv - both go to standard output: name a file for --csv");
    if (options->npy && strcmp(options->npy, "-") == 0)
        return error_set(error, "--npy -: it takes the name of a file");
    if (options->csv && options->npy && strcmp(options->csv, options->npy) == 0)
        return error_set(error, "--csv and --npy name the same file, %.200s: one would replace the other",
                         options->csv);
    if (cli_number(cli, "batch", options->settings.train.batch, 1, 65536, &batch, error) != 0 ||
        cli_checkpoint(cli, CHECKPOINT_LATEST, &options->checkpoint, error) != 0 ||
        cli_tta(cli, &options->tta, error) != 0 || cli_weights(cli, &options->weights, error) != 0 ||
        cli_over_session(cli, &options->settings, error) != 0)
        return -1;
    options->settings.train.batch = (int)batch;
    return 0;
}

static int check_writable(const char *path, struct error *error)
{
    return path && strcmp(path, "-") != 0 ? file_check_writable(path, error) : 0;
}

/* ---- The work ---- */

struct predict_work {
    struct cli *cli;
    struct progress progress;
    struct file_list files;
    json_t *failed;
    bool out_of_memory;
};

static void tell_reading(void *context, int done, int total)
{
    struct predict_work *work = context;
    progress_share(&work->progress, "reading file", done + 1, total);
}

static void tell_predicting(void *context, int done, int total)
{
    struct predict_work *work = context;
    progress_share(&work->progress, "predicting", done, total);
}

/* One line, and on to the next file. */
static void tell_failed(void *context, const char *path, const struct error *reason)
{
    struct predict_work *work = context;
    char name[256];
    json_t *row = json_pack("{s:o, s:o}", "file", cli_json_text(path), "reason", cli_json_text(reason->message));
    struct error line;
    words_printable(strcmp(path, "-") == 0 ? "standard input" : path, name, sizeof name);
    error_set(&line, "%s: %s", name, reason->message);
    progress_close(&work->progress);
    cli_failed(work->cli, &line);
    work->out_of_memory |= json_array_append_new(work->failed, row) != 0;
}

static void tell_foreign_labels(void *context, const char *path)
{
    struct predict_work *work = context;
    char name[256], note[512];
    progress_close(&work->progress);
    words_printable(path, name, sizeof name);
    snprintf(note, sizeof note, "%s: its labels are of other classes than the network's: they are left out", name);
    cli_note(note);
}

static void tell_passed_over(const struct file_list *files)
{
    char note[200], of_files[32], of_folders[32];
    snprintf(of_files, sizeof of_files, "%d other file%s", files->other_files, files->other_files == 1 ? "" : "s");
    snprintf(of_folders, sizeof of_folders, "%d folder%s", files->other_folders, files->other_folders == 1 ? "" : "s");
    snprintf(note, sizeof note,
             "passed over: %s%s%s (in a folder, .png, .jpg, .jpeg and .bin files are read, and no folders within it)",
             files->other_files ? of_files : "", files->other_files && files->other_folders ? " and " : "",
             files->other_folders ? of_folders : "");
    if (files->other_files || files->other_folders)
        cli_note(note);
}

/* The operands behind the session. */
static void list_files(struct predict_work *work)
{
    const struct cli *cli = work->cli;
    bool from_input = false;
    for (int i = 1; i < cli->operand_count; i++) {
        const char *path = cli->operands[i];
        const bool standard = strcmp(path, "-") == 0;
        struct error error;
        if (standard && from_input)
            continue;
        from_input |= standard;
        if (file_list_add(&work->files, path, &error) != 0)
            tell_failed(work, path, &error);
    }
    tell_passed_over(&work->files);
}

/* ---- Results ---- */

static enum cli_status write_results(struct cli *cli, const struct predict_options *options,
                                     const struct predict_report *report, struct error *error)
{
    const struct predictions *predictions = report->predictions;
    const bool to_output = options->csv && strcmp(options->csv, "-") == 0;
    if (predictions->count > 0 && options->npy &&
        npy_write(options->npy, predictions->probabilities, predictions->count, report->predictor->input.class_count,
                  error) != 0)
        return cli_failed(cli, error);
    if (predictions->count > 0 && options->csv && predict_write_csv(report, options->csv, error) != 0)
        return cli_failed(cli, error);
    if (cli->settings.json)
        return cli_print_json(cli, predict_json(report));
    if (to_output || predictions->count == 0) /* why there are none has been said */
        return CLI_DONE;
    if (predict_print(report, !options->csv && !options->npy, error) != 0)
        return cli_failed(cli, error);
    if (options->csv)
        printf("written: %s\n", options->csv);
    if (options->npy)
        printf("written: %s\n", options->npy);
    return CLI_DONE;
}

static enum cli_status predict(struct predict_work *work, const struct predict_options *options,
                               struct session *session, struct predictor *predictor, struct error *error)
{
    static const struct predict_listener hooks = {.reading = tell_reading,
                                                  .predicting = tell_predicting,
                                                  .failed = tell_failed,
                                                  .foreign_labels = tell_foreign_labels};
    struct cli *cli = work->cli;
    struct predict_listener listener = hooks;
    struct predictions predictions;
    listener.context = work;
    cli_note(predictor->device_note);
    cli_note(predictor->note);
    cli_note_best(cli, &predictor->state);
    predictor->tta = options->tta;
    list_files(work);
    enum cli_status status = CLI_FAILED;
    const int result = predict_files(predictor, &work->files, &listener, &predictions, error);
    progress_close(&work->progress);
    const struct predict_report report = {
        .session = session, .predictor = predictor, .predictions = &predictions, .failed = work->failed};
    if (result == 0 && work->out_of_memory)
        error_set(error, "out of memory");
    if (result != 0 || work->out_of_memory)
        cli_failed(cli, error);
    else
        status = write_results(cli, options, &report, error);
    predictions_free(&predictions);
    return status == CLI_DONE && json_array_size(work->failed) > 0 ? CLI_FAILED : status;
}

enum cli_status cli_predict(struct cli *cli)
{
    struct predict_options options = {.csv = NULL};
    struct predict_work work = {.cli = cli, .failed = json_array()};
    struct predictor predictor = {.network = NULL};
    struct session *session;
    struct error error;
    enum cli_status status;
    if (session_open(&cli->settings, cli->operands[0], SESSION_READ, &session, &error) != 0) {
        json_decref(work.failed);
        return cli_failed(cli, &error);
    }
    options.settings = *session_settings(session);
    progress_open(&work.progress, STDERR_FILENO);
    if (read_options(cli, &options, &error) != 0)
        status = cli_usage(cli, &error);
    else if (check_writable(options.csv, &error) != 0 || check_writable(options.npy, &error) != 0 ||
             predictor_open(&predictor, session, &options.settings, &options.checkpoint, &error) != 0 ||
             cli_choose_weights(options.weights, session, &predictor.averaged, &error) != 0)
        status = cli_failed(cli, &error);
    else
        status = predict(&work, &options, session, &predictor, &error);
    predictor_close(&predictor);
    file_list_free(&work.files);
    json_decref(work.failed);
    session_close(session);
    return status;
}
