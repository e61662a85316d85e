/* What the files of verify.h share: verify.c (the folder), verify_checkpoints.c, verify_logs.c. */
#ifndef NFBENCH_SESSIONS_VERIFY_INTERNAL_H
#define NFBENCH_SESSIONS_VERIFY_INTERNAL_H

#include "sessions/session_internal.h"
#include "sessions/verify.h"

/* What one log holds, as far as other files are to agree with it. */
struct log_facts {
    bool there;
    long lines, damaged;
    bool disordered;
    long lost;       /* remarks in the places of commands that are gone */
    long first_step; /* the least that a record has, where there is one */
    long last_step;  /* of any record; -1: none */
    long epochs;     /* that have ended, by the records */
    long best_step;  /* of the newest epoch record that was the best so far; -1: none */
    bool went_back;  /* a command has taken the run back, or to a checkpoint with a name */
    long *steps;     /* (lines) of commands.jsonl: the step of each; -1: damaged */
    bool *changes;   /* (lines) ... whether it changes the training */
};

struct verify {
    struct verify_report *report;
    struct session_paths paths;
    bool repair;
    bool settings_known, settings_changed /* since they were written */, unfinished_back;
    struct settings settings;
    struct network *network; /* to try checkpoints with; NULL: none fits the settings, or none was wanted */
    struct checkpoint_info newest;
    bool has_newest;
    int checkpoint_files, aside; /* without a name; ... set aside before */
    struct log_facts metrics, commands;
    bool out_of_memory;
};

/* Adds a finding; `file` and `mend` may be NULL. Returns it for its other texts, or a place that nobody reads when
 * there is no memory. */
struct verify_finding *verify_add(struct verify *verify, enum verify_severity severity, const char *file,
                                  const char *format, ...) __attribute__((format(printf, 4, 5)));
/* The finding has a repair, which was just done (0) or has failed; says so. */
void verify_mended(struct verify *verify, struct verify_finding *finding, int result, const struct error *error);
/* To FILE.damaged, or the first of FILE.damaged.2, ... that is free. */
int verify_move_aside(const char *path, struct error *error);
int verify_copy_aside(const char *path, struct error *error);
/* Settings from the newest checkpoint: whether it has any; and written anew, what was there moved aside. */
bool verify_can_restore(const struct session_paths *paths);
int verify_restore_settings(const struct session_paths *paths, struct settings *settings, struct error *error);

/* verify_logs.c. Looks at a log line by line; `file`: its name for the findings. */
void verify_log(struct verify *verify, const char *path, const char *file, bool commands, struct log_facts *facts);
void verify_facts_free(struct log_facts *facts);

/* verify_checkpoints.c: the files of the folder, and whether they agree with the logs. */
void verify_checkpoints(struct verify *verify);
void verify_agreement(struct verify *verify);

#endif
