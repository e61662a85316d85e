/* The device that --device means on this machine: the GPU that was asked for, the first one where `auto` finds it, else
 * the processor. */
#ifndef NFBENCH_TUI_DEVICE_H
#define NFBENCH_TUI_DEVICE_H

#include "engine/options.h"
#include "kernels/cuda.h"

enum { DEVICE_TEXT_SIZE = 96, DEVICE_NOTE_SIZE = 512 };

/* What was found, without making anything on it. */
struct device_choice {
    enum device_kind kind;  /* DEVICE_CPU, or a GPU */
    struct cuda_device gpu; /* ... that one */
    struct error why_not;   /* `auto` found no GPU: why; else empty */
    bool gpu_is_there;      /* ... though the machine has one: worth a note */
};

/* Whether a device is a GPU, and which (0 for `auto`). */
bool device_is_gpu(enum device_kind device);
int device_gpu(enum device_kind device);

/* -1 when `wanted` is a GPU and that one cannot be used. */
int device_choose(enum device_kind wanted, struct device_choice *out, struct error *error);

/* -1, with a line that a user can act on, when train->precision is TF32 and the device that train->device means has
 * none. 0 when there is no such device: device_open says so. */
int device_check_precision(const struct train_options *train, struct error *error);

/* "fp32"; not of PRECISION_AUTO, which device_open replaces. */
const char *device_precision_word(enum precision_kind precision);

/* The back end of train->device; fails as device_check_precision does, too. Puts the real device, precision and number
 * of threads into `train`, what they are in words into `text` ("CPU, 2 threads, bf16"), and what a person should know
 * of the choice, or nothing, into `note`. The caller destroys the back end. */
int device_open(struct train_options *train, struct backend **backend, char text[DEVICE_TEXT_SIZE],
                char note[DEVICE_NOTE_SIZE], struct error *error);

#endif
