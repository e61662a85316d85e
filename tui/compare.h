/* Sessions side by side: in which settings they differ, what was commanded, what came of it, what they have in common.
 * `nfbench sessions compare` prints it (cli_compare.c); the picture is the charts' own drawing of overlays. */
#ifndef NFBENCH_TUI_COMPARE_H
#define NFBENCH_TUI_COMPARE_H

#include "sessions/session.h"
#include "tui/curves.h"

enum { COMPARE_LEAST = 2, COMPARE_MOST = CURVES_OVERLAYS, COMPARE_ANCESTORS = 64 };

enum compare_figure {
    COMPARE_TRAIN_LOSS, /* mean of an epoch; of a step before the first epoch has ended */
    COMPARE_VALIDATION_ACCURACY,
    COMPARE_VALIDATION_LOSS,
    COMPARE_TEST_ACCURACY,
    COMPARE_TEST_LOSS,
    COMPARE_FIGURES
};
const char *compare_figure_title(enum compare_figure figure); /* "validation accuracy" */
const char *compare_figure_key(enum compare_figure figure);   /* "validation_accuracy" */
bool compare_figure_is_accuracy(enum compare_figure figure);

struct compare_value {
    double value; /* an accuracy is a fraction; NAN: not measured */
    long step;
};

/* Where a probe's variance lay farthest from the prediction, up or down. */
struct compare_signal {
    double ratio; /* measured over predicted; INFINITY: not finite; NAN: no probe, or no prediction */
    int point;    /* 0: the stem */
    long step;
};

struct compared {
    struct session *session;
    struct session_summary summary;
    struct settings now; /* session_settings with what was changed since */
    struct metrics metrics;
    struct curves *curves;
    struct compare_value last[COMPARE_FIGURES], best[COMPARE_FIGURES];
    double images_per_second; /* the median of the log's; NAN */
    double seconds;           /* of training; NAN */
    struct compare_signal signal_start, signal_now;
    char folder[SETTINGS_PATH_SIZE]; /* that it lies in, resolved */
    struct session_ancestor ancestors[COMPARE_ANCESTORS];
    int ancestor_count;
};

struct comparison {
    struct compared sessions[COMPARE_MOST];
    int count;
};

/* Reads the sessions by their names or paths, each once. Free it with compare_close, on failure too. */
int compare_open(const struct settings *settings, char **names, int count, struct comparison *out, struct error *error);
void compare_close(struct comparison *comparison);
/* One of them alone; closed by compared_close, on failure too. */
int compared_open(const struct settings *settings, const char *name, struct compared *out, struct error *error);
void compared_close(struct compared *session);

/* The index-th setting in which they differ, as they began or as they are now; NULL behind the last. */
const struct setting *compare_difference(const struct comparison *comparison, int index);
/* Its value of one of them: "0.1", or "0.1, now 0.01". */
enum { COMPARE_CELL = 2 * SETTINGS_VALUE_SIZE + 8 };
void compare_cell(const struct compared *session, const struct setting *row, char text[COMPARE_CELL]);

/* "NAME: lr 0.1, momentum 0.9", as much of it as a line of a legend holds: first the settings that tell all apart. */
enum { COMPARE_NAME = 400 };
void compare_name(const struct comparison *comparison, const struct compared *session, char name[COMPARE_NAME]);

/* Whether a recorded command changed the training; else it was only asked for, waited, or was refused. */
bool compare_is_change(const struct command_record *record);

/* The nearest session that both are forks of, or one is of the other, and the step up to which they have its course;
 * false: there is none. */
bool compare_ancestor(const struct compared *one, const struct compared *other, struct session_ancestor *out);
/* The same of all. */
bool compare_common(const struct comparison *comparison, struct session_ancestor *out);

/* The curves of all: loss, and accuracy below it. A legend has each one's letter, name and settings that differ. */
int compare_draw(const struct comparison *comparison, int scale, const struct theme *theme, struct canvas **out,
                 struct error *error);

#endif
