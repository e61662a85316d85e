/* Internal to the network: the list of its parameters under the peer's names, in the order of the forward pass, which
 * convolution uses which, and their initialisation. */
#ifndef NFBENCH_ENGINE_PARAMETERS_H
#define NFBENCH_ENGINE_PARAMETERS_H

#include "engine/network.h"

/* Convolutions of a block, in the order of block_layer's numbers. */
enum block_conv { CONV0, CONV1, CONV2, CONV3, CONV_PROJECTION, SE_REDUCE, SE_EXPAND };

/* One convolution's or dense layer's weights. */
struct layer {
    int weight, bias, gain; /* parameter numbers; gain -1: none */
    int skip_gain;          /* parameter number folded into the weights, or -1 */
    enum ws_mode mode;
    float in_scale, out_scale;
    int block;            /* -1: the stem; block count: the head */
    enum block_conv conv; /* within its block */
    size_t moments;       /* offset of its row moments */
};

struct parameter_list {
    struct parameter *items;
    size_t *offsets; /* of each item in the value, gradient, momentum and ema regions alike, in floats */
    int count, capacity;
    struct layer *layers;
    int layer_count, layer_capacity;
    size_t floats; /* of one region; items start at multiples of 16 floats */
    size_t moment_floats;
};

/* Room for one more item behind `count` others: the list, moved when it had to grow; on want of memory the old list,
 * *failed and the error. */
void *list_grown(void *items, int count, int *capacity, size_t item, bool *failed, struct error *error);

/* Lists what `spec` needs; no memory of the device yet. */
int parameters_list(const struct model_spec *spec, struct parameter_list *out, struct error *error);
void parameters_free(struct parameter_list *list);
/* Whether the optimizer changes it. */
bool parameter_is_trained(const struct parameter *parameter);
/* The units of a parameter, as AGC and the updater count them: its first dimension; none of what is never trained. */
int parameter_units(const struct parameter *parameter);
/* ... of the first `count` parameters: in the updater's list, the units of parameter `count` follow them. */
size_t parameters_units(const struct parameter_list *list, int count);
/* Number of a parameter by name, -1 when there is none. */
int parameters_find(const struct parameter_list *list, const char *name);
/* Number of a block's layer, -1 when it has none. */
int parameters_layer(const struct parameter_list *list, int block, enum block_conv conv);
/* The initial values of the index-th parameter into host memory (count floats), by Philox of (seed, index). */
void parameters_initialize(const struct parameter_list *list, const struct model_spec *spec, int index, uint64_t seed,
                           float *out);
/* Squeeze-excite's hidden width for a block of so many output channels. */
int squeeze_excite_width(const struct model_spec *spec, int channels);

#endif
