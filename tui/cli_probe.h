/* Internal to `nfbench probe`: what was measured (cli_probe.c), and how it is shown (cli_probe_show.c). */
#ifndef NFBENCH_TUI_CLI_PROBE_H
#define NFBENCH_TUI_CLI_PROBE_H

#include "engine/probe.h"
#include "tui/cli.h"
#include "tui/figure_choices.h"
#include "tui/run.h"

/* What goes into the networks. */
struct probe_input {
    bool noise;
    struct dataset *dataset;   /* NULL with noise */
    struct partition parts;    /* of the data set */
    char words[RUN_TEXT_SIZE]; /* "unit Gaussian noise" */
    float *images;             /* (batch, 32, 32, 3) */
    uint8_t *labels;           /* (batch) */
};

/* One network that was probed. */
struct probe_subject {
    char choice[CLI_VALUE_SIZE]; /* the words of --compare: "he", "he, ws off"; empty without it */
    int first, second;           /* numbers of the words */
    struct settings settings;
    struct probe *probe;
};

struct probing {
    struct cli *cli;
    struct probe_input input;
    const struct setting *compared[2]; /* NULL, NULL: one network; all choices of both with each other */
    struct probe_subject subjects[CHOICES_MOST];
    int count;
    long scale; /* of the picture */
    char device[DEVICE_TEXT_SIZE], note[DEVICE_NOTE_SIZE];
};

/* Skip gains as in the theory, unless a person said what they should be. */
static inline bool unit_gain(const struct probe_subject *subject)
{
    return !settings_given(&subject->settings, "skip-gain");
}

/* The tables, and what there is to say of them, on standard output. */
int probing_print(const struct probing *probing, struct error *error);
json_t *probing_json(const struct probing *probing);
/* The figure, as a PNG. */
int probing_picture(const struct probing *probing, const char *path, struct error *error);

#endif
