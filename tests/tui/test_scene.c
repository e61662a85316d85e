/* The whole screen drawn without a terminal: at every size with nothing, a little and much to show, and what it must
 * say in each state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tui/keys.h"
#include "tui/panel.h"
#include "tui/scene.h"

static struct scene scene;

static int set_up(void **state)
{
    struct error error;

    (void)state;
    scene = (struct scene){.phase = PHASE_STARTING, .best = -1, .cursor = NAN, .progress = "opening the data"};
    if (curves_create(0.9, &scene.curves, &error) || journal_create(&scene.journal, &error))
        return -1;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    curves_destroy(scene.curves);
    journal_destroy(scene.journal);
    return 0;
}

/* A run in the middle of its training, with so many steps behind it. */
static void go_live(long steps)
{
    struct error error;

    scene.phase = PHASE_LIVE;
    scene.facts = (struct facts){.session = "20260131-micro-1",
                                 .preset = "micro",
                                 .device = "CPU, 2 threads, bf16",
                                 .data = "synthetic images, built in",
                                 .synthetic = true,
                                 .parameters = 246368};
    scene.snapshot.memory = 35e6;
    scene.snapshot.state = TRAINER_RUNNING;
    scene.snapshot.steps_total = 12345;
    scene.snapshot.steps_per_epoch = 4115;
    scene.snapshot.epochs_total = 3;
    scene.snapshot.eta_seconds = 754;
    scene.snapshot.step = (struct step_record){
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
        assert_int_equal(curves_add_event(scene.curves, &event, &error), 0);
    }
    for (int i = 0; i < 30; i++)
        journal_add(scene.journal, JOURNAL_NOTE, 0, "line %d", i);
}

/* What is drawn, row by row, as UTF-8; wide enough for all sizes. */
static char text[110][4 * 310];

static struct scene_cursor render(int rows, int columns, enum glyph_set glyphs)
{
    struct canvas *canvas;
    struct error error;
    struct scene_cursor cursor;
    const struct cell *cells;

    assert_int_equal(canvas_create_cells(columns, rows, glyphs, &canvas, &error), 0);
    cursor = scene_draw(&scene, canvas);
    cells = canvas_cells(canvas);
    for (int row = 0; row < rows; row++) {
        int used = 0;

        for (int column = 0; column < columns; column++) {
            uint32_t code = cells[row * columns + column].code;

            if (cells[row * columns + column].width == 0)
                continue;
            text[row][used++] = code < 0x80 ? (char)code : '*'; /* what is drawn is the chart's own test */
        }
        text[row][used] = 0;
    }
    canvas_destroy(canvas);
    return cursor;
}

static bool shows(int rows, const char *words)
{
    for (int row = 0; row < rows; row++)
        if (strstr(text[row], words))
            return true;
    return false;
}

static void all_sizes(void)
{
    for (int rows = 1; rows <= 100; rows += rows < 32 ? 1 : 17)
        for (int columns = 1; columns <= 300; columns += columns < 24 ? 1 : 19)
            for (int view = 0; view < VIEW_COUNT; view++) {
                scene.view = (enum view)view;
                render(rows, columns, view == VIEW_LOG ? GLYPHS_ASCII : GLYPHS_BRAILLE);
            }
    scene.view = VIEW_OVERVIEW;
}

static void every_size_can_be_drawn(void **state)
{
    (void)state;
    all_sizes();
    go_live(0);
    all_sizes();
    scene.snapshot.steps_total = 0; /* before the trainer knows */
    scene.snapshot.steps_per_epoch = 0;
    all_sizes();
    go_live(3000);
    scene.overlay = OVERLAY_HELP;
    all_sizes();
    scene.overlay = OVERLAY_MESSAGE;
    memset(scene.message, 'x', sizeof scene.message - 1);
    scene.cursor = 1500;
    scene.journal_scroll = 1 << 20;
    scene.command_focused = true;
    all_sizes();
}

