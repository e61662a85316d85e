/* The seed report's own figures; see seed_report.h. */
#include "sessions/seed_report.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static const struct seed_epoch epochs[] = {
    {10, 0.767, 0.7503},  {20, 0.532, 0.8163},  {30, 0.417, 0.8366},  {40, 0.349, 0.8426},  {50, 0.210, 0.8845},
    {60, 0.123, 0.8922},  {70, 0.101, 0.8946},  {80, 0.088, 0.8944},  {90, 0.078, 0.8930},  {100, 0.067, 0.8964},
    {110, 0.058, 0.8975}, {120, 0.057, 0.8979}, {150, 0.051, 0.8969}, {200, 0.051, 0.8978},
};

const int seed_report_marks[SEED_REPORT_MARKS] = {10, 20, 30, 40};

/* At 0.1 every run was NaN within its first steps, and went on to the end. */
#define DIVERGED {0.1014, 0.1014, 0.1014, 0.1014}, NAN

static const struct seed_trial trials[] = {
    {0.001, 32, {0.5980, 0.7186, 0.7735, 0.7988}, 0.554},
    {0.001, 64, {0.5250, 0.6272, 0.6904, 0.7354}, 0.780},
    {0.001, 128, {0.4747, 0.5592, 0.6171, 0.6576}, 1.028},
    {0.001, 256, {0.3961, 0.4701, 0.5062, 0.5454}, 1.282},
    {0.01, 32, {0.7860, 0.8155, 0.8120, 0.8365}, 0.408},
    {0.01, 64, {0.7589, 0.8114, 0.8314, 0.8501}, 0.351},
    {0.01, 128, {0.7269, 0.7765, 0.8267, 0.8423}, 0.391},
    {0.01, 256, {0.6147, 0.7405, 0.7832, 0.8136}, 0.507},
    {0.1, 32, DIVERGED},
    {0.1, 64, DIVERGED},
    {0.1, 128, DIVERGED},
    {0.1, 256, DIVERGED},
};

enum { EPOCHS = sizeof epochs / sizeof *epochs, TRIALS = sizeof trials / sizeof *trials };

static bool is_free(const struct setting *row)
{
    static const char *const names[] = {"epochs", "lr", "batch", "seed", "classes"};
    bool found = !row->saved || strcmp(row->section, "run") == 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        found = found || strcmp(row->name, names[i]) == 0;
    return found;
}

bool seed_report_is_like(const struct settings *settings, const char *data)
{
    struct settings *report = calloc(1, sizeof *report);
    const struct setting *row;
    char own[SETTINGS_VALUE_SIZE], theirs[SETTINGS_VALUE_SIZE];
    bool same = report && strcmp(data, "CIFAR-10") == 0 && settings_default(report, NULL) == 0 &&
                settings_set(report, "preset", "report", NULL) == 0;
    for (int i = 0; same && (row = settings_row(i)); i++) {
        settings_get(settings, row, own);
        settings_get(report, row, theirs);
        same = is_free(row) || strcmp(own, theirs) == 0;
    }
    free(report);
    return same;
}

const struct seed_epoch *seed_report_epoch(int index)
{
    return index >= 0 && index < EPOCHS ? &epochs[index] : NULL;
}

const struct seed_epoch *seed_report_at(int epoch)
{
    for (int i = 0; i < EPOCHS; i++)
        if (epochs[i].epoch == epoch)
            return &epochs[i];
    return NULL;
}

const struct seed_trial *seed_report_trial(int index)
{
    return index >= 0 && index < TRIALS ? &trials[index] : NULL;
}

/* Settings hold rates as floats: 0.1f is not 0.1. */
const struct seed_trial *seed_report_tried(double learning_rate, int batch)
{
    for (int i = 0; i < TRIALS; i++)
        if (trials[i].batch == batch && fabs(trials[i].learning_rate - learning_rate) < 1e-6 * learning_rate)
            return &trials[i];
    return NULL;
}
