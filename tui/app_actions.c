/* What the commands of the table do: some change the scene, the others go to the trainer, which applies them between
 * two steps and says what came of it (app_run.c shows that). */
#include "tui/app_state.h"

#include "tui/charts.h"
#include "tui/graphics.h"
#include "tui/screen.h"
#include "tui/script.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void app_notice(struct app *app, enum role role, const char *format, ...)
{
    va_list arguments;

    app->scene.notice.role = role;
    va_start(arguments, format);
    vsnprintf(app->scene.notice.text, sizeof(app->scene.notice.text), format, arguments);
    va_end(arguments);
    app->dirty = true;
}

static bool pauses_or_resumes(enum command_kind kind)
{
    return kind == COMMAND_PAUSE || kind == COMMAND_RESUME;
}

/* Whether the run is to pause or to go on is remembered behind other commands that are asked for meanwhile. */
static void note_asked(struct scene *scene, const struct command *command)
{
    if (!scene->asked || pauses_or_resumes(command->kind) || !pauses_or_resumes(scene->asked_for))
        scene->asked_for = command->kind;
    scene->asked = true;
}

void app_refuse(struct app *app, const struct error *error)
{
    app_notice(app, ROLE_BAD, "%s", error->message);
    app_log(app, JOURNAL_ERROR, "%s", error->message);
}

static int refuse_without_run(const struct app *app, const char *text, struct error *error)
{
    return error_set(error, "%s: %s", text,
                     app->scene.phase == PHASE_BROKEN ? app->scene.progress : "the run is not there yet");
}

static int act_trainer(struct app *app, const struct action *action, struct error *error)
{
    struct command command;

    if (command_for_trainer(action, &command, error))
        return -1;
    if (!app->run)
        return refuse_without_run(app, action->text, error);
    if (app->run_ended)
        return error_set(error,
                         "%s: the run has ended; nfbench resume goes on with more --epochs, or from --checkpoint STEP",
                         action->text);
    command.in_turn = app->script_depth > 0;
    if (run_command(app->run, &command, error))
        return -1;
    note_asked(&app->scene, &command);
    memcpy(app->asked_text, command.text, sizeof(app->asked_text));
    const bool waits = app->scene.snapshot.state == TRAINER_WAITING;
    app_notice(app, ROLE_DIM, "%s: %s", action->text,
               !waits                           ? "after this step"
               : command.kind == COMMAND_RESUME ? "the disk is tried again; the log says how it went"
               : command.kind == COMMAND_STOP   ? "without what there is no room for"
                                                : "when there is room on the disk");
    return 0;
}

static int act_toggle(struct app *app, const struct action *action, struct error *error)
{
    const struct scene *scene = &app->scene;
    bool paused = scene->snapshot.state == TRAINER_PAUSED || scene->snapshot.state == TRAINER_WAITING;
    struct action named = *action;

    if (scene->asked && pauses_or_resumes(scene->asked_for))
        paused = scene->asked_for == COMMAND_PAUSE;
    named.kind = paused ? ACTION_RESUME : ACTION_PAUSE;
    snprintf(named.text, sizeof(named.text), "%s", paused ? "resume" : "pause");
    return act_trainer(app, &named, error);
}

/* A value goes to the trainer; without one the values are shown. */
static int act_set(struct app *app, const struct action *action, struct error *error)
{
    char text[JOURNAL_TEXT];

    if (action->on)
        return act_trainer(app, action, error);
    if (!app->run)
        return refuse_without_run(app, action->text, error);
    command_settings(&app->scene.snapshot, action->choice, text, sizeof(text));
    if (action->choice >= 0)
        app_notice(app, ROLE_GOOD, "%s", text);
    else
        app_message(app, ROLE_ACCENT, "Settings that may change", text);
    return 0;
}

static int act_pending(struct app *app, const struct action *action, struct error *error)
{
    char text[JOURNAL_TEXT];

    (void)action;
    (void)error;
    command_pending(&app->scene.snapshot, text, sizeof(text));
    if (*text)
        app_message(app, ROLE_ACCENT, "Commands that wait", text);
    else
        app_notice(app, ROLE_GOOD, "no command waits");
    return 0;
}

