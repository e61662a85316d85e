/* Settings from text and back, and their checks; see settings.h. The command line is in settings_parse.c, INI files in
 * settings_file.c, the rows in settings_table.c. */
#include "sessions/settings.h"

#include "sessions/number.h"
#include "sessions/settings_table.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

const char settings_custom[] = "custom";

/* ---- Stages ---- */

/* A whole number of at most nine digits; moves *text behind it. */
static bool scan_number(const char **text, int *value)
{
    const char *start = *text;
    *value = 0;
    while (isdigit((unsigned char)**text) && *text - start < 9)
        *value = *value * 10 + *(*text)++ - '0';
    return *text > start;
}

static bool scan_mark(const char **text, char mark)
{
    while (**text == ' ' || **text == '\t')
        (*text)++;
    if (**text != mark)
        return false;
    (*text)++;
    while (**text == ' ' || **text == '\t')
        (*text)++;
    return true;
}

static bool scan_stage(const char **text, struct stage_spec *stage)
{
    stage->stride = 1;
    return scan_number(text, &stage->width) && scan_mark(text, '/') && scan_number(text, &stage->mid) &&
           scan_mark(text, 'x') && scan_number(text, &stage->blocks) &&
           (!scan_mark(text, '/') || scan_number(text, &stage->stride));
}

int stages_parse(const char *text, struct model_spec *spec, struct error *error)
{
    struct stage_spec stages[MODEL_MAX_STAGES];
    int count = 0;
    const char *rest = text;
    memset(stages, 0, sizeof stages);
    do {
        if (count == MODEL_MAX_STAGES)
            return error_set(error, "stages '%.100s': more than %d stages", text, MODEL_MAX_STAGES);
        if (!scan_stage(&rest, &stages[count++]))
            return error_set(error, "stages '%.100s': wanted WIDTH/MIDxBLOCKS or WIDTH/MIDxBLOCKS/STRIDE at '%.20s'",
                             text, rest);
    } while (scan_mark(&rest, ','));
    if (*rest)
        return error_set(error, "stages '%.100s': wanted a comma or the end at '%.20s'", text, rest);
    memcpy(spec->stages, stages, sizeof stages);
    spec->stage_count = count;
    return 0;
}

void stages_format(const struct model_spec *spec, char text[SETTINGS_VALUE_SIZE])
{
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i < spec->stage_count && i < MODEL_MAX_STAGES; i++) {
        const struct stage_spec *stage = &spec->stages[i];
        used += (size_t)snprintf(text + used, SETTINGS_VALUE_SIZE - used, "%s%d/%dx%d", i ? ", " : "", stage->width,
                                 stage->mid, stage->blocks);
        if (stage->stride != 1)
            used += (size_t)snprintf(text + used, SETTINGS_VALUE_SIZE - used, "/%d", stage->stride);
    }
}

/* ---- One row from text ---- */

static int bad_value(const struct setting *row, const char *value, const char *wanted, struct error *error)
{
    return error_set(error, "%s '%.100s': wanted %s", row->name, value, wanted);
}

static int bad_number(const struct setting *row, const char *value, struct error *error)
{
    char low[NUMBER_SIZE], high[NUMBER_SIZE], wanted[120];
    const char *kind = row->type == SETTING_FLOAT ? "a number" : "a whole number";
    number_from_double(row->minimum, low);
    if (row->type == SETTING_FLOAT)
        number_from_double(row->maximum, high);
    else if (row->type == SETTING_UINT64)
        snprintf(high, sizeof high, "%llu", ULLONG_MAX);
    else
        snprintf(high, sizeof high, "%.0f", row->maximum);
    snprintf(wanted, sizeof wanted, row->above_minimum ? "%s above %s, at most %s%s%s" : "%s from %s to %s%s%s", kind,
             low, high, row->automatic ? ", or " : "", row->automatic ? settings_automatic : "");
    return bad_value(row, value, wanted, error);
}

static int set_integer(void *at, const struct setting *row, const char *value, struct error *error)
{
    long number;
    if (row->automatic && strcmp(value, settings_automatic) == 0) {
        *(long *)at = -1;
        return 0;
    }
    if (!number_to_long(value, &number) || (double)number < row->minimum || (double)number > row->maximum)
        return bad_number(row, value, error);
    if (row->type == SETTING_LONG)
        *(long *)at = number;
    else
        *(int *)at = (int)number;
    return 0;
}

