/* See fixture.h. */
#include "fixture.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char folder[64];

int folder_setup(void **state)
{
    strcpy(folder, "/tmp/nfbench-test-XXXXXX");
    *state = mkdtemp(folder);
    return *state ? 0 : -1;
}

bool disk_damages;

/* In place of the C library's: the program calls it before it reads a file back from the disk. */
int posix_fadvise(int descriptor, off_t offset, off_t length, int advice)
{
    (void)offset, (void)length, (void)advice;
    char link[64], path[512] = "";
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    if (disk_damages && readlink(link, path, sizeof path - 1) > 0) {
        size_t size;
        char *bytes = read_file(path, &size);
        bytes[size - 1] ^= 1;
        write_file(path, bytes, size);
        free(bytes);
    }
    return 0;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status, (void)type, (void)place;
    return remove(path);
}

int folder_teardown(void **state)
{
    (void)state;
    return nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

const char *path_of(const char *name)
{
    static char paths[4][512];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

void write_file(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

char *read_file(const char *path, size_t *size)
{
    struct stat status;
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fstat(fileno(file), &status), 0);
    char *data = calloc(1, (size_t)status.st_size + 1);
    assert_non_null(data);
    *size = fread(data, 1, (size_t)status.st_size, file);
    fclose(file);
    return data;
}

bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

void assert_error(int result, const struct error *error, const char *part)
{
    assert_int_equal(result, -1);
    if (!strstr(error->message, part) || strchr(error->message, '\n'))
        fail_msg("wanted one line with '%s', got '%s'", part, error->message);
}

void assert_ok(int result, const struct error *error)
{
    if (result)
        fail_msg("%s", error->message);
}

struct settings small_settings(void)
{
    struct settings settings;
    struct error error = {""};
    assert_ok(settings_default(&settings, &error), &error);
    assert_ok(settings_set(&settings, "stem", "8", &error), &error);
    assert_ok(settings_set(&settings, "stages", "8/4x1/2", &error), &error);
    assert_ok(settings_set(&settings, "batch", "4", &error), &error);
    assert_ok(settings_set(&settings, "ema", "0.9", &error), &error);
    assert_ok(settings_set(&settings, "lookahead", "5", &error), &error);
    assert_ok(settings_set(&settings, "log-every", "2", &error), &error);
    assert_ok(settings_set(&settings, "sessions-dir", folder, &error), &error);
    strcpy(settings.model.preset, "custom");
    settings.model.classes = 10;
    settings.train.threads = 1;
    return settings;
}

struct rig make_rig(const struct settings *settings, uint64_t seed)
{
    struct rig rig = {0};
    struct error error = {""};
    const struct network_options options = {.batch = settings->train.batch,
                                            .dtype = DTYPE_FP32,
                                            .seed = seed,
                                            .ema = settings->train.ema > 0,
                                            .lookahead = settings->train.lookahead > 0};
    assert_ok(backend_cpu_create(1, &rig.backend, &error), &error);
    assert_ok(network_create(rig.backend, &settings->model, &options, &rig.network, &error), &error);
    return rig;
}

void free_rig(struct rig *rig)
{
    network_destroy(rig->network);
    rig->backend->destroy(rig->backend);
}

void train_once(struct network *network)
{
    enum { BATCH = 4, VALUES = BATCH * 32 * 32 * 3 };
    struct error error = {""};
    struct step_result step;
    struct update_result update;
    const uint8_t labels[BATCH] = {0, 1, 2, 3};
    const struct step_options step_options = {0};
    const struct optimizer_options options = {.learning_rate = 0.1f, .momentum = 0.9f, .ema = 0.9f, .lookahead = 1};
    float *images = malloc(VALUES * sizeof *images);
    assert_non_null(images);
    for (int i = 0; i < VALUES; i++)
        images[i] = (float)(i * 37 % 101) / 50.0f - 1.0f;
    assert_ok(network_train_step(network, images, labels, BATCH, &step_options, &step, &error), &error);
    assert_ok(network_update(network, &options, &update, &error), &error);
    free(images);
}

static bool same_part(struct network *a, struct network *b, const struct parameter *left, const struct parameter *right,
                      enum parameter_part part)
{
    struct error error = {""};
    float *x = malloc(left->count * sizeof *x), *y = malloc(left->count * sizeof *y);
    assert_non_null(x);
    assert_non_null(y);
    assert_ok(network_read(a, left, part, x, &error), &error);
    assert_ok(network_read(b, right, part, y, &error), &error);
    bool same = memcmp(x, y, left->count * sizeof *x) == 0;
    free(x);
    free(y);
    return same;
}

bool same_network(struct network *a, struct network *b)
{
    int count, other;
    const struct parameter *left = network_parameters(a, &count), *right = network_parameters(b, &other);
    if (count != other)
        return false;
    for (int i = 0; i < count; i++) {
        if (strcmp(left[i].name, right[i].name) || !same_part(a, b, &left[i], &right[i], PART_VALUE))
            return false;
        if (left[i].momentum && !same_part(a, b, &left[i], &right[i], PART_MOMENTUM))
            return false;
        if (left[i].ema && !same_part(a, b, &left[i], &right[i], PART_EMA))
            return false;
        if (left[i].slow && !same_part(a, b, &left[i], &right[i], PART_SLOW))
            return false;
    }
    return true;
}