static void the_first_frame_says_what_is_being_done(void **state)
{
    (void)state;
    render(24, 80, GLYPHS_BRAILLE);
    assert_true(shows(24, "nfbench"));
    assert_true(shows(24, "starting"));
    assert_true(shows(24, "opening the data"));
    assert_true(shows(24, "q quit"));
}

static void a_gpu_shows_its_load_in_the_header(void **state)
{
    (void)state;
    go_live(2000);
    snprintf(scene.facts.device, sizeof scene.facts.device, "NVIDIA H200, bf16");
    snprintf(scene.gauge, sizeof scene.gauge, "98 %%, 61 \u00b0C, 540 W, 12.3/141 GB");
    render(48, 160, GLYPHS_BRAILLE);
    assert_true(shows(48, "NVIDIA H200, bf16, 98 %, 61 "));
    assert_true(shows(48, "C, 540 W, 12.3/141 GB"));
    render(24, 80, GLYPHS_BRAILLE); /* where there is no room for both, what changes is shown */
    assert_true(shows(24, "98 %, 61 "));
    scene.gauge[0] = '\0';
    render(24, 80, GLYPHS_BRAILLE);
    assert_true(shows(24, "NVIDIA H200, bf16"));
}

static void a_live_run_shows_what_it_is(void **state)
{
    static const char *const words[] = {"20260131-micro-1",
                                        "training",
                                        "synthetic images",
                                        "micro, 246,368 parameters",
                                        "CPU, 2 threads, bf16",
                                        "step  2,000/12,345",
                                        "epoch 0.49/3",
                                        "lr   0.0123",
                                        "1,234",
                                        "ETA   12:34",
                                        "elapsed    1:01",
                                        "16 %",
                                        "Loss",
                                        "Accuracy",
                                        "line 29",
                                        "space pause"};

    (void)state;
    go_live(2000);
    render(48, 160, GLYPHS_BRAILLE);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!shows(48, words[i]))
            fail_msg("'%s' is missing", words[i]);
    render(24, 80, GLYPHS_BRAILLE);
    assert_true(shows(24, "synthetic images"));
    assert_true(shows(24, "step  2,000/12,345"));
    assert_true(shows(24, "images/s   1,234"));
    render(18, 60, GLYPHS_BRAILLE);
    assert_true(shows(18, "step  2,000/12,345"));
    assert_true(shows(18, "q quit"));
}

/* Fields stand where they stood, whatever they count. */
static void numbers_do_not_move(void **state)
{
    char before[sizeof text[0]];

    (void)state;
    go_live(1);
    scene.best = 0.5f;
    render(24, 80, GLYPHS_BRAILLE);
    memcpy(before, text[2], sizeof before);
    scene.snapshot.step.step = 12345;
    scene.snapshot.step.learning_rate = 0.1f;
    scene.snapshot.step.images_per_second = 98765;
    scene.best = 0.9999f;
    render(24, 80, GLYPHS_BRAILLE);
    for (const char *label = "step\0epoch\0lr\0loss\0best\0"; *label; label += strlen(label) + 1) {
        const char *was = strstr(before, label), *is = strstr(text[2], label);

        assert_non_null(was);
        assert_non_null(is);
        assert_int_equal(was - before, is - text[2]);
    }
}

/* While it is paused, a rate that was just changed is what counts. */
static void the_rate_is_the_next_steps_while_paused(void **state)
{
    (void)state;
    go_live(2000);
    scene.snapshot.next_learning_rate = 0.0456f;
    render(24, 80, GLYPHS_BRAILLE);
    assert_true(shows(24, "lr   0.0123"));
    for (int paused = 0; paused < 2; paused++) {
        scene.snapshot.state = paused ? TRAINER_PAUSED : TRAINER_DIVERGED; /* which waits for the person, too */
        render(24, 80, GLYPHS_BRAILLE);
        assert_true(shows(24, "lr   0.0456"));
    }
}

