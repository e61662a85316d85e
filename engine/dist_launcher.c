/* What the environment says of who started this process; see dist.h. */
#include "engine/dist.h"

#include <stdlib.h>

/* By OpenMPI's mpirun, by srun and others through PMI, by srun through PMIx, by srun with none of these. The first that
 * is there is the innermost. */
static const struct {
    const char *sign, *size, *rank;
} launchers[] = {{"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"},
                 {"PMI_SIZE", "PMI_SIZE", "PMI_RANK"},
                 {"PMIX_RANK", "SLURM_STEP_NUM_TASKS", "PMIX_RANK"},
                 {"SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_PROCID"}};

static int number_of(const char *name, int otherwise)
{
    const char *text = getenv(name);
    char *end;
    const long number = text ? strtol(text, &end, 10) : -1;
    return text && *text && !*end && number >= 0 && number < 1 << 20 ? (int)number : otherwise;
}

int dist_launched(int *rank)
{
    *rank = 0;
    for (size_t i = 0; i < sizeof launchers / sizeof *launchers; i++) {
        if (!getenv(launchers[i].sign))
            continue;
        const int size = number_of(launchers[i].size, 1);
        *rank = size > 1 ? number_of(launchers[i].rank, 0) : 0;
        return size > 1 ? size : 1;
    }
    return 1;
}
