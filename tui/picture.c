/* See picture.h. The same drawing functions as on the screen, on another canvas. */
#include "tui/picture.h"

#include "base/thread.h"
#include "base/wake.h"
#include "viz/png.h"
#include "viz/screenshot.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHART_SCALE = 2, PATH_SIZE = 1200 };

struct picture {
    char path[PATH_SIZE];
    const struct theme *theme;
    int (*write)(struct picture *picture); /* on the thread */
    /* of the screen */
    char title[192];
    char *caption;
    struct canvas *screen;
    struct canvas *charts[QUANTITY_COUNT]; /* NULL: these are not wanted */
    struct canvas *finder;                 /* the same, or there is nothing to show of it */
    /* of a set */
    struct export_set set;
    int total;
    atomic_int drawn; /* of them */
    atomic_bool cancelled;

    int wake;
    atomic_bool done;
    pthread_t thread;
    int result; /* the thread's until it is done, as are these */
    char said[PICTURE_TEXT];
    struct error error;
};

/* ---- The screen and its charts ---- */

static int draw_finder(struct picture *picture, const struct scene *scene, struct error *error)
{
    enum { COLUMNS = 116, ROWS = 32 };
    struct rect inside;
    char title[192];

    snprintf(title, sizeof(title), "Loss over the learning rate \u00b7 %s \u00b7 %s", scene->facts.network,
             scene->facts.session);
    if (canvas_create_figure(COLUMNS, ROWS, CHART_SCALE, picture->theme, &picture->finder, &inside, error))
        return -1;
    finder_draw(scene->finder, title, picture->finder, inside);
    return 0;
}

static int draw_screen(struct picture *picture, struct scene *scene, struct rect cells, enum glyph_set glyphs,
                       struct error *error)
{
    snprintf(picture->title, sizeof(picture->title), "nfbench \u00b7 %s", scene->facts.session);
    if (canvas_create_cells(cells.columns, cells.rows, glyphs, &picture->screen, error))
        return -1;
    scene_draw(scene, picture->screen);
    return 0;
}

static int draw_charts(struct picture *picture, const struct scene *scene, struct error *error)
{
    const struct facts *facts = &scene->facts;

    for (int q = 0; q < QUANTITY_COUNT; q++) {
        struct curves_look look = scene_look(scene, (enum quantity)q);

        look.cursor = NAN; /* a person's finger */
        if (export_curves(scene->curves, &look, facts->network, facts->session, picture->theme, CHART_SCALE,
                          &picture->charts[q], error))
            return -1;
    }
    return scene->finder && finder_has_test(scene->finder) ? draw_finder(picture, scene, error) : 0;
}

static int write_screen(struct picture *picture)
{
    const struct png_caption caption = {.key = "nfbench:session", .value = picture->caption};
    const struct screenshot_options options = {
        .theme = picture->theme, .title = picture->title, .cursor_column = -1, .cursor_row = -1};
    int stem = (int)strlen(picture->path) - 4, captions = picture->caption != NULL;
    char path[PATH_SIZE + 16];

    if (screenshot_write(picture->path, picture->screen, &options, &caption, captions, &picture->error))
        return -1;
    for (int q = 0; q < QUANTITY_COUNT && picture->charts[q]; q++) {
        snprintf(path, sizeof(path), "%.*s-%s.png", stem, picture->path, quantity_slug((enum quantity)q));
        if (png_write_canvas(path, picture->charts[q], &caption, captions, &picture->error))
            return -1;
    }
    snprintf(path, sizeof(path), "%.*s-lrfind.png", stem, picture->path);
    if (picture->finder && png_write_canvas(path, picture->finder, &caption, captions, &picture->error))
        return -1;
    snprintf(picture->said, sizeof(picture->said), "wrote %s%s", picture->path,
             picture->charts[0] ? " and its charts" : "");
    return 0;
}

/* ---- A set of the session's pictures ---- */

static int go_on(void *context, int done, int total)
{
    const struct picture *picture = context;

    (void)done;
    (void)total;
    return atomic_load(&picture->cancelled);
}

/* The run trains on: what the network's pictures measure, they measure on one processor thread. */
static void measure_beside_the_run(struct settings *settings)
{
    settings->train.device = DEVICE_CPU;
    settings->train.precision = PRECISION_AUTO;
    settings->train.threads = 1;
}

/* Writes what there is of the set; of what could not be drawn the last is told. A failure only when there is nothing.
 */
