/* See scenarios.h. */
#include "tests/faults/scenarios.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MODEL "--family papers --stem 4 --stages 4/4x1 --threads 1 --precision fp32 --data synthetic "
/* Two epochs of two steps, with a checkpoint and a probe at each second step. */
#define RUN                                                                                                            \
    MODEL "--limit 16 --batch 8 --validation 8 --normalize image --lr 0.05 --schedule cosine --ema 0.9 --agc 0.02 "    \
          "--augment standard --log-every 1 --probe-every 2 --checkpoint-every 1 --epochs 2 "

const struct scenario scenarios[SCENARIOS] = {
    {"start", "train " RUN "--session s", NULL, "four", NULL, false, 1},
    {"resume", "resume s", "half", "four", NULL, false, 1},
    {"import", "import nfbench/four/checkpoints/4.safetensors " MODEL "--session s", NULL, "imported", "four", false,
     1},
    {"fork", "fork four --at 2 --name s", NULL, "forked", "four", false, 1},
    {"export", "export s --what loss,signal,histograms", "four", "exported", NULL, false, 3},
    {"commands", "train " RUN "--session s --script commands.nfb", NULL, "commanded", NULL, true, 1},
    {"show", "sessions show s", "commanded", "commanded", "four", false, 1},
    {"verify", "sessions verify s", "commanded", "commanded", "four", false, -1},
    {"compare", "sessions compare s four --png compared.png", "commanded", "commanded", "four", false, 1},
    {"replay", "replay s", "commanded", "commanded", "four", false, 1},
};

int scenarios_setup(void **state)
{
    if (process_setup(state) != 0)
        return -1;
    write_script("half.nfb", "at 2 quit\n");
    write_script("commands.nfb", "lr x0.5\nat 1 save kept\nat 2 eval\nat 3 fork side\nat 3 note all is well\n");
    run_expecting(0, "train " RUN "--session four");
    run_expecting(130, "train " RUN "--session half --script half.nfb");
    run_expecting(0, "import nfbench/four/checkpoints/4.safetensors " MODEL "--session imported");
    run_expecting(0, "fork four --at 2 --name forked");
    run_expecting(0, "train " RUN "--session commanded --script commands.nfb");
    session_copy("four", "exported");
    run_expecting(0, "export exported --what loss,signal,histograms");
    folder_copy("nfbench/four", "four-before");
    return 0;
}

int scenarios_teardown(void **state)
{
    shim_unload();
    return process_teardown(state);
}

void scenario_prepare(const struct scenario *scenario)
{
    shell("rm -rf '%s' '%s'", process_path("nfbench/s"), process_path("nfbench/side"));
    if (scenario->from)
        session_copy(scenario->from, "s");
}

const struct outcome *scenario_run(const struct scenario *scenario)
{
    struct process process = process_start(scenario->arguments, NULL);
    return process_finish(&process);
}

/* ---- What came of it ---- */

static bool there_is(const char *name)
{
    return access(process_path(name), F_OK) == 0;
}

/* "nfbench: ..." or "nfbench COMMAND: ..." */
static bool is_failure(const char *line)
{
    static const char name[] = "nfbench";
    if (strncmp(line, name, strlen(name)) != 0)
        return false;
    line += strlen(name);
    line += *line == ' ' ? 1 + strspn(line + 1, "abcdefghijklmnopqrstuvwxyz") : 0;
    return *line == ':';
}

static int lines_of_failure(const char *text)
{
    int lines = 0;
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n')
        lines += is_failure(line);
    return lines;
}

static void check_words(const struct scenario *scenario, const struct outcome *outcome, bool named, const char *trial)
{
    const int lines = lines_of_failure(outcome->err);
    if (strstr(outcome->err, "Sanitizer") || strstr(outcome->err, "runtime error"))
        fail_msg("%s: %s", trial, outcome->err);
    if (outcome->status < 0 || outcome->status > 2)
        fail_msg("%s: exit code %d\n%s", trial, outcome->status, outcome->err);
    if (outcome->status && scenario->lines >= 0 && (lines < 1 || lines > scenario->lines))
        fail_msg("%s: exit code %d, and not one line that says why:\n%s", trial, outcome->status, outcome->err);
    if (outcome->status && named && scenario->lines >= 0 && !strstr(outcome->err, "nfbench/") &&
        !strstr(outcome->err, "compared.png") && !strstr(outcome->err, process_path("nfbench")))
        fail_msg("%s: no file is named:\n%s", trial, outcome->err);
}

static void compare(const struct scenario *scenario, const char *trial)
{
    if (!there_is("nfbench/s/settings.ini"))
        fail_msg("%s: exit code 0, and there is no session", trial);
    char folder[256];
    snprintf(folder, sizeof folder, "nfbench/%s/images", scenario->result);
    assert_same_course("s", scenario->result);
    shell("test \"$(ls '%s' | grep png$)\" = \"$(ls '%s' | grep png$)\"", process_path("nfbench/s/images"),
          process_path(folder));
}

static long checkpoints(void)
{
    struct checkpoint_entry *entries = NULL;
    struct error error;
    int count = 0;
    assert_int_equal(checkpoint_list(process_path("nfbench/s/checkpoints"), &entries, &count, &error), 0);
    free(entries);
    return count;
}

/* A new session that was not begun is not there, or has nothing in it that could be lost. */
static void check_failed(const struct scenario *scenario, const char *trial)
{
    const char *again = scenario->arguments;
    if (!scenario->from && there_is("nfbench/s/settings.ini") && checkpoints() > 0)
        again = strncmp(scenario->arguments, "train ", 6) == 0 ? "resume s" : "sessions show s";
    else if (!scenario->from)
        shell("rm -rf '%s' '%s'", process_path("nfbench/s"), process_path("nfbench/side"));
    struct process process = process_start(again, NULL);
    const struct outcome *outcome = process_finish(&process);
    if (outcome->status != 0)
        fail_msg("%s: %s afterwards: exit code %d\n%s", trial, again, outcome->status, outcome->err);
    if (!scenario->once)
        compare(scenario, trial);
}

void scenario_check(const struct scenario *scenario, const struct outcome *outcome, bool named, const char *trial)
{
    check_words(scenario, outcome, named, trial);
    if (outcome->status == 0)
        compare(scenario, trial);
    else
        check_failed(scenario, trial);
    if (scenario->untouched)
        shell("diff -r '%s' '%s' >&2", process_path("four-before"), process_path("nfbench/four"));
}
