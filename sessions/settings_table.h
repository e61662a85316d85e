/* The rows of settings.h, for the files that implement it. */
#ifndef NFBENCH_SESSIONS_SETTINGS_TABLE_H
#define NFBENCH_SESSIONS_SETTINGS_TABLE_H

#include "sessions/settings.h"

extern const struct setting settings_table[];
extern const int settings_count;
extern const char settings_automatic[]; /* the word of `automatic` rows */
extern const char settings_custom[];    /* the preset of a network that is none's */

/* Where the row's value lies. */
static inline void *setting_value(struct settings *settings, const struct setting *row)
{
    return (char *)settings + row->offset;
}
static inline const void *setting_constant(const struct settings *settings, const struct setting *row)
{
    return (const char *)settings + row->offset;
}

/* The name nearest to a mistyped one, NULL when none is near. */
const char *settings_nearest(const char *name);

/* One of those that decide whether a network is its preset's: family, stem, stages. */
bool settings_is_shape(const struct setting *row);

/* Reads a recipe over what is there; its name is then for the caller to record. */
int settings_read_recipe(struct settings *settings, const char *name, struct error *error);
void settings_came_from_recipe(struct settings *settings, const char *name);
/* Whether a text can be what settings began from. */
bool settings_origin_fits(const char *origin);

/* Calls the model "custom" when its shape is not that of its preset. */
void settings_name_model(struct settings *settings);

#endif
