/* The language of the live screen: one table of commands with their arguments, help and keys. It feeds the parser, the
 * help, the completion, the keys and their bar, and the README's list. Pure: what a command does is the app's. */
#ifndef NFBENCH_TUI_COMMAND_H
#define NFBENCH_TUI_COMMAND_H

#include "base/error.h"
#include "engine/trainer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum action_kind {
    ACTION_LEARNING_RATE, /* number: the rate, or a factor when `relative` */
    ACTION_SET,           /* choice: which live_setting, -1: all; number: its new value when `on`, else it is shown */
    ACTION_UNDO,
    ACTION_AT,   /* never parsed: what comes is the action that is to wait, with `when` */
    ACTION_WHEN, /* the same */
    ACTION_PENDING,
    ACTION_CANCEL, /* count: the number of one that waits, -1: all */
    ACTION_NOTE,   /* word */
    ACTION_SOURCE, /* word: the file */
    ACTION_TOGGLE, /* pause when running, resume when paused */
    ACTION_PAUSE,
    ACTION_RESUME,
    ACTION_STEP, /* count */
    ACTION_STOP,
    ACTION_EVALUATE,
    ACTION_SAVE, /* word: a checkpoint's name, or empty */
    ACTION_LOAD, /* word: a checkpoint's name */
    ACTION_FORK, /* word: a session's name, or empty */
    ACTION_PROBE,
    ACTION_BACK,          /* count: the step, BACK_LAST when left out, or BACK_GOOD */
    ACTION_ON_DIVERGENCE, /* choice: an enum divergence_policy */
    ACTION_TRY,           /* trial */
    ACTION_LR_FIND,       /* trial */
    ACTION_ACCEPT,        /* number: the value, NAN: none was given; count: its number, 0: the best, -1: it is none */
    ACTION_DROP,
    ACTION_EXPORT, /* word: the file when `on`, else names of pictures (export.h), or empty */
    ACTION_SMOOTH, /* number in 0..1 */
    ACTION_LOG_AXIS,
    ACTION_AXIS,    /* choice: an enum curves_axis; -1: the next one */
    ACTION_OPEN,    /* word: a session's name or folder */
    ACTION_OVERLAY, /* word: a session's name; `on` false: none of them */
    ACTION_ZOOM,    /* count and number: the first and the last step */
    ACTION_FIT,
    ACTION_THEME,    /* choice; -1: the next one */
    ACTION_GLYPHS,   /* choice: an enum glyph_set */
    ACTION_GRAPHICS, /* choice: an enum graphics_mode */
    ACTION_IMAGES,   /* choice: an enum images_page; -1: the one shown last */
    ACTION_VIEW,     /* choice: an enum view; -1: the next one */
    ACTION_HELP,     /* word: a command's name, or empty */
    ACTION_MOUSE,    /* on */
    ACTION_REDRAW,
    ACTION_QUIT,
    ACTION_COUNT
};

struct action {
    enum action_kind kind;
    double number;
    bool relative;
    bool on;
    long count;
    int choice;            /* index of the word among the allowed ones; -1 when left out */
    struct condition when; /* WHEN_NOW, or what it waits for */
    struct trial_request trial;
    char word[256]; /* as long as the text: what stands in it fits */
    char text[256]; /* the command as the person wrote it, blanks trimmed */
};

enum argument_kind {
    ARGUMENT_NONE,
    ARGUMENT_RATE,     /* a number above 0, or xF: a factor */
    ARGUMENT_COUNT,    /* a whole number from 1; 1 when left out */
    ARGUMENT_BACK,     /* a step of the run, from 0, or good; BACK_LAST when left out */
    ARGUMENT_NAME,     /* of a checkpoint */
    ARGUMENT_SESSION,  /* the name of one, or off */
    ARGUMENT_RANGE,    /* two steps of the run, the second behind the first */
    ARGUMENT_FRACTION, /* 0 <= X < 1 */
    ARGUMENT_SWITCH,   /* on|off; on when left out */
    ARGUMENT_CHOICE,
    ARGUMENT_PICTURES, /* names of them (export.h), or a file that ends in .png */
    ARGUMENT_SETTING,  /* nothing, the name of a setting that may change, or name and value */
    ARGUMENT_AT,       /* a step and a command */
    ARGUMENT_WHEN,     /* a quantity, a relation, a number and a command */
    ARGUMENT_PENDING,  /* the number of a command that waits, or all */
    ARGUMENT_TRIAL,    /* NAME V1 V2 ... for N */
    ARGUMENT_RATES,    /* FROM TO for N; the usual ones when left out */
    ARGUMENT_CHOSEN,   /* the number or the value of what was tried; the best when left out */
    ARGUMENT_TEXT,
    ARGUMENT_FILE
};

enum { COMMAND_KEYS = 10 };

/* A key of the screen and the command line that it stands for. */
struct command_key {
    int key;          /* enum key of tui/keys.h, or a character; 0 behind the last */
    const char *name; /* as it is shown: "space" */
    const char *line; /* the command it runs */
    const char *hint; /* what the key bar says; NULL: the bar does not show it */
};

struct command_entry {
    const char *name, *alias; /* alias: NULL if none */
    enum action_kind action;
    enum argument_kind argument;
    bool optional;
    bool trainer;        /* goes to the trainer: there is nothing it can do once the run has ended */
    const char *usage;   /* of the argument: "X|xF"; empty for none */
    const char *help;    /* one line, no full stop */
    const char *example; /* a line that is understood; NULL: the name alone */
    /* The index-th allowed word of ARGUMENT_CHOICE, NULL behind the last. */
    const char *(*choice)(int index);
    struct command_key keys[COMMAND_KEYS];
};

/* The index-th command, NULL behind the last. */
const struct command_entry *command_at(int index);
/* By name or alias; NULL when there is none. */
const struct command_entry *command_find(const char *name);
/* The command line that a key stands for; NULL when the key does nothing. */
const struct command_key *command_for_key(int key);

/* Reads a line. An empty one is an error with an empty message. Unknown commands and words get a suggestion. */
int command_parse(const char *line, struct action *action, struct error *error);

/* The possible continuations of the word that begins at line[start] and ends at line[end]: names of commands, or values
 * of their argument. Fills up to `size` words (static strings) and returns how many; -1 where a file name is wanted and
 * none of the words fits. */
int command_complete(const char *line, int start, int end, const char **words, int size);

/* What an action asks of the trainer; -1 when it is none of the trainer's. `quit` is: the run's end. */
int command_for_trainer(const struct action *action, struct command *out, struct error *error);

/* The names that completion knows of, beside the static ones: those of the run's checkpoints. The newest stay. */
void command_know_name(const char *name);
void command_forget_names(void);

/* Whether an action only asks, and so can be answered without a screen: what is in force, what waits, help. */
bool command_is_asking(const struct action *action);

/* The settings that may change, as they are in force, a line each: the index-th live_setting, -1: all. */
void command_settings(const struct snapshot *now, int index, char *text, size_t size);
/* Those whose value is not that of `begun`: "momentum 0.8, agc 0.02"; empty: none. */
void command_changes(const struct snapshot *now, const struct train_options *begun, char *text, size_t size);
/* The commands that wait, with their numbers, a line each. */
void command_pending(const struct snapshot *now, char *text, size_t size);

/* Names that an argument can have only while the screen is open: those of sessions. NULL: none is known. */
void command_know_sessions(const char *(*word)(int index));

/* "lr X|xF" */
void command_usage(const struct command_entry *entry, char *text, size_t size);
/* Writes the table of commands and keys as Markdown, for the README. */
void command_markdown(FILE *file);

#endif
