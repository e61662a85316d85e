/* Linked into a second nfbench (nfbench-failing), by the linker's --wrap: of the allocations of our own code, and of
 * jansson for it, and of the threads that it starts, some fail. Those of other libraries are their own affair.
 *
 *   FAIL_AT=N         the Nth of them fails, from 1 on
 *   FAIL_FOREVER=1    ... and so do all behind it
 *   FAIL_COUNT=FILE   gets their number, at the program's end */
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static atomic_long counted;
static long at;
static bool forever;

/* ... and none do in what stands here. */
static bool fails(void)
{
    const long number = atomic_fetch_add(&counted, 1) + 1;
    const bool hit = at > 0 && (number == at || (forever && number > at));
    if (hit)
        errno = ENOMEM;
    return hit;
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

static void tell_count(void)
{
    const char *path = getenv("FAIL_COUNT");
    FILE *file = path ? __real_fopen(path, "w") : NULL;
    if (!file)
        return;
    fprintf(file, "%ld\n", (long)counted);
    fclose(file);
}

__attribute__((constructor)) static void begin(void)
{
    const char *which = getenv("FAIL_AT");
    at = which ? strtol(which, NULL, 10) : 0;
    forever = getenv("FAIL_FOREVER");
    json_set_alloc_funcs(__wrap_malloc, free);
    (void)atexit(tell_count);
}
