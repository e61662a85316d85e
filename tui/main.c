/* nfbench: the subcommands as a table, and the choice among them. What each does is in a file of its own (cli_*.c). */
#include "base/nearest.h"
#include "engine/dist.h"
#include "kernels/cuda.h"
#include "tui/cli.h"

#include <fcntl.h>
#include <limits.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The settings of a run that begins. */
#define RUN_SETTINGS "*"
/* ... and of one that goes on. */
#define GOING_ON CLI_LIVE " data device precision threads tensorboard sessions-dir json"

#define KEEP_RUNNING "when the screen's terminal goes away, train on to the end (else save and end)"
#define UNTIL "end, saved, when so many epochs are done; schedules stay those of the whole run"
#define GRAPHICS_WORDS "auto|kitty|sixel|cells"
#define GRAPHICS "how the screen draws images (auto: in pixels where the terminal says that it can)"

static const struct cli_command commands[] = {
    {.name = "",
     .operands = "",
     .summary = "trains a normaliser-free network and shows it live in the terminal",
     .about = "",
     .settings = RUN_SETTINGS " -json",
     .options = {{"keep-running", NULL, KEEP_RUNNING},
                 {"graphics", GRAPHICS_WORDS, GRAPHICS},
                 {"script", "FILE", "run the commands of this file before the first step"}},
     .ranks = RANKS_TOGETHER,
     .main = cli_screen},
    {.name = "train",
     .operands = "",
     .summary = "trains without a screen: progress on standard error, results on standard output",
     .about = "Ctrl-C saves a checkpoint and leaves with exit code 130; `nfbench resume` goes on from it.",
     .settings = RUN_SETTINGS,
     .options = {{"script", "FILE|-",
                  "commands of the screen's command line, a line each: those of a file before the "
                  "first step, -: from standard input, as they come"},
                 {"until", "N", UNTIL}},
     .ranks = RANKS_TOGETHER,
     .main = cli_train},
    {.name = "resume",
     .operands = "SESSION",
     .summary = "goes on with a session from its last checkpoint, to the bit",
     .about =
         "SESSION is a name that `nfbench sessions` lists, or the path of its folder. What is not given stays as "
         "the session has it. What `set` changes while a run trains may be given here, too: it holds from there on, "
         "and is recorded as a command with its step.",
     .settings = GOING_ON,
     .options = {{"screen", NULL, "on the live screen, with its curves from the beginning"},
                 {"keep-running", NULL, KEEP_RUNNING},
                 {"graphics", GRAPHICS_WORDS, GRAPHICS},
                 {"script", "FILE|-", "commands, as of `nfbench train`"},
                 {"until", "N", UNTIL},
                 {"checkpoint", "last|best|good|STEP|NAME", "from this one; good: before the loss rose (last)"}},
     .min_operands = 1,
     .max_operands = 1,
     .ranks = RANKS_TOGETHER,
     .main = cli_resume},
    {.name = "attach",
     .operands = "SESSION",
     .summary = "shows a run that another process trains on the live screen, with all of its commands",
     .about = "That process may be any `nfbench train` or screen of yours on this machine, under nohup, tmux or Slurm; "
              "several screens may watch one run. `quit` detaches and leaves the run as it is (one that waits at a "
              "step that is not finite ends as diverged when nobody is left), `stop` ends it.",
     .settings = "sessions-dir",
     .options = {{"graphics", GRAPHICS_WORDS, GRAPHICS}},
     .min_operands = 1,
     .max_operands = 1,
     .main = cli_attach},
    {.name = "fork",
     .operands = "SESSION",
     .summary = "makes a session that goes on from any step of another",
     .about =
         "The step is made again from the nearest checkpoint before it, to the bit. The other session is only read, "
         "and may be training. `nfbench resume` goes on with the fork, which has the curves of before. What `set` "
         "changes while a run trains may be another in the fork: it holds from the step on, and is recorded as a "
         "command.",
     .settings = GOING_ON,
     .options = {{"at", "last|best|good|STEP|NAME", "from this step or checkpoint (last)"},
                 {"session", "NAME", "name of the fork (made of the session's and the step)"},
                 {"name", "NAME", NULL}},
     .min_operands = 1,
     .max_operands = 1,
     .ranks = RANKS_TOGETHER,
     .main = cli_fork},
    {.name = "replay",
     .operands = "SESSION",
     .summary = "does a session's run again and compares every logged figure, to the bit",
     .about =
         "From its settings and its recorded commands; the session is only read. Exit code 0: identical, 1: a figure "
         "differs, which is told with its step. On another machine, device or library the bits may be others; then "
         "it goes on to the end and tells the largest difference, too.",
     .settings = "data device precision threads sessions-dir json",
     .options = {{"to", "STEP", "only up to this step (the last that is logged)"}},
     .min_operands = 1,
     .max_operands = 1,
     .ranks = RANKS_TOGETHER,
     .main = cli_replay},
    {.name = "test",
     .operands = "SESSION",
     .summary = "measures a session's network: accuracy, each class, calibration, corrupted images",
     .about =
         "Of --data, a folder with the test images alone is enough. Sessions that keep averaged weights (--ema) are "
         "measured with these and, in a line, with the raw ones. The calibration error is the expected one over 15 "
         "bins of confidence (Guo et al. 2017). --corruptions tells the accuracy on the images corrupted in the "
         "manner of CIFAR-10-C: gaussian, shot and impulse noise, defocus blur, brightness, contrast, pixelate, "
         "jpeg, each at five severities; that takes as long as testing 40 times.",
     .settings = "data device precision threads sessions-dir json",
     .options = {{"split", "test|validation|train", "which images (test)"},
                 {"checkpoint", "last|best|good|STEP|NAME", "which checkpoint (last)"},
                 {"weights", "ema|raw", "averaged or raw weights (ema, where the session keeps them)"},
                 {"tta", "none|flip", "test-time averaging: flip takes each image and its mirror image (none)"},
                 {"corruptions", NULL, "on corrupted images, too"},
                 {"to", "DIR", "confusion matrix, reliability diagram and corruptions as PNG files, into this folder"},
                 {"limit", "N", "the first N images alone; 0: all (the session's limit)"},
                 {"batch", "N", "images at a time (the session's batch)"}},
     .min_operands = 1,
     .max_operands = 1,
     .main = cli_test},
    {.name = "predict",
     .operands = "SESSION FILE...",
     .summary = "says what a session's network takes images for: PNG, JPEG or CIFAR files, folders of them",
     .about =
         "FILE is a PNG or JPEG of any size (the square in its middle is made 32 x 32), a file of CIFAR records, a "
         "folder of these, or - for any on standard input. The data set is not needed. A file that cannot be read is "
         "told, and the others go on; the exit code is 1 then.",
     .settings = "data device precision threads sessions-dir json",
     .options = {{"csv", "FILE|-", "every class's probability as a table, in place of the rows on the screen"},
                 {"npy", "FILE", "the same for NumPy: float32, images x classes"},
                 {"weights", "ema|raw", "averaged or raw weights (ema, where the session keeps them)"},
                 {"tta", "none|flip", "test-time averaging: flip takes each image and its mirror image (none)"},
                 {"checkpoint", "last|best|good|STEP|NAME", "which checkpoint (last)"},
                 {"batch", "N", "images at a time (the session's batch)"}},
     .min_operands = 2,
     .max_operands = INT_MAX,
     .main = cli_predict},
    {.name = "export",
     .operands = "SESSION",
     .summary = "writes a session's pictures as PNG files, or its records and weights for other programs",
     .about = "Of the session's log, without more being said: loss, accuracy, signal, gradients, weights, histograms, "
              "variances, density, learning-rate, gradient-norm. Of its network and images, with --all or by --what: "
              "augmentation, samples, classes, mistakes, losses, confusion, reliability, filters. Each file's path is "
              "printed. With --csv, --tensorboard or --safetensors no pictures but those that --all or --what ask for; "
              "with --tensorboard these become part of the events.",
     .settings = "data device precision threads sessions-dir json",
     .options = {{"all", NULL, "every picture, those of the network and the images, too"},
                 {"what", "LIST", "these pictures, by their names with commas between them"},
                 {"step", "N", "signal to density of the last probe up to this step (the newest)"},
                 {"scale", "N", "pixels of the pictures: 1 to 4 times their size (2)"},
                 {"to", "DIR", "into this folder (the session's images)"},
                 {"theme", "light|dark|mono", "their colours (light)"},
                 {"checkpoint", "last|best|good|STEP|NAME", "of the network's pictures (best, else last)"},
                 {"split", "test|validation|train", "images of the network's pictures (test)"},
                 {"csv", "DIR", "the records as tables, into this folder"},
                 {"tensorboard", "LOGDIR", "events for TensorBoard, into LOGDIR/SESSION"},
                 {"safetensors", "FILE", "the weights for PyTorch: of --checkpoint, averaged where there are such"}},
     .min_operands = 1,
     .max_operands = 1,
     .main = cli_export},
    {.name = "report",
     .operands = "SESSION",
     .summary = "writes all there is to tell of a session as one page of HTML, and as Markdown",
     .about = "What came of it, its curves and epochs, the signal in its blocks, what went wrong, commands, settings, "
              "network, machine and checkpoints; and, where the images are there, what the network says of the test "
              "images. The page needs nothing beside itself: it can be mailed, printed and read on a phone. Into the "
              "session's folder report/, as report.html, report.md and report-figures/, unless --output says where. "
              "The session is only read, and may be training, damaged or empty.",
     .settings = "data device precision threads sessions-dir json",
     .options = {{"output", "DIR|FILE", "into this folder, or FILE.html or FILE.md alone"},
                 {"html", NULL, "the page alone"},
                 {"markdown", NULL, "Markdown alone, with its pictures"},
                 {"log-only", NULL, "without what the network says of the images: in a moment"}},
     .min_operands = 1,
     .max_operands = 1,
     .main = cli_report},
    {.name = "import",
     .operands = "FILE.safetensors",
     .summary = "makes a session of weights under the names of PyTorch's reference network",
     .about = "--preset says which network the file is of, where nfbench did not write it; training settings are for a "
              "later `nfbench resume`.",
     .settings = RUN_SETTINGS,
     .min_operands = 1,
     .max_operands = 1,
     .main = cli_import},
    {.name = "probe",
     .operands = "",
     .summary = "measures signal propagation at initialisation, without training, beside its prediction",
     .about = "Every residual block's variance, squared mean and gradient, from unit Gaussian noise or, with --data or "
              "--input images, from real images. --compare tries every choice of a setting: `nfbench probe --preset "
              "report --ws off --compare init` shows that He keeps the variance, and the others do not.",
     .settings = "@model batch agc label-smoothing normalize limit validation seed data device precision threads "
                 "config json",
     .options = {{"input", "noise|images", "what goes in (noise; images with --data)"},
                 {"compare", "SETTING", "every choice of a setting of the model: init, ws, norm, activation, ..."},
                 {"png", "FILE", "a figure, too"},
                 {"scale", "N", "pixels of the figure: 1 to 4 times its size (2)"}},
     .main = cli_probe},
    {.name = "lrfind",
     .operands = "",
     .summary = "finds a learning rate: the loss of a fresh network while its rate grows",
     .about =
         "The learning rate range test (Smith 2015, arXiv 1506.01186), exponential; it ends when the averaged loss "
         "has come to 4 times its lowest. Told are the rate at which the loss falls fastest and a tenth of that at "
         "which it is lowest: both are known as good starts. Nothing is saved; `lrfind` on the screen does the "
         "same from where a run is.",
     .settings = "* -lr -epochs -steps -schedule -warmup -step-epochs -step-factor -checkpoint-every -probe-every "
                 "-log-every -on-divergence -tensorboard -session -sessions-dir",
     .options = {{"from", "X", "the first rate (1e-05)"},
                 {"to", "X", "the last rate (1)"},
                 {"for", "N", "steps, 20 to 1000 (100)"},
                 {"png", "FILE", "a figure, too"},
                 {"scale", "N", "pixels of the figure: 1 to 4 times its size (2)"}},
     .ranks = RANKS_TOGETHER,
     .main = cli_lr_find},
    {.name = "tune",
     .operands = "",
     .summary = "trains with many settings and compares them: a grid, a random search, successive halving",
     .about =
         "A setting with several values is an axis: --lr 0.001,0.01,0.1 --batch 32,64 --agc 0,0.01 --preset "
         "report,micro (of --stages separated by semicolons). Those alone are searched, and everything else is as "
         "`train` has it. Without any axis it is the seed report's own search: its preset, 40 epochs, these three "
         "rates with the batches 32, 64, 128 and 256. Each trial is a session, trained by a process of its own; one "
         "that diverges ends at its first step that is not finite, with "
         "its diagnosis. The same command again, or --resume, goes on where it was; several processes may share one "
         "tune (mpirun, srun).",
     .settings = "* -session",
     .options = {{"name", "NAME", "of the tune, and the beginning of its sessions' names (made of the plan)"},
                 {"session", "NAME", NULL},
                 {"jobs", "N", "trials at once, which share the processors (1)"},
                 {"random", "N", "draw N trials; a range is --lr 0.001..0.1, drawn over its logarithm"},
                 {"halving", NULL, "successive halving: at each rung the best trials go on, the others end"},
                 {"factor", "N", "of the halving: one in N goes on (3)"},
                 {"plan", NULL, "print the trials, and train nothing"},
                 {"resume", "NAME", "go on with a tune; finished trials stay as they are"},
                 {"retry", NULL, "with trials that had failed, too"},
                 {"show", "NAME", "its results so far, without training"},
                 {"list", NULL, "the tunes that there are, and how far each has come"},
                 {"rm", "NAME", "remove a tune and its trials' sessions, after a question"},
                 {"yes", NULL, "remove without asking"},
                 {"csv", "FILE", "the results as a table, too"},
                 {"png", "FILE", "a heatmap of them, too"},
                 {"scale", "N", "pixels of the heatmap: 1 to 4 times its size (2)"}},
     .axes = true,
     .ranks = RANKS_EACH,
     .main = cli_tune},
    {.name = "bench",
     .operands = "",
     .summary = "times a training step and shows where its time goes",
     .about = "The step: a batch that is already there, forward, softmax cross-entropy, backward, SGD with Nesterov "
              "momentum 0.9 and weight decay 5e-4, and adaptive gradient clipping when --agc asks for it. After two "
              "steps to warm up, the median of the repeats counts.",
     .settings = "@model batch agc ema lookahead label-smoothing seed device precision threads config json",
     .options = {{"steps", "N", "steps a repeat (5)"}, {"repeats", "N", "repeats (5)"}},
     .main = cli_bench},
    {.name = "sessions",
     .operands = "[list | show SESSION | compare SESSION... | verify [SESSION...] | rm SESSION...]",
     .summary = "lists the sessions, shows one, compares some, verifies what is on the disk, or removes some",
     .about =
         "list shows the trials of a tune as one line. "
         "compare takes 2 to 8 sessions: the settings that differ, the commands that changed them, what came of it. "
         "verify reads all of the sessions that are named, or of every one (all): checkpoints by their SHA-256, logs "
         "line by line, and whether they agree; exit code 1 when something is wrong. --repair mends what can be mended "
         "without losing anything: damaged files are moved aside. Only what a crash has left goes: a session or fork "
         "that was half made, a socket, checkpoints behind a `back` that was not finished.",
     .settings = "sessions-dir json",
     .options = {{"png", "FILE", "compare: the curves of all as a picture"},
                 {"scale", "N", "compare: pixels of the picture: 1 to 4 times its size (2)"},
                 {"repair", NULL, "verify: mend what can be mended"},
                 {"all", NULL, "list: each trial of the tunes, too"},
                 {"yes", NULL, "rm: do not ask"}},
     .max_operands = 64,
     .main = cli_sessions},
    {.name = "fetch",
     .operands = "cifar10|cifar100",
     .summary = "downloads CIFAR-10 or CIFAR-100 to where nfbench finds it",
     .about =
         "By curl, with its proxies (https_proxy, ...). Size and SHA-256 are checked before anything is unpacked, and "
         "the files are put in place all at once. A download that broke off goes on the next time. Ctrl-C ends it "
         "with exit code 130.",
     .settings = "json",
     .options = {{"dir", "DIR", "into a folder in this one ($NFBENCH_DATA, else ~/.local/share/nfbench/data)"},
                 {"url", "URL", "from here in place of the official server; several: from the first that gives it"},
                 {"sha256", "SUM", "the archive at the URL is another one with the same files, and has this SHA-256"},
                 {"force", NULL, "anew, in place of the files that are there"}},
     .min_operands = 1,
     .max_operands = 1,
     .main = cli_fetch},
    {.name = "doctor",
     .operands = "",
     .summary = "says what this machine offers: GPU, processor, data, where sessions go",
     .about = "On a GPU it also runs every operation there and on the processor, and compares the results; exit code 1 "
              "when one differs.",
     .settings = "data device threads sessions-dir json",
     .main = cli_doctor},
};

