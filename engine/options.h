/* How a run trains: plain data, filled by the settings, read by the trainer. Defaults: model_preset(). */
#ifndef NFBENCH_ENGINE_OPTIONS_H
#define NFBENCH_ENGINE_OPTIONS_H

#include "engine/mix.h"

#include <stdbool.h>
#include <stdint.h>

enum schedule_kind { SCHEDULE_CONSTANT, SCHEDULE_STEP, SCHEDULE_COSINE, SCHEDULE_ONECYCLE };
enum optimizer_kind { OPTIMIZER_SGD, OPTIMIZER_NESTEROV };
/* A GPU's number is counted from DEVICE_CUDA on: the first is DEVICE_CUDA itself, the next DEVICE_CUDA + 1. */
enum device_kind { DEVICE_AUTO, DEVICE_CPU, DEVICE_CUDA, DEVICE_CUDA_LAST = DEVICE_CUDA + 63 };
/* Of activations and of the convolutions' products. TF32: fp32, with products in TF32 on a GPU's tensor cores. */
enum precision_kind { PRECISION_AUTO, PRECISION_FP32, PRECISION_BF16, PRECISION_TF32 };
/* What a run does at a step that is not finite. */
enum divergence_policy {
    DIVERGENCE_PAUSE,    /* waits for the person, where one is there, and else ends */
    DIVERGENCE_ROLLBACK, /* goes back to the last good checkpoint, at half the learning rate */
    DIVERGENCE_CONTINUE  /* passes over its batch */
};

/* Largest rate that a setting or a command may ask for. */
#define TRAIN_MAX_LEARNING_RATE 1000

enum { PROBE_EVERY_AUTO = -1 };

struct train_options {
    int epochs;
    long steps; /* stop after so many steps in all; 0: by epochs alone */
    int batch;
    float learning_rate; /* the peak, before the schedule's factor */
    enum schedule_kind schedule;
    float warmup_epochs; /* linear up to the peak; onecycle: its rising part (0: a tenth of the run) */
    int step_epochs;     /* SCHEDULE_STEP: every so many epochs */
    float step_factor;   /* ... multiply by this */
    enum optimizer_kind optimizer;
    float momentum;
    float weight_decay;
    bool decay_all; /* the report: weight decay on every parameter, not on conv and dense weights only */
    float agc;      /* 0: off */
    float label_smoothing;
    float ema;     /* decay; 0: off */
    int lookahead; /* steps after which slow weights follow half of the way; 0: off */
    struct augment_options augment;
    struct mix_options mix;
    enum normalize_kind normalize;
    int validation; /* images at the end of the training files held out; 0: none */
    int limit;      /* a quick trial: use only the first so many images of each part; 0: all */
    uint64_t seed;
    enum device_kind device;
    enum precision_kind precision;
    int threads;           /* 0: as many as there are processors */
    long checkpoint_every; /* steps; 0: at each epoch's end alone */
    int log_every;         /* steps between metric records */
    long probe_every;      /* steps between probes; 0: none; PROBE_EVERY_AUTO: what costs little on the device */
    enum divergence_policy on_divergence;
};

#endif
