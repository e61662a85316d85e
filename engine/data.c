/* Opens a data set: finds which of the known layouts a folder holds, maps its files, checks every size and label, and
 * says what is wrong with a file in words that name it. */
#include "engine/data.h"

#include "engine/data_layout.h"
#include "engine/data_names.h"
#include "engine/synthetic.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct mapping {
    const uint8_t *bytes;
    size_t length;
};

struct dataset {
    const struct data_layout *layout; /* NULL: synthetic */
    struct synthetic *synthetic;
    char location[PATH_MAX];
    struct mapping maps[LAYOUT_FILES];
    bool test_only;     /* some training files are missing, and are not wanted */
    int count[2];       /* images by split */
    uint8_t *labels[2]; /* (count) each */
    char (*names)[CLASS_NAME_SIZE];
};

static int classes_of(const struct data_layout *layout)
{
    return layout->label_count[layout->label_bytes - 1];
}

static int join_path(char *out, const char *folder, const char *name, struct error *error)
{
    int length = snprintf(out, PATH_MAX, "%s/%s", folder, name);
    if (length < 0 || length >= PATH_MAX)
        return error_set(error, "the path of %s is too long", name);
    return 0;
}

/* ---- Finding ---- */

/* 1: there, 0: not there, -1: cannot be told. */
static int exists(const char *folder, const char *name, struct error *error)
{
    char path[PATH_MAX];
    struct stat status;
    if (join_path(path, folder, name, error))
        return -1;
    if (stat(path, &status) == 0)
        return 1;
    if (errno == ENOENT || errno == ENOTDIR)
        return 0;
    return error_set(error, "cannot look for %s: %s", path, strerror(errno));
}

/* 1: the folder holds at least one file of the layout; 0: none; -1: error. */
static int holds_layout(const char *folder, const struct data_layout *layout, struct error *error)
{
    for (int f = 0; f < layout->file_count; f++) {
        int found = exists(folder, layout->files[f].name, error);
        if (found)
            return found;
    }
    return 0;
}

/* Complains about the first file of the layout that is not in the folder; of those of the training split, where these
 * may be missing, *missing says so instead. */
static int check_complete(const char *folder, const struct data_layout *layout, bool *missing, struct error *error)
{
    for (int f = 0; f < layout->file_count; f++) {
        int found = exists(folder, layout->files[f].name, error);
        if (found < 0)
            return -1;
        if (!found && missing && layout->files[f].split == SPLIT_TRAIN)
            *missing = true;
        else if (!found)
            return error_set(error, "%s has no %s: %s needs %s to %s (`nfbench fetch %s` gets all of them)", folder,
                             layout->files[f].name, layout->name, layout->files[0].name,
                             layout->files[layout->file_count - 1].name, layout->word);
    }
    return 0;
}

static int nothing_found(const char *folder, struct error *error)
{
    int python = exists(folder, "data_batch_1", NULL) > 0 || exists(folder, "cifar-10-batches-py", NULL) > 0 ||
                 exists(folder, "cifar-100-python", NULL) > 0;
    if (python)
        return error_set(error,
                         "%s holds the Python version of CIFAR; nfbench reads the binary version: `nfbench fetch "
                         "cifar10` gets it",
                         folder);
    return error_set(error,
                     "no CIFAR files in %s: looked for data_batch_1.bin to data_batch_5.bin and test_batch.bin "
                     "(CIFAR-10), train.bin and test.bin (CIFAR-100), there and in cifar-10-batches-bin and "
                     "cifar-100-binary below it; `nfbench fetch cifar10` gets CIFAR-10; `--data synthetic` needs "
                     "none",
                     folder);
}

