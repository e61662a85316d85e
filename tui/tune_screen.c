/* See tune_screen.h: the terminal, the clock and the keys about tune_table.c. */
#include "tui/tune_screen.h"

#include "base/clock.h"
#include "tui/app.h"
#include "tui/keys.h"
#include "tui/screen.h"
#include "tui/terminal.h"
#include "tui/tune_table.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { INPUT = 64, LOOK_MILLISECONDS = 200, ESCAPE_MILLISECONDS = 30 };

struct tune_screen {
    struct tune_view view;
    struct tune_run *run;
    unsigned char input[INPUT];
    size_t input_count;
    bool at_once; /* the person does not wait for the saving */
    bool deaf;    /* the terminal is gone */
};

bool tune_screen_can_run(void)
{
    struct error error;
    return app_can_run(&error);
}

static void stop(struct tune_screen *screen)
{
    screen->at_once = tune_run_is_stopping(screen->run);
    tune_run_stop(screen->run);
    screen->view.stopping = true;
    screen->view.asking = false;
}

static void take_key(struct tune_screen *screen, int key)
{
    const bool yes = screen->view.asking && (key == 'y' || key == 'Y');
    screen->view.asking = false;
    if (yes || (key == 'q' && screen->view.stopping))
        stop(screen);
    else if (key == 'q')
        screen->view.asking = true;
    else if (key == KEY_CODE_REDRAW)
        screen_redraw();
    else
        (void)tune_table_key(&screen->view, canvas_area(screen_canvas()), key);
}

/* `last`: no more comes soon, so an Escape is one. */
static void take_keys(struct tune_screen *screen, bool last)
{
    while (screen->input_count > 0) {
        int key;
        const size_t used = key_decode(screen->input, screen->input_count, &key);
        const struct mouse mouse = key == KEY_CODE_MOUSE ? mouse_decode(screen->input, used) : (struct mouse){0};
        if (!last && screen->input[0] == KEY_CODE_ESCAPE && used == screen->input_count &&
            screen->input_count < INPUT && (used == 1 || key == KEY_CODE_NONE))
            return;
        memmove(screen->input, screen->input + used, screen->input_count - used);
        screen->input_count -= used;
        if (key == KEY_CODE_MOUSE)
            tune_table_mouse(&screen->view, canvas_area(screen_canvas()), &mouse);
        else
            take_key(screen, key);
    }
}

static void hang_up(struct tune_screen *screen)
{
    screen->deaf = true;
    if (!tune_run_is_stopping(screen->run))
        stop(screen);
}

static void read_keys(struct tune_screen *screen)
{
    const ssize_t got = terminal_read(screen->input + screen->input_count, INPUT - screen->input_count);
    if (got < 0)
        hang_up(screen);
    if (got <= 0)
        return;
    screen->input_count += (size_t)got;
    take_keys(screen, false);
}

static int take_signal(struct tune_screen *screen, enum terminal_signal signal, struct error *error)
{
    switch (signal) {
    case TERMINAL_CTRL_C:
        if (!screen->deaf)
            screen_redraw(); /* the terminal's line has thrown away what it had not passed on yet */
        stop(screen);
        return 0;
    case TERMINAL_END:
        stop(screen);
        return 0;
    case TERMINAL_HANG_UP:
        hang_up(screen);
        return 0;
    case TERMINAL_STOP:
        screen_leave();
        terminal_stop();
        return screen_return(error);
    case TERMINAL_RESIZED:
        return screen_fit(error);
    default:
        return 0;
    }
}

static int wait_for_something(struct tune_screen *screen, struct error *error)
{
    struct pollfd polls[] = {{.fd = screen->deaf ? -1 : STDIN_FILENO, .events = POLLIN},
                             {.fd = terminal_signal_fd(), .events = POLLIN},
                             {.fd = terminal_caught_fd(), .events = POLLIN}};
    enum terminal_signal signal;
    char line[512];
    const int ready = poll(polls, 3, screen->input_count > 0 ? ESCAPE_MILLISECONDS : LOOK_MILLISECONDS);
    if (ready < 0 && errno != EINTR)
        return error_set(error, "cannot wait for the terminal: %s", strerror(errno));
    while ((signal = terminal_next_signal()) != TERMINAL_NOTHING)
        if (take_signal(screen, signal, error) != 0)
            return -1;
    while (polls[2].revents && terminal_next_line(line, sizeof line))
        ; /* nothing of this process is to be seen on the table */
    if (ready > 0 && polls[0].revents)
        read_keys(screen);
    else
        take_keys(screen, true);
    return 0;
}

static int loop(struct tune_screen *screen, struct error *error)
{
    const double begun = clock_seconds();
    while (!tune_run_is_over(screen->run) && !screen->at_once) {
        screen->view.seconds = clock_seconds() - begun;
        tune_table_draw(screen_canvas(), &screen->view);
        screen_show(-1, 0);
        if (wait_for_something(screen, error) != 0 || tune_run_look(screen->run, error) != 0)
            return -1;
    }
    return 0;
}

int tune_screen_run(const struct tune *tune, struct tune_run *run, struct error *error)
{
    struct tune_screen screen = {.run = run, .view = {.tune = tune, .watch = tune_run_watch(run)}};
    screen.view.rows = calloc((size_t)tune->count, sizeof *screen.view.rows);
    if (!screen.view.rows)
        return error_set(error, "out of memory");
    int result = terminal_open(error);
    if (result == 0) {
        result = screen_open(error) || tune_run_look(run, error) || loop(&screen, error);
        screen_close();
        terminal_close();
    }
    free(screen.view.rows);
    return result ? -1 : 0;
}
