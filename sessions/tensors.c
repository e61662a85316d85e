/* Parameters under the peer's names, with a prefix for the optimizer's tensors; see tensors.h. */
#include "sessions/tensors.h"

#include "engine/divergence.h"
#include "sessions/file.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The parts of a parameter that a file holds, by the prefix of its name. */
static const struct {
    const char *prefix;
    enum parameter_part part;
} part_table[] = {{"", PART_VALUE}, {"momentum.", PART_MOMENTUM}, {"ema.", PART_EMA}, {"slow.", PART_SLOW}};
enum { VALUE, MOMENTUM, EMA, SLOW, PARTS };
_Static_assert(sizeof part_table / sizeof *part_table == PARTS, "the numbers of its rows");

static bool has_part(const struct parameter *parameter, int part)
{
    return parameter_has_part(parameter, part_table[part].part);
}

static void tensor_name(const struct parameter *parameter, int part, char name[80])
{
    snprintf(name, 80, "%s%s", part_table[part].prefix, parameter->name);
}

static bool all_finite(const float *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(values[i]))
            return false;
    }
    return true;
}

/* Room for the largest parameter; freed by the caller. */
static float *make_buffer(const struct network *network)
{
    int count;
    size_t largest = 1;
    const struct parameter *parameters = network_parameters(network, &count);
    for (int i = 0; i < count; i++)
        largest = parameters[i].count > largest ? parameters[i].count : largest;
    return malloc(largest * sizeof(float));
}

/* ---- Saving ---- */

/* One tensor of the file. */
struct saved {
    const struct parameter *parameter;
    enum parameter_part part;
    struct tensor_shape shape;
};

static void add_saved(struct saved *saved, int *count, const struct parameter *parameter, int part, const char *prefix)
{
    struct saved *next = &saved[(*count)++];
    next->parameter = parameter;
    next->part = part_table[part].part;
    snprintf(next->shape.name, sizeof next->shape.name, "%s%s", prefix, parameter->name);
    memcpy(next->shape.dims, parameter->dims, sizeof next->shape.dims);
    next->shape.dim_count = parameter->dim_count;
}

/* The list of what is saved; freed by the caller. */
static struct saved *list_saved(const struct network *network, enum tensors_saved what, int *saved_count)
{
    int count, used = 0;
    const struct parameter *parameters = network_parameters(network, &count);
    struct saved *saved = calloc((size_t)count * PARTS + 1, sizeof *saved);
    for (int part = 0; saved && part < (what == TENSORS_STATE ? PARTS : 1); part++) {
        for (int i = 0; i < count; i++) {
            const bool averaged = what == TENSORS_AVERAGED && has_part(&parameters[i], EMA);
            if (has_part(&parameters[i], part))
                add_saved(saved, &used, &parameters[i], averaged ? EMA : part, part_table[part].prefix);
        }
    }
    *saved_count = used;
    return saved;
}

static int write_values(struct safetensors_writer *writer, struct network *network, const struct saved *saved,
                        int count, float *buffer, struct error *error)
{
    for (int i = 0; i < count; i++) {
        const struct parameter *parameter = saved[i].parameter;
        if (network_read(network, parameter, saved[i].part, buffer, error))
            return -1;
        if (!all_finite(buffer, parameter->count))
            return error_set(error, "%s is not finite: nothing saved", saved[i].shape.name);
        if (safetensors_write(writer, buffer, parameter->count, error))
            return -1;
    }
    return 0;
}

int tensors_save(const char *path, struct network *network, enum tensors_saved what, const struct metadata *metadata,
                 int metadata_count, struct error *error)
{
    int result = -1, count = 0;
    struct safetensors_writer *writer = NULL;
    struct saved *saved = list_saved(network, what, &count);
    struct tensor_shape *shapes = calloc((size_t)count + 1, sizeof *shapes);
    float *buffer = make_buffer(network);
    if (!saved || !shapes || !buffer) {
        error_set(error, "cannot save %s: out of memory", path);
        goto out;
    }
    for (int i = 0; i < count; i++)
        shapes[i] = saved[i].shape;
    if (safetensors_create(path, shapes, count, metadata, metadata_count, &writer, error))
        goto out;
    if (write_values(writer, network, saved, count, buffer, error)) {
        safetensors_abandon(writer);
        goto out;
    }
    result = safetensors_commit(writer, error);
out:
    free(buffer);
    free(shapes);
    free(saved);
    return result;
}

/* ---- Loading ---- */

/* Names that do not fit, gathered for one message. */
struct complaint {
    const char *what;
    int count;
    char names[120];
};

static void complain(struct complaint *complaint, const char *name)
{
    size_t used = strlen(complaint->names);
    if (complaint->count++ < 3)
        snprintf(complaint->names + used, sizeof complaint->names - used, "%s%.38s", used ? ", " : "", name);
}

