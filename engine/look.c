/* See look.h. */
#include "engine/look.h"

#include "base/clock.h"
#include "engine/loader.h"

#include <stdlib.h>
#include <string.h>

static const double LOOK_SECONDS = 1;
enum { LOOK_FRESH = 4 };

int look_create(const struct model_spec *spec, struct look **out, struct error *error)
{
    const size_t classes = (size_t)spec->classes;
    struct look *look = calloc(1, sizeof *look);
    if (!look)
        return error_set(error, "out of memory for a look into the network");
    look->classes = spec->classes;
    look->filter_count = spec->stem;
    look->predictions = calloc(LOOK_IMAGES, sizeof *look->predictions);
    look->probabilities = calloc(LOOK_IMAGES * classes, sizeof *look->probabilities);
    look->confusion = calloc(classes * classes, sizeof *look->confusion);
    look->filters = calloc((size_t)spec->stem * LOOK_FILTER_WEIGHTS, sizeof *look->filters);
    if (look->predictions && look->probabilities && look->confusion && look->filters) {
        *out = look;
        return 0;
    }
    look_destroy(look);
    return error_set(error, "out of memory for a look into the network");
}

void look_destroy(struct look *look)
{
    if (!look)
        return;
    free(look->predictions);
    free(look->probabilities);
    free(look->confusion);
    free(look->filters);
    free(look);
}

void look_copy(struct look *to, const struct look *from)
{
    const size_t classes = (size_t)from->classes;
    const struct look own = *to;
    *to = *from;
    to->predictions = own.predictions;
    to->probabilities = own.probabilities;
    to->confusion = own.confusion;
    to->filters = own.filters;
    memcpy(to->predictions, from->predictions, LOOK_IMAGES * sizeof *to->predictions);
    memcpy(to->probabilities, from->probabilities, LOOK_IMAGES * classes * sizeof *to->probabilities);
    memcpy(to->confusion, from->confusion, classes * classes * sizeof *to->confusion);
    memcpy(to->filters, from->filters, (size_t)from->filter_count * LOOK_FILTER_WEIGHTS * sizeof *to->filters);
}

/* ---- What is measured ---- */

struct watch {
    double until;
    int done;
};

static int on_batch(void *context, int done, int total)
{
    struct watch *watch = context;
    (void)total;
    watch->done = done;
    return clock_measured() > watch->until;
}

/* Of as many images as were reached. */
static void sum_up(struct look *look)
{
    struct evaluation sums = {.count = look->count};
    for (int i = 0; i < look->count; i++) {
        sums.loss += (double)look->predictions[i].loss / look->count;
        sums.correct += look->predictions[i].predicted == look->predictions[i].label;
    }
    sums.accuracy = look->count > 0 ? (double)sums.correct / look->count : 0;
    look->result = sums;
}

static int predict(struct network *network, const struct dataset *dataset, const struct train_options *options,
                   const struct partition *parts, const struct device_data *device, struct look *look,
                   struct error *error)
{
    struct watch watch = {.until = clock_measured() + LOOK_SECONDS};
    const struct evaluation_options asked = {
        .split = look->split,
        .first = look->first,
        .count = look->count,
        .batch = options->batch,
        .normalize = options->normalize,
        .statistics = parts->statistics,
        .use_ema = look->averaged,
        .device = device,
        .confusion = look->confusion,
        .predictions = look->predictions,
        .probabilities = look->probabilities,
        .progress = on_batch,
        .context = &watch,
    };
    const int status = evaluate(network, dataset, &asked, &look->result, error);
    look->count = watch.done;
    return status < 0 ? -1 : 0;
}

int look_take(struct network *network, const struct dataset *dataset, const struct train_options *options,
              const struct partition *parts, const struct device_data *device, struct look *look, struct error *error)
{
    const bool test = parts->test > 0;
    const int images = test ? parts->test : parts->validation;
    const struct parameter *stem = network_find(network, "stem.weight");
    look->split = test ? SPLIT_TEST : SPLIT_TRAIN;
    look->first = test ? 0 : parts->validation_first;
    look->count = images < LOOK_IMAGES ? images : LOOK_IMAGES;
    look->averaged = options->ema > 0;
    look->standardized = network_spec(network)->weight_standardization;
    if (look->count > 0 && predict(network, dataset, options, parts, device, look, error) < 0)
        return -1;
    sum_up(look);
    return network_read_effective(network, stem, look->averaged, look->filters, error);
}

/* ---- The batch ---- */

int look_batch(const struct look *look, const struct dataset *dataset, int *images, struct error *error)
{
    const struct loader_options loading = {
        .split = SPLIT_TRAIN,
        .count = look->train,
        .batch = 1, /* it is asked for the order alone */
        .shuffle = true,
        .seed = look->seed,
    };
    const long start = (long)look->batch * look->batch_size;
    const long left = look->train - start;
    const int count = (int)(left < look->batch_size ? left : look->batch_size);
    struct loader *loader;
    if (loader_create(dataset, &loading, &loader, error) < 0)
        return -1;
    const uint32_t *order = loader_order(loader, look->epoch);
    for (int i = 0; i < count; i++)
        images[i] = (int)order[start + i];
    loader_destroy(loader);
    return count;
}

/* ---- The handing over ---- */

int look_buffer_create(struct look_buffer *buffer, const struct model_spec *spec, struct error *error)
{
    *buffer = (struct look_buffer){.writer = 0, .reader = 1};
    atomic_init(&buffer->middle, 2);
    for (int i = 0; i < 3; i++)
        if (look_create(spec, &buffer->slots[i], error) < 0) {
            look_buffer_free(buffer);
            return -1;
        }
    return 0;
}

void look_buffer_free(struct look_buffer *buffer)
{
    for (int i = 0; i < 3; i++) {
        look_destroy(buffer->slots[i]);
        buffer->slots[i] = NULL;
    }
}

struct look *look_buffer_writing(struct look_buffer *buffer)
{
    return buffer->slots[buffer->writer];
}

/* The swaps are acquire and release at once: a slot's contents travel with its number. */
void look_buffer_publish(struct look_buffer *buffer)
{
    const unsigned previous =
        atomic_exchange_explicit(&buffer->middle, buffer->writer | LOOK_FRESH, memory_order_acq_rel);
    buffer->writer = previous & ~(unsigned)LOOK_FRESH;
}

const struct look *look_buffer_read(struct look_buffer *buffer)
{
    if (atomic_load_explicit(&buffer->middle, memory_order_relaxed) & LOOK_FRESH) {
        buffer->reader =
            atomic_exchange_explicit(&buffer->middle, buffer->reader, memory_order_acq_rel) & ~(unsigned)LOOK_FRESH;
        buffer->seen = true;
    }
    return buffer->seen ? buffer->slots[buffer->reader] : NULL;
}
