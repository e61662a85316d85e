/* A run that another process trains, as a viewer in this one has it: connected by the socket in the session's folder.
 * A thread takes what comes and puts it into a port (engine/port.h), the same that the trainer fills in its own
 * process; commands go the other way. Nothing here makes the screen wait. */
#ifndef NFBENCH_TUI_ATTACH_H
#define NFBENCH_TUI_ATTACH_H

#include "engine/data.h"
#include "sessions/session.h"
#include "tui/wire.h"

#include <sys/types.h>

struct attachment;

/* Connects to the run of a session, by its name or its folder (session_open), and hears its first words: what comes
 * from then on is kept for the viewer. -1 when there is no such session, nobody trains it, or it cannot be attached to.
 * Says on standard error when it has to wait. */
int attach_open(const struct settings *settings, const char *session, struct attachment **out, struct error *error);
/* Leaves the run as it is. NULL is allowed. */
void attach_close(struct attachment *attachment);

/* Opened for reading. */
struct session *attach_session(const struct attachment *attachment);
const struct wire_facts *attach_facts(const struct attachment *attachment);
pid_t attach_process(const struct attachment *attachment); /* 0: not known */
struct port *attach_port(struct attachment *attachment);
/* The data set of the run, which looks into its network are of; until it is given they are left out. Once. */
void attach_show_looks(struct attachment *attachment, const struct dataset *dataset);

/* Gives the run a command that a person has written (its text counts), or asks it for a look. -1 when the run has ended
 * or so many wait already. */
int attach_command(struct attachment *attachment, const struct command *command, struct error *error);

/* Once the port has ended: how the run did. -1 when it failed or diverged, when its process is gone (`lost`), or the
 * connection alone: the message says which. */
int attach_result(struct attachment *attachment, bool *lost, struct error *error);

#endif
