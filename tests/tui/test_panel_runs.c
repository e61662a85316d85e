/* The view of runs, drawn from a list that is made up: rows, their order, which lie over the charts, and one in
 * detail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/tui/probed_scene.h"
#include "tui/charts.h"
#include "tui/keys.h"
#include "tui/runs_lines.h"

/* The oldest first: session-1 and so on. */
static void list_sessions(int count)
{
    struct run_list *list = &scene.runs;

    run_list_clear(list);
    strcpy(list->own, "session-2");
    list->known = true;
    list->rows = calloc((size_t)count, sizeof(*list->rows));
    list->count = count;
    for (int i = 0; i < count; i++) {
        struct session_summary *row = &list->rows[i];

        snprintf(row->name, sizeof(row->name), "session-%d", i + 1);
        strcpy(row->network, "micro");
        strcpy(row->state, i == 1 ? "training" : i == 0 ? "diverged" : "finished");
        row->step = 1000 * (i + 1);
        row->best_accuracy = i == 0 ? -1 : 0.5f + 0.01f * (float)(i % 7);
        row->last_loss = i == 0 ? NAN : 2.0f - 0.1f * (float)(i % 5);
        row->learning_rate = 0.125f;
        row->started = 1769860800 + 60 * i;
    }
}

/* The trials of two tunes among five sessions: 2 and 3 of "g", which has a third that was not begun, and 5 of "h". */
static void list_tunes(void)
{
    struct run_list *list = &scene.runs;

    list_sessions(5);
    list->tunes = calloc(2, sizeof(*list->tunes));
    list->tune_count = 2;
    list->tunes[0] =
        (struct tune_group){.name = "g", .trials = 3, .begun = 2, .ended = 1, .training = 1, .best = 0.412f};
    strcpy(list->tunes[0].best_values, "lr 0.1, batch 64");
    strcpy(list->tunes[0].reference, "/there/g.tune");
    list->tunes[1] = (struct tune_group){.name = "h", .trials = 1, .begun = 1, .ended = 1, .best = -1};
    for (int i = 1; i < 3; i++)
        strcpy(list->rows[i].tune, "g");
    strcpy(list->rows[4].tune, "h");
}

static int open(void **state)
{
    probed_scene_open(state);
    scene.view = VIEW_RUNS;
    return 0;
}

static int close(void **state)
{
    run_list_clear(&scene.runs);
    return probed_scene_close(state);
}

static void give_curves(int place)
{
    struct error error;

    assert_int_equal(curves_create(0, &scene.runs.overlays[place].curves, &error), 0);
    charts_list_overlays(&scene);
}

static void before_the_list_is_read_it_says_so(void **state)
{
    (void)state;
    render(24, 80);
    must_show(24, "reading the folder");
    assert_false(scene_key(&scene, 24, 80, KEY_CODE_DOWN));
    scene.runs.known = true;
    assert_int_equal(runs_make_lines(&scene), 0); /* as when an empty list comes: there are no rows to sort */
    assert_int_equal(scene.runs.line_count, 0);
    render(24, 80);
    must_show(24, "no session yet");
    strcpy(scene.runs.error, "cannot list /x: Permission denied");
    render(24, 80);
    must_show(24, "Permission denied");
}

static void every_size_can_be_drawn(void **state)
{
    (void)state;
    for (int opened = 0; opened < 3; opened++) {
        if (opened < 2)
            list_sessions(60);
        else
            list_tunes();
        scene.run_opened = opened;
        for (int rows = 1; rows <= 60; rows += rows < 26 ? 1 : 11)
            for (int columns = 1; columns <= 220; columns += columns < 24 ? 5 : 19)
                render(rows, columns);
    }
}

static void a_row_tells_of_a_session_as_there_is_room(void **state)
{
    (void)state;
    list_sessions(3);
    render(24, 160);
    must_show(24, "session-3        finished      3,000   52.00 %    1.8000     0.125                   micro");
    must_show(24, "2026-01-31");
    strcpy(scene.runs.rows[0].parent, "first");
    scene.runs.rows[0].parent_step = 250;
    render(24, 160);
    must_show(24, "first @ 250");
    assert_int_equal(role_at(24, "training  "), ROLE_GOOD);
    render(24, 60);
    must_show(24, "session-1        diverged      1,000         -");
    assert_int_equal(row_of(24, "micro"), -1);
}

