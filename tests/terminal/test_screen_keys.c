/* Every key in every view: those of the table of commands and those that the view's panels show in the key bar do on
 * the screen what they are for. A new key needs a row here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/terminal/pty.h"
#include "tui/command.h"
#include "tui/keys.h"
#include "tui/layout.h"
#include "tui/panel.h"

/* Framed, with two charts and two rows of a block's figures: so that there is something behind them. */
enum { COLUMNS = 120, ROWS = 30, HEADER_ROWS = 6, STATE_ROW = 1, SETUP_NOTES = 40 };

#define RUN                                                                                                            \
    "--data synthetic --stem 8 --stages 16/8x4 --limit 2000 --validation 200 --batch 8 --threads 1 --precision fp32 "  \
    "--lr 0.02 --schedule constant "
#define UP "\033[A"
#define DOWN "\033[B"
#define RIGHT "\033[C"
#define LEFT "\033[D"
#define HOME "\033[H"
#define END "\033[F"
#define ESCAPE "\033"
#define ENTER "\r"

/* What must be seen: words; "!" and words that must go; in the last row alone where `>` stands before them (the log
 * may have them from before), in that of the run's state where `^` does. NULL: something between header and key bar
 * changes. */
struct row {
    const char *key;    /* its name as the tables have it */
    const char *before; /* keys that make it possible; NULL: none */
    const char *seen;
    const char *undo, *undone; /* keys, and what is seen then: as it was before; NULL: nothing is to be undone */
};

static const struct row command_rows[] = {{"space", NULL, "^ training ", " ", "^ paused "},
                                          {"+", NULL, ">lr 0.02 -> 0.025", "-", ">lr 0.025 -> 0.02"},
                                          {"-", NULL, ">lr 0.02 -> 0.016", "+", ">lr 0.016 -> 0.02"},
                                          {">", NULL, ">lr 0.02 -> 0.025", "<", ">lr 0.025 -> 0.02"},
                                          {"<", NULL, ">lr 0.02 -> 0.016", ">", ">lr 0.016 -> 0.02"},
                                          {"e", NULL, ">accuracy ", NULL, NULL},
                                          {"w", NULL, ">saved", NULL, NULL},
                                          {"?", NULL, "Keys and commands: ", "z", "!Keys and commands: "},
                                          {"h", NULL, "Keys and commands: ", "z", "!Keys and commands: "},
                                          {0}};

static const struct row chart_rows[] = {{"\u2190", NULL, "Enter back here", ESCAPE, "!Enter back here"},
                                        {"\u2192", NULL, "Enter back here", ESCAPE, "!Enter back here"},
                                        {"[", "]", "all steps", NULL, NULL},
                                        {"]", NULL, "going on", "[", "all steps"},
                                        {"{", "]]{{{", "!going on", "f", "all steps"},
                                        {"}", "]]{{{{", NULL, "f", "all steps"},
                                        {"f", "]{", "all steps", NULL, NULL},
                                        {",", NULL, "smoothing 0.9 ", ".", "smoothing 0.95 "},
                                        {".", NULL, "smoothing 0.98 ", ",", "smoothing 0.95 "},
                                        {"l", NULL, " \u00b7 log ", "l", "! \u00b7 log "},
                                        {"x", NULL, "axis epoch", "xx", "axis step"},
                                        {0}};

/* Before those of all charts: this one has no logarithmic axis, so the key bar may not speak of it. */
static const struct row accuracy_rows[] = {{"l", NULL, "!l log ", NULL, NULL}, {0}};

static const struct row log_rows[] = {
    {"\u2191", END, "    1 more", END, "! more "}, {"\u2193", END UP UP, "    1 more", END, "! more "}, {0}};

#define PROBE_BEFORE                                                                                                   \
    {                                                                                                                  \
        ",", NULL, "the newest is of step", "n", "!the newest is of step"                                              \
    }
#define PROBE_BEHIND                                                                                                   \
    {                                                                                                                  \
        ".", "n,", "!the newest is of step", NULL, NULL                                                                \
    }

static const struct row blocks_rows[] = {{"\u2191", END, " block 3: ", NULL, NULL},
                                         {"\u2193", HOME, " block 1: ", NULL, NULL},
                                         {"Enter", END, "Block 4 of 4", ESCAPE, "Blocks \u00b7"},
                                         PROBE_BEFORE,
                                         PROBE_BEHIND,
                                         {0}};
static const struct row block_rows[] = {{"\u2190", END, "Block 3 of 4", NULL, NULL},
                                        {"\u2192", HOME, "Block 1 of 4", NULL, NULL},
                                        {"\u2191", DOWN, NULL, NULL, NULL},
                                        {"\u2193", NULL, NULL, UP, NULL},
                                        {"Esc", "3" ENTER, "Blocks \u00b7", NULL, NULL},
                                        {"l", NULL, NULL, "l", NULL},
                                        PROBE_BEFORE,
                                        PROBE_BEHIND,
                                        {0}};
