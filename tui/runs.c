/* See runs.h. The thread works on copies; the lock is held only while these change hands. */
#include "tui/runs_read.h"

#include "base/clock.h"
#include "base/thread.h"
#include "base/wake.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* Between two looks at the disk, and so many times what a look has taken. */
static const double LOOK_SECONDS = 1, LOOK_SHARE = 40;

enum { NICE = 10 }; /* a tenth of a processor beside threads that train */

struct wanted {
    bool shown;
    char overlays[CURVES_OVERLAYS][SESSION_NAME_SIZE];
    long laid[CURVES_OVERLAYS];
    char details[SESSION_NAME_SIZE];
    double smoothing;
    long course;
};

/* What the thread has read and nobody has taken. */
struct finished {
    bool list, details;
    char parent[SESSION_NAME_SIZE];
    struct session_summary *rows;
    struct tune_group *tunes;
    int count, tune_count;
    char error[RUN_WORDS], said[RUN_WORDS];
    struct overlay_news {
        char name[SESSION_NAME_SIZE]; /* empty: nothing new */
        long laid;                    /* as the session was, of which it is */
        struct run_news news;
        bool failed; /* it could not be read */
    } overlays[CURVES_OVERLAYS];
    struct run_details of;
    struct run_course course; /* read 0: nothing new */
};

/* A session that was read, as it was then. */
struct have {
    char name[SESSION_NAME_SIZE];
    struct session_stamp stamp;
};

struct runs {
    struct settings settings;
    char own[SESSION_NAME_SIZE];
    int wake;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* `wanted` or `stopping` */
    bool stopping;          /* under the lock, as the next two */
    struct wanted wanted;
    struct finished finished;
    /* the thread's own */
    struct session_summary *rows, *told; /* as read last; as it was told */
    int count, told_count;
    bool told_once;
    char told_error[RUN_WORDS];
    struct have have[CURVES_OVERLAYS], have_details;
    long have_laid[CURVES_OVERLAYS];
    struct run_follow follow[CURVES_OVERLAYS];
    struct run_details details;
    long have_course;
};

void run_list_clear(struct run_list *list)
{
    free(list->rows);
    free(list->tunes);
    free(list->lines);
    for (int i = 0; i < CURVES_OVERLAYS; i++)
        curves_destroy(list->overlays[i].curves);
    metrics_free(&list->course.records);
    memset(list, 0, sizeof(*list));
}

int run_list_overlay(const struct run_list *list, const char *name)
{
    for (int i = 0; i < CURVES_OVERLAYS && *name; i++)
        if (strcmp(list->overlays[i].name, name) == 0)
            return i;
    return -1;
}

void run_list_lay(struct run_list *list, int place, const char *name)
{
    struct run_overlay *overlay = &list->overlays[place];

    snprintf(overlay->name, sizeof(overlay->name), "%s", name);
    overlay->laid = ++list->laid;
}

/* ---- Reading: on the thread, without the lock ---- */

static bool was_told(const struct runs *runs, const char *error)
{
    return runs->told_once && strcmp(error, runs->told_error) == 0 && runs->count == runs->told_count &&
           (runs->count == 0 || memcmp(runs->rows, runs->told, (size_t)runs->count * sizeof(*runs->rows)) == 0);
}

static struct session_summary *copy_rows(const struct session_summary *rows, int count)
{
    struct session_summary *copy = count > 0 ? reallocarray(NULL, (size_t)count, sizeof(*copy)) : NULL;

    if (copy)
        memcpy(copy, rows, (size_t)count * sizeof(*copy));
    return copy;
}