/* Newest first; a refreshed list leaves the marked one marked. */
static void one_walks_and_sorts_and_the_mark_stays(void **state)
{
    (void)state;
    list_sessions(40);
    render(24, 80);
    assert_string_equal(scene.run_marked, "session-40");
    press(KEY_CODE_DOWN);
    assert_string_equal(scene.run_marked, "session-39");
    press(KEY_CODE_END);
    assert_string_equal(scene.run_marked, "session-1");
    render(24, 80);
    must_show(24, "session-1 ");
    must_show(24, "40 of 40, newest first");
    press('o');
    render(24, 80);
    must_show(24, "best accuracy first");
    assert_string_equal(scene.run_marked, "session-1");
    list_sessions(41);
    render(24, 80);
    must_show(24, "session-1 ");
    press(KEY_CODE_HOME);
    assert_string_equal(scene.run_marked, "session-35"); /* 0.56, the newest of them is 35 */
}

/* Below each other, whatever else their order was; one whose parent is gone stands by itself. */
static void forks_stand_below_what_they_come_from(void **state)
{
    static const char *const parents[] = {"", "", "session-1", "session-3", "session-9"};

    (void)state;
    list_sessions(5);
    for (int i = 0; i < 5; i++)
        strcpy(scene.runs.rows[i].parent, parents[i]);
    for (int i = 0; i < 4; i++) {
        render(24, 80);
        press('o');
    }
    render(24, 80);
    must_show(24, "forks below what they come from");
    assert_int_equal(row_of(24, "session-2"), row_of(24, "session-5") + 1);
    assert_int_equal(row_of(24, "session-1"), row_of(24, "session-2") + 1);
    assert_int_equal(row_of(24, "* session-3"), row_of(24, "session-1") + 1);
    assert_int_equal(row_of(24, "  * session-4"), row_of(24, "session-1") + 2);
    press('o');
    render(24, 80);
    must_show(24, "newest first");
    assert_int_equal(row_of(24, "* session-3"), -1);
}

/* One line, where the newest of them would stand; unfolded they stand below it, in the order that was chosen. */
static void trials_of_a_tune_are_one_line_until_it_is_unfolded(void **state)
{
    (void)state;
    list_tunes();
    render(24, 100);
    must_show(24, "+ tune h: 1 trial ");
    must_show(24,
              "* + tune g: 1 of 3 trials ended, 1 training, best 41.20 % (lr 0.1, batch 64)"); /* this run is in it */
    must_show(24, "1 of 4, newest first");
    must_show(24, "t trials");
    assert_int_equal(row_of(24, "session-2"), -1);
    assert_int_equal(row_of(24, "session-3"), -1);
    assert_int_equal(row_of(24, "tune g"), row_of(24, "session-4") + 1);
    assert_int_equal(row_of(24, "session-1"), row_of(24, "tune g") + 1);
    press('t'); /* h is the marked one */
    render(24, 100);
    assert_int_equal(row_of(24, "session-5"), row_of(24, "- tune h") + 1);
    press(KEY_CODE_DOWN);
    press(KEY_CODE_DOWN);
    press(KEY_CODE_DOWN);
    press('t'); /* one at a time */
    render(24, 100);
    assert_int_equal(row_of(24, "session-5"), -1);
    assert_int_equal(row_of(24, "session-3"), row_of(24, "- tune g") + 1);
    assert_int_equal(row_of(24, "session-2"), row_of(24, "- tune g") + 2);
    press(KEY_CODE_DOWN);
    assert_string_equal(scene.run_marked, "session-3");
    press('t'); /* from a trial, too */
    render(24, 100);
    assert_int_equal(row_of(24, "session-3"), -1);
    assert_true(runs_marks_tune(&scene));
    press(KEY_CODE_ENTER);
    render(24, 100);
    must_show(24, "Tune g");
    must_show(24, "with                 lr 0.1, batch 64");
    must_show(24, "nfbench tune --show /there/g.tune");
    scene.runs.tunes[0].training = 0;
    render(24, 100);
    must_show(24, "nfbench tune --resume /there/g.tune");
    scene.runs.tunes[0].ended = 3; /* nothing is left to go on with */
    render(24, 100);
    assert_int_equal(row_of(24, "--resume"), -1);
    press(KEY_CODE_ESCAPE);
    press(' ');
    assert_non_null(strstr(scene.notice.text, "this is a tune"));
    press(KEY_CODE_END);
    assert_string_equal(scene.run_marked, "session-1");
    assert_false(scene_key(&scene, 24, 80, 't')); /* a session of the person's own */
}

/* ... also where forks stand below what they come from: a fork of a trial is nobody's trial. */
static void forks_of_trials_stand_by_themselves(void **state)
{
    (void)state;
    list_tunes();
    strcpy(scene.runs.rows[3].parent, "session-3");
    scene.runs_order = 4;
    render(24, 80);
    must_show(24, "forks below what they come from");
    must_show(24, " session-4 ");
    assert_int_equal(row_of(24, "* session-4"), -1);
    must_show(24, "tune g");
    must_show(24, "1 of 4");
}

