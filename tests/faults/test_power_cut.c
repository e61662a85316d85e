/* What a power cut would leave, which no kill does: it takes what was written and not synced. So the order of a
 * program's writes, syncs and renames is looked at, and no time is needed. And what the disk gives back otherwise than
 * it was written. */
#include "tests/faults/faults.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int set_up(void **state)
{
    if (faults_setup(state) != 0)
        return -1;
    write_script("back", "at 6 save here\nat 10 back 6\n");
    return 0;
}

static int remove_session(void **state)
{
    (void)state;
    shim_unload();
    session_wipe("s");
    return 0;
}

/* ---- The disk, as a power cut leaves it ---- */

enum { FILES_MOST = 128 };

/* All that was seen of a file or folder. */
struct file {
    char path[496];
    bool written; /* since it was synced last */
    bool entries; /* of a folder: names have come into it since it was synced last */
};
static struct file files[FILES_MOST];
static int file_count;

static struct file *find(const char *path)
{
    for (int i = 0; i < file_count; i++)
        if (strcmp(files[i].path, path) == 0)
            return &files[i];
    return NULL;
}

static struct file *file_of(const char *path)
{
    struct file *file = find(path);
    if (file)
        return file;
    assert_true(file_count < FILES_MOST);
    file = &files[file_count++];
    *file = (struct file){0};
    snprintf(file->path, sizeof file->path, "%s", path);
    return file;
}

/* The folder `up` levels above; of a file in the session's folder checkpoints/, 2 is the session. */
static struct file *above(const char *path, int up)
{
    char folder[496];
    snprintf(folder, sizeof folder, "%s", path);
    for (char *slash; up > 0 && (slash = strrchr(folder, '/')); up--)
        *slash = '\0';
    return file_of(folder);
}

static bool ends_in(const char *path, const char *end)
{
    const size_t length = strlen(path), size = strlen(end);
    return length >= size && strcmp(path + length - size, end) == 0;
}

/* What may be lost: TensorBoard's files are made again from the log; a lock is of a process; a picture is drawn again.
 */
static bool is_for_good(const char *path)
{
    return !strstr(path, "/events.out.") && !ends_in(path, "/lock") && !strstr(path, "/images");
}

static void must_be_synced(const struct file *file, const char *before, const char *path)
{
    if (file->written || file->entries)
        fail_msg("%s is not synced before %s %s", file->path, before, path);
}

/* The first checkpoint of a step says that all up to it is recorded: the logs must be there, too, and where there are
 * settings their folder, since then it is a session. One that is saved again, as `back` does, says nothing new. */
static void look_at_checkpoint(const char *path)
{
    char log[600], settings[600];
    const struct file *session = above(path, 2);
    for (int i = 0; i < 2; i++) {
        snprintf(log, sizeof log, "%s/%s.jsonl", session->path, i ? "commands" : "metrics");
        must_be_synced(file_of(log), "rename", path);
    }
    snprintf(settings, sizeof settings, "%s/settings.ini", session->path);
    if (find(settings))
        must_be_synced(session, "rename", path);
}

static void look_at_rename(const char *path)
{
    char temporary[512];
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    must_be_synced(file_of(temporary), "rename", path);
    if (ends_in(path, ".safetensors") && strstr(path, "/checkpoints/") && !find(path))
        look_at_checkpoint(path);
    file_of(path)->written = false;
    above(path, 1)->entries = true;
}

/* What stands for a file that goes must be there. */
static void look_at_unlink(const char *path)
{
    if (ends_in(path, ".tmp") || !is_for_good(path))
        return;
    for (int i = 0; i < file_count; i++)
        if (files[i].entries)
            fail_msg("%s is not synced before unlink %s", files[i].path, path);
}

static void look_at_call(const struct call *call)
{
    const bool makes = strcmp(call->name, "create") == 0 || strcmp(call->name, "mkdir") == 0;
    if (strcmp(call->name, "fsync") == 0) {
        file_of(call->path)->written = file_of(call->path)->entries = false;
    } else if (strcmp(call->name, "rename") == 0) {
        look_at_rename(call->path);
    } else if (strcmp(call->name, "unlink") == 0) {
        look_at_unlink(call->path);
    } else if (!is_for_good(call->path)) {
        return;
    } else if (strcmp(call->name, "write") == 0 || strcmp(call->name, "ftruncate") == 0) {
        file_of(call->path)->written = true;
    } else if (makes && !ends_in(call->path, ".tmp") && !find(call->path)) {
        file_of(call->path);
        above(call->path, 1)->entries = true;
    }
}

/* Whatever happens from here on, all that was said to be done is there. */
static void look_at_end(void)
{
    for (int i = 0; i < file_count; i++)
        if (!ends_in(files[i].path, ".tmp") || files[i].entries)
            must_be_synced(&files[i], "the program's", "end");
}

