/* `nfbench tune`: runs that differ in some settings, compared. Each trial is a process of its own (tune_run.h); this
 * one plans, watches and tells. */
#include "tui/cli_tune.h"
#include "engine/dist.h"
#include "tui/figure_tune.h"
#include "tui/run.h"
#include "tui/tune_lines.h"
#include "tui/tune_plan.h"
#include "tui/tune_results.h"
#include "tui/tune_screen.h"
#include "viz/png.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The seed report's own search, where no axis is given. */
static const char default_preset[] = "--preset=report", default_epochs[] = "--epochs=40";
static const struct {
    const char *name, *list, *range;
} default_axes[] = {{"lr", "0.001,0.01,0.1", "0.001..0.1"}, {"batch", "32,64,128,256", "32,64,128,256"}};

enum { DEFAULT_AXES = sizeof default_axes / sizeof *default_axes, FACTOR = 3 };

struct mode;

struct tune_options {
    long jobs, random, factor, scale;
    bool retry;
    int rank;
    const struct mode *mode; /* NULL: a plan is to be made */
};

/* ---- Options ---- */

static long number_of(const char *variable, long otherwise)
{
    const char *text = getenv(variable);
    char *end = NULL;
    const long number = text ? strtol(text, &end, 10) : otherwise;
    return text && *text && !*end && number >= 0 ? number : otherwise;
}

/* Those that this process may use, shared by the trials that train at once: of all ranks on this machine, too, unless
 * each has been given processors of its own. */
static int find_threads(long jobs)
{
    cpu_set_t allowed;
    const long all = sysconf(_SC_NPROCESSORS_ONLN);
    long mine = sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? CPU_COUNT(&allowed) : all;
    if (mine >= all)
        mine /= number_of("OMPI_COMM_WORLD_LOCAL_SIZE", number_of("MPI_LOCALNRANKS", 1));
    return mine / jobs > 1 ? (int)(mine / jobs) : 1;
}

/* Trials that the ranks of this machine before this one train at once. */
static int find_others(long jobs)
{
    const long rank = number_of("OMPI_COMM_WORLD_LOCAL_RANK", number_of("SLURM_LOCALID", 0));
    return (int)(rank * jobs % TUNE_TRIALS);
}

/* What is done to tunes that are there already: no setting can be another. */
static const struct mode {
    const char *name, *options; /* its own, separated by blanks */
    const char *why;            /* nothing else means anything */
} modes[] = {{"resume", " resume jobs retry csv png scale ", ": the plan is made"},
             {"show", " show jobs csv png scale ", ": the plan is made"},
             {"list", " list ", ""},
             {"rm", " rm yes ", ""}};

enum { MODES = sizeof modes / sizeof *modes };

static int find_mode(const struct cli *cli, const struct mode **out, struct error *error)
{
    *out = NULL;
    for (int i = 0; i < MODES; i++) {
        if (!cli_value(cli, modes[i].name))
            continue;
        if (*out)
            return error_set(error, "--%s and --%s: one of them", (*out)->name, modes[i].name);
        *out = &modes[i];
    }
    return 0;
}

static int check_mode(const struct cli *cli, const struct mode *mode, struct error *error)
{
    for (int i = 0; i < CLI_OPTIONS && cli->command->options[i].name; i++) {
        char word[CLI_VALUE_SIZE];
        snprintf(word, sizeof word, " %s ", cli->command->options[i].name);
        if (cli->values[i] && !strstr(mode->options, word))
            return error_set(error, "--%s means nothing with --%s%s", cli->command->options[i].name, mode->name,
                             mode->why);
    }
    if (cli->axis_count > 0)
        return error_set(error, "--%s means nothing with --%s%s", cli->axes[0].name, mode->name, mode->why);
    for (int i = 1; i < cli->argument_count; i++)
        if (strncmp(cli->arguments[i], "--sessions-dir=", 15) != 0 && strcmp(cli->arguments[i], "--json") != 0)
            return error_set(error, "%.*s means nothing with --%s%s", (int)strcspn(cli->arguments[i], "="),
                             cli->arguments[i], mode->name, mode->why);
    return 0;
}

static int check_files_asked(const struct cli *cli, struct error *error)
{
    const char *csv = cli_value(cli, "csv"), *png = cli_value(cli, "png");
    if (cli_value(cli, "plan") && (csv || png))
        return error_set(error, "--plan trains nothing: there are no results for --csv or --png");
    if (csv && strcmp(csv, "-") == 0)
        return error_set(error, "--csv - names no file, and what comes of the trials is printed as a table: name one");
    if (csv && png && strcmp(csv, png) == 0)
        return error_set(error, "--csv and --png name the same file, %.200s: one would replace the other", png);
    return cli_check_png(png, error);
}

