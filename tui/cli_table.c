/* Text tables; see cli_table.h. Widths are in terminal cells, so names in any script line up. */
#include "tui/cli_table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

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

static void print_row(const struct table *table, const int *widths, int first, FILE *stream)
{
    int pending = 0; /* blanks that are owed when more text follows, so that no line ends in blanks */
    for (int c = 0; c < table->column_count && first + c < table->count; c++) {
        const char *text = table->cells[first + c];
        int gap = widths[c] - text_width(text);
        int before = table->columns[c] == 'r' ? gap : 0;
        if (*text) {
            fprintf(stream, "%*s%s", pending + before, "", text);
            pending = gap - before + 2;
        } else {
            pending += gap + 2;
        }
    }
    fputc('\n', stream);
}

int table_print(const struct table *table, FILE *stream, struct error *error)
{
    int *widths = table && !table->out_of_memory ? calloc((size_t)table->column_count, sizeof *widths) : NULL;
    if (!widths)
        return error_set(error, "out of memory");
    for (int i = 0; i < table->count; i++) {
        int width = text_width(table->cells[i]);
        if (width > widths[i % table->column_count])
            widths[i % table->column_count] = width;
    }
    for (int first = 0; first < table->count; first += table->column_count)
        print_row(table, widths, first, stream);
    free(widths);
    return 0;
}
