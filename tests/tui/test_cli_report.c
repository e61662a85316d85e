/* `nfbench report` on the real program: the page is read by a strict parser (read_page.py) and says what the session
 * says; every kind of session gets one; what stands in a session's texts stays text. */
#include "tests/tui/process.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Nothing of this may act in a page or in Markdown. */
#define ODD_NAME "od<i>d&amp;|\"q'`_x_*b*"
#define ODD_NOTE "<script>alert(1)</script> | `tick` **bold** [a](http://b) &lt; \\ ]]> :smile: # x"

/* ---- Reading ---- */

static char *read_all(FILE *file)
{
    char *text = NULL;
    size_t size = 0;
    assert_non_null(file);
    if (getdelim(&text, &size, EOF, file) < 0) {
        free(text);
        text = strdup("");
    }
    return text;
}

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        fail_msg("there is no %s", path);
    char *text = read_all(file);
    fclose(file);
    return text;
}

static const char *python(void)
{
    const char *given = getenv("PYTHON");
    return given ? given : "python3";
}

/* What stands in a page of HTML that is well formed and loads nothing; to be decref'ed. */
static json_t *read_page(const char *path)
{
    char command[2048];
    snprintf(command, sizeof command, "%s tests/tui/read_page.py '%s'", python(), path);
    FILE *pipe = popen(command, "r");
    char *text = read_all(pipe);
    assert_int_equal(pclose(pipe), 0);
    json_t *page = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(page);
    free(text);
    return page;
}

/* The page of a session that `nfbench report` writes now. */
static json_t *report_of(const char *session)
{
    char path[512];
    snprintf(path, sizeof path, "nfbench/%s/report/report.html", session);
    json_t *told = last_json(run_expecting(0, "report %s --log-only --json", session));
    assert_string_equal(json_text_at(told, "html"), process_path(path));
    json_decref(told);
    return read_page(process_path(path));
}

static void assert_holds(const char *text, const char *part)
{
    if (!text || !strstr(text, part))
        fail_msg("'%s' is missing in:\n%.6000s", part, text ? text : "");
}

static void assert_says(const json_t *page, const char *part)
{
    assert_holds(json_text_at(page, "text"), part);
}

/* The index-th table of a section: its rows; NULL: there is none. */
static json_t *table_of(const json_t *page, const char *section, int index)
{
    const json_t *table;
    size_t i;
    json_array_foreach(json_object_get(page, "tables"), i,
                       table) if (strcmp(json_text_at(table, "section"), section) == 0 &&
                                  index-- == 0) return json_object_get(table, "rows");
    return NULL;
}

/* The cell of a row in the column of that title. */
static const char *cell(const json_t *rows, size_t row, const char *title)
{
    const json_t *head = json_array_get(rows, 0);
    for (size_t i = 0; i < json_array_size(head); i++)
        if (strcmp(json_string_value(json_array_get(head, i)), title) == 0)
            return json_string_value(json_array_get(json_array_get(rows, row), i));
    fail_msg("no column '%s'", title);
    return "";
}

static bool has_figure(const json_t *page, const char *alt)
{
    const json_t *figure;
    size_t i;
    json_array_foreach(json_object_get(page, "figures"), i,
                       figure) if (strncmp(json_text_at(figure, "alt"), alt, strlen(alt)) == 0) return true;
    return false;
}

/* Four steps of a session of which the tests below take copies: each run of its own opens the images anew. */
static int setup(void **state)
{
    if (process_setup(state) != 0)
        return -1;
    run_expecting(0, "train " TINY "--steps 4 --checkpoint-every 2 --probe-every 0 --seed 7 --session plain");
    return 0;
}

static void shell(const char *folder, const char *format, ...)
{
    char command[4096];
    int used = snprintf(command, sizeof command, "cd '%s' && ", process_path(folder));
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(command + used, sizeof command - (size_t)used, format, arguments);
    va_end(arguments);
    if (system(command) != 0)
        fail_msg("failed: %s", command);
}

static void percent_of(double fraction, char text[32])
{
    snprintf(text, 32, "%.2f %%", 100 * fraction);
}

