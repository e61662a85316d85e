/* The curves behind the charts, the log's ring, and numbers as words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "tui/curves.h"
#include "tui/journal.h"
#include "tui/words.h"

static void add_steps(struct curves *curves, long first, long last, double loss)
{
    struct event event = {.kind = EVENT_STEPS};
    struct error error = {""};
    int count = (int)(last - first + 1);

    event.steps = (struct step_summary){.first_step = first,
                                        .last_step = last,
                                        .count = count,
                                        .loss_min = (float)loss,
                                        .loss_max = (float)loss,
                                        .loss_sum = loss * count,
                                        .accuracy_sum = 0.5 * count};
    assert_int_equal(curves_add_event(curves, &event, &error), 0);
}

static void events_become_points(void **state)
{
    struct curves *curves;
    struct error error;

    (void)state;
    assert_int_equal(curves_create(0, &curves, &error), 0);
    assert_true(isnan(curves_latest(curves, QUANTITY_LOSS)));
    assert_true(curves_last_step(curves) == 0);
    add_steps(curves, 1, 1, 2.0);
    add_steps(curves, 2, 9, 1.5); /* merged while nobody looked */
    assert_true(curves_last_step(curves) == 9);
    assert_true(fabs(curves_latest(curves, QUANTITY_LOSS) - 1.5) < 1e-6);
    assert_true(fabs(curves_latest(curves, QUANTITY_ACCURACY) - 0.5) < 1e-6);
    add_steps(curves, 5, 5, 7.0); /* the run went back: what stood behind goes */
    assert_true(curves_last_step(curves) == 5);
    curves_destroy(curves);
}

static void a_resumed_run_goes_on_behind_its_records(void **state)
{
    struct step_record steps[] = {{.step = 10, .loss = 2.0f}, {.step = 20, .loss = NAN}, {.step = 30, .loss = 1.0f}};
    struct epoch_record epochs[] = {
        {.step = 30, .validation_loss = 1.1f, .validation_accuracy = 0.6f, .test_accuracy = -1}};
    struct metrics metrics = {.steps = steps, .step_count = 3, .epochs = epochs, .epoch_count = 1};
    struct curves *curves;
    struct error error;

    (void)state;
    assert_int_equal(curves_create(0, &curves, &error), 0);
    assert_int_equal(curves_add_history(curves, &metrics, &error), 0);
    assert_true(curves_last_step(curves) == 30);
    assert_true(curves_latest(curves, QUANTITY_LOSS) == 1.0);
    add_steps(curves, 31, 31, 0.5);
    assert_true(curves_last_step(curves) == 31);
    curves_destroy(curves);
}

/* The code points of a chart of 100 x 20 that is drawn from these curves. */
static bool draws_look(struct curves *curves, const struct curves_look *look, const char *words)
{
    struct canvas *canvas;
    struct error error;
    bool found = false;

    assert_int_equal(canvas_create_cells(100, 20, GLYPHS_ASCII, &canvas, &error), 0);
    curves_draw(curves, look, canvas, canvas_area(canvas));
    for (int row = 0; row < 20; row++) {
        char line[101];

        for (int column = 0; column < 100; column++)
            line[column] = (char)canvas_cells(canvas)[row * 100 + column].code;
        line[100] = 0;
        found |= strstr(line, words) != NULL;
    }
    canvas_destroy(canvas);
    return found;
}

static bool draws(struct curves *curves, enum quantity quantity, const char *words)
{
    const struct curves_look look = {.quantity = quantity, .steps_total = 100, .cursor = NAN, .empty_text = "nothing"};

    return draws_look(curves, &look, words);
}

/* Its curve leaves the plot of a run that does not. */
static void an_overlay_that_explodes_leaves_the_axis_as_it_is(void **state)
{
    struct curves_overlay overlay = {.name = "exploded", .tag = "A"};
    struct curves_look look = {.steps_total = 100, .cursor = NAN, .overlays = &overlay, .overlay_count = 1};
    struct curves *curves, *other, *third;
    struct error error;

    (void)state;
    assert_int_equal(curves_create(0.5, &curves, &error), 0);
    assert_int_equal(curves_create(0.5, &other, &error), 0);
    assert_int_equal(curves_create(0.5, &third, &error), 0);
    overlay.curves = other;
    add_steps(other, 1, 1, 2);
    add_steps(other, 50, 50, 1e24);
    assert_false(draws_look(curves, &look, " 1.6 +")); /* there is nothing else to see */
    const struct curves_overlay both[] = {overlay, {.curves = third, .name = "third", .tag = "B", .place = 1}};
    look.overlays = both;
    look.overlay_count = 2;
    assert_false(draws_look(curves, &look, " 1.6 +")); /* nor of one without a step */
    add_steps(third, 1, 1, 2);
    add_steps(third, 50, 50, 1);
    assert_true(draws_look(curves, &look, " 1.6 +")); /* another overlay bounds the axis as well */
    look.overlays = &overlay;
    look.overlay_count = 1;
    add_steps(curves, 1, 1, 2);
    add_steps(curves, 50, 50, 1);
    assert_true(draws_look(curves, &look, "exploded"));
    assert_true(draws_look(curves, &look, " 1.6 +"));
    look.log_axis = true; /* which has room for both */
    assert_false(draws_look(curves, &look, " 1.6 +"));
    curves_destroy(third);
    curves_destroy(other);
    curves_destroy(curves);
}

