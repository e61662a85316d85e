/* What streams and graphs hold: see stream.cpp. */
#ifndef NFBENCH_TESTS_CUDA_EMULATION_WORK_H
#define NFBENCH_TESTS_CUDA_EMULATION_WORK_H

#include "tests/cuda_emulation/machine.h"

/* What a queue or a graph holds; shared by both, and by a graph's executables. */
struct work {
    enum { KERNEL, CALL, COPY, FILL, RECORD, WAIT, GRAPH } kind;
    int references;
    struct kernel_launch kernel; /* KERNEL; of CALL only `call` */
    void *to;                    /* COPY, FILL */
    const void *from;
    void *staged; /* of COPY from memory that is not pinned: its bytes as they were; `from` points there */
    size_t bytes;
    int value;
    cudaEvent_t event; /* RECORD, WAIT */
    uint64_t ticket;
    struct work_list *graph; /* GRAPH */
};

struct work_list {
    struct work **items;
    int count, capacity;
    int references; /* of a graph, its executables and the queues that hold one */
};

/* All zero, for one owner. */
struct work *work_new(int kind);
void work_release(struct work *work);
/* `memory`, or the end where it is NULL. */
void *work_checked(void *memory);

/* Takes the work over. The default stream works at once, behind all blocking streams. */
cudaError_t stream_queue(cudaStream_t stream, struct work *work);
/* Does all of the queue, or (`until` not NULL) as far as the event's last record. */
void stream_run(cudaStream_t stream, cudaEvent_t until);
bool stream_is_captured(cudaStream_t stream);

#endif
