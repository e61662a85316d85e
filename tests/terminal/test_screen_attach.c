/* nfbench attach: the screen on a run that another process trains. It shows what the run's own screen would, its
 * commands are the run's, and leaving it, in whatever way, leaves the run as it is. */
#include "engine/port.h"
#include "tests/terminal/pty.h"
#include "tui/attach.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TINY                                                                                                           \
    "--data synthetic --stem 8 --stages 16/8x1 --limit 2000 --validation 200 --batch 8 --threads 1 --precision fp32 "  \
    "--lr 0.02 --schedule constant --session run --epochs 4000 --sessions-dir "

/* ---- The run, without a screen ---- */

static pid_t trainer;

static bool trains(void)
{
    siginfo_t info = {.si_pid = 0};

    return waitid(P_PID, (id_t)trainer, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
}

static void start_training(void)
{
    char words[1024], *list[48] = {NULL};
    int count = 1;
    posix_spawn_file_actions_t actions;
    struct stat status;

    list[0] = realpath(getenv("NFBENCH_BINARY") ? getenv("NFBENCH_BINARY") : "nfbench", NULL);
    snprintf(words, sizeof words, "train " TINY "%s", pty_path("sessions"));
    for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
        list[count++] = word;
    assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
    assert_int_equal(posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0), 0);
    assert_int_equal(posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0), 0);
    assert_int_equal(posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0), 0);
    assert_int_equal(posix_spawn(&trainer, list[0], &actions, NULL, list, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    free(list[0]);
    for (const long limit = pty_now() + PTY_PATIENCE_MS; stat(pty_path("sessions/run/socket"), &status) != 0;) {
        assert_true(pty_now() < limit && trains());
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
}

/* Its status, as waitpid has it. */
static int end_of_training(int signal)
{
    int status = 0;

    if (signal)
        kill(trainer, signal);
    assert_int_equal(waitpid(trainer, &status, 0), trainer);
    trainer = 0;
    return status;
}

static int tear_down_test(void **state)
{
    char words[1024];

    (void)state;
    pty_end();
    if (trainer > 0)
        end_of_training(SIGKILL);
    snprintf(words, sizeof words, "rm -rf %s", pty_path("sessions/run"));
    return system(words) == 0 ? 0 : -1;
}

static void assert_exit(int expected)
{
    int status = pty_status();

    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), expected);
    assert_true(pty_line_restored());
}

/* ---- Tests ---- */

static void it_shows_the_run_and_its_keys_are_the_runs(void **state)
{
    (void)state;
    start_training();
    pty_start(100, 30, "", "attach run");
    pty_wait(" training ");
    pty_wait("q detach");
    pty_wait("attached to process");
    pty_wait("epoch 2");
    pty_keys(" ");
    pty_wait(" paused ");
    pty_wait("space resume");
    pty_command("lr x0.5");
    pty_wait("lr 0.02 -> 0.01");
    pty_keys("3");
    pty_wait("Blocks");
    pty_keys("6");
    pty_wait("augmentation  random"); /* a look into the network of the other process */
    pty_wait("draw 1");
    pty_keys("7");
    pty_wait("is this run");
    pty_keys("8");
    pty_wait("System");
    pty_keys("0");
    pty_wait("lr x0.5: lr 0.02 -> 0.01");
    pty_resize(80, 24);
    pty_wait("q detach");
    pty_keys(" ");
    pty_wait("space pause");
    pty_keys("q");
    assert_exit(0);
    assert_non_null(strstr(pty_text(), "detached at step"));
    assert_non_null(strstr(pty_text(), "the run goes on"));
    assert_true(trains());
    pty_start(100, 30, "", "attach run"); /* who comes later finds in the log what was before */
    pty_wait("q detach");
    pty_keys("0");
    pty_wait("lr x0.5: lr 0.02 -> 0.01");
    pty_wait("attached to process");
}

static void what_a_run_is_left_in_is_told(void **state)
{
    (void)state;
    start_training();
    pty_start(100, 30, "", "attach run");
    pty_wait(" training ");
    pty_keys(" ");
    pty_wait("paused  │"); /* the header: the log may say so before */
    pty_keys("q");
    assert_exit(0);
    assert_non_null(strstr(pty_text(), "the run stays paused"));
    pty_start(100, 30, "", "attach run");
    pty_wait(" paused ");
    pty_command("try lr x0.5 x2 for 5");
    pty_wait("accept takes the best");
    pty_keys("q");
    pty_wait("Detach?");
    pty_wait("attaches again");
    pty_keys("q");
    assert_exit(0);
    assert_true(trains());
}