static void charts_name_series_and_interventions(void **state)
{
    struct event epoch = {.kind = EVENT_EPOCH}, command = {.kind = EVENT_COMMAND};
    struct curves *curves;
    struct error error;

    (void)state;
    assert_int_equal(curves_create(0.5, &curves, &error), 0);
    assert_true(draws(curves, QUANTITY_LOSS, "nothing"));
    add_steps(curves, 1, 1, 2);
    add_steps(curves, 50, 50, 1);
    assert_true(draws(curves, QUANTITY_LOSS, "training"));
    assert_false(draws(curves, QUANTITY_LOSS, "validation"));
    epoch.epoch =
        (struct epoch_record){.step = 50, .validation_loss = 1.5f, .validation_accuracy = 0.4f, .test_accuracy = -1};
    assert_int_equal(curves_add_event(curves, &epoch, &error), 0);
    assert_true(draws(curves, QUANTITY_ACCURACY, "validation"));
    assert_false(draws(curves, QUANTITY_ACCURACY, "test"));
    command.command = (struct command_record){.step = 20, .ok = true, .command.kind = COMMAND_LEARNING_RATE};
    strcpy(command.command.outcome, "peak lr 0.1 -> 0.01; the cosine schedule goes on");
    assert_int_equal(curves_add_event(curves, &command, &error), 0);
    assert_true(draws(curves, QUANTITY_LOSS, "peak lr 0.1 -> 0.01"));
    assert_false(draws(curves, QUANTITY_LOSS, "goes on"));
    command.command.command.kind = COMMAND_ROLLBACK;
    command.command.step = 40;
    strcpy(command.command.outcome,
           "back here from step 45, which was not finite: peak lr 0.05 -> 0.005 (rollback 1 of 3)");
    assert_int_equal(curves_add_event(curves, &command, &error), 0);
    assert_true(draws(curves, QUANTITY_LOSS, "rollback: peak lr 0.05 -> 0.005"));
    strcpy(command.command.command.text, "back 39");
    strcpy(command.command.outcome, "back at step 39 from step 45, paused; lr 0.1: change it, then resume");
    assert_int_equal(curves_add_event(curves, &command, &error), 0);
    assert_true(draws(curves, QUANTITY_LOSS, "back 39"));
    assert_false(draws(curves, QUANTITY_LOSS, "from step"));
    command.command.command.kind = COMMAND_MOMENTUM;
    command.command.step = 60;
    strcpy(command.command.outcome, "momentum 0.9 -> 0.8");
    assert_int_equal(curves_add_event(curves, &command, &error), 0);
    assert_true(draws(curves, QUANTITY_LOSS, "momentum 0.9 -> 0.8"));
    command.command.command.kind = COMMAND_NOTE;
    strcpy(command.command.command.text, "at 60 note a remark");
    strcpy(command.command.outcome, "noted at step 60");
    assert_int_equal(curves_add_event(curves, &command, &error), 0);
    assert_true(draws(curves, QUANTITY_LOSS, "a remark"));
    assert_false(draws(curves, QUANTITY_LOSS, "note a remark"));
    command.command.command.kind = COMMAND_SAVE; /* does not change the course */
    strcpy(command.command.outcome, "saved");
    assert_int_equal(curves_add_event(curves, &command, &error), 0);
    assert_false(draws(curves, QUANTITY_LOSS, "saved"));
    curves_destroy(curves);
}

