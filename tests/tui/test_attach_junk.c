/* The socket of a run, and what is no frame of ours at either end: a run goes on whatever is written to it, and a
 * viewer says that it has lost the run, and does nothing worse, whatever it reads. */
#include "tests/tui/random.h"
#include "tests/tui/watcher.h"
#include "tui/channel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int connect_to(const char *session)
{
    struct error error = {""};
    pid_t process;
    const int fd = channel_connect(process_path(watcher_place(session, "")), &process, &error);
    if (fd < 0)
        fail_msg("%s", error.message);
    return fd;
}

static void put(int fd, const void *bytes, size_t count)
{
    (void)!send(fd, bytes, count, MSG_NOSIGNAL); /* the other end may have closed already */
}

/* Until the other end closes it: what it said. */
static size_t hear_out(int fd, unsigned char *bytes, size_t size)
{
    size_t count = 0;
    for (int i = 0; i < WATCHER_MOMENTS; i++) {
        const ssize_t got = recv(fd, bytes + count, size - count, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
            close(fd);
            return count;
        }
        count += got > 0 ? (size_t)got : 0;
        if (got < 0)
            watcher_moment();
    }
    fail_msg("the other end never closed");
    return 0;
}

static void say(int fd, enum wire_kind kind, const char *words)
{
    struct wire wire = {0};
    char text[WIRE_TEXT];
    const size_t frame = wire_begin(&wire, kind);
    snprintf(text, sizeof text, "%s", words);
    wire_text(&wire, text, sizeof text);
    wire_end(&wire, frame);
    put(fd, wire.bytes, wire.at);
    free(wire.bytes);
}

static void greet(int fd, const char *version)
{
    say(fd, WIRE_HELLO, version);
}

/* ---- To a run ---- */

static void another_version_is_refused_in_a_line(void)
{
    unsigned char bytes[4096];
    enum wire_kind kind;
    struct wire fields;
    size_t length;
    char text[WIRE_TEXT];
    const int fd = connect_to("junk");
    greet(fd, "nfbench 9.9.9 attach 1");
    const size_t count = hear_out(fd, bytes, sizeof bytes);
    assert_int_equal(wire_take(bytes, count, sizeof bytes, &kind, &fields, &length), WIRE_WHOLE);
    assert_int_equal(kind, WIRE_REFUSED);
    wire_text(&fields, text, sizeof text);
    assert_string_equal(text, "it is trained by another version of nfbench: attach with that one");
}

/* Frames that no viewer sends, lengths that are none, a command before the first word. */
static void frames_that_are_none_end_the_talk(void)
{
    static unsigned char bytes[1 << 16];
    char version[WIRE_TEXT];
    wire_version(version);
    for (int way = 0; way < 6; way++) {
        const uint32_t headers[][2] = {
            {0xffffffff, WIRE_LINE}, {WIRE_SMALL, WIRE_LINE}, {4, WIRE_WELCOME}, {2, WIRE_LINE}, {0, 1000},
            {0, WIRE_LOOK}};
        const int fd = connect_to("junk");
        if (way < 5)
            greet(fd, version);
        put(fd, headers[way], sizeof headers[way]);
        if (headers[way][0] < 8)
            put(fd, "\377\377\377\377", headers[way][0]); /* a text longer than its frame */
        (void)hear_out(fd, bytes, sizeof bytes);
    }
}

static void random_bytes_do_no_harm(void)
{
    unsigned char bytes[600];
    char version[WIRE_TEXT];
    wire_version(version);
    for (int trial = 0; trial < 60; trial++) {
        const int fd = connect_to("junk");
        if (trial % 2)
            greet(fd, version);
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (unsigned char)next_random();
        if (trial % 3 == 0) /* a frame of a viewer's, with nonsense in it */
            memcpy(bytes, (uint32_t[]){next_random() % 64, next_random() % WIRE_KINDS}, WIRE_HEADER);
        put(fd, bytes, 1 + next_random() % sizeof bytes);
        close(fd);
    }
}

static void a_run_goes_on_whatever_is_written_to_its_socket(void **state)
{
    (void)state;
    struct process process = watcher_start_run("junk", "--epochs 100000");
    struct watcher watcher;
    struct error error = {""};
    bool lost;
    another_version_is_refused_in_a_line();
    frames_that_are_none_end_the_talk();
    random_bytes_do_no_harm();
    watcher_attach(&watcher, "junk");
    const long step = watcher.now.step.step;
    watcher_wait_step(&watcher, step + 10);
    watcher_tell(&watcher, "stop");
    assert_int_equal(watcher_wait_end(&watcher, &lost, &error), 0);
    watcher_leave(&watcher);
    assert_int_equal(process_finish(&process)->status, 130);
}

