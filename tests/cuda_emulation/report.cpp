/* How a fault is told: one line that names kernel, block and thread. And the places that can be switched off. */
#include "tests/cuda_emulation/machine.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void emulation_report(const char *format, ...)
{
    char text[4096];
    int length = snprintf(text, sizeof text, "CUDA emulation: ");
    const struct kernel_launch *kernel = block_kernel();
    if (kernel)
        length +=
            snprintf(text + length, sizeof text - (size_t)length,
                     "%s (launched at %s:%d), block (%u, %u, %u), thread (%u, %u, %u): ", kernel->name, kernel->file,
                     kernel->line, blockIdx.x, blockIdx.y, blockIdx.z, threadIdx.x, threadIdx.y, threadIdx.z);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + length, sizeof text - (size_t)length - 1, format, arguments);
    va_end(arguments);
    strcat(text, "\n");
    fflush(stdout);
    if (write(STDERR_FILENO, text, strlen(text)) < 0)
        abort();
    abort();
}

/* ---- Faults ---- */

static struct sigaction before;

static void on_fault(int number, siginfo_t *info, void *context)
{
    char what[256];
    if (fiber_owns_guard(info->si_addr))
        emulation_report("a thread's stack is full");
    if (memory_in_range(info->si_addr)) {
        if (memory_touch(info->si_addr))
            return;
        memory_describe(info->si_addr, what, sizeof what);
        if (block_kernel())
            emulation_report("access outside of device memory: %s", what);
        emulation_report("the host touches device memory outside of a copy: %s", what);
    }
    if (before.sa_flags & SA_SIGINFO)
        before.sa_sigaction(number, info, context);
    else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN)
        before.sa_handler(number);
    else
        signal(number, SIG_DFL);
}

/* A full stack cannot be told of on that stack. */
static void provide_stack()
{
    static thread_local bool watched;
    if (watched)
        return;
    watched = true;
    stack_t old, own;
    if (sigaltstack(NULL, &old) == 0 && old.ss_flags & SS_DISABLE) {
        memset(&own, 0, sizeof own);
        own.ss_size = 64 << 10;
        own.ss_sp = malloc(own.ss_size); /* the thread's to its end */
        if (!own.ss_sp || sigaltstack(&own, NULL))
            emulation_report("no memory for a signal's stack");
    }
}

void report_watch_faults()
{
    struct sigaction action, now;
    provide_stack();
    /* test frameworks put their own handler in again and again */
    if (sigaction(SIGSEGV, NULL, &now) || (now.sa_flags & SA_SIGINFO && now.sa_sigaction == on_fault))
        return;
    before = now;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    sigaction(SIGSEGV, &action, NULL);
}

/* ---- Places ---- */

enum { MOST_SITES = 1024, CACHED = 256 };

static struct emulation_site sites[MOST_SITES];
static int site_count, broken = -1;
/* The place that was looked up last, by its line: strings are compared only when a kernel comes to another. */
static struct {
    const char *file, *kernel;
    int line, number;
} cache[CACHED];

int emulation_site_count(void)
{
    return site_count;
}

struct emulation_site emulation_site_at(int number)
{
    return sites[number];
}

void emulation_break(int number)
{
    broken = number;
}

static int find_site(enum emulation_site_kind kind, const char *file, int line, const char *kernel)
{
    for (int i = 0; i < site_count; i++)
        if (sites[i].kind == kind && sites[i].line == line && strcmp(sites[i].file, file) == 0 &&
            strcmp(sites[i].kernel, kernel) == 0)
            return i;
    if (site_count == MOST_SITES)
        emulation_report("more than %d places with barriers", MOST_SITES);
    sites[site_count] = {kind, file, line, kernel, 0};
    return site_count++;
}

bool report_is_broken(enum emulation_site_kind kind, const char *file, int line)
{
    const char *kernel = block_kernel()->name;
    auto *c = &cache[(unsigned)(line * 3 + kind) % CACHED];
    if (c->file != file || c->kernel != kernel || c->line != line)
        *c = {file, kernel, line, find_site(kind, file, line, kernel)};
    sites[c->number].passes++;
    return c->number == broken;
}
