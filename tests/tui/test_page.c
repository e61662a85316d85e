/* Documents as HTML and as Markdown: what texts may hold, and that each part ends as it began. */
#include "tui/page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct error error;
static const struct page_head head = {"kicker", "title", "about", "lead", PAGE_PLAIN};

static struct page *begin(enum page_format format)
{
    struct page *page;
    assert_int_equal(page_create(format, &head, &page, &error), 0);
    page_section(page, "here", "Here");
    return page;
}

/* Ends the page; its text behind the section's title must hold `part`. */
static void assert_ends_with(struct page *page, const char *part)
{
    const char *text;
    size_t size;
    assert_int_equal(page_finish(page, &text, &size, &error), 0);
    assert_int_equal(strlen(text), size);
    if (!strstr(text, part))
        fail_msg("'%s' is missing in:\n%s", part, text);
    page_destroy(page);
}

static void assert_paragraph(enum page_format format, const char *text, const char *expected)
{
    struct page *page = begin(format);
    page_paragraph(page, "%s", text);
    assert_ends_with(page, expected);
}

static void what_means_something_is_escaped(void **state)
{
    (void)state;
    assert_paragraph(PAGE_HTML, "<b> & \"q\" 'x' &amp;", "<p>&lt;b&gt; &amp; &quot;q&quot; 'x' &amp;amp;</p>\n");
    assert_paragraph(PAGE_MARKDOWN, "<b> & *x* _y_ `z` |", "\n\n&lt;b&gt; &amp; \\*x\\* \\_y\\_ \\`z\\` \\|\n");
    /* what begins something where a line begins, and only there */
    assert_paragraph(PAGE_MARKDOWN, "# no - title", "\n\n\\# no - title\n");
    assert_paragraph(PAGE_MARKDOWN, "    - no list", "\n\n\\- no list\n");
    assert_paragraph(PAGE_MARKDOWN, "12. no list 3. either", "\n\n12\\. no list 3. either\n");
    assert_paragraph(PAGE_MARKDOWN, "0.5 of it", "\n\n0\\.5 of it\n");
    assert_paragraph(PAGE_MARKDOWN, "ask @people :smile: at 1:30", "\n\nask &#64;people &#58;smile: at 1:30\n");
    assert_paragraph(PAGE_MARKDOWN, "two\nlines", "\n\ntwo lines\n");
    assert_paragraph(PAGE_HTML, "two\nlines", "<p>two lines</p>");
}

static void what_is_no_character_is_told_as_such(void **state)
{
    (void)state;
    static const enum page_format formats[] = {PAGE_HTML, PAGE_MARKDOWN};
    for (size_t i = 0; i < 2; i++) {
        assert_paragraph(formats[i], "a\x1b[31mb", "a\uFFFD");
        assert_paragraph(formats[i], "a\xff z", "a\uFFFD z");
        assert_paragraph(formats[i], "cut \xe2\x82", "cut \uFFFD");
        assert_paragraph(formats[i], "\u202Eturned", "\uFFFDturned");
        assert_paragraph(formats[i], "no\uFFFEne", "no\uFFFDne");
        assert_paragraph(formats[i], "caf\u00e9 \u732b", "caf\u00e9 \u732b");
    }
}

static void fill_table(struct page *page)
{
    page_table(page, "lr");
    page_cell(page, "name");
    page_cell(page, "n");
    page_cell(page, "a|b");
    page_cell_tone(page, PAGE_BAD, "%d", 7);
    page_table_end(page);
}

static void tables_have_a_head_and_rows(void **state)
{
    (void)state;
    struct page *page = begin(PAGE_MARKDOWN);
    fill_table(page);
    assert_ends_with(page, "| name | n |\n|---|--:|\n| a\\|b | 7 |\n\n");
    page = begin(PAGE_HTML);
    fill_table(page);
    assert_ends_with(page,
                     "<table>\n<thead>\n<tr><th scope=\"col\">name</th><th scope=\"col\" class=\"r\">n</th></tr>\n"
                     "</thead>\n<tbody>\n<tr><td>a|b</td><td class=\"r bad\">7</td></tr>\n</tbody>\n</table>");
    page = begin(PAGE_HTML); /* without a row */
    page_table(page, "l");
    page_cell(page, "alone");
    page_table_end(page);
    assert_ends_with(page, "<th scope=\"col\">alone</th></tr>\n</thead>\n</table>");
}

static void lines_to_copy_stay_as_they_are(void **state)
{
    (void)state;
    struct page *page = begin(PAGE_MARKDOWN);
    page_code(page, "a * b | c\n");
    assert_ends_with(page, "```\na * b | c\n```\n");
    page = begin(PAGE_MARKDOWN);
    page_code(page, "a ``` b\n");
    assert_ends_with(page, "````\na ``` b\n````\n");
    page = begin(PAGE_HTML);
    page_code(page, "a <b>\nc\n");
    assert_ends_with(page, "<pre><code>a &lt;b&gt;\nc\n</code></pre>");
}

/* RFC 4648's own examples. */
static void pictures_are_in_the_page(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *base64;
    } cases[] = {{"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char expected[64];
        const struct page_picture picture = {cases[i].bytes, strlen(cases[i].bytes), 4, 2};
        const struct page_figure figure = {"a b/c.png", "alt", "", picture, picture};
        struct page *page = begin(PAGE_HTML);
        page_figure(page, &figure);
        snprintf(expected, sizeof expected, " src=\"data:image/png;base64,%s\">", cases[i].base64);
        assert_ends_with(page, expected);
        page = begin(PAGE_MARKDOWN);
        page_figure(page, &figure);
        assert_ends_with(page, "![alt](a%20b/c.png)\n");
    }
}

/* Which of them is seen, a style says that knows paper: what a browser loads by itself, it prints as it was on screen.
 */
static void a_dark_picture_is_the_screens_alone(void **state)
{
    (void)state;
    const struct page_figure figure = {"a.png", "alt", "", {"l", 1, 4, 2}, {"d", 1, 4, 2}};
    static const char *const parts[] = {
        "<img class=\"light\" width=\"2\" height=\"1\" alt=\"alt\" src=\"data:image/png;base64,bA==\">",
        "<img class=\"dark\" width=\"2\" height=\"1\" alt=\"alt\" src=\"data:image/png;base64,ZA==\">",
        "\nimg.dark{display:none}\n@media screen and (prefers-color-scheme:dark){img.dark{display:block}"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        struct page *page = begin(PAGE_HTML);
        page_figure(page, &figure);
        assert_ends_with(page, parts[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_means_something_is_escaped), cmocka_unit_test(what_is_no_character_is_told_as_such),
        cmocka_unit_test(tables_have_a_head_and_rows),     cmocka_unit_test(lines_to_copy_stay_as_they_are),
        cmocka_unit_test(pictures_are_in_the_page),        cmocka_unit_test(a_dark_picture_is_the_screens_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
