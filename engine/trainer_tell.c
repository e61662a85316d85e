/* What the sink is told of the run. Where it fails for want of room on its disk, the run waits with everything as it is
 * and says the same again: nothing is lost, and the bits are those of a run that never lacked room. */
#include "engine/trainer_internal.h"

#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

enum { RETRY_SECONDS = 2 };

typedef int (*tell_function)(struct trainer *trainer, const void *what);

static bool lacks_room(void)
{
    return errno == ENOSPC || errno == EDQUOT;
}

static int say_why(struct trainer *trainer)
{
    char text[sizeof trainer->failure.message];
    snprintf(text, sizeof text, "%.400s. Training waits: it goes on when there is room, `resume` tries at once",
             trainer->failure.message);
    return trainer_message(trainer, text);
}

/* At the end of a run nothing is left that those of a script would have to wait for. */
static int stops(struct trainer *trainer)
{
    return command_queue_count(&trainer->commands, COMMAND_STOP, atomic_load(&trainer->stop));
}

/* Whether who ends the run does not want to wait for room: one more `stop` than the `before` that waited already says
 * so, too. A stop that came before the disk was full is no reason to lose steps. */
static bool is_urgent(struct trainer *trainer, int before)
{
    return atomic_load(&trainer->urgent) || atomic_load(&trainer->abandon) || stops(trainer) > before;
}

static int resumes(struct trainer *trainer)
{
    return command_queue_count(&trainer->commands, COMMAND_RESUME, true);
}

/* Until it is time to try again: a few seconds, or a stop or a `resume` more than the `resumes_before`. */
static void wait_a_while(struct trainer *trainer, int stops_before, int resumes_before)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += RETRY_SECONDS;
    for (;;) {
        trainer_flush(trainer);
        if (is_urgent(trainer, stops_before) || resumes(trainer) > resumes_before)
            return;
        if (sem_clockwait(&trainer->wake, CLOCK_MONOTONIC, &until) != 0 && errno != EINTR)
            return;
    }
}

static int give_up(struct trainer *trainer)
{
    const struct error reason = trainer->failure;
    return error_set(&trainer->failure, "%.350s. %s", reason.message,
                     trainer->unsaved
                         ? "Ended without saving: a resume makes the steps behind the last checkpoint again"
                         : "All steps are saved: a resume goes on from there");
}

static int end(struct trainer *trainer, const void *what);

static int tell_again(struct trainer *trainer, tell_function tell, const void *what)
{
    const enum trainer_state before = trainer->now.state;
    const double begin = clock_measured();
    const int stops_before = stops(trainer);
    int status = -1, answered = resumes(trainer);
    if (is_urgent(trainer, stops_before))
        return give_up(trainer);
    if (say_why(trainer) < 0)
        return -1;
    trainer_set_state(trainer, TRAINER_WAITING);
    while (status != 0) {
        wait_a_while(trainer, stops_before, answered);
        const int asked = resumes(trainer);
        errno = 0;
        status = tell(trainer, what);
        if (status != 0 && !lacks_room())
            return -1;
        if (status != 0 && is_urgent(trainer, stops_before))
            return give_up(trainer);
        if (status != 0 && asked > answered && trainer_message(trainer, "still no room on the disk") < 0)
            return -1;
        answered = asked;
    }
    trainer->waited += clock_measured() - begin;
    trainer_set_state(trainer, before);
    trainer_skip_time(trainer);
    const bool ends = tell == end || atomic_load(&trainer->stop);
    return trainer_message(trainer, ends ? "there is room again" : "there is room again: training goes on");
}

static int tell(struct trainer *trainer, tell_function tell, const void *what)
{
    errno = 0;
    if (tell(trainer, what) == 0)
        return 0;
    return lacks_room() ? tell_again(trainer, tell, what) : -1;
}

/* ---- Each kind of news ---- */

static int step(struct trainer *trainer, const void *what)
{
    const struct trainer_sink *sink = &trainer->sink;
    return sink->on_step ? sink->on_step(sink->context, what, &trainer->failure) : 0;
}

static int epoch(struct trainer *trainer, const void *what)
{
    const struct trainer_sink *sink = &trainer->sink;
    return sink->on_epoch ? sink->on_epoch(sink->context, what, &trainer->failure) : 0;
}

static int command(struct trainer *trainer, const void *what)
{
    const struct trainer_sink *sink = &trainer->sink;
    return sink->on_command ? sink->on_command(sink->context, what, &trainer->failure) : 0;
}

static int probe(struct trainer *trainer, const void *what)
{
    const struct trainer_sink *sink = &trainer->sink;
    return sink->on_probe ? sink->on_probe(sink->context, what, &trainer->failure) : 0;
}

static int finding(struct trainer *trainer, const void *what)
{
    const struct trainer_sink *sink = &trainer->sink;
    return sink->on_finding ? sink->on_finding(sink->context, what, &trainer->failure) : 0;
}

static int checkpoint(struct trainer *trainer, const void *what)
{
    const struct trainer_sink *sink = &trainer->sink;
    const bool *best = what;
    return sink->on_checkpoint
               ? sink->on_checkpoint(sink->context, trainer->network, &trainer->state, *best, &trainer->failure)
               : 0;
}

static int divergence(struct trainer *trainer, const void *what)
{
    const struct trainer_sink *sink = &trainer->sink;
    return sink->on_divergence ? sink->on_divergence(sink->context, what, trainer->now.diverged_step, &trainer->failure)
                               : 0;
}

static int end(struct trainer *trainer, const void *what)
{
    const struct trainer_sink *sink = &trainer->sink;
    const enum trainer_state *state = what;
    return sink->on_end
               ? sink->on_end(sink->context, *state, trainer->now.step.step, trainer->now.message, &trainer->failure)
               : 0;
}

static int rollback(struct trainer *trainer, const void *what)
{
    const struct trainer_sink *sink = &trainer->sink;
    return sink->on_rollback
               ? sink->on_rollback(sink->context, trainer->network, &trainer->state, what, &trainer->failure)
               : 0;
}

int trainer_tell_step(struct trainer *trainer, const struct step_record *record)
{
    return tell(trainer, step, record);
}

int trainer_tell_epoch(struct trainer *trainer, const struct epoch_record *record)
{
    return tell(trainer, epoch, record);
}

int trainer_tell_command(struct trainer *trainer, const struct command_record *record)
{
    return tell(trainer, command, record);
}

int trainer_tell_probe(struct trainer *trainer)
{
    return tell(trainer, probe, trainer->probe);
}

int trainer_tell_finding(struct trainer *trainer, const struct finding *found)
{
    return tell(trainer, finding, found);
}

int trainer_tell_checkpoint(struct trainer *trainer, bool best)
{
    return tell(trainer, checkpoint, &best);
}

int trainer_tell_divergence(struct trainer *trainer, const char *diagnosis)
{
    return tell(trainer, divergence, diagnosis);
}

int trainer_tell_end(struct trainer *trainer, enum trainer_state state)
{
    return tell(trainer, end, &state);
}

int trainer_tell_rollback(struct trainer *trainer, const char *name)
{
    return tell(trainer, rollback, name);
}
