/* See events.h. Protocol buffers: a message is keys (field << 3 | wire type) with their values. */
#include "events.h"

#include "fixture.h"
#include "sessions/crc32c.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct message {
    const uint8_t *at, *end;
};

struct value {
    int field;
    uint64_t number;        /* of a varint */
    double real;            /* of 64 bits */
    float single;           /* of 32 bits */
    struct message message; /* of bytes */
};

static uint64_t take_varint(struct message *message)
{
    uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
        assert_true(message->at < message->end && shift < 64);
        value |= (uint64_t)(*message->at & 127) << shift;
        if (*message->at++ < 128)
            return value;
    }
}

static void take_bytes(struct message *message, void *out, size_t size)
{
    assert_true((size_t)(message->end - message->at) >= size);
    memcpy(out, message->at, size);
    message->at += size;
}

static bool take(struct message *message, struct value *value)
{
    if (message->at == message->end)
        return false;
    const uint64_t key = take_varint(message);
    *value = (struct value){.field = (int)(key >> 3)};
    switch (key & 7) {
    case 0:
        value->number = take_varint(message);
        break;
    case 1:
        take_bytes(message, &value->real, 8);
        break;
    case 5:
        take_bytes(message, &value->single, 4);
        break;
    default:
        assert_int_equal(key & 7, 2);
        value->number = take_varint(message);
        assert_true(value->number <= (size_t)(message->end - message->at));
        value->message = (struct message){message->at, message->at + value->number};
        message->at += value->number;
    }
    return true;
}

static void read_histogram(struct message message, double out[5])
{
    for (struct value v; take(&message, &v);) {
        if (v.field <= 3)
            out[v.field - 1] = v.real;
        assert_true(v.field < 6 || v.message.end - v.message.at > 0);
        for (double x, before = out[0]; v.field >= 6 && v.message.at < v.message.end; before = x) {
            take_bytes(&v.message, &x, sizeof x);
            if (v.field == 6) {
                assert_true(x >= before); /* limits ascend from the least */
                out[4] = x;
            } else {
                out[3] += x;
            }
        }
    }
}

static void read_tensor(struct message message, struct event_value *out)
{
    for (struct value v; take(&message, &v);)
        if (v.field == 8)
            snprintf(out->text, sizeof out->text, "%.*s", (int)v.number, (const char *)v.message.at);
}

static void read_image(struct message message, struct event_value *out)
{
    for (struct value v; take(&message, &v);)
        if (v.field == 4) {
            out->image_bytes = v.number;
            assert_memory_equal(v.message.at, "\x89PNG\r\n", 6);
        }
}

static void read_value(struct message message, struct event_value *out)
{
    for (struct value v; take(&message, &v);) {
        if (v.field == 1)
            snprintf(out->tag, sizeof out->tag, "%.*s", (int)v.number, (const char *)v.message.at);
        else if (v.field == 2)
            out->scalar = v.single;
        else if (v.field == 4)
            read_image(v.message, out);
        else if (v.field == 5)
            read_histogram(v.message, out->histogram);
        else if (v.field == 8)
            read_tensor(v.message, out);
    }
}

struct list {
    struct event_value *values;
    int count;
};

static void add(struct list *list, const struct event_value *value)
{
    list->values = reallocarray(list->values, (size_t)list->count + 1, sizeof *list->values);
    assert_non_null(list->values);
    list->values[list->count++] = *value;
}

static void read_event(struct message message, bool first, struct list *list)
{
    struct event_value event = {0};
    struct message summary = {0};
    bool version = false;
    for (struct value v, inner; take(&message, &v);) {
        if (v.field == 1)
            event.wall_time = v.real;
        else if (v.field == 2)
            event.step = (long)v.number;
        else if (v.field == 3)
            version = v.number == 13 && memcmp(v.message.at, "brain.Event:2", 13) == 0;
        else if (v.field == 5)
            summary = v.message;
        else if (v.field == 7)
            event.start = take(&v.message, &inner) && inner.field == 1 && inner.number == 1;
    }
    assert_true(version == first);
    if (!summary.at)
        add(list, &event);
    for (struct value v; summary.at && take(&summary, &v);) {
        struct event_value value = event;
        assert_int_equal(v.field, 1);
        read_value(v.message, &value);
        add(list, &value);
    }
}

static uint32_t masked(const void *data, size_t size)
{
    const uint32_t crc = crc32c(data, size);
    return ((crc >> 15) | (crc << 17)) + 0xa282ead8;
}

struct event_value *read_events(const char *path, int *count)
{
    size_t size;
    char *data = read_file(path, &size);
    struct list list = {0};
    for (size_t at = 0; at < size;) {
        uint64_t length;
        uint32_t sums[2];
        assert_true(size - at >= 16);
        memcpy(&length, data + at, 8);
        memcpy(&sums[0], data + at + 8, 4);
        assert_int_equal(sums[0], masked(data + at, 8));
        assert_true(length <= size - at - 16);
        memcpy(&sums[1], data + at + 12 + length, 4);
        assert_int_equal(sums[1], masked(data + at + 12, length));
        const uint8_t *begin = (const uint8_t *)data + at + 12;
        read_event((struct message){begin, begin + length}, at == 0, &list);
        at += 16 + length;
    }
    free(data);
    *count = list.count;
    return list.values;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void list_files(const char *in, char files[EVENTS_FILES][256], int *count)
{
    DIR *directory = opendir(in);
    assert_non_null(directory);
    *count = 0;
    for (const struct dirent *entry; (entry = readdir(directory));) {
        if (!strstr(entry->d_name, "tfevents"))
            continue;
        assert_true(*count < EVENTS_FILES);
        snprintf(files[(*count)++], 256, "%s", entry->d_name);
    }
    closedir(directory);
    qsort(files, (size_t)*count, sizeof *files, by_name);
}

struct event_value *view_events(const char *in, char files[EVENTS_FILES][256], int *file_count, int *count)
{
    struct list view = {0};
    list_files(in, files, file_count);
    for (int f = 0; f < *file_count; f++) {
        char path[512];
        int read_count;
        snprintf(path, sizeof path, "%s/%s", in, files[f]);
        struct event_value *read = read_events(path, &read_count);
        for (int i = 0; i < read_count; i++) {
            int kept = 0;
            for (int k = 0; read[i].start && k < view.count; k++)
                if (view.values[k].step < read[i].step)
                    view.values[kept++] = view.values[k];
            if (read[i].start)
                view.count = kept;
            else if (*read[i].tag)
                add(&view, &read[i]);
        }
        free(read);
    }
    *count = view.count;
    return view.values;
}
