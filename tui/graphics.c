/* See graphics.h. What is asked: kitty's query of a picture that is not shown, then the primary device attributes,
 * which every terminal answers; so an answer to the second alone means that there is none to the first. */
#include "tui/graphics.h"

#include "base/clock.h"
#include "tui/terminal.h"
#include "viz/sixel.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { MOST_PICTURES = 512, ESCAPE = 0x1b, BLANK = 0xa0 /* none that curses would clear a line by */ };

static const double LONE_ESCAPE_SECONDS = 0.2, BEGUN_SECONDS = 2, ANSWER_SECONDS = 2, CLOSE_SECONDS = 0.25;
static const char take_all_away[] = "\033_Ga=d,d=A,q=2\033\\";

struct picture_shown {
    struct rect area;
    uint64_t hash;
    unsigned id;
};

static struct {
    FILE *terminal;
    enum graphics_mode mode;
    bool asked, answered;
    double asked_at;
    bool has_kitty, has_sixel;
    int cell_width, cell_height; /* pixels; 0: not known */
    bool erased;                 /* the terminal shows none of `shown` */
    unsigned last_id;
    struct canvas_picture taken[MOST_PICTURES];
    int taken_count;
    struct picture_shown shown[MOST_PICTURES];
    int shown_count;
} graphics;

const char *graphics_word(int index)
{
    static const char *const words[] = {"auto", "kitty", "sixel", "cells", NULL};

    return words[index];
}

int graphics_named(const char *word, int *mode, struct error *error)
{
    for (*mode = 0; graphics_word(*mode); ++*mode)
        if (strcmp(graphics_word(*mode), word) == 0)
            return 0;
    return error_set(error, "must be auto, kitty, sixel or cells");
}

/* ---- Asking ---- */

static bool begins(const char *variable, const char *with)
{
    const char *value = getenv(variable);

    return value && strncmp(value, with, strlen(with)) == 0;
}

static bool in_multiplexer(void)
{
    return getenv("TMUX") || begins("TERM", "tmux") || begins("TERM", "screen");
}

/* Some terminals show a string that they do not know, and tmux takes it for its title. */
static bool may_ask_for_kitty(void)
{
    return !in_multiplexer() && !begins("TERM", "linux") && !begins("TERM", "vt") &&
           !begins("TERM_PROGRAM", "Apple_Terminal");
}

static void ask(void)
{
    graphics.asked = true;
    graphics.asked_at = clock_seconds();
    if (may_ask_for_kitty())
        fputs("\033_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\033\\", graphics.terminal);
    fputs("\033[c", graphics.terminal);
    fflush(graphics.terminal);
}

/* ---- Answers ---- */

static bool is_pending(void)
{
    return graphics.asked && !graphics.answered;
}

/* Past the string terminator of a kitty answer; 0: not there. */
static size_t string_end(const unsigned char *bytes, size_t count)
{
    for (size_t i = 3; i + 1 < count; i++)
        if (bytes[i] == ESCAPE && bytes[i + 1] == '\\')
            return i + 2;
    return 0;
}

/* Past ESC [ ? numbers c; 0: not there, or something else. */
static size_t attributes_end(const unsigned char *bytes, size_t count, bool *begun)
{
    size_t at = 3;

    while (at < count && ((bytes[at] >= '0' && bytes[at] <= '9') || bytes[at] == ';'))
        at++;
    *begun = at == count;
    return at < count && bytes[at] == 'c' ? at + 1 : 0;
}

/* Sixels are attribute 4, behind the terminal's class. */
static bool lists_sixels(const unsigned char *bytes, size_t count)
{
    int number = 0, place = 0;

    for (size_t i = 3; i < count; i++) {
        if (bytes[i] != ';' && bytes[i] != 'c') {
            number = number < 1000 ? 10 * number + bytes[i] - '0' : number;
            continue;
        }
        if (place++ > 0 && number == 4)
            return true;
        number = 0;
    }
    return false;
}

enum beginning { NO_ANSWER, PERHAPS, KITTY_ANSWER, ATTRIBUTES };

