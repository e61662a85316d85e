/* The speed of a training step on the GPU, with nothing but the engine and the toolkit: what `nfbench bench --device
 * cuda` measures, for machines that lack its libraries. One line a run, as tests/gpu/bench.sh reads it.
 *
 *     bench step PRESET BATCH fp32|tf32|bf16 STEPS REPEATS
 *     bench convs PRESET BATCH fp32|tf32|bf16      each convolution by itself: milliseconds, TFLOP/s
 */
#include "base/clock.h"
#include "engine/execute.h"
#include "kernels/cuda.h"
#include "kernels/philox.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WARM_UP = 5, IN_FLIGHT = 16, MOST_REPEATS = 1000, CALLS = 50, IMAGE = 32 * 32 * 3 };

struct bench {
    struct backend *backend;
    struct model_spec spec;
    enum dtype dtype;
    bool tf32;
    int batch;
    struct error error;
};

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* ---- A training step ---- */

struct steps {
    struct network *network;
    float *images;
    uint8_t *labels;
    uint64_t tickets[IN_FLIGHT];
    long queued, collected;
};

static int collect(struct bench *bench, struct steps *steps)
{
    struct step_result result;
    struct update_result update;
    if (network_collect_step(steps->network, steps->tickets[steps->collected % IN_FLIGHT], bench->batch, true, &result,
                             &update, &bench->error) != 0)
        return -1;
    if (!result.finite || !update.finite)
        return error_set(&bench->error, "step %ld is not finite", steps->collected);
    steps->collected++;
    return 0;
}

/* The peer's step: the batch is there already; SGD with Nesterov momentum and weight decay. */
static int run_steps(struct bench *bench, struct steps *steps, long count)
{
    for (long i = 0; i < count; i++) {
        const bool first = steps->queued == 0;
        const struct step_batch batch = {
            .n = bench->batch, .images = first ? steps->images : NULL, .labels = first ? steps->labels : NULL};
        const struct step_options options = {.step = (uint32_t)steps->queued};
        const struct optimizer_options update = {
            .learning_rate = 0.01f, .momentum = 0.9f, .weight_decay = 5e-4f, .nesterov = true};
        if (steps->queued - steps->collected == IN_FLIGHT && collect(bench, steps) != 0)
            return -1;
        if (network_queue_step(steps->network, &batch, &options, &update, &steps->tickets[steps->queued % IN_FLIGHT],
                               &bench->error) != 0)
            return -1;
        steps->queued++;
    }
    while (steps->collected < steps->queued)
        if (collect(bench, steps) != 0)
            return -1;
    return 0;
}

static struct network_options options_of(const struct bench *bench)
{
    return (struct network_options){.batch = bench->batch, .dtype = bench->dtype, .tf32 = bench->tf32, .seed = 1};
}

static int make_steps(struct bench *bench, struct steps *steps)
{
    const struct network_options options = options_of(bench);
    const size_t values = (size_t)bench->batch * IMAGE;
    steps->images = malloc(values * sizeof *steps->images);
    steps->labels = malloc((size_t)bench->batch);
    if (!steps->images || !steps->labels)
        return error_set(&bench->error, "out of memory");
    for (size_t i = 0; i < values; i += 2) {
        const struct philox draw = philox_draw(1, PHILOX_SYNTHETIC, 0, i, 0);
        philox_normal(draw.word[0], draw.word[1], steps->images + i);
    }
    for (int i = 0; i < bench->batch; i++)
        steps->labels[i] = (uint8_t)(i % 10);
    return network_create(bench->backend, &bench->spec, &options, &steps->network, &bench->error);
}

static int time_steps(struct bench *bench, struct steps *steps, long count, int repeats)
{
    double seconds[MOST_REPEATS];
    if (make_steps(bench, steps) != 0 || run_steps(bench, steps, WARM_UP) != 0)
        return -1;
    for (int r = 0; r < repeats; r++) {
        const double start = clock_seconds();
        if (run_steps(bench, steps, count) != 0)
            return -1;
        seconds[r] = (clock_seconds() - start) / (double)count;
    }
    qsort(seconds, (size_t)repeats, sizeof *seconds, ascending);
    const double median = seconds[repeats / 2];
    printf("%.1f img/s, %.3f ms/step (min %.3f, max %.3f)\n", bench->batch / median, 1e3 * median, 1e3 * seconds[0],
           1e3 * seconds[repeats - 1]);
    return 0;
}

