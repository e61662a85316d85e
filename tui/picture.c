/* See picture.h. The same drawing functions as on the screen, on another canvas. */
#include "tui/picture.h"

#include "base/signals.h"
#include "viz/png.h"
#include "viz/screenshot.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { FIGURE_WIDTH = 1600, FIGURE_HEIGHT = 900, PATH_SIZE = 1200 };

struct picture {
    char path[PATH_SIZE], title[192], session[256];
    const struct theme *theme;
    struct canvas *screen, *charts[QUANTITY_COUNT];
    int done; /* eventfd */
    pthread_t thread;
    int result; /* the thread's until `done` */
    struct error error;
};

static int draw_chart(struct picture *picture, struct scene *scene, enum quantity quantity, struct error *error)
{
    static const char *const names[] = {[QUANTITY_LOSS] = "Loss", [QUANTITY_ACCURACY] = "Accuracy"};
    char title[256];
    const struct curves_look look = {.quantity = quantity,
                                     .log_axis = quantity == QUANTITY_LOSS && scene->log_axis,
                                     .steps_total = (double)scene->snapshot.steps_total,
                                     .cursor = NAN,
                                     .title = title,
                                     .empty_text = "no step yet"};
    struct rect all;

    snprintf(title, sizeof(title), "%s \u00b7 %s \u00b7 %s", names[quantity], scene->facts.preset,
             scene->facts.session);
    if (canvas_create_pixels(FIGURE_WIDTH, FIGURE_HEIGHT, 2, picture->theme, &picture->charts[quantity], error))
        return -1;
    all = canvas_area(picture->charts[quantity]);
    curves_draw(scene->curves, &look, picture->charts[quantity],
                (struct rect){2, 1, all.columns - 4, all.rows - 2}); /* a margin all around */
    return 0;
}

static int draw_all(struct picture *picture, struct scene *scene, struct rect cells, enum glyph_set glyphs,
                    struct error *error)
{
    snprintf(picture->title, sizeof(picture->title), "nfbench \u00b7 %s", scene->facts.session);
    snprintf(picture->session, sizeof(picture->session), "%s, %s, step %ld", scene->facts.session, scene->facts.preset,
             scene->snapshot.step.step);
    if (canvas_create_cells(cells.columns, cells.rows, glyphs, &picture->screen, error))
        return -1;
    scene_draw(scene, picture->screen);
    for (int q = 0; q < QUANTITY_COUNT; q++)
        if (draw_chart(picture, scene, (enum quantity)q, error))
            return -1;
    return 0;
}

static int write_all(struct picture *picture)
{
    static const char *const suffixes[] = {[QUANTITY_LOSS] = "loss", [QUANTITY_ACCURACY] = "accuracy"};
    const struct png_caption caption = {.key = "nfbench:session", .value = picture->session};
    const struct screenshot_options options = {
        .theme = picture->theme, .title = picture->title, .cursor_column = -1, .cursor_row = -1};
    int stem = (int)strlen(picture->path) - 4;

    if (screenshot_write(picture->path, picture->screen, &options, &caption, 1, &picture->error))
        return -1;
    for (int q = 0; q < QUANTITY_COUNT; q++) {
        char path[PATH_SIZE + 16];

        snprintf(path, sizeof(path), "%.*s-%s.png", stem, picture->path, suffixes[q]);
        if (png_write_canvas(path, picture->charts[q], &caption, 1, &picture->error))
            return -1;
    }
    return 0;
}

static void *write_main(void *argument)
{
    struct picture *picture = argument;
    const uint64_t one = 1;

    picture->result = write_all(picture);
    while (write(picture->done, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
    return NULL;
}

static void release(struct picture *picture)
{
    canvas_destroy(picture->screen);
    for (int q = 0; q < QUANTITY_COUNT; q++)
        canvas_destroy(picture->charts[q]);
    if (picture->done >= 0)
        close(picture->done);
    free(picture);
}

static int start_thread(struct picture *picture, struct error *error)
{
    sigset_t outside, before;
    int failure;

    picture->done = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (picture->done < 0)
        return error_set(error, "cannot make an eventfd: %s", strerror(errno));
    signals_from_outside(&outside);
    pthread_sigmask(SIG_BLOCK, &outside, &before);
    failure = pthread_create(&picture->thread, NULL, write_main, picture);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failure ? error_set(error, "cannot start a thread: %s", strerror(failure)) : 0;
}

int picture_start(struct scene *scene, const struct theme *theme, struct rect cells, enum glyph_set glyphs,
                  const char *path, struct picture **out, struct error *error)
{
    struct picture *picture = calloc(1, sizeof(*picture));

    if (!picture)
        return error_set(error, "out of memory");
    picture->done = -1;
    picture->theme = theme;
    if (snprintf(picture->path, sizeof(picture->path), "%s", path) >= (int)sizeof(picture->path)) {
        release(picture);
        return error_set(error, "the file's name is too long");
    }
    if (draw_all(picture, scene, cells, glyphs, error) || start_thread(picture, error)) {
        release(picture);
        return -1;
    }
    *out = picture;
    return 0;
}

int picture_fd(const struct picture *picture)
{
    return picture->done;
}

const char *picture_path(const struct picture *picture)
{
    return picture->path;
}

int picture_finish(struct picture *picture, struct error *error)
{
    int result;

    pthread_join(picture->thread, NULL);
    result = picture->result;
    if (result)
        *error = picture->error;
    release(picture);
    return result;
}