static enum beginning beginning_of(const unsigned char *bytes, size_t count)
{
    if (!graphics.asked || bytes[0] != ESCAPE)
        return NO_ANSWER;
    if (count == 1 || (count == 2 && (bytes[1] == '[' || bytes[1] == '_')))
        return PERHAPS;
    if (count > 2 && bytes[1] == '_' && bytes[2] == 'G')
        return KITTY_ANSWER;
    return count > 2 && bytes[1] == '[' && bytes[2] == '?' ? ATTRIBUTES : NO_ANSWER;
}

size_t graphics_answer(const unsigned char *bytes, size_t count, bool last)
{
    static const char yes[] = ";OK";
    const enum beginning what = beginning_of(bytes, count);
    bool begun = true;
    size_t end;

    if (what != KITTY_ANSWER && what != ATTRIBUTES)
        return 0;
    end = what == KITTY_ANSWER ? string_end(bytes, count) : attributes_end(bytes, count, &begun);
    if (end == 0)
        return last && begun ? count : 0;
    if (what == KITTY_ANSWER) {
        graphics.has_kitty |= memmem(bytes, end, yes, sizeof(yes) - 1) != NULL;
        return end;
    }
    graphics.has_sixel = lists_sixels(bytes, end);
    graphics.answered = true;
    return end;
}

double graphics_patience(const unsigned char *bytes, size_t count)
{
    bool begun = true;

    switch (beginning_of(bytes, count)) {
    case PERHAPS:
        return is_pending() && clock_seconds() - graphics.asked_at < ANSWER_SECONDS ? LONE_ESCAPE_SECONDS : 0;
    case KITTY_ANSWER:
        return string_end(bytes, count) ? 0 : BEGUN_SECONDS;
    case ATTRIBUTES:
        return attributes_end(bytes, count, &begun) || !begun ? 0 : BEGUN_SECONDS;
    default:
        return 0;
    }
}

/* ---- What is in use ---- */

static enum graphics_mode in_use(void)
{
    const bool sixels = graphics.cell_width > 0 && graphics.cell_height > 0;

    switch (graphics.mode) {
    case GRAPHICS_AUTO:
        return graphics.has_kitty ? GRAPHICS_KITTY : graphics.has_sixel && sixels ? GRAPHICS_SIXEL : GRAPHICS_CELLS;
    case GRAPHICS_SIXEL:
        return sixels ? GRAPHICS_SIXEL : GRAPHICS_CELLS;
    default:
        return graphics.mode;
    }
}

static void measure_cells(void)
{
    struct winsize size;

    graphics.cell_width = graphics.cell_height = 0;
    if (ioctl(fileno(graphics.terminal), TIOCGWINSZ, &size) || size.ws_col == 0 || size.ws_row == 0)
        return;
    graphics.cell_width = size.ws_xpixel / size.ws_col;
    graphics.cell_height = size.ws_ypixel / size.ws_row;
}

void graphics_open(FILE *terminal)
{
    memset(&graphics, 0, sizeof(graphics));
    graphics.terminal = terminal;
    measure_cells();
}

int graphics_choose(enum graphics_mode mode, const char **said, struct error *error)
{
    if (mode == GRAPHICS_SIXEL && (graphics.cell_width == 0 || graphics.cell_height == 0))
        return error_set(error, "this terminal does not say how many pixels its cells have, which sixels need");
    graphics_leave();
    graphics.mode = mode;
    if (said)
        *said = graphics_word((int)in_use());
    return 0;
}

/* ---- Pictures ---- */

static uint64_t hash_of(const struct canvas_picture *picture) /* FNV-1a */
{
    const size_t count = (size_t)picture->width * (size_t)picture->height * 3;
    uint64_t hash = 0xcbf29ce484222325u ^ (uint64_t)picture->width;

    for (size_t i = 0; i < count; i++)
        hash = (hash ^ picture->rgb[i]) * 0x100000001b3u;
    return hash;
}

void graphics_take(struct canvas *canvas)
{
    struct canvas_picture picture;

    graphics.taken_count = 0;
    if (in_use() == GRAPHICS_CELLS)
        return;
    while (graphics.taken_count < MOST_PICTURES && canvas_picture_at(canvas, graphics.taken_count, &picture))
        graphics.taken[graphics.taken_count++] = picture;
    for (int i = 0; i < graphics.taken_count; i++) {
        const struct rect area = graphics.taken[i].area;

        for (int row = area.row; row < area.row + area.rows; row++)
            for (int column = area.column; column < area.column + area.columns; column++)
                canvas_put(canvas, column, row, STYLE(ROLE_TEXT), BLANK);
    }
}

