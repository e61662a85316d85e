/* See machine.h. */
#include "tui/machine.h"

#include "tui/proc.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_SIZE = 512, TEXT_SIZE = 32768, SENSOR_FOLDERS = 32, SENSORS_OF_ONE = 16, SENSORS = 32 };

struct machine {
    char root[PATH_SIZE], process[24];
    char text[TEXT_SIZE]; /* of the file that is being read */
    double processors_most, memory_limit;
    char sensors[SENSORS][PATH_SIZE];
    int sensor_count;
    double tick, page; /* seconds, bytes */
    /* the reading before */
    double time; /* NAN: there was none */
    struct proc_ticks together, each[MACHINE_PROCESSORS];
    int processors;
    double process_ticks;
};

/* The file's text, as far as there is room; NULL when it cannot be read. Valid until the next call. */
static const char *read_text(struct machine *machine, const char *path)
{
    char whole[2 * PATH_SIZE];
    size_t used = 0;
    ssize_t got;
    int file;

    snprintf(whole, sizeof(whole), "%s%s", machine->root, path);
    file = open(whole, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return NULL;
    while (used < TEXT_SIZE - 1 && (got = read(file, machine->text + used, TEXT_SIZE - 1 - used)) > 0)
        used += (size_t)got;
    (void)close(file); /* only read */
    machine->text[used] = '\0';
    return used > 0 ? machine->text : NULL;
}

/* One of /proc's files on the process. */
static const char *read_process_text(struct machine *machine, const char *name)
{
    char path[PATH_SIZE];

    snprintf(path, sizeof(path), "/proc/%s/%s", machine->process, name);
    return read_text(machine, path);
}

/* ---- Limits of control groups ---- */

/* Where a version of control groups has a limit. */
struct limit {
    const char *hierarchy, *controller, *file;
    double (*read)(const char *text);
    const char *period; /* a file with the time to which `file`, of processors in version 1, refers; else NULL */
};

static const struct limit processor_limits[] = {{"", NULL, "cpu.max", proc_cpu_max, NULL},
                                                {"/cpu", "cpu", "cpu.cfs_quota_us", NULL, "cpu.cfs_period_us"}},
                          memory_limits[] = {{"", NULL, "memory.max", proc_memory_limit, NULL},
                                             {"/memory", "memory", "memory.limit_in_bytes", proc_memory_limit, NULL}};

/* A group's; INFINITY where it is not there. */
static double limit_of(struct machine *machine, const struct limit *limit, const char *group)
{
    char path[2 * PATH_SIZE], quota[32];
    const char *text;

    snprintf(path, sizeof(path), "/sys/fs/cgroup%s%s/%s", limit->hierarchy, group, limit->file);
    text = read_text(machine, path);
    if (!text)
        return INFINITY;
    if (!limit->period)
        return limit->read(text);
    snprintf(quota, sizeof(quota), "%s", text);
    snprintf(path, sizeof(path), "/sys/fs/cgroup%s%s/%s", limit->hierarchy, group, limit->period);
    text = read_text(machine, path);
    return text ? proc_cpu_quota(quota, text) : INFINITY;
}

/* The least limit of the process's group and of all above it. In a container the path may be one of the machine
 * outside: what is not there limits nothing, and the hierarchy's own root is looked at in any case. */
static double least(struct machine *machine, const struct limit *limit)
{
    char group[PATH_SIZE] = "";
    const char *text = read_process_text(machine, "cgroup");
    double found = INFINITY;

    if (!text || !proc_cgroup(text, limit->controller, group, sizeof(group)))
        return INFINITY;
    for (;;) {
        char *slash;

        found = fmin(found, limit_of(machine, limit, group));
        slash = strrchr(group, '/');
        if (!slash)
            return found;
        *slash = '\0';
    }
}

static void find_limits(struct machine *machine)
{
    machine->processors_most = fmin(least(machine, &processor_limits[0]), least(machine, &processor_limits[1]));
    machine->memory_limit = fmin(least(machine, &memory_limits[0]), least(machine, &memory_limits[1]));
}

/* ---- Temperature ---- */

static bool is_of_processor(const char *name)
{
    static const char *const names[] = {"coretemp", "k10temp", "zenpower", "cpu_thermal", "cpu"};

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static void find_sensors(struct machine *machine)
{
    for (int folder = 0; folder < SENSOR_FOLDERS; folder++) {
        char path[PATH_SIZE], name[64];
        const char *text;

        snprintf(path, sizeof(path), "/sys/class/hwmon/hwmon%d/name", folder);
        text = read_text(machine, path);
        if (!text)
            continue;
        snprintf(name, sizeof(name), "%.*s", (int)strcspn(text, "\n"), text);
        for (int sensor = 1; is_of_processor(name) && sensor <= SENSORS_OF_ONE; sensor++) {
            snprintf(path, sizeof(path), "/sys/class/hwmon/hwmon%d/temp%d_input", folder, sensor);
            if (machine->sensor_count < SENSORS && read_text(machine, path))
                snprintf(machine->sensors[machine->sensor_count++], PATH_SIZE, "%s", path);
        }
    }
}

/* Thousandths of a degree in each. */
static double hottest(struct machine *machine)
{
    double most = NAN;

    for (int i = 0; i < machine->sensor_count; i++) {
        const char *text = read_text(machine, machine->sensors[i]);

        if (text)
            most = fmax(most, strtod(text, NULL) / 1000);
    }
    return most;
}

/* ---- Readings ---- */

int machine_open(const char *root, pid_t process, struct machine **out, struct error *error)
{
    struct machine *machine = calloc(1, sizeof(*machine));

    *out = NULL;
    if (!machine)
        return error_set(error, "out of memory");
    snprintf(machine->root, sizeof(machine->root), "%s", root);
    if (process < 0)
        snprintf(machine->process, sizeof(machine->process), "self");
    else
        snprintf(machine->process, sizeof(machine->process), "%ld", (long)process);
    machine->tick = 1.0 / (double)sysconf(_SC_CLK_TCK);
    machine->page = (double)sysconf(_SC_PAGESIZE);
    machine->time = machine->process_ticks = NAN;
    find_limits(machine);
    find_sensors(machine);
    *out = machine;
    return 0;
}

void machine_close(struct machine *machine)
{
    free(machine);
}

static void read_processors(struct machine *machine, struct machine_reading *out)
{
    const char *text = read_text(machine, "/proc/stat");
    struct proc_ticks together, each[MACHINE_PROCESSORS];
    int shown;

    out->machine = NAN;
    out->processors = text ? proc_stat(text, &together, each, MACHINE_PROCESSORS) : 0;
    shown = out->processors < MACHINE_PROCESSORS ? out->processors : MACHINE_PROCESSORS;
    for (int i = 0; i < shown; i++)
        out->load[i] = i < machine->processors ? (float)proc_load(&machine->each[i], &each[i]) : NAN;
    if (shown > 0 && machine->processors > 0)
        out->machine = proc_load(&machine->together, &together);
    machine->processors = shown;
    if (shown == 0)
        return;
    machine->together = together;
    memcpy(machine->each, each, (size_t)shown * sizeof(*each));
}

static void read_process(struct machine *machine, double seconds, struct machine_reading *out)
{
    const char *text = read_process_text(machine, "stat");
    struct proc_process process;

    out->process = out->resident = NAN;
    if (!text || !proc_process(text, &process)) {
        machine->process_ticks = NAN;
        return;
    }
    if (seconds > 0) /* not so with NAN */
        out->process = machine->tick * (process.ticks - machine->process_ticks) / seconds;
    machine->process_ticks = process.ticks;
    out->resident = machine->page * process.resident;
    out->threads = process.threads;
}

void machine_read(struct machine *machine, double now, struct machine_reading *out)
{
    const char *text;

    *out = (struct machine_reading){.processors_most = machine->processors_most};
    read_processors(machine, out);
    read_process(machine, now - machine->time, out);
    text = read_text(machine, "/proc/meminfo");
    if (!text || !proc_memory(text, &out->memory_total, &out->memory_available))
        out->memory_total = out->memory_available = NAN;
    out->memory_limit = machine->memory_limit;
    out->temperature = hottest(machine);
    machine->time = now;
    /* limits beyond what there is are none */
    if (out->processors > 0 && out->processors_most >= out->processors)
        out->processors_most = INFINITY;
    if (out->memory_limit >= out->memory_total)
        out->memory_limit = INFINITY;
}
