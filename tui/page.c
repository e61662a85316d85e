/* See page.h: what both formats share. */
#include "tui/page_impl.h"

#include "viz/canvas.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_TEXT = 4096 };

/* ---- Characters ---- */

/* No text's own: controls but the line's end, what turns the direction of what follows, code points that are none. */
static bool is_unfit(uint32_t code)
{
    return (code < 0x20 && code != '\n' && code != '\t') || (code >= 0x7F && code < 0xA0) ||
           (code >= 0x202A && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069) || (code & 0xFFFE) == 0xFFFE ||
           (code >= 0xFDD0 && code <= 0xFDEF);
}

bool page_next(const char **text, struct page_character *out)
{
    static const char replacement[] = "\uFFFD";
    if (!**text)
        return false;
    out->bytes = *text;
    out->code = text_next(text);
    out->count = (size_t)(*text - out->bytes);
    if (out->code == 0xFFFD || is_unfit(out->code)) {
        out->code = 0xFFFD;
        out->bytes = replacement;
        out->count = sizeof replacement - 1;
    }
    return true;
}

/* ---- The document ---- */

int page_create(enum page_format format, const struct page_head *head, struct page **out, struct error *error)
{
    struct page *page = *out = calloc(1, sizeof *page);
    if (!page)
        return error_set(error, "out of memory");
    page->ops = format == PAGE_HTML ? &page_html : &page_markdown;
    page->head = *head;
    snprintf(page->title, sizeof page->title, "%s", head->title);
    snprintf(page->about, sizeof page->about, "%s", head->about);
    snprintf(page->lead, sizeof page->lead, "%s", head->lead);
    page->head.title = page->title;
    page->head.about = page->about;
    page->head.lead = page->lead;
    return 0;
}

void page_destroy(struct page *page)
{
    if (!page)
        return;
    free(page->body.data);
    free(page->contents.data);
    free(page->whole.data);
    free(page);
}

int page_finish(struct page *page, const char **text, size_t *size, struct error *error)
{
    page->ops->finish(page);
    if (page->body.failed || page->contents.failed || page->whole.failed)
        return error_set(error, "out of memory");
    *text = page->whole.data;
    *size = page->whole.length;
    return 0;
}

/* ---- Its parts ---- */

void page_section(struct page *page, const char *id, const char *title)
{
    page->ops->section(page, id, title);
    page->in_section = true;
}

void page_subtitle(struct page *page, const char *text)
{
    page->ops->subtitle(page, text);
}

void page_paragraph(struct page *page, const char *format, ...)
{
    char text[MOST_TEXT];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    page->ops->paragraph(page, PAGE_PLAIN, false, text);
}

void page_note(struct page *page, enum page_tone tone, const char *format, ...)
{
    char text[MOST_TEXT];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    page->ops->paragraph(page, tone, true, text);
}

void page_code(struct page *page, const char *lines)
{
    page->ops->code(page, lines);
}

void page_tiles(struct page *page, const struct page_tile *tiles, int count)
{
    page->ops->tiles(page, tiles, count);
}

/* ---- Tables ---- */

void page_table(struct page *page, const char *columns)
{
    snprintf(page->columns, sizeof page->columns, "%s", columns);
    page->column = page->row = 0;
    page->ops->table(page);
}

static void add_cell(struct page *page, enum page_tone tone, const char *format, va_list arguments)
{
    char text[MOST_TEXT];
    vsnprintf(text, sizeof text, format, arguments);
    page->ops->cell(page, tone, text);
    if (page->columns[++page->column])
        return;
    page->column = 0;
    page->row++;
}

void page_cell(struct page *page, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add_cell(page, PAGE_PLAIN, format, arguments);
    va_end(arguments);
}

void page_cell_tone(struct page *page, enum page_tone tone, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add_cell(page, tone, format, arguments);
    va_end(arguments);
}

void page_table_end(struct page *page)
{
    page->ops->table_end(page);
}

void page_fold(struct page *page, const char *summary)
{
    page->ops->fold(page, summary);
}

void page_fold_end(struct page *page)
{
    page->ops->fold_end(page);
}

void page_figure(struct page *page, const struct page_figure *figure)
{
    page->ops->figure(page, figure);
}
