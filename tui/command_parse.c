/* Reads a line of the language by the table's rows: what each argument may be, and what is said where it is not. */
#include "tui/command_words.h"

#include "base/nearest.h"
#include "engine/live.h"
#include "sessions/session.h"
#include "tui/export.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Of `step`. */
static const long MOST_STEPS = 1000000000000;

/* For nearest_word. */
struct searched {
    word_list word;
};

static const char *list_word(const void *context, int index)
{
    const struct searched *list = context;

    return list->word(index);
}

const char *command_nearest(const char *word, word_list words)
{
    const struct searched list = {words};
    char lower[WORD_SIZE];
    size_t length = 0;

    for (; word[length] && length + 1 < sizeof(lower); length++)
        lower[length] = (char)tolower((unsigned char)word[length]);
    lower[length] = 0;
    return nearest_word(lower, list_word, &list);
}

static const char *live_word(int index)
{
    const struct live_setting *setting = live_setting(index);

    return setting ? setting->name : NULL;
}

static int unknown_command(const char *word, struct error *error)
{
    const char *like = command_nearest(word, command_word), *setting = command_nearest(word, live_word);

    if (like)
        return error_set(error, "no command '%s': did you mean '%s'?", word, like);
    if (setting)
        return error_set(error, "no command '%s': did you mean 'set %s'?", word, setting);
    return error_set(error, "no command '%s': 'help' lists them all", word);
}

int command_read_number(const char *text, double *number)
{
    char *end;

    errno = 0;
    *number = strtod(text, &end);
    return end == text || *end || errno == ERANGE || !isfinite(*number) ? -1 : 0;
}

int command_read_rate(const char *text, struct action *action, struct error *error)
{
    action->relative = *text == 'x' || *text == 'X' || *text == '*';
    if (command_read_number(text + action->relative, &action->number) || action->number <= 0)
        return error_set(error, "'%s' is no learning rate: give a number above 0 (0.01), or a factor (x0.1)", text);
    if (action->number > 1e6 || action->number < 1e-12)
        return error_set(error, "%s is out of range: 1e-12 to 1e6", text);
    return 0;
}

static int read_count(const char *text, struct action *action, struct error *error)
{
    char *end;

    action->count = strtol(text, &end, 10);
    if (end == text || *end || action->count < 1)
        return error_set(error, "'%s' is no number of steps: give a whole number from 1", text);
    if (action->count > MOST_STEPS)
        action->count = MOST_STEPS; /* to the end of any run */
    return 0;
}

int command_read_step(const char *text, struct action *action, struct error *error)
{
    char *end;

    errno = 0;
    action->count = strtol(text, &end, 10);
    if (end == text || *end || errno || action->count < 0)
        return error_set(error, "'%s' is no step: give a whole number from 0", text);
    return 0;
}

static int read_session(const char *text, struct action *action)
{
    snprintf(action->word, sizeof(action->word), "%s", text);
    action->on = strcasecmp(text, "off") != 0;
    return 0;
}

static int read_back(const char *text, struct action *action, struct error *error)
{
    if (strcasecmp(text, "good") == 0) {
        action->count = BACK_GOOD;
        return 0;
    }
    if (command_read_step(text, action, NULL))
        return error_set(error, "'%s' is no step: give a whole number from 0, or good", text);
    return 0;
}

static int read_name(const char *text, struct action *action, struct error *error)
{
    if (session_check_checkpoint_name(text, error))
        return -1;
    snprintf(action->word, sizeof(action->word), "%s", text);
    return 0;
}

static int read_range(const char *text, struct action *action, struct error *error)
{
    char *end;

    action->count = strtol(text, &end, 10);
    if (end == text || action->count < 0 || command_read_number(end + strspn(end, " \t"), &action->number) ||
        action->number <= (double)action->count || action->number > (double)MOST_STEPS)
        return error_set(error, "'%s' is no part of the run: give its first and its last step, as in 100 500", text);
    return 0;
}

static int read_switch(const char *text, struct action *action, struct error *error)
{
    action->on = strcasecmp(text, "on") == 0;
    if (!action->on && strcasecmp(text, "off") != 0)
        return error_set(error, "'%s' is neither 'on' nor 'off'", text);
    return 0;
}

