/* Pictures of every view of a run, and of the table of a tune: nfbench on a pseudo-terminal, its cells as pixels. For
 * the README, and to be looked at; `make screenshots` runs it. Arguments: the folder for the pictures, then nfbench's
 * own for the run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "tests/terminal/pty.h"
#include "tui/layout.h"
#include "viz/screenshot.h"

static const struct {
    int columns, rows;
} sizes[] = {{80, 24}, {160, 48}};

static char directory[1024], arguments[4096];

static void take_picture(const char *view, int columns, int rows)
{
    char path[1200], title[64];
    const struct screenshot_options options = {.title = title, .scale = 1, .cursor_column = -1, .cursor_row = -1};
    struct canvas *canvas = pty_canvas();
    struct error error;

    snprintf(title, sizeof title, "nfbench \u00b7 %s", view);
    snprintf(path, sizeof path, "%s/%s-%dx%d.png", directory, view, columns, rows);
    if (screenshot_write(path, canvas, &options, NULL, 0, &error))
        fail_msg("%s", error.message);
    canvas_destroy(canvas);
    print_message("%s\n", path);
}

static void go_on_for(long milliseconds)
{
    for (const long until = pty_now() + milliseconds; pty_now() < until;)
        pty_take(100);
}

/* What comes behind the first drawing: images, the other sessions, and a sample of the machine, which goes on. */
static void wait_for_all(void)
{
    pty_settle();
    pty_wait_gone("being measured");
    pty_wait_gone("reading the folder");
    go_on_for(1500);
}

static void every_view(void **state)
{
    int row, column;

    (void)state;
    pty_start(sizes[0].columns, sizes[0].rows, "COLORTERM=truecolor", arguments);
    for (long limit = pty_now() + 600000; !pty_find("epoch 2 ", &row, &column) && pty_runs(); pty_take(100))
        assert_true(pty_now() < limit);
    pty_keys(" ");         /* on the way: what comes next can be shown, too */
    pty_wait("  paused "); /* in the header: the log and the command line tell of it before */
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        pty_resize(sizes[i].columns, sizes[i].rows);
        for (int view = 0; view < VIEW_COUNT; view++) {
            char command[64];

            snprintf(command, sizeof command, "view %s", view_name((enum view)view));
            pty_command(command);
            wait_for_all();
            take_picture(view_name((enum view)view), sizes[i].columns, sizes[i].rows);
        }
    }
    pty_keys("q");
    assert_int_equal(pty_status(), 0);
}

/* Of learning rates from too small to far too large, when the last one trains. */
static void table_of_a_tune(void **state)
{
    (void)state;
    pty_start(100, 40, "COLORTERM=truecolor",
              "tune --name lr --preset micro --data synthetic --limit 1000 --validation 250 --threads 1 --epochs 8 "
              "--batch 25 --lr 0.003,0.03,0.1,0.3,1000,1");
    pty_wait("1 training, 4 finished, 1 diverged");
    go_on_for(1500);
    take_picture("tune", 100, 40);
    pty_keys("q");
    pty_wait("Leave?");
    pty_keys("y");
    assert_int_equal(pty_status(), 130);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_view, pty_set_up, pty_tear_down),
        cmocka_unit_test_setup_teardown(table_of_a_tune, pty_set_up, pty_tear_down),
    };

    if (argc < 2 || !realpath(argv[1], directory)) {
        fprintf(stderr, "screenshots FOLDER [nfbench's arguments]\n");
        return 2;
    }
    for (int i = 2; i < argc; i++) {
        size_t used = strlen(arguments);

        snprintf(arguments + used, sizeof arguments - used, "%s%s", used ? " " : "", argv[i]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