static int set_real(float *at, const struct setting *row, const char *value, struct error *error)
{
    double number;
    if (!number_to_double(value, &number) || number < row->minimum || number > row->maximum ||
        (row->above_minimum && (double)(float)number <= row->minimum))
        return bad_number(row, value, error);
    *at = (float)number;
    return 0;
}

static int last_word(const struct setting *row)
{
    int last = 0;
    while (row->choices[last + 1])
        last++;
    return last;
}

/* "cuda:1" */
static bool set_numbered(int *at, const struct setting *row, const char *value)
{
    const int last = last_word(row);
    const size_t length = strlen(row->choices[last]);
    long number;
    if (strncmp(value, row->choices[last], length) != 0 || value[length] != ':' ||
        !number_to_long(value + length + 1, &number) || number < 0 || number > row->numbered)
        return false;
    *at = last + (int)number;
    return true;
}

static int set_word(void *at, const struct setting *row, const char *value, struct error *error)
{
    for (int i = 0; row->choices[i]; i++) {
        if (strcmp(row->choices[i], value))
            continue;
        if (row->type == SETTING_SWITCH)
            *(bool *)at = i;
        else
            *(int *)at = i;
        return 0;
    }
    if (row->numbered && set_numbered(at, row, value))
        return 0;
    return bad_value(row, value, row->argument, error);
}

/* What an INI file could not give back is refused at once: control characters, blanks at the ends, the start of a
 * comment. */
static int set_text(char *at, const struct setting *row, const char *value, struct error *error)
{
    size_t length = strlen(value);
    if (length == 0)
        return bad_value(row, value, row->argument, error);
    if (length >= row->size)
        return error_set(error, "%s '%.40s...': longer than %zu bytes", row->name, value, row->size - 1);
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)value[i] < 0x20 || value[i] == 0x7f)
            return error_set(error, "%s: control characters are not allowed", row->name);
    }
    if (value[0] == ' ' || value[length - 1] == ' ' || value[0] == ';' || value[0] == '#' || strstr(value, " ;"))
        return bad_value(row, value, "a text without blanks at its ends, ';' or '#' at its start and ' ;' inside",
                         error);
    memcpy(at, value, length + 1);
    return 0;
}

/* The preset's model and training options; what the machine and the data decide stays. */
static int set_preset(struct settings *settings, const char *name, struct error *error)
{
    struct model_spec model = {0};
    struct train_options train = {0};
    bool custom = strcmp(name, settings_custom) == 0;
    if (model_preset(custom ? SETTINGS_PRESET : name, &model, &train, error))
        return -1;
    if (custom)
        strcpy(model.preset, settings_custom);
    if (model.classes == 0)
        model.classes = settings->model.classes ? settings->model.classes : 10;
    settings->model = model;
    settings->train = train;
    strcpy(settings->origin, name);
    settings->given = 0;
    return 0;
}

static int set_origin(struct settings *settings, const struct setting *row, const char *value, struct error *error)
{
    if (!settings_origin_fits(value))
        return bad_value(row, value, "a preset, or `recipe` and its name", error);
    strcpy(settings->origin, value);
    return 0;
}

static int set_row(struct settings *settings, const struct setting *row, const char *value, struct error *error)
{
    void *at = setting_value(settings, row);
    switch (row->type) {
    case SETTING_INT:
    case SETTING_LONG:
        return set_integer(at, row, value, error);
    case SETTING_UINT64:
        return number_to_uint64(value, at) ? 0 : bad_number(row, value, error);
    case SETTING_FLOAT:
        return set_real(at, row, value, error);
    case SETTING_SWITCH:
    case SETTING_CHOICE:
        return set_word(at, row, value, error);
    case SETTING_TEXT:
        return set_text(at, row, value, error);
    case SETTING_PRESET:
        return set_preset(settings, value, error);
    case SETTING_ORIGIN:
        return set_origin(settings, row, value, error);
    case SETTING_STAGES:
        return stages_parse(value, &settings->model, error);
    case SETTING_FLAG:
        *(bool *)at = true;
        return 0;
    }
    return -1;
}

int settings_set(struct settings *settings, const char *name, const char *value, struct error *error)
{
    int index = settings_find(name);
    if (index < 0) {
        const char *nearest = settings_nearest(name);
        return error_set(error, "%.60s: no such setting%s%s%s", name, nearest ? "; did you mean " : "",
                         nearest ? nearest : "", nearest ? "?" : "");
    }
    if (set_row(settings, &settings_table[index], value, error))
        return -1;
    settings->given |= UINT64_C(1) << index;
    return 0;
}

