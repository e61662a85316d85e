/* See attach.h. */
#include "tui/attach.h"

#include "base/clock.h"
#include "base/thread.h"
#include "base/wake.h"
#include "engine/port.h"
#include "tui/channel.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINES = COMMAND_QUEUE_SIZE, FLUSH_MILLISECONDS = 50 };
static const double HELLO_SECONDS = 20, SILENT_SECONDS = 1, GONE_SECONDS = 2;

struct line {
    enum wire_kind kind;
    char text[WIRE_TEXT];
};

struct attachment {
    struct session *session;
    struct wire_facts facts;
    pid_t process;
    struct port port;
    struct channel channel; /* the thread's, once that runs */
    struct probe *incoming;
    struct snapshot newest;
    int wake;
    pthread_t thread;
    bool started;
    atomic_bool closing, looks;
    struct wire_limits limits; /* written before `looks` */
    bool said_end;             /* read when the port has ended, as is the next */
    char failure[WIRE_TEXT];
    pthread_mutex_t lock;
    struct line lines[LINES]; /* under the lock, as the two counts */
    unsigned given, taken;
};

/* ---- What comes ---- */

static int take_event(struct attachment *attachment, struct wire *fields)
{
    struct event event = {.kind = EVENT_MESSAGE};
    struct error error;

    wire_event(fields, &event);
    return wire_is_read(fields) ? port_emit(&attachment->port, &event, &error) : -1;
}

static int take_probe(struct attachment *attachment, struct wire *fields)
{
    wire_probe(fields, attachment->incoming);
    if (!wire_is_read(fields))
        return -1;
    port_probe(&attachment->port, attachment->incoming);
    return 0;
}

static int take_look(struct attachment *attachment, struct wire *fields)
{
    struct look_buffer *looks = &attachment->port.looks;

    if (!atomic_load(&attachment->looks)) /* nobody could show it */
        return 0;
    wire_look(fields, look_buffer_writing(looks), &attachment->limits);
    if (!wire_is_read(fields))
        return -1;
    look_buffer_publish(looks);
    return 0;
}

static int take_snapshot(struct attachment *attachment, struct wire *fields)
{
    memset(&attachment->newest, 0, sizeof(attachment->newest));
    wire_snapshot(fields, &attachment->newest);
    if (!wire_is_read(fields))
        return -1;
    port_publish(&attachment->port, &attachment->newest);
    return 0;
}

static int take_end(struct attachment *attachment, struct wire *fields)
{
    wire_text(fields, attachment->failure, sizeof(attachment->failure));
    attachment->said_end = wire_is_read(fields);
    return -1; /* nothing follows */
}

static int take_frame(struct attachment *attachment, enum wire_kind kind, struct wire *fields)
{
    switch (kind) {
    case WIRE_EVENT:
        return take_event(attachment, fields);
    case WIRE_PROBE:
        return take_probe(attachment, fields);
    case WIRE_LOOKED:
        return take_look(attachment, fields);
    case WIRE_SNAPSHOT:
        return take_snapshot(attachment, fields);
    case WIRE_END:
        return take_end(attachment, fields);
    default:
        return -1;
    }
}

/* -1 when nothing more comes. */
static int take_all(struct attachment *attachment)
{
    const int gone = channel_receive(&attachment->channel);
    enum wire_kind kind;
    enum wire_found found;
    struct wire fields;

    while ((found = channel_next(&attachment->channel, &kind, &fields)) == WIRE_WHOLE)
        if (take_frame(attachment, kind, &fields))
            return -1;
    return gone || found == WIRE_BROKEN ? -1 : 0;
}

/* ---- The thread ---- */

static int send_lines(struct attachment *attachment)
{
    struct channel *channel = &attachment->channel;
    bool moved;

    pthread_mutex_lock(&attachment->lock);
    for (; attachment->taken != attachment->given; attachment->taken++) {
        const struct line *line = &attachment->lines[attachment->taken % LINES];

        if (line->kind == WIRE_LOOK)
            wire_end(&channel->out, wire_begin(&channel->out, WIRE_LOOK));
        else
            channel_say(channel, line->kind, line->text);
    }
    pthread_mutex_unlock(&attachment->lock);
    return channel_send(channel, &moved);
}

