/* Axis ticks: multiples of 1, 2 or 5 times a power of ten on linear axes, true decades on logarithmic ones; labels are
 * never repeated. */
#ifndef NFBENCH_VIZ_TICKS_H
#define NFBENCH_VIZ_TICKS_H

#include <stdbool.h>

enum { TICKS_MAX = 32, TICK_LABEL = 16 };

struct tick {
    double value;
    char label[TICK_LABEL];
};

struct ticks {
    int count;
    double step; /* linear: between two ticks */
    struct tick tick[TICKS_MAX];
};

/* At most `most` (1..TICKS_MAX) ticks within [low, high]; low and high finite, low < high. Percent labels 0.5 as "50%".
 */
void ticks_linear(double low, double high, int most, bool percent, struct ticks *out);
/* Powers of ten within [low, high], 0 < low < high, every n-th when they are too many; 2 and 5 times them too when
 * they are two at most and there is room. */
void ticks_log(double low, double high, int most, struct ticks *out);
/* Widens a range to the ticks around it, so that bounds change seldom while points arrive. A constant gets room about
 * it. */
void ticks_round_linear(double *low, double *high, int most);
void ticks_round_log(double *low, double *high);
/* A number in at most 7 characters: 0.0032, 12.5k, 3e-05. */
void tick_format(double value, char out[TICK_LABEL]);

#endif
