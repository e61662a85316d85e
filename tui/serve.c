/* See serve.h. The thread owns all but the few numbers that are atomic. */
#include "tui/serve.h"

#include "base/array.h"
#include "base/clock.h"
#include "base/thread.h"
#include "base/wake.h"
#include "engine/port.h"
#include "tui/channel.h"
#include "tui/command.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Between two looks at the trainer while somebody watches, and while nobody does. */
enum { TICK_MILLISECONDS = 50, IDLE_MILLISECONDS = 500 };
enum { MOST_WAITING = 1 << 16 }; /* bytes that are put into words ahead */
enum { MOST_EVENTS = 4096 };     /* that wait for a slow viewer */
static const double HELLO_SECONDS = 5, LAST_SECONDS = 1, REST_SECONDS = 1;

struct viewer {
    struct channel channel;
    struct port *port; /* what it is still to be told; NULL: it has not said hello */
    struct snapshot told;
    bool told_any, ended; /* ... and that nothing follows */
    long look;            /* that it was sent last */
    double since;         /* when it last read something, or came */
};

struct serve {
    char folder[4096];
    struct trainer *trainer;
    struct model_spec spec;
    struct wire_facts facts;
    double patience;
    struct port *port;
    int listener, wake;
    double rest; /* nobody is let in before: there was no descriptor left */
    pthread_t thread;
    bool started;
    atomic_bool ending, closing;
    atomic_bool holding; /* a viewer has said what leaves the run paused, and none that it shall go on */
    atomic_int attached;
    char failure[WIRE_TEXT]; /* written before `ending` */
    /* the thread's */
    struct viewer viewers[SERVE_VIEWERS];
    int count;
    struct snapshot now;
    long look;
    struct probe *incoming;
    struct event *trial; /* what there was of a trial that is not over: for who comes in the middle of it */
    size_t trial_count, trial_room;
};

/* ---- Viewers come and go ---- */

static void free_port(struct port *port)
{
    if (port)
        port_free(port);
    free(port);
}

static void let_go(struct serve *serve, int index)
{
    struct viewer *viewer = &serve->viewers[index];

    if (viewer->port) {
        trainer_desert(serve->trainer);
        atomic_fetch_sub(&serve->attached, 1);
    }
    free_port(viewer->port);
    channel_close(&viewer->channel);
    *viewer = serve->viewers[--serve->count];
}

/* The words are all that it gets. */
static void refuse(struct viewer *viewer, const char *why)
{
    bool moved;

    channel_say(&viewer->channel, WIRE_REFUSED, why);
    (void)channel_send(&viewer->channel, &moved);
}

/* What there was of it so far. */
static int tell_trial(const struct serve *serve, struct port *port)
{
    struct error error;

    for (size_t i = 0; i < serve->trial_count; i++)
        if (port_emit(port, &serve->trial[i], &error))
            return -1;
    return 0;
}

static int welcome(struct serve *serve, struct viewer *viewer)
{
    struct wire *out = &viewer->channel.out;
    struct port *port = calloc(1, sizeof(*port));
    struct error error;
    size_t frame;

    if (!port || port_create(port, &serve->spec, &serve->now, &error)) {
        free_port(port);
        return -1;
    }
    viewer->port = port;
    trainer_attend(serve->trainer);
    atomic_fetch_add(&serve->attached, 1);
    frame = wire_begin(out, WIRE_WELCOME);
    wire_facts(out, &serve->facts);
    wire_snapshot(out, &serve->now);
    wire_end(out, frame);
    return tell_trial(serve, port);
}

/* ---- What a viewer says ---- */

/* Why a command was not taken, to who gave it alone. */
static int answer(struct serve *serve, struct viewer *viewer, const char *text, const struct error *why)
{
    struct event event = {.kind = EVENT_COMMAND, .command.step = serve->now.step.step};
    struct error error;

    snprintf(event.command.command.text, sizeof(event.command.command.text), "%s", text);
    snprintf(event.command.outcome, sizeof(event.command.outcome), "%.*s", (int)sizeof(event.command.outcome) - 1,
             why->message);
    return viewer->port->events.waiting_count > MOST_EVENTS ? -1 : port_emit(viewer->port, &event, &error);
}

/* See serve_is_held. */
static void note_hold(struct serve *serve, const struct command *command)
{
    switch (command->kind) {
    case COMMAND_PAUSE:
    case COMMAND_STEP:
    case COMMAND_BACK:
    case COMMAND_LOAD:
    case COMMAND_TRY:
    case COMMAND_LR_FIND:
        atomic_store(&serve->holding, true);
        break;
    case COMMAND_RESUME:
        if (command->when.quantity == WHEN_NOW) /* one that waits may come after a pause */
            atomic_store(&serve->holding, false);
        break;
    default:
        break;
    }
}

