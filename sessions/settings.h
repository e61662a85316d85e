/* Everything a person can choose about a run, as one table of rows. The table alone feeds the command line, INI files,
 * validation, --help and completion, so that a new setting is one row.
 *
 * Order of precedence: the preset's values are the base (wherever --preset stands), then --config FILE.ini (or a
 * recipe's name: recipes.h), then the options. A config file may name a preset too; --preset wins over it.
 *
 * Any other network than a preset's: `--family`, `--stem N` and `--stages LIST`, or the same keys under [model] in a
 * config file. LIST is stages separated by commas, each WIDTH/MIDxBLOCKS or WIDTH/MIDxBLOCKS/STRIDE: output width,
 * bottleneck width, number of blocks, stride of the first block (1 when left out). The report's network is
 *     [model]
 *     family = report
 *     stem = 16
 *     stages = 64/16x5, 128/32x5/2, 256/64x5/2
 * Such a network's preset is called "custom"; settings_network_name() says what it was before. */
#ifndef NFBENCH_SESSIONS_SETTINGS_H
#define NFBENCH_SESSIONS_SETTINGS_H

#include "base/error.h"
#include "engine/model.h"
#include "engine/options.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The preset when none is named. */
#define SETTINGS_PRESET "micro"

enum { SETTINGS_PATH_SIZE = 1024, SETTINGS_VALUE_SIZE = 1024, SETTINGS_DIGEST_SIZE = 65 };
enum { SETTINGS_ORIGIN_SIZE = 23, SETTINGS_NETWORK_SIZE = SETTINGS_ORIGIN_SIZE + sizeof ", changed" - 1 };

struct settings {
    struct model_spec model; /* model.preset is the preset's name */
    struct train_options train;
    char origin[SETTINGS_ORIGIN_SIZE];     /* what they began from: a preset, "recipe NAME", or "custom": not known */
    char data[SETTINGS_PATH_SIZE];         /* a folder, or "synthetic" */
    char session[SETTINGS_PATH_SIZE];      /* name of a new session; empty: made up */
    char sessions_dir[SETTINGS_PATH_SIZE]; /* empty: the default (see sessions_directory) */
    char config[SETTINGS_PATH_SIZE];       /* empty: none */
    bool tensorboard;                      /* write its events while a run trains */
    bool json, help;
    uint64_t given; /* bit i: row i was set by a config file or an option, not by the preset */
};

enum setting_type {
    SETTING_INT,
    SETTING_LONG,
    SETTING_UINT64,
    SETTING_FLOAT,
    SETTING_SWITCH, /* on|off, a bool */
    SETTING_CHOICE, /* an enum; one of `choices` */
    SETTING_TEXT,   /* a char array */
    SETTING_PRESET, /* one of model_preset_name() or "custom" */
    SETTING_ORIGIN, /* a preset, "recipe NAME" or "custom" */
    SETTING_STAGES, /* stage_count and stages of the model */
    SETTING_FLAG    /* a bool without an argument; command line only */
};

/* Which may change while it trains is in engine/live.h. */
enum setting_change {
    SETTING_FIXED, /* part of what the session is */
    SETTING_RESUME /* may differ when the session is resumed or tested */
};

struct setting {
    const char *name;     /* long option without the dashes, INI key */
    const char *section;  /* of the INI file and of --help: "model", "train", "run", "session" */
    const char *help;     /* one line, no full stop */
    const char *argument; /* "N", "X", "DIR", "on|off", "sgd|nesterov"; NULL for a flag */
    enum setting_type type;
    enum setting_change change;
    bool saved;          /* written to settings.ini */
    bool file_only;      /* no option: what the data decides */
    bool of_standard;    /* of the standard augmentation: beside another it does nothing */
    size_t offset, size; /* in struct settings; size of the char array of SETTING_TEXT */
    double minimum,
        maximum; /* of numbers; allowed values are [minimum, maximum], open at the bottom if above_minimum */
    bool above_minimum;
    bool automatic;             /* of SETTING_LONG: the word "auto" is allowed, too, for -1 */
    const char *implied;        /* of a row that is younger than some sessions: what they did without it; else NULL */
    const char *const *choices; /* of SETTING_CHOICE, NULL-terminated, in the enum's order */
    int numbered; /* of SETTING_CHOICE: the last word may go on with a colon and a number up to this one, which is added
                   * to its place in the enum; 0: it may not */
};

