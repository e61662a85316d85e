/* Numbers as people read them. All write at most `size` bytes, always ended. */
#ifndef NFBENCH_TUI_WORDS_H
#define NFBENCH_TUI_WORDS_H

#include <stddef.h>

void words_count(double value, char *text, size_t size);      /* 1234567 -> "1,234,567", rounded */
void words_bytes(double bytes, char *text, size_t size);      /* "96 MB", "1.2 GB" */
void words_duration(double seconds, char *text, size_t size); /* "3:12", "1:03:12", "2 d 04:05" */
/* Puts each sentence on a line of its own. */
void words_sentences(char *text);
void words_percent(double part, char *text, size_t size); /* 0.7123 -> "71.23 %"; "-" when below 0 or NaN */
/* Cuts a UTF-8 text to so many columns, the last of them an ellipsis; `size`: of its memory, at least 4 bytes. */
void words_cut(char *text, size_t size, int columns);
void words_rate(double rate, char *text, size_t size); /* a learning rate in four digits: "0.01234", "1.2e-06" */

/* A text from elsewhere, such as a file's name, as a terminal may be told it: bytes that are no UTF-8, and what would
 * steer the terminal, are '?'. */
void words_printable(const char *from, char *text, size_t size);

/* The next line of a text that is wrapped at blanks to `columns`: its length in bytes; *next is where to go on, at the
 * text's end "". A word that is too long is cut. */
size_t words_wrap(const char *text, int columns, const char **next);
/* Lines of the whole text; none of an empty one. */
int words_wrapped_lines(const char *text, int columns);

#endif
