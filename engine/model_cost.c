/* See model_cost.h. */
#include "engine/model_cost.h"

#include "engine/parameters.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The part that a parameter belongs to: 0 the stem, then the blocks, then the head with the norm before it. */
static int part_of(const char *name, int blocks)
{
    int block;
    if (sscanf(name, "blocks.%d.", &block) == 1)
        return block + 1;
    return strncmp(name, "head.", 5) == 0 || strncmp(name, "norm.", 5) == 0 ? blocks + 1 : 0;
}

/* Side of the map that a block's convolution makes, of an input of `side`. */
static int output_side(const struct model_spec *spec, const struct block_spec *block, enum block_conv conv, int side)
{
    if (conv == SE_REDUCE || conv == SE_EXPAND)
        return 1;
    /* the papers' block strides in its first 3x3, the report's in its first 1x1 */
    return conv == CONV0 && spec->family == FAMILY_PAPERS ? side : side / block->stride;
}

static void add_flops(const struct model_spec *spec, const struct parameter_list *list, int blocks,
                      struct model_cost *costs)
{
    int side = MODEL_IMAGE_SIZE, at = -1; /* input of block `at` */
    for (int i = 0; i < list->layer_count; i++) {
        const struct layer *layer = &list->layers[i];
        const double weights = (double)list->items[layer->weight].count;
        int out = layer->block < 0 ? MODEL_IMAGE_SIZE : 1;
        if (layer->block >= 0 && layer->block < blocks) {
            const struct block_spec block = model_block(spec, layer->block);
            if (layer->block > at && at >= 0)
                side /= model_block(spec, at).stride;
            at = layer->block;
            out = output_side(spec, &block, layer->conv, side);
        }
        costs[layer->block + 1].flops += 2 * weights * out * out;
    }
}

int model_costs(const struct model_spec *spec, struct model_cost **out, int *count, struct error *error)
{
    struct parameter_list list;
    const int blocks = model_block_count(spec);
    if (parameters_list(spec, &list, error) != 0)
        return -1;
    *count = blocks + 2;
    *out = calloc((size_t)*count, sizeof **out);
    for (int i = 0; *out && i < list.count; i++)
        if (list.items[i].role != PARAMETER_BUFFER)
            (*out)[part_of(list.items[i].name, blocks)].parameters += list.items[i].count;
    if (*out)
        add_flops(spec, &list, blocks, *out);
    parameters_free(&list);
    return *out ? 0 : error_set(error, "out of memory");
}
