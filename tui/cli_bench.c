/* `nfbench bench`: the speed of a training step, and where its time goes. The step is that of the PyTorch peer's bench:
 * a batch that is already there, forward, softmax cross-entropy, backward, and SGD with Nesterov momentum 0.9, weight
 * decay 5e-4 on the weights, and adaptive gradient clipping when asked for. */
#include "base/clock.h"
#include "engine/noise.h"
#include "tui/cli.h"
#include "tui/cli_table.h"
#include "tui/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WARM_UP = 2, STEPS = 5, REPEATS = 5, MOST_STEPS = 100000, MOST_REPEATS = 1000, IN_FLIGHT = 8 };
enum { PROFILED_STEPS = 5 };

struct bench {
    struct settings settings;
    struct backend *backend;
    struct network *network;
    char device[DEVICE_TEXT_SIZE];
    float *images;               /* (batch, 32, 32, 3) */
    uint8_t *labels;             /* (batch) */
    uint64_t tickets[IN_FLIGHT]; /* of steps that were queued and not yet looked at, a ring */
    int in_flight;
    long steps, repeats;
    double *seconds;          /* (repeats) of one step, sorted once measured */
    double kinds[TIME_KINDS]; /* seconds of one step by kind of work */
    struct step_time time;    /* of the measured steps together, then of one */
};

/* ---- The work of a step ---- */

static double conv_flops(int size, int cin, int cout, int k, int groups)
{
    return 2.0 * size * size * cout * (cin / groups) * k * k;
}

/* Floating point operations of all convolutions in the forward pass of one image: a multiplication and an addition for
 * each weight and output position. */
static double forward_flops(const struct model_spec *spec)
{
    int size = MODEL_IMAGE_SIZE;
    double flops = conv_flops(size, 3, spec->stem, 3, 1);
    for (int i = 0; i < model_block_count(spec); i++) {
        const struct block_spec block = model_block(spec, i);
        int out = (size + block.stride - 1) / block.stride;
        int groups = spec->group_width > 0 ? block.mid / spec->group_width : 1;
        int first = spec->family == FAMILY_REPORT ? out : size; /* the report's first convolution strides */
        flops += conv_flops(first, block.cin, block.mid, 1, 1);
        flops += 2 * conv_flops(out, block.mid, block.mid, 3, groups);
        flops += conv_flops(out, block.mid, block.cout, 1, 1);
        if (block.transition)
            flops += conv_flops(out, block.cin, block.cout, 1, 1);
        size = out;
    }
    return flops;
}

static int make_batch(struct bench *bench, struct error *error)
{
    size_t batch = (size_t)bench->settings.train.batch, pixels = batch * IMAGE_BYTES;
    bench->images = malloc(pixels * sizeof *bench->images);
    bench->labels = malloc(batch);
    bench->seconds = calloc((size_t)bench->repeats, sizeof *bench->seconds);
    if (!bench->images || !bench->labels || !bench->seconds)
        return error_set(error, "out of memory for a batch of %zu images", batch);
    noise_batch(bench->settings.train.seed, bench->settings.model.classes, bench->settings.train.batch, bench->images,
                bench->labels);
    return 0;
}

/* Looks at the oldest step in flight; `number` counts all that were queued. */
static int look_at_oldest(struct bench *bench, long number, struct error *error)
{
    struct step_result result;
    struct update_result updated;
    const long oldest = number - bench->in_flight;
    if (network_collect_step(bench->network, bench->tickets[oldest % IN_FLIGHT], bench->settings.train.batch, true,
                             &result, &updated, error) != 0)
        return -1;
    double parts[STEP_OTHER] = {0};
    for (int lap = 0; lap < LAPS; lap++)
        parts[lap] = (double)result.laps[lap];
    step_time_add(&bench->time, 0, parts);
    bench->in_flight--;
    if (!result.finite || !updated.finite)
        return error_set(error, "the loss is not finite at step %ld: its time would mean nothing", oldest + 1);
    return 0;
}

static int look_at_all(struct bench *bench, long number, struct error *error)
{
    while (bench->in_flight > 0)
        if (look_at_oldest(bench, number, error) != 0)
            return -1;
    return 0;
}

