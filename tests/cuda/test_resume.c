/* A run on the (emulated) GPU, with as many steps in flight as there may be, stopped at each of its steps: see
 * tests/sessions/resumes.h. */
#include "tests/cuda_emulation/emulation.h"
#include "tests/sessions/resumes.h"

#include "kernels/cuda.h"

static int open_cuda(struct backend **out, struct error *error)
{
    return backend_cuda_create(0, out, error);
}

int main(void)
{
    resumes_backend_open = open_cuda;
    emulation_set_polls(20);
    return resumes_run(40);
}
