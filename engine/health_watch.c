/* The findings of a run: what leaves its range, where first, since when, what to try; see health.h. */
#include "engine/health_limits.h"

#include "base/line.h"
#include "engine/schedule.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const float over_below = 0.8f;     /* of the limit: what flickers around it is said once */
static const float at_chance = 0.98f;     /* of ln(classes), at least ... */
static const float near_chance = 1.2f;    /* ... and at most */
static const float falls = 0.98f;         /* of the half epoch before */
static const float absurd = 10;           /* times ln(classes) */
static const float gamma_shows = 3;       /* times the predicted variance */
static const long least_half_epoch = 100; /* steps, of an epoch of only a few */

const char *const finding_kind_names[] = {[FINDING_DIVERGENCE] = "divergence",  [FINDING_NOT_FINITE] = "not-finite",
                                          [FINDING_VARIANCE] = "variance",      [FINDING_DEAD] = "dead-units",
                                          [FINDING_UPDATE] = "update-ratio",    [FINDING_CHANCE] = "chance-level",
                                          [FINDING_GAMMA] = "gamma-in-weights", NULL};
const char *const finding_severity_names[] = {
    [FINDING_NOTE] = "note", [FINDING_WARNING] = "warning", [FINDING_ALARM] = "alarm", NULL};

/* ---- Advice ---- */

bool health_loss_is_absurd(int classes, float loss)
{
    return loss > absurd * logf((float)classes);
}

float health_tamer_rate(const struct model_spec *spec, float rate)
{
    struct model_spec own;
    struct train_options options;
    if (model_preset(spec->preset, &own, &options, NULL) == 0 && options.learning_rate < rate)
        return options.learning_rate;
    return rate / 10;
}

static void try_this(struct line *line, int *count, const char *format, double value)
{
    line_add(line, "%s", (*count)++ ? ", or " : ". Try ");
    line_add(line, format, value);
}

/* What makes a run tamer, the most telling first; at most three. */
static void add_advice(struct line *line, const struct health_run *run, enum finding_kind kind)
{
    const struct model_spec *spec = run->spec;
    const struct train_options *options = run->options;
    int count = 0;
    if (spec->norm != NORM_BATCH && !spec->weight_standardization)
        try_this(line, &count, "--ws on", 0);
    if (health_is_the_reports(spec))
        try_this(line, &count, "the papers' block (--family papers --agc 0.02)", 0);
    else if (options->agc <= 0 && spec->norm != NORM_BATCH)
        try_this(line, &count, "--agc 0.02", 0);
    try_this(line, &count, "--lr %.2g", (double)health_tamer_rate(spec, run->learning_rate));
    if (count < 3 && options->warmup_epochs <= 0 && options->schedule != SCHEDULE_ONECYCLE)
        try_this(line, &count, "--warmup 1", 0);
    if (count < 3 && kind == FINDING_DEAD && spec->activation == ACTIVATION_RELU)
        try_this(line, &count, "--activation silu", 0);
    if (count < 3 && kind == FINDING_VARIANCE && spec->skip_gain == SKIP_GAIN_ONE && spec->family == FAMILY_PAPERS)
        try_this(line, &count, "--skip-gain zero", 0);
}

/* ---- Probes ---- */

static void add_place(struct line *line, int point)
{
    char name[16];
    probe_point_name(point, name, sizeof name);
    line_add(line, "%s%s", point == 0 ? "the " : "", name);
}

/* What the theory says of a point. */
static float predicted_variance(const struct model_spec *spec, int point)
{
    return point > 0 ? model_block(spec, point - 1).variance_out : 1;
}

/* "its variance is 31 where 1.04 is predicted" */
static void add_measured(struct line *line, const struct model_spec *spec, enum finding_kind kind, int point,
                         float measured)
{
    switch (kind) {
    case FINDING_VARIANCE:
        line_add(line, "its variance is %.3g", (double)measured);
        if (spec->norm != NORM_BATCH)
            line_add(line, " where %.3g is predicted", (double)predicted_variance(spec, point));
        break;
    case FINDING_DEAD:
        line_add(line, "%.0f %% of its relu units are dead", 100 * (double)measured);
        break;
    default:
        line_add(line, "a step changes its weights by %.2g of their norm", (double)measured);
    }
}

static void add_limit(struct line *line, const struct model_spec *spec, enum finding_kind kind, int point, float limit)
{
    if (kind == FINDING_VARIANCE && limit > 20 * predicted_variance(spec, point))
        line_add(line, ", over 10 times the %.3g that such a block makes", (double)limit / 10);
    else if (kind == FINDING_VARIANCE)
        line_add(line, ", over 10 times as much");
    else if (kind == FINDING_DEAD)
        line_add(line, " (limit 90 %%): nothing switches them on");
    else if (kind == FINDING_UPDATE)
        line_add(line, " (limit 0.1)");
}

/* What is out of range in a probe, of one kind. */
struct survey {
    int first, count;              /* points out of range: the first, how many */
    float worst;                   /* of all points: measured over limit */
    struct health_reading reading; /* of the first */
};

