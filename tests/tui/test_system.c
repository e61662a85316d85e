/* The System view and what it draws from, with made-up machines: any size, any part missing, and texts to the letter.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tui/figure_time.h"
#include "tui/scene.h"

static struct scene scene;

static struct step_time made_step(double data, double forward, double backward, double update, double probe,
                                  double other)
{
    return (struct step_time){.whole = data + forward + backward + update + probe + other,
                              .parts = {data, forward, backward, update, probe, other}};
}

static struct monitor_sample made_sample(double time)
{
    struct monitor_sample sample = {.time = time,
                                    .machine = {.processors = 4,
                                                .load = {1, 0.5f, 0.25f, 0},
                                                .machine = 0.4375,
                                                .process = 1.5,
                                                .processors_most = INFINITY,
                                                .memory_total = 32e9,
                                                .memory_available = 24e9,
                                                .memory_limit = INFINITY,
                                                .resident = 1.6e9,
                                                .threads = 7,
                                                .temperature = 61},
                                    .images_per_second = 1234,
                                    .screen = 0.004,
                                    .frames = 10};

    sample.step = made_step(0.001, 0.02, 0.04, 0.001, 0.002, 0.001);
    return sample;
}

static int set_up(void **state)
{
    struct error error;

    (void)state;
    scene = (struct scene){.phase = PHASE_LIVE,
                           .view = VIEW_SYSTEM,
                           .best = -1,
                           .cursor = NAN,
                           .facts = {.session = "made",
                                     .network = "micro",
                                     .device = "CPU, 2 threads, bf16",
                                     .data = "synthetic images, built in",
                                     .parameters = 246368,
                                     .image_flops = 225e6}};
    scene.snapshot = (struct snapshot){.state = TRAINER_RUNNING,
                                       .options = {.batch = 80},
                                       .memory = 35e6,
                                       .steps_total = 1000,
                                       .steps_per_epoch = 100,
                                       .epochs_total = 10,
                                       .step = {.step = 250, .images_per_second = 1234, .seconds = 16.25},
                                       .trained_steps = 250,
                                       .images = 20000,
                                       .evaluating_seconds = 3,
                                       .saving_seconds = 1};
    scene.snapshot.recent = made_step(0.001, 0.02, 0.04, 0.001, 0.002, 0.001);
    scene.snapshot.trained.whole = 16.25;
    return curves_create(0.9, &scene.curves, &error) || journal_create(&scene.journal, &error) ||
                   monitor_create(&scene.monitor, &error)
               ? -1
               : 0;
}

static int tear_down(void **state)
{
    (void)state;
    curves_destroy(scene.curves);
    journal_destroy(scene.journal);
    monitor_destroy(scene.monitor);
    return 0;
}

static void add(const struct monitor_sample *sample)
{
    struct error error;

    assert_int_equal(monitor_add(scene.monitor, sample, &error), 0);
}

/* ---- What is drawn, in ASCII; rows end where their last letter stands ---- */

static char text[110][310];

static void render(int rows, int columns)
{
    struct canvas *canvas;
    struct error error;
    const struct cell *cells;

    assert_int_equal(canvas_create_cells(columns, rows, GLYPHS_ASCII, &canvas, &error), 0);
    scene_draw(&scene, canvas);
    cells = canvas_cells(canvas);
    for (int row = 0; row < rows; row++) {
        int used = 0;

        for (int column = 0; column < columns; column++) {
            text[row][column] = (char)cells[row * columns + column].code;
            used = text[row][column] == ' ' ? used : column + 1;
        }
        text[row][used] = '\0';
    }
    canvas_destroy(canvas);
}

static bool shows(int rows, const char *words)
{
    for (int row = 0; row < rows; row++)
        if (strstr(text[row], words))
            return true;
    return false;
}

static void must_show(int rows, const char *words)
{
    if (shows(rows, words))
        return;
    for (int row = 0; row < rows; row++)
        print_error("%s\n", text[row]);
    fail_msg("it does not show: %s", words);
}

static void every_size_can_be_drawn(void **state)
{
    struct monitor_sample sample = made_sample(0);

    (void)state;
    for (int turn = 0; turn < 3; turn++) {
        for (int rows = 1; rows <= 100; rows += rows < 32 ? 1 : 17)
            for (int columns = 1; columns <= 300; columns += columns < 24 ? 1 : 19)
                render(rows, columns);
        for (int i = 0; i < 700; i++) {
            sample.time++;
            sample.gpu_is_there = turn == 1;
            sample.gpu.valid = NVML_LOAD | NVML_MEMORY | NVML_TEMPERATURE | NVML_POWER;
            sample.machine.processors = turn == 1 ? 400 : 4; /* more than there is room for */
            add(&sample);
        }
    }
}

