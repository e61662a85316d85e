/* The run's thread and its loop; see trainer.h. */
#include "engine/ranks.h"

#include "base/clock.h"
#include "base/signals.h"
#include "base/thread.h"
#include "engine/whitening.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

const char *trainer_state_name(enum trainer_state state)
{
    static const char *const names[] = {
        [TRAINER_STARTING] = "starting",       [TRAINER_RUNNING] = "running",   [TRAINER_PAUSED] = "paused",
        [TRAINER_EVALUATING] = "evaluating",   [TRAINER_SAVING] = "saving",     [TRAINER_FINISHED] = "finished",
        [TRAINER_STOPPED] = "stopped",         [TRAINER_DIVERGED] = "diverged", [TRAINER_FAILED] = "failed",
        [TRAINER_RECOMPUTING] = "recomputing", [TRAINER_TRYING] = "trying",     [TRAINER_WAITING] = "waiting",
    };
    return names[state];
}

static const struct {
    const char *name, *waits_for;
} standstills[STANDSTILLS] = {
    [STANDSTILL_NONE] = {"", ""},
    [STANDSTILL_PAUSED] = {"paused", "resume"},
    [STANDSTILL_DIVERGED] = {"paused", "a decision: its next step is not finite"},
    [STANDSTILL_CHOICE] = {"waits", "accept or drop"},
    [STANDSTILL_ROOM] = {"waits", "room on its disk"},
    [STANDSTILL_RANKS] = {"waits", "its other ranks"},
};

const char *standstill_name(enum standstill standstill)
{
    return standstills[standstill].name;
}

const char *standstill_waits_for(enum standstill standstill)
{
    return standstills[standstill].waits_for;
}

void past_free(struct past *past)
{
    free(past->steps);
    free(past->epochs);
    free(past->commands);
    *past = (struct past){0};
}

bool trainer_has_ended(enum trainer_state state)
{
    return state == TRAINER_FINISHED || state == TRAINER_STOPPED || state == TRAINER_DIVERGED ||
           state == TRAINER_FAILED;
}

/* ---- The loop ---- */

static enum progress loop(struct trainer *trainer)
{
    for (;;) {
        enum progress progress = RUN_ON;
        if (!trainer_interrupted(trainer) && trainer->state.batch_in_epoch == trainer->steps_per_epoch)
            progress = trainer_end_epoch(trainer);
        bool again = progress == RUN_AGAIN;
        if (progress == RUN_ON || progress == RUN_INTERRUPTED || again)
            progress = trainer_apply_commands(trainer);
        if (progress == RUN_FAILED || progress == RUN_ENDED)
            return progress;
        again |= progress == RUN_AGAIN;

        if (atomic_load(&trainer->abandon)) {
            trainer->now.state = TRAINER_STOPPED;
            return RUN_ENDED;
        }
        if (trainer->until > 0 && trainer->state.epoch >= trainer->until && trainer->state.step < trainer->steps_total)
            trainer_request_end(trainer);
        if (atomic_load(&trainer->stop))
            return trainer_stop(trainer);
        if (again)
            continue;
        progress = trainer->state.step < trainer->steps_total ? trainer_step(trainer) : trainer_finish(trainer);
        if (progress == RUN_FAILED || progress == RUN_ENDED)
            return progress;
    }
}

/* What is new is saved at once, a run as a change of it: whatever happens, there is something to resume. */
static enum progress begin(struct trainer *trainer)
{
    for (int i = 0; i < trainer->change_count; i++) {
        const struct event event = {.kind = EVENT_COMMAND, .command = trainer->changes[i]};
        if (trainer_emit(trainer, &event) < 0)
            return RUN_FAILED;
    }
    if (!trainer->resumed || trainer->change_count > 0)
        return trainer_checkpoint(trainer, false);
    return trainer_hold(trainer) == 0 ? RUN_ON : RUN_FAILED;
}

/* From here on no command is taken. */
static void close_commands(struct trainer *trainer)
{
    pthread_mutex_lock(&trainer->giving);
    trainer->closed = true;
    pthread_mutex_unlock(&trainer->giving);
}

