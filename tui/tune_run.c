/* See tune_run.h. What a child says goes to the trial's log; what came of it is read from its session. */
#include "tui/tune_run.h"

#include "kernels/cuda.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CRASHES = 2, USAGE = 2, INTERRUPTED = 130, ARGUMENTS = 14 };

struct child {
    pid_t pid; /* 0: none */
    int trial, claim;
    int target; /* epochs */
};

struct tune_run {
    const struct tune *tune;
    struct tune_watch *watch;
    struct child *children; /* (jobs) */
    int jobs, others;
    int gpus; /* of the machine */
    char **environment;
    int stops;
    bool idle;
};

/* ---- Children ---- */

/* A child is no rank of the job that this process is one of. */
static bool is_of_a_job(const char *variable)
{
    static const char *const prefixes[] = {"OMPI_", "PMIX_", "PMI_", "PRTE_", "SLURM_"};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (strncmp(variable, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return false;
}

/* Pointers into environ. */
static char **make_environment(void)
{
    size_t count = 0, kept = 0;
    while (environ[count])
        count++;
    char **copy = calloc(count + 1, sizeof *copy);
    for (size_t i = 0; copy && i < count; i++)
        if (!is_of_a_job(environ[i]))
            copy[kept++] = environ[i];
    return copy;
}

/* Between fork and exec: nothing but system calls. In a group of its own, so that a Ctrl-C of the terminal reaches the
 * parent alone, who passes it on once. */
static void become_child(const struct tune_run *run, int log, int claim, pid_t parent, char *const *arguments)
{
    sigset_t none;
    sigemptyset(&none);
    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(INTERRUPTED);
    const int nothing = open("/dev/null", O_RDONLY);
    if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 || dup2(log, STDOUT_FILENO) < 0 ||
        dup2(log, STDERR_FILENO) < 0 || fcntl(claim, F_SETFD, 0) < 0)
        _exit(1);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve("/proc/self/exe", arguments, run->environment);
    _exit(1);
}

static int start_process(const struct tune_run *run, struct child *child, const char *log_path,
                         const char *const *arguments, struct error *error)
{
    const pid_t parent = getpid();
    const int log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (log < 0)
        return file_failed(error, "write", log_path);
    child->pid = fork();
    if (child->pid == 0)
        become_child(run, log, child->claim, parent, (char *const *)arguments);
    const int reason = errno;
    close(log);
    if (child->pid > 0)
        return 0;
    child->pid = 0;
    return error_set(error, "cannot start a process for a trial: %s", strerror(reason));
}

/* A new session, or on with the one that is there. */
static int start_child(const struct tune_run *run, struct child *child, int slot, struct error *error)
{
    const struct tune_trial *trial = &run->tune->trials[child->trial];
    char log[FILE_PATH_SIZE], settings[FILE_PATH_SIZE], until[16], device[24];
    const char *arguments[ARGUMENTS] = {"nfbench"};
    int count = 1;
    if (tune_path(run->tune, child->trial, "log", log, error) ||
        tune_path(run->tune, child->trial, "ini", settings, error))
        return -1;
    if (tune_watch_status(run->watch, child->trial)->begun) {
        arguments[count++] = "resume";
        arguments[count++] = trial->session;
    } else {
        arguments[count++] = "train";
        arguments[count++] = "--config";
        arguments[count++] = settings;
        arguments[count++] = "--session";
        arguments[count++] = trial->session;
    }
    if (*run->tune->sessions_dir) {
        arguments[count++] = "--sessions-dir";
        arguments[count++] = run->tune->sessions_dir;
    }
    if (child->target < trial->epochs) {
        snprintf(until, sizeof until, "%d", child->target);
        arguments[count++] = "--until";
        arguments[count++] = until;
    }
    if (run->gpus > 1 && trial->any_device) {
        snprintf(device, sizeof device, "cuda:%d", (run->others + slot) % run->gpus);
        arguments[count++] = "--device";
        arguments[count++] = device;
    }
    return start_process(run, child, log, arguments, error);
}

/* ---- What came of it ---- */

/* The last line that a child wrote to its log: why it failed. */
static void last_line(const struct tune_run *run, int trial, char *text, size_t size)
{
    char path[FILE_PATH_SIZE], line[512];
    text[0] = '\0';
    FILE *file = tune_path(run->tune, trial, "log", path, NULL) == 0 ? fopen(path, "re") : NULL;
    while (file && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        if (*line)
            snprintf(text, size, "%s", line);
    }
    if (file)
        fclose(file);
}

static int note_crash(const struct tune_run *run, const struct child *child, int status, struct error *error)
{
    struct tune_note note;
    const long step = tune_watch_status(run->watch, child->trial)->step;
    if (tune_note_read(run->tune, child->trial, &note, error))
        return -1;
    note.crashes++;
    note.given_up = note.crashes >= CRASHES || (WIFEXITED(status) && WEXITSTATUS(status) == USAGE);
    const char *again = note.crashes > 1 ? ", the second time" : "";
    if (WIFSIGNALED(status))
        snprintf(note.why, sizeof note.why, "its process was killed by signal %d (%s) behind step %ld%s",
                 WTERMSIG(status), strsignal(WTERMSIG(status)), step, again);
    else
        last_line(run, child->trial, note.why, sizeof note.why);
    if (!*note.why)
        snprintf(note.why, sizeof note.why, "its process ended with exit code %d%s", WEXITSTATUS(status), again);
    return tune_note_write(run->tune, child->trial, &note, error);
}

static int note_stop(const struct tune_run *run, const struct child *child, struct error *error)
{
    struct tune_note note = {.given_up = true};
    snprintf(note.why, sizeof note.why, "stopped by hand at step %ld",
             tune_watch_status(run->watch, child->trial)->step);
    return tune_note_write(run->tune, child->trial, &note, error);
}

/* A child has ended and its session was read since. */
static int settle(const struct tune_run *run, const struct child *child, int exit, struct error *error)
{
    const struct tune_status *status = tune_watch_status(run->watch, child->trial);
    if (tune_state_is_end(status->state) || status->epoch >= child->target)
        return 0;
    if (run->stops > 0)
        return 0;
    return status->stopped && WIFEXITED(exit) && WEXITSTATUS(exit) == INTERRUPTED ? note_stop(run, child, error)
                                                                                  : note_crash(run, child, exit, error);
}

static int reap(struct tune_run *run, struct child *child, struct error *error)
{
    int status;
    const pid_t ended = waitpid(child->pid, &status, WNOHANG);
    if (ended == 0 || (ended < 0 && errno == EINTR))
        return 0;
    if (ended < 0)
        return error_set(error, "cannot wait for the process of a trial: %s", strerror(errno));
    child->pid = 0;
    const int result = tune_watch_read(run->watch, error) || settle(run, child, status, error);
    close(child->claim);
    return result ? -1 : 0;
}

/* ---- Choosing ---- */

static bool is_wanted(const struct tune_run *run, int trial)
{
    const struct tune_status *status = tune_watch_status(run->watch, trial);
    return status->target > 0 && !status->training && !tune_state_is_end(status->state);
}

/* Another process may have trained it before it was ours. */
static int begin_trial(struct tune_run *run, int trial, struct child *child, struct error *error)
{
    struct child started = {.trial = trial};
    const int claimed = tune_claim(run->tune, trial, &started.claim, error);
    if (claimed <= 0)
        return claimed;
    int result = tune_watch_read(run->watch, error);
    if (result == 0 && is_wanted(run, trial)) {
        started.target = tune_watch_status(run->watch, trial)->target;
        result = start_child(run, &started, (int)(child - run->children), error);
    }
    if (started.pid > 0)
        *child = started;
    else
        close(started.claim);
    return result;
}

static int fill(struct tune_run *run, struct error *error)
{
    int trial = 0;
    for (int j = 0; j < run->jobs; j++)
        for (; run->children[j].pid == 0 && trial < run->tune->count; trial++)
            if (is_wanted(run, trial) && !tune_run_trains(run, trial) &&
                begin_trial(run, trial, &run->children[j], error))
                return -1;
    return 0;
}

int tune_run_look(struct tune_run *run, struct error *error)
{
    for (int j = 0; j < run->jobs; j++)
        if (run->children[j].pid > 0 && reap(run, &run->children[j], error))
            return -1;
    if (tune_watch_read(run->watch, error))
        return -1;
    if (run->stops == 0 && fill(run, error))
        return -1;
    for (int j = 0; j < run->jobs; j++)
        if (run->children[j].pid > 0)
            tune_watch_mark(run->watch, run->children[j].trial);
    run->idle = tune_run_children(run) == 0;
    return 0;
}

/* ---- The whole ---- */

int tune_run_open(const struct tune *tune, int jobs, int others, struct tune_run **out, struct error *error)
{
    struct tune_run *run = calloc(1, sizeof *run);
    if (!run)
        return error_set(error, "out of memory");
    run->tune = tune;
    run->jobs = jobs;
    run->others = others;
    run->gpus = cuda_device_count();
    run->children = calloc((size_t)jobs, sizeof *run->children);
    run->environment = make_environment();
    if (!run->children || !run->environment) {
        tune_run_close(run);
        return error_set(error, "out of memory");
    }
    if (tune_watch_open(tune, &run->watch, error) || tune_watch_read(run->watch, error)) {
        tune_run_close(run);
        return -1;
    }
    *out = run;
    return 0;
}

void tune_run_close(struct tune_run *run)
{
    if (!run)
        return;
    for (int j = 0; run->children && j < run->jobs; j++)
        if (run->children[j].pid > 0) {
            (void)kill(run->children[j].pid, SIGTERM);
            (void)waitpid(run->children[j].pid, NULL, 0);
            close(run->children[j].claim);
        }
    tune_watch_close(run->watch);
    free(run->children);
    free(run->environment);
    free(run);
}

const struct tune_watch *tune_run_watch(const struct tune_run *run)
{
    return run->watch;
}

int tune_run_children(const struct tune_run *run)
{
    int count = 0;
    for (int j = 0; j < run->jobs; j++)
        count += run->children[j].pid > 0;
    return count;
}

bool tune_run_trains(const struct tune_run *run, int trial)
{
    for (int j = 0; j < run->jobs; j++)
        if (run->children[j].pid > 0 && run->children[j].trial == trial)
            return true;
    return false;
}

bool tune_run_is_over(const struct tune_run *run)
{
    return tune_run_children(run) == 0 && (run->stops > 0 || tune_watch_is_over(run->watch));
}

bool tune_run_is_idle(const struct tune_run *run)
{
    return run->idle;
}

void tune_run_stop(struct tune_run *run)
{
    run->stops++;
    for (int j = 0; j < run->jobs; j++)
        if (run->children[j].pid > 0)
            (void)kill(run->children[j].pid, run->stops > 1 ? SIGKILL : SIGINT);
}

bool tune_run_is_stopping(const struct tune_run *run)
{
    return run->stops > 0;
}
