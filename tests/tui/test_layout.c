/* The layout over all sizes: whatever the terminal's size, areas lie inside it, none overlaps another, and nothing is
 * left over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "tui/layout.h"

enum { ROWS = 100, COLUMNS = 300 };

/* How many areas cover each cell. */
static unsigned char covered[ROWS][COLUMNS];

static struct layout compute(int rows, int columns, enum view view, bool zoomed)
{
    return layout_compute(rows, columns, view, view_focus(view, 0), zoomed);
}

static void cover(const struct layout *layout, int rows, int columns)
{
    memset(covered, 0, sizeof covered);
    for (int p = 0; p < PLACE_COUNT; p++) {
        struct rect area = layout->places[p];

        if (area.rows == 0)
            continue;
        assert_true(area.rows > 0 && area.columns > 0);
        assert_true(area.row >= 0 && area.row + area.rows <= rows);
        assert_true(area.column >= 0 && area.column + area.columns <= columns);
        for (int row = area.row; row < area.row + area.rows; row++)
            for (int column = area.column; column < area.column + area.columns; column++)
                covered[row][column]++;
    }
}

/* Each cell belongs to one area at most; none is left but the gap between two charts side by side. */
static void check_covered(const struct layout *layout, int rows, int columns)
{
    cover(layout, rows, columns);
    for (int row = 0; row < rows; row++) {
        int empty = 0;

        for (int column = 0; column < columns; column++) {
            assert_true(covered[row][column] <= 1);
            empty += covered[row][column] == 0;
        }
        assert_true(empty <= (layout->framed ? 0 : 1));
    }
}

static void every_size_is_filled_without_overlap(void **state)
{
    (void)state;
    for (int rows = 1; rows <= ROWS; rows++)
        for (int columns = 1; columns <= COLUMNS; columns += columns < 130 ? 1 : 7)
            for (int view = 0; view < VIEW_COUNT; view++) {
                struct layout layout = compute(rows, columns, (enum view)view, false);

                assert_int_equal(layout.fits, rows >= LAYOUT_MIN_ROWS && columns >= LAYOUT_MIN_COLS);
                if (layout.fits)
                    check_covered(&layout, rows, columns);
                else
                    for (int p = 0; p < PLACE_COUNT; p++)
                        assert_int_equal(layout.places[p].rows, 0);
            }
}

static void what_is_inside_lies_inside(void **state)
{
    (void)state;
    for (int rows = LAYOUT_MIN_ROWS; rows <= ROWS; rows++)
        for (int columns = LAYOUT_MIN_COLS; columns <= COLUMNS; columns += 13) {
            struct layout layout = compute(rows, columns, VIEW_OVERVIEW, false);

            for (int p = 0; p < PLACE_COUNT; p++) {
                struct rect whole = layout.places[p], inside = layout_inside(&layout, (enum place)p);
                struct rect common = rect_intersect(whole, inside);

                if (whole.rows == 0)
                    continue;
                assert_true(inside.rows >= 1 && inside.columns >= 1);
                assert_memory_equal(&common, &inside, sizeof inside);
            }
        }
}

static void usual_sizes_show_what_they_should(void **state)
{
    static const struct {
        int rows, columns;
        bool accuracy, log, keys, framed, tabs;
    } cases[] = {{24, 80, true, true, true, false, true},     {18, 60, true, true, true, false, true},
                 {48, 160, true, true, true, true, true},     {60, 200, true, true, true, true, true},
                 {10, 40, false, false, false, false, false}, {34, 50, true, true, true, false, true}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct layout layout = compute(cases[i].rows, cases[i].columns, VIEW_OVERVIEW, false);

        assert_true(layout.fits);
        assert_true(layout.places[PLACE_HEADER].rows >= 2);
        assert_true(layout.places[PLACE_LOSS].rows >= 4);
        assert_int_equal(layout.places[PLACE_COMMAND].rows, 1);
        assert_int_equal(layout.places[PLACE_ACCURACY].rows > 0, cases[i].accuracy);
        assert_int_equal(layout.places[PLACE_LOG].rows > 0, cases[i].log);
        assert_int_equal(layout.places[PLACE_KEYS].rows > 0, cases[i].keys);
        assert_int_equal(layout.framed, cases[i].framed);
        assert_int_equal(layout.places[PLACE_TABS].rows, cases[i].tabs);
    }
}

