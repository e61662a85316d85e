/* Command lines taken apart, and their help; see cli.h. The settings' table and a subcommand's row are the only
 * sources. What the settings' own parser need not know (a subcommand's own options, which settings it takes) is dealt
 * with here; values are then read by settings_parse, once over the defaults, once over a session's settings. */
#include "base/nearest.h"
#include "engine/live.h"
#include "sessions/session.h"
#include "sessions/tune.h"
#include "tui/cli.h"
#include "tui/device.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* getopt_long's codes: of row i ROW + i, behind all characters (it says ':' and '?' itself); of the command's own. */
enum { MOST_OPTIONS = 128, ROW = 256, OWN = 1000 };

/* ---- Which settings a subcommand takes ---- */

static bool word_fits(const char *word, size_t length, const struct setting *row)
{
    if (length == 1 && *word == '*')
        return true;
    if (length == strlen(CLI_LIVE) && strncmp(word, CLI_LIVE, length) == 0)
        return live_find(row->name) != NULL;
    const char *name = *word == '@' ? row->section : row->name;
    if (*word == '@') {
        word++;
        length--;
    }
    return strlen(name) == length && strncmp(word, name, length) == 0;
}

bool cli_takes(const struct cli_command *command, const struct setting *row)
{
    bool takes = strcmp(row->name, "help") == 0;
    if (row->file_only)
        return false;
    for (const char *word = command->settings; *word; word += strspn(word, " ")) {
        bool without = *word == '-';
        word += without;
        size_t length = strcspn(word, " ");
        if (word_fits(word, length, row))
            takes = !without;
        word += length;
    }
    return takes;
}

static int own_option(const struct cli_command *command, const char *name)
{
    for (int i = 0; i < CLI_OPTIONS && command->options[i].name; i++)
        if (strcmp(command->options[i].name, name) == 0)
            return i;
    return -1;
}

/* The index-th option that a command takes, settings and its own; NULL behind the last. */
static const char *option_taken(const void *context, int index)
{
    const struct cli_command *command = context;
    const struct setting *row;
    for (int i = 0; (row = settings_row(i)); i++)
        if (cli_takes(command, row) && own_option(command, row->name) < 0 && index-- == 0)
            return row->name;
    return index < CLI_OPTIONS ? command->options[index].name : NULL;
}

/* ---- Parsing ---- */

/* The options as getopt_long wants them: all settings, so that one which is not taken can be told from one that does
 * not exist, and the command's own in front of those of the same name. */
static void long_options(const struct cli_command *command, struct option out[MOST_OPTIONS + 1])
{
    int count = 0;
    const struct setting *row;
    for (int i = 0; i < CLI_OPTIONS && command->options[i].name; i++) {
        const struct cli_option *own = &command->options[i];
        out[count++] = (struct option){own->name, own->argument ? required_argument : no_argument, NULL, OWN + i};
    }
    for (int i = 0; (row = settings_row(i)) && count < MOST_OPTIONS; i++)
        if (!row->file_only && own_option(command, row->name) < 0)
            out[count++] = (struct option){row->name, row->argument ? required_argument : no_argument, NULL, ROW + i};
    out[count] = (struct option){0};
}

static const char *shown(const struct cli_command *command)
{
    return *command->name ? command->name : "the screen";
}

static int unknown_option(const struct cli_command *command, const char *token, struct error *error)
{
    char name[CLI_VALUE_SIZE];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(token + strspn(token, "-"), "="), token + strspn(token, "-"));
    const char *near = nearest_word(name, option_taken, command);
    for (int i = 0; !near && *name && option_taken(command, i); i++)
        if (strncmp(option_taken(command, i), name, strlen(name)) == 0)
            near = option_taken(command, i);
    if (near)
        return error_set(error, "unknown option %.60s: did you mean --%s?", token, near);
    return error_set(error, "unknown option %.60s: `nfbench%s%s --help` lists what there is", token,
                     *command->name ? " " : "", command->name);
}

/* Adds "--NAME" or "--NAME=VALUE" to the arguments for settings_parse. */
static int keep_setting(struct cli *cli, const char *name, const char *value, struct error *error)
{
    char *text = NULL;
    if (asprintf(&text, value ? "--%s=%s" : "--%s", name, value) < 0)
        return error_set(error, "out of memory");
    cli->arguments[cli->argument_count++] = text;
    return 0;
}

