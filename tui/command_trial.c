/* The commands of what-if trials, read: `try NAME V1 V2 ... for N`, `lrfind FROM TO for N`, `accept N|VALUE`. */
#include "tui/command_words.h"

#include "base/nearest.h"
#include "engine/live.h"
#include "engine/lr_find.h"
#include "sessions/settings.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TRY_STEPS = 100 };

/* The index-th setting that can be tried: a number that the next step goes by. */
static const char *trial_name(const void *context, int index)
{
    (void)context;
    for (int i = 0; live_setting(i); i++)
        if (live_setting(i)->type == LIVE_FLOAT && index-- == 0)
            return live_setting(i)->name;
    return NULL;
}

const char *command_trial_word(int index)
{
    return trial_name(NULL, index);
}

static int unknown_name(const char *name, struct error *error)
{
    const char *like = nearest_word(name, trial_name, NULL);
    char all[160] = "";

    if (like)
        return error_set(error, "'%s' cannot be tried: did you mean '%s'?", name, like);
    for (int i = 0; trial_name(NULL, i); i++)
        snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s", i ? ", " : "", trial_name(NULL, i));
    return error_set(error, "'%s' cannot be tried: there are %s", name, all);
}

/* The next word, also where a comma ends it; false behind the last. */
static bool next_word(const char **rest, char word[WORD_SIZE])
{
    static const char between[] = " \t,";

    *rest = command_split(*rest + strspn(*rest, between), between, word, WORD_SIZE);
    return *word;
}

/* "N" behind "for", and "steps" perhaps, then the end. */
static int read_steps(const char *rest, long least, long most, long *steps, struct error *error)
{
    char word[WORD_SIZE], *end = word;

    if (next_word(&rest, word))
        *steps = strtol(word, &end, 10);
    if (end == word || *end || *steps < least || *steps > most)
        return error_set(error, "for how many steps? A whole number, %ld to %ld: for 200", least, most);
    if (next_word(&rest, word) && (strcmp(word, "steps") != 0 || next_word(&rest, word)))
        return error_set(error, "'%s' is too much: the steps come last", word);
    return 0;
}

/* ---- try ---- */

/* By the table of settings, as on the command line; a factor's product is the trainer's to judge. */
static int check_value(const char *name, const char *word, struct error *error)
{
    struct settings scratch;

    return settings_default(&scratch, error) || settings_set(&scratch, name, word, error) ? -1 : 0;
}

static int read_value(const char *name, const char *word, struct trial_request *trial, struct error *error)
{
    bool relative = strchr("xX*", *word) != NULL;
    double *value = &trial->values[trial->count];

    if (trial->count == TRIAL_VALUES)
        return error_set(error, "these are more than %d values", TRIAL_VALUES);
    if (command_read_number(word + relative, value) || (relative && *value <= 0))
        return error_set(error, "'%s' is no value of %s: give numbers (0.01) or factors (x0.5)", word, name);
    if (!relative && check_value(name, word, error))
        return -1;
    trial->relative[trial->count++] = relative;
    return 0;
}

int command_read_try(const char *text, struct action *action, struct error *error)
{
    struct trial_request *trial = &action->trial;
    const struct live_setting *setting;
    char name[WORD_SIZE], word[WORD_SIZE];

    *trial = (struct trial_request){.steps = TRY_STEPS};
    next_word(&text, name);
    setting = live_find(name);
    if (!setting || setting->type != LIVE_FLOAT)
        return unknown_name(name, error);
    trial->setting = (int)setting->command;
    while (next_word(&text, word)) {
        if (strcmp(word, "for") == 0) {
            if (read_steps(text, 1, TRIAL_STEPS_MOST, &trial->steps, error))
                return -1;
            break;
        }
        if (read_value(name, word, trial, error))
            return -1;
    }
    return trial->count > 0 ? 0 : error_set(error, "try %s: which values? As in: try %s x0.5 x2 for 200", name, name);
}

/* ---- lrfind ---- */

int command_read_lr_find(const char *text, struct action *action, struct error *error)
{
    struct trial_request *trial = &action->trial;
    char word[WORD_SIZE];

    *trial = (struct trial_request){
        .setting = COMMAND_LEARNING_RATE, .values = {LR_FIND_FROM, LR_FIND_TO}, .steps = LR_FIND_STEPS};
    while (next_word(&text, word)) {
        if (strcmp(word, "for") == 0) {
            if (read_steps(text, LR_FIND_LEAST, LR_FIND_MOST, &trial->steps, error))
                return -1;
            break;
        }
        if (trial->count == 2)
            return error_set(error, "'%s' is too much: two rates, then: for N", word);
        if (command_read_number(word, &trial->values[trial->count]) || check_value("lr", word, error))
            return error_set(error, "'%s' is no learning rate: give two, from low to high: lrfind 1e-5 1", word);
        trial->count++;
    }
    if (trial->count == 1 || trial->values[0] <= 0 || trial->values[1] <= trial->values[0])
        return error_set(error, "two learning rates, from low to high: lrfind 1e-5 1");
    trial->count = 2;
    return 0;
}

/* ---- accept ---- */

int command_read_accept(const char *text, struct action *action, struct error *error)
{
    char word[WORD_SIZE];

    action->count = 0;
    action->number = NAN;
    if (!next_word(&text, word))
        return 0;
    if (command_read_number(word, &action->number) || next_word(&text, word))
        return error_set(error, "'%s' is neither a value that was tried nor its number", word);
    action->count = action->number >= 1 && action->number <= TRIAL_VALUES && action->number == floor(action->number)
                        ? (long)action->number
                        : -1;
    return 0;
}
