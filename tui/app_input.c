/* Bytes from the terminal: keys of the screen while the command line has no focus, readline's while it has. A line that
 * was understood gives the focus back to the keys; one that was not stays there to be edited. */
#include "tui/app_state.h"

#include "base/clock.h"
#include "tui/graphics.h"
#include "tui/keys.h"
#include "tui/repl.h"
#include "tui/screen.h"
#include "tui/terminal.h"

#include <langinfo.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const double ESCAPE_SECONDS = 0.03;

void app_focus(struct app *app, bool focused)
{
    repl_set_text("");
    app->scene.command_focused = focused;
    app->dirty = true;
}

bool app_line(void *context, const char *line)
{
    struct app *app = context;
    struct action action;
    struct error error;

    app->scene.notice.text[0] = 0;
    if (command_parse(line, &action, &error)) {
        app_refuse(app, &error);
        return false;
    }
    app_focus(app, false);
    app_act(app, &action);
    return true;
}

static void close_overlay(struct app *app)
{
    app->scene.asks_to_leave = false;
    app->next.session[0] = 0;
    app->scene.overlay = OVERLAY_NONE;
    app->scene.help_topic = NULL;
    app->scene.overlay_scroll = 0;
}

/* Rows by which a key scrolls an overlay of text; 0: it does not. */
static int scroll_of(int key)
{
    switch (key) {
    case KEY_CODE_DOWN:
        return 1;
    case KEY_CODE_UP:
        return -1;
    case KEY_CODE_PAGE_DOWN:
        return 10;
    case KEY_CODE_PAGE_UP:
        return -10;
    default:
        return 0;
    }
}

/* Keys that an overlay takes: help and messages are scrolled; help goes at any other, a message at those that mean
 * "seen", a figure by Escape alone; y says yes to the question whether to leave. */
static bool overlay_key(struct app *app, int key)
{
    const enum overlay overlay = app->scene.overlay;
    bool seen = key == KEY_CODE_ESCAPE || (overlay == OVERLAY_MESSAGE && (key == KEY_CODE_ENTER || key == ' '));

    if (overlay == OVERLAY_NONE)
        return false;
    if (overlay == OVERLAY_MESSAGE && app->scene.asks_to_leave && key == 'y')
        app_quit(app);
    else if (overlay != OVERLAY_FINDER && scroll_of(key))
        app->scene.overlay_scroll += scroll_of(key);
    else if (overlay == OVERLAY_HELP || seen)
        close_overlay(app);
    else
        return false;
    return true;
}

/* A line that a panel's key has written, to be looked at and entered. */
static void take_prepared(struct app *app)
{
    if (!*app->scene.prepared)
        return;
    app_focus(app, true);
    repl_set_text(app->scene.prepared);
    app_notice(app, ROLE_DIM, "Enter: %s", app->scene.prepared);
    app->scene.prepared[0] = 0;
}

static void screen_key(struct app *app, int key)
{
    struct rect area = canvas_area(screen_canvas());
    const struct command_key *bound;

    app->dirty = true;
    app->scene.notice.text[0] = 0;
    if (key == KEY_CODE_NONE || overlay_key(app, key))
        return;
    bound = scene_takes_first(&app->scene, key) ? NULL : command_for_key(key);
    if (bound)
        (void)app_line(app, bound->line);
    else if (key != ':' && scene_key(&app->scene, area.rows, area.columns, key))
        take_prepared(app);
    else if (key == ':' || key == KEY_CODE_ENTER)
        app_focus(app, true);
    else if (key > ' ' && key < 0x7f)
        app_notice(app, ROLE_DIM, "'%c' does nothing here: ? shows the keys, : opens the command line", key);
}

/* A click takes a message or the help away, the wheel scrolls them; else they are the panels'. */
static void mouse_event(struct app *app, const struct mouse *mouse)
{
    struct rect area = canvas_area(screen_canvas());

    if (mouse->act == MOUSE_OTHER)
        return;
    app->dirty = true;
    if (app->scene.overlay == OVERLAY_NONE)
        scene_mouse(&app->scene, area.rows, area.columns, mouse);
    else if (mouse->act == MOUSE_PRESS)
        close_overlay(app);
    else
        app->scene.overlay_scroll += mouse->act == MOUSE_WHEEL_UP ? -3 : mouse->act == MOUSE_WHEEL_DOWN ? 3 : 0;
}

