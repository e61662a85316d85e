/* Everything that can be known to be wrong with a session, found by reading all of it, and mended where nothing is lost
 * by that. Any bytes may stand in its files: the worst that comes of them is a finding.
 *
 * A note is something that costs nothing, as what a crash leaves that the next resume deals with. Wrong is what is
 * lost, or cannot be relied on. A repair moves what is damaged aside (FILE.damaged) and keeps a copy of what it
 * changes; it removes only what nothing can need any more: files that a write left half done, sockets of processes that
 * are gone, folders of sessions and forks that were never made whole, and, where it brings a way back to its end, the
 * checkpoints that the run had gone back behind. */
#ifndef NFBENCH_SESSIONS_VERIFY_H
#define NFBENCH_SESSIONS_VERIFY_H

#include "sessions/session.h"

enum verify_severity { VERIFY_NOTE, VERIFY_WRONG };

struct verify_finding {
    enum verify_severity severity;
    char file[160];  /* below the session's folder; empty: the session as a whole */
    char what[512];  /* what was found, without a full stop, as the next two */
    char means[256]; /* what it means for the person */
    char mend[256];  /* what a repair does; empty: it can do nothing */
    bool mended;     /* it was asked for, and is done */
};

struct verify_report {
    char name[SESSION_NAME_SIZE];
    char folder[SETTINGS_PATH_SIZE];
    bool training; /* some process has the session open: what it is about to write is not looked at */
    long step;     /* of the newest checkpoint that is whole; -1: there is none */
    int checkpoints;
    long records, commands; /* lines of the logs */
    struct verify_finding *findings;
    int count;
    int wrong; /* ... of which are wrong and not mended */
};

/* Verifies a session by its name or path. -1 when there is no such session, it cannot be looked at for want of memory,
 * or a repair was asked for while another process has it open. Free the report with verify_free, after a failure too.
 */
int session_verify(const struct settings *settings, const char *name, bool repair, struct verify_report *out,
                   struct error *error);
/* The folder of all sessions: what is in it that is no session, as folders that have lost their settings. An absent one
 * is fine. */
int sessions_verify_directory(const struct settings *settings, bool repair, struct verify_report *out,
                              struct error *error);
void verify_free(struct verify_report *report);

#endif