static int read_options(const struct cli *cli, struct tune_options *out, struct error *error)
{
    out->retry = cli_value(cli, "retry");
    (void)dist_launched(&out->rank);
    if (cli_number(cli, "jobs", 1, 1, TUNE_JOBS, &out->jobs, error) != 0 ||
        cli_number(cli, "random", 0, 1, TUNE_TRIALS, &out->random, error) != 0 ||
        cli_number(cli, "factor", FACTOR, 2, 10, &out->factor, error) != 0 ||
        cli_number(cli, "scale", 2, 1, 4, &out->scale, error) != 0 || find_mode(cli, &out->mode, error) != 0)
        return -1;
    if (out->mode && check_mode(cli, out->mode, error) != 0)
        return -1;
    if (cli_value(cli, "yes") && !cli_value(cli, "rm"))
        return error_set(error, "--yes is of --rm");
    if (cli_value(cli, "factor") && !cli_value(cli, "halving"))
        return error_set(error, "--factor is of --halving: add that, or leave it out");
    if (!cli_value(cli, "halving"))
        out->factor = 0;
    return check_files_asked(cli, error);
}

/* ---- The plan ---- */

struct plan {
    struct tune_axis *axes; /* (TUNE_AXES) */
    int axis_count;
    char **arguments; /* the entries are others' */
    int argument_count;
    struct settings shared;
    struct dataset *dataset;
};

static int add_axis(struct plan *plan, const char *name, const char *text, struct error *error)
{
    if (plan->axis_count == TUNE_AXES)
        return error_set(error, "more than %d settings with several values", TUNE_AXES);
    return tune_axis_parse(name, text, &plan->axes[plan->axis_count++], error);
}

/* Those that were given; without any the report's rate and batch, but for one that has a value. */
static int choose_axes(const struct cli *cli, bool random, struct plan *plan, struct error *error)
{
    for (int i = 0; i < cli->axis_count; i++)
        if (add_axis(plan, cli->axes[i].name, cli->axes[i].text, error) != 0)
            return -1;
    for (int i = 0; i < DEFAULT_AXES && cli->axis_count == 0; i++)
        if (!settings_given(&cli->settings, default_axes[i].name) &&
            add_axis(plan, default_axes[i].name, random ? default_axes[i].range : default_axes[i].list, error) != 0)
            return -1;
    return 0;
}

/* What all trials share: without an axis the report's preset and length, where none is said; else as `train` has it. */
static int choose_settings(const struct cli *cli, struct plan *plan, struct error *error)
{
    int first;
    plan->arguments = calloc((size_t)cli->argument_count + 3, sizeof *plan->arguments);
    if (!plan->arguments)
        return error_set(error, "out of memory");
    memcpy(plan->arguments, cli->arguments, (size_t)cli->argument_count * sizeof *plan->arguments);
    plan->argument_count = cli->argument_count;
    if (cli->axis_count == 0 && !settings_given(&cli->settings, "preset"))
        plan->arguments[plan->argument_count++] = (char *)default_preset;
    if (cli->axis_count == 0 && !settings_given(&cli->settings, "epochs"))
        plan->arguments[plan->argument_count++] = (char *)default_epochs;
    return settings_parse(&plan->shared, SETTINGS_NEW, plan->argument_count, plan->arguments, &first, error);
}

static int open_data(struct plan *plan, struct error *error)
{
    char note[RUN_TEXT_SIZE];
    if (run_open_data(&plan->shared, note, &plan->dataset, error) != 0)
        return -1;
    cli_note(note);
    const char *place = dataset_location(plan->dataset);
    if (*place == '/' && strlen(place) < sizeof plan->shared.data)
        strcpy(plan->shared.data, place);
    return 0;
}

static void free_plan(struct plan *plan)
{
    free(plan->axes);
    free(plan->arguments);
    if (plan->dataset)
        dataset_close(plan->dataset);
}

/* CLI_USAGE: the plan makes no sense, or is another than that of the same name; CLI_FAILED: it cannot be made. */
static enum cli_status make_plan(const struct cli *cli, const struct tune_options *options, struct tune *tune,
                                 struct error *error)
{
    struct plan plan = {.axes = calloc(TUNE_AXES, sizeof *plan.axes)};
    bool taken = false;
    enum cli_status status = plan.axes ? CLI_USAGE : CLI_FAILED;
    int result = plan.axes ? 0 : error_set(error, "out of memory");
    if (result == 0)
        result = choose_axes(cli, options->random > 0, &plan, error) || choose_settings(cli, &plan, error) ||
                 open_data(&plan, error);
    const struct tune_request request = {.name = cli_value(cli, "name"),
                                         .arguments = plan.arguments,
                                         .argument_count = plan.argument_count,
                                         .axes = plan.axes,
                                         .axis_count = plan.axis_count,
                                         .shared = &plan.shared,
                                         .dataset = plan.dataset,
                                         .threads = find_threads(options->jobs),
                                         .random = (int)options->random,
                                         .factor = (int)options->factor};
    if (result == 0)
        result = tune_make(&request, tune, error);
    if (result == 0 && !cli_value(cli, "plan")) {
        result = tune_create(tune, &taken, error);
        status = taken ? CLI_USAGE : CLI_FAILED;
    }
    free_plan(&plan);
    return result == 0 ? CLI_DONE : status;
}

