/* What `nfbench probe` shows of its networks: tables, JSON and a figure. */
#include "tui/cli_probe.h"

#include "base/digits.h"
#include "engine/health.h"
#include "tui/cli_table.h"
#include "tui/export.h"
#include "tui/figure_signal.h"
#include "viz/png.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PICTURE_COLUMNS = 160, PICTURE_ROWS = 24, NOTE_SIZE = 320 };

/* ---- The table ---- */

static void number_cell(struct table *table, double value)
{
    char number[32] = "";
    if (!isnan(value)) /* not measured */
        digits_significant(value, 4, number, sizeof number);
    table_cell(table, "%s", number);
}

static void name_cell(struct table *table, int point)
{
    char name[32];
    probe_point_name(point, name, sizeof name);
    table_cell(table, "%s", name);
}

static struct table *one_table(const struct probe *probe)
{
    static const enum signal columns[] = {SIGNAL_VARIANCE, SIGNAL_SQUARED_MEAN, SIGNAL_SHORTCUT_VARIANCE,
                                          SIGNAL_BRANCH_VARIANCE, SIGNAL_GRADIENT_NORM};
    static const char *const titles[] = {"",       "predicted", "variance", "squared mean", "shortcut",
                                         "branch", "gradient",  "dead",     "least",        "most"};
    struct table *table = table_create("lrrrrrrrrr");
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        table_cell(table, "%s", titles[i]);
    for (int point = 0; point < probe->count; point++) {
        const struct probe_point *at = &probe->points[point];
        name_cell(table, point);
        number_cell(table, signal_predicted(probe, point, SIGNAL_VARIANCE));
        for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
            number_cell(table, signal_value(probe, point, columns[i]));
        table_cell(table, "%.0f %%", 100 * (double)at->dead);
        number_cell(table, at->least);
        number_cell(table, at->most);
    }
    return table;
}

/* A quantity by block, a column a network. */
static struct table *compare_table(const struct probing *probing, enum signal signal)
{
    char columns[CHOICES_MOST + 3] = "lr";
    for (int i = 0; i < probing->count; i++)
        strcat(columns, "r");
    const struct probe *first = probing->subjects[0].probe;
    struct table *table = table_create(columns);
    table_cell(table, "%s", "");
    table_cell(table, "predicted");
    for (int i = 0; i < probing->count; i++)
        table_cell(table, "%s", probing->subjects[i].choice);
    for (int point = 0; point < first->count; point++) {
        name_cell(table, point);
        number_cell(table, signal_predicted(first, point, signal));
        for (int i = 0; i < probing->count; i++)
            number_cell(table, signal_value(probing->subjects[i].probe, point, signal));
    }
    return table;
}

static int print_table(struct table *table, struct error *error)
{
    const int result = table_print(table, stdout, error);
    table_destroy(table);
    return result;
}

static int print_comparison(const struct probing *probing, struct error *error)
{
    static const enum signal signals[] = {SIGNAL_VARIANCE, SIGNAL_SQUARED_MEAN};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        printf("%s%s\n", i ? "\n" : "", signal_name(signals[i]));
        if (print_table(compare_table(probing, signals[i]), error) != 0)
            return -1;
    }
    return 0;
}

/* ---- What there is to say of it ---- */

/* The largest distance from variance = shortcut + (alpha s)^2 branch, with s = 1; NAN where something is not finite. */
static double law_distance(const struct settings *settings, const struct probe *probe)
{
    const double alpha = settings->model.norm == NORM_BATCH ? 1 : settings->model.alpha;
    double most = 0;
    for (int point = 1; point < probe->count; point++) {
        const struct probe_point *at = &probe->points[point];
        const double law = at->shortcut_variance + alpha * alpha * at->branch_variance;
        const double distance = law == 0 && at->variance == 0 ? 0 : fabs(at->variance / law - 1);
        if (!isfinite(distance))
            return NAN;
        most = fmax(most, distance);
    }
    return most;
}

