/* See samples.h. Each choice is a score; the greatest scores are kept in order, the earlier image first among equals.
 */
#include "engine/samples.h"

#include "kernels/philox.h"

#include <math.h>

struct choice {
    const struct prediction *predictions;
    uint64_t seed;
    int label;
};

/* The image's score; below 0: not to be picked. */
typedef double score_function(const struct choice *choice, int place);

static double random_score(const struct choice *choice, int place)
{
    return philox_draw(choice->seed, PHILOX_SAMPLES, 0, (uint64_t)place, 0).word[0];
}

static double class_score(const struct choice *choice, int place)
{
    return choice->predictions[place].label == choice->label ? random_score(choice, place) : -1;
}

static double mistake_score(const struct choice *choice, int place)
{
    const struct prediction *prediction = &choice->predictions[place];
    if (prediction->predicted == prediction->label)
        return -1;
    return isnan(prediction->confidence) ? 0 : (double)prediction->confidence;
}

static double loss_score(const struct choice *choice, int place)
{
    const float loss = choice->predictions[place].loss;
    return isfinite(loss) ? fmax((double)loss, 0) : INFINITY;
}

static int pick(const struct choice *choice, score_function *score, int count, int most, int *places)
{
    int picked = 0;
    for (int place = 0; place < count; place++) {
        const double own = score(choice, place);
        if (own < 0)
            continue;
        int at = picked;
        while (at > 0 && score(choice, places[at - 1]) < own)
            at--;
        if (at == most)
            continue;
        picked += picked < most;
        for (int i = picked - 1; i > at; i--)
            places[i] = places[i - 1];
        places[at] = place;
    }
    return picked;
}

int samples_random(int count, uint64_t seed, int most, int *places)
{
    const struct choice choice = {.seed = seed};
    return pick(&choice, random_score, count, most, places);
}

int samples_of_class(const struct prediction *predictions, int count, int label, uint64_t seed, int most, int *places)
{
    const struct choice choice = {predictions, seed, label};
    return pick(&choice, class_score, count, most, places);
}

int samples_mistakes(const struct prediction *predictions, int count, int most, int *places)
{
    const struct choice choice = {.predictions = predictions};
    return pick(&choice, mistake_score, count, most, places);
}

int samples_highest_loss(const struct prediction *predictions, int count, int most, int *places)
{
    const struct choice choice = {.predictions = predictions};
    return pick(&choice, loss_score, count, most, places);
}