/* of both Signal and Gradients; which one is open is known from the title */
static const struct row profile_rows[] = {{"\u2190", END, "block 3  ", NULL, NULL},
                                          {"\u2192", HOME, "block 1  ", NULL, NULL},
                                          {"Enter", END, "Block 4 of 4", ESCAPE, "!Block 4 of 4"},
                                          {"l", NULL, NULL, "l", NULL},
                                          PROBE_BEFORE,
                                          PROBE_BEHIND,
                                          {0}};
static const struct row images_rows[] = {{"p", NULL, "512 test images", "P", "trains on"},
                                         {"\u2190", HOME RIGHT RIGHT, " 2/8 ", NULL, NULL},
                                         {"\u2192", HOME, " 2/8 ", NULL, NULL},
                                         {"Enter", NULL, "Esc back", ENTER, "Enter large"},
                                         {"Esc", ENTER, "Enter large", NULL, NULL},
                                         {"r", NULL, "draw 2 ", "u", "draw 1"},
                                         {"u", "r", "draw 1", NULL, NULL},
                                         {"c", NULL, "c and C: other classes", "PPPP", "trains on"},
                                         {0}};
/* second, which is this run, first, and the trials of a tune in one line */
static const struct row runs_rows[] = {{"\u2191", END, "2 of 3, ", NULL, NULL},
                                       {"\u2193", HOME, "2 of 3, ", NULL, NULL},
                                       {"space", END UP, "a  first", " ", "!a  first"},
                                       {"Enter", NULL, "folder ", ESCAPE, "newest first"},
                                       {"Esc", ENTER, "newest first", NULL, NULL},
                                       {"g", END UP, ">:open first", ESCAPE, "!:open first"},
                                       {"t", END, "few-lr0.02", "t", "!few-lr0.02"},
                                       {"o", NULL, "best accuracy first", "oooo", "newest first"},
                                       {0}};

static const struct row *const panel_rows[PLACE_COUNT] = {[PLACE_LOSS] = chart_rows,
                                                          [PLACE_ACCURACY] = accuracy_rows,
                                                          [PLACE_LEARNING_RATE] = chart_rows,
                                                          [PLACE_GRADIENT_NORM] = chart_rows,
                                                          [PLACE_BLOCKS] = blocks_rows,
                                                          [PLACE_BLOCK] = block_rows,
                                                          [PLACE_SIGNAL] = profile_rows,
                                                          [PLACE_GRADIENTS] = profile_rows,
                                                          [PLACE_IMAGES] = images_rows,
                                                          [PLACE_RUNS] = runs_rows,
                                                          [PLACE_LOG] = log_rows};

/* ---- What is seen ---- */

/* The text between header and key bar. */
static void copy_body(char *out, size_t size)
{
    size_t used = 0;

    for (int row = HEADER_ROWS; row < ROWS - 2; row++)
        used += (size_t)snprintf(out + used, size - used, "%s\n", pty_row(row));
    assert_true(used < size);
}

static char before_text[1 << 15], now_text[1 << 15];

static bool is_seen(const char *words)
{
    int row, column;

    copy_body(now_text, sizeof now_text);
    if (!words)
        return strcmp(before_text, now_text) != 0;
    if (*words == '>')
        return strstr(pty_row(ROWS - 1), words + 1);
    if (*words == '^')
        return strstr(pty_row(STATE_ROW), words + 1);
    return *words == '!' ? !pty_find(words + 1, &row, &column) : pty_find(words, &row, &column);
}

static void fail_at(const char *where, const char *key, const char *words)
{
    for (int row = 0; row < ROWS; row++)
        print_message("%s\n", pty_row(row));
    fail_msg("%s, key %s: not seen: %s", where, key, words ? words : "a change");
}

static void wait_to_see(const char *where, const char *key, const char *words)
{
    for (const long limit = pty_now() + PTY_PATIENCE_MS; !is_seen(words); pty_take(50))
        if (pty_now() > limit || !pty_runs())
            fail_at(where, key, words);
}

/* The panel's frame stands there with its title; not that of another whose title begins with the same word. */
static bool has_title(const char *title, bool chosen)
{
    static const char *const corners[] = {"\u256d\u2500 ", "\u256d\u2500 \u25b6 "};

    for (int i = chosen ? 1 : 0; i < 2; i++) {
        char words[64];
        int length = snprintf(words, sizeof words, "%s%s", corners[i], title);
        const char *at = strstr(pty_text(), words);

        if (at && (at[length] == ' ' || at[length] == ':'))
            return true;
    }
    return false;
}

