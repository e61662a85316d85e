/* A page of HTML5 that needs nothing beside itself; see page.h. */
#include "tui/page_impl.h"

#include <string.h>

/* ---- Looks: for a wide window, a phone and paper, on light and dark grounds ---- */

static const char style[] =
    ":root{color-scheme:light dark;--ground:#fff;--text:#1f2328;--faint:#59636e;--line:#d8dee4;--panel:#f6f8fa;"
    "--accent:#0969b5;--good:#14804a;--good-panel:#e9f6ee;--warning:#8a5c00;--warning-panel:#fdf5e0;--bad:#b3261e;"
    "--bad-panel:#fdecea}\n"
    "@media screen and "
    "(prefers-color-scheme:dark){:root{--ground:#0f1419;--text:#d8dee6;--faint:#98a4b3;--line:#2c3642;"
    "--panel:#171e26;--accent:#6cc7f5;--good:#5fd39a;--good-panel:#12261d;--warning:#f2c14e;--warning-panel:#2a2413;"
    "--bad:#ff8a80;--bad-panel:#2e1a1b}}\n"
    "*{box-sizing:border-box}\n"
    "html{-webkit-text-size-adjust:100%;text-size-adjust:100%}\n"
    "body{margin:0;background:var(--ground);color:var(--text);font:16px/1.6 system-ui,-apple-system,'Segoe "
    "UI',Roboto,'Helvetica Neue',Arial,sans-serif}\n"
    "main{max-width:64rem;margin:0 auto;padding:2.5rem 1.5rem 4rem}\n"
    "h1,h2,h3{line-height:1.25;overflow-wrap:anywhere}\n"
    "h1{font-size:2rem;margin:.1rem 0 .3rem;letter-spacing:-.015em}\n"
    "h2{font-size:1.35rem;margin:3rem 0 .9rem;padding-bottom:.35rem;border-bottom:1px solid var(--line)}\n"
    "h3{font-size:1.05rem;margin:1.8rem 0 .6rem}\n"
    "p{margin:.7rem 0;max-width:46rem;overflow-wrap:anywhere}\n"
    ".kicker{margin:0;color:var(--accent);font-size:.8rem;font-weight:600;letter-spacing:.08em;"
    "text-transform:uppercase}\n"
    ".about,.more,figcaption,.label{color:var(--faint)}\n"
    ".about{margin:0}\n"
    ".note,.lead{border-left:4px solid var(--accent);background:var(--panel);padding:.7rem 1rem;"
    "border-radius:0 .4rem .4rem 0}\n"
    ".lead{font-size:1.15rem;margin:1.3rem 0;max-width:none}\n"
    ".note.good,.lead.good{border-color:var(--good);background:var(--good-panel)}\n"
    ".note.warning,.lead.warning{border-color:var(--warning);background:var(--warning-panel)}\n"
    ".note.bad,.lead.bad{border-color:var(--bad);background:var(--bad-panel)}\n"
    "nav{margin:1.6rem 0 0;font-size:.92rem}\n"
    "nav a{color:var(--accent);text-decoration:none;margin-right:1.1rem;white-space:nowrap}\n"
    "nav a:hover{text-decoration:underline}\n"
    ".tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(11.5rem,1fr));gap:.75rem;margin:1.2rem 0 0;"
    "padding:0}\n"
    ".tiles div{background:var(--panel);border:1px solid var(--line);border-radius:.5rem;padding:.7rem .9rem}\n"
    ".tiles dt{color:var(--faint);font-size:.82rem}\n"
    ".tiles dd{margin:0}\n"
    ".tiles .value{font-size:1.45rem;font-weight:600;line-height:1.3;font-variant-numeric:tabular-nums}\n"
    ".more{font-size:.82rem}\n"
    ".scroll{overflow-x:auto;margin:1rem 0}\n"
    "table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}\n"
    "th,td{padding:.32rem .7rem;border-bottom:1px solid var(--line);text-align:left;vertical-align:top;"
    "white-space:nowrap}\n"
    "th{color:var(--faint);font-weight:600;border-bottom-width:2px;vertical-align:bottom;white-space:normal;line-"
    "height:1.35}\n"
    "th:first-child,td:first-child{padding-left:.2rem}\n"
    ".r{text-align:right}\n"
    ".w{white-space:normal;min-width:8rem;max-width:34rem;overflow-wrap:anywhere}\n"
    "td.good{color:var(--good)}\n"
    "td.warning{color:var(--warning)}\n"
    "td.bad{color:var(--bad);font-weight:600}\n"
    "code,pre{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;font-size:.85em}\n"
    "pre{background:var(--panel);border:1px solid var(--line);border-radius:.4rem;padding:.8rem 1rem;overflow-x:auto;"
    "line-height:1.5}\n"
    "figure{margin:1.4rem 0 2rem}\n"
    ".frame{border:1px solid var(--line);border-radius:.5rem;background:var(--ground)}\n"
    "img{display:block;width:100%;height:auto;border-radius:.5rem}\n"
    "img.dark{display:none}\n"
    "@media screen and (prefers-color-scheme:dark){img.dark{display:block}img.light{display:none}}\n"
    "figcaption{font-size:.88rem;margin-top:.5rem;max-width:46rem}\n"
    "details{margin:1rem 0;border:1px solid var(--line);border-radius:.5rem;padding:.1rem 1rem}\n"
    "summary{cursor:pointer;padding:.5rem 0;font-weight:600;font-size:.95rem}\n"
    "@media (max-width:40rem){main{padding:1.5rem 1rem 3rem}h1{font-size:1.6rem}h2{margin-top:2.2rem}"
    ".tiles{grid-template-columns:1fr 1fr}.tiles .value{font-size:1.2rem}th,td{padding:.3rem .55rem}}\n"
    "@media print{body{font-size:10pt}main{max-width:none;padding:0}nav{display:none}h2{margin-top:1.6rem}"
    "h2,h3{break-after:avoid}figure,tr,.note,.lead,.tiles div,pre{break-inside:avoid}.scroll,pre{overflow:visible}"
    "pre{white-space:pre-wrap;overflow-wrap:anywhere}figure{margin:.8rem 0 1.1rem}"
    ".frame{width:fit-content}img{width:auto;max-width:100%;max-height:100mm}th,td{padding:.2rem .5rem}"
    "td{white-space:normal;overflow-wrap:break-word}td:first-child{white-space:nowrap}"
    "details{border:0;padding:0}details::details-content{content-visibility:visible;height:auto}"
    "@page{margin:16mm 14mm}}\n";

