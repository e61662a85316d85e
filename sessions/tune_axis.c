/* The axes of a tune: settings with several values, or ranges of them; see tune.h. */
#include "sessions/number.h"
#include "sessions/tune.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char range_mark[] = "..";

static const char *separator(const struct setting *row)
{
    return row->type == SETTING_STAGES ? ";" : ",";
}

static bool is_number(const struct setting *row)
{
    return row->type == SETTING_INT || row->type == SETTING_LONG || row->type == SETTING_FLOAT;
}

bool tune_is_axis(const struct setting *row, const char *text)
{
    if (row->type == SETTING_TEXT || row->type == SETTING_FLAG || row->type == SETTING_UINT64)
        return row->type == SETTING_UINT64 && strchr(text, ',');
    return strpbrk(text, separator(row)) || (is_number(row) && strstr(text, range_mark));
}

/* Settings that say where and how it is computed make no other result. */
static int check_row(const char *name, const struct setting **row, struct error *error)
{
    static const char *const others[] = {"log-every", "probe-every", "checkpoint-every", "on-divergence",
                                         "tensorboard"};
    *row = settings_row(settings_find(name));
    for (size_t i = 0; *row && i < sizeof others / sizeof *others; i++)
        if (strcmp(name, others[i]) == 0)
            *row = NULL;
    return *row && (*row)->saved && (*row)->type != SETTING_TEXT
               ? 0
               : error_set(error, "--%s has one value for all trials: it changes no result", name);
}

/* As settings_get writes it, so that 0.10 and .1 are one value. */
static int canonical(const struct setting *row, const char *text, char value[TUNE_VALUE_SIZE], struct error *error)
{
    struct settings scratch;
    char full[SETTINGS_VALUE_SIZE];
    if (settings_default(&scratch, error) || settings_set(&scratch, row->name, text, error))
        return -1;
    settings_get(&scratch, row, full);
    if (strlen(full) >= TUNE_VALUE_SIZE)
        return error_set(error, "%s '%.60s...': too long for an axis", row->name, full);
    strcpy(value, full);
    return 0;
}

static int add_value(struct tune_axis *axis, const char *text, struct error *error)
{
    if (axis->count == TUNE_VALUES)
        return error_set(error, "more than %d values", TUNE_VALUES);
    char *value = axis->values[axis->count];
    if (canonical(axis->row, text, value, error))
        return -1;
    for (int i = 0; i < axis->count; i++)
        if (strcmp(axis->values[i], value) == 0)
            return error_set(error, "%s stands there twice", value);
    axis->count++;
    return 0;
}

static char *trimmed(char *text)
{
    text += strspn(text, " ");
    for (size_t length = strlen(text); length > 0 && text[length - 1] == ' '; length--)
        text[length - 1] = '\0';
    return text;
}

static int parse_list(struct tune_axis *axis, const char *text, struct error *error)
{
    char *copy = strdup(text), *rest = copy, *word;
    int result = copy ? 0 : error_set(error, "out of memory");
    while (result == 0 && (word = strsep(&rest, separator(axis->row)))) {
        word = trimmed(word);
        result = *word ? add_value(axis, word, error) : error_set(error, "a value is missing");
    }
    free(copy);
    return result;
}

static int parse_range(struct tune_axis *axis, const char *text, struct error *error)
{
    const char *mark = strstr(text, range_mark);
    char low[TUNE_VALUE_SIZE], high[TUNE_VALUE_SIZE];
    snprintf(low, sizeof low, "%.*s", (int)(mark - text), text);
    snprintf(high, sizeof high, "%s", mark + strlen(range_mark));
    if (add_value(axis, trimmed(low), error) || add_value(axis, trimmed(high), error))
        return -1;
    axis->range = true;
    axis->count = 0;
    if (!number_to_double(axis->values[0], &axis->low) || !number_to_double(axis->values[1], &axis->high) ||
        axis->low >= axis->high || axis->low < 0)
        return error_set(error, "wanted LOW..HIGH with 0 <= LOW < HIGH");
    return 0;
}

int tune_axis_parse(const char *name, const char *text, struct tune_axis *axis, struct error *error)
{
    memset(axis, 0, sizeof *axis);
    if (check_row(name, &axis->row, error))
        return -1;
    const bool range = is_number(axis->row) && strstr(text, range_mark);
    if (range ? parse_range(axis, text, error) : parse_list(axis, text, error))
        return error_prefix(error, "--%s %.100s", name, text);
    return 0;
}
