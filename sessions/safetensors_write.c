/* Writes safetensors files as a stream: header, tensors, then the digest into its place; see safetensors.h. */
#include "sessions/fields.h"
#include "sessions/file.h"
#include "sessions/safetensors.h"
#include "sessions/safetensors_format.h"

#include <errno.h>
#include <fcntl.h>
#include <sha2.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct safetensors_writer {
    char path[FILE_PATH_SIZE];
    int descriptor;
    uint64_t remaining; /* bytes of data still to come */
    SHA2_CTX digest;
};

static uint64_t shape_bytes(const struct tensor_shape *shape)
{
    uint64_t bytes = sizeof(float);
    for (int i = 0; i < shape->dim_count; i++)
        bytes *= (uint64_t)shape->dims[i];
    return bytes;
}

static void add_shape(struct text *text, const struct tensor_shape *shape, uint64_t begin)
{
    text_add(text, ",");
    text_add_string(text, shape->name);
    text_add(text, ":{\"dtype\":\"F32\",\"shape\":[");
    for (int i = 0; i < shape->dim_count; i++)
        text_add(text, i ? ",%d" : "%d", shape->dims[i]);
    text_add(text, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)begin,
             (unsigned long long)(begin + shape_bytes(shape)));
}

/* The length and the header, padded with spaces to a multiple of 8. Returns the bytes of data that follow. */
static uint64_t make_header(struct text *text, const struct tensor_shape *shapes, int count,
                            const struct metadata *metadata, int metadata_count)
{
    uint64_t place = 0;
    text_add(text, "........%s%s\"", SAFETENSORS_PREFIX, SAFETENSORS_NO_DIGEST);
    for (int i = 0; i < metadata_count; i++) {
        text_add(text, ",");
        text_add_string(text, metadata[i].key);
        text_add(text, ":");
        text_add_string(text, metadata[i].value);
    }
    text_add(text, "}");
    for (int i = 0; i < count; i++) {
        add_shape(text, &shapes[i], place);
        place += shape_bytes(&shapes[i]);
    }
    text_add(text, "}");
    while (!text->failed && text->length % 8)
        text_add(text, " ");
    for (int i = 0; !text->failed && i < 8; i++)
        text->data[i] = (char)((uint64_t)(text->length - 8) >> 8 * i & 255);
    return place;
}

/* Writes and takes into the digest. */
static int put(struct safetensors_writer *writer, const void *data, size_t size, struct error *error)
{
    SHA256Update(&writer->digest, data, size);
    return file_write_all(writer->descriptor, data, size, writer->path, error);
}

int safetensors_create(const char *path, const struct tensor_shape *shapes, int count, const struct metadata *metadata,
                       int metadata_count, struct safetensors_writer **out, struct error *error)
{
    struct text header = {0};
    struct safetensors_writer *writer = calloc(1, sizeof *writer);
    if (!writer)
        return error_set(error, "cannot write %s: out of memory", path);
    writer->descriptor = -1;
    SHA256Init(&writer->digest);
    if (path_format(writer->path, error, "%s", path))
        goto fail;
    writer->remaining = make_header(&header, shapes, count, metadata, metadata_count);
    if (header.failed || header.length > SAFETENSORS_MAX_HEADER) {
        error_set(error, "cannot write %s: %s", path, header.failed ? "out of memory" : "its header is too long");
        goto fail;
    }
    writer->descriptor = file_begin(path, error);
    if (writer->descriptor < 0 || put(writer, header.data, header.length, error))
        goto fail;
    free(header.data);
    *out = writer;
    return 0;
fail:
    free(header.data);
    safetensors_abandon(writer);
    return -1;
}

int safetensors_write(struct safetensors_writer *writer, const float *values, size_t count, struct error *error)
{
    if (count > writer->remaining / sizeof *values)
        return error_set(error, "cannot write %s: more values than its header says", writer->path);
    writer->remaining -= count * sizeof *values;
    return put(writer, values, count * sizeof *values, error);
}

/* Reads PATH.tmp back from the disk rather than from memory, where the system lets us. */
static int verify(const char *path, struct error *error)
{
    struct safetensors *file;
    char temporary[FILE_PATH_SIZE];
    if (path_format(temporary, error, "%s.tmp", path))
        return -1;
    int descriptor = open(temporary, O_RDONLY | O_CLOEXEC);
    if (descriptor >= 0) {
        posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED);
        close(descriptor);
    }
    int result = safetensors_open(temporary, &file, error);
    if (result == 0) {
        result = safetensors_verify(file, error);
        safetensors_close(file);
    }
    if (result) {
        unlink(temporary);
        error_prefix(error, "cannot read %s back", path);
    }
    return result;
}

int safetensors_commit(struct safetensors_writer *writer, struct error *error)
{
    char digest[SAFETENSORS_DIGEST_LENGTH + 1];
    if (writer->remaining) {
        error_set(error, "cannot write %s: fewer values than its header says", writer->path);
        safetensors_abandon(writer);
        return -1;
    }
    SHA256End(&writer->digest, digest);
    if (lseek(writer->descriptor, 8 + SAFETENSORS_DIGEST_OFFSET, SEEK_SET) < 0) {
        file_failed(error, "write", writer->path);
        safetensors_abandon(writer);
        return -1;
    }
    if (file_write_all(writer->descriptor, digest, SAFETENSORS_DIGEST_LENGTH, writer->path, error)) {
        safetensors_abandon(writer);
        return -1;
    }
    int result = -1;
    if (file_finish(writer->descriptor, writer->path, error) == 0 && verify(writer->path, error) == 0)
        result = file_publish(writer->path, error);
    free(writer);
    return result;
}

void safetensors_abandon(struct safetensors_writer *writer)
{
    if (!writer)
        return;
    if (writer->descriptor >= 0)
        file_abandon(writer->descriptor, writer->path);
    free(writer);
}
