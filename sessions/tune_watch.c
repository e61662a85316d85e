/* See tune_watch.h. The records of a session are read from where the last look ended, so that a look costs little. */
#include "sessions/tune_watch.h"

#include "engine/divergence.h"
#include "engine/health.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Of a run's speeds each so-and-so-many-th: enough for a median, however long it is. */
enum { SPEEDS = 256 };
struct speeds {
    float values[SPEEDS];
    int count;
    long every, passed; /* one in so many is kept; since the last one */
};

struct watched {
    struct session *session; /* NULL: there is none yet */
    struct session_place place;
    char end_state[16];
    bool longer; /* a person has trained it on behind the plan's end: none of that is the tune's */
    struct speeds speeds;
    struct tune_status status;
};

/* A trial in a rung. */
struct ranked {
    int index;
    float accuracy, loss;
};

struct tune_watch {
    const struct tune *tune;
    struct watched *trials;
    struct ranked *rung; /* (trials): those in the rung that is looked at */
    struct tune_rung now;
};

static const char *const state_names[TUNE_STATES] = {
    [TUNE_WAITING] = "waiting",         [TUNE_STARTING] = "starting", [TUNE_TRAINING] = "training",
    [TUNE_INTERRUPTED] = "interrupted", [TUNE_FINISHED] = "finished", [TUNE_DIVERGED] = "diverged",
    [TUNE_DROPPED] = "dropped",         [TUNE_FAILED] = "failed"};

const char *tune_state_name(enum tune_state state)
{
    return state_names[state];
}

bool tune_state_is_end(enum tune_state state)
{
    return state >= TUNE_FINISHED;
}

bool tune_state_is_ill(enum tune_state state)
{
    return state == TUNE_DIVERGED || state == TUNE_FAILED;
}

/* The rung before it is done, and no step of the next. */
static bool is_at_rung_end(const struct tune_watch *watch, int trial)
{
    const struct tune_status *status = tune_watch_status(watch, trial);
    return status->rung > 1 &&
           status->step == watch->tune->rungs[status->rung - 2] * watch->tune->trials[trial].steps_per_epoch;
}

const char *tune_watch_state_words(const struct tune_watch *watch, int trial)
{
    const struct tune_status *status = tune_watch_status(watch, trial);
    if (status->state != TUNE_WAITING)
        return tune_state_name(status->state);
    return !status->begun                 ? "not begun"
           : status->rung_done            ? "rung done"
           : is_at_rung_end(watch, trial) ? "goes on"
                                          : "stopped";
}

/* ---- Speeds ---- */

static void add_speed(struct speeds *speeds, float value)
{
    if (++speeds->passed < speeds->every)
        return;
    speeds->passed = 0;
    if (speeds->count == SPEEDS) {
        for (int i = 0; i < SPEEDS / 2; i++)
            speeds->values[i] = speeds->values[2 * i];
        speeds->count = SPEEDS / 2;
        speeds->every = speeds->every > 0 ? 2 * speeds->every : 2;
    }
    speeds->values[speeds->count++] = value;
}

static int by_value(const void *a, const void *b)
{
    const float left = *(const float *)a, right = *(const float *)b;
    return left < right ? -1 : left > right;
}

static double median_of(const struct speeds *speeds)
{
    float sorted[SPEEDS];
    const int count = speeds->count;
    if (count == 0)
        return 0;
    memcpy(sorted, speeds->values, (size_t)count * sizeof *sorted);
    qsort(sorted, (size_t)count, sizeof *sorted, by_value);
    return ((double)sorted[(count - 1) / 2] + (double)sorted[count / 2]) / 2;
}

/* ---- One trial ---- */

static void forget(const struct tune_trial *trial, struct watched *watched)
{
    struct tune_point *points = watched->status.points;
    watched->status = (struct tune_status){
        .loss = NAN, .accuracy = -1, .best = -1, .test_accuracy = -1, .left = -1, .points = points};
    for (int e = 0; e < trial->epochs; e++)
        points[e] = (struct tune_point){-1, -1};
    watched->end_state[0] = '\0';
    watched->longer = false;
    watched->speeds = (struct speeds){.count = 0};
}

