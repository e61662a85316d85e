/* `nfbench doctor`: what this machine offers and what this nfbench will make of it. Every row says what was found; a
 * row that keeps a run from working ends the list with exit code 1. */
#include "tui/cli.h"
#include "tui/cli_table.h"
#include "tui/run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXT_SIZE = 1600, MOST_ROWS = 16 };

struct finding {
    const char *key, *label;
    char text[TEXT_SIZE];
    json_t *value; /* owned */
};

struct findings {
    struct finding rows[MOST_ROWS];
    int count;
    bool trouble;
};

/* Adds a row; the text of the table doubles as JSON's value when `value` is NULL. */
static void found(struct findings *findings, const char *key, const char *label, json_t *value, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
static void found(struct findings *findings, const char *key, const char *label, json_t *value, const char *format, ...)
{
    struct finding *row = &findings->rows[findings->count++];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(row->text, sizeof row->text, format, arguments);
    va_end(arguments);
    row->key = key;
    row->label = label;
    row->value = value ? value : cli_json_text(row->text);
}

/* ---- The processor ---- */

/* The value of a line of /proc/cpuinfo, of the first processor. */
static bool cpuinfo(const char *key, char *value, size_t size)
{
    char line[8192];
    bool is_there = false;
    FILE *file = fopen("/proc/cpuinfo", "r");
    if (!file)
        return false;
    while (!is_there && fgets(line, sizeof line, file)) {
        char *colon = strchr(line, ':');
        if (!colon || strncmp(line, key, strlen(key)) != 0)
            continue;
        colon += 1 + strspn(colon + 1, " ");
        colon[strcspn(colon, "\n")] = '\0';
        snprintf(value, size, "%s", colon);
        is_there = true;
    }
    (void)fclose(file); /* only read */
    return is_there;
}

static bool has_word(const char *words, const char *word)
{
    size_t length = strlen(word);
    for (; *words; words += strspn(words, " ")) {
        size_t this = strcspn(words, " ");
        if (this == length && strncmp(words, word, length) == 0)
            return true;
        words += this;
    }
    return false;
}

static void look_at_processor(struct findings *findings)
{
    static const char *const matter[] = {"avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16"};
    char model[256] = "unknown", flags[8192] = "", sets[256] = "";
    cpuinfo("model name", model, sizeof model);
    cpuinfo("flags", flags, sizeof flags);
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof matter / sizeof *matter; i++) {
        size_t used = strlen(sets);
        if (!has_word(flags, matter[i]))
            continue;
        snprintf(sets + used, sizeof sets - used, "%s%s", used ? " " : "", matter[i]);
        json_array_append_new(list, json_string(matter[i])); /* a list cut short shows as a shorter list */
    }
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    found(findings, "processor", "processor", NULL, "%s", model);
    found(findings, "instruction_sets", "instruction sets", list, "%s", *sets ? sets : "none of those that matter");
    found(findings, "processors", "processors", json_integer(online), "%ld", online);
}

/* ---- What nfbench makes of it ---- */

static void look_at_backend(struct findings *findings, const struct settings *settings)
{
    struct backend *backend;
    struct error error;
    char library[64];
    bool bf16 = backend_cpu_has_bf16();
    found(findings, "device", "device", json_string("cpu"), "CPU (this nfbench was built without CUDA)");
    if (backend_cpu_create(settings->train.threads, &backend, &error) == 0) {
        found(findings, "threads", "threads", json_integer(backend->threads), "%d", backend->threads);
        backend->destroy(backend);
    } else {
        found(findings, "threads", "threads", json_null(), "none: %s", error.message);
        findings->trouble = true;
    }
    backend_cpu_library(library, sizeof library);
    found(findings, "bf16", "bf16", json_boolean(bf16), "%s",
          bf16 ? "computed by the processor; used by default"
               : "not computed by the processor; fp32 is used by default");
    found(findings, "library", "convolutions", NULL, "%s", library);
}

