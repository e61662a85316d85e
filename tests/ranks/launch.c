/* See launch.h. */
#include "tests/ranks/launch.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

char ranks_program[4096];
char ranks_no_room[4096];

/* A file that was built for these tests; empty: there is none. */
static void find_built(const char *name, char place[4096])
{
    char path[4096];
    snprintf(path, sizeof path, "%s/tests/ranks/%s", getenv("BUILD") ? getenv("BUILD") : "build", name);
    char *found = realpath(path, NULL);
    snprintf(place, 4096, "%s", found ? found : "");
    free(found);
}

bool ranks_find_programs(void)
{
    static const char *const places[] = {"/usr/bin/mpirun", "/usr/local/bin/mpirun"};
    find_built("nfbench", ranks_program);
    find_built("preload/room.so", ranks_no_room);
    for (size_t i = 0; *ranks_program && i < sizeof places / sizeof *places; i++)
        if (access(places[i], X_OK) == 0)
            return setenv("NFBENCH_BINARY", places[i], 1) == 0;
    return false;
}

/* More ranks than processors, none bound to one, and root where that is who tests. */
int ranks_setup(void **state)
{
    static const char *const settings[] = {"OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM",
                                           "OMPI_MCA_rmaps_base_oversubscribe", "OMPI_MCA_mpi_yield_when_idle",
                                           "OMPI_MCA_btl_base_warn_component_unused"};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if (setenv(settings[i], i < 4 ? "1" : "0", 1) != 0)
            return -1;
    /* containers forbid that one process reads another's memory */
    if (setenv("OMPI_MCA_btl_vader_single_copy_mechanism", "none", 1) != 0 ||
        setenv("OMPI_MCA_hwloc_base_binding_policy", "none", 1) != 0 ||
        setenv("OMPI_MCA_odls_base_sigkill_timeout", "0", 1) != 0 || process_setup(state) != 0)
        return -1;
    /* else every mpirun of this machine makes and removes the same folder */
    return setenv("OMPI_MCA_orte_tmpdir_base", process_path(""), 1);
}

void ranks_assert_same_weights(const char *one, const char *other, const char *checkpoint)
{
    const char *const sessions[] = {one, other};
    char *bytes[2];
    size_t sizes[2];
    for (int i = 0; i < 2; i++) {
        char name[256];
        uint64_t header;
        struct stat status;
        snprintf(name, sizeof name, "nfbench/%s/checkpoints/%s.safetensors", sessions[i], checkpoint);
        FILE *file = fopen(process_path(name), "rb");
        assert_non_null(file);
        assert_int_equal(fstat(fileno(file), &status), 0);
        assert_int_equal(fread(&header, sizeof header, 1, file), 1);
        sizes[i] = (size_t)status.st_size - sizeof header - header;
        bytes[i] = malloc(sizes[i]);
        assert_non_null(bytes[i]);
        assert_int_equal(fseek(file, (long)header, SEEK_CUR), 0);
        assert_int_equal(fread(bytes[i], 1, sizes[i], file), sizes[i]);
        fclose(file);
    }
    assert_int_equal(sizes[0], sizes[1]);
    assert_memory_equal(bytes[0], bytes[1], sizes[0]);
    free(bytes[0]);
    free(bytes[1]);
}

pid_t ranks_process(pid_t mpirun, int rank)
{
    static char text[1 << 20]; /* an environment may be long */
    char path[64], sign[64];
    DIR *processes = opendir("/proc");
    pid_t found = -1;
    assert_non_null(processes);
    const int length = snprintf(sign, sizeof sign, "OMPI_COMM_WORLD_RANK=%d", rank);
    for (struct dirent *entry; found < 0 && (entry = readdir(processes));) {
        int parent = -1;
        snprintf(path, sizeof path, "/proc/%.20s/stat", entry->d_name);
        FILE *file = fopen(path, "r");
        if (!file)
            continue;
        const int known = fscanf(file, "%*d (%*[^)]) %*c %d", &parent);
        fclose(file);
        snprintf(path, sizeof path, "/proc/%.20s/environ", entry->d_name);
        if (known != 1 || parent != mpirun || !(file = fopen(path, "r")))
            continue;
        const size_t size = fread(text, 1, sizeof text - 1, file);
        fclose(file);
        for (size_t at = 0; at < size; at += strlen(text + at) + 1) {
            text[size] = '\0';
            if (strncmp(text + at, sign, (size_t)length + 1) == 0)
                found = (pid_t)atoi(entry->d_name);
        }
    }
    closedir(processes);
    return found;
}

struct process ranks_start_endless(const char *session)
{
    char arguments[4096 + 512], log[128];
    snprintf(arguments, sizeof arguments, "-n 2 %s " RUN "--epochs 100000 --checkpoint-every 5 --session %s",
             ranks_program, session);
    snprintf(log, sizeof log, "nfbench/%s/metrics.jsonl", session);
    struct process process = process_start(arguments, NULL);
    wait_for_text(log, "\"step\":22");
    return process;
}

void ranks_say_line(int in, const char *line)
{
    assert_int_equal(write(in, line, strlen(line)), (ssize_t)strlen(line));
}