/* A record each tenth step: smoothing goes on as if all were there, and steps that were lost leave a gap. */
static void records_that_are_missing_leave_a_gap(void **state)
{
    struct step_record steps[40];
    struct metrics metrics = {.steps = steps, .step_count = 0};
    const struct curves_look look = {.quantity = QUANTITY_LOSS, .steps_total = 500, .cursor = NAN};
    struct curves *curves;
    struct canvas *canvas;
    struct error error;
    struct rect plot;
    int gap = 0;

    (void)state;
    for (int step = 10; step <= 500; step += 10)
        if (step <= 100 || step > 300)
            steps[metrics.step_count++] = (struct step_record){.step = step, .loss = 1, .seconds = step};
    assert_int_equal(curves_create(0.5, &curves, &error), 0);
    assert_int_equal(curves_add_history(curves, &metrics, &error), 0);
    assert_int_equal(canvas_create_cells(100, 20, GLYPHS_ASCII, &canvas, &error), 0);
    plot = curves_draw(curves, &look, canvas, canvas_area(canvas));
    for (int column = 0; column < plot.columns; column++) {
        double step = curves_step_at(curves, &look, (column + 0.5) / plot.columns);
        bool drawn = false;

        for (int row = plot.row; row < plot.row + plot.rows; row++)
            drawn |= canvas_cells(canvas)[row * 100 + plot.column + column].style.role == ROLE_SERIES_1;
        gap += !drawn && step > 100 && step < 310;
        assert_true(drawn || step < 20 || (step > 90 && step < 320));
    }
    assert_in_range(gap, plot.columns * 35 / 100, plot.columns * 45 / 100);
    canvas_destroy(canvas);
    curves_destroy(curves);
}

static void other_axes_are_the_steps_in_other_words(void **state)
{
    struct step_record steps[] = {{.step = 100, .loss = 1, .seconds = 10}, {.step = 200, .loss = 1, .seconds = 60}};
    struct epoch_record epochs[] = {{.step = 50, .epoch = 1, .epoch_end = true, .test_accuracy = -1},
                                    {.step = 150, .epoch = 2, .epoch_end = true, .test_accuracy = -1}};
    struct metrics metrics = {.steps = steps, .step_count = 2, .epochs = epochs, .epoch_count = 2};
    struct curves *curves;
    struct error error;

    (void)state;
    for (int i = 0; i < 2; i++)
        epochs[i].validation_accuracy = -1;
    assert_int_equal(curves_create(0, &curves, &error), 0);
    assert_int_equal(curves_add_history(curves, &metrics, &error), 0);
    curves_set_epoch(curves, 100);
    assert_true(curves_x(curves, CURVES_STEP, 77) == 77);
    assert_true(curves_x(curves, CURVES_EPOCH, 25) == 0.5);
    assert_true(curves_x(curves, CURVES_EPOCH, 100) == 1.5); /* a larger batch came with the second */
    assert_true(curves_x(curves, CURVES_EPOCH, 200) == 2.5);
    assert_true(curves_x(curves, CURVES_TIME, 150) == 35);
    assert_true(curves_step(curves, CURVES_TIME, 35) == 150);
    assert_true(curves_step(curves, CURVES_EPOCH, 1.5) == 100);
    curves_cut(curves, 100); /* the run went back */
    assert_true(curves_x(curves, CURVES_EPOCH, 150) == 2);
    curves_destroy(curves);
}

static void all_that_is_known_is_read_at_a_step(void **state)
{
    struct step_record steps[] = {
        {.step = 10, .loss = 2, .accuracy = 0.25f, .learning_rate = 0.5f, .gradient_norm = 4, .seconds = 1},
        {.step = 20, .loss = 1, .accuracy = 0.5f, .learning_rate = 0.25f, .gradient_norm = 2, .seconds = 2}};
    struct epoch_record epochs[] = {
        {.step = 15, .validation_loss = 1.5f, .validation_accuracy = 0.75f, .test_accuracy = -1}};
    struct metrics metrics = {.steps = steps, .step_count = 2, .epochs = epochs, .epoch_count = 1};
    struct curves_reading at;
    struct curves *curves;
    struct error error;
    double step;

    (void)state;
    assert_int_equal(curves_create(0.5, &curves, &error), 0);
    assert_int_equal(curves_add_history(curves, &metrics, &error), 0);
    assert_false(curves_read(curves, 9, &at));
    assert_true(curves_read(curves, 14, &at));
    assert_true(at.raw[QUANTITY_LOSS] == 2 && at.raw[QUANTITY_LEARNING_RATE] == 0.5);
    assert_true(isnan(at.validation[QUANTITY_ACCURACY]));
    assert_true(curves_read(curves, 20, &at));
    assert_true(at.raw[QUANTITY_LOSS] == 1 && at.raw[QUANTITY_GRADIENT_NORM] == 2);
    assert_true(fabs(at.smoothed[QUANTITY_LOSS] - 1) < 2e-3); /* ten steps of it */
    assert_true(at.smoothed[QUANTITY_LOSS] > 1);
    assert_true(at.smoothed[QUANTITY_LEARNING_RATE] == 0.25);
    assert_true(at.validation[QUANTITY_LOSS] == 1.5 && at.validation[QUANTITY_ACCURACY] == 0.75);
    assert_true(isnan(at.test[QUANTITY_ACCURACY]));
    assert_true(at.seconds == 2);
    assert_int_equal(curves_mark(curves, 12, "first", &error), 0);
    assert_int_equal(curves_mark(curves, 18, "second", &error), 0);
    assert_string_equal(curves_mark_between(curves, 10, 20, 0, &step), "second");
    assert_string_equal(curves_mark_between(curves, 10, 20, 1, &step), "first");
    assert_true(step == 12);
    assert_null(curves_mark_between(curves, 12, 17, 0, &step));
    curves_destroy(curves);
}

