/* See divergence.h. */
#include "engine/divergence.h"

#include "base/line.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const float explosion_factor = 10;

static float median(const struct loss_history *history)
{
    return history->sorted[history->count / 2];
}

/* Replaces `old` by `new` in the sorted array, or adds `new` to its end when there is no old. */
static void sorted_replace(struct loss_history *history, const float *old, float new)
{
    float *sorted = history->sorted;
    int i = history->count;
    if (old) {
        for (i = 0; sorted[i] != *old; i++)
            ;
    } else {
        history->count++;
    }
    sorted[i] = new;
    for (; i > 0 && sorted[i - 1] > sorted[i]; i--) {
        float swap = sorted[i];
        sorted[i] = sorted[i - 1];
        sorted[i - 1] = swap;
    }
    for (; i + 1 < history->count && sorted[i] > sorted[i + 1]; i++) {
        float swap = sorted[i];
        sorted[i] = sorted[i + 1];
        sorted[i + 1] = swap;
    }
}

void loss_history_add(struct loss_history *history, long step, float loss)
{
    if (history->first_step == 0)
        history->first_step = step;
    history->last_step = step;
    history->recent[step % LOSS_RECENT] = loss;

    /* losses of an explosion stay out of the median that they are measured by */
    if (history->count > 0 && loss > explosion_factor * median(history)) {
        if (history->explosion_step == 0)
            history->explosion_step = step;
        return;
    }
    history->explosion_step = 0;
    if (history->count < LOSS_MEDIAN_WINDOW) {
        history->window[history->count] = loss;
        sorted_replace(history, NULL, loss);
        return;
    }
    float old = history->window[history->oldest];
    history->window[history->oldest] = loss;
    history->oldest = (history->oldest + 1) % LOSS_MEDIAN_WINDOW;
    sorted_replace(history, &old, loss);
}

bool loss_history_is_calm(const struct loss_history *history)
{
    return history->count == 0 || history->recent[history->last_step % LOSS_RECENT] <= 2 * median(history);
}

size_t parameter_largest(const struct network *network)
{
    int count;
    const struct parameter *parameters = network_parameters(network, &count);
    size_t largest = 0;
    for (int i = 0; i < count; i++)
        if (parameters[i].count > largest)
            largest = parameters[i].count;
    return largest;
}

bool parameter_has_part(const struct parameter *parameter, enum parameter_part part)
{
    switch (part) {
    case PART_GRADIENT:
        return parameter->gradient != NULL;
    case PART_MOMENTUM:
        return parameter->momentum != NULL;
    case PART_EMA:
        return parameter->ema != NULL;
    case PART_SLOW:
        return parameter->slow != NULL;
    default:
        return true;
    }
}

int parameter_find_non_finite(struct network *network, enum parameter_part part, float *scratch,
                              const struct parameter **out, struct error *error)
{
    int count;
    const struct parameter *parameters = network_parameters(network, &count);
    *out = NULL;
    for (int i = 0; i < count; i++) {
        const struct parameter *parameter = &parameters[part == PART_GRADIENT ? count - 1 - i : i];
        if (!parameter_has_part(parameter, part))
            continue;
        if (network_read(network, parameter, part, scratch, error) < 0)
            return -1;
        for (size_t k = 0; k < parameter->count; k++) {
            if (!isfinite(scratch[k])) {
                *out = parameter;
                return 0;
            }
        }
    }
    return 0;
}

static void add_variance(struct line *line, const char *where, const struct divergence *found)
{
    if (found->variance == 0)
        line_add(line, "; %s, variance 0 where %.3g is predicted, so the signal was gone", where,
                 (double)found->predicted);
    else if (isfinite(found->variance))
        line_add(line, "; %s, variance %.3g where %.3g is predicted", where, (double)found->variance,
                 (double)found->predicted);
    else
        line_add(line, "; %s, a variance beyond 3e38 where %.3g is predicted", where, (double)found->predicted);
}

static void add_block(struct line *line, const struct model_spec *spec, const struct divergence *found)
{
    int blocks = model_block_count(spec);
    if (found->block < 0) {
        line_add(line, "the stem left the finite range first");
        return;
    }
    if (found->block >= blocks)
        line_add(line, "the head left the finite range first");
    else
        line_add(line, "block %d of %d left the finite range first (predicted variance %.3g)", found->block + 1, blocks,
                 (double)model_block(spec, found->block).variance_out);
    add_variance(line, "before it", found);
}

/* The file's names count blocks from 0, the screen from 1. */
static void add_name(struct line *line, const char *part, const char *name)
{
    int block;
    line_add(line, "all activations are finite, but the %s of %s", part, name);
    if (sscanf(name, "blocks.%d.", &block) == 1)
        line_add(line, " (block %d)", block + 1);
    line_add(line, " is not");
}

/* For a network whose activations are all finite: the parameter that is not, or its gradient. */
static int add_parameter(struct line *line, struct network *network, enum divergence_cause cause, struct error *error)
{
    static const char *const not_finite[] = {
        [DIVERGED_LOSS] = "the loss",
        [DIVERGED_GRADIENT] = "the gradient",
        [DIVERGED_PARAMETER] = "the state",
        [DIVERGED_EVALUATION] = "the loss on held-out images",
    };
    static const enum parameter_part parts[] = {PART_GRADIENT, PART_VALUE, PART_MOMENTUM, PART_EMA, PART_SLOW};
    static const char *const names[] = {"gradient", "value", "momentum", "average", "slow weight"};
    float *scratch = malloc(parameter_largest(network) * sizeof *scratch);
    if (!scratch)
        return error_set(error, "out of memory while looking for the divergence");
    const bool gradient = cause == DIVERGED_GRADIENT;
    const struct parameter *parameter = NULL;
    int part = gradient ? 0 : 1, status = 0;
    for (const int end = gradient ? 1 : 5; part < end; part++) {
        status = parameter_find_non_finite(network, parts[part], scratch, &parameter, error);
        if (status < 0 || parameter)
            break;
    }
    free(scratch);
    if (status == 0 && parameter)
        add_name(line, names[part], parameter->name);
    else if (status == 0)
        line_add(line, "all activations are finite, but %s is not", not_finite[cause]);
    return status;
}

