/* A table of floats as NumPy's file (.npy, format 1.0), for numpy.load. */
#ifndef NFBENCH_SESSIONS_NPY_H
#define NFBENCH_SESSIONS_NPY_H

#include "base/error.h"

/* Writes values (rows, columns) as little-endian float32 in C order; temporary file, fsync, rename. */
int npy_write(const char *path, const float *values, long rows, int columns, struct error *error);

#endif
