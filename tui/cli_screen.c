/* `nfbench` alone, `nfbench resume --screen` and `nfbench attach`: the live screen as a subcommand. */
#include "engine/dist.h"
#include "tui/app.h"
#include "tui/attach.h"
#include "tui/cli.h"
#include "tui/graphics.h"
#include "tui/script.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A program of its own in place of this one: nothing of the run that was left stays behind. Comes back when it fails.
 */
static int show_next(const struct cli *cli, const struct app_next *next, struct error *error)
{
    const char *graphics = cli_value(cli, "graphics");
    const char *arguments[8] = {"nfbench", next->attach ? "attach" : "resume", next->session};
    int count = 3;

    if (dist_size() > 1) /* the others have joined this process, and wait for its next word */
        return error_set(error, "one of several ranks opens no other run: `nfbench %s %s`", arguments[1],
                         next->session);
    if (!next->attach)
        arguments[count++] = "--screen";
    if (!next->attach && cli_value(cli, "keep-running"))
        arguments[count++] = "--keep-running";
    if (graphics) {
        arguments[count++] = "--graphics";
        arguments[count++] = graphics;
    }
    fflush(stdout);
    execv("/proc/self/exe", (char **)arguments);
    return error_set(error, "cannot start for %s: %s", next->session, strerror(errno));
}

/* mpirun and srun give their processes no terminal. */
static int refuse(const struct run_request *request, struct error *error)
{
    const char *command = request->resume ? "resume" : "train";
    int rank;

    if (dist_launched(&rank) == 1)
        return error_prefix(error, "no screen here (`nfbench %s` trains without one)", command);
    return error_prefix(error,
                        "no screen here (`nfbench %s` trains without one; to see it, give its session to `nfbench "
                        "attach` in another terminal of this machine)",
                        command);
}

/* What can be said before the screen opens. */
static int check(const struct cli *cli, struct run_request *request, struct error *error)
{
    const char *graphics = cli_value(cli, "graphics"), *script = request->script;

    if (graphics && graphics_named(graphics, &request->graphics, error) != 0)
        return error_prefix(error, "--graphics %.60s", graphics);
    if (!app_can_run(error))
        return refuse(request, error);
    if (script && strcmp(script, "-") == 0)
        return error_set(error, "--script -: standard input is the keyboard here: name a file, or use `nfbench train`");
    if (script && script_check(script, true, error) != 0)
        return -1;
    return request->resume || request->attach ? 0 : run_check(request->settings, error);
}

enum cli_status cli_show(struct cli *cli, const struct run_request *request)
{
    struct run_request wanted = *request;
    struct app_next next = {.attach = false};
    enum cli_status status = CLI_DONE;
    struct error error = {""};
    bool interrupted = false;

    if (check(cli, &wanted, &error) != 0)
        return cli_usage(cli, &error);
    if (app_run(&wanted, &interrupted, &next, &error) != 0)
        status = cli_failed(cli, &error);
    else if (interrupted)
        status = CLI_INTERRUPTED;
    if (*next.session && show_next(cli, &next, &error) != 0)
        status = cli_failed(cli, &error);
    return status;
}

enum cli_status cli_screen(struct cli *cli)
{
    const struct run_request request = {.settings = &cli->settings,
                                        .script = cli_value(cli, "script"),
                                        .keep_running = cli_value(cli, "keep-running") != NULL};

    return cli_show(cli, &request);
}

/* Connects first: what cannot be attached to needs no screen. */
enum cli_status cli_attach(struct cli *cli)
{
    struct run_request request = {.settings = NULL};
    struct error error = {""};
    enum cli_status status;

    if (attach_open(&cli->settings, cli->operands[0], &request.attach, &error) != 0)
        return cli_failed(cli, &error);
    request.settings = session_settings(attach_session(request.attach));
    status = cli_show(cli, &request);
    attach_close(request.attach);
    return status;
}