static int keep_axis(struct cli *cli, const char *name, const char *text, struct error *error)
{
    for (int i = 0; i < cli->axis_count; i++)
        if (strcmp(cli->axes[i].name, name) == 0)
            return error_set(error, "--%s is given twice", name);
    if (cli->axis_count == CLI_AXES)
        return error_set(error, "too many settings with several values");
    cli->axes[cli->axis_count++] = (struct cli_axis){name, text};
    return 0;
}

static int keep_own(struct cli *cli, int index, struct error *error)
{
    const char *value = optarg ? optarg : "";
    if (cli->given_count == CLI_REPEATS)
        return error_set(error, "--%s: there are too many options", cli->command->options[index].name);
    while (!cli->command->options[index].help)
        index--;
    cli->values[index] = value;
    cli->given[cli->given_count].option = index;
    cli->given[cli->given_count++].value = value;
    return 0;
}

/* Where a run goes on, of what a session keeps it is said why. */
static int refuse_setting(const struct cli_command *command, const struct setting *row, struct error *error)
{
    if (!strstr(command->settings, CLI_LIVE) || !row->saved)
        return error_set(error, "--%s means nothing to %s", row->name, shown(command));
    return error_set(error, "--%s cannot change in a %s: %s; train anew", row->name, command->name,
                     strcmp(row->section, "model") == 0 ? "it makes another network"
                                                        : "a run keeps it from its beginning to its end");
}

static int take_option(struct cli *cli, int option, struct error *error)
{
    if (option >= OWN)
        return keep_own(cli, option - OWN, error);
    const struct setting *row = settings_row(option - ROW);
    if (!cli_takes(cli->command, row))
        return refuse_setting(cli->command, row, error);
    if (cli->command->axes && optarg && tune_is_axis(row, optarg))
        return keep_axis(cli, row->name, optarg, error);
    return keep_setting(cli, row->name, optarg, error);
}

static const struct option *option_named(const struct option *options, const char *name, size_t length)
{
    for (; options->name; options++)
        if (strlen(options->name) == length && strncmp(options->name, name, length) == 0)
            return options;
    return NULL;
}

/* getopt_long takes the beginning of a name for the whole of it: `--checkpoint` would be `--checkpoint-every`. */
static int check_names(const struct cli *cli, const struct option *options, int argc, char **argv, struct error *error)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strncmp(argv[i], "--", 2) != 0)
            continue;
        const size_t length = strcspn(argv[i] + 2, "=");
        const struct option *option = option_named(options, argv[i] + 2, length);
        if (!option)
            return unknown_option(cli->command, argv[i], error);
        i += option->has_arg == required_argument && argv[i][2 + length] == '\0'; /* its value, whatever it is */
    }
    return 0;
}

static int take_options(struct cli *cli, int argc, char **argv, struct error *error)
{
    struct option options[MOST_OPTIONS + 1];
    bool help = false;
    long_options(cli->command, options);
    if (check_names(cli, options, argc, argv, error) != 0)
        return -1;
    optind = 0; /* getopt starts anew */
    opterr = 0;
    for (;;) {
        int option = getopt_long(argc, argv, ":h", options, NULL);
        if (option == -1)
            break;
        if (option == ':')
            return error_set(error, "%s needs a value", argv[optind - 1]);
        if (option == '?' && optopt >= OWN)
            return error_set(error, "--%s takes no value", cli->command->options[optopt - OWN].name);
        if (option == '?' && optopt && strncmp(argv[optind - 1], "--", 2) == 0)
            return error_set(error, "--%s takes no value", settings_row(optopt - ROW)->name);
        if (option == '?')
            return unknown_option(cli->command, argv[optind - 1], error);
        if (option == 'h')
            help = true; /* one word may have many of them */
        else if (take_option(cli, option, error) != 0)
            return -1;
    }
    if (help && keep_setting(cli, "help", NULL, error) != 0)
        return -1;
    cli->operands = argv + optind;
    cli->operand_count = argc - optind;
    return 0;
}

static int check_operands(const struct cli *cli, struct error *error)
{
    const struct cli_command *command = cli->command;
    if (cli->operand_count > command->max_operands)
        return error_set(error, "%s does not take '%.100s': is it the value of an option?", shown(command),
                         cli->operands[command->max_operands]);
    if (cli->operand_count < command->min_operands)
        return error_set(error, "%s needs %s", command->name, command->operands);
    return 0;
}

