/* See line.h. */
#include "base/line.h"

#include <stdarg.h>
#include <stdio.h>

struct line line_begin(char *text, size_t size)
{
    text[0] = '\0';
    return (struct line){text, size, 0};
}

void line_add(struct line *line, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(line->text + line->used, line->size - line->used, format, arguments);
    va_end(arguments);
    if (length > 0)
        line->used += (size_t)length;
    if (line->used >= line->size)
        line->used = line->size - 1;
}
