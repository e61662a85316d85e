/* Markdown as GitHub shows it (its flavour of CommonMark, with tables); see page.h. */
#include "tui/page_impl.h"

#include <ctype.h>
#include <string.h>

/* What begins something where a line begins: "#", "-", "+", "=", and "1." */
static bool begins_something(const char *text)
{
    if (strchr("#-+=", *text))
        return true;
    const size_t digits = strspn(text, "0123456789");
    return digits > 0 && (text[digits] == '.' || text[digits] == ')');
}

/* People, and :pictures: of the text's own. */
static bool names_something(const struct page_character *next, const char *text)
{
    return (next->code == '@' && isalnum((unsigned char)*text)) ||
           (next->code == ':' && (isalpha((unsigned char)*text) || *text == '+' || *text == '-'));
}

static void add_escaped(struct text *out, const char *text)
{
    struct page_character next;
    while (page_next(&text, &next)) {
        if (next.code == '\n' || next.code == '\t')
            text_add(out, " ");
        else if (next.code == '<' || next.code == '>' || next.code == '&')
            text_add(out, "%s", next.code == '<' ? "&lt;" : next.code == '>' ? "&gt;" : "&amp;");
        else if (next.code < 0x80 && strchr("\\`*_[]|~$", (int)next.code))
            text_add(out, "\\%c", (char)next.code);
        else if (names_something(&next, text))
            text_add(out, "&#%u;", next.code);
        else
            text_add_bytes(out, next.bytes, next.count);
    }
}

/* The same at a line's beginning. */
static void add_line(struct text *out, const char *text)
{
    text += strspn(text, " \t\n"); /* four blanks would make it code */
    if (*text && begins_something(text)) {
        const size_t digits = strspn(text, "0123456789");
        text_add_bytes(out, text, digits);
        text_add(out, "\\%c", text[digits]);
        text += digits + 1;
    }
    add_escaped(out, text);
}

static void section(struct page *page, const char *id, const char *title)
{
    (void)id;
    text_add(&page->body, "## ");
    add_escaped(&page->body, title);
    text_add(&page->body, "\n\n");
}

static void subtitle(struct page *page, const char *text)
{
    text_add(&page->body, "### ");
    add_escaped(&page->body, text);
    text_add(&page->body, "\n\n");
}

static void paragraph(struct page *page, enum page_tone tone, bool note, const char *text)
{
    static const char *const words[] = {
        [PAGE_PLAIN] = "", [PAGE_GOOD] = "", [PAGE_WARNING] = "**Watch:** ", [PAGE_BAD] = "**Bad:** "};
    text_add(&page->body, "%s%s", note ? "> " : "", words[tone]);
    add_line(&page->body, text);
    text_add(&page->body, "\n\n");
}

/* The fence is longer than any run of backticks within. */
static void code(struct page *page, const char *lines)
{
    struct page_character next;
    int longest = 2, run = 0;
    for (const char *at = lines; *at; at++) {
        run = *at == '`' ? run + 1 : 0;
        longest = run > longest ? run : longest;
    }
    for (int i = 0; i <= longest; i++)
        text_add(&page->body, "`");
    text_add(&page->body, "\n");
    while (page_next(&lines, &next))
        text_add_bytes(&page->body, next.bytes, next.count);
    for (int i = 0; i <= longest; i++)
        text_add(&page->body, "`");
    text_add(&page->body, "\n\n");
}

static void tiles(struct page *page, const struct page_tile *tiles, int count)
{
    for (int i = 0; i < count; i++) {
        text_add(&page->body, i ? " | " : "| ");
        add_escaped(&page->body, tiles[i].label);
    }
    text_add(&page->body, " |\n|");
    for (int i = 0; i < count; i++)
        text_add(&page->body, "---|");
    text_add(&page->body, "\n");
    for (int i = 0; i < count; i++) {
        text_add(&page->body, i ? " | **" : "| **");
        add_escaped(&page->body, tiles[i].value);
        text_add(&page->body, *tiles[i].more ? "** " : "**");
        add_escaped(&page->body, tiles[i].more);
    }
    text_add(&page->body, " |\n\n");
}

static void table(struct page *page)
{
    (void)page;
}

static void cell(struct page *page, enum page_tone tone, const char *text)
{
    (void)tone;
    text_add(&page->body, "| ");
    add_escaped(&page->body, text);
    if (page->columns[page->column + 1]) {
        text_add(&page->body, " ");
        return;
    }
    text_add(&page->body, " |\n");
    for (const char *column = page->columns; page->row == 0 && *column; column++)
        text_add(&page->body, "%s%s", *column == 'r' ? "|--:" : "|---", column[1] ? "" : "|\n");
}

static void table_end(struct page *page)
{
    text_add(&page->body, "\n");
}

static void fold(struct page *page, const char *summary)
{
    text_add(&page->body, "<details>\n<summary>");
    add_escaped(&page->body, summary);
    text_add(&page->body, "</summary>\n\n");
}

static void fold_end(struct page *page)
{
    text_add(&page->body, "</details>\n\n");
}

/* A path as a link has it. */
static void add_link(struct text *out, const char *path)
{
    for (; *path; path++)
        text_add(out, isalnum((unsigned char)*path) || strchr("/._-", *path) ? "%c" : "%%%02X", (unsigned char)*path);
}

static void figure(struct page *page, const struct page_figure *figure)
{
    text_add(&page->body, "![");
    add_escaped(&page->body, figure->alt);
    text_add(&page->body, "](");
    add_link(&page->body, figure->file);
    text_add(&page->body, ")\n\n");
    if (*figure->caption)
        paragraph(page, PAGE_PLAIN, false, figure->caption);
}

static void finish(struct page *page)
{
    struct text *whole = &page->whole;
    text_add(whole, "# ");
    add_escaped(whole, page->head.title);
    text_add(whole, "\n\n");
    add_line(whole, page->head.kicker);
    text_add(whole, ". ");
    add_escaped(whole, page->head.about);
    text_add(whole, "\n\n**");
    add_escaped(whole, page->head.lead);
    text_add(whole, "**\n\n");
    text_add_bytes(whole, page->body.data ? page->body.data : "", page->body.length);
}

const struct page_ops page_markdown = {section, subtitle,  paragraph, code,     tiles,  table,
                                       cell,    table_end, fold,      fold_end, figure, finish};