/* Commands that came too late for the records are answered all the same. */
static void answer_unseen(struct trainer *trainer)
{
    struct command command;
    while (command_queue_pop(&trainer->commands, &command)) {
        const struct event event = {.kind = EVENT_COMMAND, .command = trainer_too_late(trainer, &command)};
        if (command.kind != COMMAND_LOOK)
            (void)trainer_emit(trainer, &event); /* without memory nobody is told */
    }
}

/* In this order: a viewer that sees the end in the snapshot can take all events that are left. */
static void tell_end(struct trainer *trainer)
{
    port_end(&trainer->own);
    if (trainer->guests)
        port_end(trainer->guests);
    trainer_set_state(trainer, trainer->now.state);
}

/* While that may wait for room, the run has not ended yet for those who watch it, and hears them. */
static enum progress record_end(struct trainer *trainer)
{
    const enum trainer_state end = trainer->now.state;
    trainer->now.state = TRAINER_SAVING;
    if (trainer_tell_end(trainer, end) < 0)
        return RUN_FAILED;
    trainer->now.state = end;
    return RUN_ENDED;
}

static void run(struct trainer *trainer)
{
    trainer->mark = clock_measured();
    trainer_set_state(trainer, TRAINER_RUNNING);
    enum progress progress = begin(trainer);
    if (progress == RUN_ON)
        progress = loop(trainer);
    if (progress == RUN_ENDED && !atomic_load(&trainer->abandon))
        progress = record_end(trainer);
    close_commands(trainer);
    if (progress == RUN_ENDED && !atomic_load(&trainer->abandon))
        progress = trainer_refuse_commands(trainer);
    if (progress == RUN_FAILED) {
        trainer->now.state = TRAINER_FAILED;
        memcpy(trainer->now.message, trainer->failure.message, sizeof trainer->now.message);
    }
    answer_unseen(trainer);
    trainer_forget_flights(trainer);
    trainer->now.eta_seconds = trainer->now.state == TRAINER_FINISHED ? 0 : trainer->now.eta_seconds;
    tell_end(trainer);
}

static void *thread_main(void *argument)
{
    run(argument);
    return NULL;
}

/* ---- Making and unmaking ---- */

static int check_options(const struct train_options *options, struct error *error)
{
    if (options->batch < 1)
        return error_set(error, "batch %d: must be 1 or more", options->batch);
    if (options->epochs <= 0 && options->steps <= 0)
        return error_set(error, "nothing to do: set epochs or steps to 1 or more");
    if (!(options->learning_rate > 0) || !isfinite(options->learning_rate))
        return error_set(error, "lr %g: must be above 0", (double)options->learning_rate);
    return 0;
}

void trainer_seek(struct trainer *trainer)
{
    if (trainer->state.batch_in_epoch == trainer->steps_per_epoch)
        loader_seek(trainer->loader, (uint32_t)trainer->state.epoch + 1, 0);
    else
        loader_seek(trainer->loader, (uint32_t)trainer->state.epoch, trainer->state.batch_in_epoch);
    trainer->batch = NULL; /* the loader has its memory back */
    trainer->fetched = false;
}

struct training_state training_state_first(float learning_rate)
{
    return (struct training_state){.learning_rate = learning_rate,
                                   .best_accuracy = -1,
                                   .last_accuracy = -1,
                                   .last_gradient_norm = -1,
                                   .validation_loss = -1,
                                   .validation_accuracy = -1};
}

struct training_state trainer_first_state(const struct trainer *trainer)
{
    return training_state_first(trainer->given.learning_rate);
}

/* Where training goes on: at the start, or at a state that fits the number of batches an epoch has here. */
static int set_position(struct trainer *trainer, const struct training_state *start, struct error *error)
{
    trainer->state = trainer_first_state(trainer);
    if (start)
        trainer->state = *start;
    if (trainer_adopt_settings(trainer, error) < 0)
        return -1;
    if (start) {
        const long steps = start->epoch * trainer->steps_per_epoch + start->batch_in_epoch + start->extra_steps;
        if (start->batch_in_epoch > trainer->steps_per_epoch || start->step != steps)
            return error_set(error,
                             "cannot go on at step %ld (epoch %d, batch %u): an epoch has %ld batches here; batch, "
                             "validation, limit or the data are not those that the run began with",
                             start->step, start->epoch, (unsigned)start->batch_in_epoch, trainer->steps_per_epoch);
        trainer->resumed = true;
    }
    trainer_seek(trainer);
    return 0;
}