/* ---- The convolutions, one by one ---- */

struct tensors {
    void *x, *y, *packed, *backward, *scratch, *copy;
    float *bias, *weight_gradient, *bias_gradient;
    int count;
    void *all[16];
};

static void *tensor(struct bench *bench, struct tensors *t, size_t bytes)
{
    void *device = NULL;
    if (bench->backend->allocate(bench->backend, bytes + 1, &device, &bench->error) != 0 ||
        bench->backend->fill_zero(bench->backend, device, bytes, &bench->error) != 0)
        return NULL;
    return t->all[t->count++] = device;
}

enum direction { FORWARD, BACKWARD_DATA, BACKWARD_WEIGHTS, PASSES };

static int call(struct bench *bench, struct conv *conv, const struct tensors *t, enum direction pass)
{
    struct backend *b = bench->backend;
    switch (pass) {
    case FORWARD:
        return b->conv_forward(b, conv, t->x, t->packed, t->bias, t->y, conv->shape.relu_copy ? t->copy : NULL,
                               t->scratch, &bench->error);
    case BACKWARD_DATA:
        return b->conv_backward_data(b, conv, t->x, t->y, conv->packed_backward_bytes ? t->backward : t->packed,
                                     t->copy, t->scratch, &bench->error);
    default:
        return b->conv_backward_weights(b, conv, t->x, t->y, t->weight_gradient, t->bias_gradient, false, t->scratch,
                                        &bench->error);
    }
}

static int time_pass(struct bench *bench, struct conv *conv, const struct tensors *t, enum direction pass,
                     double *seconds)
{
    struct backend *b = bench->backend;
    for (int part = 0; part < 2; part++) { /* the first warms up */
        const double start = clock_seconds();
        for (int i = 0; i < CALLS; i++)
            if (call(bench, conv, t, pass) != 0)
                return -1;
        if (b->synchronize(b, &bench->error) != 0)
            return -1;
        *seconds = (clock_seconds() - start) / CALLS;
    }
    return 0;
}

static int time_conv(struct bench *bench, const char *name, const struct conv_shape *wanted)
{
    struct backend *b = bench->backend;
    const struct conv_shape shape = *wanted;
    struct tensors t = {.count = 0};
    struct conv *conv = NULL;
    double seconds[PASSES] = {0};
    int result = -1;
    if (b->conv_create(b, &shape, &conv, &bench->error) != 0)
        return -1;
    const size_t size = dtype_size(shape.dtype), x = (size_t)shape.n * (size_t)(shape.h * shape.w * shape.cin) * size;
    const size_t y = (size_t)shape.n * (size_t)(conv->out_h * conv->out_w * shape.cout) * size;
    const size_t weights = (size_t)(shape.cout * (shape.cin / shape.groups) * shape.k * shape.k);
    if (!(t.x = tensor(bench, &t, x)) || !(t.y = tensor(bench, &t, y)) ||
        !(t.copy = tensor(bench, &t, x > y ? x : y)) || !(t.packed = tensor(bench, &t, conv->packed_forward_bytes)) ||
        !(t.backward = tensor(bench, &t, conv->packed_backward_bytes)) ||
        !(t.scratch = tensor(bench, &t, conv->scratch_bytes)) ||
        !(t.bias = tensor(bench, &t, (size_t)shape.cout * sizeof(float))) ||
        !(t.weight_gradient = tensor(bench, &t, weights * sizeof(float))) ||
        !(t.bias_gradient = tensor(bench, &t, (size_t)shape.cout * sizeof(float))))
        goto out;
    for (int pass = FORWARD; pass < PASSES; pass++)
        if ((pass != BACKWARD_DATA || shape.input_gradient) &&
            time_pass(bench, conv, &t, (enum direction)pass, &seconds[pass]) != 0)
            goto out;
    const double flop = 2.0 * shape.n * conv->out_h * conv->out_w * (double)weights;
    printf("%-17s %2dx%-2d %4d>%-4d %dx%d/%d", name, shape.h, shape.w, shape.cin, shape.cout, shape.k, shape.k,
           shape.stride);
    for (int pass = FORWARD; pass < PASSES; pass++)
        printf("  %8.4f ms %6.1f TFLOP/s", 1e3 * seconds[pass], seconds[pass] > 0 ? flop / seconds[pass] / 1e12 : 0);
    printf("  %s%s%s%s%s\n", shape.relu ? "relu " : "", shape.accumulate ? "sum " : "", shape.relu_copy ? "copy " : "",
           shape.relu_input ? "mask " : "", shape.add_dx ? "add" : "");
    result = 0;
out:
    for (int i = 0; i < t.count; i++)
        b->release(b, t.all[i]);
    b->conv_destroy(b, conv);
    return result;
}

