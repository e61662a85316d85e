/* `nfbench fetch`: CIFAR-10 or CIFAR-100 to where nfbench finds it. */
#include "fetch/fetch.h"

#include "base/clock.h"
#include "base/line.h"
#include "base/nearest.h"
#include "engine/data_layout.h"
#include "sessions/session.h"
#include "tui/cli.h"
#include "tui/cli_progress.h"
#include "tui/cli_signals.h"
#include "tui/run.h"
#include "tui/words.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_NAMES_BYTES = 65536 };

static const double speed_seconds = 3; /* the speed shown is that of about so long */

/* ---- What there is to fetch ---- */

static const char *word_at(const void *context, int index)
{
    (void)context;
    const struct data_layout *layout = data_layout(index);
    return layout ? layout->word : NULL;
}

static const struct data_layout *find_layout(const char *word, struct error *error)
{
    const struct data_layout *layout;
    for (int i = 0; (layout = data_layout(i)); i++)
        if (strcmp(layout->word, word) == 0)
            return layout;
    const char *near = nearest_word(word, word_at, NULL);
    error_set(error, "there is no data set '%.60s': %s%s%s", word, near ? "did you mean '" : "cifar10 or cifar100",
              near ? near : "", near ? "'?" : "");
    return NULL;
}

static int check_folder(const char *folder, struct error *error)
{
    struct dataset *dataset;
    if (dataset_open(folder, &dataset, error) != 0)
        return -1;
    dataset_close(dataset);
    return 0;
}

static struct fetch_set make_set(const struct data_layout *layout)
{
    struct fetch_set set = {.word = layout->word,
                            .name = layout->name,
                            .folder = layout->folder,
                            .archive = layout->archive,
                            .archive_size = layout->archive_size,
                            .archive_sha256 = layout->archive_sha256,
                            .check = check_folder};
    for (int f = 0; f < layout->file_count; f++)
        set.files[set.file_count++] = (struct fetch_file){
            .name = layout->files[f].name, .size = (long long)data_layout_file_size(layout, &layout->files[f])};
    set.files[set.file_count++] =
        (struct fetch_file){.name = layout->names_file, .size = MOST_NAMES_BYTES, .beside = true};
    return set;
}

/* ---- Where to ---- */

/* A place where nfbench looks for data without --data: one that has the set already, else $NFBENCH_DATA, else the
 * person's own. */
static int choose_directory(const struct data_layout *layout, char directory[SETTINGS_PATH_SIZE], struct error *error)
{
    char place[SETTINGS_PATH_SIZE], below[SETTINGS_PATH_SIZE];
    struct stat status;
    for (int i = 0; run_data_place(i, place); i++) {
        snprintf(below, sizeof below, "%s/%s/%s", place, layout->folder, layout->files[0].name);
        if (*place && stat(below, &status) == 0) {
            strcpy(directory, place);
            return 0;
        }
    }
    run_data_place(0, directory);
    if (*directory)
        return 0;
    if (session_data_home(place, error) != 0)
        return -1;
    const int length = snprintf(directory, SETTINGS_PATH_SIZE, "%s/data", place);
    return length < SETTINGS_PATH_SIZE ? 0 : error_set(error, "path too long: %.100s...", place);
}

/* Whether a run without --data takes the images of this folder. */
static bool is_found_by_itself(const struct cli *cli, const char *folder)
{
    struct settings settings = cli->settings;
    struct dataset *dataset;
    char note[RUN_TEXT_SIZE];
    if (run_open_data(&settings, note, &dataset, NULL) != 0)
        return false;
    const bool found = strcmp(dataset_location(dataset), folder) == 0;
    dataset_close(dataset);
    return found;
}

/* ---- Looking on ---- */

struct show {
    struct progress progress;
    sigset_t signals;
    const char *doing;
    double since;         /* when it was last looked at */
    double speed, weight; /* bytes a second, smoothed, and of how much it is made: 0 nothing yet, up to 1 */
    long long done;       /* then */
};

static void follow_speed(struct show *show, const char *doing, long long done)
{
    const double now = clock_measured(), passed = now - show->since;
    if (show->doing && strcmp(show->doing, doing) == 0 && passed < speed_seconds / 20)
        return;
    if (!show->doing || strcmp(show->doing, doing) != 0 || done < show->done) {
        show->speed = show->weight = 0;
    } else {
        const double part = passed < speed_seconds ? passed / speed_seconds : 1;
        show->speed += part * ((double)(done - show->done) / passed - show->speed);
        show->weight += part * (1 - show->weight);
    }
    show->doing = doing;
    show->done = done;
    show->since = now;
}

static bool show_progress(void *context, const char *doing, long long done, long long total)
{
    struct show *show = context;
    const struct timespec now = {0};
    if (!show->doing && !show->progress.terminal && strcmp(doing, "checking") == 0)
        progress_line(&show->progress, "checking the %.1f MB that are there", (double)total / 1e6);
    follow_speed(show, doing, done);
    progress_bytes(&show->progress, doing, (double)done, (double)total,
                   show->weight > 0 ? show->speed / show->weight : 0);
    return sigtimedwait(&show->signals, NULL, &now) > 0;
}

