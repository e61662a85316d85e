/* The table of presets, and what follows from a model spec block by block: widths, predicted variances, betas. */
#include "engine/model.h"

#include "engine/whitening.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct preset {
    const char *name, *summary;
    struct model_spec model;
    struct train_options train;
};

/* The papers' presets train alike but for their length: the settings that DESIGN's reference runs use. */
#define PAPERS_MODEL(name)                                                                                             \
    .preset = name, .family = FAMILY_PAPERS, .alpha = 0.2f, .activation = ACTIVATION_RELU, .init = INIT_HE,            \
    .norm = NORM_NONE, .weight_standardization = true, .skip_gain = SKIP_GAIN_ZERO, .classes = 10, .stage_count = 3
#define PAPERS_TRAIN                                                                                                   \
    .batch = 128, .learning_rate = 0.2f, .schedule = SCHEDULE_ONECYCLE, .step_epochs = 50, .step_factor = 0.1f,        \
    .optimizer = OPTIMIZER_NESTEROV, .momentum = 0.9f, .weight_decay = 5e-4f, .agc = 0.02f,                            \
    .augment = AUGMENT_USUAL(AUGMENT_STANDARD), .normalize = NORMALIZE_DATASET, .seed = 1, .log_every = 1,             \
    .checkpoint_every = 500, .probe_every = PROBE_EVERY_AUTO

static const struct preset presets[] = {
    {"report",
     "the seed report's network, 737k parameters, exactly as its code ran it",
     {.preset = "report",
      .family = FAMILY_REPORT,
      .alpha = 0.2f,
      .activation = ACTIVATION_RELU,
      .init = INIT_HE,
      .norm = NORM_NONE,
      .weight_standardization = true,
      .classes = 10,
      .stem = 16,
      .stage_count = 3,
      .stages = {{64, 16, 5, 1}, {128, 32, 5, 2}, {256, 64, 5, 2}}},
     {.epochs = 200,
      .batch = 64,
      .learning_rate = 0.01f,
      .schedule = SCHEDULE_STEP,
      .step_epochs = 50,
      .step_factor = 0.1f,
      .optimizer = OPTIMIZER_SGD,
      .momentum = 0.9f,
      .weight_decay = 2e-4f,
      .decay_all = true,
      .augment = AUGMENT_USUAL(AUGMENT_REPORT),
      .normalize = NORMALIZE_IMAGE,
      .validation = 10000,
      .seed = 1,
      .log_every = 1,
      .probe_every = PROBE_EVERY_AUTO,
      .checkpoint_every = 500}},
    {"micro",
     "the papers' block, 246k parameters: minutes an epoch on a laptop",
     {PAPERS_MODEL("micro"), .stem = 16, .stages = {{32, 16, 2, 1}, {64, 32, 2, 2}, {128, 64, 2, 2}}},
     {PAPERS_TRAIN, .epochs = 10}},
    {"small",
     "the papers' block, wider, three blocks a stage",
     {PAPERS_MODEL("small"), .stem = 32, .stages = {{64, 32, 3, 1}, {128, 64, 3, 2}, {256, 128, 3, 2}}},
     {PAPERS_TRAIN, .epochs = 30}},
    {"large",
     "the papers' block, 9.6M parameters: for a GPU",
     {PAPERS_MODEL("large"), .stem = 64, .stages = {{128, 64, 5, 1}, {256, 128, 5, 2}, {512, 256, 5, 2}}},
     {PAPERS_TRAIN, .epochs = 60}},
};

enum { PRESET_COUNT = sizeof presets / sizeof *presets };
_Static_assert(MODEL_MAX_WIDTH == 8192, "validate_stage says so");

const char *model_preset_name(int index)
{
    return index >= 0 && index < PRESET_COUNT ? presets[index].name : NULL;
}

const char *model_preset_summary(int index)
{
    return index >= 0 && index < PRESET_COUNT ? presets[index].summary : NULL;
}

int model_preset(const char *name, struct model_spec *spec, struct train_options *options, struct error *error)
{
    char names[128] = "";
    for (int i = 0; i < PRESET_COUNT; i++) {
        if (strcmp(presets[i].name, name) == 0) {
            *spec = presets[i].model;
            *options = presets[i].train;
            return 0;
        }
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", presets[i].name);
    }
    return error_set(error, "preset '%s': there is none of that name; there are %s", name, names);
}