/* A viewer that says something and is gone at once, while it is told of steps: none of its words is lost. */
static void last_words_count(void **state)
{
    (void)state;
    enum { TRIALS = 100 };
    struct process process = watcher_start_run("words", "--epochs 100000 --log-every 1");
    struct watcher watcher;
    struct error error = {""};
    char version[WIRE_TEXT], words[64];
    bool lost;
    wire_version(version);
    for (int i = 0; i < TRIALS; i++) {
        const int fd = connect_to("words");
        struct pollfd welcomed = {.fd = fd, .events = POLLIN};
        greet(fd, version);
        assert_int_equal(poll(&welcomed, 1, 300000), 1);
        snprintf(words, sizeof words, "note word %d.", i);
        say(fd, WIRE_LINE, words);
        close(fd);
    }
    watcher_attach(&watcher, "words");
    watcher_tell(&watcher, "stop");
    assert_int_equal(watcher_wait_end(&watcher, &lost, &error), 0);
    watcher_leave(&watcher);
    assert_int_equal(process_finish(&process)->status, 130);
    for (int i = 0; i < TRIALS; i++) {
        snprintf(words, sizeof words, "note word %d.", i);
        if (!file_has(watcher_place("words", "commands.jsonl"), words))
            fail_msg("%s is lost", words);
    }
}

/* ---- Of other people, whom only root can be ---- */

enum { NOBODY = 65534 };

/* A socket that has just been made refuses until somebody listens. */
static int connect_patiently(int fd, const struct sockaddr_un *address)
{
    for (int i = 0; i < WATCHER_MOMENTS; i++) {
        if (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0)
            return 0;
        if (errno != ECONNREFUSED)
            return -1;
        watcher_moment();
    }
    return -1;
}

/* In a process of its own: 0 when it was told why it may not watch. */
static int ask_as_nobody(void)
{
    const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = SESSION_SOCKET};
    unsigned char bytes[1024];
    enum wire_kind kind;
    struct wire fields;
    size_t length;
    char text[WIRE_TEXT];
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || chdir(process_path(watcher_place("mine", ""))) || seteuid(NOBODY) || connect_patiently(fd, &address))
        return 1;
    wire_version(text);
    greet(fd, text);
    const size_t count = hear_out(fd, bytes, sizeof bytes);
    if (wire_take(bytes, count, sizeof bytes, &kind, &fields, &length) != WIRE_WHOLE || kind != WIRE_REFUSED)
        return 2;
    wire_text(&fields, text, sizeof text);
    return strcmp(text, "the run is another user's") == 0 ? 0 : 3;
}

static void other_people_may_not_watch(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    struct process process = watcher_start_run("mine", "--epochs 100000");
    struct watcher watcher;
    int status;
    assert_int_equal(chmod(process_path(watcher_place("mine", "socket")), 0666), 0); /* they can, and may not */
    const pid_t child = fork();
    if (child == 0)
        _exit(ask_as_nobody());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    watcher_attach(&watcher, "mine");
    watcher_tell(&watcher, "stop");
    watcher_leave(&watcher); /* what was said before counts */
    assert_int_equal(process_finish(&process)->status, 130);
}

/* What listens there in another one's name. */
static void other_peoples_runs_are_not_shown(void **state)
{
    (void)state;
    struct settings settings;
    struct attachment *attachment;
    struct error error = {""};
    if (geteuid() != 0)
        skip();
    run_expecting(0, "train " TINY "--session theirs --steps 1");
    const int lock = open(process_path(watcher_place("theirs", "lock")), O_RDWR | O_CLOEXEC);
    const int listener = channel_listen(process_path(watcher_place("theirs", "")), &error);
    assert_int_equal(flock(lock, LOCK_EX), 0);
    assert_true(listener >= 0);
    assert_int_equal(seteuid(NOBODY), 0);
    assert_int_equal(listen(listener, 1), 0); /* from now on it is nobody's */
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(settings_default(&settings, &error), 0);
    assert_int_equal(attach_open(&settings, "theirs", &attachment, &error), -1);
    assert_non_null(strstr(error.message, "another user's process is at its other end"));
    close(listener);
    close(lock);
}

/* ---- To a viewer ---- */

enum { LIAR_REFUSES = -1 };

struct liar {
    int listener;
    int way;
    pthread_t thread;
};

static void put_frame(int fd, struct wire *wire, size_t frame)
{
    wire_end(wire, frame);
    put(fd, wire->bytes + frame, wire->at - frame);
}

static void welcome(int fd)
{
    static struct wire_facts facts = {"CPU", "images", "", 10, 10, 10, 0};
    static struct snapshot now;
    struct wire wire = {0};
    const size_t frame = wire_begin(&wire, WIRE_WELCOME);
    wire_facts(&wire, &facts);
    wire_snapshot(&wire, &now);
    put_frame(fd, &wire, frame);
    free(wire.bytes);
}

/* Frames of every kind with random fields. */
static void put_nonsense(int fd)
{
    unsigned char bytes[300];
    const uint32_t header[2] = {next_random() % (sizeof bytes - WIRE_HEADER), next_random() % (WIRE_KINDS + 1)};
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = next_random() % 2 ? (unsigned char)next_random() : 0;
    memcpy(bytes, header, sizeof header);
    put(fd, bytes, WIRE_HEADER + header[0]);
}

