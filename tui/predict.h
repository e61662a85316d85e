/* What a session's network says of images in files. No data set is needed: how its images are normalised and what its
 * classes are called stands in the session (session_read_input). */
#ifndef NFBENCH_TUI_PREDICT_H
#define NFBENCH_TUI_PREDICT_H

#include "engine/evaluate.h"
#include "sessions/session.h"
#include "tui/device.h"
#include "tui/image_files.h"

struct predictor {
    struct settings settings; /* the session's with what was laid over them; device and threads are the real ones */
    struct session_input input;
    struct backend *backend;
    struct network *network;
    struct training_state state; /* of the checkpoint */
    char device[DEVICE_TEXT_SIZE];
    char device_note[DEVICE_NOTE_SIZE], note[256]; /* what there is to say of the device and the checkpoint, or empty */
    bool averaged;     /* with the averaged weights: where there are some, unless the caller says otherwise */
    enum tta_kind tta; /* none, unless the caller says otherwise */
};

/* Opens the network of `settings` (the session's own, with what a person laid over them) at a checkpoint
 * (measure_load). Where the session does not say how its images are normalised, its data set settings->data does. On
 * failure, too, the caller calls predictor_close. */
int predictor_open(struct predictor *predictor, struct session *session, const struct settings *settings,
                   const struct checkpoint_choice *checkpoint, struct error *error);
void predictor_close(struct predictor *predictor);

/* Where an image came from. */
struct predicted_image {
    const char *path; /* of the list of files */
    int record;       /* of its CIFAR records, from 0; -1: a picture */
    int label;        /* one of the network's classes; -1: not known */
};

struct predictions {
    long count, labelled, correct;
    struct predicted_image *images; /* (count) */
    float *probabilities;           /* (count, classes) */
    size_t image_room, probability_room;
};

/* All may be NULL. */
struct predict_listener {
    void (*reading)(void *context, int done, int total);    /* files */
    void (*predicting)(void *context, int done, int total); /* images, of those that have been read */
    void (*failed)(void *context, const char *path, const struct error *error);
    void (*foreign_labels)(void *context, const char *path); /* records of another data set: labels are left out */
    void *context;
};

/* Reads the files, by all threads, and predicts, settings.train.batch at a time, what is in those that can be read; the
 * others are told. Batches follow the images' order: of a file of records alone they are those of `nfbench test`. -1
 * when the network or the memory fails. Free with predictions_free, after a failure, too. */
int predict_files(struct predictor *predictor, const struct file_list *files, const struct predict_listener *listener,
                  struct predictions *out, struct error *error);
void predictions_free(struct predictions *predictions);

/* The `most` likeliest classes of an image, the likeliest first, as many as there are: how many. */
int predictions_top(const float *probabilities, int classes, int most, int *top);

#endif
