/* See print.h. */
#include "viz/print.h"
#include "viz/theme.h"

#include <errno.h>
#include <string.h>

int text_encode(uint32_t code, char out[5])
{
    static const unsigned char lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    int bytes = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (int i = bytes - 1; i > 0; i--, code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3F));
    out[0] = (char)(lead[bytes] | code);
    out[bytes] = 0;
    return bytes;
}

static bool blank(const struct cell *cell, const struct theme *theme)
{
    bool marked = cell->style.background || cell->style.flags & (STYLE_REVERSE | STYLE_UNDERLINE);
    return cell->code == ' ' && cell->width == 1 && !(theme && marked);
}

static void print_style(FILE *file, const struct theme *theme, struct style style)
{
    uint8_t flags = style.flags | theme->flags[style.role];
    uint32_t front, back;
    style.flags &= (uint8_t)~STYLE_FAINT; /* it is in the colour already */
    theme_resolve(theme, style, &front, &back);
    fprintf(file, "\033[0;%s%s38;5;%d", flags & STYLE_BOLD ? "1;" : "", flags & STYLE_UNDERLINE ? "4;" : "",
            theme_color_256(front));
    if (back != theme->background)
        fprintf(file, ";48;5;%d", theme_color_256(back));
    fputc('m', file);
}

int canvas_print(const struct canvas *canvas, FILE *file, const struct theme *theme, struct error *error)
{
    struct rect area = canvas_area(canvas);
    const struct cell *row = canvas_cells(canvas);
    if (!row)
        return error_set(error, "only a canvas of cells can be printed");
    for (int y = 0; y < area.rows; y++, row += area.columns) {
        int end = area.columns;
        while (end > 0 && blank(&row[end - 1], theme))
            end--;
        for (int x = 0; x < end; x++) {
            char text[5];
            if (row[x].width == 0)
                continue;
            if (theme && (x == 0 || !style_equal(row[x].style, row[x - 1].style)))
                print_style(file, theme, row[x].style);
            text_encode(row[x].code, text);
            fputs(text, file);
        }
        fputs(theme && end ? "\033[0m\n" : "\n", file);
    }
    if (fflush(file) || ferror(file))
        return error_set(error, "cannot print: %s", strerror(errno));
    return 0;
}
