/* `nfbench doctor`: what this machine offers and what this nfbench will make of it. Every row says what was found; a
 * row that keeps a run from working ends the list with exit code 1. */
#include "engine/dist.h"
#include "tui/cli.h"
#include "tui/cli_table.h"
#include "tui/nvml.h"
#include "tui/ops_check.h"
#include "tui/platform.h"
#include "tui/run.h"

#include <errno.h>
#include <langinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXT_SIZE = 1600, MOST_ROWS = 40, MOST_GPUS = 16 };

struct doctor_finding {
    const char *key; /* of JSON; NULL: a row of the table alone */
    char label[24];
    char text[TEXT_SIZE];
    json_t *value; /* owned */
};

struct findings {
    struct doctor_finding rows[MOST_ROWS];
    int count;
    bool trouble;
};

/* Adds a row; the text of the table doubles as JSON's value when `value` is NULL. */
static void found(struct findings *findings, const char *key, const char *label, json_t *value, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
static void found(struct findings *findings, const char *key, const char *label, json_t *value, const char *format, ...)
{
    struct doctor_finding *row = &findings->rows[findings->count++];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(row->text, sizeof row->text, format, arguments);
    va_end(arguments);
    row->key = key;
    snprintf(row->label, sizeof row->label, "%s", label);
    row->value = value ? value : cli_json_text(row->text);
}

/* ---- The processor ---- */

static void look_at_processor(struct findings *findings)
{
    struct processor processor;
    const char *sets = processor.sets;
    processor_find(&processor);
    json_t *list = json_array();
    for (int i = 0; i < processor.set_count; i++) /* a list cut short shows as a shorter list */
        json_array_append_new(list, json_string(processor.names[i]));
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    found(findings, "processor", "processor", NULL, "%s", processor.model);
    found(findings, "instruction_sets", "instruction sets", list, "%s", *sets ? sets : "none of those that matter");
    found(findings, "processors", "processors", json_integer(online), "%ld", online);
}

/* ---- What nfbench makes of it ---- */

static void look_at_processor_backend(struct findings *findings, const struct settings *settings)
{
    struct backend *backend;
    struct error error;
    char library[64];
    bool bf16 = backend_cpu_has_bf16();
    if (backend_cpu_create(settings->train.threads, &backend, &error) == 0) {
        found(findings, "threads", "threads", json_integer(backend->threads), "%d", backend->threads);
        backend->destroy(backend);
    } else {
        found(findings, "threads", "threads", json_null(), "none: %s", error.message);
        findings->trouble = true;
    }
    backend_cpu_library(library, sizeof library);
    found(findings, "bf16", "bf16", json_boolean(bf16), "%s",
          bf16 ? "computed by the processor; used by default"
               : "not computed by the processor; fp32 is used by default");
    found(findings, "library", "convolutions", NULL, "%s", library);
    found(findings, "mpi_built", "MPI", json_boolean(dist_is_built()), "%s",
          dist_is_built() ? "built in: mpirun starts several processes for one run"
                          : "left out: one process trains alone (make MPI=1 builds it in)");
    found(findings, "nccl_built", "NCCL", json_boolean(cuda_has_nccl()), "%s",
          cuda_has_nccl() ? "built in: the processes of one run may have a GPU each"
                          : "left out: on GPUs one process trains alone (make MPI=1 NCCL=1 builds it in)");
}

/* ---- The GPU ---- */

static void look_at_nvml(struct findings *findings, const struct cuda_device *gpu)
{
    struct nvml *nvml;
    struct nvml_reading reading;
    struct error error;
    char words[64];
    if (nvml_open(NULL, gpu->bus, &nvml, &error) != 0) {
        found(findings, "gpu_now", "GPU now", json_null(), "unknown: %s", error.message);
        return;
    }
    nvml_read(nvml, &reading);
    nvml_words(&reading, words, sizeof words);
    found(findings, "gpu_now", "GPU now", NULL, "%s%s%s", words, *words ? "; " : "",
          *nvml_last_error(nvml) ? nvml_last_error(nvml) : "load, temperature, power, memory used by all");
    if (reading.valid & NVML_DRIVER)
        found(findings, "driver_version", "driver", NULL, "%s", reading.driver);
    nvml_close(nvml);
}

static void look_at_gpu(struct findings *findings, const struct settings *settings, struct device_choice *choice)
{
    const struct cuda_device *gpu = &choice->gpu;
    const char *architectures;
    struct error error = {""};
    const bool built = cuda_is_built(&architectures);
    found(findings, "cuda_built", "built for", built ? json_string(architectures) : json_null(), "%s%s",
          built ? "CPU and CUDA, compute capabilities " : "CPU", architectures);
    if (device_choose(settings->train.device, choice, &error) != 0) {
        found(findings, "device", "device", json_null(), "none: %s", error.message);
        findings->trouble = true;
        return;
    }
    if (choice->kind == DEVICE_CPU) {
        found(findings, "device", "device", json_string("cpu"), "CPU%s%s", *choice->why_not.message ? "; no GPU: " : "",
              choice->why_not.message);
        return;
    }
    found(findings, "device", "device", json_string("cuda"), "%s, compute capability %d.%d, %d multiprocessors",
          gpu->name, gpu->major, gpu->minor, gpu->multiprocessors);
    found(findings, "gpu", "", cli_json_text(gpu->name), "%s; the preset is then `report`",
          cuda_device_has_bf16(gpu) ? "bf16 by default, tf32 by --precision"
                                    : "fp32 by default (its tensor cores know neither bf16 nor tf32)");
    found(findings, "cuda_driver", "CUDA", json_integer(gpu->driver), "driver %d.%d, runtime %d.%d", gpu->driver / 1000,
          gpu->driver % 1000 / 10, gpu->runtime / 1000, gpu->runtime % 1000 / 10);
    found(findings, "gpu_memory_free", "GPU memory", json_integer((json_int_t)gpu->memory_free), "%.1f of %.1f GB free",
          (double)gpu->memory_free / 1e9, (double)gpu->memory_total / 1e9);
    look_at_nvml(findings, gpu);
}

/* A GPU as an object of JSON; what cannot be used is there with the reason. */
static json_t *gpu_json(const struct cuda_device *gpu, const struct error *why)
{
    json_t *capability = gpu->major > 0 ? json_sprintf("%d.%d", gpu->major, gpu->minor) : json_null();
    json_t *reason = why ? cli_json_text(why->message) : json_null();
    return json_pack("{s:i, s:o, s:o, s:o, s:I, s:I, s:b, s:o}", "index", gpu->index, "name", cli_json_text(gpu->name),
                     "bus", cli_json_text(gpu->bus), "compute_capability", capability, "memory_free",
                     (json_int_t)gpu->memory_free, "memory_total", (json_int_t)gpu->memory_total, "usable", !why, "why",
                     reason);
}

/* All of the machine, by the numbers that --device cuda:N takes; a row each where the device's own do not say it. */
static void look_at_gpus(struct findings *findings, enum device_kind device)
{
    const int count = cuda_device_count();
    json_t *list = json_array();
    for (int i = 0; i < count && i < MOST_GPUS; i++) {
        struct cuda_device gpu;
        struct error why = {""};
        char label[16];
        const bool usable = cuda_device_find(i, &gpu, &why) == 0;
        json_array_append_new(list, gpu_json(&gpu, usable ? NULL : &why)); /* a list cut short shows as a shorter one */
        snprintf(label, sizeof label, "cuda:%d", i);
        if (count == 1 && device_is_gpu(device))
            continue;
        if (usable)
            found(findings, NULL, label, NULL, "%s at %s, compute capability %d.%d, %.1f of %.1f GB free%s", gpu.name,
                  gpu.bus, gpu.major, gpu.minor, (double)gpu.memory_free / 1e9, (double)gpu.memory_total / 1e9,
                  device == (enum device_kind)(DEVICE_CUDA + i) ? ": the device above" : "");
        else
            found(findings, NULL, label, NULL, "cannot be used: %s", why.message);
    }
    found(findings, "gpus", "GPUs", list, "%d", count);
}

static void look_at_terminal(struct findings *findings)
{
    const char *type = getenv("TERM"), *colors = getenv("COLORTERM");
    struct winsize size;
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO) || ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0) {
        found(findings, "terminal", "terminal", json_null(), "none here: `nfbench train` needs none");
        return;
    }
    found(findings, "terminal", "terminal", NULL, "%s, %d x %d, %s%s%s", type && *type ? type : "TERM is not set",
          size.ws_col, size.ws_row, nl_langinfo(CODESET), colors && *colors ? ", " : "", colors ? colors : "");
}

