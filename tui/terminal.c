/* See terminal.h. Everything that a signal handler touches is prepared beforehand: descriptors, bytes, settings. */
#include "tui/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

enum { FAREWELL_SIZE = 512, LINE_SIZE = 1024, CRASH_STACK = 64 * 1024 };

static const int crash_signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGTRAP, SIGQUIT};
static const struct {
    int number;
    enum terminal_signal meaning;
} loop_signals[] = {{SIGINT, TERMINAL_CTRL_C},    {SIGTERM, TERMINAL_END},  {SIGHUP, TERMINAL_HANG_UP},
                    {SIGWINCH, TERMINAL_RESIZED}, {SIGTSTP, TERMINAL_STOP}, {SIGCONT, TERMINAL_CONTINUED}};

enum {
    CRASH_COUNT = sizeof(crash_signals) / sizeof(*crash_signals),
    LOOP_COUNT = sizeof(loop_signals) / sizeof(*loop_signals)
};

static struct {
    bool open;
    struct termios modes;             /* as they were */
    int standard_out, standard_error; /* copies of the descriptors as they were */
    int drawing;                      /* the terminal, under terminal_stream() */
    int nowhere;
    int signals[2], caught[2];
    FILE *stream;
    struct sigaction crash_before[CRASH_COUNT], loop_before[LOOP_COUNT];
    void *stack;
    stack_t stack_before;
    char farewell[FAREWELL_SIZE];
    size_t farewell_size;
    char last_words[1536];
    size_t last_words_size;
    char line[LINE_SIZE]; /* caught so far, without its end */
    size_t line_used;
    unsigned pending; /* bit m: meaning m waits */
} terminal = {.signals = {-1, -1}, .caught = {-1, -1}, .standard_out = -1, .standard_error = -1, .nowhere = -1};

static atomic_bool leave_on_interrupt;

/* write(2) until done; for handlers, so errors end it in silence. */
static void write_all(int fd, const char *bytes, size_t count)
{
    while (count > 0) {
        ssize_t written = write(fd, bytes, count);

        if (written < 0 && errno != EINTR)
            return;
        if (written > 0) {
            bytes += written;
            count -= (size_t)written;
        }
    }
}

/* Async-signal-safe. Whatever the event loop was about to draw goes nowhere from here on. */
static void restore_in_handler(void)
{
    char bytes[256];
    ssize_t count;

    dup2(terminal.nowhere, terminal.drawing);
    write_all(terminal.standard_out, terminal.farewell, terminal.farewell_size);
    tcsetattr(terminal.standard_out, TCSANOW, &terminal.modes);
    dup2(terminal.standard_out, STDOUT_FILENO);
    dup2(terminal.standard_error, STDERR_FILENO);
    while ((count = read(terminal.caught[0], bytes, sizeof(bytes))) > 0)
        write_all(STDERR_FILENO, bytes, (size_t)count);
}

/* Nothing while there is no word on how to go on. */
static void say_in_handler(const char *what)
{
    if (terminal.last_words_size == 0)
        return;
    write_all(STDERR_FILENO, what, strlen(what));
    write_all(STDERR_FILENO, terminal.last_words, terminal.last_words_size);
}

static void on_crash(int number)
{
    restore_in_handler();
    say_in_handler("nfbench crashed; ");
    for (int i = 0; i < CRASH_COUNT; i++)
        sigaction(crash_signals[i], &terminal.crash_before[i], NULL);
    raise(number); /* held back until this handler returns, then as if it had never been here */
}

static void on_signal(int number, siginfo_t *info, void *machine)
{
    int saved = errno;
    unsigned char meaning = TERMINAL_NOTHING;

    (void)machine;
    for (int i = 0; i < LOOP_COUNT; i++)
        if (loop_signals[i].number == number)
            meaning = (unsigned char)loop_signals[i].meaning;
    if (number == SIGINT && info->si_code <= 0) /* sent by a process: not the keyboard */
        meaning = TERMINAL_END;
    if ((meaning == TERMINAL_CTRL_C || meaning == TERMINAL_END) && leave_on_interrupt) {
        restore_in_handler();
        say_in_handler("nfbench left at once, without saving; ");
        _exit(130);
    }
    while (write(terminal.signals[1], &meaning, 1) < 0 && errno == EINTR)
        ;
    errno = saved;
}

