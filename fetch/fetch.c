/* The course of a fetch: look, lock, make sure of the room, download, check, unpack, put in place. See fetch.h. */
#include "fetch/fetch.h"

#include "fetch/download.h"
#include "fetch/place.h"
#include "fetch/sum.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

/* A server whose connections break is asked so often for the rest. */
enum { MOST_TRIES = 20, MOST_BYTES_BESIDE = 16 << 20, LOCK_TRIES = 20 };

struct fetch {
    const struct fetch_request *request;
    struct fetch_result *result;
    struct place place;
    int part;       /* descriptor of the .part file; -1: none */
    long long have; /* its bytes */
    long long size; /* of the archive; 0: not known */
    long long most;
    const char *sum; /* the archive's */
};

/* How a piece of the work ended. */
enum step {
    STEP_DONE,
    STEP_THERE, /* it was there */
    STEP_NEXT,  /* of no use; another URL may be */
    STEP_OTHER, /* other bytes than are wanted came */
    STEP_END,   /* it failed */
    STEP_STOP,  /* the watch gave up */
};

static void note(const struct fetch *fetch, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void note(const struct fetch *fetch, const char *format, ...)
{
    char text[FETCH_NOTE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fetch->request->watch.note(fetch->request->watch.context, text);
}

/* ---- The .part file ---- */

/* With what a person can do about it. */
static int cannot_write(const char *path, struct error *error)
{
    if (errno == EACCES || errno == EROFS)
        return error_set(error, "cannot write %s: %s; --dir DIR names another place", path, strerror(errno));
    return file_failed(error, "write", path);
}

/* -1: somebody else has it. A process that was killed may still have it for a moment, by a curl that was just being
 * started. */
static int lock(int part)
{
    const struct timespec pause = {.tv_nsec = 50000000};
    for (int i = 0; flock(part, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK; i++) {
        if (i == LOCK_TRIES)
            return -1;
        nanosleep(&pause, NULL);
    }
    return 0;
}

/* Opens and locks it. One that somebody has finished with meanwhile is no longer the file of that name. */
static int open_part(struct fetch *fetch, struct error *error)
{
    const char *path = fetch->place.part;
    struct stat mine, named;
    for (;;) {
        const int part = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0666);
        if (part < 0)
            return cannot_write(path, error);
        if (fstat(part, &mine) || !S_ISREG(mine.st_mode)) {
            close(part);
            return error_set(error, "%s is not a file: move it away", path);
        }
        if (lock(part)) {
            close(part);
            return error_set(error, "another nfbench is fetching it there already: it has %s", path);
        }
        if (fstat(part, &mine) == 0 && stat(path, &named) == 0 && mine.st_ino == named.st_ino &&
            mine.st_dev == named.st_dev) {
            fetch->part = part;
            fetch->have = mine.st_size;
            return 0;
        }
        close(part);
    }
}

static int throw_away(struct fetch *fetch, struct error *error)
{
    fetch->have = 0;
    return ftruncate(fetch->part, 0) ? file_failed(error, "empty", fetch->place.part) : 0;
}

/* Nothing in it, or no more use for it: it goes. */
static void close_part(struct fetch *fetch, bool done)
{
    if (fetch->part < 0)
        return;
    if (done || fetch->have == 0)
        unlink(fetch->place.part);
    else
        snprintf(fetch->result->part, sizeof fetch->result->part, "%s", fetch->place.part);
    close(fetch->part);
    fetch->part = -1;
}

/* ---- Checking ---- */

/* DONE, or OTHER with the sum that it has. */
static enum step check_part(struct fetch *fetch, char sum[FETCH_SHA256_SIZE], struct error *error)
{
    long long done = 0;
    const int result =
        fetch_sum(fetch->part, fetch->place.part, &fetch->request->watch, &done, fetch->have, sum, error);
    if (result != 0)
        return result < 0 ? STEP_END : STEP_STOP;
    return strcmp(sum, fetch->sum) == 0 ? STEP_DONE : STEP_OTHER;
}

/* ---- Downloading ---- */

/* Ended well, but short: the server has no more. */
static enum step too_short(struct fetch *fetch, const char *url, struct error *error)
{
    error_set(error,
              "%s ends after %.1f of %.1f MB, %lld bytes short: another file, or cut short on the server; it is thrown "
              "away",
              url, (double)fetch->have / 1e6, (double)fetch->size / 1e6, fetch->size - fetch->have);
    return throw_away(fetch, NULL) ? STEP_END : STEP_OTHER;
}

/* What comes after one try; NEXT: give this URL up. *again: try it once more. */
static enum step after_try(struct fetch *fetch, enum download_end end, bool came, const char *url, bool *again,
                           struct error *error)
{
    *again = false;
    switch (end) {
    case DOWNLOAD_DONE:
        if (!fetch->size || fetch->have == fetch->size)
            return STEP_DONE;
        *again = came;
        return came ? STEP_NEXT : too_short(fetch, url, error);
    case DOWNLOAD_BROKEN:
        *again = came;
        return STEP_NEXT;
    case DOWNLOAD_NO_RANGES:
        note(fetch, "%s does not send the rest of a file: it is fetched from the beginning", url);
        *again = true;
        return throw_away(fetch, error) ? STEP_END : STEP_NEXT;
    case DOWNLOAD_TOO_LONG:
        return throw_away(fetch, NULL) ? STEP_END : STEP_OTHER;
    case DOWNLOAD_FAILED:
        return STEP_NEXT;
    case DOWNLOAD_HERE:
        return STEP_END;
    case DOWNLOAD_STOPPED:
        return STEP_STOP;
    }
    return STEP_END;
}

/* As many tries as bring something. */
static enum step fill_part(struct fetch *fetch, const char *url, struct error *error)
{
    struct download work = {.url = url,
                            .file = fetch->part,
                            .path = fetch->place.part,
                            .total = fetch->size,
                            .most = fetch->most,
                            .watch = &fetch->request->watch};
    enum step step = STEP_NEXT;
    bool again = true;
    for (int i = 0; i < MOST_TRIES && again; i++) {
        const long long before = fetch->have;
        work.have = before;
        const enum download_end end = download(&work, error);
        fetch->have = work.have;
        fetch->result->received += work.have - before;
        step = after_try(fetch, end, work.have > before, fetch->result->url, &again, error);
        again = again && step == STEP_NEXT;
    }
    return step;
}

/* Fills the .part from one server and checks it. */
static enum step take_from(struct fetch *fetch, const char *url, struct error *error)
{
    char sum[FETCH_SHA256_SIZE];
    download_shown_url(url, fetch->result->url, sizeof fetch->result->url);
    enum step step = fill_part(fetch, url, error);
    if (step != STEP_DONE)
        return step;
    step = check_part(fetch, sum, error);
    if (step != STEP_OTHER)
        return step;
    error_set(error, "%s: has SHA-256 %s, not %s: damaged on the way, or another file; it is thrown away",
              fetch->result->url, sum, fetch->sum);
    return throw_away(fetch, error) ? STEP_END : STEP_OTHER;
}

static enum step take_from_any(struct fetch *fetch, struct error *error)
{
    const struct fetch_request *request = fetch->request;
    const int count = request->url_count ? request->url_count : 1;
    enum step step = STEP_NEXT;
    for (int u = 0; u < count; u++) {
        const char *url = request->url_count ? request->urls[u] : request->set->archive;
        const bool goes_on = fetch->have > 0;
        step = take_from(fetch, url, error);
        if (step == STEP_OTHER && goes_on) { /* what was there may have been to blame */
            note(fetch, "%s; it is fetched from the beginning", error->message);
            step = take_from(fetch, url, error);
        }
        if (step != STEP_NEXT && step != STEP_OTHER)
            return step;
        if (u + 1 < count)
            note(fetch, "%s; the next is tried", error->message);
    }
    return step;
}

/* The whole archive, checked, in the .part file. */
static enum step get_archive(struct fetch *fetch, struct error *error)
{
    char sum[FETCH_SHA256_SIZE];
    if (fetch->have > fetch->most) {
        note(fetch, "%s has %.1f MB, more than the archive: it is thrown away", fetch->place.part,
             (double)fetch->have / 1e6);
        if (throw_away(fetch, error))
            return STEP_END;
    }
    fetch->result->resumed = fetch->have;
    if (fetch->have > 0 && (!fetch->size || fetch->have == fetch->size)) {
        const enum step step = check_part(fetch, sum, error);
        if (step != STEP_OTHER)
            return step;
        if (fetch->size) {
            note(fetch, "%s is damaged: it is thrown away", fetch->place.part);
            fetch->result->resumed = 0;
            if (throw_away(fetch, error))
                return STEP_END;
        }
    }
    return take_from_any(fetch, error);
}

/* ---- Before and after ---- */

static long long set_size(const struct fetch_set *set)
{
    long long size = 0;
    for (int f = 0; f < set->file_count; f++)
        size += set->files[f].size;
    return size;
}

/* Room for what is missing of the archive and for its files. */
static int check_room(const struct fetch *fetch, struct error *error)
{
    struct statvfs disk;
    const long long archive = fetch->size ? fetch->size : fetch->request->set->archive_size;
    const long long missing = archive > fetch->have ? archive - fetch->have : 0;
    const long long needed = missing + set_size(fetch->request->set);
    if (statvfs(fetch->place.above, &disk) || disk.f_blocks == 0) /* some disks do not say */
        return 0;
    const long long room = (long long)disk.f_bavail * (long long)disk.f_frsize;
    if (room >= needed)
        return 0;
    return error_set(error,
                     "%s needs %.1f MB, and the disk of %s has room for %.1f MB: make some, or name another by --dir",
                     fetch->request->set->name, (double)needed / 1e6, fetch->place.above, (double)room / 1e6);
}

/* Unpacks into the folder that is made, and has it checked. OTHER: these are not the files that are wanted. */
static enum step fill_folder(struct fetch *fetch, int folder, unpack_sums sums, struct error *error)
{
    switch (unpack(fetch->part, fetch->request->set, folder, &fetch->request->watch, sums, error)) {
    case UNPACK_DONE:
        return fetch->request->set->check(fetch->place.made, error) ? STEP_OTHER : STEP_DONE;
    case UNPACK_REFUSED:
        return STEP_OTHER;
    case UNPACK_FAILED:
        return STEP_END;
    case UNPACK_STOPPED:
        return STEP_STOP;
    }
    return STEP_END;
}

static enum step unpack_part(struct fetch *fetch, struct error *error)
{
    unpack_sums sums;
    char said[FETCH_NOTE_SIZE] = "";
    const int folder = place_make(&fetch->place, error);
    if (folder < 0)
        return STEP_END;
    enum step step = fill_folder(fetch, folder, sums, error);
    close(folder);
    if (step == STEP_DONE && place_publish(&fetch->place, sums, fetch->request->force, said, error))
        step = STEP_END;
    fetch->result->verified = step == STEP_DONE;
    if (*said)
        note(fetch, "%s", said);
    if (step != STEP_DONE)
        place_clear(&fetch->place, NULL);
    if (step == STEP_OTHER) /* whatever is done, nothing better comes out of it */
        throw_away(fetch, NULL);
    return step;
}

/* What one that was killed at the very end has left beside the folder that it put in place. */
static void tidy(struct fetch *fetch)
{
    if (access(fetch->place.part, F_OK) && access(fetch->place.made, F_OK))
        return;
    if (open_part(fetch, NULL) == 0 && place_clear(&fetch->place, NULL) == 0)
        close_part(fetch, true);
}

/* THERE; DONE: nothing is there, or it is to be replaced. */
static enum step look(struct fetch *fetch, struct error *error)
{
    const char *name = fetch->request->set->name, *folder = fetch->place.folder;
    if (fetch->request->force)
        return STEP_DONE;
    const enum place_state state = place_look(&fetch->place, &fetch->request->watch, error);
    fetch->result->verified = state == PLACE_VERIFIED;
    switch (state) {
    case PLACE_FREE:
        return STEP_DONE;
    case PLACE_VERIFIED:
        return STEP_THERE;
    case PLACE_UNKNOWN:
        note(fetch, "these files were not put there by `nfbench fetch`, so nothing vouches for them but their layout; "
                    "--force puts the official ones in their place");
        return STEP_THERE;
    case PLACE_CHANGED:
        note(fetch, "%s; --force puts the official files in place of these", error->message);
        return STEP_THERE;
    case PLACE_DAMAGED:
        error_prefix(error, "what is there of %s is of no use, and --force puts another in its place", name);
        return STEP_END;
    case PLACE_TAKEN:
        error_set(error, "%s holds other files: name another folder by --dir", folder);
        return STEP_END;
    case PLACE_STOPPED:
        return STEP_STOP;
    }
    return STEP_END;
}

static enum step work(struct fetch *fetch, struct error *error)
{
    enum step step;
    if (place_find(&fetch->place, fetch->request->set, fetch->request->directory, fetch->request->sha256, error))
        return STEP_END;
    snprintf(fetch->result->folder, sizeof fetch->result->folder, "%s", fetch->place.folder);
    if ((step = look(fetch, error)) != STEP_DONE)
        return step;
    if (open_part(fetch, error) || place_recover(&fetch->place, error))
        return STEP_END;
    if ((step = look(fetch, error)) != STEP_DONE) /* who had it locked until now may have finished */
        return step;
    if (check_room(fetch, error))
        return STEP_END;
    step = get_archive(fetch, error);
    return step == STEP_DONE ? unpack_part(fetch, error) : step;
}

/* What a stop leaves behind. */
static void tell_stop(const struct fetch *fetch, struct error *error)
{
    char of[32] = "";
    if (fetch->size)
        snprintf(of, sizeof of, " of %.1f", (double)fetch->size / 1e6);
    if (!*fetch->result->part)
        error_set(error, "interrupted: nothing was changed");
    else
        error_set(error, "interrupted: %.1f%s MB are in, and the next fetch goes on from there",
                  (double)fetch->have / 1e6, of);
}

enum fetch_end fetch_run(const struct fetch_request *request, struct fetch_result *result, struct error *error)
{
    struct fetch fetch = {.request = request, .result = result, .part = -1};
    struct stat status;
    const bool was_there = stat(request->directory, &status) == 0;
    *result = (struct fetch_result){0};
    fetch.size = request->sha256 ? 0 : request->set->archive_size;
    fetch.most = fetch.size ? fetch.size : set_size(request->set) + MOST_BYTES_BESIDE;
    fetch.sum = request->sha256 ? request->sha256 : request->set->archive_sha256;
    if (file_make_folders(request->directory, error)) {
        if (errno == EACCES || errno == EROFS)
            cannot_write(request->directory, error);
        return FETCH_FAILED;
    }
    const enum step step = work(&fetch, error);
    close_part(&fetch, step == STEP_DONE || step == STEP_THERE);
    if (step == STEP_THERE)
        tidy(&fetch);
    if (step == STEP_THERE || step == STEP_DONE)
        return step == STEP_DONE ? FETCH_DONE : FETCH_WAS_THERE;
    if (!was_there)
        (void)rmdir(request->directory); /* unless something is in it */
    if (step == STEP_STOP) {
        tell_stop(&fetch, error);
        return FETCH_STOPPED;
    }
    return FETCH_FAILED;
}

/* ---- What a person may give ---- */

int fetch_check_url(const char *url, struct error *error)
{
    const bool fits = strncasecmp(url, "http://", 7) == 0 || strncasecmp(url, "https://", 8) == 0;
    for (const char *at = url; *at; at++)
        if ((unsigned char)*at <= ' ' || (unsigned char)*at >= 0x7f)
            return error_set(error, "--url %.100s: blanks and letters that are not ASCII must be written as %%XX", url);
    return fits ? 0 : error_set(error, "--url %.200s: must begin with http:// or https://", url);
}

int fetch_read_sha256(const char *text, char sum[FETCH_SHA256_SIZE], struct error *error)
{
    if (strlen(text) != FETCH_SHA256_SIZE - 1 || strspn(text, "0123456789abcdefABCDEF") != FETCH_SHA256_SIZE - 1)
        return error_set(error, "--sha256 %.100s: must be 64 hexadecimal digits, as `sha256sum` prints", text);
    for (int i = 0; i < FETCH_SHA256_SIZE; i++)
        sum[i] = (char)tolower((unsigned char)text[i]);
    return 0;
}
