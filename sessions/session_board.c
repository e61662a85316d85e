/* TensorBoard's events of a run that goes on, beside its logs; see session_begin_events in session.h. No failure here
 * is the run's: it is told once, and the events end. */
#include "sessions/session_internal.h"

#include "sessions/tensorboard.h"

#include <stdio.h>
#include <string.h>

static void give_up(struct session *session, const struct error *why)
{
    tensorboard_close(session->board);
    session->board = NULL;
    snprintf(session->warning, sizeof session->warning,
             "TensorBoard gets no more of this run: %.300s; the training goes on, and the next resume or `nfbench "
             "export %.100s --tensorboard DIR` makes all of it up",
             why->message, session->reference);
    atomic_store(&session->warned, true);
}

bool session_take_warning(struct session *session, char text[SESSION_WARNING_SIZE])
{
    if (!atomic_exchange(&session->warned, false))
        return false;
    memcpy(text, session->warning, SESSION_WARNING_SIZE);
    return true;
}

/* TensorBoard's from a step on become the log's. */
static int start_at(struct session *session, long step, struct error *error)
{
    struct metrics past;
    if (session_metrics(session, &past, error))
        return -1;
    const int result = tensorboard_start(session->board, &past, step, 0, error);
    metrics_free(&past);
    return result;
}

void session_begin_events(struct session *session, long step)
{
    struct error why;
    if (!session->settings.tensorboard)
        return;
    const long last = tensorboard_last_step(session->paths.folder);
    const long wanted = step - step % session->settings.train.log_every; /* the last that is in the log */
    if (tensorboard_open(session->paths.folder, &session->board, &why) ||
        start_at(session, last >= wanted ? step : 0, &why) ||
        tensorboard_settings(session->board, &session->settings, step, &why))
        give_up(session, &why);
}

void session_board_go_back(struct session *session, long step)
{
    struct error why;
    if (session->board && start_at(session, step, &why))
        give_up(session, &why);
}

void session_board_step(struct session *session, const struct step_record *record)
{
    struct error why;
    if (session->board && tensorboard_step(session->board, record, &why))
        give_up(session, &why);
}

void session_board_epoch(struct session *session, const struct epoch_record *record)
{
    struct error why;
    if (session->board && tensorboard_epoch(session->board, record, &why))
        give_up(session, &why);
}

void session_board_probe(struct session *session, const struct probe *probe)
{
    struct error why;
    if (session->board && tensorboard_probe(session->board, probe, &why))
        give_up(session, &why);
}

void session_board_command(struct session *session, const struct command_record *record)
{
    struct error why;
    if (session->board && tensorboard_command(session->board, record, &why))
        give_up(session, &why);
}

void session_board_finding(struct session *session, const struct finding *finding)
{
    struct error why;
    if (session->board && tensorboard_finding(session->board, finding, &why))
        give_up(session, &why);
}

void session_board_state(struct session *session, long step, const char *state, const char *message)
{
    struct error why;
    if (session->board && tensorboard_state(session->board, step, state, message, &why))
        give_up(session, &why);
}

void session_show_picture(struct session *session, const struct tensorboard_picture *picture, long step)
{
    struct error why;
    if (session->board && tensorboard_picture(session->board, picture, step, &why))
        give_up(session, &why);
}
