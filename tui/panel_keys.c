/* The key bar: the keys of the panel that has the view to itself, then those of the table of commands that have a hint
 * and can do something now. Where room is short the general ones go first, then the panel's; help and quit stay. */
#include "tui/command.h"
#include "tui/panel.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { ITEMS = 40, GAP = 2 };

struct item {
    char key[24];
    const char *hint;
    int rank; /* the highest goes first where room is short */
};

enum { RANK_STAYS, RANK_PANEL, RANK_PAUSE, RANK_VIEW, RANK_OTHER };

static const char *hint_of(const struct scene *scene, const struct command_entry *entry, const struct command_key *key)
{
    bool paused = scene->snapshot.state == TRAINER_PAUSED || scene->snapshot.state == TRAINER_WAITING ||
                  (scene->asked && scene->asked_for == COMMAND_PAUSE);

    if (entry->action == ACTION_QUIT && scene->facts.attached && !scene_is_over(scene))
        return "detach";
    return entry->action == ACTION_TOGGLE && paused ? "resume" : key->hint;
}

static int rank_of(enum action_kind action)
{
    switch (action) {
    case ACTION_HELP:
    case ACTION_QUIT:
        return RANK_STAYS;
    case ACTION_TOGGLE:
        return RANK_PAUSE;
    case ACTION_VIEW:
        return RANK_VIEW;
    default:
        return RANK_OTHER;
    }
}

/* Keys of one command with the same hint share an item: "+/- lr". */
static int add_items(const struct scene *scene, const struct command_entry *entry, struct item *items, int count)
{
    int first = count;

    for (int k = 0; k < COMMAND_KEYS && entry->keys[k].key && count < ITEMS; k++) {
        const struct command_key *key = &entry->keys[k];
        size_t used;

        if (!key->hint || scene_takes_first(scene, key->key))
            continue;
        if (count == first || strcmp(entry->keys[k - 1].hint, key->hint) != 0) {
            items[count].rank = rank_of(entry->action);
            items[count].hint = hint_of(scene, entry, key);
            snprintf(items[count++].key, sizeof(items->key), "%s", key->name);
            continue;
        }
        used = strlen(items[count - 1].key);
        snprintf(items[count - 1].key + used, sizeof(items->key) - used, "/%s", key->name);
    }
    return count;
}

static int add_item(struct item *items, int count, const char *key, const char *hint)
{
    items[count].rank = RANK_PANEL;
    items[count].hint = hint;
    snprintf(items[count].key, sizeof(items->key), "%s", key);
    return count + 1;
}

static int add_panel_keys(const struct scene *scene, struct item *items, int count, int from, int to)
{
    const struct panel_ops *panel;

    for (int i = 0; (panel = panel_at(i)); i++)
        for (int k = from; panel->place == scene_focus(scene) && k < to && panel->keys[k].name; k++)
            if (!panel->keys[k].works || panel->keys[k].works(scene))
                count = add_item(items, count, panel->keys[k].name, panel->keys[k].hint);
    return count;
}

/* Those of the panel that has the focus and, behind its first, those that choose one where there are several. The
 * overview has room for no more. */
static int add_panel(const struct scene *scene, struct item *items, int count)
{
    bool several = view_focus(scene->view, 1) != PLACE_COUNT;

    count = add_panel_keys(scene, items, count, 0, 1);
    if (several) {
        count = add_item(items, count, "c", scene->view == VIEW_CHARTS ? "next chart" : "panel");
        if (!isnan(scene->cursor))
            count = add_item(items, count, "Enter", "back here");
        else
            count = scene->zoomed ? add_item(items, count, "Esc", "all") : add_item(items, count, "Enter", "zoom");
    }
    return scene->view == VIEW_OVERVIEW ? count : add_panel_keys(scene, items, count, 1, PANEL_KEYS);
}

static int item_columns(const struct item *item)
{
    return text_columns(item->key) + 1 + text_columns(item->hint);
}

static int drop_items(struct item *items, int count, int columns)
{
    for (;;) {
        int total = GAP * (count - 1), victim = 0;

        for (int i = 0; i < count; i++) {
            total += item_columns(&items[i]);
            victim = items[i].rank >= items[victim].rank ? i : victim;
        }
        if (total <= columns || items[victim].rank == RANK_STAYS)
            return count;
        memmove(&items[victim], &items[victim + 1], (size_t)(count - 1 - victim) * sizeof(*items));
        count--;
    }
}

static void draw(struct scene *scene, struct canvas *canvas, struct rect area)
{
    struct item items[ITEMS];
    const struct command_entry *entry;
    int count = add_panel(scene, items, 0), column = area.column + 1;

    for (int i = 0; (entry = command_at(i)); i++)
        if (!entry->trainer || !scene_is_over(scene))
            count = add_items(scene, entry, items, count);
    count = drop_items(items, count, area.columns - 2);
    for (int i = 0; i < count; i++) {
        column += canvas_text(canvas, column, area.row, STYLE(ROLE_KEY), items[i].key) + 1;
        column += canvas_text(canvas, column, area.row, STYLE(ROLE_HINT), items[i].hint) + GAP;
    }
}

const struct panel_ops panel_keys = {.place = PLACE_KEYS, .draw = draw};