static int validate_stage(const struct model_spec *spec, int index, int size, struct error *error)
{
    const struct stage_spec *stage = &spec->stages[index];
    const char *what = NULL;
    if (stage->width < 1 || stage->width > MODEL_MAX_WIDTH || stage->mid < 1 || stage->mid > MODEL_MAX_WIDTH)
        what = "widths must lie between 1 and 8192";
    else if (stage->blocks < 1)
        what = "it needs at least one block";
    else if (stage->stride != 1 && stage->stride != 2)
        what = "its stride must be 1 or 2";
    else if (size % stage->stride || size / stage->stride < 1)
        what = "the image is too small for another stride of 2";
    else if (spec->group_width > 0 && stage->mid % spec->group_width)
        what = "group-width must divide its bottleneck width";
    return what
               ? error_set(error, "stage %d (%d/%d x %d): %s", index + 1, stage->width, stage->mid, stage->blocks, what)
               : 0;
}

int model_validate(const struct model_spec *spec, struct error *error)
{
    if (spec->stem < 1 || spec->stem > MODEL_MAX_WIDTH)
        return error_set(error, "stem: %d, expected a width between 1 and %d", spec->stem, MODEL_MAX_WIDTH);
    if (spec->stage_count < 1 || spec->stage_count > MODEL_MAX_STAGES)
        return error_set(error, "a network has between 1 and %d stages, this one %d", MODEL_MAX_STAGES,
                         spec->stage_count);
    if (spec->stem_kind == STEM_WHITENED && spec->stem > WHITENING_CHANNELS)
        return error_set(error, "stem: %d channels, but a whitened stem has at most %d: %d filters and their negatives",
                         spec->stem, WHITENING_CHANNELS, WHITENING_INPUTS);
    if (spec->classes < 2 || spec->classes > MODEL_MAX_CLASSES)
        return error_set(error, "%d classes, expected between 2 and %d", spec->classes, MODEL_MAX_CLASSES);
    int size = MODEL_IMAGE_SIZE;
    for (int i = 0; i < spec->stage_count; i++) {
        if (validate_stage(spec, i, size, error))
            return -1;
        size /= spec->stages[i].stride;
    }
    if (model_block_count(spec) > MODEL_MAX_BLOCKS)
        return error_set(error, "%d blocks, at most %d", model_block_count(spec), MODEL_MAX_BLOCKS);
    if (!(spec->alpha > 0) || !(spec->alpha <= 10))
        return error_set(error, "alpha: %g, expected a number above 0 and up to 10", (double)spec->alpha);
    if (!(spec->stochastic_depth >= 0 && spec->stochastic_depth < 1) || !(spec->dropout >= 0 && spec->dropout < 1) ||
        !(spec->squeeze_excite >= 0 && spec->squeeze_excite <= 1))
        return error_set(error, "stochastic-depth and dropout must lie in [0, 1), squeeze-excite in [0, 1]");
    return 0;
}

int model_block_count(const struct model_spec *spec)
{
    int count = 0;
    for (int i = 0; i < spec->stage_count; i++)
        count += spec->stages[i].blocks;
    return count;
}

struct block_spec model_block(const struct model_spec *spec, int index)
{
    struct block_spec block = {.cout = spec->stem, .variance_out = 1};
    const int count = model_block_count(spec);
    int number = 0;
    for (int i = 0; i < spec->stage_count; i++) {
        const struct stage_spec *stage = &spec->stages[i];
        for (int j = 0; j < stage->blocks; j++, number++) {
            block.cin = block.cout;
            block.cout = stage->width;
            block.mid = stage->mid;
            block.stride = j == 0 ? stage->stride : 1;
            block.transition = block.stride != 1 || block.cin != block.cout;
            block.variance_in = block.variance_out;
            block.variance_out = (block.transition ? 1 : block.variance_in) + spec->alpha * spec->alpha;
            if (spec->norm == NORM_BATCH)
                block.beta = 1;
            else
                block.beta = spec->family == FAMILY_REPORT ? block.variance_in : sqrtf(block.variance_in);
            block.drop_rate = spec->stochastic_depth * (float)(number + 1) / (float)count;
            if (number == index)
                return block;
        }
    }
    return block;
}

float activation_gamma(enum activation activation)
{
    switch (activation) {
    case ACTIVATION_RELU:
        return 1.7128586f;
    case ACTIVATION_GELU:
        return 1.7009262f;
    case ACTIVATION_SILU:
        return 1.7871872f;
    case ACTIVATION_TANH:
        return 1.5925374f;
    }
    return 1;
}
