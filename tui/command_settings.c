/* `set`: which settings may change, what values they take (the settings' table says), and how they are shown. */
#include "tui/command_words.h"

#include "engine/live.h"
#include "sessions/settings.h"

#include <string.h>

const char *setting_name_word(int index)
{
    const struct live_setting *setting = live_setting(index);

    return setting ? setting->name : NULL;
}

static int unknown_setting(const char *name, struct error *error)
{
    const char *like = command_nearest(name, setting_name_word);
    const struct setting *row = settings_row(settings_find(name));

    if (like)
        return error_set(error, "no setting '%s': did you mean '%s'?", name, like);
    const bool of_start = row && row->saved && strcmp(row->section, "run") == 0; /* where and on what it trains */
    if (row && !of_start && (row->saved || row->change == SETTING_FIXED))
        return error_set(error, "%s is kept from a session's beginning to its end: 'set' shows what can change", name);
    if (of_start)
        return error_set(error, "%s can change at a resume alone (--%s): 'set' shows what can at any time", name, name);
    return error_set(error, "no setting '%s': 'set' shows what can change", name);
}

static const struct setting *valued; /* whose values value_word lists */

static const char *value_word(int index)
{
    return setting_word(valued, index);
}

word_list setting_value_words(const char *name)
{
    valued = settings_row(settings_find(name));
    return value_word;
}

static int read_value(const struct setting *row, const char *text, struct action *action, struct error *error)
{
    const char *like;

    if (setting_number(row, text, &action->number, error) == 0)
        return 0;
    like = command_nearest(text, setting_value_words(row->name));
    return like ? error_set(error, "no %s '%s': did you mean '%s'?", row->name, text, like) : -1;
}

int command_read_setting(const char *text, struct action *action, struct error *error)
{
    char name[WORD_SIZE];
    const char *value = command_split(text, " \t", name, sizeof(name));
    const struct live_setting *setting;

    for (action->choice = 0; (setting = live_setting(action->choice)); action->choice++)
        if (strcasecmp(setting->name, name) == 0)
            break;
    if (!setting)
        return unknown_setting(name, error);
    if (!*value)
        return 0;
    if (setting->command == COMMAND_LEARNING_RATE) {
        action->kind = ACTION_LEARNING_RATE;
        return command_read_rate(value, action, error);
    }
    action->on = true;
    return read_value(settings_row(settings_find(setting->name)), value, action, error);
}

/* ---- As they are ---- */

static void value_text(const struct live_setting *setting, const struct snapshot *now, char *text, size_t size)
{
    size_t used;

    live_text(setting, live_get(setting, &now->options), text, size);
    used = strlen(text);
    if (setting->command == COMMAND_BATCH && now->next_batch > 0)
        snprintf(text + used, size - used, " (%d from the next epoch on)", now->next_batch);
    if (setting->automatic && now->options.probe_every < 0 && setting->command == COMMAND_PROBE_EVERY)
        snprintf(text + used, size - used, " (%ld)", now->probe_every);
}

void command_settings(const struct snapshot *now, int index, char *text, size_t size)
{
    const struct live_setting *setting;
    char value[64];
    size_t used = 0;

    *text = 0;
    for (int i = 0; (setting = live_setting(i)) && used < size; i++) {
        if (index >= 0 && i != index)
            continue;
        value_text(setting, now, value, sizeof(value));
        used += (size_t)snprintf(text + used, size - used, index < 0 ? "%s%-17s %s" : "%s%s %s", used ? "\n" : "",
                                 setting->name, value);
    }
}

void command_changes(const struct snapshot *now, const struct train_options *begun, char *text, size_t size)
{
    const struct live_setting *setting;
    char value[64];
    size_t used = 0;

    *text = 0;
    for (int i = 0; (setting = live_setting(i)) && used < size; i++) {
        if (setting->command == COMMAND_LEARNING_RATE || /* has a place of its own */
            live_get(setting, &now->options) == live_get(setting, begun))
            continue;
        live_text(setting, live_get(setting, &now->options), value, sizeof(value));
        used += (size_t)snprintf(text + used, size - used, "%s%s %s", used ? ", " : "", setting->name, value);
    }
}