static int write_picture(const struct canvas_picture *picture, unsigned id, struct error *error)
{
    const struct rect area = picture->area;

    fprintf(graphics.terminal, "\033[%d;%dH", area.row + 1, area.column + 1);
    if (in_use() == GRAPHICS_KITTY)
        return kitty_write(graphics.terminal, id, picture->rgb, picture->width, picture->height, area.columns,
                           area.rows, error);
    return sixel_write(graphics.terminal, picture->rgb, picture->width, picture->height,
                       area.columns * graphics.cell_width, area.rows * graphics.cell_height, error);
}

static struct picture_shown *find_shown(struct rect area, uint64_t hash)
{
    for (int i = 0; i < graphics.shown_count; i++) {
        struct picture_shown *shown = &graphics.shown[i];

        if (shown->id && shown->hash == hash && memcmp(&shown->area, &area, sizeof(area)) == 0)
            return shown;
    }
    return NULL;
}

static void forget_erased(bool kitty)
{
    if (!graphics.erased)
        return;
    if (kitty && graphics.shown_count > 0)
        fputs(take_all_away, graphics.terminal);
    graphics.shown_count = 0;
    graphics.erased = false;
}

/* The new ones first, so that nothing flickers; a picture for which there is no memory is tried again at the next
 * frame.
 */
static void update(bool kitty)
{
    struct picture_shown now[MOST_PICTURES];
    int count = 0;
    struct error error;

    for (int i = 0; i < graphics.taken_count; i++) {
        const struct canvas_picture *picture = &graphics.taken[i];
        struct picture_shown *before, next = {picture->area, hash_of(picture), 0};

        before = find_shown(next.area, next.hash);
        if (before) {
            next.id = before->id;
            before->id = 0;
        } else if (write_picture(picture, next.id = ++graphics.last_id, &error)) {
            continue;
        }
        now[count++] = next;
    }
    for (int i = 0; kitty && i < graphics.shown_count; i++)
        if (graphics.shown[i].id)
            kitty_delete(graphics.terminal, graphics.shown[i].id);
    for (int i = 0; i < count; i++)
        graphics.shown[i] = now[i];
    graphics.shown_count = count;
}

void graphics_show(void)
{
    const bool kitty = in_use() == GRAPHICS_KITTY;

    if (!graphics.terminal)
        return;
    if (graphics.taken_count > 0 || graphics.shown_count > 0) {
        fputs("\0337", graphics.terminal); /* the cursor is curses' */
        forget_erased(kitty);
        update(kitty);
        fputs("\0338", graphics.terminal);
        fflush(graphics.terminal);
    }
    if (!graphics.asked)
        ask();
}

void graphics_forget(void)
{
    graphics.erased = true;
    if (graphics.terminal)
        measure_cells();
}

void graphics_leave(void)
{
    if (!graphics.terminal)
        return;
    if (in_use() == GRAPHICS_KITTY && graphics.shown_count > 0) {
        fputs(take_all_away, graphics.terminal);
        fflush(graphics.terminal);
    }
    graphics.shown_count = 0;
}

static void wait_for_answer(void)
{
    const double until = clock_seconds() + CLOSE_SECONDS;
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    double left;

    while ((left = until - clock_seconds()) > 0 && poll(&input, 1, (int)(1000 * left) + 1) > 0) {
        unsigned char bytes[256];
        const ssize_t count = terminal_read(bytes, sizeof(bytes));

        if (count < 0 || memchr(bytes, 'c', (size_t)count)) /* the end of the attributes */
            return;
    }
}

void graphics_close(void)
{
    if (!graphics.terminal)
        return;
    graphics_leave();
    if (is_pending() && clock_seconds() - graphics.asked_at < ANSWER_SECONDS)
        wait_for_answer();
    graphics.terminal = NULL;
}

const char *graphics_farewell(void)
{
    return may_ask_for_kitty() && graphics.terminal ? take_all_away : "";
}
