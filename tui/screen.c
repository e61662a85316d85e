/* See screen.h. ncurses compares what it shows with what it should show; the cells are compared here before it, so that
 * a quiet frame costs one pass over memory. */
#include "tui/screen.h"

#include "tui/graphics.h"
#include "tui/terminal.h"
#include "tui/true_color.h"

#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define NCURSES_WIDECHAR 1
#define NCURSES_NOMACROS 1
#include <curses.h>
#include <term.h>
#undef columns /* of the names that term.h takes, the one wanted here */

enum depth { DEPTH_MONO, DEPTH_8, DEPTH_256, DEPTH_TRUE };

static struct {
    SCREEN *curses;
    enum depth depth;
    const struct theme *theme;
    enum glyph_set glyphs;
    struct canvas *canvas;
    struct cell *shown; /* what curses was told, rows x columns */
    int rows, columns;
    int cursor_row, cursor_column;
    bool mouse; /* its reports are asked for */
    struct {    /* colours looked up lately */
        uint32_t rgb;
        short index;
    } cache[256];
} screen;

/* ---- Mouse: presses and the wheel (1000), in a form without limits (1006) ---- */

static const char mouse_on[] = "\033[?1000h\033[?1006h", mouse_off[] = "\033[?1006l\033[?1000l";

static bool reports_mouse(void)
{
    return key_mouse && *key_mouse;
}

/* Curses has no part in it, and has written out what it had to. */
static void tell_mouse(bool on)
{
    if (!reports_mouse())
        return;
    fputs(on ? mouse_on : mouse_off, terminal_stream());
    fflush(terminal_stream());
}

int screen_set_mouse(bool on, struct error *error)
{
    if (on && !reports_mouse())
        return error_set(error, "this terminal has no mouse (TERM=%s)", getenv("TERM"));
    tell_mouse(on);
    screen.mouse = on;
    return 0;
}

/* ---- Farewell: the bytes for a crash, as terminfo has them ---- */

static char farewell[256];
static size_t farewell_size;

static int keep_byte(int byte)
{
    if (farewell_size < sizeof(farewell))
        farewell[farewell_size++] = (char)byte;
    return byte;
}

static void keep_string(const char *bytes)
{
    if (bytes)
        tputs(bytes, 1, keep_byte);
}

static void prepare_farewell(void)
{
    farewell_size = 0;
    for (const char *byte = graphics_farewell(); *byte; byte++)
        keep_byte(*byte);
    if (reports_mouse())
        keep_string(mouse_off);
    keep_string(exit_attribute_mode);
    keep_string(orig_pair);
    keep_string(cursor_normal);
    keep_string(keypad_local);
    if (exit_ca_mode) {
        keep_string(exit_ca_mode);
    } else if (cursor_address) { /* no other screen to go back to: leave this one and go below it */
        keep_string(tparm(cursor_address, screen.rows - 1, 0, 0, 0, 0, 0, 0, 0, 0));
        keep_string("\r\n");
    }
    terminal_set_farewell(farewell, farewell_size);
}

/* ---- What the terminal can do ---- */

static enum depth find_depth(void)
{
    if (!has_colors() || start_color() == ERR || COLORS < 8)
        return DEPTH_MONO;
    use_default_colors();
    if (COLORS >= 0x1000000 && tigetflag("RGB") > 0)
        return DEPTH_TRUE;
    return COLORS >= 256 ? DEPTH_256 : DEPTH_8;
}

static const struct theme *first_theme(void)
{
    const char *no_color = getenv("NO_COLOR"), *colors = getenv("COLORFGBG");
    const char *background = colors ? strrchr(colors, ';') : NULL;

    if (screen.depth == DEPTH_MONO || (no_color && *no_color))
        return theme_find("mono");
    if (background && (strcmp(background, ";15") == 0 || strcmp(background, ";7") == 0))
        return theme_find("light");
    return theme_at(0);
}

static enum glyph_set find_glyphs(void)
{
    const char *type = getenv("TERM");

