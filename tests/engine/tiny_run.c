/* See tiny_run.h. */
#include "tests/engine/tiny_run.h"

#include "engine/divergence.h"
#include "engine/live.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct dataset *dataset;
static struct backend *backend;

static int open_cpu(struct backend **out, struct error *error)
{
    return backend_cpu_create(1, out, error);
}

int (*tiny_backend_open)(struct backend **, struct error *) = open_cpu;

int tiny_open(void **state)
{
    (void)state;
    struct error error = {0};
    if (dataset_open("synthetic", &dataset, &error) < 0 || tiny_backend_open(&backend, &error) < 0) {
        fprintf(stderr, "%s\n", error.message);
        return -1;
    }
    return 0;
}

int tiny_close(void **state)
{
    (void)state;
    if (backend)
        backend->destroy(backend);
    dataset_close(dataset);
    return 0;
}

struct dataset *tiny_dataset(void)
{
    return dataset;
}

/* ---- The sink: keeps everything ---- */

static const enum parameter_part kept_parts[] = {PART_VALUE, PART_MOMENTUM, PART_EMA, PART_SLOW};

typedef int (*transfer)(struct network *, const struct parameter *, enum parameter_part, float *, struct error *);

/* Moves all that is kept of the parameters by `move`, or only counts its floats. */
static size_t walk(struct network *network, float *at, transfer move)
{
    size_t floats = 0;
    int count;
    const struct parameter *parameters = network_parameters(network, &count);
    for (int i = 0; i < count; i++) {
        for (size_t p = 0; p < sizeof kept_parts / sizeof *kept_parts; p++) {
            if (!parameter_has_part(&parameters[i], kept_parts[p]))
                continue;
            struct error error = {0};
            if (move && move(network, &parameters[i], kept_parts[p], at + floats, &error) < 0)
                fail_msg("%s", error.message);
            floats += parameters[i].count;
        }
    }
    return floats;
}

static int write_part(struct network *network, const struct parameter *parameter, enum parameter_part part, float *host,
                      struct error *error)
{
    return network_write(network, parameter, part, host, error);
}

size_t tiny_parameter_floats(const struct tiny_run *run)
{
    return walk(run->network, NULL, NULL);
}

void tiny_spoil(struct tiny_run *run, const char *name, enum parameter_part part, float value, size_t count)
{
    struct error error = {0};
    const struct parameter *parameter = network_find(run->network, name);
    assert_non_null(parameter);
    float *values = malloc(parameter->count * sizeof *values);
    assert_non_null(values);
    assert_int_equal(network_read(run->network, parameter, part, values, &error), 0);
    for (size_t i = 0; i < (count > 0 ? count : parameter->count); i++)
        values[i] = value;
    assert_int_equal(network_write(run->network, parameter, part, values, &error), 0);
    free(values);
}

static int on_step(void *context, const struct step_record *record, struct error *error)
{
    struct tiny_run *run = context;
    if (run->step_count == TINY_MAX_STEPS)
        return error_set(error, "too many steps for the test");
    run->steps[run->step_count++] = *record;
    if (run->watch)
        run->watch(run, record);
    if (record->step == run->stop_at)
        trainer_request_stop(run->trainer);
    if (record->step == run->spoil_at)
        tiny_spoil(run, "head.bias", PART_MOMENTUM, INFINITY, 1);
    return 0;
}

static int on_epoch(void *context, const struct epoch_record *record, struct error *error)
{
    struct tiny_run *run = context;
    if (run->epoch_count == TINY_MAX_RECORDS)
        return error_set(error, "too many epochs for the test");
    run->epochs[run->epoch_count++] = *record;
    return 0;
}

static int on_command(void *context, const struct command_record *record, struct error *error)
{
    struct tiny_run *run = context;
    if (run->command_count == TINY_MAX_RECORDS)
        return error_set(error, "too many commands for the test");
    run->commands[run->command_count++] = *record;
    return 0;
}

static int on_checkpoint(void *context, struct network *network, const struct training_state *state, bool best,
                         struct error *error)
{
    struct tiny_run *run = context;
    if (run->refuse_saves)
        return error_set(error, "no space left for the test");
    if (run->checkpoint_count == TINY_MAX_STEPS)
        return error_set(error, "too many checkpoints for the test");
    struct tiny_checkpoint *checkpoint = &run->checkpoints[run->checkpoint_count++];
    checkpoint->state = *state;
    checkpoint->best = best;
    checkpoint->commands = run->command_count;
    checkpoint->parameters = malloc(walk(network, NULL, NULL) * sizeof *checkpoint->parameters);
    if (!checkpoint->parameters)
        return error_set(error, "out of memory");
    walk(network, checkpoint->parameters, network_read);
    if (run->saved)
        run->saved(run, state->step);
    return 0;
}

static int on_divergence(void *context, const char *diagnosis, long step, struct error *error)
{
    (void)error;
    struct tiny_run *run = context;
    snprintf(run->diagnosis, sizeof run->diagnosis, "%s", diagnosis);
    run->diverged_step = step;
    return 0;
}

