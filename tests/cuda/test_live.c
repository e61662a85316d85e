/* Changes of a run on the emulated GPU, so slow that steps are in flight; see tests/engine/live_changes.h. */
#include "tests/cuda_emulation/emulation.h"
#include "tests/engine/live_changes.h"
#include "tests/engine/tiny_run.h"

#include "kernels/cuda.h"

static int open_cuda(struct backend **out, struct error *error)
{
    return backend_cuda_create(0, out, error);
}

int main(void)
{
    tiny_backend_open = open_cuda;
    emulation_set_polls(20);
    return live_changes_run(true);
}
