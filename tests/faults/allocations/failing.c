/* Linked into a second nfbench (nfbench-failing), by the linker's --wrap: of the allocations of our own code, and of
 * jansson for it, and of the threads that it starts, some fail. Those of other libraries are their own affair. A place
 * is a stack of callers in nfbench; its number is the same in each run of the program.
 *
 *   FAIL_PLACE=HEX       that place's ...
 *   FAIL_AT=N            ... Nth allocation fails, from 1 on
 *   FAIL_FOREVER=1       ... and so do all behind it, wherever
 *   FAIL_COUNT=FILE      gets a line for each place: "HEX N", N allocations, at the program's end */
#include <dirent.h>
#include <errno.h>
#include <execinfo.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { PLACES = 1 << 14, FRAMES = 24 };

static struct {
    pthread_mutex_t lock;
    uint32_t places[PLACES]; /* by their hash; 0: free */
    long counts[PLACES];
    long at;
    uint32_t place;
    bool forever, failing;
} plan = {.lock = PTHREAD_MUTEX_INITIALIZER};

extern const char __executable_start, etext;

/* FNV-1a over the return addresses in the program itself. */
static uint32_t find_place(void)
{
    void *frames[FRAMES];
    const int count = backtrace(frames, FRAMES);
    uint32_t hash = 2166136261u;
    for (int i = 0; i < count; i++) {
        const char *frame = frames[i];
        if (frame >= &__executable_start && frame < &etext)
            hash = (hash ^ (uint32_t)(frame - &__executable_start)) * 16777619u;
    }
    return hash ? hash : 1;
}

/* How often the place was come by, this time included. */
static long count_place(uint32_t place)
{
    uint32_t slot = place % PLACES;
    while (plan.places[slot] && plan.places[slot] != place)
        slot = (slot + 1) % PLACES;
    plan.places[slot] = place;
    return ++plan.counts[slot];
}

/* ... and none do in what stands here. */
static bool fails(void)
{
    const uint32_t place = find_place();
    pthread_mutex_lock(&plan.lock);
    const bool hit = count_place(place) == plan.at && place == plan.place;
    const bool failing = hit || plan.failing;
    plan.failing = failing && plan.forever;
    pthread_mutex_unlock(&plan.lock);
    if (failing)
        errno = ENOMEM;
    return failing;
}

/* Each function that hands out memory, with the names of its arguments. */
#define WRAP(type, name, parameters, arguments)                                                                        \
    type __real_##name parameters;                                                                                     \
    type __wrap_##name parameters;                                                                                     \
    type __wrap_##name parameters                                                                                      \
    {                                                                                                                  \
        return fails() ? NULL : __real_##name arguments;                                                               \
    }

WRAP(void *, malloc, (size_t size), (size))
WRAP(void *, calloc, (size_t count, size_t size), (count, size))
WRAP(void *, realloc, (void *old, size_t size), (old, size))
WRAP(void *, reallocarray, (void *old, size_t count, size_t size), (old, count, size))
WRAP(void *, aligned_alloc, (size_t alignment, size_t size), (alignment, size))
WRAP(char *, strdup, (const char *text), (text))
WRAP(char *, strndup, (const char *text, size_t size), (text, size))
WRAP(char *, realpath, (const char *path, char *resolved), (path, resolved))
WRAP(FILE *, fopen, (const char *path, const char *mode), (path, mode))
WRAP(FILE *, fdopen, (int fd, const char *mode), (fd, mode))
WRAP(DIR *, opendir, (const char *path), (path))

int __real_posix_memalign(void **out, size_t alignment, size_t size);
int __wrap_posix_memalign(void **out, size_t alignment, size_t size);
int __wrap_posix_memalign(void **out, size_t alignment, size_t size)
{
    return fails() ? ENOMEM : __real_posix_memalign(out, alignment, size);
}

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument)
{
    return fails() ? EAGAIN : __real_pthread_create(thread, attributes, run, argument);
}

int __real_vasprintf(char **out, const char *format, va_list arguments);
int __wrap_vasprintf(char **out, const char *format, va_list arguments);
int __wrap_vasprintf(char **out, const char *format, va_list arguments)
{
    return fails() ? -1 : __real_vasprintf(out, format, arguments);
}

int __wrap_asprintf(char **out, const char *format, ...);
int __wrap_asprintf(char **out, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int length = __wrap_vasprintf(out, format, arguments);
    va_end(arguments);
    return length;
}

static void tell_places(void)
{
    const char *path = getenv("FAIL_COUNT");
    FILE *file = path ? __real_fopen(path, "w") : NULL;
    if (!file)
        return;
    for (int i = 0; i < PLACES; i++)
        if (plan.places[i])
            fprintf(file, "%x %ld\n", plan.places[i], plan.counts[i]);
    fclose(file);
}

__attribute__((constructor)) static void begin(void)
{
    const char *place = getenv("FAIL_PLACE"), *at = getenv("FAIL_AT");
    void *frame;
    plan.place = place ? (uint32_t)strtoul(place, NULL, 16) : 0;
    plan.at = at ? strtol(at, NULL, 10) : 0;
    plan.forever = getenv("FAIL_FOREVER");
    (void)backtrace(&frame, 1); /* loads what it needs */
    (void)atexit(tell_places);
}
