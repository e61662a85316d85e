/* The command line as settings, by getopt_long, and --help; see settings.h. */
#include "engine/live.h"
#include "sessions/recipes.h"
#include "sessions/settings_table.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* An option as it was given; row -1 ends the list. */
struct choice {
    int row;
    const char *value;
};

enum { FIRST_CODE = 256 }; /* getopt's code of row i is FIRST_CODE + i: behind all characters */

static int unknown_option(const char *argument, struct error *error)
{
    char name[64] = "";
    if (strncmp(argument, "--", 2))
        return error_set(error, "%.60s: no such option", argument);
    size_t length = strcspn(argument + 2, "=");
    memcpy(name, argument + 2, length < sizeof name ? length : sizeof name - 1);
    const char *nearest = settings_nearest(name);
    return error_set(error, "--%s: no such option%s%s%s", name, nearest ? "; did you mean --" : "",
                     nearest ? nearest : "", nearest ? "?" : "");
}

static int option_error(int code, char **argv, struct error *error)
{
    if (optopt < FIRST_CODE)
        return unknown_option(argv[optind - 1], error);
    const struct setting *row = settings_row(optopt - FIRST_CODE);
    if (code == ':')
        return error_set(error, "--%s: needs a value: %s", row->name, row->argument);
    return error_set(error, "--%s: takes no value", row->name);
}

