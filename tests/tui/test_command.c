/* The language of the screen: what lines mean, what is said about those that mean nothing, completion, and that the
 * keys of the table stand for lines that it understands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "tests/tui/parsed.h"
#include "tui/command.h"
#include "tui/keys.h"
#include "tui/layout.h"
#include "viz/canvas.h"

static void learning_rates(void **state)
{
    struct action action = parsed("lr 0.01");

    (void)state;
    assert_int_equal(action.kind, ACTION_LEARNING_RATE);
    assert_false(action.relative);
    assert_true(action.number == 0.01);
    action = parsed(" :lr  x0.1 ");
    assert_true(action.relative);
    assert_true(action.number == 0.1);
    assert_string_equal(action.text, "lr  x0.1");
    assert_int_equal(parsed("learning-rate 1e-3").kind, ACTION_LEARNING_RATE);
    refused("lr", "needs a value");
    refused("lr 0", "above 0");
    refused("lr -0.1", "above 0");
    refused("lr nan", "above 0");
    refused("lr inf", "above 0");
    refused("lr x", "factor");
    refused("lr 1e9", "out of range");
    refused("lr 0.1 0.2", "no learning rate");
}

static void other_arguments(void **state)
{
    (void)state;
    assert_int_equal(parsed("step").count, 1);
    assert_int_equal(parsed("back").count, BACK_LAST);
    assert_int_equal(parsed("back Good").count, BACK_GOOD);
    assert_int_equal(parsed("back 0").count, 0);
    refused("back -3", "no step");
    refused("back 4x", "no step");
    assert_string_equal(parsed("save").word, "");
    assert_string_equal(parsed("save half-way").word, "half-way");
    assert_string_equal(parsed("load half-way").word, "half-way");
    refused("load", "load NAME");
    refused("save a/b", "neither blanks nor '/'");
    refused("save a b", "neither blanks nor '/'");
    refused("save 100", "it would be taken for a step");
    refused("load best", "means something else");
    assert_int_equal(parsed("step 25").count, 25);
    refused("step 0", "from 1");
    refused("step 1.5", "whole number");
    assert_true(parsed("step 99999999999999999999").count >= 1000000000000); /* to the end, however far that is */
    assert_true(parsed("step 99999999999999999999").count + parsed("step").count > 0);
    assert_true(parsed("smooth 0.9").number == 0.9);
    assert_true(parsed("smooth 0").number == 0);
    refused("smooth 1", "below 1");
    assert_true(parsed("log").on);
    assert_true(parsed("log on").on);
    assert_false(parsed("log off").on);
    refused("log maybe", "neither");
    assert_int_equal(parsed("view log").choice, VIEW_LOG);
    assert_int_equal(parsed("view").choice, -1);
    assert_int_equal(view_word_chart(parsed("view accuracy").choice), PLACE_ACCURACY);
    assert_int_equal(view_word_chart(parsed("view charts").choice), PLACE_COUNT);
    assert_int_equal(parsed("glyphs ascii").choice, GLYPHS_ASCII);
    refused("view lgo", "did you mean 'log'");
    refused("glyphs sixel", "braille, block, ascii");
    assert_string_equal(parsed("export my file.png").word, "my file.png");
    assert_true(parsed("export my file.png").on);
    assert_string_equal(parsed("export").word, "");
    assert_string_equal(parsed("export signal,loss").word, "signal,loss");
    assert_false(parsed("export signal, loss").on);
    refused("export signal,foo", "there is no picture 'foo'");
    refused("pause now", "no argument");
}

static void typing_errors_get_a_suggestion(void **state)
{
    (void)state;
    refused("puase", "did you mean 'pause'");
    refused("resum", "did you mean 'resume'");
    refused("QUITT", "did you mean 'quit'");
    refused("help puase", "did you mean 'pause'");
    refused("xyzzyplugh", "help");
    assert_int_equal(parsed("PAUSE").kind, ACTION_PAUSE);
    assert_int_equal(parsed("exit").kind, ACTION_QUIT);
    assert_int_equal(parsed("q").kind, ACTION_QUIT); /* typed by habit */
    assert_int_equal(parsed("s").kind, ACTION_STEP);
}

static void nothing_is_an_error_without_words(void **state)
{
    struct action action;
    struct error error = {"x"};

    (void)state;
    assert_int_equal(command_parse("  : ", &action, &error), -1);
    assert_string_equal(error.message, "");
}

static void lines_of_any_length_and_bytes(void **state)
{
    char line[4096];
    struct action action;
    struct error error;

    (void)state;
    for (size_t length = 0; length < sizeof line; length += 13) {
        memset(line, 'a', sizeof line);
        line[length] = 0;
        assert_int_equal(command_parse(line, &action, &error), -1);
        memcpy(line, "lr ", length < 3 ? 0 : 3);
        assert_int_equal(command_parse(line, &action, &error), -1);
    }
    srand(1);
    for (int i = 0; i < 20000; i++) {
        size_t length = (size_t)rand() % 40;

        for (size_t k = 0; k < length; k++)
            line[k] = (char)(rand() % 255 + 1);
        line[length] = 0;
        (void)command_parse(line, &action, &error);
    }
}