/* A loss that exploded asks for a logarithmic axis; one that a run has learnt to make small does not. */
static void a_loss_that_explodes_asks_for_a_logarithm(void **state)
{
    struct curves *curves;
    struct error error;

    (void)state;
    assert_int_equal(curves_create(0.5, &curves, &error), 0);
    assert_false(curves_want_log(curves, QUANTITY_LOSS));
    add_steps(curves, 1, 1, 2.3);
    add_steps(curves, 2, 2, 0.001);
    assert_false(curves_want_log(curves, QUANTITY_LOSS));
    add_steps(curves, 3, 3, 2.5e25);
    assert_true(curves_want_log(curves, QUANTITY_LOSS));
    curves_cut(curves, 2);
    assert_false(curves_want_log(curves, QUANTITY_LOSS));
    curves_destroy(curves);
}

static void the_log_keeps_the_newest_lines(void **state)
{
    struct journal *journal;
    struct error error;

    (void)state;
    assert_int_equal(journal_create(&journal, &error), 0);
    assert_int_equal(journal_count(journal), 0);
    for (int i = 0; i < JOURNAL_LINES + 10; i++)
        journal_add(journal, JOURNAL_NOTE, i, "line %d", i);
    assert_int_equal(journal_count(journal), JOURNAL_LINES);
    assert_int_equal(journal_line(journal, 0)->time, JOURNAL_LINES + 9);
    assert_string_equal(journal_line(journal, JOURNAL_LINES - 1)->text, "line 10");
    journal_destroy(journal);
}

static void numbers_as_people_read_them(void **state)
{
    static const struct {
        void (*words)(double, char *, size_t);
        double value;
        const char *expected;
    } cases[] = {{words_count, 0, "0"},
                 {words_count, 999, "999"},
                 {words_count, 1234567, "1,234,567"},
                 {words_count, -1000, "-1,000"},
                 {words_count, 12.6, "13"},
                 {words_bytes, 96e6, "96 MB"},
                 {words_bytes, 1.25e9, "1.2 GB"},
                 {words_duration, 0, "0:00"},
                 {words_duration, 59.6, "1:00"},
                 {words_duration, 3723, "1:02:03"},
                 {words_duration, 90000, "1 d 01:00"},
                 {words_duration, -1, "-"},
                 {words_duration, NAN, "-"},
                 {words_percent, 0.71236, "71.24 %"},
                 {words_percent, 1, "100.00 %"},
                 {words_percent, -1, "-"},
                 {words_percent, NAN, "-"},
                 {words_rate, 0.012345678, "0.01235"}};
    char text[32];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cases[i].words(cases[i].value, text, sizeof text);
        assert_string_equal(text, cases[i].expected);
        cases[i].words(cases[i].value, text, 3); /* too small a room is no harm */
        assert_true(strlen(text) < 3);
    }
    words_count(INFINITY, text, sizeof text);
    assert_string_equal(text, "inf");
}

static void text_is_wrapped_at_blanks(void **state)
{
    const char *text = "one two  threefourfive\nsix", *next;

    (void)state;
    assert_int_equal(words_wrap(text, 8, &next), 7);
    assert_string_equal(next, "threefourfive\nsix");
    assert_int_equal(words_wrap(next, 8, &next), 8); /* too long a word is cut */
    assert_string_equal(next, "rfive\nsix");
    assert_int_equal(words_wrap(next, 8, &next), 5);
    assert_string_equal(next, "six");
    assert_int_equal(words_wrap(next, 8, &next), 3);
    assert_string_equal(next, "");
    assert_int_equal(words_wrap("abc", 0, &next), 1); /* no room at all still goes on */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_become_points),
        cmocka_unit_test(a_resumed_run_goes_on_behind_its_records),
        cmocka_unit_test(an_overlay_that_explodes_leaves_the_axis_as_it_is),
        cmocka_unit_test(charts_name_series_and_interventions),
        cmocka_unit_test(records_that_are_missing_leave_a_gap),
        cmocka_unit_test(other_axes_are_the_steps_in_other_words),
        cmocka_unit_test(all_that_is_known_is_read_at_a_step),
        cmocka_unit_test(a_loss_that_explodes_asks_for_a_logarithm),
        cmocka_unit_test(the_log_keeps_the_newest_lines),
        cmocka_unit_test(numbers_as_people_read_them),
        cmocka_unit_test(text_is_wrapped_at_blanks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
