/* The settings that may change while a run trains. Their names are those of the settings' table (sessions/settings.h),
 * which also says what values they may have; here is which command changes each, and where it lies among the options. A
 * value travels as a double, which holds each of them exactly; an enum's is its number. */
#ifndef NFBENCH_ENGINE_LIVE_H
#define NFBENCH_ENGINE_LIVE_H

#include "engine/trainer.h"

#include <math.h>

enum live_type { LIVE_FLOAT, LIVE_INT, LIVE_LONG, LIVE_WORD };

struct live_setting {
    const char *name;
    enum command_kind command; /* COMMAND_LEARNING_RATE also has a command for factors */
    enum live_type type;
    size_t offset;            /* in struct train_options */
    const char *const *words; /* of LIVE_WORD: the enum's, NULL-terminated; else NULL */
    const char *automatic;    /* of LIVE_LONG: the word for -1; NULL: there is none */
    /* Holds for the session, whatever checkpoint it goes on from; the others belong to the run's state. */
    bool of_session;
};

/* Among a state's values: not known, and so as the run began. */
#define LIVE_UNKNOWN ((double)NAN)

/* The words of the enums, as settings and logs have them. */
extern const char *const schedule_words[];
extern const char *const augment_words[];
extern const char *const divergence_words[];

/* The index-th; NULL behind the last. */
const struct live_setting *live_setting(int index);
/* By name, or by the command that changes it; NULL when there is none. */
const struct live_setting *live_find(const char *name);
const struct live_setting *live_of_command(enum command_kind kind);

double live_get(const struct live_setting *setting, const struct train_options *options);
void live_put(const struct live_setting *setting, struct train_options *options, double value);
/* Gives all of them the values that they have in others. */
void live_copy(const struct train_options *from, struct train_options *to);
/* Why a run that began with these options cannot have the value; NULL: as far as they say it can. */
const char *live_refusal(const struct live_setting *setting, const struct train_options *began, double value);
/* "0.9", "cosine", "auto". */
void live_text(const struct live_setting *setting, double value, char *text, size_t size);

/* Whether a command changes what the run computes from its step on, or what will change it: it then belongs to the
 * state that a checkpoint holds. */
bool command_changes_state(enum command_kind kind);

#endif