static int open_pipe(int ends[2], struct error *error)
{
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK))
        return error_set(error, "cannot make a pipe: %s", strerror(errno));
    return 0;
}

static int take_signals(struct error *error)
{
    struct sigaction crash = {.sa_handler = on_crash, .sa_flags = SA_ONSTACK};
    struct sigaction loop = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
    stack_t stack = {.ss_size = CRASH_STACK};

    terminal.stack = malloc(CRASH_STACK);
    if (!terminal.stack)
        return error_set(error, "out of memory");
    stack.ss_sp = terminal.stack;
    sigfillset(&crash.sa_mask);
    sigemptyset(&loop.sa_mask);
    if (sigaltstack(&stack, &terminal.stack_before))
        return error_set(error, "cannot set a stack for signals: %s", strerror(errno));
    for (int i = 0; i < CRASH_COUNT; i++)
        if (sigaction(crash_signals[i], &crash, &terminal.crash_before[i]))
            return error_set(error, "cannot handle signal %d: %s", crash_signals[i], strerror(errno));
    for (int i = 0; i < LOOP_COUNT; i++)
        if (sigaction(loop_signals[i].number, &loop, &terminal.loop_before[i]))
            return error_set(error, "cannot handle signal %d: %s", loop_signals[i].number, strerror(errno));
    return 0;
}

static void give_signals_back(void)
{
    for (int i = 0; i < CRASH_COUNT; i++)
        sigaction(crash_signals[i], &terminal.crash_before[i], NULL);
    for (int i = 0; i < LOOP_COUNT; i++)
        sigaction(loop_signals[i].number, &terminal.loop_before[i], NULL);
    sigaltstack(&terminal.stack_before, NULL);
    free(terminal.stack);
}

static int copy_descriptor(int fd, struct error *error)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

    if (copy < 0)
        error_set(error, "cannot copy descriptor %d: %s", fd, strerror(errno));
    return copy;
}

static int redirect(struct error *error)
{
    if (fflush(stdout) || fflush(stderr))
        return error_set(error, "cannot write: %s", strerror(errno));
    if (dup2(terminal.caught[1], STDOUT_FILENO) < 0 || dup2(terminal.caught[1], STDERR_FILENO) < 0)
        return error_set(error, "cannot redirect standard output: %s", strerror(errno));
    return 0;
}