static void *lie(void *argument)
{
    const struct liar *liar = argument;
    unsigned char bytes[1024];
    int fd;
    while ((fd = accept(liar->listener, NULL, NULL)) < 0)
        watcher_moment();
    if (liar->way == LIAR_REFUSES) { /* before it has heard anything */
        say(fd, WIRE_REFUSED, "it is full");
        close(fd);
        return NULL;
    }
    (void)!recv(fd, bytes, sizeof bytes, 0); /* its hello */
    if (liar->way == 0) {                    /* a welcome that is none */
        put(fd, (uint32_t[]){4, WIRE_WELCOME}, WIRE_HEADER);
        put(fd, "nono", 4);
    } else if (liar->way == 1) {
        put_nonsense(fd);
    } else if (liar->way >= 3) { /* in the second way it hangs up */
        welcome(fd);
        for (int i = 0; i < 5; i++)
            put_nonsense(fd);
    }
    close(fd);
    return NULL;
}

/* A session whose lock and socket this process has, which trains nothing. */
static void a_viewer_outlives_whatever_it_reads(void **state)
{
    (void)state;
    struct settings settings;
    struct error error = {""};
    run_expecting(0, "train " TINY "--session lies --steps 1");
    const int lock = open(process_path(watcher_place("lies", "lock")), O_RDWR | O_CLOEXEC);
    assert_int_equal(flock(lock, LOCK_EX), 0);
    assert_int_equal(settings_default(&settings, &error), 0);
    for (int way = 0; way < 60; way++) {
        struct liar liar = {.way = way, .listener = channel_listen(process_path(watcher_place("lies", "")), &error)};
        struct watcher watcher = {0};
        assert_true(liar.listener >= 0);
        assert_int_equal(pthread_create(&liar.thread, NULL, lie, &liar), 0);
        const int result = attach_open(&settings, "lies", &watcher.attachment, &error);
        if (way < 3) {
            assert_int_equal(result, -1);
            assert_memory_equal(error.message, "session lies: ", 14);
        } else {
            bool lost;
            assert_int_equal(result, 0);
            watcher.port = attach_port(watcher.attachment);
            if (way == 3) /* the lock is another process's: the run goes on */
                assert_int_equal(watcher_wait_end(&watcher, &lost, &error), -1);
            for (int i = 0; i < 4; i++)
                watcher_take(&watcher);
            watcher_leave(&watcher);
        }
        if (way == 3)
            assert_non_null(strstr(error.message, "the connection to the run has ended, but it goes on"));
        pthread_join(liar.thread, NULL);
        close(liar.listener);
    }
    close(lock);
}

/* It closes before the viewer could say a word. */
static void who_is_refused_at_once_hears_why(void **state)
{
    (void)state;
    struct settings settings;
    struct error error = {""};
    struct attachment *attachment;
    run_expecting(0, "train " TINY "--session full --steps 1");
    const int lock = open(process_path(watcher_place("full", "lock")), O_RDWR | O_CLOEXEC);
    assert_int_equal(flock(lock, LOCK_EX), 0);
    assert_int_equal(settings_default(&settings, &error), 0);
    for (int i = 0; i < 20; i++) {
        struct liar liar = {.way = LIAR_REFUSES,
                            .listener = channel_listen(process_path(watcher_place("full", "")), &error)};
        assert_true(liar.listener >= 0);
        assert_int_equal(pthread_create(&liar.thread, NULL, lie, &liar), 0);
        assert_int_equal(attach_open(&settings, "full", &attachment, &error), -1);
        assert_string_equal(error.message, "session full: it is full");
        pthread_join(liar.thread, NULL);
        close(liar.listener);
    }
    close(lock);
}

/* ---- Where there can be no socket ---- */

static void a_run_without_a_socket_says_so_once_and_trains(void **state)
{
    (void)state;
    run_expecting(0, "train " TINY "--session bare --steps 1");
    assert_int_equal(mkdir(process_path(watcher_place("bare", "socket")), 0777), 0); /* what is there is no file */
    const struct outcome *outcome = run_expecting(0, "resume bare --steps 4");
    const char *note = strstr(outcome->err, "note: nfbench attach cannot show this run: ");
    assert_non_null(note);
    assert_null(strstr(note + 10, "nfbench attach cannot"));
    assert_null(strstr(outcome->err, "shows it on a screen"));
    assert_non_null(strstr(outcome->out, "finished at step 4"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        process_test(a_run_goes_on_whatever_is_written_to_its_socket),
        process_test(last_words_count),
        process_test(other_people_may_not_watch),
        process_test(other_peoples_runs_are_not_shown),
        process_test(a_viewer_outlives_whatever_it_reads),
        process_test(who_is_refused_at_once_hears_why),
        process_test(a_run_without_a_socket_says_so_once_and_trains),
    };
    return cmocka_run_group_tests(tests, process_setup, process_teardown);
}
