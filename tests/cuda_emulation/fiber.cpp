/* Stacks for the threads of a block, and the switch between them: 16 ns by a few lines of assembly on x86-64, where
 * swapcontext, which serves elsewhere, takes 0.7 microseconds. ASan is told of each switch. */
#include "tests/cuda_emulation/machine.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#if !defined(__x86_64__)
#include <ucontext.h>
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

enum { STACK_BYTES = 256 << 10 };

struct fiber {
#if defined(__x86_64__)
    void *stack_pointer;
#else
    ucontext_t context;
#endif
    char *pages; /* the guard, then the stack; NULL for the host's */
    const void *bottom;
    size_t bytes;
    void *fake_stack; /* ASan's, while it rests */
    struct fiber *next_free;
};

static struct fiber host, *free_fibers;
static struct fiber *all[MOST_THREADS + 1]; /* a resting fiber may be held by each thread, and one goes round */
static int count;
static size_t page;

/* The two sides of the switch that is under way. */
static struct fiber *came_from, *gone_to;

static void arrived(struct fiber *self)
{
#if defined(__SANITIZE_ADDRESS__)
    const void *bottom = NULL;
    size_t bytes = 0;
    __sanitizer_finish_switch_fiber(self->fake_stack, &bottom, &bytes);
    if (came_from == &host) {
        host.bottom = bottom;
        host.bytes = bytes;
    }
#else
    (void)self;
#endif
}

static void begin()
{
    struct fiber *self = gone_to;
    arrived(self);
    fiber_body(self);
    abort();
}

#if defined(__x86_64__)
extern "C" void emulation_switch(void **from, void *to);
__asm__(".text\n"
        ".globl emulation_switch\n"
        ".type emulation_switch, @function\n"
        "emulation_switch:\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    ret\n"
        ".size emulation_switch, . - emulation_switch\n");

static void prepare(struct fiber *fiber)
{
    /* Stacks begin at different lines of the cache: all threads use the same part of theirs. */
    void **top = (void **)(fiber->pages + page + STACK_BYTES - (size_t)(count % 64) * 64);
    top[-1] = NULL; /* in place of a return address: the stack is aligned as at the entry of any function */
    top[-2] = (void *)begin;
    memset(top - 8, 0, 6 * sizeof *top);
    fiber->stack_pointer = top - 8;
}

static void exchange(struct fiber *from, struct fiber *to)
{
    emulation_switch(&from->stack_pointer, to->stack_pointer);
}
#else
static void prepare(struct fiber *fiber)
{
    getcontext(&fiber->context);
    fiber->context.uc_stack.ss_sp = fiber->pages + page;
    fiber->context.uc_stack.ss_size = STACK_BYTES;
    makecontext(&fiber->context, begin, 0);
}

static void exchange(struct fiber *from, struct fiber *to)
{
    swapcontext(&from->context, &to->context);
}
#endif

struct fiber *fiber_host()
{
    return &host;
}

static struct fiber *make()
{
    struct fiber *fiber = (struct fiber *)calloc(1, sizeof *fiber);
    page = (size_t)sysconf(_SC_PAGESIZE);
    void *pages = mmap(NULL, page + STACK_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (!fiber || pages == MAP_FAILED || mprotect(pages, page, PROT_NONE) || count > MOST_THREADS)
        emulation_report("no memory for the stack of a thread");
    fiber->pages = (char *)pages;
    fiber->bottom = fiber->pages + page;
    fiber->bytes = STACK_BYTES;
    prepare(fiber);
    all[count++] = fiber;
    return fiber;
}

struct fiber *fiber_take()
{
    struct fiber *fiber = free_fibers;
    if (!fiber)
        return make();
    free_fibers = fiber->next_free;
    return fiber;
}

void fiber_give_back(struct fiber *fiber)
{
    fiber->next_free = free_fibers;
    free_fibers = fiber;
}

void fiber_switch(struct fiber *from, struct fiber *to)
{
    came_from = from;
    gone_to = to;
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(&from->fake_stack, to->bottom, to->bytes);
#endif
    exchange(from, to);
    arrived(from);
}

bool fiber_owns_guard(const void *address)
{
    for (int i = 0; i < count; i++)
        if ((const char *)address >= all[i]->pages && (const char *)address < all[i]->pages + page)
            return true;
    return false;
}
