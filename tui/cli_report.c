/* `nfbench report`: a session as one page of HTML and as Markdown. */
#include "sessions/file.h"
#include "tui/cli.h"
#include "tui/cli_progress.h"
#include "tui/report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Where it goes ---- */

struct target {
    char html[FILE_PATH_SIZE], markdown[FILE_PATH_SIZE]; /* empty: not wanted */
    char figures[FILE_PATH_SIZE];                        /* the folder of Markdown's pictures ... */
    char link[FILE_PATH_SIZE];                           /* ... as Markdown names it */
};

/* ".html" of "a/page.html", "" of "a/page", ".page" and what ends with a slash. */
static const char *extension(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *dot = strrchr(name, '.');
    return dot && dot > name ? dot : "";
}

static bool is_html(const char *path)
{
    return strcasecmp(extension(path), ".html") == 0 || strcasecmp(extension(path), ".htm") == 0;
}

static bool is_markdown(const char *path)
{
    return strcasecmp(extension(path), ".md") == 0;
}

/* A file's name of another kind, "notes.txt", not a folder's, "v1.2". */
static bool is_other_file(const char *path)
{
    const char *end = extension(path);
    struct stat status;
    const size_t letters = strspn(end + (*end != '\0'), "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
    return *end && letters > 0 && !end[1 + letters] && letters <= 5 && !is_html(path) && !is_markdown(path) &&
           !(stat(path, &status) == 0 && S_ISDIR(status.st_mode));
}

static int check_options(const struct cli *cli, struct error *error)
{
    const char *output = cli_value(cli, "output");
    const bool html = cli_value(cli, "html"), markdown = cli_value(cli, "markdown");
    if (output && !*output)
        return error_set(error, "--output wants a folder, or a file that ends in .html or .md");
    if (html && markdown)
        return error_set(error, "--html and --markdown: each is one of the two alone; both are written without them");
    if (output && is_other_file(output))
        return error_set(error, "--output %.200s: a file's name ends in .html or .md; a folder of this name is %.200s/",
                         output, output);
    if (output && markdown && is_html(output))
        return error_set(error, "--output %.200s is a page of HTML, and --markdown asks for none", output);
    if (output && html && is_markdown(output))
        return error_set(error, "--output %.200s is Markdown, and --html asks for none", output);
    return 0;
}

/* A file is that format alone; a folder gets both, and so does the session's own. */
static int find_target(const struct cli *cli, const char *session, struct target *out, struct error *error)
{
    const char *output = cli_value(cli, "output");
    const bool page = output && is_html(output), text = output && is_markdown(output);
    const bool html = page || (!text && !cli_value(cli, "markdown")),
               markdown = text || (!page && !cli_value(cli, "html"));
    char stem[FILE_PATH_SIZE];
    memset(out, 0, sizeof *out);
    if (page || text ? path_format(stem, error, "%.*s", (int)(strrchr(output, '.') - output), output)
        : output     ? path_format(stem, error, "%s/report", output)
                     : path_format(stem, error, "%s/report/report", session))
        return -1;
    const char *slash = strrchr(stem, '/');
    const char *html_end = page ? extension(output) : ".html", *markdown_end = text ? extension(output) : ".md";
    return (html && path_format(out->html, error, "%s%s", stem, html_end)) ||
                   (markdown && path_format(out->markdown, error, "%s%s", stem, markdown_end)) ||
                   path_format(out->figures, error, "%s-figures", stem) ||
                   path_format(out->link, error, "%s-figures", slash ? slash + 1 : stem)
               ? -1
               : 0;
}

/* ---- Writing ---- */

static int make_folder_of(const char *path, struct error *error)
{
    char folder[FILE_PATH_SIZE];
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path)
        return 0;
    return path_format(folder, error, "%.*s", (int)(slash - path), path) || file_make_folders(folder, error) ? -1 : 0;
}

static int write_page(const struct report *report, enum page_format format, const struct target *target,
                      const char *path, struct error *error)
{
    struct page *page = NULL;
    const char *text;
    size_t size;
    const int status = report_write(report, format, target->link, &page, error) ||
                               page_finish(page, &text, &size, error) || make_folder_of(path, error) ||
                               file_output(path, &(struct file_piece){text, size}, 1, error)
                           ? -1
                           : 0;
    page_destroy(page);
    return status;
}

/* Those of an earlier report that this one has not go. */
static int write_figures(const struct report *report, const struct target *target, struct error *error)
{
    if (file_make_folders(target->figures, error) != 0)
        return -1;
    for (int i = 0; i < REPORT_PICTURES; i++) {
        const struct report_picture *picture = &report->pictures[i];
        char path[FILE_PATH_SIZE];
        if (path_format(path, error, "%s/%s.png", target->figures, picture->name) != 0)
            return -1;
        if (!picture->light.png && unlink(path) != 0 && errno != ENOENT)
            return file_failed(error, "remove", path);
        if (picture->light.png &&
            file_output(path, &(struct file_piece){picture->light.png, picture->light.size}, 1, error) != 0)
            return -1;
    }
    return 0;
}

static int write_all(const struct report *report, const struct target *target, struct error *error)
{
    if (*target->html && write_page(report, PAGE_HTML, target, target->html, error) != 0)
        return -1;
    return *target->markdown && (write_figures(report, target, error) ||
                                 write_page(report, PAGE_MARKDOWN, target, target->markdown, error))
               ? -1
               : 0;
}

/* ---- What is told ---- */

static json_t *path_json(const char *path)
{
    return *path ? cli_json_text(path) : json_null();
}