/* What theory leaves out, and what is wrong where something is. */
static void print_notes(const struct probe_subject *subject)
{
    const struct model_spec *model = &subject->settings.model;
    const struct probe *probe = subject->probe;
    char name[32], why[NOTE_SIZE], first[NOTE_SIZE] = "";
    int told = 0;
    for (int point = 0; point < probe->count; point++) {
        (void)health_of_point(model, probe, point, why, sizeof why);
        if (*why && told++ == 0) {
            probe_point_name(point, name, sizeof name);
            snprintf(first, sizeof first, "%s", why);
        }
    }
    putchar('\n');
    if (model->family == FAMILY_PAPERS && model->norm == NORM_NONE && unit_gain(subject))
        puts("Skip gains count as 1, as in the theory; --skip-gain zero shows them as training starts.");
    const double distance = law_distance(&subject->settings, probe);
    if (unit_gain(subject) && isfinite(distance))
        printf("variance = shortcut + alpha^2 branch holds within %.2g %%.\n", 100 * distance);
    if (model->norm == NORM_NONE && model->weight_standardization)
        puts("Zero padding takes ((3n - 2) / 3n)^2 of a 3x3 convolution's variance on an n x n map: branches stay "
             "below 1.");
    if (model->norm == NORM_NONE && model->family == FAMILY_PAPERS && model->shortcut == SHORTCUT_POOL)
        puts("A transition's average pool divides the variance of what neighbouring pixels do not share by 4.");
    if (told)
        printf("%s%s: %s\n", name, told > 1 ? " and others" : "", first);
}

int probing_print(const struct probing *probing, struct error *error)
{
    const struct settings *settings = &probing->subjects[0].settings;
    char network[SETTINGS_NETWORK_SIZE];
    settings_network_name(settings, network);
    printf("%s at initialisation, seed %llu, %s: %d image%s of %s\n\n", network,
           (unsigned long long)settings->train.seed, probing->device, settings->train.batch,
           settings->train.batch == 1 ? "" : "s", probing->input.words);
    if (probing->compared[0])
        return print_comparison(probing, error);
    if (print_table(one_table(probing->subjects[0].probe), error) != 0)
        return -1;
    print_notes(&probing->subjects[0]);
    return 0;
}

/* ---- JSON ---- */

static json_t *point_json(const struct model_spec *model, const struct probe *probe, int point)
{
    const struct probe_point *at = &probe->points[point];
    char name[32], why[NOTE_SIZE];
    static const char *const words[] = {[HEALTH_GOOD] = "good", [HEALTH_WATCH] = "watch", [HEALTH_BAD] = "bad"};
    const enum health health = health_of_point(model, probe, point, why, sizeof why);
    probe_point_name(point, name, sizeof name);
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:o}", "point", name, "predicted",
                     at->predicted > 0 ? cli_json_number(at->predicted) : json_null(), "variance",
                     cli_json_number(at->variance), "squared_mean", cli_json_number(at->squared_mean),
                     "shortcut_variance", cli_json_number(at->shortcut_variance), "branch_variance",
                     point ? cli_json_number(at->branch_variance) : json_null(), "gradient_norm",
                     cli_json_number(at->gradient_norm), "gradient_variance", cli_json_number(at->gradient_variance),
                     "dead", cli_json_number(at->dead), "least", cli_json_number(at->least), "most",
                     cli_json_number(at->most), "health", words[health], "why", cli_json_text(why));
}

static json_t *points_json(const struct probe_subject *subject)
{
    json_t *points = json_array();
    for (int point = 0; point < subject->probe->count; point++)
        json_array_append_new(points, point_json(&subject->settings.model, subject->probe, point));
    return points;
}