static void close_descriptor(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void close_descriptors(void)
{
    if (terminal.stream)
        fclose(terminal.stream);
    terminal.stream = NULL;
    close_descriptor(&terminal.standard_out);
    close_descriptor(&terminal.standard_error);
    close_descriptor(&terminal.nowhere);
    for (int i = 0; i < 2; i++) {
        close_descriptor(&terminal.signals[i]);
        close_descriptor(&terminal.caught[i]);
    }
}

static int open_descriptors(struct error *error)
{
    if (tcgetattr(STDIN_FILENO, &terminal.modes) || !isatty(STDOUT_FILENO))
        return error_set(error, "standard input and output are no terminal: use 'nfbench train'");
    if (open_pipe(terminal.signals, error) || open_pipe(terminal.caught, error))
        return -1;
    terminal.standard_out = copy_descriptor(STDOUT_FILENO, error);
    terminal.standard_error = copy_descriptor(STDERR_FILENO, error);
    terminal.drawing = copy_descriptor(STDOUT_FILENO, error);
    terminal.nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (terminal.standard_out < 0 || terminal.standard_error < 0 || terminal.drawing < 0)
        return -1;
    if (terminal.nowhere < 0)
        return error_set(error, "/dev/null: %s", strerror(errno));
    terminal.stream = fdopen(terminal.drawing, "w");
    return terminal.stream ? 0 : error_set(error, "cannot write to the terminal: %s", strerror(errno));
}

int terminal_open(struct error *error)
{
    leave_on_interrupt = false;
    terminal.pending = 0;
    terminal.line_used = 0;
    terminal.farewell_size = terminal.last_words_size = 0;
    if (open_descriptors(error) || redirect(error) || take_signals(error)) {
        if (terminal.standard_error >= 0) {
            dup2(terminal.standard_out, STDOUT_FILENO);
            dup2(terminal.standard_error, STDERR_FILENO);
        }
        close_descriptors();
        return -1;
    }
    terminal.open = true;
    return 0;
}

void terminal_close(void)
{
    char line[LINE_SIZE];

    if (!terminal.open)
        return;
    terminal.open = false;
    tcsetattr(STDIN_FILENO, TCSANOW, &terminal.modes); /* fails when the terminal is gone: nothing to restore */
    fflush(stdout);
    fflush(stderr);
    dup2(terminal.standard_out, STDOUT_FILENO);
    dup2(terminal.standard_error, STDERR_FILENO);
    while (terminal_next_line(line, sizeof(line)))
        fprintf(stderr, "%s\n", line);
    give_signals_back();
    close_descriptors();
}

FILE *terminal_stream(void)
{
    return terminal.stream;
}

bool terminal_size(int *rows, int *columns)
{
    struct winsize size;

    if (ioctl(terminal.standard_out, TIOCGWINSZ, &size) || size.ws_row == 0 || size.ws_col == 0)
        return false;
    *rows = size.ws_row;
    *columns = size.ws_col;
    return true;
}

void terminal_set_farewell(const char *bytes, size_t count)
{
    terminal.farewell_size = 0; /* a crash between the two lines says nothing rather than half */
    count = count < FAREWELL_SIZE ? count : FAREWELL_SIZE;
    memcpy(terminal.farewell, bytes, count);
    terminal.farewell_size = count;
}

void terminal_set_last_words(const char *text)
{
    terminal.last_words_size = 0;
    int length = snprintf(terminal.last_words, sizeof(terminal.last_words), "%s\n", text);

    if (length > 0)
        terminal.last_words_size = strlen(terminal.last_words);
}

int terminal_signal_fd(void)
{
    return terminal.signals[0];
}

enum terminal_signal terminal_next_signal(void)
{
    unsigned char meaning;

    while (read(terminal.signals[0], &meaning, 1) == 1)
        terminal.pending |= 1u << meaning;
    for (int i = TERMINAL_CTRL_C; i <= TERMINAL_CONTINUED; i++)
        if (terminal.pending & 1u << i) {
            terminal.pending &= ~(1u << i);
            return (enum terminal_signal)i;
        }
    return TERMINAL_NOTHING;
}

void terminal_leave_on_interrupt(void)
{
    leave_on_interrupt = true;
}

void terminal_stop(void)
{
    struct sigaction standard = {.sa_handler = SIG_DFL}, before;

    tcsetattr(STDIN_FILENO, TCSANOW, &terminal.modes);
    sigaction(SIGTSTP, &standard, &before);
    raise(SIGTSTP); /* the process stops here, all its threads with it */
    sigaction(SIGTSTP, &before, NULL);
}

bool terminal_is_ours(void)
{
    pid_t foreground = tcgetpgrp(terminal.standard_out);

    return foreground < 0 || foreground == getpgrp();
}

ssize_t terminal_read(void *bytes, size_t size)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    const ssize_t got = read(STDIN_FILENO, bytes, size);

    if (got > 0)
        return got;
    if (got < 0)
        return errno == EINTR || errno == EAGAIN ? 0 : -1;
    return poll(&input, 1, 0) > 0 && (input.revents & (POLLHUP | POLLERR | POLLNVAL)) ? -1 : 0;
}

int terminal_caught_fd(void)
{
    return terminal.caught[0];
}

bool terminal_next_line(char *line, size_t size)
{
    for (;;) {
        char byte;
        ssize_t got = read(terminal.caught[0], &byte, 1);
        bool end = got == 1 && byte == '\n', full = terminal.line_used + 1 >= sizeof(terminal.line);

        if (got != 1 && (terminal.open || terminal.line_used == 0))
            return false;
        if (got == 1 && !end && !full) {
            terminal.line[terminal.line_used++] = byte;
            continue;
        }
        snprintf(line, size, "%.*s", (int)terminal.line_used, terminal.line);
        terminal.line_used = 0;
        if (got == 1 && !end)
            terminal.line[terminal.line_used++] = byte;
        return true;
    }
}
