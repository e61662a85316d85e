/* One of the sessions in the view of runs, in detail: where it differs from this run; or a tune. */
#include "tui/panel_runs.h"

#include "base/digits.h"
#include "tui/runs_lines.h"
#include "tui/words.h"

#include <stdio.h>
#include <string.h>

static int draw_pair(struct canvas *canvas, struct rect area, int row, const char *name, const char *text)
{
    if (row >= area.row + area.rows)
        return row;
    canvas_text_cut(canvas, area.column + 1, row, 20, STYLE(ROLE_LABEL), name);
    canvas_text_cut(canvas, area.column + 22, row, area.columns - 23, STYLE(ROLE_TEXT), text);
    return row + 1;
}

/* As many rows as the text takes. */
static int draw_wrapped(struct canvas *canvas, struct rect area, int row, const char *name, const char *text)
{
    const struct rect right = {area.column + 22, row, area.columns - 23, area.row + area.rows - row};

    if (right.rows <= 0)
        return row;
    canvas_text_cut(canvas, area.column + 1, row, 20, STYLE(ROLE_LABEL), name);
    return row + panel_draw_wrapped(canvas, right, STYLE(ROLE_TEXT), text);
}

/* What a run says about its end may begin with its state and step itself: "diverged at step 19, lr 1.8: ...". */
static void write_state(const struct session_summary *summary, const char *message, char *text, size_t size)
{
    char steps[32];

    words_count((double)summary->step, steps, sizeof(steps));
    if (strncmp(message, summary->state, strlen(summary->state)) == 0)
        snprintf(text, size, "%s", message);
    else
        snprintf(text, size, "%s at step %s%s%s", summary->state, steps, *message ? ": " : "", message);
}

static int draw_measured(struct canvas *canvas, struct rect area, int row, const char *name, float loss, float accuracy)
{
    char percent[32], words[32], text[80];

    if (accuracy < 0)
        return row;
    words_percent((double)accuracy, percent, sizeof(percent));
    digits_loss((double)loss, words, sizeof(words));
    snprintf(text, sizeof(text), "%s, loss %s", percent, words);
    return draw_pair(canvas, area, row, name, text);
}

static void draw_differences(struct canvas *canvas, struct rect area, int row, const struct run_details *details)
{
    const int third = (area.columns - 22) / 2;

    if (row >= area.row + area.rows)
        return;
    if (details->difference_count == 0) {
        canvas_text(canvas, area.column + 1, row, STYLE(ROLE_DIM), "the settings are this run's");
        return;
    }
    canvas_text(canvas, area.column + 1, row, STYLE(ROLE_LABEL), "setting");
    canvas_text(canvas, area.column + 22, row, STYLE(ROLE_LABEL), "there");
    canvas_text(canvas, area.column + 22 + third, row, STYLE(ROLE_LABEL), "this run");
    for (int i = 0; i < details->difference_count && ++row < area.row + area.rows; i++) {
        canvas_text_cut(canvas, area.column + 1, row, 20, STYLE(ROLE_TEXT), details->differences[i].name);
        canvas_text_cut(canvas, area.column + 22, row, third - 1, STYLE(ROLE_TEXT), details->differences[i].there);
        canvas_text_cut(canvas, area.column + 22 + third, row, third - 1, STYLE(ROLE_DIM),
                        details->differences[i].here);
    }
}

static void draw_tune(struct canvas *canvas, struct rect area, const struct tune_group *tune)
{
    int row = area.row;
    char percent[32], text[sizeof(tune->reference) + TUNE_WORDS_SIZE];

    snprintf(text, sizeof(text), "%d in the plan, %d begun, %d training now", tune->trials, tune->begun,
             tune->training);
    row = draw_pair(canvas, area, row, "trials", text);
    words_percent((double)tune->best, percent, sizeof(percent));
    row = draw_pair(canvas, area, row, "best accuracy", percent);
    if (tune->best >= 0)
        row = draw_pair(canvas, area, row, "with", tune->best_values);
    snprintf(text, sizeof(text), "nfbench tune --show %s", tune->reference);
    row = draw_pair(canvas, area, row, "in another shell", text);
    if (tune->training == 0 && tune->ended < tune->trials) {
        snprintf(text, sizeof(text), "nfbench tune --resume %s", tune->reference);
        draw_pair(canvas, area, row, "to go on", text);
    }
}

void runs_draw_details(const struct scene *scene, struct canvas *canvas, struct rect area)
{
    const struct run_details *details = &scene->runs.details;
    const struct session_summary *summary = runs_session(scene, runs_marked(scene));
    int row = area.row;
    char steps[32], text[RUN_WORDS + 64];

    if (!summary) {
        draw_tune(canvas, area, runs_tune(scene, runs_marked(scene)));
        return;
    }
    if (strcmp(details->name, scene->run_marked) != 0) {
        canvas_text(canvas, area.column + 1, row, STYLE(ROLE_DIM), "reading ...");
        return;
    }
    if (details->failed) {
        panel_draw_wrapped(canvas, area, STYLE(ROLE_BAD), details->message);
        return;
    }
    write_state(summary, details->message, text, sizeof(text));
    row = draw_wrapped(canvas, area, row, "state", text);
    if (summary->standstill)
        row = draw_pair(canvas, area, row, "waits for", standstill_waits_for(summary->standstill));
    row = draw_pair(canvas, area, row, "folder", details->path);
    if (*summary->parent) {
        words_count((double)summary->parent_step, steps, sizeof(steps));
        snprintf(text, sizeof(text), "%s at step %s", summary->parent, steps);
        row = draw_pair(canvas, area, row, "fork of", text);
    }
    if (summary->attachable && strcmp(summary->name, scene->runs.own) != 0) {
        snprintf(text, sizeof(text), "nfbench attach %s", details->path);
        row = draw_pair(canvas, area, row, "in another shell", text);
    }
    if (details->last.step > 0) {
        row = draw_measured(canvas, area, row, "last validation", details->last.validation_loss,
                            details->last.validation_accuracy);
        row = draw_measured(canvas, area, row, "last test", details->last.test_loss, details->last.test_accuracy);
    }
    if (*details->note)
        row = draw_pair(canvas, area, row, "newest note", details->note);
    draw_differences(canvas, area, row + 1, details);
}
