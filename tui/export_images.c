/* The pictures of `export` that are made of images and the network: what is picked, and what stands above it; see
 * export.h. The network is loaded, and the part of the data measured, when the first of them needs it. */
#include "tui/export.h"

#include "base/line.h"
#include "engine/loader.h"
#include "engine/samples.h"
#include "tui/figure_images.h"
#include "tui/figure_test.h"
#include "tui/run.h"
#include "tui/words.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

enum { TEXT = 192, PAIRS = 24, SAMPLES = 40, MOST_FILTERS = 256, CLASSES_A_ROW = 10, FEW_CLASSES = 20 };

/* ---- What figures are made of ---- */

static int open_network(struct export_source *source, struct error *error)
{
    if (source->opened)
        return 0;
    if (measure_open(&source->measure, source->session, &source->settings, &source->checkpoint, error) != 0) {
        measure_close(&source->measure);
        return -1;
    }
    source->opened = true;
    source->taken = source->measure.state;
    return 0;
}

static int measure_images(struct export_source *source, struct error *error)
{
    if (source->measured)
        return 0;
    if (open_network(source, error) != 0)
        return -1;
    const int status = measure_run(&source->measure, source->part, source->progress, source->context, error);
    source->measured = status == 0;
    return status == EVALUATION_INTERRUPTED ? error_set(error, "interrupted") : status;
}

void export_close_network(struct export_source *source)
{
    if (source->opened)
        measure_close(&source->measure);
    source->opened = source->measured = false;
}

/* ---- Words ---- */

/* "img, micro, step 391, averaged weights" */
static void say_network(const struct export_source *source, char *text, size_t size)
{
    const struct measure *measure = &source->measure;
    char network[SETTINGS_NETWORK_SIZE];
    settings_network_name(&measure->settings, network);
    snprintf(text, size, "%s, %s, step %ld%s%s", session_name(source->session), network, measure->state.step,
             measure->averaged ? ", averaged weights" : "", measure->tta == TTA_FLIP ? ", with mirror images" : "");
}

/* "10,000 test images of CIFAR-10, accuracy 58.48 %" */
static void say_part(const struct export_source *source, char *text, size_t size)
{
    const struct measure *measure = &source->measure;
    char images[TEXT], percent[32];
    (void)measure_say_images(measure, images, sizeof images);
    words_percent(measure->result.accuracy, percent, sizeof percent);
    snprintf(text, size, "%s, accuracy %s", images, percent);
}

/* Both, with a dot between them. */
static void say_images(const struct export_source *source, char *text, size_t size)
{
    char network[TEXT], part[TEXT];
    say_network(source, network, sizeof network);
    say_part(source, part, sizeof part);
    snprintf(text, size, "%s \u00b7 %s", network, part);
}

/* Draws the sheet and gives it up. */
static int draw_sheet(const struct export_source *source, struct sheet *sheet, struct canvas **out, struct error *error)
{
    int columns, rows;
    struct rect inside;
    sheet_size(sheet, &columns, &rows);
    const int status = canvas_create_figure(columns, rows, source->scale, source->theme, out, &inside, error);
    if (status == 0)
        figure_sheet(*out, inside, sheet);
    sheet_destroy(sheet);
    return status;
}

/* ---- Figures ---- */

/* What the sheet's images are mixed with in its epoch. */
static int find_partners(const struct augmentation_sheet *what, const struct train_options *train, int images,
                         int *partners, struct mix *mixes, struct error *error)
{
    struct loader *loader;
    const struct loader_options options = {.split = SPLIT_TRAIN,
                                           .count = images,
                                           .batch = train->batch,
                                           .shuffle = true,
                                           .mix = train->mix,
                                           .seed = train->seed};
    if (loader_create(what->dataset, &options, &loader, error) < 0)
        return -1;
    loader_partners(loader, what->epoch, what->images, what->count, partners, mixes);
    loader_destroy(loader);
    return 0;
}

/* The last that the run makes, from 0: as it is planned, or the one that it has come to where that is behind. */
static int last_epoch(const struct train_options *train, int images, long step)
{
    const long batches = loader_batches_of(images, train->batch);
    const long planned = train->epochs > 0 ? train->epochs * batches : LONG_MAX;
    const long bounded = train->steps > 0 && train->steps < planned ? train->steps : planned;
    const long steps = bounded > step && bounded < LONG_MAX ? bounded : step;
    return steps > 0 ? (int)((steps - 1) / batches) : 0;
}

