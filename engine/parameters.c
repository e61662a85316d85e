/* Lists and initialises the parameters of a network; see parameters.h. */
#include "engine/parameters.h"

#include "engine/whitening.h"

#include "kernels/philox.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REGION_ALIGNMENT = 16 /* floats: 64 bytes */ };

/* What the listing functions share; the first failure sticks. */
struct lister {
    const struct model_spec *spec;
    struct parameter_list *list;
    struct error *error;
    bool failed;
};

void *list_grown(void *items, int count, int *capacity, size_t item, bool *failed, struct error *error)
{
    if (count < *capacity)
        return items;
    const int larger = *capacity ? 2 * *capacity : 64;
    void *moved = realloc(items, (size_t)larger * item);
    if (!moved) {
        *failed = true;
        error_set(error, "out of memory");
        return items;
    }
    *capacity = larger;
    return moved;
}

static size_t dims_count(const int *dims, int dim_count)
{
    size_t count = 1;
    for (int i = 0; i < dim_count; i++)
        count *= (size_t)dims[i];
    return count;
}

/* Appends one parameter and returns its number, -1 after a failure. */
static int add_parameter(struct lister *lister, enum parameter_role role, const int *dims, int dim_count,
                         const char *format, ...)
{
    struct parameter_list *list = lister->list;
    if (lister->failed)
        return -1;
    if (list->count == list->capacity) {
        int capacity = list->capacity;
        list->items =
            list_grown(list->items, list->count, &list->capacity, sizeof *list->items, &lister->failed, lister->error);
        list->offsets =
            list_grown(list->offsets, list->count, &capacity, sizeof *list->offsets, &lister->failed, lister->error);
        if (lister->failed)
            return -1;
    }
    struct parameter *parameter = &list->items[list->count];
    *parameter = (struct parameter){.role = role, .dim_count = dim_count, .count = dims_count(dims, dim_count)};
    if (dim_count > 0)
        memcpy(parameter->dims, dims, (size_t)dim_count * sizeof *dims);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(parameter->name, sizeof parameter->name, format, arguments);
    va_end(arguments);
    list->offsets[list->count] = list->floats;
    list->floats += (parameter->count + REGION_ALIGNMENT - 1) / REGION_ALIGNMENT * REGION_ALIGNMENT;
    return list->count++;
}

/* Weight, bias and, with standardisation, gain of one convolution. `dims` are those of the weight. */
static void add_layer(struct lister *lister, const char *prefix, struct layer layer, const int *dims, int dim_count,
                      enum parameter_role role)
{
    struct parameter_list *list = lister->list;
    layer.weight = add_parameter(lister, role, dims, dim_count, "%s.weight", prefix);
    layer.bias = add_parameter(lister, PARAMETER_BIAS, dims, 1, "%s.bias", prefix);
    layer.gain = -1;
    if (layer.mode == WS_PAPERS)
        layer.gain = add_parameter(lister, PARAMETER_GAIN, dims, 1, "%s.gain", prefix);
    layer.moments = list->moment_floats;
    list->moment_floats += 2 * (size_t)dims[0];
    list->layers = list_grown(list->layers, list->layer_count, &list->layer_capacity, sizeof *list->layers,
                              &lister->failed, lister->error);
    if (!lister->failed)
        list->layers[list->layer_count++] = layer;
}

static enum ws_mode conv_mode(const struct model_spec *spec)
{
    if (!spec->weight_standardization || spec->norm == NORM_BATCH)
        return WS_OFF;
    return spec->family == FAMILY_REPORT ? WS_REPORT : WS_PAPERS;
}

