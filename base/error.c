/* Formats error messages; see error.h. */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int error_set(struct error *error, const char *format, ...)
{
    if (!error)
        return -1;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    return -1;
}

int error_prefix(struct error *error, const char *format, ...)
{
    if (!error)
        return -1;
    char tail[sizeof error->message];
    memcpy(tail, error->message, sizeof tail);
    va_list arguments;
    va_start(arguments, format);
    int used = vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    size_t room = used >= 0 && (size_t)used < sizeof error->message ? sizeof error->message - (size_t)used : 0;
    if (room && snprintf(error->message + used, room, ": %s", tail) < 0)
        error->message[used] = '\0';
    return -1;
}