    if (strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
        return GLYPHS_ASCII;
    return type && strcmp(type, "linux") == 0 ? GLYPHS_BLOCK : GLYPHS_BRAILLE; /* the console's fonts have no braille */
}

/* ---- Colours ---- */

static int color_index(uint32_t rgb)
{
    unsigned slot = (rgb * 2654435761u) >> 24;

    if (screen.depth == DEPTH_TRUE)
        return (int)rgb;
    if (screen.cache[slot].rgb != (rgb | COLOR_EXACT)) {
        screen.cache[slot].rgb = rgb | COLOR_EXACT;
        screen.cache[slot].index = (short)(screen.depth == DEPTH_256 ? theme_color_256(rgb) : theme_color_8(rgb));
    }
    return screen.cache[slot].index;
}

static bool is_mono(void)
{
    return screen.depth == DEPTH_MONO || strcmp(screen.theme->name, "mono") == 0;
}

/* The attributes and the colour pair of a style. */
static attr_t attributes(struct style style, int *pair)
{
    uint8_t flags = style.flags | screen.theme->flags[style.role < ROLE_COUNT ? style.role : ROLE_TEXT];
    attr_t result = (flags & STYLE_BOLD ? A_BOLD : 0) | (flags & STYLE_UNDERLINE ? A_UNDERLINE : 0);
    uint32_t front, back;
    int foreground, background;

    *pair = 0;
    if (is_mono())
        return result | (flags & STYLE_REVERSE ? A_REVERSE : 0) | (flags & STYLE_FAINT ? A_DIM : 0);
    theme_resolve(screen.theme, style, &front, &back);
    foreground = color_index(front);
    background = color_index(back);
    if (screen.depth == DEPTH_8 && foreground == background) { /* too dark or too light for eight colours */
        foreground = background == COLOR_BLACK ? COLOR_WHITE : COLOR_BLACK;
        result |= A_DIM;
    }
    *pair = alloc_pair(foreground, background);
    if (*pair < 0)
        *pair = 0;
    return result;
}

static void paint_background(void)
{
    cchar_t blank;
    int pair;
    attr_t how = attributes(STYLE(ROLE_TEXT), &pair);

    if (setcchar(&blank, L" ", how & ~(attr_t)A_BOLD, 0, &pair) == OK)
        bkgrndset(&blank);
}

/* ---- Opening, closing, sizes ---- */

/* Keys as bytes: no line editing, no echo, no flow control by Ctrl-S; Ctrl-C, Ctrl-Z and Ctrl-\ stay signals. A read
 * that finds no key, see terminal_read, does not wait for one. */
static void set_modes(void)
{
    struct termios modes;

    cbreak();
    noecho();
    nonl();
    if (tcgetattr(STDIN_FILENO, &modes))
        return;
    modes.c_iflag &= ~(tcflag_t)(IXON | ICRNL);
    modes.c_lflag &= ~(tcflag_t)IEXTEN;
    modes.c_cc[VMIN] = modes.c_cc[VTIME] = 0;
    if (tcsetattr(STDIN_FILENO, TCSANOW, &modes) == 0)
        def_prog_mode();
}

static int make_canvas(struct error *error)
{
    struct canvas *canvas;
    struct cell *shown = calloc((size_t)screen.rows * (size_t)screen.columns, sizeof(*shown));

    if (!shown)
        return error_set(error, "out of memory");
    if (canvas_create_cells(screen.columns, screen.rows, screen.glyphs, &canvas, error)) {
        free(shown);
        return -1;
    }
    canvas_destroy(screen.canvas);
    free(screen.shown);
    screen.canvas = canvas;
    screen.shown = shown;
    return 0;
}

int screen_open(struct error *error)
{
    const char *type = getenv("TERM");
    int rows, columns;
    bool offered;

    if (terminal_size(&rows, &columns)) { /* else $LINES and $COLUMNS may tell it */
        use_env(FALSE);
        use_tioctl(TRUE);
    }
    offered = type && true_color_offer(type, fileno(terminal_stream()));
    screen.curses = newterm(NULL, terminal_stream(), stdin);
    if (offered)
        true_color_withdraw();
    if (!screen.curses)
        return error_set(error, "cannot drive this terminal (TERM=%s): use 'nfbench train'", type ? type : "");
    if (!cursor_address) {
        screen_close();
        return error_set(error, "this terminal cannot move its cursor (TERM=%s): use 'nfbench train'",
                         type ? type : "");
    }
    typeahead(-1); /* input is read beside curses */
    endwin();      /* until it has come back from one, ncurses 6.4 writes each move of the cursor by itself */
    set_modes();
    screen.depth = find_depth();
    screen.theme = first_theme();
    screen.glyphs = find_glyphs();
    memset(screen.cache, 0, sizeof(screen.cache));
    graphics_open(terminal_stream());
    if (screen_fit(error)) {
        screen_close();
        return -1;
    }
    screen.mouse = reports_mouse();
    tell_mouse(screen.mouse);
    return 0;
}

void screen_close(void)
{
    if (!screen.curses)
        return;
    graphics_close();
    if (screen.mouse)
        tell_mouse(false);
    endwin();
    delscreen(screen.curses);
    canvas_destroy(screen.canvas);
    free(screen.shown);
    memset(&screen, 0, sizeof(screen));
}

int screen_fit(struct error *error)
{
    int rows, columns;

    if (!terminal_size(&rows, &columns)) {
        rows = LINES;
        columns = COLS;
    }
    rows = rows < 1 ? 1 : rows > 1000 ? 1000 : rows;
    columns = columns < 1 ? 1 : columns > 2000 ? 2000 : columns;
    resizeterm(rows, columns);
    screen.rows = rows;
    screen.columns = columns;
    screen.cursor_row = -1;
    if (make_canvas(error))
        return -1;
    prepare_farewell();
    screen_redraw();
    return 0;
}

void screen_redraw(void)
{
    memset(screen.shown, 0, (size_t)screen.rows * (size_t)screen.columns * sizeof(*screen.shown));
    graphics_forget();
    paint_background();
    erase();
    clearok(curscr, TRUE);
}

struct canvas *screen_canvas(void)
{
    return screen.canvas;
}

const struct theme *screen_theme(void)
{
    return screen.theme;
}

int screen_set_theme(const struct theme *theme, struct error *error)
{
    if (screen.depth == DEPTH_MONO && strcmp(theme->name, "mono") != 0)
        return error_set(error, "this terminal has no colours");
    screen.theme = theme;
    screen_redraw();
    return 0;
}

int screen_set_glyphs(enum glyph_set glyphs, struct error *error)
{
    if (glyphs != GLYPHS_ASCII && find_glyphs() == GLYPHS_ASCII)
        return error_set(error, "this terminal's character set is %s: it has ASCII alone", nl_langinfo(CODESET));
    screen.glyphs = glyphs;
    if (make_canvas(error))
        return -1;
    screen_redraw();
    return 0;
}

/* ---- Showing ---- */

static int lightness(uint32_t color)
{
    return (2126 * (int)(color >> 16 & 0xff) + 7152 * (int)(color >> 8 & 0xff) + 722 * (int)(color & 0xff)) / 10000;
}

/* Without colours a picture's half blocks all look alike: shades of their lightness stand for them. */
static uint32_t shown_code(const struct cell *cell, struct style style)
{
    static const uint32_t shades[] = {' ', 0x2591, 0x2592, 0x2593, 0x2588};
    int light;

    if (cell->code == 0)
        return ' ';
    if (!is_mono() || (cell->code != 0x2580 && cell->code != 0x2588) || !(style.foreground & COLOR_EXACT))
        return cell->code;
    light = lightness(style.foreground);
    if (cell->code == 0x2580 && (style.background & COLOR_EXACT))
        light = (light + lightness(style.background)) / 2;
    return shades[light * 5 / 256];
}

/* What curses holds for wider or narrower than the canvas does would shift the rest of its line: a text that a person
 * typed may hold any letter. */
static wchar_t safe_code(uint32_t code, int width)
{
    const wchar_t replacement = 0xFFFD;

    if (wcwidth((wchar_t)code) == width)
        return (wchar_t)code;
    return width == 1 && wcwidth(replacement) == 1 ? replacement : L'?';
}

static void show_cell(int row, int column, const struct cell *cell, struct style style)
{
    const uint32_t code = shown_code(cell, style);
    wchar_t text[2] = {code == ' ' ? L' ' : safe_code(code, cell->width), 0};
    cchar_t character;
    int pair;
    attr_t how = attributes(style, &pair);

    if (setcchar(&character, text, how, 0, &pair) == OK)
        mvadd_wch(row, column, &character); /* ERR in the last cell of all, where the cursor cannot go on */
}

static bool same_cell(const struct cell *a, const struct cell *b)
{
    return a->code == b->code && a->width == b->width && a->style.role == b->style.role &&
           a->style.flags == b->style.flags && a->style.foreground == b->style.foreground &&
           a->style.background == b->style.background;
}

/* The style to show a cell in: a blank's own colour is not seen, so it takes that of what stands before it where the
 * background is the same. Half as many bytes go to the terminal. */
static struct style shown_style(const struct cell *cell, struct style before)
{
    uint32_t front, back, back_before;

