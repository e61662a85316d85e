/* What a network is called before people: after the preset or the recipe that its settings began from; see settings.h.
 */
#include "sessions/recipes.h"
#include "sessions/settings_table.h"

#include <errno.h>
#include <string.h>

static const char of_recipe[] = "recipe ";
enum { OF_RECIPE = sizeof of_recipe - 1 };

const char *settings_recipe(const struct settings *settings)
{
    return strncmp(settings->origin, of_recipe, OF_RECIPE) == 0 ? settings->origin + OF_RECIPE : NULL;
}

void settings_came_from_recipe(struct settings *settings, const char *name)
{
    snprintf(settings->origin, sizeof settings->origin, "%s%s", of_recipe, name);
}

/* A recipe may be one that a later nfbench has, or an earlier one had. */
bool settings_origin_fits(const char *origin)
{
    const char *name;
    const bool recipe = strncmp(origin, of_recipe, OF_RECIPE) == 0;
    for (int i = 0; (name = model_preset_name(i)); i++)
        if (strcmp(origin, name) == 0)
            return true;
    name = origin + OF_RECIPE;
    return strcmp(origin, settings_custom) == 0 ||
           (recipe && *name && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(name) &&
            strlen(origin) < SETTINGS_ORIGIN_SIZE);
}

int settings_read_recipe(struct settings *settings, const char *name, struct error *error)
{
    char path[80];
    size_t size;
    const char *text = recipe_text(name, &size);
    FILE *file = text ? fmemopen((void *)text, size, "r") : NULL; /* only read */
    if (!file)
        return error_set(error, "cannot read the recipe %.40s: %s", name, text ? strerror(errno) : "there is none");
    snprintf(path, sizeof path, "recipe %s", name);
    const int result = settings_read_stream(settings, file, path, error);
    fclose(file);
    return result;
}

int settings_of_origin(const struct settings *settings, struct settings *base, struct error *error)
{
    const char *recipe = settings_recipe(settings);
    if (settings_default(base, error))
        return -1;
    if (recipe ? !recipe_text(recipe, &(size_t){0}) : strcmp(settings->origin, settings_custom) == 0)
        return 0;
    if (!recipe)
        return settings_set(base, "preset", settings->origin, error);
    if (settings_read_recipe(base, recipe, error))
        return -1;
    settings_came_from_recipe(base, recipe);
    return 0;
}

/* Whether the settings still have what the recipe says, and its network. */
static bool is_as_in_recipe(const struct settings *settings)
{
    char own[SETTINGS_VALUE_SIZE], said[SETTINGS_VALUE_SIZE];
    struct settings recipe;
    if (settings_of_origin(settings, &recipe, NULL))
        return false;
    for (int i = 0; i < settings_count; i++) {
        const struct setting *row = &settings_table[i];
        if (!(recipe.given >> i & 1) && !settings_is_shape(row))
            continue;
        settings_get(settings, row, own);
        settings_get(&recipe, row, said);
        if (strcmp(own, said))
            return false;
    }
    return true;
}

void settings_network_name(const struct settings *settings, char text[SETTINGS_NETWORK_SIZE])
{
    const char *origin = settings->origin, *recipe = settings_recipe(settings);
    bool changed = strcmp(settings->model.preset, settings_custom) == 0;
    if (recipe)
        changed = recipe_text(recipe, &(size_t){0}) && !is_as_in_recipe(settings);
    else if (!changed)
        origin = settings->model.preset;
    else if (strcmp(origin, settings_custom) == 0)
        changed = false;
    snprintf(text, SETTINGS_NETWORK_SIZE, "%s%s", origin, changed ? ", changed" : "");
}
