/* A command that several processes were started with at once: mpirun, srun. The first of them is the program as it is
 * alone; the others follow it or leave. */
#include "engine/dist.h"
#include "engine/follow.h"
#include "tui/cli.h"
#include "tui/device.h"

#include <signal.h>
#include <stdio.h>

static int open_device(const struct train_options *train, struct backend **out, struct error *error)
{
    struct train_options own = *train;
    char text[DEVICE_TEXT_SIZE], note[DEVICE_NOTE_SIZE];
    return device_open(&own, out, text, note, error);
}

static void tell(const struct error *error)
{
    fprintf(stderr, "nfbench: rank %d on %s: %s\n", dist_rank(), dist_host(), error->message);
}

/* Signals are the first rank's to answer: it saves, and takes the others along. */
static enum cli_status follow_first(void)
{
    static const int from_outside[] = {SIGINT, SIGTERM, SIGHUP};
    struct error error = {""};
    for (size_t i = 0; i < sizeof from_outside / sizeof *from_outside; i++)
        (void)sigaction(from_outside[i], &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    if (follow(open_device, &error) == 0)
        return CLI_DONE;
    tell(&error);
    return CLI_FAILED;
}

enum cli_status cli_on_ranks(const struct cli_command *command, int argc, char **argv, char **whole,
                             enum cli_status (*run)(const struct cli_command *command, int argc, char **argv))
{
    struct error error = {""};
    enum cli_status status = CLI_USAGE;
    int rank;
    if (dist_launched(&rank) == 1 || command->ranks == RANKS_EACH)
        return run(command, argc, argv);
    if (command->ranks == RANKS_FIRST)
        return rank == 0 ? run(command, argc, argv) : CLI_DONE;
    if (dist_begin(whole, &error) == 0) {
        status = dist_rank() == 0 ? run(command, argc, argv) : follow_first();
        follow_leave();
    } else if (rank == 0) {
        fprintf(stderr, "nfbench: %s\n", error.message);
    } else if (dist_is_broken()) { /* of its own */
        tell(&error);
    }
    dist_end(status);
    return status;
}
