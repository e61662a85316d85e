/* See tiny_reference.h. */
#include "tests/engine/tiny_reference.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

void tiny_run_to_end(struct tiny_run *run, const struct tiny_checkpoint *from)
{
    struct error error = {0};
    tiny_create(run, from);
    if (trainer_run(run->trainer, &error) < 0)
        fail_msg("%s", error.message);
}

struct tiny_run *tiny_reference(void)
{
    static struct tiny_run run;
    if (!run.trainer) {
        tiny_init(&run, "micro");
        run.options.checkpoint_every = 1;
        tiny_run_to_end(&run, NULL);
    }
    return &run;
}

int tiny_close_reference(void **state)
{
    struct tiny_run *reference = tiny_reference();
    tiny_free(reference);
    reference->trainer = NULL; /* another group makes it again */
    return tiny_close(state);
}

void tiny_assert_same_steps(const struct tiny_run *a, const struct tiny_run *b)
{
    const int offset = a->step_count - b->step_count;
    assert_true(offset >= 0);
    for (int i = 0; i < b->step_count; i++) {
        assert_int_equal(a->steps[offset + i].step, b->steps[i].step);
        assert_true(a->steps[offset + i].loss == b->steps[i].loss);
        assert_true(a->steps[offset + i].learning_rate == b->steps[i].learning_rate);
        assert_true(a->steps[offset + i].gradient_norm == b->steps[i].gradient_norm);
    }
}