static void a_screen_of_80x24_to_the_letter(void **state)
{
    static const char *const expected[] = {
        " images/s    1,234 now, 1,231 in the mean",
        " step        65.00 ms, 18 GFLOP, 278 GFLOP/s",
        " :########################================================================+%%%.",
        " : data         1.00 ms   2 %           # forward     20.00 ms  31 %",
        " = backward    40.00 ms  62 %           + update       1.00 ms   2 %",
        " % probe        2.00 ms   3 %           . other        1.00 ms   2 %",
        " processor   #######|...........  1.50 of 4 processors, 7 threads",
        " machine     ########|..........  44 %, 61 oC"};
    struct monitor_sample sample = made_sample(0);

    (void)state;
    add(&sample);
    render(24, 80);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        assert_string_equal(text[6 + i], expected[i]);
    must_show(24, "memory      #..................  1.6 GB");
    must_show(24, "machine     #####..............  8.0 GB of 32.0 GB");
    must_show(24, "network     246,368 parameters, 35 MB, batch 80");
    must_show(24, "time        steps 0:16, evaluating 0:03, saving 0:01");
    must_show(24, "this screen 0.4 % of a processor, 10 frames/s");
}

static void a_gpu_is_shown_as_far_as_it_tells(void **state)
{
    struct monitor_sample sample = made_sample(0);

    (void)state;
    sample.gpu_is_there = true;
    add(&sample);
    render(24, 80);
    must_show(24, "GPU         not known");
    assert_false(shows(24, "GPU memory"));
    sample.gpu = (struct nvml_reading){.valid = NVML_LOAD | NVML_MEMORY | NVML_POWER,
                                       .load = 98,
                                       .memory_used = 12.3e9,
                                       .memory_total = 141e9,
                                       .power = 540};
    sample.time = 1;
    add(&sample);
    render(24, 80);
    must_show(24, "98 %, 540 W");
    must_show(24, "GPU memory  ##.................  12.3 of 141 GB");
    sample.gpu.valid |= NVML_TEMPERATURE;
    sample.gpu.temperature = 61;
    add(&sample);
    render(48, 160);
    must_show(48, "98 %, 61 ");
    must_show(48, "Power");
    must_show(48, "Temperature");
}

static void a_containers_limits_are_those_that_count(void **state)
{
    struct monitor_sample sample = made_sample(0);

    (void)state;
    sample.machine.processors_most = 2.5;
    sample.machine.memory_limit = 2e9;
    add(&sample);
    render(24, 80);
    must_show(24, "1.50 of 2.5 processors");
    must_show(24, "1.6 GB of 2.0 GB allowed");
    assert_true(fabs((double)series_y(monitor_history(scene.monitor, HISTORY_PROCESS), 0) - 0.6) < 1e-6);
}

static void what_is_not_known_is_said_or_left_out(void **state)
{
    struct monitor_sample sample = {.images_per_second = NAN,
                                    .screen = NAN,
                                    .frames = NAN,
                                    .machine = {.machine = NAN,
                                                .process = NAN,
                                                .processors_most = INFINITY,
                                                .memory_total = NAN,
                                                .memory_available = NAN,
                                                .memory_limit = INFINITY,
                                                .resident = NAN,
                                                .temperature = NAN}};

    (void)state;
    add(&sample);
    scene.snapshot = (struct snapshot){.state = TRAINER_RUNNING};
    render(24, 80);
    must_show(24, "images/s    no step yet");
    must_show(24, "processor   not known");
    must_show(24, "memory      not known");
    assert_false(shows(24, "nan"));
    assert_false(shows(24, "machine"));
    assert_false(shows(24, "screen"));
    for (int h = 0; h < HISTORY_COUNT; h++)
        assert_int_equal(series_count(monitor_history(scene.monitor, (enum history)h)), 0);
    assert_int_equal(monitor_steps(scene.monitor), 0);
}

static void the_overview_of_a_large_screen_has_its_first_lines(void **state)
{
    struct monitor_sample sample = made_sample(0);

    (void)state;
    add(&sample);
    scene.view = VIEW_OVERVIEW;
    render(48, 160);
    must_show(48, "1,234 now, 1,231 in the mean");
    must_show(48, "% probe");
    render(24, 80);
    assert_false(shows(24, "in the mean"));
}

