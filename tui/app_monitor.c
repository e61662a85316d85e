/* The machine as the screen sees it: processor, memory and GPU once a second while the person may look at them, and
 * half as often for the charts. On this thread: a sample takes well below a millisecond.
 *
 * $NFBENCH_MACHINE, a folder with a machine's /proc and /sys in it, makes what is shown of it the same in each run, for
 * tests of the screen. */
#include "tui/app_state.h"

#include "base/clock.h"
#include "tui/device.h"
#include "tui/nvml.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

static const double SEEN_SECONDS = 1, UNSEEN_SECONDS = 2;

/* Load, temperature, power and memory of the GPU; where they cannot be had, the log says why. */
static void open_gpu(struct app *app)
{
    const enum device_kind device = run_parts(app->run)->settings->train.device;
    struct cuda_device gpu;
    struct error error;

    if (!device_is_gpu(device))
        return;
    if (cuda_device_find(device_gpu(device), &gpu, &error) || nvml_open(NULL, gpu.bus, &app->nvml, &error))
        app_log(app, JOURNAL_NOTE, "the GPU's load is not shown: %s", error.message);
}

int app_open_monitor(struct app *app, struct error *error)
{
    const char *root = getenv("NFBENCH_MACHINE");

    open_gpu(app);
    return machine_open(root ? root : "", run_process(app->run), &app->machine, error) ||
                   monitor_create(&app->scene.monitor, error)
               ? -1
               : 0;
}

void app_close_monitor(struct app *app)
{
    nvml_close(app->nvml);
    machine_close(app->machine);
    monitor_destroy(app->scene.monitor);
}

static double thread_seconds(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now); /* cannot fail for this clock */
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* NAN for the first sample, and where all that is shown of the machine is to be the same in each run. */
static double rate(const struct app *app, double amount, double seconds)
{
    return app->sample_time == 0 || getenv("NFBENCH_MACHINE") ? NAN : amount / seconds;
}

/* Between two epochs and in a checkpoint nothing is trained, but the run has not slowed down. */
static double speed(const struct snapshot *now)
{
    return now->state == TRAINER_RUNNING ? (now->step.images_per_second > 0 ? now->step.images_per_second : NAN)
           : now->state == TRAINER_PAUSED || now->state == TRAINER_WAITING ? 0
                                                                           : NAN;
}

void app_sample(struct app *app)
{
    struct scene *scene = &app->scene;
    const bool seen = scene->view == VIEW_SYSTEM || scene->view == VIEW_OVERVIEW, first = app->sample_time == 0;
    const double now = clock_seconds(), passed = now - app->sample_time, screen = thread_seconds();
    struct monitor_sample sample = {.time = now};
    struct error error;

    if (!first && passed < (seen && !app->hidden ? SEEN_SECONDS : UNSEEN_SECONDS))
        return;
    machine_read(app->machine, now, &sample.machine);
    sample.gpu_is_there = app->nvml != NULL;
    if (app->nvml) {
        nvml_read(app->nvml, &sample.gpu);
        nvml_words(&sample.gpu, scene->gauge, sizeof(scene->gauge));
    }
    sample.images_per_second = speed(&scene->snapshot);
    if (scene->snapshot.state == TRAINER_RUNNING)
        sample.step = scene->snapshot.recent;
    sample.screen = rate(app, screen - app->screen_seconds, passed);
    sample.frames = rate(app, (double)(app->frames - app->frames_sampled), passed);
    app->sample_time = now;
    app->screen_seconds = screen;
    app->frames_sampled = app->frames;
    if (monitor_add(scene->monitor, &sample, &error))
        app_log(app, JOURNAL_ERROR, "the charts of the machine have a gap: %s", error.message);
    app->dirty |= seen || app->nvml;
}