static void take_epoch(const struct tune_trial *trial, const struct epoch_record *epoch, struct tune_status *status)
{
    const float accuracy = trial->held_out ? epoch->validation_accuracy : epoch->test_accuracy;
    const float loss = trial->held_out ? epoch->validation_loss : epoch->test_loss;
    if (epoch->step > trial->steps)
        return;
    if (epoch->test_accuracy >= 0)
        status->test_accuracy = epoch->test_accuracy;
    if (accuracy < 0)
        return;
    status->accuracy = accuracy;
    if (accuracy > status->best && !health_loss_is_absurd(trial->classes, loss)) {
        status->best = accuracy;
        status->best_epoch = epoch->epoch;
    }
    if (!epoch->epoch_end && epoch->step < trial->steps)
        return; /* asked for by a person in the middle of an epoch */
    const int done = epoch->epoch_end ? epoch->epoch : trial->epochs;
    status->epoch = done < trial->epochs ? done : trial->epochs;
    status->points[status->epoch > 0 ? status->epoch - 1 : 0] = (struct tune_point){accuracy, epoch->train_loss};
    status->exploded = health_loss_is_absurd(trial->classes, loss);
}

static void take_records(const struct tune_trial *trial, const struct metrics *metrics, struct watched *watched)
{
    struct tune_status *status = &watched->status;
    watched->longer |= metrics->last_step > trial->steps;
    for (int i = 0; i < metrics->step_count && metrics->steps[i].step <= trial->steps; i++) {
        const struct step_record *step = &metrics->steps[i];
        status->step = step->step;
        status->loss = step->loss;
        status->images_per_second = step->images_per_second;
        status->seconds = step->seconds;
        if (step->images_per_second > 0)
            add_speed(&watched->speeds, (float)step->images_per_second);
    }
    status->median_speed = median_of(&watched->speeds);
    const long last = watched->longer ? trial->steps : metrics->last_step;
    status->step = last > status->step ? last : status->step;
    for (int i = 0; i < metrics->epoch_count; i++)
        take_epoch(trial, &metrics->epochs[i], status);
    if (watched->longer)
        strcpy(watched->end_state, "finished");
    else if (*metrics->end_state) {
        strcpy(watched->end_state, metrics->end_state);
        memcpy(status->why, metrics->end_message, sizeof status->why);
    }
}

static int read_session(const struct tune *tune, const struct tune_trial *trial, struct watched *watched,
                        struct error *error)
{
    struct metrics metrics;
    bool anew;
    if (!watched->session) {
        struct settings *place = calloc(1, sizeof *place);
        if (!place)
            return error_set(error, "out of memory");
        memcpy(place->sessions_dir, tune->sessions_dir, sizeof place->sessions_dir);
        const int opened = session_open(place, trial->session, SESSION_READ, &watched->session, NULL);
        free(place);
        if (opened) /* not there yet, or just being made */
            return 0;
    }
    watched->status.training = session_is_trained(watched->session); /* before its last words are looked for */
    if (session_metrics_on(watched->session, &watched->place, &anew, &metrics, error))
        return -1;
    if (anew) {
        const bool training = watched->status.training;
        forget(trial, watched);
        watched->status.training = training;
    }
    watched->status.begun = true;
    take_records(trial, &metrics, watched);
    watched->status.training &= !watched->longer;
    metrics_free(&metrics);
    return 0;
}

/* As far as the session and the note tell; rungs come later. */
static int read_trial(struct tune_watch *watch, int index, struct error *error)
{
    const struct tune_trial *trial = &watch->tune->trials[index];
    struct watched *watched = &watch->trials[index];
    struct tune_status *status = &watched->status;
    struct tune_note note;
    if (tune_state_is_end(status->state) && status->state != TUNE_DROPPED)
        return 0;
    if (read_session(watch->tune, trial, watched, error) || tune_note_read(watch->tune, index, &note, error))
        return -1;
    status->stopped = strcmp(watched->end_state, "stopped") == 0;
    status->state = status->training                    ? TUNE_TRAINING
                    : status->begun && !status->stopped ? TUNE_INTERRUPTED
                                                        : TUNE_WAITING;
    if (note.given_up) {
        status->state = TUNE_FAILED;
        snprintf(status->why, sizeof status->why, "%s", note.why);
    } else if (strcmp(watched->end_state, "finished") == 0 && status->exploded) {
        status->state = TUNE_DIVERGED;
        snprintf(status->why, sizeof status->why,
                 "exploded: it came to its end, but its loss, %.3g, is over 10 times chance level",
                 (double)status->loss);
    } else if (strcmp(watched->end_state, "finished") == 0)
        status->state = TUNE_FINISHED;
    else if (strcmp(watched->end_state, "diverged") == 0) {
        status->state = TUNE_DIVERGED;
        status->diverged_step = divergence_step(status->why);
        if (status->diverged_step == 0)
            status->diverged_step = status->step;
        status->step = status->diverged_step > 0 ? status->diverged_step - 1 : 0;
    }
    return 0;
}

