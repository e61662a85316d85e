/* Runs the self-test and shows it; see ops_check.h. */
#include "tui/ops_check.h"

#include "kernels/selftest.h"
#include "tui/cli.h"
#include "tui/cli_table.h"

#include <math.h>
#include <stdio.h>

static const char *const precision_words[] = {[DTYPE_FP32] = "fp32", [DTYPE_BF16] = "bf16"};

/* "fp32 2.1e-07 bf16 4.0e-03  OK", or why not. */
static void row(struct table *table, const struct selftest_result results[2], int count)
{
    bool ok = true;
    table_cell(table, "  %s", results[0].name);
    for (int i = 0; i < 2; i++) {
        if (i >= count)
            table_cell(table, "-");
        else if (*results[i].error.message)
            table_cell(table, "failed");
        else
            table_cell(table, "%.1e", results[i].difference);
        ok = ok && (i >= count || results[i].ok);
    }
    const char *why = results[0].error.message;
    if (count > 1 && !*why)
        why = results[1].error.message;
    table_cell(table, "%s%s%.300s", ok ? "OK" : "bad", *why ? ": " : "", why);
}

static json_t *result_json(const struct selftest_result *result, enum dtype dtype)
{
    return json_pack("{s:s, s:s, s:o, s:f, s:b, s:o}", "op", result->name, "precision", precision_words[dtype],
                     "difference", cli_json_number(result->difference), "tolerance", result->tolerance, "ok",
                     result->ok, "error", *result->error.message ? cli_json_text(result->error.message) : json_null());
}

int ops_check(struct backend *cpu, struct backend *gpu, bool print, json_t **results, int *bad, struct error *error)
{
    struct table *table = print ? table_create("lrrl") : NULL;
    int shown = 0;
    *bad = 0;
    *results = json_array();
    table_cell(table, "self-test: GPU against CPU");
    for (enum dtype dtype = DTYPE_FP32; dtype <= DTYPE_BF16; dtype++)
        table_cell(table, "%s", precision_words[dtype]);
    table_cell(table, " ");
    for (int i = 0; i < selftest_count(); i++) {
        struct selftest_result both[2];
        const int count = selftest_is_fp32_only(i) ? 1 : 2;
        for (int dtype = 0; dtype < count; dtype++) {
            selftest_run(i, cpu, gpu, (enum dtype)dtype, &both[dtype]);
            *bad += !both[dtype].ok;
            json_array_append_new(*results, result_json(&both[dtype], (enum dtype)dtype));
        }
        row(table, both, count);
    }
    if (print)
        shown = table_print(table, stdout, error);
    table_destroy(table);
    if (print && shown == 0)
        printf("%s\n", *bad ? "some results differ: do not trust this GPU's" : "all ops agree");
    return shown;
}
