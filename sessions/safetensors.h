/* The safetensors format: u64 little-endian length of a JSON header, the header, the tensors' bytes. The reader trusts
 * nothing: header at most 100,000,000 bytes, beginning with `{`, without duplicate keys; tensors must lie one behind
 * the other from 0 to the end of the file, each as long as its type and shape say.
 *
 * Files written here begin their metadata with the SHA-256 of the whole file (taken with zeros in the digest's own
 * place), so header and data are both covered; see safetensors_verify. */
#ifndef NFBENCH_SESSIONS_SAFETENSORS_H
#define NFBENCH_SESSIONS_SAFETENSORS_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

enum { SAFETENSORS_MAX_DIMS = 8, SAFETENSORS_MAX_HEADER = 100000000 };

enum tensor_type {
    TENSOR_F32,
    TENSOR_F16,
    TENSOR_BF16,
    TENSOR_F64,
    TENSOR_OTHER /* may be in a file, cannot be read */
};

struct tensor {
    const char *name;
    enum tensor_type type;
    int64_t dims[SAFETENSORS_MAX_DIMS];
    int dim_count;
    uint64_t count; /* of values */
    uint64_t place; /* of its bytes in the file */
    uint64_t byte_count;
    const struct safetensors *file;
};

struct safetensors;

/* Reads and validates a file's header. The tensors live until it is closed. On failure errno is EBADMSG when what the
 * file holds is at fault, rather than the machine. So it is in all that reads here, and in checkpoint.h. */
int safetensors_open(const char *path, struct safetensors **out, struct error *error);
void safetensors_close(struct safetensors *file);

int safetensors_count(const struct safetensors *file);
/* In the order of their bytes. */
const struct tensor *safetensors_tensor(const struct safetensors *file, int index);
const struct tensor *safetensors_find(const struct safetensors *file, const char *name);
/* NULL when there is no such key. */
const char *safetensors_metadata(const struct safetensors *file, const char *key);
/* The tensor's values (count floats) as fp32. */
int tensor_read(const struct tensor *tensor, float *out, struct error *error);
/* -1 when the file's digest does not fit its content, or it has none (it was not written here). */
int safetensors_verify(const struct safetensors *file, struct error *error);

/* ---- Writing: fp32 tensors, streamed ---- */

struct tensor_shape {
    char name[80];
    int dims[4], dim_count;
};
struct metadata {
    const char *key, *value;
};

struct safetensors_writer;

/* Begins PATH.tmp with the header; then each tensor's values come in the order of `shapes`. */
int safetensors_create(const char *path, const struct tensor_shape *shapes, int count, const struct metadata *metadata,
                       int metadata_count, struct safetensors_writer **out, struct error *error);
int safetensors_write(struct safetensors_writer *writer, const float *values, size_t count, struct error *error);
/* Writes the digest, fsync, reads PATH.tmp again and verifies it, renames it to PATH, fsync of the folder: what PATH
 * was stays until the new file is known to be good. Frees the writer, also on error. */
int safetensors_commit(struct safetensors_writer *writer, struct error *error);
/* Removes PATH.tmp and frees the writer. NULL is allowed. */
void safetensors_abandon(struct safetensors_writer *writer);

#endif
