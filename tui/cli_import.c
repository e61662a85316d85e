/* `nfbench import`: weights made elsewhere (a safetensors file under the peer's names) become a session that can be
 * tested and trained on. */
#include "sessions/import.h"

#include "engine/evaluate.h"
#include "tui/cli.h"
#include "tui/run.h"

#include <string.h>

/* The data that `test` and `resume` will use: those found, where their classes are the network's; else NULL. */
static int choose_data(struct settings *settings, int classes, char note[RUN_TEXT_SIZE], struct dataset **out,
                       struct error *error)
{
    struct dataset *dataset;
    bool asked = settings_given(settings, "data");
    if (run_open_data(settings, note, &dataset, error) != 0)
        return -1;
    int found = dataset_classes(dataset);
    settings->model.classes = classes;
    if (found == classes) {
        *out = dataset;
        return 0;
    }
    dataset_close(dataset);
    if (asked)
        return error_set(error, "the file's network has %d classes, the data in %s have %d", classes, settings->data,
                         found);
    snprintf(note, RUN_TEXT_SIZE, "the data found have %d classes, the network %d: name others by --data", found,
             classes);
    return 0;
}

static json_t *import_json(const struct session *session, const struct network *network, int tensors)
{
    return json_pack("{s:o, s:o, s:i, s:I}", "session", cli_json_text(session_name(session)), "path",
                     cli_json_text(session_path(session)), "tensors", tensors, "parameters",
                     (json_int_t)network_parameter_count(network));
}

static void print_imported(const struct session *session, const struct network *network, int tensors)
{
    char name[SETTINGS_NETWORK_SIZE];
    settings_network_name(session_settings(session), name);
    printf("%d tensors, %zu parameters of a network %s: session %s\n", tensors, network_parameter_count(network), name,
           session_path(session));
    printf("next: nfbench test %s\n      nfbench resume %s   (trains it further)\n", session_reference(session),
           session_reference(session));
}

static int import(struct cli *cli, struct backend **backend, struct network **network, struct session **session,
                  struct error *error)
{
    struct settings *settings = &cli->settings;
    const char *path = cli->operands[0];
    char device[DEVICE_TEXT_SIZE], device_note[DEVICE_NOTE_SIZE], note[RUN_TEXT_SIZE];
    struct dataset *dataset = NULL;
    struct partition partition = {0};
    int classes, result = -1;
    if (import_classes(path, &classes, error) == 0 && choose_data(settings, classes, note, &dataset, error) == 0 &&
        (!dataset || partition_make(dataset, &settings->train, &partition, error) == 0) &&
        run_open_network(settings, NULL, backend, network, device, device_note, error) == 0 &&
        import_session(path, settings, *network, session, error) == 0 &&
        (!dataset || session_write_input(*session, dataset, &partition.statistics, error) == 0)) {
        cli_note(note);
        cli_note(device_note);
        result = 0;
    }
    dataset_close(dataset);
    return result;
}

enum cli_status cli_import(struct cli *cli)
{
    struct error error;
    struct backend *backend = NULL;
    struct network *network = NULL;
    struct session *session = NULL;
    enum cli_status status = CLI_DONE;
    bool known = settings_given(&cli->settings, "preset") || settings_given(&cli->settings, "stages");
    if (!known && import_network(cli->operands[0], &cli->settings, &known, &error) != 0)
        return cli_failed(cli, &error);
    if (!known) {
        error_set(&error, "say which network the file is of: --preset NAME (or --family, --stem and --stages)");
        return cli_usage(cli, &error);
    }
    if (import(cli, &backend, &network, &session, &error) != 0) {
        status = cli_failed(cli, &error);
    } else {
        int tensors;
        network_parameters(network, &tensors);
        if (cli->settings.json)
            status = cli_print_json(cli, import_json(session, network, tensors));
        else
            print_imported(session, network, tensors);
    }
    session_close(session);
    if (network)
        network_destroy(network);
    if (backend)
        backend->destroy(backend);
    return status;
}