static int on_probe(void *context, const struct probe *probe, struct error *error)
{
    struct tiny_run *run = context;
    if (run->probe_count == TINY_MAX_STEPS)
        return error_set(error, "too many probes for the test");
    if (probe_create(&run->spec, &run->probes[run->probe_count], error))
        return -1;
    probe_copy(run->probes[run->probe_count++], probe);
    if (run->probed)
        run->probed(run, probe);
    return 0;
}

static int on_finding(void *context, const struct finding *finding, struct error *error)
{
    struct tiny_run *run = context;
    if (run->finding_count == TINY_MAX_RECORDS)
        return error_set(error, "too many findings for the test");
    run->findings[run->finding_count++] = *finding;
    if (run->found)
        run->found(run, finding);
    return 0;
}

/* As a session's logs: what lies behind the state is void. Records of commands and epochs stay for the test to see. */
static int on_rollback(void *context, struct network *network, const struct training_state *state, const char *name,
                       struct error *error)
{
    (void)network;
    (void)name;
    struct tiny_run *run = context;
    if (run->rollback_count == TINY_MAX_RECORDS)
        return error_set(error, "too many rollbacks for the test");
    run->rollbacks[run->rollback_count++] = state->step;
    while (run->step_count > 0 && run->steps[run->step_count - 1].step > state->step)
        run->step_count--;
    for (int i = 0; i < run->command_count; i++)
        run->command_void[i] |=
            run->commands[i].step > state->step || (run->commands[i].step == state->step && i >= state->commands);
    for (int i = 0; i < run->epoch_count; i++)
        run->epoch_void[i] |= run->epochs[i].step > state->step;
    return 0;
}

static long recorded_commands(void *context)
{
    const struct tiny_run *run = context;
    return run->command_count;
}

static void *room(size_t count, size_t size)
{
    void *items = calloc(count, size);
    assert_non_null(items);
    return items;
}

static int recall(void *context, const struct training_state *from, long until, struct past *out, struct error *error)
{
    (void)error;
    const struct tiny_run *run = context;
    *out = (struct past){.steps = room(TINY_MAX_STEPS, sizeof *out->steps),
                         .epochs = room(TINY_MAX_RECORDS, sizeof *out->epochs),
                         .commands = room(TINY_MAX_RECORDS, sizeof *out->commands)};
    for (int i = 0; i < run->step_count; i++)
        if (run->steps[i].step > from->step && run->steps[i].step <= until)
            out->steps[out->step_count++] = run->steps[i];
    for (int i = 0; i < run->epoch_count; i++)
        if (!run->epoch_void[i] && run->epochs[i].step > from->step && run->epochs[i].step <= until)
            out->epochs[out->epoch_count++] = run->epochs[i];
    for (int i = 0; i < run->command_count; i++)
        if (!run->command_void[i] && command_changes_state(run->commands[i].command.kind) &&
            run->commands[i].step >= from->step && run->commands[i].step < until &&
            (run->commands[i].step > from->step || i >= from->commands))
            out->commands[out->command_count++] = run->commands[i];
    return 0;
}

/* The last of a step is the file that a session would have. */
static const struct tiny_checkpoint *saved_at(const struct tiny_run *run, long step)
{
    for (int i = run->checkpoint_count - 1; i >= 0; i--)
        if (run->checkpoints[i].state.step == step)
            return &run->checkpoints[i];
    return NULL;
}

static long good_step(void *context, long limit)
{
    const struct tiny_run *run = context;
    for (long step = limit; step >= 0; step--) {
        const struct tiny_checkpoint *saved = saved_at(run, step);
        if (saved && !saved->state.unsound)
            return step;
    }
    return -1;
}

static long saved_step(void *context, long limit)
{
    const struct tiny_run *run = context;
    for (long step = limit; step >= 0; step--)
        if (saved_at(run, step))
            return step;
    return -1;
}

static int on_load(void *context, const char *name, long step, struct network *network, struct training_state *state,
                   struct error *error)
{
    struct tiny_run *run = context;
    if (name)
        return error_set(error, "no checkpoint %s", name);
    const struct tiny_checkpoint *saved = saved_at(run, step);
    if (!saved)
        return error_set(error, "no checkpoint at step %ld", step);
    walk(network, saved->parameters, write_part);
    *state = saved->state;
    state->commands = saved->commands;
    return 0;
}

/* ---- Making ---- */

void tiny_init(struct tiny_run *run, const char *preset)
{
    struct error error = {0};
    *run = (struct tiny_run){0};
    if (model_preset(preset, &run->spec, &run->options, &error) < 0)
        fail_msg("%s", error.message);
    run->spec.stem = 8;
    run->spec.stage_count = 1;
    run->spec.stages[0] = (struct stage_spec){.width = 8, .mid = 8, .blocks = 1, .stride = 2};
    run->spec.classes = dataset_classes(dataset);

    struct train_options *options = &run->options;
    options->epochs = 2;
    options->batch = 8;
    options->limit = TINY_TRAIN;
    options->validation = TINY_HELD_OUT;
    options->label_smoothing = 0.1f;
    options->ema = 0.9f;
    options->threads = 1;
    options->probe_every = 0;
    run->sink = (struct trainer_sink){.context = run,
                                      .on_step = on_step,
                                      .on_epoch = on_epoch,
                                      .on_command = on_command,
                                      .on_checkpoint = on_checkpoint,
                                      .on_divergence = on_divergence,
                                      .on_probe = on_probe,
                                      .on_finding = on_finding,
                                      .on_rollback = on_rollback,
                                      .good_step = good_step,
                                      .saved_step = saved_step,
                                      .recorded_commands = recorded_commands,
                                      .recall = recall,
                                      .on_load = on_load};
}

