/* Reading JSON; see json.h. When its buffer cannot grow, jansson's lexer goes on with a character lost, and may run
 * beyond the buffer's end (github.com/akheron/jansson, issue 362). So the first allocation that fails ends the reading:
 * jansson is left by a jump, and what it had allocated until then is freed. */
#include "sessions/json.h"

#include <errno.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static _Thread_local struct {
    bool running;  /* else jansson is at something whose errors it does handle */
    void **blocks; /* what it has allocated and not freed */
    size_t count, capacity;
    jmp_buf failed;
} reading;

static bool keep(void *block)
{
    if (reading.count == reading.capacity) {
        const size_t capacity = reading.capacity ? 2 * reading.capacity : 64;
        void **blocks = reallocarray(reading.blocks, capacity, sizeof *blocks);
        if (!blocks)
            return false;
        reading.blocks = blocks;
        reading.capacity = capacity;
    }
    reading.blocks[reading.count++] = block;
    return true;
}

static void *allocate(size_t size)
{
    void *block = malloc(size);
    if (!reading.running || (block && keep(block)))
        return block;
    free(block);
    longjmp(reading.failed, 1);
}

static void release(void *block)
{
    size_t i = reading.count; /* the last ones are freed first, mostly */
    while (i > 0 && reading.blocks[i - 1] != block)
        i--;
    if (i > 0)
        reading.blocks[i - 1] = reading.blocks[--reading.count];
    free(block);
}

__attribute__((constructor)) static void take_over(void)
{
    json_set_alloc_funcs(allocate, release);
}

/* NULL when memory ran out, too, and then `*whole` is false. */
static json_t *load(const char *text, size_t length, json_error_t *reason, bool *whole)
{
    *whole = false;
    if (setjmp(reading.failed))
        return NULL;
    json_t *json = json_loadb(text, length, JSON_REJECT_DUPLICATES, reason);
    *whole = true;
    return json;
}

json_t *json_read(const char *text, size_t length, json_error_t *reason)
{
    bool whole;
    reading.running = true;
    json_t *json = load(text, length, reason, &whole);
    reading.running = false;
    for (size_t i = 0; !whole && i < reading.count; i++)
        free(reading.blocks[i]);
    free(reading.blocks);
    reading.blocks = NULL;
    reading.count = reading.capacity = 0;
    if (!whole)
        snprintf(reason->text, sizeof reason->text, "out of memory");
    if (!json)
        errno = whole ? EBADMSG : ENOMEM;
    return json;
}