static int read_choice(const struct command_entry *entry, const char *text, struct action *action, struct error *error)
{
    const char *word, *like;
    char all[256] = "";

    for (int i = 0; (word = entry->choice(i)); i++) {
        size_t used = strlen(all);

        if (strcasecmp(word, text) == 0) {
            snprintf(action->word, sizeof(action->word), "%s", word);
            action->choice = i;
            return 0;
        }
        snprintf(all + used, sizeof(all) - used, "%s%s", used ? ", " : "", word);
    }
    if (entry->action == ACTION_HELP)
        return unknown_command(text, error);
    like = command_nearest(text, entry->choice);
    if (like)
        return error_set(error, "no %s '%s': did you mean '%s'?", entry->name, text, like);
    return error_set(error, "no %s '%s': there are %s", entry->name, text, all);
}

/* What ends in .png is a file, all else names of pictures. */
static int read_pictures(const char *text, struct action *action, struct error *error)
{
    struct export_set set;
    size_t length = strlen(text);

    snprintf(action->word, sizeof(action->word), "%s", text);
    action->on = length > 4 && strcmp(text + length - 4, ".png") == 0;
    return action->on ? 0 : export_parse(text, &set, error);
}

static int read_text(const char *text, struct action *action)
{
    snprintf(action->word, sizeof(action->word), "%s", text);
    return 0;
}

static int read_argument(const struct command_entry *entry, const char *text, struct action *action,
                         struct error *error)
{
    switch (entry->argument) {
    case ARGUMENT_RATE:
        return command_read_rate(text, action, error);
    case ARGUMENT_COUNT:
        return read_count(text, action, error);
    case ARGUMENT_BACK:
        return read_back(text, action, error);
    case ARGUMENT_NAME:
        return read_name(text, action, error);
    case ARGUMENT_SESSION:
        return read_session(text, action);
    case ARGUMENT_RANGE:
        return read_range(text, action, error);
    case ARGUMENT_FRACTION:
        if (command_read_number(text, &action->number) || action->number < 0 || action->number >= 1)
            return error_set(error, "'%s' is out of range: give a number from 0 to below 1", text);
        return 0;
    case ARGUMENT_SWITCH:
        return read_switch(text, action, error);
    case ARGUMENT_CHOICE:
        return read_choice(entry, text, action, error);
    case ARGUMENT_PICTURES:
        return read_pictures(text, action, error);
    case ARGUMENT_SETTING:
        return command_read_setting(text, action, error);
    case ARGUMENT_AT:
    case ARGUMENT_WHEN:
        return command_read_later(entry, text, action, error);
    case ARGUMENT_PENDING:
        return command_read_cancel(text, action, error);
    case ARGUMENT_TRIAL:
        return command_read_try(text, action, error);
    case ARGUMENT_RATES:
        return command_read_lr_find(text, action, error);
    case ARGUMENT_CHOSEN:
        return command_read_accept(text, action, error);
    case ARGUMENT_TEXT:
    case ARGUMENT_FILE:
        return read_text(text, action);
    default:
        return error_set(error, "'%s' takes no argument", entry->name);
    }
}

const char *command_split(const char *line, const char *ends, char *word, size_t size)
{
    size_t length = strcspn(line, ends);

    snprintf(word, size, "%.*s", (int)length, line);
    return line + length + strspn(line + length, " \t");
}

int command_parse(const char *line, struct action *action, struct error *error)
{
    const struct command_entry *entry;
    char trimmed[sizeof(action->text)], word[WORD_SIZE];
    const char *rest;
    size_t length;

    *action = (struct action){.count = 1, .on = true, .choice = -1};
    line += strspn(line, " \t:");
    length = strlen(line);
    while (length && strchr(" \t\r\n", line[length - 1]))
        length--;
    if (length >= sizeof(action->text))
        return error_set(error, "a command of %zu bytes: there may be %zu", length, sizeof(action->text) - 1);
    snprintf(action->text, sizeof(action->text), "%.*s", (int)length, line);
    if (!length)
        return error_set(error, "%s", "");
    snprintf(trimmed, sizeof(trimmed), "%s", action->text);
    rest = command_split(trimmed, " \t", word, sizeof(word));
    entry = command_find(word);
    if (!entry)
        return unknown_command(word, error);
    action->kind = entry->action;
    if (entry->argument == ARGUMENT_SETTING)
        action->on = false;
    if (entry->argument == ARGUMENT_BACK)
        action->count = BACK_LAST;
    if (*rest || entry->argument == ARGUMENT_RATES || entry->argument == ARGUMENT_CHOSEN)
        return read_argument(entry, rest, action, error);
    if (entry->argument != ARGUMENT_NONE && !entry->optional) {
        char usage[WORD_SIZE];

        command_usage(entry, usage, sizeof(usage));
        return error_set(error, "'%s' needs a value: %s", entry->name, usage);
    }
    return 0;
}