/* Beside the name of the session, on a usual terminal, too. */
static void what_was_set_stands_in_the_header(void **state)
{
    (void)state;
    go_live(2000);
    render(24, 80, GLYPHS_BRAILLE);
    assert_null(strstr(text[0], "set "));
    snprintf(scene.changed, sizeof(scene.changed), "momentum 0.8, agc 0.02");
    render(24, 80, GLYPHS_BRAILLE);
    assert_non_null(strstr(text[0], "20260131-micro-1   set momentum 0.8, agc 0.02 "));
    scene.changed[0] = 0;
}

/* The loss is what one trains for: where room is short, other numbers go. */
static void the_loss_stands_in_the_header_of_a_usual_terminal(void **state)
{
    (void)state;
    go_live(0);
    render(24, 80, GLYPHS_BRAILLE);
    assert_non_null(strstr(text[2], "loss       -"));
    go_live(2000);
    scene.snapshot.steps_total = 391000;
    scene.snapshot.step.step = 123456;
    scene.snapshot.epochs_total = 100;
    scene.best_is_test = true;
    render(24, 80, GLYPHS_BRAILLE);
    assert_non_null(strstr(text[2], "loss   0.769"));
    assert_non_null(strstr(text[2], "step 123,456/391,000"));
    render(10, 40, GLYPHS_BRAILLE);
    assert_non_null(strstr(text[1], "loss   0.769"));
}

/* No key is offered that could only say that the run has ended. */
static void after_the_end_only_keys_that_do_something_are_offered(void **state)
{
    (void)state;
    go_live(10);
    render(24, 120, GLYPHS_BRAILLE);
    for (const char *key = "space pause\0s step\0+/- lr\0e eval\0w save\0Tab view\0"; *key; key += strlen(key) + 1)
        assert_true(shows(24, key));
    for (int ended = 0; ended < 3; ended++) {
        scene.snapshot.state = (enum trainer_state[]){TRAINER_FINISHED, TRAINER_DIVERGED, TRAINER_STARTING}[ended];
        scene.phase = ended < 2 ? PHASE_LIVE : PHASE_BROKEN;
        render(24, 120, GLYPHS_BRAILLE);
        for (const char *key = "space\0s step\0 lr \0e eval\0w save\0"; *key; key += strlen(key) + 1)
            assert_null(strstr(text[22], key));
        assert_non_null(strstr(text[22], "Tab view"));
        assert_non_null(strstr(text[22], "q quit"));
    }
}

/* Where room is short: what the keys of the view are nobody can guess. */
static void the_views_keys_are_offered_before_the_general_ones(void **state)
{
    (void)state;
    go_live(10);
    scene_open(&scene, VIEW_IMAGES);
    render(24, 80, GLYPHS_BRAILLE);
    for (const char *key = "p page\0Enter large\0r re-roll\0u measure\0c class\0? help\0q quit\0"; *key;
         key += strlen(key) + 1)
        assert_non_null(strstr(text[22], key));
    assert_null(strstr(text[22], "Tab view"));
    scene_open(&scene, VIEW_RUNS);
    render(18, 60, GLYPHS_BRAILLE);
    assert_non_null(strstr(text[16], "Enter detail"));
    assert_non_null(strstr(text[16], "q quit"));
    scene_open(&scene, VIEW_LOG); /* which has few */
    render(24, 80, GLYPHS_BRAILLE);
    assert_non_null(strstr(text[22], "space pause"));
    assert_non_null(strstr(text[22], "Tab view"));
}

static void states_are_said(void **state)
{
    static const struct {
        enum trainer_state state;
        const char *words;
    } cases[] = {
        {TRAINER_PAUSED, "paused"},     {TRAINER_SAVING, "saving"},     {TRAINER_WAITING, "waiting: disk full"},
        {TRAINER_FINISHED, "finished"}, {TRAINER_DIVERGED, "diverged"}, {TRAINER_EVALUATING, "evaluating  25 %"}};

    (void)state;
    go_live(10);
    scene.snapshot.evaluated = 100;
    scene.snapshot.evaluate_total = 400;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        scene.snapshot.state = cases[i].state;
        render(24, 80, GLYPHS_BRAILLE);
        assert_non_null(strstr(text[0], cases[i].words));
    }
    scene.snapshot.state = TRAINER_PAUSED;
    render(24, 80, GLYPHS_BRAILLE);
    assert_true(shows(24, "space resume"));
    scene.undecided = true;
    render(24, 80, GLYPHS_BRAILLE);
    assert_non_null(strstr(text[0], " tried: accept or drop "));
    scene.undecided = false;
    scene.snapshot.state = TRAINER_RUNNING;
    scene.asked = true;
    scene.asked_for = COMMAND_PAUSE;
    render(24, 80, GLYPHS_BRAILLE);
    assert_non_null(strstr(text[0], "pausing"));
    scene.phase = PHASE_LEAVING;
    render(24, 80, GLYPHS_BRAILLE);
    assert_non_null(strstr(text[0], "saving and leaving"));
}

