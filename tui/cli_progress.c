/* The progress of a run on standard error; see cli_progress.h. Lines go out by one write each, so that they never mix
 * with another thread's, and nothing is kept in a buffer that a crash would lose. */
#include "tui/cli_progress.h"

#include "base/clock.h"
#include "base/digits.h"
#include "base/line.h"
#include "tui/cli.h"
#include "tui/words.h"

#include <errno.h>
#include <langinfo.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { BAR_LEAST = 8, BAR_MOST = 32, WIDTH_UNKNOWN = 80, WIDTH_MOST = 400, FIELDS = 6, FIELD_SIZE = 40 };

static const double redraw_seconds = 0.1;
static const double plain_seconds = 30; /* between two lines of a log, epochs apart */
static const double smoothing = 0.98;   /* of one step */

void progress_open(struct progress *progress, int fd)
{
    const char *term = getenv("TERM");
    *progress = (struct progress){.fd = fd};
    progress->terminal = isatty(fd) && term && *term && strcmp(term, "dumb") != 0;
    progress->utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    progress->next = clock_seconds() + (progress->terminal ? 0 : plain_seconds);
}

static void put(struct progress *progress, const char *text)
{
    size_t left = strlen(text);
    while (left > 0 && !progress->silent) {
        ssize_t written = write(progress->fd, text, left);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0) {
            progress->silent = true;
            break;
        }
        text += written;
        left -= (size_t)written;
    }
}

/* ---- The bar ---- */

static int terminal_width(int fd)
{
    struct winsize size;
    if (ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return WIDTH_UNKNOWN;
    return size.ws_col < WIDTH_MOST ? size.ws_col : WIDTH_MOST;
}

/* Eighths of a cell in UTF-8, whole cells elsewhere. */
static void format_bar(char *text, size_t size, double fraction, int cells, bool utf8)
{
    static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"};
    int filled = (int)(fraction * cells * 8);
    size_t used = 0;
    for (int i = 0; i < cells; i++) {
        int part = filled - 8 * i;
        part = part < 0 ? 0 : part > 8 ? 8 : part;
        const char *cell = utf8 && part > 0 ? eighths[part] : part == 8 ? "#" : utf8 ? "·" : ".";
        used += (size_t)snprintf(text + used, size - used, "%s", cell);
    }
}

struct field {
    int worth; /* the least goes first */
    char text[FIELD_SIZE];
};

/* Drops the fields of the least worth until the rest fits into `width`; returns what that takes. */
static int fit_fields(struct field fields[FIELDS], int width)
{
    for (;;) {
        int used = 0, least = -1;
        for (int i = 0; i < FIELDS; i++) {
            if (!fields[i].text[0])
                continue;
            used += (int)strlen(fields[i].text) + (used ? 2 : 0);
            if (least < 0 || fields[i].worth < fields[least].worth)
                least = i;
        }
        if (used <= width || least < 0)
            return used;
        fields[least].text[0] = '\0';
    }
}

/* In the order they are shown; the bar comes behind the first. Numbers have a fixed width, so that nothing jumps. */
static void make_fields(const struct progress *progress, const struct snapshot *snapshot, double fraction,
                        struct field fields[FIELDS])
{
    char eta[CLI_VALUE_SIZE] = "?";
    if (snapshot->eta_seconds >= 0)
        words_duration(snapshot->eta_seconds, eta, sizeof eta);
    int epoch = snapshot->step.step ? snapshot->step.epoch + 1 : snapshot->epoch.epoch + 1;
    if (epoch > snapshot->epochs_total)
        epoch = snapshot->epochs_total;
    const int worth[FIELDS] = {4, 5, 1, 3, 6, 2};
    for (int i = 0; i < FIELDS; i++)
        fields[i] = (struct field){.worth = worth[i]};
    snprintf(fields[0].text, FIELD_SIZE, "epoch %d/%d", epoch, snapshot->epochs_total);
    snprintf(fields[1].text, FIELD_SIZE, "%3.0f %%", floor(100 * fraction));
    if (snapshot->state == TRAINER_EVALUATING)
        snprintf(fields[2].text, FIELD_SIZE, "evaluating %5d/%d", snapshot->evaluated, snapshot->evaluate_total);
    else if (snapshot->state == TRAINER_TRYING)
        snprintf(fields[2].text, FIELD_SIZE, "trying %d/%d, step %ld/%ld", snapshot->trial.index + 1,
                 snapshot->trial.count, snapshot->trial.step, snapshot->trial.steps);
    else if (snapshot->state == TRAINER_SAVING || snapshot->state == TRAINER_WAITING ||
             snapshot->state == TRAINER_PAUSED)
        snprintf(fields[2].text, FIELD_SIZE, "%14s", trainer_state_name(snapshot->state));
    else
        snprintf(fields[2].text, FIELD_SIZE, "%5.0f images/s", snapshot->step.images_per_second);
    snprintf(fields[3].text, FIELD_SIZE, "ETA %5s", eta);
    if (progress->weight > 0) {
        snprintf(fields[4].text, FIELD_SIZE, "loss %.3f", progress->loss);
        snprintf(fields[5].text, FIELD_SIZE, "accuracy %4.1f %%", 100 * progress->accuracy);
    }
}

void progress_format(const struct progress *progress, const struct snapshot *snapshot, int width,
                     char text[PROGRESS_LINE_SIZE])
{
    double total = (double)snapshot->steps_total;
    double fraction = total > 0 ? (double)snapshot->step.step / total : 0;
    if (snapshot->state == TRAINER_TRYING && snapshot->trial.steps > 0)
        fraction = (double)snapshot->trial.step / (double)snapshot->trial.steps;
    fraction = fraction < 0 ? 0 : fraction > 1 ? 1 : fraction;
    struct field fields[FIELDS];
    make_fields(progress, snapshot, fraction, fields);
    int room = width - fit_fields(fields, width) - 2;
    char bar[4 * BAR_MOST] = "";
    if (room >= BAR_LEAST)
        format_bar(bar, sizeof bar, fraction, room < BAR_MOST ? room : BAR_MOST, progress->utf8);
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i < FIELDS; i++) {
        if (fields[i].text[0])
            used += (size_t)snprintf(text + used, PROGRESS_LINE_SIZE - used, "%s%s", used ? "  " : "", fields[i].text);
        if (i == 0 && *bar)
            used += (size_t)snprintf(text + used, PROGRESS_LINE_SIZE - used, "%s%s", used ? "  " : "", bar);
    }
}

