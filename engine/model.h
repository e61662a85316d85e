/* What a network is, as data: the families and presets of DESIGN section 2. One table; [model] in a config file makes
 * others. Sources: SPP (arXiv 2101.08692), NFNet (2102.06171), the seed report. */
#ifndef NFBENCH_ENGINE_MODEL_H
#define NFBENCH_ENGINE_MODEL_H

#include "base/error.h"
#include "engine/options.h"
#include "kernels/kernels.h"

enum {
    MODEL_MAX_STAGES = 8,
    MODEL_MAX_BLOCKS = 256,
    MODEL_MAX_WIDTH = 8192,
    MODEL_MAX_CLASSES = 256,
    MODEL_IMAGE_SIZE = 32
};

enum model_family { FAMILY_PAPERS, FAMILY_REPORT };
enum init_kind { INIT_HE, INIT_XAVIER, INIT_UNIFORM, INIT_NORMAL, INIT_DIRAC };
enum norm_kind { NORM_NONE, NORM_BATCH };
enum shortcut_kind { SHORTCUT_POOL, SHORTCUT_CONV }; /* papers' family: how a transition's shortcut strides */
/* How the first convolution is made: as the others, or whitening its input, and frozen (whitening.h). */
enum stem_kind { STEM_LEARNT, STEM_WHITENED };
enum skip_gain_kind { SKIP_GAIN_ZERO, SKIP_GAIN_ONE }; /* papers' family; the report has none */

struct stage_spec {
    int width, mid, blocks, stride; /* output width, bottleneck width, number of blocks, stride of the first */
};

struct model_spec {
    char preset[32]; /* the preset's name, or "custom" */
    enum model_family family;
    int stem; /* channels of the first convolution */
    enum stem_kind stem_kind;
    int stage_count;
    struct stage_spec stages[MODEL_MAX_STAGES];
    float alpha;
    enum activation activation;
    enum init_kind init;
    enum norm_kind norm;
    bool weight_standardization;
    enum skip_gain_kind skip_gain;
    enum shortcut_kind shortcut;
    float squeeze_excite;   /* ratio of the hidden width; 0: none */
    float stochastic_depth; /* drop rate of the last block, growing linearly with depth from 0; 0: none */
    int group_width;        /* channels a group of the 3x3 convolutions; 0: one group */
    float dropout;          /* before the head */
    int classes;            /* set from the data */
};

/* One block of a model, worked out. */
struct block_spec {
    int cin, cout, mid, stride;
    bool transition;    /* has a projection on its shortcut */
    float variance_in;  /* predicted variance of the block's input */
    float variance_out; /* predicted variance of its output: variance_in (1 at a transition) + alpha^2 */
    float beta;         /* sqrt(variance_in) (papers) or variance_in (report); 1 with batch norm */
    float drop_rate;    /* stochastic depth */
};

/* Fills the spec and the training options with a preset's values; -1 and the list of names when there is no such. */
int model_preset(const char *name, struct model_spec *spec, struct train_options *options, struct error *error);
/* Name of the index-th preset, NULL behind the last. */
const char *model_preset_name(int index);
/* What the preset is, in one line. */
const char *model_preset_summary(int index);

/* Checks widths, strides, group width, rates: one clear message. */
int model_validate(const struct model_spec *spec, struct error *error);
int model_block_count(const struct model_spec *spec);
/* The index-th block (0 <= index < model_block_count). */
struct block_spec model_block(const struct model_spec *spec, int index);
/* gamma = 1 / sqrt(Var(act(z))), z ~ N(0, 1); SPP section 3.2. */
float activation_gamma(enum activation activation);

#endif
