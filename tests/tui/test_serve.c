/* Viewers of a run in this process, so that all threads of both are in one: one follows it to its end; what waits for
 * one that reads slowly or not at all has a bound, behind which it is told to read the records, and one that reads
 * nothing for long is let go. */
#include "engine/port.h"
#include "tests/engine/tiny_run.h"
#include "tui/attach.h"
#include "tui/channel.h"
#include "tui/serve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOMENTS = 30000 }; /* of waiting, some minutes in all */

static struct tiny_run run;
static struct serve *served;
static char folder[64];

static void moment(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
}

static int keep_none(void *context, const struct command_record *record, struct error *error)
{
    (void)context, (void)record, (void)error;
    return 0;
}

/* Paused at its beginning, with its socket there. */
static void start_in(const char *place, double patience)
{
    static const struct wire_facts facts = {"CPU", "images", "", 10, 10, 10, 0};
    struct serve_options options = {.folder = place, .spec = &run.spec, .facts = &facts, .patience = patience};
    struct error error = {""};
    run.sink.on_command = keep_none;
    tiny_create(&run, NULL);
    options.trainer = run.trainer;
    if (serve_open(&options, &served, &error))
        fail_msg("%s", error.message);
    assert_int_equal(trainer_start(run.trainer, true, &error), 0);
}

static void make_folder(void)
{
    snprintf(folder, sizeof folder, "/tmp/nfbench-serve-XXXXXX");
    assert_non_null(mkdtemp(folder));
    tiny_init(&run, "micro");
}

static void start(double patience)
{
    make_folder();
    start_in(folder, patience);
}

static void stop(void)
{
    struct error error = {""};
    trainer_request_stop(run.trainer);
    assert_int_equal(trainer_join(run.trainer, &error), 0);
    serve_close(served);
    tiny_free(&run);
    assert_int_equal(rmdir(folder), 0);
}

/* A viewer that has been welcomed, and has read nothing yet. */
static void attach(struct channel *channel)
{
    struct error error = {""};
    char version[WIRE_TEXT];
    pid_t process;
    bool moved;
    const int fd = channel_connect(folder, &process, &error);
    if (fd < 0)
        fail_msg("%s", error.message);
    channel_open(channel, fd, WIRE_LARGE);
    wire_version(version);
    channel_say(channel, WIRE_HELLO, version);
    assert_int_equal(channel_send(channel, &moved), 0);
    for (int i = 0; i < MOMENTS && serve_viewers(served) == 0; i++)
        moment();
    assert_int_equal(serve_viewers(served), 1);
}

/* Each is an event; the trainer has taken them all. */
static void write_notes(int count)
{
    struct command note = {.kind = COMMAND_NOTE};
    struct event event;
    struct error error = {""};
    memset(note.text, 'n', sizeof note.text - 1);
    for (int i = 0; i < count; i++) {
        for (int waited = 0; waited < 100 * MOMENTS && !trainer_has_room(run.trainer); waited++)
            nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
        assert_int_equal(trainer_command(run.trainer, &note, &error), 0);
        while (trainer_next_event(run.trainer, &event))
            ;
    }
    for (int i = 0; i < MOMENTS && !trainer_is_settled(run.trainer); i++)
        moment();
    assert_true(trainer_is_settled(run.trainer));
}

/* Reads on until there were so many events, or the word that records are to be read: how many there were of both. */
static void read_until(struct channel *channel, int most, int *events, int *courses)
{
    enum wire_kind kind;
    struct wire fields;
    struct event event;
    struct pollfd in = {.fd = channel->fd, .events = POLLIN};
    *events = *courses = 0;
    while (*events < most && *courses == 0) {
        assert_int_equal(poll(&in, 1, 300000), 1);
        assert_int_equal(channel_receive(channel), 0);
        while (channel_next(channel, &kind, &fields) == WIRE_WHOLE) {
            if (kind != WIRE_EVENT)
                continue;
            event = (struct event){.kind = EVENT_MESSAGE};
            wire_event(&fields, &event);
            assert_true(wire_is_read(&fields));
            *events += event.kind == EVENT_COMMAND;
            *courses += event.kind == EVENT_COURSE;
        }
    }
}

