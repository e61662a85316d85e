/* What NVIDIA's management library (NVML) tells of a GPU: load, memory, temperature, power. The library comes with the
 * driver and is opened at run time, so nothing needs it; each value has a bit that says whether it could be read. */
#ifndef NFBENCH_TUI_NVML_H
#define NFBENCH_TUI_NVML_H

#include "base/error.h"

#include <stddef.h>

enum nvml_value { NVML_DRIVER = 1, NVML_LOAD = 2, NVML_MEMORY = 4, NVML_TEMPERATURE = 8, NVML_POWER = 16 };

struct nvml_reading {
    unsigned valid;      /* of enum nvml_value: what follows was read */
    char driver[80];     /* "580.159.04" */
    int load;            /* percent of the last moments in which the GPU computed */
    double memory_used;  /* bytes, of all programs */
    double memory_total; /* bytes */
    int temperature;     /* degrees Celsius */
    double power;        /* watts */
};

struct nvml;

/* Opens the library (NULL: libnvidia-ml.so.1) and the GPU at the PCI address `bus` ("0000:01:00.0"). */
int nvml_open(const char *library, const char *bus, struct nvml **out, struct error *error);
void nvml_close(struct nvml *nvml);

/* Reads all that can be read. */
void nvml_read(struct nvml *nvml, struct nvml_reading *out);

/* Why the last value that could not be read could not; empty while all could. */
const char *nvml_last_error(const struct nvml *nvml);

/* "98 %, 61 °C, 540 W, 12.3/141 GB": what was read, in one line; empty when nothing was. */
void nvml_words(const struct nvml_reading *reading, char *text, size_t size);

#endif
