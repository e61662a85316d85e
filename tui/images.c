/* See images.h. */
#include "tui/images.h"

#include "base/digits.h"
#include "engine/samples.h"
#include "tui/words.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct images {
    const struct dataset *dataset;
    const struct look *look;
    /* the page that is kept, and what it is of */
    bool made;
    long number;
    enum images_page page;
    int draw, of_class;
    struct sheet *sheet;
    struct confusion *confusion;
    int places[LOOK_IMAGES]; /* of the page's pictures among the look's images */
    int count;
    char note[IMAGES_TEXT];
};

const char *images_page_name(int page)
{
    static const char *const names[] = {"augmentation", "random",    "mistakes", "losses",
                                        "class",        "confusion", "filters",  NULL};

    return names[page];
}

void images_turn(struct images_choice *choice, int page)
{
    choice->page = (enum images_page)((page + IMAGES_PAGES) % IMAGES_PAGES);
    choice->selected = choice->top = 0;
    choice->large = false;
}

int images_create(const struct dataset *dataset, struct images **out, struct error *error)
{
    struct images *images = calloc(1, sizeof(*images));

    if (!images)
        return error_set(error, "out of memory");
    images->dataset = dataset;
    *out = images;
    return 0;
}

static void forget(struct images *images)
{
    sheet_destroy(images->sheet);
    confusion_destroy(images->confusion);
    images->sheet = NULL;
    images->confusion = NULL;
    images->made = false;
    images->count = 0;
}

void images_destroy(struct images *images)
{
    if (images)
        forget(images);
    free(images);
}

void images_take(struct images *images, const struct look *look)
{
    images->look = look;
    if (!look)
        forget(images);
}

const struct look *images_look(const struct images *images)
{
    return images->look;
}

/* ---- Pages ---- */

static void say_step(const struct look *look, char *text, size_t size)
{
    char step[32];

    words_count((double)look->step, step, sizeof(step));
    snprintf(text, size, "step %s", step);
}

/* "512 test images at step 1,234, averaged weights: accuracy 58.2 %, loss 1.21" */
static void say_images(const struct images *images, char *text, size_t size)
{
    const struct look *look = images->look;
    char step[40], count[32], percent[32], loss[32];

    say_step(look, step, sizeof(step));
    words_count((double)look->count, count, sizeof(count));
    words_percent(look->result.accuracy, percent, sizeof(percent));
    digits_loss(look->result.loss, loss, sizeof(loss));
    snprintf(text, size, "%s %s images at %s%s: accuracy %s, loss %s", count,
             look->split == SPLIT_TEST ? "test" : "validation", step, look->averaged ? ", averaged weights" : "",
             percent, loss);
}

static void say_draw(const struct look *look, int draw, char *text, size_t size)
{
    char step[32];

    if (look->over) {
        snprintf(text, size, "the run has ended; draw %d of the images of its last batch (epoch %u, batch %u)",
                 draw + 1, look->epoch + 1, look->batch + 1);
        return;
    }
    words_count((double)look->step + 1, step, sizeof(step));
    snprintf(text, size,
             draw == 0 ? "draw %d: just what step %s (epoch %u, batch %u) trains on%s"
                       : "draw %d of the images of step %s (epoch %u, batch %u)%s",
             draw + 1, step, look->epoch + 1, look->batch + 1,
             look->augment.kind == AUGMENT_NONE && !mix_is_on(&look->mix) ? ", unchanged as the run does not augment"
                                                                          : "");
}

/* The batch's images with their partners. */
static void mix_batch(const struct look *look, const int *numbers, int *partners, struct mix *mixes,
                      struct augmentation_sheet *what)
{
    const struct mix mix = mix_draw(&look->mix, what->seed, look->epoch, look->batch);

    for (int i = 0; i < what->count; i++) {
        partners[i] = numbers[mix_partner(i, what->count)];
        mixes[i] = mix;
    }
    what->partners = partners;
    what->mixes = mixes;
}

/* Another seed makes another draw for the same epoch, so as strong as the training's own. */
static int make_augmentation(struct images *images, const struct images_choice *choice, struct error *error)
{
    const struct look *look = images->look;
    const size_t size = (size_t)look->batch_size;
    int *numbers = malloc(2 * size * sizeof(*numbers)), status = -1;
    struct mix *mixes = malloc(size * sizeof(*mixes));
    struct augmentation_sheet what = {.dataset = images->dataset,
                                      .augment = look->augment,
                                      .seed = look->seed + (uint64_t)choice->draw,
                                      .epoch = look->epoch,
                                      .images = numbers};

    what.count =
        numbers && mixes ? look_batch(look, images->dataset, numbers, error) : error_set(error, "out of memory");
    if (what.count > 0) {
        if (mix_is_on(&look->mix))
            mix_batch(look, numbers, numbers + size, mixes, &what);
        say_draw(look, choice->draw, images->note, sizeof(images->note));
        status = sheet_of_augmentation(&what, &images->sheet, error);
    }
    images->count = status == 0 ? what.count : 0;
    free(mixes);
    free(numbers);
    return status;
}

