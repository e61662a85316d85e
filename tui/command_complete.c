/* What may follow on an unfinished line: names of commands, and the values of their arguments. */
#include "tui/command_words.h"

#include "engine/live.h"
#include "tui/export.h"

#include <string.h>

/* Names of pictures, and "all" of them. */
static const char *picture_word(int index)
{
    const struct export_row *row = export_row(index);

    return row ? row->name : index > 0 && export_row(index - 1) ? "all" : NULL;
}

static const char *switch_word(int index)
{
    static const char *const words[] = {"on", "off", NULL};

    return words[index];
}

static const char *back_word(int index)
{
    return index == 0 ? "good" : NULL;
}

/* A ring. */
enum { NAMES_MOST = 64 };
static char names[NAMES_MOST][CHECKPOINT_NAME_SIZE];
static int names_known;

static const char *checkpoint_word(int index)
{
    return index < names_known && index < NAMES_MOST ? names[index] : NULL;
}

void command_know_name(const char *name)
{
    const char *known;

    for (int i = 0; (known = checkpoint_word(i)); i++)
        if (strcmp(known, name) == 0)
            return;
    snprintf(names[names_known++ % NAMES_MOST], CHECKPOINT_NAME_SIZE, "%.*s", CHECKPOINT_NAME_SIZE - 1, name);
}

void command_forget_names(void)
{
    names_known = 0;
}

static const char *cancel_word(int index)
{
    return index == 0 ? "all" : NULL;
}

static word_list sessions;

void command_know_sessions(const char *(*word)(int index))
{
    sessions = word;
}

static const char *session_word(int index)
{
    return index == 0 ? "off" : sessions ? sessions(index - 1) : NULL;
}

static const char *relation_word(int index)
{
    static const char *const words[] = {"<", "<=", ">", ">=", NULL};

    return words[index];
}

/* `rest`: what stands between the command's name and the word. */
static word_list setting_words(const char *rest, int length)
{
    char name[WORD_SIZE];
    const struct live_setting *setting;

    if (length == 0)
        return setting_name_word;
    snprintf(name, sizeof(name), "%.*s", (int)strcspn(rest, " \t"), rest);
    setting = live_find(name);
    if (!setting || strspn(rest + strlen(name), " \t") + strlen(name) < (size_t)length)
        return NULL;
    return setting_value_words(setting->name);
}

/* Quantity, then relation; the number is the person's. */
static word_list condition_words(const char *rest, int length)
{
    int word = (int)strcspn(rest, " \t");

    if (length == 0)
        return quantity_word;
    return length <= word + (int)strspn(rest + word, " \t") ? relation_word : NULL;
}

/* The list that a word of this command's arguments comes from, `length` characters of them before it; NULL when there
 * is none. */
static word_list argument_words(const struct command_entry *entry, const char *rest, int length)
{
    switch (entry->argument) {
    case ARGUMENT_SETTING:
        return setting_words(rest, length);
    case ARGUMENT_WHEN:
        return condition_words(rest, length);
    case ARGUMENT_PICTURES: /* a list */
        return picture_word;
    case ARGUMENT_BACK:
        return length == 0 ? back_word : NULL;
    case ARGUMENT_NAME:
        return length == 0 && entry->action != ACTION_FORK ? checkpoint_word : NULL;
    case ARGUMENT_SWITCH:
        return length == 0 ? switch_word : NULL;
    case ARGUMENT_TRIAL:
        return length == 0 ? command_trial_word : NULL;
    case ARGUMENT_SESSION:
        return length == 0 ? session_word : NULL;
    case ARGUMENT_PENDING:
        return length == 0 ? cancel_word : NULL;
    default:
        return length == 0 ? entry->choice : NULL;
    }
}

/* The words of the list that go on from what is there. */
static int fitting(word_list list, const char *begun, int length, const char **words, int size)
{
    const char *candidate;
    int count = 0;

    for (int i = 0; list && count < size && (candidate = list(i)); i++)
        if (strncasecmp(candidate, begun, (size_t)length) == 0)
            words[count++] = candidate;
    return count;
}

int command_complete(const char *line, int start, int end, const char **words, int size)
{
    char before[512], name[WORD_SIZE];
    const char *first = line + strspn(line, " \t:"), *rest, *inner;
    const struct command_entry *entry;
    int count, begun;

    if (start <= first - line)
        return fitting(command_word, line + start, end - start, words, size);
    snprintf(before, sizeof(before), "%.*s", (int)(line + start - first), first);
    inner = command_behind_condition(before);
    if (inner) {
        begun = (int)strlen(inner);
        return command_complete(first + (inner - before), begun, begun + end - start, words, size);
    }
    rest = command_split(first, " \t", name, sizeof(name));
    entry = command_find(name);
    if (!entry)
        return 0;
    count = fitting(argument_words(entry, rest, (int)(line + start - rest)), line + start, end - start, words, size);
    return count == 0 && (entry->argument == ARGUMENT_PICTURES || entry->argument == ARGUMENT_FILE) ? -1 : count;
}
