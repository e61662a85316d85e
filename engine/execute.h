/* Internal to the network: its state, and the two loops over the plan. */
#ifndef NFBENCH_ENGINE_EXECUTE_H
#define NFBENCH_ENGINE_EXECUTE_H

#include "engine/plan.h"

struct prober;

/* A pass that was recorded, and what it holds good for. */
struct network_graph {
    const struct plan *plan;
    bool training;
    enum weight_source weights;
    int n; /* images of the batch; 0: of the update alone */
    float label_smoothing;
    bool mixed;
    struct image_source source; /* all zero without one; always filled over zeros, so that bytes compare */
    struct graph *graph;        /* NULL: the pass ran once as it is, which loaded all that it needs */
};

enum { NETWORK_GRAPHS = 8 };

struct network {
    struct backend *backend;
    struct model_spec spec;
    struct network_options options;
    struct parameter_list parameters;
    struct plan *plan; /* of `chunk` images: where those are fewer than the batch, a step goes through it several times,
                        * so that it stays in the caches */
    struct plan *remainder; /* batch norm only: for a batch of another size, whose statistics must be its own */
    int chunk;

    /* Regions of parameters.floats floats in one allocation that begins at `values`; a parameter lies at the same
     * offset in each. */
    float *values, *gradients, *momenta, *averages, *slow; /* NULL without EMA, without lookahead */
    float *effective;                                      /* standardised and folded weights and biases */
    float *moments;
    struct step_values *step; /* device memory, as the next two */
    struct step_report *report;
    float *probe; /* (4, widest layer), and one int behind it: of a search for a divergence */
    size_t memory_bytes;

    struct prober *prober; /* NULL until a probe is taken, or from the start where the options say so */

    struct ws_layer *ws;     /* one a layer, of the trained weights */
    struct updater *updater; /* made at the first update, and anew when `decay_all` changes */
    bool decay_all;

    const struct plan *packed;        /* the plan whose packed weights are up to date, NULL: none */
    enum weight_source packed_source; /* ... and what they were made of */
    struct network_graph graphs[NETWORK_GRAPHS];
    int graph_next; /* the one to give up for another */
    int in_flight;  /* steps queued and not collected */
    bool written;   /* parameters were, since all ranks last had the same */
    bool profile;   /* wait behind each operation, to time it */
    double seconds[TIME_KINDS];
};

/* When an observer of a pass is called. */
enum plan_moment { MOMENT_BEFORE, MOMENT_AFTER, MOMENT_BACKWARD };

/* Called before and after each operation forward, and before it backward; non-zero ends the pass. */
typedef int plan_observer(void *context, enum plan_moment moment, const struct op *op, struct error *error);

/* What the operations need to know of this pass. */
struct pass {
    struct network *network;
    struct plan *plan;
    enum weight_source source;
    bool training;
    bool mixed;              /* the images are mixed with partners, whose labels count too */
    bool add;                /* backward: add to the weight gradients (a later chunk of the same step) */
    uint64_t first;          /* number of the first image of the slice, or of its chunk, in the batch */
    bool unit_gain;          /* of a probing plan: skip gains count as 1 */
    plan_observer *observer; /* or NULL */
    void *context;           /* the observer's */
    struct error *error;
};

/* Where the weights of a source lie. */
static inline float *network_source(const struct network *network, enum weight_source source)
{
    return source == WEIGHTS_AVERAGED ? network->averages : network->values;
}

/* Channels of the widest layer. */
int network_widest(const struct network *network);

/* Makes a plan of n images, for steps or for probes, with its memory; NULL in `out` and -1 for want of it, which the
 * error explains. */
int network_make_plan(struct network *network, int n, bool probing, struct plan **out, struct error *error);

/* network_memory.c: images that go through the plan at once, of a batch; images of a batch-norm run's last batch of an
 * epoch, where it needs a plan of its own, else 0; -1 and the advice where what the run allocates beside the network
 * would not find room. */
int network_chunk(const struct network *network, int batch);
int network_rest(const struct network *network, int batch);
int network_check_room(struct network *network, struct error *error);

/* Forgets recorded passes over `plan` (NULL: all). */
void network_drop_graphs(struct network *network, const struct plan *plan);

/* Standardises and packs the weights, unless that was done already. */
int network_prepare(struct network *network, struct plan *plan, enum weight_source source, struct error *error);

/* While profiling: waits until all that was queued is done. */
int network_settle(struct network *network, struct error *error);

/* Puts `count` images (count, 32, 32, 3) from the host into the plan; what is left of it becomes zeros. */
int network_load_images(struct network *network, struct plan *plan, const float *images, int count,
                        struct error *error);

int plan_forward(const struct pass *pass);
int plan_backward(const struct pass *pass);

/* ---- Pieces of a step, in network_run.c ---- */

/* Values for the operations that read them from device memory, of a batch from image `begin` on; `count` images of a
 * source from values.start on, or of a batch on the host from `begin` on (labels, where there are any, too). */
struct step_values network_batch_values(const struct step_batch *batch, int begin);
int network_write_values(struct network *network, const struct step_values *values, struct error *error);
int network_load_source(const struct pass *pass, const struct image_source *source, int count);
int network_load_host(const struct pass *pass, const struct step_batch *batch, int begin, int count);

/* Behind a forward pass of `count` images of a batch of `total`: the loss, added up in the network's report from chunk
 * to chunk, and the gradient of the logits. */
int network_loss(const struct pass *pass, int count, int total, float label_smoothing);
/* Running statistics of batch norm, which have no gradient, have their next values there: the training forward begins
 * with those in force, and what it makes of them is kept when the update has changed the weights. */
int network_begin_running(const struct pass *pass);
int network_keep_running(const struct pass *pass);
/* Turns the gradients of the effective weights into those of the raw ones. */
int network_raw_gradients(const struct pass *pass);

/* ---- Several ranks, in network_ranks.c ---- */

/* This rank's images of a batch, which begin at image *first of it; there may be none. */
struct step_batch network_slice(const struct network *network, const struct step_batch *batch, int *first);
/* Images of the largest slice of such a batch. */
int network_largest_slice(const struct network *network, int batch);
/* Adds up the gradients, and the step's loss and hits, which are no images' where this rank had none. */
int network_sum_ranks(const struct pass *pass);
int network_no_images(const struct pass *pass);

/* ---- The update, in network_update.c ---- */

/* The list of what the optimizer changes; made anew, and recorded passes dropped, when `decay_all` changes. */
int network_make_updater(struct network *network, bool decay_all, struct error *error);
/* The step's rule, with the averages' decay as it is at that step. */
struct update_options network_update_options(const struct optimizer_options *options);

#endif