/* The screen is woken only when something has changed. */
static void read_list(struct runs *runs)
{
    struct error error = {""};
    struct tune_group *tunes = NULL;
    int tune_count = 0;

    if (sessions_update(&runs->settings, &runs->rows, &runs->count, &error) == 0)
        tunes_group(&runs->settings, runs->rows, runs->count, &tunes, &tune_count, &error);
    if (was_told(runs, error.message)) {
        free(tunes);
        return;
    }
    free(runs->told);
    runs->told = copy_rows(runs->rows, runs->count);
    runs->told_count = runs->told ? runs->count : 0;
    runs->told_once = true;
    snprintf(runs->told_error, sizeof(runs->told_error), "%s", error.message);
    pthread_mutex_lock(&runs->lock);
    free(runs->finished.rows);
    free(runs->finished.tunes);
    runs->finished.list = true;
    runs->finished.tunes = tunes;
    runs->finished.tune_count = tune_count;
    runs->finished.rows = copy_rows(runs->told, runs->told_count);
    runs->finished.count = runs->finished.rows ? runs->told_count : 0;
    memcpy(runs->finished.error, runs->told_error, sizeof(runs->told_error));
    pthread_mutex_unlock(&runs->lock);
    wake_send(runs->wake);
}

static const struct session_summary *row_of(const struct runs *runs, const char *name)
{
    for (int i = 0; i < runs->count; i++)
        if (strcmp(runs->rows[i].name, name) == 0)
            return &runs->rows[i];
    return NULL;
}

/* False when it was not read yet, or was written to since. */
static bool is_current(const struct have *have, const char *name, const struct session_summary *row)
{
    return strcmp(have->name, name) == 0 && (!row || memcmp(&row->stamp, &have->stamp, sizeof(row->stamp)) == 0);
}

static void now_have(struct have *have, const char *name, const struct session_summary *row)
{
    memset(have, 0, sizeof(*have));
    snprintf(have->name, sizeof(have->name), "%s", name);
    if (row)
        have->stamp = row->stamp;
}

/* Whether what was read last has not been taken yet: more is read when it has. */
static bool waits_to_be_taken(struct runs *runs, int place, long laid)
{
    bool waits;

    pthread_mutex_lock(&runs->lock);
    waits = *runs->finished.overlays[place].name && runs->finished.overlays[place].laid == laid;
    pthread_mutex_unlock(&runs->lock);
    return waits;
}

/* The curves of a place, when they were not read yet or there is more of them now. */
static void read_overlay(struct runs *runs, const struct wanted *wanted, int place)
{
    const char *name = wanted->overlays[place];
    const long laid = wanted->laid[place];
    const struct session_summary *row = row_of(runs, name);
    struct overlay_news *finished = &runs->finished.overlays[place];
    struct run_news news;
    struct error error = {""};
    int failed;

    if (runs->have_laid[place] != laid)
        memset(&runs->follow[place], 0, sizeof(runs->follow[place]));
    else if (is_current(&runs->have[place], name, row) || waits_to_be_taken(runs, place, laid))
        return;
    failed = runs_follow(&runs->settings, name, wanted->smoothing, &runs->follow[place], &news, &error);
    now_have(&runs->have[place], name, row);
    runs->have_laid[place] = laid;
    pthread_mutex_lock(&runs->lock);
    runs_drop_news(&finished->news);
    snprintf(finished->name, sizeof(finished->name), "%s", name);
    finished->laid = laid;
    finished->news = news;
    finished->failed = failed != 0;
    if (failed)
        snprintf(runs->finished.said, sizeof(runs->finished.said), "%s", error.message);
    pthread_mutex_unlock(&runs->lock);
    wake_send(runs->wake);
}

static void read_details(struct runs *runs, const char *name)
{
    const struct session_summary *row = row_of(runs, name);

    if (is_current(&runs->have_details, name, row))
        return;
    now_have(&runs->have_details, name, row);
    runs_read_details(&runs->settings, name, &runs->details);
    pthread_mutex_lock(&runs->lock);
    runs->finished.details = true;
    runs->finished.of = runs->details;
    pthread_mutex_unlock(&runs->lock);
    wake_send(runs->wake);
}

