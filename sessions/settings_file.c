/* Settings as INI files, read by inih and written here; see settings.h.
 *
 * inih holds a line of at most 199 bytes, less than a path may have, and ends a value at " ;". So long values are
 * written over several lines, the later ones indented (which inih hands over one by one), and longer lines are an error
 * rather than silently cut. */
#include "sessions/crc32c.h"
#include "sessions/fields.h"
#include "sessions/file.h"
#include "sessions/number.h"
#include "sessions/settings_table.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <sha2.h>
#include <stdlib.h>
#include <string.h>

/* What is written first: the checksum is of all behind its line. */
#define HEAD "[nfbench]\nchecksum = "
enum { LONGEST_CHUNK = 120, SETTINGS_FORMAT = 1, CHECKSUM = 8 };

struct reader {
    const char *path;
    FILE *file;
    int line;                            /* the one that was read last */
    bool continued;                      /* it begins with a blank */
    int last;                            /* row of the last value, -1 before the first */
    int lines[64];                       /* where each row was set; 0: it was not */
    char (*values)[SETTINGS_VALUE_SIZE]; /* (settings_count) */
    bool newer;
    struct error error;
};

static int fail(struct reader *reader, const char *text, const char *name)
{
    if (!*reader->error.message)
        error_set(&reader->error, "%s, line %d: %s %.60s", reader->path, reader->line, text, name);
    return 0;
}

static char *read_line(char *line, int size, void *context)
{
    struct reader *reader = context;
    if (*reader->error.message || !fgets(line, size, reader->file))
        return NULL;
    reader->line++;
    size_t length = strlen(line);
    reader->continued = line[0] == ' ' || line[0] == '\t';
    if ((length == 0 || line[length - 1] != '\n') && !feof(reader->file)) {
        fail(reader, "line too long or with a zero byte:", "go on in the next line, indented");
        return NULL;
    }
    return line;
}

static int append(struct reader *reader, const char *value)
{
    char *text = reader->values[reader->last];
    size_t used = strlen(text), length = strlen(value);
    if (used + length >= SETTINGS_VALUE_SIZE)
        return fail(reader, "value too long of", settings_table[reader->last].name);
    memcpy(text + used, value, length + 1);
    return 1;
}

/* Of the file itself: other members than these may be added without a new number. */
static int on_own_value(struct reader *reader, const char *name, const char *value)
{
    long format;
    if (strcmp(name, "format") || !number_to_long(value, &format) || format <= SETTINGS_FORMAT)
        return 1;
    file_newer(&reader->error, format, SETTINGS_FORMAT);
    error_prefix(&reader->error, "%s", reader->path);
    reader->newer = true;
    return 0;
}

static int on_value(void *context, const char *section, const char *name, const char *value)
{
    struct reader *reader = context;
    if (strcmp(section, "nfbench") == 0)
        return on_own_value(reader, name, value);
    int row = settings_find(name);
    if (row < 0 || settings_table[row].type == SETTING_FLAG) {
        const char *nearest = settings_nearest(name);
        char text[100] = "unknown key";
        if (nearest)
            snprintf(text, sizeof text, "did you mean %s? Unknown key", nearest);
        return fail(reader, text, name);
    }
    if (*section && strcmp(section, settings_table[row].section)) {
        char text[100];
        snprintf(text, sizeof text, "%s belongs in [%s], not in", name, settings_table[row].section);
        return fail(reader, text, section);
    }
    if (reader->continued && row == reader->last)
        return append(reader, value);
    if (reader->lines[row])
        return fail(reader, "a second value of", name);
    reader->last = row;
    reader->lines[row] = reader->line;
    reader->values[row][0] = '\0';
    return append(reader, value);
}

/* The file's preset is the base of its other values, unless an option has already chosen one. */
static int apply(struct settings *settings, struct reader *reader)
{
    int preset = settings_find("preset");
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < settings_count; i++) {
            if (!reader->lines[i] || (i == preset) != (pass == 0) || (i == preset && settings->given >> i & 1))
                continue;
            if (settings_set(settings, settings_table[i].name, reader->values[i], &reader->error))
                return error_prefix(&reader->error, "%s, line %d", reader->path, reader->lines[i]);
        }
    }
    settings_name_model(settings);
    return 0;
}

