/* CRC-32C (Castagnoli; RFC 3720, appendix B.4), as the metrics log and TensorBoard's event files use it. */
#ifndef NFBENCH_SESSIONS_CRC32C_H
#define NFBENCH_SESSIONS_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Of `size` bytes; 0xe3069283 for "123456789". */
uint32_t crc32c(const void *data, size_t size);

#endif