/* Outputs go wrong from the stem on; gradients from the last block back, or from an output behind them. So what comes
 * later goes before a gradient, and nothing before an output. */
static bool goes_first(enum finding_kind kind, const struct probe *probe, int than)
{
    return than < 0 || (kind == FINDING_NOT_FINITE && health_output_is_finite(&probe->points[than]));
}

static struct survey survey_probe(const struct model_spec *spec, const struct probe *probe, enum finding_kind kind)
{
    struct survey survey = {.first = -1};
    for (int p = 0; p < probe->count; p++) {
        const struct health_reading reading = health_read(kind, &probe->points[p], health_expected_variance(spec, p));
        const float part = reading.limit > 0 ? reading.measured / reading.limit : 2 * reading.measured;
        survey.worst = part > survey.worst ? part : survey.worst;
        if (!(reading.measured > reading.limit))
            continue;
        survey.count++;
        if (goes_first(kind, probe, survey.first)) {
            survey.first = p;
            survey.reading = reading;
        }
    }
    return survey;
}

static struct finding begin(struct health_watch *watch, const struct health_run *run, const struct probe *probe,
                            enum finding_kind kind, const struct survey *survey)
{
    const int p = survey->first;
    struct finding finding = {.kind = kind,
                              .severity = kind == FINDING_NOT_FINITE ? FINDING_ALARM : FINDING_WARNING,
                              .step = probe->step,
                              .since = probe->step,
                              .point = p,
                              .measured = survey->reading.measured,
                              .limit = survey->reading.limit};
    watch->episodes[kind] =
        (struct health_episode){true, p, probe->step, survey->reading.measured, survey->reading.limit};
    struct line line = line_begin(finding.text, sizeof finding.text);
    add_place(&line, p);
    line_add(&line, " at step %ld: ", probe->step);
    if (kind == FINDING_NOT_FINITE)
        line_add(&line, "its %s", health_not_finite(&probe->points[p]));
    else
        add_measured(&line, run->spec, kind, p, survey->reading.measured);
    add_limit(&line, run->spec, kind, p, survey->reading.limit);
    if (watch->probed && kind != FINDING_NOT_FINITE)
        line_add(&line, "; %.3g at step %ld", (double)watch->before[kind][p], watch->before_step);
    if (survey->count > 1)
        line_add(&line, "; so in %d of %d places", survey->count, probe->count);
    if (kind != FINDING_NOT_FINITE) /* the step that follows says what to try */
        add_advice(&line, run, kind);
    return finding;
}

static struct finding end(struct health_watch *watch, const struct probe *probe, enum finding_kind kind)
{
    static const char *const words[FINDING_KINDS] = {[FINDING_NOT_FINITE] =
                                                         "all outputs and gradients are finite again",
                                                     [FINDING_VARIANCE] = "all variances are back in their range",
                                                     [FINDING_DEAD] = "dead units are back below 90 %",
                                                     [FINDING_UPDATE] = "update ratios are back below 0.1"};
    const struct health_episode *episode = &watch->episodes[kind];
    char name[16];
    struct finding finding = {.kind = kind,
                              .severity = FINDING_NOTE,
                              .over = true,
                              .step = probe->step,
                              .since = episode->since,
                              .point = episode->point};
    probe_point_name(episode->point, name, sizeof name);
    snprintf(finding.text, sizeof finding.text, "over at step %ld: %s (out of it since step %ld, first in %s)",
             probe->step, words[kind], episode->since, name);
    watch->episodes[kind].on = false;
    return finding;
}

/* The report's own: said before training, of the point that shows it most. */
static bool explain_gamma(const struct health_run *run, const struct probe *probe, struct finding *out)
{
    const struct probe_point *last = &probe->points[probe->count - 1], *first = &probe->points[probe->count > 1];
    if (probe->step > 0 || !health_is_the_reports(run->spec) || !(last->variance > gamma_shows * last->predicted))
        return false;
    *out = (struct finding){.kind = FINDING_GAMMA,
                            .severity = FINDING_NOTE,
                            .point = probe->count - 1,
                            .measured = last->variance,
                            .limit = last->predicted};
    snprintf(out->text, sizeof out->text,
             "variance %.3g after the first block and %.3g after the last, where %.3g and %.3g are predicted: this is "
             "the report's own block. Its gamma sits in its weights, so the stem and the shortcuts, which have no "
             "activation before them, multiply the variance by 2.93. It trains at lr 0.01; at higher rates use the "
             "papers' block (--family papers)",
             (double)first->variance, (double)last->variance, (double)first->predicted, (double)last->predicted);
    return true;
}

static void remember(struct health_watch *watch, const struct probe *probe)
{
    watch->probed = true;
    watch->before_step = probe->step;
    watch->largest_update = 0;
    for (int p = 0; p < probe->count; p++) {
        const struct probe_point *point = &probe->points[p];
        watch->before[FINDING_VARIANCE][p] = point->variance;
        watch->before[FINDING_DEAD][p] = point->dead;
        watch->before[FINDING_UPDATE][p] = point->update_ratio;
        if (point->update_ratio > watch->largest_update)
            watch->largest_update = point->update_ratio;
    }
}

