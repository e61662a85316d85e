/* A pool of batch buffers and the threads that fill them. Batches are numbered by tickets, given out in order under the
 * one lock together with the batch's image indices; filling needs no lock. A seek makes all tickets given out before it
 * stale: a buffer that comes back with a stale ticket is free again. */
#include "engine/loader.h"

#include "kernels/philox.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum slot_state { SLOT_FREE, SLOT_FILLING, SLOT_READY, SLOT_HELD };

struct slot {
    enum slot_state state;
    uint64_t ticket;
    struct batch batch;
};

struct loader {
    const struct dataset *dataset;
    struct loader_options options;
    int batches;
    uint32_t *order; /* (count) the images of epoch order_epoch, where shuffled */
    uint32_t order_epoch;
    bool order_valid;

    pthread_mutex_t lock; /* over all below */
    pthread_cond_t work;  /* a slot became free, or the end */
    pthread_cond_t ready; /* a slot became ready */
    bool ending;
    uint32_t epoch, number; /* of the next ticket's batch */
    uint64_t next_ticket;   /* to give out */
    uint64_t wanted;        /* the ticket that loader_next returns next; older ones are stale */
    int slot_count, worker_count;
    struct slot *slots;
    void *memory; /* of all batches */
    pthread_t workers[LOADER_MAX_WORKERS];
};

/* ---- What is in a batch ---- */

/* Fisher and Yates from the identity, one draw a position. */
static void shuffle_epoch(struct loader *loader, uint32_t epoch)
{
    uint32_t count = (uint32_t)loader->options.count;
    for (uint32_t i = 0; i < count; i++)
        loader->order[i] = (uint32_t)loader->options.first + i;
    for (uint32_t i = 0; i + 1 < count; i++) {
        uint32_t word = philox_draw(loader->options.seed, PHILOX_SHUFFLE, epoch, i, 0).word[0];
        uint32_t j = i + philox_below(word, count - i);
        uint32_t image = loader->order[i];
        loader->order[i] = loader->order[j];
        loader->order[j] = image;
    }
    loader->order_epoch = epoch;
    loader->order_valid = true;
}

/* Gives the next ticket and its image indices to a free slot, and goes on to the next batch. Under the lock. */
static void issue_ticket(struct loader *loader, struct slot *slot)
{
    const struct loader_options *options = &loader->options;
    struct batch *batch = &slot->batch;
    int start = (int)loader->number * options->batch;
    if (options->shuffle && (!loader->order_valid || loader->order_epoch != loader->epoch))
        shuffle_epoch(loader, loader->epoch);
    batch->n = options->count - start < options->batch ? options->count - start : options->batch;
    batch->epoch = loader->epoch;
    batch->number = loader->number;
    for (int i = 0; i < batch->n; i++)
        batch->indices[i] = options->shuffle ? loader->order[start + i] : (uint32_t)(options->first + start + i);
    slot->ticket = loader->next_ticket++;
    slot->state = SLOT_FILLING;
    if (++loader->number == (uint32_t)loader->batches) {
        loader->number = 0;
        loader->epoch++;
    }
}

/* An image as augmentation makes it, in `changed` where it does something. */
static const uint8_t *augmented(const struct loader *loader, uint32_t epoch, uint32_t index, uint8_t *changed)
{
    const struct loader_options *options = &loader->options;
    const uint8_t *image = dataset_image(loader->dataset, options->split, (int)index);
    if (options->augment.kind == AUGMENT_NONE)
        return image;
    augment_image(&options->augment, image, options->seed, epoch, index, changed, NULL);
    return changed;
}

static void fill_image(const struct loader *loader, struct batch *batch, int i)
{
    const struct loader_options *options = &loader->options;
    uint8_t changed[IMAGE_BYTES], other[IMAGE_BYTES];
    const uint8_t *image = augmented(loader, batch->epoch, batch->indices[i], changed);
    float *out = batch->images + (size_t)i * IMAGE_BYTES;
    if (batch->mix.partner > 0) {
        const uint32_t partner = batch->indices[mix_partner(i, batch->n)];
        mix_normalize(options->normalize, &options->statistics, &batch->mix, image,
                      augmented(loader, batch->epoch, partner, other), out);
    } else {
        normalize_image(options->normalize, &options->statistics, image, out);
    }
}

static void fill_images(const struct loader *loader, struct batch *batch, int begin, int end)
{
    for (int i = begin; i < end; i++)
        fill_image(loader, batch, i);
}

