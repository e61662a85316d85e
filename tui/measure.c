/* See measure.h. */
#include "tui/measure.h"

#include "tui/run.h"
#include "tui/words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int measure_load(struct session *session, const struct checkpoint_choice *checkpoint, struct network *network,
                 struct training_state *state, char note[256], struct error *error)
{
    if (checkpoint->which != MEASURE_BEST)
        return session_load_choice(session, checkpoint, network, state, note, error);
    if (session_load(session, CHECKPOINT_BEST, network, state, note, error) == 0)
        return 0;
    return session_load(session, CHECKPOINT_LATEST, network, state, note, error);
}

/* Classes of the same number are not the same classes. */
static void note_other_data(struct measure *measure)
{
    struct session_input input;
    const char *name = dataset_name(measure->dataset);
    if (session_read_input(measure->session, &input, NULL) == 0 && strcmp(input.data, name) != 0)
        snprintf(measure->data_note, sizeof measure->data_note,
                 "the network was trained on %s and is measured on %s, whose classes are others", input.data, name);
}

int measure_open(struct measure *measure, struct session *session, const struct settings *settings,
                 const struct checkpoint_choice *checkpoint, struct error *error)
{
    *measure = (struct measure){.session = session, .settings = *settings};
    if (run_open_session_test_data(&measure->settings, &measure->dataset, error) != 0 ||
        run_open_network(&measure->settings, NULL, &measure->backend, &measure->network, measure->device,
                         measure->device_note, error) != 0)
        return -1;
    note_other_data(measure);
    measure->averaged = measure->settings.train.ema > 0;
    return measure_load(session, checkpoint, measure->network, &measure->state, measure->note, error);
}

/* As the session has it recorded, else as its training took it from the training images. */
static int find_statistics(const struct measure *measure, struct channel_statistics *out, struct error *error)
{
    const struct train_options *train = &session_settings(measure->session)->train;
    struct session_input input;
    struct partition parts;
    if (train->normalize != NORMALIZE_DATASET)
        return 0;
    if (session_read_input(measure->session, &input, NULL) == 0) {
        *out = input.statistics;
        return 0;
    }
    if (dataset_count(measure->dataset, SPLIT_TRAIN) == 0)
        return error_set(error,
                         "the session has no record of how its images are normalised, and %s has the test images "
                         "alone: --data DIR names the whole data set that it was trained on",
                         dataset_location(measure->dataset));
    if (partition_make(measure->dataset, train, &parts, error) != 0)
        return -1;
    *out = parts.statistics;
    return 0;
}

/* As the training split them; a folder with the test images alone has no other parts. */
static int find_parts(const struct measure *measure, struct partition *parts, struct error *error)
{
    struct train_options train = measure->settings.train;
    const int test = dataset_count(measure->dataset, SPLIT_TEST);
    train.normalize = NORMALIZE_IMAGE; /* the counts alone are wanted */
    *parts = (struct partition){.test = train.limit > 0 && train.limit < test ? train.limit : test};
    if (dataset_count(measure->dataset, SPLIT_TRAIN) > 0 && partition_make(measure->dataset, &train, parts, error) != 0)
        return -1;
    return find_statistics(measure, &parts->statistics, error);
}

static int choose_images(const struct measure *measure, const char *part, const struct partition *parts,
                         struct evaluation_options *options, struct error *error)
{
    const bool validation = strcmp(part, "validation") == 0;
    options->count = parts->test;
    if (strcmp(part, "test") == 0)
        return 0;
    if (dataset_count(measure->dataset, SPLIT_TRAIN) == 0)
        return error_set(error, "%s has the test images alone: there is no %s split",
                         dataset_location(measure->dataset), part);
    options->split = SPLIT_TRAIN;
    options->first = validation ? parts->validation_first : 0;
    options->count = validation ? parts->validation : parts->train;
    if (options->count == 0)
        return error_set(error, "the session held no images out (--validation 0): there is no validation split");
    return 0;
}

static int choose_part(const struct measure *measure, const char *part, struct evaluation_options *options,
                       struct error *error)
{
    struct partition parts;
    if (find_parts(measure, &parts, error) != 0)
        return -1;
    *options = (struct evaluation_options){.split = SPLIT_TEST,
                                           .batch = measure->settings.train.batch,
                                           .normalize = measure->settings.train.normalize,
                                           .statistics = parts.statistics,
                                           .use_ema = measure->averaged,
                                           .tta = measure->tta};
    return choose_images(measure, part, &parts, options, error);
}

static void free_results(struct measure *measure)
{
    free(measure->confusion);
    free(measure->predictions);
    measure->confusion = NULL;
    measure->predictions = NULL;
}

int measure_run(struct measure *measure, const char *part, int (*progress)(void *context, int done, int total),
                void *context, struct error *error)
{
    const size_t classes = (size_t)measure->settings.model.classes;
    struct evaluation_options options;
    free_results(measure);
    if (choose_part(measure, part, &options, error) != 0)
        return -1;
    measure->part = part;
    measure->evaluated = options;
    measure->split = options.split;
    measure->first = options.first;
    measure->confusion = calloc(classes * classes, sizeof *measure->confusion);
    measure->predictions = calloc((size_t)options.count, sizeof *measure->predictions);
    if (!measure->confusion || !measure->predictions)
        return error_set(error, "out of memory");
    options.confusion = measure->confusion;
    options.predictions = measure->predictions;
    options.plain = measure->tta == TTA_NONE ? NULL : &measure->plain;
    options.progress = progress;
    options.context = context;
    return evaluate(measure->network, measure->dataset, &options, &measure->result, error);
}

int measure_corrupted(const struct measure *measure, robustness_progress *progress, void *context,
                      struct robustness *out, struct error *error)
{
    return robustness_measure(measure->network, measure->dataset, &measure->evaluated, progress, context, out, error);
}

bool measure_say_images(const struct measure *measure, char *text, size_t size)
{
    const int all = dataset_count(measure->dataset, measure->split);
    const bool limited = measure->split == SPLIT_TEST && measure->result.count < all;
    char count[32], whole[32];
    words_count((double)measure->result.count, count, sizeof count);
    words_count((double)all, whole, sizeof whole);
    snprintf(text, size, "%s%s%s%s %s images of %s", limited ? "first " : "", count, limited ? " of " : "",
             limited ? whole : "", measure->part, dataset_name(measure->dataset));
    return limited;
}

void measure_close(struct measure *measure)
{
    free_results(measure);
    if (measure->network)
        network_destroy(measure->network);
    if (measure->backend)
        measure->backend->destroy(measure->backend);
    if (measure->dataset)
        dataset_close(measure->dataset);
}
