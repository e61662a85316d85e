/* What the actions of the language ask of the trainer: for the screen, for commands that wait, and for scripts. */
#include "tui/command.h"

#include "engine/live.h"

#include <string.h>

static const char *name_of(enum action_kind kind)
{
    const struct command_entry *entry;

    for (int i = 0; (entry = command_at(i)); i++)
        if (entry->action == kind)
            return entry->name;
    return "";
}

bool command_is_asking(const struct action *action)
{
    return (action->kind == ACTION_SET && !action->on) || action->kind == ACTION_PENDING || action->kind == ACTION_HELP;
}

/* Those that take more than this are in the switch below; the others are the screen's, and 0. */
static const enum command_kind kinds[ACTION_COUNT] = {
    [ACTION_UNDO] = COMMAND_UNDO,     [ACTION_CANCEL] = COMMAND_CANCEL,
    [ACTION_NOTE] = COMMAND_NOTE,     [ACTION_PAUSE] = COMMAND_PAUSE,
    [ACTION_RESUME] = COMMAND_RESUME, [ACTION_STEP] = COMMAND_STEP,
    [ACTION_STOP] = COMMAND_STOP,     [ACTION_EVALUATE] = COMMAND_EVALUATE,
    [ACTION_SAVE] = COMMAND_SAVE,     [ACTION_LOAD] = COMMAND_LOAD,
    [ACTION_FORK] = COMMAND_FORK,     [ACTION_PROBE] = COMMAND_PROBE,
    [ACTION_BACK] = COMMAND_BACK,     [ACTION_ON_DIVERGENCE] = COMMAND_ON_DIVERGENCE,
    [ACTION_TRY] = COMMAND_TRY,       [ACTION_LR_FIND] = COMMAND_LR_FIND,
    [ACTION_ACCEPT] = COMMAND_ACCEPT, [ACTION_DROP] = COMMAND_DROP,
    [ACTION_QUIT] = COMMAND_STOP,
};

int command_for_trainer(const struct action *action, struct command *out, struct error *error)
{
    *out = (struct command){.kind = kinds[action->kind],
                            .value = action->number,
                            .count = action->count,
                            .when = action->when,
                            .trial = action->trial};
    snprintf(out->text, sizeof(out->text), "%s", action->text);
    switch (action->kind) {
    case ACTION_LEARNING_RATE:
        out->kind = action->relative ? COMMAND_SCALE_LEARNING_RATE : COMMAND_LEARNING_RATE;
        return 0;
    case ACTION_SET:
        if (!action->on)
            return error_set(error, "'%s' only shows: give a value, too", action->text);
        out->kind = live_setting(action->choice)->command;
        return 0;
    case ACTION_SAVE:
    case ACTION_LOAD:
    case ACTION_FORK:
        snprintf(out->name, sizeof(out->name), "%.*s", (int)sizeof(out->name) - 1, action->word);
        return 0;
    case ACTION_ON_DIVERGENCE:
        out->value = action->choice;
        return 0;
    case ACTION_TOGGLE:
        return error_set(error, "toggle: say pause or resume");
    default:
        if (kinds[action->kind])
            return 0;
        return error_set(error, "%s: only the screen does that, when it is typed there", name_of(action->kind));
    }
}