/* settings_parse permutes what it is given, so it gets the kept arguments, which it leaves as they are: they hold no
 * operand. */
static int parse_kept(const struct cli *cli, struct settings *settings, enum settings_base base, struct error *error)
{
    int first_operand;
    return settings_parse(settings, base, cli->argument_count, cli->arguments, &first_operand, error);
}

/* On a GPU, runs of which no network was said train the report's: the settings are read again with that preset. */
static int prefer_preset_of_gpu(struct cli *cli, struct error *error)
{
    const struct settings *settings = &cli->settings;
    struct device_choice choice;
    const struct setting *preset = settings_row(settings_find("preset"));
    if (settings->help || cli->command->min_operands > 0 || !cli_takes(cli->command, preset) ||
        settings_given(settings, "preset") || strcmp(settings->model.preset, SETTINGS_PRESET) != 0 ||
        device_choose(settings->train.device, &choice, NULL) != 0 || !device_is_gpu(choice.kind))
        return 0;
    if (keep_setting(cli, "preset", "report", error) != 0)
        return -1;
    return parse_kept(cli, &cli->settings, SETTINGS_NEW, error);
}

int cli_parse(struct cli *cli, const struct cli_command *command, int argc, char **argv, struct error *error)
{
    *cli = (struct cli){.command = command};
    cli->arguments = calloc((size_t)argc + 2, sizeof *cli->arguments);
    if (!cli->arguments || !(cli->arguments[0] = strdup("nfbench")))
        return error_set(error, "out of memory");
    cli->argument_count = 1;
    if (take_options(cli, argc, argv, error) != 0 || parse_kept(cli, &cli->settings, SETTINGS_NEW, error) != 0)
        return -1;
    if (prefer_preset_of_gpu(cli, error) != 0)
        return -1;
    if (cli->settings.help)
        return 0;
    if (cli_takes(command, settings_row(settings_find("precision"))) &&
        device_check_precision(&cli->settings.train, error) != 0)
        return -1;
    return check_operands(cli, error);
}

void cli_free(struct cli *cli)
{
    for (int i = 0; i < cli->argument_count; i++)
        free(cli->arguments[i]);
    free(cli->arguments);
}

int cli_over_session(const struct cli *cli, struct settings *settings, struct error *error)
{
    return parse_kept(cli, settings, SETTINGS_SESSION, error);
}

const char *cli_value(const struct cli *cli, const char *option)
{
    int index = own_option(cli->command, option);
    return index < 0 ? NULL : cli->values[index];
}

int cli_values(const struct cli *cli, const char *option, const char *values[CLI_REPEATS])
{
    const int index = own_option(cli->command, option);
    int count = 0;
    for (int i = 0; i < cli->given_count; i++)
        if (cli->given[i].option == index)
            values[count++] = cli->given[i].value;
    return count;
}

int cli_number(const struct cli *cli, const char *option, long otherwise, long least, long most, long *out,
               struct error *error)
{
    const char *text = cli_value(cli, option);
    char *end = NULL;
    errno = 0;
    *out = text ? strtol(text, &end, 10) : otherwise;
    if (text && (errno || end == text || *end || *out < least || *out > most))
        return error_set(error, "--%s %.60s: must be a whole number from %ld to %ld", option, text, least, most);
    return 0;
}

int cli_choice(const struct cli *cli, const char *option, long otherwise, struct checkpoint_choice *out,
               struct error *error)
{
    static const struct {
        const char *word;
        long which;
    } words[] = {{"last", CHECKPOINT_LATEST}, {"best", CHECKPOINT_BEST}, {"good", CHECKPOINT_GOOD}};
    const char *text = cli_value(cli, option);
    *out = (struct checkpoint_choice){.which = otherwise};
    if (!text)
        return 0;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(text, words[i].word) == 0) {
            out->which = words[i].which;
            return 0;
        }
    if (cli_number(cli, option, 0, 0, LONG_MAX, &out->which, NULL) == 0)
        return 0;
    if (session_check_checkpoint_name(text, NULL) != 0)
        return error_set(error, "--%s %.60s: must be last, best, good, a step or a name", option, text);
    out->which = CHECKPOINT_NAMED;
    snprintf(out->name, sizeof out->name, "%s", text);
    return 0;
}

int cli_checkpoint(const struct cli *cli, long otherwise, struct checkpoint_choice *out, struct error *error)
{
    return cli_choice(cli, "checkpoint", otherwise, out, error);
}