/* In a locale of ASCII alone readline takes the other bytes for commands. */
static bool locale_knows(unsigned char byte)
{
    return byte < 0x80 || strcmp(nl_langinfo(CODESET), "ANSI_X3.4-1968") != 0;
}

/* The bytes of one key go to readline; an empty line, Ctrl-D on one, and Escape leave it. */
static void line_bytes(struct app *app, const unsigned char *bytes, size_t count, int key)
{
    bool empty = !*repl_text() && !repl_busy();

    app->dirty = true;
    if (key != KEY_CODE_ENTER)
        app->scene.notice.text[0] = 0;
    if ((key == KEY_CODE_ESCAPE && !repl_wants_escape()) ||
        (empty && (key == KEY_CODE_ENTER || key == KEY_CODE_ESCAPE)) || (empty && key == KEY_CODE_BACKSPACE))
        app_focus(app, false);
    else if (!locale_knows(bytes[0]))
        app_notice(app, ROLE_BAD, "this locale has ASCII letters alone: start nfbench with LC_ALL=C.UTF-8 for others");
    else if (!repl_feed(bytes, count))
        app_focus(app, false);
}

/* Takes one key, or an answer of the terminal, from the front of the input; `last`: no more will come soon. */
static void take_key(struct app *app, bool last)
{
    int key = KEY_CODE_NONE;
    size_t count = graphics_answer(app->input, app->input_count, last);
    bool answer = count > 0;
    unsigned char bytes[INPUT_SIZE];

    if (!answer)
        count = key_decode(app->input, app->input_count, &key);
    memcpy(bytes, app->input, count);
    memmove(app->input, app->input + count, app->input_count - count);
    app->input_count -= count;
    if (answer) {
        app->dirty = true;
    } else if (key == KEY_CODE_MOUSE) {
        const struct mouse mouse = mouse_decode(bytes, count);

        mouse_event(app, &mouse);
    } else if (app->scene.command_focused)
        line_bytes(app, bytes, count, key);
    else
        screen_key(app, key);
}

static bool is_full(const struct app *app)
{
    return app->input_count == INPUT_SIZE;
}

/* The input so far may be the beginning of a longer key, for which there is room. */
static bool may_go_on(const struct app *app)
{
    int key;

    if (is_full(app))
        return false;
    if (app->input[0] != KEY_CODE_ESCAPE || graphics_answer(app->input, app->input_count, false))
        return false;
    return graphics_patience(app->input, app->input_count) > 0 || app->input_count == 1 ||
           (key_decode(app->input, app->input_count, &key) == app->input_count && key == KEY_CODE_NONE);
}

static void take_escape(struct app *app)
{
    const unsigned char escape = KEY_CODE_ESCAPE;

    memmove(app->input, app->input + 1, --app->input_count);
    if (app->scene.command_focused)
        line_bytes(app, &escape, 1, KEY_CODE_ESCAPE);
    else
        screen_key(app, KEY_CODE_ESCAPE);
}

/* After an Escape that came alone and long ago only the rest of a longer key, read late, belongs to it: a letter is
 * a key of its own, not Alt and it. */
static bool is_rest(unsigned char byte)
{
    return strchr("[O_", byte) != NULL;
}

void app_read_input(struct app *app)
{
    const bool old_escape =
        app->input_count == 1 && app->input[0] == KEY_CODE_ESCAPE && clock_seconds() - app->input_time > ESCAPE_SECONDS;
    const ssize_t got = terminal_read(app->input + app->input_count, INPUT_SIZE - app->input_count);

    if (got < 0)
        app_hang_up(app);
    if (got <= 0)
        return;
    app->input_count += (size_t)got;
    app->input_time = clock_seconds();
    if (old_escape && !is_rest(app->input[1]))
        take_escape(app);
    while (app->input_count > 0 && !may_go_on(app))
        take_key(app, is_full(app));
}

/* Something was sent that has not been read: the screen was held up, and what seems late came in time. */
static bool more_has_come(const struct app *app)
{
    struct pollfd input = {.fd = app->hidden || app->deaf ? -1 : STDIN_FILENO, .events = POLLIN};

    return poll(&input, 1, 0) > 0 && (input.revents & POLLIN);
}

double app_finish_input(struct app *app)
{
    double wait;

    if (app->input_count == 0)
        return -1;
    wait = fmax(ESCAPE_SECONDS, graphics_patience(app->input, app->input_count)) + app->input_time - clock_seconds();
    if (wait > 0)
        return wait;
    if (more_has_come(app))
        return 0;
    while (app->input_count > 0)
        take_key(app, true);
    return -1;
}
