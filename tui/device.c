/* Chooses the device and opens its back end; see device.h. */
#include "tui/device.h"

#include "base/signals.h"
#include "engine/dist.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* True where the machine has an NVIDIA GPU, whether this nfbench can use it or not. */
static bool machine_has_gpu(void)
{
    return access("/dev/nvidiactl", F_OK) == 0 || access("/proc/driver/nvidia/version", F_OK) == 0 ||
           access("/dev/dxg", F_OK) == 0; /* the last: a GPU of Windows, under WSL */
}

bool device_is_gpu(enum device_kind device)
{
    return device >= DEVICE_CUDA;
}

int device_gpu(enum device_kind device)
{
    return device_is_gpu(device) ? (int)device - DEVICE_CUDA : 0;
}

/* Of several ranks each has a GPU of its own: the next of the machine, unless its launcher shows it one alone. */
static int gpu_of_rank(enum device_kind wanted, int *index, struct error *error)
{
    const int count = cuda_device_count(), ranks = dist_local_size();
    *index = device_gpu(wanted);
    if (ranks == 1 || wanted > DEVICE_CUDA || count <= 1)
        return 0;
    if (ranks > count)
        return error_set(error, "%d ranks on %s, which has %d GPUs: a GPU trains for one rank", ranks, dist_host(),
                         count);
    *index = dist_local_rank();
    return 0;
}

int device_choose(enum device_kind wanted, struct device_choice *out, struct error *error)
{
    int index;
    memset(out, 0, sizeof *out);
    out->kind = DEVICE_CPU;
    if (wanted == DEVICE_CPU)
        return 0;
    if (gpu_of_rank(wanted, &index, error) != 0)
        return -1;
    if (cuda_device_find(index, &out->gpu, &out->why_not) == 0) {
        out->kind = (enum device_kind)(DEVICE_CUDA + index);
        out->why_not.message[0] = '\0';
        return 0;
    }
    if (device_is_gpu(wanted))
        return error_set(error, "--device cuda: %.400s", out->why_not.message);
    out->gpu_is_there = machine_has_gpu();
    return 0;
}

const char *device_precision_word(enum precision_kind precision)
{
    static const char *const words[] = {
        [PRECISION_FP32] = "fp32", [PRECISION_BF16] = "bf16", [PRECISION_TF32] = "tf32"};
    return words[precision];
}

static int check_precision(const struct device_choice *choice, enum precision_kind precision, struct error *error)
{
    const struct cuda_device *gpu = &choice->gpu;
    if (precision != PRECISION_TF32)
        return 0;
    if (choice->kind == DEVICE_CPU)
        return error_set(error, "--precision tf32 needs a GPU, the processor has --precision fp32 and bf16%s%.400s",
                         *choice->why_not.message ? "; " : "", choice->why_not.message);
    if (!cuda_device_has_bf16(gpu))
        return error_set(error, "--precision tf32 needs compute capability 8.0 or later, and %s has %d.%d: take fp32",
                         gpu->name, gpu->major, gpu->minor);
    return 0;
}

int device_check_precision(const struct train_options *train, struct error *error)
{
    struct device_choice choice;
    if (train->precision != PRECISION_TF32 || device_choose(train->device, &choice, NULL) != 0)
        return 0;
    return check_precision(&choice, train->precision, error);
}

static int open_gpu(const struct device_choice *choice, struct train_options *train, struct backend **backend,
                    char text[DEVICE_TEXT_SIZE], struct error *error)
{
    const bool native = cuda_device_has_bf16(&choice->gpu);
    if (backend_cuda_create(choice->gpu.index, backend, error) != 0)
        return -1;
    if (train->precision == PRECISION_AUTO)
        train->precision = native ? PRECISION_BF16 : PRECISION_FP32;
    const bool emulated = train->precision == PRECISION_BF16 && !native;
    snprintf(text, DEVICE_TEXT_SIZE, "%.60s, %s%s", choice->gpu.name, device_precision_word(train->precision),
             emulated ? " (emulated: slow)" : "");
    return 0;
}

static int open_cpu(const struct device_choice *choice, struct train_options *train, struct backend **backend,
                    char text[DEVICE_TEXT_SIZE], struct error *error)
{
    const bool native = backend_cpu_has_bf16();
    if (backend_cpu_create(train->threads ? train->threads : dist_threads(), backend, error) != 0)
        return -1;
    train->threads = (*backend)->threads;
    if (train->precision == PRECISION_AUTO)
        train->precision = native ? PRECISION_BF16 : PRECISION_FP32;
    const bool emulated = train->precision == PRECISION_BF16 && !native;
    snprintf(text, DEVICE_TEXT_SIZE, "CPU, %d thread%s, %s%s%s", train->threads, train->threads == 1 ? "" : "s",
             device_precision_word(train->precision), emulated ? " (emulated: slow)" : "",
             *choice->why_not.message ? " (no GPU)" : "");
    return 0;
}

static int choose_and_open(struct train_options *train, struct backend **backend, char text[DEVICE_TEXT_SIZE],
                           char note[DEVICE_NOTE_SIZE], struct error *error)
{
    const bool chosen = train->threads > 0;
    struct device_choice choice;
    *backend = NULL;
    note[0] = '\0';
    if (device_choose(train->device, &choice, error) != 0 || check_precision(&choice, train->precision, error) != 0)
        return -1;
    const bool gpu = device_is_gpu(choice.kind);
    if ((gpu ? open_gpu : open_cpu)(&choice, train, backend, text, error) != 0)
        return -1;
    const size_t length = strlen(text);
    if (dist_size() > 1)
        snprintf(text + length, DEVICE_TEXT_SIZE - length, ", on each of %d ranks", dist_size());
    if (!gpu && !chosen && dist_threads() < dist_unbound_threads())
        snprintf(note, DEVICE_NOTE_SIZE,
                 "bound to %d of the %d processors that a rank could have: mpirun --bind-to none", dist_threads(),
                 dist_unbound_threads());
    if (choice.gpu_is_there)
        snprintf(note, DEVICE_NOTE_SIZE, "the GPU is not used: %.400s", choice.why_not.message);
    train->device = choice.kind;
    return 0;
}

/* CUDA starts threads of its own, which must leave signals to this one. */
int device_open(struct train_options *train, struct backend **backend, char text[DEVICE_TEXT_SIZE],
                char note[DEVICE_NOTE_SIZE], struct error *error)
{
    sigset_t before;
    if (signals_keep_out(&before, error) != 0)
        return -1;
    const int status = choose_and_open(train, backend, text, note, error);
    return signals_let_in(&before, status == 0 ? error : NULL) != 0 ? -1 : status;
}