static void results_stand_at_the_end(void **state)
{
    (void)state;
    go_live(10);
    scene.snapshot.state = TRAINER_FINISHED;
    scene.best = 0.7f;
    scene.best_step = 8;
    scene.results = (struct epoch_record){.step = 10, .test_accuracy = 0.7284f, .test_loss = 0.81f};
    render(24, 80, GLYPHS_BRAILLE);
    assert_true(shows(24, "test accuracy 72.84 %, loss 0.81"));
    render(24, 120, GLYPHS_BRAILLE);
    assert_true(shows(24, "best validation 70.00 % at step 8"));
}

static void a_small_terminal_says_what_it_needs(void **state)
{
    (void)state;
    go_live(10);
    render(5, 30, GLYPHS_BRAILLE);
    assert_string_equal(text[0], "30x5 is too small             ");
    assert_non_null(strstr(text[1], "needs 40x10"));
    assert_int_equal(render(1, 1, GLYPHS_BRAILLE).row, -1);
}

static void a_diagnosis_stands_over_the_charts(void **state)
{
    (void)state;
    go_live(10);
    scene.overlay = OVERLAY_MESSAGE;
    snprintf(scene.message_title, sizeof scene.message_title, "Training diverged");
    snprintf(scene.message, sizeof scene.message, "block 3 of 6 left the finite range. Try --lr 0.01");
    render(24, 80, GLYPHS_BRAILLE);
    assert_true(shows(24, "Training diverged"));
    assert_true(shows(24, "block 3 of 6"));
    assert_true(shows(24, "Esc closes"));
}

static void help_names_all_and_scrolls(void **state)
{
    (void)state;
    go_live(10);
    scene.overlay = OVERLAY_HELP;
    render(100, 200, GLYPHS_BRAILLE);
    assert_true(shows(100, "lr X|xF"));
    assert_true(shows(100, "quit"));
    assert_true(shows(100, "Ctrl-R"));
    render(24, 80, GLYPHS_BRAILLE);
    assert_false(shows(24, "Ctrl-R"));
    scene.overlay_scroll = 1000;
    render(24, 80, GLYPHS_BRAILLE);
    assert_true(shows(24, "second one leaves at once"));
    scene.help_topic = "smooth";
    render(24, 80, GLYPHS_BRAILLE);
    assert_true(shows(24, "smooth X"));
    assert_false(shows(24, "Draw the whole screen"));
}

static void the_log_scrolls_and_stops_at_its_ends(void **state)
{
    (void)state;
    go_live(0);
    scene.view = VIEW_LOG;
    render(24, 80, GLYPHS_BRAILLE);
    assert_true(shows(24, "line 29"));
    assert_false(shows(24, "line 0 "));
    assert_true(scene_key(&scene, 24, 80, KEY_CODE_HOME));
    render(24, 80, GLYPHS_BRAILLE);
    assert_true(shows(24, "line 0"));
    assert_false(shows(24, "line 29"));
    assert_true(shows(24, "more"));
    assert_true(scene_key(&scene, 24, 80, KEY_CODE_END));
    assert_true(scene_key(&scene, 24, 80, KEY_CODE_DOWN));
    assert_int_equal(scene.journal_scroll, 0);
    assert_false(scene_key(&scene, 24, 80, 'z'));
}