static void what_becomes_of_a_step_that_is_not_finite_is_told(void **state)
{
    (void)state;
    start_training();
    pty_start(160, 30, "", "attach run");
    pty_wait(" training ");
    pty_command("lr 1000");
    pty_wait("Training diverged");
    pty_wait("diverged  │"); /* the header: the words come before the state, one after the other */
    pty_command("quit");
    pty_wait("Detach?");
    pty_command("quit");
    assert_exit(0);
    assert_non_null(strstr(pty_text(), "where nobody else watches the run, it ends as diverged"));
    assert_null(strstr(pty_text(), "stays paused"));
    const int status = end_of_training(0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 1);
}

static void a_screen_that_ends_otherwise_leaves_the_run_too(void **state)
{
    (void)state;
    start_training();
    pty_start(80, 24, "", "attach run");
    pty_wait("q detach");
    pty_keys("\003");
    assert_exit(0);
    pty_start(80, 24, "", "attach run");
    pty_wait("q detach");
    kill(pty_pid(), SIGTERM);
    assert_exit(0);
    pty_start(80, 24, "", "attach run");
    pty_wait("q detach");
    kill(pty_pid(), SIGKILL);
    pty_status();
    pty_start(80, 24, "", "attach run");
    pty_wait("q detach");
    pty_hang_up();
    pty_status();
    assert_true(trains());
}

static void stop_ends_the_run_and_the_screen_stays(void **state)
{
    (void)state;
    start_training();
    pty_start(80, 24, "", "attach run");
    pty_wait("q detach");
    pty_command("stop");
    pty_wait(" stopped ");
    pty_wait("q leaves");
    int status = end_of_training(0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 130);
    assert_true(pty_runs());
    pty_keys("q");
    assert_exit(0);
    assert_non_null(strstr(pty_text(), "stopped at step"));
}

static void a_run_that_is_killed_is_said_to_be_gone(void **state)
{
    (void)state;
    start_training();
    pty_start(80, 24, "", "attach run");
    pty_wait(" training ");
    end_of_training(SIGKILL);
    pty_wait("The run failed");
    pty_wait("is gone: nfbench resume");
    pty_wait(" failed ");
    assert_true(pty_runs());
    pty_keys("q");
    assert_exit(1);
}

static struct attachment *watch(void)
{
    struct settings settings;
    struct attachment *attachment;
    struct error error = {""};

    assert_int_equal(settings_default(&settings, &error), 0);
    if (attach_open(&settings, pty_path("sessions/run"), &attachment, &error))
        fail_msg("%s", error.message);
    return attachment;
}

static void wait_for_steps(struct attachment *attachment, long steps)
{
    struct snapshot now;
    long until;

    port_snapshot(attach_port(attachment), &now);
    until = now.step.step + steps;
    for (const long limit = pty_now() + PTY_PATIENCE_MS; now.step.step < until;) {
        assert_true(pty_now() < limit);
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
        port_snapshot(attach_port(attachment), &now);
    }
}

static void a_screen_that_is_stopped_holds_nothing_up_and_comes_back(void **state)
{
    struct attachment *attachment;

    (void)state;
    start_training();
    pty_start(80, 24, "", "attach run");
    pty_wait("q detach");
    kill(pty_pid(), SIGSTOP);
    attachment = watch();
    wait_for_steps(attachment, 600);
    attach_close(attachment);
    kill(pty_pid(), SIGCONT);
    pty_command("note back again");
    pty_wait("note back again"); /* its line */
    pty_keys("0");
    pty_wait("note back again: ");
    pty_keys("q");
    assert_exit(0);
    assert_true(trains());
}

/* A person who sees nothing would believe that attaching itself does not work. */
static void a_run_that_is_stopped_is_waited_for_in_words(void **state)
{
    siginfo_t info;

    (void)state;
    start_training();
    pty_start(80, 24, "", "attach run");
    pty_wait("q detach"); /* it listens */
    pty_end();
    kill(trainer, SIGSTOP);
    assert_int_equal(waitid(P_PID, (id_t)trainer, &info, WSTOPPED), 0);
    pty_start(80, 24, "", "attach run");
    pty_wait("waiting for the run's first word");
    kill(trainer, SIGCONT);
}

