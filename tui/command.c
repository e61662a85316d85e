/* The table of commands, and what is found in it: names, keys, usage, the README's list. Adding a command is one row
 * here and one case in the app. */
#include "tui/command_words.h"

#include "sessions/settings.h"
#include "tui/curves.h"
#include "tui/graphics.h"
#include "tui/images.h"
#include "tui/keys.h"
#include "tui/layout.h"
#include "viz/theme.h"

#include <ctype.h>
#include <string.h>

static const char *theme_word(int index)
{
    const struct theme *theme = theme_at(index);

    return theme ? theme->name : NULL;
}

static const char *glyphs_word(int index)
{
    static const char *const words[] = {
        [GLYPHS_BRAILLE] = "braille", [GLYPHS_BLOCK] = "block", [GLYPHS_ASCII] = "ascii", NULL};

    return words[index];
}

static const char *divergence_word(int index)
{
    return setting_word(settings_row(settings_find("on-divergence")), index);
}

const char *command_word(int index)
{
    const struct command_entry *entry = command_at(index);

    return entry ? entry->name : NULL;
}

static const struct command_entry table[] = {
    {.name = "toggle",
     .action = ACTION_TOGGLE,
     .trainer = true,
     .help = "Pause when training, resume when paused",
     .keys = {{' ', "space", "toggle", "pause"}}},
    {.name = "pause", .action = ACTION_PAUSE, .trainer = true, .help = "Stop before the next step and wait"},
    {.name = "resume", .alias = "go", .action = ACTION_RESUME, .trainer = true, .help = "Go on training"},
    {.name = "step",
     .action = ACTION_STEP,
     .trainer = true,
     .argument = ARGUMENT_COUNT,
     .optional = true,
     .usage = "N",
     .example = "step 10",
     .help = "Train N steps (1 when left out), then pause",
     .keys = {{'s', "s", "step", "step"}}},
    {.name = "stop",
     .action = ACTION_STOP,
     .trainer = true,
     .help = "Save a checkpoint and end the run; the screen stays until quit"},
    {.name = "lr",
     .alias = "learning-rate",
     .action = ACTION_LEARNING_RATE,
     .trainer = true,
     .argument = ARGUMENT_RATE,
     .usage = "X|xF",
     .example = "lr x0.1",
     .help = "Set the peak learning rate to X, or multiply it by F (lr x0.1); the schedule goes on from there",
     .keys = {{'+', "+", "lr x1.25", "lr"},
              {'-', "-", "lr x0.8", "lr"},
              {'>', ">", "lr x1.25", NULL},
              {'<', "<", "lr x0.8", NULL}}},
    {.name = "set",
     .action = ACTION_SET,
     .trainer = true,
     .argument = ARGUMENT_SETTING,
     .optional = true,
     .usage = "NAME VALUE",
     .help = "Change a setting from the next step on (batch: from the next epoch on); with the name alone show it, "
             "without one show all that can change",
     .example = "set momentum 0.8"},
    {.name = "undo",
     .action = ACTION_UNDO,
     .trainer = true,
     .help = "Give the setting that was changed last the value it had before; again: the one before that"},
    {.name = "at",
     .action = ACTION_AT,
     .trainer = true,
     .argument = ARGUMENT_AT,
     .usage = "STEP COMMAND",
     .help = "Run a command when STEP steps are done, just before the next, whatever the screen does",
     .example = "at 2000 lr x0.1"},
    {.name = "when",
     .action = ACTION_WHEN,
     .trainer = true,
     .argument = ARGUMENT_WHEN,
     .usage = "Q < X COMMAND",
     .help =
         "Run a command once, as soon as Q is < (or <=, >, >=) X: loss, accuracy, gradient-norm of a step, val-loss, "
         "val-accuracy, step, epoch",
     .example = "when val-accuracy > 80% set augment none"},
    {.name = "pending", .action = ACTION_PENDING, .help = "Show the commands that wait by at and when, with numbers"},
    {.name = "cancel",
     .action = ACTION_CANCEL,
     .trainer = true,
     .argument = ARGUMENT_PENDING,
     .usage = "N|all",
     .help = "Forget the command that waits as number N, or all that wait",
     .example = "cancel all"},
    {.name = "note",
     .action = ACTION_NOTE,
     .trainer = true,
     .argument = ARGUMENT_TEXT,
     .usage = "TEXT",
     .help = "Keep a remark with the step, in the log and on the charts",
     .example = "note first try with more augmentation"},
    {.name = "source",
     .action = ACTION_SOURCE,
     .argument = ARGUMENT_FILE,
     .usage = "FILE",
     .help = "Run the commands of a file, a line each; lines that begin with # are comments",
     .example = "source warmup.nfb"},
    {.name = "eval",
     .alias = "evaluate",
     .action = ACTION_EVALUATE,
     .trainer = true,
     .help = "Measure accuracy now: on the images held out by --validation, else on the test set",
     .keys = {{'e', "e", "eval", "eval"}}},
    {.name = "save",
     .action = ACTION_SAVE,
     .trainer = true,
     .argument = ARGUMENT_NAME,
     .optional = true,
     .usage = "NAME",
     .example = "save before-the-drop",
     .help = "Write a checkpoint now; with a NAME it is kept for good, with the curves so far",
     .keys = {{'w', "w", "save", "save"}}},
    {.name = "load",
     .action = ACTION_LOAD,
     .trainer = true,
     .argument = ARGUMENT_NAME,
     .usage = "NAME",
     .example = "load before-the-drop",
     .help =
         "Go to the checkpoint saved as NAME, behind the run or ahead of it, and wait there; the curves are those of "
         "then"},
    {.name = "fork",
     .action = ACTION_FORK,
     .trainer = true,
     .argument = ARGUMENT_NAME,
     .optional = true,
     .usage = "NAME",
     .example = "fork lower-rate",
     .help = "Make another session that goes on from here, with the curves so far; this run goes on, too"},
    {.name = "open",
     .action = ACTION_OPEN,
     .argument = ARGUMENT_SESSION,
     .usage = "SESSION",
     .example = "open lower-rate",
     .help = "Leave this run, as quit does, and show another session here: attached where it trains, else resumed"},
    {.name = "back",
     .action = ACTION_BACK,
     .trainer = true,
     .argument = ARGUMENT_BACK,
     .optional = true,
     .usage = "STEP|good",
     .example = "back 500",
     .help =
         "Go back to before the last command that changed the run, to the bit, and wait there; to any STEP, which is "
         "made again (pause calls it off); or to the last good checkpoint (from a divergence always). What came "
         "behind is undone"},
    {.name = "probe",
     .action = ACTION_PROBE,
     .trainer = true,
     .help = "Measure the signal in every block now, as --probe-every does"},
    {.name = "on-divergence",
     .action = ACTION_ON_DIVERGENCE,
     .trainer = true,
     .argument = ARGUMENT_CHOICE,
     .usage = "WHAT",
     .choice = divergence_word,
     .example = "on-divergence rollback",
     .help = "At a step that is not finite from now on, after a resume too: pause, rollback or continue"},
    {.name = "try",
     .action = ACTION_TRY,
     .trainer = true,
     .argument = ARGUMENT_TRIAL,
     .usage = "NAME VALUES",
     .example = "try lr x0.5 x1 x2 for 200",
     .help = "Train N steps from here with each value (100 without `for N`), see as dotted lines what comes of it, and "
             "stand here again: lr, momentum, weight-decay, agc, label-smoothing, ema, mixup or cutmix; pause ends it "
             "early"},
    {.name = "lrfind",
     .action = ACTION_LR_FIND,
     .trainer = true,
     .argument = ARGUMENT_RATES,
     .optional = true,
     .usage = "FROM TO for N",
     .example = "lrfind 1e-4 1 for 200",
     .help = "Find a learning rate: the loss while it grows from 1e-5 to 1 over 100 steps, and stand here again"},
    {.name = "accept",
     .action = ACTION_ACCEPT,
     .trainer = true,
     .argument = ARGUMENT_CHOSEN,
     .optional = true,
     .usage = "VALUE|N",
     .example = "accept 2",
     .help = "Take what was tried or found, the best when left out, and go on as before"},
    {.name = "drop",
     .action = ACTION_DROP,
     .trainer = true,
     .help = "Take nothing of what was tried, and go on as before"},
    {.name = "view",
     .action = ACTION_VIEW,
     .argument = ARGUMENT_CHOICE,
     .optional = true,
     .usage = "NAME",
     .choice = view_word,
     .example = "view signal",
     .help = "Show overview, charts, blocks, block (one in detail), signal, gradients, images, runs, system or log, or "
             "one chart: loss, accuracy, learning-rate or gradient-norm; the next view when left out",
     .keys = {{KEY_CODE_TAB, "Tab", "view", "view"},
              {'1', "1", "view overview", NULL},
              {'2', "2", "view charts", NULL},
              {'3', "3", "view blocks", NULL},
              {'4', "4", "view signal", NULL},
              {'5', "5", "view gradients", NULL},
              {'6', "6", "view images", NULL},
              {'7', "7", "view runs", NULL},
              {'8', "8", "view system", NULL},
              {'0', "0", "view log", NULL}}},
    {.name = "images",
     .action = ACTION_IMAGES,
     .argument = ARGUMENT_CHOICE,
     .optional = true,
     .usage = "PAGE",
     .choice = images_page_name,
     .example = "images mistakes",
     .help =
         "Show images: augmentation (of the next batch), random, mistakes, losses, class, confusion or filters; the "
         "page shown last when left out"},
    {.name = "smooth",
     .action = ACTION_SMOOTH,
     .argument = ARGUMENT_FRACTION,
     .usage = "X",
     .example = "smooth 0.9",
     .help = "Smooth the training curves: weight of the past, 0 (none) to below 1; every value stays visible behind"},
    {.name = "log",
     .action = ACTION_LOG_AXIS,
     .argument = ARGUMENT_SWITCH,
     .optional = true,
     .usage = "on|off",
     .example = "log on",
     .help = "Logarithmic axis of the chosen chart, else of the loss; until it is chosen, where the values explode"},
    {.name = "axis",
     .action = ACTION_AXIS,
     .argument = ARGUMENT_CHOICE,
     .optional = true,
     .usage = "step|epoch|time",
     .choice = curves_axis_word,
     .example = "axis time",
     .help = "What the charts are drawn over: steps, epochs or training time; the next of them when left out"},
    {.name = "overlay",
     .action = ACTION_OVERLAY,
     .argument = ARGUMENT_SESSION,
     .usage = "SESSION|off",
     .example = "overlay 20260131-micro-1",
     .help = "Lay another session's curves over this run's, up to eight, or take them away again; off takes all away"},
    {.name = "zoom",
     .action = ACTION_ZOOM,
     .argument = ARGUMENT_RANGE,
     .usage = "FROM TO",
     .example = "zoom 100 500",
     .help = "Show these steps in the charts; while the newest is among them, those that come as well"},
    {.name = "fit", .action = ACTION_FIT, .help = "Show all steps in the charts"},
    {.name = "theme",
     .action = ACTION_THEME,
     .argument = ARGUMENT_CHOICE,
     .optional = true,
     .usage = "NAME",
     .choice = theme_word,
     .example = "theme light",
     .help = "Change the colours; the next theme when left out"},
    {.name = "glyphs",
     .action = ACTION_GLYPHS,
     .argument = ARGUMENT_CHOICE,
     .usage = "NAME",
     .choice = glyphs_word,
     .example = "glyphs block",
     .help = "Draw with braille, block (for fonts without braille) or ascii"},
    {.name = "graphics",
     .action = ACTION_GRAPHICS,
     .argument = ARGUMENT_CHOICE,
     .usage = "NAME",
     .choice = graphics_word,
     .example = "graphics cells",
     .help = "Draw images in pixels by kitty or sixel, or in cells; auto: as the terminal says that it can"},
    {.name = "export",
     .action = ACTION_EXPORT,
     .argument = ARGUMENT_PICTURES,
     .optional = true,
     .usage = "FILE|NAMES",
     .example = "export signal,loss",
     .help = "Write the screen and its charts as PNG pictures into the session's images folder, or the screen alone to "
             "FILE.png; or pictures by their names, as nfbench export does: export signal, export all"},
    {.name = "mouse",
     .action = ACTION_MOUSE,
     .argument = ARGUMENT_SWITCH,
     .optional = true,
     .usage = "on|off",
     .example = "mouse off",
     .help = "Take clicks and the wheel; off, the terminal selects text with them (which Shift does in most, too)"},
    {.name = "redraw",
     .action = ACTION_REDRAW,
     .help = "Draw the whole screen anew",
     .keys = {{KEY_CODE_REDRAW, "Ctrl-L", "redraw", NULL}}},
    {.name = "help",
     .action = ACTION_HELP,
     .argument = ARGUMENT_CHOICE,
     .optional = true,
     .usage = "COMMAND",
     .choice = command_word,
     .example = "help set",
     .help = "Show all commands and keys, or one command",
     .keys = {{'?', "?", "help", "help"}, {'h', "h", "help", NULL}}},
    {.name = "quit",
     .alias = "exit",
     .action = ACTION_QUIT,
     .help =
         "Save a checkpoint and leave; `nfbench resume --screen` goes on from it. A screen that is attached to another "
         "process's run leaves that as it is: stop ends it",
     .keys = {{'q', "q", "quit", "quit"}}},
};

