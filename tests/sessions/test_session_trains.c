/* A session that another process trains while it is read, at any pace. */
#include "session_log.h"

#include <dirent.h>
#include <dlfcn.h>

static struct error error;

/* Trains on between the list of checkpoints and the first that is read, so many times. */
static struct {
    struct session *session;
    struct rig *rig;
    long step;
    int times;
} trainer;

static void train_on(void)
{
    if (trainer.times == 0)
        return;
    const int left = trainer.times - 1;
    trainer.times = 0; /* it lists them itself */
    for (int i = 0; i < 4; i++)
        save_step(trainer.session, trainer.rig, ++trainer.step, false);
    trainer.times = left;
}

/* In place of the C library's: the end of a list. */
int closedir(DIR *directory)
{
    static int (*real)(DIR *);
    if (!real)
        real = (int (*)(DIR *))dlsym(RTLD_NEXT, "closedir");
    const int result = real(directory);
    train_on();
    return result;
}

static void the_newest_is_taken_though_those_that_were_listed_are_gone(void **state)
{
    (void)state;
    struct settings settings = small_settings();
    struct rig rig = make_rig(&settings, 1), loaded = make_rig(&settings, 2);
    struct session *session = create_session(&settings, "trains"), *read;
    struct training_state at;
    char note[256];
    save_step(session, &rig, 1, false);
    assert_ok(session_open(&settings, "trains", SESSION_READ, &read, &error), &error);
    for (int times = 1; times <= 3; times++) {
        trainer.session = session;
        trainer.rig = &rig;
        trainer.step = 10 * times;
        trainer.times = times;
        assert_ok(session_load(read, CHECKPOINT_LATEST, loaded.network, &at, note, &error), &error);
        assert_int_equal(trainer.times, 0);
        assert_int_equal(at.step, trainer.step);
        assert_string_equal(note, "");
        assert_true(same_network(rig.network, loaded.network));
    }
    trainer.times = 1;
    assert_error(session_load(read, trainer.step, loaded.network, &at, note, &error), &error, "no checkpoint at step");
    session_close(read);
    session_close(session);
    free_rig(&rig);
    free_rig(&loaded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_newest_is_taken_though_those_that_were_listed_are_gone, folder_setup,
                                        folder_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
