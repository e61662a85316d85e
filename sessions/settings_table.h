/* The rows of settings.h, for the files that implement it. */
#ifndef NFBENCH_SESSIONS_SETTINGS_TABLE_H
#define NFBENCH_SESSIONS_SETTINGS_TABLE_H

#include "sessions/settings.h"

extern const struct setting settings_table[];
extern const int settings_count;
extern const char settings_automatic[]; /* the word of `automatic` rows */

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

/* Calls the model "custom" when its shape is not that of its preset. */
void settings_name_model(struct settings *settings);

#endif
