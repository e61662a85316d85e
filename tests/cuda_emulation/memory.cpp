/* Device memory: a range of addresses that only kernels and copies can touch. Each allocation has pages of its own,
 * with pages that nobody can touch around them and its end as near to the next of these as its alignment allows; what
 * is left between is watched by ASan, or filled and looked at. Addresses are never used again.
 *
 * The host is kept out by a protection key where the processor has them (a switch costs 50 ns), elsewhere by mprotect:
 * then an allocation is opened when it is first touched, since to open and close all of them costs more than most
 * kernels. */
#include "tests/cuda_emulation/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>

enum { ALIGNMENT = 256, MARGIN_FILL = 0xA5 };
static const size_t RANGE = (size_t)1 << 38;

struct allocation {
    char *start, *pages;
    size_t bytes, page_bytes;
    int device;
    bool freed;
};

static char *range;
static size_t used, page, allocated[MOST_DEVICES];
static struct allocation *list; /* by address */
static int count, capacity;
static int opened;
static int *touched, touched_count; /* numbers of what is open, where there are no keys; as many as the list can hold */

static struct pinned {
    void *start;
    size_t bytes;
    struct pinned *next;
} * pinned;

static void reserve()
{
    if (range)
        return;
    page = (size_t)sysconf(_SC_PAGESIZE);
    void *memory = mmap(NULL, RANGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        emulation_report("cannot reserve addresses for device memory");
    range = (char *)memory;
}

/* The last allocation that begins at or before `pointer`; NULL: none. */
static struct allocation *at_or_before(const void *pointer)
{
    int low = 0, high = count;
    while (low < high) {
        const int middle = (low + high) / 2;
        if (list[middle].start <= (const char *)pointer)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? &list[low - 1] : NULL;
}

bool memory_in_range(const void *pointer)
{
    return range && (const char *)pointer >= range && (const char *)pointer < range + RANGE;
}

bool memory_is_device(const void *pointer, size_t bytes)
{
    const struct allocation *a = memory_in_range(pointer) ? at_or_before(pointer) : NULL;
    return a && !a->freed && (size_t)((const char *)pointer - a->start) + bytes <= a->bytes;
}

void memory_describe(const void *address, char *text, size_t size)
{
    const struct allocation *a = at_or_before(address);
    if (!a) {
        snprintf(text, size, "%p is before the first allocation", address);
        return;
    }
    const size_t at = (size_t)((const char *)address - a->start);
    if (at < a->bytes)
        snprintf(text, size, "%p is byte %zu of an allocation of %zu bytes%s", address, at, a->bytes,
                 a->freed ? " that was freed" : "");
    else
        snprintf(text, size, "%p is %zu bytes beyond the end of an allocation of %zu bytes", address, at - a->bytes,
                 a->bytes);
}

/* 0: not asked for yet; -1: the processor has none. */
static int key;

static bool has_key()
{
    if (key == 0)
        key = pkey_alloc(0, PKEY_DISABLE_ACCESS);
    return key > 0;
}

static char *end_of(const struct allocation *a)
{
    return a->start + a->bytes;
}

static void protect(const struct allocation *a, int protection)
{
    if (mprotect(a->pages, a->page_bytes, protection))
        emulation_report("mprotect failed");
}

/* Its pages begin less than a page before it, and a page that nobody can touch lies between two. */
bool memory_touch(const void *address)
{
    struct allocation *a = opened && !has_key() ? at_or_before((const char *)address + page - 1) : NULL;
    if (!a || a->freed || (const char *)address < a->pages || (const char *)address >= a->pages + a->page_bytes)
        return false;
    protect(a, PROT_READ | PROT_WRITE);
    touched[touched_count++] = (int)(a - list);
    return true;
}

/* The handler of faults reads and writes what is static here: the compiler must not keep it in registers meanwhile. */
static void meet_handler()
{
    std::atomic_signal_fence(std::memory_order_seq_cst);
}

void memory_open()
{
    if (opened++ == 0 && has_key())
        pkey_set(key, 0);
    meet_handler();
}

static void check_margin(const struct allocation *a)
{
#if !defined(__SANITIZE_ADDRESS__)
    for (const char *p = end_of(a); p < a->pages + a->page_bytes; p++)
        if ((unsigned char)*p != MARGIN_FILL)
            emulation_report("byte %zu beyond the end of an allocation of %zu bytes was written",
                             (size_t)(p - end_of(a)), a->bytes);
#else
    (void)a;
#endif
}

void memory_close()
{
    meet_handler();
    if (--opened)
        return;
    if (has_key()) {
        for (int i = 0; i < count; i++)
            if (!list[i].freed)
                check_margin(&list[i]);
        pkey_set(key, PKEY_DISABLE_ACCESS);
    }
    for (; touched_count; touched_count--) {
        check_margin(&list[touched[touched_count - 1]]);
        protect(&list[touched[touched_count - 1]], PROT_NONE);
    }
}

static void fill(struct allocation *a)
{
    memset(a->pages, MARGIN_FILL, (size_t)(a->start - a->pages));
    memset(a->start, POISON, a->bytes);
    memset(end_of(a), MARGIN_FILL, (size_t)(a->pages + a->page_bytes - end_of(a)));
    ASAN_POISON_MEMORY_REGION(a->pages, (size_t)(a->start - a->pages));
    ASAN_POISON_MEMORY_REGION(end_of(a), (size_t)(a->pages + a->page_bytes - end_of(a)));
}

static cudaError_t allocate(void **out, size_t bytes)
{
    *out = NULL;
    if (machine.devices == 0)
        return cudaErrorNoDevice;
    const cudaError_t may = stream_may_wait();
    if (may != cudaSuccess || bytes == 0)
        return may;
    reserve();
    if (bytes > machine.memory - allocated[machine_device])
        return cudaErrorMemoryAllocation;
    const size_t padded = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    const size_t page_bytes = (padded + page - 1) / page * page;
    if (page_bytes + 2 * page > RANGE - used)
        emulation_report("more than %zu bytes allocated since the program began", RANGE);
    if (count == capacity) {
        capacity = 2 * capacity + 64;
        list = (struct allocation *)realloc(list, (size_t)capacity * sizeof *list);
        touched = (int *)realloc(touched, (size_t)capacity * sizeof *touched);
        if (!list || !touched)
            emulation_report("no memory for the list of allocations");
    }
    struct allocation *a = &list[count++];
    a->pages = range + used + page;
    a->page_bytes = page_bytes;
    a->start = a->pages + page_bytes - padded;
    a->bytes = bytes;
    a->freed = false;
    used += page_bytes + page;
    a->device = machine_device;
    allocated[a->device] += bytes;
    memory_open();
    if (has_key() && pkey_mprotect(a->pages, a->page_bytes, PROT_READ | PROT_WRITE, key))
        emulation_report("pkey_mprotect failed");
    fill(a);
    memory_close();
    *out = a->start;
    return cudaSuccess;
}

cudaError_t cudaMalloc(void **out, size_t bytes)
{
    machine_lock();
    const cudaError_t code = machine_result(allocate(out, bytes));
    machine_unlock();
    return code;
}

static cudaError_t release(void *pointer)
{
    if (!pointer)
        return cudaSuccess;
    const cudaError_t may = stream_may_wait();
    if (may != cudaSuccess)
        return may;
    stream_drain_all();
    struct allocation *a = memory_in_range(pointer) ? at_or_before(pointer) : NULL;
    if (!a || a->freed || a->start != pointer)
        return cudaErrorInvalidValue;
    memory_open();
    memory_close();
    ASAN_UNPOISON_MEMORY_REGION(a->pages, a->page_bytes);
    /* gives the pages back and keeps the addresses */
    if (mmap(a->pages, a->page_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) ==
        MAP_FAILED)
        emulation_report("mmap failed");
    a->freed = true;
    allocated[a->device] -= a->bytes;
    return cudaSuccess;
}

cudaError_t cudaFree(void *pointer)
{
    machine_lock();
    const cudaError_t code = machine_result(release(pointer));
    machine_unlock();
    return code;
}

size_t emulation_allocated_on(int device)
{
    return allocated[device];
}

size_t emulation_allocated(void)
{
    size_t bytes = 0;
    for (int device = 0; device < MOST_DEVICES; device++)
        bytes += allocated[device];
    return bytes;
}

cudaError_t cudaMemGetInfo(size_t *available, size_t *total)
{
    machine_lock();
    *available = machine.memory - allocated[machine_device];
    *total = machine.memory;
    const cudaError_t code = machine_result(machine.devices ? cudaSuccess : cudaErrorNoDevice);
    machine_unlock();
    return code;
}

/* ---- Pinned memory of the host ---- */

bool memory_is_pinned(const void *pointer)
{
    for (const struct pinned *p = pinned; p; p = p->next)
        if ((const char *)pointer >= (const char *)p->start &&
            (const char *)pointer < (const char *)p->start + p->bytes)
            return true;
    return false;
}

static cudaError_t pin(void **out, size_t bytes)
{
    *out = NULL;
    if (machine.devices == 0)
        return cudaErrorNoDevice;
    const cudaError_t may = stream_may_wait();
    if (may != cudaSuccess || bytes == 0)
        return may;
    struct pinned *p = (struct pinned *)malloc(sizeof *p);
    if (!p)
        return cudaErrorMemoryAllocation;
    p->bytes = bytes;
    if (posix_memalign(&p->start, 64, bytes)) {
        free(p);
        return cudaErrorMemoryAllocation;
    }
    memset(p->start, POISON, bytes);
    p->next = pinned;
    pinned = p;
    *out = p->start;
    return cudaSuccess;
}

static cudaError_t unpin(void *pointer)
{
    if (!pointer)
        return cudaSuccess;
    const cudaError_t may = stream_may_wait();
    if (may != cudaSuccess)
        return may;
    stream_drain_all();
    for (struct pinned **p = &pinned; *p; p = &(*p)->next)
        if ((*p)->start == pointer) {
            struct pinned *gone = *p;
            *p = gone->next;
            free(gone->start);
            free(gone);
            return cudaSuccess;
        }
    return cudaErrorInvalidValue;
}

cudaError_t cudaHostAlloc(void **out, size_t bytes, unsigned)
{
    machine_lock();
    const cudaError_t code = machine_result(pin(out, bytes));
    machine_unlock();
    return code;
}

cudaError_t cudaMallocHost(void **out, size_t bytes)
{
    return cudaHostAlloc(out, bytes, cudaHostAllocDefault);
}

cudaError_t cudaFreeHost(void *pointer)
{
    machine_lock();
    const cudaError_t code = machine_result(unpin(pointer));
    machine_unlock();
    return code;
}

void emulation_check_argument(const char *kernel, const char *file, int line, const void *pointer)
{
    machine_lock();
    if (pointer && !memory_is_pinned(pointer) && !memory_in_range(pointer))
        emulation_report("%s (launched at %s:%d) is given %p, which is memory of the host", kernel, file, line,
                         pointer);
    machine_unlock();
}
