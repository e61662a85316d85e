/* See destination.h. */
#include "base/destination.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Puts in place of a link what it says; false, with the path as it was, where it is none or does not fit. */
static bool follow_link(char path[PATH_MAX])
{
    char target[PATH_MAX];
    const ssize_t length = readlink(path, target, sizeof target);
    const char *slash = strrchr(path, '/');
    const size_t folder = slash && length > 0 && *target != '/' ? (size_t)(slash - path) + 1 : 0;
    if (length < 0)
        return false;
    if (folder + (size_t)length >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(path + folder, target, (size_t)length);
    path[folder + (size_t)length] = '\0';
    return true;
}

static bool has_folder(const char *path)
{
    char folder[PATH_MAX];
    struct stat status;
    const char *slash = strrchr(path, '/');
    strcpy(folder, slash ? path : "./");
    if (slash)
        folder[slash - path + 1] = '\0';
    return stat(folder, &status) == 0;
}

/* /dev/stdout ends in one of these, "/dev/fd/3", too: a name of what a process has open, which a rename would cut off
 * from it. */
static bool names_descriptor(const char *link)
{
    return strncmp(link, "/proc/", 6) == 0 || strncmp(link, "/dev/fd/", 8) == 0;
}

enum destination destination_find(const char *path, char real[PATH_MAX])
{
    enum { MOST_LINKS = 40 }; /* as the kernel has it */
    struct stat status;
    int links = 0;
    if (stat(path, &status) == 0 && !S_ISREG(status.st_mode))
        return DESTINATION_SPECIAL;
    if (strlen(path) >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return DESTINATION_FAILED;
    }
    strcpy(real, path);
    for (bool held = names_descriptor(real); follow_link(real); held = names_descriptor(real)) {
        if (held)
            return DESTINATION_SPECIAL;
        if (++links > MOST_LINKS) {
            errno = ELOOP;
            return DESTINATION_FAILED;
        }
    }
    if (errno == ENAMETOOLONG || (links > 0 && !has_folder(real)))
        return DESTINATION_FAILED;
    return DESTINATION_FILE;
}

/* Of a file that is standard output or error, the place that is written next is kept in the descriptor alone. */
static bool is_file_of(int descriptor, const char *path)
{
    struct stat own, status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode) && fstat(descriptor, &own) == 0 &&
           own.st_dev == status.st_dev && own.st_ino == status.st_ino;
}

int destination_open(const char *path)
{
    for (int i = STDOUT_FILENO; i <= STDERR_FILENO; i++)
        if (is_file_of(i, path))
            return fcntl(i, F_DUPFD_CLOEXEC, 0);
    return open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY);
}
