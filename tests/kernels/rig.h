/* Tensors of a back end for the op cases: uploaded from doubles, or poisoned with NaN so that what an op forgets to
 * write is seen; each is followed by a guard that must stay as it was. A failure ends the cmocka test. */
#ifndef NFBENCH_TESTS_KERNELS_RIG_H
#define NFBENCH_TESTS_KERNELS_RIG_H

#include "kernels/kernels.h"

enum { RIG_TENSORS = 32 };

struct rig {
    struct backend *backend;
    enum dtype dtype; /* of activations */
    bool tf32;        /* convolutions may make their products in TF32 */
    int repeats;      /* each call is made so often: 1, or more to time it */
    double seconds;   /* the fastest of the calls since rig_begin, all RIG_CALLs summed */
    size_t bytes;     /* of the tensors made since rig_begin */
    int count;
    struct {
        void *device;
        size_t bytes;
    } tensors[RIG_TENSORS];
};

/* A new round: no tensors, nothing measured. */
void rig_begin(struct rig *rig);
/* Checks the guards and frees the round's tensors. */
void rig_end(struct rig *rig);

/* `storage` is the type of the elements in the back end's memory. */
void *rig_upload(struct rig *rig, enum dtype storage, const double *values, size_t count);
void *rig_poisoned(struct rig *rig, enum dtype storage, size_t count);
/* Memory for packed weights and scratch; not counted in `bytes`. */
void *rig_bytes(struct rig *rig, size_t bytes);
void *rig_copy_in(struct rig *rig, const void *bytes, size_t count);
/* The back end's weights_prepare or, `backward`, weights_backward of one layer. */
void rig_weights(struct rig *rig, const struct ws_layer *layer, void *scratch, bool backward);
/* An update with all that it can have. */
extern const struct update_options rig_update;
/* Step values in the back end's memory, with this step and update options (NULL: zeros). */
struct step_values *rig_values(struct rig *rig, uint32_t step, const struct update_options *options);
void rig_download(struct rig *rig, enum dtype storage, const void *device, double *values, size_t count);

/* The value as stored in `dtype`: to float, and for bf16 to the nearest, ties to even. */
double round_to(enum dtype dtype, double value);

/* The first standard normal values of a stream, always the same. */
void rig_normal(uint32_t stream, double *out, size_t count);
/* The same times scale plus shift; the caller frees. */
float *rig_normals(uint32_t stream, size_t count, float scale, float shift);

/* Distance of two vectors (count) over the length of the second. */
double distance(const float *a, const float *b, size_t count);

/* Set-up and tear-down of a cmocka group whose state is a CPU back end with `rig_threads` threads. */
extern int rig_threads;
int rig_open(void **state);
int rig_close(void **state);

double rig_now(void);
void rig_failed(const char *call, const char *message);

/* Makes the call `repeats` times, but stops after RIG_SECONDS, and keeps the fastest; `call` may use a variable named
 * `error`. */
#define RIG_SECONDS 0.2
#define RIG_CALL(rig, call)                                                                                            \
    do {                                                                                                               \
        double best_ = 1e30, begin_ = rig_now();                                                                       \
        for (int repeat_ = 0; repeat_ < (rig)->repeats; repeat_++) {                                                   \
            struct error error = {""};                                                                                 \
            double start_ = rig_now();                                                                                 \
            if ((call) || (rig)->backend->synchronize((rig)->backend, &error))                                         \
                rig_failed(#call, error.message);                                                                      \
            double taken_ = rig_now() - start_;                                                                        \
            best_ = taken_ < best_ ? taken_ : best_;                                                                   \
            if (start_ + taken_ - begin_ > RIG_SECONDS)                                                                \
                break;                                                                                                 \
        }                                                                                                              \
        (rig)->seconds += best_;                                                                                       \
    } while (0)

#endif
