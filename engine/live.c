/* See live.h. A setting that may change is a row here, and a case in trainer_settings.c where more hangs on it. */
#include "engine/live.h"

#include <stdio.h>
#include <string.h>

const char *const schedule_words[] = {"constant", "step", "cosine", "onecycle", NULL};
const char *const augment_words[] = {"none", "report", "report-text", "standard", NULL};
const char *const divergence_words[] = {"pause", "rollback", "continue", NULL};

#define AT(member) .offset = offsetof(struct train_options, member)

static const struct live_setting table[] = {
    {"lr", COMMAND_LEARNING_RATE, LIVE_FLOAT, AT(learning_rate)},
    {"momentum", COMMAND_MOMENTUM, LIVE_FLOAT, AT(momentum)},
    {"weight-decay", COMMAND_WEIGHT_DECAY, LIVE_FLOAT, AT(weight_decay)},
    {"agc", COMMAND_AGC, LIVE_FLOAT, AT(agc)},
    {"label-smoothing", COMMAND_LABEL_SMOOTHING, LIVE_FLOAT, AT(label_smoothing)},
    {"ema", COMMAND_EMA, LIVE_FLOAT, AT(ema)},
    {"augment", COMMAND_AUGMENT, LIVE_WORD, AT(augment.kind), .words = augment_words},
    {"mixup", COMMAND_MIXUP, LIVE_FLOAT, AT(mix.mixup)},
    {"cutmix", COMMAND_CUTMIX, LIVE_FLOAT, AT(mix.cutmix)},
    {"schedule", COMMAND_SCHEDULE, LIVE_WORD, AT(schedule), .words = schedule_words},
    {"batch", COMMAND_BATCH, LIVE_INT, AT(batch)},
    {"epochs", COMMAND_EPOCHS, LIVE_INT, AT(epochs)},
    {"steps", COMMAND_STEPS, LIVE_LONG, AT(steps)},
    {"probe-every", COMMAND_PROBE_EVERY, LIVE_LONG, AT(probe_every), .automatic = "auto", .of_session = true},
    {"log-every", COMMAND_LOG_EVERY, LIVE_INT, AT(log_every), .of_session = true},
    {"checkpoint-every", COMMAND_CHECKPOINT_EVERY, LIVE_LONG, AT(checkpoint_every), .of_session = true},
    {"on-divergence", COMMAND_ON_DIVERGENCE, LIVE_WORD, AT(on_divergence), .words = divergence_words,
     .of_session = true},
};
enum { ROWS = sizeof table / sizeof *table };
_Static_assert((int)ROWS == (int)LIVE_SETTINGS, "the state has a place for each");
_Static_assert(sizeof(enum schedule_kind) == sizeof(int), "words are stored as int");

const struct live_setting *live_setting(int index)
{
    return index >= 0 && index < ROWS ? &table[index] : NULL;
}

const struct live_setting *live_find(const char *name)
{
    for (int i = 0; i < ROWS; i++)
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    return NULL;
}

const struct live_setting *live_of_command(enum command_kind kind)
{
    for (int i = 0; i < ROWS; i++)
        if (table[i].command == kind)
            return &table[i];
    return NULL;
}

double live_get(const struct live_setting *setting, const struct train_options *options)
{
    const void *at = (const char *)options + setting->offset;
    switch (setting->type) {
    case LIVE_FLOAT:
        return (double)*(const float *)at;
    case LIVE_LONG:
        return (double)*(const long *)at;
    default:
        return *(const int *)at;
    }
}

void live_put(const struct live_setting *setting, struct train_options *options, double value)
{
    void *at = (char *)options + setting->offset;
    switch (setting->type) {
    case LIVE_FLOAT:
        *(float *)at = (float)value;
        break;
    case LIVE_LONG:
        *(long *)at = (long)value;
        break;
    default:
        *(int *)at = (int)value;
        break;
    }
}

void live_copy(const struct train_options *from, struct train_options *to)
{
    for (int i = 0; i < ROWS; i++)
        live_put(&table[i], to, live_get(&table[i], from));
}

const char *live_refusal(const struct live_setting *setting, const struct train_options *began, double value)
{
    if (setting->command == COMMAND_EMA && began->ema <= 0)
        return "this run keeps no averaged weights: it would have to begin with --ema";
    if (setting->command == COMMAND_EMA && value <= 0)
        return "averaged weights that the run began with are kept: give a decay above 0";
    return NULL;
}

void live_text(const struct live_setting *setting, double value, char *text, size_t size)
{
    if (setting->type == LIVE_WORD)
        snprintf(text, size, "%s", setting->words[(int)value]);
    else if (setting->automatic && value < 0)
        snprintf(text, size, "%s", setting->automatic);
    else if (setting->type == LIVE_FLOAT)
        snprintf(text, size, "%g", value);
    else
        snprintf(text, size, "%.0f", value);
}

bool command_changes_state(enum command_kind kind)
{
    const struct live_setting *setting = live_of_command(kind);
    switch (kind) {
    case COMMAND_SCALE_LEARNING_RATE:
    case COMMAND_ROLLBACK:
    case COMMAND_UNDO:
    case COMMAND_WAIT:
    case COMMAND_CANCEL:
    case COMMAND_ACCEPT:
        return true;
    default:
        return setting && !setting->of_session;
    }
}
