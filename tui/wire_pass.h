/* Plain values on the wire, for the files that write and read its fields (wire.h). */
#ifndef NFBENCH_TUI_WIRE_PASS_H
#define NFBENCH_TUI_WIRE_PASS_H

#include "tui/wire.h"

#include <limits.h>

/* Written from, or read into, `value`; zeros where there is no more to read. */
void wire_pass(struct wire *wire, void *value, size_t count);

static inline void pass_int(struct wire *wire, int *value, int least, int most)
{
    wire_pass(wire, value, sizeof(*value));
    if (wire->reading && (*value < least || *value > most)) {
        wire->failed = true;
        *value = least;
    }
}

static inline void pass_any(struct wire *wire, int *value)
{
    pass_int(wire, value, INT_MIN, INT_MAX);
}

static inline void pass_long(struct wire *wire, long *value)
{
    wire_pass(wire, value, sizeof(*value));
}

/* A step, or a number of them. */
static inline void pass_steps(struct wire *wire, long *value)
{
    wire_pass(wire, value, sizeof(*value));
    if (wire->reading && (*value < -1 || *value > LONG_MAX / 4)) {
        wire->failed = true;
        *value = 0;
    }
}

static inline void pass_float(struct wire *wire, float *value)
{
    wire_pass(wire, value, sizeof(*value));
}

static inline void pass_double(struct wire *wire, double *value)
{
    wire_pass(wire, value, sizeof(*value));
}

static inline void pass_bool(struct wire *wire, bool *value)
{
    unsigned char byte = wire->reading ? 0 : *value;

    wire_pass(wire, &byte, 1);
    wire->failed |= byte > 1;
    *value = byte == 1;
}

/* An enum, from 0 to its last. */
#define PASS_ENUM(wire, value, last)                                                                                   \
    do {                                                                                                               \
        int number = (wire)->reading ? 0 : (int)(value);                                                               \
        pass_int(wire, &number, 0, last);                                                                              \
        if ((wire)->reading)                                                                                           \
            (value) = number;                                                                                          \
    } while (0)

#endif
