/* "Did you mean": the known word nearest to one that was mistyped. For subcommands, options and commands alike. */
#ifndef NFBENCH_BASE_NEAREST_H
#define NFBENCH_BASE_NEAREST_H

/* The word, among candidate(context, 0), candidate(context, 1), ... up to NULL, that takes the fewest insertions,
 * deletions, replacements and swaps of neighbours (each 1; Damerau 1964), the first of equals; NULL when none is near:
 * when it takes more than two, or more than a third of the word's letters. A name that `word` begins counts as it. */
const char *nearest_word(const char *word, const char *(*candidate)(const void *context, int index),
                         const void *context);

#endif