/* Queues step `number`. A GPU's batch stays there from the first step on. */
static int step(struct bench *bench, long number, struct error *error)
{
    const struct train_options *train = &bench->settings.train;
    const bool host = number == 0 || !bench->backend->whole_batch;
    const struct step_batch batch = {
        .n = train->batch, .images = host ? bench->images : NULL, .labels = host ? bench->labels : NULL};
    const struct step_options options = {.label_smoothing = train->label_smoothing, .step = (uint32_t)number};
    const struct optimizer_options update = {.learning_rate = 0.01f,
                                             .momentum = 0.9f,
                                             .weight_decay = 5e-4f,
                                             .agc = train->agc,
                                             .ema = train->ema,
                                             .lookahead = train->lookahead,
                                             .nesterov = true,
                                             .step = number};
    if (bench->in_flight == IN_FLIGHT && look_at_oldest(bench, number, error) != 0)
        return -1;
    if (network_queue_step(bench->network, &batch, &options, &update, &bench->tickets[number % IN_FLIGHT], error) != 0)
        return -1;
    bench->in_flight++;
    return 0;
}

/* So many steps, to the end. */
static int run_steps(struct bench *bench, long count, long *number, struct error *error)
{
    for (long s = 0; s < count; s++, ++*number)
        if (step(bench, *number, error) != 0)
            return -1;
    return look_at_all(bench, *number, error);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Where the time goes: seconds a step by kind of work, over `count` steps of which `before` were the seconds. */
static void keep_kinds(struct bench *bench, const double before[TIME_KINDS], long count)
{
    network_times(bench->network, bench->kinds);
    for (int k = 0; k < TIME_KINDS; k++)
        bench->kinds[k] = (bench->kinds[k] - before[k]) / (double)count;
}

static int measure(struct bench *bench, struct error *error)
{
    double before[TIME_KINDS];
    long number = 0;
    if (run_steps(bench, WARM_UP, &number, error) != 0)
        return -1;
    network_times(bench->network, before);
    bench->time = (struct step_time){0};
    for (long r = 0; r < bench->repeats; r++) {
        double start = clock_seconds();
        if (run_steps(bench, bench->steps, &number, error) != 0)
            return -1;
        const double seconds = clock_seconds() - start;
        bench->time.whole += seconds;
        bench->seconds[r] = seconds / (double)bench->steps;
    }
    bench->time = step_time_settle(&bench->time);
    bench->time = step_time_mean(&bench->time, bench->steps * bench->repeats);
    keep_kinds(bench, before, bench->steps * bench->repeats);
    if (!bench->backend->whole_batch)
        return 0;
    /* a GPU's steps are replayed as a whole: to see into them, some more, one operation at a time */
    network_profile(bench->network, true);
    network_times(bench->network, before);
    if (run_steps(bench, PROFILED_STEPS, &number, error) != 0)
        return -1;
    keep_kinds(bench, before, PROFILED_STEPS);
    return 0;
}

/* ---- Results ---- */

static double median(const struct bench *bench)
{
    long half = bench->repeats / 2;
    return bench->repeats % 2 ? bench->seconds[half] : (bench->seconds[half - 1] + bench->seconds[half]) / 2;
}

/* All convolutions, forward and both backward passes, as the peer counts them. */
static double gigaflops_per_second(const struct bench *bench)
{
    return 3 * forward_flops(&bench->settings.model) * bench->settings.train.batch / median(bench) / 1e9;
}

static json_t *kinds_json(const struct bench *bench)
{
    json_t *kinds = json_object();
    for (int k = 0; kinds && k < TIME_KINDS; k++)
        if (json_object_set_new(kinds, network_time_name(k), cli_json_number(1e3 * bench->kinds[k])) != 0) {
            json_decref(kinds);
            kinds = NULL;
        }
    return kinds;
}

static json_t *bench_json(const struct bench *bench)
{
    const struct train_options *train = &bench->settings.train;
    double seconds = median(bench);
    char network[SETTINGS_NETWORK_SIZE];
    settings_network_name(&bench->settings, network);
    return json_pack("{s:s, s:s, s:i, s:s, s:i, s:s, s:f, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:o, s:o}", "preset",
                     bench->settings.model.preset, "network", network, "batch", train->batch, "precision",
                     device_precision_word(train->precision), "threads", train->threads, "device", bench->device, "agc",
                     (double)train->agc, "images_per_second", cli_json_number(train->batch / seconds),
                     "milliseconds_per_step", cli_json_number(1e3 * seconds), "milliseconds_least",
                     cli_json_number(1e3 * bench->seconds[0]), "milliseconds_most",
                     cli_json_number(1e3 * bench->seconds[bench->repeats - 1]), "gigaflops_per_second",
                     cli_json_number(gigaflops_per_second(bench)), "megaflops_forward_per_image",
                     cli_json_number(forward_flops(&bench->settings.model) / 1e6), "parameters",
                     (json_int_t)network_parameter_count(bench->network), "milliseconds", kinds_json(bench),
                     "milliseconds_by_part", cli_json_step_time(&bench->time));
}

static void rate_cell(struct table *table, double amount, double seconds)
{
    if (amount > 0 && seconds > 0)
        table_cell(table, amount / seconds < 1e10 ? "%.1f" : "%.0f", amount / seconds / 1e9);
    else
        table_cell(table, "%s", "");
}

/* `work` is the least that was to do; its rates say how far from the machine's limits it went. */
static void kind_row(struct table *table, const char *name, double seconds, double total,
                     const struct network_work *work)
{
    table_cell(table, "%s", name);
    table_cell(table, "%.3f", 1e3 * seconds);
    table_cell(table, "%.1f %%", 100 * seconds / total);
    rate_cell(table, work->flops, seconds);
    rate_cell(table, work->bytes, seconds);
}

/* As a run shows them, which has its images to wait for, and probes. */
static void print_parts(const struct step_time *time)
{
    printf("mean step:");
    for (int p = 0; p < STEP_PARTS; p++)
        if (p != STEP_PROBE)
            printf("%s %s %.3f ms", p > 0 ? "," : "", step_part_name((enum step_part)p), 1e3 * time->parts[p]);
    printf("\n\n");
}

static int print_bench(const struct bench *bench, struct error *error)
{
    const struct train_options *train = &bench->settings.train;
    char network[SETTINGS_NETWORK_SIZE];
    const bool profiled = bench->backend->whole_batch; /* by steps of their own, so with a sum of their own */
    double seconds = median(bench), total = 0, counted = 0;
    struct network_work work[TIME_KINDS], all = {0, 0};
    network_work(bench->network, work);
    settings_network_name(&bench->settings, network);
    printf("%s, batch %d, %s: %.1f images/s, %.2f ms/step (%.2f to %.2f)\n", network, train->batch, bench->device,
           train->batch / seconds, 1e3 * seconds, 1e3 * bench->seconds[0], 1e3 * bench->seconds[bench->repeats - 1]);
    printf("%zu parameters, %.1f MFLOP forward an image, %.0f GFLOP/s in convolutions\n",
           network_parameter_count(bench->network), forward_flops(&bench->settings.model) / 1e6,
           gigaflops_per_second(bench));
    print_parts(&bench->time);
    struct table *table = table_create("lrrrr");
    table_cell(table, "where the time goes");
    table_cell(table, "ms/step");
    table_cell(table, "share");
    table_cell(table, "GFLOP/s");
    table_cell(table, "GB/s");
    for (int k = 0; k < TIME_KINDS; k++) {
        counted += bench->kinds[k];
        all.flops += work[k].flops;
        all.bytes += work[k].bytes;
    }
    for (long r = 0; r < bench->repeats; r++)
        total += bench->seconds[r] / (double)bench->repeats;
    if (profiled)
        total = counted;
    for (int k = 0; k < TIME_KINDS; k++)
        if (bench->kinds[k] > 0)
            kind_row(table, network_time_name(k), bench->kinds[k], total, &work[k]);
    if (!profiled)
        kind_row(table, "not counted", fmax(0, total - counted), total, &(struct network_work){0, 0});
    kind_row(table, profiled ? "one operation at a time" : "mean step", total, total, &all);
    int result = table_print(table, stdout, error);
    table_destroy(table);
    printf("\na step is at least %.2f GFLOP and, with each tensor read and written once by each operation, %.3f GB\n",
           all.flops / 1e9, all.bytes / 1e9);
    return result;
}

/* ---- The subcommand ---- */

enum cli_status cli_bench(struct cli *cli)
{
    struct bench bench = {.settings = cli->settings};
    char note[DEVICE_NOTE_SIZE] = "";
    struct error error;
    enum cli_status status = CLI_DONE;
    if (!settings_given(&cli->settings, "agc"))
        bench.settings.train.agc = 0; /* the peer's step has none unless asked */
    if (cli_number(cli, "steps", STEPS, 1, MOST_STEPS, &bench.steps, &error) != 0 ||
        cli_number(cli, "repeats", REPEATS, 1, MOST_REPEATS, &bench.repeats, &error) != 0)
        return cli_usage(cli, &error);
    if (run_open_network(&bench.settings, NULL, &bench.backend, &bench.network, bench.device, note, &error) != 0 ||
        make_batch(&bench, &error) != 0 || measure(&bench, &error) != 0) {
        status = cli_failed(cli, &error);
    } else {
        cli_note(note);
        qsort(bench.seconds, (size_t)bench.repeats, sizeof *bench.seconds, ascending);
        if (cli->settings.json)
            status = cli_print_json(cli, bench_json(&bench));
        else if (print_bench(&bench, &error) != 0)
            status = cli_failed(cli, &error);
    }
    free(bench.images);
    free(bench.labels);
    free(bench.seconds);
    if (bench.network)
        network_destroy(bench.network);
    if (bench.backend)
        bench.backend->destroy(bench.backend);
    return status;
}