static int add_place(struct line *line, struct network *network, const struct divergence_case *what,
                     struct error *error)
{
    struct divergence found = {.block = -2};
    if (what->cause == DIVERGED_PARAMETER) /* no batch led to it */
        return add_parameter(line, network, what->cause, error);
    if (network_find_divergence(network, what->images, what->n, &found, error) < 0)
        return -1;
    if (found.block != -2) {
        add_block(line, network_spec(network), &found);
        return 0;
    }
    if (add_parameter(line, network, what->cause, error) < 0)
        return -1;
    add_variance(line, "behind the last block", &found);
    return 0;
}

/* What may follow the place, in this order; the advice is never left out. */
enum clause { BEGINNING, LOSSES, DOUBLED, EXPLODED, LOST, ADVICE, CLAUSES };
enum { CLAUSE_SIZE = 192 };

static void add_losses(struct line clauses[CLAUSES], const struct loss_history *history)
{
    if (history->last_step == 0)
        return;
    long oldest = history->last_step - LOSS_RECENT + 1;
    if (oldest < history->first_step)
        oldest = history->first_step;
    long lowest = oldest;
    for (long s = oldest; s <= history->last_step; s++)
        if (history->recent[s % LOSS_RECENT] < history->recent[lowest % LOSS_RECENT])
            lowest = s;

    long first = history->last_step - 3 < oldest ? oldest : history->last_step - 3;
    line_add(&clauses[LOSSES], ". Loss before:");
    for (long s = first; s <= history->last_step; s++)
        line_add(&clauses[LOSSES], "%s%.3g", s > first ? ", " : " ", (double)history->recent[s % LOSS_RECENT]);
    const float low = history->recent[lowest % LOSS_RECENT];
    for (long s = lowest; s <= history->last_step && low > 0; s++) {
        if (history->recent[s % LOSS_RECENT] >= 2 * low) {
            line_add(&clauses[DOUBLED], ", doubled from step %ld to %ld", lowest, s);
            break;
        }
    }
    if (history->explosion_step > 0)
        line_add(&clauses[EXPLODED], ", over 10 times its median since step %ld", history->explosion_step);
}

/* Behind an explosion the weights are finite, but no step from them is of use. */
static void add_loss_of_weights(struct line *line, const struct divergence_case *what)
{
    if (what->history->explosion_step <= 0)
        return;
    line_add(line, ". The weights are already lost since step %ld", what->history->explosion_step);
    if (what->good_step >= 0)
        line_add(line, ": `back` goes to checkpoint %ld", what->good_step);
}

/* What left its range before, as the probes saw it. */
static void add_beginning(struct line *line, const struct model_spec *spec, const struct health_watch *watch)
{
    char first[160] = "";
    if (watch)
        health_watch_first(watch, spec, first, sizeof first);
    if (*first)
        line_add(line, "; %s", first);
}

static void add_advice(struct line *line, const struct model_spec *spec, const struct divergence_case *what)
{
    line_add(line, ". Try --lr %.2g", (double)health_tamer_rate(spec, what->peak));
    if (spec->family == FAMILY_REPORT && spec->weight_standardization)
        line_add(line, ", or the papers' block (--family papers --agc 0.02, or --preset micro or small)");
    else if (what->agc <= 0)
        line_add(line, " or --agc 0.02");
}

/* Where there is no room for all, whole clauses are left out, what the others nearly say first. */
static void add_clauses(struct line *line, struct line clauses[CLAUSES])
{
    static const enum clause dispensable[] = {EXPLODED, DOUBLED, BEGINNING, LOSSES, LOST};
    size_t length = 0;
    for (int c = 0; c < CLAUSES; c++)
        length += clauses[c].used;
    for (size_t d = 0; d < sizeof dispensable / sizeof *dispensable && line->used + length >= line->size; d++) {
        length -= clauses[dispensable[d]].used;
        clauses[dispensable[d]] = line_begin(clauses[dispensable[d]].text, CLAUSE_SIZE);
    }
    for (int c = 0; c < CLAUSES; c++)
        line_add(line, "%s", clauses[c].text);
}

#define BEGIN "diverged at step %ld"

long divergence_step(const char *words)
{
    long step;
    return sscanf(words, BEGIN, &step) == 1 ? step : 0;
}

int divergence_explain(struct network *network, const struct divergence_case *what, char *out, size_t size,
                       struct error *error)
{
    char texts[CLAUSES][CLAUSE_SIZE];
    struct line line = line_begin(out, size), clauses[CLAUSES];
    line_add(&line, BEGIN ", lr %.3g: ", what->step, (double)what->learning_rate);
    if (add_place(&line, network, what, error) < 0)
        return -1;
    for (int c = 0; c < CLAUSES; c++)
        clauses[c] = line_begin(texts[c], CLAUSE_SIZE);
    add_beginning(&clauses[BEGINNING], network_spec(network), what->watch);
    add_losses(clauses, what->history);
    add_loss_of_weights(&clauses[LOST], what);
    add_advice(&clauses[ADVICE], network_spec(network), what);
    add_clauses(&line, clauses);
    return 0;
}
