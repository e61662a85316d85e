/* The table of commands and what reads it: parser, suggestions, completion, keys, README. Adding a command is one row
 * here and one case in the app. */
#include "tui/command.h"

#include "base/nearest.h"
#include "sessions/settings.h"
#include "tui/export.h"
#include "tui/keys.h"
#include "tui/layout.h"
#include "viz/theme.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *theme_word(int index)
{
    const struct theme *theme = theme_at(index);

    return theme ? theme->name : NULL;
}

static const char *glyphs_word(int index)
{
    static const char *const words[] = {
        [GLYPHS_BRAILLE] = "braille", [GLYPHS_BLOCK] = "block", [GLYPHS_ASCII] = "ascii", NULL};

    return words[index];
}

static const char *divergence_word(int index)
{
    return setting_word(settings_row(settings_find("on-divergence")), index);
}

static const char *picture_word(int index)
{
    const struct export_row *row = export_row(index);

    return row ? row->name : index > 0 && export_row(index - 1) ? "all" : NULL;
}

static const char *command_word(int index)
{
    const struct command_entry *entry = command_at(index);

    return entry ? entry->name : NULL;
}

static const struct command_entry table[] = {
    {.name = "toggle",
     .action = ACTION_TOGGLE,
     .trainer = true,
     .help = "Pause when training, resume when paused",
     .keys = {{' ', "space", "toggle", "pause"}}},
    {.name = "pause", .action = ACTION_PAUSE, .trainer = true, .help = "Stop before the next step and wait"},
    {.name = "resume", .alias = "go", .action = ACTION_RESUME, .trainer = true, .help = "Go on training"},
    {.name = "step",
     .action = ACTION_STEP,
     .trainer = true,
     .argument = ARGUMENT_COUNT,
     .optional = true,
     .usage = "N",
     .help = "Train N steps (1 when left out), then pause",
     .keys = {{'s', "s", "step", "step"}}},
    {.name = "lr",
     .alias = "learning-rate",
     .action = ACTION_LEARNING_RATE,
     .trainer = true,
     .argument = ARGUMENT_RATE,
     .usage = "X|xF",
     .help = "Set the peak learning rate to X, or multiply it by F (lr x0.1); the schedule goes on from there",
     .keys = {{'+', "+", "lr x1.25", "lr"},
              {'-', "-", "lr x0.8", "lr"},
              {'>', ">", "lr x1.25", NULL},
              {'<', "<", "lr x0.8", NULL}}},
    {.name = "eval",
     .alias = "evaluate",
     .action = ACTION_EVALUATE,
     .trainer = true,
     .help = "Measure accuracy now: on the images held out by --validation, else on the test set",
     .keys = {{'e', "e", "eval", "eval"}}},
    {.name = "save",
     .action = ACTION_SAVE,
     .trainer = true,
     .help = "Write a checkpoint now",
     .keys = {{'w', "w", "save", "save"}}},
    {.name = "back",
     .action = ACTION_BACK,
     .trainer = true,
     .argument = ARGUMENT_STEP,
     .optional = true,
     .usage = "STEP",
     .help = "Go back to the last good checkpoint, or that of STEP, and wait there; what came behind it is undone"},
    {.name = "probe",
     .action = ACTION_PROBE,
     .trainer = true,
     .help = "Measure the signal in every block now, as --probe-every does"},
    {.name = "on-divergence",
     .action = ACTION_ON_DIVERGENCE,
     .trainer = true,
     .argument = ARGUMENT_CHOICE,
     .usage = "WHAT",
     .choice = divergence_word,
     .help = "At a step that is not finite from now on, after a resume too: pause, rollback or continue"},
    {.name = "view",
     .action = ACTION_VIEW,
     .argument = ARGUMENT_CHOICE,
     .optional = true,
     .usage = "NAME",
     .choice = view_word,
     .help = "Show overview, charts, blocks, block (one in detail), signal, gradients or log, or one chart: loss or "
             "accuracy; the next view when left out",
     .keys = {{KEY_CODE_TAB, "Tab", "view", "view"},
              {'1', "1", "view overview", NULL},
              {'2', "2", "view charts", NULL},
              {'3', "3", "view blocks", NULL},
              {'4', "4", "view signal", NULL},
              {'5', "5", "view gradients", NULL},
              {'0', "0", "view log", NULL}}},
    {.name = "smooth",
     .action = ACTION_SMOOTH,
     .argument = ARGUMENT_FRACTION,
     .usage = "X",
     .help = "Smooth the training curves: weight of the past, 0 (none) to below 1; every value stays visible behind"},
    {.name = "log",
     .action = ACTION_LOG_AXIS,
     .argument = ARGUMENT_SWITCH,
     .optional = true,
     .usage = "on|off",
     .help = "Logarithmic axis of the loss chart; until it is chosen, where the loss explodes"},
    {.name = "theme",
     .action = ACTION_THEME,
     .argument = ARGUMENT_CHOICE,
     .optional = true,
     .usage = "NAME",
     .choice = theme_word,
     .help = "Change the colours; the next theme when left out"},
    {.name = "glyphs",
     .action = ACTION_GLYPHS,
     .argument = ARGUMENT_CHOICE,
     .usage = "NAME",
     .choice = glyphs_word,
     .help = "Draw with braille, block (for fonts without braille) or ascii"},
    {.name = "export",
     .action = ACTION_EXPORT,
     .argument = ARGUMENT_PICTURES,
     .optional = true,
     .usage = "FILE|NAMES",
     .help = "Write the screen and the charts as PNG pictures, into the session's images folder or to FILE.png; or "
             "pictures by their names, as nfbench export does: export signal, export all"},
    {.name = "redraw",
     .action = ACTION_REDRAW,
     .help = "Draw the whole screen anew",
     .keys = {{KEY_CODE_REDRAW, "Ctrl-L", "redraw", NULL}}},
    {.name = "help",
     .action = ACTION_HELP,
     .argument = ARGUMENT_CHOICE,
     .optional = true,
     .usage = "COMMAND",
     .choice = command_word,
     .help = "Show all commands and keys, or one command",
     .keys = {{'?', "?", "help", "help"}, {'h', "h", "help", NULL}}},
    {.name = "quit",
     .alias = "exit",
     .action = ACTION_QUIT,
     .help = "Save a checkpoint and leave; `nfbench resume --screen` goes on from it",
     .keys = {{'q', "q", "quit", "quit"}}},
};