static bool shape_fits(const struct tensor *tensor, const struct parameter *parameter)
{
    if (tensor->dim_count != parameter->dim_count)
        return false;
    for (int i = 0; i < tensor->dim_count; i++) {
        if (tensor->dims[i] != parameter->dims[i])
            return false;
    }
    return tensor->count == parameter->count;
}

/* -1 when the file cannot be read now; what does not fit is complained about. */
static int read_parameter(const struct safetensors *file, const struct parameter *parameter, int part, float *values,
                          struct complaint complaints[4], struct error *error)
{
    char name[80];
    tensor_name(parameter, part, name);
    const struct tensor *tensor = safetensors_find(file, name);
    if (!tensor)
        complain(&complaints[0], name);
    else if (!shape_fits(tensor, parameter))
        complain(&complaints[2], name);
    else if (tensor_read(tensor, values, error)) {
        if (errno != EBADMSG)
            return -1;
        complain(&complaints[3], name);
    } else if (!all_finite(values, parameter->count))
        complain(&complaints[3], name);
    return 0;
}

/* PyTorch's batch norm counts its batches, which nothing here needs. */
static bool is_batch_count(const struct network *network, const char *name)
{
    static const char ours[] = ".running_mean", theirs[] = ".num_batches_tracked";
    const char *end = strrchr(name, '.');
    char beside[128];
    if (!end || strcmp(end, theirs) != 0 || (size_t)(end - name) >= sizeof beside - sizeof ours)
        return false;
    snprintf(beside, sizeof beside, "%.*s%s", (int)(end - name), name, ours);
    return network_find(network, beside) != NULL;
}

/* Whether the network has a parameter of that name, or the name is one of the optimizer's tensors, or of no use. */
static bool is_expected(const struct network *network, const char *name)
{
    for (int part = 1; part < PARTS; part++) {
        size_t length = strlen(part_table[part].prefix);
        if (strncmp(name, part_table[part].prefix, length) == 0)
            return network_find(network, name + length) != NULL;
    }
    return network_find(network, name) != NULL || is_batch_count(network, name);
}

static int report(const struct complaint complaints[4], struct error *error)
{
    char text[sizeof error->message];
    size_t used = 0;
    for (int i = 0; i < 4; i++) {
        const struct complaint *complaint = &complaints[i];
        if (complaint->count == 0)
            continue;
        int length = snprintf(text + used, sizeof text - used, "%s%d %s (%s%s)", used ? "; " : "", complaint->count,
                              complaint->what, complaint->names, complaint->count > 3 ? ", ..." : "");
        used = used + (size_t)length < sizeof text ? used + (size_t)length : sizeof text - 1;
    }
    return used ? file_damaged(error, "its tensors are not this network's: %s", text) : 0;
}

/* All values of the parts that the file is to have, one parameter behind the other. */
static int read_all(const struct safetensors *file, const struct network *network, int parts, float *values,
                    struct error *error)
{
    struct complaint complaints[4] = {
        {.what = "missing"}, {.what = "unexpected"}, {.what = "of another shape"}, {.what = "with values not finite"}};
    int count;
    const struct parameter *parameters = network_parameters(network, &count);
    for (int i = 0; i < count; i++) {
        for (int part = 0; part < parts; part++) {
            if (!has_part(&parameters[i], part))
                continue;
            if (read_parameter(file, &parameters[i], part, values, complaints, error))
                return -1;
            values += parameters[i].count;
        }
    }
    for (int i = 0; i < safetensors_count(file); i++) {
        const char *name = safetensors_tensor(file, i)->name;
        if (!is_expected(network, name))
            complain(&complaints[1], name);
    }
    return report(complaints, error);
}

/* What read_all has read; averages and slow weights that the file is not asked for start as the weights. */
static int write_all(struct network *network, int parts, const float *values, struct error *error)
{
    int count;
    const struct parameter *parameters = network_parameters(network, &count);
    for (int i = 0; i < count; i++) {
        const struct parameter *parameter = &parameters[i];
        for (int part = EMA; parts == 1 && part < PARTS; part++)
            if (has_part(parameter, part) && network_write(network, parameter, part_table[part].part, values, error))
                return -1;
        for (int part = 0; part < parts; part++) {
            if (!has_part(parameter, part))
                continue;
            if (network_write(network, parameter, part_table[part].part, values, error))
                return -1;
            values += parameter->count;
        }
    }
    return 0;
}

int tensors_load(const struct safetensors *file, struct network *network, enum tensors_wanted wanted,
                 struct error *error)
{
    const int parts = wanted == TENSORS_ALL ? PARTS : 1;
    int count;
    size_t total = 1;
    const struct parameter *parameters = network_parameters(network, &count);
    for (int i = 0; i < count; i++)
        for (int part = 0; part < parts; part++)
            total += has_part(&parameters[i], part) ? parameters[i].count : 0;
    float *values = malloc(total * sizeof *values);
    if (!values)
        return error_set(error, "out of memory");
    const int result =
        read_all(file, network, parts, values, error) || write_all(network, parts, values, error) ? -1 : 0;
    free(values);
    return result;
}
