/* What Linux tells in text files (/proc, control groups) as numbers: pure functions of a file's text, so that they can
 * be tested with files of any machine. What is not there or not understood is NAN, 0 or false, never an error. */
#ifndef NFBENCH_TUI_PROC_H
#define NFBENCH_TUI_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Time of a processor since the machine started, in ticks. */
struct proc_ticks {
    uint64_t busy, all;
};

/* /proc/stat: all processors together, and each of the first `most`. Returns how many there are; 0: not understood. A
 * last line without its end does not count. */
int proc_stat(const char *text, struct proc_ticks *together, struct proc_ticks *each, int most);

/* The share of time that was busy between two readings, 0..1; NAN when none has passed. */
double proc_load(const struct proc_ticks *before, const struct proc_ticks *now);

/* /proc/meminfo in bytes. */
bool proc_memory(const char *text, double *total, double *available);

/* /proc/self/stat; the process's name in it may hold anything. */
struct proc_process {
    double ticks;    /* processor time of all its threads */
    double resident; /* pages */
    int threads;
};
bool proc_process(const char *text, struct proc_process *out);

/* /proc/self/cgroup: the path of the process in version 2's hierarchy (controller NULL) or in that of a controller of
 * version 1 ("cpu"), from the hierarchy's own root: "/user.slice". */
bool proc_cgroup(const char *text, const char *controller, char *path, size_t size);

/* Limits of a control group; INFINITY where there is none. Processors: cpu.max ("150000 100000"), or version 1's quota
 * and period; bytes: memory.max, memory.limit_in_bytes. */
double proc_cpu_max(const char *text);
double proc_cpu_quota(const char *quota, const char *period);
double proc_memory_limit(const char *text);

#endif
