/* Checkpoints: what is saved comes back to the bit, damage is found, nothing that is not finite is saved, a kill leaves
 * what was there, and the right files are kept. */
#include "fixture.h"

#include "sessions/checkpoint.h"
#include "sessions/safetensors.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct error error;

static struct checkpoint_info info_of(long step, bool best)
{
    return (struct checkpoint_info){.state = {.step = step,
                                              .epoch = 3,
                                              .batch_in_epoch = 4000000000u,
                                              .learning_rate = 0.1f,
                                              .seconds = 1.0 / 3,
                                              .epoch_loss_sum = 1e300,
                                              .epoch_correct = 123456789012,
                                              .epoch_images = 7,
                                              .best_accuracy = -1,
                                              .best_step = 5,
                                              .last_loss = 2.3f},
                                    .best = best,
                                    .settings_digest = "abc"};
}

static const char *checkpoint_path(long step)
{
    char name[64];
    snprintf(name, sizeof name, "%ld.safetensors", step);
    return path_of(name);
}

static void save(struct rig *rig, long step, bool best)
{
    struct checkpoint_info info = info_of(step, best);
    assert_ok(checkpoint_save(checkpoint_path(step), rig->network, &info, &error), &error);
}

static void test_round_trip(void **state)
{
    (void)state;
    const struct settings settings = small_settings();
    struct rig saved = make_rig(&settings, 1), loaded = make_rig(&settings, 2);
    struct checkpoint_info info = {0}, expected = info_of(7, true);
    train_once(saved.network);
    assert_false(same_network(saved.network, loaded.network));
    save(&saved, 7, true);
    assert_ok(checkpoint_load(checkpoint_path(7), loaded.network, &info, &error), &error);
    assert_true(same_network(saved.network, loaded.network));
    assert_true(info.state.step == expected.state.step && info.state.epoch == expected.state.epoch);
    assert_true(info.state.batch_in_epoch == expected.state.batch_in_epoch);
    assert_true(info.state.learning_rate == expected.state.learning_rate);
    assert_true(info.state.seconds == expected.state.seconds);
    assert_true(info.state.epoch_loss_sum == expected.state.epoch_loss_sum);
    assert_true(info.state.epoch_correct == expected.state.epoch_correct && info.state.epoch_images == 7);
    assert_true(info.state.best_accuracy == -1 && info.state.best_step == 5 && info.state.last_loss == 2.3f);
    assert_true(info.best);
    assert_string_equal(info.settings_digest, "abc");
    free_rig(&saved);
    free_rig(&loaded);
}

static void test_the_peers_names(void **state)
{
    (void)state;
    const struct settings settings = small_settings();
    struct rig rig = make_rig(&settings, 1);
    struct safetensors *file;
    save(&rig, 7, false);
    assert_ok(safetensors_open(checkpoint_path(7), &file, &error), &error);
    static const char *const names[] = {"stem.weight", "blocks.0.conv1.gain", "blocks.0.skip_gain", "head.bias"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char name[80];
        assert_non_null(safetensors_find(file, names[i]));
        snprintf(name, sizeof name, "momentum.%s", names[i]);
        assert_non_null(safetensors_find(file, name));
        snprintf(name, sizeof name, "ema.%s", names[i]);
        assert_non_null(safetensors_find(file, name));
    }
    const struct tensor *stem = safetensors_find(file, "stem.weight");
    assert_true(stem->dim_count == 4 && stem->dims[0] == 8 && stem->dims[1] == 3 && stem->dims[2] == 3);
    assert_int_equal(safetensors_find(file, "blocks.0.skip_gain")->dim_count, 0);
    safetensors_close(file);
    free_rig(&rig);
}

static void test_damage_is_found(void **state)
{
    (void)state;
    const struct settings settings = small_settings();
    struct rig rig = make_rig(&settings, 1), untouched = make_rig(&settings, 2), same = make_rig(&settings, 2);
    struct checkpoint_info info;
    size_t size;
    save(&rig, 7, false);
    char *bytes = read_file(checkpoint_path(7), &size);
    for (size_t i = 0; i < size; i += i < 400 ? 1 : size / 50) {
        bytes[i] ^= 4;
        write_file(path_of("damaged.safetensors"), bytes, size);
        bytes[i] ^= 4;
        if (checkpoint_load(path_of("damaged.safetensors"), untouched.network, &info, &error) == 0)
            fail_msg("the flipped bit in byte %zu was not found", i);
    }
    assert_true(same_network(untouched.network, same.network));
    free(bytes);
    free_rig(&rig);
    free_rig(&untouched);
    free_rig(&same);
}

