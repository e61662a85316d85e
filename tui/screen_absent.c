/* Stands in for the screen in a build without ncurses and readline (`make HEADLESS=1`). */
#include "tui/cli.h"
#include "tui/run.h"
#include "tui/tune_screen.h"

enum cli_status cli_show(struct cli *cli, const struct run_request *request)
{
    struct error error;
    (void)request;
    error_set(&error, "this nfbench was built without a screen (HEADLESS=1): `nfbench train` trains without one");
    return cli_usage(cli, &error);
}

enum cli_status cli_screen(struct cli *cli)
{
    return cli_show(cli, NULL);
}

enum cli_status cli_attach(struct cli *cli)
{
    return cli_show(cli, NULL);
}

bool tune_screen_can_run(void)
{
    return false;
}

int tune_screen_run(const struct tune *tune, struct tune_run *run, struct error *error)
{
    (void)tune;
    (void)run;
    return error_set(error, "this nfbench was built without a screen (HEADLESS=1)");
}
