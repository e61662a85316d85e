/* A session's network at one of its checkpoints, and what it says of a part of the data: what `nfbench test` prints
 * and the figures of images show. */
#ifndef NFBENCH_TUI_MEASURE_H
#define NFBENCH_TUI_MEASURE_H

#include "engine/robustness.h"
#include "sessions/session.h"
#include "tui/device.h"

enum { MEASURE_BEST = -3 }; /* a checkpoint: the best one, or the last where none is called the best yet */

struct measure {
    struct session *session;  /* the caller's */
    struct settings settings; /* the session's with what was laid over them; device and threads are the real ones */
    struct dataset *dataset;
    struct backend *backend;
    struct network *network;
    struct training_state state; /* of the checkpoint */
    char device[DEVICE_TEXT_SIZE];
    /* What there is to say of the device, the checkpoint and the data, or empty. */
    char device_note[DEVICE_NOTE_SIZE], note[256], data_note[160];
    bool averaged;     /* measured with the averaged weights: where there are some, unless the caller says otherwise */
    enum tta_kind tta; /* none, unless the caller says otherwise */

    const char *part; /* "test", "validation", "train" */
    enum split split;
    int first;                           /* image of the split */
    struct evaluation result, plain;     /* plain: without `tta`, where there is any */
    uint32_t *confusion;                 /* (classes, classes), row = truth */
    struct prediction *predictions;      /* (result.count): of image first + i */
    struct evaluation_options evaluated; /* how; without results */
};

/* Opens the data and the network of `settings` (the session's own, with what a person laid over them) and loads a
 * checkpoint (MEASURE_BEST, too). Of the data the test images are enough. The session must outlive it. On failure,
 * too, the caller calls measure_close. */
int measure_open(struct measure *measure, struct session *session, const struct settings *settings,
                 const struct checkpoint_choice *checkpoint, struct error *error);

/* Loads a checkpoint of those (MEASURE_BEST, too) into a network of the session. */
int measure_load(struct session *session, const struct checkpoint_choice *checkpoint, struct network *network,
                 struct training_state *state, char note[256], struct error *error);

/* Measures the images of a part ("test", "validation", "train"), settings.train.batch at a time; fills what stands
 * behind `part`. As evaluate() returns. */
int measure_run(struct measure *measure, const char *part, int (*progress)(void *context, int done, int total),
                void *context, struct error *error);

/* The accuracy of the same images corrupted; behind measure_run. As evaluate() returns. */
int measure_corrupted(const struct measure *measure, robustness_progress *progress, void *context,
                      struct robustness *out, struct error *error);

/* What was measured: "10,000 test images of CIFAR-10", "first 2,000 of 10,000 test images of CIFAR-10". Returns whether
 * a limit left some of the test images out. */
bool measure_say_images(const struct measure *measure, char *text, size_t size);

/* Frees all but the session; a zeroed one is fine. */
void measure_close(struct measure *measure);

#endif
