/* Settings as INI files, read by inih and written here; see settings.h.
 *
 * inih holds a line of at most 199 bytes, less than a path may have, and ends a value at " ;". So long values are
 * written over several lines, the later ones indented (which inih hands over one by one), and longer lines are an error
 * rather than silently cut. */
#include "sessions/fields.h"
#include "sessions/file.h"
#include "sessions/settings_table.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <sha2.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_CHUNK = 120 };

struct reader {
    const char *path;
    FILE *file;
    int line;                            /* the one that was read last */
    bool continued;                      /* it begins with a blank */
    int last;                            /* row of the last value, -1 before the first */
    int lines[64];                       /* where each row was set; 0: it was not */
    char (*values)[SETTINGS_VALUE_SIZE]; /* (settings_count) */
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

static int on_value(void *context, const char *section, const char *name, const char *value)
{
    struct reader *reader = context;
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

int settings_read(struct settings *settings, const char *path, struct error *error)
{
    int result = -1;
    struct settings changed = *settings;
    struct reader reader = {.path = path, .last = -1};
    reader.file = fopen(path, "re");
    if (!reader.file)
        return file_failed(error, "read", path);
    reader.values = calloc((size_t)settings_count, SETTINGS_VALUE_SIZE);
    if (!reader.values) {
        error_set(&reader.error, "cannot read %s: out of memory", path);
        goto out;
    }
    int line = ini_parse_stream(read_line, &reader, on_value, &reader);
    if (*reader.error.message)
        goto out;
    if (ferror(reader.file)) {
        file_failed(&reader.error, "read", path);
        goto out;
    }
    if (line) {
        error_set(&reader.error, "%s, line %d: wanted `key = value` or `[section]`", path, line);
        goto out;
    }
    if (apply(&changed, &reader))
        goto out;
    *settings = changed;
    result = 0;
out:
    if (result && error)
        *error = reader.error;
    free(reader.values);
    fclose(reader.file);
    return result;
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

int settings_write(const struct settings *settings, const char *path, struct error *error)
{
    int result = -1;
    struct text text = {0};
    char value[SETTINGS_VALUE_SIZE];
    const char *section = "";
    for (int i = 0; i < settings_count; i++) {
        const struct setting *row = &settings_table[i];
        if (!row->saved)
            continue;
        if (strcmp(section, row->section))
            text_add(&text, "%s[%s]\n", *section ? "\n" : "", row->section);
        section = row->section;
        settings_get(settings, row, value);
        if (add_value(&text, row, value, error))
            goto out;
    }
    if (text.failed) {
        error_set(error, "cannot write %s: out of memory", path);
        goto out;
    }
    result = file_replace(path, text.data, text.length, error);
out:
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
