/* A network on a device: parameters, plan, forward and backward. It knows nothing of data, files or schedules.
 * Not thread safe: one thread owns it (the trainer's). */
#ifndef NFBENCH_ENGINE_NETWORK_H
#define NFBENCH_ENGINE_NETWORK_H

#include "engine/model.h"
#include "engine/slice.h"
#include "kernels/kernels.h"

struct network;

enum parameter_role {
    PARAMETER_WEIGHT,      /* convolution weights (OIHW) */
    PARAMETER_HEAD_WEIGHT, /* (classes, width) */
    PARAMETER_BIAS,
    PARAMETER_GAIN, /* of weight standardisation, batch norm */
    PARAMETER_SKIP_GAIN,
    PARAMETER_FROZEN, /* convolution weights that are made once and never trained: of a whitened stem */
    PARAMETER_BUFFER  /* running statistics of batch norm: saved, never trained */
};

/* One tensor of the network, under the peer's name ("blocks.3.conv1.gain"). Memory is the network's, on the host side
 * of the CPU back end; use network_read / network_write for any device. */
struct parameter {
    char name[64];
    enum parameter_role role;
    int dims[4], dim_count; /* dim_count 0: a scalar */
    size_t count;
    /* (count) each; NULL: momentum of what is never trained, ema and slow also where there are none */
    float *value, *gradient, *momentum, *ema, *slow;
};

enum parameter_part { PART_VALUE, PART_GRADIENT, PART_MOMENTUM, PART_EMA, PART_SLOW };

struct network_options {
    int batch; /* the largest batch of a training step and of an evaluation */
    enum dtype dtype;
    bool tf32;      /* of DTYPE_FP32: convolutions may make their products in TF32, where the back end has it */
    uint64_t seed;  /* initialisation, dropout, stochastic depth */
    bool ema;       /* keep exponential averages */
    bool lookahead; /* keep slow weights */
    /* Of the run that is to come, so that all it will take of the device is there before it starts; zeros where there
     * is none. See trainer_needs. */
    int images;         /* training images of an epoch */
    size_t image_bytes; /* that it keeps on a device which makes its batches itself */
    bool probes;        /* it takes probes (network_probe.h) */
    /* Its steps are shared out over so many processes (dist.h), of which this is one; 0 ranks: it is alone. Each has
     * the whole network, and is given the whole batch of a step that is queued, of which it takes its slice
     * (network_slicing): of images on the host no others need be there. */
    int rank, ranks;
};

struct step_options {
    float label_smoothing;
    uint32_t step; /* counts the run's steps: keys dropout and stochastic depth */
};

struct step_result {
    float loss; /* mean over the batch */
    int correct;
    bool finite;      /* loss, and every logit behind it */
    float laps[LAPS]; /* seconds of its parts on the device, of a step that was queued */
};

/* The network with its parameters initialised by spec->init; a whitened stem is that of white noise until it is given
 * another (whitening_apply, or a checkpoint). `backend` must outlive it. Where the memory is too small
 * for it or for the run that is to come, the error says which batch fits. */
int network_create(struct backend *backend, const struct model_spec *spec, const struct network_options *options,
                   struct network **out, struct error *error);
void network_destroy(struct network *network);

/* For a run that goes on with another batch. The first says whether there would be memory for it, the error else which
 * batch fits. The second makes the plans anew, with no step in flight: NETWORK_BATCH_REFUSED and the reason when there
 * was no memory for them after all, and the network is as it was; -1 when it cannot go on. */
enum { NETWORK_BATCH_REFUSED = 1 };
int network_check_batch(struct network *network, int batch, struct error *error);
int network_set_batch(struct network *network, int batch, struct error *error);
int network_batch(const struct network *network);

struct backend *network_backend(const struct network *network);
const struct model_spec *network_spec(const struct network *network);
const struct network_options *network_options_of(const struct network *network);
/* All parameters, in the order of the forward pass; owned by the network. */
const struct parameter *network_parameters(const struct network *network, int *count);
const struct parameter *network_find(const struct network *network, const char *name);
/* Frozen ones among them, running statistics not. */
size_t network_parameter_count(const struct network *network);
/* Bytes of the arenas and what lies beside them. */
size_t network_memory(const struct network *network);
/* For what the run allocates beside the network: after a failure, puts into `error` how much the run needs, how much is
 * free for it and the largest batch that fits, and leaves `error` as it is where memory is not what is missing. Always
 * -1. */
int network_explain_memory(struct network *network, struct error *error);

/* Copies one parameter (count floats) to or from the host; `write` makes the network notice new weights. */
int network_read(struct network *network, const struct parameter *parameter, enum parameter_part part, float *host,
                 struct error *error);
int network_write(struct network *network, const struct parameter *parameter, enum parameter_part part,
                  const float *host, struct error *error);

/* All that training changes, at once: values, momenta and, where they are kept, averages and slow weights of all
 * parameters, running statistics of batch norm too, in an order of the network's own. `write_state` makes the network
 * notice new weights.
 */
size_t network_state_floats(const struct network *network);
int network_read_state(struct network *network, float *host, struct error *error);
int network_write_state(struct network *network, const float *host, struct error *error);