static void show_note(void *context, const char *text)
{
    struct show *show = context;
    progress_line(&show->progress, "note: %s", text);
}

/* ---- Results ---- */

static json_t *fetched_json(const struct fetch_set *set, const struct fetch_result *result, bool fetched,
                            double seconds)
{
    return json_pack("{s:s, s:s, s:o, s:b, s:b, s:o, s:I, s:I, s:o}", "set", set->word, "name", set->name, "path",
                     cli_json_text(result->folder), "fetched", fetched, "verified", result->verified, "url",
                     *result->url ? cli_json_text(result->url) : json_null(), "resumed_at", (json_int_t)result->resumed,
                     "received", (json_int_t)result->received, "seconds", cli_json_number(seconds));
}

static void print_fetched(const struct cli *cli, const struct fetch_set *set, const struct fetch_result *result,
                          bool fetched, double seconds)
{
    char size[CLI_VALUE_SIZE], time[CLI_VALUE_SIZE], word[2 * FILE_PATH_SIZE];
    words_bytes((double)result->received, size, sizeof size);
    words_duration(seconds, time, sizeof time);
    if (!fetched)
        printf("%s is there already%s: %s\n", set->name, result->verified ? ", whole and unchanged" : "",
               result->folder);
    else
        printf("%s: %s (%s downloaded, in %s)\n", set->name, result->folder, size, time);
    session_shell_word(result->folder, word, sizeof word);
    if (is_found_by_itself(cli, result->folder))
        puts("next: nfbench");
    else
        printf("next: nfbench --data %s\n", word);
}

/* ---- The command ---- */

/* Its own options, as the request has them. `sum` is where the sum is kept. */
static int read_options(const struct cli *cli, struct fetch_request *request, const char *urls[CLI_REPEATS],
                        char sum[FETCH_SHA256_SIZE], struct error *error)
{
    const char *sha256 = cli_value(cli, "sha256");
    request->force = cli_value(cli, "force") != NULL;
    request->urls = urls;
    request->url_count = cli_values(cli, "url", urls);
    for (int u = 0; u < request->url_count; u++)
        if (fetch_check_url(urls[u], error) != 0)
            return -1;
    if (sha256 && fetch_read_sha256(sha256, sum, error) != 0)
        return -1;
    if (sha256 && !request->url_count)
        return error_set(error, "--sha256 is of another archive: say where it is by --url URL");
    request->sha256 = sha256 && strcmp(sum, request->set->archive_sha256) != 0 ? sum : NULL;
    if (cli_value(cli, "dir") && !*cli_value(cli, "dir"))
        return error_set(error, "--dir: needs a folder");
    return 0;
}

/* The next fetch needs it; who wants none is told how to be rid of it. */
static void tell_kept(struct show *show, const struct fetch_result *result)
{
    char word[2 * FILE_PATH_SIZE];
    session_shell_word(result->part, word, sizeof word);
    progress_line(&show->progress, "note: what was downloaded is kept for the next fetch; to remove it: rm %s", word);
}

static enum cli_status run_fetch(struct cli *cli, struct fetch_request *request)
{
    struct show show = {.signals = signals_block()};
    struct fetch_result result;
    struct error error = {""};
    const double began = clock_measured();
    request->watch = (struct fetch_watch){&show, show_progress, show_note};
    progress_open(&show.progress, STDERR_FILENO);
    const enum fetch_end end = fetch_run(request, &result, &error);
    progress_close(&show.progress);
    const double seconds = clock_measured() - began;
    if (end == FETCH_FAILED || end == FETCH_STOPPED) {
        const enum cli_status status = cli_failed(cli, &error);
        if (*result.part)
            tell_kept(&show, &result);
        return end == FETCH_STOPPED ? CLI_INTERRUPTED : status;
    }
    if (cli->settings.json)
        return cli_print_json(cli, fetched_json(request->set, &result, end == FETCH_DONE, seconds));
    print_fetched(cli, request->set, &result, end == FETCH_DONE, seconds);
    return CLI_DONE;
}

enum cli_status cli_fetch(struct cli *cli)
{
    struct error error;
    struct fetch_request request = {0};
    const char *urls[CLI_REPEATS];
    char sum[FETCH_SHA256_SIZE], directory[SETTINGS_PATH_SIZE];
    const struct data_layout *layout = find_layout(cli->operands[0], &error);
    if (!layout)
        return cli_usage(cli, &error);
    struct fetch_set set = make_set(layout);
    const struct fetch_set other = make_set(data_layout(layout == data_layout(0)));
    set.other = &other;
    request.set = &set;
    if (read_options(cli, &request, urls, sum, &error) != 0)
        return cli_usage(cli, &error);
    request.directory = cli_value(cli, "dir");
    if (!request.directory && choose_directory(layout, directory, &error) != 0)
        return cli_failed(cli, &error);
    if (!request.directory)
        request.directory = directory;
    return run_fetch(cli, &request);
}
