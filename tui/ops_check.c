/* Runs the self-test and shows it; see ops_check.h. */
#include "tui/ops_check.h"

#include "kernels/selftest.h"
#include "tui/cli.h"
#include "tui/cli_table.h"

#include <math.h>
#include <stdio.h>

/* "2.1e-07 4.1e-04 4.0e-03  OK", or why not. `ran`: the precisions that there are results of. */
static void row(struct table *table, const struct selftest_result *results, const bool *ran)
{
    bool ok = true;
    const char *why = "";
    table_cell(table, "  %s", results[SELFTEST_FP32].name);
    for (int i = 0; i < SELFTEST_PRECISIONS; i++) {
        if (!ran[i]) {
            table_cell(table, "-");
            continue;
        }
        if (*results[i].error.message)
            table_cell(table, "failed");
        else
            table_cell(table, "%.1e", results[i].difference);
        ok = ok && results[i].ok;
        why = *why ? why : results[i].error.message;
    }
    table_cell(table, "%s%s%.300s", ok ? "OK" : "bad", *why ? ": " : "", why);
}

static json_t *result_json(const struct selftest_result *result, enum selftest_precision precision)
{
    return json_pack("{s:s, s:s, s:o, s:f, s:b, s:o}", "op", result->name, "precision", selftest_word(precision),
                     "difference", cli_json_number(result->difference), "tolerance", result->tolerance, "ok",
                     result->ok, "error", *result->error.message ? cli_json_text(result->error.message) : json_null());
}

int ops_check(struct backend *cpu, struct backend *gpu, bool tf32, bool print, json_t **results, int *bad,
              struct error *error)
{
    struct table *table = print ? table_create("lrrrl") : NULL;
    int shown = 0;
    *bad = 0;
    *results = json_array();
    table_cell(table, "self-test: GPU against CPU");
    for (int precision = 0; precision < SELFTEST_PRECISIONS; precision++)
        table_cell(table, "%s", selftest_word((enum selftest_precision)precision));
    table_cell(table, " ");
    for (int i = 0; i < selftest_count(); i++) {
        struct selftest_result each[SELFTEST_PRECISIONS];
        bool ran[SELFTEST_PRECISIONS];
        for (int k = 0; k < SELFTEST_PRECISIONS; k++) {
            const enum selftest_precision precision = (enum selftest_precision)k;
            ran[k] = selftest_differs(i, precision) && (tf32 || precision != SELFTEST_TF32);
            if (!ran[k])
                continue;
            selftest_run(i, cpu, gpu, precision, &each[k]);
            *bad += !each[k].ok;
            json_array_append_new(*results, result_json(&each[k], precision));
        }
        row(table, each, ran);
    }
    if (print)
        shown = table_print(table, stdout, error);
    table_destroy(table);
    if (print && shown == 0)
        printf("%s\n", *bad ? "some results differ: do not trust this GPU's" : "all ops agree");
    return shown;
}