static int source_line(void *context, const char *line, struct error *error)
{
    struct app *app = context;
    struct action action;

    return command_parse(line, &action, error) || app_do(app, &action, error) ? -1 : 0;
}

int app_source(struct app *app, const char *path, struct error *error)
{
    return script_run(path, &app->script_depth, source_line, app, error);
}

static int say_of_file(struct app *app, const struct action *action, const char *title, const struct error *error)
{
    app_log(app, JOURNAL_ERROR, "%s: %s", action->text, error->message);
    app_message(app, ROLE_BAD, title, error->message);
    return 0;
}

/* All of it is looked at before any of it is done. What went wrong all the same stays to be read: the outcomes of the
 * lines before it are still to come. */
static int act_source(struct app *app, const struct action *action, struct error *error)
{
    FILE *file = script_open(action->word, error);

    if (!file)
        return -1;
    fclose(file);
    if (app->script_depth == 0 && script_check(action->word, true, error))
        return say_of_file(app, action, "Nothing of the file was run", error);
    if (app_source(app, action->word, error) == 0)
        return 0;
    if (app->script_depth > 0) /* in another file, which says so, too */
        return -1;
    return say_of_file(app, action, "The file was run up to a mistake", error);
}

/* FILE; without one, a name of the step in the session's folder. */
static int export_path(const struct app *app, const char *word, char *path, size_t size, struct error *error)
{
    int written;

    if (*word)
        written = snprintf(path, size, "%s", word);
    else if (app->run)
        written = snprintf(path, size, "%s/images/step-%06ld.png", session_path(run_parts(app->run)->session),
                           app->scene.snapshot.step.step);
    else
        return error_set(error, "export: there is no session yet: name a file");
    return written < 0 || (size_t)written >= size ? error_set(error, "the file's name is too long") : 0;
}

/* Pictures of the session, by their names, and not the screen. */
static bool exports_set(const struct action *action)
{
    return *action->word && !action->on;
}

static int start_export(struct app *app, const struct action *action, struct picture **out, struct error *error)
{
    const struct run_parts *parts = app->run ? run_parts(app->run) : NULL;
    const char *word = action->word;
    struct export_set set;
    char path[1100];

    if (exports_set(action)) {
        if (export_parse(word, &set, error))
            return -1;
        if (!parts)
            return error_set(error, "export %s: there is no session yet", word);
        for (int i = 0; i < app->picture_count && export_needs_network(&set); i++)
            if (picture_measures(app->pictures[i])) /* two would take more from the run */
                return error_set(error, "export %s: pictures of the network are still being made", word);
        return picture_start_set(session_path(parts->session), &set, out, error);
    }
    if (export_path(app, word, path, sizeof(path), error))
        return -1;
    return picture_start(&app->scene, parts ? parts->settings : NULL, screen_theme(), canvas_area(screen_canvas()),
                         canvas_glyphs(screen_canvas()), path, !*word, out, error);
}

/* "writing 18 pictures, 3 done, into ..." */
static const char writing[] = "writing ";

void app_follow_picture(struct app *app, int index)
{
    struct picture *picture = app->pictures[index];
    int done, total;

    if (picture_follow(picture, &done, &total)) {
        app_finish_picture(app, index);
        app_ask_less(app);
    } else if (app->scene.command_focused ||
               (*app->scene.notice.text && strncmp(app->scene.notice.text, writing, sizeof(writing) - 1) != 0)) {
        return; /* something else was said, and stands until a key is pressed */
    } else if (total == 0) {
        app_notice(app, ROLE_DIM, "%s%s", writing, picture_path(picture));
    } else {
        app_notice(app, ROLE_DIM, "%s%d picture%s, %d done, into %s/images", writing, total, total == 1 ? "" : "s",
                   done, picture_path(picture));
    }
}

static int act_export(struct app *app, const struct action *action, struct error *error)
{
    if (app->picture_count == PICTURES_MOST)
        return error_set(error, "export: %d are still being written, %s first", PICTURES_MOST,
                         picture_path(app->pictures[0]));
    if (start_export(app, action, &app->pictures[app->picture_count], error))
        return -1;
    app_notice(app, ROLE_DIM, "%s", writing);
    app_follow_picture(app, app->picture_count++);
    return 0;
}