int trainer_without_signals(struct trainer *trainer, int (*make)(struct trainer *, struct error *), struct error *error)
{
    sigset_t before;
    if (signals_keep_out(&before, error) != 0)
        return -1;
    const int status = make(trainer, error);
    return signals_let_in(&before, status == 0 ? error : NULL) != 0 ? -1 : status;
}

struct step_record trainer_record_now(const struct trainer *trainer)
{
    const struct training_state *state = &trainer->state;
    return (struct step_record){
        .step = state->step,
        .epoch = state->epoch,
        .loss = state->last_loss,
        .accuracy = state->epoch_images > 0 ? (float)state->epoch_correct / (float)state->epoch_images : 0,
        .learning_rate = (float)(state->learning_rate * trainer_factor(trainer, state->step)),
        .seconds = state->seconds,
    };
}

int trainer_create(struct network *network, const struct dataset *dataset, const struct train_options *options,
                   const struct training_state *start, const struct trainer_sink *sink, struct trainer **out,
                   struct error *error)
{
    if (check_options(options, error) < 0)
        return -1;
    struct trainer *trainer = calloc(1, sizeof *trainer);
    if (!trainer)
        return error_set(error, "out of memory for the trainer");
    if (sem_init(&trainer->wake, 0, 0) != 0) {
        error_set(error, "cannot make a semaphore: %s", strerror(errno));
        free(trainer);
        return -1;
    }
    pthread_mutex_init(&trainer->giving, NULL);
    trainer->network = network;
    trainer->dataset = dataset;
    trainer->options = trainer->given = *options;
    if (sink)
        trainer->sink = *sink;

    const size_t largest = parameter_largest(network);
    trainer->scratch = malloc(largest * sizeof *trainer->scratch);
    if (!trainer->scratch) {
        error_set(error, "out of memory for %zu values of a parameter", largest);
        goto fail;
    }
    if (partition_make(dataset, options, &trainer->parts, error) < 0 ||
        (!start && whitening_apply(network, dataset, &trainer->parts, options->normalize, error) < 0) ||
        set_position(trainer, start, error) < 0 || trainer_upload(trainer, error) < 0 ||
        trainer_prepare_probes(trainer, error) < 0)
        goto fail;

    trainer->unsaved = true;
    trainer->now.eta_seconds = -1;
    trainer->now.step = trainer_record_now(trainer);
    trainer_note_state(trainer);
    trainer->own.producer = &trainer->wake;
    if (port_create(&trainer->own, network_spec(network), &trainer->now, error) < 0)
        goto fail;
    if (network_ranks(network) > 1 && network_rank(network) == 0 && ranks_begin(trainer, error) < 0)
        goto fail;
    *out = trainer;
    return 0;
fail:
    trainer_destroy(trainer);
    return -1;
}

static void end_thread(struct trainer *trainer)
{
    if (!trainer->threaded)
        return;
    (void)pthread_join(trainer->thread, NULL); /* fails only for a thread that is none of ours */
    trainer->threaded = false;
}

void trainer_destroy(struct trainer *trainer)
{
    if (!trainer)
        return;
    atomic_store(&trainer->abandon, true);
    (void)sem_post(&trainer->wake); /* at its maximum it wakes all the same */
    end_thread(trainer);
    ranks_end(trainer);
    loader_destroy(trainer->loader);
    device_data_destroy(trainer->device);
    port_free(&trainer->own);
    if (trainer->guests)
        port_free(trainer->guests);
    free(trainer->guests);
    probe_destroy(trainer->probe);
    kept_state_free(&trainer->held);
    kept_ring_free(&trainer->kept);
    free(trainer->scratch);
    (void)sem_destroy(&trainer->wake);
    pthread_mutex_destroy(&trainer->giving);
    free(trainer);
}

