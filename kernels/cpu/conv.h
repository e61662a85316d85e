/* What conv.c, which runs convolutions, and conv_create.c, which makes their primitives, share. */
#ifndef NFBENCH_KERNELS_CPU_CONV_H
#define NFBENCH_KERNELS_CPU_CONV_H

#include "kernels/cpu/cpu.h"
#include "kernels/cpu/onednn.h"

#define DNNL_CHECK(call)                                                                                               \
    do {                                                                                                               \
        dnnl_status_t status_ = (call);                                                                                \
        if (status_ != dnnl_success)                                                                                   \
            return error_set(error, "oneDNN: %s: %s", #call, dnnl_status2str(status_));                                \
    } while (0)

/* A tensor that a primitive reads or writes; its address is bound at each call. */
struct tensor {
    dnnl_memory_t memory;
    size_t bytes;
};

struct operation {
    dnnl_primitive_t primitive;
    struct tensor scratchpad;
};

struct cpu_conv {
    struct conv conv; /* first: a slot's `struct conv *` is also this struct's address */
    bool emulated;    /* bf16 outside, fp32 inside */
    bool own_weights; /* the weight gradient is conv_weights.c's */
    struct operation forward, backward_data, backward_weights;
    struct operation pack_forward, pack_backward, unpack_gradient;
    struct tensor x, y, bias, raw_weights, forward_weights, backward_weights_in, gradient;
    size_t x_count, y_count, weight_count;
};

/* Makes the primitives of a convolution whose `conv`, counts and flags are set, for so many threads as OpenMP has now;
 * what was made before a failure goes with the other function, which leaves the rest of `c`. */
int conv_primitives_create(struct cpu_conv *c, dnnl_engine_t engine, struct error *error);
void conv_primitives_destroy(struct cpu_conv *c);

#endif
