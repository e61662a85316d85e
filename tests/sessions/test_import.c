/* Import: weights under the peer's names become a session; what does not fit is listed. With the seed report's own
 * weights where $SHARED (or ../shared) holds them. */
#include "fixture.h"

#include "sessions/checkpoint.h"
#include "sessions/import.h"
#include "sessions/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct error error;

/* The network's weights alone, as another program would write them; one may be left out, misshapen or added. */
static void export_weights(struct network *network, const char *path, const char *without, const char *misshapen,
                           const char *extra)
{
    int count, used = 0;
    const struct parameter *parameters = network_parameters(network, &count);
    struct tensor_shape *shapes = calloc((size_t)count + 1, sizeof *shapes);
    struct safetensors_writer *writer;
    assert_non_null(shapes);
    for (int i = 0; i < count; i++) {
        if (without && strcmp(without, parameters[i].name) == 0)
            continue;
        snprintf(shapes[used].name, sizeof shapes[used].name, "%s", parameters[i].name);
        memcpy(shapes[used].dims, parameters[i].dims, sizeof shapes[used].dims);
        shapes[used].dim_count = parameters[i].dim_count;
        if (misshapen && strcmp(misshapen, parameters[i].name) == 0) {
            shapes[used].dims[0] = (int)parameters[i].count;
            shapes[used].dim_count = 1;
        }
        used++;
    }
    if (extra) {
        snprintf(shapes[used].name, sizeof shapes[used].name, "%s", extra);
        shapes[used++].dim_count = 0;
    }
    assert_ok(safetensors_create(path, shapes, used, NULL, 0, &writer, &error), &error);
    for (int i = 0; i < used; i++) {
        const struct parameter *parameter = network_find(network, shapes[i].name);
        float *values = calloc(parameter ? parameter->count : 1, sizeof *values);
        assert_non_null(values);
        if (parameter)
            assert_ok(network_read(network, parameter, PART_VALUE, values, &error), &error);
        assert_ok(safetensors_write(writer, values, parameter ? parameter->count : 1, &error), &error);
        free(values);
    }
    assert_ok(safetensors_commit(writer, &error), &error);
    free(shapes);
}

static void assert_averages_and_slow_weights_are_the_weights(struct network *network)
{
    const struct parameter *parameter = network_find(network, "stem.weight");
    float *value = calloc(parameter->count, sizeof *value), *other = calloc(parameter->count, sizeof *other);
    assert_non_null(value);
    assert_non_null(other);
    assert_ok(network_read(network, parameter, PART_VALUE, value, &error), &error);
    for (int part = PART_EMA; part <= PART_SLOW; part++) {
        assert_ok(network_read(network, parameter, (enum parameter_part)part, other, &error), &error);
        assert_memory_equal(value, other, parameter->count * sizeof *value);
    }
    free(value);
    free(other);
}

static void test_import_makes_a_session(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct rig source = make_rig(&settings, 1), target = make_rig(&settings, 2), again = make_rig(&settings, 3);
    struct session *session;
    struct training_state start;
    char note[256];
    const char *path = path_of("weights.safetensors");
    int classes = 0;
    export_weights(source.network, path, NULL, NULL, NULL);
    assert_ok(import_classes(path, &classes, &error), &error);
    assert_int_equal(classes, 10);
    assert_ok(import_session(path, &settings, target.network, &session, &error), &error);
    assert_averages_and_slow_weights_are_the_weights(target.network);
    assert_ok(session_resume(session, CHECKPOINT_LATEST, again.network, &start, note, &error), &error);
    assert_int_equal(start.step, 0);
    assert_true(start.best_accuracy == -1 && start.learning_rate == settings.train.learning_rate);
    assert_true(start.last_accuracy == -1 && start.last_gradient_norm == -1);    /* nothing is measured yet: */
    assert_true(start.validation_accuracy == -1 && start.validation_loss == -1); /* no command may wait for a 0 */
    assert_true(same_network(target.network, again.network));
    session_close(session);
    free_rig(&source);
    free_rig(&target);
    free_rig(&again);
}

static void test_a_checkpoint_can_be_imported(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct rig source = make_rig(&settings, 1), target = make_rig(&settings, 2);
    const struct checkpoint_info info = {.state = {.step = 3}};
    train_once(source.network);
    assert_ok(checkpoint_save(path_of("3.safetensors"), source.network, &info, &error), &error);
    assert_ok(import_weights(path_of("3.safetensors"), target.network, &error), &error);
    assert_averages_and_slow_weights_are_the_weights(target.network);
    free_rig(&source);
    free_rig(&target);
}

static void test_what_does_not_fit_is_listed(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct rig source = make_rig(&settings, 1), target = make_rig(&settings, 2), untouched = make_rig(&settings, 2);
    struct session *session;
    const char *path = path_of("bad.safetensors");
    export_weights(source.network, path, "head.bias", "blocks.0.conv1.weight", "fc.weight");
    assert_error(import_session(path, &settings, target.network, &session, &error), &error, "1 missing (head.bias)");
    assert_non_null(strstr(error.message, "1 unexpected (fc.weight)"));
    assert_non_null(strstr(error.message, "1 of another shape (blocks.0.conv1.weight)"));
    assert_true(same_network(target.network, untouched.network));
    struct session_summary *list;
    int count;
    assert_ok(sessions_list(&settings, &list, &count, &error), &error);
    assert_int_equal(count, 0);
    write_file(path, "\2\0\0\0\0\0\0\0{}", 10);
    assert_error(import_classes(path, &count, &error), &error, "no head.weight");
    assert_error(import_weights(path, target.network, &error), &error, "missing (stem.weight");
    free_rig(&source);
    free_rig(&target);
    free_rig(&untouched);
}

/* A session whose weights could not be saved is none, and its name is free again. */
static void test_a_failed_save_leaves_no_session(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct rig rig = make_rig(&settings, 1);
    struct session *session;
    const char *path = path_of("weights.safetensors");
    export_weights(rig.network, path, NULL, NULL, NULL);
    strcpy(settings.session, "unlucky");
    disk_damages = true;
    const int result = import_session(path, &settings, rig.network, &session, &error);
    disk_damages = false;
    assert_error(result, &error, "damaged");
    assert_false(exists(path_of("unlucky")));
    assert_ok(import_session(path, &settings, rig.network, &session, &error), &error);
    session_close(session);
    free_rig(&rig);
}

static void test_the_reports_weights(void **state)
{
    (void)state;
    char path[512];
    const char *shared = getenv("SHARED");
    snprintf(path, sizeof path, "%s/peer/report-weights.safetensors", shared ? shared : "../shared");
    if (!exists(path)) {
        print_message("SKIPPED: no %s\n", path);
        skip();
    }
    struct settings settings = small_settings();
    struct session *session;
    assert_ok(settings_set(&settings, "preset", "report", &error), &error);
    struct rig rig = make_rig(&settings, 1);
    assert_ok(import_session(path, &settings, rig.network, &session, &error), &error);
    assert_int_equal(network_parameter_count(rig.network), 737242);
    session_close(session);
    free_rig(&rig);

    assert_ok(settings_set(&settings, "preset", "micro", &error), &error);
    struct rig micro = make_rig(&settings, 1);
    assert_error(import_weights(path, micro.network, &error), &error, "of another shape");
    free_rig(&micro);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_import_makes_a_session, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_a_checkpoint_can_be_imported, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_what_does_not_fit_is_listed, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_a_failed_save_leaves_no_session, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_the_reports_weights, folder_setup, folder_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
