/* What happened, line by line: results, commands, messages, and whatever was written to standard error. The log panel
 * shows it. Bounded: the oldest lines go. */
#ifndef NFBENCH_TUI_JOURNAL_H
#define NFBENCH_TUI_JOURNAL_H

#include "base/error.h"

#include <time.h>

enum { JOURNAL_TEXT = 768, JOURNAL_LINES = 2000 };

enum journal_kind {
    JOURNAL_NOTE,
    JOURNAL_RESULT,  /* of an epoch or an evaluation */
    JOURNAL_COMMAND, /* what the person did */
    JOURNAL_GOOD,    /* something is over */
    JOURNAL_WARNING,
    JOURNAL_ERROR,
    JOURNAL_STRAY /* caught from standard output or error */
};

struct journal_line {
    enum journal_kind kind;
    time_t time; /* 0: not known */
    char text[JOURNAL_TEXT];
};

struct journal;

int journal_create(struct journal **out, struct error *error);
void journal_destroy(struct journal *journal);
void journal_add(struct journal *journal, enum journal_kind kind, time_t time, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
int journal_count(const struct journal *journal);
/* index 0 is the newest. */
const struct journal_line *journal_line(const struct journal *journal, int index);

#endif
