/* Runs the real nfbench, as a person would: arguments in, exit code and what it printed out. Each group of tests has a
 * folder of its own for sessions, which is also where the program runs. */
#ifndef NFBENCH_TESTS_TUI_PROCESS_H
#define NFBENCH_TESTS_TUI_PROCESS_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

/* The folder, below $TMPDIR; sessions go to its nfbench/. For group set-up and tear-down. */
int process_setup(void **state);
int process_teardown(void **state);
/* Ends whatever was started and still runs, and what that has started: for the tear-down of a test, so that one that
 * fails leaves no run behind to load the machine. */
int process_end_all(void **state);
#define process_test(test) cmocka_unit_test_teardown(test, process_end_all)
/* FOLDER/NAME, in one of a few static buffers. */
const char *process_path(const char *name);

struct process {
    pid_t pid;
    int out, err; /* read ends; -1: closed or sent elsewhere */
};

struct outcome {
    int status;      /* exit code, or 128 + the signal */
    char *out, *err; /* all that came */
};

/* Starts the program with the words of `arguments` (separated by blanks). `out` is a file for standard output; NULL: a
 * pipe. Fails the test when it cannot. */
struct process process_start(const char *arguments, const char *out);
/* The same with a pipe for standard input, in which these lines stand before the program begins: `in` is the end to
 * write more to. */
struct process process_start_fed(const char *arguments, const char *lines, int *in);
/* The same with a file for standard input. */
struct process process_start_reading(const char *arguments, const char *path);
/* Reads all that comes and waits for the end. The result is static: it holds until the next. */
const struct outcome *process_finish(struct process *process);

/* Reads on from one of its ends until the text has come, and no further; what was read is lost to process_finish. */
void process_read_until(int fd, const char *text);

/* Starts and finishes, asserting the exit code (what was printed is shown when it differs). */
const struct outcome *run_expecting(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The last line of standard output as JSON; fails the test when it is none. The caller decrefs it. */
json_t *last_json(const struct outcome *outcome);

/* A member that must be there. */
double json_number_at(const json_t *object, const char *key);
const char *json_text_at(const json_t *object, const char *key);

/* A tiny network on a few of the built-in images, so that a run takes a moment. */
#define NETWORK "--family papers --stem 8 --stages 8/4x1,16/8x1/2 --threads 1 --precision fp32 "
#define TINY NETWORK "--data synthetic --limit 128 --batch 16 --validation 64 --lr 0.05 --schedule constant "

/* Waits until the file, below the folder, holds the text. */
void wait_for_text(const char *name, const char *text);
bool file_has(const char *name, const char *text);

#endif
