/* See monitor.h. */
#include "tui/monitor.h"

#include <math.h>
#include <stdlib.h>

struct monitor {
    struct monitor_sample latest;
    double first; /* time of the first sample */
    bool any;
    struct series *histories[HISTORY_COUNT];
    struct step_time steps[MONITOR_STEPS]; /* a ring */
    int step_count, step_next;
};

int monitor_create(struct monitor **out, struct error *error)
{
    struct monitor *monitor = calloc(1, sizeof(*monitor));

    *out = NULL;
    if (!monitor)
        return error_set(error, "out of memory");
    for (int h = 0; h < HISTORY_COUNT; h++)
        if (series_create(0, &monitor->histories[h], error)) {
            monitor_destroy(monitor);
            return -1;
        }
    *out = monitor;
    return 0;
}

void monitor_destroy(struct monitor *monitor)
{
    if (!monitor)
        return;
    for (int h = 0; h < HISTORY_COUNT; h++)
        series_destroy(monitor->histories[h]);
    free(monitor);
}

double monitor_processors(const struct machine_reading *machine)
{
    return isfinite(machine->processors_most) ? machine->processors_most
           : machine->processors > 0          ? machine->processors
                                              : NAN;
}

static double if_read(const struct monitor_sample *sample, enum nvml_value value, double reading)
{
    return sample->gpu_is_there && (sample->gpu.valid & value) ? reading : NAN;
}

int monitor_add(struct monitor *monitor, const struct monitor_sample *sample, struct error *error)
{
    const struct machine_reading *machine = &sample->machine;
    const struct nvml_reading *gpu = &sample->gpu;
    const double values[HISTORY_COUNT] = {
        [HISTORY_IMAGES] = sample->images_per_second,
        [HISTORY_PROCESS] = machine->process / monitor_processors(machine),
        [HISTORY_MACHINE] = machine->machine,
        [HISTORY_RESIDENT] = machine->resident / 1e9,
        [HISTORY_TEMPERATURE] = machine->temperature,
        [HISTORY_GPU_LOAD] = if_read(sample, NVML_LOAD, gpu->load / 100.0),
        [HISTORY_GPU_MEMORY] = if_read(sample, NVML_MEMORY, gpu->memory_used / 1e9),
        [HISTORY_GPU_TEMPERATURE] = if_read(sample, NVML_TEMPERATURE, gpu->temperature),
        [HISTORY_GPU_POWER] = if_read(sample, NVML_POWER, gpu->power),
    };

    if (!monitor->any)
        monitor->first = sample->time;
    monitor->any = true;
    monitor->latest = *sample;
    if (sample->step.whole > 0) {
        monitor->steps[monitor->step_next] = sample->step;
        monitor->step_next = (monitor->step_next + 1) % MONITOR_STEPS;
        monitor->step_count += monitor->step_count < MONITOR_STEPS;
    }
    for (int h = 0; h < HISTORY_COUNT; h++)
        if (isfinite(values[h]) &&
            series_append(monitor->histories[h], (sample->time - monitor->first) / 60, (float)values[h], error))
            return -1;
    return 0;
}

const struct monitor_sample *monitor_latest(const struct monitor *monitor)
{
    return monitor->any ? &monitor->latest : NULL;
}

const struct series *monitor_history(const struct monitor *monitor, enum history history)
{
    return monitor->histories[history];
}

int monitor_steps(const struct monitor *monitor)
{
    return monitor->step_count;
}

const struct step_time *monitor_step(const struct monitor *monitor, int ago)
{
    return &monitor->steps[(monitor->step_next - 1 - ago + 2 * MONITOR_STEPS) % MONITOR_STEPS];
}
