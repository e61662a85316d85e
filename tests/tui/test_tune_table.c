/* The live table of a tune, drawn of trials that have ended: rungs, curves, and what is told of the marked one. Its
 * keys on a terminal are in tests/terminal/test_tune.c. */
#include "tests/tui/tuned.h"
#include "tui/tune_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct {
    struct tune tune;
    struct tune_watch *watch;
    struct tune_view view;
    int columns, rows;
    char text[64][256]; /* anything but ASCII is '*' */
} drawn;

static void open_tune(const char *name)
{
    struct settings *place = calloc(1, sizeof *place);
    struct error error = {""};
    assert_non_null(place);
    snprintf(place->sessions_dir, sizeof place->sessions_dir, "%s", process_path("nfbench"));
    if (tune_open(place, name, &drawn.tune, &error) != 0 || tune_watch_open(&drawn.tune, &drawn.watch, &error) != 0 ||
        tune_watch_read(drawn.watch, &error) != 0)
        fail_msg("%s", error.message);
    free(place);
    drawn.view = (struct tune_view){.tune = &drawn.tune, .watch = drawn.watch};
    drawn.view.rows = calloc((size_t)drawn.tune.count, sizeof *drawn.view.rows);
    assert_non_null(drawn.view.rows);
}

static int close_tune(void **state)
{
    (void)state;
    tune_watch_close(drawn.watch);
    tune_free(&drawn.tune);
    free(drawn.view.rows);
    memset(&drawn, 0, sizeof drawn);
    return 0;
}

static void draw(int columns, int rows)
{
    struct canvas *canvas;
    struct error error;
    drawn.columns = columns;
    drawn.rows = rows;
    assert_int_equal(canvas_create_cells(columns, rows, GLYPHS_BRAILLE, &canvas, &error), 0);
    tune_table_draw(canvas, &drawn.view);
    for (int row = 0; row < rows; row++) {
        for (int column = 0; column < columns; column++) {
            const uint32_t code = canvas_cells(canvas)[row * columns + column].code;
            drawn.text[row][column] = code < 0x80 ? (char)code : '*';
        }
        drawn.text[row][columns] = '\0';
    }
    canvas_destroy(canvas);
}

static int row_of(const char *words)
{
    for (int row = 0; row < drawn.rows; row++)
        if (strstr(drawn.text[row], words))
            return row;
    return -1;
}

static void must_show(const char *words)
{
    if (row_of(words) >= 0)
        return;
    for (int row = 0; row < drawn.rows; row++)
        print_message("%s\n", drawn.text[row]);
    fail_msg("'%s' is missing", words);
}

static void press(int key)
{
    assert_true(tune_table_key(&drawn.view, (struct rect){0, 0, drawn.columns, drawn.rows}, key));
}

/* One of four trials is taken away behind its end, so that the first rung is not done. */
static void a_halving_shows_its_rungs(void **state)
{
    (void)state;
    run_expecting(0, "tune " SHARED "--lr 0.01,0.02,0.05,0.1 --batch 48 --epochs 2 --halving --factor 2 --name half");
    open_tune("half");
    draw(80, 24);
    must_show("nfbench tune half   rung 2 of 2, to epoch 2: 2 of 2 done ");
    must_show(" 4 trials: 2 finished, 2 dropped ");
    must_show("state         rung  best %");
    must_show("finished       2/2 ");
    must_show("dropped        1/2 ");
    close_tune(state);
    run_expecting(0, "sessions rm half-lr0.1 --yes");
    open_tune("half");
    draw(80, 24);
    must_show("nfbench tune half   rung 1 of 2, to epoch 1: 3 of 4 done, 2 go on ");
    must_show("0.1  not begun      1/2 ");
    must_show(" rung done      1/2 ");
    must_show(" 1 not begun, ");
    assert_non_null(strstr(run_expecting(0, "tune --show half")->out, "rung done"));
}

/* The one that went on is trained anew, to its third epoch, and then held as by a process that trains it. The table has
 * the accuracies by which a rung decides. */
static void a_rung_stays_done_while_the_next_is_trained(void **state)
{
    struct session *held;
    struct settings *place = calloc(1, sizeof *place);
    struct error error = {""};
    (void)state;
    assert_non_null(place);
    run_expecting(0, "tune " SHARED "--lr 0.02,0.05 --batch 48 --epochs 4 --halving --factor 2 --name next");
    json_t *tune = tune_shown("next");
    const char *winner = json_text_at(tune_trial(tune, 0), "session");
    int trial = 1;
    if (strcmp(json_text_at(tune_trial(tune, 0), "state"), "finished") != 0)
        winner = json_text_at(tune_trial(tune, trial++), "session");
    const struct outcome *outcome = run_expecting(0, "tune --show next");
    assert_non_null(strstr(outcome->out, "2 epochs"));
    assert_non_null(strstr(outcome->out, "4 epochs"));
    assert_null(strstr(outcome->out, "1 epoch "));
    assert_null(strstr(outcome->out, "3 epochs"));
    run_expecting(0, "sessions rm %s --yes", winner);
    run_expecting(0, "train --config %s --session %s --until 3",
                  process_path(trial == 1 ? "nfbench/next.tune/trial-1.ini" : "nfbench/next.tune/trial-2.ini"), winner);
    snprintf(place->sessions_dir, sizeof place->sessions_dir, "%s", process_path("nfbench"));
    assert_int_equal(session_open(place, winner, SESSION_WRITE, &held, &error), 0);
    open_tune("next");
    draw(80, 24);
    must_show("nfbench tune next   rung 2 of 2, to epoch 4: 0 of 1 done ");
    must_show(" 2 trials: 1 training, 1 dropped");
    assert_non_null(strstr(run_expecting(0, "tune --list")->out, "\nnext  running      1 of 2 "));
    assert_non_null(strstr(run_expecting(0, "sessions")->out, "tune next: 1 of 2 trials ended"));
    session_close(held);
    free(place);
    json_decref(tune);
}

