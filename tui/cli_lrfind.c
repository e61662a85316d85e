/* `nfbench lrfind`: the learning rate range test on a fresh network, as a table, JSON and a figure. The test is the
 * trainer's own command, so it is the same as on the screen. */
#include "engine/trainer.h"
#include "tui/cli.h"
#include "tui/cli_progress.h"
#include "tui/cli_table.h"
#include "tui/export.h"
#include "tui/finder.h"
#include "tui/run.h"
#include "viz/png.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { FIGURE_COLUMNS = 116, FIGURE_ROWS = 32, TABLE_ROWS = 25 };

struct finding_run {
    struct cli *cli;
    struct settings settings;
    struct trial_request request;
    long scale;
    struct dataset *dataset;
    struct backend *backend;
    struct network *network;
    struct trainer *trainer;
    struct finder *finder;
    char device[DEVICE_TEXT_SIZE];
};

/* ---- Options ---- */

static int read_rate(const struct cli *cli, const char *option, double *rate, struct error *error)
{
    const char *text = cli_value(cli, option);
    struct settings scratch = cli->settings;
    if (!text)
        return 0;
    if (settings_set(&scratch, "lr", text, error) != 0)
        return error_prefix(error, "--%s", option);
    *rate = (double)scratch.train.learning_rate;
    return 0;
}

static int read_options(struct finding_run *run, struct error *error)
{
    const struct cli *cli = run->cli;
    struct trial_request *request = &run->request;
    struct train_options *train = &run->settings.train;
    const char *png = cli_value(cli, "png");
    *request = (struct trial_request){.setting = COMMAND_LEARNING_RATE, .values = {LR_FIND_FROM, LR_FIND_TO}};
    if (read_rate(cli, "from", &request->values[0], error) != 0 ||
        read_rate(cli, "to", &request->values[1], error) != 0 ||
        cli_number(cli, "for", LR_FIND_STEPS, LR_FIND_LEAST, LR_FIND_MOST, &request->steps, error) != 0 ||
        cli_number(cli, "scale", 2, 1, EXPORT_SCALE_MAX, &run->scale, error) != 0)
        return -1;
    if (request->values[0] >= request->values[1])
        return error_set(error, "--from %g: must be below --to %g", request->values[0], request->values[1]);
    if (cli_check_png(png, error) != 0)
        return -1;
    train->steps = request->steps;
    train->epochs = (int)request->steps; /* no fewer than that */
    train->probe_every = 0;
    return 0;
}

/* ---- The test ---- */

static int open_run(struct finding_run *run, struct error *error)
{
    struct partition parts;
    char note[RUN_TEXT_SIZE] = "", device_note[DEVICE_NOTE_SIZE] = "";
    if (run_open_data(&run->settings, note, &run->dataset, error) != 0 ||
        partition_make(run->dataset, &run->settings.train, &parts, error) != 0 ||
        run_open_network(&run->settings, &parts, &run->backend, &run->network, run->device, device_note, error) != 0)
        return -1;
    cli_note(note);
    cli_note(device_note);
    return finder_create(&run->finder, error) ||
                   trainer_create(run->network, run->dataset, &run->settings.train, NULL, NULL, &run->trainer, error)
               ? -1
               : 0;
}

static void close_run(struct finding_run *run)
{
    trainer_destroy(run->trainer);
    finder_destroy(run->finder);
    network_destroy(run->network);
    if (run->backend)
        run->backend->destroy(run->backend);
    dataset_close(run->dataset);
}

/* Takes what the trainer reports, until the command's own record is there or the run is over. */
static int watch(struct finding_run *run, struct progress *progress, struct error *error)
{
    const struct timespec tick = {.tv_nsec = 20000000};
    struct snapshot now;
    struct event event;
    do {
        trainer_snapshot(run->trainer, &now);
        while (trainer_next_event(run->trainer, &event)) {
            if (event.kind == EVENT_TRIAL && finder_take(run->finder, &event.trial, error) != 0)
                return -1;
            if (event.kind == EVENT_COMMAND)
                return event.command.ok ? 0 : error_set(error, "%s", event.command.outcome);
        }
        progress_show(progress, &now);
        nanosleep(&tick, NULL);
    } while (!trainer_has_ended(now.state));
    return error_set(error, "%s", now.message);
}

static int search(struct finding_run *run, struct error *error)
{
    const struct command command = {.kind = COMMAND_LR_FIND, .trial = run->request, .text = "lrfind"};
    struct progress progress;
    progress_open(&progress, STDERR_FILENO);
    if (trainer_command(run->trainer, &command, error) != 0 || trainer_start(run->trainer, true, error) != 0)
        return -1;
    const int result = watch(run, &progress, error);
    progress_close(&progress);
    trainer_request_stop(run->trainer);
    struct error ended = {""};
    return trainer_join(run->trainer, result == 0 ? error : &ended) != 0 ? -1 : result;
}

