/* Protocol buffers and framing by hand; see tfevents.h. Field numbers are those of event.proto, summary.proto,
 * tensor.proto and histogram.proto. */
#include "sessions/tfevents.h"

#include "sessions/crc32c.h"
#include "sessions/fields.h"
#include "sessions/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- Bytes ---- */

struct bytes {
    uint8_t *data;
    size_t size, room;
    bool failed;
};

/* Room for more at the end; NULL, and everything after is dropped, without memory. */
static uint8_t *extend(struct bytes *bytes, size_t more)
{
    if (bytes->failed)
        return NULL;
    if (bytes->size + more > bytes->room) {
        const size_t room = 2 * (bytes->size + more);
        uint8_t *grown = realloc(bytes->data, room);
        if (!grown) {
            bytes->failed = true;
            return NULL;
        }
        bytes->data = grown;
        bytes->room = room;
    }
    bytes->size += more;
    return bytes->data + bytes->size - more;
}

static void put_bytes(struct bytes *bytes, const void *data, size_t size)
{
    uint8_t *to = extend(bytes, size);
    if (to && size > 0)
        memcpy(to, data, size);
}

static void store_little_endian(uint64_t value, int size, uint8_t *to)
{
    for (int i = 0; i < size; i++)
        to[i] = (uint8_t)(value >> 8 * i);
}

static uint64_t load_little_endian(const uint8_t *from, int size)
{
    uint64_t value = 0;
    for (int i = 0; i < size; i++)
        value |= (uint64_t)from[i] << 8 * i;
    return value;
}

/* ---- Protocol buffers ---- */

enum wire { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };
enum { VARINT_BYTES = 10 };

static int encode_varint(uint64_t value, uint8_t out[VARINT_BYTES])
{
    int size = 0;
    for (; value >= 0x80; value >>= 7)
        out[size++] = (uint8_t)(value | 0x80);
    out[size++] = (uint8_t)value;
    return size;
}

static void put_varint(struct bytes *bytes, uint64_t value)
{
    uint8_t digits[VARINT_BYTES];
    put_bytes(bytes, digits, (size_t)encode_varint(value, digits));
}

static void put_key(struct bytes *bytes, int field, enum wire wire)
{
    put_varint(bytes, (uint64_t)field << 3 | wire);
}

static void put_integer(struct bytes *bytes, int field, long value)
{
    put_key(bytes, field, WIRE_VARINT);
    put_varint(bytes, (uint64_t)value);
}

static void put_double_bits(struct bytes *bytes, double value)
{
    union {
        double value;
        uint64_t bits;
    } as = {value};
    uint8_t *to = extend(bytes, sizeof as);
    if (to)
        store_little_endian(as.bits, sizeof as, to);
}

static void put_double(struct bytes *bytes, int field, double value)
{
    put_key(bytes, field, WIRE_64);
    put_double_bits(bytes, value);
}

static void put_float(struct bytes *bytes, int field, float value)
{
    union {
        float value;
        uint32_t bits;
    } as = {value};
    put_key(bytes, field, WIRE_32);
    uint8_t *to = extend(bytes, sizeof as);
    if (to)
        store_little_endian(as.bits, sizeof as, to);
}

static void put_blob(struct bytes *bytes, int field, const void *data, size_t size)
{
    put_key(bytes, field, WIRE_BYTES);
    put_varint(bytes, size);
    put_bytes(bytes, data, size);
}

static void put_string(struct bytes *bytes, int field, const char *text)
{
    put_blob(bytes, field, text, strlen(text));
}

static void put_doubles(struct bytes *bytes, int field, const double *values, int count)
{
    put_key(bytes, field, WIRE_BYTES);
    put_varint(bytes, (uint64_t)count * sizeof *values);
    for (int i = 0; i < count; i++)
        put_double_bits(bytes, values[i]);
}

/* A message within: what is put between these two. Its length comes before it, and so once it is known. */
static size_t open_message(struct bytes *bytes, int field)
{
    put_key(bytes, field, WIRE_BYTES);
    return bytes->size;
}

static void close_message(struct bytes *bytes, size_t begin)
{
    uint8_t length[VARINT_BYTES];
    const size_t size = bytes->failed ? 0 : bytes->size - begin, digits = (size_t)encode_varint(size, length);
    if (!extend(bytes, digits))
        return;
    memmove(bytes->data + begin + digits, bytes->data + begin, size);
    memcpy(bytes->data + begin, length, digits);
}

