/* What `nfbench test` has found, for those who say it: cli_test.c measures, cli_test_show.c prints. */
#ifndef NFBENCH_TUI_CLI_TEST_H
#define NFBENCH_TUI_CLI_TEST_H

#include "engine/calibration.h"
#include "tui/cli.h"
#include "tui/export.h"

/* What came of one set of weights. */
struct test_weights {
    bool measured;
    struct evaluation result, plain; /* plain: without test-time averaging, where there is any */
    struct calibration calibration;
};

struct test_results {
    const struct measure *measure;     /* with the weights that were chosen */
    struct test_weights raw, averaged; /* the second where the checkpoint has such */
    bool corrupted;                    /* there is a robustness */
    struct robustness robustness;
    json_t *files; /* (name, path) of the pictures */
};

/* Those that everything but the first lines is of. */
const struct test_weights *test_chosen(const struct test_results *results);

json_t *test_json(const struct test_results *results);
int test_print(const struct test_results *results, struct error *error);

#endif
