/* Reads and validates safetensors files; see safetensors.h. Everything in a file may be hostile. */
#include "sessions/safetensors.h"

#include "sessions/fields.h"
#include "sessions/file.h"
#include "sessions/json.h"
#include "sessions/safetensors_format.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <sha2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Read, not mapped: a disk that fails then is an error, not the end of the process. */
struct safetensors {
    int descriptor;
    uint64_t size, header_size;
    char *head;     /* the header's text, behind its length in 8 bytes */
    json_t *header; /* owns the names */
    struct tensor *tensors;
    int count;
    json_t *index; /* name -> position in `tensors` */
};

struct type_row {
    const char *name;
    enum tensor_type type;
    unsigned size;
};
static const struct type_row type_table[] = {
    {"F32", TENSOR_F32, 4},       {"F16", TENSOR_F16, 2},   {"BF16", TENSOR_BF16, 2}, {"F64", TENSOR_F64, 8},
    {"BOOL", TENSOR_OTHER, 1},    {"U8", TENSOR_OTHER, 1},  {"I8", TENSOR_OTHER, 1},  {"F8_E4M3", TENSOR_OTHER, 1},
    {"F8_E5M2", TENSOR_OTHER, 1}, {"I16", TENSOR_OTHER, 2}, {"U16", TENSOR_OTHER, 2}, {"I32", TENSOR_OTHER, 4},
    {"U32", TENSOR_OTHER, 4},     {"I64", TENSOR_OTHER, 8}, {"U64", TENSOR_OTHER, 8},
};

static const struct type_row *find_type(const char *name)
{
    for (size_t i = 0; name && i < sizeof type_table / sizeof *type_table; i++) {
        if (strcmp(type_table[i].name, name) == 0)
            return &type_table[i];
    }
    return NULL;
}

/* A name goes into messages and tables of one line. */
static bool name_is_printable(const char *name)
{
    if (!*name || strlen(name) > 255)
        return false;
    for (; *name; name++) {
        if ((unsigned char)*name < 0x20 || *name == 0x7f)
            return false;
    }
    return true;
}

static int64_t integer_or_minus_one(const json_t *json)
{
    return json_is_integer(json) ? (int64_t)json_integer_value(json) : -1;
}

static int read_shape(const json_t *shape, struct tensor *tensor, unsigned type_size, struct error *error)
{
    if (!json_is_array(shape) || json_array_size(shape) > SAFETENSORS_MAX_DIMS)
        return file_damaged(error, "tensor %s: shape is not a list of at most %d sizes", tensor->name,
                            SAFETENSORS_MAX_DIMS);
    tensor->dim_count = (int)json_array_size(shape);
    tensor->count = 1;
    for (int i = 0; i < tensor->dim_count; i++) {
        int64_t dim = integer_or_minus_one(json_array_get(shape, (size_t)i));
        if (dim < 0 || __builtin_mul_overflow(tensor->count, (uint64_t)dim, &tensor->count))
            return file_damaged(error, "tensor %s: bad shape", tensor->name);
        tensor->dims[i] = dim;
    }
    if (__builtin_mul_overflow(tensor->count, (uint64_t)type_size, &tensor->byte_count))
        return file_damaged(error, "tensor %s: shape too large", tensor->name);
    return 0;
}

static int read_tensor(const struct safetensors *file, const char *name, const json_t *entry, struct tensor *tensor,
                       struct error *error)
{
    if (!name_is_printable(name))
        return file_damaged(error, "a tensor's name is empty, too long or has control characters");
    tensor->name = name;
    if (!json_is_object(entry) || json_object_size(entry) != 3)
        return file_damaged(error, "tensor %s: wanted dtype, shape and data_offsets", name);
    const struct type_row *type = find_type(json_string_value(json_object_get(entry, "dtype")));
    if (!type)
        return file_damaged(error, "tensor %s: unknown dtype", name);
    tensor->type = type->type;
    if (read_shape(json_object_get(entry, "shape"), tensor, type->size, error))
        return -1;
    const json_t *offsets = json_object_get(entry, "data_offsets");
    int64_t begin = integer_or_minus_one(json_array_get(offsets, 0));
    int64_t end = integer_or_minus_one(json_array_get(offsets, 1));
    const uint64_t data_size = file->size - 8 - file->header_size;
    if (json_array_size(offsets) != 2 || begin < 0 || end < begin || (uint64_t)end > data_size)
        return file_damaged(error, "tensor %s: data_offsets outside the file", name);
    if ((uint64_t)(end - begin) != tensor->byte_count)
        return file_damaged(error, "tensor %s: %lld bytes where its shape and dtype need %llu", name,
                            (long long)(end - begin), (unsigned long long)tensor->byte_count);
    tensor->place = 8 + file->header_size + (uint64_t)begin;
    tensor->file = file;
    return 0;
}

