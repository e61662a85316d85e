/* Parameters under the peer's names, with a prefix for the optimizer's tensors; see tensors.h. */
#include "sessions/tensors.h"

#include "sessions/file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The parts of a parameter that a file holds, by the prefix of its name. */
static const struct {
    const char *prefix;
    enum parameter_part part;
} part_table[] = {{"", PART_VALUE}, {"momentum.", PART_MOMENTUM}, {"ema.", PART_EMA}};
enum { PARTS = sizeof part_table / sizeof *part_table };

static bool has_part(const struct parameter *parameter, enum parameter_part part)
{
    return part == PART_VALUE || (part == PART_MOMENTUM ? parameter->momentum : parameter->ema) != NULL;
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

/* The list of what is saved; freed by the caller. */
static struct tensor_shape *make_shapes(const struct network *network, int *shape_count)
{
    int count, used = 0;
    const struct parameter *parameters = network_parameters(network, &count);
    struct tensor_shape *shapes = calloc((size_t)count * PARTS + 1, sizeof *shapes);
    if (!shapes)
        return NULL;
    for (int part = 0; part < PARTS; part++) {
        for (int i = 0; i < count; i++) {
            if (!has_part(&parameters[i], part_table[part].part))
                continue;
            struct tensor_shape *shape = &shapes[used++];
            tensor_name(&parameters[i], part, shape->name);
            memcpy(shape->dims, parameters[i].dims, sizeof shape->dims);
            shape->dim_count = parameters[i].dim_count;
        }
    }
    *shape_count = used;
    return shapes;
}

/* In the order of make_shapes. */
static int write_values(struct safetensors_writer *writer, struct network *network, float *buffer, struct error *error)
{
    int count;
    const struct parameter *parameters = network_parameters(network, &count);
    for (int part = 0; part < PARTS; part++) {
        for (int i = 0; i < count; i++) {
            const struct parameter *parameter = &parameters[i];
            if (!has_part(parameter, part_table[part].part))
                continue;
            if (network_read(network, parameter, part_table[part].part, buffer, error))
                return -1;
            if (!all_finite(buffer, parameter->count))
                return error_set(error, "%s%s is not finite: nothing saved", part_table[part].prefix, parameter->name);
            if (safetensors_write(writer, buffer, parameter->count, error))
                return -1;
        }
    }
    return 0;
}

int tensors_save(const char *path, struct network *network, const struct metadata *metadata, int metadata_count,
                 struct error *error)
{
    int result = -1, count = 0;
    struct safetensors_writer *writer = NULL;
    struct tensor_shape *shapes = make_shapes(network, &count);
    float *buffer = make_buffer(network);
    if (!shapes || !buffer) {
        error_set(error, "cannot save %s: out of memory", path);
        goto out;
    }
    if (safetensors_create(path, shapes, count, metadata, metadata_count, &writer, error))
        goto out;
    if (write_values(writer, network, buffer, error)) {
        safetensors_abandon(writer);
        goto out;
    }
    result = safetensors_commit(writer, error);
out:
    free(buffer);
    free(shapes);
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

static void check_parameter(const struct safetensors *file, const struct parameter *parameter, int part, float *buffer,
                            struct complaint complaints[4])
{
    char name[80];
    tensor_name(parameter, part, name);
    const struct tensor *tensor = safetensors_find(file, name);
    if (!tensor)
        complain(&complaints[0], name);
    else if (!shape_fits(tensor, parameter))
        complain(&complaints[2], name);
    else if (tensor_read(tensor, buffer, NULL) || !all_finite(buffer, parameter->count))
        complain(&complaints[3], name);
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

static int check_all(const struct safetensors *file, const struct network *network, int parts, float *buffer,
                     struct error *error)
{
    struct complaint complaints[4] = {
        {.what = "missing"}, {.what = "unexpected"}, {.what = "of another shape"}, {.what = "with values not finite"}};
    int count;
    const struct parameter *parameters = network_parameters(network, &count);
    for (int part = 0; part < parts; part++) {
        for (int i = 0; i < count; i++) {
            if (has_part(&parameters[i], part_table[part].part))
                check_parameter(file, &parameters[i], part, buffer, complaints);
        }
    }
    for (int i = 0; i < safetensors_count(file); i++) {
        const char *name = safetensors_tensor(file, i)->name;
        if (!is_expected(network, name))
            complain(&complaints[1], name);
    }
    return report(complaints, error);
}

/* One parameter: what the file has of it, and averages that start as the weights. */
static int load_parameter(const struct safetensors *file, struct network *network, const struct parameter *parameter,
                          enum tensors_wanted wanted, float *buffer, struct error *error)
{
    char name[80];
    for (int part = 0; part < PARTS; part++) {
        if (!has_part(parameter, part_table[part].part) ||
            (wanted == TENSORS_WEIGHTS && part_table[part].part == PART_MOMENTUM))
            continue;
        tensor_name(parameter, wanted == TENSORS_WEIGHTS ? 0 : part, name);
        if (tensor_read(safetensors_find(file, name), buffer, error) ||
            network_write(network, parameter, part_table[part].part, buffer, error))
            return -1;
    }
    return 0;
}

int tensors_load(const struct safetensors *file, struct network *network, enum tensors_wanted wanted,
                 struct error *error)
{
    int count, result = -1;
    const struct parameter *parameters = network_parameters(network, &count);
    float *buffer = make_buffer(network);
    if (!buffer)
        return error_set(error, "out of memory");
    if (check_all(file, network, wanted == TENSORS_ALL ? PARTS : 1, buffer, error))
        goto out;
    for (int i = 0; i < count; i++) {
        if (load_parameter(file, network, &parameters[i], wanted, buffer, error))
            goto out;
    }
    result = 0;
out:
    free(buffer);
    return result;
}
