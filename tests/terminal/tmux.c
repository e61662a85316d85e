/* See tmux.h. One server with a socket of its own, one session at a time. */
#include "tests/terminal/tmux.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_MS = 300000, POLL_MS = 25, TEXT_SIZE = 1 << 18 };

static char folder[64], binary[1024], text[TEXT_SIZE];

long clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Between two looks; never in the hope that something has happened by then. */
static void rest(void)
{
    const struct timespec moment = {.tv_nsec = POLL_MS * 1000000L};

    nanosleep(&moment, NULL);
}

const char *screen_path(const char *name)
{
    static char path[256];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* Runs a shell command line and keeps what it prints in `text`; returns its exit status. */
static int shell(const char *format, ...)
{
    char command[4096];
    va_list arguments;
    FILE *pipe;
    size_t used;

    va_start(arguments, format);
    vsnprintf(command, sizeof command, format, arguments);
    va_end(arguments);
    pipe = popen(command, "r");
    assert_non_null(pipe);
    used = fread(text, 1, sizeof text - 1, pipe);
    text[used] = 0;
    return pclose(pipe);
}

#define TMUX "env -u TMUX TMUX_TMPDIR=%s tmux -f /dev/null "

int tmux_set_up(void **state)
{
    const char *given = getenv("NFBENCH_BINARY");

    (void)state;
    snprintf(folder, sizeof folder, "/tmp/nfbench-screen-XXXXXX");
    if (!mkdtemp(folder) || !realpath(given ? given : "nfbench", binary))
        return -1;
    return 0;
}

int tmux_tear_down(void **state)
{
    (void)state;
    shell(TMUX "kill-server 2>&1; rm -rf %s", folder, folder);
    return 0;
}

static bool file_exists(const char *name)
{
    return access(screen_path(name), F_OK) == 0;
}

void screen_start(int columns, int rows, const char *environment, const char *arguments)
{
    char sessions[128] = ""; /* the test's own, unless it names another place: the last one counts */
    FILE *script;

    if (!strstr(arguments, "--sessions-dir"))
        snprintf(sessions, sizeof sessions, "--sessions-dir %s/sessions", folder);
    unlink(screen_path("status")); /* of the program before */
    unlink(screen_path("pid"));
    if (shell("command -v tmux") != 0) {
        print_message("no tmux here: skipped\n");
        skip();
    }
    script = fopen(screen_path("run.sh"), "w");
    assert_non_null(script);
    fprintf(script,
            "cd %s; set -m; stty -g > before\n"
            "env TERM=tmux-256color LC_ALL=C.UTF-8 OMP_WAIT_POLICY=passive HOME=%s INPUTRC=/dev/null %s "
            "sh -c 'echo $$ > pid.new; mv pid.new pid; exec \"$@\"' sh %s %s %s\n"
            "status=$?; stty -g > after; echo $status > status.new; mv status.new status; PS1='shell> '\n",
            folder, folder, environment, binary, arguments, sessions);
    assert_int_equal(fclose(script), 0);
    if (shell(TMUX "new-session -d -s screen -c %s -x %d -y %d 'env PS1=shell\\>\\  bash --norc' 2>&1", folder, folder,
              columns, rows) != 0)
        fail_msg("tmux: %s", text);
    assert_int_equal(shell(TMUX "set -sg escape-time 0 \\; set -sg exit-empty off 2>&1", folder), 0);
    wait_for("shell>");
    screen_type("clear; . ./run.sh\n");
}

void screen_end(void)
{
    shell(TMUX "kill-session -t screen 2>&1", folder);
}

void screen_key(const char *key)
{
    assert_int_equal(shell(TMUX "send-keys -t screen '%s' 2>&1", folder, key), 0);
}

void screen_type(const char *typed)
{
    /* a newline is Enter */
    size_t length = strlen(typed);
    bool enter = length && typed[length - 1] == '\n';

    assert_int_equal(shell(TMUX "send-keys -t screen -l '%.*s' 2>&1", folder, (int)length - enter, typed), 0);
    if (enter)
        screen_key("Enter");
}

void screen_command(const char *command)
{
    char line[256];

    snprintf(line, sizeof line, ":%s\n", command);
    screen_type(line);
}

void screen_resize(int columns, int rows)
{
    assert_int_equal(shell(TMUX "resize-window -t screen -x %d -y %d 2>&1", folder, columns, rows), 0);
}

const char *screen_text(void)
{
    shell(TMUX "capture-pane -p -t screen 2>&1", folder);
    return text;
}

const char *screen_raw(void)
{
    shell(TMUX "capture-pane -p -e -t screen 2>&1", folder);
    return text;
}

void screen_pipe(const char *name)
{
    assert_int_equal(shell(TMUX "pipe-pane -t screen -O 'cat >> %s' 2>&1", folder, screen_path(name)), 0);
}

/* The screen, and before it all that has scrolled off since the terminal was opened. */
static const char *screen_history(void)
{
    shell(TMUX "capture-pane -p -S - -t screen 2>&1", folder);
    return text;
}

static void wait_for_words(const char *(*look)(void), const char *words, bool there)
{
    long limit = clock_ms() + PATIENCE_MS;

    while ((strstr(look(), words) != NULL) != there) {
        if (clock_ms() > limit)
            fail_msg("'%s' %s:\n%s", words, there ? "did not come" : "did not go", text);
        rest();
    }
}

void wait_for(const char *words)
{
    wait_for_words(screen_text, words, true);
}

static bool has_in_row(const char *screen, int row, const char *words)
{
    for (; screen && row > 1; row--)
        screen = (screen = strchr(screen, '\n')) ? screen + 1 : NULL;
    const char *found = screen ? strstr(screen, words) : NULL;

    return found && !memchr(screen, '\n', (size_t)(found - screen));
}

void wait_for_in_row(int row, const char *words)
{
    const long limit = clock_ms() + PATIENCE_MS;

    while (!has_in_row(screen_text(), row, words)) {
        if (clock_ms() > limit)
            fail_msg("'%s' did not come in row %d:\n%s", words, row, text);
        rest();
    }
}

void wait_until_gone(const char *words)
{
    wait_for_words(screen_text, words, false);
}

void wait_for_said(const char *words)
{
    wait_for_words(screen_history, words, true);
}

void wait_for_ascii(void)
{
    long limit = clock_ms() + PATIENCE_MS;
    const char *mark;

    do {
        rest();
        mark = strchr(screen_text(), '?');
        for (const char *at = text; *at; at++)
            assert_true((unsigned char)*at < 0x80);
        if (clock_ms() > limit)
            fail_msg("not in ASCII alone:\n%s", text);
    } while (!mark || mark != strstr(text, "? help"));
}

void screen_settle(void)
{
    static int count;
    const char key[] = {"YZ"[count++ % 2], 0}; /* the word on the last one may still stand there */
    char words[16];
    long limit = clock_ms() + PATIENCE_MS, again = 0;

    snprintf(words, sizeof words, "'%s' does", key);
    do {
        if (clock_ms() > limit)
            fail_msg("nfbench does not answer a key:\n%s", text);
        if (clock_ms() >= again) { /* right behind an Escape it is another key */
            screen_key(key);
            again = clock_ms() + 1000;
        }
        rest();
    } while (!strstr(screen_text(), words));
}

static long step_in(const char *screen)
{
    const char *at = strstr(screen, " step ");
    long step = 0;

    if (!at)
        return -1;
    for (at += 6; *at == ' '; at++)
        ;
    if (*at < '0' || *at > '9')
        return -1;
    for (; (*at >= '0' && *at <= '9') || *at == ','; at++)
        step = *at == ',' ? step : 10 * step + (*at - '0');
    return *at == '/' ? step : -1;
}

long screen_step(void)
{
    return step_in(screen_text());
}

long wait_for_step_above(long least)
{
    long limit = clock_ms() + PATIENCE_MS, step;

    while ((step = screen_step()) <= least) {
        if (clock_ms() > limit)
            fail_msg("the step is %ld, not above %ld:\n%s", step, least, text);
        rest();
    }
    return step;
}

void wait_for_pause_at(long step)
{
    char words[64];
    long limit = clock_ms() + PATIENCE_MS;

    snprintf(words, sizeof words, "paused at step %ld; ", step);
    while (!strstr(screen_text(), words) || step_in(text) != step) { /* the log may have the words of another pause */
        if (clock_ms() > limit)
            fail_msg("not '%s':\n%s", words, text);
        rest();
    }
    screen_settle();
    assert_int_equal(screen_step(), step);
}

static long bytes_written(const char *name)
{
    struct stat status;

    return stat(screen_path(name), &status) == 0 ? (long)status.st_size : 0;
}

/* How many bytes half a second brings. */
static long bytes_of_half_a_second(void)
{
    const long before = bytes_written("bytes");

    for (const long until = clock_ms() + 500; clock_ms() < until;)
        assert_non_null(strstr(screen_text(), " paused "));
    return bytes_written("bytes") - before;
}

void screen_stays_quiet(void)
{
    const long limit = clock_ms() + PATIENCE_MS;

    screen_pipe("bytes");
    screen_key("z"); /* something to draw, so that the pipe is known to stand */
    wait_for("'z' does nothing here");
    /* what the screen shows by now comes through the pipe when the machine gets to it, and so may a last look of the
     * screen at its run */
    for (int quiet = 0; quiet<4; quiet = bytes_written("bytes")> 0 && bytes_of_half_a_second() == 0 ? quiet + 1 : 0)
        if (clock_ms() > limit)
            fail_msg("nfbench writes and writes:\n%s", text);
}

void wait_for_format(const char *format, const char *words)
{
    long limit = clock_ms() + PATIENCE_MS;

    while (shell(TMUX "display-message -p -t screen '%s' 2>&1", folder, format) != 0 ||
           strncmp(text, words, strlen(words)) != 0 || text[strlen(words)] != '\n') {
        if (clock_ms() > limit)
            fail_msg("%s is not %s but %s", format, words, text);
        rest();
    }
}

static long read_number(const char *name)
{
    long number = -1;
    FILE *file = fopen(screen_path(name), "r");

    if (!file)
        return -1;
    if (fscanf(file, "%ld", &number) != 1)
        number = -1;
    fclose(file);
    return number;
}

static void wait_for_file(const char *name)
{
    long limit = clock_ms() + PATIENCE_MS;

    while (!file_exists(name)) {
        if (clock_ms() > limit)
            fail_msg("nfbench is still there:\n%s", screen_text());
        rest();
    }
}

int screen_status(void)
{
    wait_for_file("status");
    return (int)read_number("status");
}

int screen_pid(void)
{
    wait_for_file("pid");
    return (int)read_number("pid");
}

void assert_terminal_restored(void)
{
    wait_for_file("status");
    assert_int_equal(shell("cd %s && cmp before after 2>&1", folder), 0);
    wait_for_format("#{alternate_on} #{cursor_flag} #{keypad_cursor_flag}", "0 1 0"); /* tmux may not have read all */
    screen_type("echo re\"\"stored\n"); /* what is typed is seen, and Enter ends a line */
    wait_for("restored");
    wait_for("echo re");
}

int screen_tear_down(void **state)
{
    (void)state;
    screen_end();
    return 0;
}

void screen_leave(void)
{
    screen_key("q");
    assert_int_equal(screen_status(), 0);
}

void wait_for_pause(void)
{
    const long limit = clock_ms() + PATIENCE_MS;

    while (!has_in_row(screen_text(), 1, " paused ") && !has_in_row(text, 2, " paused ")) {
        if (clock_ms() > limit)
            fail_msg("the run does not pause:\n%s", text);
        rest();
    }
    screen_settle();
}

void screen_pause(void)
{
    screen_key("Space");
    wait_for_pause();
}
