/* What TensorBoard shows of a session: its records as events (tfevents.h), live in the session's own folder, or of a
 * finished one anywhere. Scalars by step: train/..., validation/..., test/..., epoch/..., and of each probe
 * signal_.../BLOCK; histograms activations/BLOCK and channel_variances/BLOCK (stem, block_01, ...); texts settings,
 * notes, commands, health and run.
 *
 * All of it is in the session's logs too: events that could not be written are no loss. */
#ifndef NFBENCH_SESSIONS_TENSORBOARD_H
#define NFBENCH_SESSIONS_TENSORBOARD_H

#include "sessions/metrics.h"
#include "sessions/settings.h"

struct tensorboard;

/* A new file in the folder, whose name sorts behind those that are there, as TensorBoard reads them. */
int tensorboard_open(const char *folder, struct tensorboard **out, struct error *error);
/* NULL is allowed. */
void tensorboard_close(struct tensorboard *board);
/* The greatest step of the newest file in the folder; -1: there is none. */
long tensorboard_last_step(const char *folder);
/* Whether a file's name is that of one of these. */
bool tensorboard_is_events(const char *name);

/* The run goes on behind `step`: TensorBoard forgets what it has read of that step and those behind it, and gets what
 * `past` has of them. `last`: the wall time (seconds since 1970) of its last record; 0: now. */
int tensorboard_start(struct tensorboard *board, const struct metrics *past, long step, double last,
                      struct error *error);
int tensorboard_settings(struct tensorboard *board, const struct settings *settings, long step, struct error *error);

int tensorboard_step(struct tensorboard *board, const struct step_record *record, struct error *error);
int tensorboard_epoch(struct tensorboard *board, const struct epoch_record *record, struct error *error);
int tensorboard_probe(struct tensorboard *board, const struct probe *probe, struct error *error);
int tensorboard_command(struct tensorboard *board, const struct command_record *record, struct error *error);
int tensorboard_finding(struct tensorboard *board, const struct finding *finding, struct error *error);
/* How the run goes or ended: "finished", "diverged" and a diagnosis. */
int tensorboard_state(struct tensorboard *board, long step, const char *state, const char *message,
                      struct error *error);
/* A picture, as PNG. */
struct tensorboard_picture {
    const char *name; /* its tag is pictures/NAME */
    const void *png;
    size_t size;
    int width, height;
};
int tensorboard_picture(struct tensorboard *board, const struct tensorboard_picture *picture, long step,
                        struct error *error);

#endif