/* ---- What it says ---- */

static void the_page_says_what_the_log_says(void **state)
{
    (void)state;
    FILE *script = fopen(process_path("course.nfb"), "w");
    fputs("at 3 lr x0.5\nat 5 note a remark\nat 6 set augment none\n", script);
    fclose(script);
    run_expecting(0, "train " TINY "--epochs 3 --probe-every 4 --session told --script course.nfb");
    json_t *told = last_json(run_expecting(0, "report told --json"));
    json_t *shown = last_json(run_expecting(0, "sessions show told --json"));
    json_t *page = read_page(json_text_at(told, "html"));
    json_t *test =
        last_json(run_expecting(0, "test told --checkpoint %s --json",
                                json_number_at(json_object_get(told, "measured"), "step") < 24 ? "best" : "last"));
    char text[32];
    assert_string_equal(json_text_at(page, "name"), "told");
    assert_holds(json_text_at(page, "lead"), "The run finished: 24 steps");
    assert_string_equal(json_text_at(told, "result"), json_text_at(page, "lead"));

    const json_t *epochs = json_object_get(shown, "epochs"), *rows = table_of(page, "course", 0);
    assert_int_equal(json_array_size(rows), 1 + json_array_size(epochs));
    for (size_t i = 0; i < json_array_size(epochs); i++) {
        const json_t *epoch = json_array_get(epochs, i);
        snprintf(text, sizeof text, "%.0f", json_number_at(epoch, "step"));
        assert_string_equal(cell(rows, i + 1, "step"), text);
        snprintf(text, sizeof text, "%.4f", json_number_at(epoch, "train_loss"));
        assert_string_equal(cell(rows, i + 1, "training loss"), text);
        percent_of(json_number_at(epoch, "validation_accuracy"), text);
        assert_string_equal(cell(rows, i + 1, "validation accuracy"), text);
    }
    percent_of(json_number_at(told, "test_accuracy"), text);
    assert_holds(json_text_at(page, "lead"), text);

    /* what the network says of the images is what `test` says of the same checkpoint */
    assert_true(json_number_at(json_object_get(told, "measured"), "accuracy") == json_number_at(test, "accuracy"));
    percent_of(json_number_at(test, "accuracy"), text);
    assert_says(page, text);
    assert_int_equal(json_array_size(table_of(page, "results", 0)), 11);
    static const char *const figures[] = {"Loss", "Accuracy", "Learning rate", "Norm", "Signal", "Confusion", "Random"};
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
        assert_true(has_figure(page, figures[i]));

    const json_t *commands = table_of(page, "commands", 0);
    assert_string_equal(cell(commands, 4, "step"), "3");
    assert_holds(cell(commands, 4, "what came of it"), "lr 0.05 -> 0.025");
    assert_string_equal(cell(table_of(page, "commands", 1), 1, "note"), "a remark");
    const json_t *settings = table_of(page, "settings", 0);
    for (size_t i = 1; i < json_array_size(settings); i++)
        if (strcmp(cell(settings, i, "setting"), "lr") == 0)
            assert_string_equal(cell(settings, i, "changed to"), "0.025");
    assert_int_equal(json_array_size(table_of(page, "signal", 0)), 1 + 3);
    assert_int_equal(json_array_size(table_of(page, "network", 0)), 1 + 4 + 1);
    json_decref(told);
    json_decref(shown);
    json_decref(page);
    json_decref(test);
}

/* The checkpoint's sum is what `sha256sum` says, and the command line makes the same run. */
static void what_is_to_be_typed_does_what_it_says(void **state)
{
    (void)state;
    json_t *page = report_of("plain");
    const json_t *checkpoints = table_of(page, "environment", 1);
    const char *line = json_string_value(json_array_get(json_object_get(page, "code"), 0));
    shell("nfbench/plain", "echo '%s  %s' | sha256sum --check --quiet", cell(checkpoints, 1, "SHA-256"),
          cell(checkpoints, 1, "file"));
    assert_int_equal(strncmp(line, "nfbench train --preset ", 23), 0);
    shell(".", "\"$NFBENCH_BINARY\" %.*s --session again >/dev/null 2>&1", (int)strcspn(line + 8, "\n"), line + 8);
    shell("nfbench", "for s in plain again; do sed -n 's/.*\"kind\":\"step\".*\"loss\":\\([^,]*\\).*/\\1/p' "
                     "$s/metrics.jsonl >$s.losses; done && test $(wc -l <plain.losses) = 4 && "
                     "cmp plain.losses again.losses && rm plain.losses again.losses");
    json_decref(page);
}