/* The index-th row; NULL behind the last. */
const struct setting *settings_row(int index);
/* Index of the row of that name, -1 when there is none. */
int settings_find(const char *name);
/* The setting's index-th allowed word, for completion (choices, switches, presets); NULL behind the last or none. */
const char *setting_word(const struct setting *row, int index);

/* SETTINGS_PRESET's values and data "synthetic". */
int settings_default(struct settings *settings, struct error *error);

enum settings_base {
    SETTINGS_NEW,    /* begin with settings_default() */
    SETTINGS_SESSION /* begin with what `settings` holds (a session's); SETTING_FIXED rows are refused */
};

/* Reads a command line; argv[0] is skipped. Options may stand before and after operands: argv is permuted so that the
 * operands are argv[*first_operand] .. argv[argc - 1]. `--` ends the options. The result is validated. Errors are one
 * line naming option, value and what is allowed; an unknown option gets the nearest name. When --help is among the
 * options only `help` is set. Uses getopt_long, so one thread at a time. */
int settings_parse(struct settings *settings, enum settings_base base, int argc, char **argv, int *first_operand,
                   struct error *error);

/* Sets one row from text ("lr", "0.1"); `settings` is unchanged on error. Setting the preset replaces the model and
 * training options by the preset's. */
int settings_set(struct settings *settings, const char *name, const char *value, struct error *error);
/* The row's value as text, as settings_set reads it back to the same bits. */
void settings_get(const struct settings *settings, const struct setting *row, char value[SETTINGS_VALUE_SIZE]);
/* A row's value as a number and back: those of numbers, switches and choices (an enum's number). What a text may be is
 * checked as settings_set does. */
int setting_number(const struct setting *row, const char *value, double *number, struct error *error);
void setting_text(const struct setting *row, double number, char value[SETTINGS_VALUE_SIZE]);
bool settings_given(const struct settings *settings, const char *name);

/* What a network is called before people: "micro", "micro, changed" (family, stem or stages are others), "recipe fast",
 * "recipe fast, changed" (something that the recipe says, or its network, is another); "custom" where an older nfbench
 * has not recorded what it began from. */
void settings_network_name(const struct settings *settings, char text[SETTINGS_NETWORK_SIZE]);
/* What they began from: the preset's settings, or the recipe's; SETTINGS_PRESET's where it is not known. */
int settings_of_origin(const struct settings *settings, struct settings *base, struct error *error);
/* The name of the recipe that they began from; NULL: of none. */
const char *settings_recipe(const struct settings *settings);

/* Checks what no single row can (model_validate). */
int settings_validate(const struct settings *settings, struct error *error);

/* Reads an INI file over what is there, its preset (if any) first. Errors name file and line; errno is EBADMSG when the
 * file's content is at fault, ENOTSUP when a newer nfbench wrote it. */
int settings_read(struct settings *settings, const char *path, struct error *error);
int settings_read_stream(struct settings *settings, FILE *file, const char *path, struct error *error);
/* False when the file has a checksum that does not fit: it was changed by hand, or is damaged. */
bool settings_are_as_written(const char *path);
/* The text of such a file: all settings that a session keeps, with a format number and a checksum. */
struct text;
int settings_format(const struct settings *settings, struct text *text, struct error *error);
/* Writes all saved rows as an INI file, by a temporary file and rename. */
int settings_write(const struct settings *settings, const char *path, struct error *error);
/* SHA-256 in hexadecimal of the saved rows that are SETTING_FIXED: equal for sessions that are the same experiment. */
void settings_digest(const struct settings *settings, char digest[SETTINGS_DIGEST_SIZE]);

/* A row as --help shows it: its name, argument and help; of presets and recipes also what there is. Rows that are no
 * setting, such as a subcommand's own option, may be shown too: name, argument and help alone count. `width`: columns
 * of the terminal (at least 40). */
void setting_help(FILE *file, const struct setting *row, int width);

/* "64/16x5, 128/32x5/2": see above. */
int stages_parse(const char *text, struct model_spec *spec, struct error *error);
void stages_format(const struct model_spec *spec, char text[SETTINGS_VALUE_SIZE]);

#endif
