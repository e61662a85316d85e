/* Runs one kernel: blocks one after another, a block's threads as fibers that go on until they wait. A thread that
 * never waits takes no switch: the next one begins on the same stack. */
#include "tests/cuda_emulation/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

/* What a thread waits for. */
struct waiting {
    const char *name, *file; /* name NULL: for nothing */
    int line;
    unsigned mask;
    emulation_combine *combine; /* NULL: the block's barrier */
    void *slot;
};

struct thread {
    uint3 index;
    struct fiber *fiber; /* NULL: not begun */
    struct waiting waiting;
    struct copies *copies; /* NULL until it copies */
};

/* Bit masks of lanes. */
struct warp {
    unsigned exists, ready, at_barrier, gathered, ended; /* gathered: waits in an operation of the warp */
};

static struct {
    const struct kernel_launch *launch; /* NULL: none runs */
    struct thread threads[MOST_THREADS];
    struct warp warps[MOST_THREADS / WARP];
    unsigned ready_warps;
    int count, current; /* threads of the block; the one that runs, -1: none */
    int warp;           /* the one that goes on while it can */
    int at_barrier, ended;
    struct fiber *spare; /* the fiber that ended a thread last, not yet given back: it may serve the next */
    char *shared;
} run;

static enum emulation_order order;
static uint32_t seed = 1, dice;

void emulation_set_order(enum emulation_order order_, uint32_t seed_)
{
    machine_lock();
    order = order_;
    seed = seed_;
    machine_unlock();
}

const char *emulation_order_name(enum emulation_order which)
{
    static const char *const names[] = {"ascending", "descending", "shuffled"};
    return names[which];
}

bool emulation_is_sanitized(void)
{
#if defined(__SANITIZE_ADDRESS__)
    return true;
#else
    return false;
#endif
}

int emulation_orders(void)
{
    return emulation_is_sanitized() ? 1 : EMULATION_ORDERS;
}

const struct kernel_launch *block_kernel()
{
    return run.launch;
}

struct copies *copies_of_thread()
{
    struct thread *self = &run.threads[run.current];
    if (!self->copies)
        self->copies = copies_new();
    return self->copies;
}

int emulation_lane()
{
    return run.current % WARP;
}

void *emulation_shared_memory()
{
    return run.shared;
}

/* ---- Whose turn it is ---- */

static uint32_t roll()
{
    dice ^= dice << 13;
    dice ^= dice >> 17;
    dice ^= dice << 5;
    return dice;
}

/* A set bit of `mask`, which has one. */
static int choose(unsigned mask)
{
    if (order == EMULATION_DESCENDING)
        return 31 - __builtin_clz(mask);
    if (order == EMULATION_SHUFFLED)
        for (int skip = (int)(roll() % (unsigned)__builtin_popcount(mask)); skip > 0; skip--)
            mask &= mask - 1;
    return __builtin_ctz(mask);
}

static void make_ready(int warp, unsigned lanes)
{
    run.warps[warp].ready |= lanes;
    if (run.warps[warp].ready)
        run.ready_warps |= 1u << warp;
}

/* The thread that goes on; -1: none can. A warp goes on as far as it can, so that it runs ahead of the others: what a
 * missing barrier leaves open then happens. A shuffled order leaves it now and then. */
static int next_thread()
{
    if (!run.ready_warps)
        return -1;
    if (!(run.ready_warps >> run.warp & 1) || (order == EMULATION_SHUFFLED && roll() % 8 == 0))
        run.warp = choose(run.ready_warps);
    struct warp *warp = &run.warps[run.warp];
    const int lane = choose(warp->ready);
    warp->ready &= ~(1u << lane);
    if (!warp->ready)
        run.ready_warps &= ~(1u << run.warp);
    return run.warp * WARP + lane;
}

static void now_runs(int thread)
{
    run.current = thread;
    threadIdx = run.threads[thread].index;
}

