/* Two back ends beside each other; see twins.h. */
#include "tests/cuda/twins.h"
#include "kernels/cuda.h"
#include "tests/cuda_emulation/emulation.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

int twins_open(void **state)
{
    static struct twins twins;
    struct error error = {""};
    if (backend_cpu_create(1, &twins.cpu, &error) || backend_cuda_create(0, &twins.cuda, &error)) {
        fprintf(stderr, "%s\n", error.message);
        return -1;
    }
    *state = &twins;
    return 0;
}

int twins_close(void **state)
{
    struct twins *twins = *state;
    twins->cpu->destroy(twins->cpu);
    twins->cuda->destroy(twins->cuda);
    return emulation_allocated() == 0 ? 0 : -1;
}

void outcome_add(struct outcome *outcome, struct rig *rig, const char *name, int item, const void *device, size_t count)
{
    if (!device)
        return;
    assert_true(outcome->count < OUTCOME_PARTS);
    double *values = malloc((count + 1) * sizeof *values);
    assert_non_null(values);
    rig_download(rig, DTYPE_FP32, device, values, count);
    outcome->parts[outcome->count].name = name;
    outcome->parts[outcome->count].item = item;
    outcome->parts[outcome->count].count = count;
    outcome->parts[outcome->count++].values = values;
}

void outcome_free(struct outcome *outcome)
{
    for (int i = 0; i < outcome->count; i++)
        free(outcome->parts[i].values);
    outcome->count = 0;
}

void outcome_expect_near(const struct outcome *got, const struct outcome *expected, double tolerance)
{
    assert_int_equal(got->count, expected->count);
    for (int part = 0; part < got->count; part++) {
        const double *a = got->parts[part].values, *b = expected->parts[part].values;
        const size_t count = expected->parts[part].count;
        double largest = 0.0;
        assert_int_equal(got->parts[part].count, count);
        for (size_t i = 0; i < count; i++)
            largest = fmax(largest, fabs(b[i]));
        for (size_t i = 0; i < count; i++)
            if (!(fabs(a[i] - b[i]) <= tolerance * largest))
                fail_msg("%s %zu of number %d is %.9g, expected %.9g", got->parts[part].name, i, got->parts[part].item,
                         a[i], b[i]);
    }
}

void twins_check(const struct twins *twins, void (*run)(struct backend *, const void *data, struct outcome *out),
                 const void *data, double tolerance)
{
    struct outcome cpu = {0}, first = {0};
    run(twins->cpu, data, &cpu);
    for (int order = 0; order < EMULATION_ORDERS; order++) {
        struct outcome cuda = {0};
        emulation_set_order((enum emulation_order)order, 1);
        run(twins->cuda, data, order == 0 ? &first : &cuda);
        if (order == 0)
            outcome_expect_near(&first, &cpu, tolerance);
        else
            outcome_expect_near(&cuda, &first, 0.0);
        outcome_free(&cuda);
    }
    emulation_set_order(EMULATION_ASCENDING, 0);
    outcome_free(&cpu);
    outcome_free(&first);
}
