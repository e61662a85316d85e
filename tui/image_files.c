/* See image_files.h. A file is read into memory as a whole: so a pipe is as good as a file, and one that shrinks
 * meanwhile does no harm. */
#include "tui/image_files.h"

#include "base/array.h"
#include "engine/data_layout.h"
#include "viz/bitmap.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_BYTES = 1 << 30, FIRST_ROOM = 1 << 16 };

/* ---- Which files ---- */

/* Takes the path, which may be NULL: out of memory. */
static int take_path(struct file_list *list, char *path, struct error *error)
{
    char **paths = path ? array_grow(list->paths, &list->room, list->count + 1, sizeof *paths) : NULL;
    if (!paths) {
        free(path);
        return error_set(error, "out of memory");
    }
    list->paths = paths;
    paths[list->count++] = path;
    return 0;
}

static int is_shown(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static bool is_image_name(const char *name)
{
    static const char *const endings[] = {".png", ".jpg", ".jpeg", ".bin"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof endings / sizeof *endings; i++)
        if (strcasecmp(dot, endings[i]) == 0)
            return true;
    return false;
}

/* An entry of a folder, whose path this takes (NULL: out of memory): taken, or counted among the others. What cannot be
 * looked at is taken, so that reading tells why; a pipe is not, since nobody has asked to wait for it. */
static int add_entry(struct file_list *list, char *path, struct error *error)
{
    struct stat status;
    const bool known = path && stat(path, &status) == 0, is_folder = known && S_ISDIR(status.st_mode);
    if (!path || (!is_folder && is_image_name(path) && !(known && S_ISFIFO(status.st_mode))))
        return take_path(list, path, error);
    if (is_folder)
        list->other_folders++;
    else
        list->other_files++;
    free(path);
    return 0;
}

static int add_folder(struct file_list *list, const char *folder, struct error *error)
{
    struct dirent **entries;
    const size_t before = list->count;
    const char *slash = folder[strlen(folder) - 1] == '/' ? "" : "/";
    const int count = scandir(folder, &entries, is_shown, alphasort);
    int result = count < 0 ? error_set(error, "%s", strerror(errno)) : 0;
    for (int i = 0; i < count; i++) {
        char *path = NULL;
        if (result == 0 && asprintf(&path, "%s%s%s", folder, slash, entries[i]->d_name) < 0)
            path = NULL;
        if (result == 0)
            result = add_entry(list, path, error);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    if (result == 0 && list->count == before)
        return error_set(error, "no .png, .jpg, .jpeg or .bin file is in this folder");
    return result;
}

int file_list_add(struct file_list *list, const char *path, struct error *error)
{
    struct stat status;
    if (strcmp(path, "-") == 0)
        return take_path(list, strdup(path), error);
    if (stat(path, &status) != 0)
        return error_set(error, "%s", strerror(errno));
    if (S_ISDIR(status.st_mode))
        return add_folder(list, path, error);
    return take_path(list, strdup(path), error);
}

void file_list_free(struct file_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->paths[i]);
    free(list->paths);
    *list = (struct file_list){0};
}

/* ---- Bytes ---- */

struct bytes {
    uint8_t *data;
    size_t size, room;
};

static int read_all(int descriptor, struct bytes *bytes, struct error *error)
{
    for (;;) {
        uint8_t *data = array_grow(bytes->data, &bytes->room, bytes->size + FIRST_ROOM, 1);
        if (!data)
            return error_set(error, "out of memory after %zu bytes", bytes->size);
        bytes->data = data;
        const ssize_t got = read(descriptor, data + bytes->size, bytes->room - bytes->size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set(error, "%s", strerror(errno));
        if (got == 0)
            return bytes->size > 0 ? 0 : error_set(error, "it is empty");
        bytes->size += (size_t)got;
        if (bytes->size > MOST_BYTES)
            return error_set(error, "it is larger than a gigabyte: split it");
    }
}

static int read_file(const char *path, struct bytes *bytes, struct error *error)
{
    struct stat status;
    if (strcmp(path, "-") == 0)
        return isatty(STDIN_FILENO)
                   ? error_set(error,
                               "standard input is a terminal: send a PNG, a JPEG or CIFAR records into it by a pipe")
                   : read_all(STDIN_FILENO, bytes, error);
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return error_set(error, "%s", strerror(errno));
    int result = -1;
    if (fstat(descriptor, &status) != 0)
        error_set(error, "%s", strerror(errno));
    else if (!S_ISREG(status.st_mode) && !S_ISFIFO(status.st_mode))
        error_set(error, "it is neither a file nor a folder");
    else
        result = read_all(descriptor, bytes, error);
    close(descriptor);
    return result;
}

/* ---- PNG and JPEG ---- */

typedef int (*decoder)(const void *data, size_t size, struct bitmap *out, struct error *error);

static int read_picture(const struct bytes *bytes, decoder decode, struct file_images *out, struct error *error)
{
    struct bitmap bitmap;
    uint8_t square[IMAGE_BYTES];
    if (decode(bytes->data, bytes->size, &bitmap, error) != 0)
        return -1;
    int result = bitmap_square(&bitmap, IMAGE_SIZE, square, error);
    bitmap_free(&bitmap);
    if (result == 0 && !(out->images = malloc(IMAGE_BYTES)))
        result = error_set(error, "out of memory");
    for (int i = 0; result == 0 && i < IMAGE_BYTES; i++)
        out->images[i % 3 * IMAGE_PIXELS + i / 3] = square[i];
    out->count = result == 0;
    return result;
}

/* ---- CIFAR records ---- */

static int check_labels(const struct bytes *bytes, const struct data_layout *kind, struct error *error)
{
    for (size_t at = 0; at < bytes->size; at += data_layout_record_size(kind))
        for (int k = 0; k < kind->label_bytes; k++)
            if (bytes->data[at + (size_t)k] >= kind->label_count[k])
                return error_set(error,
                                 "it has the size of %s records, but record %zu (counted from 0) has label %d, above "
                                 "%d: damaged, or another kind of file",
                                 kind->name, at / data_layout_record_size(kind), bytes->data[at + (size_t)k],
                                 kind->label_count[k] - 1);
    return 0;
}

static int take_records(const struct bytes *bytes, const struct data_layout *kind, struct file_images *out,
                        struct error *error)
{
    out->count = (int)(bytes->size / data_layout_record_size(kind));
    out->of = kind;
    out->images = malloc((size_t)out->count * IMAGE_BYTES);
    out->labels = malloc((size_t)out->count);
    if (!out->images || !out->labels)
        return error_set(error, "out of memory for its %d images", out->count);
    for (int i = 0; i < out->count; i++) {
        const uint8_t *record = bytes->data + (size_t)i * data_layout_record_size(kind);
        out->labels[i] = record[kind->label_bytes - 1];
        memcpy(out->images + (size_t)i * IMAGE_BYTES, record + kind->label_bytes, IMAGE_BYTES);
    }
    return 0;
}

static bool is_text(const struct bytes *bytes)
{
    const size_t looked_at = bytes->size < 512 ? bytes->size : 512;
    for (size_t i = 0; i < looked_at; i++)
        if (bytes->data[i] < ' ' && (bytes->data[i] == 0 || !strchr("\t\n\r\f", bytes->data[i])))
            return false;
    return true;
}

/* What others call the kind of file that this is; NULL: unknown. */
static const char *known_kind(const struct bytes *bytes)
{
    static const struct {
        const char *begin, *name;
    } known[] = {{"GIF8", "a GIF"},
                 {"RIFF", "a WebP or another RIFF file"},
                 {"II*", "a TIFF"},
                 {"\x1f\x8b", "compressed"},
                 {"\x93NUMPY", "a file of NumPy"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const size_t length = strlen(known[i].begin);
        if (bytes->size >= length && memcmp(bytes->data, known[i].begin, length) == 0)
            return known[i].name;
    }
    return is_text(bytes) ? "text" : NULL;
}

/* A person's text or another picture may have the size of records by chance: then its labels are out of range. */
static int read_records(const struct bytes *bytes, int classes, struct file_images *out, struct error *error)
{
    const bool many = classes > data_layout(0)->label_count[0];
    const struct data_layout *kind = data_layout(many), *other = data_layout(!many);
    const bool fits = bytes->size % data_layout_record_size(kind) == 0,
               other_fits = bytes->size % data_layout_record_size(other) == 0;
    if (fits && check_labels(bytes, kind, error) == 0)
        return take_records(bytes, kind, out, error);
    if (other_fits && check_labels(bytes, other, fits ? NULL : error) == 0)
        return take_records(bytes, other, out, error);
    const char *known = known_kind(bytes);
    if (known)
        return error_set(error, "it is %s: PNG and JPEG files and CIFAR records are read", known);
    if (fits || other_fits)
        return -1;
    return error_set(
        error,
        "it is neither a PNG, a JPEG nor CIFAR records: %zu bytes are no multiple of %zu (CIFAR-10) or %zu "
        "(CIFAR-100)",
        bytes->size, data_layout_record_size(data_layout(0)), data_layout_record_size(data_layout(1)));
}

int file_images_read(const char *path, int classes, struct file_images *out, struct error *error)
{
    struct bytes bytes = {0};
    *out = (struct file_images){0};
    int result = read_file(path, &bytes, error);
    if (result == 0) {
        const decoder decode = png_is_one(bytes.data, bytes.size)    ? png_read
                               : jpeg_is_one(bytes.data, bytes.size) ? jpeg_read
                                                                     : NULL;
        result = decode ? read_picture(&bytes, decode, out, error) : read_records(&bytes, classes, out, error);
    }
    free(bytes.data);
    if (result != 0)
        file_images_free(out);
    return result;
}

void file_images_free(struct file_images *images)
{
    free(images->images);
    free(images->labels);
    *images = (struct file_images){0};
}