static json_t *figures_json(const struct report *report, const struct target *target, bool drawn)
{
    json_t *list = json_array();
    for (int i = 0; list && i < REPORT_PICTURES; i++) {
        const struct report_picture *picture = &report->pictures[i];
        char path[FILE_PATH_SIZE] = "";
        if (drawn != (picture->light.png != NULL))
            continue;
        if (*target->markdown && path_format(path, NULL, "%s/%s.png", target->figures, picture->name) != 0)
            path[0] = '\0';
        json_t *row = drawn
                          ? json_pack("{s:s, s:o}", "name", picture->name, "path", path_json(path))
                          : json_pack("{s:s, s:o}", "name", picture->name, "why", cli_json_text(picture->why.message));
        if (json_array_append_new(list, row) != 0) {
            json_decref(list);
            list = NULL;
        }
    }
    return list;
}

/* null: it was never measured. */
static json_t *best_json(const struct compare_value *best, json_t *(*number)(double))
{
    if (!(best->value >= 0))
        return json_null();
    return json_pack("{s:o, s:I}", "value", number(best->value), "step", (json_int_t)best->step);
}

/* Last and best of each figure, by the keys that other commands have. */
static int add_results(json_t *object, const struct compared *session)
{
    json_t *best = json_object();
    int failed = best == NULL;
    for (int i = 0; i < COMPARE_FIGURES && !failed; i++) {
        const enum compare_figure figure = (enum compare_figure)i;
        json_t *(*number)(double) = compare_figure_is_accuracy(figure) ? cli_json_fraction : cli_json_loss;
        failed = json_object_set_new(object, compare_figure_key(figure), number(session->last[i].value)) ||
                 json_object_set_new(best, compare_figure_key(figure), best_json(&session->best[i], number));
    }
    if (!failed)
        return json_object_set_new(object, "best", best);
    json_decref(best);
    return -1;
}

static json_t *measured_json(const struct report *report)
{
    const struct measure *measure = &report->source.measure;
    if (!report->source.measured)
        return json_null();
    return json_pack("{s:I, s:s, s:b, s:o, s:o, s:I}", "step", (json_int_t)measure->state.step, "split", measure->part,
                     "averaged_weights", measure->averaged, "accuracy", cli_json_fraction(measure->result.accuracy),
                     "loss", cli_json_loss((float)measure->result.loss), "images", (json_int_t)measure->result.count);
}

static json_t *report_json(const struct report *report, const struct target *target)
{
    const struct compared *session = &report->session;
    char lead[REPORT_LEAD_SIZE];
    report_lead(report, lead);
    json_t *object = json_pack(
        "{s:o, s:I, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:i, s:i, s:o, s:o}", "session",
        cli_json_text(session_name(session->session)), "step", (json_int_t)session->summary.step, "state",
        session->summary.state, "result", cli_json_text(lead), "html", path_json(target->html), "markdown",
        path_json(target->markdown), "figures", figures_json(report, target, true), "skipped",
        figures_json(report, target, false), "measured", measured_json(report), "commands",
        session->metrics.command_count, "findings", session->metrics.finding_count, "wrong", report->verified.wrong,
        "images_per_second", cli_json_number(session->images_per_second), "seconds", cli_json_number(session->seconds));
    if (object && add_results(object, session) != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static enum cli_status tell(const struct cli *cli, const struct report *report, const struct target *target)
{
    cli_note(report->source.measure.device_note);
    cli_note(report->source.measure.note);
    cli_note(report->source.measure.data_note);
    cli_note_last(cli, &report->source.taken, report->source.step, "");
    if (!report->source.measured && !cli_value(cli, "log-only"))
        fprintf(stderr, "note: it says nothing of the test images: %s\n", report->unmeasured.message);
    if (cli->settings.json)
        return cli_print_json(cli, report_json(report, target));
    if (*target->html)
        printf("%s\n", target->html);
    if (*target->markdown)
        printf("%s\n", target->markdown);
    return CLI_DONE;
}

/* ---- The command ---- */

/* A session may lie where nothing can be written. */
static enum cli_status not_written(const struct cli *cli, struct error *error)
{
    const struct error why = *error;
    if (!cli_value(cli, "output"))
        error_set(error, "%.440s; --output DIR writes it elsewhere", why.message);
    return cli_failed(cli, error);
}

static int show_progress(void *context, int done, int total)
{
    progress_share(context, "evaluating", done, total);
    return 0;
}

static int draw(const struct cli *cli, const struct settings *settings, struct report *report, struct error *error)
{
    struct progress progress;
    progress_open(&progress, STDERR_FILENO);
    const struct report_drawing drawing = {settings, !cli_value(cli, "log-only"), show_progress, &progress};
    const int status = report_draw(report, &drawing, error);
    progress_close(&progress);
    return status;
}

enum cli_status cli_report(struct cli *cli)
{
    struct error error = {""};
    struct report *report = NULL;
    struct target target;
    if (check_options(cli, &error) != 0)
        return cli_usage(cli, &error);
    report = calloc(1, sizeof *report);
    if (!report) {
        error_set(&error, "out of memory");
        return cli_failed(cli, &error);
    }
    enum cli_status status = CLI_FAILED;
    if (report_open(&cli->settings, cli->operands[0], report, &error) != 0) {
        cli_failed(cli, &error);
        goto out;
    }
    struct settings settings = *session_settings(report->session.session);
    if (cli_over_session(cli, &settings, &error) != 0) {
        status = cli_usage(cli, &error);
        goto out;
    }
    if (find_target(cli, session_path(report->session.session), &target, &error) != 0 ||
        draw(cli, &settings, report, &error) != 0)
        cli_failed(cli, &error);
    else if (write_all(report, &target, &error) != 0)
        not_written(cli, &error);
    else
        status = tell(cli, report, &target);
out:
    report_close(report);
    free(report);
    return status;
}
