/* Durable writes and whole reads; see file.h. The order (write, fsync, rename, fsync the folder) is what makes a file
 * survive a crash either old or new, never half. */
#include "sessions/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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
            return error_set(error, "cannot write %s: %s", path, strerror(errno));
        bytes += written;
        size -= (size_t)written;
    }
    return 0;
}

int file_begin(const char *path, struct error *error)
{
    char temporary[FILE_PATH_SIZE];
    if (path_format(temporary, error, "%s.tmp", path))
        return -1;
    int descriptor = open(temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (descriptor < 0)
        return error_set(error, "cannot write %s: %s", temporary, strerror(errno));
    return descriptor;
}

void file_abandon(int descriptor, const char *path)
{
    char temporary[FILE_PATH_SIZE];
    close(descriptor);
    if (!path_format(temporary, NULL, "%s.tmp", path))
        unlink(temporary);
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
        return error_set(error, "cannot open %s: %s", folder, strerror(errno));
    int result = 0;
    /* some file systems cannot sync a folder and say EINVAL: nothing more can be done there */
    if (sync_descriptor(descriptor) && errno != EINVAL)
        result = error_set(error, "cannot sync %s: %s", folder, strerror(errno));
    close(descriptor);
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

int file_finish(int descriptor, const char *path, struct error *error)
{
    char temporary[FILE_PATH_SIZE];
    if (path_format(temporary, error, "%s.tmp", path)) {
        close(descriptor);
        return -1;
    }
    if (sync_descriptor(descriptor)) {
        error_set(error, "cannot write %s: %s", temporary, strerror(errno));
        file_abandon(descriptor, path);
        return -1;
    }
    if (close(descriptor) && errno != EINTR) {
        error_set(error, "cannot write %s: %s", temporary, strerror(errno));
        unlink(temporary);
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
        error_set(error, "cannot rename %s to %s: %s", temporary, path, strerror(errno));
        unlink(temporary);
        return -1;
    }
    return sync_parent(path, error);
}

int file_replace(const char *path, const void *data, size_t size, struct error *error)
{
    int descriptor = file_begin(path, error);
    if (descriptor < 0)
        return -1;
    if (file_write_all(descriptor, data, size, path, error)) {
        file_abandon(descriptor, path);
        return -1;
    }
    return file_finish(descriptor, path, error) ? -1 : file_publish(path, error);
}

static int read_all(int descriptor, char *data, size_t *size, const char *path, struct error *error)
{
    size_t have = 0;
    while (have < *size) {
        ssize_t got = read(descriptor, data + have, *size - have);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set(error, "cannot read %s: %s", path, strerror(errno));
        if (got == 0)
            break;
        have += (size_t)got;
    }
    data[have] = '\0';
    *size = have;
    return 0;
}

int file_read(const char *path, char **data, size_t *size, struct error *error)
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) {
        int reason = errno;
        error_set(error, "cannot read %s: %s", path, strerror(reason));
        errno = reason;
        return -1;
    }
    int result = -1;
    char *buffer = NULL;
    struct stat status;
    if (fstat(descriptor, &status)) {
        error_set(error, "cannot read %s: %s", path, strerror(errno));
        goto out;
    }
    if (!S_ISREG(status.st_mode)) {
        error_set(error, "cannot read %s: not a file", path);
        goto out;
    }
    *size = (size_t)status.st_size;
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

static int make_folder(const char *folder, struct error *error)
{
    struct stat status;
    if (mkdir(folder, 0777) == 0)
        return 0;
    int reason = errno;
    if (reason == EEXIST && stat(folder, &status) == 0 && S_ISDIR(status.st_mode))
        return 0;
    return error_set(error, "cannot make folder %s: %s", folder, strerror(reason == EEXIST ? ENOTDIR : reason));
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
