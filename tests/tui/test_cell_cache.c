/* Kept drawings come back as they were, and are forgotten when what they show has changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "tui/cell_cache.h"

static struct canvas *canvas;
static struct cell_cache *cache;

static int set_up(void **state)
{
    struct error error;

    (void)state;
    cache = NULL;
    return canvas_create_cells(20, 6, GLYPHS_BRAILLE, &canvas, &error);
}

static int tear_down(void **state)
{
    (void)state;
    cell_cache_destroy(cache);
    canvas_destroy(canvas);
    return 0;
}

static struct cell at(int column, int row)
{
    return canvas_cells(canvas)[row * 20 + column];
}

static const struct style colored = {ROLE_BAD, STYLE_BOLD, COLOR_EXACT | 0x123456, COLOR_EXACT | 0x654321};

static void draw_and_keep(int index)
{
    canvas_put(canvas, 3, 2, colored, 0x2580);
    canvas_put(canvas, 4, 3, STYLE(ROLE_TEXT), 'b');
    cell_cache_keep(cache, index, canvas, 3, 2);
    canvas_clear(canvas);
}

static void what_is_kept_comes_back_elsewhere(void **state)
{
    (void)state;
    cell_cache_fit(&cache, 3, 2, 2, GLYPHS_BRAILLE, 7);
    assert_false(cell_cache_put(cache, 1, canvas, 0, 0));
    draw_and_keep(1);
    assert_false(cell_cache_put(cache, 0, canvas, 0, 0));
    assert_int_equal(at(0, 0).code, ' ');
    assert_true(cell_cache_put(cache, 1, canvas, 10, 4));
    assert_int_equal(at(10, 4).code, 0x2580);
    assert_true(style_equal(at(10, 4).style, colored));
    assert_int_equal(at(11, 5).code, 'b');
    assert_int_equal(at(11, 4).code, ' ');
    cell_cache_fit(&cache, 3, 2, 2, GLYPHS_BRAILLE, 7); /* nothing has changed */
    assert_true(cell_cache_put(cache, 1, canvas, 0, 0));
}

static void what_has_changed_is_forgotten(void **state)
{
    static const struct {
        int count, columns, rows;
        enum glyph_set glyphs;
        long version;
    } changes[] = {{4, 2, 2, GLYPHS_BRAILLE, 7},
                   {3, 1, 2, GLYPHS_BRAILLE, 7},
                   {3, 2, 1, GLYPHS_BRAILLE, 7},
                   {3, 2, 2, GLYPHS_BLOCK, 7},
                   {3, 2, 2, GLYPHS_BRAILLE, 8}};

    (void)state;
    for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
        cell_cache_fit(&cache, 3, 2, 2, GLYPHS_BRAILLE, 7);
        draw_and_keep(1);
        assert_true(cell_cache_put(cache, 1, canvas, 0, 0));
        cell_cache_fit(&cache, changes[i].count, changes[i].columns, changes[i].rows, changes[i].glyphs,
                       changes[i].version);
        assert_false(cell_cache_put(cache, 1, canvas, 0, 0));
    }
}

/* A drawing that does not lie on the canvas as a whole was not drawn as a whole. */
static void what_is_cut_is_not_kept(void **state)
{
    static const int places[][2] = {{-1, 0}, {0, -1}, {19, 0}, {0, 5}};

    (void)state;
    cell_cache_fit(&cache, 1, 2, 2, GLYPHS_BRAILLE, 0);
    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
        cell_cache_keep(cache, 0, canvas, places[i][0], places[i][1]);
        assert_false(cell_cache_put(cache, 0, canvas, 0, 0));
    }
    cell_cache_keep(cache, 0, canvas, 18, 4);
    assert_true(cell_cache_put(cache, 0, canvas, 0, 0));
}

static void without_a_cache_nothing_is_kept(void **state)
{
    (void)state;
    cell_cache_keep(NULL, 0, canvas, 0, 0);
    assert_false(cell_cache_put(NULL, 0, canvas, 0, 0));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_kept_comes_back_elsewhere),
        TEST(what_has_changed_is_forgotten),
        TEST(what_is_cut_is_not_kept),
        TEST(without_a_cache_nothing_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
