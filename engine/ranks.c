/* See ranks.h. */
#include "engine/ranks.h"

#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Whether they agree ---- */

struct reply {
    uint64_t data;
    char host[DIST_HOST_SIZE];
    char why_not[256];
};

/* All labels, and some of the images: with their statistics, which are taken of all that are trained on, no set that
 * differs goes unseen. */
static uint64_t data_digest(const struct trainer *trainer)
{
    enum { SAMPLES = 32 };
    const struct dataset *dataset = trainer->dataset;
    uint64_t hash = hash_bytes(HASH_BEGIN, &trainer->parts.statistics, sizeof trainer->parts.statistics);
    for (int split = SPLIT_TRAIN; split <= SPLIT_TEST; split++) {
        const int count = dataset_count(dataset, (enum split)split);
        hash = hash_bytes(hash, &count, sizeof count);
        for (int i = 0; i < count; i++) {
            const int label = dataset_label(dataset, (enum split)split, i);
            hash = hash_bytes(hash, &label, sizeof label);
        }
        for (int i = 0; i < SAMPLES; i++)
            hash = hash_bytes(hash, dataset_image(dataset, (enum split)split, (int)((long)count * i / SAMPLES)),
                              IMAGE_BYTES);
    }
    return hash;
}

/* The first that says why it cannot. */
static int find_refusal(const struct reply *replies, struct error *error)
{
    for (int r = 0; r < dist_size(); r++)
        if (*replies[r].why_not)
            return error_set(error, "rank %d on %s: %s", r, replies[r].host, replies[r].why_not);
    return 0;
}

static int judge_replies(const struct reply *replies, struct error *error)
{
    if (find_refusal(replies, error) != 0)
        return -1;
    for (int r = 0; r < dist_size(); r++) {
        if (replies[r].data != replies[0].data)
            return error_set(error, "rank %d on %s has other images than rank 0 on %s in the same place", r,
                             replies[r].host, replies[0].host);
    }
    return 0;
}

/* What all ranks say to it: `mine` is why this one cannot, or empty. */
static int hear_all(uint64_t data, const struct error *mine, int (*judge)(const struct reply *, struct error *),
                    struct error *error)
{
    struct reply reply = {.data = data};
    struct reply *replies = calloc((size_t)dist_size(), sizeof *replies);
    if (!replies) {
        dist_break();
        return error_set(error, "out of memory for %d ranks", dist_size());
    }
    snprintf(reply.host, sizeof reply.host, "%s", dist_host());
    snprintf(reply.why_not, sizeof reply.why_not, "%s", mine->message);
    dist_gather(&reply, replies, sizeof reply);
    const int status = judge(replies, error);
    free(replies);
    return status;
}

int ranks_agree(const struct trainer *trainer, const struct error *mine, struct error *error)
{
    int status = hear_all(*mine->message ? 0 : data_digest(trainer), mine, judge_replies, error);
    if (status == 0 && network_join_ranks(trainer->network, error) != 0) {
        dist_break();
        status = -1;
    }
    return status;
}

/* ---- Another batch ---- */

/* A rank that has room goes back with the others: it has just had the batch of before. */
static int change_batch(struct trainer *trainer, int batch, struct error *why)
{
    const int before = network_batch(trainer->network);
    struct error mine = {""}, lost;
    const int changed = network_set_batch(trainer->network, batch, &mine);
    if (hear_all(0, &mine, find_refusal, why) == 0)
        return 0;
    if (changed < 0 || dist_is_broken())
        return -1;
    if (changed == 0 && network_set_batch(trainer->network, before, &lost) != 0)
        return error_set(why, "%s", lost.message);
    return NETWORK_BATCH_REFUSED;
}

int ranks_try_batch(struct trainer *trainer, const struct batch_order *order, struct error *why)
{
    struct error mine = {""};
    if (order->change)
        return change_batch(trainer, order->batch, why);
    (void)network_check_batch(trainer->network, order->batch, &mine);
    if (hear_all(0, &mine, find_refusal, why) == 0)
        return 0;
    return dist_is_broken() ? -1 : NETWORK_BATCH_REFUSED;
}

/* ---- Rank 0 ---- */

static void note_late(void *context, bool late)
{
    struct trainer *trainer = context;
    trainer->ranks_late = late;
    trainer_set_state(trainer, trainer->now.state);
}

int ranks_say(struct trainer *trainer, struct order *order, struct error *error)
{
    order->state = network_was_written(trainer->network);
    dist_broadcast(order, sizeof *order);
    if (!order->state || network_share_state(trainer->network, error) == 0)
        return 0;
    dist_break();
    return -1;
}

