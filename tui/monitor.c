/* See monitor.h. */
#include "tui/monitor.h"

#include <math.h>
#include <stdlib.h>

struct point {
    double x;
    float y;
};

/* One history: of each `group` samples the lowest and the highest. */
struct line {
    struct series *series;
    struct point least, most; /* of the samples that are held */
    int held, group;          /* 1: each sample is a point */
};

struct monitor {
    struct monitor_sample latest;
    double first; /* time of the first sample */
    bool any;
    struct line lines[HISTORY_COUNT];
    struct step_time steps[MONITOR_STEPS]; /* a ring */
    int step_count, step_next;
};

int monitor_create(struct monitor **out, struct error *error)
{
    struct monitor *monitor = calloc(1, sizeof(*monitor));

    *out = NULL;
    if (!monitor)
        return error_set(error, "out of memory");
    for (int h = 0; h < HISTORY_COUNT; h++) {
        monitor->lines[h].group = 1;
        if (series_create(0, &monitor->lines[h].series, error)) {
            monitor_destroy(monitor);
            return -1;
        }
    }
    *out = monitor;
    return 0;
}

void monitor_destroy(struct monitor *monitor)
{
    if (!monitor)
        return;
    for (int h = 0; h < HISTORY_COUNT; h++)
        series_destroy(monitor->lines[h].series);
    free(monitor);
}

double monitor_processors(const struct machine_reading *machine)
{
    return isfinite(machine->processors_most) ? machine->processors_most
           : machine->processors > 0          ? machine->processors
                                              : NAN;
}

static void hold(struct line *line, struct point point)
{
    if (line->held == 0 || point.y < line->least.y)
        line->least = point;
    if (line->held == 0 || point.y >= line->most.y)
        line->most = point;
    line->held++;
}

/* The two that stay of those held. */
static int put_down(struct line *line, struct error *error)
{
    const bool falls = line->most.x < line->least.x;
    const struct point first = falls ? line->most : line->least, second = falls ? line->least : line->most;

    line->held = 0;
    return series_append(line->series, first.x, first.y, error) ||
                   series_append(line->series, second.x, second.y, error)
               ? -1
               : 0;
}

/* Half as many points, of the same time. */
static int thin_out(struct line *line, struct error *error)
{
    enum { EACH = 4 };
    struct series *all = line->series;
    const size_t count = series_count(all);
    int result = 0;

    if (series_create(0, &line->series, error)) {
        line->series = all;
        return -1;
    }
    for (size_t i = 0; i < count && result == 0; i++) {
        hold(line, (struct point){series_x(all, i), series_y(all, i)});
        if (line->held == EACH || i + 1 == count)
            result = put_down(line, error);
    }
    series_destroy(all);
    line->group = line->group == 1 ? EACH : 2 * line->group;
    return result;
}

static int keep(struct line *line, struct point point, struct error *error)
{
    int result = 0;

    if (line->group == 1) {
        result = series_append(line->series, point.x, point.y, error);
    } else {
        hold(line, point);
        if (line->held == line->group)
            result = put_down(line, error);
    }
    if (result == 0 && line->held == 0 && series_count(line->series) >= MONITOR_POINTS)
        result = thin_out(line, error);
    return result;
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
            keep(&monitor->lines[h], (struct point){(sample->time - monitor->first) / 60, (float)values[h]}, error))
            return -1;
    return 0;
}

const struct monitor_sample *monitor_latest(const struct monitor *monitor)
{
    return monitor->any ? &monitor->latest : NULL;
}

const struct series *monitor_history(const struct monitor *monitor, enum history history)
{
    return monitor->lines[history].series;
}

int monitor_steps(const struct monitor *monitor)
{
    return monitor->step_count;
}

const struct step_time *monitor_step(const struct monitor *monitor, int ago)
{
    return &monitor->steps[(monitor->step_next - 1 - ago + 2 * MONITOR_STEPS) % MONITOR_STEPS];
}
