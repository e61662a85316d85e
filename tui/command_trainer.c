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

int command_for_trainer(const struct action *action, struct command *out, struct error *error)
{
    *out =
        (struct command){.value = action->number, .count = action->count, .when = action->when, .trial = action->trial};
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
    case ACTION_UNDO:
        out->kind = COMMAND_UNDO;
        return 0;
    case ACTION_CANCEL:
        out->kind = COMMAND_CANCEL;
        return 0;
    case ACTION_NOTE:
        out->kind = COMMAND_NOTE;
        return 0;
    case ACTION_PAUSE:
        out->kind = COMMAND_PAUSE;
        return 0;
    case ACTION_RESUME:
        out->kind = COMMAND_RESUME;
        return 0;
    case ACTION_STEP:
        out->kind = COMMAND_STEP;
        return 0;
    case ACTION_EVALUATE:
        out->kind = COMMAND_EVALUATE;
        return 0;
    case ACTION_SAVE:
    case ACTION_LOAD:
    case ACTION_FORK:
        out->kind = action->kind == ACTION_SAVE   ? COMMAND_SAVE
                    : action->kind == ACTION_LOAD ? COMMAND_LOAD
                                                  : COMMAND_FORK;
        snprintf(out->name, sizeof(out->name), "%.*s", (int)sizeof(out->name) - 1, action->word);
        return 0;
    case ACTION_PROBE:
        out->kind = COMMAND_PROBE;
        return 0;
    case ACTION_BACK:
        out->kind = COMMAND_BACK;
        return 0;
    case ACTION_ON_DIVERGENCE:
        out->kind = COMMAND_ON_DIVERGENCE;
        out->value = action->choice;
        return 0;
    case ACTION_TRY:
        out->kind = COMMAND_TRY;
        return 0;
    case ACTION_LR_FIND:
        out->kind = COMMAND_LR_FIND;
        return 0;
    case ACTION_ACCEPT:
        out->kind = COMMAND_ACCEPT;
        return 0;
    case ACTION_DROP:
        out->kind = COMMAND_DROP;
        return 0;
    case ACTION_QUIT:
        out->kind = COMMAND_STOP;
        return 0;
    case ACTION_TOGGLE:
        return error_set(error, "toggle: say pause or resume");
    default:
        return error_set(error, "%s: only the screen does that, when it is typed there", name_of(action->kind));
    }
}
