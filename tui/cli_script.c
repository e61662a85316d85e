/* See cli_script.h. Answers go where the progress goes: to standard error. */
#include "tui/cli_script.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool is_standard_input(const char *path)
{
    return path && strcmp(path, "-") == 0;
}

int cli_script_check(const char *path, struct error *error)
{
    return path && !is_standard_input(path) ? script_check(path, false, error) : 0;
}

/* ---- What only asks ---- */

/* A line each. */
static void print_text(struct progress *progress, const char *text)
{
    while (*text) {
        size_t length = strcspn(text, "\n");

        progress_line(progress, "%.*s", (int)length, text);
        text += length + (text[length] == '\n');
    }
}

static void print_help(struct progress *progress, const char *name)
{
    const struct command_entry *entry;
    char usage[64];

    for (int i = 0; (entry = command_at(i)); i++) {
        if (*name && strcmp(entry->name, name) != 0)
            continue;
        command_usage(entry, usage, sizeof(usage));
        progress_line(progress, "%-24s %s", usage, entry->help);
        if (*name)
            progress_line(progress, "%-24s example: %s", "", entry->example ? entry->example : entry->name);
    }
}

static void answer(const struct cli_script *script, const struct action *action)
{
    struct snapshot now;
    char text[SCRIPT_LINE_SIZE * PENDING_MOST];

    trainer_snapshot(script->trainer, &now);
    if (action->kind == ACTION_HELP) {
        print_help(script->progress, action->word);
        return;
    }
    if (action->kind == ACTION_SET)
        command_settings(&now, action->choice, text, sizeof(text));
    else
        command_pending(&now, text, sizeof(text));
    print_text(script->progress, *text ? text : "no command waits");
}

static void answer_all(struct cli_script *script)
{
    if (script->question_count == 0 || !trainer_is_settled(script->trainer))
        return;
    for (int i = 0; i < script->question_count; i++)
        answer(script, &script->questions[i]);
    script->question_count = 0;
}

static int ask(struct cli_script *script, const struct action *action, struct error *error)
{
    if (script->question_count == SCRIPT_QUESTIONS)
        return error_set(error, "%s: %d questions wait for an answer", action->text, (int)SCRIPT_QUESTIONS);
    script->questions[script->question_count++] = *action;
    return 0;
}

/* ---- Lines ---- */

static int run_line(void *context, const char *line, struct error *error)
{
    struct cli_script *script = context;
    struct action action;
    struct command command;

    if (command_parse(line, &action, error))
        return -1;
    if (action.kind == ACTION_SOURCE)
        return script_run(action.word, &script->depth, run_line, script, error);
    if (command_is_asking(&action))
        return ask(script, &action, error);
    if (command_for_trainer(&action, &command, error))
        return -1;
    command.in_turn = true; /* what stands before it is done before it */
    return trainer_command(script->trainer, &command, error);
}

int cli_script_begin(struct cli_script *script, struct trainer *trainer, struct error *error)
{
    script->trainer = trainer;
    script->reading = is_standard_input(script->path);
    if (script->path && !script->reading)
        return script_run(script->path, &script->depth, run_line, script, error);
    cli_script_read(script); /* what stands there already is done before the first step, as a file's lines are */
    return 0;
}

static void run_text(struct cli_script *script)
{
    char *line = script->text;
    struct error error = {""};
    int failed = 0;

    script->text[script->length] = 0;
    script->lines++;
    if (script->length == sizeof(script->text) - 1)
        failed = error_set(&error, "longer than %zu bytes", sizeof(script->text) - 2);
    else if (script_trim(&line))
        failed = run_line(script, line, &error);
    if (failed) {
        progress_line(script->progress, "line %ld: %s", script->lines, error.message);
        script->refused++;
    }
    script->length = 0;
}

/* A line that is too long is kept up to its end, cut. */
static void take_byte(struct cli_script *script, char byte)
{
    if (byte == '\n')
        run_text(script);
    else if (script->length < sizeof(script->text) - 1)
        script->text[script->length++] = byte;
}

static bool may_read(struct cli_script *script)
{
    return script->reading && script->question_count == 0 && trainer_has_room(script->trainer);
}

/* Byte by byte: what is behind a question stays in the pipe until that is answered. No more than a pipe holds at a
 * time: one that is filled faster than it is read would else keep the caller from everything. */
void cli_script_read(struct cli_script *script)
{
    enum { MOST = 1 << 16 };
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    char byte;

    answer_all(script);
    for (int i = 0; i < MOST && may_read(script) && poll(&input, 1, 0) > 0; i++) {
        ssize_t got = read(STDIN_FILENO, &byte, 1);

        if (got > 0)
            take_byte(script, byte);
        else if (got < 0 && (errno == EINTR || errno == EAGAIN))
            return;
        else {
            script->reading = false;
            if (script->length > 0)
                run_text(script); /* the last one need not end in a newline */
        }
        answer_all(script);
    }
}

bool cli_script_has_ended(const struct cli_script *script)
{
    return !script->reading && script->question_count == 0;
}

void cli_script_hear(struct cli_script *script, const struct event *event)
{
    script->refused += script->path && event->kind == EVENT_COMMAND && !event->command.ok;
}
