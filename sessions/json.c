/* Reading JSON; see json.h. When its buffer cannot grow, jansson's lexer goes on with a character lost, and may run
 * beyond the buffer's end (github.com/akheron/jansson, issue 362). So the first allocation that fails ends the reading:
 * jansson is left by a jump, and what it had allocated until then is freed. */
#include "sessions/json.h"

#include <errno.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

struct blocks {
    void **list;
    size_t count, capacity;
};
static _Thread_local struct {
    bool running;           /* else jansson is at something whose errors it does handle */
    struct blocks held;     /* what it has allocated, in order */
    struct blocks returned; /* those of them that it freed later than soon: freed at the end, without a search now */
    jmp_buf failed;
} reading;

static bool keep(struct blocks *blocks, void *block)
{
    if (blocks->count == blocks->capacity) {
        const size_t capacity = blocks->capacity ? 2 * blocks->capacity : 64;
        void **list = reallocarray(blocks->list, capacity, sizeof *list);
        if (!list)
            return false;
        blocks->list = list;
        blocks->capacity = capacity;
    }
    blocks->list[blocks->count++] = block;
    return true;
}

static void *allocate(size_t size)
{
    void *block = malloc(size);
    if (!reading.running || (block && keep(&reading.held, block)))
        return block;
    free(block);
    longjmp(reading.failed, 1);
}

static void release(void *block)
{
    enum { SOON = 16 };
    struct blocks *held = &reading.held;
    for (size_t i = held->count; reading.running && i > 0 && i + SOON > held->count; i--) {
        if (held->list[i - 1] == block) {
            held->list[i - 1] = held->list[--held->count];
            free(block);
            return;
        }
    }
    if (!reading.running || !block)
        free(block);
    else if (!keep(&reading.returned, block))
        longjmp(reading.failed, 1);
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
    const struct blocks *unused = whole ? &reading.returned : &reading.held;
    for (size_t i = 0; i < unused->count; i++)
        free(unused->list[i]);
    free(reading.held.list);
    free(reading.returned.list);
    reading.held = reading.returned = (struct blocks){0};
    if (!whole)
        snprintf(reason->text, sizeof reason->text, "out of memory");
    if (!json)
        errno = whole ? EBADMSG : ENOMEM;
    return json;
}