static void report_stuck()
{
    char text[2048];
    int length = snprintf(text, sizeof text, "deadlock: no thread of the block can go on; %d of %d have ended",
                          run.ended, run.count);
    const struct waiting *last = NULL;
    for (int i = 0; i < run.count; i++) {
        const struct waiting *w = &run.threads[i].waiting;
        const bool again = last && w->name && w->combine == last->combine && w->line == last->line && i % WARP;
        if (w->name && !again && length < (int)sizeof text - 200)
            length +=
                snprintf(text + length, sizeof text - (size_t)length, "; thread (%u, %u, %u)%s waits in %s at %s:%d",
                         run.threads[i].index.x, run.threads[i].index.y, run.threads[i].index.z,
                         i % WARP < WARP - 1 ? " and on" : "", w->name, w->file, w->line);
        last = w->name ? w : NULL;
    }
    emulation_report("%s", text);
}

/* The running thread rests until it is ready again. */
static void rest()
{
    const int self = run.current, next = next_thread();
    if (next < 0)
        report_stuck();
    if (next != self) {
        struct thread *to = &run.threads[next];
        if (!to->fiber)
            to->fiber = fiber_take();
        now_runs(next);
        fiber_switch(run.threads[self].fiber, to->fiber);
        if (run.spare) {
            fiber_give_back(run.spare);
            run.spare = NULL;
        }
    }
    now_runs(self);
}

static bool is_same_operation(const struct waiting *a, const struct waiting *b)
{
    return a->combine == b->combine && a->mask == b->mask && a->line == b->line &&
           (a->file == b->file || strcmp(a->file, b->file) == 0);
}

/* ---- The block's barrier ---- */

static void check_same_barrier()
{
    const struct thread *first = NULL;
    for (int i = 0; i < run.count; i++) {
        const struct thread *t = &run.threads[i];
        if (!t->waiting.name)
            continue;
        if (first && !is_same_operation(&t->waiting, &first->waiting))
            emulation_report("threads of the block wait at different barriers: thread (%u, %u, %u) at %s:%d, thread "
                             "(%u, %u, %u) at %s:%d",
                             first->index.x, first->index.y, first->index.z, first->waiting.file, first->waiting.line,
                             t->index.x, t->index.y, t->index.z, t->waiting.file, t->waiting.line);
        first = first ? first : t;
    }
}

static void open_barrier_if_complete()
{
    if (run.at_barrier == 0 || run.at_barrier + run.ended < run.count)
        return;
    check_same_barrier();
    run.at_barrier = 0;
    for (int w = 0; w * WARP < run.count; w++) {
        make_ready(w, run.warps[w].at_barrier);
        run.warps[w].at_barrier = 0;
    }
}

void __syncthreads(const char *file, int line)
{
    if (report_is_broken(EMULATION_BARRIER, file, line))
        return;
    struct thread *self = &run.threads[run.current];
    self->waiting = {"__syncthreads", file, line, 0, NULL, NULL};
    run.warps[run.current / WARP].at_barrier |= 1u << run.current % WARP;
    run.at_barrier++;
    open_barrier_if_complete();
    rest();
    self->waiting.name = NULL;
}

/* ---- Operations of a warp ---- */

/* All lanes that wait and are named by the mask of another must be in the same operation; so one speaks for them all.
 */
static void check_same_operation(const struct thread *self, const struct warp *warp, const struct thread *lanes)
{
    const unsigned others = self->waiting.mask & warp->gathered;
    if (!others)
        return;
    const struct thread *other = &lanes[__builtin_ctz(others)];
    const struct waiting *own = &self->waiting, *w = &other->waiting;
    if (!is_same_operation(own, w))
        emulation_report("the warp diverges: this thread is in %s (mask %08x) at %s:%d, thread (%u, %u, %u) in %s "
                         "(mask %08x) at %s:%d",
                         own->name, own->mask, own->file, own->line, other->index.x, other->index.y, other->index.z,
                         w->name, w->mask, w->file, w->line);
}

