/* `nfbench export` on the real program: which pictures there are, where they go, what stands in them, and what is said
 * when there is nothing to draw. */
#include "tests/tui/process.h"
#include "tui/export.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <png.h>

/* Width of a PNG, and the text it carries for a key (static); fails the test when it is none. */
static const char *read_png(const char *path, const char *key, unsigned *width)
{
    static char text[8192];
    FILE *file = fopen(path, "rb");
    if (!file)
        fail_msg("there is no file %s", path);
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_textp texts;
    int count;
    text[0] = '\0';
    if (setjmp(png_jmpbuf(png)))
        fail_msg("%s is no PNG", path);
    png_init_io(png, file);
    png_read_png(png, info, PNG_TRANSFORM_IDENTITY, NULL);
    *width = png_get_image_width(png, info);
    png_get_text(png, info, &texts, &count);
    for (int i = 0; i < count; i++)
        if (strcmp(texts[i].key, key) == 0)
            snprintf(text, sizeof text, "%s", texts[i].text);
    png_destroy_read_struct(&png, &info, NULL);
    fclose(file);
    return text;
}

static void pictures_of_the_log_are_written_and_told(void **state)
{
    static const char *const names[] = {"loss",       "accuracy",  "signal",  "gradients",     "weights",
                                        "histograms", "variances", "density", "learning-rate", "gradient-norm"};
    (void)state;
    run_expecting(0, "train " TINY "--steps 6 --probe-every 4 --session drawn");
    const struct outcome *outcome = run_expecting(0, "export drawn --scale 1");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char name[128];
        unsigned width;
        snprintf(name, sizeof name, "nfbench/drawn/images/step-000006-%s.png", names[i]);
        if (!strstr(outcome->out, name))
            fail_msg("%s is not told in\n%s", name, outcome->out);
        json_t *text =
            json_loads(read_png(process_path(name), "nfbench:session", &width), JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(text);
        assert_string_equal(json_text_at(text, "session"), "drawn");
        assert_int_equal((int)json_number_at(text, "step"), 6);
        assert_string_equal(json_text_at(json_object_get(text, "settings"), "batch"), "16");
        assert_in_range(width, 900, 3000);
        json_decref(text);
    }
}

static void scale_names_and_folder_can_be_chosen(void **state)
{
    (void)state;
    unsigned once, twice;
    run_expecting(0, "train " TINY "--steps 3 --probe-every 2 --session chosen");
    run_expecting(0, "export chosen --what loss,signal --scale 1 --to %s", process_path("here/once"));
    run_expecting(0, "export chosen --what signal --to %s --theme dark", process_path("here/twice"));
    read_png(process_path("here/once/step-000003-signal.png"), "Software", &once);
    read_png(process_path("here/twice/step-000003-signal.png"), "Software", &twice);
    assert_int_equal(twice, 2 * once);
    assert_int_equal(access(process_path("here/once/step-000003-loss.png"), F_OK), 0);
    assert_int_not_equal(access(process_path("here/twice/step-000003-loss.png"), F_OK), 0);
    json_t *told = last_json(run_expecting(0, "export chosen --what loss --json"));
    assert_string_equal(json_text_at(told, "session"), "chosen");
    const json_t *file = json_array_get(json_object_get(told, "files"), 0);
    assert_string_equal(json_text_at(file, "name"), "loss");
    assert_int_equal(access(json_text_at(file, "path"), F_OK), 0);
    assert_int_equal(json_array_size(json_object_get(told, "skipped")), 0);
    json_decref(told);
}

/* Before a divergence the network can be seen alive. */
static void an_earlier_probe_can_be_chosen(void **state)
{
    (void)state;
    run_expecting(0, "train " TINY "--steps 6 --probe-every 4 --session earlier");
    const struct outcome *outcome = run_expecting(0, "export earlier --what signal,loss --step 5");
    assert_non_null(strstr(outcome->out, "step-000004-signal.png"));
    assert_non_null(strstr(outcome->out, "step-000006-loss.png"));
    outcome = run_expecting(2, "export earlier --what signal --step -1");
    assert_non_null(strstr(outcome->err, "--step"));
}

static void the_help_names_every_picture(void **state)
{
    (void)state;
    const struct outcome *outcome = run_expecting(0, "export --help");
    const struct export_row *row;
    for (int i = 0; (row = export_row(i)); i++)
        if (!strstr(outcome->out, row->name))
            fail_msg("%s is missing in\n%s", row->name, outcome->out);
}

static void what_cannot_be_drawn_is_said(void **state)
{
    (void)state;
    run_expecting(0, "train " TINY "--steps 3 --probe-every 0 --session unprobed");
    const struct outcome *outcome = run_expecting(0, "export unprobed"); /* of all some, and a note for the others */
    assert_non_null(strstr(outcome->out, "-loss.png"));
    assert_null(strstr(outcome->out, "-signal.png"));
    assert_non_null(strstr(outcome->err, "note: signal: session unprobed has no probes in its log"));
    outcome = run_expecting(1, "export unprobed --what signal");
    assert_non_null(strstr(outcome->err, "no probes"));
    assert_int_not_equal(access(process_path("nfbench/unprobed/images/step-000003-signal.png"), F_OK), 0);
    outcome = run_expecting(2, "export unprobed --what sigmal");
    assert_non_null(strstr(outcome->err, "there is no picture 'sigmal': there are loss, accuracy, signal"));
    outcome = run_expecting(1, "export no-such-session");
    assert_non_null(strstr(outcome->err, "no-such-session"));
    run_expecting(2, "export unprobed --scale 9");
    run_expecting(2, "export unprobed --theme pink");
    run_expecting(2, "export unprobed --what loss --all");
    run_expecting(1, "export unprobed --what loss --to /dev/null/here");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pictures_of_the_log_are_written_and_told),
        cmocka_unit_test(scale_names_and_folder_can_be_chosen),
        cmocka_unit_test(an_earlier_probe_can_be_chosen),
        cmocka_unit_test(the_help_names_every_picture),
        cmocka_unit_test(what_cannot_be_drawn_is_said),
    };
    return cmocka_run_group_tests(tests, process_setup, process_teardown);
}
