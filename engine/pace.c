/* See pace.h. */
#include "engine/pace.h"

#include <math.h>

static const double window_seconds = 1.0, piece_seconds = 0.1, smoothing_seconds = 10.0;

static void add(struct pace_piece *piece, double seconds, const double parts[STEP_OTHER], long steps, long images)
{
    step_time_add(&piece->time, seconds, parts);
    piece->steps += steps;
    piece->images += images;
}

struct pace_piece pace_window(const struct pace *pace)
{
    struct pace_piece sum = {0};
    for (int i = 0; i < pace->count; i++) {
        const struct pace_piece *piece = &pace->pieces[(pace->first + i) % PACE_PIECES];
        add(&sum, piece->time.whole, piece->time.parts, piece->steps, piece->images);
    }
    return sum;
}

/* Drops old pieces while the rest still covers the window. */
static void trim(struct pace *pace)
{
    double seconds = pace_window(pace).time.whole;
    while (pace->count > 1 && seconds - pace->pieces[pace->first].time.whole >= window_seconds) {
        seconds -= pace->pieces[pace->first].time.whole;
        pace->first = (pace->first + 1) % PACE_PIECES;
        pace->count--;
    }
}

void pace_add_step(struct pace *pace, double seconds, const double parts[STEP_OTHER], int images)
{
    int newest = (pace->first + pace->count + PACE_PIECES - 1) % PACE_PIECES;
    if (pace->count == 0 || pace->pieces[newest].time.whole >= piece_seconds) {
        if (pace->count == PACE_PIECES)
            pace->first = (pace->first + 1) % PACE_PIECES;
        else
            pace->count++;
        newest = (pace->first + pace->count - 1) % PACE_PIECES;
        pace->pieces[newest] = (struct pace_piece){0};
    }
    add(&pace->pieces[newest], seconds, parts, 1, images);
    trim(pace);

    double here = seconds / images;
    double weight = pace->image_seconds > 0 ? 1 - exp(-seconds / smoothing_seconds) : 1;
    pace->image_seconds += weight * (here - pace->image_seconds);
}

void pace_add_evaluation(struct pace *pace, double seconds, int images)
{
    pace->evaluation_seconds = seconds / images;
}

double pace_left(const struct pace *pace, double training_images, double evaluation_images)
{
    if (pace->image_seconds <= 0)
        return -1;
    return training_images * pace->image_seconds + evaluation_images * pace->evaluation_seconds;
}
