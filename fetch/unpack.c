/* See unpack.h. */
#include "fetch/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <sha2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* An archive of a few files has no more entries than that, and no more bytes beside them. */
enum { MOST_ENTRIES = 100, MOST_OTHER_BYTES = 16 << 20, BLOCK = 1 << 16, NAME_SHOWN = 100 };

struct unpacking {
    struct archive *archive;
    const struct fetch_set *set;
    const struct fetch_watch *watch;
    int folder;
    char (*sums)[FETCH_SHA256_SIZE];
    long long total, done; /* bytes of the set's files */
    long long other;       /* ... of what is passed over */
    int entries;
    bool own_fault;         /* of this machine, not of the archive */
    char shown[NAME_SHOWN]; /* the entry's path, fit for a terminal */
};

static int damaged(struct unpacking *state, struct error *error)
{
    const char *why = archive_error_string(state->archive);
    if (why && strcasestr(why, "truncated"))
        return error_set(error, "the archive is cut short or damaged (libarchive: %.200s)", why);
    return error_set(error, "the archive is damaged%s (libarchive: %.200s)",
                     state->entries > 0 ? "" : ", or of a kind that is not known: tar.gz, tar.xz, zip are",
                     why ? why : "no reason given");
}

static int cannot_write(struct unpacking *state, const char *name, struct error *error)
{
    state->own_fault = true;
    return file_failed(error, "write", name);
}

/* ---- What an entry is ---- */

static bool leads_out(const char *path)
{
    if (*path == '/')
        return true;
    for (const char *part = path; *part;) {
        const size_t length = strcspn(part, "/");
        if (length == 2 && strncmp(part, "..", 2) == 0)
            return true;
        part += length;
        part += strspn(part, "/");
    }
    return false;
}

static void show_path(struct unpacking *state, const char *path)
{
    snprintf(state->shown, sizeof state->shown, "%s", path);
    for (char *at = state->shown; *at; at++)
        if ((unsigned char)*at < ' ' || (unsigned char)*at >= 0x7f)
            *at = '?';
}

/* The set's file that the path names by its last part; -1: none of them. */
static int file_named(const struct fetch_set *set, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    for (int f = 0; f < set->file_count; f++)
        if (strcmp(set->files[f].name, name) == 0)
            return f;
    return -1;
}

/* Whether an entry may be in such an archive; *file: which of the set's it is, -1: none, -2: a folder. */
static int judge(struct unpacking *state, struct archive_entry *entry, int *file, struct error *error)
{
    const char *path = archive_entry_pathname(entry);
    const mode_t type = archive_entry_filetype(entry);
    if (!path || !*path)
        return error_set(error, "the archive has an entry without a name that can be read");
    show_path(state, path);
    if (++state->entries > MOST_ENTRIES)
        return error_set(error, "the archive has more than %d entries: it is not one of %s", MOST_ENTRIES,
                         state->set->name);
    if (leads_out(path))
        return error_set(error, "the archive has an entry that leads out of its folder: %s", state->shown);
    if (archive_entry_hardlink(entry) || archive_entry_symlink(entry) || type == AE_IFLNK)
        return error_set(error, "the archive has a link: %s", state->shown);
    *file = -2;
    if (type == AE_IFDIR)
        return 0;
    if (type != AE_IFREG)
        return error_set(error, "%s in the archive is no regular file", state->shown);
    *file = file_named(state->set, path);
    if (*file < 0 && state->set->other && file_named(state->set->other, path) >= 0)
        return error_set(error, "the archive is one of %s, not of %s", state->set->other->name, state->set->name);
    if (*file >= 0 && *state->sums[*file])
        return error_set(error, "the archive has %s twice", state->set->files[*file].name);
    return 0;
}

/* ---- Its bytes ---- */

static int wrong_size(const struct fetch_file *file, const char *found, struct error *error)
{
    return error_set(error, "%s in the archive has %s bytes, not %s%lld", file->name, found,
                     file->beside ? "at most " : "", file->size);
}

static bool size_fits(const struct fetch_file *file, long long size)
{
    return file->beside ? size <= file->size : size == file->size;
}

static int check_told_size(struct archive_entry *entry, const struct fetch_file *file, struct error *error)
{
    char found[32];
    if (!archive_entry_size_is_set(entry) || size_fits(file, archive_entry_size(entry)))
        return 0;
    snprintf(found, sizeof found, "%lld", (long long)archive_entry_size(entry));
    return wrong_size(file, found, error);
}

/* Up to a block of the entry. */
static ssize_t read_block(struct unpacking *state, void *block, struct error *error)
{
    const ssize_t count = archive_read_data(state->archive, block, BLOCK);
    return count < 0 ? damaged(state, error) : count;
}