/* ---- Rungs ---- */

/* What a trial is worth at a rung: the accuracy behind its last epoch. One that has ended before is worth nothing. */
static float worth_at(const struct tune_watch *watch, int index, int epochs)
{
    return tune_status_accuracy(&watch->trials[index].status, &watch->tune->trials[index], epochs);
}

/* The higher accuracy, then the lower loss, then the first. */
static int by_worth(const void *a, const void *b)
{
    const struct ranked *left = a, *right = b;
    if (left->accuracy != right->accuracy)
        return left->accuracy > right->accuracy ? -1 : 1;
    if (left->loss != right->loss)
        return left->loss < right->loss ? -1 : 1;
    return left->index < right->index ? -1 : left->index > right->index;
}

/* Of those in a rung that all have behind them: the best go on, the others are dropped. Returns how many go on. */
static int promote(struct tune_watch *watch, int count, int epochs)
{
    struct ranked *rung = watch->rung;
    const int room = tune_rung_room(watch->tune, count);
    int stay = 0;
    for (int i = 0; i < count; i++) {
        const int index = rung[i].index;
        const float loss = tune_status_loss(&watch->trials[index].status, &watch->tune->trials[index], epochs);
        rung[i].accuracy = worth_at(watch, index, epochs);
        rung[i].loss = loss < 0 ? INFINITY : loss;
    }
    qsort(rung, (size_t)count, sizeof *rung, by_worth);
    for (int i = 0; i < count; i++) {
        struct tune_status *status = &watch->trials[rung[i].index].status;
        if (i < room && rung[i].accuracy >= 0 && !(tune_state_is_end(status->state) && status->state != TUNE_FINISHED))
            rung[stay++] = rung[i];
        else if (!tune_state_is_end(status->state))
            status->state = TUNE_DROPPED;
    }
    return stay;
}

/* Whether a rung's end lies behind it: who trains it has ended, or trains it further. */
static bool has_behind(const struct tune_status *status, const struct tune_trial *trial, int epochs)
{
    return status->epoch >= epochs && (!status->training || status->step > epochs * trial->steps_per_epoch);
}

/* Gives those in the rung that have not come to its end their target; true when there is none. */
static bool is_rung_done(struct tune_watch *watch, int count, int number)
{
    const struct tune *tune = watch->tune;
    const bool last = number + 1 == tune->rung_count;
    bool done = true;
    watch->now = (struct tune_rung){.number = number + 1,
                                    .of = tune->rung_count,
                                    .epochs = tune->rungs[number],
                                    .trials = count,
                                    .go_on = last ? 0 : tune_rung_room(tune, count)};
    for (int i = 0; i < count; i++) {
        const int index = watch->rung[i].index;
        struct tune_status *status = &watch->trials[index].status;
        const int epochs = last ? tune->trials[index].epochs : tune->rungs[number]; /* which may be an axis */
        const bool ended = tune_state_is_end(status->state) || has_behind(status, &tune->trials[index], epochs);
        status->target = ended ? 0 : epochs;
        status->rung = number + 1;
        status->rung_done = ended && !tune_state_is_end(status->state);
        watch->now.done += ended;
        done = done && ended;
    }
    return done;
}

static void assess(struct tune_watch *watch)
{
    const struct tune *tune = watch->tune;
    int count = tune->count;
    for (int i = 0; i < tune->count; i++) {
        watch->rung[i].index = i;
        watch->trials[i].status.target = 0;
    }
    for (int r = 0; r < tune->rung_count && is_rung_done(watch, count, r); r++)
        if (r + 1 < tune->rung_count)
            count = promote(watch, count, tune->rungs[r]);
}

static void set_time_left(const struct tune_trial *trial, struct tune_status *status)
{
    const long goal = status->target > 0 && status->target < trial->epochs
                          ? (long)status->target * trial->steps_per_epoch
                          : trial->steps;
    status->left = -1;
    if (status->step > 0 && status->seconds > 0)
        status->left = (double)(goal > status->step ? goal - status->step : 0) * status->seconds / (double)status->step;
}

/* ---- All of them ---- */

int tune_watch_open(const struct tune *tune, struct tune_watch **out, struct error *error)
{
    struct tune_watch *watch = calloc(1, sizeof *watch);
    if (watch) {
        watch->tune = tune;
        watch->trials = calloc((size_t)tune->count, sizeof *watch->trials);
        watch->rung = calloc((size_t)tune->count, sizeof *watch->rung);
    }
    bool whole = watch && watch->trials && watch->rung;
    for (int i = 0; i < tune->count && whole; i++) {
        struct watched *watched = &watch->trials[i];
        watched->status.points = calloc((size_t)tune->trials[i].epochs, sizeof *watched->status.points);
        whole = watched->status.points;
        if (whole)
            forget(&tune->trials[i], watched);
    }
    if (whole) {
        *out = watch;
        return 0;
    }
    tune_watch_close(watch);
    return error_set(error, "out of memory for %d trials", tune->count);
}

