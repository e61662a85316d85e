/* What may follow on an unfinished line: names of commands, and the values of their arguments. */
#include "tui/command_words.h"

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
        const char *rest = command_split(line + first, name, sizeof(name));

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