static const long MOST_STEPS = 1000000000000;
enum { TABLE_ROWS = sizeof(table) / sizeof(*table), WORD_SIZE = 64 };

const struct command_entry *command_at(int index)
{
    return index >= 0 && index < TABLE_ROWS ? &table[index] : NULL;
}

/* `:q` is typed by habit: a letter that is a command's key names it, where the key does just that. */
static bool is_key_of(const struct command_entry *entry, const char *name)
{
    for (int k = 0; k < COMMAND_KEYS && entry->keys[k].key; k++)
        if (strlen(name) == 1 && isalpha((unsigned char)*name) && entry->keys[k].key == *name &&
            strcmp(entry->keys[k].line, entry->name) == 0)
            return true;
    return false;
}

const struct command_entry *command_find(const char *name)
{
    for (int i = 0; i < TABLE_ROWS; i++)
        if (strcasecmp(table[i].name, name) == 0 || (table[i].alias && strcasecmp(table[i].alias, name) == 0) ||
            is_key_of(&table[i], name))
            return &table[i];
    return NULL;
}

const struct command_key *command_for_key(int key)
{
    for (int i = 0; i < TABLE_ROWS; i++)
        for (int k = 0; k < COMMAND_KEYS && table[i].keys[k].key; k++)
            if (table[i].keys[k].key == key)
                return &table[i].keys[k];
    return NULL;
}

void command_usage(const struct command_entry *entry, char *text, size_t size)
{
    const char *usage = entry->usage ? entry->usage : "";

    if (!*usage)
        snprintf(text, size, "%s", entry->name);
    else
        snprintf(text, size, entry->optional ? "%s [%s]" : "%s %s", entry->name, usage);
}

/* The words of a list, for nearest_word. */
struct word_list {
    const char *(*word)(int index);
};

static const char *list_word(const void *context, int index)
{
    const struct word_list *list = context;

    return list->word(index);
}

static const char *nearest(const char *word, const char *(*words)(int))
{
    const struct word_list list = {words};
    char lower[WORD_SIZE];
    size_t length = 0;

    for (; word[length] && length + 1 < sizeof(lower); length++)
        lower[length] = (char)tolower((unsigned char)word[length]);
    lower[length] = 0;
    return nearest_word(lower, list_word, &list);
}

static int unknown_command(const char *word, struct error *error)
{
    const char *like = nearest(word, command_word);

    if (like)
        return error_set(error, "no command '%s': did you mean '%s'?", word, like);
    return error_set(error, "no command '%s': 'help' lists them all", word);
}

/* The number at the whole of the text, finite; -1 if it is none. */
static int read_number(const char *text, double *number)
{
    char *end;

    errno = 0;
    *number = strtod(text, &end);
    return end == text || *end || errno == ERANGE || !isfinite(*number) ? -1 : 0;
}

