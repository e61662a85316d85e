/* The screen of a run whose probes are made up, drawn without a terminal: what the tests of the blocks' views share. */
#ifndef NFBENCH_TESTS_TUI_PROBED_SCENE_H
#define NFBENCH_TESTS_TUI_PROBED_SCENE_H

#include "tests/tui/made_probe.h"
#include "tui/scene.h"

enum { BLOCKS = 5 };

extern struct scene scene;
extern struct model_spec spec;

/* A run at step 250 that is probed each 100 steps, of so many blocks; nothing is probed yet. */
void probed_scene_begin(int blocks);
/* The same of BLOCKS, and its end, as cmocka's setup and teardown. */
int probed_scene_open(void **state);
int probed_scene_close(void **state);
void add_probe(struct probe *probe); /* takes it */
void add_healthy(long step);

/* What was drawn last, row by row: anything but ASCII as '*'. */
extern char drawn_text[140][4 * 310];
extern struct cell drawn_cells[140][310];
void render(int rows, int columns);
/* The row that shows the words; -1 when none does. */
int row_of(int rows, const char *words);
void must_show(int rows, const char *words);
enum role role_at(int rows, const char *words);
void press(int key);

/* The views of the blocks. */
static const enum view views[] = {VIEW_BLOCKS, VIEW_BLOCK, VIEW_SIGNAL, VIEW_GRADIENTS};

enum { VIEWS = sizeof(views) / sizeof(*views) };

#endif
