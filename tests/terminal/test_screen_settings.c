/* A run that is changed while it trains, on the real screen: settings, their undoing, commands that wait, remarks,
 * files of commands, and what the command line says and completes of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "tests/terminal/tmux.h"

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(screen_path(name), "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void start_paused(const char *arguments)
{
    screen_start(160, 40, "", arguments);
    wait_for_step_above(0);
    screen_command("pause");
    wait_for_pause();
}

static void leave(void)
{
    screen_command("quit");
    assert_int_equal(screen_status(), 0);
}

static void settings_change_and_are_undone(void **state)
{
    (void)state;
    start_paused(TINY);
    screen_command("set momentum 0.8");
    wait_for("momentum 0.9 -> 0.8");
    wait_for("set momentum 0.8"); /* the header, too */
    screen_command("set lr x0.5");
    wait_for("lr 0.02 -> 0.01");
    screen_command("undo");
    wait_for("lr 0.01 -> 0.02");
    screen_command("undo");
    wait_for("momentum 0.8 -> 0.9");
    screen_command("undo");
    wait_for("there is nothing to undo");
    screen_command("set batch 16");
    wait_for("batch 8 -> 16 from step ");
    screen_command("set");
    wait_for("Settings that may change");
    wait_for("(16 from the next epoch on)");
    wait_for("on-divergence     pause");
    screen_key("Escape");
    wait_until_gone("Settings that may change");
    screen_resize(60, 18); /* too few rows for all of them */
    screen_command("set");
    wait_for("Up and Down scroll, Esc closes");
    assert_null(strstr(screen_text(), "on-divergence "));
    screen_key("NPage");
    wait_for("on-divergence     pause");
    screen_key("PPage");
    wait_until_gone("on-divergence ");
    screen_key("Escape");
    wait_until_gone("Settings that may change");
    screen_command("set flip none");
    wait_for(" shows what can change"); /* in the second row */
    screen_command("set augment");      /* a line of its own, not behind the refused one */
    wait_for("augment standard");
    leave();
}

/* What stands in front of the words, from the nearest two blanks on. */
static void copy_before(const char *words, char *out, size_t size)
{
    const char *text = screen_text(), *end = strstr(text, words), *begin = end;

    assert_non_null(end);
    while (begin > text && strncmp(begin, "  ", 2) != 0)
        begin--;
    snprintf(out, size, "%.*s", (int)(end - begin), begin);
}

/* ... and after a new start, too. */
static void the_system_view_follows_the_batch(void **state)
{
    char before[128], after[128], flops[128], again[128];

    (void)state;
    screen_start(160, 40, "", TINY "--limit 400 --epochs 4000 --session batches");
    wait_for_step_above(0);
    screen_key("8");
    wait_for("B, batch 8 ");
    wait_for(" GFLOP, ");
    copy_before(", batch 8 ", before, sizeof before);
    screen_command("set batch 16");
    wait_for("B, batch 16 ");
    copy_before(", batch 16 ", after, sizeof after);
    assert_string_not_equal(before, after);
    screen_pause();
    wait_for(" GFLOP/s");
    copy_before(" GFLOP/s", flops, sizeof flops);
    strchr(strchr(flops, ',') + 1, ',')[0] = 0; /* the time of a step, its work, its speed */
    leave();
    screen_end();
    screen_start(160, 40, "", "resume --screen batches");
    wait_for_step_above(0);
    screen_key("8");
    wait_for("B, batch 16 ");
    wait_for(" GFLOP/s");
    screen_pause(); /* a figure of a screen that changes may be read half written */
    copy_before(" GFLOP/s", again, sizeof again);
    strchr(strchr(again, ',') + 1, ',')[0] = 0;
    assert_string_equal(strchr(flops, ','), strchr(again, ','));
    leave();
}