static int copy_bytes(struct unpacking *state, const struct fetch_file *file, int descriptor,
                      char sum[FETCH_SHA256_SIZE], struct error *error)
{
    char block[BLOCK];
    SHA2_CTX digest;
    long long size = 0;
    ssize_t count;
    SHA256Init(&digest);
    while ((count = read_block(state, block, error)) > 0) {
        if (size + count > file->size)
            return wrong_size(file, "more", error);
        if (file_write_all(descriptor, block, (size_t)count, file->name, error)) {
            state->own_fault = true;
            return -1;
        }
        SHA256Update(&digest, (const uint8_t *)block, (size_t)count);
        size += count;
        state->done += count;
        if (state->watch->progress(state->watch->context, "unpacking", state->done, state->total))
            return 1;
    }
    if (count < 0)
        return -1;
    if (!size_fits(file, size))
        return wrong_size(file, "fewer", error);
    SHA256End(&digest, sum);
    return 0;
}

static int write_file(struct unpacking *state, struct archive_entry *entry, int f, struct error *error)
{
    const struct fetch_file *file = &state->set->files[f];
    char sum[FETCH_SHA256_SIZE];
    if (check_told_size(entry, file, error))
        return -1;
    int descriptor =
        openat(state->folder, file->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, (mode_t)0666);
    if (descriptor < 0)
        return cannot_write(state, file->name, error);
    int result = copy_bytes(state, file, descriptor, sum, error);
    if (result == 0 && fsync(descriptor))
        result = cannot_write(state, file->name, error);
    if (close(descriptor) && result == 0 && errno != EINTR)
        result = cannot_write(state, file->name, error);
    if (result == 0)
        memcpy(state->sums[f], sum, sizeof sum);
    return result;
}

/* Read through and counted: what an archive says of a size binds it to nothing. */
static int pass_over(struct unpacking *state, struct archive_entry *entry, struct error *error)
{
    char block[BLOCK];
    ssize_t count = 0;
    bool fits = !archive_entry_size_is_set(entry) || archive_entry_size(entry) <= MOST_OTHER_BYTES - state->other;
    while (fits && (count = read_block(state, block, error)) > 0) {
        state->other += count;
        fits = state->other <= MOST_OTHER_BYTES;
        if (state->watch->progress(state->watch->context, "unpacking", state->done, state->total))
            return 1;
    }
    if (!fits)
        return error_set(error, "the archive has much more than the files of %s: %s", state->set->name, state->shown);
    return count < 0 ? -1 : 0;
}

/* ---- All of them ---- */

static int take_entry(struct unpacking *state, struct archive_entry *entry, struct error *error)
{
    int file = -2;
    if (judge(state, entry, &file, error))
        return -1;
    if (file == -2)
        return 0;
    return file >= 0 ? write_file(state, entry, file, error) : pass_over(state, entry, error);
}

static int take_entries(struct unpacking *state, struct error *error)
{
    struct archive_entry *entry;
    int code, result;
    while ((code = archive_read_next_header(state->archive, &entry)) == ARCHIVE_OK || code == ARCHIVE_WARN)
        if ((result = take_entry(state, entry, error)) != 0)
            return result;
    return code == ARCHIVE_EOF ? 0 : damaged(state, error);
}

static int check_all_there(const struct unpacking *state, struct error *error)
{
    for (int f = 0; f < state->set->file_count; f++)
        if (!state->set->files[f].beside && !*state->sums[f])
            return error_set(error, "the archive has no %s: it is not one of %s", state->set->files[f].name,
                             state->set->name);
    return 0;
}

/* Only formats that are data, in filters that the library has itself: mtree, for one, would have other files of this
 * machine read, and others start programs. */
static int open_archive(struct archive *archive, int descriptor)
{
    return archive_read_support_filter_gzip(archive) == ARCHIVE_OK &&
                   archive_read_support_filter_bzip2(archive) == ARCHIVE_OK &&
                   archive_read_support_filter_xz(archive) == ARCHIVE_OK &&
                   archive_read_support_format_tar(archive) == ARCHIVE_OK &&
                   archive_read_support_format_zip(archive) == ARCHIVE_OK &&
                   archive_read_open_fd(archive, descriptor, BLOCK) == ARCHIVE_OK
               ? 0
               : -1;
}

enum unpack_end unpack(int archive, const struct fetch_set *set, int folder, const struct fetch_watch *watch,
                       unpack_sums sums, struct error *error)
{
    struct unpacking state = {.set = set, .watch = watch, .folder = folder, .sums = sums};
    memset(sums, 0, sizeof(unpack_sums));
    for (int f = 0; f < set->file_count; f++)
        state.total += set->files[f].beside ? 0 : set->files[f].size;
    state.archive = archive_read_new();
    if (!state.archive || lseek(archive, 0, SEEK_SET) < 0) {
        error_set(error, "cannot read the archive: %s", strerror(errno));
        archive_read_free(state.archive);
        return UNPACK_FAILED;
    }
    int result = open_archive(state.archive, archive) ? damaged(&state, error) : take_entries(&state, error);
    archive_read_free(state.archive);
    if (result > 0)
        return UNPACK_STOPPED;
    if (result == 0 && check_all_there(&state, error) == 0)
        return UNPACK_DONE;
    return state.own_fault ? UNPACK_FAILED : UNPACK_REFUSED;
}
