/* Archives for tests: any tar, as no honest program would make it, and ways to pack one. */
#ifndef NFBENCH_TESTS_FETCH_PACKING_H
#define NFBENCH_TESTS_FETCH_PACKING_H

#include <stddef.h>

struct packed {
    const char *path;
    const char *bytes; /* NULL: zeros */
    size_t size;
    char
        type; /* of tar: '0' or 0 a file, '1' a hard link, '2' a symbolic one, '3' a device, '5' a folder, '6' a pipe */
    const char *link; /* where to */
    const char *told; /* its size in the header, as octal digits; NULL: the true one */
};

/* Freed by the caller. */
char *pack_tar(const struct packed *entries, int count, size_t *size);
/* What the filter of libarchive ("gzip", "bzip2", "xz") makes of some bytes. */
char *pack_filter(const char *filter, const char *bytes, size_t count, size_t *size);
/* pack_tar and "gzip". */
char *pack_tar_gz(const struct packed *entries, int count, size_t *size);
/* Regular files only. One that is told as "" has its size behind its bytes, as a zip that is written to a pipe. */
char *pack_zip(const struct packed *entries, int count, size_t *size);

#endif