static void look_at_data(struct findings *findings, const struct settings *settings)
{
    struct settings wanted = *settings;
    struct dataset *dataset;
    struct error error;
    char note[RUN_TEXT_SIZE];
    if (run_open_data(&wanted, note, &dataset, &error) != 0) {
        found(findings, "data", "data", json_null(), "%s", error.message);
        findings->trouble = true;
        return;
    }
    found(findings, "data", "data", NULL, "%s, %s: %d training and %d test images, %d classes", dataset_name(dataset),
          dataset_location(dataset), dataset_count(dataset, SPLIT_TRAIN), dataset_count(dataset, SPLIT_TEST),
          dataset_classes(dataset));
    dataset_close(dataset);
    char place[SETTINGS_PATH_SIZE], places[RUN_TEXT_SIZE] = "";
    for (int i = 0; *note && run_data_place(i, place); i++) {
        size_t used = strlen(places);
        if (*place)
            snprintf(places + used, sizeof places - used, "%s%s", used ? ", " : "", place);
    }
    if (*note)
        found(findings, "data_note", "", NULL, "%s; looked at: %s", note, places);
}

/* Cuts the last part off a path: "/a/b" -> "/a"; a relative path of one part -> ".". */
static void parent(char *path)
{
    char *slash = strrchr(path, '/');
    if (!slash)
        strcpy(path, ".");
    else
        slash[slash == path] = '\0';
}

