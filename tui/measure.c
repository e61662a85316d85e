/* See measure.h. */
#include "tui/measure.h"

#include "tui/run.h"

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

int measure_open(struct measure *measure, struct session *session, const struct settings *settings,
                 const struct checkpoint_choice *checkpoint, struct error *error)
{
    *measure = (struct measure){.session = session, .settings = *settings};
    if (run_open_session_data(&measure->settings, &measure->dataset, error) != 0 ||
        run_open_network(&measure->settings, NULL, &measure->backend, &measure->network, measure->device,
                         measure->device_note, error) != 0)
        return -1;
    measure->averaged = measure->settings.train.ema > 0;
    return measure_load(session, checkpoint, measure->network, &measure->state, measure->note, error);
}

/* The images of the part, as the training split them. */
static int choose_part(struct measure *measure, const char *part, struct evaluation_options *options,
                       struct error *error)
{
    struct partition parts;
    if (partition_make(measure->dataset, &measure->settings.train, &parts, error) != 0)
        return -1;
    *options = (struct evaluation_options){.split = SPLIT_TEST,
                                           .count = parts.test,
                                           .batch = measure->settings.train.batch,
                                           .normalize = measure->settings.train.normalize,
                                           .statistics = parts.statistics,
                                           .use_ema = measure->averaged,
                                           .tta = measure->tta,
                                           .plain = measure->tta == TTA_NONE ? NULL : &measure->plain};
    measure->part = part;
    if (strcmp(part, "test") == 0)
        return 0;
    const bool validation = strcmp(part, "validation") == 0;
    options->split = SPLIT_TRAIN;
    options->first = validation ? parts.validation_first : 0;
    options->count = validation ? parts.validation : parts.train;
    if (options->count == 0)
        return error_set(error, "the session held no images out (--validation 0): there is no validation split");
    return 0;
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
    measure->split = options.split;
    measure->first = options.first;
    measure->confusion = calloc(classes * classes, sizeof *measure->confusion);
    measure->predictions = calloc((size_t)options.count, sizeof *measure->predictions);
    if (!measure->confusion || !measure->predictions)
        return error_set(error, "out of memory");
    options.confusion = measure->confusion;
    options.predictions = measure->predictions;
    options.progress = progress;
    options.context = context;
    return evaluate(measure->network, measure->dataset, &options, &measure->result, error);
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
