/* See follow.h. A follower has a trainer that never starts: it gives it the data, the loader and the steps in flight,
 * in the places that rank 0 names. */
#include "engine/follow.h"

#include "engine/ranks.h"

#include <stdlib.h>
#include <string.h>

/* What is open while a run goes on. */
struct following {
    struct backend *backend;
    struct network *network;
    struct dataset *dataset;
    struct trainer *trainer;
};

static void close_run(struct following *run)
{
    trainer_destroy(run->trainer);
    network_destroy(run->network);
    if (run->backend)
        run->backend->destroy(run->backend);
    if (run->dataset)
        dataset_close(run->dataset);
    *run = (struct following){0};
}

static int open_run(struct following *run, const struct run_order *order, follow_open *open, struct error *error)
{
    struct network_options options = order->network;
    options.rank = dist_rank();
    options.probes = false; /* rank 0 takes them */
    return dataset_open(order->data, &run->dataset, error) || open(&order->train, &run->backend, error) ||
                   network_create(run->backend, &order->spec, &options, &run->network, error) ||
                   trainer_create(run->network, run->dataset, &order->train, NULL, NULL, &run->trainer, error)
               ? -1
               : 0;
}

/* Tells the others whether this rank can take part. -1 where it is lost with it. */
static int begin(struct following *run, follow_open *open, struct error *error)
{
    struct error why = {""};
    struct run_order *order = malloc(sizeof *order);
    if (!order)
        return error_set(error, "out of memory");
    dist_broadcast(order, sizeof *order);
    if (open_run(run, order, open, &why) != 0 && !*why.message)
        error_set(&why, "the run cannot be opened");
    free(order);
    if (ranks_agree(run->trainer, &why, error) != 0) {
        close_run(run);
        return dist_is_broken() ? -1 : 0;
    }
    return 0;
}

/* ---- Steps ---- */

/* Up to so many are left in flight. */
static int collect(struct trainer *trainer, int left, struct error *error)
{
    struct step_result result;
    struct update_result update;
    while (trainer->flight_count > left) {
        const struct flight *flight = &trainer->flights[trainer->flight_first];
        if (network_collect_step(trainer->network, flight->ticket, flight->n, true, &result, &update, error) < 0)
            return -1;
        trainer->flight_first = (trainer->flight_first + 1) % TRAINER_FLIGHTS;
        trainer->flight_count--;
    }
    return 0;
}

static int adopt(struct trainer *trainer, const struct train_options *options, struct error *error)
{
    const int batch = trainer->options.batch;
    if (memcmp(&trainer->options, options, sizeof *options) == 0)
        return 0;
    trainer->options = *options;
    if (options->batch != batch && network_set_batch(trainer->network, options->batch, error) != 0)
        return -1;
    trainer->ordered = false;
    return trainer_make_loader(trainer, error) || trainer_make_source(trainer, error) ? -1 : 0;
}

/* The state's place is the batch that the loader has next; on a device, that of the first step in flight. */
static void go_to(struct trainer *trainer, const struct step_order *order, bool made_anew)
{
    struct training_state *state = &trainer->state;
    const uint32_t place = order->number - (uint32_t)trainer->flight_count;
    const bool elsewhere = (uint32_t)state->epoch != order->epoch || state->batch_in_epoch != place;
    state->epoch = (int)order->epoch;
    state->batch_in_epoch = place;
    if (!trainer->device && (elsewhere || made_anew))
        loader_seek(trainer->loader, order->epoch, order->number);
}

static void go_on(struct trainer *trainer)
{
    struct training_state *state = &trainer->state;
    if (trainer->device || ++state->batch_in_epoch < (uint32_t)loader_batches(trainer->loader))
        return;
    state->batch_in_epoch = 0;
    state->epoch++;
}

static int make_step(struct trainer *trainer, const struct step_order *order, struct error *error)
{
    const struct loader *before = trainer->loader;
    struct step_batch batch;
    double waited;
    if (collect(trainer, order->flights, error) != 0 || adopt(trainer, &order->options, error) != 0)
        return -1;
    go_to(trainer, order, trainer->loader != before);
    if (trainer_next_batch(trainer, &batch, &waited) != 0)
        return error_set(error, "%s", trainer->failure.message);
    struct flight *flight = &trainer->flights[(trainer->flight_first + trainer->flight_count) % TRAINER_FLIGHTS];
    flight->n = batch.n;
    if (network_queue_step(trainer->network, &batch, &order->step, &order->update, &flight->ticket, error) < 0)
        return -1;
    trainer->flight_count++;
    trainer->fetched = false;
    go_on(trainer);
    return trainer->device ? 0 : collect(trainer, 0, error);
}

/* ---- Orders ---- */

static int obey(struct following *run, const struct order *order, follow_open *open, struct error *error)
{
    struct trainer *trainer = run->trainer;
    struct evaluation measured;
    if (order->state && (collect(trainer, 0, error) != 0 || network_share_state(trainer->network, error) != 0))
        return -1;
    switch (order->kind) {
    case ORDER_RUN:
        return begin(run, open, error);
    case ORDER_STEP:
        return make_step(trainer, &order->step, error);
    case ORDER_EVALUATE:
        return collect(trainer, 0, error) || ranks_evaluate(trainer, &order->evaluate, &measured, error) < 0 ? -1 : 0;
    case ORDER_BATCH: /* of the options the next step tells */
        return collect(trainer, 0, error) || ranks_try_batch(trainer, &order->batch, error) < 0 ? -1 : 0;
    case ORDER_END:
        (void)collect(trainer, 0, error); /* whatever they came to */
        close_run(run);
        break;
    case ORDER_LEAVE:
        break;
    }
    return 0;
}

int follow(follow_open *open, struct error *error)
{
    struct following run = {0};
    struct order order;
    int status = 0;
    do {
        dist_broadcast(&order, sizeof order);
        status = obey(&run, &order, open, error);
    } while (status == 0 && order.kind != ORDER_LEAVE);
    close_run(&run);
    if (status != 0)
        dist_break();
    return status;
}

void follow_leave(void)
{
    struct order order = {.kind = ORDER_LEAVE};
    if (dist_rank() == 0 && dist_size() > 1 && !dist_is_broken())
        dist_broadcast(&order, sizeof order);
}
