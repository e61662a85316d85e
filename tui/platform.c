/* See platform.h. */
#include "tui/platform.h"

#include "engine/dist.h"
#include "sessions/crc32c.h"
#include "tui/cli.h"
#include "tui/device.h"

#include <stdio.h>
#include <string.h>

/* ---- The processor ---- */

/* The value of a line of /proc/cpuinfo, of the first processor. */
static bool cpuinfo(const char *key, char *value, size_t size)
{
    char line[8192];
    bool is_there = false;
    FILE *file = fopen("/proc/cpuinfo", "r");
    if (!file)
        return false;
    while (!is_there && fgets(line, sizeof line, file)) {
        char *colon = strchr(line, ':');
        if (!colon || strncmp(line, key, strlen(key)) != 0)
            continue;
        colon += 1 + strspn(colon + 1, " ");
        colon[strcspn(colon, "\n")] = '\0';
        snprintf(value, size, "%s", colon);
        is_there = true;
    }
    (void)fclose(file); /* only read */
    return is_there;
}

static bool has_word(const char *words, const char *word)
{
    size_t length = strlen(word);
    for (; *words; words += strspn(words, " ")) {
        size_t this = strcspn(words, " ");
        if (this == length && strncmp(words, word, length) == 0)
            return true;
        words += this;
    }
    return false;
}

void processor_find(struct processor *out)
{
    static const char *const matter[PROCESSOR_SETS] = {"avx2",        "fma",         "avx512f",
                                                       "avx512_vnni", "avx512_bf16", "amx_bf16"};
    char flags[8192] = "";
    *out = (struct processor){.model = "unknown"};
    cpuinfo("model name", out->model, sizeof out->model);
    cpuinfo("flags", flags, sizeof flags);
    for (int i = 0; i < PROCESSOR_SETS; i++) {
        const size_t used = strlen(out->sets);
        if (!has_word(flags, matter[i]))
            continue;
        snprintf(out->sets + used, sizeof out->sets - used, "%s%s", used ? " " : "", matter[i]);
        out->names[out->set_count++] = matter[i];
    }
}

static void describe_gpu(enum device_kind device, struct platform *out)
{
    struct cuda_device gpu;
    if (cuda_device_find(device_gpu(device), &gpu, NULL) != 0)
        return;
    snprintf(out->processor, sizeof out->processor, "%.200s, compute capability %d.%d", gpu.name, gpu.major, gpu.minor);
    snprintf(out->library, sizeof out->library, "CUDA %d.%d", gpu.runtime / 1000, gpu.runtime % 1000 / 10);
}

static void describe_processor(struct platform *out)
{
    struct processor processor;
    processor_find(&processor);
    snprintf(out->processor, sizeof out->processor, "%s%s%s", processor.model, *processor.sets ? ": " : "",
             processor.sets);
    backend_cpu_library(out->library, sizeof out->library);
}

/* ---- The data ---- */

/* Of a few images of both parts: enough to tell sets apart without reading all of one. */
static uint32_t data_checksum(const struct dataset *dataset)
{
    enum { SAMPLES = 16 };
    uint8_t sums[2 * SAMPLES][5];
    for (int i = 0; i < 2 * SAMPLES; i++) {
        const enum split split = i < SAMPLES ? SPLIT_TRAIN : SPLIT_TEST;
        const int image = (int)((long)dataset_count(dataset, split) * (i % SAMPLES) / SAMPLES);
        const uint32_t sum = crc32c(dataset_image(dataset, split, image), IMAGE_BYTES);
        memcpy(sums[i], &sum, sizeof sum);
        sums[i][4] = (uint8_t)dataset_label(dataset, split, image);
    }
    return crc32c(sums, sizeof sums);
}

void platform_find(const struct settings *settings, const struct dataset *dataset, struct platform *out)
{
    char value[SETTINGS_VALUE_SIZE];
    *out = (struct platform){.threads = settings->train.threads, .ranks = dist_size()};
    settings_get(settings, settings_row(settings_find("device")), value);
    snprintf(out->device, sizeof out->device, "%.15s", value);
    settings_get(settings, settings_row(settings_find("precision")), value);
    snprintf(out->precision, sizeof out->precision, "%.15s", value);
    if (device_is_gpu(settings->train.device))
        describe_gpu(settings->train.device, out);
    else
        describe_processor(out);
    snprintf(out->program, sizeof out->program, "nfbench %s, compiler %s", cli_version(), __VERSION__);
    snprintf(out->data, sizeof out->data, "%s %08x", dataset_name(dataset), data_checksum(dataset));
}

/* ---- Then and now ---- */

int platform_choose(const struct cli *cli, const struct platform *then, struct settings *settings, struct error *error)
{
    struct train_options *train = &settings->train;
    struct device_choice choice;
    char threads[24];
    snprintf(threads, sizeof threads, "%d", then->threads);
    if (settings_set(settings, "device", then->device, error) != 0 ||
        settings_set(settings, "precision", then->precision, error) != 0 ||
        settings_set(settings, "threads", threads, error) != 0 || cli_over_session(cli, settings, error) != 0)
        return -1;
    if (device_is_gpu(train->device) && !cli_given(cli, "device") && device_choose(train->device, &choice, NULL) != 0)
        train->device = DEVICE_AUTO;
    if (!cli_given(cli, "precision") && device_check_precision(train, NULL) != 0)
        train->precision = PRECISION_FP32;
    return 0;
}

int platform_compare(const struct platform *then, const struct platform *now,
                     char clauses[PLATFORM_CLAUSES][PLATFORM_CLAUSE_SIZE])
{
    const struct {
        const char *name, *then, *now;
    } texts[] = {
        {"device", then->device, now->device},          {"precision", then->precision, now->precision},
        {"processor", then->processor, now->processor}, {"library", then->library, now->library},
        {"program", then->program, now->program},       {"data", then->data, now->data},
    };
    int count = 0;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (strcmp(texts[i].then, texts[i].now) != 0)
            snprintf(clauses[count++], PLATFORM_CLAUSE_SIZE, "%s %s then, %s now", texts[i].name, texts[i].then,
                     texts[i].now);
    if (strcmp(then->device, "cpu") == 0 && strcmp(now->device, "cpu") == 0 && then->threads != now->threads)
        snprintf(clauses[count++], PLATFORM_CLAUSE_SIZE, "threads %d then, %d now", then->threads, now->threads);
    if (then->ranks != now->ranks)
        snprintf(clauses[count++], PLATFORM_CLAUSE_SIZE, "ranks %d then, %d now", then->ranks, now->ranks);
    return count;
}
