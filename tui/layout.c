/* The layout, from top to bottom: header, names of the views, the view's panel (charts: side by side where the screen
 * is wide, else one above the other, else the one that has the focus; in the overview the log, too), key bar, command
 * line. What is missing when the screen gets small goes in this order: frames, names, log, key bar, the second chart.
 */
#include "tui/layout.h"

#include <stddef.h>

enum {
    FRAMED_ROWS = 30,
    FRAMED_COLS = 100,
    SIDE_BY_SIDE_COLS = 56,
    TABS_ROWS = 16,
    KEYS_ROWS = 12,
    LOG_ROWS = 14,
    CHART_ROWS = 5,
    FOUR_ROWS = 22,
    FOUR_COLS = 100,
    SYSTEM_COLS = 150, /* beside the log of the overview */
    SYSTEM_ROWS = 9
};

static int clamp(int value, int low, int high)
{
    return value < low ? low : value > high ? high : value;
}

/* Text lines of the header; the last is the progress bar. */
static int header_lines(int rows)
{
    return rows >= 20 ? 4 : rows >= 14 ? 3 : 2;
}

static struct rect area(int row, int column, int rows, int columns)
{
    return (struct rect){.row = row, .column = column, .rows = rows, .columns = columns};
}

/* Two charts side by side or one above the other; the one in focus where there is no room. */
static void place_pair(struct layout *layout, struct rect body, enum place first, enum place focus)
{
    struct rect *places = layout->places;
    enum place second = (enum place)((int)first + 1);

    if (body.columns >= SIDE_BY_SIDE_COLS) {
        int left = (body.columns + 1) / 2;

        places[first] = area(body.row, 0, body.rows, layout->framed ? left : left - 1); /* a gap, or frames */
        places[second] = area(body.row, left, body.rows, body.columns - left);
    } else if (body.rows >= 2 * CHART_ROWS) {
        int top = (body.rows + 1) / 2;

        places[first] = area(body.row, 0, top, body.columns);
        places[second] = area(body.row + top, 0, body.rows - top, body.columns);
    } else {
        places[focus == second ? second : first] = body;
    }
}

/* All four where the screen is large, else the pair with the one in focus. */
static void place_charts(struct layout *layout, struct rect body, enum place focus)
{
    int top = (body.rows + 1) / 2;

    if (body.rows < FOUR_ROWS || body.columns < FOUR_COLS) {
        place_pair(layout, body, focus >= PLACE_LEARNING_RATE ? PLACE_LEARNING_RATE : PLACE_LOSS, focus);
        return;
    }
    place_pair(layout, area(body.row, 0, top, body.columns), PLACE_LOSS, focus);
    place_pair(layout, area(body.row + top, 0, body.rows - top, body.columns), PLACE_LEARNING_RATE, focus);
}

enum place view_place(enum view view)
{
    static const enum place places[VIEW_COUNT] = {
        [VIEW_OVERVIEW] = PLACE_COUNT, [VIEW_CHARTS] = PLACE_COUNT,  [VIEW_BLOCKS] = PLACE_BLOCKS,
        [VIEW_BLOCK] = PLACE_BLOCK,    [VIEW_SIGNAL] = PLACE_SIGNAL, [VIEW_GRADIENTS] = PLACE_GRADIENTS,
        [VIEW_IMAGES] = PLACE_IMAGES,  [VIEW_RUNS] = PLACE_RUNS,     [VIEW_SYSTEM] = PLACE_SYSTEM,
        [VIEW_LOG] = PLACE_LOG};

    return places[view];
}

enum place view_focus(enum view view, int index)
{
    static const enum place overview[] = {PLACE_LOSS, PLACE_ACCURACY, PLACE_LOG};
    static const enum place charts[] = {PLACE_LOSS, PLACE_ACCURACY, PLACE_LEARNING_RATE, PLACE_GRADIENT_NORM};
    const int count = view == VIEW_OVERVIEW ? 3 : view == VIEW_CHARTS ? 4 : 0;

    if (count > 0)
        return index < count ? (view == VIEW_CHARTS ? charts : overview)[index] : PLACE_COUNT;
    return index == 0 ? view_place(view) : PLACE_COUNT;
}

