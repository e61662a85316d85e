/* The header of the screen: what it says of a run in each state, at sizes where there is room and where there is not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "tests/tui/live_scene.h"

static void a_gpu_shows_its_load_in_the_header(void **state)
{
    (void)state;
    go_live(2000);
    snprintf(live.facts.device, sizeof live.facts.device, "NVIDIA H200, bf16");
    snprintf(live.gauge, sizeof live.gauge, "98 %%, 61 \u00b0C, 540 W, 12.3/141 GB");
    render_live(48, 160, GLYPHS_BRAILLE);
    assert_true(live_shows(48, "NVIDIA H200, bf16, 98 %, 61 "));
    assert_true(live_shows(48, "C, 540 W, 12.3/141 GB"));
    render_live(24, 80, GLYPHS_BRAILLE); /* where there is no room for both, what changes is shown */
    assert_true(live_shows(24, "98 %, 61 "));
    live.gauge[0] = '\0';
    render_live(24, 80, GLYPHS_BRAILLE);
    assert_true(live_shows(24, "NVIDIA H200, bf16"));
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
                                        "lr    0.0123",
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
    render_live(48, 160, GLYPHS_BRAILLE);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!live_shows(48, words[i]))
            fail_msg("'%s' is missing", words[i]);
    render_live(24, 80, GLYPHS_BRAILLE);
    assert_true(live_shows(24, "synthetic images"));
    assert_true(live_shows(24, "step  2,000/12,345"));
    assert_true(live_shows(24, "images/s   1,234"));
    render_live(18, 60, GLYPHS_BRAILLE);
    assert_true(live_shows(18, "step  2,000/12,345"));
    assert_true(live_shows(18, "q quit"));
}

/* Fields stand where they stood, whatever they count. */
static void numbers_do_not_move(void **state)
{
    char before[sizeof shown_text[0]];

    (void)state;
    go_live(1);
    live.best = 0.5f;
    render_live(24, 80, GLYPHS_BRAILLE);
    memcpy(before, shown_text[2], sizeof before);
    live.snapshot.step.step = 12345;
    live.snapshot.step.learning_rate = 0.1f;
    live.snapshot.step.images_per_second = 98765;
    live.best = 0.9999f;
    render_live(24, 80, GLYPHS_BRAILLE);
    for (const char *label = "step\0epoch\0lr\0loss\0best\0"; *label; label += strlen(label) + 1) {
        const char *was = strstr(before, label), *is = strstr(shown_text[2], label);

        assert_non_null(was);
        assert_non_null(is);
        assert_int_equal(was - before, is - shown_text[2]);
    }
}

/* While it is paused, a rate that was just changed is what counts. */
static void the_rate_is_the_next_steps_while_paused(void **state)
{
    (void)state;
    go_live(2000);
    live.snapshot.next_learning_rate = 0.0456f;
    render_live(24, 80, GLYPHS_BRAILLE);
    assert_true(live_shows(24, "lr    0.0123"));
    for (int paused = 0; paused < 2; paused++) {
        live.snapshot.state = paused ? TRAINER_PAUSED : TRAINER_DIVERGED; /* which waits for the person, too */
        render_live(24, 80, GLYPHS_BRAILLE);
        assert_true(live_shows(24, "lr    0.0456"));
    }
}

/* Beside the name of the session, on a usual terminal, too. */
static void what_was_set_stands_in_the_header(void **state)
{
    (void)state;
    go_live(2000);
    render_live(24, 80, GLYPHS_BRAILLE);
    assert_null(strstr(shown_text[0], "set "));
    assert_null(strstr(shown_text[0], "attached"));
    live.facts.attached = true; /* to another process */
    render_live(24, 80, GLYPHS_BRAILLE);
    assert_non_null(strstr(shown_text[0], "20260131-micro-1 attached "));
    live.facts.attached = false;
    snprintf(live.changed, sizeof(live.changed), "momentum 0.8, agc 0.02");
    render_live(24, 80, GLYPHS_BRAILLE);
    assert_non_null(strstr(shown_text[0], "20260131-micro-1   set momentum 0.8, agc 0.02 "));
    live.changed[0] = 0;
}

