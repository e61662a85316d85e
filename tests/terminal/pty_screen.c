/* See pty.h: what stands on the screen, as text and as cells. */
#include "tests/terminal/pty_internal.h"

#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

enum { TEXT_SIZE = 1 << 18 };

static char text[TEXT_SIZE];

static size_t put_code(char *at, uint32_t code)
{
    if (code < 0x80) {
        at[0] = (char)(code ? code : ' ');
        return 1;
    }
    if (code < 0x800) {
        at[0] = (char)(0xc0 | code >> 6);
        at[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        at[0] = (char)(0xe0 | code >> 12);
        at[1] = (char)(0x80 | (code >> 6 & 0x3f));
        at[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    at[0] = (char)(0xf0 | code >> 18);
    at[1] = (char)(0x80 | (code >> 12 & 0x3f));
    at[2] = (char)(0x80 | (code >> 6 & 0x3f));
    at[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

/* Appends a row to `text`; returns the new end. */
static size_t add_row(int row, size_t used)
{
    for (int column = 0; column < pty.columns; column++) {
        VTermScreenCell cell;

        vterm_screen_get_cell(pty.screen, (VTermPos){row, column}, &cell);
        if (cell.chars[0] != (uint32_t)-1) /* the right half of a wide one */
            used += put_code(text + used, cell.chars[0]);
    }
    text[used] = 0;
    return used;
}

const char *pty_row(int row)
{
    add_row(row, 0);
    return text;
}

const char *pty_text(void)
{
    size_t used = 0;

    for (int row = 0; row < pty.rows; row++) {
        size_t begin = used;

        used = add_row(row, used);
        while (used > begin && text[used - 1] == ' ')
            used--;
        text[used++] = '\n';
    }
    text[used] = 0;
    return text;
}

bool pty_find(const char *words, int *row, int *column)
{
    for (int r = 0; r < pty.rows; r++) {
        const char *line = pty_row(r), *at = strstr(line, words);

        if (!at)
            continue;
        *row = r;
        *column = 0;
        for (; line < at; line++)
            *column += (*line & 0xc0) != 0x80;
        return true;
    }
    return false;
}

static uint32_t color_of(VTermColor color)
{
    vterm_screen_convert_color_to_rgb(pty.screen, &color);
    return COLOR_EXACT | (uint32_t)color.rgb.red << 16 | (uint32_t)color.rgb.green << 8 | color.rgb.blue;
}

struct canvas *pty_canvas(void)
{
    struct canvas *canvas;
    struct error error;

    assert_int_equal(canvas_create_cells(pty.columns, pty.rows, GLYPHS_BRAILLE, &canvas, &error), 0);
    for (int row = 0; row < pty.rows; row++)
        for (int column = 0; column < pty.columns; column++) {
            VTermScreenCell cell;
            struct style style = {.role = ROLE_TEXT};

            vterm_screen_get_cell(pty.screen, (VTermPos){row, column}, &cell);
            style.foreground = color_of(cell.attrs.reverse ? cell.bg : cell.fg);
            style.background = color_of(cell.attrs.reverse ? cell.fg : cell.bg);
            style.flags = (uint8_t)((cell.attrs.bold ? STYLE_BOLD : 0) | (cell.attrs.underline ? STYLE_UNDERLINE : 0));
            if (cell.chars[0] != (uint32_t)-1)
                canvas_put(canvas, column, row, style, cell.chars[0] ? cell.chars[0] : ' ');
        }
    return canvas;
}
