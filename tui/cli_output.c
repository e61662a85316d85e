/* What the subcommands say: results on standard output, notes on standard error; see cli.h. */
#include "tui/cli.h"

#include "engine/trainer.h"
#include "sessions/metrics.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static enum cli_status say(const struct cli *cli, const struct error *error, enum cli_status status)
{
    const char *name = cli->command ? cli->command->name : "";
    fprintf(stderr, "nfbench%s%s: %s\n", *name ? " " : "", name, error->message);
    return status;
}

enum cli_status cli_failed(const struct cli *cli, const struct error *error)
{
    return say(cli, error, CLI_FAILED);
}

enum cli_status cli_usage(const struct cli *cli, const struct error *error)
{
    return say(cli, error, CLI_USAGE);
}

int cli_columns(FILE *file, int otherwise)
{
    struct winsize size;
    return ioctl(fileno(file), TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : otherwise;
}

void cli_time_words(time_t time, char text[CLI_VALUE_SIZE])
{
    struct tm local;
    if (!localtime_r(&time, &local) || strftime(text, CLI_VALUE_SIZE, "%Y-%m-%d %H:%M", &local) == 0)
        snprintf(text, CLI_VALUE_SIZE, "-");
}

void cli_note(const char *text)
{
    if (*text)
        fprintf(stderr, "note: %s\n", text);
}

void cli_note_best(const struct cli *cli, const struct training_state *state)
{
    if (!cli_value(cli, "checkpoint") && state->best_step > 0 && state->best_step != state->step)
        fprintf(stderr,
                "note: this is the last checkpoint, of step %ld; the best is that of step %ld: --checkpoint best\n",
                state->step, state->best_step);
}

void cli_note_last(const struct cli *cli, const struct training_state *taken, long last, const char *how)
{
    if (!cli_value(cli, "checkpoint") && taken->step > 0 && taken->step == taken->best_step && taken->step < last)
        fprintf(stderr, "note: the network is that of the best checkpoint, of step %ld; the run's last step is %ld%s\n",
                taken->step, last, how);
}

enum cli_status cli_print_json(const struct cli *cli, json_t *object)
{
    const struct error error = {"out of memory"};
    int result = object ? json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9)) : -1;
    json_decref(object);
    if (result != 0 && !ferror(stdout))
        return cli_failed(cli, &error);
    fputc('\n', stdout);
    return CLI_DONE;
}

json_t *cli_json_text(const char *text)
{
    json_t *string = json_string(text);
    if (string)
        return string;
    char *ascii = strdup(text);
    for (char *at = ascii; at && *at; at++)
        if ((unsigned char)*at >= 0x80)
            *at = '?';
    string = json_string(ascii);
    free(ascii);
    return string;
}

json_t *cli_json_number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *cli_json_loss(double value)
{
    return value >= 0 ? cli_json_number(value) : json_null();
}

/* Seven digits: a float's, without the tail that its exact value has. */
json_t *cli_json_fraction(double value)
{
    return value >= 0 ? cli_json_number(round(value * 1e7) / 1e7) : json_null();
}

json_t *cli_json_step_time(const struct step_time *time)
{
    json_t *parts = json_object();
    for (int p = 0; parts && p < STEP_PARTS; p++)
        if (json_object_set_new(parts, step_part_name((enum step_part)p), cli_json_number(1e3 * time->parts[p])) != 0) {
            json_decref(parts);
            parts = NULL;
        }
    return parts;
}

json_t *cli_json_findings(const struct metrics *metrics)
{
    json_t *list = json_array();
    for (int i = 0; list && i < metrics->finding_count; i++) {
        const struct finding *finding = &metrics->findings[i];
        json_t *place = finding->point < 0 ? json_null() : json_integer(finding->point);
        /* a divergence has neither place nor number */
        const bool number = finding->measured != 0 || finding->limit != 0;
        json_t *row = json_pack(
            "{s:s, s:s, s:b, s:I, s:I, s:o, s:o, s:o, s:o}", "finding", finding_kind_names[finding->kind], "severity",
            finding_severity_names[finding->severity], "over", finding->over, "step", (json_int_t)finding->step,
            "since", (json_int_t)finding->since, "block", place, "measured",
            cli_json_number(number ? (double)finding->measured : (double)NAN), "limit",
            cli_json_number(number ? (double)finding->limit : (double)NAN), "text", cli_json_text(finding->text));
        if (json_array_append_new(list, row) != 0) {
            json_decref(list);
            list = NULL;
        }
    }
    return list;
}

/* A reader that has gone (`| head`) is no failure: what it wanted, it has. */
static bool nobody_listens(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
    return poll(&out, 1, 0) == 1 && (out.revents & POLLERR);
}

enum cli_status cli_finish(enum cli_status status)
{
    bool earlier = ferror(stdout);
    errno = 0;
    if ((fflush(stdout) == 0 && !earlier) || nobody_listens())
        return status;
    fprintf(stderr, "nfbench: cannot write to standard output%s%s\n", errno ? ": " : "", errno ? strerror(errno) : "");
    return status == CLI_DONE ? CLI_FAILED : status;
}
