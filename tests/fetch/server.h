/* A web server of a few files for tests, on 127.0.0.1 and a port that the kernel chooses: one that sends ranges or not,
 * breaks connections, lies about lengths and redirects. It answers one connection after the other. */
#ifndef NFBENCH_TESTS_FETCH_SERVER_H
#define NFBENCH_TESTS_FETCH_SERVER_H

#include <stdbool.h>
#include <stddef.h>

struct served {
    const char *path; /* "/tiny.tar.gz" */
    const void *bytes;
    size_t size;
    int status;             /* 0: 200, or 206 */
    const char *location;   /* of a redirect */
    bool no_ranges;         /* sends all whatever is asked for */
    bool no_length;         /* the connection's end is the file's */
    int cuts;               /* so many connections are cut ... */
    size_t cut_after;       /* ... after so many bytes */
    size_t slow_after;      /* from there on a byte at a time, for ever so long; 0: not */
    int requests;           /* counted by the server */
    size_t least_asked_for; /* where the last range began */
};

/* Starts serving these; they and what they point to stay until the end. Fails the test when it cannot. */
void server_start(struct served *files, int count);
void server_stop(void);
/* "http://127.0.0.1:PORT/PATH", in one of a few static buffers. */
const char *server_url(const char *path);

#endif