static void add_batch_norm(struct lister *lister, const char *prefix, int channels)
{
    static const struct {
        const char *suffix;
        enum parameter_role role;
    } parts[] = {{"weight", PARAMETER_GAIN},
                 {"bias", PARAMETER_BIAS},
                 {"running_mean", PARAMETER_BUFFER},
                 {"running_var", PARAMETER_BUFFER}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        add_parameter(lister, parts[i].role, &channels, 1, "%s.%s", prefix, parts[i].suffix);
}

int squeeze_excite_width(const struct model_spec *spec, int channels)
{
    int width = (int)lroundf(spec->squeeze_excite * (float)channels);
    return width > 0 ? width : 1;
}

static void add_block_conv(struct lister *lister, int index, const char *name, struct layer layer, int cout, int cin,
                           int k)
{
    char prefix[48];
    const int dims[] = {cout, cin, k, k};
    snprintf(prefix, sizeof prefix, "blocks.%d.%s", index, name);
    layer.block = index;
    layer.mode = conv_mode(lister->spec);
    add_layer(lister, prefix, layer, dims, 4, PARAMETER_WEIGHT);
}

static void add_squeeze_excite(struct lister *lister, int index, int channels)
{
    const int hidden = squeeze_excite_width(lister->spec, channels);
    const int reduce[] = {hidden, channels}, expand[] = {channels, hidden};
    struct layer layer = {.block = index, .conv = SE_REDUCE, .in_scale = 1, .out_scale = 1, .skip_gain = -1};
    char prefix[48];
    snprintf(prefix, sizeof prefix, "blocks.%d.se.fc0", index);
    add_layer(lister, prefix, layer, reduce, 2, PARAMETER_WEIGHT);
    layer.conv = SE_EXPAND;
    snprintf(prefix, sizeof prefix, "blocks.%d.se.fc1", index);
    add_layer(lister, prefix, layer, expand, 2, PARAMETER_WEIGHT);
}

static void add_block(struct lister *lister, int index)
{
    const struct model_spec *spec = lister->spec;
    const struct block_spec block = model_block(spec, index);
    const bool papers = spec->family == FAMILY_PAPERS, norm = spec->norm == NORM_BATCH;
    const bool gated = spec->squeeze_excite > 0 || spec->stochastic_depth > 0;
    const float gamma = papers && !norm ? activation_gamma(spec->activation) : 1;
    const int group_inputs = spec->group_width > 0 ? spec->group_width : block.mid;
    const int skip_gain =
        papers && !norm ? add_parameter(lister, PARAMETER_SKIP_GAIN, NULL, 0, "blocks.%d.skip_gain", index) : -1;
    struct layer layer = {.in_scale = gamma, .out_scale = 1, .skip_gain = -1};
    if (norm) {
        const int channels[] = {block.cin, block.mid, block.mid, block.mid};
        for (int i = 0; i < 4; i++) {
            char prefix[48];
            snprintf(prefix, sizeof prefix, "blocks.%d.bn%d", index, i);
            add_batch_norm(lister, prefix, channels[i]);
        }
    }
    layer.conv = CONV0;
    layer.in_scale = gamma / block.beta;
    add_block_conv(lister, index, "conv0", layer, block.mid, block.cin, 1);
    layer.in_scale = gamma;
    layer.conv = CONV1;
    add_block_conv(lister, index, "conv1", layer, block.mid, group_inputs, 3);
    layer.conv = CONV2;
    add_block_conv(lister, index, "conv2", layer, block.mid, group_inputs, 3);
    layer.conv = CONV3;
    if (!gated) { /* else the residual sum has gates of its own and applies alpha and the skip gain with them */
        layer.out_scale = norm ? 1 : spec->alpha;
        layer.skip_gain = skip_gain;
    }
    add_block_conv(lister, index, "conv3", layer, block.cout, block.mid, 1);
    if (block.transition) {
        layer =
            (struct layer){.conv = CONV_PROJECTION, .in_scale = gamma / block.beta, .out_scale = 1, .skip_gain = -1};
        add_block_conv(lister, index, "proj", layer, block.cout, block.cin, 1);
    }
    if (spec->squeeze_excite > 0)
        add_squeeze_excite(lister, index, block.cout);
}

int parameters_list(const struct model_spec *spec, struct parameter_list *out, struct error *error)
{
    *out = (struct parameter_list){0};
    struct lister lister = {.spec = spec, .list = out, .error = error};
    const int blocks = model_block_count(spec), stem[] = {spec->stem, 3, 3, 3};
    const bool frozen = spec->stem_kind == STEM_WHITENED;
    struct layer layer = {.block = -1, .in_scale = 1, .out_scale = 1, .skip_gain = -1};
    layer.mode = frozen ? WS_OFF : conv_mode(spec);
    add_layer(&lister, "stem", layer, stem, 4, frozen ? PARAMETER_FROZEN : PARAMETER_WEIGHT);
    for (int i = 0; i < blocks && !lister.failed; i++)
        add_block(&lister, i);
    const int width = spec->stages[spec->stage_count - 1].width, head[] = {spec->classes, width};
    if (spec->norm == NORM_BATCH && spec->family == FAMILY_PAPERS)
        add_batch_norm(&lister, "norm", width);
    layer.block = blocks;
    layer.mode = WS_OFF;
    add_layer(&lister, "head", layer, head, 2, PARAMETER_HEAD_WEIGHT);
    if (lister.failed)
        parameters_free(out);
    return lister.failed ? -1 : 0;
}

void parameters_free(struct parameter_list *list)
{
    free(list->items);
    free(list->offsets);
    free(list->layers);
    *list = (struct parameter_list){0};
}

bool parameter_is_trained(const struct parameter *parameter)
{
    return parameter->role != PARAMETER_BUFFER && parameter->role != PARAMETER_FROZEN;
}

int parameter_units(const struct parameter *parameter)
{
    if (!parameter_is_trained(parameter))
        return 0;
    return parameter->dim_count > 0 ? parameter->dims[0] : 1;
}

size_t parameters_units(const struct parameter_list *list, int count)
{
    size_t units = 0;
    for (int i = 0; i < count; i++)
        units += (size_t)parameter_units(&list->items[i]);
    return units;
}

int parameters_find(const struct parameter_list *list, const char *name)
{
    for (int i = 0; i < list->count; i++)
        if (strcmp(list->items[i].name, name) == 0)
            return i;
    return -1;
}

int parameters_layer(const struct parameter_list *list, int block, enum block_conv conv)
{
    for (int i = 0; i < list->layer_count; i++)
        if (list->layers[i].block == block && list->layers[i].conv == conv)
            return i;
    return -1;
}

/* ---- Initialisation ---- */

static void fill_constant(float *out, size_t count, float value)
{
    for (size_t i = 0; i < count; i++)
        out[i] = value;
}

static void fill_normal(float *out, size_t count, double deviation, uint64_t seed, int index)
{
    for (size_t i = 0; i < count; i += 4) {
        const struct philox draw = philox_draw(seed, PHILOX_INITIALISE, (uint32_t)index, i / 4, 0);
        float normal[4];
        philox_normal(draw.word[0], draw.word[1], normal);
        philox_normal(draw.word[2], draw.word[3], normal + 2);
        for (size_t j = 0; j < 4 && i + j < count; j++)
            out[i + j] = (float)(deviation * (double)normal[j]);
    }
}

static void fill_uniform(float *out, size_t count, double bound, uint64_t seed, int index)
{
    for (size_t i = 0; i < count; i += 4) {
        const struct philox draw = philox_draw(seed, PHILOX_INITIALISE, (uint32_t)index, i / 4, 0);
        for (size_t j = 0; j < 4 && i + j < count; j++)
            out[i + j] = (float)(bound * (2.0 * (double)philox_uniform(draw.word[j]) - 1.0));
    }
}

static double fan_in(const struct parameter *weight)
{
    return (double)weight->count / weight->dims[0];
}

/* Groups of a convolution: in a block, one of 3x3 makes as many channels as it reads. */
static int groups_of(const struct parameter *p, int index)
{
    return p->dims[2] == 3 && index > 0 ? p->dims[0] / p->dims[1] : 1;
}

/* The identity in the first rows of each group, as many as it has inputs; those behind them stay. */
static void set_identity(const struct parameter *p, int groups, float *out)
{
    const int inputs = p->dims[1], area = p->dims[2] * p->dims[3], rows = p->dims[0] / groups;
    for (int row = 0; row < p->dims[0]; row++) {
        float *weights = out + (size_t)row * (size_t)(inputs * area);
        if (row % rows >= inputs)
            continue;
        fill_constant(weights, (size_t)(inputs * area), 0);
        weights[row % rows * area + area / 2] = 1;
    }
}

/* he: N(0, 2 / fan_in) (He et al. 2015); xavier: N(0, 2 / (fan_in + fan_out)) (Glorot and Bengio 2010); uniform:
 * U(+-1 / sqrt(fan_in)), PyTorch's default for a convolution; normal: N(0, 0.01^2); dirac: convolutions begin as the
 * identity on the first min(in, out) channels (Zagoruyko and Komodakis, arXiv 1706.00388; Jordan, arXiv 2404.00498),
 * all else as by he. */
static void initialize_weight(const struct parameter *p, enum init_kind init, uint64_t seed, int index, float *out)
{
    const double in = fan_in(p), area = p->dim_count == 4 ? p->dims[2] * p->dims[3] : 1;
    switch (init) {
    case INIT_HE:
        fill_normal(out, p->count, sqrt(2 / in), seed, index);
        break;
    case INIT_XAVIER:
        fill_normal(out, p->count, sqrt(2 / (in + p->dims[0] * area)), seed, index);
        break;
    case INIT_UNIFORM:
        fill_uniform(out, p->count, 1 / sqrt(in), seed, index);
        break;
    case INIT_NORMAL:
        fill_normal(out, p->count, 0.01, seed, index);
        break;
    case INIT_DIRAC:
        fill_normal(out, p->count, sqrt(2 / in), seed, index);
        if (p->dim_count == 4)
            set_identity(p, groups_of(p, index), out);
        break;
    }
}

static bool ends_with(const char *name, const char *suffix)
{
    size_t length = strlen(name), tail = strlen(suffix);
    return length >= tail && strcmp(name + length - tail, suffix) == 0;
}

void parameters_initialize(const struct parameter_list *list, const struct model_spec *spec, int index, uint64_t seed,
                           float *out)
{
    const struct parameter *p = &list->items[index];
    const bool report = spec->family == FAMILY_REPORT;
    switch (p->role) {
    case PARAMETER_WEIGHT:
        initialize_weight(p, spec->init, seed, index, out);
        break;
    case PARAMETER_HEAD_WEIGHT: /* the report: as PyTorch starts a dense layer */
        if (report)
            fill_uniform(out, p->count, 1 / sqrt(fan_in(p)), seed, index);
        else
            fill_normal(out, p->count, 0.01, seed, index);
        break;
    case PARAMETER_BIAS: /* the report: as PyTorch starts biases, by the fan_in of the weight that stands before */
        if (report && index > 0 && ends_with(list->items[index - 1].name, ".weight") &&
            list->items[index - 1].dim_count > 1)
            fill_uniform(out, p->count, 1 / sqrt(fan_in(&list->items[index - 1])), seed, index);
        else
            fill_constant(out, p->count, 0);
        break;
    case PARAMETER_GAIN:
        fill_constant(out, p->count, 1);
        break;
    case PARAMETER_SKIP_GAIN:
        fill_constant(out, p->count, spec->skip_gain == SKIP_GAIN_ONE ? 1 : 0);
        break;
    case PARAMETER_FROZEN:
        whitening_of_noise(p->dims[0], out);
        break;
    case PARAMETER_BUFFER:
        fill_constant(out, p->count, ends_with(p->name, "running_var") ? 1 : 0);
        break;
    }
}
