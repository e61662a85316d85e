/* What the System view shows: the newest sample of speed, processor, memory and GPU, and what came before. Plain data
 * that whoever looks at the machine puts in, so that the view can be drawn in a test. */
#ifndef NFBENCH_TUI_MONITOR_H
#define NFBENCH_TUI_MONITOR_H

#include "engine/step_time.h"
#include "tui/machine.h"
#include "tui/nvml.h"
#include "viz/series.h"

/* Over minutes since the first sample; what is not known has no point. */
enum history {
    HISTORY_IMAGES,   /* a second; 0 while paused */
    HISTORY_PROCESS,  /* processor time of this process, as a part of all that it may have */
    HISTORY_MACHINE,  /* of all processes, as a part of the machine */
    HISTORY_RESIDENT, /* GB of this process */
    HISTORY_TEMPERATURE,
    HISTORY_GPU_LOAD,   /* 0..1 */
    HISTORY_GPU_MEMORY, /* GB */
    HISTORY_GPU_TEMPERATURE,
    HISTORY_GPU_POWER, /* watts */
    HISTORY_COUNT
};

enum { MONITOR_STEPS = 512, MONITOR_POINTS = 4096 };

struct monitor_sample {
    double time; /* seconds, of a clock that does not jump */
    struct machine_reading machine;
    bool gpu_is_there;
    struct nvml_reading gpu;
    double images_per_second; /* NAN: no training now */
    struct step_time step;    /* of one step, lately; a whole of 0: none was made */
    double screen;            /* processors that the screen's thread took: 0.01 is a hundredth of one; NAN */
    double frames;            /* a second; NAN */
};

struct monitor;

int monitor_create(struct monitor **out, struct error *error);
void monitor_destroy(struct monitor *monitor); /* NULL is fine */

/* Samples come in the order of their time. -1 when out of memory; the sample is then the newest all the same. */
int monitor_add(struct monitor *monitor, const struct monitor_sample *sample, struct error *error);

const struct monitor_sample *monitor_latest(const struct monitor *monitor); /* NULL before the first */
/* Up to MONITOR_POINTS points, however long the run: when there are more samples, the lowest and the highest of each
 * few stay. Valid until the next sample. */
const struct series *monitor_history(const struct monitor *monitor, enum history history);

/* Splits of steps of the last MONITOR_STEPS samples in which there were steps: how many there are, and that of so many
 * before the newest. */
int monitor_steps(const struct monitor *monitor);
const struct step_time *monitor_step(const struct monitor *monitor, int ago);

/* What this process may have of the machine: its control group's limits where there are some. */
double monitor_processors(const struct machine_reading *machine);

#endif