/* None of an epoch that has not ended, beside those of others' whole epochs. */
static void the_loss_is_that_of_a_whole_epoch(void **state)
{
    (void)state;
    run_expecting(0, "tune " SHARED "--lr 0.02,0.05 --batch 48 --epochs 2 --name begun");
    run_expecting(0, "sessions rm begun-lr0.02 --yes");
    run_expecting(0, "train --config %s --session begun-lr0.02 --steps 1 --validation 0",
                  process_path("nfbench/begun.tune/trial-1.ini"));
    open_tune("begun");
    json_t *tune = tune_shown("begun");
    assert_int_equal((int)json_number_at(tune_trial(tune, 0), "step"), 1);
    assert_true(json_is_null(json_object_get(tune_trial(tune, 0), "train_loss")));
    assert_true(json_number_at(tune_trial(tune, 1), "train_loss") > 0);
    json_decref(tune);
}

/* Below the rows that are empty otherwise; not where the trials need the room. */
static void curves_stand_where_there_is_room(void **state)
{
    (void)state;
    run_expecting(0, "tune " SHARED "--lr 0.02,0.05,1000 --batch 16 --epochs 3 --name drawn");
    open_tune("drawn");
    draw(80, 24);
    must_show("validation accuracy");
    must_show("lr 0.02");
    must_show("epoch");
    assert_true(row_of("validation accuracy") > row_of("diverged"));
    assert_true(row_of("drawn-lr0.02") > row_of("validation accuracy"));
    assert_int_equal(row_of("training loss"), -1);
    must_show("c curves");
    press('c');
    draw(80, 24);
    must_show("training loss");
    draw(80, 16);
    assert_int_equal(row_of("training loss"), -1);
    assert_int_equal(row_of("c curves"), -1);
    must_show("o order  q leave");
    must_show("0.05  finished");
    for (int rows = 1; rows < 60; rows += 3)
        for (int columns = 1; columns < 200; columns += 13)
            draw(columns, rows);
}

static void help_stands_in_place_of_the_trials_until_a_key(void **state)
{
    (void)state;
    open_tune("drawn");
    draw(80, 24);
    must_show("? help");
    press('?');
    draw(80, 24);
    must_show("dropped     of a halving: ");
    assert_int_equal(row_of("0.05  finished"), -1);
    for (int rows = 1; rows < 30; rows += 3)
        for (int columns = 1; columns < 100; columns += 13)
            draw(columns, rows);
    press('o'); /* which closes it, and does nothing else */
    draw(80, 24);
    must_show("0.05  finished");
    must_show("as planned");
    press('h');
    draw(80, 24);
    must_show("dropped     of a halving: ");
}

/* Each figure has a column or stands below; the speed of one that has ended stays. */
static void all_is_told_of_the_marked_trial(void **state)
{
    (void)state;
    open_tune("drawn");
    draw(44, 24);
    must_show("0.02  finished");
    const char *below = drawn.text[24 - 5];
    assert_non_null(strstr(below, "loss 2."));
    assert_non_null(strstr(below, "img/s "));
    must_show("trained ");
    assert_null(strstr(below, "best %"));
    must_show("nfbench sessions show ");
    draw(160, 24);
    assert_null(strstr(drawn.text[24 - 5], "img/s")); /* they have columns */
    must_show("drawn-lr0.02");
    drawn.view.marked = 2;
    draw(80, 24);
    must_show("drawn-lr1000");
    must_show("left the finite range first");
    json_t *tune = tune_shown("drawn");
    assert_true(json_number_at(tune_trial(tune, 0), "images_per_second") > 0);
    json_decref(tune);
    assert_non_null(strstr(run_expecting(0, "tune --show drawn")->out, "img/s"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_halving_shows_its_rungs, close_tune),
        cmocka_unit_test_teardown(a_rung_stays_done_while_the_next_is_trained, close_tune),
        cmocka_unit_test_teardown(the_loss_is_that_of_a_whole_epoch, close_tune),
        cmocka_unit_test_teardown(curves_stand_where_there_is_room, close_tune),
        cmocka_unit_test_teardown(help_stands_in_place_of_the_trials_until_a_key, close_tune),
        cmocka_unit_test_teardown(all_is_told_of_the_marked_trial, close_tune),
    };
    return cmocka_run_group_tests_name("the table of a tune, drawn", tests, process_setup, process_teardown);
}
