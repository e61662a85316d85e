/* See step_time.h. */
#include "engine/step_time.h"

const char *step_part_name(enum step_part part)
{
    static const char *const names[STEP_PARTS] = {"data", "forward", "backward", "update", "probe", "other"};
    return names[part];
}

void step_time_add(struct step_time *sum, double whole, const double parts[STEP_OTHER])
{
    sum->whole += whole;
    for (int p = 0; p < STEP_OTHER; p++)
        sum->parts[p] += parts[p];
}

struct step_time step_time_settle(const struct step_time *measured)
{
    struct step_time settled = *measured;
    double known = 0;
    for (int p = 0; p < STEP_OTHER; p++)
        known += measured->parts[p];
    settled.parts[STEP_OTHER] = known < measured->whole ? measured->whole - known : 0;
    for (int p = 0; p < STEP_OTHER && known > measured->whole; p++)
        settled.parts[p] *= measured->whole / known;
    return settled;
}

struct step_time step_time_mean(const struct step_time *sum, long count)
{
    struct step_time mean = {0};
    mean.whole = count > 0 ? sum->whole / (double)count : 0;
    for (int p = 0; p < STEP_PARTS && count > 0; p++)
        mean.parts[p] = sum->parts[p] / (double)count;
    return mean;
}