/* By place; tensors without bytes before the one that begins at the same place. */
static int compare_places(const void *a, const void *b)
{
    const struct tensor *left = a, *right = b;
    if (left->place != right->place)
        return left->place < right->place ? -1 : 1;
    return (left->byte_count > right->byte_count) - (left->byte_count < right->byte_count);
}

static int check_contiguous(const struct safetensors *file, struct error *error)
{
    uint64_t expected = 8 + file->header_size;
    for (int i = 0; i < file->count; i++) {
        const struct tensor *tensor = &file->tensors[i];
        if (tensor->place != expected)
            return file_damaged(error, "tensor %s: %s the tensor before it", tensor->name,
                                tensor->place < expected ? "overlaps" : "leaves a hole behind");
        expected += tensor->byte_count;
    }
    if (expected != file->size)
        return file_damaged(error, "bytes behind the last tensor");
    return 0;
}

static int check_metadata(const json_t *metadata, struct error *error)
{
    const char *key;
    json_t *value;
    if (!json_is_object(metadata))
        return file_damaged(error, "__metadata__ is not an object");
    json_object_foreach((json_t *)metadata, key, value)
    {
        if (!json_is_string(value))
            return file_damaged(error, "__metadata__ holds something else than texts");
    }
    return 0;
}

static int read_entries(struct safetensors *file, struct error *error)
{
    const char *name;
    json_t *entry;
    file->tensors = calloc(json_object_size(file->header) + 1, sizeof *file->tensors);
    file->index = json_object();
    if (!file->tensors || !file->index)
        return error_set(error, "out of memory");
    json_object_foreach(file->header, name, entry)
    {
        if (strcmp(name, "__metadata__") == 0) {
            if (check_metadata(entry, error))
                return -1;
        } else if (read_tensor(file, name, entry, &file->tensors[file->count++], error))
            return -1;
    }
    qsort(file->tensors, (size_t)file->count, sizeof *file->tensors, compare_places);
    for (int i = 0; i < file->count; i++) {
        if (json_object_set_new(file->index, file->tensors[i].name, json_integer(i)))
            return error_set(error, "out of memory");
    }
    return check_contiguous(file, error);
}

static int read_at(const struct safetensors *file, uint64_t place, void *out, size_t size, struct error *error)
{
    char *bytes = out;
    for (size_t have = 0; have < size;) {
        const ssize_t got = pread(file->descriptor, bytes + have, size - have, (off_t)(place + have));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set(error, "%s", strerror(errno));
        if (got == 0)
            return file_damaged(error, "cut off");
        have += (size_t)got;
    }
    return 0;
}

static int read_header(struct safetensors *file, struct error *error)
{
    uint8_t bytes[8];
    uint64_t length = 0;
    if (file->size < sizeof bytes)
        return file_damaged(error, file->size == 0 ? "empty" : "too short to be a safetensors file");
    if (read_at(file, 0, bytes, sizeof bytes, error))
        return -1;
    for (int i = 7; i >= 0; i--)
        length = length << 8 | bytes[i];
    if (length > SAFETENSORS_MAX_HEADER)
        return file_damaged(error, "not a safetensors file (its header would be %llu bytes long)",
                            (unsigned long long)length);
    if (length > file->size - 8)
        return file_damaged(error, "cut off: the header ends behind the end of the file");
    file->header_size = length;
    file->head = malloc(8 + (size_t)length);
    if (!file->head)
        return error_set(error, "out of memory");
    if (read_at(file, 0, file->head, 8 + (size_t)length, error))
        return -1;
    const char *text = file->head + 8;
    if (length == 0 || text[0] != '{')
        return file_damaged(error, "the header does not begin with {");
    json_error_t reason;
    file->header = json_read(text, (size_t)file->header_size, &reason);
    if (!file->header && errno == ENOMEM)
        return error_set(error, "out of memory");
    if (!file->header) /* without the reason's text: it quotes the file */
        return file_damaged(error, "the header is not valid JSON at byte %d%s", reason.position,
                            json_error_code(&reason) == json_error_duplicate_key ? ": a name is there twice" : "");
    return read_entries(file, error);
}

static int open_file(const char *path, struct safetensors *file, struct error *error)
{
    struct stat status;
    file->descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* no pipe is waited for */
    if (file->descriptor < 0 || fstat(file->descriptor, &status))
        return error_set(error, "%s", strerror(errno));
    if (!S_ISREG(status.st_mode))
        return file_damaged(error, "not a file");
    file->size = (uint64_t)status.st_size;
    return 0;
}

int safetensors_open(const char *path, struct safetensors **out, struct error *error)
{
    struct safetensors *file = calloc(1, sizeof *file);
    if (!file)
        return error_set(error, "out of memory");
    file->descriptor = -1;
    if (open_file(path, file, error) || read_header(file, error)) {
        error_prefix(error, "cannot read %s", path);
        safetensors_close(file);
        return -1;
    }
    *out = file;
    return 0;
}

