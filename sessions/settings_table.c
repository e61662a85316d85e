/* The table of all settings: adding a setting is adding a row here. See settings.h. */
#include "sessions/settings_table.h"
#include "base/nearest.h"
#include "engine/live.h"

#include <string.h>

static const char *const family_words[] = {"papers", "report", NULL};
static const char *const activation_words[] = {"relu", "gelu", "silu", "tanh", NULL};
static const char *const stem_kind_words[] = {"learnt", "whitened", NULL};
static const char *const init_words[] = {"he", "xavier", "uniform", "normal", "dirac", NULL};
static const char *const norm_words[] = {"none", "batch", NULL};
static const char *const shortcut_words[] = {"pool", "conv", NULL};
static const char *const skip_gain_words[] = {"zero", "one", NULL};
static const char *const optimizer_words[] = {"sgd", "nesterov", NULL};
static const char *const flip_words[] = {"none", "random", "alternating", NULL};
static const char *const normalize_words[] = {"dataset", "image", NULL};
static const char *const device_words[] = {"auto", "cpu", "cuda", NULL};
static const char *const precision_words[] = {"auto", "fp32", "bf16", "tf32", NULL};
static const char *const switch_words[] = {"off", "on", NULL};

/* The columns of a row by name, so that the rows below stay short. */
#define AT(member) .offset = offsetof(struct settings, member)
#define NUMBER(kind, low, high) .type = SETTING_##kind, .minimum = (low), .maximum = (high), .argument = "N"
#define REAL(low, high) .type = SETTING_FLOAT, .minimum = (low), .maximum = (high), .argument = "X"
#define POSITIVE(high) .type = SETTING_FLOAT, .minimum = 0, .above_minimum = true, .maximum = (high), .argument = "X"
#define CHOICE(words, text) .type = SETTING_CHOICE, .choices = (words), .argument = (text)
#define SWITCH .type = SETTING_SWITCH, .choices = switch_words, .argument = "on|off"
#define TEXT(member, text)                                                                                             \
    .type = SETTING_TEXT, AT(member), .size = sizeof(((struct settings *)NULL)->member), .argument = (text)
#define MODEL .section = "model", .saved = true, .change = SETTING_FIXED
#define TRAIN_AS(when) .section = "train", .saved = true, .change = (when)
#define TRAIN TRAIN_AS(SETTING_RESUME)
#define RUN_AS(when) .section = "run", .saved = true, .change = (when)
#define RUN RUN_AS(SETTING_RESUME)
#define UNSAVED(when) .section = "session", .saved = false, .change = (when)

