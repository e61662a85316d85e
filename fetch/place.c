/* See place.h. Folders are opened once and their files named below that descriptor, so that a link in their place leads
 * nowhere. What is in place has a SHA256SUMS file, as of sha256sum: the unpacked files' sums stand nowhere else. */
#include "fetch/place.h"

#include "fetch/sum.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUMS_FILE "SHA256SUMS"

enum { SUM_DIGITS = FETCH_SHA256_SIZE - 1, SUM_SHOWN = 12 };

/* ---- Finding ---- */

static bool holds_any(const char *folder, const struct fetch_set *set)
{
    char path[FILE_PATH_SIZE];
    struct stat status;
    for (int f = 0; f < set->file_count; f++)
        if (!set->files[f].beside && path_format(path, NULL, "%s/%s", folder, set->files[f].name) == 0 &&
            stat(path, &status) == 0)
            return true;
    return false;
}

static int find_folder(struct place *place, const char *directory, struct error *error)
{
    char root[PATH_MAX], real[PATH_MAX], *slash;
    if (!realpath(directory, root))
        return file_failed(error, "open the folder", directory);
    if (holds_any(root, place->set)
            ? path_format(place->folder, error, "%s", root)
            : path_format(place->folder, error, "%s/%s", strcmp(root, "/") ? root : "", place->set->folder))
        return -1;
    if (realpath(place->folder, real) && path_format(place->folder, error, "%s", real)) /* it may be a link */
        return -1;
    strcpy(place->above, place->folder);
    slash = strrchr(place->above, '/');
    slash[slash == place->above] = '\0';
    return 0;
}

int place_find(struct place *place, const struct fetch_set *set, const char *directory, const char *sha256,
               struct error *error)
{
    const char *slash = strrchr(set->archive, '/');
    const char *archive = slash ? slash + 1 : set->archive;
    const int digits = sha256 ? SUM_SHOWN : 0;
    place->set = set;
    if (find_folder(place, directory, error) ||
        path_format(place->part, error, "%s/%s%s%.*s.part", place->above, archive, digits ? "." : "", digits,
                    sha256 ? sha256 : "") ||
        path_format(place->made, error, "%s/.%s%s%.*s.new", place->above, archive, digits ? "." : "", digits,
                    sha256 ? sha256 : ""))
        return -1;
    return 0;
}

/* ---- Sums ---- */

static int sum_file(const char *path, const struct fetch_watch *watch, long long *done, long long total,
                    char sum[FETCH_SHA256_SIZE], struct error *error)
{
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0)
        return file_failed(error, "read", path);
    const int result = fetch_sum(descriptor, path, watch, done, total, sum, error);
    close(descriptor);
    return result;
}