/* ---- What came of it ---- */

static json_t *points_json(const struct lr_find *find)
{
    json_t *points = json_array();
    for (int i = 0; i < find->count; i++)
        json_array_append_new(points, json_pack("{s:o, s:o, s:o}", "lr", cli_json_number((double)find->rate[i]), "loss",
                                                cli_json_number((double)find->loss[i]), "smoothed",
                                                cli_json_number(lr_find_smoothed(find, i))));
    return points;
}

/* A rate that is not known is null. */
static json_t *rate_json(double rate)
{
    return rate > 0 ? cli_json_number(rate) : json_null();
}

static json_t *result_json(const struct finding_run *run)
{
    const struct lr_find *find = finder_points(run->finder);
    const struct lr_advice advice = lr_find_advise(find);
    char network[SETTINGS_NETWORK_SIZE];
    settings_network_name(&run->settings, network);
    return json_pack("{s:s, s:s, s:o, s:s, s:i, s:I, s:o, s:o, s:I, s:o, s:o, s:o, s:o, s:o}", "preset",
                     run->settings.model.preset, "network", network, "data", cli_json_text(run->settings.data),
                     "device", run->device, "batch", run->settings.train.batch, "seed",
                     (json_int_t)run->settings.train.seed, "from", cli_json_number(run->request.values[0]), "to",
                     cli_json_number(run->request.values[1]), "steps", (json_int_t)run->request.steps, "steepest",
                     rate_json(advice.steepest), "lowest", rate_json(advice.lowest), "lowest_loss",
                     advice.lowest > 0 ? cli_json_number(advice.lowest_loss) : json_null(), "lowest_tenth",
                     rate_json(advice.tenth), "points", points_json(find));
}

static int print_table(const struct lr_find *find, struct error *error)
{
    const int stride = (find->count + TABLE_ROWS - 1) / TABLE_ROWS;
    struct table *table = table_create("rrr");
    table_cell(table, "lr");
    table_cell(table, "loss");
    table_cell(table, "smoothed");
    for (int i = 0; i < find->count; i += stride) {
        table_cell(table, "%.2e", (double)find->rate[i]);
        table_cell(table, "%.4g", (double)find->loss[i]);
        table_cell(table, "%.4g", lr_find_smoothed(find, i));
    }
    const int result = table_print(table, stdout, error);
    table_destroy(table);
    return result;
}

static void print_advice(const struct finding_run *run)
{
    const struct lr_advice advice = lr_find_advise(finder_points(run->finder));
    char words[200];
    finder_words(run->finder, words, sizeof words);
    printf("\n%c%s.\n", words[0] - 'a' + 'A', words + 1);
    if (advice.steepest > 0)
        printf("To try: --lr %g\n", advice.steepest);
}

static int write_picture(const struct finding_run *run, const char *path, struct error *error)
{
    struct canvas *canvas;
    struct rect inside;
    char title[160], network[SETTINGS_NETWORK_SIZE];
    settings_network_name(&run->settings, network);
    snprintf(title, sizeof title, "Loss over the learning rate \u00b7 %s, batch %d", network,
             run->settings.train.batch);
    if (canvas_create_figure(FIGURE_COLUMNS, FIGURE_ROWS, (int)run->scale, theme_find("light"), &canvas, &inside,
                             error) != 0)
        return -1;
    finder_draw(run->finder, title, canvas, inside);
    char *text = export_caption("", 0, &run->settings);
    const struct png_caption caption = {"nfbench:session", text};
    const int result =
        text ? png_write_canvas(path, canvas, &caption, 1, error) : error_set(error, "out of memory for %s", path);
    free(text);
    canvas_destroy(canvas);
    return result;
}

static enum cli_status show(const struct finding_run *run, struct error *error)
{
    const char *png = cli_value(run->cli, "png");
    char network[SETTINGS_NETWORK_SIZE];
    if (png && write_picture(run, png, error) != 0)
        return cli_failed(run->cli, error);
    if (run->cli->settings.json)
        return cli_print_json(run->cli, result_json(run));
    settings_network_name(&run->settings, network);
    printf("%s from its initialisation, batch %d, seed %llu, %s; %s\n\n", network, run->settings.train.batch,
           (unsigned long long)run->settings.train.seed, run->device, run->settings.data);
    if (print_table(finder_points(run->finder), error) != 0)
        return cli_failed(run->cli, error);
    print_advice(run);
    if (png)
        printf("%s\n", png);
    return CLI_DONE;
}

enum cli_status cli_lr_find(struct cli *cli)
{
    struct finding_run run = {.cli = cli, .settings = cli->settings};
    struct error error = {""};
    enum cli_status status;
    if (read_options(&run, &error) != 0)
        return cli_usage(cli, &error);
    if (open_run(&run, &error) != 0 || search(&run, &error) != 0)
        status = cli_failed(cli, &error);
    else
        status = show(&run, &error);
    close_run(&run);
    return status;
}
