/* What the tests of faults share: a run that is quickly made and has much to lose, what is to become of it whatever
 * happens on the way, and the library that makes it happen (preload/shim.c). They run the real nfbench: see
 * tests/tui/process.h. */
#ifndef NFBENCH_TESTS_FAULTS_FAULTS_H
#define NFBENCH_TESTS_FAULTS_FAULTS_H

#include "sessions/checkpoint.h"
#include "sessions/session.h"
#include "tests/tui/process.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* The run: FAULTS_STEPS steps, each in the log. */
enum { FAULTS_STEPS = 30, FAULTS_EVERY = 4 };
#define FAULTS_RUN                                                                                                     \
    "--family papers --stem 4 --stages 4/4x1 --threads 1 --precision fp32 --data synthetic --limit 48 --batch 8 "      \
    "--validation 16 --normalize image --lr 0.05 --schedule cosine --ema 0.9 --agc 0.02 --augment standard "           \
    "--log-every 1 --probe-every 7 --checkpoint-every 4 --epochs 5 "

/* process_setup and process_teardown, and the run that nothing happens to: session "whole". */
int faults_setup(void **state);
int faults_teardown(void **state);

/* How often what is done at random is to be done: `few`, or `many` where $NFBENCH_FAULTS asks for it (make faults);
 * a tenth of the few under a sanitizer. */
int faults_count(int few, int many);
/* A number from 0 to below `limit`; the same ones in each run of a test program, unless $NFBENCH_FAULTS_SEED is set. */
long faults_random(long limit);

/* What happens to the programs that are started from now on; see preload/shim.c. All zero: only `log` is written. */
struct shim {
    const char *calls; /* NULL: all */
    long at;
    int signal, error;
    bool torn, forever, flip;
    const char *during; /* a file below the folder; NULL: always */
    long patience;
    const char *log; /* a file below the folder; NULL: none */
    long clock;
    const char *clock_from; /* a file below the folder; NULL: from the start */
};
void shim_load(const struct shim *shim);
void shim_unload(void);
/* The log: the calls that counted, in their order; freed by the caller. */
struct call {
    char name[16], path[496];
};
struct call *shim_calls(const char *log, long *count);

/* ---- What a session is ---- */

/* The newest checkpoint, -1: there is none, and the last step of the log. Fails the test unless the session can be
 * opened and read, all checkpoints are whole, no line but a torn last one is damaged, and verify finds nothing wrong.
 */
struct place {
    long saved, logged;
};
struct place session_place(const char *session);

/* Fails the test unless both have the same losses and all else that was measured, and the same weights, momentum and
 * averages in their last checkpoints, to the bit. */
void assert_same_course(const char *session, const char *expected);
/* Takes the session, which is at the place, to its end, and compares it with "whole". Fails the test when more steps
 * than the FAULTS_EVERY behind the last checkpoint are made again. */
void assert_resumes(const char *session, struct place place);

bool session_is_there(const char *session);
void session_copy(const char *from, const char *to);
void session_wipe(const char *session);

/* Fails the test when the command does. */
void shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A folder below that of the tests; in place of what is at `to`. */
void folder_copy(const char *from, const char *to);
void write_script(const char *name, const char *text);

/* Monotonic. */
long faults_microseconds(void);
void faults_sleep(long microseconds);
/* Starts nfbench with these arguments and sends it the signal after so many microseconds. Whether it was ended before
 * it came to its end; by the signal, or saved (130). */
bool faults_end_after(const char *arguments, long microseconds, int signal);

/* What is being tried, for when it fails: the teardown of a test that tries many things prints it, unless it was
 * emptied at the end. */
extern char trial[256];
int trial_teardown(void **state);

#endif
