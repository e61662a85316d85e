/* Back ends on the GPU that they were made for, whatever thread calls them: CUDA keeps a device for each thread, number
 * 0 unless told otherwise. Two emulated GPUs, which refuse launches from a thread whose device is the other one. */
#include "tests/cuda_emulation/emulation.h"
#include "tests/engine/tiny_run.h"

#include "kernels/cuda.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void open_two(void)
{
    struct emulation_machine two = emulation_usual_machine;
    two.devices = 2;
    emulation_set_machine(&two);
}

static struct backend *open_on(int index)
{
    struct backend *cuda;
    struct error error = {""};
    if (backend_cuda_create(index, &cuda, &error))
        fail_msg("%s", error.message);
    return cuda;
}

static void close_all(void)
{
    assert_int_equal(emulation_allocated(), 0);
    emulation_set_machine(&emulation_usual_machine);
}

/* A run's own thread trains on the second GPU, and nothing of it lies on the first. */
static void a_runs_thread_uses_its_gpu(void **state)
{
    (void)state;
    static struct tiny_run run;
    struct error error = {""};
    open_two();
    struct backend *second = open_on(1);
    tiny_init(&run, "micro");
    run.options.epochs = 1;
    tiny_create_on(&run, second, NULL);
    assert_int_equal(trainer_start(run.trainer, false, &error), 0);
    if (trainer_join(run.trainer, &error))
        fail_msg("%s", error.message);
    assert_int_equal(run.step_count, TINY_EPOCH);
    assert_true(emulation_allocated_on(1) > 0);
    assert_int_equal(emulation_allocated_on(0), 0);
    tiny_free(&run);
    second->destroy(second);
    close_all();
}

/* What one call on a thread of its own gave. */
struct visit {
    struct backend *backend;
    void *memory;
    int result;
    struct error error;
};

static void *visit_main(void *argument)
{
    struct visit *visit = argument;
    const float ones[100] = {1};
    struct backend *b = visit->backend;
    visit->result =
        b->allocate(b, sizeof ones, &visit->memory, &visit->error) ||
        b->copy_in(b, visit->memory, ones, sizeof ones, &visit->error) ||
        b->activation_forward(b, ACTIVATION_RELU, DTYPE_FP32, visit->memory, visit->memory, 100, &visit->error) ||
        b->synchronize(b, &visit->error);
    return NULL;
}

static void a_new_threads_first_call_goes_to_the_backends_gpu(void **state)
{
    (void)state;
    open_two();
    struct visit visit = {.backend = open_on(1)};
    const size_t before = emulation_allocated_on(1);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, visit_main, &visit), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    if (visit.result)
        fail_msg("%s", visit.error.message);
    assert_int_equal(emulation_allocated_on(1), before + 400);
    visit.backend->release(visit.backend, visit.memory);
    visit.backend->destroy(visit.backend);
    close_all();
}

/* Calls to two back ends in turn, on one thread. */
static void two_gpus_on_one_thread(void **state)
{
    (void)state;
    open_two();
    struct visit visits[2] = {{.backend = open_on(0)}, {.backend = open_on(1)}};
    const size_t before[2] = {emulation_allocated_on(0), emulation_allocated_on(1)};
    for (int i = 0; i < 2; i++) {
        visit_main(&visits[i]);
        if (visits[i].result)
            fail_msg("%s", visits[i].error.message);
        assert_int_equal(emulation_allocated_on(i), before[i] + 400);
    }
    for (int i = 0; i < 2; i++) {
        visits[i].backend->release(visits[i].backend, visits[i].memory);
        visits[i].backend->destroy(visits[i].backend);
    }
    close_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_runs_thread_uses_its_gpu),
                                       cmocka_unit_test(a_new_threads_first_call_goes_to_the_backends_gpu),
                                       cmocka_unit_test(two_gpus_on_one_thread)};
    return cmocka_run_group_tests(tests, tiny_open, tiny_close);
}
