/* Images in files that no data set knows of, as a network reads them: PNG and JPEG files, of which the square in the
 * middle is resized to 32 x 32, and files of CIFAR records. What a file is, its first bytes say, not its name. */
#ifndef NFBENCH_TUI_IMAGE_FILES_H
#define NFBENCH_TUI_IMAGE_FILES_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct data_layout;

/* Paths of files; "-" is standard input. */
struct file_list {
    char **paths;
    size_t count, room;
    int other_files, other_folders; /* of the folders, passed over; hidden ones do not count */
};

/* Adds a file, or all .png, .jpg, .jpeg and .bin files of a folder, sorted by their names; those of folders below it
 * are left out. -1 when it is not there, cannot be read or holds none. */
int file_list_add(struct file_list *list, const char *path, struct error *error);
void file_list_free(struct file_list *list);

struct file_images {
    uint8_t *images;              /* (count, 3, 32, 32) */
    uint8_t *labels;              /* (count); NULL: a picture */
    const struct data_layout *of; /* whose labels they are */
    int count;
};

/* Reads a file. `classes`: of the network, which decides where the size is a multiple of both kinds of records. -1 with
 * a reason, which does not name the file, when it is none of these, is damaged or is too large: a gigabyte, or
 * BITMAP_MOST_PIXELS. Any number of threads may read different files. */
int file_images_read(const char *path, int classes, struct file_images *out, struct error *error);
void file_images_free(struct file_images *images);

#endif