/* ---- And back ---- */

static void write_word(const struct setting *row, int choice, char value[SETTINGS_VALUE_SIZE])
{
    const int last = last_word(row);
    if (choice > last)
        snprintf(value, SETTINGS_VALUE_SIZE, "%s:%d", row->choices[last], choice - last);
    else
        strcpy(value, row->choices[choice]);
}

void settings_get(const struct settings *settings, const struct setting *row, char value[SETTINGS_VALUE_SIZE])
{
    const void *at = setting_constant(settings, row);
    switch (row->type) {
    case SETTING_INT:
        snprintf(value, SETTINGS_VALUE_SIZE, "%d", *(const int *)at);
        break;
    case SETTING_LONG:
        if (row->automatic && *(const long *)at == -1)
            strcpy(value, settings_automatic);
        else
            snprintf(value, SETTINGS_VALUE_SIZE, "%ld", *(const long *)at);
        break;
    case SETTING_UINT64:
        snprintf(value, SETTINGS_VALUE_SIZE, "%llu", (unsigned long long)*(const uint64_t *)at);
        break;
    case SETTING_FLOAT:
        number_from_float(*(const float *)at, value);
        break;
    case SETTING_SWITCH:
    case SETTING_FLAG:
        strcpy(value, *(const bool *)at ? "on" : "off");
        break;
    case SETTING_CHOICE:
        write_word(row, *(const int *)at, value);
        break;
    case SETTING_TEXT:
    case SETTING_PRESET:
    case SETTING_ORIGIN:
        snprintf(value, SETTINGS_VALUE_SIZE, "%s", (const char *)at);
        break;
    case SETTING_STAGES:
        stages_format(&settings->model, value);
        break;
    }
}

int setting_number(const struct setting *row, const char *value, double *number, struct error *error)
{
    struct settings scratch = {0};
    const void *at = setting_constant(&scratch, row);
    if (set_row(&scratch, row, value, error))
        return -1;
    switch (row->type) {
    case SETTING_LONG:
        *number = (double)*(const long *)at;
        return 0;
    case SETTING_FLOAT:
        *number = (double)*(const float *)at;
        return 0;
    case SETTING_SWITCH:
        *number = *(const bool *)at;
        return 0;
    case SETTING_INT:
    case SETTING_CHOICE:
        *number = *(const int *)at;
        return 0;
    default:
        return error_set(error, "%s is no number", row->name);
    }
}

void setting_text(const struct setting *row, double number, char value[SETTINGS_VALUE_SIZE])
{
    struct settings scratch = {0};
    void *at = setting_value(&scratch, row);
    if (row->type == SETTING_LONG)
        *(long *)at = (long)number;
    else if (row->type == SETTING_FLOAT)
        *(float *)at = (float)number;
    else if (row->type == SETTING_SWITCH)
        *(bool *)at = number != 0;
    else
        *(int *)at = (int)number;
    settings_get(&scratch, row, value);
}

bool settings_given(const struct settings *settings, const char *name)
{
    int index = settings_find(name);
    return index >= 0 && settings->given >> index & 1;
}

/* ---- The whole ---- */

int settings_default(struct settings *settings, struct error *error)
{
    memset(settings, 0, sizeof *settings);
    strcpy(settings->data, "synthetic");
    settings->tensorboard = true;
    return set_preset(settings, SETTINGS_PRESET, error);
}

bool settings_is_shape(const struct setting *row)
{
    return strcmp(row->name, "family") == 0 || strcmp(row->name, "stem") == 0 || row->type == SETTING_STAGES;
}

void settings_name_model(struct settings *settings)
{
    struct model_spec preset = {0};
    struct train_options train = {0};
    struct model_spec *model = &settings->model;
    if (!strcmp(model->preset, settings_custom))
        return;
    if (!model_preset(model->preset, &preset, &train, NULL) && preset.family == model->family &&
        preset.stem == model->stem && preset.stage_count == model->stage_count &&
        !memcmp(preset.stages, model->stages, sizeof *preset.stages * (size_t)preset.stage_count))
        return;
    strcpy(model->preset, settings_custom);
}

int settings_validate(const struct settings *settings, struct error *error)
{
    return model_validate(&settings->model, error);
}
