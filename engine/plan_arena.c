/* Where the buffers of a plan lie: which operations need each, and an offset for each so that buffers which live at the
 * same time never meet; see plan.h. */
#include "engine/plan.h"

#include <stdlib.h>

static void touch(struct plan *plan, int buffer, int time)
{
    if (buffer == NO_BUFFER)
        return;
    struct buffer *span = &plan->buffers[buffer];
    if (span->first < 0 || time < span->first)
        span->first = time;
    if (time > span->last)
        span->last = time;
}

/* True when the operation's backward reads its input or its output. */
static bool saves_values(const struct op *op)
{
    if (op->kind == OP_AVERAGE_POOL || op->kind == OP_GLOBAL_POOL)
        return op->relu;
    return op->kind != OP_COPY && op->kind != OP_FORK && op->kind != OP_DROPOUT;
}

void plan_find_spans(struct plan *plan)
{
    const int end = 2 * plan->op_count - 1;
    for (int i = 0; i < plan->op_count; i++) {
        const struct op *op = &plan->ops[i];
        const int backward = end - i;
        const int values[] = {op->x, op->y, op->y_relu, op->gate, op->sample, op->saved};
        for (size_t j = 0; j < sizeof values / sizeof *values; j++) {
            touch(plan, values[j], i);
            if (saves_values(op))
                touch(plan, values[j], backward);
        }
        touch(plan, op->dx, backward);
        touch(plan, op->dy, backward);
        touch(plan, op->dgate, backward);
    }
    const int whole[] = {plan->input_staging, plan->input,   plan->labels, plan->partners,
                         plan->logits,        plan->dlogits, plan->scratch};
    for (size_t j = 0; j < sizeof whole / sizeof *whole; j++) {
        touch(plan, whole[j], 0);
        touch(plan, whole[j], end);
    }
}

static int by_size(const void *a, const void *b)
{
    const struct buffer *x = *(struct buffer *const *)a, *y = *(struct buffer *const *)b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return x < y ? -1 : x > y;
}

/* The lowest offset at which `buffer` meets none of the placed buffers that live at the same time. */
static size_t lowest_offset(struct buffer *const *placed, int count, const struct buffer *buffer, size_t start)
{
    size_t offset = start;
    for (bool moved = true; moved;) {
        moved = false;
        for (int i = 0; i < count; i++) {
            const struct buffer *other = placed[i];
            if (other->last < buffer->first || buffer->last < other->first)
                continue;
            if (offset < other->offset + other->bytes && other->offset < offset + buffer->bytes) {
                offset = other->offset + other->bytes;
                moved = true;
            }
        }
    }
    return offset;
}

size_t plan_place_buffers(struct buffer *buffers, int count, size_t start)
{
    size_t end = start;
    struct buffer **order = malloc((size_t)(count > 0 ? count : 1) * sizeof *order);
    if (!order)
        return 0;
    for (int i = 0; i < count; i++)
        order[i] = &buffers[i];
    qsort(order, (size_t)count, sizeof *order, by_size);
    for (int i = 0; i < count; i++) {
        order[i]->offset = lowest_offset(order, i, order[i], start);
        if (order[i]->offset + order[i]->bytes > end)
            end = order[i]->offset + order[i]->bytes;
    }
    free(order);
    return end;
}