static int read_rate(const char *text, struct action *action, struct error *error)
{
    action->relative = *text == 'x' || *text == 'X' || *text == '*';
    if (read_number(text + action->relative, &action->number) || action->number <= 0)
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

static int read_step(const char *text, struct action *action, struct error *error)
{
    char *end;

    errno = 0;
    action->count = strtol(text, &end, 10);
    if (end == text || *end || errno || action->count < 0)
        return error_set(error, "'%s' is no step: give a whole number from 0", text);
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
    like = nearest(text, entry->choice);
    if (like)
        return error_set(error, "no %s '%s': did you mean '%s'?", entry->name, text, like);
    return error_set(error, "no %s '%s': there are %s", entry->name, text, all);
}

/* What ends in .png is a file, all else names of pictures. */
static int read_pictures(const char *text, struct action *action, struct error *error)
{
    struct export_set set;
    size_t length = strlen(text);

    if (length >= sizeof(action->word))
        return error_set(error, "the file's name is too long");
    snprintf(action->word, sizeof(action->word), "%s", text);
    action->on = length > 4 && strcmp(text + length - 4, ".png") == 0;
    return action->on ? 0 : export_parse(text, &set, error);
}

static int read_argument(const struct command_entry *entry, const char *text, struct action *action,
                         struct error *error)
{
    switch (entry->argument) {
    case ARGUMENT_RATE:
        return read_rate(text, action, error);
    case ARGUMENT_COUNT:
        return read_count(text, action, error);
    case ARGUMENT_STEP:
        return read_step(text, action, error);
    case ARGUMENT_FRACTION:
        if (read_number(text, &action->number) || action->number < 0 || action->number >= 1)
            return error_set(error, "'%s' is out of range: give a number from 0 to below 1", text);
        return 0;
    case ARGUMENT_SWITCH:
        return read_switch(text, action, error);
    case ARGUMENT_CHOICE:
        return read_choice(entry, text, action, error);
    case ARGUMENT_PICTURES:
        return read_pictures(text, action, error);
    default:
        return error_set(error, "'%s' takes no argument", entry->name);
    }
}

/* Splits a trimmed line into its first word and the rest. */
static const char *split_line(const char *line, char *word, size_t size)
{
    size_t length = strcspn(line, " \t");

    snprintf(word, size, "%.*s", (int)length, line);
    return line + length + strspn(line + length, " \t");
}

int command_parse(const char *line, struct action *action, struct error *error)
{
    const struct command_entry *entry;
    char trimmed[512], word[WORD_SIZE];
    const char *rest;
    size_t length;

    *action = (struct action){.count = 1, .on = true, .choice = -1};
    line += strspn(line, " \t:");
    length = strlen(line);
    while (length && strchr(" \t\r\n", line[length - 1]))
        length--;
    if (length >= sizeof(trimmed))
        return error_set(error, "the line is too long");
    snprintf(trimmed, sizeof(trimmed), "%.*s", (int)length, line);
    snprintf(action->text, sizeof(action->text), "%.*s", (int)sizeof(action->text) - 1, trimmed);
    if (!length)
        return error_set(error, "%s", "");
    rest = split_line(trimmed, word, sizeof(word));
    entry = command_find(word);
    if (!entry)
        return unknown_command(word, error);
    action->kind = entry->action;
    if (entry->argument == ARGUMENT_STEP)
        action->count = -1;
    if (*rest)
        return read_argument(entry, rest, action, error);
    if (entry->argument != ARGUMENT_NONE && !entry->optional) {
        char usage[WORD_SIZE];

        command_usage(entry, usage, sizeof(usage));
        return error_set(error, "'%s' needs a value: %s", entry->name, usage);
    }
    return 0;
}

static const char *switch_word(int index)
{
    static const char *const words[] = {"on", "off", NULL};

    return words[index];
}

/* The list that the word after this command comes from; NULL when there is none. */
static const char *(*argument_words(const struct command_entry *entry))(int)
{
    if (entry->argument == ARGUMENT_SWITCH)
        return switch_word;
    return entry->argument == ARGUMENT_PICTURES ? picture_word : entry->choice;
}

int command_complete(const char *line, int start, int end, const char **words, int size)
{
    const char *(*list)(int) = command_word;
    const char *candidate;
    int first = (int)strspn(line, " \t:"), count = 0;
    bool file = false;

    if (start > first) {
        const struct command_entry *entry;
        char name[WORD_SIZE];
        const char *rest = split_line(line + first, name, sizeof(name));

        entry = command_find(name);
        if (!entry)
            return 0;
        file = entry->argument == ARGUMENT_PICTURES; /* a list */
        if (rest - line < start && !file)
            return 0;
        list = argument_words(entry);
    }
    for (int i = 0; list && count < size && (candidate = list(i)); i++)
        if (strncasecmp(candidate, line + start, (size_t)(end - start)) == 0)
            words[count++] = candidate;
    return file && count == 0 ? -1 : count;
}

/* Names of an entry's keys with a comma between. */
static void key_names(const struct command_entry *entry, char *text, size_t size)
{
    size_t used = 0;

    *text = 0;
    for (int k = 0; k < COMMAND_KEYS && entry->keys[k].key && used < size; k++) {
        const struct command_key *key = &entry->keys[k];

        used += (size_t)snprintf(text + used, size - used, "%s`%s`", used ? ", " : "", key->name);
        if (strcmp(key->line, entry->name) != 0 && used < size)
            used += (size_t)snprintf(text + used, size - used, " (%s)", key->line);
    }
}

void command_markdown(FILE *file)
{
    fputs("| command | keys | what it does |\n|---|---|---|\n", file);
    for (int i = 0; i < TABLE_ROWS; i++) {
        char usage[WORD_SIZE], keys[256];

        command_usage(&table[i], usage, sizeof(usage));
        for (char *bar = strchr(usage, '|'); bar; bar = strchr(bar + 1, '|'))
            *bar = '/'; /* a bar ends a cell of the table */
        key_names(&table[i], keys, sizeof(keys));
        fprintf(file, "| `%s` | %s | %s |\n", usage, keys, table[i].help);
    }
}