/* ---- Texts ---- */

/* `within` a line: its end is a blank. */
static void add_escaped(struct text *out, const char *text, bool within)
{
    struct page_character next;
    while (page_next(&text, &next)) {
        if (next.code == '<' || next.code == '>')
            text_add(out, next.code == '<' ? "&lt;" : "&gt;");
        else if (next.code == '&' || next.code == '"')
            text_add(out, next.code == '&' ? "&amp;" : "&quot;");
        else if (next.code == '\n' && within)
            text_add(out, " ");
        else
            text_add_bytes(out, next.bytes, next.count);
    }
}

static void element(struct text *out, const char *open, const char *text, const char *close)
{
    text_add(out, "%s", open);
    add_escaped(out, text, true);
    text_add(out, "%s\n", close);
}

static const char *tone_class(enum page_tone tone)
{
    static const char *const names[] = {
        [PAGE_PLAIN] = "", [PAGE_GOOD] = "good", [PAGE_WARNING] = "warning", [PAGE_BAD] = "bad"};
    return names[tone];
}

/* ---- Parts ---- */

static void section(struct page *page, const char *id, const char *title)
{
    text_add(&page->body, "%s<section id=\"%s\">\n", page->in_section ? "</section>\n" : "", id);
    element(&page->body, "<h2>", title, "</h2>");
    text_add(&page->contents, "<a href=\"#%s\">", id);
    add_escaped(&page->contents, title, true);
    text_add(&page->contents, "</a>\n");
}

static void subtitle(struct page *page, const char *text)
{
    element(&page->body, "<h3>", text, "</h3>");
}

static void paragraph(struct page *page, enum page_tone tone, bool note, const char *text)
{
    if (note)
        text_add(&page->body, "<p class=\"note%s%s\">", tone == PAGE_PLAIN ? "" : " ", tone_class(tone));
    element(&page->body, note ? "" : "<p>", text, "</p>");
}

static void code(struct page *page, const char *lines)
{
    text_add(&page->body, "<pre><code>");
    add_escaped(&page->body, lines, false);
    text_add(&page->body, "</code></pre>\n");
}

static void tiles(struct page *page, const struct page_tile *tiles, int count)
{
    text_add(&page->body, "<dl class=\"tiles\">\n");
    for (int i = 0; i < count; i++) {
        element(&page->body, "<div><dt>", tiles[i].label, "</dt>");
        element(&page->body, "<dd class=\"value\">", tiles[i].value, "</dd>");
        if (*tiles[i].more)
            element(&page->body, "<dd class=\"more\">", tiles[i].more, "</dd>");
        text_add(&page->body, "</div>\n");
    }
    text_add(&page->body, "</dl>\n");
}

/* A wide one scrolls by itself, by the keyboard, too. */
static void table(struct page *page)
{
    text_add(&page->body, "<div class=\"scroll\" tabindex=\"0\"><table>\n");
}

