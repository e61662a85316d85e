/* NVML by dlopen; see nvml.h. The few declarations that are needed are here, as the library's interface fixes them. */
#include "tui/nvml.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct nvml_device *nvml_device;

struct utilization {
    unsigned gpu, memory; /* percent */
};

struct memory {
    unsigned long long total, free, used; /* bytes */
};

struct nvml {
    void *library;
    nvml_device device;
    bool begun; /* nvmlInit_v2 was called */
    char last_error[160];
    int (*init)(void);
    int (*shutdown)(void);
    const char *(*error_string)(int code);
    int (*by_bus)(const char *bus, nvml_device *device);
    int (*driver)(char *text, unsigned size);
    int (*utilization)(nvml_device device, struct utilization *out);
    int (*memory)(nvml_device device, struct memory *out);
    int (*temperature)(nvml_device device, int sensor, unsigned *out);
    int (*power)(nvml_device device, unsigned *milliwatts);
};

static int load_symbols(struct nvml *nvml, struct error *error)
{
    const struct {
        const char *name;
        void *at; /* a pointer to the function's pointer */
    } symbols[] = {{"nvmlInit_v2", &nvml->init},
                   {"nvmlShutdown", &nvml->shutdown},
                   {"nvmlErrorString", &nvml->error_string},
                   {"nvmlDeviceGetHandleByPciBusId_v2", &nvml->by_bus},
                   {"nvmlSystemGetDriverVersion", &nvml->driver},
                   {"nvmlDeviceGetUtilizationRates", &nvml->utilization},
                   {"nvmlDeviceGetMemoryInfo", &nvml->memory},
                   {"nvmlDeviceGetTemperature", &nvml->temperature},
                   {"nvmlDeviceGetPowerUsage", &nvml->power}};
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        void *symbol = dlsym(nvml->library, symbols[i].name);
        if (!symbol)
            return error_set(error, "NVML: it has no %s", symbols[i].name);
        memcpy(symbols[i].at, &symbol, sizeof symbol); /* POSIX's way from an object's to a function's pointer */
    }
    return 0;
}

static int open_device(struct nvml *nvml, const char *library, const char *bus, struct error *error)
{
    nvml->library = dlopen(library ? library : "libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!nvml->library)
        return error_set(error, "NVML: %s", dlerror());
    if (load_symbols(nvml, error) != 0)
        return -1;
    int code = nvml->init();
    if (code != 0)
        return error_set(error, "NVML: %s", nvml->error_string(code));
    nvml->begun = true;
    code = nvml->by_bus(bus, &nvml->device);
    return code == 0 ? 0 : error_set(error, "NVML: GPU %s: %s", bus, nvml->error_string(code));
}

int nvml_open(const char *library, const char *bus, struct nvml **out, struct error *error)
{
    *out = NULL;
    struct nvml *nvml = calloc(1, sizeof *nvml);
    if (!nvml)
        return error_set(error, "out of memory");
    if (open_device(nvml, library, bus, error) != 0) {
        nvml_close(nvml);
        return -1;
    }
    *out = nvml;
    return 0;
}

void nvml_close(struct nvml *nvml)
{
    if (!nvml)
        return;
    if (nvml->begun)
        (void)nvml->shutdown();
    if (nvml->library)
        (void)dlclose(nvml->library);
    free(nvml);
}

/* Sets the value's bit, or keeps the error. */
static void judge(struct nvml *nvml, struct nvml_reading *out, enum nvml_value value, const char *what, int code)
{
    if (code == 0)
        out->valid |= value;
    else
        snprintf(nvml->last_error, sizeof nvml->last_error, "NVML: %s: %s", what, nvml->error_string(code));
}

void nvml_read(struct nvml *nvml, struct nvml_reading *out)
{
    struct utilization utilization = {0};
    struct memory memory = {0};
    unsigned temperature = 0, milliwatts = 0;
    memset(out, 0, sizeof *out);
    judge(nvml, out, NVML_DRIVER, "driver", nvml->driver(out->driver, sizeof out->driver));
    judge(nvml, out, NVML_LOAD, "load", nvml->utilization(nvml->device, &utilization));
    judge(nvml, out, NVML_MEMORY, "memory", nvml->memory(nvml->device, &memory));
    judge(nvml, out, NVML_TEMPERATURE, "temperature", nvml->temperature(nvml->device, 0, &temperature));
    judge(nvml, out, NVML_POWER, "power", nvml->power(nvml->device, &milliwatts));
    out->load = (int)utilization.gpu;
    out->memory_used = (double)memory.used;
    out->memory_total = (double)memory.total;
    out->temperature = (int)temperature;
    out->power = milliwatts / 1000.0;
}

const char *nvml_last_error(const struct nvml *nvml)
{
    return nvml->last_error;
}

void nvml_words(const struct nvml_reading *reading, char *text, size_t size)
{
    char part[4][32] = {""};
    size_t used = 0;
    if (reading->valid & NVML_LOAD)
        snprintf(part[0], sizeof part[0], "%d %%", reading->load);
    if (reading->valid & NVML_TEMPERATURE)
        snprintf(part[1], sizeof part[1], "%d \u00b0C", reading->temperature);
    if (reading->valid & NVML_POWER)
        snprintf(part[2], sizeof part[2], "%.0f W", reading->power);
    if (reading->valid & NVML_MEMORY)
        snprintf(part[3], sizeof part[3], "%.1f/%.0f GB", reading->memory_used / 1e9, reading->memory_total / 1e9);
    text[0] = '\0';
    for (int i = 0; i < 4; i++)
        if (*part[i] && used < size)
            used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "", part[i]);
}