/* Before all else: the charts wait for it. */
static void read_course(struct runs *runs, long number)
{
    struct run_course course = {.read = number};
    struct error error = {""};

    if (number == runs->have_course)
        return;
    runs->have_course = number;
    if (runs_read_records(&runs->settings, runs->own, &course.records, &error)) {
        course.failed = true;
        snprintf(course.message, sizeof(course.message), "%s", error.message);
    }
    pthread_mutex_lock(&runs->lock);
    metrics_free(&runs->finished.course.records);
    runs->finished.course = course;
    pthread_mutex_unlock(&runs->lock);
    wake_send(runs->wake);
}

static void read_parent(struct runs *runs)
{
    char parent[SESSION_NAME_SIZE];

    runs_find_parent(&runs->settings, runs->own, parent);
    if (!*parent)
        return;
    pthread_mutex_lock(&runs->lock);
    memcpy(runs->finished.parent, parent, sizeof(parent));
    pthread_mutex_unlock(&runs->lock);
    wake_send(runs->wake);
}

/* ---- The thread ---- */

static bool wants_something(const struct wanted *wanted)
{
    for (int i = 0; i < CURVES_OVERLAYS; i++)
        if (*wanted->overlays[i])
            return true;
    return wanted->shown || *wanted->details;
}

static void look(struct runs *runs, const struct wanted *wanted)
{
    read_course(runs, wanted->course);
    if (!wants_something(wanted))
        return;
    read_list(runs);
    for (int i = 0; i < CURVES_OVERLAYS; i++)
        if (*wanted->overlays[i])
            read_overlay(runs, wanted, i);
    if (*wanted->details)
        read_details(runs, wanted->details);
    else
        runs->have_details.name[0] = 0;
}

static void wait_until(struct runs *runs, double seconds)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)seconds;
    until.tv_nsec += (long)(1e9 * (seconds - floor(seconds)));
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_cond_timedwait(&runs->changed, &runs->lock, &until);
}

/* Looks when something else is wanted, and again after a while as long as anything is. */
static void *runs_main(void *argument)
{
    struct runs *runs = argument;
    double pause = 0;

    setpriority(PRIO_PROCESS, (id_t)gettid(), NICE); /* on Linux: of this thread alone */
    read_parent(runs);
    pthread_mutex_lock(&runs->lock);
    while (!runs->stopping) {
        const struct wanted now = runs->wanted;
        double began;

        pthread_mutex_unlock(&runs->lock);
        began = clock_seconds();
        look(runs, &now);
        pause = fmax(LOOK_SECONDS, LOOK_SHARE * (clock_seconds() - began));
        pthread_mutex_lock(&runs->lock);
        if (runs->stopping || memcmp(&now, &runs->wanted, sizeof(now)) != 0)
            continue;
        if (wants_something(&now))
            wait_until(runs, pause);
        else
            pthread_cond_wait(&runs->changed, &runs->lock);
    }
    pthread_mutex_unlock(&runs->lock);
    return NULL;
}

static void release(struct runs *runs)
{
    free(runs->rows);
    free(runs->told);
    free(runs->finished.rows);
    free(runs->finished.tunes);
    for (int i = 0; i < CURVES_OVERLAYS; i++)
        runs_drop_news(&runs->finished.overlays[i].news);
    metrics_free(&runs->finished.course.records);
    if (runs->wake >= 0)
        close(runs->wake);
    pthread_cond_destroy(&runs->changed);
    pthread_mutex_destroy(&runs->lock);
    free(runs);
}