/* Does the operation when all lanes of its mask that have not ended are there. */
static void combine_if_complete(int number, unsigned mask, emulation_combine *combine)
{
    struct warp *warp = &run.warps[number];
    struct thread *threads = &run.threads[number * WARP];
    const unsigned lanes = mask & warp->exists & ~warp->ended;
    if (lanes & ~warp->gathered)
        return;
    void *slots[WARP] = {NULL};
    for (unsigned left = lanes; left; left &= left - 1) {
        struct waiting *w = &threads[__builtin_ctz(left)].waiting;
        slots[__builtin_ctz(left)] = w->slot;
        w->name = NULL;
    }
    warp->gathered &= ~lanes;
    combine(slots);
    make_ready(number, lanes);
}

void emulation_collective(const char *name, unsigned mask, const char *file, int line, emulation_combine *combine,
                          void *slot)
{
    const int number = run.current / WARP, lane = run.current % WARP;
    struct thread *self = &run.threads[run.current];
    if (!(mask >> lane & 1))
        emulation_report("the mask %08x of %s at %s:%d leaves out the thread that calls it", mask, name, file, line);
    self->waiting = {name, file, line, mask, combine, slot};
    check_same_operation(self, &run.warps[number], &run.threads[number * WARP]);
    run.warps[number].gathered |= 1u << lane;
    combine_if_complete(number, mask, combine);
    rest();
}

static void combine_nothing(void *const[32])
{
}

void __syncwarp(unsigned mask, const char *file, int line)
{
    if (!report_is_broken(EMULATION_WARP_BARRIER, file, line))
        emulation_collective("__syncwarp", mask, file, line, combine_nothing, &run);
}

struct ballot {
    int predicate;
    unsigned result;
};

static void combine_ballot(void *const slots[32])
{
    unsigned result = 0;
    for (int l = 0; l < WARP; l++)
        if (slots[l] && ((const struct ballot *)slots[l])->predicate)
            result |= 1u << l;
    for (int l = 0; l < WARP; l++)
        if (slots[l])
            ((struct ballot *)slots[l])->result = result;
}

unsigned __ballot_sync(unsigned mask, int predicate, const char *file, int line)
{
    struct ballot ballot = {predicate, 0};
    emulation_collective("a vote", mask, file, line, combine_ballot, &ballot);
    return ballot.result;
}

/* ---- Threads, blocks, the grid ---- */

static void end_thread()
{
    struct thread *self = &run.threads[run.current];
    const int warp = run.current / WARP;
    if (self->copies)
        copies_end(self->copies);
    run.warps[warp].ended |= 1u << run.current % WARP;
    run.ended++;
    open_barrier_if_complete();
    for (unsigned left = run.warps[warp].gathered; left; left &= left - 1) {
        const struct waiting *w = &run.threads[warp * WARP + __builtin_ctz(left)].waiting;
        if (w->name)
            combine_if_complete(warp, w->mask, w->combine);
    }
}

void fiber_body(struct fiber *self)
{
    for (;;) {
        run.launch->call.run(run.launch->call.data);
        end_thread();
        const int next = next_thread();
        if (next >= 0 && !run.threads[next].fiber) {
            run.threads[next].fiber = self;
            now_runs(next);
            continue;
        }
        run.spare = self;
        if (next < 0 && run.ended < run.count)
            report_stuck();
        if (next >= 0)
            now_runs(next);
        fiber_switch(self, next < 0 ? fiber_host() : run.threads[next].fiber);
    }
}