void app_finish_picture(struct app *app, int index)
{
    char said[PICTURE_TEXT];
    struct error error;

    if (picture_finish(app->pictures[index], said, &error)) {
        app_notice(app, ROLE_BAD, "%s", error.message);
        app_log(app, JOURNAL_ERROR, "export: %s", error.message);
    } else {
        app_notice(app, ROLE_GOOD, "%s", said);
        app_log(app, JOURNAL_NOTE, "%s", said);
    }
    memmove(&app->pictures[index], &app->pictures[index + 1],
            (size_t)(--app->picture_count - index) * sizeof(*app->pictures));
}

static int act_smooth(struct app *app, const struct action *action, struct error *error)
{
    (void)error;
    charts_smooth(&app->scene, action->number);
    app_notice(app, ROLE_GOOD, "smoothing %g", action->number);
    return 0;
}

static int act_log_axis(struct app *app, const struct action *action, struct error *error)
{
    enum quantity chosen = charts_chosen(&app->scene);

    if (chosen == QUANTITY_ACCURACY)
        return error_set(error, "log: accuracies have a linear axis");
    app->scene.axes[AXIS_CHARTS + chosen] = action->on ? AXIS_LOG : AXIS_LINEAR;
    app_notice(app, ROLE_GOOD, "%s axis %s", quantity_slug(chosen), action->on ? "logarithmic" : "linear");
    return 0;
}

static int act_axis(struct app *app, const struct action *action, struct error *error)
{
    (void)error;
    app->scene.chart_axis =
        (enum curves_axis)(action->choice >= 0 ? action->choice : ((int)app->scene.chart_axis + 1) % CURVES_AXES);
    app_notice(app, ROLE_GOOD, "charts over the %s", curves_axis_word((int)app->scene.chart_axis));
    return 0;
}

static int act_overlay(struct app *app, const struct action *action, struct error *error)
{
    struct scene *scene = &app->scene;
    const bool lies = run_list_overlay(&scene->runs, action->word) >= 0;

    if (!app->runs)
        return error_set(error, "overlay: the run is not there yet");
    if (!action->on)
        charts_overlay_none(scene);
    else if (charts_overlay(scene, action->word, !lies, error))
        return -1;
    if (action->on)
        app_notice(app, ROLE_GOOD, lies ? "%s is taken away" : "%s lies over this run's curves", action->word);
    else
        app_notice(app, ROLE_GOOD, "no other session lies over this run's curves");
    return 0;
}

static int act_open(struct app *app, const struct action *action, struct error *error)
{
    return app_open(app, action->word, error);
}

static int act_zoom(struct app *app, const struct action *action, struct error *error)
{
    if ((double)action->count >= charts_end(&app->scene))
        return error_set(error, "%s: the run does not go so far", action->text);
    charts_show(&app->scene, (double)action->count, action->number);
    return 0;
}

static int act_fit(struct app *app, const struct action *action, struct error *error)
{
    (void)action;
    (void)error;
    charts_fit(&app->scene);
    return 0;
}

static int act_theme(struct app *app, const struct action *action, struct error *error)
{
    int index = action->choice;
    const struct theme *theme;

    for (int i = 0; index < 0 && (theme = theme_at(i)); i++)
        if (theme == screen_theme())
            index = theme_at(i + 1) ? i + 1 : 0;
    theme = theme_at(index);
    if (screen_set_theme(theme, error))
        return -1;
    app_notice(app, ROLE_GOOD, "theme %s", theme->name);
    return 0;
}

static int act_glyphs(struct app *app, const struct action *action, struct error *error)
{
    if (screen_set_glyphs((enum glyph_set)action->choice, error))
        return -1;
    app_notice(app, ROLE_GOOD, "drawing with %s", action->word);
    return 0;
}

/* A view that would open below the finder's figure takes its place. */
static void uncover(struct scene *scene)
{
    if (scene->overlay == OVERLAY_FINDER)
        scene->overlay = OVERLAY_NONE;
}

static int act_view(struct app *app, const struct action *action, struct error *error)
{
    (void)error;
    uncover(&app->scene);
    if (view_word_chart(action->choice) != PLACE_COUNT)
        scene_open_chart(&app->scene, view_word_chart(action->choice));
    else
        scene_open(&app->scene, action->choice >= 0 ? (enum view)action->choice : view_next(app->scene.view));
    return 0;
}