static void say_epoch(const struct export_source *source, const char *data, int epoch, char *text, size_t size)
{
    const struct augment_options *augment = &source->settings.train.augment;
    const int full = augment->kind == AUGMENT_STANDARD ? augment->growing : 0;
    struct line line = line_begin(text, size);
    line_add(&line, "%s \u00b7 training images of %s as in epoch %d, the run's last", session_name(source->session),
             data, epoch + 1);
    if (epoch < full)
        line_add(&line, "; full strength would come with epoch %d", full + 1);
}

int export_augmentation(struct export_source *source, struct canvas **out, struct error *error)
{
    const struct train_options *train = &source->settings.train;
    struct partition parts;
    struct dataset *dataset = NULL;
    struct sheet *sheet = NULL;
    int images[PAIRS], partners[PAIRS], status = -1;
    struct mix mixes[PAIRS];
    const bool mixed = mix_is_on(&train->mix);
    char title[TEXT], note[TEXT], name[SETTINGS_VALUE_SIZE];

    if (train->augment.kind == AUGMENT_NONE && !mixed)
        return error_set(error, "session %s trains without augmentation (--augment none): there is nothing to show",
                         session_name(source->session));
    if (run_open_session_data(&source->settings, &dataset, error) != 0)
        return -1;
    if (partition_make(dataset, train, &parts, error) != 0)
        goto out;
    settings_get(&source->settings, settings_row(settings_find("augment")), name);
    snprintf(title, sizeof title, "Augmentation \"%.32s\": each image and what is made of it", name);
    const int epoch = last_epoch(train, parts.train, source->step);
    say_epoch(source, dataset_name(dataset), epoch, note, sizeof note);
    struct augmentation_sheet what = {
        .head = {title, note},
        .dataset = dataset,
        .augment = train->augment,
        .seed = train->seed,
        .epoch = (uint32_t)epoch,
        .images = images,
        .count = samples_random(parts.train, train->seed, PAIRS, images),
    };
    if (mixed) {
        what.partners = partners;
        what.mixes = mixes;
    }
    if ((!mixed || find_partners(&what, train, parts.train, partners, mixes, error) == 0) &&
        sheet_of_augmentation(&what, &sheet, error) == 0)
        status = draw_sheet(source, sheet, out, error);
out:
    dataset_close(dataset);
    return status;
}

static int draw_samples(struct export_source *source, const char *title, const int *places, int count, int per_row,
                        struct canvas **out, struct error *error)
{
    const struct measure *measure = &source->measure;
    char note[TEXT];
    struct sheet *sheet;
    say_images(source, note, sizeof note);
    const struct samples_sheet what = {.head = {title, note},
                                       .dataset = measure->dataset,
                                       .split = measure->split,
                                       .first = measure->first,
                                       .predictions = measure->predictions,
                                       .places = places,
                                       .count = count,
                                       .per_row = per_row};
    if (sheet_of_samples(&what, &sheet, error) != 0)
        return -1;
    return draw_sheet(source, sheet, out, error);
}

int export_samples(struct export_source *source, struct canvas **out, struct error *error)
{
    int places[SAMPLES];
    if (measure_images(source, error) != 0)
        return -1;
    const int count = samples_random((int)source->measure.result.count, source->settings.train.seed, SAMPLES, places);
    return draw_samples(source, "Random images", places, count, 0, out, error);
}

/* A column a class, in bands of CLASSES_A_ROW classes. */
int export_classes(struct export_source *source, struct canvas **out, struct error *error)
{
    if (measure_images(source, error) != 0)
        return -1;
    const struct measure *measure = &source->measure;
    const int classes = measure->settings.model.classes, each = classes <= FEW_CLASSES ? 5 : 2;
    const int bands = (classes + CLASSES_A_ROW - 1) / CLASSES_A_ROW;
    const int count = bands * CLASSES_A_ROW * each;
    int *places = malloc((size_t)count * sizeof *places), own[8];
    if (!places)
        return error_set(error, "out of memory");
    for (int i = 0; i < count; i++)
        places[i] = -1;
    for (int c = 0; c < classes; c++) {
        const int found = samples_of_class(measure->predictions, (int)measure->result.count, c,
                                           measure->settings.train.seed, each, own);
        for (int i = 0; i < found; i++)
            places[(c / CLASSES_A_ROW * each + i) * CLASSES_A_ROW + c % CLASSES_A_ROW] = own[i];
    }
    const int status = draw_samples(source, "Random images of each class", places, count, CLASSES_A_ROW, out, error);
    free(places);
    return status;
}