json_t *probing_json(const struct probing *probing)
{
    const struct settings *settings = &probing->subjects[0].settings;
    char network[SETTINGS_NETWORK_SIZE];
    settings_network_name(settings, network);
    json_t *object = json_pack("{s:s, s:s, s:s, s:i, s:I, s:s}", "preset", settings->model.preset, "network", network,
                               "input", probing->input.noise ? "noise" : "images", "images", settings->train.batch,
                               "seed", (json_int_t)settings->train.seed, "device", probing->device);
    if (!probing->compared[0]) {
        json_object_set_new(object, "points", points_json(&probing->subjects[0]));
        return object;
    }
    json_object_set_new(object, "compare", json_string(cli_value(probing->cli, "compare")));
    json_t *networks = json_object();
    for (int i = 0; i < probing->count; i++)
        json_object_set_new(networks, probing->subjects[i].choice, points_json(&probing->subjects[i]));
    json_object_set_new(object, "networks", networks);
    return object;
}

/* ---- The picture ---- */

static bool says_unstandardised(const struct probing *probing)
{
    return cli_given(probing->cli, "ws") && !probing->subjects[0].settings.model.weight_standardization;
}

/* "ws off": the words of a kind of choice; returns their number. */
static int list_words(const struct setting *setting, char words[CHOICES_MOST][CLI_VALUE_SIZE],
                      const char *pointers[CHOICES_MOST])
{
    int count = 0;
    for (const char *word; setting && count < CHOICES_MOST && (word = setting_word(setting, count)); count++) {
        snprintf(words[count], CLI_VALUE_SIZE, "%s %s", setting->name, word);
        pointers[count] = words[count];
    }
    return count;
}

static void draw_choices(const struct probing *probing, struct canvas *canvas, struct rect area, const char *title)
{
    struct choice choices[CHOICES_MOST];
    char words[2][CHOICES_MOST][CLI_VALUE_SIZE];
    const char *pointers[2][CHOICES_MOST];
    for (int i = 0; i < probing->count; i++) {
        const struct probe_subject *subject = &probing->subjects[i];
        choices[i] = (struct choice){subject->probe, subject->first, subject->second};
    }
    struct choices_figure figure = {
        .title = title, .choices = choices, .count = probing->count, .colors = pointers[0], .strokes = pointers[1]};
    figure.color_count = list_words(probing->compared[0], words[0], pointers[0]);
    figure.stroke_count = list_words(probing->compared[1], words[1], pointers[1]);
    figure_choices(canvas, area, &figure);
}

static void draw(const struct probing *probing, struct canvas *canvas, struct rect area)
{
    const struct probe_subject *first = &probing->subjects[0];
    char title[160], network[SETTINGS_NETWORK_SIZE];
    settings_network_name(&first->settings, network);
    snprintf(title, sizeof title, "Signal propagation at initialisation: %s%s, %s", network,
             says_unstandardised(probing) ? " without weight standardisation" : "",
             probing->input.noise ? "Gaussian noise" : "images");
    if (!probing->compared[0]) {
        const struct profile_figure figure = {.title = title,
                                              .now = first->probe,
                                              .model = &first->settings.model,
                                              .signals = SIGNALS_FORWARD,
                                              .log_axis = signals_want_log(first->probe, NULL, SIGNALS_FORWARD),
                                              .selected = -1};
        figure_profile(canvas, area, &figure);
        return;
    }
    draw_choices(probing, canvas, area, title);
}

int probing_picture(const struct probing *probing, const char *path, struct error *error)
{
    struct canvas *canvas;
    struct rect inside;
    if (canvas_create_figure(PICTURE_COLUMNS, PICTURE_ROWS, (int)probing->scale, theme_find("light"), &canvas, &inside,
                             error) != 0)
        return -1;
    draw(probing, canvas, inside);
    char *text = export_caption("", 0, &probing->subjects[0].settings);
    const struct png_caption caption = {"nfbench:session", text};
    const int result =
        text ? png_write_canvas(path, canvas, &caption, 1, error) : error_set(error, "out of memory for %s", path);
    free(text);
    canvas_destroy(canvas);
    return result;
}