static bool has_column(const json_t *rows, const char *title)
{
    const json_t *head = json_array_get(rows, 0);
    bool found = false;
    for (size_t i = 0; i < json_array_size(head); i++)
        found = found || strcmp(json_string_value(json_array_get(head, i)), title) == 0;
    return found;
}

/* Ten epochs of a few images are made to look like so many of the report's own. */
static void set_in_settings(const char *session, const char *script)
{
    shell("nfbench", "sed -i '%s' %s/settings.ini", script, session);
}

static void the_seed_report_stands_beside_its_own_network(void **state)
{
    (void)state;
    shell(".", "mkdir cifar && for f in data_batch_1 data_batch_2 data_batch_3 data_batch_4 data_batch_5 test_batch; "
               "do truncate -s 30730000 cifar/$f.bin; done");
    run_expecting(0,
                  "train --preset report --data cifar --limit 8 --batch 8 --validation 8 --epochs 10 --probe-every 0 "
                  "--threads 1 --session seed");
    json_t *page = report_of("seed");
    assert_false(has_column(table_of(page, "course", 0), "seed report: loss")); /* not with eight images */
    json_decref(page);
    set_in_settings("seed", "s/^limit =.*/limit = 0/; s/^validation =.*/validation = 10000/");
    page = report_of("seed");
    const json_t *rows = table_of(page, "course", 0);
    assert_string_equal(cell(rows, 9, "seed report: loss"), "");
    assert_string_equal(cell(rows, 10, "seed report: loss"), "0.767");
    assert_string_equal(cell(rows, 10, "seed report: validation"), "75.03 %");
    assert_says(page, "89.28 %");
    json_decref(page);
    /* of the search, whose trials had 40 epochs, there is one more with the final run's rate and batch */
    set_in_settings("seed", "s/^epochs =.*/epochs = 40/; s/^batch =.*/batch = 64/");
    page = report_of("seed");
    assert_string_equal(cell(table_of(page, "course", 0), 10, "seed report: validation"), "75.89 %");
    assert_says(page, "with these settings, of its search");
    json_decref(page);
    set_in_settings("seed", "s/^momentum =.*/momentum = 0.5/");
    page = report_of("seed");
    assert_false(has_column(table_of(page, "course", 0), "seed report: loss"));
    const json_t *network = table_of(page, "network", 0);
    assert_string_equal(cell(network, json_array_size(network) - 1, "parameters"), "737,242");
    json_decref(page);
}

/* ---- Texts ---- */

static void texts_of_a_session_stay_text(void **state)
{
    (void)state;
    FILE *script = fopen(process_path("odd.nfb"), "w");
    fputs("note " ODD_NOTE "\n", script);
    fclose(script);
    run_expecting(0, "train " TINY "--steps 1 --session " ODD_NAME " --script odd.nfb");
    json_t *told = last_json(run_expecting(0, "report " ODD_NAME " --log-only --output out --json"));
    json_t *page = read_page(process_path("out/report.html"));
    assert_string_equal(json_text_at(page, "name"), ODD_NAME);
    assert_string_equal(json_text_at(page, "title"), ODD_NAME " \u00b7 nfbench report");
    assert_string_equal(cell(table_of(page, "commands", 0), 1, "note"), ODD_NOTE);
    char *markdown = read_file(process_path("out/report.md"));
    assert_holds(markdown, "# od&lt;i&gt;d&amp;amp;\\|\"q'\\`\\_x\\_\\*b\\*\n");
    assert_holds(markdown,
                 "&lt;script&gt;alert(1)&lt;/script&gt; \\| \\`tick\\` \\*\\*bold\\*\\* \\[a\\](http://b) &amp;lt; "
                 "\\\\ \\]\\]&gt; &#58;smile: # x |");
    assert_null(strstr(markdown, "<script"));
    assert_holds(markdown, "](report-figures/loss.png)");
    assert_int_equal(access(process_path("out/report-figures/loss.png"), F_OK), 0);
    free(markdown);
    json_decref(told);
    json_decref(page);
}

