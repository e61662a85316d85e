/* See probed_scene.h. */
#include "tests/tui/probed_scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tui/panel.h"

struct scene scene;
struct model_spec spec;

void probed_scene_begin(int blocks)
{
    struct error error;

    made_spec(&spec, blocks);
    scene = (struct scene){.phase = PHASE_LIVE, .best = -1, .cursor = NAN, .probe_every = 100};
    scene.snapshot.state = TRAINER_RUNNING;
    scene.snapshot.steps_total = 1000;
    scene.snapshot.step.step = 250;
    assert_int_equal(curves_create(0.9, &scene.curves, &error), 0);
    assert_int_equal(journal_create(&scene.journal, &error), 0);
    assert_int_equal(probes_create(&spec, &scene.probes, &error), 0);
}

int probed_scene_open(void **state)
{
    (void)state;
    probed_scene_begin(BLOCKS);
    return 0;
}

int probed_scene_close(void **state)
{
    (void)state;
    curves_destroy(scene.curves);
    journal_destroy(scene.journal);
    probes_destroy(scene.probes);
    cell_cache_destroy(scene.strips);
    return 0;
}

void add_probe(struct probe *probe)
{
    struct error error;

    assert_int_equal(probes_add(scene.probes, probe, &error), 0);
    probe_destroy(probe);
}

void add_healthy(long step)
{
    add_probe(made_probe(&spec, step));
}

char drawn_text[140][4 * 310];
struct cell drawn_cells[140][310];

void render(int rows, int columns)
{
    struct canvas *canvas;
    struct error error;

    assert_int_equal(canvas_create_cells(columns, rows, GLYPHS_BRAILLE, &canvas, &error), 0);
    scene_draw(&scene, canvas);
    for (int row = 0; row < rows; row++) {
        int used = 0;

        memcpy(drawn_cells[row], canvas_cells(canvas) + row * columns, (size_t)columns * sizeof(**drawn_cells));
        for (int column = 0; column < columns; column++)
            drawn_text[row][used++] = drawn_cells[row][column].code < 0x80 ? (char)drawn_cells[row][column].code : '*';
        drawn_text[row][used] = 0;
    }
    canvas_destroy(canvas);
}

int row_of(int rows, const char *words)
{
    for (int row = 0; row < rows; row++)
        if (strstr(drawn_text[row], words))
            return row;
    return -1;
}

void must_show(int rows, const char *words)
{
    if (row_of(rows, words) < 0) {
        for (int row = 0; row < rows; row++)
            print_message("%s\n", drawn_text[row]);
        fail_msg("'%s' is missing", words);
    }
}

enum role role_at(int rows, const char *words)
{
    int row = row_of(rows, words);

    assert_true(row >= 0);
    return (enum role)drawn_cells[row][strstr(drawn_text[row], words) - drawn_text[row]].style.role;
}

void press(int key)
{
    assert_true(scene_key(&scene, 24, 80, key));
}