static void cell(struct page *page, enum page_tone tone, const char *text)
{
    struct text *out = &page->body;
    const char kind = page->columns[page->column];
    const bool head = page->row == 0, wraps = kind == 'w', right = kind == 'r', code = kind == 'c' && !head;
    if (page->column == 0)
        text_add(out, head ? "<thead>\n<tr>" : page->row == 1 ? "<tbody>\n<tr>" : "<tr>");
    text_add(out, head ? "<th scope=\"col\"" : "<td");
    if (wraps || right || tone != PAGE_PLAIN)
        text_add(out, " class=\"%s%s%s\"",
                 wraps   ? "w"
                 : right ? "r"
                         : "",
                 (wraps || right) && tone ? " " : "", tone_class(tone));
    text_add(out, ">%s", code ? "<code>" : "");
    add_escaped(out, text, true);
    text_add(out, "%s%s", code ? "</code>" : "", head ? "</th>" : "</td>");
    if (!page->columns[page->column + 1])
        text_add(out, head ? "</tr>\n</thead>\n" : "</tr>\n");
}

static void table_end(struct page *page)
{
    text_add(&page->body, "%s</table></div>\n", page->row > 1 ? "</tbody>\n" : "");
}

static void fold(struct page *page, const char *summary)
{
    element(&page->body, "<details>\n<summary>", summary, "</summary>");
}

static void fold_end(struct page *page)
{
    text_add(&page->body, "</details>\n");
}

/* ---- Figures ---- */

/* RFC 4648, base64. */
static void add_base64(struct text *out, const char *data, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    enum { BLOCK = 1024 };
    char block[4 * BLOCK];
    size_t used = 0;
    for (size_t i = 0; i < size; i += 3) {
        unsigned bits = 0;
        for (size_t k = 0; k < 3; k++)
            bits = bits << 8 | (i + k < size ? (unsigned char)data[i + k] : 0u);
        for (size_t k = 0; k < 4; k++)
            block[used++] = i + k > size ? '=' : digits[bits >> (18 - 6 * k) & 63];
        if (used == sizeof block || i + 3 >= size) {
            text_add_bytes(out, block, used);
            used = 0;
        }
    }
}

static void add_image(struct text *out, const char *class, const struct page_picture *picture, const char *alt)
{
    text_add(out, "<img class=\"%s\" width=\"%d\" height=\"%d\" alt=\"", class, picture->width / 2,
             picture->height / 2);
    add_escaped(out, alt, true);
    text_add(out, "\" src=\"data:image/png;base64,");
    add_base64(out, picture->png, picture->size);
    text_add(out, "\">\n");
}

/* On light and dark grounds, of which the style shows one: on paper the light one, whatever the screen is. */
static void figure(struct page *page, const struct page_figure *figure)
{
    struct text *out = &page->body;
    text_add(out, "<figure>\n<div class=\"frame\">\n");
    add_image(out, "light", &figure->light, figure->alt);
    add_image(out, "dark", &figure->dark, figure->alt);
    text_add(out, "</div>\n");
    if (*figure->caption)
        element(out, "<figcaption>", figure->caption, "</figcaption>");
    text_add(out, "</figure>\n");
}

/* ---- All of it ---- */

static void finish(struct page *page)
{
    struct text *whole = &page->whole;
    text_add(whole, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; "
                    "style-src 'unsafe-inline'\">\n"
                    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                    "<meta name=\"color-scheme\" content=\"light dark\">\n"
                    "<meta name=\"generator\" content=\"nfbench\">\n");
    element(whole, "<title>", page->head.title, " \u00b7 nfbench report</title>");
    text_add(whole, "<style>\n%s</style>\n</head>\n<body>\n<main>\n<header>\n", style);
    element(whole, "<p class=\"kicker\">", page->head.kicker, "</p>");
    element(whole, "<h1>", page->head.title, "</h1>");
    element(whole, "<p class=\"about\">", page->head.about, "</p>");
    text_add(whole, "<p class=\"lead %s\">", tone_class(page->head.tone));
    element(whole, "", page->head.lead, "</p>");
    text_add(whole, "<nav>\n");
    text_add_bytes(whole, page->contents.data ? page->contents.data : "", page->contents.length);
    text_add(whole, "</nav>\n</header>\n");
    text_add_bytes(whole, page->body.data ? page->body.data : "", page->body.length);
    text_add(whole, "%s</main>\n</body>\n</html>\n", page->in_section ? "</section>\n" : "");
}

const struct page_ops page_html = {section, subtitle,  paragraph, code,     tiles,  table,
                                   cell,    table_end, fold,      fold_end, figure, finish};
