/* cp.async: a copy's target holds NaN bytes until a wait covers its group; only then the source is read. */
#include "tests/cuda_emulation/machine.h"

#include <hardware.h>

#include <stdlib.h>

enum { COPY_BYTES = 16 };

struct copy {
    void *to;
    const void *from; /* NULL: zeros */
    int group;        /* number of the group that closes it */
    const char *file;
    int line;
};

struct copies {
    struct copy *list; /* under way, oldest first */
    int count, capacity;
    int groups; /* closed so far */
};

struct copies *copies_new()
{
    struct copies *copies = (struct copies *)calloc(1, sizeof *copies);
    if (!copies)
        emulation_report("no memory for copies");
    return copies;
}

void copies_end(struct copies *copies)
{
    if (copies->count)
        emulation_report("the thread ends and never waited for its cp.async of %s:%d", copies->list[0].file,
                         copies->list[0].line);
    copies->groups = 0;
}

void cp_async_16(void *shared, const void *global, bool valid, const char *file, int line)
{
    if (((uintptr_t)shared | (valid ? (uintptr_t)global : 0)) % COPY_BYTES)
        emulation_report("cp.async at %s:%d: addresses %p and %p are not both 16-byte aligned", file, line, shared,
                         global);
    const char *memory = (const char *)emulation_shared_memory();
    const size_t bytes = block_kernel()->shared_bytes;
    if ((const char *)shared < memory || (const char *)shared + COPY_BYTES > memory + bytes)
        emulation_report("cp.async at %s:%d: the target is not in the block's %zu bytes of shared memory", file, line,
                         bytes);
    if (valid && !memory_is_device(global, COPY_BYTES))
        emulation_report("cp.async at %s:%d: the source %p is not in device memory", file, line, global);
    memset(shared, POISON, COPY_BYTES);
    struct copies *copies = copies_of_thread();
    if (copies->count == copies->capacity) {
        copies->capacity = 2 * copies->capacity + 16;
        copies->list = (struct copy *)realloc(copies->list, (size_t)copies->capacity * sizeof *copies->list);
        if (!copies->list)
            emulation_report("no memory for copies");
    }
    copies->list[copies->count++] = {shared, valid ? global : NULL, copies->groups, file, line};
}

void cp_async_commit()
{
    copies_of_thread()->groups++;
}

void emulation_copy_wait(int pending, const char *file, int line)
{
    if (report_is_broken(EMULATION_COPY_WAIT, file, line))
        return;
    struct copies *copies = copies_of_thread();
    int done = 0;
    for (; done < copies->count && copies->list[done].group < copies->groups - pending; done++) {
        const struct copy *copy = &copies->list[done];
        if (copy->from)
            memcpy(copy->to, copy->from, COPY_BYTES);
        else
            memset(copy->to, 0, COPY_BYTES);
    }
    copies->count -= done;
    memmove(copies->list, copies->list + done, (size_t)copies->count * sizeof *copies->list);
}
