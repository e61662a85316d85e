/* One viewer of a run (see serve.h): what it says, and what it is told. */
#include "tui/serve_internal.h"

#include "base/clock.h"
#include "tui/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_WAITING = 1 << 16 }; /* bytes that are put into words ahead */
static const double HELLO_SECONDS = 20;

static void free_port(struct port *port)
{
    if (port)
        port_free(port);
    free(port);
}

void viewer_end(struct serve *serve, struct viewer *viewer)
{
    if (viewer->port) {
        trainer_desert(serve->trainer);
        atomic_fetch_sub(&serve->attached, 1);
    }
    free_port(viewer->port);
    channel_close(&viewer->channel);
}

void viewer_refuse(struct viewer *viewer, const char *why)
{
    bool moved;

    channel_say(&viewer->channel, WIRE_REFUSED, why);
    (void)channel_send(&viewer->channel, &moved);
}

int viewer_tell_trial(const struct serve *serve, struct port *port)
{
    struct error error;

    for (size_t i = 0; i < serve->trial_count; i++)
        if (port_emit(port, &serve->trial[i], &error))
            return -1;
    return 0;
}

/* ---- What a viewer says ---- */

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
    return viewer_tell_trial(serve, port);
}

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
    viewer_refuse(viewer, why);
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

int viewer_listen(struct serve *serve, struct viewer *viewer)
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

int viewer_tell(struct serve *serve, struct viewer *viewer)
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
