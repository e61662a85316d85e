/* The subcommands of the command line: what each of them takes, as rows of a table, and what they share. A row feeds
 * dispatch, parsing and help. Options that mean nothing to a subcommand are refused, not passed over. */
#ifndef NFBENCH_TUI_CLI_H
#define NFBENCH_TUI_CLI_H

#include "engine/step_time.h"
#include "engine/tta.h"
#include "sessions/settings.h"

#include <jansson.h>
#include <time.h>

#define CLI_VERSION "0.1.0"
/* The same with the commit that it was built of, where that is known: "0.1.0 at 1a2b3c4", with a + behind it where
 * files were not as in the commit. (version.c) */
const char *cli_version(void);

/* Exit codes of the program. */
enum cli_status { CLI_DONE = 0, CLI_FAILED = 1, CLI_USAGE = 2, CLI_INTERRUPTED = 130 };

enum { CLI_OPTIONS = 18, CLI_VALUE_SIZE = 64, CLI_AXES = 16, CLI_REPEATS = 16 };

/* An option of one subcommand alone; the others are settings. Without a help it is another name of the one before it.
 */
struct cli_option {
    const char *name, *argument, *help;
};

/* All that may change while a run trains (engine/live.h). */
#define CLI_LIVE "@live"

struct cli;

/* What several processes do that a launcher started at once (engine/dist.h). */
enum cli_ranks {
    RANKS_FIRST,    /* the first does it alone */
    RANKS_TOGETHER, /* they train the run together, the first leading */
    RANKS_EACH      /* each does it by itself */
};

struct cli_command {
    const char *name;     /* empty: `nfbench` alone */
    const char *operands; /* "SESSION", for the help */
    const char *summary;  /* one line, no full stop */
    const char *about;    /* more of it for `help NAME`; may be empty */
    /* The settings it takes, separated by blanks: names, "@SECTION" for all of a section, CLI_LIVE, "*" for all,
     * "-NAME" for all but that one. The last word that fits decides. */
    const char *settings;
    struct cli_option options[CLI_OPTIONS]; /* up to a NULL name */
    int min_operands, max_operands;
    bool axes; /* its settings may have several values: those go to cli->axes */
    enum cli_ranks ranks;
    enum cli_status (*main)(struct cli *cli);
};

/* A setting with several values, as it was given. */
struct cli_axis {
    const char *name, *text;
};

/* A command line, taken apart. */
struct cli {
    const struct cli_command *command;
    struct settings settings;        /* over the defaults; what a session brings is under cli_session_settings */
    const char *values[CLI_OPTIONS]; /* of the command's own options, the last of each; NULL: not given */
    struct {
        int option; /* of the command's own */
        const char *value;
    } given[CLI_REPEATS]; /* ... all of them, in their order */
    int given_count;
    char **operands;
    int operand_count;
    struct cli_axis axes[CLI_AXES]; /* in their order */
    int axis_count;
    char **arguments; /* the settings among the arguments, as settings_parse takes them; owned */
    int argument_count;
};

/* ---- Parsing and help (cli_options.c) ---- */

/* Takes the arguments behind the subcommand apart. On success cli->settings.help says that --help was among them. */
int cli_parse(struct cli *cli, const struct cli_command *command, int argc, char **argv, struct error *error);
void cli_free(struct cli *cli);
/* The value of the command's own option, NULL when not given. */
const char *cli_value(const struct cli *cli, const char *option);
/* All values of an option that may be given several times, in their order; how many. */
int cli_values(const struct cli *cli, const char *option, const char *values[CLI_REPEATS]);
/* The same as a whole number of least..most; `otherwise` when not given. */
int cli_number(const struct cli *cli, const char *option, long otherwise, long least, long most, long *out,
               struct error *error);
/* Which checkpoint of a session --checkpoint names: last, best, good, a step or a name; `otherwise` when it is not
 * given.
 */
struct checkpoint_choice;
int cli_choice(const struct cli *cli, const char *option, long otherwise, struct checkpoint_choice *out,
               struct error *error);
int cli_checkpoint(const struct cli *cli, long otherwise, struct checkpoint_choice *out, struct error *error);
/* Which images --split names: "test" (when it is not given), "validation" or "train". */
int cli_split(const struct cli *cli, const char **out, struct error *error);
/* The test-time averaging that --tta names: none (when it is not given) or flip. */
int cli_tta(const struct cli *cli, enum tta_kind *out, struct error *error);
/* The weights that --weights names: ema or raw; NULL when it is not given. */
int cli_weights(const struct cli *cli, const char **out, struct error *error);
/* Chooses by them: *averaged says whether the session has averaged ones, and then whether these are meant. */
struct session;
int cli_choose_weights(const char *weights, const struct session *session, bool *averaged, struct error *error);
/* -1 unless the name of a picture (NULL: none is wanted) ends in .png. */
int cli_check_png(const char *path, struct error *error);
/* True when the setting stands on this command line (a config file does not count). */
bool cli_given(const struct cli *cli, const char *setting);
/* Lays the settings of the command line over those of a session. */
int cli_over_session(const struct cli *cli, struct settings *settings, struct error *error);
bool cli_takes(const struct cli_command *command, const struct setting *row);
void cli_help(const struct cli_command *command, FILE *file);
/* The columns of help: the terminal's, 80 where a stream goes to none. */
int cli_help_width(FILE *file);
/* Words from where the line is, at `column`, on; broken before `width`, the next lines begin at `column`. */
void cli_paragraph(FILE *file, const char *text, int column, int width);

