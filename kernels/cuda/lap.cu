/* The clock of a step's parts. The GPU reads it itself, between its kernels: so it works in a step that is replayed as
 * a whole, and with several of them under way. */
#include "kernels/cuda/cuda.h"

__global__ void lap_kernel(struct step_laps *laps, int lap)
{
    const uint64_t mark = clock_nanoseconds();
    for (int i = 0; lap == LAP_START && i < LAPS; i++)
        laps->seconds[i] = 0;
    if (lap != LAP_START)
        laps->seconds[lap] += 1e-9f * (float)(mark - laps->mark);
    laps->mark = mark;
}

int cuda_lap(struct backend *backend, struct step_laps *laps, enum step_lap lap, struct error *error)
{
    struct cuda_backend *cuda = cuda_of(backend);
    CUDA_LAUNCH(lap_kernel, dim3(1), dim3(1), 0, laps, (int)lap);
    return 0;
}
