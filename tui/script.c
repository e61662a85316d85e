/* See script.h. */
#include "tui/script.h"

#include "tui/command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool script_trim(char **line)
{
    size_t length;

    *line += strspn(*line, " \t\r\n");
    length = strlen(*line);
    while (length > 0 && strchr(" \t\r\n", (*line)[length - 1]))
        (*line)[--length] = 0;
    return length > 0 && **line != '#';
}

static int run_lines(FILE *file, const char *path, script_line *run, void *context, struct error *error)
{
    char text[SCRIPT_LINE_SIZE], *line;

    for (int number = 1; fgets(text, sizeof(text), file); number++) {
        line = text;
        if (!strchr(text, '\n') && !feof(file))
            return error_set(error, "%s, line %d: longer than %zu bytes", path, number, sizeof(text) - 2);
        if (script_trim(&line) && run(context, line, error))
            return error_prefix(error, "%s, line %d", path, number);
    }
    return ferror(file) ? error_set(error, "cannot read %s: %s", path, strerror(errno)) : 0;
}

/* No shell has expanded the path. */
FILE *script_open(const char *path, struct error *error)
{
    const char *home = getenv("HOME");
    char whole[SCRIPT_LINE_SIZE + 512];
    const bool under_home = path[0] == '~' && path[1] == '/' && home;
    FILE *file;

    snprintf(whole, sizeof(whole), "%s%s", under_home ? home : "", under_home ? path + 1 : path);
    file = fopen(whole, "re");
    if (!file)
        error_set(error, "cannot read %s: %s", path, strerror(errno));
    return file;
}

int script_run(const char *path, int *depth, script_line *run, void *context, struct error *error)
{
    FILE *file;
    int result;

    if (*depth == SCRIPT_DEPTH)
        return error_set(error, "%s: more than %d files run each other", path, (int)SCRIPT_DEPTH);
    file = script_open(path, error);
    if (!file)
        return -1;
    ++*depth;
    result = run_lines(file, path, run, context, error);
    --*depth;
    fclose(file);
    return result;
}

/* ---- Without doing it ---- */

struct check {
    int depth;
    bool screen;
    int commands, waiting, questions; /* so far */
};

/* As if all were still there, but those that a later line takes back. */
static int count_command(struct check *check, const struct action *action, struct error *error)
{
    if (action->when.quantity != WHEN_NOW && ++check->waiting > PENDING_MOST)
        return error_set(error, "%s: more than %d commands would wait", action->text, (int)PENDING_MOST);
    if (action->when.quantity == WHEN_NOW && action->kind == ACTION_CANCEL && check->waiting > 0)
        check->waiting = action->count < 0 ? 0 : check->waiting - 1;
    if (++check->commands > COMMAND_QUEUE_SIZE)
        return error_set(error, "%s: more than %d commands before the first step", action->text,
                         (int)COMMAND_QUEUE_SIZE);
    return 0;
}

static int count_question(struct check *check, const struct action *action, struct error *error)
{
    if (!check->screen && ++check->questions > SCRIPT_QUESTIONS)
        return error_set(error, "%s: more than %d questions", action->text, (int)SCRIPT_QUESTIONS);
    return 0;
}

static int check_line(void *context, const char *line, struct error *error)
{
    struct check *check = context;
    struct action action;
    struct command command;

    if (command_parse(line, &action, error))
        return -1;
    if (action.kind == ACTION_SOURCE)
        return script_run(action.word, &check->depth, check_line, check, error);
    if (command_is_asking(&action))
        return count_question(check, &action, error);
    if (command_for_trainer(&action, &command, error))
        return check->screen ? 0 : -1;
    return count_command(check, &action, error);
}

int script_check(const char *path, bool screen, struct error *error)
{
    struct check check = {.screen = screen};

    return script_run(path, &check.depth, check_line, &check, error);
}