/* 1: the folder is the data set's, complete; 0: it holds nothing of the layout; -1: error. */
static int try_folder(struct dataset *dataset, const char *folder, const struct data_layout *layout, bool for_test,
                      struct error *error)
{
    int found = holds_layout(folder, layout, error);
    if (found <= 0)
        return found;
    if (check_complete(folder, layout, for_test ? &dataset->test_only : NULL, error))
        return -1;
    dataset->layout = layout;
    memcpy(dataset->location, folder, strlen(folder) + 1);
    return 1;
}

/* Sets the layout and the absolute location of the folder that has the files. The folder itself comes first, so that
 * someone who keeps both sets side by side can point at the one that is meant. */
static int find_layout(struct dataset *dataset, const char *where, bool for_test, struct error *error)
{
    struct stat status;
    char root[PATH_MAX];
    if (!where[0])
        return error_set(error, "no data folder given: give a folder, or \"synthetic\"");
    if (!realpath(where, root) || stat(root, &status))
        return error_set(error,
                         "cannot open the data folder %s: %s (`nfbench fetch cifar10` gets CIFAR-10, and `--data "
                         "synthetic` needs none)",
                         where, strerror(errno));
    if (!S_ISDIR(status.st_mode))
        return error_set(error, "%s is not a folder: give the folder that holds the unpacked binary files", root);
    int found = 0;
    const struct data_layout *layout;
    for (int l = 0; (layout = data_layout(l)) && !found; l++)
        found = try_folder(dataset, root, layout, for_test, error);
    for (int l = 0; (layout = data_layout(l)) && !found; l++) {
        char below[PATH_MAX];
        if (join_path(below, root, layout->folder, error))
            return -1;
        found = try_folder(dataset, below, layout, for_test, error);
    }
    if (found < 0)
        return -1;
    return found ? 0 : nothing_found(root, error);
}

bool dataset_is_at(const char *folder)
{
    const struct data_layout *layout;
    for (int l = 0; (layout = data_layout(l)); l++) {
        char below[PATH_MAX];
        if (holds_layout(folder, layout, NULL))
            return true;
        if (join_path(below, folder, layout->folder, NULL) || holds_layout(below, layout, NULL))
            return true;
    }
    return false;
}

/* ---- Reading ---- */

/* Maps a file whose size must be exactly right. */
static int map_file(const char *path, const struct data_layout *layout, const struct layout_file *file,
                    struct mapping *map, struct error *error)
{
    size_t expected = data_layout_file_size(layout, file);
    struct stat status;
    void *bytes = MAP_FAILED;
    int result = -1;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return error_set(error, "cannot open %s: %s", path, strerror(errno));
    if (fstat(descriptor, &status))
        error_set(error, "cannot read the size of %s: %s", path, strerror(errno));
    else if (!S_ISREG(status.st_mode))
        error_set(error, "%s is not a regular file", path);
    else if (status.st_size == 0)
        error_set(error, "%s is empty; `nfbench fetch %s` gets it anew", path, layout->word);
    else if ((size_t)status.st_size != expected)
        error_set(
            error,
            "%s has %lld bytes, but %d %s records are %zu bytes: cut short or another file; `nfbench fetch %s` gets "
            "the official ones",
            path, (long long)status.st_size, file->records, layout->name, expected, layout->word);
    else if ((bytes = mmap(NULL, expected, PROT_READ, MAP_SHARED, descriptor, 0)) == MAP_FAILED)
        error_set(error, "cannot map %s: %s", path, strerror(errno));
    else
        result = 0;
    if (close(descriptor) && !result) {
        error_set(error, "cannot close %s: %s", path, strerror(errno));
        result = -1;
    }
    if (bytes != MAP_FAILED) {
        map->bytes = bytes;
        map->length = expected;
        madvise(bytes, expected, MADV_WILLNEED); /* a hint: every label is read next; no harm when it fails */
    }
    return result;
}