/* ---- The viewer's side ---- */

static int start_thread(struct trainer *trainer, struct error *error)
{
    if (thread_start(&trainer->thread, thread_main, trainer, error) < 0)
        return -1;
    trainer->threaded = true;
    return 0;
}

void trainer_attend(struct trainer *trainer)
{
    atomic_fetch_add(&trainer->attended, 1);
}

void trainer_desert(struct trainer *trainer)
{
    atomic_fetch_sub(&trainer->attended, 1);
}

void trainer_only_looks(struct trainer *trainer)
{
    trainer->only_looks = true;
}

void trainer_until(struct trainer *trainer, int epochs)
{
    trainer->until = epochs;
}

int trainer_start(struct trainer *trainer, bool paused, struct error *error)
{
    trainer->paused = paused;
    trainer->keep_events = true;
    return trainer_without_signals(trainer, start_thread, error);
}

static int result(const struct trainer *trainer, struct error *error)
{
    if (trainer->now.state != TRAINER_DIVERGED && trainer->now.state != TRAINER_FAILED)
        return 0;
    return error_set(error, "%s", trainer->now.message);
}

int trainer_run(struct trainer *trainer, struct error *error)
{
    run(trainer);
    return result(trainer, error);
}

int trainer_join(struct trainer *trainer, struct error *error)
{
    end_thread(trainer);
    return result(trainer, error);
}

int trainer_command(struct trainer *trainer, const struct command *command, struct error *error)
{
    pthread_mutex_lock(&trainer->giving);
    const bool closed = trainer->closed;
    const bool taken = !closed && command_queue_push(&trainer->commands, command);
    pthread_mutex_unlock(&trainer->giving);
    if (closed)
        return error_set(error, "too late: the run has ended");
    if (!taken)
        return error_set(error, "%d commands wait already: the last one was not taken", COMMAND_QUEUE_SIZE);
    if (command->kind == COMMAND_STOP && command->when.quantity == WHEN_NOW && !command->in_turn)
        trainer_request_end(trainer);
    else
        (void)sem_post(&trainer->wake); /* at its maximum it wakes all the same */
    return 0;
}

bool trainer_has_room(struct trainer *trainer)
{
    return command_queue_has_room(&trainer->commands);
}

bool trainer_is_settled(struct trainer *trainer)
{
    const unsigned given = atomic_load_explicit(&trainer->commands.tail, memory_order_relaxed);
    return port_has_ended(&trainer->own) || atomic_load_explicit(&trainer->applied, memory_order_acquire) == given;
}

bool trainer_waits(struct trainer *trainer)
{
    return trainer_is_settled(trainer) && atomic_load(&trainer->waits);
}

void trainer_request_stop(struct trainer *trainer)
{
    atomic_store(&trainer->urgent, true);
    trainer_request_end(trainer);
}

void trainer_request_end(struct trainer *trainer)
{
    const int saved_errno = errno;
    atomic_store(&trainer->stop, true);
    (void)sem_post(&trainer->wake);
    errno = saved_errno;
}

void trainer_snapshot(struct trainer *trainer, struct snapshot *out)
{
    port_snapshot(&trainer->own, out);
}

bool trainer_next_event(struct trainer *trainer, struct event *out)
{
    return port_next_event(&trainer->own, out);
}

bool trainer_next_probe(struct trainer *trainer, struct probe *into)
{
    return port_next_probe(&trainer->own, into);
}

const struct look *trainer_newest_look(struct trainer *trainer)
{
    return port_newest_look(&trainer->own);
}

struct port *trainer_port(struct trainer *trainer)
{
    return &trainer->own;
}

int trainer_open_guests(struct trainer *trainer, struct port **out, struct error *error)
{
    struct port *port = calloc(1, sizeof *port);
    if (!port)
        return error_set(error, "out of memory for viewers of other processes");
    if (port_create(port, network_spec(trainer->network), &trainer->now, error) < 0) {
        port_free(port);
        free(port);
        return -1;
    }
    port->producer = &trainer->wake;
    *out = trainer->guests = port;
    return 0;
}
