/* Neither a training step nor a probe allocates anything: this program stands between everybody, oneDNN included, and
 * malloc. Only oneDNN's argument table of each call, a few dozen bytes that it frees at once, is let through. */
#include "engine/network_probe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { BATCH = 20, ARGUMENT_TABLE = 512 /* bytes */ };

static float images[BATCH * 32 * 32 * 3];
static uint8_t labels[BATCH];
static atomic_bool watching;
static atomic_int large, small, freed;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#else
#define SANITIZED false
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *pointer, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *pointer);

static void note(size_t size)
{
    if (watching)
        atomic_fetch_add(size > ARGUMENT_TABLE ? &large : &small, 1);
}

void *malloc(size_t size)
{
    note(size);
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    note(count * size);
    return __libc_calloc(count, size);
}

void *realloc(void *pointer, size_t size)
{
    note(size);
    return __libc_realloc(pointer, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    note(size);
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    note(size);
    *out = __libc_memalign(alignment, size);
    return *out ? 0 : ENOMEM;
}

void free(void *pointer)
{
    if (watching && pointer)
        atomic_fetch_add(&freed, 1);
    __libc_free(pointer);
}
#endif

static void step(struct network *network)
{
    struct error error = {""};
    struct step_result result;
    struct update_result updated;
    const struct step_options options = {.label_smoothing = 0.1f};
    const struct optimizer_options optimizer = {
        .learning_rate = 0.01f, .momentum = 0.9f, .agc = 0.02f, .ema = 0.99f, .nesterov = true};
    if (network_train_step(network, images, labels, BATCH, &options, &result, &error) ||
        network_update(network, &optimizer, &updated, &error))
        fail_msg("%s", error.message);
}

static void take_probe(struct network *network, struct probe *probe)
{
    struct error error = {""};
    const struct step_batch batch = {.n = BATCH, .images = images, .labels = labels};
    const struct probe_options options = {.gradients = true, .agc = 0.02f};
    if (probe_take(network, &batch, &options, probe, &error))
        fail_msg("%s", error.message);
}

static void test_steps_and_probes_allocate_nothing(void **state)
{
    (void)state;
    static const char *const presets[] = {"micro", "report"};
    if (SANITIZED) {
        print_message("skipped: a sanitizer's allocator stands here already\n");
        skip();
    }
    struct backend *backend = NULL;
    struct error error = {""};
    assert_int_equal(backend_cpu_create(2, &backend, &error), 0);
    for (size_t i = 0; i < sizeof presets / sizeof *presets; i++) {
        struct model_spec spec;
        struct train_options train;
        struct network *network = NULL;
        assert_int_equal(model_preset(presets[i], &spec, &train, &error), 0);
        struct probe *probe = NULL;
        const struct network_options options = {
            .batch = BATCH, .dtype = DTYPE_FP32, .seed = 1, .ema = true, .probes = true};
        if (network_create(backend, &spec, &options, &network, &error) || probe_create(&spec, &probe, &error))
            fail_msg("%s", error.message);
        step(network);
        take_probe(network, probe); /* the first of each makes what the processor's library keeps */
        watching = true;
        void *volatile seen = malloc(ARGUMENT_TABLE + 1); /* the watch works */
        watching = false;
        free(seen);
        assert_int_equal(large, 1);
        large = small = freed = 0;
        watching = true;
        step(network);
        take_probe(network, probe);
        step(network);
        watching = false;
        assert_int_equal(large, 0);
        assert_int_equal(small, freed);
        probe_destroy(probe);
        network_destroy(network);
    }
    backend->destroy(backend);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_steps_and_probes_allocate_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
