/* What the files of the language share: command.c (the table), command_parse.c (a line), command_complete.c (its
 * continuations), command_settings.c (`set`), command_later.c (commands that wait), command_trial.c (what-if trials).
 */
#ifndef NFBENCH_TUI_COMMAND_WORDS_H
#define NFBENCH_TUI_COMMAND_WORDS_H

#include "tui/command.h"

enum { WORD_SIZE = 64 };

/* Name of the index-th command, NULL behind the last. */
const char *command_word(int index);
/* Puts what stands before the first of `ends` into `word`, cut to fit; returns the rest without the blanks before it.
 */
const char *command_split(const char *line, const char *ends, char *word, size_t size);

/* The index-th of the words that may stand somewhere; NULL behind the last. */
typedef const char *(*word_list)(int index);

/* The word that is nearest to a mistyped one; NULL: none is near. */
const char *command_nearest(const char *word, word_list words);

/* command_settings.c: the names of settings that may change, and what follows `set`. */
const char *setting_name_word(int index);
/* The words among the values of a setting; good until the next call. */
word_list setting_value_words(const char *name);
int command_read_setting(const char *text, struct action *action, struct error *error);
/* command_parse.c */
int command_read_rate(const char *text, struct action *action, struct error *error);
int command_read_step(const char *text, struct action *action, struct error *error);
/* The number that is the whole of the text, finite; -1 if it is none. */
int command_read_number(const char *text, double *number);

/* command_later.c: what follows `at`, `when` and `cancel`. */
const char *quantity_word(int index);
int command_read_later(const struct command_entry *entry, const char *text, struct action *action, struct error *error);
int command_read_cancel(const char *text, struct action *action, struct error *error);
/* Where the command begins in a line of `at` or `when`; NULL when the line ends before that, or is another. */
const char *command_behind_condition(const char *line);

/* command_trial.c: the settings that can be tried; what follows `try`, `lrfind` and `accept`, of the last two perhaps
 * nothing. */
const char *command_trial_word(int index);
int command_read_try(const char *text, struct action *action, struct error *error);
int command_read_lr_find(const char *text, struct action *action, struct error *error);
int command_read_accept(const char *text, struct action *action, struct error *error);

#endif