enum { COMMANDS = sizeof commands / sizeof *commands };

static const char *command_name(const void *context, int index)
{
    (void)context;
    if (index + 1 < COMMANDS)
        return commands[index + 1].name;
    return index + 1 == COMMANDS ? "help" : NULL;
}

static const struct cli_command *find_command(const char *name)
{
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

/* Of processes that were started at once, before they know of each other: the first. */
static bool speaks(void)
{
    int rank;
    (void)dist_launched(&rank);
    return rank == 0;
}

static enum cli_status unknown_command(const char *name)
{
    if (!speaks())
        return CLI_USAGE;
    const char *near = nearest_word(name, command_name, NULL);
    if (near)
        fprintf(stderr, "nfbench: there is no command '%.60s': did you mean '%s'?\n", name, near);
    else
        fprintf(stderr, "nfbench: there is no command '%.60s': `nfbench help` lists them\n", name);
    return CLI_USAGE;
}

/* ---- Help ---- */

/* A row of the list; what is too long to stand beside its summary is told by the command's own help. */
static void list_command(const char *name, const char *operands, const char *summary, int width)
{
    enum { COLUMN = 34, LONGEST = 17 };
    const bool fits = strlen(operands) <= LONGEST;
    const int used = printf("  nfbench%s%s%s%s", *name ? " " : "", name, *operands ? " " : "", fits ? operands : "...");
    const int column = width > 2 * COLUMN ? COLUMN : 6;
    if (used > column - 2)
        printf("\n%*s", column, "");
    else
        printf("%*s", column - used, "");
    cli_paragraph(stdout, summary, column, width);
}

static enum cli_status overview(void)
{
    const int width = cli_help_width(stdout);
    if (!speaks())
        return CLI_DONE;
    cli_paragraph(stdout, "nfbench: normaliser-free networks on CIFAR, trained and watched in the terminal.", 0, width);
    putchar('\n');
    for (int i = 0; i < COMMANDS; i++)
        list_command(commands[i].name, commands[i].operands, commands[i].summary, width);
    list_command("help", "COMMAND", "its options; `nfbench help settings` those of `nfbench` alone", width);
    putchar('\n');
    cli_paragraph(stdout, "Exit codes: 0 done, 1 failed, 2 bad usage or settings, 130 interrupted after saving.", 0,
                  width);
    return CLI_DONE;
}

static enum cli_status help(int argc, char **argv)
{
    if (argc < 2)
        return overview();
    const struct cli_command *command = find_command(strcmp(argv[1], "settings") == 0 ? "" : argv[1]);
    if (argc > 2 || !command)
        return unknown_command(argv[argc > 2 ? 2 : 1]);
    if (speaks())
        cli_help(command, stdout);
    return CLI_DONE;
}

/* ---- The program ---- */

static enum cli_status run_command(const struct cli_command *command, int argc, char **argv)
{
    struct cli cli;
    struct error error = {""};
    enum cli_status status = CLI_DONE;
    if (cli_parse(&cli, command, argc, argv, &error) != 0)
        status = speaks() ? cli_usage(&cli, &error) : CLI_USAGE;
    else if (cli.settings.help && !*command->name)
        status = overview();
    else if (cli.settings.help && speaks())
        cli_help(command, stdout);
    else if (cli.settings.help)
        status = CLI_DONE;
    else
        status = command->main(&cli);
    cli_free(&cli);
    return status;
}

static void print_version(void)
{
    const char *architectures;
    const bool cuda = cuda_is_built(&architectures);
    printf("nfbench %s (%s%s, %sMPI, %sNCCL)\n", cli_version(), cuda ? "CUDA " : "no CUDA", architectures,
           dist_is_built() ? "" : "no ", cuda_has_nccl() ? "" : "no ");
}

static enum cli_status dispatch(int argc, char **argv)
{
    const char *first = argc > 1 ? argv[1] : "";
    if (strcmp(first, "help") == 0)
        return help(argc - 1, argv + 1);
    if (strcmp(first, "--version") == 0 && argc == 2) {
        if (speaks())
            print_version();
        return CLI_DONE;
    }
    if (!*first || *first == '-')
        return cli_on_ranks(&commands[0], argc, argv, argv, run_command);
    const struct cli_command *command = find_command(first);
    return command ? cli_on_ranks(command, argc - 1, argv + 1, argv, run_command) : unknown_command(first);
}

/* A file opened later must not become standard output because that was closed. */
static void fill_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            (void)open("/dev/null", O_RDWR); /* takes the lowest free number, which is fd */
}

/* OpenMP's threads spin for milliseconds when they wait; beside any other busy program on the machine, each step then
 * takes many times as long. A short spin costs an idle machine nothing. The library reads its settings as it is loaded,
 * so they need a fresh start of this program; where that cannot be had, all goes on as it is. */
static void spin_briefly(char **argv)
{
    if (getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT") || setenv("GOMP_SPINCOUNT", "10000", 1))
        return;
    (void)execv("/proc/self/exe", argv);
}

int main(int argc, char **argv)
{
    spin_briefly(argv);
    fill_standard_descriptors();
    setlocale(LC_ALL, "");
    setlocale(LC_NUMERIC, "C"); /* numbers in files and JSON are the same everywhere */
    /* a reader that goes away must not end a run that has not been saved; writes then fail with EPIPE */
    (void)sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    return cli_finish(dispatch(argc, argv));
}
