/* What a resume finds missing in the logs: it goes on all the same, says so, and leaves it to be seen later. */
#include "sessions/session_internal.h"

#include <stdio.h>
#include <string.h>

static void add_note(char note[256], const char *text)
{
    const size_t used = strlen(note);
    snprintf(note + used, 256 - used, "%s%s", used ? "; " : "", text);
}

/* A log begins with the start of its run, or at least with the first step that is recorded. */
bool session_lacks_beginning(const struct metrics *metrics, long step, int log_every)
{
    return step > log_every && metrics->damaged_lines == 0 && (!metrics->any || metrics->first_step > log_every);
}

/* Told by the distances of the records that are there. */
static void find_gaps(const struct session *session, const struct metrics *metrics, long step, char words[128])
{
    struct metrics_lost lost = {.stretches = 0};
    char parent[SESSION_NAME_SIZE];
    long forked;
    session_read_parent(&session->paths, parent, &forked);
    metrics_find_lost(metrics, !*parent, session->settings.train.log_every, step, &lost);
    metrics_lost_words(&lost, words, 128);
}

static int note_records(const struct session *session, long step, char note[256], struct error *error)
{
    struct metrics metrics = {0};
    char text[128] = "";
    int result = metrics_read(session->paths.metrics, &metrics, error);
    const bool begins_late = result == 0 && session_lacks_beginning(&metrics, step, session->settings.train.log_every);
    if (begins_late)
        snprintf(text, sizeof text, "metrics.jsonl has no record from before step %ld: they are lost",
                 metrics.any ? metrics.first_step : step + 1);
    else if (result == 0 && metrics.damaged_lines == 0) {
        result = metrics_read(session->paths.commands, &metrics, error);
        find_gaps(session, &metrics, step, text);
    }
    if (result == 0 && *text)
        add_note(note, text);
    metrics_free(&metrics);
    return result;
}

/* Remarks take the places of commands that are gone: checkpoints count the lines before them. */
static int fill_commands(const struct session *session, long known, char note[256], struct error *error)
{
    struct command_record record = {.command = {.kind = COMMAND_NOTE}};
    struct metrics metrics = {0};
    long count;
    if (metrics_log_count(session->commands, &count, error) ||
        (count < known && metrics_read_summary(session->paths.commands, &metrics, error)))
        return -1;
    record.step = metrics.last_step;
    metrics_free(&metrics);
    command_lost(&record);
    if (count < known) {
        char text[128];
        snprintf(text, sizeof text, "commands.jsonl lacks %ld of the run's %ld commands: it cannot be replayed",
                 known - count, known);
        add_note(note, text);
    }
    for (; count < known; count++)
        if (metrics_log_command(session->commands, &record, error))
            return -1;
    return 0;
}

int session_mend_gaps(const struct session *session, const struct checkpoint_info *info, char note[256],
                      struct error *error)
{
    return note_records(session, info->state.step, note, error) || fill_commands(session, info->commands, note, error)
               ? -1
               : 0;
}
