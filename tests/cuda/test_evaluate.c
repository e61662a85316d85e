/* Evaluations on the (emulated) GPU: the images in its memory, and their mirror images made there, give the same bits
 * as those that the host makes. */
#include "tests/engine/tiny_run.h"

#include "engine/device_data.h"
#include "engine/evaluate.h"
#include "kernels/cuda.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { FIRST = 5, COUNT = 6, BATCH = 4, CLASSES = 10 };

static int open_cuda(struct backend **out, struct error *error)
{
    return backend_cuda_create(0, out, error);
}

static void mirror_images_are_the_hosts(void **state)
{
    (void)state;
    struct tiny_run run;
    struct error error = {""};
    struct device_data *data;
    struct evaluation result[2], plain[2];
    float probabilities[2][COUNT * CLASSES];
    const struct device_range ranges[DEVICE_RANGES] = {{0}, {0}, {SPLIT_TEST, 0, FIRST + COUNT}};
    struct evaluation_options options = {.split = SPLIT_TEST,
                                         .first = FIRST,
                                         .count = COUNT,
                                         .batch = BATCH,
                                         .normalize = NORMALIZE_IMAGE,
                                         .tta = TTA_FLIP};
    tiny_init(&run, "micro");
    tiny_create(&run, NULL);
    assert_int_equal(device_data_create(network_backend(run.network), tiny_dataset(), ranges, &data, &error), 0);
    for (int i = 0; i < 2; i++) {
        options.device = i == 0 ? NULL : data;
        options.probabilities = probabilities[i];
        options.plain = &plain[i];
        assert_int_equal(evaluate(run.network, tiny_dataset(), &options, &result[i], &error), 0);
        assert_int_equal(result[i].count, COUNT);
    }
    assert_memory_equal(probabilities[0], probabilities[1], sizeof probabilities[0]);
    assert_true(result[0].loss == result[1].loss && plain[0].loss == plain[1].loss);
    assert_true(result[0].loss != plain[0].loss);
    device_data_destroy(data);
    tiny_free(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(mirror_images_are_the_hosts)};
    tiny_backend_open = open_cuda;
    return cmocka_run_group_tests(tests, tiny_open, tiny_close);
}
