/* The sessions in the folder of sessions, for the view of runs, and the curves of those that are laid over this run's.
 * All of it is read on a thread of its own with a low priority, so that neither screen nor training waits for a
 * disk; what it has read is taken over in one go. Sessions that train are read again and again, seldom enough that this
 * takes a small part of a processor. */
#ifndef NFBENCH_TUI_RUNS_H
#define NFBENCH_TUI_RUNS_H

#include "sessions/tune_list.h"
#include "tui/curves.h"

enum { RUN_DIFFERENCES = 64, RUN_VALUE = 48, RUN_WORDS = 512 };

/* What there is to say of one session beside its row. */
struct run_details {
    char name[SESSION_NAME_SIZE]; /* empty: of none */
    char path[SETTINGS_PATH_SIZE], message[RUN_WORDS];
    struct {
        char name[RUN_VALUE], there[RUN_VALUE], here[RUN_VALUE];
    } differences[RUN_DIFFERENCES]; /* settings that are not this run's */
    int difference_count;
    struct epoch_record last; /* step 0: nothing was measured */
    char note[160];           /* the newest */
    bool failed;              /* `message` says why nothing is known */
};

/* Plain data: the view draws from it. */
struct run_list {
    struct session_summary *rows; /* the newest first */
    int count;
    struct tune_group *tunes; /* whose trials are among the rows */
    int tune_count;
    /* What stands below each other in the view: made from rows and tunes (runs_lines.h). */
    struct run_line {
        int row, tune; /* of these lists; one of them is -1 */
    } * lines;
    int line_count;
    bool known;                     /* the folder has been read */
    char own[SESSION_NAME_SIZE];    /* the session of this run */
    char parent[SESSION_NAME_SIZE]; /* that it is a fork of; empty: of none, or not read yet */
    char error[RUN_WORDS];          /* why it could not be read; empty: it could */
    struct run_overlay {
        char name[SESSION_NAME_SIZE]; /* empty: the place is free. Its place gives it its letter and its looks */
        long laid;                    /* by run_list_lay */
        struct curves *curves;        /* NULL: they are still being read */
    } overlays[CURVES_OVERLAYS];
    long laid; /* so many overlays so far */
    struct run_details details;
    /* The records of this run's own session, which whoever wants them anew asks for by the next number. */
    struct run_course {
        long wanted, read; /* the number that was asked for last; that of those here */
        struct metrics records;
        bool failed;
        char message[RUN_WORDS]; /* why there are none */
    } course;
};

/* Frees what a list holds. */
void run_list_clear(struct run_list *list);
/* The place of a session among the overlays; -1 when it is none. */
int run_list_overlay(const struct run_list *list, const char *name);
/* Gives a session a free place, with a number that tells it from what lay there before, of the same session too: its
 * curves are wanted anew. */
void run_list_lay(struct run_list *list, int place, const char *name);

struct runs;

/* Begins, for the run of these settings (copied) and this session; its parent, if it has one, is read at once. */
int runs_open(const struct settings *settings, const char *own, struct runs **out, struct error *error);
/* Ends the thread. NULL is allowed. */
void runs_close(struct runs *runs);
/* Readable (an eventfd) when there is something to take. */
int runs_fd(const struct runs *runs);
/* What is wanted: this run's records, when there is a number that was not read yet; the list, while it is looked at;
 * the sessions laid over the charts, by the places in `list`; details of a session (empty: of none). `smoothing` is
 * that of their curves. Cheap: call it whenever something may have changed. */
void runs_want(struct runs *runs, bool shown, const struct run_list *list, const char *details, double smoothing);
/* Moves what was read into the list. A session that cannot be read leaves its place; `said` then tells of it, and is
 * empty otherwise. */
void runs_take(struct runs *runs, struct run_list *list, char said[RUN_WORDS]);

#endif
