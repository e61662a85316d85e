/* What tests of kernels on the emulated GPU share: device memory, the places where a barrier or a wait can be left out,
 * and a teardown that undoes both and finds memory that was not freed. */
#ifndef NFBENCH_TESTS_CUDA_EMULATION_SUPPORT_H
#define NFBENCH_TESTS_CUDA_EMULATION_SUPPORT_H

#include "tests/cuda/report.h"
#include "tests/cuda_emulation/emulation.h"

#include <hardware.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
extern "C" {
#include <cmocka.h>
}

static inline float *device_floats(const float *host, int count)
{
    float *device = NULL;
    assert_int_equal(cudaMalloc(&device, (size_t)count * sizeof *device), cudaSuccess);
    if (host)
        assert_int_equal(cudaMemcpy(device, host, (size_t)count * sizeof *device, cudaMemcpyHostToDevice), cudaSuccess);
    return device;
}

/* Copies back what kernels made and frees it. */
static inline void fetch(void *host, void *device, size_t bytes)
{
    assert_int_equal(cudaDeviceSynchronize(), cudaSuccess);
    assert_int_equal(cudaGetLastError(), cudaSuccess);
    assert_int_equal(cudaMemcpy(host, device, bytes, cudaMemcpyDeviceToHost), cudaSuccess);
    assert_int_equal(cudaFree(device), cudaSuccess);
}

/* The number of the only place of that kind in `kernel`. */
static inline int site_of(const char *kernel, enum emulation_site_kind kind)
{
    for (int i = 0; i < emulation_site_count(); i++)
        if (emulation_site_at(i).kind == kind && strcmp(emulation_site_at(i).kernel, kernel) == 0)
            return i;
    fail_msg("%s has no such place", kernel);
    return -1;
}

static inline int reset(void **)
{
    emulation_set_order(EMULATION_ASCENDING, 0);
    emulation_break(-1);
    return emulation_allocated() == 0 ? 0 : -1;
}

#endif
