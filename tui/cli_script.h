/* The commands of a run without a screen: from a file, before the first step, or from standard input, as they come. */
#ifndef NFBENCH_TUI_CLI_SCRIPT_H
#define NFBENCH_TUI_CLI_SCRIPT_H

#include "engine/trainer.h"
#include "tui/cli_progress.h"
#include "tui/command.h"
#include "tui/script.h"

/* Zeroed but for the first two. */
struct cli_script {
    const char *path; /* "-": standard input; NULL: none */
    struct progress *progress;
    struct trainer *trainer;
    int depth;
    char text[SCRIPT_LINE_SIZE]; /* of a line that is still being written */
    size_t length;
    long lines;
    bool reading;                              /* standard input has not ended */
    struct action questions[SCRIPT_QUESTIONS]; /* answered when the commands before them have taken effect */
    int question_count;
    long refused; /* lines and commands of it that could not be done, each told */
};

/* Whether all of it is understood, where it is a file. */
int cli_script_check(const char *path, struct error *error);
/* Before trainer_start: gives the trainer what a file says, or what standard input has by now. */
int cli_script_begin(struct cli_script *script, struct trainer *trainer, struct error *error);
/* Runs the lines that standard input has by now, and answers what was asked; a line that fails is told, and the next
 * goes on. While the run has no room for more commands the rest stays in the pipe. Never waits. */
void cli_script_read(struct cli_script *script);
/* Whether no more commands come: the last was given to the trainer, and all questions are answered. */
bool cli_script_has_ended(const struct cli_script *script);
/* Counts what came of the script's commands. */
void cli_script_hear(struct cli_script *script, const struct event *event);

#endif