static int act_graphics(struct app *app, const struct action *action, struct error *error)
{
    const char *said;

    if (graphics_choose((enum graphics_mode)action->choice, &said, error))
        return -1;
    screen_redraw();
    app_notice(app, ROLE_GOOD, "graphics %s: images are drawn %s%s", action->word,
               strcmp(said, "cells") == 0 ? "in " : "by ", said);
    return 0;
}

static int act_images(struct app *app, const struct action *action, struct error *error)
{
    (void)error;
    if (action->choice >= 0)
        images_turn(&app->scene.images_choice, action->choice);
    uncover(&app->scene);
    scene_open(&app->scene, VIEW_IMAGES);
    return 0;
}

static int act_help(struct app *app, const struct action *action, struct error *error)
{
    const struct command_entry *entry = *action->word ? command_find(action->word) : NULL;

    (void)error;
    app->scene.help_topic = entry ? entry->name : NULL;
    app->scene.overlay = OVERLAY_HELP;
    app->scene.overlay_scroll = 0;
    return 0;
}

static int act_mouse(struct app *app, const struct action *action, struct error *error)
{
    if (screen_set_mouse(action->on, error))
        return -1;
    app_notice(app, ROLE_GOOD, action->on ? "mouse on" : "mouse off: the terminal has it");
    return 0;
}

static int act_redraw(struct app *app, const struct action *action, struct error *error)
{
    (void)app;
    (void)action;
    (void)error;
    screen_redraw();
    return 0;
}

static int act_quit(struct app *app, const struct action *action, struct error *error)
{
    (void)action;
    (void)error;
    app_quit(app);
    return 0;
}

int app_do(struct app *app, const struct action *action, struct error *error)
{
    static int (*const acts[ACTION_COUNT])(struct app *, const struct action *, struct error *) = {
        [ACTION_OPEN] = act_open,         [ACTION_LEARNING_RATE] = act_trainer, [ACTION_SET] = act_set,
        [ACTION_UNDO] = act_trainer,      [ACTION_PENDING] = act_pending,       [ACTION_CANCEL] = act_trainer,
        [ACTION_NOTE] = act_trainer,      [ACTION_SOURCE] = act_source,         [ACTION_TOGGLE] = act_toggle,
        [ACTION_PAUSE] = act_trainer,     [ACTION_RESUME] = act_trainer,        [ACTION_STEP] = act_trainer,
        [ACTION_STOP] = act_trainer,      [ACTION_EVALUATE] = act_trainer,      [ACTION_SAVE] = act_trainer,
        [ACTION_LOAD] = act_trainer,      [ACTION_FORK] = act_trainer,          [ACTION_PROBE] = act_trainer,
        [ACTION_BACK] = act_trainer,      [ACTION_ON_DIVERGENCE] = act_trainer, [ACTION_TRY] = act_trainer,
        [ACTION_LR_FIND] = act_trainer,   [ACTION_ACCEPT] = act_trainer,        [ACTION_DROP] = act_trainer,
        [ACTION_EXPORT] = act_export,     [ACTION_SMOOTH] = act_smooth,         [ACTION_LOG_AXIS] = act_log_axis,
        [ACTION_AXIS] = act_axis,         [ACTION_OVERLAY] = act_overlay,       [ACTION_ZOOM] = act_zoom,
        [ACTION_FIT] = act_fit,           [ACTION_THEME] = act_theme,           [ACTION_GLYPHS] = act_glyphs,
        [ACTION_GRAPHICS] = act_graphics, [ACTION_IMAGES] = act_images,         [ACTION_VIEW] = act_view,
        [ACTION_HELP] = act_help,         [ACTION_MOUSE] = act_mouse,           [ACTION_REDRAW] = act_redraw,
        [ACTION_QUIT] = act_quit};

    app->dirty = true;
    return (action->when.quantity == WHEN_NOW ? acts[action->kind] : act_trainer)(app, action, error);
}

void app_act(struct app *app, const struct action *action)
{
    struct error error = {""};

    if (app_do(app, action, &error))
        app_refuse(app, &error);
}