/* Copies the labels of one file out of its records and checks each. */
static int read_labels(const char *path, const struct data_layout *layout, int records, const uint8_t *bytes,
                       uint8_t *out, struct error *error)
{
    static const char *const kinds[LAYOUT_LABELS] = {"coarse label", "fine label"};
    for (int r = 0; r < records; r++) {
        const uint8_t *record = bytes + (size_t)r * data_layout_record_size(layout);
        for (int k = 0; k < layout->label_bytes; k++)
            if (record[k] >= layout->label_count[k])
                return error_set(error,
                                 "%s: record %d of %d (counted from 0) has %s %d, but %s has labels 0 to %d: the file "
                                 "is damaged or of another kind",
                                 path, r, records, layout->label_bytes == 1 ? "label" : kinds[k], record[k],
                                 layout->name, layout->label_count[k] - 1);
        out[r] = record[layout->label_bytes - 1];
    }
    return 0;
}

static int read_files(struct dataset *dataset, struct error *error)
{
    const struct data_layout *layout = dataset->layout;
    int total[2] = {0, 0};
    for (int f = 0; f < layout->file_count; f++)
        total[layout->files[f].split] += layout->files[f].records;
    for (int s = 0; s < 2; s++)
        if (!(dataset->labels[s] = malloc((size_t)total[s])))
            return error_set(error, "no memory for %d labels", total[s]);
    for (int f = 0; f < layout->file_count; f++) {
        const struct layout_file *file = &layout->files[f];
        char path[PATH_MAX];
        int *count = &dataset->count[file->split];
        if (dataset->test_only && file->split == SPLIT_TRAIN)
            continue;
        if (join_path(path, dataset->location, file->name, error) ||
            map_file(path, layout, file, &dataset->maps[f], error) ||
            read_labels(path, layout, file->records, dataset->maps[f].bytes, dataset->labels[file->split] + *count,
                        error))
            return -1;
        *count += file->records;
    }
    return 0;
}

/* One line of a names file, if it is fit to be shown on a terminal. */
static bool take_name(char *line, char out[CLASS_NAME_SIZE])
{
    size_t length = strcspn(line, "\r\n");
    while (length && line[length - 1] == ' ')
        length--;
    if (!class_name_fits(line, length))
        return false;
    memcpy(out, line, length);
    out[length] = '\0';
    return true;
}

/* Class names of the folder's own file when it holds just as many clean lines as there are classes (blank lines may
 * follow), else the built-in ones: names are only for the eye, so a bad names file stops nobody. */
static int read_names(struct dataset *dataset, struct error *error)
{
    const struct data_layout *layout = dataset->layout;
    int classes = classes_of(layout), count = 0;
    char path[PATH_MAX], line[256];
    if (!(dataset->names = calloc((size_t)classes, sizeof *dataset->names)))
        return error_set(error, "no memory for class names");
    if (join_path(path, dataset->location, layout->names_file, error))
        return -1;
    FILE *file = fopen(path, "re");
    bool good = file != NULL;
    while (good && fgets(line, sizeof line, file)) {
        if (line[strspn(line, " \r\n")] == '\0')
            continue;
        good = count < classes && take_name(line, dataset->names[count]);
        count += good;
    }
    good = good && !ferror(file) && count == classes;
    if (file)
        fclose(file);
    for (int c = 0; c < classes && !good; c++)
        snprintf(dataset->names[c], CLASS_NAME_SIZE, "%s", layout->names[c]);
    return 0;
}

/* ---- The public face ---- */

static int open_folder(struct dataset *dataset, const char *where, bool for_test, struct error *error)
{
    return find_layout(dataset, where, for_test, error) || read_files(dataset, error) || read_names(dataset, error) ? -1
                                                                                                                    : 0;
}

static int open_synthetic(struct dataset *dataset, struct error *error)
{
    dataset->count[SPLIT_TRAIN] = SYNTHETIC_TRAIN;
    dataset->count[SPLIT_TEST] = SYNTHETIC_TEST;
    snprintf(dataset->location, sizeof dataset->location, "built in");
    return synthetic_create(&dataset->synthetic, error);
}