static void run_block()
{
    const int warps = (run.count + WARP - 1) / WARP;
    memset(run.shared, POISON, run.launch->shared_bytes);
    run.at_barrier = run.ended = 0;
    run.ready_warps = 0;
    for (int w = 0; w < warps; w++) {
        const int lanes = run.count - w * WARP < WARP ? run.count - w * WARP : WARP;
        const unsigned exists = lanes == WARP ? ~0u : (1u << lanes) - 1;
        run.warps[w] = {exists, 0, 0, 0, 0};
        make_ready(w, exists);
    }
    for (int i = 0; i < run.count; i++) {
        run.threads[i].fiber = NULL;
        run.threads[i].waiting.name = NULL;
    }
    run.warp = choose(run.ready_warps);
    const int first = next_thread();
    run.threads[first].fiber = fiber_take();
    now_runs(first);
    fiber_switch(fiber_host(), run.threads[first].fiber);
    fiber_give_back(run.spare);
    run.spare = NULL;
    run.current = -1;
}

/* Shared memory of exactly `bytes`, with margins that nothing may write. */
enum { MARGIN = 256, MARGIN_FILL = 0xA5 };
static char *shared_pages;

static void open_shared(size_t bytes)
{
    if (!shared_pages) {
        void *pages = mmap(NULL, MOST_SHARED + 2 * MARGIN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (pages == MAP_FAILED)
            emulation_report("no memory for shared memory");
        shared_pages = (char *)pages;
    }
    ASAN_UNPOISON_MEMORY_REGION(shared_pages, MOST_SHARED + 2 * MARGIN);
    run.shared = shared_pages + MARGIN;
    memset(shared_pages, MARGIN_FILL, MARGIN);
    memset(run.shared + bytes, MARGIN_FILL, MARGIN);
    ASAN_POISON_MEMORY_REGION(shared_pages, MARGIN);
    ASAN_POISON_MEMORY_REGION(run.shared + bytes, MOST_SHARED + MARGIN - bytes);
}

static void check_shared(size_t bytes)
{
#if !defined(__SANITIZE_ADDRESS__)
    for (int i = 0; i < MARGIN; i++)
        if ((unsigned char)shared_pages[i] != MARGIN_FILL ||
            (unsigned char)run.shared[bytes + (size_t)i] != MARGIN_FILL)
            emulation_report("the block wrote beyond the %zu bytes of shared memory that the launch gave", bytes);
#else
    (void)bytes;
#endif
}

/* A permutation of the blocks for shuffled orders: multiplies by what shares no factor with their count. */
static uint64_t shuffle_step(uint64_t count)
{
    for (uint64_t step = roll() % count + 1;; step++) {
        uint64_t a = step, b = count;
        while (b) {
            const uint64_t rest = a % b;
            a = b;
            b = rest;
        }
        if (a == 1)
            return step;
    }
}

void block_run_grid(const struct kernel_launch *launch)
{
    const dim3 grid = launch->grid, block = launch->block;
    const uint64_t blocks = (uint64_t)grid.x * grid.y * grid.z;
    run.launch = launch;
    run.count = (int)(block.x * block.y * block.z);
    gridDim = grid;
    blockDim = block;
    dice = seed * 2654435761u + 88675123u;
    dice = dice ? dice : 1;
    for (int i = 0; i < run.count; i++) {
        const unsigned u = (unsigned)i;
        run.threads[i].index = {u % block.x, u / block.x % block.y, u / block.x / block.y};
    }
    open_shared(launch->shared_bytes);
    const uint64_t step = order == EMULATION_SHUFFLED ? shuffle_step(blocks) : 1, start = roll() % blocks;
    for (uint64_t i = 0; i < blocks; i++) {
        uint64_t at = order == EMULATION_DESCENDING ? blocks - 1 - i : i;
        if (order == EMULATION_SHUFFLED)
            at = (start + i * step) % blocks;
        blockIdx = {(unsigned)(at % grid.x), (unsigned)(at / grid.x % grid.y), (unsigned)(at / grid.x / grid.y)};
        run_block();
        check_shared(launch->shared_bytes);
    }
    run.launch = NULL;
}
