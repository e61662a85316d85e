/* States kept in memory of the (emulated) GPU, with as many steps in flight as there may be: see
 * tests/engine/kept_states.h. */
#include "tests/cuda_emulation/emulation.h"
#include "tests/engine/kept_states.h"

#include "kernels/cuda.h"

static int open_cuda(struct backend **out, struct error *error)
{
    return backend_cuda_create(0, out, error);
}

int main(void)
{
    tiny_backend_open = open_cuda;
    emulation_set_polls(20);
    return kept_states_run() + kept_back_run(true);
}
