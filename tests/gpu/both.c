/* See both.h. */
#include "tests/gpu/both.h"

#include <stdio.h>

struct backend *cpu, *gpu;

int open_both(void **state)
{
    struct error error = {""};
    (void)state;
    if (backend_cpu_create(0, &cpu, &error) == 0 && backend_cuda_create(0, &gpu, &error) == 0)
        return 0;
    fprintf(stderr, "%s\n", error.message);
    return -1;
}

int close_both(void **state)
{
    (void)state;
    gpu->destroy(gpu);
    cpu->destroy(cpu);
    return 0;
}
