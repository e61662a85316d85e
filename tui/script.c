/* See script.h. */
#include "tui/script.h"

#include "tui/command.h"

#include <errno.h>
#include <stdio.h>
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

int script_run(const char *path, int *depth, script_line *run, void *context, struct error *error)
{
    FILE *file;
    int result;

    if (*depth == SCRIPT_DEPTH)
        return error_set(error, "%s: more than %d files run each other", path, (int)SCRIPT_DEPTH);
    file = fopen(path, "re");
    if (!file)
        return error_set(error, "cannot read %s: %s", path, strerror(errno));
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
};

static int check_line(void *context, const char *line, struct error *error)
{
    struct check *check = context;
    struct action action;
    struct command command;

    if (command_parse(line, &action, error))
        return -1;
    if (action.kind == ACTION_SOURCE)
        return script_run(action.word, &check->depth, check_line, check, error);
    if (check->screen || command_is_asking(&action))
        return 0;
    return command_for_trainer(&action, &command, error);
}

int script_check(const char *path, bool screen, struct error *error)
{
    struct check check = {.screen = screen};

    return script_run(path, &check.depth, check_line, &check, error);
}