static void a_run_that_only_its_screen_still_shows_is_said_to_have_ended(void **state)
{
    char arguments[1024];
    struct settings settings;
    struct attachment *attachment;
    struct error error = {""};

    (void)state;
    snprintf(arguments, sizeof arguments, TINY "%s --steps 1", pty_path("sessions"));
    pty_start(80, 24, "", arguments);
    pty_wait("finished at step 1; q leaves");
    assert_int_equal(settings_default(&settings, &error), 0);
    assert_int_equal(attach_open(&settings, pty_path("sessions/run"), &attachment, &error), -1);
    assert_non_null(strstr(error.message, "is finished, and the screen of its process still shows it"));
}

/* One screen after the other: the run that is left is saved, that of the other process goes on. */
static void open_goes_to_another_session_and_back(void **state)
{
    (void)state;
    start_training();
    pty_start(100, 30, "",
              "--data synthetic --stem 8 --stages 16/8x1 --limit 2000 --validation 200 --batch 8 --threads 1 "
              "--precision fp32 --session mine --epochs 4000");
    pty_wait(" training ");
    pty_command("open mine");
    pty_wait("mine is the session on this screen");
    pty_command("open nothing");
    pty_wait("there is no session");
    pty_command("view runs");
    pty_wait("is this run");
    pty_wait(" run ");
    pty_keys("ooo"); /* both may have begun in one second */
    pty_wait("by name");
    pty_keys("\033[F");
    pty_keys("g");
    pty_wait(":open run");
    pty_keys("\r");
    pty_wait("q detach");
    pty_wait("nfbench  run ");
    pty_command("open mine");
    pty_wait("nfbench  mine ");
    pty_wait("resumed at step");
    pty_keys("q");
    assert_exit(0);
    assert_non_null(strstr(pty_text(), "session mine: stopped at step"));
    assert_true(trains());
}

/* The run's own screen; the other viewer is this process. */
static void leaving_a_run_that_others_watch_is_asked_about(void **state)
{
    struct attachment *attachment;
    struct snapshot now;
    struct error error = {""};
    bool lost;

    (void)state;
    pty_start(80, 24, "",
              "--data synthetic --stem 8 --stages 16/8x1 --limit 2000 --validation 200 --batch 8 --threads 1 "
              "--precision fp32 --session run --epochs 4000");
    pty_wait(" training ");
    attachment = watch();
    pty_keys("q");
    pty_wait("Others have attached");
    pty_keys("q");
    assert_exit(0);
    while (!port_has_ended(attach_port(attachment)))
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    assert_int_equal(attach_result(attachment, &lost, &error), 0);
    assert_false(lost);
    port_snapshot(attach_port(attachment), &now);
    assert_int_equal(now.state, TRAINER_STOPPED);
    attach_close(attachment);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(it_shows_the_run_and_its_keys_are_the_runs, tear_down_test),
        cmocka_unit_test_teardown(what_a_run_is_left_in_is_told, tear_down_test),
        cmocka_unit_test_teardown(what_becomes_of_a_step_that_is_not_finite_is_told, tear_down_test),
        cmocka_unit_test_teardown(a_screen_that_ends_otherwise_leaves_the_run_too, tear_down_test),
        cmocka_unit_test_teardown(stop_ends_the_run_and_the_screen_stays, tear_down_test),
        cmocka_unit_test_teardown(a_run_that_is_killed_is_said_to_be_gone, tear_down_test),
        cmocka_unit_test_teardown(a_screen_that_is_stopped_holds_nothing_up_and_comes_back, tear_down_test),
        cmocka_unit_test_teardown(a_run_that_is_stopped_is_waited_for_in_words, tear_down_test),
        cmocka_unit_test_teardown(a_run_that_only_its_screen_still_shows_is_said_to_have_ended, tear_down_test),
        cmocka_unit_test_teardown(open_goes_to_another_session_and_back, tear_down_test),
        cmocka_unit_test_teardown(leaving_a_run_that_others_watch_is_asked_about, tear_down_test),
    };

    return cmocka_run_group_tests(tests, pty_set_up, pty_tear_down);
}