static void wait_for_something(struct attachment *attachment)
{
    const short events = (short)(POLLIN | (channel_waiting(&attachment->channel) ? POLLOUT : 0));
    struct pollfd polls[] = {{.fd = attachment->wake, .events = POLLIN},
                             {.fd = attachment->channel.fd, .events = events}};
    const bool held_back = event_ring_has_backlog(&attachment->port.events) || attachment->port.probes.waits;

    if (poll(polls, 2, held_back ? FLUSH_MILLISECONDS : -1) > 0 && polls[0].revents)
        wake_take(attachment->wake);
}

static void *attach_main(void *argument)
{
    struct attachment *attachment = argument;

    for (;;) {
        const bool closing = attachment->closing; /* before the lines: the last ones go, too */

        if (take_all(attachment) || send_lines(attachment) || closing)
            break;
        port_flush(&attachment->port);
        wait_for_something(attachment);
    }
    port_end(&attachment->port);
    return NULL;
}

/* ---- The first words ---- */

/* -1 when it does not come in time. A run that is stopped, or on a machine that is very busy, lets one wait: that is
 * said. */
static int wait_for_frame(struct attachment *attachment, enum wire_kind *kind, struct wire *fields)
{
    struct channel *channel = &attachment->channel;
    const double begin = clock_seconds();
    bool said = false;
    struct pollfd poll_in = {.fd = channel->fd, .events = POLLIN};
    enum wire_found found;
    int gone = 0;

    while ((found = channel_next(channel, kind, fields)) == WIRE_PART && !gone &&
           clock_seconds() < begin + HELLO_SECONDS) {
        if (!said && clock_seconds() > begin + SILENT_SECONDS) {
            fprintf(stderr, "waiting for the run's first word\n");
            said = true;
        }
        if (poll(&poll_in, 1, 100) > 0)
            gone = channel_receive(channel);
    }
    return found == WIRE_WHOLE ? 0 : -1;
}

static int hear_welcome(struct attachment *attachment, struct wire *fields, struct error *error)
{
    const struct model_spec *spec = &session_settings(attachment->session)->model;

    wire_facts(fields, &attachment->facts);
    wire_snapshot(fields, &attachment->newest);
    if (!wire_is_read(fields))
        return error_set(error, "session %s: what its process says is not understood",
                         session_name(attachment->session));
    return port_create(&attachment->port, spec, &attachment->newest, error) ||
                   probe_create(spec, &attachment->incoming, error)
               ? -1
               : 0;
}

static int greet(struct attachment *attachment, struct error *error)
{
    const char *name = session_name(attachment->session);
    char text[WIRE_TEXT] = "";
    enum wire_kind kind;
    struct wire fields;
    bool moved;

    wire_version(text);
    channel_say(&attachment->channel, WIRE_HELLO, text);
    (void)channel_send(&attachment->channel, &moved); /* who refuses may have closed already: why is still to be read */
    if (wait_for_frame(attachment, &kind, &fields))
        return error_set(error, "session %s: the process that trains it does not answer", name);
    if (kind == WIRE_WELCOME)
        return hear_welcome(attachment, &fields, error);
    wire_text(&fields, text, sizeof(text));
    return error_set(error, "session %s: %s", name, kind == WIRE_REFUSED ? text : "its process is not understood");
}

/* ---- From the first moment to the last ---- */

/* Its process is there, as a screen stays behind the end of its run. */
static bool has_ended(const struct session *session, char state[16])
{
    struct session_summary row;

    session_summarize(session, &row);
    memcpy(state, row.state, sizeof(row.state));
    return strcmp(state, "finished") == 0 || strcmp(state, "stopped") == 0;
}