/* The loss is what one trains for: where room is short, other numbers go. */
static void the_loss_stands_in_the_header_of_a_usual_terminal(void **state)
{
    (void)state;
    go_live(0);
    render_live(24, 80, GLYPHS_BRAILLE);
    assert_non_null(strstr(shown_text[2], "loss       -"));
    go_live(2000);
    live.snapshot.steps_total = 391000;
    live.snapshot.step.step = 123456;
    live.snapshot.epochs_total = 100;
    live.best_is_test = true;
    render_live(24, 80, GLYPHS_BRAILLE);
    assert_non_null(strstr(shown_text[2], "loss  0.7690"));
    assert_non_null(strstr(shown_text[2], "step 123,456/391,000"));
    render_live(10, 40, GLYPHS_BRAILLE);
    assert_non_null(strstr(shown_text[1], "loss  0.7690"));
}

/* What changes from step to step stands until it is taken anew, all of it at once. */
static void figures_stand_until_they_are_taken(void **state)
{
    (void)state;
    go_live(10);
    render_live(24, 80, GLYPHS_BRAILLE);
    assert_true(live_shows(24, "images/s   1,234"));
    live.snapshot.step.step = 8230;
    live.snapshot.step.images_per_second = 4321;
    draw_live(24, 80, GLYPHS_BRAILLE);
    assert_true(live_shows(24, "step     10/12,345"));
    assert_true(live_shows(24, "images/s   1,234"));
    assert_true(live_shows(24, "epoch 0.00/3"));
    assert_true(scene_take_figures(&live));
    draw_live(24, 80, GLYPHS_BRAILLE);
    assert_true(live_shows(24, "step  8,230/12,345"));
    assert_true(live_shows(24, "images/s   4,321"));
    assert_true(live_shows(24, "epoch 2.00/3"));
    assert_false(scene_take_figures(&live));
}

/* The header's loss is not that of the newest step, and says so where there is room. */
static void a_smoothed_loss_is_called_so(void **state)
{
    (void)state;
    go_live(10);
    render_live(40, 160, GLYPHS_BRAILLE);
    assert_true(live_shows(6, "smoothed loss"));
    render_live(24, 80, GLYPHS_BRAILLE);
    assert_false(live_shows(4, "smoothed"));
    assert_true(live_shows(4, " loss "));
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
    live.snapshot.evaluated = 100;
    live.snapshot.evaluate_total = 400;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        live.snapshot.state = cases[i].state;
        render_live(24, 80, GLYPHS_BRAILLE);
        assert_non_null(strstr(shown_text[0], cases[i].words));
    }
    live.snapshot.state = TRAINER_PAUSED;
    render_live(24, 80, GLYPHS_BRAILLE);
    assert_true(live_shows(24, "space resume"));
    live.undecided = true;
    render_live(24, 80, GLYPHS_BRAILLE);
    assert_non_null(strstr(shown_text[0], " tried: accept or drop "));
    live.undecided = false;
    live.snapshot.state = TRAINER_RUNNING;
    live.asked = true;
    live.asked_for = COMMAND_PAUSE;
    render_live(24, 80, GLYPHS_BRAILLE);
    assert_non_null(strstr(shown_text[0], "pausing"));
    live.phase = PHASE_LEAVING;
    render_live(24, 80, GLYPHS_BRAILLE);
    assert_non_null(strstr(shown_text[0], "saving and leaving"));
}

static void results_stand_at_the_end(void **state)
{
    (void)state;
    go_live(10);
    live.snapshot.state = TRAINER_FINISHED;
    live.best = 0.7f;
    live.best_step = 8;
    live.results = (struct epoch_record){.step = 10, .test_accuracy = 0.7284f, .test_loss = 0.81f};
    render_live(24, 80, GLYPHS_BRAILLE);
    assert_true(live_shows(24, "test accuracy 72.84 %, loss 0.81"));
    render_live(24, 120, GLYPHS_BRAILLE);
    assert_true(live_shows(24, "best validation 70.00 % at step 8"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, live_scene_set_up, live_scene_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_gpu_shows_its_load_in_the_header),
        TEST(a_live_run_shows_what_it_is),
        TEST(numbers_do_not_move),
        TEST(the_rate_is_the_next_steps_while_paused),
        TEST(what_was_set_stands_in_the_header),
        TEST(the_loss_stands_in_the_header_of_a_usual_terminal),
        TEST(figures_stand_until_they_are_taken),
        TEST(a_smoothed_loss_is_called_so),
        TEST(states_are_said),
        TEST(results_stand_at_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