void safetensors_close(struct safetensors *file)
{
    if (!file)
        return;
    json_decref(file->index);
    json_decref(file->header);
    free(file->tensors);
    free(file->head);
    if (file->descriptor >= 0)
        close(file->descriptor);
    free(file);
}

int safetensors_count(const struct safetensors *file)
{
    return file->count;
}

const struct tensor *safetensors_tensor(const struct safetensors *file, int index)
{
    return &file->tensors[index];
}

const struct tensor *safetensors_find(const struct safetensors *file, const char *name)
{
    const json_t *position = json_object_get(file->index, name);
    return position ? &file->tensors[json_integer_value(position)] : NULL;
}

const char *safetensors_metadata(const struct safetensors *file, const char *key)
{
    return json_string_value(json_object_get(json_object_get(file->header, "__metadata__"), key));
}

/* By hand: not every compiler that nfbench builds with has a 16-bit type. */
static float half_to_float(uint16_t half)
{
    int exponent = half >> 10 & 31, fraction = half & 1023;
    float size;
    if (exponent == 31)
        size = fraction ? NAN : INFINITY;
    else if (exponent == 0)
        size = ldexpf((float)fraction, -24);
    else
        size = ldexpf((float)(fraction + 1024), exponent - 25);
    return half & 0x8000 ? -size : size;
}

static float bfloat_to_float(uint16_t bits)
{
    uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, sizeof value);
    return value;
}

/* Values as a file has them, in pieces that fit a buffer. */
static int read_narrow(const struct tensor *tensor, unsigned size, float *out, struct error *error)
{
    uint8_t bytes[8192];
    const size_t most = sizeof bytes / size;
    for (uint64_t done = 0; done < tensor->count;) {
        const size_t count = tensor->count - done < most ? (size_t)(tensor->count - done) : most;
        if (read_at(tensor->file, tensor->place + done * size, bytes, count * size, error))
            return -1;
        for (size_t i = 0; i < count; i++) {
            uint16_t half;
            double wide;
            memcpy(&half, bytes + i * size, sizeof half);
            if (tensor->type == TENSOR_F64) {
                memcpy(&wide, bytes + i * size, sizeof wide);
                out[done + i] = (float)wide;
            } else
                out[done + i] = tensor->type == TENSOR_F16 ? half_to_float(half) : bfloat_to_float(half);
        }
        done += count;
    }
    return 0;
}

int tensor_read(const struct tensor *tensor, float *out, struct error *error)
{
    switch (tensor->type) {
    case TENSOR_F32:
        return read_at(tensor->file, tensor->place, out, tensor->byte_count, error);
    case TENSOR_F16:
    case TENSOR_BF16:
        return read_narrow(tensor, 2, out, error);
    case TENSOR_F64:
        return read_narrow(tensor, 8, out, error);
    case TENSOR_OTHER:
        break;
    }
    return file_damaged(error, "tensor %s: wanted F32, F16, BF16 or F64", tensor->name);
}

static int digest_data(const struct safetensors *file, SHA2_CTX *context, struct error *error)
{
    enum { PIECE = 1 << 16 };
    uint8_t bytes[PIECE];
    for (uint64_t at = 8 + file->header_size; at < file->size;) {
        const size_t size = file->size - at < PIECE ? (size_t)(file->size - at) : PIECE;
        if (read_at(file, at, bytes, size, error))
            return -1;
        SHA256Update(context, bytes, size);
        at += size;
    }
    return 0;
}

int safetensors_verify(const struct safetensors *file, struct error *error)
{
    static const uint8_t zeros[SAFETENSORS_DIGEST_LENGTH + 1] = SAFETENSORS_NO_DIGEST;
    const size_t at = 8 + SAFETENSORS_DIGEST_OFFSET, behind = at + SAFETENSORS_DIGEST_LENGTH;
    const uint8_t *head = (const uint8_t *)file->head;
    char digest[SAFETENSORS_DIGEST_LENGTH + 1];
    SHA2_CTX context;
    if (file->header_size < behind - 8 || memcmp(head + 8, SAFETENSORS_PREFIX, SAFETENSORS_DIGEST_OFFSET))
        return file_damaged(error, "it has no checksum of nfbench");
    SHA256Init(&context);
    SHA256Update(&context, head, at);
    SHA256Update(&context, zeros, SAFETENSORS_DIGEST_LENGTH);
    SHA256Update(&context, head + behind, 8 + (size_t)file->header_size - behind);
    if (digest_data(file, &context, error))
        return -1;
    SHA256End(&context, digest);
    if (memcmp(head + at, digest, SAFETENSORS_DIGEST_LENGTH))
        return file_damaged(error, "damaged: its SHA-256 does not fit");
    return 0;
}