enum { TABLE_ROWS = sizeof(table) / sizeof(*table) };

const struct command_entry *command_at(int index)
{
    return index >= 0 && index < TABLE_ROWS ? &table[index] : NULL;
}

/* `:q` is typed by habit: a letter that is a command's key names it, where the key does just that. */
static bool is_key_of(const struct command_entry *entry, const char *name)
{
    for (int k = 0; k < COMMAND_KEYS && entry->keys[k].key; k++)
        if (strlen(name) == 1 && isalpha((unsigned char)*name) && entry->keys[k].key == *name &&
            strcmp(entry->keys[k].line, entry->name) == 0)
            return true;
    return false;
}

const struct command_entry *command_find(const char *name)
{
    for (int i = 0; i < TABLE_ROWS; i++)
        if (strcasecmp(table[i].name, name) == 0 || (table[i].alias && strcasecmp(table[i].alias, name) == 0) ||
            is_key_of(&table[i], name))
            return &table[i];
    return NULL;
}

const struct command_key *command_for_key(int key)
{
    for (int i = 0; i < TABLE_ROWS; i++)
        for (int k = 0; k < COMMAND_KEYS && table[i].keys[k].key; k++)
            if (table[i].keys[k].key == key)
                return &table[i].keys[k];
    return NULL;
}