/* With retries: another process that only looks (tune_is_claimed) has it for a moment. */
static int claim_patiently(const struct tune *tune, int trial, int *claim, struct error *error)
{
    enum { TRIES = 5, PAUSE_NANOSECONDS = 20000000 };
    int claimed = tune_claim(tune, trial, claim, error);
    for (int i = 0; i < TRIES && claimed == 0; i++) {
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_NANOSECONDS}, NULL);
        claimed = tune_claim(tune, trial, claim, error);
    }
    return claimed;
}

/* What was given up is tried anew. */
static int forget_failures(const struct tune *tune, struct error *error)
{
    for (int i = 0; i < tune->count; i++) {
        struct tune_note note;
        int claim = -1;
        if (tune_note_read(tune, i, &note, error) != 0)
            return -1;
        const bool failed = note.crashes + note.given_up > 0;
        const int claimed = failed ? claim_patiently(tune, i, &claim, error) : 0;
        if (claimed < 0)
            return -1;
        if (claimed == 0)
            continue;
        const int result = tune_note_write(tune, i, &(struct tune_note){0}, error);
        close(claim);
        if (result != 0)
            return -1;
    }
    return 0;
}

/* ---- Results ---- */

static int write_picture(const struct tune *tune, const struct tune_watch *watch, int scale, const char *path,
                         struct error *error)
{
    struct canvas *canvas;
    if (figure_tune(tune, watch, scale, &canvas, error) != 0)
        return -1;
    const struct png_caption caption = {"nfbench:tune", tune->name};
    const int result = png_write_canvas(path, canvas, &caption, 1, error);
    canvas_destroy(canvas);
    return result;
}

/* Beside the plan, when all is done. */
static int keep_results(const struct tune *tune, const struct tune_watch *watch, int scale, struct error *error)
{
    char path[FILE_PATH_SIZE];
    const int held = tune_hold(tune, error); /* others may come to the end at the same time */
    if (held < 0)
        return -1;
    const int result =
        path_format(path, error, "%s/results.csv", tune->folder) || tune_results_csv(tune, watch, path, error) ||
        path_format(path, error, "%s/results.png", tune->folder) || write_picture(tune, watch, scale, path, error);
    close(held);
    return result ? -1 : 0;
}

/* The files that were asked for. */
static int write_files(const struct cli *cli, const struct tune_options *options, const struct tune *tune,
                       const struct tune_watch *watch, struct error *error)
{
    const char *csv = cli_value(cli, "csv"), *png = cli_value(cli, "png");
    return (csv && tune_results_csv(tune, watch, csv, error) != 0) ||
                   (png && write_picture(tune, watch, (int)options->scale, png, error) != 0)
               ? -1
               : 0;
}

/* Before hours of work. */
static int check_files(const struct cli *cli, struct error *error)
{
    const char *csv = cli_value(cli, "csv"), *png = cli_value(cli, "png");
    return (csv && file_check_writable(csv, error) != 0) || (png && file_check_writable(png, error) != 0) ? -1 : 0;
}

static enum cli_status tell(const struct cli *cli, const struct tune_options *options, const struct tune *tune,
                            const struct tune_watch *watch)
{
    struct error error;
    const char *csv = cli_value(cli, "csv"), *png = cli_value(cli, "png");
    if (!cli->settings.json && tune_results_print(tune, watch, cli_columns(stdout, 0), stdout, &error) != 0)
        return cli_failed(cli, &error);
    if (write_files(cli, options, tune, watch, &error) != 0)
        return cli_failed(cli, &error);
    if (cli->settings.json)
        return cli_print_json(cli, tune_results_json(tune, watch));
    if (csv || png)
        putchar('\n');
    if (csv)
        puts(csv);
    if (png)
        puts(png);
    return CLI_DONE;
}

/* ---- The subcommand ---- */

static enum cli_status show_plan(const struct cli *cli, const struct tune_options *options, const struct tune *tune)
{
    struct error error;
    if (options->rank > 0)
        return CLI_DONE;
    if (cli->settings.json)
        return cli_print_json(cli, tune_plan_json(tune, (int)options->jobs));
    return tune_plan_print(tune, (int)options->jobs, cli_columns(stdout, 0), stdout, &error) == 0
               ? CLI_DONE
               : cli_failed(cli, &error);
}