static uint8_t label_of(const struct loader *loader, uint32_t index)
{
    return (uint8_t)dataset_label(loader->dataset, loader->options.split, (int)index);
}

/* All of it but for the images of other slices. */
static void fill_batch(const struct loader *loader, struct slot *slot)
{
    const struct loader_options *options = &loader->options;
    struct batch *batch = &slot->batch;
    batch->mix = mix_draw(&options->mix, options->seed, batch->epoch, batch->number);
    batch->made = slice_of(&options->slicing, batch->n);
    fill_images(loader, batch, batch->made.first, batch->made.first + batch->made.n);
    for (int i = 0; i < batch->n; i++) {
        batch->labels[i] = label_of(loader, batch->indices[i]);
        if (batch->partners)
            batch->partners[i] = label_of(loader, batch->indices[mix_partner(i, batch->n)]);
    }
}

/* ---- Threads ---- */

static struct slot *find_slot(struct loader *loader, enum slot_state state)
{
    for (int s = 0; s < loader->slot_count; s++)
        if (loader->slots[s].state == state)
            return &loader->slots[s];
    return NULL;
}

static void *worker_main(void *argument)
{
    struct loader *loader = argument;
    pthread_mutex_lock(&loader->lock);
    while (!loader->ending) {
        struct slot *slot = find_slot(loader, SLOT_FREE);
        if (!slot) {
            pthread_cond_wait(&loader->work, &loader->lock);
            continue;
        }
        issue_ticket(loader, slot);
        pthread_mutex_unlock(&loader->lock);
        fill_batch(loader, slot);
        pthread_mutex_lock(&loader->lock);
        bool stale = slot->ticket < loader->wanted;
        slot->state = stale ? SLOT_FREE : SLOT_READY;
        pthread_cond_signal(stale ? &loader->work : &loader->ready);
    }
    pthread_mutex_unlock(&loader->lock);
    return NULL;
}

/* ---- The public face ---- */

static int check_options(const struct dataset *dataset, const struct loader_options *options, struct error *error)
{
    int available = dataset_count(dataset, options->split);
    if (options->first < 0 || options->count < 1 || options->first > available - options->count)
        return error_set(error, "images %d to %d asked for, but this part of %s has %d", options->first,
                         options->first + options->count - 1, dataset_name(dataset), available);
    if (options->batch < 1)
        return error_set(error, "a batch of %d images is not possible", options->batch);
    if (options->workers < 0 || options->workers > LOADER_MAX_WORKERS)
        return error_set(error, "%d loader threads: 0 to %d are possible", options->workers, LOADER_MAX_WORKERS);
    return 0;
}

/* Takes one block for the images, indices and labels of every slot. */
static int allocate_slots(struct loader *loader, struct error *error)
{
    size_t n = (size_t)loader->options.batch, images = n * IMAGE_BYTES * sizeof(float);
    size_t others = (n * (sizeof(uint32_t) + 2) + 63) / 64 * 64, one = images + others; /* multiples of 64 */
    loader->slot_count = loader->options.workers ? loader->options.workers + 2 : 1;
    loader->slots = calloc((size_t)loader->slot_count, sizeof *loader->slots);
    loader->memory = aligned_alloc(64, one * (size_t)loader->slot_count);
    loader->order = loader->options.shuffle ? malloc((size_t)loader->options.count * sizeof *loader->order) : NULL;
    if (!loader->slots || !loader->memory || (loader->options.shuffle && !loader->order))
        return error_set(error, "no memory for %d batches of %d images", loader->slot_count, loader->options.batch);
    for (int s = 0; s < loader->slot_count; s++) {
        struct batch *batch = &loader->slots[s].batch;
        uint8_t *start = (uint8_t *)loader->memory + (size_t)s * one;
        void *first = start, *second = start + images;
        batch->images = first;
        batch->indices = second;
        batch->labels = start + images + n * sizeof(uint32_t);
        batch->partners = mix_is_on(&loader->options.mix) ? batch->labels + n : NULL;
    }
    return 0;
}

int loader_batches_of(int images, int batch)
{
    return (images + batch - 1) / batch;
}

