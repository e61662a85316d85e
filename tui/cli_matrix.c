/* See cli_matrix.h. */
#include "tui/cli_matrix.h"

#include "tui/cli_table.h"

#include <limits.h>
#include <stdbool.h>
#include <string.h>

_Static_assert(MATRIX_MOST_CLASSES == 20, "matrix_print has a letter for each");
enum { LEAST_LETTERS = 3, GAP = 2 };

static bool differ(const char *const *names, int classes, int letters)
{
    for (int a = 0; a < classes; a++)
        for (int b = 0; b < a; b++)
            if (strncmp(names[a], names[b], (size_t)letters) == 0)
                return false;
    return true;
}

/* Letters of a name over a column, 0: none are enough. */
static int letters_within(const char *const *names, int classes, int columns)
{
    int widest = 0;
    for (int c = 0; c < classes; c++)
        widest = (int)strlen(names[c]) > widest ? (int)strlen(names[c]) : widest;
    const int letters = columns > 0 ? (columns - widest) / classes - GAP : INT_MAX;
    return letters >= LEAST_LETTERS && differ(names, classes, letters) ? letters : 0;
}

int matrix_print(const char *const *names, const uint32_t *confusion, int classes, int columns, FILE *stream,
                 struct error *error)
{
    const int letters = letters_within(names, classes, columns);
    char aligned[] = "lrrrrrrrrrrrrrrrrrrrr"; /* MATRIX_MOST_CLASSES of them */
    aligned[1 + classes] = '\0';
    struct table *table = table_create(aligned);
    table_cell(table, "%s", "");
    for (int c = 0; c < classes; c++)
        letters ? table_cell(table, "%.*s", letters, names[c]) : table_cell(table, "%d", c);
    for (int t = 0; t < classes; t++) {
        letters ? table_cell(table, "%s", names[t]) : table_cell(table, "%2d %s", t, names[t]);
        for (int c = 0; c < classes; c++)
            table_cell(table, "%u", confusion[t * classes + c]);
    }
    fputs("truth, and taken for:\n", stream);
    const int result = table_print(table, stream, error);
    table_destroy(table);
    return result;
}
