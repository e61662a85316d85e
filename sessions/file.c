/* Durable writes and whole reads; see file.h. The order (write, fsync, rename, fsync the folder) is what makes a file
 * survive a crash either old or new, never half. */
#include "sessions/file.h"

#include "base/destination.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int file_failed(struct error *error, const char *doing, const char *path)
{
    static const struct {
        int number;
        const char *advice;
    } table[] = {
        {ENOSPC, "; make room on its disk"},
        {EDQUOT, "; make room in your quota"},
        {EROFS, "; its disk cannot be written: --sessions-dir DIR names another place"},
        {EACCES, "; it is not yours to use: see its owner and rights"},
        {EMFILE, "; `ulimit -n` shows and raises how many files may be open"},
        {EIO, "; its disk or network may be failing"},
    };
    const int reason = errno;
    const char *advice = "";
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].number == reason)
            advice = table[i].advice;
    error_set(error, "cannot %s %s: %s%s", doing, path, strerror(reason), advice);
    errno = reason;
    return -1;
}

int file_damaged(struct error *error, const char *format, ...)
{
    struct error damage;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(damage.message, sizeof damage.message, format, arguments);
    va_end(arguments);
    error_set(error, "%s", damage.message);
    errno = EBADMSG;
    return -1;
}

int file_newer(struct error *error, long format, int known)
{
    error_set(error, "written by a newer nfbench (format %ld; this one knows %d)", format, known);
    errno = ENOTSUP;
    return -1;
}

int path_format(char path[FILE_PATH_SIZE], struct error *error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(path, FILE_PATH_SIZE, format, arguments);
    va_end(arguments);
    if (length < 0 || length >= FILE_PATH_SIZE)
        return error_set(error, "path too long: %.100s...", path);
    return 0;
}