static void space_lays_up_to_eight_over_the_charts(void **state)
{
    (void)state;
    list_sessions(12);
    render(24, 80);
    for (int i = 0; i < 8; i++) {
        assert_true(scene_takes_first(&scene, ' '));
        press(' ');
        press(KEY_CODE_DOWN);
    }
    assert_string_equal(scene.notice.text, "");
    press(' ');
    assert_non_null(strstr(scene.notice.text, "8 sessions"));
    assert_int_equal(scene.overlaid_count, 0); /* their curves are still being read */
    give_curves(1);
    assert_int_equal(scene.overlaid_count, 1);
    assert_string_equal(scene.overlaid[0].name, "session-11");
    assert_string_equal(scene.overlaid[0].tag, "b");
    press(KEY_CODE_HOME);
    press(' '); /* away again: the others keep their letters */
    assert_string_equal(scene.runs.overlays[0].name, "");
    render(24, 80);
    must_show(24, " b  session-11");
    must_show(24, " h  session-5");
    assert_int_equal(role_at(24, "b  session-11"), curves_overlay_role(1));
    charts_overlay_none(&scene);
    assert_int_equal(scene.overlaid_count, 0);
}

static void this_run_does_not_lie_over_itself(void **state)
{
    (void)state;
    list_sessions(2);
    render(24, 80);
    assert_string_equal(scene.run_marked, "session-2");
    press(' ');
    assert_non_null(strstr(scene.notice.text, "this run itself"));
    scene.view = VIEW_CHARTS; /* where space pauses, as everywhere else */
    assert_false(scene_takes_first(&scene, ' '));
}

static void enter_shows_where_a_session_differs(void **state)
{
    struct run_details *details = &scene.runs.details;

    (void)state;
    list_sessions(3);
    strcpy(scene.runs.rows[2].parent, "session-1");
    scene.runs.rows[2].parent_step = 1250;
    render(24, 80);
    press(KEY_CODE_ENTER);
    render(24, 80);
    must_show(24, "Session session-3");
    must_show(24, "reading");
    *details = (struct run_details){.name = "session-3", .path = "/there/session-3", .difference_count = 1};
    strcpy(details->differences[0].name, "lr");
    strcpy(details->differences[0].there, "0.25");
    strcpy(details->differences[0].here, "0.5");
    details->last =
        (struct epoch_record){.step = 3000, .validation_accuracy = 0.5f, .validation_loss = 1.5f, .test_accuracy = -1};
    render(24, 80);
    must_show(24, "finished at step 3,000");
    must_show(24, "/there/session-3");
    must_show(24, "fork of              session-1 at step 1,250");
    must_show(24, "50.00 %, loss 1.5000");
    must_show(24, "lr                   0.25");
    for (int i = 0; i < scene.runs.count; i++) /* in the order of a tree by now */
        if (strcmp(scene.runs.rows[i].name, "session-3") == 0)
            strcpy(scene.runs.rows[i].state, "diverged");
    strcpy(details->message, "diverged at step 19, lr 1.8: block 1 of 2 left the finite range first, and that is told "
                             "to its last word");
    render(24, 80);
    must_show(24, "state                diverged at step 19, lr 1.8"); /* once */
    must_show(24, "last word");
    press(KEY_CODE_DOWN); /* the next one's */
    render(24, 80);
    must_show(24, "Session session-2");
    must_show(24, "reading");
    press(KEY_CODE_ESCAPE);
    render(24, 80);
    must_show(24, "session-1");
}

static void the_key_bar_names_the_views_keys(void **state)
{
    (void)state;
    list_sessions(3);
    render(24, 120);
    must_show(24, "space overlay");
    assert_int_equal(row_of(24, "space pause"), -1);
    must_show(24, "Enter detail");
    assert_int_equal(row_of(24, "Esc back"), -1);
    press(KEY_CODE_ENTER);
    render(24, 120);
    must_show(24, "Esc back");
    assert_int_equal(row_of(24, "Enter detail"), -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open, close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(before_the_list_is_read_it_says_so),
        TEST(every_size_can_be_drawn),
        TEST(a_row_tells_of_a_session_as_there_is_room),
        TEST(one_walks_and_sorts_and_the_mark_stays),
        TEST(trials_of_a_tune_are_one_line_until_it_is_unfolded),
        TEST(forks_of_trials_stand_by_themselves),
        TEST(forks_stand_below_what_they_come_from),
        TEST(space_lays_up_to_eight_over_the_charts),
        TEST(this_run_does_not_lie_over_itself),
        TEST(enter_shows_where_a_session_differs),
        TEST(the_key_bar_names_the_views_keys),
    };
    setenv("TZ", "UTC", 1); /* a row tells when it was started */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
