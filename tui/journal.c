/* See journal.h. A ring of lines. */
#include "tui/journal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct journal {
    struct journal_line lines[JOURNAL_LINES];
    long added;
};

int journal_create(struct journal **out, struct error *error)
{
    *out = calloc(1, sizeof(**out));
    return *out ? 0 : error_set(error, "out of memory");
}

void journal_destroy(struct journal *journal)
{
    free(journal);
}

void journal_add(struct journal *journal, enum journal_kind kind, time_t time, const char *format, ...)
{
    struct journal_line *line = &journal->lines[journal->added++ % JOURNAL_LINES];
    va_list arguments;

    line->kind = kind;
    line->time = time;
    va_start(arguments, format);
    vsnprintf(line->text, sizeof(line->text), format, arguments);
    va_end(arguments);
}

int journal_count(const struct journal *journal)
{
    return journal->added < JOURNAL_LINES ? (int)journal->added : JOURNAL_LINES;
}

const struct journal_line *journal_line(const struct journal *journal, int index)
{
    return &journal->lines[(journal->added - 1 - index) % JOURNAL_LINES];
}
