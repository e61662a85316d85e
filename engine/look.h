/* A look into the network between two steps, for a viewer: what it says of some held-out images, the filters of its
 * first convolution, and which batch it trains on next. Plain data, filled by the trainer and handed over whole by a
 * triple buffer: neither side waits, and the viewer never sees a half-written one. */
#ifndef NFBENCH_ENGINE_LOOK_H
#define NFBENCH_ENGINE_LOOK_H

#include "engine/evaluate.h"

#include <stdatomic.h>

enum { LOOK_IMAGES = 512 }; /* at most */
enum { LOOK_FILTER_WEIGHTS = 27 };

struct look {
    long number;           /* of the looks of this trainer, from 1 */
    long step;             /* updates done */
    uint32_t epoch, batch; /* of the next step, from 0; its images are those of a loader there */
    bool over;             /* no step follows: the batch is the last step's */
    char failure[256];     /* why nothing was measured; else empty */
    struct augment_options augment;
    struct mix_options mix;
    uint64_t seed;
    int train, batch_size; /* images: of an epoch, of a batch */

    enum split split; /* the test set; where there is none the validation part */
    int first, count; /* images of it; 0: there is neither */
    bool averaged;    /* the averaged weights were asked, as evaluations are */
    int classes;
    struct evaluation result;       /* of these images */
    struct prediction *predictions; /* (LOOK_IMAGES) */
    float *probabilities;           /* (LOOK_IMAGES, classes): softmax */
    uint32_t *confusion;            /* (classes, classes), row = truth */

    int filter_count; /* of the stem */
    bool standardized;
    float *filters; /* (filter_count, LOOK_FILTER_WEIGHTS): (3, 3, 3) each, OIHW; as the convolution uses them */
};

int look_create(const struct model_spec *spec, struct look **out, struct error *error);
void look_destroy(struct look *look); /* NULL is fine */
/* Between looks into networks of as many classes and filters. */
void look_copy(struct look *to, const struct look *from);

/* Fills the look's measured half, from `split` on, by the network as it is, with nothing of it in flight; the training
 * goes on to the bit as without. Of the images it takes as many as a second holds, a batch at least, so the trainer is
 * held up for no longer on a slow machine. `device`: as in evaluation_options. */
int look_take(struct network *network, const struct dataset *dataset, const struct train_options *options,
              const struct partition *parts, const struct device_data *device, struct look *look, struct error *error);

/* The images of the look's batch, numbers in the training split in the batch's order, into `images` (batch_size);
 * returns how many, -1 for want of memory. */
int look_batch(const struct look *look, const struct dataset *dataset, int *images, struct error *error);

/* One writer thread fills look_buffer_writing() and publishes it; one reader thread gets the newest, which stays as it
 * is until its next call. */
struct look_buffer {
    struct look *slots[3];
    unsigned writer, reader;
    atomic_uint middle; /* a slot's number, with LOOK_FRESH while nobody has read it */
    bool seen;          /* the reader's slot holds one */
};
int look_buffer_create(struct look_buffer *buffer, const struct model_spec *spec, struct error *error);
void look_buffer_free(struct look_buffer *buffer);
struct look *look_buffer_writing(struct look_buffer *buffer);
void look_buffer_publish(struct look_buffer *buffer);
const struct look *look_buffer_read(struct look_buffer *buffer); /* NULL: none yet */

#endif
