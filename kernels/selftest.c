/* The self-test's two runs of an op and their comparison; see selftest.h. */
#include "kernels/selftest.h"

#include "kernels/selftest_trial.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int selftest_count(void)
{
    return selftest_case_count;
}

const char *selftest_word(enum selftest_precision precision)
{
    static const char *const words[SELFTEST_PRECISIONS] = {"fp32", "tf32", "bf16"};
    return words[precision];
}

bool selftest_differs(int index, enum selftest_precision precision)
{
    const struct selftest_case *what = &selftest_cases[index];
    return precision == SELFTEST_TF32 ? what->conv.k > 0 : precision == SELFTEST_FP32 || !what->fp32_only;
}

/* ---- Tensors of a run ---- */

static void *out_of_memory(struct trial *trial)
{
    trial->failed = true;
    error_set(&trial->error, "out of memory");
    return NULL;
}

void *trial_bytes(struct trial *trial, const void *content, size_t bytes)
{
    void *device = NULL, *poison = NULL;
    if (trial->failed)
        return NULL;
    if (trial->tensors == TRIAL_TENSORS)
        return out_of_memory(trial);
    if (!content) {
        poison = malloc(bytes);
        if (!poison)
            return out_of_memory(trial);
        memset(poison, 0xFF, bytes); /* a NaN in fp32 and in bf16 */
    }
    TRIAL_DO(trial, trial->backend->allocate(trial->backend, bytes, &device, &trial->error));
    if (device)
        trial->tensor[trial->tensors++] = device;
    TRIAL_DO(trial, trial->backend->copy_in(trial->backend, device, content ? content : poison, bytes, &trial->error));
    TRIAL_DO(trial, trial->backend->synchronize(trial->backend, &trial->error));
    free(poison);
    return trial->failed ? NULL : device;
}

void *trial_blank(struct trial *trial, enum dtype dtype, size_t count)
{
    return trial_bytes(trial, NULL, count * dtype_size(dtype));
}

static uint16_t bf16_of_float(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16); /* to nearest, ties to even */
}

static float float_of_bf16(uint16_t bits)
{
    const uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, sizeof value);
    return value;
}

void *trial_normal(struct trial *trial, enum dtype dtype, uint32_t stream, size_t count, float scale, float shift)
{
    float *values = malloc((count + 1) * sizeof *values);
    uint16_t *halves = malloc((count + 1) * sizeof *halves);
    void *device = NULL;
    if (values && halves) {
        for (size_t i = 0; i < count; i += 2) {
            const struct philox draw = philox_draw(1, PHILOX_SYNTHETIC, stream, i / 2, 0);
            philox_normal(draw.word[0], draw.word[1], values + i);
        }
        for (size_t i = 0; i < count; i++) {
            values[i] = shift + scale * values[i];
            halves[i] = bf16_of_float(values[i]);
        }
        device = trial_bytes(trial, dtype == DTYPE_FP32 ? (void *)values : halves, count * dtype_size(dtype));
    } else {
        out_of_memory(trial);
    }
    free(values);
    free(halves);
    return device;
}

void trial_output(struct trial *trial, enum dtype dtype, const void *device, size_t count)
{
    if (trial->failed)
        return;
    float *values = malloc(count * sizeof *values);
    uint16_t *halves = malloc(count * sizeof *halves);
    if (values && halves && trial->outputs < TRIAL_OUTPUTS) {
        void *host = dtype == DTYPE_FP32 ? (void *)values : halves;
        TRIAL_DO(trial,
                 trial->backend->copy_out(trial->backend, host, device, count * dtype_size(dtype), &trial->error));
        for (size_t i = 0; i < count && dtype == DTYPE_BF16 && !trial->failed; i++)
            values[i] = float_of_bf16(halves[i]);
        trial->output[trial->outputs].values = values;
        trial->output[trial->outputs++].count = count;
        values = NULL;
    } else {
        out_of_memory(trial);
    }
    free(values);
    free(halves);
}

static void trial_end(struct trial *trial)
{
    for (int i = 0; i < trial->tensors; i++)
        trial->backend->release(trial->backend, trial->tensor[i]);
    for (int i = 0; i < trial->outputs; i++)
        free(trial->output[i].values);
}

/* ---- Comparison ---- */

static double difference(const float *tested, const float *reference, size_t count)
{
    double squares = 0, largest = 0;
    for (size_t i = 0; i < count; i++) {
        const double apart = fabs((double)tested[i] - (double)reference[i]);
        squares += (double)reference[i] * (double)reference[i];
        if (isnan(apart))
            return apart;
        largest = fmax(largest, apart);
    }
    return largest == 0 ? 0 : largest / sqrt(squares / (double)count);
}

/* A bf16 result may be rounded to either neighbour: 2^-8 of a value that is some root mean squares large. TF32's
 * factors are up to 2^-11 off, sums of products by 3e-4 of their root mean square, the worst of thousands by five times
 * that, and by twice as much again where three quarters of a tensor are zeros. */
static double tolerance(int index, enum selftest_precision precision)
{
    if (!selftest_differs(index, precision) || precision == SELFTEST_FP32)
        return 1e-4;
    return precision == SELFTEST_TF32 ? 5e-3 : 4e-2;
}

void selftest_run(int index, struct backend *reference, struct backend *tested, enum selftest_precision precision,
                  struct selftest_result *out)
{
    const struct selftest_case *what = &selftest_cases[index];
    const enum dtype dtype = precision == SELFTEST_BF16 ? DTYPE_BF16 : DTYPE_FP32;
    struct trial expected = {.backend = reference, .dtype = dtype};
    struct trial got = {.backend = tested, .dtype = dtype, .tf32 = precision == SELFTEST_TF32};
    memset(out, 0, sizeof *out);
    out->name = what->name;
    out->tolerance = tolerance(index, precision);
    what->run(&expected, what);
    if (!expected.failed)
        what->run(&got, what);
    if (expected.failed || got.failed) {
        out->error = expected.failed ? expected.error : got.error;
        error_prefix(&out->error, "%s", expected.failed ? reference->name : tested->name);
    }
    for (int i = 0; i < got.outputs && !*out->error.message; i++) {
        const double apart = difference(got.output[i].values, expected.output[i].values, got.output[i].count);
        if (!(apart <= out->difference) && !isnan(out->difference))
            out->difference = apart;
    }
    out->ok = !*out->error.message && out->difference <= out->tolerance;
    trial_end(&expected);
    trial_end(&got);
}
