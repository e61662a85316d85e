/* Where the digest stands in a file written here, for the reader and the writer. */
#ifndef NFBENCH_SESSIONS_SAFETENSORS_FORMAT_H
#define NFBENCH_SESSIONS_SAFETENSORS_FORMAT_H

/* The header begins with these bytes, the 64 hexadecimal digits come next. */
#define SAFETENSORS_PREFIX "{\"__metadata__\":{\"sha256\":\""
#define SAFETENSORS_NO_DIGEST "0000000000000000000000000000000000000000000000000000000000000000"

enum { SAFETENSORS_DIGEST_OFFSET = sizeof SAFETENSORS_PREFIX - 1, SAFETENSORS_DIGEST_LENGTH = 64 };

#endif
