/* The tables of a session's records: RFC 4180, every member of every record, and nothing where nothing was measured. */
#include "fixture.h"

#include "sessions/csv.h"
#include "sessions/metrics_record.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct error error;

/* The table of that name; freed by the caller. */
static char *table_of(const struct metrics *metrics, const char *name)
{
    char path[FILE_PATH_SIZE];
    size_t size;
    for (int i = 0; csv_table(i); i++) {
        if (strcmp(csv_table(i), name) != 0)
            continue;
        assert_ok(csv_write(i, metrics, path_of("new/folder"), path, &error), &error);
        assert_non_null(strstr(path, "new/folder/"));
        return read_file(path, &size);
    }
    fail_msg("there is no table %s", name);
    return NULL;
}

static void steps_and_epochs(void **state)
{
    (void)state;
    struct step_record steps[] = {{.step = 1, .loss = 2.5f, .accuracy = 0.125f, .learning_rate = 0.1f, .seconds = 0.5},
                                  {.step = 2, .loss = NAN, .gradient_norm = INFINITY}};
    struct epoch_record epochs[] = {
        {.step = 2, .epoch = 1, .validation_loss = -1, .validation_accuracy = -1, .test_accuracy = 0.5f, .best = true}};
    const struct metrics metrics = {.steps = steps, .step_count = 2, .epochs = epochs, .epoch_count = 1};
    char *text = table_of(&metrics, "steps");
    assert_string_equal(text, "step,epoch,loss,accuracy,lr,gradient_norm,clipped_units,seconds,images_per_second\r\n"
                              "1,0,2.5,0.125,0.1,0,0,0.5,0\r\n"
                              "2,0,,0,0,,0,0,0\r\n");
    free(text);
    text = table_of(&metrics, "epochs");
    assert_string_equal(text, "step,epoch,train_loss,train_accuracy,validation_loss,validation_accuracy,test_loss,"
                              "test_accuracy,seconds,best\r\n"
                              "2,1,0,0,,,0,0.5,0,true\r\n");
    free(text);
}

static void texts_are_quoted_where_they_must_be(void **state)
{
    (void)state;
    struct command_record commands[] = {
        {.step = 3, .command = {.kind = COMMAND_NOTE, .text = "note a \"b\", c\nd"}, .ok = true, .outcome = "noted"},
        {.step = 4,
         .command = {.kind = COMMAND_WAIT,
                     .text = "at 9 save x",
                     .number = 2,
                     .then = COMMAND_SAVE,
                     .name = "x",
                     .when = {.quantity = WHEN_STEP, .relation = RELATION_AT, .value = 9}},
         .ok = true},
        {.step = 5, .command = {.kind = COMMAND_NOTE, .value = 0.8f}},
        {.step = 6, .command = {.kind = COMMAND_NOTE, .value = 0.06110745999831124}}};
    const struct metrics metrics = {.commands = commands, .command_count = 4};
    char *text = table_of(&metrics, "commands");
    assert_string_equal(text,
                        "step,action,value,count,command,ok,outcome,waits_number,waits_when,waits_relation,waits_bound,"
                        "waits_action,waits_name\r\n"
                        "3,note,0,0,\"note a \"\"b\"\", c\nd\",true,noted,,,,,,\r\n"
                        "4,wait,0,0,at 9 save x,true,,2,step,at,9,save,x\r\n"
                        "5,note,0.8,0,,false,,,,,,,\r\n"
                        "6,note,0.06110745999831124,0,,false,,,,,,,\r\n");
    free(text);
}

static int count_cells(const char *line)
{
    int cells = 1;
    for (; *line && *line != '\r'; line++)
        cells += *line == ',';
    return cells;
}

/* A row for each point, as many cells as columns; of the bins those that are not empty, the outer ones without an end.
 */
static void probes_and_their_histograms(void **state)
{
    (void)state;
    struct probe *probe;
    assert_ok(probe_create_summary(2, &probe, &error), &error);
    probe->step = 7;
    probe->points[1].variance = 1.25f;
    probe->points[1].values[0] = 4;
    probe->points[1].values[value_bin(1)] = 9;
    probe->points[1].variances[VALUE_BINS - 1] = 2;
    const struct metrics metrics = {.probes = &probe, .probe_count = 1};
    char *text = table_of(&metrics, "probes");
    const char *first = strchr(text, '\n') + 1, *second = strchr(first, '\n') + 1;
    assert_memory_equal(text, "step,images,loss,gradients,point,channels,", 42);
    assert_memory_equal(second, "7,0,0,false,1,0,0,0,1.25,", 25);
    assert_int_equal(count_cells(text), count_cells(first));
    assert_int_equal(count_cells(text), count_cells(second));
    assert_string_equal(strchr(second, '\n') + 1, "");
    free(text);
    text = table_of(&metrics, "histograms");
    assert_string_equal(text, "step,point,of,from,to,count\r\n"
                              "7,1,values,,-256,4\r\n"
                              "7,1,values,1,1.125,9\r\n"
                              "7,1,channel variances,256,,2\r\n");
    free(text);
    probe_destroy(probe);
}

static void an_empty_session_has_tables_without_rows(void **state)
{
    (void)state;
    const struct metrics metrics = {0};
    for (int i = 0; csv_table(i); i++) {
        char *text = table_of(&metrics, csv_table(i));
        assert_memory_equal(text, "step,", 5);
        assert_string_equal(strchr(text, '\n') + 1, "");
        free(text);
    }
    char path[FILE_PATH_SIZE];
    write_file(path_of("file"), "", 0);
    assert_error(csv_write(0, &metrics, path_of("file"), path, &error), &error, "file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(steps_and_epochs, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(texts_are_quoted_where_they_must_be, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(probes_and_their_histograms, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(an_empty_session_has_tables_without_rows, folder_setup, folder_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
