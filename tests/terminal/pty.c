/* See pty.h: the program, its terminal and its bytes. */
#include "tests/terminal/pty_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <utmp.h>

enum { WORDS = 64 };

static char folder[64], binary[1024];

struct pty pty = {.terminal = -1, .line = -1};

long pty_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

const char *pty_path(const char *name)
{
    static char path[256];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

int pty_set_up(void **state)
{
    const char *given = getenv("NFBENCH_BINARY");

    (void)state;
    snprintf(folder, sizeof folder, "/tmp/nfbench-pty-XXXXXX");
    return mkdtemp(folder) && realpath(given ? given : "nfbench", binary) ? 0 : -1;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

int pty_tear_down(void **state)
{
    (void)state;
    pty_end();
    return nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- The screen ---- */

static int on_property(VTermProp property, VTermValue *value, void *user)
{
    (void)user;
    if (property == VTERM_PROP_ALTSCREEN)
        pty.modes.other_screen = value->boolean;
    else if (property == VTERM_PROP_CURSORVISIBLE)
        pty.modes.cursor = value->boolean;
    else if (property == VTERM_PROP_MOUSE)
        pty.modes.mouse = value->number;
    return 1;
}

static void open_screen(int columns, int rows)
{
    static const VTermScreenCallbacks callbacks = {.settermprop = on_property};

    pty.rows = rows;
    pty.columns = columns;
    pty.vterm = vterm_new(rows, columns);
    vterm_set_utf8(pty.vterm, 1);
    pty.screen = vterm_obtain_screen(pty.vterm);
    vterm_screen_set_callbacks(pty.screen, &callbacks, NULL);
    vterm_screen_enable_altscreen(pty.screen, 1);
    vterm_screen_reset(pty.screen, 1);
    pty.modes = (struct pty_modes){.cursor = true};
    pty.bytes = 0;
}

/* ---- The program ---- */

static int split(char *words, char *out[], int count)
{
    for (char *word = strtok(words, " "); word && count < WORDS - 1; word = strtok(NULL, " "))
        out[count++] = word;
    out[count] = NULL;
    return count;
}

/* In the child; what it says when it fails comes on the screen. */
static void become_nfbench(const char *environment, const char *arguments)
{
    char names[1024], words[4096], *settings[WORDS], *list[WORDS] = {binary};
    int count;

    snprintf(names, sizeof names,
             "TERM=tmux-256color LC_ALL=C.UTF-8 TZ=UTC OMP_WAIT_POLICY=passive INPUTRC=/dev/null HOME=%s %s", folder,
             environment);
    snprintf(words, sizeof words, "%s%s", arguments,
             strstr(arguments, "--sessions-dir") ? "" : " --sessions-dir sessions");
    unsetenv("COLORTERM");
    unsetenv("NO_COLOR");
    count = split(names, settings, 0);
    for (int i = 0; i < count; i++)
        putenv(settings[i]);
    split(words, list, 1);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    if (login_tty(pty.line) == 0 && chdir(folder) == 0)
        execv(binary, list);
    perror(binary);
    _exit(127);
}

void pty_set_pixels(int width, int height)
{
    pty.cell_width = width;
    pty.cell_height = height;
}

void pty_set_filter(size_t (*filter)(char *bytes, size_t count))
{
    pty.filter = filter;
}

static struct winsize size_of(int columns, int rows)
{
    return (struct winsize){.ws_row = (unsigned short)rows,
                            .ws_col = (unsigned short)columns,
                            .ws_xpixel = (unsigned short)(columns * pty.cell_width),
                            .ws_ypixel = (unsigned short)(rows * pty.cell_height)};
}

void pty_start(int columns, int rows, const char *environment, const char *arguments)
{
    struct winsize size = size_of(columns, rows);

    pty_end();
    open_screen(columns, rows);
    assert_int_equal(openpty(&pty.terminal, &pty.line, NULL, NULL, &size), 0);
    assert_int_equal(fcntl(pty.terminal, F_SETFD, FD_CLOEXEC), 0);
    assert_int_equal(tcgetattr(pty.line, &pty.before), 0);
    pty.pid = fork();
    assert_true(pty.pid >= 0);
    if (pty.pid == 0)
        become_nfbench(environment, arguments);
}

void pty_hang_up(void)
{
    close(pty.terminal);
    pty.terminal = -1;
}

void pty_end(void)
{
    if (pty.pid > 0) {
        kill(pty.pid, SIGKILL);
        while (waitpid(pty.pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    if (pty.terminal >= 0)
        close(pty.terminal);
    if (pty.line >= 0)
        close(pty.line);
    if (pty.vterm)
        vterm_free(pty.vterm);
    pty.pid = 0;
    pty.terminal = pty.line = -1;
    pty.vterm = NULL;
}

pid_t pty_pid(void)
{
    return pty.pid;
}

/* ---- Bytes ---- */

/* What the terminal answers: to the program's questions, and for the mouse. */
static void send_answers(void)
{
    char bytes[256];
    size_t count;

    while ((count = vterm_output_read(pty.vterm, bytes, sizeof bytes)) > 0)
        pty_send(bytes, count);
}

bool pty_take(int milliseconds)
{
    static char bytes[1 << 16];
    struct pollfd poll_terminal = {.fd = pty.terminal, .events = POLLIN};
    ssize_t count;

    if (poll(&poll_terminal, 1, milliseconds) <= 0)
        return false;
    count = read(pty.terminal, bytes, sizeof bytes);
    if (count <= 0)
        return false;
    pty.bytes += count;
    if (pty.filter)
        count = (ssize_t)pty.filter(bytes, (size_t)count);
    vterm_input_write(pty.vterm, bytes, (size_t)count);
    send_answers();
    return true;
}

/* Row by row: a message of cmocka's is cut at some length. */
static void show(void)
{
    for (int row = 0; row < pty.rows; row++)
        print_message("%s\n", pty_row(row));
}

/* The thread of the screen waits for something: it is not kept from going on by others on a busy machine. */
static bool screen_waits(void)
{
    char path[64], state = 0;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/stat", pty.pid);
    file = fopen(path, "r");
    if (!file)
        return true;
    if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
        state = 0;
    fclose(file);
    return state != 'R' && state != 'D';
}

void pty_take_until_quiet(int milliseconds)
{
    const long limit = pty_now() + PTY_PATIENCE_MS;

    while (pty_take(milliseconds) || !screen_waits() || pty_take(0))
        if (pty_now() > limit) {
            show();
            fail_msg("nfbench writes and writes");
        }
}

void pty_send(const char *bytes, size_t count)
{
    while (count > 0) {
        ssize_t written = write(pty.terminal, bytes, count);

        if (written < 0 && errno != EINTR && errno != EAGAIN)
            fail_msg("cannot write to the terminal: %s", strerror(errno));
        if (written > 0) {
            bytes += written;
            count -= (size_t)written;
        }
    }
}

void pty_keys(const char *keys)
{
    pty_send(keys, strlen(keys));
}

void pty_command(const char *command)
{
    pty_keys(":");
    pty_keys(command);
    pty_keys("\r");
}

/* What this version of libvterm reports unasked, too. */
static void press(int row, int column, int button, bool pressed)
{
    if (pty.modes.mouse == 0)
        return;
    vterm_mouse_move(pty.vterm, row, column, VTERM_MOD_NONE);
    vterm_mouse_button(pty.vterm, button, pressed, VTERM_MOD_NONE);
    send_answers();
}

void pty_click(int row, int column)
{
    press(row, column, 1, true);
    press(row, column, 1, false);
}

void pty_wheel(int row, int column, bool up)
{
    press(row, column, up ? 4 : 5, true);
}

void pty_resize(int columns, int rows)
{
    struct winsize size = size_of(columns, rows);

    while (pty_take(0))
        ;
    pty.rows = rows;
    pty.columns = columns;
    vterm_set_size(pty.vterm, rows, columns);
    assert_int_equal(ioctl(pty.terminal, TIOCSWINSZ, &size), 0);
}

long pty_bytes(void)
{
    return pty.bytes;
}

struct pty_modes pty_modes(void)
{
    return pty.modes;
}

bool pty_line_restored(void)
{
    struct termios now;

    assert_int_equal(tcgetattr(pty.line, &now), 0);
    return now.c_iflag == pty.before.c_iflag && now.c_oflag == pty.before.c_oflag && now.c_lflag == pty.before.c_lflag;
}

bool pty_line_waits(void)
{
    struct termios now;

    assert_int_equal(tcgetattr(pty.line, &now), 0);
    return now.c_cc[VMIN] > 0;
}

/* ---- Waiting ---- */

static void wait_for_words(const char *words, bool there)
{
    long limit = pty_now() + PTY_PATIENCE_MS;
    int row, column;

    while (pty_find(words, &row, &column) != there) {
        if (pty_now() > limit || (!pty_take(50) && !pty_runs() && !pty_take(50))) {
            show();
            fail_msg("'%s' %s", words, there ? "did not come" : "did not go");
        }
    }
}

void pty_wait(const char *words)
{
    wait_for_words(words, true);
}

void pty_wait_gone(const char *words)
{
    wait_for_words(words, false);
}

void pty_settle(void)
{
    long limit = pty_now() + PTY_PATIENCE_MS;
    int row, column;

    for (long again = 0;
         !pty_find("'~' does", &row, &column);) { /* the word on a command's outcome may take its place */
        if (pty_now() >= again)
            pty_keys("~");
        again = pty_now() >= again ? pty_now() + 1000 : again;
        if (pty_now() > limit || (!pty_take(50) && !pty_runs() && !pty_take(50))) {
            show();
            fail_msg("nfbench does not answer a key");
        }
    }
    pty_keys("\033[99~");
    pty_wait_gone("'~' does");
    pty_take_until_quiet(60); /* the rest of that frame */
}

/* Without taking its status. */
bool pty_runs(void)
{
    siginfo_t info = {.si_pid = 0};

    return pty.pid > 0 && waitid(P_PID, (id_t)pty.pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
}

int pty_status(void)
{
    long limit = pty_now() + PTY_PATIENCE_MS;
    int status;

    while (pty_runs()) {
        if (pty_now() > limit) {
            show();
            fail_msg("nfbench is still there");
        }
        if (pty.terminal < 0)
            poll(NULL, 0, 20);
        else
            pty_take(20);
    }
    while (pty.terminal >= 0 && pty_take(0))
        ;
    assert_int_equal(waitpid(pty.pid, &status, 0), pty.pid);
    pty.pid = 0;
    return status;
}
