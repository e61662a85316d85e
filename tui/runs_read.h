/* What the thread of runs.h reads of one session: details, and curves that are followed while they grow. */
#ifndef NFBENCH_TUI_RUNS_READ_H
#define NFBENCH_TUI_RUNS_READ_H

#include "tui/runs.h"

/* A session whose curves are followed. Zeroed: nothing of it was read yet. */
struct run_follow {
    struct session_place place;
    struct epoch_record before, last; /* of the ends of its epochs the last two; step 0: none */
};

/* What there is new of it. */
struct run_news {
    struct curves *curves; /* all of it; NULL: `more` is behind what was read before */
    struct metrics more;
    double epoch_steps; /* of the epoch that goes on */
};

int runs_follow(const struct settings *settings, const char *name, double smoothing, struct run_follow *follow,
                struct run_news *news, struct error *error);
/* Puts what is new to the curves of before (NULL: none), or in their place. -1 and no curves when memory is out. */
int runs_take_news(struct run_news *news, struct curves **curves, struct error *error);
void runs_drop_news(struct run_news *news);

/* Beside the settings of this run. */
void runs_read_details(const struct settings *settings, const char *name, struct run_details *details);
/* All records of a session; free them with metrics_free. */
int runs_read_records(const struct settings *settings, const char *name, struct metrics *out, struct error *error);
/* What a session is a fork of; empty: of none. */
void runs_find_parent(const struct settings *settings, const char *name, char parent[SESSION_NAME_SIZE]);

#endif
