/* Whether what a probe and the steps' losses show is healthy, in words: pure functions over them. A point of a probe
 * has a health (the screen colours by it); a run has findings, each raised once when it begins and once more when it is
 * over. What the theory explains is no alarm: zero padding and average pooling make a correct network measure less than
 * predicted, and the report's block measures more, because its gamma sits in its weights (DESIGN section 2). */
#ifndef NFBENCH_ENGINE_HEALTH_H
#define NFBENCH_ENGINE_HEALTH_H

#include "engine/options.h"
#include "engine/probe.h"

/* ---- A point ---- */

enum health { HEALTH_GOOD, HEALTH_WATCH, HEALTH_BAD };

/* The variance that the block's formula makes at initialisation, from unit Gaussian input and before padding and
 * pooling take their part: the predicted one, but for the report's block (whose stem and shortcuts, without an
 * activation before them, multiply it by gamma^2 = 2.93) and for batch norm (whose branches each add a variance of 1).
 */
float health_expected_variance(const struct model_spec *spec, int point);

/* The health of one point, 0 <= point < probe->count. `why` says in a clause what is wrong, measured against what
 * ("variance 31.2, over 10 times the predicted 1.04"), or what explains it; empty where nothing is to be said. */
enum health health_of_point(const struct model_spec *spec, const struct probe *probe, int point, char *why,
                            size_t size);

/* Of a loss far above what guessing has, ln(classes): no accuracy beside it means anything. */
bool health_loss_is_absurd(int classes, float loss);

/* A rate to try below one that was too high: the preset's own where that is lower, else a tenth. */
float health_tamer_rate(const struct model_spec *spec, float rate);

/* ---- A run ---- */

enum finding_kind {
    FINDING_DIVERGENCE, /* a step, an evaluation or a parameter was not finite (divergence.h) */
    FINDING_NOT_FINITE, /* ... an output or a gradient in a probe */
    FINDING_VARIANCE,   /* over 10 times the expected */
    FINDING_DEAD,       /* over 90 % of a block's relu units never on */
    FINDING_UPDATE,     /* a step changes a block's weights by more than 0.1 of their norm */
    FINDING_CHANCE,     /* the loss near ln(classes) for an epoch, and not falling */
    FINDING_GAMMA,      /* the report's own variance, explained; a note at initialisation */
    FINDING_KINDS
};
enum finding_severity { FINDING_NOTE, FINDING_WARNING, FINDING_ALARM };
enum { FINDING_TEXT_SIZE = 512 };
/* "variance", "warning": by their numbers, NULL behind the last. The logs of sessions have them, too. */
extern const char *const finding_kind_names[], *const finding_severity_names[];

struct finding {
    enum finding_kind kind;
    enum finding_severity severity;
    bool over;                    /* it has ended */
    long step;                    /* updates done when it was found; of what a rollback mended: where it went back to */
    long since;                   /* ... when the quantity was first seen out of its range; never behind `step` */
    int point;                    /* the first one out of range in the order of the forward pass; -1: it has no place */
    float measured, limit;        /* there; 0 where there is no number */
    char text[FINDING_TEXT_SIZE]; /* where, since when, measured against what, what to try: one line */
};

/* What advice needs to know of a run. */
struct health_run {
    const struct model_spec *spec;
    const struct train_options *options;
    float learning_rate;  /* the peak in force */
    long steps_per_epoch; /* how long a loss must stand at chance level ... */
    long steps_total;     /* ... behind the schedule's rise */
    bool diverging;       /* the probe is of a step that was not finite: that is known, and not judged */
};

enum { HEALTH_POINTS = MODEL_MAX_BLOCKS + 1 };

/* What is going on, so that nothing is said twice. Zeroed it knows nothing; it is part of no checkpoint: after a resume
 * it is built up again from what follows, so that a quantity that is still out of its range is said once more. */
struct health_watch {
    struct health_episode {
        bool on;
        int point;
        long since;
        float measured, limit;
    } episodes[FINDING_KINDS];
    float before[FINDING_KINDS][HEALTH_POINTS]; /* the probe before the last one ... */
    long before_step;                           /* ... and its step */
    bool probed;
    float largest_update; /* of the last probe's update ratios; 0: unknown */
    double half_sum;      /* losses of this half of an epoch ... */
    long half_count;      /* ... and their number */
    int halves;           /* halves in a row at chance level */
    double half_mean;     /* of the half before */
    long chance_since;
};

/* Judges a probe: writes the findings that begin or end with it, returns how many. */
int health_watch_probe(struct health_watch *watch, const struct health_run *run, const struct probe *probe,
                       struct finding out[FINDING_KINDS]);
/* The same of a step's mean loss (finite); `step` counts from 1. */
int health_watch_loss(struct health_watch *watch, const struct health_run *run, long step, float loss,
                      struct finding *out);

/* Which block left its range first in what goes on now and since when, in a clause: "block 2's variance had been over
 * 10 times the expected since step 4 (31 where 1.04 is predicted)"; empty when nothing goes on. */
void health_watch_first(const struct health_watch *watch, const struct model_spec *spec, char *text, size_t size);

#endif
