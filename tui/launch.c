/* See launch.h. Lines are few, so they wait under a mutex; the screen is woken by an eventfd. */
#include "tui/launch.h"

#include "base/thread.h"
#include "base/wake.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINES = 32, LINE_SIZE = 256 };

struct launch {
    struct run_request request;
    pthread_t thread;
    int wake;
    atomic_bool cancelled, ended;
    pthread_mutex_t lock;
    char lines[LINES][LINE_SIZE]; /* under the lock, as the two counts */
    unsigned said, taken;
    /* the thread's until `ended` */
    struct run *run;
    struct metrics history;
    int result;
    struct error error;
};

static int say(void *context, const char *text)
{
    struct launch *launch = context;

    pthread_mutex_lock(&launch->lock);
    if (launch->said - launch->taken < LINES)
        snprintf(launch->lines[launch->said++ % LINES], LINE_SIZE, "%s", text);
    pthread_mutex_unlock(&launch->lock);
    wake_send(launch->wake);
    return launch->cancelled;
}

static bool is_cancelled(void *context)
{
    const struct launch *launch = context;

    return launch->cancelled;
}

/* Without what the trainer tells once more when it is started. */
static int read_history(struct launch *launch)
{
    const struct run_parts *parts = run_parts(launch->run);

    if (parts->resumed_step == 0 && run_process(launch->run) < 0)
        return 0;
    say(launch, "reading the session's records");
    if (session_metrics(parts->session, &launch->history, &launch->error))
        return -1;
    if (!parts->done && parts->changes <= launch->history.command_count)
        launch->history.command_count -= parts->changes;
    return 0;
}

static void *launch_main(void *argument)
{
    struct launch *launch = argument;

    launch->result = run_create(&launch->request, &launch->run, &launch->error);
    if (launch->result == 0)
        launch->result = read_history(launch);
    if (launch->result == 0 && run_parts(launch->run)->done) /* no thread of its own will */
        trainer_look_now(run_parts(launch->run)->trainer);
    launch->ended = true;
    wake_send(launch->wake);
    return NULL;
}

int launch_start(const struct run_request *request, struct launch **out, struct error *error)
{
    struct launch *launch = calloc(1, sizeof(*launch));

    if (!launch)
        return error_set(error, "out of memory");
    launch->request = *request;
    launch->request.progress = say;
    launch->request.given_up = is_cancelled;
    launch->request.context = launch;
    pthread_mutex_init(&launch->lock, NULL);
    launch->wake = wake_open(error);
    if (launch->wake < 0) {
        free(launch);
        return -1;
    }
    if (thread_start(&launch->thread, launch_main, launch, error)) {
        close(launch->wake);
        free(launch);
        return -1;
    }
    *out = launch;
    return 0;
}

void launch_cancel(struct launch *launch)
{
    launch->cancelled = true;
}

int launch_fd(const struct launch *launch)
{
    return launch->wake;
}

bool launch_next_line(struct launch *launch, char *text, size_t size)
{
    bool found;

    pthread_mutex_lock(&launch->lock);
    found = launch->taken != launch->said;
    if (found)
        snprintf(text, size, "%s", launch->lines[launch->taken++ % LINES]);
    pthread_mutex_unlock(&launch->lock);
    return found;
}

bool launch_ended(struct launch *launch)
{
    wake_take(launch->wake);
    return launch->ended;
}

int launch_take(struct launch *launch, struct run **run, struct metrics *history, struct error *error)
{
    if (launch->result) {
        *error = launch->error;
        return -1;
    }
    *run = launch->run;
    *history = launch->history;
    launch->run = NULL;
    memset(&launch->history, 0, sizeof(launch->history));
    return 0;
}

void launch_destroy(struct launch *launch)
{
    if (!launch)
        return;
    pthread_join(launch->thread, NULL);
    run_destroy(launch->run);
    metrics_free(&launch->history);
    close(launch->wake);
    pthread_mutex_destroy(&launch->lock);
    free(launch);
}