void command_usage(const struct command_entry *entry, char *text, size_t size)
{
    const char *usage = entry->usage ? entry->usage : "";

    if (!*usage)
        snprintf(text, size, "%s", entry->name);
    else
        snprintf(text, size, entry->optional ? "%s [%s]" : "%s %s", entry->name, usage);
}

/* Names of an entry's keys with a comma between. */
static void key_names(const struct command_entry *entry, char *text, size_t size)
{
    size_t used = 0;

    *text = 0;
    for (int k = 0; k < COMMAND_KEYS && entry->keys[k].key && used < size; k++) {
        const struct command_key *key = &entry->keys[k];

        used += (size_t)snprintf(text + used, size - used, "%s`%s`", used ? ", " : "", key->name);
        if (strcmp(key->line, entry->name) != 0 && used < size)
            used += (size_t)snprintf(text + used, size - used, " (%s)", key->line);
    }
}

void command_markdown(FILE *file)
{
    fputs("| command | keys | what it does |\n|---|---|---|\n", file);
    for (int i = 0; i < TABLE_ROWS; i++) {
        char usage[WORD_SIZE], keys[256];

        command_usage(&table[i], usage, sizeof(usage));
        for (char *bar = strchr(usage, '|'); bar; bar = strchr(bar + 1, '|'))
            *bar = '/'; /* a bar ends a cell of the table */
        key_names(&table[i], keys, sizeof(keys));
        fprintf(file, "| `%s` | %s | %s |\n", usage, keys, table[i].help);
    }
}
