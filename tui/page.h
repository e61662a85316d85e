/* A document that is written once and comes out as a page of HTML or as Markdown: sections, paragraphs, tables,
 * figures. All texts are plain: what means something in HTML or Markdown is escaped, a line's end within one becomes a
 * blank, and bytes that are not UTF-8 or control something become U+FFFD. Calls never fail: page_finish says whether
 * one did.
 *
 * The page of HTML needs nothing beside itself: pictures and style are in it, there is no script, and its content
 * security policy lets nothing be loaded. Markdown names its pictures' files. */
#ifndef NFBENCH_TUI_PAGE_H
#define NFBENCH_TUI_PAGE_H

#include "base/error.h"

#include <stddef.h>

struct page;

enum page_format { PAGE_HTML, PAGE_MARKDOWN };
enum page_tone { PAGE_PLAIN, PAGE_GOOD, PAGE_WARNING, PAGE_BAD };

/* `kicker`: the words above the title, `lead`: the sentence below it. */
struct page_head {
    const char *kicker, *title, *about, *lead;
    enum page_tone tone; /* of the lead */
};
int page_create(enum page_format format, const struct page_head *head, struct page **out, struct error *error);
void page_destroy(struct page *page); /* NULL is fine */
/* Ends the document; its text is the page's, until that goes. */
int page_finish(struct page *page, const char **text, size_t *size, struct error *error);

/* Begins a section, and ends the one before; `id`: a word of its own, for links. */
void page_section(struct page *page, const char *id, const char *title);
void page_subtitle(struct page *page, const char *text);
void page_paragraph(struct page *page, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A paragraph that stands out. */
void page_note(struct page *page, enum page_tone tone, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Lines as they are, for copying; each ends in a newline. */
void page_code(struct page *page, const char *lines);

/* The figures that count, large. */
struct page_tile {
    const char *label, *value, *more; /* more: small, may be empty */
};
void page_tiles(struct page *page, const struct page_tile *tiles, int count);

/* A table: `columns` has a letter a column, l(eft), r(ight: numbers), w(rapped: sentences), c(ode). Cells come row by
 * row, the first row is the head. */
void page_table(struct page *page, const char *columns);
void page_cell(struct page *page, const char *format, ...) __attribute__((format(printf, 2, 3)));
void page_cell_tone(struct page *page, enum page_tone tone, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void page_table_end(struct page *page);

/* What a reader opens who wants it. */
void page_fold(struct page *page, const char *summary);
void page_fold_end(struct page *page);

/* A picture, as PNG for light and for dark grounds; the file is that of the light one, for Markdown. */
struct page_picture {
    const char *png;
    size_t size;
    int width, height; /* in pixels; shown at half of it */
};
struct page_figure {
    const char *file, *alt, *caption;
    struct page_picture light, dark;
};
void page_figure(struct page *page, const struct page_figure *figure);

#endif