const struct setting settings_table[] = {
    {"preset", MODEL, AT(model.preset), .type = SETTING_PRESET, .argument = "NAME",
     .help = "network and its training settings, before all other settings"},
    {"origin", .section = "model", .saved = true, .change = SETTING_RESUME, AT(origin), .type = SETTING_ORIGIN,
     .argument = "PRESET|recipe NAME", .file_only = true,
     .help = "what a session's settings began from; recorded, and never changed"},
    {"family", MODEL, AT(model.family), CHOICE(family_words, "papers|report"),
     .help = "the block of the papers or of the seed report"},
    {"stem", MODEL, AT(model.stem), NUMBER(INT, 1, MODEL_MAX_WIDTH), .help = "channels of the first convolution"},
    {"stem-kind", MODEL, AT(model.stem_kind), CHOICE(stem_kind_words, "learnt|whitened"), .implied = "learnt",
     .help = "whitened: frozen filters that decorrelate the images' patches"},
    {"stages", MODEL, AT(model.stages), .type = SETTING_STAGES, .argument = "LIST",
     .help = "WIDTH/MIDxBLOCKS[/STRIDE], separated by commas: \"64/16x5, 128/32x5/2\""},
    {"classes", MODEL, AT(model.classes), NUMBER(INT, 2, MODEL_MAX_CLASSES), .file_only = true,
     .help = "classes of the data"},
    {"alpha", MODEL, AT(model.alpha), POSITIVE(10), .help = "factor on every residual branch"},
    {"activation", MODEL, AT(model.activation), CHOICE(activation_words, "relu|gelu|silu|tanh"),
     .help = "nonlinearity"},
    {"init", MODEL, AT(model.init), CHOICE(init_words, "he|xavier|uniform|normal|dirac"),
     .help = "initialisation of the weights"},
    {"norm", MODEL, AT(model.norm), CHOICE(norm_words, "none|batch"),
     .help = "batch: batch normalisation instead of scaling, to compare with"},
    {"ws", MODEL, AT(model.weight_standardization), SWITCH, .help = "weight standardisation"},
    {"skip-gain", MODEL, AT(model.skip_gain), CHOICE(skip_gain_words, "zero|one"),
     .help = "where the learnt gain of each branch starts (papers' block)"},
    {"shortcut", MODEL, AT(model.shortcut), CHOICE(shortcut_words, "pool|conv"), .implied = "pool",
     .help = "how a transition's shortcut strides (papers' block): by a pool or its convolution"},
    {"squeeze-excite", MODEL, AT(model.squeeze_excite), REAL(0, 1),
     .help = "hidden width over the block's width; 0: none"},
    {"stochastic-depth", MODEL, AT(model.stochastic_depth), REAL(0, 0.95),
     .help = "drop rate of the last block; 0: none"},
    {"group-width", MODEL, AT(model.group_width), NUMBER(INT, 0, MODEL_MAX_WIDTH),
     .help = "channels a group of the 3x3 convolutions; 0: one group"},
    {"dropout", MODEL, AT(model.dropout), REAL(0, 0.95), .help = "drop rate before the head; 0: none"},

    {"epochs", TRAIN, AT(train.epochs), NUMBER(INT, 1, 1000000), .help = "passes over the training images"},
    {"steps", TRAIN, AT(train.steps), NUMBER(LONG, 0, 1e12), .help = "stop after so many steps; 0: by epochs alone"},
    {"batch", TRAIN_AS(SETTING_FIXED), AT(train.batch), NUMBER(INT, 1, 65536), .help = "images a step"},
    {"lr", TRAIN, AT(train.learning_rate), POSITIVE(TRAIN_MAX_LEARNING_RATE), .help = "peak learning rate"},
    {"schedule", TRAIN, AT(train.schedule), CHOICE(schedule_words, "constant|step|cosine|onecycle"),
     .help = "learning rate over the run"},
    {"warmup", TRAIN, AT(train.warmup_epochs), REAL(0, 1000000),
     .help = "epochs of rising learning rate (onecycle, 0: a tenth of the run)"},
    {"step-epochs", TRAIN, AT(train.step_epochs), NUMBER(INT, 1, 1000000),
     .help = "schedule step: epochs between steps"},
    {"step-factor", TRAIN, AT(train.step_factor), POSITIVE(1), .help = "schedule step: factor of each step"},
    {"optimizer", TRAIN, AT(train.optimizer), CHOICE(optimizer_words, "sgd|nesterov"),
     .help = "momentum, plain or Nesterov's"},
    {"momentum", TRAIN, AT(train.momentum), REAL(0, 0.9999), .help = "momentum"},
    {"weight-decay", TRAIN, AT(train.weight_decay), REAL(0, 10), .help = "L2 penalty"},
    {"decay-all", TRAIN, AT(train.decay_all), SWITCH, .help = "decay biases and gains too (the report)"},
    {"agc", TRAIN, AT(train.agc), REAL(0, 1000), .help = "adaptive gradient clipping; 0: off"},
    {"label-smoothing", TRAIN, AT(train.label_smoothing), REAL(0, 0.9),
     .help = "share of the target spread over all classes"},
    {"ema", TRAIN_AS(SETTING_FIXED), AT(train.ema), REAL(0, 0.999999),
     .help = "decay of the averaged weights; 0: none kept"},
    {"lookahead", TRAIN_AS(SETTING_FIXED), AT(train.lookahead), NUMBER(INT, 0, 1000000), .implied = "0",
     .help = "slow weights go half of the way every N steps, and the others begin again there; 0: off"},
    {"augment", TRAIN, AT(train.augment.kind), CHOICE(augment_words, "none|report|report-text|standard"),
     .help = "random changes to the training images"},
    {"flip", TRAIN_AS(SETTING_FIXED), AT(train.augment.flip), CHOICE(flip_words, "none|random|alternating"),
     .of_standard = true, .implied = "alternating",
     .help = "augment standard: mirror half of the images, or each in every other epoch"},
    {"crop", TRAIN_AS(SETTING_FIXED), AT(train.augment.crop), NUMBER(INT, 0, AUGMENT_MOST_CROP), .of_standard = true,
     .implied = "4", .help = "augment standard: pixels that images move at most to each side"},
    {"cutout", TRAIN_AS(SETTING_FIXED), AT(train.augment.cutout), NUMBER(INT, 0, IMAGE_SIZE), .of_standard = true,
     .implied = "8", .help = "augment standard: side of the square cut out of half of the images; 0: none"},
    {"augment-grow", TRAIN_AS(SETTING_FIXED), AT(train.augment.growing), NUMBER(INT, 0, 10000), .of_standard = true,
     .implied = "8", .help = "augment standard: epochs until crop and cutout reach all images; 0: at once"},
    {"mixup", TRAIN_AS(SETTING_FIXED), AT(train.mix.mixup), REAL(0, MIX_MOST), .implied = "0",
     .help = "blend images and labels in pairs, by shares from Beta(X, X); 0: off"},
    {"cutmix", TRAIN_AS(SETTING_FIXED), AT(train.mix.cutmix), REAL(0, MIX_MOST), .implied = "0",
     .help = "put a part of one image into another, of areas from Beta(X, X); 0: off"},
    {"normalize", TRAIN_AS(SETTING_FIXED), AT(train.normalize), CHOICE(normalize_words, "dataset|image"),
     .help = "statistics of the whole set, or of each image by itself"},
    {"validation", TRAIN_AS(SETTING_FIXED), AT(train.validation), NUMBER(INT, 0, 1000000),
     .help = "training images held out, the last ones; 0: none"},
    {"limit", TRAIN_AS(SETTING_FIXED), AT(train.limit), NUMBER(INT, 0, 1000000),
     .help = "a quick trial: only so many images of each part; 0: all"},
    {"seed", TRAIN_AS(SETTING_FIXED), AT(train.seed), NUMBER(UINT64, 0, 0x1p64), .help = "of all randomness"},

    {"data", RUN, TEXT(data, "DIR|synthetic"),
     .help = "folder of the CIFAR-10 or CIFAR-100 binary files, or the built-in images"},
    {"device", RUN, AT(train.device), CHOICE(device_words, "auto|cpu|cuda[:N]"),
     .numbered = DEVICE_CUDA_LAST - DEVICE_CUDA, .help = "where to compute; N: which GPU, from 0"},
    {"precision", RUN, AT(train.precision), CHOICE(precision_words, "auto|fp32|bf16|tf32"),
     .help = "of activations and convolutions"},
    {"threads", RUN, AT(train.threads), NUMBER(INT, 0, 1024), .help = "processor threads; 0: all"},
    {"checkpoint-every", RUN, AT(train.checkpoint_every), NUMBER(LONG, 0, 1e12),
     .help = "steps between checkpoints; 0: at each epoch's end"},
    {"probe-every", RUN, AT(train.probe_every), .type = SETTING_LONG, .maximum = 1e12, .automatic = true,
     .argument = "N|auto", .help = "steps between probes of the signal; 0: none, auto: 200 on a CPU, 400 on a GPU"},
    {"on-divergence", RUN, AT(train.on_divergence), CHOICE(divergence_words, "pause|rollback|continue"),
     .help = "at a step that is not finite: wait, go back at half the lr, or pass over its batch"},
    {"log-every", RUN, AT(train.log_every), NUMBER(INT, 1, 1000000), .help = "steps between records of the metrics"},
    {"tensorboard", RUN, AT(tensorboard), SWITCH, .help = "write events for TensorBoard into the session's folder"},

    {"session", UNSAVED(SETTING_FIXED), TEXT(session, "NAME"),
     .help = "name of the new session (else date, preset or recipe, and a number)"},
    {"sessions-dir", UNSAVED(SETTING_RESUME), TEXT(sessions_dir, "DIR"),
     .help = "folder of all sessions (else $XDG_DATA_HOME/nfbench)"},
    {"config", UNSAVED(SETTING_RESUME), TEXT(config, "FILE|RECIPE"),
     .help = "settings from an INI file, or from a recipe that comes with nfbench"},
    {"json", UNSAVED(SETTING_RESUME), AT(json), .type = SETTING_FLAG, .help = "last line of output is one JSON object"},
    {"help", UNSAVED(SETTING_RESUME), AT(help), .type = SETTING_FLAG, .help = "show this help"},
};

const char settings_automatic[] = "auto";
const int settings_count = (int)(sizeof settings_table / sizeof *settings_table);

/* Bools, ints and enums are written through their own types. */
_Static_assert(sizeof(enum activation) == sizeof(int), "choices are stored as int");
_Static_assert(sizeof settings_table / sizeof *settings_table <= 64, "`given` has a bit for each row");

const struct setting *settings_row(int index)
{
    return index >= 0 && index < settings_count ? &settings_table[index] : NULL;
}

int settings_find(const char *name)
{
    for (int i = 0; i < settings_count; i++) {
        if (strcmp(settings_table[i].name, name) == 0)
            return i;
    }
    return -1;
}

const char *setting_word(const struct setting *row, int index)
{
    if (row->type == SETTING_PRESET)
        return model_preset_name(index);
    if (row->automatic)
        return index == 0 ? settings_automatic : NULL;
    for (int i = 0; row->choices && row->choices[i]; i++) {
        if (i == index)
            return row->choices[i];
    }
    return NULL;
}

static const char *row_name(const void *context, int index)
{
    (void)context;
    return index < settings_count ? settings_table[index].name : NULL;
}

const char *settings_nearest(const char *name)
{
    return nearest_word(name, row_name, NULL);
}
