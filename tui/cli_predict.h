/* What the two files of `nfbench predict` share: cli_predict.c (what is asked, and the work) and cli_predict_show.c
 * (what is said of it). */
#ifndef NFBENCH_TUI_CLI_PREDICT_H
#define NFBENCH_TUI_CLI_PREDICT_H

#include "tui/cli.h"
#include "tui/predict.h"

/* All that was asked and found. */
struct predict_report {
    const struct session *session;
    const struct predictor *predictor;
    const struct predictions *predictions;
    json_t *failed; /* [{"file", "reason"}] */
};

/* The object of --json; NULL without memory. */
json_t *predict_json(const struct predict_report *report);
/* A row for each image: the file, its label where that is known, the likeliest classes; between a heading and the
 * accuracy. `rows`: whether the rows themselves are wanted. */
int predict_print(const struct predict_report *report, bool rows, struct error *error);
/* The same as a table of comma-separated values with the probability of every class; "-": to standard output. */
int predict_write_csv(const struct predict_report *report, const char *path, struct error *error);

#endif