static void place_body(struct layout *layout, struct rect body, enum view view, enum place focus, bool zoomed)
{
    struct rect *places = layout->places;
    int frame = layout->framed ? 2 : 1, log;

    if (view == VIEW_CHARTS) {
        int rows = body.rows >= 24 ? 3 : body.rows >= 10 ? 2 : body.rows >= 7 ? 1 : 0;

        body.rows -= rows;
        places[PLACE_READING] = area(body.row + body.rows, 0, rows, rows > 0 ? body.columns : 0);
    }
    if (view_place(view) != PLACE_COUNT)
        focus = view_place(view);
    if (view_place(view) != PLACE_COUNT || (zoomed && focus != PLACE_COUNT)) {
        places[focus] = body;
        return;
    }
    if (view == VIEW_CHARTS) {
        place_charts(layout, body, focus);
        return;
    }
    log = body.rows + 3 >= LOG_ROWS ? clamp(body.rows / 5, 2, 10) + frame : 0;
    places[PLACE_LOG] = area(body.row + body.rows - log, 0, log, log > 0 ? body.columns : 0);
    if (layout->framed && body.columns >= SYSTEM_COLS && log >= SYSTEM_ROWS) {
        int left = body.columns - body.columns * 2 / 5;

        places[PLACE_LOG].columns = left;
        places[PLACE_SYSTEM] = area(places[PLACE_LOG].row, left, log, body.columns - left);
    }
    body.rows -= log;
    place_pair(layout, body, PLACE_LOSS, focus);
}

struct layout layout_compute(int rows, int cols, enum view view, enum place focus, bool zoomed)
{
    struct layout layout = {.fits = rows >= LAYOUT_MIN_ROWS && cols >= LAYOUT_MIN_COLS,
                            .framed = rows >= FRAMED_ROWS && cols >= FRAMED_COLS};
    int header = header_lines(rows) + (layout.framed ? 2 : 0);
    int tabs = rows >= TABS_ROWS ? 1 : 0, keys = rows >= KEYS_ROWS ? 1 : 0;

    if (!layout.fits)
        return layout;
    layout.places[PLACE_HEADER] = area(0, 0, header, cols);
    layout.places[PLACE_TABS] = area(header, 0, tabs, tabs ? cols : 0);
    layout.places[PLACE_KEYS] = area(rows - 2, 0, keys, keys ? cols : 0);
    layout.places[PLACE_COMMAND] = area(rows - 1, 0, 1, cols);
    place_body(&layout, area(header + tabs, 0, rows - header - tabs - keys - 1, cols), view, focus, zoomed);
    return layout;
}

struct rect layout_inside(const struct layout *layout, enum place place)
{
    struct rect whole = layout->places[place];
    bool titled = place >= PLACE_LOSS && place <= PLACE_LOG;

    if (layout->framed && (titled || place == PLACE_HEADER))
        return area(whole.row + 1, whole.column + 1, clamp(whole.rows - 2, 0, whole.rows),
                    clamp(whole.columns - 2, 0, whole.columns));
    if (titled)
        return area(whole.row + 1, whole.column, clamp(whole.rows - 1, 0, whole.rows), whole.columns);
    return whole;
}

const char *view_name(enum view view)
{
    static const char *const names[VIEW_COUNT] = {"overview",  "charts", "blocks", "block",  "signal",
                                                  "gradients", "images", "runs",   "system", "log"};

    return view >= 0 && view < VIEW_COUNT ? names[view] : "?";
}

enum view view_next(enum view view)
{
    enum view next = (enum view)(((int)view + 1) % VIEW_COUNT);

    return next == VIEW_BLOCK ? view_next(next) : next;
}

static const struct {
    const char *name;
    enum place place;
} chart_words[] = {{"loss", PLACE_LOSS},
                   {"accuracy", PLACE_ACCURACY},
                   {"learning-rate", PLACE_LEARNING_RATE},
                   {"gradient-norm", PLACE_GRADIENT_NORM}};

enum { CHART_WORDS = sizeof(chart_words) / sizeof(*chart_words) };

const char *view_word(int index)
{
    if (index < VIEW_COUNT)
        return view_name((enum view)index);
    return index < VIEW_COUNT + CHART_WORDS ? chart_words[index - VIEW_COUNT].name : NULL;
}

enum place view_word_chart(int index)
{
    return index >= VIEW_COUNT && index < VIEW_COUNT + CHART_WORDS ? chart_words[index - VIEW_COUNT].place
                                                                   : PLACE_COUNT;
}