int loader_create(const struct dataset *dataset, const struct loader_options *options, struct loader **out,
                  struct error *error)
{
    if (check_options(dataset, options, error))
        return -1;
    struct loader *loader = calloc(1, sizeof *loader);
    if (!loader)
        return error_set(error, "no memory for the loader");
    loader->dataset = dataset;
    loader->options = *options;
    if (loader->options.batch > options->count)
        loader->options.batch = options->count; /* no batch is larger than the whole */
    loader->batches = loader_batches_of(options->count, loader->options.batch);
    /* these cannot fail with default attributes on Linux */
    pthread_mutex_init(&loader->lock, NULL);
    pthread_cond_init(&loader->work, NULL);
    pthread_cond_init(&loader->ready, NULL);
    if (allocate_slots(loader, error))
        goto fail;
    for (; loader->worker_count < options->workers; loader->worker_count++) {
        int code = pthread_create(&loader->workers[loader->worker_count], NULL, worker_main, loader);
        if (code) {
            error_set(error, "cannot start a loader thread: %s", strerror(code));
            goto fail;
        }
    }
    *out = loader;
    return 0;
fail:
    loader_destroy(loader);
    return -1;
}

void loader_destroy(struct loader *loader)
{
    if (!loader)
        return;
    pthread_mutex_lock(&loader->lock);
    loader->ending = true;
    pthread_cond_broadcast(&loader->work);
    pthread_mutex_unlock(&loader->lock);
    for (int w = 0; w < loader->worker_count; w++)
        pthread_join(loader->workers[w], NULL);
    pthread_cond_destroy(&loader->ready);
    pthread_cond_destroy(&loader->work);
    pthread_mutex_destroy(&loader->lock);
    free(loader->order);
    free(loader->memory);
    free(loader->slots);
    free(loader);
}

int loader_batches(const struct loader *loader)
{
    return loader->batches;
}

/* Frees the slot that the caller held. Under the lock. */
static void release_held(struct loader *loader)
{
    struct slot *held = find_slot(loader, SLOT_HELD);
    if (held) {
        held->state = SLOT_FREE;
        pthread_cond_signal(&loader->work);
    }
}

static struct slot *find_wanted(struct loader *loader)
{
    for (int s = 0; s < loader->slot_count; s++)
        if (loader->slots[s].state == SLOT_READY && loader->slots[s].ticket == loader->wanted)
            return &loader->slots[s];
    return NULL;
}

const struct batch *loader_next(struct loader *loader)
{
    struct slot *slot;
    pthread_mutex_lock(&loader->lock);
    release_held(loader);
    if (loader->worker_count == 0) {
        slot = &loader->slots[0];
        issue_ticket(loader, slot);
        fill_batch(loader, slot);
    } else {
        while (!(slot = find_wanted(loader)))
            pthread_cond_wait(&loader->ready, &loader->lock);
    }
    slot->state = SLOT_HELD;
    loader->wanted++;
    pthread_mutex_unlock(&loader->lock);
    return &slot->batch;
}

/* A slot that is held is its holder's alone, so it is filled without the lock. */
void loader_complete(struct loader *loader)
{
    pthread_mutex_lock(&loader->lock);
    struct slot *held = find_slot(loader, SLOT_HELD);
    pthread_mutex_unlock(&loader->lock);
    if (!held)
        return;
    struct batch *batch = &held->batch;
    fill_images(loader, batch, 0, batch->made.first);
    fill_images(loader, batch, batch->made.first + batch->made.n, batch->n);
    batch->made = (struct slice){0, batch->n};
}

/* What was made ahead is dropped, and the next ticket is the wanted one. */
void loader_seek(struct loader *loader, uint32_t epoch, uint32_t number)
{
    pthread_mutex_lock(&loader->lock);
    loader->epoch = epoch;
    loader->number = number;
    loader->wanted = loader->next_ticket;
    for (int s = 0; s < loader->slot_count; s++)
        if (loader->slots[s].state == SLOT_READY)
            loader->slots[s].state = SLOT_FREE;
    pthread_cond_broadcast(&loader->work);
    pthread_mutex_unlock(&loader->lock);
}

const uint32_t *loader_order(struct loader *loader, uint32_t epoch)
{
    if (!loader->order_valid || loader->order_epoch != epoch)
        shuffle_epoch(loader, epoch);
    return loader->order;
}

void loader_partners(struct loader *loader, uint32_t epoch, const int *images, int count, int *partners,
                     struct mix *mixes)
{
    const struct loader_options *options = &loader->options;
    const uint32_t *order = loader_order(loader, epoch);
    for (int place = 0; place < options->count; place++) {
        const int number = place / options->batch, start = number * options->batch;
        const int n = options->count - start < options->batch ? options->count - start : options->batch;
        for (int i = 0; i < count; i++)
            if (order[place] == (uint32_t)images[i]) {
                partners[i] = (int)order[start + mix_partner(place - start, n)];
                mixes[i] = mix_draw(&options->mix, options->seed, epoch, (uint32_t)number);
            }
    }
}