/* Those panels stand there that the view has, and no others. */
static bool is_open(enum view view, enum place focus, bool zoomed)
{
    const struct layout layout = layout_compute(ROWS, COLUMNS, view, focus, zoomed);
    const struct panel_ops *panel;

    for (int i = 0; (panel = panel_at(i)); i++)
        if (panel->title && has_title(panel->title, false) != (layout.places[panel->place].rows > 0))
            return false;
    return true;
}

static void wait_for_view(const char *where, const char *key, enum view view, enum place focus, bool zoomed)
{
    for (const long limit = pty_now() + PTY_PATIENCE_MS; !is_open(view, focus, zoomed); pty_take(50))
        if (pty_now() > limit || !pty_runs())
            fail_at(where, key, view_name(view));
}

static void open_view(enum view view, enum place focus)
{
    char command[64];

    snprintf(command, sizeof command, "view %s", view_name(view));
    pty_command(command);
    wait_for_view(command, "Enter", view, focus, false);
}

/* ---- Pressing ---- */

static const char *bytes_of(const char *name)
{
    static const char *const named[][2] = {{"\u2190", LEFT}, {"\u2192", RIGHT}, {"\u2191", UP}, {"\u2193", DOWN},
                                           {"space", " "},   {"Enter", ENTER},  {"Esc", ESCAPE}};

    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        if (strcmp(named[i][0], name) == 0)
            return named[i][1];
    return name;
}

static const struct row *find_row(const struct row *rows, const char *where, const char *key)
{
    for (; rows && rows->key; rows++)
        if (strcmp(rows->key, key) == 0)
            return rows;
    if (rows == &accuracy_rows[1])
        return find_row(chart_rows, where, key);
    fail_msg("%s: what is the key %s for? No row says it", where, key);
    return NULL;
}

static void press(enum view view, enum place focus, const struct row *row)
{
    const char *where = view_name(view);

    open_view(view, focus);
    if (row->before) {
        pty_keys(row->before);
        pty_settle();
    }
    copy_body(before_text, sizeof before_text);
    pty_keys(bytes_of(row->key));
    wait_to_see(where, row->key, row->seen);
    if (!row->undo || !row->undone) /* else what undoes it is the answer that is waited for */
        pty_settle();
    if (row->undo) {
        copy_body(before_text, sizeof before_text);
        pty_keys(row->undo);
        wait_to_see(where, row->key, row->undone);
        pty_settle();
    }
}

static enum view view_of_line(const char *line, enum view now)
{
    for (int view = 0; view < VIEW_COUNT; view++)
        if (strncmp(line, "view ", 5) == 0 && strcmp(line + 5, view_name((enum view)view)) == 0)
            return (enum view)view;
    assert_string_equal(line, "view");
    return view_next(now);
}

static void press_view_key(enum view view, const struct command_key *key)
{
    const enum view target = view_of_line(key->line, view);

    open_view(view, view_focus(view, 0));
    pty_keys((const char[]){(char)key->key, 0});
    wait_for_view(view_name(view), key->name, target, view_focus(target, 0), false);
    pty_settle();
}

/* All cells are written again, not only those that differ. */
static void press_redraw(enum view view, const struct command_key *key)
{
    enum { LEAST = 1000 };
    long before;

    open_view(view, view_focus(view, 0));
    pty_settle();
    before = pty_bytes();
    pty_keys((const char[]){(char)key->key, 0});
    for (const long limit = pty_now() + PTY_PATIENCE_MS; pty_bytes() < before + LEAST; pty_take(50))
        if (pty_now() > limit)
            fail_at(view_name(view), key->name, "a new drawing");
    pty_settle();
}

/* The step in the header. */
static long step_shown(void)
{
    const char *at = strstr(pty_row(3), "step ");
    long step = 0;

    assert_non_null(at);
    for (at += strcspn(at, "0123456789"); strchr("0123456789,", *at); at++)
        if (*at != ',')
            step = 10 * step + *at - '0';
    return step;
}

/* Waits for the pause behind so many steps more: that the run is paused has stood there before. */
static void wait_for_steps(const char *where, const char *key, long before, long count)
{
    char words[48];

    snprintf(words, sizeof words, ">paused at step %ld", before + count);
    wait_to_see(where, key, words);
    pty_settle();
}

static void press_step(enum view view, const struct command_key *key)
{
    open_view(view, view_focus(view, 0));
    pty_settle();
    const long before = step_shown();
    pty_keys((const char[]){(char)key->key, 0});
    wait_for_steps(view_name(view), key->name, before, 1);
}

