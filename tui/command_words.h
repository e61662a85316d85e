/* What the files of the language share: command.c (the table), command_parse.c, command_complete.c. */
#ifndef NFBENCH_TUI_COMMAND_WORDS_H
#define NFBENCH_TUI_COMMAND_WORDS_H

#include "tui/command.h"

enum { WORD_SIZE = 64 };

/* Name of the index-th command, NULL behind the last. */
const char *command_word(int index);
/* Puts the first word of a trimmed line into `word`, cut to fit; returns the rest without the blanks before it. */
const char *command_split(const char *line, char *word, size_t size);

#endif
