/* Inside sessions/: what the files of a session share: session.c (the folder), session_sink.c (what the trainer
 * reports, and reads back), session_back.c (going back, and checkpoints with a name), session_gaps.c (what is missing),
 * session_board.c (TensorBoard). */
#ifndef NFBENCH_SESSIONS_SESSION_INTERNAL_H
#define NFBENCH_SESSIONS_SESSION_INTERNAL_H

#include "sessions/checkpoint.h"
#include "sessions/session_paths.h"

#include <jansson.h>
#include <stdatomic.h>

/* The run goes back, or to a checkpoint with a name: until the next checkpoint is saved this stands in a file, too, so
 * that whoever opens the session after a crash can bring it to its end. */
struct undone {
    bool on;
    long behind, at;                 /* checkpoints behind the one step are void, but for that of the other */
    char name[CHECKPOINT_NAME_SIZE]; /* whose records are the session's; empty: they were only cut */
};

struct session {
    char name[SESSION_NAME_SIZE];
    char reference[FILE_PATH_SIZE]; /* see session_reference */
    struct session_paths paths;
    struct settings settings;
    struct settings kept;   /* as settings.ini is to have them: the writer's, while others may read `settings` */
    int lock;               /* -1: opened for reading */
    enum trainer_state end; /* the last that was recorded of how it ended; TRAINER_STARTING: it goes on */
    bool ended;             /* ... and all records are on the disk */
    char note[256];         /* see session_note */
    struct undone undone;   /* while the run goes back */
    struct metrics_log *metrics, *commands;
    bool has_platform; /* what this process trains on is known */
    struct platform platform;
    struct tensorboard *board; /* NULL: no events are written */
    char warning[SESSION_WARNING_SIZE];
    atomic_bool warned; /* and nobody has taken the warning yet */
};

/* session_settings.c. Reads them; `given` and `name` are those of session_open. */
int session_read_settings(struct session *session, const struct settings *given, const char *name, struct error *error);
void session_name_reference(struct session *session);
/* The two halves of it. The file alone, over what is there: -1, errno EBADMSG, when it cannot be what nfbench wrote;
 * what a person has changed in it holds, and session->note says so. And the settings of the newest checkpoint that has
 * them, of those with a name where no other has: -1 with the reason that settings.ini is of no use when none does. */
int session_read_settings_file(struct session *session, struct error *error);
int session_restore_settings(struct session *session, const struct error *why, struct error *error);

/* session.c. The two halves of session_create: the folder with its lock and logs; and settings.ini, which makes it a
 * session. What a process leaves that dies between them is none. */
int session_prepare(const struct settings *settings, struct session **out, struct error *error);
int session_publish(const struct session *session, struct error *error);
/* Records that a run starts, or goes on from elsewhere, at a step. */
int session_log_start(const struct session *session, long step, struct error *error);
/* Writes the checkpoint of a state that has so many commands behind it. */
int session_write_checkpoint(const struct session *session, struct network *network, const struct training_state *state,
                             bool best, long commands, struct error *error);
/* Whether a checkpoint is one of those asked for: CHECKPOINT_LATEST, ... or a step. */
bool session_entry_matches(const struct checkpoint_entry *entry, long which);

/* session_undone.c. Takes back the commands behind a state that so many had been recorded before: they are kept in
 * SESSION_UNDONE, cut out of the log, and `note` says so, behind what it says already. */
enum { SESSION_NOTE_SIZE = 256 };
#define SESSION_UNDONE "undone.jsonl"
int session_undo_commands(struct session *session, const struct training_state *state, long known,
                          char note[SESSION_NOTE_SIZE], struct error *error);
/* session_gaps.c. Adds to the note what the logs lack of the checkpoint's past, and puts remarks in the places of
 * commands that are gone. */
int session_mend_gaps(const struct session *session, const struct checkpoint_info *info, char note[256],
                      struct error *error);
/* Whether a log is without its beginning, where the run has come to a step. */
bool session_lacks_beginning(const struct metrics *metrics, long step, int log_every);

/* session_back.c. Begins to go to a state: its checkpoint stands on the disk, and the logs are what they were there.
 * `name`: see trainer_sink's on_rollback. */
int session_go_back(struct session *session, struct network *network, const struct training_state *state,
                    const char *name, struct error *error);
/* Ends it: checkpoints that are void go. Nothing is done when nothing was begun. */
int session_finish_back(struct session *session, struct error *error);
/* One that a crash has left (undone->on: there is one). -1 with errno EBADMSG when its file is damaged. */
int session_read_back(const struct session_paths *paths, struct undone *undone, struct error *error);
/* ... and brings it to its end. */
int session_recover_back(struct session *session, struct error *error);
/* Loads the checkpoint of a name. */
int session_load_name(const struct session *session, const char *name, struct network *network,
                      struct checkpoint_info *info, struct error *error);
/* Keeps the step's checkpoint and the logs under a name. */
int session_keep_name(struct session *session, const char *name, long step, struct error *error);

/* session_input.c. What input.json holds, its checksum being right; NULL with errno as of session_read_input, or
 * ENOMEM. */
json_t *session_input_json(const char *path, struct error *error);
/* The same as session_input; false when it does not fit these settings. */
bool session_input_take(const json_t *json, const struct settings *settings, struct session_input *out);

/* session_board.c. What was recorded, for TensorBoard. */
void session_board_step(struct session *session, const struct step_record *record);
void session_board_epoch(struct session *session, const struct epoch_record *record);
void session_board_probe(struct session *session, const struct probe *probe);
void session_board_command(struct session *session, const struct command_record *record);
void session_board_finding(struct session *session, const struct finding *finding);
void session_board_state(struct session *session, long step, const char *state, const char *message);
/* The logs from `step` on are not what they were. */
void session_board_go_back(struct session *session, long step);

#endif
