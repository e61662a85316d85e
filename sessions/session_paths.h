/* Inside sessions/: names, folders and locks of sessions, and what the list shares with session.c. */
#ifndef NFBENCH_SESSIONS_SESSION_PATHS_H
#define NFBENCH_SESSIONS_SESSION_PATHS_H

#include "sessions/file.h"
#include "sessions/session.h"

struct session_paths {
    char folder[FILE_PATH_SIZE], settings[FILE_PATH_SIZE], metrics[FILE_PATH_SIZE], commands[FILE_PATH_SIZE];
    char checkpoints[FILE_PATH_SIZE], images[FILE_PATH_SIZE], lock[FILE_PATH_SIZE], parent[FILE_PATH_SIZE];
    char input[FILE_PATH_SIZE], socket[FILE_PATH_SIZE];
};

int session_paths(const char *folder, struct session_paths *paths, struct error *error);

/* -1 unless it can be a session's name: 1 to 127 bytes, no '/', no '.' or '-' at the start, no control characters. */
int session_check_name(const char *name, struct error *error);

/* Makes the new session's folder in `directory`: that decides who gets the name. */
int session_claim(const struct settings *settings, const char *directory, char name[SESSION_NAME_SIZE],
                  struct session_paths *paths, struct error *error);
/* Whether the folder is what a process may leave that dies while it makes a session: settings come last. One that has
 * been trained in, as its checkpoints and records tell, has lost them. */
bool session_is_unmade(const struct session_paths *paths);
/* How the folder of a fork begins that is not whole yet. */
#define SESSION_HIDDEN_FORK ".fork-"
/* How that of a session begins which is being removed. */
#define SESSION_HIDDEN_REMOVED ".removed-"
/* Removes the folder of a session that has not begun, and all that is in it. */
void session_discard(const struct session_paths *paths);

/* The folder that a session's lies in. */
int session_folder_above(const struct session_paths *paths, char folder[FILE_PATH_SIZE], struct error *error);

/* The folder of an existing session by name or path. */
int session_find(const struct settings *settings, const char *name, char found[SESSION_NAME_SIZE],
                 struct session_paths *paths, struct error *error);

/* Held by whoever makes a session's folder until it is locked, and by whoever removes what a dead process has left: a
 * folder that is new and not locked yet must not be taken for that. Where there are no locks, things go on without.
 * -1 with an error where another process does not let go of it in ten seconds, or SIGINT, SIGTERM or SIGHUP is
 * pending. */
int session_guard(const char *directory, int *guard, struct error *error);
void session_unguard(int guard);

/* Takes the lock; the error names the process that has it. Closing the descriptor releases it, so does the process's
 * end: a lock file without a lock means nothing. */
int session_lock(const struct session_paths *paths, const char *name, int *descriptor, struct error *error);
/* Who holds it says for others why its run stands still, by a word in the file behind its process id. That is not
 * synced: it means something only as long as the lock is held. What cannot be written is not said. */
void session_say_standstill(int descriptor, enum standstill standstill);
/* Whether some process holds the lock; and what it says (may be NULL): STANDSTILL_NONE where it says nothing. */
bool session_is_locked(const struct session_paths *paths, enum standstill *standstill);
/* ... and has put a socket there. */
bool session_is_attachable(const struct session_paths *paths);

/* Of a fork: the session it comes from, and the step; empty and -1 of any other. */
int session_write_parent(const struct session_paths *paths, const char *name, long step, struct error *error);
void session_read_parent(const struct session_paths *paths, char name[SESSION_NAME_SIZE], long *step);

/* All of the row but its name, which stays; a folder that cannot be read is "damaged". */
void session_paths_summarize(const struct session_paths *paths, struct session_summary *summary);

#endif
