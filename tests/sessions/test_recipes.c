/* The recipes: each of them is read, is a run of its own, and is the file that lies in recipes/. */
#include "settings_line.h"

#include "sessions/fields.h"
#include "sessions/file.h"
#include "sessions/recipes.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct error error;

static void each_is_read_and_differs_from_the_others(void **state)
{
    struct text texts[16] = {{0}};
    char line[64];
    (void)state;
    int count = 0;
    for (; recipe_name(count); count++) {
        struct settings settings;
        snprintf(line, sizeof line, "--config %s", recipe_name(count));
        if (parse_line(&settings, SETTINGS_NEW, line, &error))
            fail_msg("%s", error.message);
        assert_ok(settings_format(&settings, &texts[count], &error), &error);
        assert_true(strlen(recipe_summary(count)) > 20);
        for (int i = 0; i < count; i++)
            assert_string_not_equal(texts[i].data, texts[count].data);
    }
    for (int i = 0; i < count; i++)
        free(texts[i].data);
    assert_true(count >= 6);
    assert_null(recipe_summary(count));
}

/* So that none is forgotten, and none is an older one. */
static void they_are_the_files_of_the_source(void **state)
{
    glob_t files;
    int count = 0;
    (void)state;
    assert_int_equal(glob("recipes/*.ini", 0, NULL, &files), 0);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        char name[64], *text;
        size_t length, size;
        snprintf(name, sizeof name, "%s", strrchr(files.gl_pathv[i], '/') + 1);
        *strrchr(name, '.') = '\0';
        const char *recipe = recipe_text(name, &size);
        assert_non_null(recipe);
        assert_int_equal(file_read(files.gl_pathv[i], &text, &length, &error), 0);
        assert_int_equal(size, length);
        assert_memory_equal(recipe, text, length);
        free(text);
    }
    while (recipe_name(count))
        count++;
    assert_int_equal(files.gl_pathc, count);
    globfree(&files);
}

static void options_come_after_the_recipe(void **state)
{
    struct settings settings;
    (void)state;
    assert_int_equal(parse_line(&settings, SETTINGS_NEW, "--lr 0.125 --config report --seed 7", &error), 0);
    assert_string_equal(settings.model.preset, "report");
    assert_true(settings.train.learning_rate == 0.125f);
    assert_int_equal(settings.train.seed, 7);
    assert_int_equal(settings.train.epochs, 200);
}

static void an_unknown_one_is_told_with_those_there_are(void **state)
{
    struct settings settings;
    (void)state;
    assert_int_equal(parse_line(&settings, SETTINGS_NEW, "--config fsat", &error), -1);
    assert_non_null(strstr(error.message, "'fsat'"));
    assert_non_null(strstr(error.message, "report, fast, "));
    assert_int_equal(parse_line(&settings, SETTINGS_NEW, "--config there/is/none.ini", &error), -1);
    assert_non_null(strstr(error.message, "No such file"));
}

/* Somebody's own file of that name; a folder, as reports and sessions are, does not hide it. */
static void a_file_goes_before_a_recipe(void **state)
{
    struct settings settings, beside_folder, none;
    char *const home = getcwd(NULL, 0), folder[] = "/tmp/nfbench-recipes-XXXXXX";
    (void)state;
    assert_non_null(home);
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chdir(folder), 0);
    FILE *file = fopen("fast", "w");
    assert_non_null(file);
    fputs("lr = 0.75\n", file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(parse_line(&settings, SETTINGS_NEW, "--config fast", &error), 0);
    assert_int_equal(unlink("fast"), 0);
    assert_int_equal(mkdir("report", 0700), 0);
    assert_int_equal(mkdir("other", 0700), 0);
    assert_int_equal(parse_line(&beside_folder, SETTINGS_NEW, "--config report", &error), 0);
    assert_int_equal(parse_line(&none, SETTINGS_NEW, "--config other", &error), -1);
    assert_non_null(strstr(error.message, "other: Is a directory"));
    assert_int_equal(rmdir("report"), 0);
    assert_int_equal(rmdir("other"), 0);
    assert_int_equal(chdir(home), 0);
    assert_int_equal(rmdir(folder), 0);
    free(home);
    assert_true(settings.train.learning_rate == 0.75f);
    assert_string_equal(settings.model.preset, SETTINGS_PRESET);
    assert_string_equal(beside_folder.model.preset, "report");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_read_and_differs_from_the_others), cmocka_unit_test(they_are_the_files_of_the_source),
        cmocka_unit_test(options_come_after_the_recipe), cmocka_unit_test(an_unknown_one_is_told_with_those_there_are),
        cmocka_unit_test(a_file_goes_before_a_recipe)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