void tiny_create_on(struct tiny_run *run, struct backend *on, const struct tiny_checkpoint *from)
{
    struct error error = {0};
    struct network_options options = {.batch = run->options.batch,
                                      .dtype = DTYPE_FP32,
                                      .seed = run->options.seed,
                                      .ema = run->options.ema > 0,
                                      .lookahead = run->options.lookahead > 0};
    struct partition parts;
    if (partition_make(dataset, &run->options, &parts, &error) < 0)
        fail_msg("%s", error.message);
    trainer_needs(&parts, &options);
    if (network_create(on, &run->spec, &options, &run->network, &error) < 0)
        fail_msg("%s", error.message);
    if (from)
        walk(run->network, from->parameters, write_part);
    if (trainer_create(run->network, dataset, &run->options, from ? &from->state : NULL, &run->sink, &run->trainer,
                       &error) < 0)
        fail_msg("%s", error.message);
}

void tiny_create(struct tiny_run *run, const struct tiny_checkpoint *from)
{
    tiny_create_on(run, backend, from);
}

void tiny_free(struct tiny_run *run)
{
    trainer_destroy(run->trainer);
    network_destroy(run->network);
    for (int i = 0; i < run->checkpoint_count; i++)
        free(run->checkpoints[i].parameters);
    for (int i = 0; i < run->probe_count; i++)
        probe_destroy(run->probes[i]);
}

/* ---- Driving ---- */

void tiny_wait(struct tiny_run *run, enum trainer_state state, long step)
{
    struct snapshot snapshot;
    for (int tries = 0; tries < TINY_PATIENCE; tries++) {
        trainer_snapshot(run->trainer, &snapshot);
        if (snapshot.state == state && snapshot.step.step >= step)
            return;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    fail_msg("the run is %s at step %ld after some minutes, not %s at %ld: %s", trainer_state_name(snapshot.state),
             snapshot.step.step, trainer_state_name(state), step, snapshot.message);
}

void tiny_command(struct tiny_run *run, enum command_kind kind, double value, long count)
{
    struct error error = {0};
    const struct command command = {.kind = kind, .value = value, .count = count, .text = "as typed"};
    if (trainer_command(run->trainer, &command, &error) < 0)
        fail_msg("%s", error.message);
}

void tiny_restore(struct tiny_run *run, const struct tiny_checkpoint *checkpoint)
{
    walk(run->network, checkpoint->parameters, write_part);
}

const struct tiny_checkpoint *tiny_last(const struct tiny_run *run)
{
    assert_true(run->checkpoint_count > 0);
    return &run->checkpoints[run->checkpoint_count - 1];
}

size_t tiny_read_all(struct network *network, enum parameter_part part, float *out)
{
    size_t floats = 0;
    int count;
    struct error error;
    const struct parameter *parameters = network_parameters(network, &count);
    for (int i = 0; i < count; i++) {
        if (out && network_read(network, &parameters[i], part, out + floats, &error))
            fail_msg("%s", error.message);
        floats += parameters[i].count;
    }
    return floats;
}

void tiny_assert_same_end(const struct tiny_run *a, const struct tiny_run *b)
{
    const struct tiny_checkpoint *left = tiny_last(a), *right = tiny_last(b);
    assert_int_equal(left->state.step, right->state.step);
    assert_int_equal(left->state.epoch, right->state.epoch);
    assert_int_equal(left->state.batch_in_epoch, right->state.batch_in_epoch);
    assert_int_equal(left->state.best_step, right->state.best_step);
    assert_true(left->state.best_accuracy == right->state.best_accuracy);
    assert_true(left->state.last_loss == right->state.last_loss);
    assert_true(left->state.epoch_loss_sum == right->state.epoch_loss_sum);
    assert_true(left->state.learning_rate == right->state.learning_rate);
    const size_t floats = tiny_parameter_floats(a);
    assert_int_equal(floats, tiny_parameter_floats(b));
    assert_memory_equal(left->parameters, right->parameters, floats * sizeof *left->parameters);
    assert_true(a->epoch_count > 0 && b->epoch_count > 0);
    const struct epoch_record *x = &a->epochs[a->epoch_count - 1], *y = &b->epochs[b->epoch_count - 1];
    assert_true(x->train_loss == y->train_loss && x->train_accuracy == y->train_accuracy);
    assert_true(x->validation_loss == y->validation_loss && x->test_loss == y->test_loss);
}