static int take_line(struct serve *serve, struct viewer *viewer, const char *text)
{
    struct action action;
    struct command command;
    struct error error = {""};

    if (command_parse(text, &action, &error) || command_for_trainer(&action, &command, &error) ||
        trainer_command(serve->trainer, &command, &error))
        return answer(serve, viewer, text, &error);
    note_hold(serve, &command);
    return 0;
}

static int hear_hello(struct serve *serve, struct viewer *viewer, const char *text)
{
    char own[WIRE_TEXT], why[WIRE_TEXT];

    wire_version(own);
    if (strcmp(text, own) == 0)
        return welcome(serve, viewer);
    snprintf(why, sizeof(why), "it is trained by another version of nfbench: attach with that one");
    refuse(viewer, why);
    return -1;
}

/* -1: whoever speaks like this is let go. */
static int hear(struct serve *serve, struct viewer *viewer, enum wire_kind kind, struct wire *fields)
{
    const struct command look = {.kind = COMMAND_LOOK, .text = "look"};
    char text[WIRE_TEXT] = "";
    struct error error = {""};

    if (kind != WIRE_LOOK)
        wire_text(fields, text, sizeof(text));
    if (!wire_is_read(fields) || (kind == WIRE_HELLO) != (viewer->port == NULL))
        return -1;
    switch (kind) {
    case WIRE_HELLO:
        return hear_hello(serve, viewer, text);
    case WIRE_LINE:
        return take_line(serve, viewer, text);
    case WIRE_LOOK:
        (void)trainer_command(serve->trainer, &look, &error); /* a run that has ended shows no more */
        return 0;
    default:
        return -1;
    }
}

static int listen_to(struct serve *serve, struct viewer *viewer)
{
    const int gone = channel_receive(&viewer->channel); /* its last words count all the same */
    enum wire_kind kind;
    enum wire_found found;
    struct wire fields;

    while ((found = channel_next(&viewer->channel, &kind, &fields)) == WIRE_WHOLE)
        if (hear(serve, viewer, kind, &fields))
            return -1;
    return gone || found == WIRE_BROKEN ? -1 : 0;
}

/* ---- What a viewer is told ---- */

/* The last that was not yet put into words goes first; see take_events of app_run.c. */
static bool put_next(struct serve *serve, struct viewer *viewer)
{
    struct wire *out = &viewer->channel.out;
    struct snapshot now;
    struct event event;
    const struct look *look;
    size_t frame;

    memset(&now, 0, sizeof(now));
    if (port_next_probe(viewer->port, serve->incoming)) {
        frame = wire_begin(out, WIRE_PROBE);
        wire_probe(out, serve->incoming);
    } else if (port_next_event(viewer->port, &event)) {
        frame = wire_begin(out, WIRE_EVENT);
        wire_event(out, &event);
    } else if ((look = port_newest_look(viewer->port)) && look->number != viewer->look) {
        struct look copy = *look; /* the same memory: writing changes nothing */

        viewer->look = look->number;
        frame = wire_begin(out, WIRE_LOOKED);
        wire_look(out, &copy, NULL);
    } else {
        port_snapshot(viewer->port, &now);
        if (viewer->told_any && memcmp(&now, &viewer->told, sizeof(now)) == 0)
            return false;
        viewer->told_any = true;
        viewer->told = now;
        frame = wire_begin(out, WIRE_SNAPSHOT);
        wire_snapshot(out, &now);
    }
    wire_end(out, frame);
    return true;
}

static void put_all(struct serve *serve, struct viewer *viewer)
{
    while (channel_waiting(&viewer->channel) < MOST_WAITING) {
        port_flush(viewer->port);
        if (put_next(serve, viewer))
            continue;
        if (serve->ending && !viewer->ended) {
            viewer->ended = true;
            channel_say(&viewer->channel, WIRE_END, serve->failure);
        }
        return;
    }
}

/* Puts what there is into words, and sends of it what goes. -1: it is gone, or has read nothing for too long. */
static int tell(struct serve *serve, struct viewer *viewer)
{
    const double now = clock_seconds(), patience = viewer->port ? serve->patience : HELLO_SECONDS;
    bool moved;

    if (viewer->port)
        put_all(serve, viewer);
    if (channel_send(&viewer->channel, &moved))
        return -1;
    if (moved || (viewer->port && channel_waiting(&viewer->channel) == 0))
        viewer->since = now;
    return now - viewer->since > patience ? -1 : 0;
}

