/* Where the data of a run are: those that were named, else those of the usual places; see run.h. */
#include "tui/run.h"

#include "engine/evaluate.h"
#include "engine/synthetic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { WHY_MOST = 350 }; /* characters of a reason in a note */

bool run_data_place(int index, char path[SETTINGS_PATH_SIZE])
{
    char home[SETTINGS_PATH_SIZE];
    const char *value = NULL;
    int length = 0;
    switch (index) {
    case 0:
        value = getenv("NFBENCH_DATA");
        length = snprintf(path, SETTINGS_PATH_SIZE, "%s", value ? value : "");
        break;
    case 1:
        length = snprintf(path, SETTINGS_PATH_SIZE, "data");
        break;
    case 2:
        if (session_data_home(home, NULL) == 0)
            length = snprintf(path, SETTINGS_PATH_SIZE, "%s/data", home);
        break;
    default:
        return false;
    }
    if (length <= 0 || length >= SETTINGS_PATH_SIZE)
        path[0] = '\0';
    return true;
}

/* The first place that holds a data set; the synthetic one when none does. A damaged one is an error: who has fetched
 * CIFAR does not want to find out later that the run was on other images. A folder without any is told. */
static int search_data(char note[RUN_TEXT_SIZE], struct dataset **out, struct error *error)
{
    char path[SETTINGS_PATH_SIZE];
    struct error why_not;
    struct stat status;
    note[0] = '\0';
    for (int i = 0; run_data_place(i, path); i++) {
        if (!*path)
            continue;
        if (dataset_open(path, out, &why_not) == 0)
            return 0;
        if (dataset_is_at(path))
            return error_set(error, "%.400s; or say --data DIR, or --data synthetic", why_not.message);
        const size_t told = strlen(note), why = strcspn(why_not.message, ";"); /* the advice behind it follows once */
        if (i == 0 || stat(path, &status) == 0)
            snprintf(note + told, RUN_TEXT_SIZE - told, "%s is of no use (%.*s). ", i ? path : "$NFBENCH_DATA",
                     (int)(why < WHY_MOST ? why : WHY_MOST), why_not.message);
    }
    size_t used = strlen(note);
    snprintf(note + used, RUN_TEXT_SIZE - used,
             "no CIFAR data found, so the built-in synthetic images are used; `nfbench fetch cifar10` gets CIFAR-10, "
             "--data DIR names a folder that has it");
    return dataset_open("synthetic", out, error);
}

int run_open_data(struct settings *settings, char note[RUN_TEXT_SIZE], struct dataset **out, struct error *error)
{
    note[0] = '\0';
    int result =
        settings_given(settings, "data") ? dataset_open(settings->data, out, error) : search_data(note, out, error);
    if (result != 0)
        return -1;
    const char *place = dataset_location(*out);
    if (strcmp(place, "built in") == 0)
        place = "synthetic";
    if (settings_set(settings, "data", place, error) != 0) { /* what settings.ini cannot hold could not be resumed */
        dataset_close(*out);
        *out = NULL;
        return -1;
    }
    settings->model.classes = dataset_classes(*out);
    return 0;
}

/* Closes it again when the session's network has another number of classes. */
static int check_classes(const struct settings *settings, struct dataset **dataset, struct error *error)
{
    const int classes = settings->model.classes, found = dataset_classes(*dataset);
    if (found == classes)
        return 0;
    error_set(error, "the session's network has %d classes, the data in %s have %d: name others by --data", classes,
              dataset_location(*dataset), found);
    dataset_close(*dataset);
    *dataset = NULL;
    return -1;
}

static int cannot_open_session_data(struct error *error)
{
    return error_prefix(error, "the session's data (--data DIR says where they are now)");
}

int run_open_session_data(const struct settings *settings, struct dataset **out, struct error *error)
{
    if (dataset_open(settings->data, out, error) != 0)
        return cannot_open_session_data(error);
    return check_classes(settings, out, error);
}

int run_open_session_test_data(const struct settings *settings, struct dataset **out, struct error *error)
{
    if (dataset_open_for_test(settings->data, out, error) != 0)
        return cannot_open_session_data(error);
    return check_classes(settings, out, error);
}

/* Opening the synthetic set takes seconds, and it is always there: its size is known. */
int run_check(const struct settings *settings, struct error *error)
{
    struct dataset *dataset;
    struct partition partition;
    if (session_name_is_free(settings, error) != 0)
        return -1;
    if (!settings_given(settings, "data") || strcmp(settings->data, "synthetic") == 0)
        return settings->train.validation < SYNTHETIC_TRAIN
                   ? 0
                   : error_set(error, "--validation %d: there are only %d training images", settings->train.validation,
                               (int)SYNTHETIC_TRAIN);
    if (dataset_open(settings->data, &dataset, error) != 0)
        return error_prefix(error, "--data");
    const int result = partition_make(dataset, &settings->train, &partition, error);
    dataset_close(dataset);
    return result;
}
