/* What is read of a machine: files of several machines (tests/tui/machines) as text, and as folders in the place of the
 * root. */
#include "tui/machine.h"
#include "tui/proc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MACHINES "tests/tui/machines/"

static const char *file(const char *path)
{
    static char text[16384];
    char whole[256];
    size_t used = 0;
    FILE *opened;

    snprintf(whole, sizeof whole, MACHINES "%s", path);
    opened = fopen(whole, "r");
    if (!opened)
        fail_msg("%s is not there", whole);
    used = fread(text, 1, sizeof text - 1, opened);
    text[used] = '\0';
    (void)fclose(opened);
    return text;
}

static void assert_near(double got, double expected)
{
    if (!(fabs(got - expected) <= 1e-9 * fabs(expected)))
        fail_msg("%.12g, not %.12g", got, expected);
}

/* ---- Texts ---- */

static void processors_are_counted_with_their_time(void **state)
{
    struct proc_ticks all, each[8];

    (void)state;
    assert_int_equal(proc_stat(file("version1/proc/stat"), &all, each, 8), 2);
    assert_int_equal(all.all, 1335738 + 322476 + 726836 + 437408 + 2288 + 739 + 2655);
    assert_int_equal(all.busy, all.all - 437408 - 2288);
    assert_int_equal(each[0].busy, 629828 + 151736 + 328515 + 70 + 1306);
    assert_int_equal(each[0].all, each[0].busy + 301359 + 812);
    each[2].all = 7;
    assert_int_equal(proc_stat(file("version2/proc/stat"), &all, each, 2), 4); /* guests are counted once */
    assert_int_equal(all.all, 10132153 + 290696 + 3084719 + 46828483 + 16683 + 25195);
    assert_int_equal(each[2].all, 7);
}

static void a_text_that_is_cut_or_strange_gives_what_it_has(void **state)
{
    struct proc_ticks all, each[8];

    (void)state;
    assert_int_equal(proc_stat("", &all, each, 8), 0);
    assert_int_equal(proc_stat("cpu", &all, each, 8), 0);
    assert_int_equal(proc_stat("cpu 1 2 3 4\ncpu0 1 2 3 4\ncpu1 1 2 3 4", &all, each, 8), 1);
    assert_int_equal(all.all, 10);
    assert_int_equal(all.busy, 6);
    assert_int_equal(proc_stat("cpu 1 2 3 4\ncpu0 x\n", &all, each, 8), 0);
    assert_int_equal(proc_stat("hello\n", &all, each, 8), 0);
}

static void a_load_is_what_was_busy_of_the_time_between(void **state)
{
    const struct proc_ticks before = {100, 1000}, now = {150, 1200}, back = {90, 1300};

    (void)state;
    assert_near(proc_load(&before, &now), 0.25);
    assert_true(isnan(proc_load(&before, &before)));
    assert_true(isnan(proc_load(&before, &back)));
    assert_true(isnan(proc_load(&now, &before)));
}

static void memory_is_read_in_bytes(void **state)
{
    double total = 0, available = 0;

    (void)state;
    assert_true(proc_memory(file("version2/proc/meminfo"), &total, &available));
    assert_near(total, 32594848 * 1024.0);
    assert_near(available, 20000000 * 1024.0);
    assert_true(proc_memory("MemTotal: 100 kB\nMemFree: 40 kB\n", &total, &available)); /* Linux before 3.14 */
    assert_near(available, 40 * 1024.0);
    assert_false(proc_memory("NotMemTotal: 1 kB\nMemFree: 1 kB\n", &total, &available));
    assert_false(proc_memory("MemTotal: x\n", &total, &available));
}

static void a_process_may_have_any_name(void **state)
{
    struct proc_process process;

    (void)state;
    assert_true(proc_process(file("version1/proc/self/stat"), &process));
    assert_true(process.ticks == 0 && process.threads == 1 && process.resident == 413);
    assert_true(proc_process(file("version2/proc/self/stat"), &process));
    assert_true(process.ticks == 1750 && process.threads == 27 && process.resident == 25000);
    assert_false(proc_process("", &process));
    assert_false(proc_process("1 (a) S 1 2", &process));
}

