/* The memory of the (emulated) GPU: a run has all that it needs before its first step, or is told which batch fits, the
 * images on the GPU and the plan of batch norm's last batch counted in. */
#include "tests/cuda_emulation/emulation.h"
#include "tests/engine/tiny_run.h"

#include "kernels/cuda.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MEGABYTE = 1000000 };

/* Until the next call all allocations come out of so many bytes. */
static struct backend *open_machine(size_t bytes)
{
    struct emulation_machine machine = emulation_usual_machine;
    struct backend *cuda;
    struct error error = {""};
    machine.memory = bytes;
    emulation_set_machine(&machine);
    if (backend_cuda_create(0, &cuda, &error))
        fail_msg("%s", error.message);
    return cuda;
}

static void close_machine(struct backend *cuda)
{
    cuda->destroy(cuda);
    assert_int_equal(emulation_allocated(), 0);
    emulation_set_machine(&emulation_usual_machine);
}

/* The batch that a message advises. */
static int advised(const struct error *error)
{
    int batch = 0;
    const char *advice = strstr(error->message, "about ");
    if (!advice || sscanf(advice, "about %d", &batch) != 1)
        fail_msg("no batch in: %s", error->message);
    return batch;
}

/* Network and trainer, or -1 with both NULL. */
static int try_run(struct tiny_run *run, struct backend *cuda, struct error *error)
{
    const struct train_options *train = &run->options;
    struct network_options options = {.batch = train->batch, .dtype = DTYPE_FP32, .seed = 1, .ema = train->ema > 0};
    struct partition parts;
    assert_int_equal(partition_make(tiny_dataset(), train, &parts, error), 0);
    trainer_needs(&parts, &options);
    options.probes = train->probe_every != 0;
    if (network_create(cuda, &run->spec, &options, &run->network, error) == 0 &&
        trainer_create(run->network, tiny_dataset(), train, NULL, &run->sink, &run->trainer, error) == 0)
        return 0;
    network_destroy(run->network);
    run->network = NULL;
    return -1;
}

static void finish(struct tiny_run *run)
{
    struct error error = {""};
    if (trainer_run(run->trainer, &error))
        fail_msg("%s", error.message);
}

static void too_large_a_batch_is_told_what_fits(void **state)
{
    (void)state;
    static struct tiny_run run;
    struct network *network;
    struct error error = {""};
    struct network_options options = {.batch = 4096, .dtype = DTYPE_BF16, .seed = 1};
    struct backend *cuda = open_machine(120 * MEGABYTE);
    tiny_init(&run, "micro");
    assert_int_equal(network_create(cuda, &run.spec, &options, &network, &error), -1);
    print_message("%s\n", error.message);
    options.batch = advised(&error);
    assert_true(options.batch > 1 && options.batch < 4096);
    if (network_create(cuda, &run.spec, &options, &network, &error))
        fail_msg("%s", error.message);
    network_destroy(network);
    options.batch = 2 * options.batch;
    assert_int_equal(network_create(cuda, &run.spec, &options, &network, &error), -1);
    close_machine(cuda);
}

/* Not even the weights, or one image. */
static void too_small_a_machine_is_told_so(void **state)
{
    (void)state;
    static struct tiny_run run;
    struct error error = {""};
    for (int megabytes = 38; megabytes <= 68; megabytes += 30) {
        struct backend *cuda = open_machine((size_t)megabytes * MEGABYTE);
        tiny_init(&run, "large");
        assert_int_equal(model_preset("large", &run.spec, &run.options, &error), 0);
        assert_int_equal(try_run(&run, cuda, &error), -1);
        print_message("%s\n", error.message);
        assert_non_null(strstr(error.message, "not even one image fits"));
        close_machine(cuda);
    }
}

/* A batch that would fit by itself, but not beside the images. */
static void images_count(void **state)
{
    (void)state;
    static struct tiny_run run;
    struct network *network;
    struct error error = {""};
    struct backend *cuda = open_machine(160 * MEGABYTE);
    tiny_init(&run, "micro");
    run.options.limit = 8000; /* 49 MB with the test images */
    run.options.batch = 300;
    const struct network_options alone = {.batch = 300, .dtype = DTYPE_FP32, .seed = 1, .ema = true};
    if (network_create(cuda, &run.spec, &alone, &network, &error))
        fail_msg("%s", error.message);
    network_destroy(network);
    assert_int_equal(try_run(&run, cuda, &error), -1);
    print_message("%s\n", error.message);
    run.options.batch = advised(&error);
    assert_true(run.options.batch > 1 && run.options.batch < 300);
    if (try_run(&run, cuda, &error))
        fail_msg("%s", error.message);
    tiny_free(&run);
    close_machine(cuda);
}

