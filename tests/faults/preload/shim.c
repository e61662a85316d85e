/* Preloaded into the program under test: its calls on the files of one folder are counted, and at one of them something
 * happens. Set by the environment:
 *
 *   SHIM_UNDER=FOLDER    whose files count
 *   SHIM_CALLS="A B"     the names of the calls that count; all of them without it
 *   SHIM_AT=N            at the Nth of them, from 1 on ...
 *   SHIM_SIGNAL=NUMBER   ... the process gets this signal before the call; with SHIM_TORN behind half of it, if it is a
 *                        write
 *   SHIM_ERROR=NUMBER    ... the call fails with this errno; with SHIM_FOREVER so do all behind it
 *   SHIM_FLIP=1          ... and if it is a write, one bit of what it writes is another
 *   SHIM_DURING=FILE     ... and only while that is there, a file
 *   SHIM_PATIENCE=N      what waits for room on the disk does not; the Nth time the process gets SIGTERM
 *   SHIM_LOG=FILE        gets a line for each call that counts: "write PATH"
 *   SHIM_CLOCK=SECONDS   the calendar is so far off, from the time on when SHIM_CLOCK_FROM is there, a file */
#undef _FORTIFY_SOURCE /* its inline versions would be defined twice */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static struct {
    char under[PATH_MAX], calls[256], clock_from[PATH_MAX], during[PATH_MAX];
    long at, clock, patience;
    int signal, error, log;
    bool torn, forever, flip;
} shim = {.log = -1};
static atomic_long counted;

/* `real` is the C library's function of that name, or a sanitizer's. */
#define FIND(name)                                                                                                     \
    static __typeof__(&name) real;                                                                                     \
    if (!real)                                                                                                         \
    real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static long number_of(const char *name)
{
    const char *given = getenv(name);
    return given ? strtol(given, NULL, 10) : 0;
}

static void text_of(const char *name, char *text, size_t size)
{
    const char *given = getenv(name);
    snprintf(text, size, "%s", given ? given : "");
}

static int open_really(const char *path, int flags, mode_t mode)
{
    FIND(open);
    return real(path, flags, mode);
}

static ssize_t write_really(int fd, const void *bytes, size_t size)
{
    FIND(write);
    return real(fd, bytes, size);
}