static void groups_are_found_in_both_versions(void **state)
{
    char path[64], most[9];

    (void)state;
    assert_true(proc_cgroup(file("version1/proc/self/cgroup"), "memory", path, sizeof path));
    assert_string_equal(path, "/container");
    assert_true(proc_cgroup(file("version1/proc/self/cgroup"), "cpu", path, sizeof path)); /* not "cpuset" */
    assert_string_equal(path, "/");
    assert_true(proc_cgroup(file("version2/proc/self/cgroup"), NULL, path, sizeof path));
    assert_string_equal(path, "/user.slice/user-1000.slice/run.scope");
    assert_false(proc_cgroup(file("version2/proc/self/cgroup"), "cpu", path, sizeof path));
    assert_true(proc_cgroup("5:cpu,cpuacct:/a:b\n", "cpuacct", path, sizeof path));
    assert_string_equal(path, "/a:b");
    assert_false(proc_cgroup("5:cpuacct,cpu2:/x\n4:\n:\nx", "cpu", path, sizeof path));
    assert_true(proc_cgroup("0::/much/too/long", NULL, most, sizeof most));
    assert_string_equal(most, "/much/to");
}

static void limits_are_numbers_or_none(void **state)
{
    (void)state;
    assert_near(proc_cpu_max("150000 100000\n"), 1.5);
    assert_true(isinf(proc_cpu_max("max 100000\n")) && isinf(proc_cpu_max("")) && isinf(proc_cpu_max("1 0")));
    assert_near(proc_cpu_quota("50000\n", "100000\n"), 0.5);
    assert_true(isinf(proc_cpu_quota("-1\n", "100000\n")));
    assert_near(proc_memory_limit("8589934592\n"), 8589934592.0);
    assert_true(isinf(proc_memory_limit("max\n")) && isinf(proc_memory_limit("9223372036854771712\n")));
}

/* ---- Machines ---- */

static struct machine *open_machine(const char *root)
{
    struct machine *machine;
    struct error error = {""};

    if (machine_open(root, -1, &machine, &error))
        fail_msg("%s", error.message);
    return machine;
}

static void a_machine_is_read_with_its_containers_limits(void **state)
{
    struct machine *machine = open_machine(MACHINES "version1");
    struct machine_reading got;

    (void)state;
    machine_read(machine, 10, &got);
    assert_int_equal(got.processors, 2);
    assert_true(isnan(got.machine) && isnan(got.process) && isnan((double)got.load[0])); /* there was none before */
    assert_near(got.processors_most, 1.5);
    assert_near(got.memory_limit, 8589934592.0);
    assert_near(got.memory_total, 24684092 * 1024.0);
    assert_int_equal(got.threads, 1);
    assert_true(got.resident > 0);
    assert_true(isnan(got.temperature));
    machine_read(machine, 11, &got); /* nothing has moved */
    assert_true(isnan(got.machine) && got.process == 0);
    machine_close(machine);
}

static void the_least_limit_of_the_groups_above_counts(void **state)
{
    struct machine *machine = open_machine(MACHINES "version2");
    struct machine_reading got;

    (void)state;
    machine_read(machine, 10, &got);
    assert_int_equal(got.processors, 4);
    assert_near(got.processors_most, 2.5);
    assert_near(got.memory_limit, 4294967296.0);
    assert_near(got.temperature, 64); /* the hottest of the processor's, not the disk's */
    assert_int_equal(got.threads, 27);
    machine_close(machine);
}

