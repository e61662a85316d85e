/* A session that another process trains while it is read, at any pace. */
#include "session_log.h"

#include "sessions/verify.h"

#include <dirent.h>
#include <dlfcn.h>

static struct error error;

/* Makes some epochs of a step each, and saves each, whenever the reader has come to the end of so many lists. */
static struct {
    struct session *session;
    struct rig *rig;
    long step;
    int epochs, lists, left; /* until the next of them */
    int rounds;              /* how often still */
} trainer;

static void train(void)
{
    const struct trainer_sink sink = session_sink(trainer.session);
    const long step = ++trainer.step;
    const struct step_record made = {.step = step, .epoch = (int)step - 1};
    const struct epoch_record end = {.step = step, .epoch = (int)step, .best = step % 3 == 0};
    const struct training_state state = {.step = step, .epoch = (int)step, .best_accuracy = -1};
    assert_ok(sink.on_step(sink.context, &made, &error), &error);
    assert_ok(sink.on_epoch(sink.context, &end, &error), &error);
    assert_ok(sink.on_checkpoint(sink.context, trainer.rig->network, &state, end.best, &error), &error);
}

static void train_on(void)
{
    const int rounds = trainer.rounds;
    if (rounds == 0 || --trainer.left > 0)
        return;
    trainer.rounds = 0; /* it lists them itself */
    for (int i = 0; i < trainer.epochs; i++)
        train();
    trainer.left = trainer.lists;
    trainer.rounds = rounds - 1;
}

static void train_meanwhile(int epochs, int lists, int left, int rounds)
{
    trainer.epochs = epochs;
    trainer.lists = lists;
    trainer.left = left;
    trainer.rounds = rounds;
}

static void start(struct settings *settings, struct rig *rig)
{
    *settings = small_settings();
    settings->train.log_every = 1;
    *rig = make_rig(settings, 1);
    trainer.session = create_session(settings, "trains");
    trainer.rig = rig;
    trainer.step = 0;
    train();
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
    struct settings settings;
    struct rig rig, loaded;
    struct session *read;
    struct training_state at;
    char note[256];
    start(&settings, &rig);
    loaded = make_rig(&settings, 2);
    assert_ok(session_open(&settings, "trains", SESSION_READ, &read, &error), &error);
    for (int rounds = 1; rounds <= 3; rounds++) {
        train_meanwhile(4, 1, 1, rounds);
        assert_ok(session_load(read, CHECKPOINT_LATEST, loaded.network, &at, note, &error), &error);
        assert_int_equal(trainer.rounds, 0);
        assert_int_equal(at.step, trainer.step);
        assert_string_equal(note, "");
        assert_true(same_network(rig.network, loaded.network));
    }
    const long listed = trainer.step;
    train_meanwhile(4, 1, 1, 1);
    assert_error(session_load(read, listed, loaded.network, &at, note, &error), &error, "no checkpoint at step");
    session_close(read);
    session_close(trainer.session);
    free_rig(&rig);
    free_rig(&loaded);
}

/* Neither are its logs behind its checkpoints, nor is a best one missing that was the best. */
static void what_is_saved_while_it_is_verified_is_not_wrong(void **state)
{
    (void)state;
    struct settings settings;
    struct rig rig;
    struct verify_report report;
    start(&settings, &rig);
    for (int lists = 1; lists <= 6; lists++)
        for (int left = 1; left <= lists; left++) {
            train_meanwhile(1, lists, left, 1000);
            assert_ok(session_verify(&settings, "trains", false, &report, &error), &error);
            train_meanwhile(0, 0, 0, 0);
            for (int i = 0; i < report.count; i++)
                fail_msg("%s: %s", report.findings[i].file, report.findings[i].what);
            verify_free(&report);
        }
    session_close(trainer.session);
    free_rig(&rig);
}

/* ... and is no step that the run could go on from. */
static void a_damaged_checkpoint_is_not_the_newest(void **state)
{
    (void)state;
    struct settings settings;
    struct rig rig;
    struct verify_report report;
    start(&settings, &rig);
    train();
    FILE *file = fopen(inside(trainer.session, "checkpoints/2.safetensors"), "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, -1, SEEK_END), 0);
    const int last = fgetc(file);
    assert_int_equal(fseek(file, -1, SEEK_END), 0);
    assert_true(fputc(last ^ 1, file) != EOF && fclose(file) == 0);
    assert_ok(session_verify(&settings, "trains", false, &report, &error), &error);
    assert_true(report.training && report.wrong > 0);
    assert_int_equal(report.step, 1);
    verify_free(&report);
    session_close(trainer.session);
    free_rig(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_newest_is_taken_though_those_that_were_listed_are_gone, folder_setup,
                                        folder_teardown),
        cmocka_unit_test_setup_teardown(what_is_saved_while_it_is_verified_is_not_wrong, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(a_damaged_checkpoint_is_not_the_newest, folder_setup, folder_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
