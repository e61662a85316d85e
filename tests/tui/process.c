/* Runs the real nfbench; see process.h. */
#include "tests/tui/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { WORDS = 80, PATH_LENGTH = 512, WAIT_MOMENTS = 9000 };

static char folder[PATH_LENGTH];
static char binary[PATH_LENGTH];

int process_setup(void **state)
{
    (void)state;
    const char *temporary = getenv("TMPDIR"), *given = getenv("NFBENCH_BINARY");
    char *found = realpath(given ? given : "nfbench", NULL);
    if (!found) {
        print_error("no nfbench to test: set NFBENCH_BINARY to it (%s)\n", strerror(errno));
        return -1;
    }
    snprintf(binary, sizeof binary, "%s", found);
    free(found);
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) /* of what loses its parent this process is told, too */
        return -1;
    snprintf(folder, sizeof folder, "%s/nfbench-cli-XXXXXX", temporary ? temporary : "/tmp");
    if (!mkdtemp(folder) || setenv("XDG_DATA_HOME", folder, 1) != 0 || setenv("HOME", folder, 1) != 0 ||
        unsetenv("NFBENCH_DATA") != 0 || setenv("OMP_WAIT_POLICY", "passive", 1) != 0)
        return -1;
    return 0;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

/* Whoever has this process for a parent, ended or not; 0: nobody. */
static pid_t any_child(void)
{
    DIR *processes = opendir("/proc");
    pid_t child = 0;
    assert_non_null(processes);
    for (struct dirent *entry; child == 0 && (entry = readdir(processes));) {
        char path[64];
        int parent = 0;
        snprintf(path, sizeof path, "/proc/%.20s/stat", entry->d_name);
        FILE *file = atoi(entry->d_name) > 0 ? fopen(path, "r") : NULL;
        if (file && fscanf(file, "%*d (%*[^)]) %*c %d", &parent) == 1 && parent == getpid())
            child = (pid_t)atoi(entry->d_name);
        if (file)
            fclose(file);
    }
    closedir(processes);
    return child;
}

int process_end_all(void **state)
{
    (void)state;
    for (pid_t child; (child = any_child()) > 0;) { /* whose own children are this process's then */
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
    return 0;
}

int process_teardown(void **state)
{
    process_end_all(state);
    return nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

const char *process_path(const char *name)
{
    static char paths[4][2 * PATH_LENGTH];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof *paths, "%s/%s", folder, name);
    return path;
}

static int split_words(char *text, char *words[WORDS + 1])
{
    int count = 0;
    char *rest = text, *word;
    words[count++] = binary;
    while ((word = strtok_r(rest, " ", &rest))) {
        assert_true(count < WORDS);
        words[count++] = word;
    }
    words[count] = NULL;
    return count;
}

/* `in`: standard input, -1: /dev/null. */
static struct process start(const char *arguments, int in, const char *out)
{
    struct process process = {.out = -1, .err = -1};
    int to_out[2], to_err[2];
    char *words[WORDS + 1], *text = strdup(arguments);
    posix_spawn_file_actions_t actions;
    assert_non_null(text);
    split_words(text, words);
    assert_int_equal(pipe2(to_out, O_CLOEXEC), 0);
    assert_int_equal(pipe2(to_err, O_CLOEXEC), 0);
    assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
    assert_int_equal(posix_spawn_file_actions_addchdir_np(&actions, folder), 0);
    if (in >= 0)
        assert_int_equal(posix_spawn_file_actions_adddup2(&actions, in, 0), 0);
    else
        assert_int_equal(posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0), 0);
    if (out)
        assert_int_equal(posix_spawn_file_actions_addopen(&actions, 1, out, O_WRONLY, 0), 0);
    else
        assert_int_equal(posix_spawn_file_actions_adddup2(&actions, to_out[1], 1), 0);
    assert_int_equal(posix_spawn_file_actions_adddup2(&actions, to_err[1], 2), 0);
    int code = posix_spawn(&process.pid, binary, &actions, NULL, words, environ);
    assert_int_equal(code, 0);
    posix_spawn_file_actions_destroy(&actions);
    close(to_out[1]);
    close(to_err[1]);
    process.out = to_out[0];
    process.err = to_err[0];
    free(text);
    return process;
}

struct process process_start(const char *arguments, const char *out)
{
    return start(arguments, -1, out);
}