int settings_read_stream(struct settings *settings, FILE *file, const char *path, struct error *error)
{
    struct settings changed = *settings;
    struct reader reader = {.path = path, .file = file, .last = -1};
    int reason = EBADMSG, result = -1;
    reader.values = calloc((size_t)settings_count, SETTINGS_VALUE_SIZE);
    if (!reader.values) {
        errno = ENOMEM;
        return error_set(error, "cannot read %s: out of memory", path);
    }
    const int line = ini_parse_stream(read_line, &reader, on_value, &reader);
    if (ferror(file)) {
        reason = errno;
        file_failed(&reader.error, "read", path);
    } else if (*reader.error.message)
        reason = reader.newer ? ENOTSUP : EBADMSG;
    else if (line)
        error_set(&reader.error, "%s, line %d: wanted `key = value` or `[section]`", path, line);
    else
        result = apply(&changed, &reader);
    if (result == 0)
        *settings = changed;
    else if (error)
        *error = reader.error;
    free(reader.values);
    errno = reason;
    return result;
}

int settings_read(struct settings *settings, const char *path, struct error *error)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return file_failed(error, "read", path);
    const int result = settings_read_stream(settings, file, path, error), reason = errno;
    fclose(file);
    errno = reason;
    return result;
}

bool settings_are_as_written(const char *path)
{
    char *text = NULL, expected[CHECKSUM + 1];
    size_t size = 0;
    const size_t head = strlen(HEAD), behind = head + CHECKSUM + 1;
    if (file_read(path, &text, &size, NULL))
        return true; /* whoever reads it will say so */
    bool same = true;
    if (size >= behind && memcmp(text, HEAD, head) == 0) {
        snprintf(expected, sizeof expected, "%08x", crc32c(text + behind, size - behind));
        same = memcmp(text + head, expected, CHECKSUM) == 0;
    }
    free(text);
    return same;
}

/* Where to break a long value: the later line must not begin, nor the earlier end, with what inih takes away. */
static size_t chunk_length(const char *value)
{
    size_t length = strlen(value);
    if (length <= LONGEST_CHUNK)
        return length;
    length = LONGEST_CHUNK;
    while (length > 0 && (strchr(" \t;#", value[length]) || isspace((unsigned char)value[length - 1])))
        length--;
    return length;
}

static int add_value(struct text *text, const struct setting *row, const char *value, struct error *error)
{
    text_add(text, "%s =", row->name);
    do {
        size_t length = chunk_length(value);
        if (length == 0 && *value)
            return error_set(error, "%s: too many blanks for an INI file", row->name);
        text_add(text, " %.*s\n", (int)length, value);
        value += length;
    } while (*value);
    return 0;
}

/* Left out then, so that an nfbench that has no such key reads the file. */
static bool is_said_by_preset(const struct settings *settings, const struct setting *row)
{
    return row->type == SETTING_ORIGIN && strcmp(settings->origin, settings->model.preset) == 0;
}

int settings_format(const struct settings *settings, struct text *text, struct error *error)
{
    char value[SETTINGS_VALUE_SIZE], checksum[CHECKSUM + 1];
    const char *section = "";
    const size_t begin = text->length + strlen(HEAD), behind = begin + CHECKSUM + 1;
    text_add(text, HEAD "00000000\nformat = %d\n", SETTINGS_FORMAT);
    for (int i = 0; i < settings_count; i++) {
        const struct setting *row = &settings_table[i];
        if (!row->saved || is_said_by_preset(settings, row))
            continue;
        if (strcmp(section, row->section))
            text_add(text, "\n[%s]\n", row->section);
        section = row->section;
        settings_get(settings, row, value);
        if (add_value(text, row, value, error))
            return -1;
    }
    if (text->failed)
        return error_set(error, "out of memory");
    snprintf(checksum, sizeof checksum, "%08x", crc32c(text->data + behind, text->length - behind));
    memcpy(text->data + begin, checksum, CHECKSUM);
    return 0;
}

int settings_write(const struct settings *settings, const char *path, struct error *error)
{
    struct text text = {0};
    int result = settings_format(settings, &text, error);
    if (result)
        error_prefix(error, "cannot write %s", path);
    else
        result = file_replace(path, text.data, text.length, error);
    free(text.data);
    return result;
}

void settings_digest(const struct settings *settings, char digest[SETTINGS_DIGEST_SIZE])
{
    SHA2_CTX context;
    char value[SETTINGS_VALUE_SIZE];
    SHA256Init(&context);
    for (int i = 0; i < settings_count; i++) {
        const struct setting *row = &settings_table[i];
        if (!row->saved || row->change != SETTING_FIXED)
            continue;
        settings_get(settings, row, value);
        if (row->implied && strcmp(value, row->implied) == 0)
            continue;
        SHA256Update(&context, (const uint8_t *)row->name, strlen(row->name));
        SHA256Update(&context, (const uint8_t *)"=", 1);
        SHA256Update(&context, (const uint8_t *)value, strlen(value) + 1);
    }
    SHA256End(&context, digest);
}