/* What cannot be told any more may have spoken before it went: its last words are heard. */
static void tell_all(struct serve *serve)
{
    for (int i = serve->count - 1; i >= 0; i--)
        if (tell(serve, &serve->viewers[i])) {
            (void)listen_to(serve, &serve->viewers[i]);
            let_go(serve, i);
        }
}

/* ---- What the trainer says ---- */

static void note_trial(struct serve *serve, const struct event *event)
{
    const struct trial_event *trial = &event->trial;
    struct event *grown;

    if (event->kind == EVENT_TRIAL && (trial->news == TRIAL_GONE || (trial->news == TRIAL_BEGINS && trial->index == 0)))
        serve->trial_count = 0;
    if (event->kind != EVENT_TRIAL || trial->news == TRIAL_GONE)
        return;
    grown = array_grow(serve->trial, &serve->trial_room, serve->trial_count + 1, sizeof(*grown));
    if (!grown) /* who comes later does not see it */
        return;
    serve->trial = grown;
    serve->trial[serve->trial_count++] = *event;
}

/* Too much waits for it: it is told to read the records instead. Trials are in none: it hears of them again. */
static int cut_short(struct serve *serve, struct port *port)
{
    const struct event course = {.kind = EVENT_COURSE}, gone = {.kind = EVENT_TRIAL, .trial.news = TRIAL_GONE};
    struct event event;
    struct error error;

    do
        port_flush(port);
    while (port_next_event(port, &event));
    return port_emit(port, &gone, &error) || port_emit(port, &course, &error) || tell_trial(serve, port) ? -1 : 0;
}

static void pass_event(struct serve *serve, const struct event *event)
{
    struct error error;

    note_trial(serve, event);
    for (int i = serve->count - 1; i >= 0; i--) {
        struct port *port = serve->viewers[i].port;

        if (port &&
            (port_emit(port, event, &error) || (port->events.waiting_count > MOST_EVENTS && cut_short(serve, port))))
            let_go(serve, i);
    }
}

static void pass_look(struct serve *serve)
{
    const struct look *look = port_newest_look(serve->port);

    if (!look || look->number == serve->look)
        return;
    serve->look = look->number;
    for (int i = 0; i < serve->count; i++)
        if (serve->viewers[i].port)
            port_show_look(serve->viewers[i].port, look);
}

static void take_news(struct serve *serve)
{
    struct event event;

    while (port_next_probe(serve->port, serve->incoming))
        for (int i = 0; i < serve->count; i++)
            if (serve->viewers[i].port)
                port_probe(serve->viewers[i].port, serve->incoming);
    while (port_next_event(serve->port, &event))
        pass_event(serve, &event);
    pass_look(serve);
    port_snapshot(serve->port, &serve->now); /* behind them: no answer is told of an older state */
    for (int i = 0; i < serve->count; i++)
        if (serve->viewers[i].port)
            port_publish(serve->viewers[i].port, &serve->now);
}

/* ---- The thread ---- */

/* Lets go whoever has gone without being seen yet: a newcomer may have come later than that. */
static void make_room(struct serve *serve)
{
    for (int i = serve->count - 1; i >= 0; i--)
        if (listen_to(serve, &serve->viewers[i]))
            let_go(serve, i);
}

