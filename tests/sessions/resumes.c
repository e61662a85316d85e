/* See resumes.h. The run has all that a state is made of: averages, a schedule, clipping, augmentation, dropout,
 * stochastic depth, settings that change and are undone, an evaluation, a batch that changes with an epoch, commands
 * that wait for steps and figures. It is stopped at any of its steps, ends of epochs among them. */
#include "tests/sessions/resumes.h"

#include "engine/live.h"
#include "sessions/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct dataset *dataset;
static struct backend *backend;
static char folder[64];
static long steps;
static struct error error;

static int open_cpu(struct backend **out, struct error *failure)
{
    return backend_cpu_create(1, out, failure);
}

int (*resumes_backend_open)(struct backend **, struct error *) = open_cpu;

static void assert_done(int result)
{
    if (result != 0)
        fail_msg("%s", error.message);
}

/* ---- The run ---- */

static struct settings course_settings(const char *session)
{
    static const char *const values[][2] = {{"stem", "8"},
                                            {"stem-kind", "whitened"},
                                            {"stages", "8/8x1/2"},
                                            {"dropout", "0.3"},
                                            {"stochastic-depth", "0.3"},
                                            {"epochs", "13"},
                                            {"batch", "8"},
                                            {"limit", "60"},
                                            {"validation", "40"},
                                            {"schedule", "cosine"},
                                            {"warmup", "1"},
                                            {"agc", "0.02"},
                                            {"ema", "0.9"},
                                            {"lookahead", "3"},
                                            {"augment", "standard"},
                                            {"flip", "random"},
                                            {"mixup", "0.4"},
                                            {"cutmix", "1"},
                                            {"threads", "1"},
                                            {"probe-every", "0"},
                                            {"log-every", "1"},
                                            {"precision", "fp32"},
                                            {"data", "synthetic"},
                                            {"checkpoint-every", "0"}};
    struct settings settings;
    char number[24];
    assert_done(settings_default(&settings, &error));
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        assert_done(settings_set(&settings, values[i][0], values[i][1], &error));
    snprintf(number, sizeof number, "%ld", steps);
    assert_done(settings_set(&settings, "steps", number, &error));
    assert_done(settings_set(&settings, "session", session, &error));
    assert_done(settings_set(&settings, "sessions-dir", folder, &error));
    settings.model.classes = dataset_classes(dataset);
    strcpy(settings.model.preset, "custom");
    return settings;
}

/* What is commanded before the first step. */
static const struct command commands[] = {
    {.kind = COMMAND_MOMENTUM, .value = 0.5, .when = {WHEN_STEP, RELATION_AT, 3}, .text = "at 3 set momentum 0.5"},
    {.kind = COMMAND_UNDO, .when = {WHEN_STEP, RELATION_AT, 6}, .text = "at 6 undo"},
    {.kind = COMMAND_SCALE_LEARNING_RATE,
     .value = 0.7,
     .when = {WHEN_LOSS, RELATION_BELOW, 2.29},
     .text = "when loss < 2.29 lr x0.7"},
    {.kind = COMMAND_BATCH, .value = 6, .when = {WHEN_STEP, RELATION_AT, 10}, .text = "at 10 set batch 6"},
    {.kind = COMMAND_EVALUATE, .when = {WHEN_STEP, RELATION_AT, 12}, .text = "at 12 eval"},
    {.kind = COMMAND_LABEL_SMOOTHING,
     .value = 0.2,
     .when = {WHEN_VALIDATION_ACCURACY, RELATION_FROM, 0},
     .text = "when val-accuracy >= 0 set label-smoothing 0.2"},
    {.kind = COMMAND_AUGMENT,
     .value = AUGMENT_REPORT,
     .when = {WHEN_EPOCH, RELATION_FROM, 2},
     .text = "when epoch >= 2 set augment report"},
    {.kind = COMMAND_EPOCHS, .value = 11, .when = {WHEN_STEP, RELATION_AT, 20}, .text = "at 20 set epochs 11"},
    {.kind = COMMAND_SAVE, .name = "kept", .when = {WHEN_STEP, RELATION_AT, 22}, .text = "at 22 save kept"},
    {.kind = COMMAND_SCHEDULE,
     .value = SCHEDULE_ONECYCLE,
     .when = {WHEN_STEP, RELATION_AT, 40},
     .text = "at 40 set schedule onecycle"},
    {.kind = COMMAND_NOTE,
     .when = {WHEN_GRADIENT_NORM, RELATION_ABOVE, 1e9},
     .text = "when gradient-norm > 1e9 note x"},
    {.kind = COMMAND_WEIGHT_DECAY, .value = 0.01, .text = "set weight-decay 0.01"},
    /* from there on a GPU has steps in flight */
    {.kind = COMMAND_CANCEL, .count = 11, .when = {WHEN_STEP, RELATION_AT, 16}, .text = "at 16 cancel 11"},
    {.kind = COMMAND_NOTE, .when = {WHEN_STEP, RELATION_AT, 1000}, .text = "at 1000 note x"},
};