static enum cli_status show(struct cli *cli, const struct tune_options *options, const struct tune *tune)
{
    struct error error;
    struct tune_watch *watch;
    if (tune_watch_open(tune, &watch, &error) != 0)
        return cli_failed(cli, &error);
    const enum cli_status status =
        tune_watch_read(watch, &error) == 0 ? tell(cli, options, tune, watch) : cli_failed(cli, &error);
    tune_watch_close(watch);
    return status;
}

static enum cli_status finish(struct cli *cli, const struct tune_options *options, const struct tune *tune,
                              const struct tune_run *run)
{
    const struct tune_watch *watch = tune_run_watch(run);
    struct error error;
    char reference[FILE_PATH_SIZE], jobs[24] = "";
    int counts[TUNE_STATES];
    const bool over = tune_watch_is_over(watch);
    if (options->rank > 0)
        return over || tune_run_is_idle(run) ? CLI_DONE : CLI_INTERRUPTED;
    if (over && keep_results(tune, watch, (int)options->scale, &error) != 0)
        return cli_failed(cli, &error);
    const enum cli_status status = tell(cli, options, tune, watch);
    tune_reference(tune, reference, sizeof reference);
    if (options->jobs > 1)
        snprintf(jobs, sizeof jobs, " --jobs %ld", options->jobs);
    if (status != CLI_DONE)
        return status;
    if (!over) {
        fprintf(stderr, "nfbench tune --resume %s%s goes on\n", reference, jobs);
        return CLI_INTERRUPTED;
    }
    tune_watch_count(watch, counts);
    if (counts[TUNE_FAILED] == 0)
        return CLI_DONE;
    error_set(&error, "%d of %d trials failed: `nfbench tune --resume %.300s%s --retry` tries them again",
              counts[TUNE_FAILED], tune->count, reference, jobs);
    return cli_failed(cli, &error);
}

static enum cli_status work(struct cli *cli, const struct tune_options *options, const struct tune *tune)
{
    struct error error;
    struct tune_run *run;
    if ((options->retry && forget_failures(tune, &error) != 0) ||
        tune_run_open(tune, (int)options->jobs, find_others(options->jobs), &run, &error) != 0)
        return cli_failed(cli, &error);
    const bool screen = options->rank == 0 && tune_screen_can_run();
    const bool leaves = options->rank > 0 && tune->factor == 0;
    if (options->rank == 0)
        tune_plan_say(tune, (int)options->jobs, cli_columns(stderr, 0), stderr);
    const int result =
        screen ? tune_screen_run(tune, run, &error) : tune_lines_run(tune, run, options->rank > 0, leaves, &error);
    const enum cli_status status = result == 0 ? finish(cli, options, tune, run) : cli_failed(cli, &error);
    tune_run_close(run);
    return status;
}

/* A tune that is trained, or shown. */
static enum cli_status open_and_work(struct cli *cli, const struct tune_options *options, struct tune *tune)
{
    struct error error;
    enum cli_status status;
    const char *resumed = cli_value(cli, "resume"), *shown = cli_value(cli, "show");
    if (options->rank == 0 && check_files(cli, &error) != 0)
        status = CLI_FAILED;
    else if (!options->mode)
        status = make_plan(cli, options, tune, &error);
    else
        status = tune_open(&cli->settings, resumed ? resumed : shown, tune, &error) == 0 &&
                         (shown || tune_check_folder(tune, &error) == 0)
                     ? CLI_DONE
                     : CLI_FAILED;
    if (status == CLI_USAGE)
        return cli_usage(cli, &error);
    if (status == CLI_FAILED)
        return cli_failed(cli, &error);
    if (cli_value(cli, "plan"))
        return show_plan(cli, options, tune);
    return shown ? show(cli, options, tune) : work(cli, options, tune);
}

enum cli_status cli_tune(struct cli *cli)
{
    struct tune_options options;
    struct error error;
    if (read_options(cli, &options, &error) != 0)
        return cli_usage(cli, &error);
    if (cli_value(cli, "list"))
        return options.rank == 0 ? cli_tune_list(cli) : CLI_DONE;
    if (cli_value(cli, "rm"))
        return options.rank == 0 ? cli_tune_remove(cli, cli_value(cli, "rm")) : CLI_DONE;
    struct tune *tune = calloc(1, sizeof *tune);
    if (!tune) {
        error_set(&error, "out of memory");
        return cli_failed(cli, &error);
    }
    const enum cli_status status = open_and_work(cli, &options, tune);
    tune_free(tune);
    free(tune);
    return status;
}
