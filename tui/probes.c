/* See probes.h. Probes are large (a network of 256 blocks fills half a megabyte), so their number falls with their
 * size, and what is thrown out is filled anew. */
#include "tui/probes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const size_t MOST_BYTES = (size_t)32 << 20;

struct verdict {
    enum health health;
    char why[PROBES_WHY];
};

struct probes {
    struct model_spec spec;
    struct probe *kept[PROBES_MOST + 1]; /* by rising step; behind `count` those to be filled anew */
    int count, room;
    long version;
    int points;
    struct verdict *verdicts; /* (points), of the one that is shown once it is `judged` */
    bool judged;
    long chosen; /* the step of the one that is shown, or of one since thrown out behind it; -1: the newest is */
};

static int room_for(const struct model_spec *spec)
{
    size_t size = sizeof(struct probe_point) + (size_t)2 * sizeof(float) * (size_t)spec->stem, count;

    for (int b = 0; b < model_block_count(spec); b++)
        size += sizeof(struct probe_point) + (size_t)2 * sizeof(float) * (size_t)model_block(spec, b).cout;
    count = MOST_BYTES / size;
    return count > PROBES_MOST ? PROBES_MOST : count < PROBES_LEAST ? PROBES_LEAST : (int)count;
}

int probes_create(const struct model_spec *spec, struct probes **out, struct error *error)
{
    struct probes *probes = calloc(1, sizeof(*probes));

    *out = NULL;
    if (!probes)
        return error_set(error, "out of memory");
    probes->spec = *spec;
    probes->chosen = -1;
    probes->points = 1 + model_block_count(spec);
    probes->room = room_for(spec);
    probes->verdicts = calloc((size_t)probes->points, sizeof(*probes->verdicts));
    if (!probes->verdicts) {
        free(probes);
        return error_set(error, "out of memory");
    }
    *out = probes;
    return 0;
}

void probes_destroy(struct probes *probes)
{
    if (!probes)
        return;
    for (int i = 0; i <= PROBES_MOST; i++)
        probe_destroy(probes->kept[i]);
    free(probes->verdicts);
    free(probes);
}

/* Takes one from among the kept; its memory stays behind them. */
static void throw_out(struct probes *probes, int index)
{
    struct probe *out = probes->kept[index];

    memmove(&probes->kept[index], &probes->kept[index + 1],
            (size_t)(probes->count - 1 - index) * sizeof(*probes->kept));
    probes->kept[--probes->count] = out;
}

static void thin_out(struct probes *probes)
{
    int least = 1;
    long least_gap = 0;

    for (int i = 1; i < probes->count - 1; i++) {
        long gap = probes->kept[i + 1]->step - probes->kept[i - 1]->step;

        if (i == 1 || gap < least_gap) {
            least = i;
            least_gap = gap;
        }
    }
    throw_out(probes, least);
}

/* Nobody asks for that of a session's older probes, which are many. */
static void judge(struct probes *probes)
{
    const struct probe *shown = probes_shown(probes);

    if (probes->judged)
        return;
    memset(probes->verdicts, 0, (size_t)probes->points * sizeof(*probes->verdicts));
    for (int point = 0; point < probes->points && shown; point++) {
        struct verdict *verdict = &probes->verdicts[point];

        verdict->health = health_of_point(&probes->spec, shown, point, verdict->why, sizeof(verdict->why));
    }
    probes->judged = true;
}

static bool has_channels(const struct probe *probe)
{
    return probe->points[0].channel_mean != NULL;
}

/* Memory for one more of its kind behind those that are kept. */
static int make_room(struct probes *probes, const struct probe *probe, struct error *error)
{
    struct probe **place = &probes->kept[probes->count];

    if (*place && has_channels(*place) == has_channels(probe))
        return 0;
    probe_destroy(*place);
    *place = NULL;
    return has_channels(probe) ? probe_create(&probes->spec, place, error)
                               : probe_create_summary(probes->points, place, error);
}

void probes_cut(struct probes *probes, long step)
{
    while (probes->count > 0 && probes->kept[probes->count - 1]->step > step)
        probes->count--;
    if (step < probes->chosen)
        probes->chosen = -1;
    probes->judged = false;
    probes->version++;
}

int probes_add(struct probes *probes, const struct probe *probe, struct error *error)
{
    if (probe->count != probes->points)
        return error_set(error, "a probe of %d points for a network of %d", probe->count, probes->points);
    probes_cut(probes, probe->step - 1);
    if (make_room(probes, probe, error))
        return -1;
    probe_copy(probes->kept[probes->count++], probe);
    if (probes->count > probes->room)
        thin_out(probes);
    return 0;
}

int probes_count(const struct probes *probes)
{
    return probes->count;
}

const struct probe *probes_at(const struct probes *probes, int index)
{
    return index >= 0 && index < probes->count ? probes->kept[index] : NULL;
}

const struct probe *probes_first(const struct probes *probes)
{
    return probes_at(probes, 0);
}

const struct probe *probes_newest(const struct probes *probes)
{
    return probes_at(probes, probes->count - 1);
}

static int shown_index(const struct probes *probes)
{
    int index = probes->count - 1;

    while (probes->chosen >= 0 && index > 0 && probes->kept[index]->step > probes->chosen)
        index--;
    return index;
}

const struct probe *probes_shown(const struct probes *probes)
{
    return probes_at(probes, shown_index(probes));
}

void probes_walk(struct probes *probes, int by)
{
    int last = probes->count - 1, index = shown_index(probes);

    if (last < 0)
        return;
    index = by > last - index ? last : by < -index ? 0 : index + by;
    probes->chosen = index == last ? -1 : probes->kept[index]->step;
    probes->judged = false;
    probes->version++;
}

struct probe *const *probes_all(const struct probes *probes)
{
    return probes->kept;
}

long probes_version(const struct probes *probes)
{
    return probes->version;
}

const struct model_spec *probes_spec(const struct probes *probes)
{
    return &probes->spec;
}

int probes_points(const struct probes *probes)
{
    return probes->points;
}

enum health probes_health(struct probes *probes, int point, const char **why)
{
    judge(probes);
    *why = probes->verdicts[point].why;
    return probes->verdicts[point].health;
}

int probes_worst(struct probes *probes)
{
    int worst = -1;

    judge(probes);
    for (int point = 0; point < probes->points; point++)
        if (probes->verdicts[point].health > (worst < 0 ? HEALTH_GOOD : probes->verdicts[worst].health))
            worst = point;
    return worst;
}