/* Nor does one beside the plan of the probes, which then takes nothing more. */
static void probes_count(void **state)
{
    (void)state;
    static struct tiny_run run;
    int batch[2];
    struct error error = {""};
    struct backend *cuda = open_machine(120 * MEGABYTE);
    for (int probes = 0; probes < 2; probes++) {
        tiny_init(&run, "micro");
        run.options.probe_every = probes;
        run.options.steps = 1; /* and two probes */
        run.options.batch = 4096;
        assert_int_equal(try_run(&run, cuda, &error), -1);
        print_message("%s\n", error.message);
        batch[probes] = advised(&error);
        assert_null(strstr(error.message, "--probe-every 0"));
    }
    assert_true(batch[1] > 1 && batch[1] < batch[0]);
    run.options.batch = batch[0] - 1; /* a session keeps its batch, and may do without probes */
    assert_int_equal(try_run(&run, cuda, &error), -1);
    assert_non_null(strstr(error.message, "this one fits without probes (--probe-every 0)"));
    run.options.batch = batch[1];
    if (try_run(&run, cuda, &error))
        fail_msg("%s", error.message);
    const size_t at_start = emulation_allocated();
    finish(&run);
    assert_int_equal(run.probe_count, run.step_count + 1);
    assert_true(emulation_allocated() - at_start < 100000);
    tiny_free(&run);
    close_machine(cuda);
}

/* Another program may take the memory between the network's making and the upload. */
static void a_failed_upload_is_told_what_fits(void **state)
{
    (void)state;
    static struct tiny_run run;
    struct error error = {""};
    size_t available, total;
    void *taken;
    struct backend *cuda = open_machine(200 * MEGABYTE);
    const struct network_options options = {
        .batch = 64, .dtype = DTYPE_FP32, .seed = 1, .ema = true, .images = 60, .image_bytes = 200000};
    tiny_init(&run, "micro");
    run.options.batch = 64;
    assert_int_equal(network_create(cuda, &run.spec, &options, &run.network, &error), 0);
    assert_int_equal(cuda->memory(cuda, &available, &total, &error), 0);
    assert_int_equal(cuda->allocate(cuda, available - 100000, &taken, &error), 0);
    assert_int_equal(trainer_create(run.network, tiny_dataset(), &run.options, NULL, &run.sink, &run.trainer, &error),
                     -1);
    print_message("%s\n", error.message);
    assert_true(strstr(error.message, "largest batch that fits") || strstr(error.message, "not even one image fits"));
    cuda->release(cuda, taken);
    network_destroy(run.network);
    close_machine(cuda);
}

static void use_batch_norm(struct tiny_run *run)
{
    tiny_init(run, "micro");
    run->spec.norm = NORM_BATCH;
    run->options.batch = 32; /* an epoch is a batch of 32 and one of 28 */
}

/* Small lists aside, nothing is allocated behind the start. */
static void all_is_there_at_the_start(void **state)
{
    (void)state;
    static struct tiny_run run;
    struct error error = {""};
    struct backend *cuda = open_machine(400 * MEGABYTE);
    use_batch_norm(&run);
    if (try_run(&run, cuda, &error))
        fail_msg("%s", error.message);
    const size_t at_start = emulation_allocated(), network = network_memory(run.network);
    finish(&run);
    assert_int_equal(run.step_count, 4);
    assert_int_equal(network_memory(run.network), network);
    assert_true(emulation_allocated() - at_start < 100000);
    tiny_free(&run);
    close_machine(cuda);
}

/* The smallest machine on which it starts is one on which it finishes. */
static void a_run_that_starts_finishes(void **state)
{
    (void)state;
    static struct tiny_run run;
    size_t too_small = 40 * MEGABYTE, enough = 400 * MEGABYTE;
    while (enough - too_small > MEGABYTE / 10) {
        const size_t middle = too_small + (enough - too_small) / 2;
        struct error error = {""};
        struct backend *cuda = open_machine(middle);
        use_batch_norm(&run);
        const bool starts = try_run(&run, cuda, &error) == 0;
        if (starts)
            tiny_free(&run);
        else
            assert_true(strstr(error.message, "largest batch that fits") || strstr(error.message, "not even one"));
        close_machine(cuda);
        *(starts ? &enough : &too_small) = middle;
    }
    struct error error = {""};
    struct backend *cuda = open_machine(enough);
    use_batch_norm(&run);
    assert_int_equal(try_run(&run, cuda, &error), 0);
    finish(&run);
    tiny_free(&run);
    close_machine(cuda);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(too_large_a_batch_is_told_what_fits),
                                       cmocka_unit_test(too_small_a_machine_is_told_so),
                                       cmocka_unit_test(images_count),
                                       cmocka_unit_test(probes_count),
                                       cmocka_unit_test(a_failed_upload_is_told_what_fits),
                                       cmocka_unit_test(all_is_there_at_the_start),
                                       cmocka_unit_test(a_run_that_starts_finishes)};
    return cmocka_run_group_tests(tests, tiny_open, tiny_close);
}