int ranks_begin(struct trainer *trainer, struct error *error)
{
    struct order order = {.kind = ORDER_RUN};
    const struct error none = {""};
    const char *place = dataset_location(trainer->dataset);
    if (dist_is_broken())
        return error_set(error, "the other ranks were lost: start nfbench anew");
    struct run_order *run = calloc(1, sizeof *run);
    if (!run)
        return error_set(error, "out of memory");
    run->spec = *network_spec(trainer->network);
    run->network = *network_options_of(trainer->network);
    run->train = trainer->given;
    snprintf(run->data, sizeof run->data, "%s", strcmp(place, "built in") == 0 ? "synthetic" : place);
    dist_watch(note_late, trainer);
    dist_broadcast(&order, sizeof order);
    dist_broadcast(run, sizeof *run);
    free(run);
    if (ranks_agree(trainer, &none, error) != 0)
        return -1;
    trainer->leads = true;
    return 0;
}

void ranks_end(struct trainer *trainer)
{
    struct order order = {.kind = ORDER_END};
    if (network_ranks(trainer->network) > 1)
        dist_watch(NULL, NULL);
    if (trainer->leads && !dist_is_broken())
        dist_broadcast(&order, sizeof order);
    trainer->leads = false;
}

int ranks_batch(struct trainer *trainer, int batch, bool change, struct error *why)
{
    struct order order = {.kind = ORDER_BATCH, .batch = {batch, change}};
    if (!trainer->leads)
        return change ? network_set_batch(trainer->network, batch, why)
               : network_check_batch(trainer->network, batch, why) == 0 ? 0
                                                                        : NETWORK_BATCH_REFUSED;
    return ranks_say(trainer, &order, why) < 0 ? -1 : ranks_try_batch(trainer, &order.batch, why);
}

/* ---- Evaluation ---- */

/* One rank's part. All ranks go from round to round together, a batch in each, so that rank 0 can end it. */
struct part {
    const struct evaluation_options *whole;
    int rounds, stop;
};

static int next_round(struct part *part, int done)
{
    const struct evaluation_options *whole = part->whole;
    const long all = (long)done * dist_size();
    if (dist_rank() == 0 && whole->progress)
        part->stop = whole->progress(whole->context, all < whole->count ? (int)all : whole->count, whole->count);
    dist_broadcast(&part->stop, sizeof part->stop);
    part->rounds++;
    return part->stop;
}

static int on_progress(void *context, int done, int total)
{
    (void)total;
    return next_round(context, done);
}

static void add_up(const struct evaluation *all, struct evaluation *out)
{
    *out = (struct evaluation){0};
    for (int r = 0; r < dist_size(); r++) {
        out->loss += all[r].loss * (double)all[r].count;
        out->correct += all[r].correct;
        out->count += all[r].count;
    }
    out->loss /= (double)out->count;
    out->accuracy = (double)out->correct / (double)out->count;
}

int ranks_evaluate(struct trainer *trainer, const struct evaluation_options *options, struct evaluation *out,
                   struct error *error)
{
    const int ranks = dist_size(), rank = dist_rank();
    const int most = (options->count + ranks - 1) / ranks; /* images of a rank */
    const int begin = (int)((long)options->count * rank / ranks),
              end = (int)((long)options->count * (rank + 1) / ranks);
    struct part part = {.whole = options};
    struct evaluation_options mine = evaluation_of_figures(options); /* pointers mean something on rank 0 alone */
    struct evaluation own = {0};
    struct evaluation *all = calloc((size_t)ranks, sizeof *all);
    int status = all ? 0 : error_set(error, "out of memory for the results of %d ranks", ranks);
    mine.first += begin;
    mine.count = end - begin;
    mine.batch = (options->batch + ranks - 1) / ranks;
    mine.device = trainer->device;
    mine.images = NULL;
    mine.progress = on_progress;
    mine.context = &part;
    if (status == 0 && mine.count > 0)
        status = evaluate(trainer->network, trainer->dataset, &mine, &own, error);
    while (status == 0 && part.rounds < (most + mine.batch - 1) / mine.batch)
        if (next_round(&part, mine.count))
            status = EVALUATION_INTERRUPTED;
    if (status == 0) {
        dist_gather(&own, all, sizeof own);
        add_up(all, out);
    }
    free(all);
    if (status < 0)
        dist_break();
    return status;
}
