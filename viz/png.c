/* See png.h. */
#include "viz/png.h"

#include "base/destination.h"
#include "viz/canvas.h"

#include <errno.h>
#include <fcntl.h>
#include <png.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void on_error(png_structp png, png_const_charp message)
{
    error_set(png_get_error_ptr(png), "libpng: %s", message);
    longjmp(png_jmpbuf(png), 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message; /* about the texts of others' files; nothing a user could act on */
}

static void set_texts(png_structp png, png_infop info, const struct png_caption *texts, int count)
{
    for (int i = -1; i < count; i++) {
        png_text text = {.compression = PNG_ITXT_COMPRESSION_NONE};
        text.key = (png_charp)(i < 0 ? "Software" : texts[i].key);
        text.text = (png_charp)(i < 0 ? "nfbench" : texts[i].value);
        text.itxt_length = strlen(text.text);
        text.lang = text.lang_key = (png_charp) "";
        png_set_text(png, info, &text, 1);
    }
}

/* Encodes to an open file. All that longjmp could spoil lives in the caller or in libpng's structs. */
static int encode(FILE *file, png_structp png, png_infop info, const uint8_t *rgb, int width, int height,
                  const struct png_caption *texts, int text_count)
{
    if (setjmp(png_jmpbuf(png)))
        return -1;
    png_init_io(png, file);
    png_set_IHDR(png, info, (png_uint_32)width, (png_uint_32)height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_set_sRGB_gAMA_and_cHRM(png, info, PNG_sRGB_INTENT_PERCEPTUAL);
    set_texts(png, info, texts, text_count);
    png_write_info(png, info);
    for (int y = 0; y < height; y++)
        png_write_row(png, rgb + (size_t)y * (size_t)width * 3);
    png_write_end(png, NULL);
    return 0;
}

static int write_image(FILE *file, const uint8_t *rgb, int width, int height, const struct png_caption *texts,
                       int text_count, struct error *error)
{
    png_infop info = NULL;
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, error, on_error, on_warning);
    int result = -1;
    if (!png || !(info = png_create_info_struct(png)))
        error_set(error, "out of memory for a PNG");
    else
        result = encode(file, png, info, rgb, width, height, texts, text_count);
    png_destroy_write_struct(&png, &info);
    return result;
}

/* Makes a rename last over a power cut. */
static int sync_folder(const char *path, struct error *error)
{
    char folder[PATH_MAX] = ".";
    const char *slash = strrchr(path, '/');
    if (slash)
        snprintf(folder, sizeof folder, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_set(error, "%s: %s", folder, strerror(errno));
    int result = fsync(fd) ? error_set(error, "%s: %s", folder, strerror(errno)) : 0;
    close(fd);
    return result;
}

/* An image on its way into a file. */
struct png_job {
    const uint8_t *rgb;
    int width, height;
    const struct png_caption *texts;
    int text_count;
};

/* Writes and closes; `lasting`: to the disk, and to be read by all. */
static int fill(int fd, const struct png_job *job, bool lasting, struct error *error)
{
    FILE *file = fdopen(fd, "wb");
    if (!file) {
        error_set(error, "%s", strerror(errno));
        close(fd);
        return -1;
    }
    int result = write_image(file, job->rgb, job->width, job->height, job->texts, job->text_count, error);
    if (!result && (fflush(file) || (lasting && (fchmod(fd, 0644) || fsync(fd)))))
        result = error_set(error, "%s", strerror(errno));
    if (fclose(file) && !result)
        result = error_set(error, "%s", strerror(errno));
    return result;
}

static int write_into(const char *path, const struct png_job *job, struct error *error)
{
    const int fd = destination_open(path);
    if (fd < 0)
        return error_set(error, "%s: cannot write here: %s", path, strerror(errno));
    return fill(fd, job, false, error) ? error_prefix(error, "%s: not written", path) : 0;
}

static int replace(const char *path, const struct png_job *job, struct error *error)
{
    char temporary[PATH_MAX];
    struct error cause = {""};
    if (snprintf(temporary, sizeof temporary, "%s.XXXXXX", path) >= (int)sizeof temporary)
        return error_set(error, "%.200s...: the name is too long", path);
    const int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return error_set(error, "%s: cannot write here: %s", path, strerror(errno));
    int result = fill(fd, job, true, &cause);
    if (!result && rename(temporary, path))
        result = error_set(&cause, "%s", strerror(errno));
    if (!result)
        return sync_folder(path, error);
    unlink(temporary);
    return error_set(error, "%s: not written: %s", path, cause.message);
}

int png_write(const char *path, const uint8_t *rgb, int width, int height, const struct png_caption *texts,
              int text_count, struct error *error)
{
    const struct png_job job = {rgb, width, height, texts, text_count};
    char real[PATH_MAX];
    switch (destination_find(path, real)) {
    case DESTINATION_SPECIAL:
        return write_into(path, &job, error);
    case DESTINATION_FILE:
        return replace(real, &job, error);
    case DESTINATION_FAILED:
        break;
    }
    return error_set(error, "%s: cannot write here: %s", path, strerror(errno));
}

int png_write_canvas(const char *path, const struct canvas *canvas, const struct png_caption *texts, int text_count,
                     struct error *error)
{
    int width, height;
    const uint8_t *rgb = canvas_pixels(canvas, &width, &height);
    if (!rgb)
        return error_set(error, "%s: only a canvas of pixels can be written as a PNG", path);
    return png_write(path, rgb, width, height, texts, text_count, error);
}

int png_encode(const uint8_t *rgb, int width, int height, char **data, size_t *size, struct error *error)
{
    FILE *file = open_memstream(data, size);
    if (!file)
        return error_set(error, "out of memory for a PNG");
    int result = write_image(file, rgb, width, height, NULL, 0, error);
    if (fclose(file) && !result)
        result = error_set(error, "out of memory for a PNG");
    if (result) {
        free(*data);
        *data = NULL;
    }
    return result;
}