struct process process_start_fed(const char *arguments, const char *lines, int *in)
{
    int from[2];
    assert_int_equal(pipe2(from, O_CLOEXEC), 0);
    assert_int_equal(write(from[1], lines, strlen(lines)), (ssize_t)strlen(lines)); /* a pipe has room for them */
    const struct process process = start(arguments, from[0], NULL);
    close(from[0]);
    *in = from[1];
    return process;
}

struct process process_start_reading(const char *arguments, const char *path)
{
    const int in = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(in >= 0);
    const struct process process = start(arguments, in, NULL);
    close(in);
    return process;
}

/* What came from a pipe so far. */
struct heard {
    char *text;
    size_t length, room;
};

static void begin_text(struct heard *heard)
{
    enum { FIRST = 1 << 16 };
    if (!heard->text)
        heard->text = malloc(heard->room = FIRST);
    assert_non_null(heard->text);
    heard->length = 0;
    *heard->text = '\0';
}

/* Reads once. Closes the pipe at its end. */
static void take(int *fd, struct heard *heard)
{
    if (heard->room - heard->length < heard->room / 2) {
        heard->text = realloc(heard->text, heard->room *= 2);
        assert_non_null(heard->text);
    }
    const ssize_t count = read(*fd, heard->text + heard->length, heard->room - heard->length - 1);
    if (count <= 0) {
        close(*fd);
        *fd = -1;
        return;
    }
    heard->length += (size_t)count;
    heard->text[heard->length] = '\0';
}

const struct outcome *process_finish(struct process *process)
{
    static struct outcome outcome;
    static struct heard out, err;
    begin_text(&out);
    begin_text(&err);
    while (process->out >= 0 || process->err >= 0) {
        struct pollfd pipes[2] = {{.fd = process->out, .events = POLLIN}, {.fd = process->err, .events = POLLIN}};
        assert_true(poll(pipes, 2, -1) > 0);
        if (pipes[0].revents)
            take(&process->out, &out);
        if (pipes[1].revents)
            take(&process->err, &err);
    }
    int status;
    assert_int_equal(waitpid(process->pid, &status, 0), process->pid);
    outcome.status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    outcome.out = out.text;
    outcome.err = err.text;
    return &outcome;
}

static const struct outcome *run_words(const char *format, va_list arguments)
{
    char text[4096];
    assert_in_range(vsnprintf(text, sizeof text, format, arguments), 0, sizeof text - 1);
    struct process process = process_start(text, NULL);
    return process_finish(&process);
}

void process_read_until(int fd, const char *text)
{
    char newest[256] = "";
    const size_t length = strlen(text);
    assert_in_range(length, 1, sizeof newest - 1);
    do {
        memmove(newest, newest + 1, length - 1);
        assert_int_equal(read(fd, newest + length - 1, 1), 1);
    } while (memcmp(newest, text, length) != 0);
}

const struct outcome *run_expecting(int status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const struct outcome *outcome = run_words(format, arguments);
    va_end(arguments);
    if (outcome->status != status)
        print_error("nfbench %s: exit code %d instead of %d\n%s%s\n", format, outcome->status, status, outcome->out,
                    outcome->err);
    assert_int_equal(outcome->status, status);
    return outcome;
}

json_t *last_json(const struct outcome *outcome)
{
    size_t length = strlen(outcome->out);
    assert_true(length > 0 && outcome->out[length - 1] == '\n');
    const char *start = outcome->out + length - 1;
    while (start > outcome->out && start[-1] != '\n')
        start--;
    json_error_t error;
    json_t *object = json_loads(start, JSON_REJECT_DUPLICATES, &error);
    if (!object)
        print_error("not JSON (%s): %s\n", error.text, start);
    assert_non_null(object);
    return object;
}

double json_number_at(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_number(value))
        print_error("%s is no number\n", key);
    assert_true(json_is_number(value));
    return json_number_value(value);
}

const char *json_text_at(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    if (!value)
        print_error("%s is no text\n", key);
    assert_non_null(value);
    return value;
}

bool file_has(const char *name, const char *text)
{
    char *content = NULL;
    size_t room = 0;
    FILE *file = fopen(process_path(name), "r");
    if (!file)
        return false;
    /* all of it: a text has no 0 */
    const bool has = getdelim(&content, &room, '\0', file) > 0 && strstr(content, text);
    free(content);
    fclose(file);
    return has;
}

void wait_for_text(const char *name, const char *text)
{
    const struct timespec moment = {.tv_nsec = 20000000}; /* short: what is killed then shall not have come far */
    for (int i = 0; i < WAIT_MOMENTS; i++) {
        if (file_has(name, text))
            return;
        nanosleep(&moment, NULL);
    }
    fail_msg("%s never held %s", name, text);
}
