/* The tunes in the folder of sessions: which there are, which sessions are their trials, and how to take one away. */
#ifndef NFBENCH_SESSIONS_TUNE_LIST_H
#define NFBENCH_SESSIONS_TUNE_LIST_H

#include "sessions/tune.h"

/* The names, in the order of the alphabet; *out is freed by the caller. An absent folder has none. */
int tunes_find(const struct settings *settings, char (**out)[TUNE_NAME_SIZE], int *count, struct error *error);

/* When its plan or one of its sessions was last written to. */
time_t tune_changed(const struct tune *tune);

enum { TUNE_WORDS_SIZE = 256 };

/* What a list of sessions shows in place of a tune's trials. */
struct tune_group {
    char name[TUNE_NAME_SIZE];
    char reference[FILE_PATH_SIZE];    /* what a command of the shell takes for it */
    int trials;                        /* of the plan */
    int begun, training;               /* that are in the list; that some process trains */
    int ended;                         /* of which nothing more comes, as `nfbench tune --list` counts them */
    float best;                        /* the highest accuracy; -1: none was measured, or a trial went on by hand */
    char best_values[TUNE_WORDS_SIZE]; /* of the trial that has it: "lr 0.1, batch 64" */
    time_t changed;                    /* the last of them */
};
/* Of the tunes that have sessions in the list, the last written first; sets `tune` in their rows, and empties it in all
 * others. A plan that cannot be read has no trials. *out is freed by the caller, NULL where there are none. */
int tunes_group(const struct settings *settings, struct session_summary *rows, int count, struct tune_group **out,
                int *groups, struct error *error);
/* Puts the trials behind all other rows, each in the order they had: how many others there are. */
int tunes_set_apart(struct session_summary *rows, int count);
/* "tune g: 12 trials, best 41.20 % (lr 0.1, batch 64)"; `percent`: the best accuracy in words. */
void tune_group_words(const struct tune_group *group, const char *percent, char *text, size_t size);

/* ---- Taking one away ---- */

/* Whether the session that has the trial's name is the tune's own: trained with its settings, and no fork. */
bool tune_owns_session(const struct tune *tune, int trial, const struct session *session);
/* Claims all trials, so that nobody begins one: (count) descriptors, to be closed. -1 when one is trained. */
int tune_claim_all(const struct tune *tune, int *claims, struct error *error);
/* Removes what a tune has written into its folder, the plan last, and the folder where nothing else is in it. Its
 * sessions are to be gone before (session_remove), all trials claimed. */
int tune_remove(const struct tune *tune, struct error *error);

#endif