int export_mistakes(struct export_source *source, struct canvas **out, struct error *error)
{
    int places[SAMPLES];
    if (measure_images(source, error) != 0)
        return -1;
    const struct measure *measure = &source->measure;
    const int count = samples_mistakes(measure->predictions, (int)measure->result.count, SAMPLES, places);
    if (count == 0)
        return error_set(error, "session %s makes no mistake on the %s images: there is nothing to show",
                         session_name(source->session), measure->part);
    return draw_samples(source, "Most confident mistakes", places, count, 0, out, error);
}

int export_losses(struct export_source *source, struct canvas **out, struct error *error)
{
    int places[SAMPLES];
    if (measure_images(source, error) != 0)
        return -1;
    const struct measure *measure = &source->measure;
    const int count = samples_highest_loss(measure->predictions, (int)measure->result.count, SAMPLES, places);
    return draw_samples(source, "Highest loss", places, count, 0, out, error);
}

int export_confusion(struct export_source *source, struct canvas **out, struct error *error)
{
    int columns, rows;
    char note[TEXT];
    struct rect inside;
    struct confusion *confusion;
    if (measure_images(source, error) != 0)
        return -1;
    say_images(source, note, sizeof note);
    const struct figure_head head = {"Confusion matrix", note};
    if (confusion_create(&head, source->measure.dataset, source->measure.confusion, &confusion, error) != 0)
        return -1;
    confusion_size(confusion, &columns, &rows);
    const int status = canvas_create_figure(columns, rows, source->scale, source->theme, out, &inside, error);
    if (status == 0)
        figure_confusion(*out, inside, confusion);
    confusion_destroy(confusion);
    return status;
}

int export_reliability(struct export_source *source, struct canvas **out, struct error *error)
{
    char network[TEXT], part[TEXT];
    struct calibration calibration;
    if (measure_images(source, error) != 0)
        return -1;
    say_network(source, network, sizeof network);
    say_part(source, part, sizeof part);
    const struct figure_head head = {"Reliability diagram", network};
    calibrate(source->measure.predictions, source->measure.result.count, &calibration);
    return figure_reliability(&head, part, &calibration, source->theme, source->scale, out, error);
}

int export_corruptions(const struct export_source *source, const struct robustness *robustness, struct canvas **out,
                       struct error *error)
{
    char note[TEXT];
    say_images(source, note, sizeof note);
    const struct figure_head head = {"Accuracy on corrupted images", note};
    return figure_corruptions(&head, robustness, source->measure.result.accuracy, source->theme, source->scale, out,
                              error);
}

int export_filters(struct export_source *source, struct canvas **out, struct error *error)
{
    if (open_network(source, error) != 0)
        return -1;
    const struct measure *measure = &source->measure;
    const struct parameter *stem = network_find(measure->network, "stem.weight");
    const int count = stem->dims[0] < MOST_FILTERS ? stem->dims[0] : MOST_FILTERS;
    float *weights = malloc(stem->count * sizeof *weights);
    char network[TEXT], title[TEXT], note[2 * TEXT];
    struct sheet *sheet;
    if (!weights)
        return error_set(error, "out of memory");
    say_network(source, network, sizeof network);
    if (count < stem->dims[0])
        snprintf(title, sizeof title, "Filters of the stem: the first %d of %d", count, stem->dims[0]);
    else
        snprintf(title, sizeof title, "Filters of the stem: all %d", count);
    snprintf(note, sizeof note, "%s \u00b7 %s; grey is 0, full colour \u00b1 the filter's largest weight", network,
             measure->settings.model.weight_standardization ? "standardised weights" : "weights");
    const struct filters_sheet what = {.head = {title, note}, .weights = weights, .count = count};
    const int status = network_read_effective(measure->network, stem, measure->averaged, weights, error) ||
                               sheet_of_filters(&what, &sheet, error)
                           ? -1
                           : draw_sheet(source, sheet, out, error);
    free(weights);
    return status;
}