static struct trainer *trainer; /* at work */
static long stop_at;            /* behind this step; LONG_MAX: at the run's end */
static struct trainer_sink recording;

static int on_step(void *context, const struct step_record *record, struct error *failure)
{
    if (record->step >= stop_at)
        trainer_request_stop(trainer);
    return recording.on_step(context, record, failure);
}

static struct network *make_network(const struct settings *settings)
{
    struct network *network = NULL;
    struct partition parts;
    struct network_options options = {.batch = settings->train.batch,
                                      .dtype = DTYPE_FP32,
                                      .seed = settings->train.seed,
                                      .ema = true,
                                      .lookahead = true};
    assert_done(partition_make(dataset, &settings->train, &parts, &error));
    trainer_needs(&parts, &options);
    assert_done(network_create(backend, &settings->model, &options, &network, &error));
    return network;
}

/* Begins the session, or goes on with it where `from` is not NULL, up to `stop_at`, or as far as a GPU has steps in
 * flight behind it. Returns the step. */
static long train(struct session *session, const struct training_state *from, struct network *network)
{
    struct snapshot end;
    recording = session_sink(session);
    struct trainer_sink sink = recording;
    sink.on_step = on_step;
    assert_done(trainer_create(network, dataset, &session_settings(session)->train, from, &sink, &trainer, &error));
    for (size_t i = 0; !from && i < sizeof commands / sizeof *commands; i++)
        assert_done(trainer_command(trainer, &commands[i], &error));
    if (stop_at == 0)
        trainer_request_stop(trainer);
    assert_done(trainer_run(trainer, &error));
    trainer_snapshot(trainer, &end);
    trainer_destroy(trainer);
    if (!backend->load_batch && stop_at <= steps)
        assert_int_equal(end.step.step, stop_at);
    return end.step.step;
}

static long begin(const char *name, long stop)
{
    const struct settings settings = course_settings(name);
    struct session *session;
    assert_done(session_create(&settings, &session, &error));
    struct network *network = make_network(&settings);
    stop_at = stop;
    const long step = train(session, NULL, network);
    network_destroy(network);
    session_close(session);
    return step;
}

/* As another process does it: all that is known of the run is in its folder. */
static long go_on(const char *name, long from, long stop)
{
    const struct settings settings = course_settings(name);
    struct session *session;
    struct training_state state;
    char note[256];
    assert_done(session_open(&settings, name, SESSION_WRITE, &session, &error));
    struct network *network = make_network(session_settings(session));
    assert_done(session_resume(session, CHECKPOINT_LATEST, network, &state, note, &error));
    assert_string_equal(note, "");
    assert_int_equal(state.step, from);
    stop_at = stop;
    const long step = train(session, &state, network);
    network_destroy(network);
    session_close(session);
    return step;
}

/* ---- Comparing ---- */

/* All that a session holds of its run. */
struct course {
    struct metrics metrics;
    struct training_state state;
    float *parameters;
    size_t floats;
};

/* Stops are of the process, not of the run, and so are its clocks. */
static struct course read_course(const char *name)
{
    const struct settings settings = course_settings(name);
    struct course course = {0};
    struct session *session;
    char note[256];
    assert_done(session_open(&settings, name, SESSION_READ, &session, &error));
    struct network *network = make_network(&settings);
    assert_done(session_load(session, CHECKPOINT_LATEST, network, &course.state, note, &error));
    assert_done(session_metrics(session, &course.metrics, &error));
    course.floats = network_state_floats(network);
    course.parameters = malloc(course.floats * sizeof *course.parameters);
    assert_non_null(course.parameters);
    assert_done(network_read_state(network, course.parameters, &error));
    course.state.seconds = 0;
    course.state.commands = 0;
    int kept = 0;
    for (int i = 0; i < course.metrics.command_count; i++)
        if (course.metrics.commands[i].command.kind != COMMAND_STOP)
            course.metrics.commands[kept++] = course.metrics.commands[i];
    course.metrics.command_count = kept;
    network_destroy(network);
    session_close(session);
    return course;
}

static void free_course(struct course *course)
{
    metrics_free(&course->metrics);
    free(course->parameters);
}

static void assert_same_steps(const struct metrics *a, const struct metrics *b)
{
    assert_int_equal(a->step_count, b->step_count);
    for (int i = 0; i < a->step_count; i++) {
        const struct step_record *x = &a->steps[i], *y = &b->steps[i];
        if (x->step != y->step || x->loss != y->loss || x->gradient_norm != y->gradient_norm)
            fail_msg("step %ld: loss %.9g and %.9g, gradient norm %.9g and %.9g", x->step, (double)x->loss,
                     (double)y->loss, (double)x->gradient_norm, (double)y->gradient_norm);
        assert_true(x->epoch == y->epoch && x->accuracy == y->accuracy && x->learning_rate == y->learning_rate);
        assert_int_equal(x->clipped_units, y->clipped_units);
    }
}