/* All of that as network_create left it, but for frozen weights, which stay. */
int network_begin_anew(struct network *network, struct error *error);

/* ---- Of several ranks (network_options.ranks) ---- */

int network_ranks(const struct network *network); /* 1: it is alone */
int network_rank(const struct network *network);
/* How the images of a step are shared out. */
struct slicing network_slicing(const struct network *network);
/* True when parameters were written since all ranks last had the same. */
bool network_was_written(const struct network *network);
/* All ranks get rank 0's state, as of network_read_state. Collective. */
int network_share_state(struct network *network, struct error *error);
/* Makes the devices' own way to add up gradients, where they have one. Collective. */
int network_join_ranks(struct network *network, struct error *error);

/* The weights of a convolution or of the head as they are applied: standardised, with the gains and scales that are
 * folded into them (parameter->count floats, OIHW). `use_ema` takes the averaged weights. */
int network_read_effective(struct network *network, const struct parameter *weight, bool use_ema, float *host,
                           struct error *error);

/* Forward, loss and backward on images (n, 32, 32, 3) fp32 and labels (n), on the host, n <= batch: leaves the
 * gradients of the mean loss in the parameters. Changes no weight; batch norm's running statistics change with the
 * update. */
int network_train_step(struct network *network, const float *images, const uint8_t *labels, int n,
                       const struct step_options *options, struct step_result *result, struct error *error);

/* The update of every parameter from its gradient. `step` counts from 0: the t of EMA's min(d, (1 + t) / (10 + t)).
 * Lookahead (Zhang et al., arXiv 1907.08610): with every `lookahead`th step (0: never) the slow weights go half of the
 * way to the weights, which begin again from there; the momentum stays. EMA averages what a step leaves behind. */
struct optimizer_options {
    float learning_rate, momentum, weight_decay, agc, ema;
    int lookahead;
    bool nesterov, decay_all;
    long step;
};
int network_update(struct network *network, const struct optimizer_options *options, struct update_result *result,
                   struct error *error);

/* The images of a step or a prediction: on the host (`images`, `labels`), or on the device (`source`), or, on back ends
 * that take a batch at once and with neither given, those that the last step left there. */
struct step_batch {
    int n;
    const float *images;               /* (n, 32, 32, 3) */
    const uint8_t *labels;             /* (n); not for predictions */
    const struct image_source *source; /* every byte of it set, padding too: memset first */
    uint32_t epoch, start;             /* of the source: images [start, start + n) of its order */
    /* Each image is mixed with the one at the mirrored place of the batch, by `mix`; on the host that was done */
    bool mixed;
    struct mix mix;
    const uint8_t *partners; /* (n) the partners' labels, of images on the host */
};

/* A whole training step, queued: forward, loss, backward, update. With several ranks the gradients, loss and hits of
 * their slices are added up before the update, so that all of them are the batch's: collective. `ticket` fetches its
 * results, in the order of the steps, with at most POST_SLOTS under way. A step that is not finite changes no
 * parameter, momentum or average, and nor do those queued behind it until all that are under way were collected. */
int network_queue_step(struct network *network, const struct step_batch *batch, const struct step_options *options,
                       const struct optimizer_options *optimizer, uint64_t *ticket, struct error *error);
/* 1 when the step is not done yet and `wait` is false. `n`: of its batch. */
int network_collect_step(struct network *network, uint64_t ticket, int n, bool wait, struct step_result *result,
                         struct update_result *update, struct error *error);

/* Inference: logits (batch->n, classes) on the host; any n. `use_ema` takes the averaged weights. */
int network_predict_batch(struct network *network, const struct step_batch *batch, bool use_ema, float *logits,
                          struct error *error);
/* The same of images on the host: (n, 32, 32, 3). */
int network_predict(struct network *network, const float *images, int n, bool use_ema, float *logits,
                    struct error *error);

/* The first block whose output is not finite for these images, by a forward pass of its own: -1 the stem, block_count
 * the head, -2 all finite. */
struct divergence {
    int block;
    float variance, predicted; /* of the last block that was still finite (its measured and predicted variance) */
};
int network_find_divergence(struct network *network, const float *images, int n, struct divergence *out,
                            struct error *error);

/* Seconds spent so far by kind of work, for `bench`; kinds in network_time_name. Counting costs little and is always
 * on; where work is queued it counts the queueing, but while profiling it waits behind each operation, and nothing is
 * replayed as a whole. */
void network_profile(struct network *network, bool on);
enum time_kind {
    TIME_CONV_FORWARD,
    TIME_CONV_BACKWARD_DATA,
    TIME_CONV_BACKWARD_WEIGHTS,
    TIME_ACTIVATION,
    TIME_POOL,
    TIME_NORM,
    TIME_STANDARDIZE,
    TIME_LOSS,
    TIME_UPDATE,
    TIME_OTHER,
    TIME_KINDS
};
const char *network_time_name(enum time_kind kind);
/* What a step of a full batch must at least do, by kind: operations of the convolutions and dense layers, and bytes
 * moved when each operation reads its inputs and writes its outputs once. */
struct network_work {
    double flops, bytes;
};
void network_work(const struct network *network, struct network_work work[TIME_KINDS]);
void network_times(const struct network *network, double seconds[TIME_KINDS]);

#endif