/* Steps that will never come take no room. */
static void the_axis_ends_with_the_run(void **state)
{
    (void)state;
    go_live(30);
    scene_open_chart(&scene, PLACE_LOSS);
    render(24, 80, GLYPHS_BRAILLE);
    assert_non_null(strstr(text[19], " 100"));
    scene.snapshot.state = TRAINER_STOPPED;
    render(24, 80, GLYPHS_BRAILLE);
    assert_null(strstr(text[19], " 100"));
    assert_non_null(strstr(text[19], " 30"));
}

static void the_cursor_walks_along_the_curve(void **state)
{
    (void)state;
    assert_false(scene_key(&scene, 24, 80, KEY_CODE_LEFT)); /* there is no point yet */
    go_live(100);
    assert_true(scene_key(&scene, 24, 80, KEY_CODE_LEFT));
    assert_true(scene.cursor < 100 && scene.cursor > 80);
    for (int i = 0; i < 200; i++)
        scene_key(&scene, 24, 80, KEY_CODE_LEFT);
    assert_true(scene.cursor == 1);
    assert_true(scene_key(&scene, 24, 80, KEY_CODE_ESCAPE));
    assert_true(isnan(scene.cursor));
    assert_false(scene_key(&scene, 24, 80, KEY_CODE_ESCAPE));
}

static void one_of_the_charts_is_chosen_and_shown_alone(void **state)
{
    (void)state;
    go_live(100);
    scene_open(&scene, VIEW_CHARTS);
    render(24, 80, GLYPHS_BRAILLE);
    assert_true(shows(24, "* * Loss"));
    assert_true(shows(24, " Accuracy"));
    assert_true(shows(24, "c next chart")); /* not all of them have room */
    assert_false(shows(24, "* * * Accuracy"));
    assert_true(scene_key(&scene, 24, 80, 'c'));
    assert_true(scene_key(&scene, 24, 80, KEY_CODE_ENTER));
    render(24, 80, GLYPHS_BRAILLE);
    assert_true(shows(24, "* * Accuracy"));
    assert_false(shows(24, " Loss"));
    scene_key(&scene, 24, 80, KEY_CODE_LEFT); /* the first Escape is the cursor's */
    assert_true(scene_key(&scene, 24, 80, KEY_CODE_ESCAPE));
    assert_true(scene.zoomed);
    assert_true(scene_key(&scene, 24, 80, KEY_CODE_ESCAPE));
    render(24, 80, GLYPHS_BRAILLE);
    assert_true(shows(24, " Loss"));
    scene_open_chart(&scene, PLACE_LOSS); /* view loss */
    render(24, 80, GLYPHS_BRAILLE);
    assert_false(shows(24, " Accuracy"));
    scene_open(&scene, VIEW_OVERVIEW); /* which is not zoomed when one comes back to it */
    render(24, 80, GLYPHS_BRAILLE);
    assert_true(shows(24, " Accuracy"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_size_can_be_drawn),
        TEST(the_first_frame_says_what_is_being_done),
        TEST(a_live_run_shows_what_it_is),
        TEST(a_gpu_shows_its_load_in_the_header),
        TEST(numbers_do_not_move),
        TEST(the_rate_is_the_next_steps_while_paused),
        TEST(what_was_set_stands_in_the_header),
        TEST(the_loss_stands_in_the_header_of_a_usual_terminal),
        TEST(after_the_end_only_keys_that_do_something_are_offered),
        TEST(the_views_keys_are_offered_before_the_general_ones),
        TEST(states_are_said),
        TEST(results_stand_at_the_end),
        TEST(a_small_terminal_says_what_it_needs),
        TEST(a_diagnosis_stands_over_the_charts),
        TEST(help_names_all_and_scrolls),
        TEST(the_log_scrolls_and_stops_at_its_ends),
        TEST(the_axis_ends_with_the_run),
        TEST(the_cursor_walks_along_the_curve),
        TEST(one_of_the_charts_is_chosen_and_shown_alone),
    };
    setenv("TZ", "UTC", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
