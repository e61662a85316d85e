/* What the tests of whole fetches share: a folder, a server that has the tiny set's archive and some that are none, and
 * a fetch whose every note is kept. */
#ifndef NFBENCH_TESTS_FETCH_FETCHED_H
#define NFBENCH_TESTS_FETCH_FETCHED_H

#include "fetch/fetch.h"
#include "tests/fetch/server.h"
#include "tests/fetch/tiny.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* What the server has: the archive, one with a wrong byte in its middle, the half of it, one with a byte more,
 * redirects to the first and to `secret_url`, and one with a file ../escaped. */
enum { GOOD, OTHER, SHORT, LONG, MOVED, FILE_SCHEME, HOSTILE, FILES };
extern struct served files[FILES];
extern char *archive, *wrong;
extern size_t archive_size;
extern char archive_sum[FETCH_SHA256_SIZE], hostile_sum[FETCH_SHA256_SIZE];
extern char archive_url[256], secret_url[128]; /* the latter a file: */
void fill_files(void);                         /* all as at the beginning */

/* Of a group, and of each test: with no data, and a server as it should be. */
int start_all(void **state);
int end_all(void **state);
int begin_anew(void **state);

extern char folder[64];
const char *path_of(const char *name); /* below it, in one of a few static buffers */
void remove_all(const char *path);
void write_bytes(const char *path, const void *bytes, size_t size);
long size_of(const char *path); /* -1: not there */

/* ---- One fetch ---- */

enum { NOTES_SIZE = 4096 };
extern struct fetch_result result;
extern struct error error;
extern char notes[NOTES_SIZE];
extern long long stop_at;       /* gives up when so much is downloaded; -1: never */
extern long long told_size;     /* of the archive, while it is downloaded; 0: not known */
extern void (*meanwhile)(void); /* done while it is unpacked; NULL: nothing */
extern struct fetch_set set;
extern char data[128]; /* the directory of each request */
#define PART "data/tiny.tar.gz.part"
#define MADE "data/.tiny.tar.gz.new"

/* For the tiny set, into data/; the official URL is the server's, or this one is given. */
struct fetch_request request(void);
struct fetch_request from(const char *url);
enum fetch_end run(const struct fetch_request *wanted);

/* All of it is there, and nothing else but what `beside` names. */
void assert_whole(const char *beside);
void assert_fetched(const struct fetch_request *wanted);
/* Failed, in one line with the words, and nothing of the set is there. */
void assert_failed(const struct fetch_request *wanted, const char *words);

#endif
