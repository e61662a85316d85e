/* See proc.h. */
#include "tui/proc.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Processors ---- */

enum { USER, NICE, SYSTEM, IDLE, IO_WAIT, IRQ, SOFT_IRQ, STEAL, KINDS }; /* guests are in USER and NICE already */

/* "cpu3 1 2 3 4 5 6 7 8"; old kernels have fewer kinds. */
static bool read_ticks(const char *line, struct proc_ticks *out)
{
    uint64_t kinds[KINDS] = {0};
    const char *at = line + strcspn(line, " ");
    int count = 0;
    char *end;

    while (count < KINDS) {
        at += strspn(at, " ");
        if (*at < '0' || *at > '9')
            break;
        kinds[count++] = strtoull(at, &end, 10);
        at = end;
    }
    *out = (struct proc_ticks){0};
    for (int k = 0; k < count; k++)
        out->all += kinds[k];
    out->busy = out->all - kinds[IDLE] - kinds[IO_WAIT];
    return count > IDLE;
}

int proc_stat(const char *text, struct proc_ticks *together, struct proc_ticks *each, int most)
{
    int count = -1;
    const char *end;

    for (; strncmp(text, "cpu", 3) == 0 && (end = strchr(text, '\n')); text = end + 1, count++) {
        struct proc_ticks ticks;

        if ((count < 0) != (text[3] == ' ') || !read_ticks(text, &ticks))
            break;
        if (count < 0)
            *together = ticks;
        else if (count < most)
            each[count] = ticks;
    }
    return count < 0 ? 0 : count;
}

double proc_load(const struct proc_ticks *before, const struct proc_ticks *now)
{
    /* a processor's time may seem to go back a little, or far when it was taken away and came back */
    if (now->all <= before->all || now->busy < before->busy)
        return NAN;
    return fmin(1, (double)(now->busy - before->busy) / (double)(now->all - before->all));
}

/* ---- Memory and the process ---- */

/* "MemTotal:       24684092 kB" */
static bool field_bytes(const char *text, const char *name, double *out)
{
    const char *at = strstr(text, name);
    char *end;

    if (!at || (at > text && at[-1] != '\n'))
        return false;
    at += strlen(name);
    *out = 1024.0 * strtod(at, &end);
    return end > at;
}

bool proc_memory(const char *text, double *total, double *available)
{
    return field_bytes(text, "MemTotal:", total) &&
           (field_bytes(text, "MemAvailable:", available) || field_bytes(text, "MemFree:", available));
}

bool proc_process(const char *text, struct proc_process *out)
{
    const char *behind = strrchr(text, ')');
    unsigned long user, system;
    long resident;

    if (!behind ||
        sscanf(behind, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d %d %*d %*u %*u %ld",
               &user, &system, &out->threads, &resident) != 4)
        return false;
    out->ticks = (double)user + (double)system;
    out->resident = (double)resident;
    return true;
}

/* ---- Control groups ---- */

/* Whether a list as "cpu,cpuacct" of so many characters has the word. */
static bool has_word(const char *list, size_t length, const char *word)
{
    const size_t size = strlen(word);

    for (size_t at = 0; at < length; at += strcspn(list + at, ",:") + 1)
        if (strncmp(list + at, word, size) == 0 && (list[at + size] == ',' || list[at + size] == ':'))
            return true;
    return false;
}

/* Lines of "4:memory:/path"; "0::/path" is that of version 2. */
bool proc_cgroup(const char *text, const char *controller, char *path, size_t size)
{
    while (*text) {
        const size_t line = strcspn(text, "\n");
        const char *list = memchr(text, ':', line),
                   *at = list ? memchr(list + 1, ':', line - (size_t)(list + 1 - text)) : NULL;

        if (at) {
            const size_t length = (size_t)(at - list - 1);

            if (controller ? has_word(list + 1, length, controller) : length == 0) {
                snprintf(path, size, "%.*s", (int)(text + line - at - 1), at + 1);
                return true;
            }
        }
        text += line + (text[line] == '\n');
    }
    return false;
}

double proc_cpu_max(const char *text)
{
    double quota, period;

    if (sscanf(text, "%lf %lf", &quota, &period) != 2 || quota <= 0 || period <= 0)
        return INFINITY;
    return quota / period;
}

double proc_cpu_quota(const char *quota, const char *period)
{
    const double of = strtod(quota, NULL), in = strtod(period, NULL);

    return of > 0 && in > 0 ? of / in : INFINITY;
}

/* Version 1 says "none" by the greatest number that pages can make. */
double proc_memory_limit(const char *text)
{
    char *end;
    const double bytes = strtod(text, &end);

    return end > text && bytes > 0 && bytes < 0x1p62 ? bytes : INFINITY;
}