/* ---- Records ---- */

static uint32_t masked_crc(const void *data, size_t size)
{
    const uint32_t crc = crc32c(data, size);
    return (crc >> 15 | crc << 17) + 0xa282ead8;
}

void tfevents_frame(const void *data, size_t size, uint8_t *out)
{
    memmove(out + 12, data, size); /* they may be the same memory */
    store_little_endian(size, 8, out);
    store_little_endian(masked_crc(out, 8), 4, out + 8);
    store_little_endian(masked_crc(out + 12, size), 4, out + 12 + size);
}

struct tfevents {
    char path[FILE_PATH_SIZE];
    int descriptor;
    struct bytes event; /* kept between events */
    size_t summary;     /* where its values begin */
};

static int write_event(struct tfevents *events, struct error *error)
{
    struct bytes *event = &events->event;
    const size_t size = event->size;
    if (!extend(event, TFEVENTS_FRAME))
        return error_set(error, "cannot write %s: out of memory", events->path);
    tfevents_frame(event->data, size, event->data);
    return file_write_all(events->descriptor, event->data, event->size, events->path, error);
}

/* Event: wall_time = 1, step = 2, file_version = 3, summary = 5, session_log = 7 */
static void begin_event(struct tfevents *events, long step, double wall_time)
{
    events->event.size = 0;
    events->event.failed = false;
    put_double(&events->event, 1, wall_time);
    put_integer(&events->event, 2, step);
}

int tfevents_create(const char *path, double wall_time, struct tfevents **out, struct error *error)
{
    struct tfevents *events = calloc(1, sizeof *events);
    if (!events)
        return error_set(error, "cannot write %s: out of memory", path);
    events->descriptor = -1;
    if (path_format(events->path, error, "%s", path))
        goto fail;
    events->descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
    if (events->descriptor < 0) {
        error_set(error, "cannot write %s: %s", path, strerror(errno));
        goto fail;
    }
    begin_event(events, 0, wall_time);
    put_string(&events->event, 3, "brain.Event:2");
    if (write_event(events, error))
        goto fail;
    *out = events;
    return 0;
fail:
    tfevents_close(events);
    return -1;
}

void tfevents_close(struct tfevents *events)
{
    if (!events)
        return;
    if (events->descriptor >= 0)
        close(events->descriptor);
    free(events->event.data);
    free(events);
}

int tfevents_start(struct tfevents *events, long step, double wall_time, struct error *error)
{
    enum { SESSION_LOG = 7, STATUS = 1, START = 1 };
    begin_event(events, step, wall_time);
    const size_t log = open_message(&events->event, SESSION_LOG);
    put_integer(&events->event, STATUS, START);
    close_message(&events->event, log);
    return write_event(events, error);
}

/* ---- Values ---- */

/* Summary.Value: tag = 1, simple_value = 2, image = 4, histo = 5, tensor = 8, metadata = 9 */
enum {
    SUMMARY = 5,
    VALUE = 1,
    VALUE_TAG = 1,
    VALUE_SCALAR,
    VALUE_IMAGE = 4,
    VALUE_HISTOGRAM,
    VALUE_TENSOR = 8,
    VALUE_METADATA
};

void tfevents_begin(struct tfevents *events, long step, double wall_time)
{
    begin_event(events, step, wall_time);
    events->summary = open_message(&events->event, SUMMARY);
}

int tfevents_end(struct tfevents *events, struct error *error)
{
    close_message(&events->event, events->summary);
    return write_event(events, error);
}

static size_t open_value(struct bytes *event, const char *tag)
{
    const size_t value = open_message(event, VALUE);
    put_string(event, VALUE_TAG, tag);
    return value;
}

void tfevents_scalar(struct tfevents *events, const char *tag, double value)
{
    struct bytes *event = &events->event;
    const size_t message = open_value(event, tag);
    put_float(event, VALUE_SCALAR, (float)value);
    close_message(event, message);
}

/* A tensor of one string, and by whom it is to be shown: TensorProto dtype = 1, tensor_shape = 2 (dim = 2, its size
 * = 1), string_val = 8; SummaryMetadata plugin_data = 1 (plugin_name = 1). */
