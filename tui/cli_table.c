/* Text tables; see cli_table.h. Widths are in terminal cells, so names in any script line up. */
#include "tui/cli_table.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

enum {
    GAP = 2,            /* blanks between columns */
    LEFT_OUT = -GAP - 1 /* the width of a column that is not printed */
};

struct table {
    char *columns;
    int column_count;
    char **cells;
    int count, capacity;
    bool out_of_memory;
};

struct table *table_create(const char *columns)
{
    struct table *table = calloc(1, sizeof *table);
    if (!table)
        return NULL;
    table->columns = strdup(columns);
    table->column_count = (int)strlen(columns);
    if (!table->columns) {
        free(table);
        return NULL;
    }
    return table;
}

void table_destroy(struct table *table)
{
    if (!table)
        return;
    for (int i = 0; i < table->count; i++)
        free(table->cells[i]);
    free(table->cells);
    free(table->columns);
    free(table);
}

static bool grow(struct table *table)
{
    if (table->count < table->capacity)
        return true;
    int capacity = table->capacity ? 2 * table->capacity : 64;
    char **cells = reallocarray(table->cells, (size_t)capacity, sizeof *cells);
    if (!cells)
        return false;
    table->cells = cells;
    table->capacity = capacity;
    return true;
}

void table_cell(struct table *table, const char *format, ...)
{
    if (!table)
        return;
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0 || !grow(table)) {
        if (length >= 0)
            free(text);
        table->out_of_memory = true;
        return;
    }
    table->cells[table->count++] = text;
}

/* Cells of the terminal that a text takes; bytes that are no text of the locale count one each. */
static int text_width(const char *text)
{
    mbstate_t state = {0};
    int width = 0;
    for (size_t left = strlen(text); left > 0;) {
        wchar_t symbol;
        size_t used = mbrtowc(&symbol, text, left, &state);
        int cells = used <= left ? wcwidth(symbol) : 1;
        if (used > left) {
            used = 1;
            state = (mbstate_t){0};
        }
        width += cells > 0 ? cells : 0;
        text += used;
        left -= used;
    }
    return width;
}

/* Bytes of a text that fit into so many cells. */
static int bytes_within(const char *text, int cells)
{
    char copy[64];
    int bytes = 0;
    for (const char *at = text; *at; at++) { /* ends of characters: bytes that do not begin with 10 in UTF-8 */
        const int length = (int)(at - text) + 1;
        if ((at[1] & 0xc0) == 0x80)
            continue;
        if (length - bytes >= (int)sizeof copy)
            break;
        snprintf(copy, sizeof copy, "%.*s", length - bytes, text + bytes);
        cells -= text_width(copy);
        if (cells < 0)
            break;
        bytes = length;
    }
    return bytes;
}

/* A cell, cut to its width; returns the cells that it takes. */
static int print_cell(const char *text, int width, FILE *stream)
{
    static const char dots[] = "..";
    if (text_width(text) <= width) {
        fputs(text, stream);
        return text_width(text);
    }
    const int bytes = bytes_within(text, width - (int)strlen(dots));
    char *cut = strndup(text, (size_t)bytes);
    const int taken = cut ? text_width(cut) : 0;
    fprintf(stream, "%s%s", cut ? cut : "", dots);
    free(cut);
    return taken + (int)strlen(dots);
}

/* The first column, and those of [from, to). */
static void print_row(const struct table *table, const int *widths, int first, int from, int to, FILE *stream)
{
    int pending = 0; /* blanks that are owed when more text follows, so that no line ends in blanks */
    for (int c = 0; c < to && first + c < table->count; c = c == 0 ? from : c + 1) {
        if (widths[c] == LEFT_OUT)
            continue;
        const char *text = table->cells[first + c];
        int width = text_width(text), gap = widths[c] - (width < widths[c] ? width : widths[c]);
        int before = tolower(table->columns[c]) == 'r' ? gap : 0;
        if (*text) {
            fprintf(stream, "%*s", pending + before, "");
            pending = widths[c] - before - print_cell(text, widths[c], stream) + GAP;
        } else {
            pending += gap + GAP;
        }
    }
    fputc('\n', stream);
}

/* Columns from `from` on that fit, at least one: the end of the group. */
static int group_end(const struct table *table, const int *widths, int from, int columns)
{
    int used = widths[0], end = from, taken = 0;
    for (; end < table->column_count; end++) {
        if (widths[end] == LEFT_OUT)
            continue;
        used += GAP + widths[end];
        if (taken++ > 0 && used > columns)
            break;
    }
    return end;
}

/* Leaves columns out that may be, the last first, until all others fit side by side. */
static void leave_out(const struct table *table, int *widths, int columns)
{
    for (int c = table->column_count - 1; c > 0 && group_end(table, widths, 1, columns) < table->column_count; c--)
        if (isupper(table->columns[c]))
            widths[c] = LEFT_OUT;
}

/* Makes the columns behind the first narrower, where all of them then fit side by side; else none is wider than the
 * whole. */
static void narrow(const struct table *table, int *widths, int columns)
{
    enum { LEAST = 14 };
    const int room = columns - widths[0];
    int others = 0, most = 0;
    for (int c = 1; c < table->column_count; c++)
        others += widths[c] != LEFT_OUT;
    const int share = others > 0 ? room / others - GAP : 0;
    if (others < 1 || group_end(table, widths, 1, columns) == table->column_count)
        return;
    most = share >= LEAST ? share : room - GAP > LEAST ? room - GAP : LEAST;
    for (int c = 1; c < table->column_count; c++)
        widths[c] = widths[c] < most ? widths[c] : most;
}

int table_print_within(const struct table *table, int columns, FILE *stream, struct error *error)
{
    int *widths = table && !table->out_of_memory ? calloc((size_t)table->column_count, sizeof *widths) : NULL;
    if (!widths)
        return error_set(error, "out of memory");
    for (int i = 0; i < table->count; i++) {
        int width = text_width(table->cells[i]);
        if (width > widths[i % table->column_count])
            widths[i % table->column_count] = width;
    }
    if (columns > 0 && table->column_count > 1) {
        leave_out(table, widths, columns);
        narrow(table, widths, columns);
    }
    int from = 1, to;
    do {
        to = columns > 0 && table->column_count > 1 ? group_end(table, widths, from, columns) : table->column_count;
        if (from > 1)
            fputc('\n', stream);
        for (int first = 0; first < table->count; first += table->column_count)
            print_row(table, widths, first, from, to, stream);
        from = to;
    } while (from < table->column_count);
    free(widths);
    return 0;
}

int table_print(const struct table *table, FILE *stream, struct error *error)
{
    return table_print_within(table, 0, stream, error);
}