/* Runs a command by `run` on those ranks that it is for (cli_ranks.c); `whole`: the program's own arguments. */
enum cli_status cli_on_ranks(const struct cli_command *command, int argc, char **argv, char **whole,
                             enum cli_status (*run)(const struct cli_command *command, int argc, char **argv));

/* ---- Output (cli_output.c). Standard output is for results, standard error for notes and progress ---- */

/* "nfbench NAME: message" on standard error. Returns CLI_FAILED, or CLI_USAGE. */
enum cli_status cli_failed(const struct cli *cli, const struct error *error);
enum cli_status cli_usage(const struct cli *cli, const struct error *error);
/* The width of the terminal that a stream goes to; `otherwise` when it goes to none. */
int cli_columns(FILE *file, int otherwise);
/* "2026-11-27 10:12", by the clock on the wall here. */
void cli_time_words(time_t time, char text[CLI_VALUE_SIZE]);
/* "note: text" on standard error; nothing when it is empty. */
void cli_note(const char *text);
struct training_state;
/* A note where the checkpoint was taken without being asked for and another is the best. */
void cli_note_best(const struct cli *cli, const struct training_state *state);
/* A note where the best checkpoint was taken without being asked for and the run has gone on to the step `last`. Behind
 * it stands how to have the last one, or nothing. */
void cli_note_last(const struct cli *cli, const struct training_state *taken, long last, const char *how);
/* The result of --json: one line. Takes the reference; NULL means that memory ran out while it was made. */
enum cli_status cli_print_json(const struct cli *cli, json_t *object);
/* A text for JSON, which knows only UTF-8: in one that is not, such as a path from elsewhere, other bytes become '?'.
 */
json_t *cli_json_text(const char *text);
/* A number for JSON: null when it is not finite or, for a loss or a fraction, negative (not measured). */
json_t *cli_json_number(double value);
json_t *cli_json_loss(double value);
json_t *cli_json_fraction(double value);
/* Milliseconds of a step by its parts: {"data": 0.1, "forward": 12.3, ...} */
json_t *cli_json_step_time(const struct step_time *time);
/* The findings of a session's log: an array of objects; NULL without memory. */
struct metrics;
json_t *cli_json_findings(const struct metrics *metrics);
/* At the program's end: what was written to standard output has arrived, or nobody listens; else says why and returns
 * CLI_FAILED in place of `status`. */
enum cli_status cli_finish(enum cli_status status);

/* Lays the command line of `resume` or `fork` over the settings of the session. Those that may change while a run
 * trains stay there as they are, and become changes of the request: commands of the run, recorded with their step. */
struct run_request;
int cli_change_session(const struct cli *cli, struct settings *settings, struct run_request *request,
                       struct error *error);

/* The run of the request on the live screen (cli_screen.c). */
enum cli_status cli_show(struct cli *cli, const struct run_request *request);

/* ---- The subcommands ---- */
enum cli_status cli_screen(struct cli *cli);  /* cli_screen.c */
enum cli_status cli_attach(struct cli *cli);  /* cli_screen.c */
enum cli_status cli_train(struct cli *cli);   /* cli_train.c */
enum cli_status cli_resume(struct cli *cli);  /* cli_train.c */
enum cli_status cli_fork(struct cli *cli);    /* cli_fork.c */
enum cli_status cli_replay(struct cli *cli);  /* cli_replay.c */
enum cli_status cli_test(struct cli *cli);    /* cli_test.c */
enum cli_status cli_predict(struct cli *cli); /* cli_predict.c */
enum cli_status cli_export(struct cli *cli);  /* cli_export.c */
enum cli_status cli_report(struct cli *cli);  /* cli_report.c */
enum cli_status cli_import(struct cli *cli);  /* cli_import.c */
enum cli_status cli_probe(struct cli *cli);   /* cli_probe.c */
enum cli_status cli_lr_find(struct cli *cli);
enum cli_status cli_tune(struct cli *cli);     /* cli_tune.c */
enum cli_status cli_bench(struct cli *cli);    /* cli_bench.c */
enum cli_status cli_sessions(struct cli *cli); /* cli_sessions.c */
enum cli_status cli_doctor(struct cli *cli);   /* cli_doctor.c */
enum cli_status cli_fetch(struct cli *cli);    /* cli_fetch.c */

#endif