static void draw(struct progress *progress, const char *text)
{
    char line[PROGRESS_LINE_SIZE + 8];
    snprintf(line, sizeof line, "\r%s\033[K", text);
    put(progress, line);
    progress->bar = true;
}

static bool is_time(struct progress *progress)
{
    double time = clock_seconds();
    if (time < progress->next)
        return false;
    progress->next = time + (progress->terminal ? redraw_seconds : plain_seconds);
    return true;
}

/* A log's line between two epochs; none of a run that stands still, which was said. */
static void plain_line(struct progress *progress, const struct snapshot *snapshot)
{
    char eta[CLI_VALUE_SIZE] = "?";
    if (snapshot->eta_seconds >= 0)
        words_duration(snapshot->eta_seconds, eta, sizeof eta);
    if (snapshot->state == TRAINER_EVALUATING)
        progress_line(progress, "step %ld/%ld  evaluating %d/%d", snapshot->step.step, snapshot->steps_total,
                      snapshot->evaluated, snapshot->evaluate_total);
    else if (snapshot->state == TRAINER_TRYING)
        progress_line(progress, "trying %d/%d, step %ld/%ld", snapshot->trial.index + 1, snapshot->trial.count,
                      snapshot->trial.step, snapshot->trial.steps);
    else if (snapshot->step.step > 0)
        progress_line(progress, "step %ld/%ld  loss %.4f  accuracy %.1f %%  %.0f images/s  ETA %s", snapshot->step.step,
                      snapshot->steps_total, progress->loss, 100 * progress->accuracy, snapshot->step.images_per_second,
                      eta);
}

void progress_show(struct progress *progress, const struct snapshot *snapshot)
{
    if (!is_time(progress))
        return;
    if (!progress->terminal) {
        if (!snapshot->standstill)
            plain_line(progress, snapshot);
        return;
    }
    char text[PROGRESS_LINE_SIZE];
    progress_format(progress, snapshot, terminal_width(progress->fd) - 1, text);
    draw(progress, text);
}

void progress_doing(struct progress *progress, const char *text)
{
    if (!progress->terminal)
        return;
    char cut[PROGRESS_LINE_SIZE];
    snprintf(cut, sizeof cut, "%.*s", terminal_width(progress->fd) - 1, text);
    draw(progress, cut);
}

void progress_share(struct progress *progress, const char *what, int done, int total)
{
    if (!is_time(progress))
        return;
    char text[PROGRESS_LINE_SIZE];
    snprintf(text, sizeof text, "%s %d of %d", what, done, total);
    if (progress->terminal)
        progress_doing(progress, text);
    else
        progress_line(progress, "%s", text);
}

static void format_bytes(double done, double total, double speed, char *text, size_t size)
{
    char words[2][CLI_VALUE_SIZE];
    struct line line = line_begin(text, size);
    words_bytes(done, words[0], sizeof words[0]);
    words_bytes(total, words[1], sizeof words[1]);
    if (total > 0)
        line_add(&line, "%3.0f %%  %s of %s", floor(100 * done / total), words[0], words[1]);
    else
        line_add(&line, "%s", words[0]);
    words_bytes(speed, words[0], sizeof words[0]);
    if (speed > 0)
        line_add(&line, "  %s/s", words[0]);
    if (speed > 0 && total > 0) {
        words_duration((total - done) / speed, words[1], sizeof words[1]);
        line_add(&line, "  ETA %s", words[1]);
    }
}