/* ---- Every kind of session ---- */

static void a_run_that_diverged_says_why(void **state)
{
    (void)state;
    run_expecting(1, "train " TINY "--lr 1000 --agc 0 --steps 30 --session blown");
    json_t *page = report_of("blown");
    assert_holds(json_text_at(page, "lead"), "The run diverged at step");
    assert_says(page, "Diverged at step");
    const json_t *findings = table_of(page, "troubles", 0);
    assert_string_equal(cell(findings, json_array_size(findings) - 1, "severity"), "alarm");
    json_decref(page);
}

static void a_run_without_a_step_has_a_page(void **state)
{
    (void)state;
    FILE *script = fopen(process_path("stop.nfb"), "w");
    fputs("stop\n", script);
    fclose(script);
    run_expecting(130, "train " TINY "--session empty --script stop.nfb");
    json_t *page = report_of("empty");
    assert_holds(json_text_at(page, "lead"), "No step has been made yet.");
    assert_says(page, "There is no step in the log yet.");
    assert_false(has_figure(page, "Loss"));
    json_decref(page);
}

static void imported_forked_and_resumed_ones_have_theirs(void **state)
{
    (void)state;
    run_expecting(0, "import nfbench/plain/checkpoints/4.safetensors " NETWORK "--data synthetic --session weights");
    json_t *page = report_of("weights");
    assert_holds(json_text_at(page, "lead"), "imported");
    json_decref(page);
    run_expecting(0, "fork plain --at 2 --name branch");
    page = report_of("branch");
    assert_says(page, "It is a fork of session plain at step 2.");
    json_decref(page);
    shell("nfbench", "cp -r plain often");
    for (int steps = 5; steps < 7; steps++)
        run_expecting(0, "resume often --steps %d", steps);
    page = report_of("often");
    assert_int_equal(json_array_size(table_of(page, "environment", 1)), 1 + 3); /* every start */
    assert_says(page, "6 steps");
    json_decref(page);
}

static void a_damaged_one_tells_what_is_damaged(void **state)
{
    (void)state;
    shell("nfbench", "cp -r plain hurt && cd hurt && sed -i '/\"step\":3,/s/\"loss\"/\"lost\"/' metrics.jsonl && "
                     "truncate -s -9 checkpoints/4.safetensors && echo '[train' >settings.ini");
    json_t *told = last_json(run_expecting(0, "report hurt --log-only --json"));
    assert_true(json_number_at(told, "wrong") >= 2);
    json_t *page = read_page(json_text_at(told, "html"));
    assert_holds(json_text_at(page, "lead"), "wrong");
    assert_says(page, "damaged line");
    assert_says(page, "checkpoints/4.safetensors");
    assert_says(page, "settings.ini");
    json_decref(told);
    json_decref(page);
}

static void without_its_images_it_says_so(void **state)
{
    (void)state;
    const struct outcome *outcome = run_expecting(0, "report plain --data /there/is/none");
    assert_holds(outcome->err, "note: it says nothing of the test images: ");
    json_t *page = read_page(process_path("nfbench/plain/report/report.html"));
    assert_says(page, "/there/is/none");
    assert_false(has_figure(page, "Confusion"));
    assert_true(has_figure(page, "Loss"));
    json_decref(page);
}

static void one_that_trains_is_only_read(void **state)
{
    (void)state;
    int in;
    struct process process = process_start_fed("train " TINY "--epochs 100000 --session busy --script -", "", &in);
    wait_for_text("nfbench/busy/metrics.jsonl", "\"step\":2,");
    json_t *page = report_of("busy");
    assert_holds(json_text_at(page, "lead"), "The run trains now: this is as of step");
    json_decref(page);
    kill(process.pid, SIGTERM);
    assert_int_equal(process_finish(&process)->status, 130);
    close(in);
}