__attribute__((constructor)) static void read_environment(void)
{
    const char *log = getenv("SHIM_LOG");
    text_of("SHIM_UNDER", shim.under, sizeof shim.under);
    text_of("SHIM_CALLS", shim.calls, sizeof shim.calls);
    text_of("SHIM_CLOCK_FROM", shim.clock_from, sizeof shim.clock_from);
    text_of("SHIM_DURING", shim.during, sizeof shim.during);
    shim.at = number_of("SHIM_AT");
    shim.clock = number_of("SHIM_CLOCK");
    shim.patience = number_of("SHIM_PATIENCE");
    shim.signal = (int)number_of("SHIM_SIGNAL");
    shim.error = (int)number_of("SHIM_ERROR");
    shim.torn = number_of("SHIM_TORN") != 0;
    shim.forever = number_of("SHIM_FOREVER") != 0;
    shim.flip = number_of("SHIM_FLIP") != 0;
    if (log)
        shim.log = open_really(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
}

/* ---- What counts ---- */

static bool is_chosen(const char *call)
{
    const size_t length = strlen(call);
    for (const char *at = shim.calls; (at = strstr(at, call)); at += length)
        if ((at == shim.calls || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
            return true;
    return !*shim.calls;
}

static void add_to_log(const char *call, const char *path)
{
    char line[PATH_MAX + 32];
    const int length = snprintf(line, sizeof line, "%s %s\n", call, path);
    if (shim.log >= 0 && length < (int)sizeof line)
        (void)!write_really(shim.log, line, (size_t)length);
}

enum happens { NOTHING, HAPPENS };

static enum happens count(const char *call, const char *path)
{
    if (!*shim.under || strncmp(path, shim.under, strlen(shim.under)) != 0 || !is_chosen(call))
        return NOTHING;
    const long number = atomic_fetch_add(&counted, 1) + 1;
    add_to_log(call, path);
    const bool hit = shim.at > 0 && (number == shim.at || (shim.forever && number > shim.at));
    return hit && (!*shim.during || access(shim.during, F_OK) == 0) ? HAPPENS : NOTHING;
}

static enum happens count_open_file(const char *call, int fd)
{
    char link[64], path[PATH_MAX] = "";
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    return readlink(link, path, sizeof path - 1) > 0 ? count(call, path) : NOTHING;
}

/* Non-zero: the call is to fail, errno says how. */
static int strike(void)
{
    if (shim.signal)
        (void)kill(getpid(), shim.signal);
    if (shim.error)
        errno = shim.error;
    return shim.error;
}

/* ---- The calls ---- */

int open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    const mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return count(flags & O_CREAT ? "create" : "open", path) && strike() ? -1 : open_really(path, flags, mode);
}

FILE *fopen(const char *path, const char *mode)
{
    FIND(fopen);
    return count(*mode == 'r' ? "open" : "create", path) && strike() ? NULL : real(path, mode);
}

DIR *opendir(const char *path)
{
    FIND(opendir);
    return count("open", path) && strike() ? NULL : real(path);
}

ssize_t read(int fd, void *bytes, size_t size)
{
    FIND(read);
    return count_open_file("read", fd) && strike() ? -1 : real(fd, bytes, size);
}

ssize_t pread(int fd, void *bytes, size_t size, off_t place)
{
    FIND(pread);
    return count_open_file("read", fd) && strike() ? -1 : real(fd, bytes, size, place);
}

static ssize_t write_flipped(int fd, const void *bytes, size_t size)
{
    char *copy = malloc(size);
    if (!copy)
        return -1;
    memcpy(copy, bytes, size);
    copy[size / 2] ^= 1;
    const ssize_t written = write_really(fd, copy, size);
    free(copy);
    return written;
}

ssize_t write(int fd, const void *bytes, size_t size)
{
    const int before = errno;
    const enum happens happens = count_open_file("write", fd);
    errno = before;
    if (happens && shim.torn)
        (void)!write_really(fd, bytes, size / 2);
    if (happens && strike())
        return -1;
    return happens && shim.flip ? write_flipped(fd, bytes, size) : write_really(fd, bytes, size);
}

int fsync(int fd)
{
    FIND(fsync);
    return count_open_file("fsync", fd) && strike() ? -1 : real(fd);
}

int close(int fd)
{
    FIND(close);
    if (!count_open_file("close", fd) || !strike())
        return real(fd);
    const int reason = errno; /* it is closed all the same, as Linux does it */
    (void)real(fd);
    errno = reason;
    return -1;
}

int ftruncate(int fd, off_t size)
{
    FIND(ftruncate);
    return count_open_file("ftruncate", fd) && strike() ? -1 : real(fd, size);
}

int flock(int fd, int operation)
{
    FIND(flock);
    return count_open_file("flock", fd) && strike() ? -1 : real(fd, operation);
}

int rename(const char *from, const char *to)
{
    FIND(rename);
    return count("rename", to) && strike() ? -1 : real(from, to);
}

int link(const char *from, const char *to)
{
    FIND(link);
    return count("link", to) && strike() ? -1 : real(from, to);
}

int unlink(const char *path)
{
    FIND(unlink);
    return count("unlink", path) && strike() ? -1 : real(path);
}

int remove(const char *path)
{
    FIND(remove);
    return count("unlink", path) && strike() ? -1 : real(path);
}

int mkdir(const char *path, mode_t mode)
{
    FIND(mkdir);
    return count("mkdir", path) && strike() ? -1 : real(path, mode);
}

/* ---- What waits ---- */

int sem_clockwait(sem_t *semaphore, clockid_t clock, const struct timespec *until)
{
    FIND(sem_clockwait);
    if (!shim.patience)
        return real(semaphore, clock, until);
    static atomic_long waited;
    if (atomic_fetch_add(&waited, 1) + 1 == shim.patience)
        (void)kill(getpid(), SIGTERM);
    errno = ETIMEDOUT;
    return -1;
}

/* ---- The calendar ---- */

static time_t shift(void)
{
    return shim.clock && (!*shim.clock_from || access(shim.clock_from, F_OK) == 0) ? shim.clock : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    FIND(clock_gettime);
    const int result = real(clock, now);
    if (result == 0 && clock == CLOCK_REALTIME)
        now->tv_sec += shift();
    return result;
}

time_t time(time_t *out)
{
    FIND(time);
    const time_t now = real(NULL) + shift();
    if (out)
        *out = now;
    return now;
}