static void commands_wait_for_their_step(void **state)
{
    char line[64];
    long step;

    (void)state;
    start_paused(TINY);
    step = screen_step();
    snprintf(line, sizeof line, "at %ld set weight-decay 0", step + 3);
    screen_command(line);
    wait_for("waits as number 1");
    screen_command("when loss > 1000000 save");
    wait_for("waits as number 2");
    screen_command("pending");
    wait_for("Commands that wait");
    wait_for("2  when loss > 1000000 save");
    screen_key("Escape");
    wait_until_gone("Commands that wait");
    screen_command("cancel 2");
    wait_for("cancelled 1 command, 1 still waits");
    screen_command("step 5");
    wait_for_pause_at(step + 5); /* though something else came on the way */
    screen_key("0");
    snprintf(line, sizeof line, "at %ld set weight-decay 0: weight-decay 0.0005 -> 0", step + 3);
    wait_for(line);
    screen_command("note a remark");
    wait_for("note a remark: noted at step");
    snprintf(line, sizeof line, "at %ld pause", step);
    screen_command(line);
    wait_for("is behind it");
    screen_key("2"); /* the charts have the remark, too */
    wait_for("a remark");
    leave();
}

static void the_line_completes_and_suggests(void **state)
{
    (void)state;
    start_paused(TINY);
    screen_type(":at 99 set mom");
    screen_key("Tab");
    wait_for(":at 99 set momentum ");
    screen_type("2\n");
    wait_for("wanted a number from 0 to 0.9999");
    screen_key("C-u");
    screen_type("set momentun 1\n");
    wait_for("did you mean 'momentum'?");
    screen_key("C-u");
    screen_type("set augment st");
    screen_key("Tab");
    wait_for(":set augment standard");
    screen_key("C-u");
    screen_type("when val-accuracy > 50% pa");
    screen_key("Tab");
    wait_for("when val-accuracy > 50% pause");
    screen_key("C-u");
    screen_type("help when\n");
    wait_for("Example: when val-accuracy > 80% set augment none");
    screen_key("Escape");
    wait_until_gone("Example: ");
    leave();
}

static void files_of_commands(void **state)
{
    char line[512];

    (void)state;
    write_file("good.nfb", "# more\nset momentum 0.7\nview log\ntry lr x0.5 x2 for 3\naccept 2\nnote from a file\n");
    write_file("bad.nfb", "set momentum 0.6\n\nset momentun 0.5\nset momentum 0.4\n");
    write_file("begin.nfb", "set agc 0.5\nat 2 set momentum 0.75\n");
    snprintf(line, sizeof line, TINY "--script %s", screen_path("begin.nfb"));
    start_paused(line);
    screen_key("0");
    wait_for("set agc 0.5: agc 0.02 -> 0.5");
    snprintf(line, sizeof line, "source %s", screen_path("good.nfb"));
    screen_command(line);
    wait_for("note from a file: noted at step");
    wait_for("lr 0.02 -> 0.04"); /* what is accepted was tried to its end */
    snprintf(line, sizeof line, ":source %s", screen_path("bad.n"));
    screen_type(line);
    screen_key("Tab");
    wait_for("bad.nfb");
    screen_key("Enter");
    wait_for("Nothing of the file was run");
    wait_for("bad.nfb, line 3: no setting 'momentun'");
    screen_key("Escape");
    wait_until_gone("Nothing of the file was run");
    screen_command("source absent.nfb");
    wait_for("cannot read absent.nfb");
    assert_null(strstr(screen_text(), "of the file was run"));
    assert_null(strstr(screen_text(), "momentum 0.7 -> 0.6")); /* not even the lines before the mistake */
    leave();
}

/* u with two dots would be a key of readline that changes the line. */
static void letters_that_the_locale_lacks_are_refused(void **state)
{
    (void)state;
    screen_start(110, 30, "LC_ALL=C", TINY);
    wait_for_step_above(1);
    screen_type(":note \xc3\xbcn\xc3\xaf");
    wait_for("this locale has ASCII letters alone");
    screen_key("Enter");
    screen_key("0");
    wait_for("note n: noted at step");
    leave();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(settings_change_and_are_undone, screen_tear_down),
        cmocka_unit_test_teardown(the_system_view_follows_the_batch, screen_tear_down),
        cmocka_unit_test_teardown(commands_wait_for_their_step, screen_tear_down),
        cmocka_unit_test_teardown(the_line_completes_and_suggests, screen_tear_down),
        cmocka_unit_test_teardown(files_of_commands, screen_tear_down),
        cmocka_unit_test_teardown(letters_that_the_locale_lacks_are_refused, screen_tear_down),
    };
    return cmocka_run_group_tests(tests, tmux_set_up, tmux_tear_down);
}