static void a_large_overview_has_the_system_beside_the_log(void **state)
{
    struct layout large = compute(48, 160, VIEW_OVERVIEW, false), narrow = compute(48, 140, VIEW_OVERVIEW, false);

    (void)state;
    assert_true(large.places[PLACE_SYSTEM].columns >= 60);
    assert_int_equal(large.places[PLACE_SYSTEM].rows, large.places[PLACE_LOG].rows);
    assert_int_equal(large.places[PLACE_SYSTEM].columns + large.places[PLACE_LOG].columns, 160);
    assert_int_equal(narrow.places[PLACE_SYSTEM].rows, 0);
    assert_int_equal(narrow.places[PLACE_LOG].columns, 140);
}

static void has_the_body(const struct layout *layout, enum place place)
{
    int reading = layout->places[PLACE_READING].rows;

    assert_int_equal(layout->places[place].rows + reading, 24 - layout->places[PLACE_HEADER].rows - 3);
    assert_int_equal(layout->places[place].columns, 80);
}

static void each_view_gives_its_panel_the_body(void **state)
{
    static const enum place only[VIEW_COUNT] = {
        [VIEW_BLOCKS] = PLACE_BLOCKS,       [VIEW_BLOCK] = PLACE_BLOCK,   [VIEW_SIGNAL] = PLACE_SIGNAL,
        [VIEW_GRADIENTS] = PLACE_GRADIENTS, [VIEW_IMAGES] = PLACE_IMAGES, [VIEW_RUNS] = PLACE_RUNS,
        [VIEW_SYSTEM] = PLACE_SYSTEM,       [VIEW_LOG] = PLACE_LOG};

    (void)state;
    for (int view = 0; view < VIEW_COUNT; view++) {
        struct layout layout = compute(24, 80, (enum view)view, false);

        if (view == VIEW_OVERVIEW || view == VIEW_CHARTS) {
            assert_int_equal(view_place((enum view)view), PLACE_COUNT);
            continue;
        }
        has_the_body(&layout, only[view]);
        assert_int_equal(view_place((enum view)view), only[view]);
        assert_int_equal(view_focus((enum view)view, 0), only[view]);
    }
}

/* The chart that has the focus has the body to itself when it is zoomed, and is the one that is left when there is room
 * for one alone. */
static void a_chart_in_focus_is_always_shown(void **state)
{
    enum place chart;

    (void)state;
    for (int i = 0; (chart = view_focus(VIEW_CHARTS, i)) != PLACE_COUNT; i++) {
        struct layout layout = layout_compute(24, 80, VIEW_CHARTS, chart, true);

        has_the_body(&layout, chart);
        layout = layout_compute(24, 80, VIEW_CHARTS, chart, false);
        assert_true(layout.places[chart].columns < 80);
        assert_true(layout.places[chart].columns > 0);
        layout = layout_compute(10, 40, VIEW_CHARTS, chart, false);
        assert_int_equal(layout.places[chart].columns, 40);
    }
}

/* Tab goes once through all views but the details of a block, which others open. */
static void the_next_view_comes_round(void **state)
{
    bool seen[VIEW_COUNT] = {false};
    enum view view = VIEW_OVERVIEW;

    (void)state;
    for (int i = 0; i < VIEW_COUNT - 1; i++) {
        assert_false(seen[view]);
        seen[view] = true;
        view = view_next(view);
    }
    assert_int_equal(view, VIEW_OVERVIEW);
    assert_false(seen[VIEW_BLOCK]);
    assert_int_equal(view_next(VIEW_BLOCK), VIEW_SIGNAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size_is_filled_without_overlap),
        cmocka_unit_test(what_is_inside_lies_inside),
        cmocka_unit_test(usual_sizes_show_what_they_should),
        cmocka_unit_test(a_large_overview_has_the_system_beside_the_log),
        cmocka_unit_test(each_view_gives_its_panel_the_body),
        cmocka_unit_test(a_chart_in_focus_is_always_shown),
        cmocka_unit_test(the_next_view_comes_round),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