static int connect_to_run(struct attachment *attachment, struct error *error)
{
    struct session *session = attachment->session;
    struct error why;
    char state[16];
    int fd;

    if (!session_is_trained(session))
        return error_set(error, "no process trains session %s now: nfbench resume --screen %s goes on with it",
                         session_name(session), session_reference(session));
    fd = channel_connect(session_path(session), &attachment->process, &why);
    if (fd < 0 && errno == ENOENT && has_ended(session, state)) /* another one's socket is not passed over */
        return error_set(error,
                         "session %s is %s, and the screen of its process still shows it: when that is left, nfbench "
                         "resume --screen %s shows it here",
                         session_name(session), state, session_reference(session));
    if (fd < 0)
        return error_set(error,
                         "session %s: its process cannot be attached to now (%.200s): it has not begun to train, its "
                         "run has ended, or it is on another machine",
                         session_name(session), why.message);
    channel_open(&attachment->channel, fd, WIRE_LARGE);
    return greet(attachment, error);
}

int attach_open(const struct settings *settings, const char *session, struct attachment **out, struct error *error)
{
    struct attachment *attachment = calloc(1, sizeof(*attachment));

    if (!attachment)
        return error_set(error, "out of memory");
    attachment->channel.fd = -1;
    pthread_mutex_init(&attachment->lock, NULL);
    attachment->wake = wake_open(error);
    if (attachment->wake < 0 || session_open(settings, session, SESSION_READ, &attachment->session, error) ||
        connect_to_run(attachment, error) || thread_start(&attachment->thread, attach_main, attachment, error)) {
        attach_close(attachment);
        return -1;
    }
    attachment->started = true;
    *out = attachment;
    return 0;
}

void attach_close(struct attachment *attachment)
{
    if (!attachment)
        return;
    attachment->closing = true;
    if (attachment->started) {
        wake_send(attachment->wake);
        pthread_join(attachment->thread, NULL);
    }
    channel_close(&attachment->channel);
    port_free(&attachment->port);
    probe_destroy(attachment->incoming);
    session_close(attachment->session);
    if (attachment->wake >= 0)
        close(attachment->wake);
    pthread_mutex_destroy(&attachment->lock);
    free(attachment);
}

struct session *attach_session(const struct attachment *attachment)
{
    return attachment->session;
}

const struct wire_facts *attach_facts(const struct attachment *attachment)
{
    return &attachment->facts;
}

pid_t attach_process(const struct attachment *attachment)
{
    return attachment->process;
}

struct port *attach_port(struct attachment *attachment)
{
    return &attachment->port;
}

void attach_show_looks(struct attachment *attachment, const struct dataset *dataset)
{
    attachment->limits.train = dataset_count(dataset, SPLIT_TRAIN);
    attachment->limits.test = dataset_count(dataset, SPLIT_TEST);
    atomic_store(&attachment->looks, true);
}

int attach_command(struct attachment *attachment, const struct command *command, struct error *error)
{
    bool full;

    if (port_has_ended(&attachment->port))
        return error_set(error, "too late: the run has ended");
    pthread_mutex_lock(&attachment->lock);
    full = attachment->given - attachment->taken == LINES;
    if (!full) {
        struct line *line = &attachment->lines[attachment->given++ % LINES];

        line->kind = command->kind == COMMAND_LOOK ? WIRE_LOOK : WIRE_LINE;
        snprintf(line->text, sizeof(line->text), "%s", command->text);
    }
    pthread_mutex_unlock(&attachment->lock);
    if (full)
        return error_set(error, "%d commands wait already: the last one was not taken", LINES);
    wake_send(attachment->wake);
    return 0;
}

/* The kernel closes what a process had one by one: the lock may go a moment after the socket. */
static bool is_still_trained(const struct session *session)
{
    const double until = clock_seconds() + GONE_SECONDS;
    const struct timespec moment = {.tv_nsec = 20000000};

    while (session_is_trained(session)) {
        if (clock_seconds() > until)
            return true;
        nanosleep(&moment, NULL);
    }
    return false;
}

int attach_result(struct attachment *attachment, bool *lost, struct error *error)
{
    const struct session *session = attachment->session;

    *lost = !attachment->said_end;
    if (attachment->said_end)
        return *attachment->failure ? error_set(error, "%s", attachment->failure) : 0;
    if (is_still_trained(session))
        return error_set(error,
                         "the connection to the run has ended, but it goes on: nfbench attach %s comes back to it",
                         session_reference(session));
    return error_set(error,
                     "the process that trained session %s is gone: nfbench resume --screen %s goes on from its last "
                     "checkpoint",
                     session_name(session), session_reference(session));
}
