/* tests/cuda's programs on a real GPU: what they tell the emulation (tests/cuda_emulation/emulation.h) has no meaning
 * there. Orders of threads are the GPU's own; a test that wants another machine, or a library that refuses, is skipped.
 */
#include "tests/cuda_emulation/emulation.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

const struct emulation_machine emulation_usual_machine = {.devices = 1};

void emulation_set_order(enum emulation_order order, uint32_t seed)
{
    (void)order;
    (void)seed;
}

bool emulation_is_sanitized(void)
{
    return false;
}

int emulation_orders(void)
{
    return EMULATION_ORDERS; /* runs, whose bits must agree */
}

const char *emulation_order_name(enum emulation_order order)
{
    (void)order;
    return "the GPU's own order";
}

void emulation_set_machine(const struct emulation_machine *machine)
{
    if (machine != &emulation_usual_machine)
        skip();
}

void emulation_set_polls(int count)
{
    (void)count;
}

void emulation_blas_refuse(bool refuse)
{
    if (refuse)
        skip();
}

size_t emulation_allocated(void)
{
    return 0;
}

size_t emulation_allocated_on(int device)
{
    (void)device;
    return 0;
}