static int find_places(struct images *images, const struct images_choice *choice)
{
    const struct look *look = images->look;
    const uint64_t seed = look->seed + (uint64_t)choice->draw;

    switch (choice->page) {
    case IMAGES_MISTAKES:
        return samples_mistakes(look->predictions, look->count, LOOK_IMAGES, images->places);
    case IMAGES_LOSSES:
        return samples_highest_loss(look->predictions, look->count, LOOK_IMAGES, images->places);
    case IMAGES_CLASS:
        return samples_of_class(look->predictions, look->count, choice->of_class, seed, LOOK_IMAGES, images->places);
    default:
        return samples_random(look->count, seed, LOOK_IMAGES, images->places);
    }
}

/* Of the class that is shown, before what holds for all images. */
static int say_class(const struct images *images, int of_class, char *text, size_t size)
{
    const struct look *look = images->look;
    const uint32_t *row = look->confusion + (size_t)of_class * (size_t)look->classes;

    return snprintf(text, size, "%s: %u of %u right; c and C: other classes \u00b7 ",
                    dataset_class_name(images->dataset, of_class), row[of_class],
                    confusion_images(look->confusion, look->classes, of_class));
}

static int make_samples(struct images *images, const struct images_choice *choice, struct error *error)
{
    const struct look *look = images->look;
    struct samples_sheet what = {.dataset = images->dataset,
                                 .split = look->split,
                                 .first = look->first,
                                 .predictions = look->predictions,
                                 .places = images->places};
    int used = 0;

    images->count = what.count = find_places(images, choice);
    if (choice->page == IMAGES_CLASS)
        used = say_class(images, choice->of_class, images->note, sizeof(images->note));
    say_images(images, images->note + used, sizeof(images->note) - (size_t)used);
    if (what.count > 0)
        return sheet_of_samples(&what, &images->sheet, error);
    return error_set(
        error, choice->page == IMAGES_MISTAKES ? "No mistake among %d images." : "None of %d images is of this class.",
        look->count);
}

static int make_confusion(struct images *images, struct error *error)
{
    const struct figure_head head = {NULL, NULL};

    say_images(images, images->note, sizeof(images->note));
    return confusion_create(&head, images->dataset, images->look->confusion, &images->confusion, error);
}

static int make_filters(struct images *images, struct error *error)
{
    const struct look *look = images->look;
    const struct filters_sheet what = {.weights = look->filters, .count = look->filter_count};
    char step[40];

    say_step(look, step, sizeof(step));
    snprintf(images->note, sizeof(images->note),
             "the %d filters of the stem at %s%s%s: grey is 0, full colour \u00b1 "
             "the filter's largest weight",
             look->filter_count, step, look->standardized ? ", standardised" : "",
             look->averaged ? ", averaged weights" : "");
    images->count = look->filter_count;
    return sheet_of_filters(&what, &images->sheet, error);
}

static int make(struct images *images, const struct images_choice *choice, struct error *error)
{
    const struct look *look = images->look;

    if (choice->page == IMAGES_AUGMENTATION)
        return make_augmentation(images, choice, error);
    if (*look->failure)
        return error_set(error, "It could not be measured: %s", look->failure);
    if (choice->page == IMAGES_FILTERS)
        return make_filters(images, error);
    if (look->count == 0)
        return error_set(error, "These data have neither test images nor a validation part (--validation N): there is "
                                "nothing that the network has not been trained on.");
    return choice->page == IMAGES_CONFUSION ? make_confusion(images, error) : make_samples(images, choice, error);
}

static bool is_made(const struct images *images, const struct images_choice *choice)
{
    return images->made && images->number == images->look->number && images->page == choice->page &&
           images->draw == choice->draw && images->of_class == choice->of_class;
}

void images_show(struct images *images, const struct images_choice *choice, struct images_shown *out)
{
    struct error error = {""};

    *out = (struct images_shown){.sheet = NULL};
    if (!images->look)
        return;
    if (!is_made(images, choice)) {
        forget(images);
        images->made = true;
        images->number = images->look->number;
        images->page = choice->page;
        images->draw = choice->draw;
        images->of_class = choice->of_class;
        if (make(images, choice, &error)) {
            images->count = 0;
            snprintf(images->note, sizeof(images->note), "%s", error.message);
        }
    }
    out->sheet = images->sheet;
    out->confusion = images->confusion;
    out->count = images->count;
    memcpy(out->note, images->note, sizeof(out->note));
}

bool images_sample(const struct images *images, const struct images_choice *choice, struct sample_figure *out)
{
    const struct look *look = images->look;

    if (!look || choice->page < IMAGES_RANDOM || choice->page > IMAGES_CLASS || choice->selected >= images->count)
        return false;
    const int place = images->places[choice->selected];
    *out = (struct sample_figure){.dataset = images->dataset,
                                  .split = look->split,
                                  .image = look->first + place,
                                  .prediction = &look->predictions[place],
                                  .probabilities = look->probabilities + (size_t)place * (size_t)look->classes};
    return true;
}