/* Splits the command line into choices and, by permutation, operands. */
static int scan(int argc, char **argv, struct choice *choices, int *first_operand, struct error *error)
{
    struct option options[65] = {{0}};
    struct option *option = options;
    for (int i = 0; i < settings_count; i++) {
        if (settings_table[i].file_only)
            continue;
        option->name = settings_table[i].name;
        option->has_arg = settings_table[i].type == SETTING_FLAG ? no_argument : required_argument;
        option++->val = FIRST_CODE + i;
    }
    opterr = 0;
    optind = 0; /* GNU: begin anew, forgetting any earlier command line */
    int count = 0, code;
    bool help = false;
    while ((code = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        if (code == ':' || code == '?')
            return option_error(code, argv, error);
        if (code == 'h')
            help = true; /* one word may have many of them */
        else
            choices[count++] = (struct choice){code - FIRST_CODE, optarg};
    }
    if (help)
        choices[count++].row = settings_find("help");
    choices[count].row = -1;
    *first_operand = optind;
    return 0;
}

/* The last value given for a row, or NULL. */
static const char *last_value(const struct choice *choices, const char *name)
{
    const char *value = NULL;
    int row = settings_find(name);
    for (; choices->row >= 0; choices++) {
        if (choices->row == row)
            value = choices->value;
    }
    return value;
}

static int apply_choice(struct settings *settings, const struct choice *choice, struct error *error)
{
    struct error inner = {""};
    if (settings_set(settings, settings_table[choice->row].name, choice->value, &inner))
        return error_set(error, "--%s", inner.message);
    return 0;
}

/* A file; where there is none of that name, a recipe. A folder is no file. */
static int read_config(struct settings *settings, const char *config, struct error *error)
{
    size_t size;
    struct stat status;
    const bool there = stat(config, &status) == 0;
    const char *text = there && !S_ISDIR(status.st_mode) ? NULL : recipe_text(config, &size);
    if (text) {
        if (settings_read_recipe(settings, config, error))
            return -1;
        settings_came_from_recipe(settings, config);
        return 0;
    }
    if (settings_read(settings, config, error) == 0)
        return 0;
    if (there || strpbrk(config, "/."))
        return -1;
    char names[120] = "";
    for (int i = 0; recipe_name(i); i++)
        snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", i ? ", " : "", recipe_name(i));
    return error_set(error, "--config '%.60s': there is no such file, nor such a recipe; recipes are %s", config,
                     names);
}

/* The preset first, then the config file, then all else in order. */
static int apply(struct settings *settings, const struct choice *choices, struct error *error)
{
    const char *preset = last_value(choices, "preset"), *config = last_value(choices, "config");
    if (preset && apply_choice(settings, &(struct choice){settings_find("preset"), preset}, error))
        return -1;
    if (config && read_config(settings, config, error))
        return -1;
    for (; choices->row >= 0; choices++) {
        if (settings_table[choices->row].type != SETTING_PRESET && apply_choice(settings, choices, error))
            return -1;
    }
    return 0;
}

/* Options that would do nothing. A config file may have them: a session's settings.ini has all. */
static int check_augment(const struct settings *settings, const struct choice *choices, struct error *error)
{
    const enum augment_kind kind = settings->train.augment.kind;
    for (; kind != AUGMENT_STANDARD && choices->row >= 0; choices++)
        if (settings_table[choices->row].of_standard)
            return error_set(error, "--%s %.60s: only --augment standard reads it, and this is --augment %s",
                             settings_table[choices->row].name, choices->value, augment_words[kind]);
    return 0;
}

/* What a session is cannot change when it goes on; what may change while it trains can. */
static int check_fixed(const struct settings *before, const struct settings *after, struct error *error)
{
    char old[SETTINGS_VALUE_SIZE], new[SETTINGS_VALUE_SIZE];
    for (int i = 0; i < settings_count; i++) {
        const struct setting *row = &settings_table[i];
        if (row->change != SETTING_FIXED || live_find(row->name))
            continue;
        settings_get(before, row, old);
        settings_get(after, row, new);
        if (strcmp(old, new))
            return error_set(error, "--%s %.60s: a session keeps its %s (%.60s): start a new one", row->name, new,
                             row->name, old);
    }
    return 0;
}

static bool wants_help(const struct choice *choices)
{
    int help = settings_find("help");
    for (; choices->row >= 0; choices++) {
        if (choices->row == help)
            return true;
    }
    return false;
}

int settings_parse(struct settings *settings, enum settings_base base, int argc, char **argv, int *first_operand,
                   struct error *error)
{
    int result = -1;
    struct settings changed;
    struct choice *choices = calloc((size_t)argc + 1, sizeof *choices);
    if (!choices)
        return error_set(error, "out of memory");
    if (scan(argc, argv, choices, first_operand, error))
        goto out;
    if (wants_help(choices)) {
        settings->help = true;
        result = 0;
        goto out;
    }
    if (base == SETTINGS_NEW) {
        if (settings_default(&changed, error))
            goto out;
    } else {
        if (last_value(choices, "preset")) {
            error_set(error, "--preset: a session keeps its preset (%s): start a new one", settings->model.preset);
            goto out;
        }
        changed = *settings;
        changed.given = UINT64_C(1) << settings_find("preset"); /* so that a config file does not bring another */
    }
    if (apply(&changed, choices, error))
        goto out;
    if (base == SETTINGS_SESSION)
        strcpy(changed.origin, settings->origin);
    if (base == SETTINGS_SESSION ? check_fixed(settings, &changed, error) : check_augment(&changed, choices, error))
        goto out;
    settings_name_model(&changed);
    if (settings_validate(&changed, error))
        goto out;
    *settings = changed;
    result = 0;
out:
    free(choices);
    return result;
}

/* ---- Help ---- */

/* Prints words between `column` and `width`, going on at `column` of the next lines. */
static void print_wrapped(FILE *file, const char *text, int column, int width)
{
    int at = column;
    while (*text) {
        int length = (int)strcspn(text, " ");
        if (at > column && at + 1 + length > width) {
            fprintf(file, "\n%*s", column, "");
            at = column;
        } else if (at > column) {
            fputc(' ', file);
            at++;
        }
        fprintf(file, "%.*s", length, text);
        at += length;
        text += length + strspn(text + length, " ");
    }
    fputc('\n', file);
}

void setting_help(FILE *file, const struct setting *row, int width)
{
    int column = width < 70 ? 6 : 34;
    int used = fprintf(file, "  --%s%s%s", row->name, row->argument ? " " : "", row->argument ? row->argument : "");
    if (used > column - 2)
        fprintf(file, "\n%*s", column, "");
    else
        fprintf(file, "%*s", column - used, "");
    print_wrapped(file, row->help, column, width);
    const bool of_presets = row->type == SETTING_PRESET, of_recipes = strcmp(row->name, "config") == 0;
    const char *(*const name)(int) = of_presets ? model_preset_name : recipe_name;
    const char *(*const summary)(int) = of_presets ? model_preset_summary : recipe_summary;
    for (int i = 0; (of_presets || of_recipes) && name(i); i++) {
        fprintf(file, "%*s%-8s ", column, "", name(i));
        print_wrapped(file, summary(i), column + 9, width);
    }
}
