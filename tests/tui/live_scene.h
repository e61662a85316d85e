/* A run on the screen without a terminal: the scene of one that trains, and what is drawn of it as text. */
#ifndef NFBENCH_TESTS_TUI_LIVE_SCENE_H
#define NFBENCH_TESTS_TUI_LIVE_SCENE_H

#include "tui/scene.h"

enum { SCENE_ROWS = 110, SCENE_COLUMNS = 310 };

extern struct scene live;
/* What was drawn last, row by row, as UTF-8; other letters than ASCII's are '*': what is drawn is a figure's own test.
 */
extern char shown_text[SCENE_ROWS][4 * SCENE_COLUMNS];

/* A scene that starts. */
int live_scene_set_up(void **state);
int live_scene_tear_down(void **state);
/* A run in the middle of its training, with so many steps behind it. */
void go_live(long steps);

/* Draws the scene as it is; with the header's figures as they are now. */
struct scene_cursor draw_live(int rows, int columns, enum glyph_set glyphs);
struct scene_cursor render_live(int rows, int columns, enum glyph_set glyphs);
/* Whether the first rows have these words. */
bool live_shows(int rows, const char *words);

#endif
