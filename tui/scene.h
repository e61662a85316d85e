/* Everything that is on the screen, as plain data: what the panels draw from. The app fills it; nothing here knows a
 * terminal, so that a scene can be drawn in a test, or as a picture. */
#ifndef NFBENCH_TUI_SCENE_H
#define NFBENCH_TUI_SCENE_H

#include "engine/trainer.h"
#include "tui/cell_cache.h"
#include "tui/curves.h"
#include "tui/figure_signal.h"
#include "tui/finder.h"
#include "tui/images.h"
#include "tui/journal.h"
#include "tui/keys.h"
#include "tui/layout.h"
#include "tui/monitor.h"
#include "tui/probes.h"
#include "tui/runs.h"

enum phase {
    PHASE_STARTING, /* the run is being put together */
    PHASE_LIVE,     /* there is a trainer; its state says the rest */
    PHASE_LEAVING,  /* saving, then the end */
    PHASE_BROKEN    /* the run could not be put together */
};

/* What the run is, known once it has been put together. */
struct facts {
    char session[128];
    char reference[1280];                /* what a command takes for it */
    char network[SETTINGS_NETWORK_SIZE]; /* settings_network_name() */
    char device[96];
    char data[512];
    bool synthetic; /* data */
    bool attached;  /* another process trains */
    double parameters;
    double image_flops; /* of a training step, for each image */
    long resumed_step;
};

/* What the axes of the charts and of the blocks' figures show: each view has its own choice. */
enum axis_choice { AXIS_BY_DATA, AXIS_LINEAR, AXIS_LOG };
enum axis_of {
    AXIS_SIGNAL,
    AXIS_GRADIENTS,
    AXIS_CHARTS /* and on: by quantity */,
    AXIS_COUNT = AXIS_CHARTS + QUANTITY_COUNT
};

/* A framed message over the charts. */
enum overlay { OVERLAY_NONE, OVERLAY_HELP, OVERLAY_MESSAGE, OVERLAY_FINDER };

/* A short word beside the command line, until the next key. */
struct notice {
    char text[512];
    enum role role;
};

/* The part of the run that the charts show, in steps. */
struct chart_range {
    double from, to; /* to <= from: all */
    bool follows;    /* the newest step stays in sight */
};

/* Figures of the header that jitter with each step; taken together, so that they belong to one moment. */
struct figures {
    long step;
    double epoch; /* NAN: not known */
    double learning_rate;
    double loss, accuracy; /* of the training, smoothed; NAN: none yet */
    double images_per_second, seconds, eta_seconds;
};

struct scene {
    enum phase phase;
    struct facts facts;
    char gauge[64];   /* of the GPU now: "98 %, 61 °C, 540 W, 12.3/141 GB"; empty: none */
    char changed[96]; /* settings that are not as the run began: "momentum 0.8, agc 0.02"; empty: none */
    struct snapshot snapshot;
    struct figures figures; /* of the snapshot, or of one a moment ago: see scene_take_figures */
    char progress[256];     /* what is being done while starting */
    float best;             /* accuracy; below 0: none yet */
    long best_step;
    bool best_is_test;           /* no validation part: measured on the test set */
    struct epoch_record results; /* at the run's end; step 0: not yet */
    bool asked;                  /* a command is on its way to the trainer ... */
    enum command_kind asked_for; /* ... the last, or the last pause or resume among those */
    bool undecided;              /* a trial has results, neither accepted nor dropped */

    struct monitor *monitor; /* of the machine; NULL until the run is there */
    struct curves *curves;
    struct finder *finder; /* of OVERLAY_FINDER */
    struct journal *journal;
    int journal_scroll; /* rows above the newest */

    struct probes *probes;       /* NULL until the run is there */
    long probe_every;            /* steps; 0: only at a pause and when it is asked for */
    int selected;                /* point of the probes: 0 the stem, then the blocks */
    int blocks_top;              /* first point that the table of blocks shows */
    int block_scroll;            /* rows of figures above those that a block's details show */
    struct cell_cache *strips;   /* those of the table of blocks; NULL at first */
    enum view block_from;        /* where to go back from them */
    struct profile_places depth; /* of the view of signals or gradients that was drawn last */
    enum axis_choice axes[AXIS_COUNT];

    struct images *images; /* NULL until the run is there */
    struct images_choice images_choice;
    bool look_wanted; /* the person asks for a new look into the network ... */
    bool look_asked;  /* ... one is on its way from the trainer */

    enum view view;
    enum place focus[VIEW_COUNT]; /* of each view; see scene_focus */
    bool zoomed;                  /* the panel that has it fills the body */

    double cursor;            /* of the charts: a step; NAN: none */
    struct chart_range range; /* what they show */
    struct chart_range tried; /* ... while there is a trial to see, unless the person had chosen something */
    enum curves_axis chart_axis;
    struct rect plots[QUANTITY_COUNT];               /* of the charts, where they were drawn last */
    struct run_list runs;                            /* and the curves of those that lie over this run's */
    struct curves_overlay overlaid[CURVES_OVERLAYS]; /* those that have been read; see charts_overlay */
    int overlaid_count;
    char run_marked[SESSION_NAME_SIZE]; /* of the runs; empty: the first */
    bool run_opened;                    /* its details are shown */
    int runs_top;                       /* first one that the table shows */
    int runs_order;                     /* by what it is sorted */
    char runs_unfolded[TUNE_NAME_SIZE]; /* the tune whose trials are shown; empty: none */
    char prepared[160];                 /* by a key, for the command line; the app takes it */
    bool command_focused;
    struct notice notice;
    enum overlay overlay;
    int overlay_scroll;                            /* rows of the help or the message that are above its frame */
    char message_title[64], message[JOURNAL_TEXT]; /* of OVERLAY_MESSAGE */
    enum role message_role;
    bool asks_to_leave;     /* the message says what would be lost */
    const char *help_topic; /* a command's name; NULL: all */
};

struct scene_cursor {
    int row, column; /* row -1: hidden */
};

/* Shows a view; from a block's details the way back leads to where they were opened. */
void scene_open(struct scene *scene, enum view view);
/* Shows one chart alone. */
void scene_open_chart(struct scene *scene, enum place chart);
/* The panel of the open view that takes its keys, the first of them until another is chosen; PLACE_COUNT where none
 * does. */
enum place scene_focus(const struct scene *scene);
/* The next one takes them. */
void scene_focus_next(struct scene *scene);
struct layout scene_layout(const struct scene *scene, int rows, int columns);

/* Takes the figures of the snapshot and the curves as they stand. True when one of them has changed. */
bool scene_take_figures(struct scene *scene);

/* No trainer will ever take a step or a command again. */
bool scene_is_over(const struct scene *scene);

/* Whether the axis of a chart is logarithmic: as the person chose, else as the values ask for. */
bool scene_log_chart(const struct scene *scene, enum quantity quantity);
/* What is to be seen of a quantity: that part of the run on those axes, with cursor and overlays. */
struct curves_look scene_look(const struct scene *scene, enum quantity quantity);

/* Draws all of it onto a cleared canvas of any size. Says where the terminal's cursor belongs. */
struct scene_cursor scene_draw(struct scene *scene, struct canvas *canvas);

/* Whether the panel that has the focus takes a key that is a command's elsewhere. */
bool scene_takes_first(const struct scene *scene, int key);
/* Gives a key to the panels that are shown; true when one took it. */
bool scene_key(struct scene *scene, int rows, int columns, int key);

/* Gives what the mouse did to the panel below it; true when that took it. */
bool scene_mouse(struct scene *scene, int rows, int columns, const struct mouse *mouse);

#endif
