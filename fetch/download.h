/* Inside fetch/: a file from a web server, by the program curl. */
#ifndef NFBENCH_FETCH_DOWNLOAD_H
#define NFBENCH_FETCH_DOWNLOAD_H

#include "fetch/fetch.h"

struct download {
    const char *url;
    int file;         /* what comes is written from `have` on */
    const char *path; /* of the file, for messages */
    long long have;   /* bytes of it that are there, before and after */
    long long total;  /* of the whole; 0: not known */
    long long most;   /* more than that is not taken */
    const struct fetch_watch *watch;
};

enum download_end {
    DOWNLOAD_DONE,      /* all that the server has */
    DOWNLOAD_BROKEN,    /* the connection broke: it may be tried again */
    DOWNLOAD_NO_RANGES, /* the server does not send the rest of a file */
    DOWNLOAD_TOO_LONG,  /* it sends more than `most` */
    DOWNLOAD_FAILED,    /* of no use: not there, refused, not reached */
    DOWNLOAD_HERE,      /* this machine is at fault: its disk, no curl */
    DOWNLOAD_STOPPED,   /* the watch gave up */
};

/* One try. All but DONE and STOPPED fill the error, with the URL in front. */
enum download_end download(struct download *download, struct error *error);

/* The URL without user and password, for people to see. */
void download_shown_url(const char *url, char *text, size_t size);

#endif