void tfevents_text(struct tfevents *events, const char *tag, const char *text)
{
    enum { DT_STRING = 7 };
    struct bytes *event = &events->event;
    struct text clean = {0};
    const size_t message = open_value(event, tag), tensor = open_message(event, VALUE_TENSOR);
    text_add_utf8(&clean, text);
    put_integer(event, 1, DT_STRING);
    const size_t shape = open_message(event, 2), dimension = open_message(event, 2);
    put_integer(event, 1, 1);
    close_message(event, dimension);
    close_message(event, shape);
    put_blob(event, 8, clean.data, clean.length);
    close_message(event, tensor);
    const size_t metadata = open_message(event, VALUE_METADATA), plugin = open_message(event, 1);
    put_string(event, 1, "text");
    close_message(event, plugin);
    close_message(event, metadata);
    close_message(event, message);
    event->failed = event->failed || clean.failed;
    free(clean.data);
}

/* Summary.Image: height = 1, width = 2, colorspace = 3 (3: RGB), encoded_image_string = 4 */
void tfevents_png(struct tfevents *events, const char *tag, const void *png, size_t size, int width, int height)
{
    struct bytes *event = &events->event;
    const size_t message = open_value(event, tag), image = open_message(event, VALUE_IMAGE);
    put_integer(event, 1, height);
    put_integer(event, 2, width);
    put_integer(event, 3, 3);
    put_blob(event, 4, png, size);
    close_message(event, image);
    close_message(event, message);
}

/* HistogramProto: min = 1, max = 2, num = 3, sum = 4, sum_squares = 5, bucket_limit = 6, bucket = 7 */
void tfevents_histogram(struct tfevents *events, const char *tag, const struct tfevents_histogram *histogram)
{
    struct bytes *event = &events->event;
    const size_t message = open_value(event, tag), proto = open_message(event, VALUE_HISTOGRAM);
    put_double(event, 1, histogram->least);
    put_double(event, 2, histogram->most);
    put_double(event, 3, histogram->count);
    put_double(event, 4, histogram->sum);
    put_double(event, 5, histogram->sum_squares);
    put_doubles(event, 6, histogram->limits, histogram->buckets);
    put_doubles(event, 7, histogram->counts, histogram->buckets);
    close_message(event, proto);
    close_message(event, message);
}

/* ---- Reading ---- */

/* The step of an event written here (behind its wall time). */
static long step_of(const uint8_t *data, uint64_t size)
{
    enum { STEP_AT = 10 };
    uint64_t step = 0;
    if (size <= STEP_AT || data[0] != (1 << 3 | WIRE_64) || data[STEP_AT - 1] != (2 << 3 | WIRE_VARINT))
        return -1;
    for (uint64_t i = STEP_AT; i < size && i < STEP_AT + VARINT_BYTES; i++) {
        step |= (uint64_t)(data[i] & 0x7f) << 7 * (i - STEP_AT);
        if (data[i] < 0x80)
            break;
    }
    return (long)step;
}

enum found { FOUND_RECORD, FOUND_PART, FOUND_DAMAGE };

/* What begins there, and how many bytes of data it has. */
static enum found record_at(const uint8_t *record, size_t left, uint64_t *length)
{
    if (left < TFEVENTS_FRAME)
        return FOUND_PART;
    *length = load_little_endian(record, 8);
    if (load_little_endian(record + 8, 4) != masked_crc(record, 8))
        return FOUND_DAMAGE;
    if (*length > left - TFEVENTS_FRAME)
        return FOUND_PART;
    return load_little_endian(record + 12 + *length, 4) == masked_crc(record + 12, *length) ? FOUND_RECORD
                                                                                            : FOUND_DAMAGE;
}

long tfevents_last_step(const char *path)
{
    char *data = NULL;
    size_t size = 0, at = 0;
    uint64_t length;
    long last = -1;
    if (file_read(path, &data, &size, NULL))
        return -1;
    while (record_at((const uint8_t *)data + at, size - at, &length) == FOUND_RECORD) {
        const long step = step_of((const uint8_t *)data + at + 12, length);
        last = step > last ? step : last;
        at += TFEVENTS_FRAME + length;
    }
    free(data);
    return last;
}

bool tfevents_is_damaged(const char *path)
{
    char *data = NULL;
    size_t size = 0, at = 0;
    uint64_t length;
    enum found found;
    if (file_read(path, &data, &size, NULL))
        return false;
    while ((found = record_at((const uint8_t *)data + at, size - at, &length)) == FOUND_RECORD)
        at += TFEVENTS_FRAME + length;
    free(data);
    return found == FOUND_DAMAGE;
}