static void what_is_done_survives_a_power_cut(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *arguments;
        int renames; /* at least */
    } deeds[] = {{0, "train " FAULTS_RUN "--session s", 9},
                 {130, "train " FAULTS_RUN "--session gone-back --script back", 9},
                 {0, "resume gone-back", 6},
                 {0, "fork s --at 13 --name forked", 6},
                 {0, "import nfbench/whole/checkpoints/30.safetensors " FAULTS_RUN "--session imported", 3}};
    for (size_t i = 0; i < sizeof deeds / sizeof *deeds; i++) {
        long count;
        int renames = 0;
        shim_load(&(struct shim){.log = "calls"});
        run_expecting(deeds[i].status, "%s", deeds[i].arguments);
        shim_unload();
        struct call *calls = shim_calls("calls", &count);
        file_count = 0;
        file_of(process_path("nfbench")); /* it was there before */
        snprintf(trial, sizeof trial, "%.250s", deeds[i].arguments);
        for (long k = 0; k < count; k++) {
            look_at_call(&calls[k]);
            renames += strcmp(calls[k].name, "rename") == 0;
        }
        look_at_end();
        assert_true(renames >= deeds[i].renames);
        free(calls);
    }
    trial[0] = '\0';
}

/* ---- What is read back ---- */

/* The numbers, among all writes, of those to the file with this end; how many. */
static int writes_to(const char *end, long *numbers, int most)
{
    long count;
    int found = 0;
    shim_load(&(struct shim){.log = "calls", .calls = "write"});
    run_expecting(0, "train " FAULTS_RUN "--session s");
    shim_unload();
    session_wipe("s");
    struct call *calls = shim_calls("calls", &count);
    for (long i = 0; i < count; i++)
        if (ends_in(calls[i].path, end) && found < most)
            numbers[found++] = i + 1;
    free(calls);
    return found;
}

/* The header, a tensor, and the digest. */
static void a_checkpoint_that_reads_otherwise_than_it_was_written_replaces_none(void **state)
{
    (void)state;
    long numbers[256];
    const int count = writes_to("/12.safetensors.tmp", numbers, 256), which[] = {0, count / 2, count - 1};
    assert_in_range(count, 3, 255);
    for (size_t i = 0; i < sizeof which / sizeof *which; i++) {
        snprintf(trial, sizeof trial, "a bit of write %d of %d", which[i] + 1, count);
        shim_load(&(struct shim){.at = numbers[which[i]], .calls = "write", .flip = true});
        const struct outcome *outcome = run_expecting(1, "train " FAULTS_RUN "--session s");
        shim_unload();
        assert_non_null(strstr(outcome->err, "cannot read "));
        assert_non_null(strstr(outcome->err, "/12.safetensors back"));
        const struct place place = session_place("s");
        assert_int_equal(place.saved, 8);
        assert_resumes("s", place);
        session_wipe("s");
    }
    trial[0] = '\0';
}

/* ---- A disk that is full in the middle of a way back ---- */

/* What needs room; and unlink, which ends it. */
#define CHANGES "create write fsync rename ftruncate unlink"

static bool needs_room(const struct call *call)
{
    return strcmp(call->name, "unlink") != 0 && is_for_good(call->path);
}

/* From the mark on that says that the run goes back, until it is taken away. */
static void find_way_back(const struct call *calls, long count, long *first, long *last)
{
    for (*first = 0; *first < count && !ends_in(calls[*first].path, "/undone.tmp"); ++*first)
        ;
    for (*last = *first;
         *last < count && (strcmp(calls[*last].name, "unlink") != 0 || !ends_in(calls[*last].path, "/undone")); ++*last)
        ;
    assert_true(*first < *last && *last < count);
}

#define BACK "train " FAULTS_RUN "--session s --script back"

static void a_way_back_that_lacks_room_is_gone_to_its_end(void **state)
{
    (void)state;
    const int stride = 10 / faults_count(10, 10); /* under a sanitizer a few of them */
    long count, first, last, seen = 0;
    const struct call *before = NULL;
    shim_load(&(struct shim){.log = "calls", .calls = CHANGES});
    run_expecting(130, BACK);
    shim_unload();
    assert_int_equal(rename(process_path("nfbench/s"), process_path("nfbench/expected")), 0);
    struct call *calls = shim_calls("calls", &count);
    find_way_back(calls, count, &first, &last);
    for (long i = first; i < last; i++) {
        const struct call *call = &calls[i];
        const bool again = before && strcmp(call->name, before->name) == 0 && strcmp(call->path, before->path) == 0;
        if (!needs_room(call) || again)
            continue;
        before = call;
        if (seen++ % stride)
            continue;
        snprintf(trial, sizeof trial, "no room at call %ld, %s %.200s", i + 1, call->name, call->path);
        shim_load(&(struct shim){.at = i + 1, .calls = CHANGES, .error = ENOSPC, .patience = 1000});
        const struct outcome *outcome = run_expecting(130, BACK);
        shim_unload();
        if (!strstr(outcome->err, "there is room again"))
            fail_msg("nothing is said of it: %s", outcome->err);
        assert_same_course("s", "expected");
        run_expecting(0, "sessions verify s");
        session_wipe("s");
    }
    assert_true(seen >= 10);
    free(calls);
    trial[0] = '\0';
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_done_survives_a_power_cut, remove_session, trial_teardown),
        cmocka_unit_test_setup_teardown(a_checkpoint_that_reads_otherwise_than_it_was_written_replaces_none,
                                        remove_session, trial_teardown),
        cmocka_unit_test_setup_teardown(a_way_back_that_lacks_room_is_gone_to_its_end, remove_session, trial_teardown),
    };
    return cmocka_run_group_tests(tests, set_up, faults_teardown);
}
