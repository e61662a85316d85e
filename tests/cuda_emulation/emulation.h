/* CUDA on the CPU, for tests: blocks run one after another, a block's threads as fibers, in an order that a test
 * chooses. This header steers it; kernels see only cuda_runtime.h, hardware.h and cublasLt.h of this folder, which
 * stand in for the toolkit's. No toolkit and no GPU is needed. shared/cuda.md says why it is made so.
 *
 * A kernel by hand, with a main() of one's own:
 *     g++ -x c++ -std=gnu++17 -g -O1 -fsanitize=address,undefined -I. -Itests/cuda_emulation \
 *         my_test.cpp kernels/cuda/x.cu tests/cuda_emulation/(star).cpp base/error.c
 * where my_test.cpp includes <hardware.h>, allocates by cudaMalloc, and launches by LAUNCH.
 *
 * What is held against a kernel. Fatal, by one line on standard error that begins with "CUDA emulation: " and names the
 * kernel, where it was launched, block and thread, then abort(): a thread that waits for ever (a barrier or a warp's
 * operation that not all reach), threads of a block at different barriers, of a warp at different operations, cp.async
 * misaligned or never waited for, an access outside of the allocations, the host touching device memory outside of a
 * copy, a pointer to the host's memory as an argument of a kernel. Under ASan its own report comes for an access just
 * beyond an allocation or beyond the shared memory that the launch gave. Refused with CUDA's error codes: launches over
 * the limits, shared memory over 48 KB that was not asked for, waiting and allocating while a stream is captured.
 * What a race or a read of what was never written does shows in the results: new device memory and each block's shared
 * memory hold NaN bytes (0xFF), so do targets of cp.async until it is waited for; results must not change with the
 * order.
 *
 * All work of a stream is queued, and done when somebody waits for it (cudaStreamSynchronize, cudaEventQuery,
 * cudaMemcpy, cudaFree ...): what is read too early is old. cudaEventQuery and cudaStreamQuery say "not ready" once,
 * then do the work. Any thread may call; one works at a time. */
#ifndef NFBENCH_TESTS_CUDA_EMULATION_EMULATION_H
#define NFBENCH_TESTS_CUDA_EMULATION_EMULATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The order of blocks, and of the threads of a block wherever more than one could go on. */
enum emulation_order { EMULATION_ASCENDING, EMULATION_DESCENDING, EMULATION_SHUFFLED, EMULATION_ORDERS };
void emulation_set_order(enum emulation_order order, uint32_t seed);
const char *emulation_order_name(enum emulation_order order);
/* In so many of them, from the first on, a test runs a kernel: in all; in one where ASan looks at its accesses, since
 * what the others change are results, and those are compared without ASan. */
int emulation_orders(void);
/* Whether ASan does so: kernels take ten times as long, and whole runs that are compared bit by bit show it nothing. */
bool emulation_is_sanitized(void);

/* The machine that the runtime describes. Set it while nothing is allocated. */
struct emulation_machine {
    int devices;         /* 0: no GPU */
    int driver, runtime; /* CUDA versions, 13000 for 13.0; driver 0: there is none */
    int major, minor;    /* compute capability */
    int multiprocessors;
    size_t memory; /* bytes that can be allocated, on each device */
};
extern const struct emulation_machine emulation_usual_machine; /* one GPU of capability 9.0 with 4 GB */
void emulation_set_machine(const struct emulation_machine *machine);

/* Places in the kernels that can be taken away, to see that a test notices: noted when a kernel first comes by. */
enum emulation_site_kind { EMULATION_BARRIER, EMULATION_WARP_BARRIER, EMULATION_COPY_WAIT };
struct emulation_site {
    enum emulation_site_kind kind;
    const char *file;
    int line;
    const char *kernel; /* a place in a helper is one for each kernel that comes there */
    uint64_t passes;    /* of threads, so far */
};
int emulation_site_count(void);
struct emulation_site emulation_site_at(int number);
/* From now on kernels pass by site `number` as if it were not there; -1: none is left out. */
void emulation_break(int number);

/* So often does a query of an event say "not ready" before its work is done (1 unless set): more of them let a caller
 * that does not wait queue more. */
void emulation_set_polls(int count);

/* When true, cuBLASLt has no algorithm for any product. */
void emulation_blas_refuse(bool refuse);

/* Device memory that is allocated now, and kernels run since the program began. */
size_t emulation_allocated(void);
size_t emulation_allocated_on(int device);
uint64_t emulation_kernels_run(void);

#ifdef __cplusplus
}
#endif
#endif
