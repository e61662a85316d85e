/* The pictures of `export` that come from a session's logs alone; see export.h. Sizes are in cells of the font. */
#include "tui/export.h"

#include "tui/figure_signal.h"

#include <math.h>
#include <stdio.h>

enum { TITLE_SIZE = 256, CURVES_COLUMNS = 116, CURVES_ROWS = 32 };

/* ---- Curves ---- */

int export_curves(const struct curves *curves, const struct curves_look *look, const char *network, const char *session,
                  const struct theme *theme, int scale, struct canvas **out, struct error *error)
{
    struct curves_look figure = *look;
    char title[TITLE_SIZE];
    struct rect inside;
    figure.title = title;
    figure.y_label = quantity_unit(look->quantity);
    figure.empty_text = "no step yet";
    snprintf(title, sizeof title, "%s \u00b7 %s \u00b7 %s", quantity_title(look->quantity), network, session);
    if (canvas_create_figure(CURVES_COLUMNS, CURVES_ROWS, scale, theme, out, &inside, error))
        return -1;
    curves_draw(curves, &figure, *out, inside);
    return 0;
}

static int draw_curves(struct export_source *source, enum quantity quantity, struct canvas **out, struct error *error)
{
    const char *session = session_name(source->session);
    const struct curves_look look = {.quantity = quantity,
                                     .log_axis = curves_want_log(source->curves, quantity),
                                     .steps_total = (double)source->step,
                                     .cursor = NAN};
    char network[SETTINGS_NETWORK_SIZE];
    settings_network_name(&source->settings, network);
    if (source->metrics.step_count == 0)
        return error_set(error, "session %s has no step in its log yet", session);
    return export_curves(source->curves, &look, network, session, source->theme, source->scale, out, error);
}

int export_loss(struct export_source *source, struct canvas **out, struct error *error)
{
    return draw_curves(source, QUANTITY_LOSS, out, error);
}

int export_accuracy(struct export_source *source, struct canvas **out, struct error *error)
{
    return draw_curves(source, QUANTITY_ACCURACY, out, error);
}

int export_learning_rate(struct export_source *source, struct canvas **out, struct error *error)
{
    return draw_curves(source, QUANTITY_LEARNING_RATE, out, error);
}

int export_gradient_norm(struct export_source *source, struct canvas **out, struct error *error)
{
    return draw_curves(source, QUANTITY_GRADIENT_NORM, out, error);
}

/* ---- Probes ---- */

static const struct probe *first_probe(const struct export_source *source)
{
    return source->metrics.probes[0];
}

/* The canvas of a figure of the session's probes, and its title: "Signal propagation . micro . NAME". */
static int begin_probes(struct export_source *source, const char *what, int columns, int rows, char title[TITLE_SIZE],
                        struct canvas **out, struct rect *inside, struct error *error)
{
    const char *session = session_name(source->session);
    char network[SETTINGS_NETWORK_SIZE];
    if (source->metrics.probe_count == 0)
        return error_set(error,
                         "session %s has no probes in its log: it was trained with --probe-every 0 or by an "
                         "nfbench without probes, or has not begun",
                         session);
    if (!export_probe(source))
        return error_set(error, "session %s has no probe up to step %ld: its first is of step %ld", session,
                         source->probe_at, first_probe(source)->step);
    settings_network_name(&source->settings, network);
    snprintf(title, TITLE_SIZE, "%s \u00b7 %s \u00b7 %s", what, network, session);
    return canvas_create_figure(columns, rows, source->scale, source->theme, out, inside, error);
}

const struct probe *export_probe(const struct export_source *source)
{
    int index = source->metrics.probe_count - 1;
    while (index >= 0 && source->probe_at >= 0 && source->metrics.probes[index]->step > source->probe_at)
        index--;
    return index >= 0 ? source->metrics.probes[index] : NULL;
}

static int draw_profile(struct export_source *source, const char *what, unsigned signals, int columns,
                        struct canvas **out, struct error *error)
{
    enum { ROWS = 24 };
    char title[TITLE_SIZE];
    struct rect inside;
    if (begin_probes(source, what, columns, ROWS, title, out, &inside, error))
        return -1;
    const struct profile_figure figure = {
        .title = title,
        .now = export_probe(source),
        .start = first_probe(source),
        .model = &source->settings.model,
        .signals = signals,
        .log_axis = signals != SIGNALS_FORWARD || signals_want_log(export_probe(source), first_probe(source), signals),
        .selected = -1};
    figure_profile(*out, inside, &figure);
    return 0;
}

int export_signal(struct export_source *source, struct canvas **out, struct error *error)
{
    return draw_profile(source, "Signal propagation", SIGNALS_FORWARD, 160, out, error);
}

int export_gradients(struct export_source *source, struct canvas **out, struct error *error)
{
    return draw_profile(source, "Gradients of the blocks' outputs", SIGNALS_BACKWARD, 120, out, error);
}

int export_weights(struct export_source *source, struct canvas **out, struct error *error)
{
    return draw_profile(source, "Weights of the blocks", SIGNALS_WEIGHTS, 120, out, error);
}

/* Small multiples: a place for each point, as few places empty as can be. */
static void multiples_size(int points, int *columns, int *rows)
{
    enum { COLUMNS = 38, ROWS = 12, HEAD = 3, GAP = 3, LEAST_ACROSS = 3, MOST_ACROSS = 4 };
    int across = LEAST_ACROSS, down = (points + across - 1) / across;
    for (int more = LEAST_ACROSS + 1; more <= MOST_ACROSS; more++)
        if ((points + more - 1) / more * more < across * down) {
            across = more;
            down = (points + more - 1) / more;
        }
    *columns = across * (COLUMNS + GAP) - GAP;
    *rows = HEAD + down * (ROWS + 1) - 1;
}

static int draw_distributions(struct export_source *source, const char *what, enum distribution of, struct canvas **out,
                              struct error *error)
{
    char title[TITLE_SIZE];
    struct rect inside;
    int columns = 0, rows = 0;
    multiples_size(source->metrics.probe_count ? first_probe(source)->count : 1, &columns, &rows);
    if (begin_probes(source, what, columns, rows, title, out, &inside, error))
        return -1;
    const struct distributions_figure figure = {title, export_probe(source), first_probe(source), of, -1};
    figure_distributions(*out, inside, &figure);
    return 0;
}

int export_histograms(struct export_source *source, struct canvas **out, struct error *error)
{
    return draw_distributions(source, "Activations", DISTRIBUTION_VALUES, out, error);
}

int export_variances(struct export_source *source, struct canvas **out, struct error *error)
{
    return draw_distributions(source, "Channel variances", DISTRIBUTION_VARIANCES, out, error);
}

int export_density(struct export_source *source, struct canvas **out, struct error *error)
{
    char title[TITLE_SIZE];
    struct rect inside;
    int columns = 0, rows = 0;
    multiples_size(source->metrics.probe_count ? first_probe(source)->count : 1, &columns, &rows);
    if (begin_probes(source, "Activations over the steps", columns, rows, title, out, &inside, error))
        return -1;
    const struct strip_figure figure = {title,
                                        source->metrics.probes,
                                        source->metrics.probe_count,
                                        -1,
                                        DISTRIBUTION_VALUES,
                                        false,
                                        source->probe_at >= 0 ? (double)export_probe(source)->step : NAN};
    figure_strips(*out, inside, &figure);
    return 0;
}