static void look_at_data(struct findings *findings, const struct settings *settings)
{
    struct settings wanted = *settings;
    struct dataset *dataset;
    struct error error;
    char note[RUN_TEXT_SIZE];
    if (run_open_data(&wanted, note, &dataset, &error) != 0) {
        found(findings, "data", "data", json_null(), "%s", error.message);
        findings->trouble = true;
        return;
    }
    found(findings, "data", "data", NULL, "%s, %s: %d training and %d test images, %d classes", dataset_name(dataset),
          dataset_location(dataset), dataset_count(dataset, SPLIT_TRAIN), dataset_count(dataset, SPLIT_TEST),
          dataset_classes(dataset));
    dataset_close(dataset);
    char place[SETTINGS_PATH_SIZE], places[RUN_TEXT_SIZE] = "";
    for (int i = 0; *note && run_data_place(i, place); i++) {
        size_t used = strlen(places);
        if (*place)
            snprintf(places + used, sizeof places - used, "%s%s", used ? ", " : "", place);
    }
    if (*note)
        found(findings, "data_note", "", NULL, "%s; looked at: %s", note, places);
}

/* Cuts the last part off a path: "/a/b" -> "/a"; a relative path of one part -> ".". */
static void parent(char *path)
{
    char *slash = strrchr(path, '/');
    if (!slash)
        strcpy(path, ".");
    else
        slash[slash == path] = '\0';
}

/* Only making something there tells: root may do more than the mode says, a file system less. */
static bool can_be_made(const char *folder)
{
    struct stat status;
    char nearest[SETTINGS_PATH_SIZE], probe[SETTINGS_PATH_SIZE + 32];
    snprintf(nearest, sizeof nearest, "%s", folder);
    while (stat(nearest, &status) != 0 && errno == ENOENT && strcmp(nearest, "/") != 0 && strcmp(nearest, ".") != 0)
        parent(nearest);
    snprintf(probe, sizeof probe, "%s/.nfbench-XXXXXX", nearest);
    return mkdtemp(probe) && rmdir(probe) == 0;
}

static void look_at_sessions(struct findings *findings, const struct settings *settings)
{
    struct error error;
    char folder[SETTINGS_PATH_SIZE];
    if (sessions_directory(settings, folder, &error) != 0) {
        found(findings, "sessions_directory", "sessions", json_null(), "%s", error.message);
        findings->trouble = true;
        return;
    }
    bool writable = can_be_made(folder);
    found(findings, "sessions_directory", "sessions", cli_json_text(folder), "%s%s", folder,
          writable ? "" : ": cannot be written: choose another by --sessions-dir");
    found(findings, "sessions_writable", "writable", json_boolean(writable), "%s", writable ? "yes" : "no");
    findings->trouble |= !writable;
}

/* ---- Results ---- */

static json_t *findings_json(struct findings *findings)
{
    json_t *object = json_object();
    for (int i = 0; object && i < findings->count; i++) {
        struct finding *row = &findings->rows[i];
        int result = json_object_set_new(object, row->key, row->value);
        row->value = NULL;
        if (result != 0) {
            json_decref(object);
            object = NULL;
        }
    }
    if (object && json_object_set_new(object, "ok", json_boolean(!findings->trouble)) != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static int print_findings(const struct findings *findings, struct error *error)
{
    struct table *table = table_create("ll");
    for (int i = 0; i < findings->count; i++) {
        table_cell(table, "%s", findings->rows[i].label);
        table_cell(table, "%s", findings->rows[i].text);
    }
    int result = table_print(table, stdout, error);
    table_destroy(table);
    return result;
}

enum cli_status cli_doctor(struct cli *cli)
{
    struct error error;
    enum cli_status status = CLI_DONE;
    struct findings *findings = calloc(1, sizeof *findings);
    if (!findings) {
        error_set(&error, "out of memory");
        return cli_failed(cli, &error);
    }
    found(findings, "version", "nfbench", NULL, "%s", CLI_VERSION);
    look_at_processor(findings);
    look_at_backend(findings, &cli->settings);
    look_at_data(findings, &cli->settings);
    look_at_sessions(findings, &cli->settings);
    if (cli->settings.json)
        status = cli_print_json(cli, findings_json(findings));
    else if (print_findings(findings, &error) != 0)
        status = cli_failed(cli, &error);
    if (status == CLI_DONE && findings->trouble)
        status = CLI_FAILED;
    for (int i = 0; i < findings->count; i++)
        json_decref(findings->rows[i].value);
    free(findings);
    return status;
}