static bool same_shape(const struct conv_shape *a, const struct conv_shape *b)
{
    return memcmp(a, b, offsetof(struct conv_shape, add_dx) + sizeof a->add_dx) == 0;
}

/* True when an operation before number `index` has this one's convolution. */
static bool came_before(const struct plan *plan, int index)
{
    for (int i = 0; i < index; i++)
        if (plan->ops[i].kind == OP_CONV && same_shape(&plan->ops[i].conv->shape, &plan->ops[index].conv->shape))
            return true;
    return false;
}

/* Each convolution as the network runs it, with what rides along: forward its relu, a sum it is added to, a relu beside
 * the sum (copy); backward the mask of the relu before it, a gradient it is added to. Equal ones once. */
static int time_convs(struct bench *bench)
{
    const struct network_options options = options_of(bench);
    struct network *network;
    int result = 0;
    if (network_create(bench->backend, &bench->spec, &options, &network, &bench->error) != 0)
        return -1;
    printf("%-36s  %-24s  %-24s  %-24s  %s\n", "convolution", "forward", "input gradient", "weight gradient", "with");
    for (int i = 0; i < network->plan->op_count && result == 0; i++) {
        const struct op *op = &network->plan->ops[i];
        if (op->kind != OP_CONV || came_before(network->plan, i))
            continue;
        const struct parameter *weight = &network->parameters.items[network->parameters.layers[op->layer].weight];
        char name[sizeof weight->name];
        snprintf(name, sizeof name, "%s", weight->name);
        if (strrchr(name, '.')) /* ".weight" */
            *strrchr(name, '.') = '\0';
        result = time_conv(bench, name, &op->conv->shape);
    }
    network_destroy(network);
    return result;
}

/* ---- The program ---- */

static int run(struct bench *bench, int argc, char **argv)
{
    struct train_options train;
    struct steps steps = {.queued = 0};
    int result;
    if (model_preset(argv[2], &bench->spec, &train, &bench->error) != 0 ||
        backend_cuda_create(0, &bench->backend, &bench->error) != 0)
        return -1;
    if (bench->spec.classes == 0)
        bench->spec.classes = 10;
    bench->batch = atoi(argv[3]);
    bench->dtype = strcmp(argv[4], "bf16") == 0 ? DTYPE_BF16 : DTYPE_FP32;
    bench->tf32 = strcmp(argv[4], "tf32") == 0;
    if (strcmp(argv[1], "convs") == 0)
        return time_convs(bench);
    result = argc > 6 ? time_steps(bench, &steps, atol(argv[5]), atoi(argv[6]))
                      : error_set(&bench->error, "bench step wants STEPS and REPEATS");
    if (steps.network)
        network_destroy(steps.network);
    free(steps.images);
    free(steps.labels);
    return result;
}

int main(int argc, char **argv)
{
    struct bench bench = {.backend = NULL, .error = {""}};
    if (argc < 5 || (argc > 6 && (atoi(argv[6]) < 1 || atoi(argv[6]) > MOST_REPEATS))) {
        fprintf(stderr, "usage: bench step|convs PRESET BATCH fp32|tf32|bf16 [STEPS REPEATS]\n");
        return 2;
    }
    const int result = run(&bench, argc, argv);
    if (result != 0)
        fprintf(stderr, "bench: %s\n", bench.error.message);
    if (bench.backend)
        bench.backend->destroy(bench.backend);
    return result == 0 ? 0 : 1;
}
