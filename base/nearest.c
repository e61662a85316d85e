/* The nearest of known words; see nearest.h. */
#include "base/nearest.h"

#include <string.h>

enum { LONGEST = 40 };

static int least(int a, int b)
{
    return a < b ? a : b;
}

/* Optimal string alignment distance; words beyond LONGEST letters are far from everything. */
static int distance(const char *a, const char *b)
{
    int rows = (int)strlen(a), columns = (int)strlen(b);
    if (rows > LONGEST || columns > LONGEST)
        return LONGEST;
    int d[LONGEST + 1][LONGEST + 1];
    for (int i = 0; i <= rows; i++)
        d[i][0] = i;
    for (int j = 0; j <= columns; j++)
        d[0][j] = j;
    for (int i = 1; i <= rows; i++)
        for (int j = 1; j <= columns; j++) {
            int replaced = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            d[i][j] = least(replaced, least(d[i - 1][j], d[i][j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1);
        }
    return d[rows][columns];
}

const char *nearest_word(const char *word, const char *(*candidate)(const void *context, int index),
                         const void *context)
{
    int length = (int)strlen(word);
    int limit = length / 3 < 2 ? (length + 2) / 3 : 2;
    const char *best = NULL, *name;
    for (int i = 0; (name = candidate(context, i)); i++) {
        int d = length > 1 && strncmp(name, word, (size_t)length) == 0 ? 0 : distance(word, name);
        if (d <= limit) {
            best = name;
            limit = d - 1;
        }
    }
    return best;
}
