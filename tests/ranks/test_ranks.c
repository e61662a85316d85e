/* Several processes that train one run together, by the real program under the real mpirun: the losses of one process
 * with the same batch, whatever a person does to the run; the same bits each time; one that is killed ends all; ones
 * that are not the same are told apart. Skipped where there is no MPI. */
#include "tests/ranks/launch.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define ALL                                                                                                            \
    "--augment standard --agc 0.02 --ema 0.9 --dropout 0.2 --stochastic-depth 0.2 --schedule cosine "                  \
    "--label-smoothing 0.1 --mixup 0.2 --cutmix 1 --stem-kind whitened "

/* ---- What was recorded ---- */

enum { FIGURES = 256 };

struct figures {
    int count;
    double values[FIGURES];
};

static void add_value(struct figures *figures, const json_t *value)
{
    assert_true(figures->count < FIGURES && json_is_number(value));
    figures->values[figures->count++] = json_number_value(value);
}

/* A number, or each of an array's. */
static void add(struct figures *figures, const json_t *record, const char *name)
{
    const json_t *value = json_object_get(record, name);
    for (size_t i = 0; i < json_array_size(value); i++)
        add_value(figures, json_array_get(value, i));
    if (value && !json_is_array(value))
        add_value(figures, value);
}

/* What records of a kind say that all numbers of ranks must agree on. */
static const struct said {
    const char *kind, *names[6];
} of_training[] = {{"step", {"step", "loss", "accuracy", "gradient_norm"}},
                   {"epoch", {"step", "train_loss", "test_accuracy", "test_loss"}},
                   {NULL, {NULL}}},
  of_probes[] = {{"probe", {"step", "images", "loss", "variance", "gradient_norm"}}, {NULL, {NULL}}};

/* In the order of the records. */
static struct figures figures_of(const char *session, const struct said *said)
{
    char name[256], line[8192];
    struct figures figures = {0};
    snprintf(name, sizeof name, "nfbench/%s/metrics.jsonl", session);
    FILE *file = fopen(process_path(name), "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        json_t *record = json_loads(line, 0, NULL);
        assert_non_null(record);
        const char *kind = json_string_value(json_object_get(record, "kind"));
        for (const struct said *s = said; kind && s->kind; s++)
            for (int i = 0; strcmp(kind, s->kind) == 0 && s->names[i]; i++)
                add(&figures, record, s->names[i]);
        json_decref(record);
    }
    fclose(file);
    return figures;
}

static void assert_agree_on(const struct said *said, const char *one, const char *other)
{
    const struct figures a = figures_of(one, said), b = figures_of(other, said);
    assert_int_equal(a.count, b.count);
    assert_true(a.count > 20);
    for (int i = 0; i < a.count; i++)
        if (fabs(a.values[i] - b.values[i]) > 1e-5 * fmax(fabs(a.values[i]), 1e-3))
            fail_msg("%s and %s: %s %d is %.9g and %.9g", one, other, said->kind, i, a.values[i], b.values[i]);
}