/* The sum that the text has of the file: a line "SUM  NAME". NULL: none. */
static const char *sum_of(const char *sums, const char *name)
{
    const size_t length = strlen(name);
    for (const char *line = sums; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        if (strspn(line, "0123456789abcdef") == SUM_DIGITS && strncmp(line + SUM_DIGITS, "  ", 2) == 0 &&
            strncmp(line + SUM_DIGITS + 2, name, length) == 0 && line[SUM_DIGITS + 2 + length] == '\n')
            return line;
    return NULL;
}

static int write_sums(const struct place *place, const unpack_sums sums, struct error *error)
{
    char path[FILE_PATH_SIZE], text[FETCH_FILES * 256];
    size_t used = 0;
    for (int f = 0; f < place->set->file_count; f++)
        if (*sums[f])
            used += (size_t)snprintf(text + used, sizeof text - used, "%s  %s\n", sums[f], place->set->files[f].name);
    return path_format(path, error, "%s/%s", place->made, SUMS_FILE) || file_replace(path, text, used, error) ? -1 : 0;
}

/* ---- What is there ---- */

static enum place_state compare(const struct place *place, const char *sums, const struct fetch_watch *watch,
                                struct error *error)
{
    char path[FILE_PATH_SIZE], sum[FETCH_SHA256_SIZE];
    long long done = 0, total = 0;
    for (int f = 0; f < place->set->file_count; f++)
        total += place->set->files[f].beside ? 0 : place->set->files[f].size;
    for (int f = 0; f < place->set->file_count; f++) {
        const char *name = place->set->files[f].name, *expected = sum_of(sums, name);
        if (!expected && place->set->files[f].beside)
            continue;
        if (!expected)
            return PLACE_UNKNOWN;
        if (path_format(path, error, "%s/%s", place->folder, name))
            return PLACE_DAMAGED;
        const int result = sum_file(path, watch, &done, total, sum, error);
        if (result > 0)
            return PLACE_STOPPED;
        if (result == 0 && strncmp(sum, expected, SUM_DIGITS) == 0)
            continue;
        if (result == 0)
            error_set(error, "%s has other bytes than when it was fetched", path);
        return PLACE_CHANGED;
    }
    return PLACE_VERIFIED;
}

enum place_state place_look(const struct place *place, const struct fetch_watch *watch, struct error *error)
{
    char path[FILE_PATH_SIZE], *sums = NULL;
    struct stat status;
    size_t size;
    if (stat(place->folder, &status))
        return PLACE_FREE;
    if (!holds_any(place->folder, place->set))
        return file_folder_is_empty(place->folder) ? PLACE_FREE : PLACE_TAKEN;
    if (place->set->check(place->folder, error))
        return PLACE_DAMAGED;
    if (path_format(path, error, "%s/%s", place->folder, SUMS_FILE) || file_read(path, &sums, &size, error))
        return PLACE_UNKNOWN;
    const enum place_state state = compare(place, sums, watch, error);
    free(sums);
    return state;
}

/* ---- The folder that is made ---- */

/* Removes the set's files and their sums from a folder, and the folder when it is empty then. errno says why not. */
static int remove_set(const char *folder, const struct fetch_set *set)
{
    const int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (descriptor < 0)
        return errno == ENOENT ? 0 : -1;
    for (int f = 0; f < set->file_count; f++)
        (void)unlinkat(descriptor, set->files[f].name, 0); /* what stays, rmdir complains of */
    (void)unlinkat(descriptor, SUMS_FILE, 0);
    (void)unlinkat(descriptor, SUMS_FILE ".tmp", 0);
    close(descriptor);
    return rmdir(folder);
}

static int aside_path(const struct place *place, char path[FILE_PATH_SIZE], struct error *error)
{
    return path_format(path, error, "%s.aside", place->made);
}

int place_recover(const struct place *place, struct error *error)
{
    char aside[FILE_PATH_SIZE], old[FILE_PATH_SIZE];
    if (aside_path(place, aside, error))
        return -1;
    if (rename(aside, place->folder) == 0) /* unless the new one is there */
        return file_sync_folder(place->above, error);
    if (errno == ENOENT)
        return 0;
    if ((errno != ENOTEMPTY && errno != EEXIST) || remove_set(aside, place->set) == 0)
        return access(aside, F_OK) ? 0 : file_failed(error, "put back", aside);
    if (path_format(old, error, "%s.old", place->folder))
        return -1;
    return rename(aside, old) ? file_failed(error, "move away what was there before,", aside) : 0;
}

int place_clear(const struct place *place, struct error *error)
{
    if (remove_set(place->made, place->set))
        return file_failed(error, "remove", place->made);
    return place_recover(place, error);
}

int place_make(const struct place *place, struct error *error)
{
    if (place_clear(place, error))
        return -1;
    if (mkdir(place->made, 0777))
        return file_failed(error, "make folder", place->made);
    const int descriptor = open(place->made, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return descriptor < 0 ? file_failed(error, "open", place->made) : descriptor;
}

/* ---- Putting it in place ---- */

/* What is in place goes; what it had besides the set stays. */
static int remove_old(const struct place *place, char note[FETCH_NOTE_SIZE], struct error *error)
{
    char old[FILE_PATH_SIZE];
    if (remove_set(place->made, place->set) == 0)
        return 0;
    if (errno != ENOTEMPTY && errno != EEXIST)
        return file_failed(error, "remove", place->made);
    if (path_format(old, error, "%s.old", place->folder) || rename(place->made, old))
        return error_set(error, "%s is in place; the other files of the one before are in %s", place->folder,
                         place->made);
    snprintf(note, FETCH_NOTE_SIZE, "the other files of the folder before are in %.400s", old);
    return 0;
}

/* Both at once where the file system can; else there is a moment without. */
static int exchange(const struct place *place, struct error *error)
{
    char aside[FILE_PATH_SIZE];
    if (renameat2(AT_FDCWD, place->made, AT_FDCWD, place->folder, RENAME_EXCHANGE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return file_failed(error, "replace", place->folder);
    if (aside_path(place, aside, error))
        return -1;
    if (rename(place->folder, aside))
        return file_failed(error, "move aside", place->folder);
    if (rename(place->made, place->folder)) {
        file_failed(error, "put in place", place->folder);
        (void)rename(aside, place->folder);
        return -1;
    }
    return rename(aside, place->made) ? file_failed(error, "remove", aside) : 0;
}

static int put_in_place(const struct place *place, bool force, char note[FETCH_NOTE_SIZE], struct error *error)
{
    if (rename(place->made, place->folder) == 0)
        return file_sync_folder(place->above, error);
    if ((errno != ENOTEMPTY && errno != EEXIST) || !force)
        return file_failed(error, "put in place", place->folder);
    return exchange(place, error) || file_sync_folder(place->above, error) ? -1 : remove_old(place, note, error);
}

int place_publish(const struct place *place, const unpack_sums sums, bool force, char note[FETCH_NOTE_SIZE],
                  struct error *error)
{
    *note = '\0';
    return write_sums(place, sums, error) || put_in_place(place, force, note, error) ? -1 : 0;
}
