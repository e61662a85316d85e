/* Files that are whole or absent: short writes and interruptions handled, temporary file, fsync, rename. */
#ifndef NFBENCH_SESSIONS_FILE_H
#define NFBENCH_SESSIONS_FILE_H

#include "base/error.h"

#include <stddef.h>
#include <sys/types.h>

enum { FILE_PATH_SIZE = 4096 };

/* "cannot DOING PATH: REASON" of errno, with what a person can do about it; -1. errno stays: on failure, functions here
 * and all that write by them leave in it why, so that ENOSPC can be told from the rest. */
int file_failed(struct error *error, const char *doing, const char *path);
/* What a file holds is at fault, not the machine: the message, printf style, and EBADMSG in errno; -1. */
int file_damaged(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The file is of a format that a later nfbench has brought: the message, and ENOTSUP in errno; -1. */
int file_newer(struct error *error, long format, int known);

/* printf into a path; an error when it does not fit. */
int path_format(char path[FILE_PATH_SIZE], struct error *error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Writes all bytes. `path` is for the message. */
int file_write_all(int descriptor, const void *data, size_t size, const char *path, struct error *error);

/* Opens PATH.tmp for writing, empty; fill it, then hand the descriptor to file_finish. -1 on error. */
int file_begin(const char *path, struct error *error);
/* The two halves of the end, so that what was written can be looked at between them. On error PATH.tmp is removed. */
int file_finish(int descriptor, const char *path, struct error *error); /* fsync, close */
int file_publish(const char *path, struct error *error);                /* rename PATH.tmp to PATH, fsync the folder */
/* Closes the descriptor and removes PATH.tmp. */
void file_abandon(int descriptor, const char *path);
/* begin, write, finish, publish. */
int file_replace(const char *path, const void *data, size_t size, struct error *error);

/* For files that a person names, of `count` pieces one behind the other: as file_replace, but where a link stands, the
 * file that it leads to is the one replaced, and into what is no file (a pipe, a device) the bytes are written. */
struct file_piece {
    const void *data;
    size_t size;
};
int file_output(const char *path, const struct file_piece *pieces, int count, struct error *error);
/* -1 when file_output cannot write there, to be asked before minutes of work. Leaves all as it is. */
int file_check_writable(const char *path, struct error *error);

/* Another file of the same bytes, in place of what is there. */
int file_copy(const char *from, const char *to, struct error *error);

/* The whole file, with a zero byte behind it; freed by the caller. -1 with errno kept when it cannot be opened. */
int file_read(const char *path, char **data, size_t *size, struct error *error);
/* The same from a byte on; nothing where the file is shorter. */
int file_read_from(const char *path, off_t from, char **data, size_t *size, struct error *error);

int file_sync_folder(const char *folder, struct error *error);
/* False, too, of one that cannot be read. */
bool file_folder_is_empty(const char *folder);
/* Makes the folder and those above it; no error when it exists. */
int file_make_folders(const char *folder, struct error *error);

#endif
