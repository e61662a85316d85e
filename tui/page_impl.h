/* Inside tui/page*.c: what the two formats do, each in its way. */
#ifndef NFBENCH_TUI_PAGE_IMPL_H
#define NFBENCH_TUI_PAGE_IMPL_H

#include "sessions/fields.h"
#include "tui/page.h"

enum { PAGE_COLUMNS = 16 };

struct page {
    const struct page_ops *ops;
    struct text body, contents, whole; /* contents: links to the sections */
    struct page_head head;
    char title[512], about[512], lead[1024];
    char columns[PAGE_COLUMNS + 1]; /* of the table that is open */
    int column, row;                /* of the cell that comes next */
    bool in_section;
};

struct page_ops {
    void (*section)(struct page *page, const char *id, const char *title);
    void (*subtitle)(struct page *page, const char *text);
    void (*paragraph)(struct page *page, enum page_tone tone, bool note, const char *text);
    void (*code)(struct page *page, const char *lines);
    void (*tiles)(struct page *page, const struct page_tile *tiles, int count);
    void (*table)(struct page *page);
    void (*cell)(struct page *page, enum page_tone tone, const char *text); /* in column `column` of row `row` */
    void (*table_end)(struct page *page);
    void (*fold)(struct page *page, const char *summary);
    void (*fold_end)(struct page *page);
    void (*figure)(struct page *page, const struct page_figure *figure);
    void (*finish)(struct page *page); /* puts `whole` together */
};
extern const struct page_ops page_html, page_markdown;

/* Takes the next character of a text: its bytes from *text to the new *text, or U+FFFD in place of what is none or
 * controls something. False at the end. */
struct page_character {
    unsigned code;
    const char *bytes;
    size_t count;
};
bool page_next(const char **text, struct page_character *out);

#endif
