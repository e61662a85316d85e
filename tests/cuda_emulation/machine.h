/* Inside of the emulation: what its files know of one another. See emulation.h for what it does. */
#ifndef NFBENCH_TESTS_CUDA_EMULATION_MACHINE_H
#define NFBENCH_TESTS_CUDA_EMULATION_MACHINE_H

#include "tests/cuda_emulation/emulation.h"

#include <cuda_runtime.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(start, bytes) ((void)(start), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(start, bytes) ((void)(start), (void)(bytes))
#endif

enum { POISON = 0xFF, WARP = 32, MOST_THREADS = 1024, USUAL_SHARED = 48 << 10, MOST_SHARED = 227 << 10 };

/* ---- runtime.cpp: the machine, error codes, and the lock that every entry point holds ---- */

extern struct emulation_machine machine;
extern __thread int machine_device; /* the calling thread's own */
enum { MOST_DEVICES = 8 };
void machine_lock();
void machine_unlock();
/* Remembers the code for cudaGetLastError where it is an error, and returns it. */
cudaError_t machine_result(cudaError_t code);

/* ---- report.cpp ---- */

/* One line on standard error, with the kernel, block and thread that run now, then abort(). */
[[noreturn]] void emulation_report(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* From here on faults of device memory, and of stacks, are reported by the same line. */
void report_watch_faults();
/* True when the place is switched off by emulation_break. */
bool report_is_broken(enum emulation_site_kind kind, const char *file, int line);

/* ---- fiber.cpp: stacks to run threads on ---- */

struct fiber;
struct fiber *fiber_host(); /* the stack that the block was begun from */
/* One that rests: a new one or one given back. It begins with, or goes on in, a loop of `fiber_body`. */
struct fiber *fiber_take();
void fiber_give_back(struct fiber *fiber);
void fiber_switch(struct fiber *from, struct fiber *to);
bool fiber_owns_guard(const void *address); /* the page below a stack */
/* block.cpp's: runs threads for ever. */
void fiber_body(struct fiber *self);

/* ---- block.cpp: runs one kernel ---- */

struct kernel_launch {
    const char *name, *file;
    int line;
    dim3 grid, block;
    size_t shared_bytes;
    struct emulation_call call;
};
void block_run_grid(const struct kernel_launch *launch);
/* The kernel that runs now, or NULL. */
const struct kernel_launch *block_kernel();

/* ---- copies.cpp: cp.async of one thread ---- */

struct copies;
struct copies *copies_of_thread(); /* block.cpp: of the thread that runs now */
struct copies *copies_new();
/* Called when a thread ends. */
void copies_end(struct copies *copies);

/* ---- memory.cpp ---- */

/* Device memory can be touched between these; they nest. Closing ends with a report where something was written just
 * beyond an allocation. */
void memory_open();
void memory_close();
bool memory_is_device(const void *pointer, size_t bytes); /* inside of one allocation */
bool memory_is_pinned(const void *pointer);
/* In the range that device memory comes from, allocated or not. */
bool memory_in_range(const void *pointer);
/* What lies at an address that faulted, in words. */
void memory_describe(const void *address, char *text, size_t size);
/* For the handler of faults: opens what the address lies in, where that may be touched now. */
bool memory_touch(const void *address);

/* ---- stream.cpp ---- */

/* Queues something that works on device memory, as a kernel would: for libraries. */
cudaError_t stream_queue_call(cudaStream_t stream, struct emulation_call call);
/* Does all work of all streams. */
void stream_drain_all();
/* cudaErrorStreamCaptureUnsupported (and the capture is spoilt) where a capture forbids waiting and allocating. */
cudaError_t stream_may_wait();

#endif