int health_watch_probe(struct health_watch *watch, const struct health_run *run, const struct probe *probe,
                       struct finding out[FINDING_KINDS])
{
    int count = 0;
    for (enum finding_kind kind = FINDING_NOT_FINITE; kind <= FINDING_UPDATE; kind++) {
        const struct survey survey = survey_probe(run->spec, probe, kind);
        if (kind == FINDING_NOT_FINITE && run->diverging)
            continue;
        if (survey.count > 0 && !watch->episodes[kind].on)
            out[count++] = begin(watch, run, probe, kind, &survey);
        else if (watch->episodes[kind].on && survey.worst < over_below)
            out[count++] = end(watch, probe, kind);
    }
    if (explain_gamma(run, probe, &out[count]))
        count++;
    remember(watch, probe);
    return count;
}

/* ---- Losses ---- */

/* How the rate ought to change: by the updates' size where a probe has seen it. */
static void advise_at_chance(struct line *line, const struct health_watch *watch, const struct health_run *run)
{
    if (watch->largest_update > 0 && watch->largest_update < 1e-4f)
        line_add(line, ". The updates are small (%.1g of the weights): try --lr %.2g", (double)watch->largest_update,
                 (double)run->learning_rate * 10);
    else
        add_advice(line, run, FINDING_CHANCE);
}

static int begin_chance(struct health_watch *watch, const struct health_run *run, long step, double mean,
                        struct finding *out)
{
    const double chance = log((double)run->spec->classes);
    struct line line = line_begin(out->text, sizeof out->text);
    line_add(&line,
             "the loss has stood at chance level, ln(%d) = %.2f, from step %ld to %ld (%.3g at the end): nothing is "
             "being learnt",
             run->spec->classes, chance, watch->chance_since, step, mean);
    advise_at_chance(&line, watch, run);
    watch->episodes[FINDING_CHANCE] =
        (struct health_episode){true, -1, watch->chance_since, (float)mean, (float)chance};
    return 1;
}

int health_watch_loss(struct health_watch *watch, const struct health_run *run, long step, float loss,
                      struct finding *out)
{
    const long half = run->steps_per_epoch / 2 > least_half_epoch ? (run->steps_per_epoch + 1) / 2 : least_half_epoch;
    struct health_episode *episode = &watch->episodes[FINDING_CHANCE];
    watch->half_sum += (double)loss;
    if (++watch->half_count < half)
        return 0;
    const double mean = watch->half_sum / (double)watch->half_count;
    const double level = log((double)run->spec->classes);
    const bool below = mean < (double)at_chance * level, chance = !below && mean <= (double)near_chance * level;
    if (chance && mean < (double)falls * watch->half_mean)
        watch->halves = 0; /* it may be on its way down: this half is the first that stands */
    watch->half_mean = mean;
    if (chance && watch->halves++ == 0)
        watch->chance_since = step - half + 1;
    /* the low rates of a warm-up teach little */
    if (!chance || step - half < schedule_rise(run->options, run->steps_total, run->steps_per_epoch))
        watch->halves = 0;
    watch->half_sum = 0;
    watch->half_count = 0;
    *out = (struct finding){.kind = FINDING_CHANCE,
                            .severity = chance ? FINDING_WARNING : FINDING_NOTE,
                            .over = !chance,
                            .step = step,
                            .since = chance ? watch->chance_since : episode->since,
                            .point = -1,
                            .measured = (float)mean,
                            .limit = logf((float)run->spec->classes)};
    if (watch->halves >= 2 && !episode->on)
        return begin_chance(watch, run, step, mean, out);
    if (chance || !episode->on)
        return 0;
    episode->on = false;
    snprintf(out->text, sizeof out->text, "over at step %ld: the loss is %s chance level%s (%.3g)", step,
             below ? "below" : "above", below ? " again" : "", mean);
    return 1;
}

/* ---- What went first ---- */

void health_watch_first(const struct health_watch *watch, const struct model_spec *spec, char *text, size_t size)
{
    static const enum finding_kind causes[] = {FINDING_UPDATE, FINDING_VARIANCE, FINDING_DEAD};
    const struct health_episode *first = NULL;
    enum finding_kind kind = FINDING_VARIANCE;
    struct line line = line_begin(text, size);
    for (size_t i = 0; i < sizeof causes / sizeof *causes; i++) {
        const struct health_episode *episode = &watch->episodes[causes[i]];
        if (episode->on && (!first || episode->since < first->since)) {
            first = episode;
            kind = causes[i];
        }
    }
    if (!first)
        return;
    line_add(&line, "it began in ");
    add_place(&line, first->point);
    line_add(&line, " at step %ld (", first->since);
    add_measured(&line, spec, kind, first->point, first->measured);
    line_add(&line, ")");
}
