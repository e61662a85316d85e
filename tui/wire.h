/* What the process that trains and a viewer in another process tell each other over a socket: frames, each a length, a
 * kind and its fields. One function a struct both writes and reads it, so that the two cannot differ; what is read is
 * checked (lengths, enums, indices, the ends of texts), since it may come from anybody. Both ends are on one machine:
 * numbers are as they lie in memory. */
#ifndef NFBENCH_TUI_WIRE_H
#define NFBENCH_TUI_WIRE_H

#include "engine/look.h"
#include "engine/trainer.h"

enum {
    WIRE_TEXT = 512,      /* of HELLO, LINE, REFUSED, END */
    WIRE_SMALL = 1024,    /* no frame of a viewer's is longer */
    WIRE_LARGE = 1 << 26, /* none is */
    WIRE_FACTS_TEXT = 1280,
    WIRE_HEADER = 8
};

enum wire_kind {
    /* from a viewer */
    WIRE_HELLO, /* text: wire_version(); the first frame */
    WIRE_LINE,  /* text: a command, as the language has it (command.h) */
    WIRE_LOOK,  /* asks for a look into the network */
    /* to a viewer */
    WIRE_REFUSED, /* text: why; the last frame */
    WIRE_WELCOME, /* facts and a snapshot; the first frame */
    WIRE_EVENT,
    WIRE_PROBE,
    WIRE_LOOKED,
    WIRE_SNAPSHOT,
    WIRE_END, /* text: why the run failed, or empty; the last frame */
    WIRE_KINDS
};

/* What a viewer cannot read from the session's folder. */
struct wire_facts {
    char device[WIRE_FACTS_TEXT], data[WIRE_FACTS_TEXT], note[WIRE_FACTS_TEXT]; /* as in run_parts */
    double parameters, image_flops, memory;
    long resumed_step;
};

/* What indices in a look may reach. */
struct wire_limits {
    int train, test; /* images of the data set */
};

/* Bytes that grow while they are written, or that are read. Zeroed it is ready for writing; free `bytes` then. */
struct wire {
    unsigned char *bytes;
    size_t at, size; /* written or read so far; of what there is to read, or room */
    bool reading;
    bool failed; /* out of memory, or what was read cannot be: zeros from there on */
};

/* Which build understands which: another version, or other structs, and they do not fit. */
void wire_version(char text[WIRE_TEXT]);

/* ---- Writing: a frame is begun, filled and ended ---- */
size_t wire_begin(struct wire *wire, enum wire_kind kind); /* returns what wire_end wants */
void wire_end(struct wire *wire, size_t frame);

/* ---- Reading ---- */
enum wire_found { WIRE_WHOLE, WIRE_PART, WIRE_BROKEN };
/* Looks for a frame at the front of what has come: where it is whole, its kind, its fields for reading, and how many
 * bytes it takes. `most`: how long one may be. */
enum wire_found wire_take(const unsigned char *bytes, size_t count, size_t most, enum wire_kind *kind,
                          struct wire *fields, size_t *length);
/* Whether all of a frame was read, and nothing is left over. */
bool wire_is_read(const struct wire *wire);

/* ---- Fields: written from, or read into, the same place ---- */
void wire_text(struct wire *wire, char *text, size_t size);
void wire_facts(struct wire *wire, struct wire_facts *facts);
void wire_snapshot(struct wire *wire, struct snapshot *snapshot);
void wire_event(struct wire *wire, struct event *event);
/* Of as many points and channels as the probe has memory for. */
void wire_probe(struct wire *wire, struct probe *probe);
/* The same of classes and filters. `limits` for reading; NULL: for writing. */
void wire_look(struct wire *wire, struct look *look, const struct wire_limits *limits);

#endif
