/* What a network and its run take of a device's memory, and what is said where there is less. All that is large is
 * taken before the first step: a run that starts does not fail for memory later. */
#include "engine/execute.h"
#include "engine/prober.h"

#include <stdio.h>

/* Images a chunk: so few that a block's tensors stay in the caches, so many that each thread has two or more. */
enum { CHUNK_MINIMUM = 16, CHUNK_PER_THREAD = 4 };

/* What a GPU takes beside our allocations, or in small ones: kernels and libraries, loaded when they are first used,
 * recorded steps, lists of layers and parameters. */
enum { GPU_RESERVE_BYTES = 32 << 20 };

/* Batch norm needs the whole batch at once, and a GPU its rank's slice of it; all else goes in chunks. */
int network_chunk(const struct network *network, int batch)
{
    const int by_threads = CHUNK_PER_THREAD * network->backend->threads;
    const int slice = network_largest_slice(network, batch);
    if (network->spec.norm == NORM_BATCH || network->backend->whole_batch)
        return slice;
    const int chunk = by_threads > CHUNK_MINIMUM ? by_threads : CHUNK_MINIMUM;
    return chunk < slice ? chunk : slice;
}

int network_rest(const struct network *network, int batch)
{
    const int images = network->options.images;
    if (network->spec.norm != NORM_BATCH)
        return 0;
    return images < batch ? images : images % batch;
}

/* Of a plan for n images; SIZE_MAX where there can be none. */
static size_t arena_bytes(const struct network *network, int n, bool probing)
{
    struct plan *plan;
    struct error error;
    if (plan_create(network->backend, &network->spec, &network->parameters, network->options.dtype,
                    network->options.tf32, n, probing, &plan, &error))
        return SIZE_MAX;
    const size_t bytes = plan->arena_bytes;
    plan_destroy(network->backend, plan);
    return bytes;
}

/* What comes beside the network's own memory. */
static size_t bytes_beside(const struct network *network)
{
    const struct backend *backend = network->backend;
    return (backend->load_batch ? network->options.image_bytes : 0) +
           (backend->capture_begin ? (size_t)GPU_RESERVE_BYTES : 0);
}

/* All that the run would take with batches of this size; SIZE_MAX where there can be no plan. */
static size_t run_bytes(const struct network *network, int batch, bool probes)
{
    const int rest = network_rest(network, batch);
    const size_t arena = arena_bytes(network, network_chunk(network, batch), false);
    const size_t rest_arena = rest > 0 ? arena_bytes(network, rest, false) : 0;
    const size_t probing = probes ? arena_bytes(network, prober_chunk(network, batch), true) : 0;
    if (arena == SIZE_MAX || rest_arena == SIZE_MAX || probing == SIZE_MAX)
        return SIZE_MAX;
    return network->memory_bytes + arena + rest_arena + probing + bytes_beside(network);
}

static size_t plan_bytes(const struct plan *plan)
{
    return plan && plan->arena ? plan->arena_bytes : 0;
}

size_t network_memory(const struct network *network)
{
    return (network->values ? network->memory_bytes : 0) + plan_bytes(network->plan) + plan_bytes(network->remainder) +
           prober_bytes(network->prober);
}

/* The largest batch below `batch` whose run takes no more than `available`, 0 when not even one image fits. */
static int largest_batch(const struct network *network, int batch, size_t available)
{
    int fits = 0, too_large = batch;
    while (too_large - fits > 1) {
        const int middle = fits + (too_large - fits) / 2;
        if (run_bytes(network, middle, network->options.probes) <= available)
            fits = middle;
        else
            too_large = middle;
    }
    return fits;
}

/* 0 where a run with such a batch finds room, or it cannot be known; `held`: bytes that it has already. */
static int find_room(struct network *network, int batch, size_t held, struct error *error)
{
    const bool probes = network->options.probes;
    const size_t needed = run_bytes(network, batch, probes);
    size_t available, total;
    struct error unknown;
    if (needed == SIZE_MAX || network->backend->memory(network->backend, &available, &total, &unknown))
        return 0;
    available += held;
    if (needed <= available)
        return 0;
    char advice[96] = "not even one image fits";
    const int fits = largest_batch(network, batch, available);
    if (fits > 0)
        snprintf(advice, sizeof advice, "the largest batch that fits is about %d", fits);
    const bool without = probes && run_bytes(network, batch, false) <= available;
    return error_set(error, "out of memory for batch %d: the run needs %.0f MB, and %.0f of %.0f MB are free; %s%s",
                     batch, (double)needed / 1e6, (double)available / 1e6, (double)total / 1e6, advice,
                     without ? "; this one fits without probes (--probe-every 0)" : "");
}

int network_explain_memory(struct network *network, struct error *error)
{
    (void)find_room(network, network->options.batch, network_memory(network), error);
    return -1;
}

/* The run has its images on the device, and has loaded its kernels. */
int network_check_batch(struct network *network, int batch, struct error *error)
{
    return find_room(network, batch, network_memory(network) + bytes_beside(network), error);
}

int network_check_room(struct network *network, struct error *error)
{
    size_t available, total;
    const size_t beside = bytes_beside(network);
    if (beside == 0)
        return 0;
    if (network->backend->memory(network->backend, &available, &total, error))
        return -1;
    return beside <= available ? 0 : network_explain_memory(network, error);
}