int file_write_all(int descriptor, const void *data, size_t size, const char *path, struct error *error)
{
    const char *bytes = data;
    while (size > 0) {
        ssize_t written = write(descriptor, bytes, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return file_failed(error, "write", path);
        bytes += written;
        size -= (size_t)written;
    }
    return 0;
}

int file_begin(const char *path, struct error *error)
{
    char temporary[FILE_PATH_SIZE];
    struct stat left;
    if (path_format(temporary, error, "%s.tmp", path))
        return -1;
    if (lstat(temporary, &left) == 0 && left.st_nlink > 1) /* by a crash: another name of a file that is to stay */
        (void)unlink(temporary);
    int descriptor = open(temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (descriptor < 0)
        return file_failed(error, "write", temporary);
    return descriptor;
}

void file_abandon(int descriptor, const char *path)
{
    const int reason = errno;
    char temporary[FILE_PATH_SIZE];
    close(descriptor);
    if (!path_format(temporary, NULL, "%s.tmp", path))
        unlink(temporary);
    errno = reason;
}

static int sync_descriptor(int descriptor)
{
    int result;
    do
        result = fsync(descriptor);
    while (result < 0 && errno == EINTR);
    return result;
}

int file_sync_folder(const char *folder, struct error *error)
{
    int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0)
        return file_failed(error, "open", folder);
    int result = 0;
    /* some file systems cannot sync a folder and say EINVAL: nothing more can be done there */
    if (sync_descriptor(descriptor) && errno != EINVAL)
        result = file_failed(error, "sync", folder);
    const int reason = errno;
    close(descriptor);
    errno = reason;
    return result;
}

static int sync_parent(const char *path, struct error *error)
{
    char folder[FILE_PATH_SIZE];
    if (path_format(folder, error, "%s", path))
        return -1;
    char *slash = strrchr(folder, '/');
    if (!slash)
        return file_sync_folder(".", error);
    slash[slash == folder] = '\0';
    return file_sync_folder(folder, error);
}

static void remove_quietly(const char *path)
{
    const int reason = errno;
    unlink(path);
    errno = reason;
}

int file_finish(int descriptor, const char *path, struct error *error)
{
    char temporary[FILE_PATH_SIZE];
    if (path_format(temporary, error, "%s.tmp", path)) {
        close(descriptor);
        return -1;
    }
    if (sync_descriptor(descriptor)) {
        file_failed(error, "write", temporary);
        file_abandon(descriptor, path);
        return -1;
    }
    if (close(descriptor) && errno != EINTR) {
        file_failed(error, "write", temporary);
        remove_quietly(temporary);
        return -1;
    }
    return 0;
}

int file_publish(const char *path, struct error *error)
{
    char temporary[FILE_PATH_SIZE];
    if (path_format(temporary, error, "%s.tmp", path))
        return -1;
    if (rename(temporary, path)) {
        file_failed(error, "put in place", path);
        remove_quietly(temporary);
        return -1;
    }
    return sync_parent(path, error);
}

static int write_pieces(int descriptor, const struct file_piece *pieces, int count, const char *path,
                        struct error *error)
{
    int result = 0;
    for (int i = 0; i < count && result == 0; i++)
        result = file_write_all(descriptor, pieces[i].data, pieces[i].size, path, error);
    return result;
}

static int replace(const char *path, const struct file_piece *pieces, int count, struct error *error)
{
    const int descriptor = file_begin(path, error);
    if (descriptor < 0)
        return -1;
    if (write_pieces(descriptor, pieces, count, path, error)) {
        file_abandon(descriptor, path);
        return -1;
    }
    return file_finish(descriptor, path, error) ? -1 : file_publish(path, error);
}

int file_replace(const char *path, const void *data, size_t size, struct error *error)
{
    return replace(path, &(struct file_piece){data, size}, 1, error);
}

/* ---- Files that a person names ---- */

static int write_into(const char *path, const struct file_piece *pieces, int count, struct error *error)
{
    const int descriptor = destination_open(path);
    if (descriptor < 0)
        return file_failed(error, "write", path);
    const int result = write_pieces(descriptor, pieces, count, path, error);
    close(descriptor);
    return result;
}

int file_output(const char *path, const struct file_piece *pieces, int count, struct error *error)
{
    char real[PATH_MAX];
    switch (destination_find(path, real)) {
    case DESTINATION_SPECIAL:
        return write_into(path, pieces, count, error);
    case DESTINATION_FILE:
        return replace(real, pieces, count, error);
    case DESTINATION_FAILED:
        break;
    }
    return file_failed(error, "write", path);
}

static int check_special(const char *path, struct error *error)
{
    struct stat status;
    if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
        errno = EISDIR;
    else if (access(path, W_OK) == 0)
        return 0; /* not opened: a pipe waits for its reader */
    return file_failed(error, "write", path);
}

int file_check_writable(const char *path, struct error *error)
{
    char real[PATH_MAX];
    const enum destination destination = destination_find(path, real);
    if (destination == DESTINATION_SPECIAL)
        return check_special(path, error);
    if (destination == DESTINATION_FAILED)
        return file_failed(error, "write", path);
    const int descriptor = file_begin(real, error);
    if (descriptor < 0)
        return -1;
    file_abandon(descriptor, real);
    return 0;
}

/* ---- Reading ---- */

static int read_all(int descriptor, char *data, size_t *size, const char *path, struct error *error)
{
    size_t have = 0;
    while (have < *size) {
        ssize_t got = read(descriptor, data + have, *size - have);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return file_failed(error, "read", path);
        if (got == 0)
            break;
        have += (size_t)got;
    }
    data[have] = '\0';
    *size = have;
    return 0;
}

int file_read_from(const char *path, off_t from, char **data, size_t *size, struct error *error)
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe of that name would wait */
    if (descriptor < 0)
        return file_failed(error, "read", path);
    int result = -1;
    char *buffer = NULL;
    struct stat status;
    if (fstat(descriptor, &status)) {
        file_failed(error, "read", path);
        goto out;
    }
    if (!S_ISREG(status.st_mode)) {
        error_set(error, "cannot read %s: not a file", path);
        goto out;
    }
    *size = status.st_size > from ? (size_t)(status.st_size - from) : 0;
    if (from > 0 && lseek(descriptor, from, SEEK_SET) < 0) {
        file_failed(error, "read", path);
        goto out;
    }
    buffer = malloc(*size + 1);
    if (!buffer) {
        error_set(error, "cannot read %s: out of memory", path);
        goto out;
    }
    if (read_all(descriptor, buffer, size, path, error))
        goto out;
    *data = buffer;
    buffer = NULL;
    result = 0;
out:
    free(buffer);
    close(descriptor);
    if (result)
        errno = EIO;
    return result;
}

int file_read(const char *path, char **data, size_t *size, struct error *error)
{
    return file_read_from(path, 0, data, size, error);
}

static int make_folder(const char *folder, struct error *error)
{
    struct stat status;
    if (mkdir(folder, 0777) == 0)
        return 0;
    int reason = errno;
    if (reason == EEXIST && stat(folder, &status) == 0 && S_ISDIR(status.st_mode))
        return 0;
    errno = reason == EEXIST ? ENOTDIR : reason;
    return file_failed(error, "make folder", folder);
}

int file_make_folders(const char *folder, struct error *error)
{
    char path[FILE_PATH_SIZE];
    if (path_format(path, error, "%s", folder))
        return -1;
    for (char *slash = path + 1; *path && (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        struct stat status;
        if (stat(path, &status) && make_folder(path, error))
            return -1;
        *slash = '/';
    }
    return make_folder(path, error);
}

int file_copy(const char *from, const char *to, struct error *error)
{
    char *data = NULL;
    size_t size = 0;
    if (file_read(from, &data, &size, error))
        return -1;
    const int result = file_replace(to, data, size, error);
    free(data);
    return result;
}

bool file_folder_is_empty(const char *folder)
{
    DIR *directory = opendir(folder);
    const struct dirent *entry;
    bool empty = directory != NULL;
    while (empty && (entry = readdir(directory)))
        empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    if (directory)
        closedir(directory);
    return empty;
}