void progress_bytes(struct progress *progress, const char *what, double done, double total, double speed)
{
    char text[PROGRESS_LINE_SIZE], figures[PROGRESS_LINE_SIZE / 4], bar[4 * BAR_MOST] = "";
    if (!is_time(progress))
        return;
    format_bytes(done, total, speed, figures, sizeof figures);
    const int width = terminal_width(progress->fd) - 1;
    const int room = width - (int)(strlen(what) + 4 + strlen(figures));
    if (progress->terminal && total > 0 && room >= BAR_LEAST)
        format_bar(bar, sizeof bar, done / total, room < BAR_MOST ? room : BAR_MOST, progress->utf8);
    snprintf(text, sizeof text, "%s  %s%s%s", what, bar, *bar ? "  " : "", figures);
    if (!progress->terminal)
        progress_line(progress, "%s", text);
    else if (*bar)
        draw(progress, text);
    else
        progress_doing(progress, text);
}

/* ---- Lines that stay ---- */

void progress_close(struct progress *progress)
{
    if (progress->bar)
        put(progress, "\r\033[K");
    progress->bar = false;
}

void progress_line(struct progress *progress, const char *format, ...)
{
    char line[PROGRESS_LINE_SIZE];
    int start = snprintf(line, sizeof line, "%s", progress->bar ? "\r\033[K" : "");
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line + start, sizeof line - (size_t)start - 1, format, arguments);
    va_end(arguments);
    size_t length = strlen(line); /* the last byte was left for the line's end */
    line[length] = '\n';
    line[length + 1] = '\0';
    put(progress, line);
    progress->bar = false;
    if (progress->terminal)
        progress->next = 0; /* the bar comes back at once */
}

static void smooth(struct progress *progress, const struct step_summary *steps)
{
    double kept = pow(smoothing, steps->count) * progress->weight;
    double weight = kept + 1 - pow(smoothing, steps->count);
    if (steps->count == 0)
        return;
    double old = kept / weight;
    progress->loss = old * progress->loss + (1 - old) * steps->loss_sum / steps->count;
    progress->accuracy = old * progress->accuracy + (1 - old) * steps->accuracy_sum / steps->count;
    progress->weight = weight;
}

static void append_measured(char *text, size_t size, const char *name, double accuracy, double loss)
{
    size_t used = strlen(text);
    char words[CLI_VALUE_SIZE];
    digits_loss(loss, words, sizeof words);
    if (accuracy >= 0)
        snprintf(text + used, size - used, "  %s %.2f %% (loss %s)", name, 100 * accuracy, words);
}

static void epoch_line(struct progress *progress, const struct epoch_record *epoch, const struct snapshot *snapshot)
{
    char time[CLI_VALUE_SIZE], where[CLI_VALUE_SIZE] = "", measured[200] = "", speed[CLI_VALUE_SIZE] = "";
    words_duration(epoch->seconds, time, sizeof time);
    if (epoch->epoch_end)
        snprintf(where, sizeof where, "epoch %d/%d  ", epoch->epoch, snapshot->epochs_total);
    append_measured(measured, sizeof measured, "training", epoch->train_accuracy, epoch->train_loss);
    append_measured(measured, sizeof measured, "validation", epoch->validation_accuracy, epoch->validation_loss);
    append_measured(measured, sizeof measured, "test", epoch->test_accuracy, epoch->test_loss);
    if (snapshot->step.images_per_second > 0) /* not when a resumed run only measures */
        snprintf(speed, sizeof speed, "  %.0f images/s", snapshot->step.images_per_second);
    progress_line(progress, "%sstep %ld%s  %s%s%s", where, epoch->step, measured, time, speed,
                  epoch->best ? "  best" : "");
    if (!progress->terminal)
        progress->next = clock_seconds() + plain_seconds;
}

void progress_event(struct progress *progress, const struct event *event, const struct snapshot *snapshot)
{
    switch (event->kind) {
    case EVENT_STEPS:
        smooth(progress, &event->steps);
        break;
    case EVENT_EPOCH:
        epoch_line(progress, &event->epoch, snapshot);
        break;
    case EVENT_COMMAND:
        progress_line(progress, "step %ld  %s: %s", event->command.step, event->command.command.text,
                      event->command.outcome);
        break;
    case EVENT_FINDING:
        if (event->finding.severity != FINDING_ALARM || event->finding.kind != FINDING_DIVERGENCE)
            progress_line(progress, "%s: %s", finding_severity_names[event->finding.severity], event->finding.text);
        break;
    case EVENT_COURSE:
    case EVENT_ROLLBACK: /* the command behind it says so */
        progress->weight = 0;
        break;
    case EVENT_CHECKPOINT:
    case EVENT_TRIAL: /* no step of the run's; the command behind it says what came of it */
        break;
    case EVENT_MESSAGE:
        progress_line(progress, "note: %s", event->message);
        break;
    }
}
