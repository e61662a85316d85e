/* Looks into the network for the view of images: asked of the trainer, which takes one between two steps; the screen
 * waits for none. */
#include "tui/app_state.h"

static void take(struct app *app)
{
    struct scene *scene = &app->scene;
    const struct look *look = port_newest_look(run_parts(app->run)->port);
    const struct look *before = images_look(scene->images);

    if (!look || (before && app->look_number == look->number))
        return;
    images_take(scene->images, look);
    app->look_number = look->number;
    scene->look_asked = false;
    app->dirty = true;
}

static void ask(struct app *app)
{
    const struct command command = {.kind = COMMAND_LOOK, .text = "look"};
    struct error error;

    if (run_command(app->run, &command, &error)) {
        app_notice(app, ROLE_BAD, "%s", error.message);
        return;
    }
    app->scene.look_asked = true;
    app->dirty = true;
}

void app_follow_images(struct app *app)
{
    struct scene *scene = &app->scene;
    const bool open = scene->view == VIEW_IMAGES, opened = open && !app->images_open;
    const struct look *look;
    bool stale;

    if (!scene->images)
        return;
    take(app);
    app->images_open = open;
    look = images_look(scene->images);
    stale = !look || look->step != scene->snapshot.step.step;
    if (app->run_ended) {
        if (scene->look_wanted)
            app_notice(app, ROLE_DIM, "the run has ended: nothing changes any more");
        scene->look_asked = scene->look_wanted = false;
        return;
    }
    if (scene->look_asked || scene->phase != PHASE_LIVE)
        return;
    if (scene->look_wanted || (stale && (opened || (open && scene->snapshot.state == TRAINER_PAUSED))))
        ask(app);
    scene->look_wanted = false;
}