/* Only making something there tells: root may do more than the mode says, a file system less. */
static bool can_be_made(const char *folder)
{
    struct stat status;
    char nearest[SETTINGS_PATH_SIZE], probe[SETTINGS_PATH_SIZE + 32];
    snprintf(nearest, sizeof nearest, "%s", folder);
    while (stat(nearest, &status) != 0 && errno == ENOENT && strcmp(nearest, "/") != 0 && strcmp(nearest, ".") != 0)
        parent(nearest);
    snprintf(probe, sizeof probe, "%s/.nfbench-XXXXXX", nearest);
    return mkdtemp(probe) && rmdir(probe) == 0;
}

static void look_at_sessions(struct findings *findings, const struct settings *settings)
{
    struct error error;
    char folder[SETTINGS_PATH_SIZE];
    if (sessions_directory(settings, folder, &error) != 0) {
        found(findings, "sessions_directory", "sessions", json_null(), "%s", error.message);
        findings->trouble = true;
        return;
    }
    bool writable = can_be_made(folder);
    found(findings, "sessions_directory", "sessions", cli_json_text(folder), "%s%s", folder,
          writable ? "" : ": cannot be written: choose another by --sessions-dir");
    found(findings, "sessions_writable", "writable", json_boolean(writable), "%s", writable ? "yes" : "no");
    findings->trouble |= !writable;
}

/* ---- Results ---- */

static json_t *findings_json(struct findings *findings)
{
    json_t *object = json_object();
    for (int i = 0; object && i < findings->count; i++) {
        struct doctor_finding *row = &findings->rows[i];
        if (!row->key)
            continue;
        int result = json_object_set_new(object, row->key, row->value);
        row->value = NULL;
        if (result != 0) {
            json_decref(object);
            object = NULL;
        }
    }
    if (object && json_object_set_new(object, "ok", json_boolean(!findings->trouble)) != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static int print_findings(const struct findings *findings, struct error *error)
{
    struct table *table = table_create("ll");
    for (int i = 0; i < findings->count; i++) {
        table_cell(table, "%s", findings->rows[i].label);
        table_cell(table, "%s", findings->rows[i].text);
    }
    int result = table_print(table, stdout, error);
    table_destroy(table);
    return result;
}

/* Every op on the GPU and on the processor. */
static enum cli_status self_test(struct cli *cli, struct findings *findings, const struct cuda_device *device,
                                 json_t **results)
{
    struct backend *cpu = NULL, *gpu = NULL;
    struct error error;
    const bool tf32 = cuda_device_has_bf16(device);
    int bad = 0;
    enum cli_status status = CLI_DONE;
    if (backend_cpu_create(cli->settings.train.threads, &cpu, &error) != 0 ||
        backend_cuda_create(device->index, &gpu, &error) != 0 ||
        ops_check(cpu, gpu, tf32, !cli->settings.json, results, &bad, &error) != 0)
        status = cli_failed(cli, &error);
    findings->trouble |= bad > 0;
    if (gpu)
        gpu->destroy(gpu);
    if (cpu)
        cpu->destroy(cpu);
    return status;
}

static enum cli_status show(struct cli *cli, struct findings *findings, const struct device_choice *choice)
{
    struct error error;
    json_t *results = NULL;
    enum cli_status status = CLI_DONE;
    const bool gpu = device_is_gpu(choice->kind);
    if (!cli->settings.json && print_findings(findings, &error) != 0)
        return cli_failed(cli, &error);
    if (!cli->settings.json)
        printf(gpu ? "\n" : "\nself-test: skipped: there is no GPU whose results could be compared with the CPU's\n");
    if (gpu)
        status = self_test(cli, findings, &choice->gpu, &results);
    if (!cli->settings.json) {
        json_decref(results);
        return status;
    }
    json_t *object = findings_json(findings);
    if (object && json_object_set_new(object, "self_test", results ? results : json_null()) != 0) {
        json_decref(object);
        object = NULL;
    }
    const enum cli_status printed = cli_print_json(cli, object);
    return status == CLI_DONE ? printed : status;
}

enum cli_status cli_doctor(struct cli *cli)
{
    struct error error;
    struct device_choice choice = {.kind = DEVICE_CPU};
    struct findings *findings = calloc(1, sizeof *findings);
    if (!findings) {
        error_set(&error, "out of memory");
        return cli_failed(cli, &error);
    }
    found(findings, "version", "nfbench", NULL, "%s", cli_version());
    look_at_gpu(findings, &cli->settings, &choice);
    look_at_gpus(findings, choice.kind);
    look_at_processor(findings);
    look_at_processor_backend(findings, &cli->settings);
    look_at_data(findings, &cli->settings);
    look_at_sessions(findings, &cli->settings);
    look_at_terminal(findings);
    enum cli_status status = show(cli, findings, &choice);
    if (status == CLI_DONE && findings->trouble)
        status = CLI_FAILED;
    for (int i = 0; i < findings->count; i++)
        json_decref(findings->rows[i].value);
    free(findings);
    return status;
}