/* ---- Where it goes ---- */

static void it_goes_where_it_is_told_to(void **state)
{
    (void)state;
    const struct outcome *outcome = run_expecting(0, "report plain --log-only --html --output only/html");
    assert_string_equal(outcome->out, "only/html/report.html\n");
    assert_int_not_equal(access(process_path("only/html/report.md"), F_OK), 0);
    assert_int_not_equal(access(process_path("only/html/report-figures"), F_OK), 0);
    outcome = run_expecting(0, "report plain --log-only --output a/page.md");
    assert_string_equal(outcome->out, "a/page.md\n");
    char *markdown = read_file(process_path("a/page.md"));
    assert_holds(markdown, "](page-figures/accuracy.png)");
    free(markdown);
    outcome = run_expecting(0, "report plain --log-only --output page.html");
    assert_string_equal(outcome->out, "page.html\n");
    json_t *page = read_page(process_path("page.html"));
    json_decref(page);
    assert_string_equal(run_expecting(0, "report plain --log-only --output other.HTM")->out, "other.HTM\n");
    json_decref(read_page(process_path("other.HTM")));
    run_expecting(0, "report plain --log-only --html --output v1.2");
    assert_int_equal(access(process_path("v1.2/report.html"), F_OK), 0);
    run_expecting(0, "report plain --log-only --html --output some.d/");
    run_expecting(0, "report plain --log-only --html --output some.d"); /* it is a folder */
    assert_int_equal(access(process_path("some.d/report.html"), F_OK), 0);
    /* the session's own, again: the same bytes, nothing half written beside them */
    run_expecting(0, "report plain --log-only");
    char *before = read_file(process_path("nfbench/plain/report/report.html"));
    run_expecting(0, "report plain --log-only");
    char *after = read_file(process_path("nfbench/plain/report/report.html"));
    assert_string_equal(before, after);
    assert_int_not_equal(access(process_path("nfbench/plain/report/report.html.tmp"), F_OK), 0);
    free(before);
    free(after);
    run_expecting(0, "sessions verify plain");
}

static void what_it_cannot_do_it_says_in_a_line(void **state)
{
    (void)state;
    assert_holds(run_expecting(2, "report plain --html --markdown")->err, "--html and --markdown");
    assert_holds(run_expecting(2, "report plain --markdown --output x.html")->err, "x.html");
    assert_holds(run_expecting(2, "report plain --output notes.txt")->err, "a file's name ends in .html or .md");
    assert_int_not_equal(access(process_path("notes.txt"), F_OK), 0);
    assert_holds(run_expecting(1, "report plain --log-only --output /dev/null/here")->err, "/dev/null/here");
    assert_holds(run_expecting(1, "report nobody")->err, "there is no session");
    run_expecting(2, "report");
    assert_holds(run_expecting(0, "report --help")->out, "--log-only");
}

int main(void)
{
    char command[512];
    snprintf(command, sizeof command, "%s -c pass 2>/dev/null", python());
    if (system(command) != 0) {
        print_message("# skipped: there is no %s here to read the pages with\n", python());
        return 0;
    }
    const struct CMUnitTest tests[] = {
        process_test(the_page_says_what_the_log_says),
        process_test(what_is_to_be_typed_does_what_it_says),
        process_test(the_seed_report_stands_beside_its_own_network),
        process_test(texts_of_a_session_stay_text),
        process_test(a_run_that_diverged_says_why),
        process_test(a_run_without_a_step_has_a_page),
        process_test(imported_forked_and_resumed_ones_have_theirs),
        process_test(a_damaged_one_tells_what_is_damaged),
        process_test(without_its_images_it_says_so),
        process_test(one_that_trains_is_only_read),
        process_test(it_goes_where_it_is_told_to),
        process_test(what_it_cannot_do_it_says_in_a_line),
    };
    return cmocka_run_group_tests(tests, setup, process_teardown);
}