/* It waits by a clock that nobody sets. */
static void init_changed(struct runs *runs)
{
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&runs->changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

int runs_open(const struct settings *settings, const char *own, struct runs **out, struct error *error)
{
    struct runs *runs = calloc(1, sizeof(*runs));

    if (!runs)
        return error_set(error, "out of memory");
    runs->settings = *settings;
    snprintf(runs->own, sizeof(runs->own), "%s", own);
    pthread_mutex_init(&runs->lock, NULL);
    init_changed(runs);
    runs->wake = wake_open(error);
    if (runs->wake < 0) {
        release(runs);
        return -1;
    }
    if (thread_start(&runs->thread, runs_main, runs, error)) {
        release(runs);
        return -1;
    }
    *out = runs;
    return 0;
}

void runs_close(struct runs *runs)
{
    if (!runs)
        return;
    pthread_mutex_lock(&runs->lock);
    runs->stopping = true;
    pthread_cond_signal(&runs->changed);
    pthread_mutex_unlock(&runs->lock);
    pthread_join(runs->thread, NULL);
    release(runs);
}

int runs_fd(const struct runs *runs)
{
    return runs->wake;
}

void runs_want(struct runs *runs, bool shown, const struct run_list *list, const char *details, double smoothing)
{
    struct wanted wanted;

    memset(&wanted, 0, sizeof(wanted)); /* it is compared as bytes */
    wanted.shown = shown;
    wanted.smoothing = smoothing;
    wanted.course = list->course.wanted;
    snprintf(wanted.details, sizeof(wanted.details), "%s", details);
    for (int i = 0; i < CURVES_OVERLAYS; i++) {
        snprintf(wanted.overlays[i], SESSION_NAME_SIZE, "%s", list->overlays[i].name);
        wanted.laid[i] = list->overlays[i].laid;
    }
    pthread_mutex_lock(&runs->lock);
    if (memcmp(&wanted, &runs->wanted, sizeof(wanted)) != 0) {
        runs->wanted = wanted;
        pthread_cond_signal(&runs->changed);
    }
    pthread_mutex_unlock(&runs->lock);
}

/* For a place that is still that session's, as it was laid there. */
static void take_overlay(struct overlay_news *from, struct run_overlay *to, char said[RUN_WORDS])
{
    struct error error;

    if (*from->name && strcmp(from->name, to->name) == 0 && from->laid == to->laid) {
        if (!from->failed && runs_take_news(&from->news, &to->curves, &error)) {
            from->failed = true;
            snprintf(said, RUN_WORDS, "%s", error.message);
        }
        if (from->failed) {
            curves_destroy(to->curves);
            to->curves = NULL;
            to->name[0] = 0;
        }
    }
    runs_drop_news(&from->news);
    memset(from, 0, sizeof(*from));
}

static void take_course(struct run_course *from, struct run_course *to)
{
    const long wanted = to->wanted;

    if (from->read == 0)
        return;
    metrics_free(&to->records);
    *to = *from;
    to->wanted = wanted;
    memset(from, 0, sizeof(*from));
}

void runs_take(struct runs *runs, struct run_list *list, char said[RUN_WORDS])
{
    struct finished *finished = &runs->finished;

    wake_take(runs->wake);
    pthread_mutex_lock(&runs->lock);
    if (finished->list) {
        free(list->rows);
        free(list->tunes);
        list->rows = finished->rows;
        list->count = finished->count;
        list->tunes = finished->tunes;
        list->tune_count = finished->tune_count;
        list->line_count = 0;
        list->known = true;
        memcpy(list->error, finished->error, sizeof(list->error));
        finished->rows = NULL;
        finished->tunes = NULL;
        finished->list = false;
    }
    if (*finished->parent)
        memcpy(list->parent, finished->parent, sizeof(list->parent));
    finished->parent[0] = 0;
    take_course(&finished->course, &list->course);
    if (finished->details)
        list->details = finished->of;
    finished->details = false;
    memcpy(said, finished->said, RUN_WORDS);
    finished->said[0] = 0;
    for (int i = 0; i < CURVES_OVERLAYS; i++)
        take_overlay(&finished->overlays[i], &list->overlays[i], said);
    pthread_mutex_unlock(&runs->lock);
}