    if (cell->code != ' ' || ((cell->style.flags | before.flags) & STYLE_UNDERLINE))
        return cell->style;
    theme_resolve(screen.theme, cell->style, &front, &back);
    theme_resolve(screen.theme, before, &front, &back_before);
    return back == back_before ? before : cell->style;
}

static void show_row(const struct cell *cells, struct cell *shown, int row)
{
    struct style style = cells[0].style;

    for (int column = 0; column < screen.columns; column++) {
        style = shown_style(&cells[column], style);
        if (same_cell(&cells[column], &shown[column]))
            continue;
        if (cells[column].width > 0)
            show_cell(row, column, &cells[column], style);
        shown[column] = cells[column];
    }
}

void screen_show(int cursor_row, int cursor_column)
{
    const struct cell *cells = canvas_cells(screen.canvas);

    graphics_take(screen.canvas);
    for (int row = 0; row < screen.rows; row++) {
        size_t at = (size_t)row * (size_t)screen.columns;

        show_row(cells + at, screen.shown + at, row);
    }
    if ((cursor_row < 0) != (screen.cursor_row < 0))
        curs_set(cursor_row < 0 ? 0 : 1);
    screen.cursor_row = cursor_row;
    screen.cursor_column = cursor_column;
    if (cursor_row >= 0)
        move(cursor_row, cursor_column);
    refresh();
    graphics_show();
}

void screen_leave(void)
{
    graphics_leave();
    if (screen.mouse)
        tell_mouse(false);
    endwin();
}

int screen_return(struct error *error)
{
    reset_prog_mode();
    if (screen.mouse)
        tell_mouse(true);
    return screen_fit(error);
}
