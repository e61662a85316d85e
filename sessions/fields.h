/* Plain structs as JSON members and back, by a table of their fields, so that what is written and what is read cannot
 * differ. Used by the logs (metrics_record.c) and by the state in a checkpoint (checkpoint.c). */
#ifndef NFBENCH_SESSIONS_FIELDS_H
#define NFBENCH_SESSIONS_FIELDS_H

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum field_type { FIELD_INT, FIELD_LONG, FIELD_UINT32, FIELD_FLOAT, FIELD_DOUBLE, FIELD_BOOL, FIELD_TEXT, FIELD_WORD };

struct field {
    const char *name;
    enum field_type type;
    size_t offset;
    size_t size;              /* of the char array of FIELD_TEXT, else 0 */
    const char *const *words; /* of FIELD_WORD: an enum's names in its order, NULL-terminated */
};

#define FIELD(struct_type, member, type)                                                                               \
    {                                                                                                                  \
#member, type, offsetof(struct struct_type, member), 0, NULL                                                   \
    }
#define FIELD_NAMED(struct_type, name, member, type)                                                                   \
    {                                                                                                                  \
        name, type, offsetof(struct struct_type, member), 0, NULL                                                      \
    }
#define FIELD_CHARS(struct_type, name, member)                                                                         \
    {                                                                                                                  \
        name, FIELD_TEXT, offsetof(struct struct_type, member), sizeof(((struct struct_type *)0)->member), NULL        \
    }
#define FIELD_WORD(struct_type, name, member, words)                                                                   \
    {                                                                                                                  \
        name, FIELD_WORD, offsetof(struct struct_type, member), 0, words                                               \
    }

/* All of a struct's. */
struct fields {
    const struct field *fields;
    int count;
};

/* A growing text, for JSON that is written by hand to keep numbers short. Starts zeroed; free `data`. */
struct text {
    char *data;
    size_t length, capacity;
    bool failed; /* out of memory: everything after is dropped; check once at the end */
};
void text_add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_add_bytes(struct text *text, const char *bytes, size_t count);
/* A JSON string with its quotes; bytes that are not UTF-8 become '?'. */
void text_add_string(struct text *text, const char *string);
/* The text as it is but for bytes that are not UTF-8, which become '?'. */
void text_add_utf8(struct text *text, const char *string);

/* The value of one field of the struct at `from`, and back: false when it is of another type or out of range. */
void field_write(const struct field *field, const void *from, struct text *text);
bool field_read(const struct field *field, const json_t *value, void *to);

/* Adds `"name":value` for each field, with commas between. Numbers that are not finite become null. */
void fields_write(const struct field *fields, int count, const void *from, struct text *text);
/* Reads each field: -1, errno EBADMSG, when one is absent, of another type or out of range. */
int fields_read(const struct field *fields, int count, const json_t *object, void *to, struct error *error);

#endif