static int write_rows(struct picture *picture, struct export_source *source)
{
    const struct export_row *row;
    const char *missing = NULL;
    int written = 0;
    size_t used;

    for (int i = 0; (row = export_row(i)); i++) {
        char path[EXPORT_PATH_SIZE];

        if (!picture->set.rows[i] || (row->network && atomic_load(&picture->cancelled)))
            continue;
        if (export_write(source, i, NULL, path, &picture->error))
            missing = row->name;
        else
            written++;
        atomic_fetch_add(&picture->drawn, 1);
        wake_send(picture->wake);
    }
    if (!written)
        return -1;
    used = (size_t)snprintf(picture->said, sizeof(picture->said), "wrote %d picture%s into %.900s/images", written,
                            written == 1 ? "" : "s", picture->path);
    if (missing)
        snprintf(picture->said + used, sizeof(picture->said) - used, "; no %s: %.300s", missing,
                 picture->error.message);
    return 0;
}

static int write_set(struct picture *picture)
{
    struct settings settings;
    struct session *session = NULL;
    struct export_source source = {.session = NULL};
    int result = -1;

    if (settings_default(&settings, &picture->error) == 0 &&
        session_open(&settings, picture->path, SESSION_READ, &session, &picture->error) == 0 &&
        export_open(&source, session, session_settings(session), &picture->error) == 0) {
        measure_beside_the_run(&source.settings);
        source.progress = go_on;
        source.context = picture;
        result = write_rows(picture, &source);
    }
    export_close(&source);
    session_close(session);
    return result;
}

/* ---- The thread ---- */

static void *write_main(void *argument)
{
    struct picture *picture = argument;

    picture->result = picture->write(picture);
    atomic_store(&picture->done, true);
    wake_send(picture->wake);
    return NULL;
}

static void release(struct picture *picture)
{
    canvas_destroy(picture->screen);
    canvas_destroy(picture->finder);
    for (int q = 0; q < QUANTITY_COUNT; q++)
        canvas_destroy(picture->charts[q]);
    if (picture->wake >= 0)
        close(picture->wake);
    free(picture->caption);
    free(picture);
}

static int start_thread(struct picture *picture, struct error *error)
{
    picture->wake = wake_open(error);
    return picture->wake < 0 ? -1 : thread_start(&picture->thread, write_main, picture, error);
}

static int create(const char *path, const struct theme *theme, int (*write)(struct picture *), struct picture **out,
                  struct error *error)
{
    struct picture *picture = calloc(1, sizeof(*picture));

    if (!picture)
        return error_set(error, "out of memory");
    picture->wake = -1;
    picture->theme = theme;
    picture->write = write;
    if (snprintf(picture->path, sizeof(picture->path), "%s", path) >= (int)sizeof(picture->path)) {
        release(picture);
        return error_set(error, "the file's name is too long");
    }
    *out = picture;
    return 0;
}

int picture_start(struct scene *scene, const struct settings *settings, const struct theme *theme, struct rect cells,
                  enum glyph_set glyphs, const char *path, bool charts, struct picture **out, struct error *error)
{
    if (create(path, theme, write_screen, out, error))
        return -1;
    if (settings)
        (*out)->caption = export_caption(scene->facts.session, scene->snapshot.step.step, settings);
    if (draw_screen(*out, scene, cells, glyphs, error) || (charts && draw_charts(*out, scene, error)) ||
        start_thread(*out, error)) {
        release(*out);
        return -1;
    }
    return 0;
}

int picture_start_set(const char *path, const struct export_set *set, struct picture **out, struct error *error)
{
    if (create(path, NULL, write_set, out, error))
        return -1;
    (*out)->set = *set;
    for (int i = 0; export_row(i); i++)
        (*out)->total += set->rows[i];
    if (start_thread(*out, error)) {
        release(*out);
        return -1;
    }
    return 0;
}

int picture_fd(const struct picture *picture)
{
    return picture->wake;
}

bool picture_follow(struct picture *picture, int *done, int *total)
{
    wake_take(picture->wake);
    *done = atomic_load(&picture->drawn);
    *total = picture->total;
    return atomic_load(&picture->done);
}

void picture_cancel(struct picture *picture)
{
    atomic_store(&picture->cancelled, true);
}

bool picture_measures(const struct picture *picture)
{
    return picture->write == write_set && export_needs_network(&picture->set);
}

const char *picture_path(const struct picture *picture)
{
    return picture->path;
}

int picture_finish(struct picture *picture, char said[PICTURE_TEXT], struct error *error)
{
    int result;

    pthread_join(picture->thread, NULL);
    result = picture->result;
    memcpy(said, picture->said, PICTURE_TEXT);
    if (result)
        *error = picture->error;
    release(picture);
    return result;
}
