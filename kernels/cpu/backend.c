/* The CPU back end's table of functions, its memory, and its birth and end. */
#include "kernels/cpu/cpu.h"

#include "base/clock.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { ALIGNMENT = 256, HUGE_PAGE = 2 << 20 };

int cpu_allocate(struct backend *backend, size_t bytes, void **out, struct error *error)
{
    (void)backend;
    /* An arena in huge pages costs fewer page faults and TLB misses; where they are off, madvise does nothing. */
    size_t alignment = bytes >= 2 * (size_t)HUGE_PAGE ? HUGE_PAGE : ALIGNMENT;
    if (bytes > SIZE_MAX - alignment)
        return error_set(error, "cannot allocate %zu bytes: more than this machine can address", bytes);
    size_t rounded = (bytes + alignment - 1) / alignment * alignment;
    void *memory = aligned_alloc(alignment, rounded ? rounded : alignment);
    if (!memory)
        return error_set(error, "out of memory: %.1f MB more are needed; a smaller batch needs less",
                         (double)bytes / 1e6);
    if (alignment == HUGE_PAGE)
        (void)madvise(memory, rounded, MADV_HUGEPAGE);
    *out = memory;
    return 0;
}

void cpu_release(struct backend *backend, void *pointer)
{
    (void)backend;
    free(pointer);
}

static int copy(struct backend *backend, void *to, const void *from, size_t bytes, struct error *error)
{
    (void)backend;
    (void)error;
    if (bytes)
        memcpy(to, from, bytes);
    return 0;
}

static int fill_zero(struct backend *backend, void *device, size_t bytes, struct error *error)
{
    (void)backend;
    (void)error;
    if (bytes)
        memset(device, 0, bytes);
    return 0;
}

/* Every slot has done its work when it returns. */
static int synchronize(struct backend *backend, struct error *error)
{
    (void)backend;
    (void)error;
    return 0;
}

static int memory(struct backend *backend, size_t *available, size_t *total, struct error *error)
{
    (void)backend;
    const long pages = sysconf(_SC_AVPHYS_PAGES), all = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    if (pages < 0 || all < 0 || size < 0)
        return error_set(error, "cannot tell how much memory there is (%s)", strerror(errno));
    *available = (size_t)pages * (size_t)size;
    *total = (size_t)all * (size_t)size;
    return 0;
}

/* What is posted is there at once: a copy keeps it until it is collected. */
static int post(struct backend *backend, const void *device, size_t bytes, uint64_t *ticket, struct error *error)
{
    struct cpu_backend *cpu = (struct cpu_backend *)backend;
    if (bytes > POST_BYTES)
        return error_set(error, "post: %zu bytes, at most %d", bytes, (int)POST_BYTES);
    *ticket = cpu->posted++;
    memcpy(cpu->posts[*ticket % POST_SLOTS], device, bytes);
    return 0;
}

static int collect(struct backend *backend, uint64_t ticket, void *host, size_t bytes, bool wait, struct error *error)
{
    struct cpu_backend *cpu = (struct cpu_backend *)backend;
    (void)wait;
    if (ticket >= cpu->posted || cpu->posted - ticket > POST_SLOTS || bytes > POST_BYTES)
        return error_set(error, "collect: there is no post %llu of %zu bytes", (unsigned long long)ticket, bytes);
    memcpy(host, cpu->posts[ticket % POST_SLOTS], bytes);
    return 0;
}

static int lap(struct backend *backend, struct step_laps *laps, enum step_lap which, struct error *error)
{
    (void)backend;
    (void)error;
    const uint64_t mark = (uint64_t)(1e9 * clock_measured());
    if (which == LAP_START)
        *laps = (struct step_laps){0};
    else
        laps->seconds[which] += 1e-9f * (float)(mark - laps->mark);
    laps->mark = mark;
    return 0;
}

static void destroy(struct backend *backend)
{
    if (!backend)
        return;
    struct cpu_backend *cpu = (struct cpu_backend *)backend;
    cpu_conv_close(cpu);
    free(cpu->scratch);
    free(cpu);
}

static const struct backend cpu_table = {
    .name = "cpu",
    .host_memory = true,
    .allocate = cpu_allocate,
    .release = cpu_release,
    .copy_in = copy,
    .copy_out = copy,
    .fill_zero = fill_zero,
    .synchronize = synchronize,
    .destroy = destroy,
    .memory = memory,
    .post = post,
    .collect = collect,
    .lap = lap,
    .conv_create = cpu_conv_create,
    .conv_destroy = cpu_conv_destroy,
    .conv_forward = cpu_conv_forward,
    .conv_backward_data = cpu_conv_backward_data,
    .conv_backward_weights = cpu_conv_backward_weights,
    .weights_create = cpu_weights_create,
    .weights_destroy = cpu_weights_destroy,
    .weights_prepare = cpu_weights_prepare,
    .weights_backward = cpu_weights_backward,
    .activation_forward = cpu_activation_forward,
    .activation_backward = cpu_activation_backward,
    .average_pool_forward = cpu_average_pool_forward,
    .average_pool_backward = cpu_average_pool_backward,
    .global_pool_forward = cpu_global_pool_forward,
    .global_pool_backward = cpu_global_pool_backward,
    .residual_add_forward = cpu_residual_add_forward,
    .residual_add_backward = cpu_residual_add_backward,
    .gate_forward = cpu_gate_forward,
    .gate_backward = cpu_gate_backward,
    .dropout = cpu_dropout,
    .drop_path = cpu_drop_path,
    .batch_norm_forward = cpu_batch_norm_forward,
    .batch_norm_backward = cpu_batch_norm_backward,
    .softmax_cross_entropy = cpu_softmax_cross_entropy,
    .updater_create = cpu_updater_create,
    .updater_destroy = cpu_updater_destroy,
    .update = cpu_update,
    .copy_unless_halted = cpu_copy_unless_halted,
    .unit_squares = cpu_unit_squares,
    .statistics = cpu_statistics,
    .convert = cpu_convert,
};

/* Processors that this process may run on. */
static int available_processors(struct error *error)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set))
        return error_set(error, "cannot count the processors (%s); give the number with --threads", strerror(errno));
    return CPU_COUNT(&set);
}

int backend_cpu_create(int threads, struct backend **out, struct error *error)
{
    *out = NULL;
    if (threads < 0 || threads > 1024)
        return error_set(error, "the number of threads must lie between 0 and 1024, not %d", threads);
    if (threads == 0 && (threads = available_processors(error)) < 0)
        return -1;
    struct cpu_backend *cpu = calloc(1, sizeof *cpu);
    if (!cpu)
        return error_set(error, "out of memory for the CPU back end");
    cpu->backend = cpu_table;
    cpu->backend.threads = threads;
    if (cpu_allocate(&cpu->backend, CPU_SCRATCH_BYTES, &cpu->scratch, error) || cpu_conv_open(cpu, error)) {
        destroy(&cpu->backend);
        return -1;
    }
    *out = &cpu->backend;
    return 0;
}

bool backend_cpu_has_bf16(void)
{
#if defined(__x86_64__)
    /* Processors with AMX have AVX512_BF16 too. The check includes the operating system's support of the registers. */
    return __builtin_cpu_supports("avx512bf16");
#else
    return false;
#endif
}
