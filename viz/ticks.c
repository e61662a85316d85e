/* See ticks.h. */
#include "viz/ticks.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* 1, 2, 5, 10, 20, ...: the index-th, index 0 is 1; exact where a double can be. */
static double nice(int index)
{
    static const double mantissa[] = {1, 2, 5};
    int decade = (int)floor(index / 3.0);
    double power = pow(10, abs(decade));
    return decade < 0 ? mantissa[index - 3 * decade] / power : mantissa[index - 3 * decade] * power;
}

/* Index of the greatest nice number that is not above `value` > 0. */
static int nice_below(double value)
{
    int index = 3 * (int)floor(log10(value)) - 1;
    while (nice(index + 1) <= value * (1 + 1e-9))
        index++;
    return index;
}

/* Multiples of `step` in [low, high], with room for rounding. */
static void multiples(double low, double high, double step, double *first, double *last)
{
    double slack = (high - low) * 1e-9;
    *first = ceil((low - slack) / step);
    *last = floor((high + slack) / step);
}

/* The least nice step that makes at most `most` ticks. */
static double nice_step(double low, double high, int most)
{
    int index = nice_below((high - low) / most);
    for (;; index++) {
        double first, last;
        multiples(low, high, nice(index), &first, &last);
        if (last - first + 1 <= most)
            return nice(index);
    }
}

void tick_format(double value, char out[TICK_LABEL])
{
    static const struct {
        double above, unit;
        const char *suffix;
    } scales[] = {{9.9995e11, 0, ""}, {9.9995e8, 1e9, "G"}, {9.9995e5, 1e6, "M"}, {9999.5, 1e3, "k"}, {0, 1, ""}};
    if (!isfinite(value)) {
        snprintf(out, TICK_LABEL, "%s", isnan(value) ? "NaN" : value > 0 ? "Inf" : "-Inf");
        return;
    }
    size_t i = 0;
    while (fabs(value) < scales[i].above)
        i++;
    double scaled = scales[i].unit > 0 ? value / scales[i].unit : value;
    int length = TICK_LABEL;
    for (int digits = 4; digits > 0 && length > 7; digits--)
        length = snprintf(out, TICK_LABEL, "%.*g%s", digits, scaled, scales[i].suffix);
}

/* All labels of an axis alike: the decimals that its step needs, in thousands or millions when the numbers are big. */
static void label_linear(double value, double step, double greatest, bool percent, char out[TICK_LABEL])
{
    double unit = 1;
    const char *suffix = percent ? "%" : "";
    if (percent)
        value *= 100, step *= 100;
    else if (greatest >= 1e6 && step >= 1e4)
        unit = 1e6, suffix = "M";
    else if (greatest >= 1e4 && step >= 10)
        unit = 1e3, suffix = "k";
    int decimals = (int)fmax(0, ceil(-log10(step / unit) - 1e-9));
    if (value == 0)
        snprintf(out, TICK_LABEL, "0%s", percent ? "%" : "");
    else if (decimals <= 6 && greatest / unit < 1e6)
        snprintf(out, TICK_LABEL, "%.*f%s", decimals, value / unit, suffix);
    else {
        int digits = (int)fmin(9, fmax(1, ceil(log10(fabs(value) / step) + 1e-9) + 1));
        snprintf(out, TICK_LABEL, "%.*g%s", digits, value, percent ? "%" : "");
    }
}

static void add(struct ticks *out, double value, const char *label)
{
    if (out->count == TICKS_MAX || (out->count && !strcmp(out->tick[out->count - 1].label, label)))
        return;
    out->tick[out->count].value = value;
    snprintf(out->tick[out->count].label, TICK_LABEL, "%s", label);
    out->count++;
}

static int cut(int most)
{
    return most < 1 ? 1 : most > TICKS_MAX ? TICKS_MAX : most;
}

static bool usable(double low, double high)
{
    return isfinite(low) && isfinite(high) && isfinite(high - low) && low < high && (high - low) / 64 > 1e-300;
}

void ticks_linear(double low, double high, int most, bool percent, struct ticks *out)
{
    *out = (struct ticks){0};
    if (!usable(low, high))
        return;
    double first, last, step = nice_step(low, high, cut(most));
    multiples(low, high, step, &first, &last);
    out->step = step;
    for (int i = 0; first + i <= last && i < TICKS_MAX; i++) {
        char label[TICK_LABEL];
        double value = (first + i) * step;
        label_linear(value, step, fmax(fabs(low), fabs(high)), percent, label);
        add(out, value, label);
    }
}

void ticks_log(double low, double high, int most, struct ticks *out)
{
    *out = (struct ticks){0};
    if (!usable(low, high) || low <= 0)
        return;
    most = cut(most);
    int first = (int)ceil(log10(low) - 1e-9), last = (int)floor(log10(high) + 1e-9);
    int from = nice_below(low), to = nice_below(high);
    if (nice(from) < low * (1 - 1e-9))
        from++;
    bool between = to - from + 1 <= most && last - first < 2; /* 1, 2, 5 */
    int every = between ? 1 : (last - first) / most + 1;
    if (between)
        first = from, last = to;
    else
        first = (int)ceil((double)first / every) * every;
    for (int i = first; i <= last; i += every) {
        char label[TICK_LABEL];
        double value = between ? nice(i) : nice(3 * i);
        tick_format(value, label);
        add(out, value, label);
    }
}

void ticks_round_linear(double *low, double *high, int most)
{
    if (!(*high - *low > fmax(fabs(*low), fabs(*high)) * 1e-6)) { /* constant, as far as a float can tell */
        double room = fmax(fabs(*low) * 0.1, 1e-6);
        if (*low == 0)
            room = 1;
        *low -= room;
        *high += room;
    }
    if (!usable(*low, *high))
        return;
    double step = nice_step(*low, *high, cut(most)), slack = (*high - *low) * 1e-9;
    *low = floor((*low + slack) / step) * step;
    *high = ceil((*high - slack) / step) * step;
}

void ticks_round_log(double *low, double *high)
{
    if (!(*low > 0) || !isfinite(*high))
        return;
    int from = nice_below(*low), to = nice_below(*high);
    if (nice(to) < *high * (1 - 1e-9))
        to++;
    if (to <= from)
        from--, to++;
    *low = nice(from);
    *high = nice(to);
}
