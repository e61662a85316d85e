/* `nfbench` alone, and `nfbench resume --screen`: the live screen as a subcommand. */
#include "tui/app.h"
#include "tui/cli.h"
#include "tui/script.h"

#include <string.h>

enum cli_status cli_show(struct cli *cli, const struct run_request *request)
{
    struct error error = {""};
    bool interrupted = false;

    if (!app_can_run(&error)) {
        error_prefix(&error, "%s", "no screen here (`nfbench train` trains without one)");
        return cli_usage(cli, &error);
    }
    if (request->script && strcmp(request->script, "-") == 0) {
        error_set(&error, "--script -: standard input is the keyboard here: name a file, or use `nfbench train`");
        return cli_usage(cli, &error);
    }
    if (request->script && script_check(request->script, true, &error) != 0)
        return cli_usage(cli, &error);
    if (!request->resume && run_check(request->settings, &error) != 0)
        return cli_usage(cli, &error);
    if (app_run(request, &interrupted, &error) != 0)
        return cli_failed(cli, &error);
    return interrupted ? CLI_INTERRUPTED : CLI_DONE;
}

enum cli_status cli_screen(struct cli *cli)
{
    const struct run_request request = {.settings = &cli->settings,
                                        .script = cli_value(cli, "script"),
                                        .keep_running = cli_value(cli, "keep-running") != NULL};

    return cli_show(cli, &request);
}