/* ---- Bars ---- */

static void the_parts_of_a_bar_fill_it(void **state)
{
    (void)state;
    for (int cells = 1; cells < 200; cells++) {
        const struct step_time time = made_step(0.001, 0.33, 0.41 * cells, 0.02, 0, 0.0501);
        int parts[STEP_PARTS], sum = 0;

        figure_time_cells(&time, cells, parts);
        for (int p = 0; p < STEP_PARTS; p++) {
            assert_true(parts[p] >= 0);
            assert_true(fabs(parts[p] - time.parts[p] / time.whole * cells) <= 1);
            sum += parts[p];
        }
        assert_int_equal(sum, cells);
    }
}

static void no_step_has_no_bar(void **state)
{
    const struct step_time none = {0};
    int parts[STEP_PARTS];

    (void)state;
    figure_time_cells(&none, 50, parts);
    for (int p = 0; p < STEP_PARTS; p++)
        assert_int_equal(parts[p], 0);
}

/* ---- Histories ---- */

static void the_newest_steps_are_kept(void **state)
{
    struct monitor_sample sample = made_sample(5);

    (void)state;
    for (int i = 0; i < MONITOR_STEPS + 3; i++) {
        sample.step.whole = i + 1;
        sample.time++;
        add(&sample);
    }
    sample.step = (struct step_time){0}; /* paused: not a step */
    add(&sample);
    assert_int_equal(monitor_steps(scene.monitor), MONITOR_STEPS);
    assert_true(monitor_step(scene.monitor, 0)->whole == MONITOR_STEPS + 3);
    assert_true(monitor_step(scene.monitor, MONITOR_STEPS - 1)->whole == 4);
}

static void a_history_counts_minutes_from_the_first_sample(void **state)
{
    struct monitor_sample sample = made_sample(1000);
    const struct series *speed = monitor_history(scene.monitor, HISTORY_IMAGES);

    (void)state;
    add(&sample);
    sample.time += 90;
    sample.images_per_second = NAN; /* between two epochs: no point */
    add(&sample);
    sample.time += 30;
    sample.images_per_second = 0;
    add(&sample);
    assert_int_equal(series_count(speed), 2);
    assert_true(series_x(speed, 0) == 0 && series_x(speed, 1) == 2);
    assert_true(series_y(speed, 1) == 0);
    assert_int_equal(series_count(monitor_history(scene.monitor, HISTORY_MACHINE)), 3);
    assert_int_equal(series_count(monitor_history(scene.monitor, HISTORY_GPU_LOAD)), 0);
}

/* A night of samples has no more points than an hour: as many in each half, and none of its extremes is lost. */
static void a_history_of_any_length_has_a_bound(void **state)
{
    const int samples = 40000;
    struct monitor_sample sample = made_sample(0);
    const struct series *speed;
    struct series_summary sum;
    size_t count, half;

    (void)state;
    for (int i = 0; i < samples; i++) {
        sample.time = i;
        sample.images_per_second = i == 1234 ? 900 : i == 20001 ? 3 : 100 + i % 7;
        add(&sample);
    }
    speed = monitor_history(scene.monitor, HISTORY_IMAGES);
    count = series_count(speed);
    assert_true(count <= MONITOR_POINTS && count > MONITOR_POINTS / 3);
    half = series_find(speed, samples / 2 / 60.0);
    assert_true(half > count / 2 - 10 && half < count / 2 + 10);
    assert_true(series_x(speed, 0) < 1 && series_x(speed, count - 1) > samples / 60.0 - 1);
    sum = series_summarize(speed, SERIES_RAW, 0, count);
    assert_true(sum.max == 900 && sum.min == 3);
    half = series_find(speed, 1234 / 60.0);
    assert_true(series_y(speed, half) == 900);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_size_can_be_drawn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_screen_of_80x24_to_the_letter, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_gpu_is_shown_as_far_as_it_tells, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_containers_limits_are_those_that_count, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_known_is_said_or_left_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_overview_of_a_large_screen_has_its_first_lines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_newest_steps_are_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_history_counts_minutes_from_the_first_sample, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_history_of_any_length_has_a_bound, set_up, tear_down),
        cmocka_unit_test(the_parts_of_a_bar_fill_it),
        cmocka_unit_test(no_step_has_no_bar),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
