/* The known layouts of CIFAR's binary version: which files, how large, and where the official archive is. */
#ifndef NFBENCH_ENGINE_DATA_LAYOUT_H
#define NFBENCH_ENGINE_DATA_LAYOUT_H

#include "engine/data.h" /* enum split */

#include <stddef.h>

enum { LAYOUT_FILES = 6, LAYOUT_LABELS = 2 };

struct layout_file {
    const char *name;
    enum split split;
    int records;
};

/* A record is label_bytes labels, then IMAGE_BYTES of pixels; the last label is the class that is learnt. */
struct data_layout {
    const char *word;    /* as `nfbench fetch` calls it: "cifar10" */
    const char *name;    /* "CIFAR-10" */
    const char *folder;  /* as the official archive calls it */
    const char *archive; /* where the official files are: a tar.gz of this size and SHA-256 */
    long long archive_size;
    const char *archive_sha256;
    const char *names_file; /* class names, a line each */
    const char *const *names;
    int label_bytes;
    int label_count[LAYOUT_LABELS]; /* labels are below it */
    int file_count;
    struct layout_file files[LAYOUT_FILES];
};

/* CIFAR-10, CIFAR-100; NULL behind the last. */
const struct data_layout *data_layout(int index);
size_t data_layout_record_size(const struct data_layout *layout);
size_t data_layout_file_size(const struct data_layout *layout, const struct layout_file *file);

#endif
