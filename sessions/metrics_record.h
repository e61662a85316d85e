/* One line of a session's logs (metrics.h) and back: which members each kind of record has, and its checksum. */
#ifndef NFBENCH_SESSIONS_METRICS_RECORD_H
#define NFBENCH_SESSIONS_METRICS_RECORD_H

#include "sessions/fields.h"
#include "sessions/metrics.h"

/* Of the commands' kinds, so that logs and checkpoints stay readable when their numbers change. */
extern const char *const command_words[];
/* Of what a command waits for: enum quantity_kind and enum relation. */
extern const char *const quantity_words[], *const relation_words[];

enum record_kind {
    RECORD_STEP,
    RECORD_EPOCH,
    RECORD_COMMAND,
    RECORD_STATE,
    RECORD_PROBE,
    RECORD_FINDING,
    RECORD_KINDS
};

struct state_record {
    long step;
    char state[16];
    char message[METRICS_MESSAGE_SIZE];
    int format;        /* of the log, as its writer calls it; 0: it does not say */
    bool has_platform; /* a start that says it */
    struct platform platform;
};

/* What is read of a probe where only its place in the log counts. */
struct probe_place {
    long step;
};

struct record {
    enum record_kind kind;
    union {
        struct step_record step;
        struct epoch_record epoch;
        struct command_record command;
        struct finding finding;
        struct state_record state;
        struct probe_place probe;
    };
    struct probe *whole; /* of RECORD_PROBE, where it was asked for */
};

/* Adds the line of a record, its newline included; `record` is the struct of its kind, of RECORD_PROBE the probe. */
void record_write(enum record_kind kind, const void *record, struct text *line);
/* Reads a line (without its newline); false when it is damaged or of no known kind, or, with errno ENOMEM, for want of
 * memory. `whole`: of a probe everything, to
 * be destroyed by the caller. */
bool record_read(const char *line, size_t length, bool whole, struct record *record);
/* Whether a line is as it was written, of whatever kind. */
bool record_checksum_fits(const char *line, size_t length);
/* Whether it is, and of a kind that this nfbench does not know. */
bool record_is_unknown(const char *line, size_t length);
/* The step of such a line that record_read does not know; 0 when it has none, -1 for want of memory. */
long record_unknown_step(const char *line, size_t length);
/* Told by its first bytes, without parsing it. */
bool record_is_kind(enum record_kind kind, const char *line, size_t length);
long record_step(const struct record *record);

/* The members of a kind but for RECORD_PROBE (probe_record.h); those of what a command waits for, and of what a start
 * tells of the machine, in their structs. */
struct fields record_fields(enum record_kind kind);
struct fields record_wait_fields(void);
struct fields record_platform_fields(void);

#endif