static bool panel_takes_first(enum view view, int key)
{
    const struct panel_ops *panel;

    for (int i = 0; (panel = panel_at(i)); i++)
        if (panel->place == view_focus(view, 0) && panel->before && strchr(panel->before, key))
            return true;
    return false;
}

static void press_command_keys(enum view view)
{
    const struct command_entry *entry;

    for (int i = 0; (entry = command_at(i)); i++)
        for (int k = 0; k < COMMAND_KEYS && entry->keys[k].key; k++) {
            const struct command_key *key = &entry->keys[k];

            if (entry->action == ACTION_QUIT || panel_takes_first(view, key->key))
                continue;
            if (entry->action == ACTION_VIEW)
                press_view_key(view, key);
            else if (entry->action == ACTION_REDRAW)
                press_redraw(view, key);
            else if (entry->action == ACTION_STEP)
                press_step(view, key);
            else
                press(view, view_focus(view, 0), find_row(command_rows, view_name(view), key->name));
        }
}

/* A name of the key bar is a word, or so many keys of one character each. */
static void press_named(enum view view, enum place focus, const char *name)
{
    char one[8];

    if (strlen(name) > 2 && (unsigned char)*name < 0x80) {
        press(view, focus, find_row(panel_rows[focus], view_name(view), name));
        return;
    }
    for (size_t length; *name; name += length) {
        for (length = 1; ((unsigned char)name[length] & 0xc0) == 0x80;)
            length++;
        snprintf(one, sizeof one, "%.*s", (int)length, name);
        press(view, focus, find_row(panel_rows[focus], view_name(view), one));
    }
}

static const struct panel_ops *panel_of(enum place place)
{
    const struct panel_ops *panel;

    for (int i = 0; (panel = panel_at(i)); i++)
        if (panel->place == place)
            return panel;
    fail_msg("no panel has place %d", place);
    return NULL;
}

/* Enter gives the chosen panel the body, Escape takes it away, c chooses the next. */
static void press_panel_choice(enum view view, enum place focus, enum place next)
{
    open_view(view, focus);
    pty_keys(ENTER);
    wait_for_view(view_name(view), "Enter", view, focus, true);
    pty_keys(ESCAPE);
    wait_for_view(view_name(view), "Esc", view, focus, false);
    pty_settle();
    pty_keys("c");
    for (const long limit = pty_now() + PTY_PATIENCE_MS; !has_title(panel_of(next)->title, true); pty_take(50))
        if (pty_now() > limit)
            fail_at(view_name(view), "c", panel_of(next)->title);
    pty_settle();
}

/* The overview's key bar has room for the first of a panel's keys alone. */
static void press_panel_keys(enum view view)
{
    const bool several = view_focus(view, 1) != PLACE_COUNT;
    const int most = view == VIEW_OVERVIEW ? 1 : PANEL_KEYS;
    enum place focus;

    for (int i = 0; (focus = view_focus(view, i)) != PLACE_COUNT; i++) {
        const struct panel_ops *panel = panel_of(focus);

        for (int k = 0; k < most && panel->keys[k].name; k++)
            press_named(view, focus, panel->keys[k].name);
        if (several) {
            const enum place next = view_focus(view, i + 1);

            press_panel_choice(view, focus, next != PLACE_COUNT ? next : view_focus(view, 0));
        }
    }
}

static void every_key_in_every_view(void **state)
{
    char note[32];

    (void)state;
    pty_start(COLUMNS, ROWS, "", "tune " RUN "--limit 16 --validation 8 --lr 0.01,0.02 --steps 1 --name few");
    assert_int_equal(pty_status(), 0);
    pty_end();
    pty_start(COLUMNS, ROWS, "NFBENCH_CLOCK=1700000000", RUN "--steps 3 --session first");
    pty_wait("q leaves");
    pty_keys("q");
    assert_int_equal(pty_status(), 0);
    pty_end();
    pty_start(COLUMNS, ROWS, "NFBENCH_CLOCK=1700000100", RUN "--epochs 400 --session second");
    pty_wait(" training ");
    pty_keys("7");
    pty_wait(" first ");
    pty_keys("1 ");
    pty_wait("  paused ");
    pty_settle();
    const long before = step_shown();
    pty_command("step 100"); /* charts to walk about in */
    wait_for_steps("overview", "step 100", before, 100);
    for (int i = 0; i < SETUP_NOTES; i++) { /* more than the log has room for */
        snprintf(note, sizeof note, "note %d", i);
        pty_command(note);
    }
    pty_settle();
    for (int view = 0; view < VIEW_COUNT; view++) {
        press_command_keys((enum view)view);
        press_panel_keys((enum view)view);
    }
    pty_keys("q");
    assert_int_equal(pty_status(), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, pty_set_up, pty_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(every_key_in_every_view)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