static void test_another_network_is_refused(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct rig rig = make_rig(&settings, 1);
    struct checkpoint_info info;
    save(&rig, 7, false);
    assert_ok(settings_set(&settings, "stages", "8/4x2/2", &error), &error);
    struct rig other = make_rig(&settings, 1);
    assert_error(checkpoint_load(checkpoint_path(7), other.network, &info, &error), &error, "missing (blocks.1.");
    assert_ok(settings_set(&settings, "stages", "12/4x1/2", &error), &error);
    struct rig wider = make_rig(&settings, 1);
    assert_error(checkpoint_load(checkpoint_path(7), wider.network, &info, &error), &error, "of another shape (");
    free_rig(&rig);
    free_rig(&other);
    free_rig(&wider);
}

/* A network without averages (for a test, say) loads a checkpoint with them. */
static void test_averages_may_be_left_out(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct rig rig = make_rig(&settings, 1);
    struct checkpoint_info info;
    save(&rig, 7, false);
    settings.train.ema = 0;
    struct rig plain = make_rig(&settings, 2);
    assert_ok(checkpoint_load(checkpoint_path(7), plain.network, &info, &error), &error);
    free_rig(&rig);
    free_rig(&plain);
}

static void test_nothing_not_finite_is_saved(void **state)
{
    (void)state;
    const struct settings settings = small_settings();
    struct rig rig = make_rig(&settings, 1), loaded = make_rig(&settings, 2);
    struct checkpoint_info info = info_of(7, false), nan_info = info_of(7, false);
    const struct parameter *parameter = network_find(rig.network, "head.bias");
    float *values = calloc(parameter->count, sizeof *values);
    assert_non_null(values);
    save(&rig, 7, false);
    values[parameter->count - 1] = NAN;
    assert_ok(network_write(rig.network, parameter, PART_MOMENTUM, values, &error), &error);
    assert_error(checkpoint_save(checkpoint_path(7), rig.network, &info, &error), &error,
                 "momentum.head.bias is not finite");
    nan_info.state.last_loss = NAN;
    assert_error(checkpoint_save(checkpoint_path(7), loaded.network, &nan_info, &error), &error, "not finite");
    assert_false(exists(path_of("7.safetensors.tmp")));
    assert_ok(checkpoint_load(checkpoint_path(7), loaded.network, &info, &error), &error);
    free(values);
    free_rig(&rig);
    free_rig(&loaded);
}

/* A process killed while it writes: the older checkpoint stays and loads, the half-written one goes at the next. */
static void test_a_kill_leaves_the_old(void **state)
{
    (void)state;
    const struct settings settings = small_settings();
    struct rig rig = make_rig(&settings, 1), loaded = make_rig(&settings, 2);
    struct checkpoint_info info;
    const char *path = checkpoint_path(7), *temporary = path_of("7.safetensors.tmp");
    save(&rig, 7, false);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct tensor_shape shape = {"stem.weight", {1000}, 1};
        const float values[100] = {0};
        struct safetensors_writer *writer;
        if (safetensors_create(path, &shape, 1, NULL, 0, &writer, NULL) == 0)
            safetensors_write(writer, values, 100, NULL);
        raise(SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_true(exists(temporary));
    assert_ok(checkpoint_load(path, loaded.network, &info, &error), &error);
    assert_true(same_network(rig.network, loaded.network));
    assert_ok(checkpoint_prune(folder, &error), &error);
    assert_false(exists(temporary));
    free_rig(&rig);
    free_rig(&loaded);
}

static void test_what_is_kept(void **state)
{
    (void)state;
    const struct settings settings = small_settings();
    struct rig rig = make_rig(&settings, 1);
    struct checkpoint_entry *entries;
    struct checkpoint_info info = info_of(3, false);
    int count;
    assert_ok(checkpoint_save(path_of("before-lr-drop.safetensors"), rig.network, &info, &error), &error);
    for (long step = 8; step <= 120; step += 8) {
        save(&rig, step, step == 16 || step == 40);
        assert_ok(checkpoint_prune(folder, &error), &error);
    }
    assert_ok(checkpoint_list(folder, &entries, &count, &error), &error);
    assert_int_equal(count, 3);
    assert_true(entries[0].step == 120 && entries[1].step == 112 && entries[2].step == 40);
    assert_true(exists(path_of("before-lr-drop.safetensors")));
    free(entries);
    assert_ok(checkpoint_list(path_of("none"), &entries, &count, &error), &error);
    assert_int_equal(count, 0);
    free_rig(&rig);
}

static void test_a_foreign_file_is_no_checkpoint(void **state)
{
    (void)state;
    struct checkpoint_info info;
    write_file(path_of("9.safetensors"), "\2\0\0\0\0\0\0\0{}", 10);
    assert_error(checkpoint_read_info(path_of("9.safetensors"), &info, &error), &error, "nfbench import");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_the_peers_names, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_damage_is_found, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_another_network_is_refused, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_averages_may_be_left_out, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_nothing_not_finite_is_saved, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_a_kill_leaves_the_old, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_what_is_kept, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_a_foreign_file_is_no_checkpoint, folder_setup, folder_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