static bool offers(const char *line, const char *word)
{
    const char *words[64];
    int end = (int)strlen(line), start = end, count;

    while (start > 0 && !strchr(" ,", line[start - 1]))
        start--;
    count = command_complete(line, start, end, words, 64);
    for (int i = 0; i < count; i++)
        if (strcmp(words[i], word) == 0)
            return true;
    return false;
}

/* The record of a command is its text: none is cut. */
static void what_is_too_long_to_be_recorded_is_refused(void **state)
{
    char line[300] = "at 5 note ";
    size_t head = strlen(line);

    (void)state;
    memset(line + head, 'x', 255 - head);
    assert_string_equal(parsed(line).text, line);
    line[255] = 'x';
    refused(line, "a command of 256 bytes: there may be 255");
    memmove(line, line + 5, sizeof(line) - 5); /* "note x": 251 bytes */
    assert_string_equal(parsed(line).word, line + 5);
    memset(line + 251, 'x', 5);
    refused(line, "a command of 256 bytes");
}

static void completion_knows_commands_and_values(void **state)
{
    const char *words[64];

    (void)state;
    assert_true(offers("", "pause"));
    assert_true(offers("pa", "pause"));
    assert_false(offers("pa", "lr"));
    assert_true(offers("log o", "off"));
    assert_true(offers("view ", "accuracy"));
    assert_true(offers("theme d", "dark"));
    assert_true(offers("help ev", "eval"));
    assert_false(offers("lr ", "pause"));
    assert_false(offers("log on ", "off"));
    assert_false(offers("nonsense ", "pause"));
    assert_true(offers("export si", "signal"));
    assert_true(offers("export ", "all"));
    assert_true(offers("export loss,si", "signal"));
    assert_int_equal(command_complete("export x", 7, 8, words, 64), -1); /* no picture's name: a file */
}

static void each_command_is_complete_and_found_by_its_names(void **state)
{
    const struct command_entry *entry;
    char usage[64];
    int count = 0;

    (void)state;
    for (int i = 0; (entry = command_at(i)); i++, count++) {
        assert_ptr_equal(command_find(entry->name), entry);
        if (entry->alias)
            assert_ptr_equal(command_find(entry->alias), entry);
        assert_true(strlen(entry->help) > 10);
        assert_int_equal(entry->argument == ARGUMENT_NONE, entry->usage == NULL);
        assert_int_equal(entry->argument == ARGUMENT_CHOICE, entry->choice != NULL);
        command_usage(entry, usage, sizeof usage);
        assert_memory_equal(usage, entry->name, strlen(entry->name));
    }
    assert_int_equal(count, ACTION_COUNT);
    assert_null(command_at(-1));
}

static void keys_stand_for_lines_that_are_understood(void **state)
{
    const struct command_entry *entry;

    (void)state;
    for (int i = 0; (entry = command_at(i)); i++)
        for (int k = 0; k < COMMAND_KEYS && entry->keys[k].key; k++) {
            const struct command_key *key = &entry->keys[k];

            assert_int_equal(parsed(key->line).kind, entry->action);
            assert_ptr_equal(command_for_key(key->key), key); /* no key twice */
            assert_true(key->name && *key->name);
        }
    assert_string_equal(command_for_key(' ')->line, "toggle");
    assert_string_equal(command_for_key('+')->line, "lr x1.25");
    assert_string_equal(command_for_key(KEY_CODE_TAB)->line, "view");
    assert_null(command_for_key('z'));
    assert_null(command_for_key(KEY_CODE_NONE));
}

static void the_readme_lists_what_there_is(void **state)
{
    char *text = NULL;
    size_t size;
    FILE *memory = open_memstream(&text, &size);
    const struct command_entry *entry;

    (void)state;
    assert_non_null(memory);
    command_markdown(memory);
    assert_int_equal(fclose(memory), 0);
    for (int i = 0; (entry = command_at(i)); i++)
        assert_non_null(strstr(text, entry->help));
    assert_non_null(strstr(text, "| `lr X/xF` | `+` (lr x1.25), `-` (lr x0.8)"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(learning_rates),
        cmocka_unit_test(other_arguments),
        cmocka_unit_test(typing_errors_get_a_suggestion),
        cmocka_unit_test(nothing_is_an_error_without_words),
        cmocka_unit_test(lines_of_any_length_and_bytes),
        cmocka_unit_test(what_is_too_long_to_be_recorded_is_refused),
        cmocka_unit_test(completion_knows_commands_and_values),
        cmocka_unit_test(each_command_is_complete_and_found_by_its_names),
        cmocka_unit_test(keys_stand_for_lines_that_are_understood),
        cmocka_unit_test(the_readme_lists_what_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
