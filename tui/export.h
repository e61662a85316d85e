/* What `nfbench export` and the screen's `export NAME` make of a session: a row of a table each, a PNG each. */
#ifndef NFBENCH_TUI_EXPORT_H
#define NFBENCH_TUI_EXPORT_H

#include "sessions/session.h"
#include "tui/curves.h"
#include "tui/measure.h"
#include "viz/canvas.h"
#include "viz/theme.h"

#define EXPORT_SMOOTHING 0.95 /* of the curves, as on the screen at first */

enum { EXPORT_ROWS = 64, EXPORT_PATH_SIZE = 4096, EXPORT_SCALE_MAX = 4 };

/* A session as its pictures need it. */
struct export_source {
    struct session *session;  /* the caller's */
    struct settings settings; /* the session's, with what a person laid over them */
    const struct theme *theme;
    int scale; /* 1..EXPORT_SCALE_MAX */
    /* from its logs */
    struct metrics metrics;
    struct curves *curves;
    long step;     /* the newest */
    long probe_at; /* the pictures of probes are of the last one up to this step; below 0: of the newest */
    /* from the network, which the first picture that needs it opens; export_open sets the best checkpoint, the test
     * images and nobody to tell */
    struct checkpoint_choice checkpoint;                 /* as measure_open takes it */
    const char *part;                                    /* as measure_run takes it */
    int (*progress)(void *context, int done, int total); /* of the measuring; non-zero gives up; may be NULL */
    void *context;
    struct measure measure;
    bool opened, measured;
    struct training_state taken; /* of the checkpoint that pictures or weights were taken from; zeros: none yet */
};

struct export_row {
    const char *name;    /* "signal" */
    const char *summary; /* one line, no full stop */
    bool probes;         /* it is of one probe */
    bool network;        /* it needs the network and the images, not the log alone: it takes its time */
    /* Draws on a new canvas of pixels, which the caller destroys. -1 and why when there is nothing to draw. */
    int (*draw)(struct export_source *source, struct canvas **out, struct error *error);
};

/* The index-th row; NULL behind the last. */
const struct export_row *export_row(int index);

/* Rows by their numbers. */
struct export_set {
    bool rows[EXPORT_ROWS];
};
/* "signal,loss"; "all": every row; "log": those that need no network. Names may be divided by blanks, too. -1 and all
 * names there are when one is unknown. */
int export_parse(const char *names, struct export_set *set, struct error *error);
/* Whether a picture of the set does: they take their time. */
bool export_needs_network(const struct export_set *set);

/* Reads the logs of a session that is open. `settings`: its own, with what was laid over them. Free it with
 * export_close, on failure too. */
int export_open(struct export_source *source, struct session *session, const struct settings *settings,
                struct error *error);
void export_close(struct export_source *source);

/* The step that a row's picture is of. */
long export_step_of(const struct export_source *source, int row);

/* Writes FOLDER/step-STEP-NAME.png, with the session, the step and its settings as text in it (iTXt); the folder is
 * made. `folder` NULL: the session's images. */
int export_write(struct export_source *source, int row, const char *folder, char path[EXPORT_PATH_SIZE],
                 struct error *error);

/* The same of a picture that is drawn already, under a name of the caller's. */
int export_save(const struct export_source *source, const char *name, long step, const struct canvas *canvas,
                const char *folder, char path[EXPORT_PATH_SIZE], struct error *error);

/* The text that goes into pictures, as JSON: session, step, settings. Freed by the caller; NULL: out of memory. */
char *export_caption(const char *session, long step, const struct settings *settings);

/* ---- The pictures from the log (export_log.c) ---- */

/* The chart that `look` asks for as a figure, for a picture of a run that goes on, too; its texts are set here. */
int export_curves(const struct curves *curves, const struct curves_look *look, const char *network, const char *session,
                  const struct theme *theme, int scale, struct canvas **out, struct error *error);

/* The probe that its pictures are of; NULL where there is none. */
const struct probe *export_probe(const struct export_source *source);
int export_loss(struct export_source *source, struct canvas **out, struct error *error);
int export_accuracy(struct export_source *source, struct canvas **out, struct error *error);
int export_learning_rate(struct export_source *source, struct canvas **out, struct error *error);
int export_gradient_norm(struct export_source *source, struct canvas **out, struct error *error);
int export_signal(struct export_source *source, struct canvas **out, struct error *error);
int export_gradients(struct export_source *source, struct canvas **out, struct error *error);
int export_weights(struct export_source *source, struct canvas **out, struct error *error);
int export_histograms(struct export_source *source, struct canvas **out, struct error *error);
int export_variances(struct export_source *source, struct canvas **out, struct error *error);
int export_density(struct export_source *source, struct canvas **out, struct error *error);

/* ---- The pictures of images and of the network (export_images.c) ---- */

int export_augmentation(struct export_source *source, struct canvas **out, struct error *error);
int export_samples(struct export_source *source, struct canvas **out, struct error *error);
int export_classes(struct export_source *source, struct canvas **out, struct error *error);
int export_mistakes(struct export_source *source, struct canvas **out, struct error *error);
int export_losses(struct export_source *source, struct canvas **out, struct error *error);
int export_confusion(struct export_source *source, struct canvas **out, struct error *error);
int export_reliability(struct export_source *source, struct canvas **out, struct error *error);
int export_filters(struct export_source *source, struct canvas **out, struct error *error);
/* Accuracies of the images that were measured, corrupted; no row of the table, for it takes long. */
int export_corruptions(const struct export_source *source, const struct robustness *robustness, struct canvas **out,
                       struct error *error);
void export_close_network(struct export_source *source);

#endif
