/* See npy.h. The header is a Python literal, padded so that the values begin at a multiple of 64 bytes. */
#include "sessions/npy.h"

#include "sessions/file.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "floats are written as they lie in memory");

enum { HEADER_SIZE = 128, LENGTH_AT = 8, TEXT_AT = 10 };

static void make_header(long rows, int columns, char header[HEADER_SIZE])
{
    const uint16_t length = HEADER_SIZE - TEXT_AT;
    memset(header, ' ', HEADER_SIZE);
    memcpy(header, "\x93NUMPY\x01\x00", LENGTH_AT);
    memcpy(header + LENGTH_AT, &length, sizeof length);
    const int used = snprintf(header + TEXT_AT, HEADER_SIZE - TEXT_AT,
                              "{'descr': '<f4', 'fortran_order': False, 'shape': (%ld, %d), }", rows, columns);
    header[TEXT_AT + used] = ' ';
    header[HEADER_SIZE - 1] = '\n';
}

int npy_write(const char *path, const float *values, long rows, int columns, struct error *error)
{
    char header[HEADER_SIZE];
    make_header(rows, columns, header);
    const struct file_piece pieces[] = {{header, sizeof header},
                                        {values, (size_t)rows * (size_t)columns * sizeof *values}};
    return file_output(path, pieces, 2, error);
}
