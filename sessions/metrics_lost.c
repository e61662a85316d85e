/* Steps that a log has no record of, though it ought to: told by the distances of those that it has. These are the same
 * between two starts and changes of log-every; what is told is only what no lawful run leaves so. See metrics.h. */
#include "sessions/metrics.h"

#include <limits.h>
#include <stdio.h>

struct search {
    const struct metrics *metrics;
    int log_every;
    long least; /* distance of all */
    struct metrics_lost *out;
};

static long step_of(const struct search *search, int i)
{
    return i < 0 ? 0 : search->metrics->steps[i].step;
}

static void widen(long step, long from, long to, long *first, long *last)
{
    if (step < from || step >= to)
        return;
    *first = step < *first ? step : *first;
    *last = step > *last ? step : *last;
}

/* The first and the last step at which the distance may have become another, between two; false: none. */
static bool find_changes(const struct search *search, long from, long to, long *first, long *last)
{
    const struct metrics *metrics = search->metrics;
    *first = LONG_MAX;
    *last = -1;
    for (int i = 0; i < metrics->start_count; i++)
        widen(metrics->starts[i].step, from, to, first, last);
    for (int i = 0; i < metrics->command_count; i++)
        if (metrics->commands[i].command.kind == COMMAND_LOG_EVERY)
            widen(metrics->commands[i].step, from, to, first, last);
    return *last >= 0;
}

/* The least distance of some of those next to the record `i`, up to the next change, to one side; LONG_MAX: it is not
 * known. */
static long distance(const struct search *search, int i, int side)
{
    enum { NEXT = 16 };
    long least = LONG_MAX, first, last;
    for (int at = i, seen = 0; seen++ < NEXT && at >= 0 && at < search->metrics->step_count; at += side) {
        const int left = side > 0 ? at : at - 1, right = left + 1;
        if (left < 0 || right >= search->metrics->step_count ||
            find_changes(search, step_of(search, left), step_of(search, right), &first, &last))
            break;
        const long apart = step_of(search, right) - step_of(search, left);
        least = apart < least ? apart : least;
    }
    return least;
}

/* A batch that was passed over leaves no record. */
static bool was_passed_over(const struct search *search, long from, long to)
{
    for (int i = 0; i < search->metrics->finding_count; i++) {
        const struct finding *finding = &search->metrics->findings[i];
        if (finding->kind == FINDING_DIVERGENCE && finding->step >= from && finding->since <= to)
            return true;
    }
    return false;
}

static void add(const struct search *search, long first, long last)
{
    struct metrics_lost *out = search->out;
    if (was_passed_over(search, first - 1, last + 1))
        return;
    if (out->stretches++ == 0) {
        out->first = first;
        out->last = last;
    }
}

/* Between the records i - 1 and i; i may be one behind the last: up to `until` then. */
static void look_between(const struct search *search, int i, long until)
{
    const bool ends = i == search->metrics->step_count;
    const long from = step_of(search, i - 1), to = ends ? until : step_of(search, i);
    long first, last;
    if (ends ? to <= from : to - from <= search->least)
        return;
    if (!find_changes(search, from, to + ends, &first, &last)) {
        const long left = distance(search, i - 1, -1), right = ends ? LONG_MAX : distance(search, i, 1);
        const long least = left < right ? left : right == LONG_MAX ? search->log_every : right;
        if (to - from > least || (ends && to - from == least))
            add(search, from + 1, ends ? to : to - 1);
        return;
    }
    const struct metrics *metrics = search->metrics;
    const bool began_later = i == 0 && metrics->start_count > 0 && metrics->starts[0].step == first;
    const long known = i > 0 ? distance(search, i - 1, -1) : began_later ? 1 : search->log_every;
    const long next = ends || distance(search, i, 1) == LONG_MAX ? search->log_every : distance(search, i, 1);
    if (known != LONG_MAX && first - from >= known)
        add(search, from + 1, first);
    else if (to - last > next || (ends && to - last == next && next != LONG_MAX))
        add(search, last + 1, ends ? to : to - 1);
}

/* The newest distance, where it is what it is now; INT_MAX: a command or a way back may have changed it. */
static int newest_distance(const struct metrics *metrics, int now)
{
    for (int i = 0; i < metrics->command_count; i++)
        if (metrics->commands[i].command.kind == COMMAND_LOG_EVERY ||
            metrics->commands[i].command.kind == COMMAND_ROLLBACK)
            return INT_MAX;
    return now;
}

void metrics_find_lost(const struct metrics *metrics, bool begun, int log_every, long until, struct metrics_lost *out)
{
    struct search search = {metrics, newest_distance(metrics, log_every), LONG_MAX, out};
    *out = (struct metrics_lost){.stretches = 0};
    for (int i = 1; i < metrics->step_count; i++) {
        const long apart = step_of(&search, i) - step_of(&search, i - 1);
        search.least = apart < search.least ? apart : search.least;
    }
    search.least = search.least == LONG_MAX ? 1 : search.least;
    for (int i = begun ? 0 : 1; i <= metrics->step_count; i++)
        look_between(&search, i, until);
}

void metrics_lost_words(const struct metrics_lost *lost, char *words, size_t size)
{
    words[0] = '\0';
    if (lost->stretches == 0)
        return;
    const int used = lost->first == lost->last
                         ? snprintf(words, size, "step %ld has no record", lost->first)
                         : snprintf(words, size, "steps %ld to %ld have no record", lost->first, lost->last);
    if (lost->stretches > 1 && used > 0 && (size_t)used < size)
        snprintf(words + used, size - (size_t)used, ", nor have %d stretches more", lost->stretches - 1);
}