void tune_watch_close(struct tune_watch *watch)
{
    for (int i = 0; watch && watch->trials && i < watch->tune->count; i++) {
        session_close(watch->trials[i].session);
        free(watch->trials[i].status.points);
    }
    if (watch) {
        free(watch->trials);
        free(watch->rung);
    }
    free(watch);
}

int tune_watch_read(struct tune_watch *watch, struct error *error)
{
    for (int i = 0; i < watch->tune->count; i++)
        if (read_trial(watch, i, error))
            return -1;
    assess(watch);
    for (int i = 0; i < watch->tune->count; i++)
        set_time_left(&watch->tune->trials[i], &watch->trials[i].status);
    return 0;
}

void tune_watch_mark(struct tune_watch *watch, int trial)
{
    struct tune_status *status = &watch->trials[trial].status;
    if (!status->training && !tune_state_is_end(status->state))
        status->state = TUNE_STARTING;
}

const struct tune_status *tune_watch_status(const struct tune_watch *watch, int trial)
{
    return &watch->trials[trial].status;
}

const struct tune_rung *tune_watch_rung(const struct tune_watch *watch)
{
    return &watch->now;
}

/* Of the rungs behind the one that is trained now: who will be in them is not known, but trials have as many images. */
static double later_rungs(const struct tune_watch *watch)
{
    const struct tune *tune = watch->tune;
    const double epoch = (double)tune->trials[0].steps_per_epoch * tune->trials[0].batch;
    double images = 0;
    int count = watch->now.trials;
    for (int r = watch->now.number; r < tune->rung_count; r++) {
        count = tune_rung_room(tune, count);
        images += count * epoch * (tune->rungs[r] - tune->rungs[r - 1]);
    }
    return images;
}

double tune_watch_work_left(const struct tune_watch *watch)
{
    double images = later_rungs(watch);
    for (int i = 0; i < watch->tune->count; i++) {
        const struct tune_trial *trial = &watch->tune->trials[i];
        const struct tune_status *status = tune_watch_status(watch, i);
        const long goal = status->target < trial->epochs ? status->target * trial->steps_per_epoch : trial->steps;
        if (goal > status->step)
            images += (double)(goal - status->step) * trial->batch;
    }
    return images;
}

static bool is_better(const struct tune_status *one, const struct tune_status *other)
{
    return one->best > other->best || (one->best == other->best && one->best >= 0 && one->epoch > other->epoch);
}

void tune_watch_rank(const struct tune_watch *watch, int *order)
{
    for (int i = 0; i < watch->tune->count; i++) {
        int at = i;
        for (; at > 0 && is_better(&watch->trials[i].status, &watch->trials[order[at - 1]].status); at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
}

int tune_watch_best(const struct tune_watch *watch)
{
    int best = -1;
    for (int i = 0; i < watch->tune->count; i++)
        if (watch->trials[i].status.best >= 0 &&
            (best < 0 || is_better(&watch->trials[i].status, &watch->trials[best].status)))
            best = i;
    return best;
}

float tune_status_accuracy(const struct tune_status *status, const struct tune_trial *trial, int epoch)
{
    return epoch >= 1 && epoch <= trial->epochs ? status->points[epoch - 1].accuracy : -1;
}

float tune_status_loss(const struct tune_status *status, const struct tune_trial *trial, int epoch)
{
    return epoch >= 1 && epoch <= trial->epochs ? status->points[epoch - 1].loss : -1;
}

float tune_status_newest_loss(const struct tune_status *status, const struct tune_trial *trial)
{
    const float mean = tune_status_loss(status, trial, status->epoch);
    return mean >= 0 ? mean : NAN;
}

void tune_watch_count(const struct tune_watch *watch, int counts[TUNE_STATES])
{
    memset(counts, 0, TUNE_STATES * sizeof *counts);
    for (int i = 0; i < watch->tune->count; i++)
        counts[watch->trials[i].status.state]++;
}

bool tune_watch_is_over(const struct tune_watch *watch)
{
    for (int i = 0; i < watch->tune->count; i++)
        if (!tune_state_is_end(watch->trials[i].status.state))
            return false;
    return true;
}
