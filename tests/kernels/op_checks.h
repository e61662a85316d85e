/* How any back end is held to the op table: a failure ends the cmocka test. */
#ifndef NFBENCH_TESTS_KERNELS_OP_CHECKS_H
#define NFBENCH_TESTS_KERNELS_OP_CHECKS_H

#include "tests/kernels/op_cases.h"

/* Forward of every case against the reference, in both precisions. */
void op_check_forward(struct backend *backend);
/* Backward against finite differences, in fp32; bf16's gradients are compared with fp32's by the next. */
void op_check_backward(struct backend *backend);
/* On inputs that bf16 holds exactly, both precisions agree to bf16's rounding. */
void op_check_bf16(struct backend *backend);

/* With products in TF32, convolutions agree with fp32's to TF32's rounding; and it is made use of. */
void op_check_tf32(struct backend *backend);

/* The values of a case. */
struct op_values {
    struct op_shape shape;
    bool tf32; /* convolutions may make their products in TF32 */
    double *in[OP_INPUTS], *gradient[OP_INPUTS];
    double *out, *reference, *dout;
};

struct op_values op_values_make(const struct op_case *c, enum dtype dtype);
void op_values_free(struct op_values *v);
bool op_has_backward(const struct op_case *c);
/* The last dtype that the case's op knows. */
int op_widest_dtype(const struct op_case *c);
void op_run_forward(const struct op_case *c, struct backend *backend, enum dtype dtype, struct op_values *v);
void op_run_backward(const struct op_case *c, struct backend *backend, enum dtype dtype, struct op_values *v);
/* Both, where the case has a backward. */
void op_run(const struct op_case *c, struct backend *backend, enum dtype dtype, struct op_values *v);
/* Outputs and gradients of two runs. */
void op_expect_same_bits(const struct op_case *c, const struct op_values *a, const struct op_values *b);

#endif