static void assert_agree(const char *one, const char *other)
{
    assert_agree_on(of_training, one, other);
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(process_path(name), "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

/* ---- The same run on any number of ranks ---- */

/* Rank 0 probes the whole batch, of which its steps need but a slice. */
static void losses_are_those_of_one_process(void **state)
{
    (void)state;
    run_expecting(0, "-n 1 %s " RUN ALL "--probe-every 5 --epochs 2 --session one", ranks_program);
    run_expecting(0, "-n 2 %s " RUN ALL "--probe-every 5 --epochs 2 --session two", ranks_program);
    run_expecting(0, "-n 3 %s " RUN ALL "--probe-every 5 --epochs 2 --session three", ranks_program);
    assert_agree("one", "two");
    assert_agree("one", "three");
    assert_agree_on(of_probes, "one", "two");
    assert_agree_on(of_probes, "one", "three");
    assert_true(file_has("nfbench/two/metrics.jsonl", "\"ranks\":2"));
}

/* Dropout's draws come four at a time, which images of 6 features share. */
static void draws_are_of_whole_slices(void **state)
{
    (void)state;
    for (int ranks = 1; ranks <= 3; ranks += 2)
        run_expecting(0, "-n %d %s " RUN "--stages 8/4x1,6/3x1/2 --dropout 0.5 --epochs 1 --session draws%d", ranks,
                      ranks_program, ranks);
    assert_agree("draws1", "draws3");
}

/* Where each rank has a GPU, emulated: a step is recorded there, and several are queued ahead. */
static void on_gpus_too(void **state)
{
    (void)state;
    for (int ranks = 1; ranks <= 2; ranks++)
        run_expecting(0, "-n %d %s-emulated " RUN ALL "--epochs 1 --limit 40 --device cuda --session gpu%d", ranks,
                      ranks_program, ranks);
    assert_agree("gpu1", "gpu2");
}

static void the_bits_are_the_same_each_time(void **state)
{
    (void)state;
    run_expecting(0, "-n 2 %s " RUN ALL "--epochs 2 --session again", ranks_program);
    ranks_assert_same_weights("two", "again", "22");
}

/* Settings, an evaluation, a smaller and a larger batch, a checkpoint by name, a way back, a trial: rank 0 has it done,
 * and the others are where it is. */
static void commands_take_effect_on_all_ranks(void **state)
{
    (void)state;
    write_file("script", "set batch 10\nlr * 0.5\nat 3 eval\nat 4 save kept\nat 5 set augment none\nat 9 set agc 0.1\n"
                         "at 10 set batch 3\n");
    for (int ranks = 1; ranks <= 2; ranks++)
        run_expecting(0, "-n %d %s " RUN "--epochs 2 --session script%d --script script", ranks, ranks_program, ranks);
    assert_agree("script1", "script2");
    const struct outcome *outcome = run_expecting(0, "-n 2 %s replay script2", ranks_program);
    assert_non_null(strstr(outcome->out, "identical through step"));
}

/* The run that is steered as it goes: what comes by standard input reaches rank 0. It waits for that where it went back
 * to, by a command of the run before. */
static void a_way_back_is_one_for_all(void **state)
{
    (void)state;
    char arguments[4096 + 512];
    int in;
    write_file("later", "at 12 back 5\nat 3 stop\n");
    run_expecting(130, "-n 2 %s " RUN "--epochs 2 --session back --script later", ranks_program);
    snprintf(arguments, sizeof arguments, "-n 2 %s resume back --script -", ranks_program);
    struct process process = process_start_fed(arguments, "", &in);
    process_read_until(process.err, "back at step 5");
    ranks_say_line(in, "try lr 0.01,0.02 for 2\n");
    process_read_until(process.err, "tried");
    ranks_say_line(in, "drop\nresume\n");
    close(in);
    const struct outcome *outcome = process_finish(&process);
    if (outcome->status != 0)
        fail_msg("%s%s", outcome->out, outcome->err);
    run_expecting(0, "-n 2 %s " RUN "--epochs 2 --session straight", ranks_program);
    ranks_assert_same_weights("straight", "back", "22");
}

static void a_resumed_run_goes_on_to_the_bit(void **state)
{
    (void)state;
    write_file("stop", "at 13 stop\n");
    run_expecting(130, "-n 2 %s " RUN ALL "--epochs 2 --session stopped --script stop", ranks_program);
    run_expecting(0, "-n 1 %s fork stopped --name alone", ranks_program);
    run_expecting(0, "-n 2 %s resume stopped", ranks_program);
    ranks_assert_same_weights("two", "stopped", "22");
    const struct outcome *outcome = run_expecting(0, "-n 1 %s resume alone", ranks_program);
    assert_non_null(strstr(outcome->err, "not on as many ranks as before (1, not 2)"));
}

/* ---- What ends a run ---- */

enum { TENTHS_MOST = 2000 }; /* on a machine that is very busy */

/* One that nobody waited for has ended all the same. */
static bool is_running(pid_t process)
{
    char path[64], state = 'Z';
    snprintf(path, sizeof path, "/proc/%d/stat", (int)process);
    FILE *file = fopen(path, "r");
    if (!file)
        return false;
    const int known = fscanf(file, "%*d (%*[^)]) %c", &state);
    fclose(file);
    return known == 1 && state != 'Z';
}

/* Waits until the file, below the folder, is longer. */
static void wait_for_more(const char *name)
{
    struct stat before, now;
    assert_int_equal(stat(process_path(name), &before), 0);
    for (int tenths = 0; stat(process_path(name), &now) == 0 && now.st_size == before.st_size; tenths++) {
        assert_true(tenths < TENTHS_MOST);
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    }
}

static void assert_good(const char *session)
{
    write_file("stop", "stop\n");
    run_expecting(0, "-n 1 %s sessions verify %s", ranks_program, session);
    run_expecting(130, "-n 1 %s resume %s --script stop", ranks_program, session);
}

static void a_rank_that_is_killed_ends_all(void **state)
{
    (void)state;
    static const char *const sessions[] = {"killed0", "killed1"};
    for (int rank = 0; rank < 2; rank++) {
        char named[64];
        struct process process = ranks_start_endless(sessions[rank]);
        const pid_t killed = ranks_process(process.pid, rank), other = ranks_process(process.pid, 1 - rank);
        assert_true(killed > 0 && other > 0);
        assert_int_equal(kill(killed, SIGKILL), 0);
        const struct outcome *outcome = process_finish(&process);
        assert_true(outcome->status != 0);
        snprintf(named, sizeof named, "process rank %d", rank);
        assert_non_null(strstr(outcome->err, named));
        for (int tenths = 0; is_running(other); tenths++) { /* mpirun may be gone before it */
            assert_true(tenths < TENTHS_MOST);
            nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
        }
        assert_good(sessions[rank]);
    }
}

/* The kernel gives a signal to whichever thread takes it: of these only the first knows what to do with one. */
static void assert_others_leave_signals(pid_t process)
{
    char folder[64], path[512], line[256];
    snprintf(folder, sizeof folder, "/proc/%d/task", (int)process);
    DIR *threads = opendir(folder);
    int seen = 0;
    assert_non_null(threads);
    for (struct dirent *entry; (entry = readdir(threads));) {
        if (atoi(entry->d_name) == 0 || atoi(entry->d_name) == process)
            continue;
        unsigned long long blocked = 0;
        snprintf(path, sizeof path, "%s/%s/status", folder, entry->d_name);
        FILE *file = fopen(path, "r");
        if (!file) /* it has ended */
            continue;
        while (fgets(line, sizeof line, file) && sscanf(line, "SigBlk: %llx", &blocked) != 1)
            ;
        fclose(file);
        static const int saving[] = {SIGINT, SIGTERM, SIGHUP};
        for (size_t i = 0; i < sizeof saving / sizeof *saving; i++)
            assert_true(blocked >> (saving[i] - 1) & 1);
        seen++;
    }
    closedir(threads);
    assert_true(seen >= 3); /* MPI's, and the trainer's */
}

/* All ranks get it, as from mpirun: the others leave it to rank 0, however late that one answers. */
static void a_signal_saves(void **state)
{
    (void)state;
    struct process process = ranks_start_endless("ended");
    const pid_t first = ranks_process(process.pid, 0), other = ranks_process(process.pid, 1);
    assert_others_leave_signals(first);
    assert_int_equal(kill(other, SIGTERM), 0);
    wait_for_more("nfbench/ended/metrics.jsonl"); /* steps, which need both */
    assert_int_equal(kill(first, SIGTERM), 0);
    assert_int_equal(process_finish(&process)->status, 130);
    assert_non_null(strstr(run_expecting(0, "-n 1 %s sessions show ended", ranks_program)->out, "stopped"));
}

static void a_run_that_diverges_does_so_on_all(void **state)
{
    (void)state;
    const char *said =
        run_expecting(1, "-n 2 %s " RUN "--epochs 2 --lr 1000 --momentum 0.99 --session diverged", ranks_program)->err;
    assert_non_null(strstr(said, "diverged at step 4"));
    said = run_expecting(1, "-n 2 %s " RUN "--epochs 2 --lr 1000 --momentum 0.99 --on-divergence rollback --session r",
                         ranks_program)
               ->err;
    assert_non_null(strstr(said, "rollback 2 of 5"));
    assert_non_null(strstr(said, "after 5 rollbacks"));
}

/* ---- Who may not train together ---- */

static void ranks_that_differ_are_told_apart(void **state)
{
    (void)state;
    const struct outcome *outcome =
        run_expecting(2, "-n 1 %s " RUN "--epochs 2 --session m : -n 1 %s " RUN "--epochs 3 --session m", ranks_program,
                      ranks_program);
    assert_non_null(strstr(outcome->err, "rank 1 on"));
    assert_non_null(strstr(outcome->err, "other arguments"));

    char copy[4096 + 1024];
    snprintf(copy, sizeof copy, "cp %s %s && echo >> %s", ranks_program, process_path("copy"), process_path("copy"));
    assert_int_equal(system(copy), 0);
    outcome = run_expecting(2, "-n 1 %s " RUN "--session m : -n 1 ./copy " RUN "--session m", ranks_program);
    assert_non_null(strstr(outcome->err, "another nfbench"));
}

/* The files of CIFAR-10, all zero but for one label of the second folder; sparse. */
static void make_data(const char *folder, bool other)
{
    static const char *const names[] = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                                        "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin"};
    assert_int_equal(mkdir(process_path(folder), 0755), 0);
    for (int i = 0; i < 6; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s/%s", folder, names[i]);
        const int fd = open(process_path(name), O_CREAT | O_WRONLY, 0644);
        assert_true(fd >= 0);
        assert_int_equal(ftruncate(fd, 30730000), 0);
        if (other && i == 3)
            assert_int_equal(pwrite(fd, "\7", 1, 3073 * 777), 1);
        close(fd);
    }
}

/* The second rank sees another folder in the same place, as on another machine. */
static void other_data_are_told(void **state)
{
    (void)state;
    if (system("unshare -m true 2>/dev/null") != 0)
        skip();
    make_data("data", false);
    make_data("other", true);
    write_file("elsewhere", "mount --bind \"$PWD/other\" \"$PWD/data\" && exec \"$@\"\n");
    const char *const run =
        "train " NETWORK "--data data --limit 72 --batch 7 --epochs 1 --normalize image --session d";
    const struct outcome *outcome =
        run_expecting(1, "-n 1 %s %s : -n 1 unshare -m sh elsewhere %s %s", ranks_program, run, ranks_program, run);
    assert_non_null(strstr(outcome->err, "rank 1 on"));
    assert_non_null(strstr(outcome->err, "other images"));
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    const struct outcome *outcome = run_expecting(1, "-n 2 %s " RUN "--norm batch --session b", ranks_program);
    assert_non_null(strstr(outcome->err, "--norm batch"));
    outcome = run_expecting(2, "-n 2 %s train --no-such", ranks_program);
    const char *said = strstr(outcome->err, "--no-such");
    assert_non_null(said);
    assert_null(strstr(said, "nfbench train: ")); /* by one of them */
    outcome = run_expecting(2, "-n 2 %s", ranks_program);
    assert_non_null(strstr(outcome->err, "no screen here"));
    assert_non_null(strstr(outcome->err, "`nfbench attach`"));
    outcome = run_expecting(0, "-n 2 %s --version", ranks_program);
    assert_non_null(strstr(outcome->out, ", MPI, "));
}

/* A launcher that this MPI does not know starts as many as it is told to, each of which is the only one for MPI. */
static void a_launcher_of_another_mpi_is_told(void **state)
{
    (void)state;
    static const char *const others[] = {"PMI_SIZE=2 PMI_RANK=0", "SLURM_STEP_NUM_TASKS=2 SLURM_PROCID=0"};
    for (int i = 0; i < 2; i++) {
        const struct outcome *outcome =
            run_expecting(2, "-n 1 env -u OMPI_COMM_WORLD_SIZE %s %s " RUN "--session n", others[i], ranks_program);
        assert_non_null(strstr(outcome->err, "started 2 times, but MPI sees 1"));
    }
    run_expecting(0, "-n 1 env SLURM_STEP_NUM_TASKS=2 SLURM_PROCID=0 %s " RUN "--epochs 1 --session inner",
                  ranks_program);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        process_test(losses_are_those_of_one_process),
        process_test(draws_are_of_whole_slices),
        process_test(on_gpus_too),
        process_test(the_bits_are_the_same_each_time),
        process_test(commands_take_effect_on_all_ranks),
        process_test(a_way_back_is_one_for_all),
        process_test(a_resumed_run_goes_on_to_the_bit),
        process_test(a_rank_that_is_killed_ends_all),
        process_test(a_signal_saves),
        process_test(a_run_that_diverges_does_so_on_all),
        process_test(ranks_that_differ_are_told_apart),
        process_test(other_data_are_told),
        process_test(what_cannot_be_is_refused),
        process_test(a_launcher_of_another_mpi_is_told),
    };
    if (!ranks_find_programs()) {
        puts("0 passed, 0 failed, 14 skipped");
        return 0;
    }
    return cmocka_run_group_tests(tests, ranks_setup, process_teardown);
}
