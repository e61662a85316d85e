/* See destination.h. */
#include "base/destination.h"

#include <errno.h>
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
    while (follow_link(real))
        if (++links > MOST_LINKS) {
            errno = ELOOP;
            return DESTINATION_FAILED;
        }
    if (errno == ENAMETOOLONG || (links > 0 && !has_folder(real)))
        return DESTINATION_FAILED;
    return DESTINATION_FILE;
}
