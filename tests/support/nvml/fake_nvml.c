/* A small NVML for the tests: one GPU at 0000:01:00.0, whose power cannot be read when FAKE_NVML_NO_POWER is set. */
#include <stdlib.h>
#include <string.h>

enum { SUCCESS = 0, NOT_SUPPORTED = 3, NOT_FOUND = 6, UNINITIALIZED = 1 };

static int begun;

struct utilization {
    unsigned gpu, memory;
};

struct memory {
    unsigned long long total, free, used;
};

int nvmlInit_v2(void);
int nvmlShutdown(void);
const char *nvmlErrorString(int code);
int nvmlDeviceGetHandleByPciBusId_v2(const char *bus, void **device);
int nvmlSystemGetDriverVersion(char *text, unsigned size);
int nvmlDeviceGetUtilizationRates(void *device, struct utilization *out);
int nvmlDeviceGetMemoryInfo(void *device, struct memory *out);
int nvmlDeviceGetTemperature(void *device, int sensor, unsigned *out);
int nvmlDeviceGetPowerUsage(void *device, unsigned *out);

int nvmlInit_v2(void)
{
    begun = 1;
    return SUCCESS;
}

int nvmlShutdown(void)
{
    begun = 0;
    return SUCCESS;
}

const char *nvmlErrorString(int code)
{
    return code == NOT_SUPPORTED ? "Not Supported" : code == NOT_FOUND ? "Not Found" : "Uninitialized";
}

int nvmlDeviceGetHandleByPciBusId_v2(const char *bus, void **device)
{
    *device = &begun;
    return !begun ? UNINITIALIZED : strcmp(bus, "0000:01:00.0") == 0 ? SUCCESS : NOT_FOUND;
}

int nvmlSystemGetDriverVersion(char *text, unsigned size)
{
    strncpy(text, "580.1", size);
    return SUCCESS;
}

int nvmlDeviceGetUtilizationRates(void *device, struct utilization *out)
{
    *out = (struct utilization){98, 40};
    return device == &begun ? SUCCESS : NOT_FOUND;
}

int nvmlDeviceGetMemoryInfo(void *device, struct memory *out)
{
    *out = (struct memory){141000000000ull, 128700000000ull, 12300000000ull};
    return device == &begun ? SUCCESS : NOT_FOUND;
}

int nvmlDeviceGetTemperature(void *device, int sensor, unsigned *out)
{
    *out = sensor == 0 ? 61 : 0;
    return device == &begun ? SUCCESS : NOT_FOUND;
}

int nvmlDeviceGetPowerUsage(void *device, unsigned *out)
{
    *out = 540400;
    return getenv("FAKE_NVML_NO_POWER") ? NOT_SUPPORTED : device == &begun ? SUCCESS : NOT_FOUND;
}