static void what_waits_for_a_viewer_has_a_bound(void **state)
{
    (void)state;
    enum { NOTES = 12000 };
    struct channel channel;
    int events, courses;
    start(0);
    attach(&channel);
    write_notes(NOTES);
    read_until(&channel, NOTES, &events, &courses);
    assert_int_equal(courses, 1);
    assert_true(events < NOTES);
    assert_int_equal(serve_viewers(served), 1);
    channel_close(&channel);
    stop();
}

static void who_reads_nothing_for_long_is_let_go(void **state)
{
    (void)state;
    struct channel channel;
    start(0.2);
    attach(&channel);
    write_notes(2000); /* more than a socket holds */
    for (int i = 0; i < MOMENTS && serve_viewers(served) > 0; i++)
        moment();
    assert_int_equal(serve_viewers(served), 0);
    channel_close(&channel);
    stop();
}

/* However long nothing happens. */
static void who_has_read_all_stays(void **state)
{
    (void)state;
    struct channel channel;
    int events, courses;
    start(0.2);
    attach(&channel);
    write_notes(3);
    read_until(&channel, 3, &events, &courses);
    assert_int_equal(events, 3);
    for (int i = 0; i < 50; i++) /* longer than its patience */
        moment();
    assert_int_equal(courses, 0);
    assert_int_equal(serve_viewers(served), 1);
    channel_close(&channel);
    stop();
}

/* ---- By the interface that the screen has ---- */

static struct session *make_session(void)
{
    struct settings settings;
    struct session *session;
    struct error error = {""};
    assert_int_equal(settings_default(&settings, &error), 0);
    settings.model = run.spec;
    snprintf(settings.session, sizeof settings.session, "own");
    snprintf(settings.sessions_dir, sizeof settings.sessions_dir, "%s", folder);
    if (session_create(&settings, &session, &error))
        fail_msg("%s", error.message);
    return session;
}

static void tell(struct attachment *attachment, enum command_kind kind, const char *text)
{
    struct command command = {.kind = kind};
    struct error error = {""};
    snprintf(command.text, sizeof command.text, "%s", text);
    assert_int_equal(attach_command(attachment, &command, &error), 0);
}

/* Until it has heard of just so many steps and answers, and has a look into the network; `ends`: until the run's end.
 */
static void follow(struct attachment *attachment, long steps, int answers, bool ends)
{
    struct port *port = attach_port(attachment);
    struct event event;
    long heard = 0;
    int answered = 0;
    for (int i = 0; i < MOMENTS; i++) {
        const bool ended = port_has_ended(port); /* before the events, so that none is missed */
        while (port_next_event(port, &event)) {
            heard += event.kind == EVENT_STEPS ? event.steps.count : 0;
            answered += event.kind == EVENT_COMMAND && event.command.ok;
        }
        if (ended == ends && heard == steps && answered == answers && port_newest_look(port))
            return;
        moment();
    }
    fail_msg("heard of %ld steps and %d answers", heard, answered);
}

static void a_viewer_follows_the_run_to_its_end(void **state)
{
    (void)state;
    struct attachment *attachment;
    struct error error = {""};
    struct snapshot now;
    char line[128];
    bool lost;
    make_folder();
    struct session *session = make_session();
    start_in(session_path(session), 0);
    if (attach_open(session_settings(session), session_path(session), &attachment, &error))
        fail_msg("%s", error.message);
    attach_show_looks(attachment, tiny_dataset());
    tell(attachment, COMMAND_NOTE, "lr x0.5");
    tell(attachment, COMMAND_NOTE, "step 3");
    tell(attachment, COMMAND_LOOK, "look");
    follow(attachment, 3, 2, false);
    tell(attachment, COMMAND_NOTE, "stop");
    assert_int_equal(trainer_join(run.trainer, &error), 0);
    serve_end(served, "");
    follow(attachment, 0, 1, true);
    port_snapshot(attach_port(attachment), &now);
    assert_int_equal(now.step.step, 3);
    assert_int_equal(attach_result(attachment, &lost, &error), 0);
    assert_false(lost);
    attach_close(attachment);
    serve_close(served);
    tiny_free(&run);
    session_close(session);
    snprintf(line, sizeof line, "rm -rf %s", folder);
    assert_int_equal(system(line), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_viewer_follows_the_run_to_its_end),
        cmocka_unit_test(what_waits_for_a_viewer_has_a_bound),
        cmocka_unit_test(who_reads_nothing_for_long_is_let_go),
        cmocka_unit_test(who_has_read_all_stays),
    };
    return cmocka_run_group_tests(tests, tiny_open, tiny_close);
}
