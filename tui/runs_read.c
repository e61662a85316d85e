/* See runs_read.h. */
#include "tui/runs_read.h"

#include "engine/synthetic.h"

#include <math.h>
#include <string.h>

/* ---- Curves ---- */

static void note_epochs(struct run_follow *follow, const struct metrics *metrics)
{
    for (int i = 0; i < metrics->epoch_count; i++)
        if (metrics->epochs[i].epoch_end) {
            follow->before = follow->last;
            follow->last = metrics->epochs[i];
        }
}

/* Steps of the epoch that goes on behind the last record: as many as the last had, or as the settings say in the first.
 */
static double epoch_steps(const struct train_options *options, const struct run_follow *follow)
{
    const int images = SYNTHETIC_TRAIN - options->validation; /* all sets have as many */
    const struct epoch_record *before = &follow->before, *last = &follow->last;

    if (last->step > before->step)
        return (double)(last->step - before->step) / (last->epoch - before->epoch);
    return ceil((options->limit > 0 && options->limit < images ? options->limit : images) / (double)options->batch);
}

int runs_follow(const struct settings *settings, const char *name, double smoothing, struct run_follow *follow,
                struct run_news *news, struct error *error)
{
    struct session *session = NULL;
    bool anew = false;
    int result = -1;

    memset(news, 0, sizeof(*news));
    if (session_open(settings, name, SESSION_READ, &session, error) == 0 &&
        session_metrics_on(session, &follow->place, &anew, &news->more, error) == 0) {
        if (anew)
            follow->before = follow->last = (struct epoch_record){.step = 0};
        note_epochs(follow, &news->more);
        news->epoch_steps = epoch_steps(&session_settings(session)->train, follow);
        result = anew ? curves_create(smoothing, &news->curves, error) : 0;
    }
    if (result == 0 && anew) {
        curves_set_epoch(news->curves, news->epoch_steps);
        result = curves_add_history(news->curves, &news->more, error);
        metrics_free(&news->more);
    }
    session_close(session);
    if (result)
        runs_drop_news(news);
    return result;
}

int runs_take_news(struct run_news *news, struct curves **curves, struct error *error)
{
    int result = 0;

    if (news->curves) {
        curves_destroy(*curves);
        *curves = news->curves;
        news->curves = NULL;
    } else if (*curves) {
        result = curves_add_history(*curves, &news->more, error);
        curves_set_epoch(*curves, news->epoch_steps);
    }
    if (result) {
        curves_destroy(*curves);
        *curves = NULL;
    }
    runs_drop_news(news);
    return result;
}

void runs_drop_news(struct run_news *news)
{
    curves_destroy(news->curves);
    news->curves = NULL;
    metrics_free(&news->more);
}

/* ---- Details ---- */

static void compare_settings(const struct settings *there, const struct settings *here, struct run_details *details)
{
    const struct setting *row;
    char theirs[SETTINGS_VALUE_SIZE], ours[SETTINGS_VALUE_SIZE];

    for (int i = 0; (row = settings_row(i)) && details->difference_count < RUN_DIFFERENCES; i++) {
        if (!row->saved)
            continue;
        settings_get(there, row, theirs);
        settings_get(here, row, ours);
        if (strcmp(theirs, ours) == 0)
            continue;
        snprintf(details->differences[details->difference_count].name, RUN_VALUE, "%s", row->name);
        snprintf(details->differences[details->difference_count].there, RUN_VALUE, "%s", theirs);
        snprintf(details->differences[details->difference_count++].here, RUN_VALUE, "%s", ours);
    }
}

static void take_metrics(const struct metrics *metrics, struct run_details *details)
{
    snprintf(details->message, sizeof(details->message), "%s", metrics->end_message);
    if (metrics->epoch_count > 0)
        details->last = metrics->epochs[metrics->epoch_count - 1];
    for (int i = 0; i < metrics->command_count; i++)
        if (metrics->commands[i].command.kind == COMMAND_NOTE && metrics->commands[i].ok)
            snprintf(details->note, sizeof(details->note), "%s", command_noted(&metrics->commands[i].command));
}

void runs_read_details(const struct settings *settings, const char *name, struct run_details *details)
{
    struct session *session = NULL;
    struct metrics metrics = {0};
    struct error error = {""};

    memset(details, 0, sizeof(*details));
    snprintf(details->name, sizeof(details->name), "%s", name);
    if (session_open(settings, name, SESSION_READ, &session, &error) || session_metrics(session, &metrics, &error)) {
        details->failed = true;
        snprintf(details->message, sizeof(details->message), "%s", error.message);
    } else {
        snprintf(details->path, sizeof(details->path), "%s", session_path(session));
        compare_settings(session_settings(session), settings, details);
        take_metrics(&metrics, details);
    }
    metrics_free(&metrics);
    session_close(session);
}

int runs_read_records(const struct settings *settings, const char *name, struct metrics *out, struct error *error)
{
    struct session *session = NULL;
    int result;

    memset(out, 0, sizeof(*out));
    if (session_open(settings, name, SESSION_READ, &session, error))
        return -1;
    result = session_metrics(session, out, error);
    session_close(session);
    return result;
}

void runs_find_parent(const struct settings *settings, const char *name, char parent[SESSION_NAME_SIZE])
{
    struct session_ancestor nearest;
    struct session *session = NULL;

    *parent = 0;
    if (session_open(settings, name, SESSION_READ, &session, NULL) == 0 && session_ancestors(session, &nearest, 1) == 1)
        memcpy(parent, nearest.name, sizeof(nearest.name));
    session_close(session);
}