/* Copies a machine's folder, to be changed. */
static const char *copied(const char *name)
{
    static char folder[64];
    char command[256];

    snprintf(folder, sizeof folder, "/tmp/nfbench-machine-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(command, sizeof command, "cp -r " MACHINES "%s/. %s", name, folder);
    assert_int_equal(system(command), 0);
    return folder;
}

static void write_file(const char *folder, const char *path, const char *text)
{
    char whole[256];
    FILE *opened;

    snprintf(whole, sizeof whole, "%s/%s", folder, path);
    opened = fopen(whole, "w");
    assert_non_null(opened);
    assert_true(fputs(text, opened) >= 0);
    assert_int_equal(fclose(opened), 0);
}

static void take_away(const char *folder)
{
    char command[128];

    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

/* Half a second in which one processor was busy throughout and one a quarter of the time; then the files go. */
static void loads_are_means_since_the_reading_before(void **state)
{
    const char *folder = copied("version1");
    struct machine *machine;
    struct machine_reading got;

    (void)state;
    write_file(folder, "proc/stat", "cpu 100 0 0 100\ncpu0 50 0 0 50\ncpu1 50 0 0 50\n");
    write_file(folder, "proc/self/stat", "1 (x) S 1 1 1 1 1 1 1 1 1 1 200 100 0 0 20 0 3 0 1 1 10 0\n");
    machine = open_machine(folder);
    machine_read(machine, 100, &got);
    write_file(folder, "proc/stat", "cpu 225 0 0 175\ncpu0 150 0 0 50\ncpu1 75 0 0 125\n");
    write_file(folder, "proc/self/stat", "1 (x) S 1 1 1 1 1 1 1 1 1 1 260 115 0 0 20 0 3 0 1 1 10 0\n");
    machine_read(machine, 100.5, &got);
    assert_near((double)got.load[0], 1);
    assert_near((double)got.load[1], 0.25);
    assert_near(got.machine, 0.625);
    assert_near(got.process, 1.5); /* 75 hundredths of a second of processor time */
    write_file(folder, "proc/stat", "");
    write_file(folder, "proc/self/stat", "");
    write_file(folder, "proc/meminfo", "");
    machine_read(machine, 101, &got);
    assert_int_equal(got.processors, 0);
    assert_true(isnan(got.machine) && isnan(got.process) && isnan(got.memory_total) && isnan(got.resident));
    write_file(folder, "proc/self/stat", "1 (x) S 1 1 1 1 1 1 1 1 1 1 260 115 0 0 20 0 3 0 1 1 10 0\n");
    machine_read(machine, 102, &got);
    assert_true(isnan(got.process)); /* since when is not known */
    take_away(folder);
    machine_close(machine);
}

static void a_machine_that_tells_nothing_is_no_error(void **state)
{
    struct machine *machine = open_machine("/no/such/folder");
    struct machine_reading got;

    (void)state;
    for (int i = 0; i < 2; i++) {
        machine_read(machine, i, &got);
        assert_int_equal(got.processors, 0);
        assert_int_equal(got.threads, 0);
        assert_true(isnan(got.machine) && isnan(got.process) && isnan(got.resident) && isnan(got.temperature));
        assert_true(isnan(got.memory_total) && isnan(got.memory_available));
        assert_true(isinf(got.processors_most) && isinf(got.memory_limit));
    }
    machine_close(machine);
    machine_close(NULL);
}

static void this_machine_can_be_read(void **state)
{
    struct machine *machine = open_machine("");
    struct machine_reading got;

    (void)state;
    machine_read(machine, 1, &got);
    assert_true(got.processors > 0 && got.threads > 0);
    assert_true(got.memory_total > got.memory_available && got.resident > 0);
    machine_close(machine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(processors_are_counted_with_their_time),
        cmocka_unit_test(a_text_that_is_cut_or_strange_gives_what_it_has),
        cmocka_unit_test(a_load_is_what_was_busy_of_the_time_between),
        cmocka_unit_test(memory_is_read_in_bytes),
        cmocka_unit_test(a_process_may_have_any_name),
        cmocka_unit_test(groups_are_found_in_both_versions),
        cmocka_unit_test(limits_are_numbers_or_none),
        cmocka_unit_test(a_machine_is_read_with_its_containers_limits),
        cmocka_unit_test(the_least_limit_of_the_groups_above_counts),
        cmocka_unit_test(loads_are_means_since_the_reading_before),
        cmocka_unit_test(a_machine_that_tells_nothing_is_no_error),
        cmocka_unit_test(this_machine_can_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