static void accept_all(struct serve *serve)
{
    int fd;

    while ((fd = accept4(serve->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct viewer *viewer;
        pid_t process;

        if (serve->count == SERVE_VIEWERS)
            make_room(serve);
        if (serve->count == SERVE_VIEWERS || !channel_is_ours(fd, &process)) {
            struct viewer turned_away = {.channel.fd = -1};

            channel_open(&turned_away.channel, fd, WIRE_SMALL);
            refuse(&turned_away, serve->count == SERVE_VIEWERS ? "too many viewers are attached already"
                                                               : "the run is another user's");
            channel_close(&turned_away.channel);
            continue;
        }
        viewer = &serve->viewers[serve->count];
        *viewer = (struct viewer){.since = clock_seconds()};
        channel_open(&viewer->channel, fd, WIRE_SMALL);
        serve->count++;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) /* whoever waits still does */
        serve->rest = clock_seconds() + REST_SECONDS;
}

enum { POLL_WAKE, POLL_LISTENER, POLL_VIEWERS };

static void wait_for_something(struct serve *serve)
{
    const int listener = clock_seconds() < serve->rest ? -1 : serve->listener;
    struct pollfd polls[POLL_VIEWERS + SERVE_VIEWERS] = {
        [POLL_WAKE] = {.fd = serve->wake, .events = POLLIN}, [POLL_LISTENER] = {.fd = listener, .events = POLLIN}};
    const int milliseconds = serve->count > 0 ? TICK_MILLISECONDS : IDLE_MILLISECONDS;

    for (int i = 0; i < serve->count; i++) {
        const struct channel *channel = &serve->viewers[i].channel;

        polls[POLL_VIEWERS + i] =
            (struct pollfd){.fd = channel->fd, .events = (short)(POLLIN | (channel_waiting(channel) ? POLLOUT : 0))};
    }
    if (poll(polls, (nfds_t)(POLL_VIEWERS + serve->count), milliseconds) <= 0)
        return;
    if (polls[POLL_WAKE].revents)
        wake_take(serve->wake);
    for (int i = serve->count - 1; i >= 0; i--)
        if ((polls[POLL_VIEWERS + i].revents & ~POLLOUT) && listen_to(serve, &serve->viewers[i]))
            let_go(serve, i);
    if (polls[POLL_LISTENER].revents)
        accept_all(serve);
}

/* Whether somebody who reads is still to be told something. */
static bool has_more_to_say(const struct serve *serve, double now)
{
    for (int i = 0; i < serve->count; i++) {
        const struct viewer *viewer = &serve->viewers[i];

        if (viewer->port && now - viewer->since < LAST_SECONDS &&
            (!viewer->ended || channel_waiting(&viewer->channel) > 0))
            return true;
    }
    return false;
}

static void *serve_main(void *argument)
{
    struct serve *serve = argument;

    for (;;) {
        const bool ending = serve->ending; /* before the news, so that none is missed */

        take_news(serve);
        tell_all(serve);
        if (serve->closing || (ending && !has_more_to_say(serve, clock_seconds())))
            break;
        wait_for_something(serve);
    }
    while (serve->count > 0)
        let_go(serve, serve->count - 1);
    return NULL;
}

/* ---- From the first moment to the last ---- */

static int open_all(struct serve *serve, const struct serve_options *options, struct error *error)
{
    serve->wake = wake_open(error);
    if (serve->wake < 0)
        return -1;
    serve->listener = channel_listen(serve->folder, error);
    if (serve->listener < 0 || probe_create(&serve->spec, &serve->incoming, error) ||
        trainer_open_guests(options->trainer, &serve->port, error))
        return -1;
    port_snapshot(serve->port, &serve->now);
    if (thread_start(&serve->thread, serve_main, serve, error))
        return -1;
    serve->started = true;
    return 0;
}

int serve_open(const struct serve_options *options, struct serve **out, struct error *error)
{
    struct serve *serve = calloc(1, sizeof(*serve));

    *out = NULL;
    if (!serve)
        return error_set(error, "out of memory");
    snprintf(serve->folder, sizeof(serve->folder), "%s", options->folder);
    serve->trainer = options->trainer;
    serve->spec = *options->spec;
    serve->facts = *options->facts;
    serve->patience = options->patience > 0 ? options->patience : SERVE_PATIENCE;
    serve->listener = serve->wake = -1;
    if (open_all(serve, options, error)) {
        serve_close(serve);
        return -1;
    }
    *out = serve;
    return 0;
}

int serve_viewers(const struct serve *serve)
{
    return serve ? atomic_load(&serve->attached) : 0;
}

bool serve_is_held(const struct serve *serve)
{
    return serve && atomic_load(&serve->holding);
}

static void end_thread(struct serve *serve)
{
    if (serve->started) {
        wake_send(serve->wake);
        pthread_join(serve->thread, NULL);
    }
    serve->started = false;
    if (serve->listener >= 0) {
        close(serve->listener);
        channel_unlink(serve->folder);
    }
    serve->listener = -1;
}

void serve_end(struct serve *serve, const char *failure)
{
    if (!serve)
        return;
    snprintf(serve->failure, sizeof(serve->failure), "%s", failure);
    serve->ending = true;
    end_thread(serve);
}

void serve_close(struct serve *serve)
{
    if (!serve)
        return;
    serve->closing = true;
    end_thread(serve);
    if (serve->wake >= 0)
        close(serve->wake);
    probe_destroy(serve->incoming);
    free(serve->trial);
    free(serve);
}