int cli_split(const struct cli *cli, const char **out, struct error *error)
{
    const char *part = cli_value(cli, "split");
    *out = part ? part : "test";
    if (strcmp(*out, "test") != 0 && strcmp(*out, "validation") != 0 && strcmp(*out, "train") != 0)
        return error_set(error, "--split %.60s: must be test, validation or train", part);
    return 0;
}

int cli_tta(const struct cli *cli, enum tta_kind *out, struct error *error)
{
    const char *kind = cli_value(cli, "tta");
    *out = kind && strcmp(kind, "flip") == 0 ? TTA_FLIP : TTA_NONE;
    if (kind && strcmp(kind, tta_name(*out)) != 0)
        return error_set(error, "--tta %.60s: must be none or flip", kind);
    return 0;
}

int cli_weights(const struct cli *cli, const char **out, struct error *error)
{
    *out = cli_value(cli, "weights");
    if (*out && strcmp(*out, "ema") != 0 && strcmp(*out, "raw") != 0)
        return error_set(error, "--weights %.60s: must be ema or raw", *out);
    return 0;
}

int cli_choose_weights(const char *weights, const struct session *session, bool *averaged, struct error *error)
{
    if (weights && strcmp(weights, "ema") == 0 && !*averaged)
        return error_set(error, "session %s keeps no averaged weights (--ema)", session_name(session));
    *averaged = *averaged && !(weights && strcmp(weights, "raw") == 0);
    return 0;
}

int cli_check_png(const char *path, struct error *error)
{
    const size_t length = path ? strlen(path) : 0;
    return path && (length < 5 || strcmp(path + length - 4, ".png") != 0)
               ? error_set(error, "--png %.200s: the figure is a PNG file: its name must end in .png", path)
               : 0;
}

bool cli_given(const struct cli *cli, const char *setting)
{
    size_t length = strlen(setting);
    for (int i = 1; i < cli->argument_count; i++)
        if (strncmp(cli->arguments[i] + 2, setting, length) == 0 && strchr("=", cli->arguments[i][2 + length]))
            return true;
    return false;
}

/* ---- Help ---- */

int cli_help_width(FILE *file)
{
    enum { UNKNOWN = 80, LEAST = 40 };
    const int columns = cli_columns(file, UNKNOWN);
    return columns >= LEAST ? columns : UNKNOWN;
}

static void help_settings(const struct cli_command *command, FILE *file, int width)
{
    const char *section = "";
    const struct setting *row;
    for (int i = 0; (row = settings_row(i)); i++) {
        if (!cli_takes(command, row) || own_option(command, row->name) >= 0)
            continue;
        if (strcmp(section, row->section) != 0)
            fprintf(file, "\n%c%s:\n", *row->section - 'a' + 'A', row->section + 1);
        section = row->section;
        setting_help(file, row, width);
    }
}

void cli_paragraph(FILE *file, const char *text, int column, int width)
{
    for (int at = column; *text; text += strspn(text, " ")) {
        const int length = (int)strcspn(text, " ");
        const bool first = at == column, fits = first || at + 1 + length <= width;
        if (fits)
            fprintf(file, "%s%.*s", first ? "" : " ", length, text);
        else
            fprintf(file, "\n%*s%.*s", column, "", length, text);
        at = (fits ? at + !first : column) + length;
        text += length;
    }
    fputc('\n', file);
}

void cli_help(const struct cli_command *command, FILE *file)
{
    const int width = cli_help_width(file);
    char text[256];
    snprintf(text, sizeof text, "nfbench%s%s%s%s [OPTIONS]", *command->name ? " " : "", command->name,
             *command->operands ? " " : "", command->operands);
    fputs("Usage: ", file);
    cli_paragraph(file, text, 7, width);
    snprintf(text, sizeof text, "%c%s.", *command->summary - 'a' + 'A', command->summary + 1);
    fputc('\n', file);
    cli_paragraph(file, text, 0, width);
    if (*command->about)
        cli_paragraph(file, command->about, 0, width);
    if (command->options[0].name)
        fputs("\nOptions:\n", file);
    for (int i = 0; i < CLI_OPTIONS && command->options[i].name; i++) {
        const struct cli_option *own = &command->options[i];
        const struct setting row = {.name = own->name, .argument = own->argument, .help = own->help};
        if (own->help)
            setting_help(file, &row, width);
    }
    help_settings(command, file, width);
}