static int open_any(const char *where, bool for_test, struct dataset **out, struct error *error)
{
    struct dataset *dataset = calloc(1, sizeof *dataset);
    if (!dataset)
        return error_set(error, "no memory for the data set");
    const bool synthetic = strcmp(where, "synthetic") == 0;
    if (synthetic ? open_synthetic(dataset, error) : open_folder(dataset, where, for_test, error)) {
        dataset_close(dataset);
        return -1;
    }
    *out = dataset;
    return 0;
}

int dataset_open(const char *where, struct dataset **out, struct error *error)
{
    return open_any(where, false, out, error);
}

int dataset_open_for_test(const char *where, struct dataset **out, struct error *error)
{
    return open_any(where, true, out, error);
}

void dataset_close(struct dataset *dataset)
{
    if (!dataset)
        return;
    for (int f = 0; f < LAYOUT_FILES; f++)
        if (dataset->maps[f].bytes)
            munmap((void *)dataset->maps[f].bytes, dataset->maps[f].length);
    free(dataset->labels[SPLIT_TRAIN]);
    free(dataset->labels[SPLIT_TEST]);
    free(dataset->names);
    synthetic_destroy(dataset->synthetic);
    free(dataset);
}

const char *dataset_name(const struct dataset *dataset)
{
    return dataset->layout ? dataset->layout->name : "synthetic";
}

const char *dataset_location(const struct dataset *dataset)
{
    return dataset->location;
}

int dataset_classes(const struct dataset *dataset)
{
    return dataset->layout ? classes_of(dataset->layout) : SYNTHETIC_CLASSES;
}

const char *dataset_class_name(const struct dataset *dataset, int class_index)
{
    return dataset->layout ? dataset->names[class_index] : synthetic_class_name(class_index);
}

int dataset_count(const struct dataset *dataset, enum split split)
{
    return dataset->count[split];
}

const uint8_t *dataset_image(const struct dataset *dataset, enum split split, int index)
{
    if (!dataset->layout)
        return synthetic_image(dataset->synthetic, split, index);
    int f = 0;
    while (dataset->layout->files[f].split != split || index >= dataset->layout->files[f].records) {
        if (dataset->layout->files[f].split == split)
            index -= dataset->layout->files[f].records;
        f++;
    }
    return dataset->maps[f].bytes + (size_t)index * data_layout_record_size(dataset->layout) +
           dataset->layout->label_bytes;
}

int dataset_label(const struct dataset *dataset, enum split split, int index)
{
    return dataset->layout ? dataset->labels[split][index] : synthetic_label(index);
}

/* Sums in whole numbers: exact, so the result does not depend on the order. */
struct channel_statistics dataset_statistics(const struct dataset *dataset, int count)
{
    struct channel_statistics statistics;
    uint64_t sum[3] = {0}, squares[3] = {0};
    if (!dataset->layout && count > SYNTHETIC_SAMPLE)
        count = SYNTHETIC_SAMPLE;
    for (int i = 0; i < count; i++) {
        const uint8_t *image = dataset_image(dataset, SPLIT_TRAIN, i);
        for (int c = 0; c < 3; c++) {
            uint32_t plane_sum = 0, plane_squares = 0; /* 1024 * 255^2 fits */
            for (int p = 0; p < IMAGE_PIXELS; p++) {
                uint32_t value = image[c * IMAGE_PIXELS + p];
                plane_sum += value;
                plane_squares += value * value;
            }
            sum[c] += plane_sum;
            squares[c] += plane_squares;
        }
    }
    double n = (double)count * IMAGE_PIXELS;
    for (int c = 0; c < 3; c++) {
        double mean = (double)sum[c] / n, variance = (double)squares[c] / n - mean * mean;
        statistics.mean[c] = (float)(mean / 255);
        statistics.deviation[c] = (float)(sqrt(variance > 0 ? variance : 0) / 255);
    }
    return statistics;
}
