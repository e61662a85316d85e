/* See serve.h. The thread owns all but the few numbers that are atomic. */
#include "tui/serve_internal.h"

#include "base/array.h"
#include "base/clock.h"
#include "base/thread.h"
#include "base/wake.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* Between two looks at the trainer while somebody watches, and while nobody does. */
enum { TICK_MILLISECONDS = 50, IDLE_MILLISECONDS = 500 };
static const double LAST_SECONDS = 3, REST_SECONDS = 1;

/* ---- Viewers come and go ---- */

static void let_go(struct serve *serve, int index)
{
    viewer_end(serve, &serve->viewers[index]);
    serve->viewers[index] = serve->viewers[--serve->count];
}

/* What cannot be told any more may have spoken before it went: its last words are heard. */
static void tell_all(struct serve *serve)
{
    for (int i = serve->count - 1; i >= 0; i--)
        if (viewer_tell(serve, &serve->viewers[i])) {
            (void)viewer_listen(serve, &serve->viewers[i]);
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
    return port_emit(port, &gone, &error) || port_emit(port, &course, &error) || viewer_tell_trial(serve, port) ? -1
                                                                                                                : 0;
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
        if (viewer_listen(serve, &serve->viewers[i]))
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
            viewer_refuse(&turned_away, serve->count == SERVE_VIEWERS ? "too many viewers are attached already"
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
        if ((polls[POLL_VIEWERS + i].revents & ~POLLOUT) && viewer_listen(serve, &serve->viewers[i]))
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
