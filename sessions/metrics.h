/* The logs of a session, one JSON object a line, each with the CRC-32C of its text as the last member:
 *     {"kind":"step","step":20,"epoch":0,"loss":2.1, ... ,"crc":"e3069283"}
 * The checksum is over the bytes before `,"crc"`. A line that is torn or damaged costs that line alone. Numbers that
 * are not finite are null. Lines are written whole by one write(2), so a killed process loses none; they reach the disk
 * at each checkpoint. */
#ifndef NFBENCH_SESSIONS_METRICS_H
#define NFBENCH_SESSIONS_METRICS_H

#include "engine/trainer.h"

#include <stddef.h>

enum { METRICS_MESSAGE_SIZE = sizeof((struct snapshot *)NULL)->message }; /* a diagnosis, whole */

/* What a process trains on, beside the settings: the bits of its steps hang on it. */
struct platform {
    char device[16];     /* "cpu", "cuda", "cuda:1" */
    char precision[16];  /* "fp32" */
    int threads;         /* of each rank */
    int ranks;           /* processes that train together; 1 as it was before there could be more */
    char processor[256]; /* which it is, and what it can do that matters; the GPU's, where that computes */
    char library[64];    /* of the convolutions, with its version */
    char program[128];   /* nfbench's version, and what it was built by */
    char data[64];       /* the data set, and a checksum of some of its images */
};
/* From this step on, up to the next start's. */
struct start_record {
    long step;
    struct platform platform;
};

/* Said by the record of each start. Members and kinds of records may be added without a new number: who does not know
 * them passes them over. */
enum { METRICS_FORMAT = 1 };

/* A log read back. Steps in ascending order. */
struct metrics {
    int epochs_before; /* that had ended before its records; 0 unless they are those behind a place */
    struct step_record *steps;
    int step_count;
    struct epoch_record *epochs; /* `epoch_end` is told by their order, `run_end` not at all */
    int epoch_count;
    struct command_record *commands; /* of commands.jsonl only: text, ok and outcome; kind, value and count too */
    int command_count;
    struct probe **probes; /* in ascending order of their steps, one a step, without single channels */
    int probe_count;
    struct finding *findings; /* records of kind "health" */
    int finding_count;
    struct start_record *starts; /* those that say what was trained on */
    int start_count;
    char end_state[16]; /* how the last run of the session ended; empty: it did not say */
    char end_message[METRICS_MESSAGE_SIZE];
    bool imported;     /* the session says that its weights came from a file */
    long first_step;   /* the least that a record has */
    long last_step;    /* the newest record's */
    bool any;          /* there are records at all */
    int damaged_lines; /* passed over */
    int format;        /* the highest that a start tells of */
};

struct metrics_log;

/* Opens for appending, made when absent; a torn last line is cut off. */
int metrics_log_open(const char *path, struct metrics_log **out, struct error *error);
/* Syncs and closes. NULL is allowed. */
int metrics_log_close(struct metrics_log *log, struct error *error);
int metrics_log_step(struct metrics_log *log, const struct step_record *record, struct error *error);
int metrics_log_epoch(struct metrics_log *log, const struct epoch_record *record, struct error *error);
int metrics_log_probe(struct metrics_log *log, const struct probe *probe, struct error *error);
int metrics_log_command(struct metrics_log *log, const struct command_record *record, struct error *error);
int metrics_log_finding(struct metrics_log *log, const struct finding *finding, struct error *error);
/* A run starts (state METRICS_STARTED), or ends; METRICS_IMPORTED: none did, but the session's weights came from the
 * file that the message names. */
#define METRICS_STARTED "started"
#define METRICS_IMPORTED "imported"
int metrics_log_state(struct metrics_log *log, const char *state, long step, const char *message, struct error *error);
int metrics_log_start(struct metrics_log *log, long step, const struct platform *platform, struct error *error);
int metrics_log_sync(struct metrics_log *log, struct error *error);
/* Lines written so far, damaged ones too. The file is read the first time alone. */
int metrics_log_count(struct metrics_log *log, long *lines, struct error *error);
/* Goes back to a state, saved when `known` commands were recorded: drops every record behind its step (the file is
 * replaced by a rename); of the commands at the step itself those that changed the training and are not among the first
 * `known`, and those that still wait in the state, which will be done again, with what they measured; of the epochs'
 * records those whose results the state does not have. Damaged lines among the first `known`
 * stay, so that older checkpoints count right, and those before a record that stays: only session_verify takes them
 * out, and keeps the file. */
int metrics_log_cut(struct metrics_log *log, const struct training_state *state, long known, struct error *error);
/* The lines that it would drop, freed by the caller. */
int metrics_log_behind(const struct metrics_log *log, const struct training_state *state, long known, char **lines,
                       size_t *size, struct error *error);

/* Damaged lines that metrics_log_cut has come across. */
long metrics_log_damaged(const struct metrics_log *log);

/* The log becomes these lines (the file is replaced by a rename). */
int metrics_log_replace(struct metrics_log *log, const char *data, size_t size, struct error *error);
/* The last step that two logs have in common, by the lines they begin with; -1 for want of memory. */
long metrics_common_step(const char *one, size_t one_size, const char *other, size_t other_size);
/* The step of the first record that only one of two logs has there; LONG_MAX: they are the same; -1 for want of memory.
 */
long metrics_first_difference(const char *one, size_t one_size, const char *other, size_t other_size);

/* Adds the records of a file to `out`, which starts zeroed. An absent file has none. -1 with errno ENOTSUP when a newer
 * nfbench wrote it. */
int metrics_read(const char *path, struct metrics *out, struct error *error);
/* The same, but of the steps only the newest, and no probes: quick for a log of any length. */
int metrics_read_summary(const char *path, struct metrics *out, struct error *error);
/* Where a reader of a log that grows has come to: behind this line. Zeroed: before the first. */
struct metrics_place {
    long long offset;
    char line[64]; /* the end of the line before it: another one there means that the log was replaced */
    int line_size, epochs;
};
/* The same of the records behind the place alone, which goes on behind them. `*replaced`: the log was, as when its run
 * went back: nothing is read, and the place is before the first line. */
int metrics_read_on(const char *path, struct metrics_place *place, bool *replaced, struct metrics *out,
                    struct error *error);
void metrics_free(struct metrics *metrics);

/* Steps without a record where one ought to be. */
struct metrics_lost {
    int stretches;
    long first, last; /* of the first stretch: its steps, whichever of them were recorded */
};
/* Looks for them among the records of a session, its commands among them, up to the step `until`; `log_every`: as it is
 * now. `begun`: the log begins at step 0 (that of a fork need not). */
void metrics_find_lost(const struct metrics *metrics, bool begun, int log_every, long until, struct metrics_lost *out);
/* "steps 901 to 1800 have no record"; empty when there are none. */
void metrics_lost_words(const struct metrics_lost *lost, char *words, size_t size);

/* A remark in the place of a command whose record is gone; `record` has its step. And whether one is such. */
void command_lost(struct command_record *record);
bool command_is_lost(const struct command_record *record);
/* The remark of a COMMAND_NOTE. */
const char *command_noted(const struct command *command);

#endif
