/* See wire.h: bytes, and frames of them. */
#include "base/array.h"
#include "tui/cli.h"
#include "tui/wire_pass.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* ---- Bytes ---- */

static bool make_room(struct wire *wire, size_t count)
{
    unsigned char *grown;

    if (wire->at + count <= wire->size)
        return true;
    grown = array_grow(wire->bytes, &wire->size, wire->at + count, 1);
    if (grown)
        wire->bytes = grown;
    return grown != NULL;
}

void wire_pass(struct wire *wire, void *value, size_t count)
{
    if (wire->reading && (wire->failed || count > wire->size - wire->at)) {
        wire->failed = true;
        memset(value, 0, count);
        return;
    }
    if (wire->failed || (!wire->reading && !make_room(wire, count))) {
        wire->failed = true;
        return;
    }
    if (wire->reading)
        memcpy(value, wire->bytes + wire->at, count);
    else
        memcpy(wire->bytes + wire->at, value, count);
    wire->at += count;
}

bool wire_is_read(const struct wire *wire)
{
    return !wire->failed && wire->at == wire->size;
}

/* Its length, then its bytes; none of them is 0. */
void wire_text(struct wire *wire, char *text, size_t size)
{
    uint16_t length = wire->reading ? 0 : (uint16_t)strnlen(text, size - 1);

    wire_pass(wire, &length, sizeof(length));
    if (length >= size) {
        wire->failed = true;
        length = 0;
    }
    wire_pass(wire, text, length);
    if (!wire->reading)
        return;
    wire->failed |= memchr(text, 0, length) != NULL;
    text[length] = 0;
}

/* ---- Frames ---- */

void wire_version(char text[WIRE_TEXT])
{
    snprintf(text, WIRE_TEXT, "nfbench " CLI_VERSION " attach 2 %zx-%zx-%zx-%x-%x-%x", sizeof(struct snapshot),
             sizeof(struct event), sizeof(struct look) + sizeof(struct probe_point), (unsigned)COMMAND_KINDS,
             (unsigned)FINDING_KINDS, (unsigned)VALUE_BINS);
}

size_t wire_begin(struct wire *wire, enum wire_kind kind)
{
    const size_t frame = wire->at;
    uint32_t header[2] = {0, kind};

    wire_pass(wire, header, sizeof(header));
    return frame;
}

void wire_end(struct wire *wire, size_t frame)
{
    const uint32_t length = (uint32_t)(wire->at - frame - WIRE_HEADER);

    if (!wire->failed)
        memcpy(wire->bytes + frame, &length, sizeof(length));
}

enum wire_found wire_take(const unsigned char *bytes, size_t count, size_t most, enum wire_kind *kind,
                          struct wire *fields, size_t *length)
{
    uint32_t header[2];

    if (count < WIRE_HEADER)
        return WIRE_PART;
    memcpy(header, bytes, sizeof(header));
    if (header[0] > most - WIRE_HEADER || header[1] >= WIRE_KINDS)
        return WIRE_BROKEN;
    if (count - WIRE_HEADER < header[0])
        return WIRE_PART;
    *kind = (enum wire_kind)header[1];
    *fields = (struct wire){.bytes = (unsigned char *)bytes + WIRE_HEADER, .size = header[0], .reading = true};
    *length = WIRE_HEADER + header[0];
    return WIRE_WHOLE;
}
