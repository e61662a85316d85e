/* Brings a data set to this machine: downloads its archive, checks size and SHA-256, unpacks the files that are
 * expected and nothing else, and puts them in place all at once.
 *
 * Whatever happens on the way, and whenever the process is killed, the folder of the set is there whole or not at all.
 * What was downloaded stays beside it as ARCHIVE.part, and the next fetch goes on from there. Two processes never work
 * on one: the .part file is locked. */
#ifndef NFBENCH_FETCH_FETCH_H
#define NFBENCH_FETCH_FETCH_H

#include "base/error.h"
#include "sessions/file.h" /* FILE_PATH_SIZE */

#include <stdbool.h>

enum { FETCH_FILES = 8, FETCH_NOTE_SIZE = 512 };

struct fetch_file {
    const char *name;
    long long size; /* exactly; of a file beside the data: at most */
    bool beside;    /* the set is whole without it */
};

/* What is to be had. */
struct fetch_set {
    const char *word, *name; /* "cifar10", "CIFAR-10" */
    const char *folder;      /* the files go into a folder of this name */
    const char *archive;     /* the official URL */
    long long archive_size;
    const char *archive_sha256; /* 64 hexadecimal digits, small letters */
    int file_count;
    struct fetch_file files[FETCH_FILES];
    const struct fetch_set *other; /* an archive of which may be given by mistake; NULL: none */
    /* Whether the files in the folder are a data set; -1 and why not. */
    int (*check)(const char *folder, struct error *error);
};

/* Who looks on. All are called from the thread that fetches. */
struct fetch_watch {
    void *context;
    /* What is being done ("downloading", "checking", "unpacking"), bytes done and in all (0: not known), a few times a
     * second at least. True: give up. */
    bool (*progress)(void *context, const char *doing, long long done, long long total);
    /* Something that the person should know, and that stops nothing. */
    void (*note)(void *context, const char *text);
};

struct fetch_request {
    const struct fetch_set *set;
    const char *directory;   /* the set's folder is below it, or it is that folder; made when it is not there */
    const char *const *urls; /* tried in turn; none: the official one */
    int url_count;
    const char *sha256; /* of another archive with the same files; NULL: the official one's */
    bool force;         /* anew, in place of what is there */
    struct fetch_watch watch;
};

enum fetch_end { FETCH_FAILED = -1, FETCH_DONE, FETCH_WAS_THERE, FETCH_STOPPED };

struct fetch_result {
    char folder[FILE_PATH_SIZE]; /* absolute: where the files are */
    char part[FILE_PATH_SIZE];   /* what was downloaded, when it is still there; else empty */
    char url[512];               /* where the archive came from, without user and password; empty: nothing was asked */
    long long resumed, received; /* bytes of the archive that were there before, and that came */
    /* Of files that were there: whether they are, byte for byte, what a fetch has left. */
    bool verified;
};

/* FETCH_WAS_THERE: the files are there and none were asked of anybody; what is not known about them is noted.
 * FETCH_STOPPED: the watch gave up; the message tells how far it was. */
enum fetch_end fetch_run(const struct fetch_request *request, struct fetch_result *result, struct error *error);

/* -1 unless it can be fetched from: http or https, printable ASCII without blanks. */
int fetch_check_url(const char *url, struct error *error);
/* Takes 64 hexadecimal digits, as sha256sum prints them; -1 when they are none. */
enum { FETCH_SHA256_SIZE = 65 };
int fetch_read_sha256(const char *text, char sum[FETCH_SHA256_SIZE], struct error *error);

#endif