static void assert_same_epochs(const struct metrics *a, const struct metrics *b)
{
    assert_int_equal(a->epoch_count, b->epoch_count);
    for (int i = 0; i < a->epoch_count; i++) {
        struct epoch_record x = a->epochs[i], y = b->epochs[i];
        x.seconds = y.seconds = 0;
        assert_true(x.step == y.step && x.epoch == y.epoch && x.best == y.best && x.epoch_end == y.epoch_end);
        assert_true(x.train_loss == y.train_loss && x.train_accuracy == y.train_accuracy);
        assert_true(x.validation_loss == y.validation_loss && x.validation_accuracy == y.validation_accuracy);
        assert_true(x.test_loss == y.test_loss && x.test_accuracy == y.test_accuracy);
    }
}

static void assert_same_commands(const struct metrics *a, const struct metrics *b)
{
    assert_int_equal(a->command_count, b->command_count);
    for (int i = 0; i < a->command_count; i++) {
        const struct command_record *x = &a->commands[i], *y = &b->commands[i];
        assert_int_equal(x->step, y->step);
        assert_int_equal(x->command.kind, y->command.kind);
        assert_string_equal(x->command.text, y->command.text);
        assert_string_equal(x->outcome, y->outcome);
        assert_true(x->ok == y->ok && x->command.value == y->command.value);
    }
}

static void assert_same_course(const struct course *whole, const char *name)
{
    struct course other = read_course(name);
    assert_same_steps(&whole->metrics, &other.metrics);
    assert_same_epochs(&whole->metrics, &other.metrics);
    assert_same_commands(&whole->metrics, &other.metrics);
    assert_memory_equal(&whole->state, &other.state, sizeof other.state);
    assert_int_equal(whole->floats, other.floats);
    assert_memory_equal(whole->parameters, other.parameters, other.floats * sizeof *other.parameters);
    free_course(&other);
}

/* ---- The tests ---- */

static struct course whole;

static void the_run_has_all_that_a_state_is_made_of(void **state)
{
    (void)state;
    assert_int_equal(whole.metrics.step_count, steps);
    assert_int_equal(whole.metrics.damaged_lines, 0);
    int done[COMMAND_KINDS] = {0};
    for (int i = 0; i < whole.metrics.command_count; i++) {
        assert_true(whole.metrics.commands[i].ok);
        done[whole.metrics.commands[i].command.kind]++;
    }
    assert_int_equal(done[COMMAND_MOMENTUM], 2); /* one is undone */
    assert_true(done[COMMAND_SCALE_LEARNING_RATE] && done[COMMAND_BATCH] && done[COMMAND_EVALUATE]);
    assert_true(done[COMMAND_LABEL_SMOOTHING] && done[COMMAND_AUGMENT] && done[COMMAND_EPOCHS] && done[COMMAND_SAVE]);
    assert_true(done[COMMAND_CANCEL] && whole.state.pending_count > 0);
    assert_true(whole.state.extra_steps != 0);
}

/* Each process makes one step; on a GPU those in flight, too, where no command waits for a figure of each. */
static void stopped_at_every_step_it_is_the_same(void **state)
{
    (void)state;
    for (long step = begin("chain", 0); step < steps;)
        step = go_on("chain", step, step + 1);
    go_on("chain", steps, LONG_MAX);
    assert_same_course(&whole, "chain");
}

/* ... and the second one all that are left: at some steps, or, where NFBENCH_FAULTS is set, at each. */
static void stopped_at_a_step_it_goes_on_to_the_end(void **state)
{
    (void)state;
    const long stride = getenv("NFBENCH_FAULTS") ? 1 : 17;
    for (long step = 1; step <= steps; step += stride) {
        char name[32];
        snprintf(name, sizeof name, "at-%ld", step);
        go_on(name, begin(name, step), LONG_MAX);
        assert_same_course(&whole, name);
    }
}

/* ---- Around them ---- */

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status, (void)type, (void)place;
    return remove(path);
}

static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/nfbench-resumes-XXXXXX");
    if (!mkdtemp(folder) || dataset_open("synthetic", &dataset, &error) != 0 ||
        resumes_backend_open(&backend, &error) != 0)
        return -1;
    begin("whole", LONG_MAX);
    whole = read_course("whole");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free_course(&whole);
    if (backend)
        backend->destroy(backend);
    dataset_close(dataset);
    return nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

int resumes_run(long of_steps)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_run_has_all_that_a_state_is_made_of),
        cmocka_unit_test(stopped_at_every_step_it_is_the_same),
        cmocka_unit_test(stopped_at_a_step_it_goes_on_to_the_end),
    };
    steps = of_steps;
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
