/* See live_scene.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tests/tui/live_scene.h"

struct scene live;

int live_scene_set_up(void **state)
{
    struct error error;

    (void)state;
    live = (struct scene){.phase = PHASE_STARTING, .best = -1, .cursor = NAN, .progress = "opening the data"};
    if (curves_create(0.9, &live.curves, &error) || journal_create(&live.journal, &error))
        return -1;
    return 0;
}

int live_scene_tear_down(void **state)
{
    (void)state;
    curves_destroy(live.curves);
    journal_destroy(live.journal);
    return 0;
}

void go_live(long steps)
{
    struct error error;

    live.phase = PHASE_LIVE;
    live.facts = (struct facts){.session = "20260131-micro-1",
                                .network = "micro",
                                .device = "CPU, 2 threads, bf16",
                                .data = "synthetic images, built in",
                                .synthetic = true,
                                .parameters = 246368};
    live.snapshot.memory = 35e6;
    live.snapshot.state = TRAINER_RUNNING;
    live.snapshot.steps_total = 12345;
    live.snapshot.steps_per_epoch = 4115;
    live.snapshot.epochs_total = 3;
    live.snapshot.eta_seconds = 754;
    live.snapshot.step = (struct step_record){
        .step = steps, .loss = 1.5f, .learning_rate = 0.0123f, .images_per_second = 1234, .seconds = 61};
    for (long step = 1; step <= steps; step++) {
        struct event event = {.kind = EVENT_STEPS};

        event.steps = (struct step_summary){.first_step = step,
                                            .last_step = step,
                                            .count = 1,
                                            .loss_min = (float)(2.3 / (1 + 0.001 * (double)step)),
                                            .accuracy_sum = 0.1 + 0.0001 * (double)(step % 5000)};
        event.steps.loss_max = event.steps.loss_min;
        event.steps.loss_sum = (double)event.steps.loss_min;
        assert_int_equal(curves_add_event(live.curves, &event, &error), 0);
    }
    for (int i = 0; i < 30; i++)
        journal_add(live.journal, JOURNAL_NOTE, 0, "line %d", i);
}

char shown_text[SCENE_ROWS][4 * SCENE_COLUMNS];

struct scene_cursor draw_live(int rows, int columns, enum glyph_set glyphs)
{
    struct canvas *canvas;
    struct error error;
    struct scene_cursor cursor;
    const struct cell *cells;

    assert_int_equal(canvas_create_cells(columns, rows, glyphs, &canvas, &error), 0);
    cursor = scene_draw(&live, canvas);
    cells = canvas_cells(canvas);
    for (int row = 0; row < rows; row++) {
        int used = 0;

        for (int column = 0; column < columns; column++) {
            uint32_t code = cells[row * columns + column].code;

            if (cells[row * columns + column].width == 0)
                continue;
            shown_text[row][used++] = code < 0x80 ? (char)code : '*'; /* what is drawn is the chart's own test */
        }
        shown_text[row][used] = 0;
    }
    canvas_destroy(canvas);
    return cursor;
}

struct scene_cursor render_live(int rows, int columns, enum glyph_set glyphs)
{
    scene_take_figures(&live);
    return draw_live(rows, columns, glyphs);
}

bool live_shows(int rows, const char *words)
{
    for (int row = 0; row < rows; row++)
        if (strstr(shown_text[row], words))
            return true;
    return false;
}
