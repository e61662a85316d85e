/* See log_lines.h. */
#include "sessions/log_lines.h"

#include "sessions/file.h"
#include "sessions/metrics_record.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* How each line begins; within one it cannot stand, since quotes in texts are escaped. */
static const char mark[] = "{\"kind\":\"";
enum { MARK = sizeof mark - 1 };

int log_lines_load(const char *path, struct log_lines *lines, struct error *error)
{
    size_t size = 0;
    lines->data = NULL;
    if (file_read(path, &lines->data, &size, error) && errno != ENOENT)
        return -1;
    lines->next = lines->data;
    lines->end = lines->data ? lines->data + size : NULL;
    return 0;
}

static bool begins_record(const char *at, const char *end)
{
    return end - at >= MARK && memcmp(at, mark, MARK) == 0;
}

/* The newline that ends what begins at `line`; NULL: none does. */
static char *find_end(const struct log_lines *lines, char *line)
{
    char *newline = memchr(line, '\n', (size_t)(lines->end - line));
    if (!newline || newline + 1 >= lines->end || begins_record(newline + 1, lines->end) ||
        record_checksum_fits(line, (size_t)(newline - line)))
        return newline;
    while (newline && newline + 1 < lines->end && !begins_record(newline + 1, lines->end)) {
        char *next = memchr(newline + 1, '\n', (size_t)(lines->end - newline - 1));
        if (!next)
            break;
        newline = next;
    }
    return newline;
}

const char *log_lines_next(struct log_lines *lines, size_t *length)
{
    char *line = lines->next;
    char *end = line ? find_end(lines, line) : NULL;
    if (!end)
        return NULL;
    char *second = end - line > MARK ? memmem(line + 1, (size_t)(end - line - 1), mark, MARK) : NULL;
    if (second)
        end = second - 1;
    lines->next = end + 1;
    *length = (size_t)(end - line);
    return line;
}
