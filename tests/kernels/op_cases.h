/* One table of op cases, run in three ways over any back end: its forward against a plain reference in double, its
 * backward against finite differences of that reference, and its speed. A second back end needs nothing new here. */
#ifndef NFBENCH_TESTS_KERNELS_OP_CASES_H
#define NFBENCH_TESTS_KERNELS_OP_CASES_H

#include "tests/kernels/rig.h"

enum { OP_INPUTS = 4 };

/* How the values of an input are made. */
enum op_fill {
    FILL_NORMAL, /* shift + scale * standard normal */
    FILL_BINARY, /* 0 or 1 */
    FILL_LABEL   /* whole numbers below `scale` */
};

struct op_input {
    size_t count;
    bool rounded; /* values are representable in the case's dtype, whatever they are stored as */
    bool fixed;   /* has no gradient */
    enum op_fill fill;
    double scale, shift;
};

struct op_shape {
    struct op_input inputs[OP_INPUTS];
    int input_count;
    size_t output_count;
    bool output_rounded; /* stored in the case's dtype */
};

struct op_case {
    const char *name;
    const struct op *op;
    int n, h, w, c;             /* of the input map; ops on vectors use what they need */
    struct conv_shape conv;     /* of convolutions; n, h, w, cin, cout all here */
    enum activation activation; /* of activations */
    enum ws_mode mode;          /* of standardisation: rows = n, fan_in = c */
    bool gain, skip, training;  /* with a gain, with a skip gain, batch norm in training */
    bool sample, channel;       /* residual: stochastic depth, squeeze-excite gates */
    bool relu, add;             /* relu in the op; gradients are added to what is there */
    bool in_place;              /* the output is the input's memory */
    float scale;                /* of the values, or what the op calls scale, rate, smoothing */
    double skip_value;          /* of the skip gain; of a loss with `skip`: the share of the partners' labels */
};

struct op {
    const char *name;
    bool fp32_only; /* knows no other dtype */
    struct op_shape (*shape)(const struct op_case *c);
    void (*reference)(const struct op_case *c, double *const in[], double *out);
    void (*forward)(const struct op_case *c, struct rig *rig, double *const in[], double *out);
    /* gradients of sum(dout * out) for the inputs that are not fixed; NULL: the op has no backward */
    void (*backward)(const struct op_case *c, struct rig *rig, double *const in[], const double *dout,
                     double *const din[]);
};

extern const struct op conv_op, standardize_op, activation_op, average_pool_op, global_pool_op, residual_op, gate_op,
    dropout_op, batch_norm_op, loss_op, statistics_op, convert_op;

extern const struct op_case op_cases[];
extern const int op_case_count;

/* The shapes of a training step of preset report with 64 images (and chunks of 16), for speed alone. */
extern const struct op_case op_speed_cases[];
extern const int op_speed_case_count;

/* What stands in a gradient's memory before the op: small values when the op adds to them, else NaN; and the same
 * taken away again from what the op made. */
void op_fill_prior(double *values, size_t count, bool add);
void op_take_prior(double *values, size_t count, bool add);

#endif
