/* See panel_probe.h. */
#include "tui/panel_probe.h"

#include "tui/figure_signal.h"
#include "tui/keys.h"
#include "tui/words.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SENTENCE = 320 };

/* ---- When ---- */

long probe_next_step(long step, long every)
{
    long next = 1;

    if (every < 1)
        return 0;
    while (next <= step && next < every)
        next *= 2;
    return next < every ? next : (step / every + 1) * every;
}

void probe_heading(const struct scene *scene, const char *name, char text[PANEL_TITLE])
{
    const struct probe *probe = scene->probes ? probes_shown(scene->probes) : NULL;
    long now = scene->snapshot.step.step, next = probe_next_step(now, scene->probe_every);
    char step[32];
    int used = snprintf(text, PANEL_TITLE, "%s", name);

    if (!probe)
        return;
    words_count((double)probe->step, step, sizeof(step));
    used += snprintf(text + used, PANEL_TITLE - (size_t)used, " \u00b7 step %s", step);
    if (probe != probes_newest(scene->probes)) {
        words_count((double)probes_newest(scene->probes)->step, step, sizeof(step));
        snprintf(text + used, PANEL_TITLE - (size_t)used, " \u00b7 the newest is of step %s", step);
        return;
    }
    words_count((double)next, step, sizeof(step));
    if (scene_is_over(scene) || scene->phase != PHASE_LIVE)
        return;
    if (scene->probe_every == 0)
        snprintf(text + used, PANEL_TITLE - (size_t)used, " \u00b7 probe or a pause takes the next");
    else if (next <= scene->snapshot.steps_total)
        snprintf(text + used, PANEL_TITLE - (size_t)used, " \u00b7 next at %s", step);
}

static void waiting_text(const struct scene *scene, char *text, size_t size)
{
    char step[32];

    words_count((double)probe_next_step(scene->snapshot.step.step, scene->probe_every), step, sizeof(step));
    if (scene->phase == PHASE_STARTING)
        snprintf(text, size, "%s", scene->progress);
    else if (scene_is_over(scene))
        snprintf(text, size, "The run has ended without a probe of what the signal does in its blocks.");
    else if (scene->probe_every == 0)
        snprintf(
            text, size,
            "Probing is off: nothing is measured of what the signal does in the blocks. The command probe measures "
            "it now, a pause too; --probe-every N (or auto) does every N steps.");
    else if (scene->snapshot.step.step == 0)
        snprintf(text, size, "The first probe comes with the first step.");
    else
        snprintf(text, size, "The first probe comes at step %s; the command probe, or a pause, takes one now.", step);
}

const struct probe *probe_shown(const struct scene *scene, struct canvas *canvas, struct rect area)
{
    const struct probe *probe = scene->probes ? probes_shown(scene->probes) : NULL;
    char text[400];

    if (probe)
        return probe;
    waiting_text(scene, text, sizeof(text));
    panel_draw_wrapped(canvas, (struct rect){area.column + 2, area.row + area.rows / 3, area.columns - 4, area.rows},
                       STYLE(ROLE_DIM), text);
    return NULL;
}

/* ---- Which ---- */

bool probe_choose(struct scene *scene, int page, int key)
{
    int last = scene->probes ? probes_points(scene->probes) - 1 : 0;

    switch (key) {
    case KEY_CODE_UP:
    case KEY_CODE_LEFT:
        scene->selected--;
        break;
    case KEY_CODE_DOWN:
    case KEY_CODE_RIGHT:
        scene->selected++;
        break;
    case KEY_CODE_PAGE_UP:
        scene->selected -= page;
        break;
    case KEY_CODE_PAGE_DOWN:
        scene->selected += page;
        break;
    case KEY_CODE_HOME:
        scene->selected = 0;
        break;
    case KEY_CODE_END:
        scene->selected = last;
        break;
    case KEY_CODE_ENTER:
        scene_open(scene, VIEW_BLOCK);
        break;
    case ',':
    case '.':
    case 'n':
        if (scene->probes)
            probes_walk(scene->probes, key == ',' ? -1 : key == '.' ? 1 : PROBES_MOST);
        break;
    default:
        return false;
    }
    scene->selected = scene->selected > last ? last : scene->selected < 0 ? 0 : scene->selected;
    return true;
}

void probe_click(struct scene *scene, int point)
{
    if (point == scene->selected)
        scene_open(scene, VIEW_BLOCK);
    scene->selected = point;
}

bool probe_wheel(struct scene *scene, const struct mouse *mouse)
{
    if (mouse->act != MOUSE_WHEEL_UP && mouse->act != MOUSE_WHEEL_DOWN)
        return false;
    return probe_choose(scene, 1, mouse->act == MOUSE_WHEEL_UP ? KEY_CODE_UP : KEY_CODE_DOWN);
}

double probe_cursor(const struct scene *scene)
{
    const struct probe *probe = probes_shown(scene->probes);

    return probe && probe != probes_newest(scene->probes) ? (double)probe->step : NAN;
}

/* ---- Axes ---- */

bool probe_log_axis(const struct scene *scene, enum axis_of of)
{
    static const unsigned signals[AXIS_COUNT] = {[AXIS_SIGNAL] = SIGNALS_FORWARD, [AXIS_GRADIENTS] = SIGNALS_BACKWARD};

    if (scene->axes[of] != AXIS_BY_DATA)
        return scene->axes[of] == AXIS_LOG;
    return scene->probes && probes_shown(scene->probes) &&
           signals_want_log(probes_shown(scene->probes), probes_first(scene->probes), signals[of]);
}

void probe_turn_axis(struct scene *scene, enum axis_of of)
{
    scene->axes[of] = probe_log_axis(scene, of) ? AXIS_LINEAR : AXIS_LOG;
}

/* ---- How it is ---- */

enum role probe_role(enum health health)
{
    return health == HEALTH_BAD ? ROLE_BAD : health == HEALTH_WATCH ? ROLE_WARNING : ROLE_GOOD;
}

uint32_t probe_mark(enum health health)
{
    return health == HEALTH_BAD ? 'x' : health == HEALTH_WATCH ? '!' : ' ';
}

/* Why a healthy point measures less than is predicted; empty where it does not. */
static const char *what_lessens(const struct model_spec *spec, const struct probe_point *point, int index)
{
    bool gains = spec->family == FAMILY_PAPERS && spec->skip_gain == SKIP_GAIN_ZERO;

    if (!(point->variance < 0.9f * point->predicted))
        return "";
    if (index == 0)
        return "; images are smooth, so the stem makes less of them than of the noise that the prediction assumes";
    return gains ? "; less than predicted: smooth images, zero padding, average pooling, skip gains that start at 0"
                 : "; less than predicted: smooth images and zero padding";
}

static void sentence(const struct scene *scene, int point, char text[SENTENCE])
{
    const char *why;
    char name[32];

    probe_point_name(point, name, sizeof(name));
    probes_health(scene->probes, point, &why);
    if (*why)
        snprintf(text, SENTENCE, "%s: %s", name, why);
    else
        snprintf(text, SENTENCE, "%s: healthy%s", name,
                 what_lessens(probes_spec(scene->probes), &probes_shown(scene->probes)->points[point], point));
}

int probe_draw_sentence(const struct scene *scene, struct canvas *canvas, struct rect area, int point)
{
    char text[SENTENCE];
    const char *why;
    enum health health = probes_health(scene->probes, point, &why);

    sentence(scene, point, text);
    return panel_draw_wrapped(canvas, area, STYLE(probe_role(health)), text);
}
