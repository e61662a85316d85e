/* See frames.h. */
#include "tui/frames.h"

bool frames_take(struct frames *frames, double now)
{
    if (now < frames->next)
        return false;
    frames->next = now + 1.0 / FRAMES_A_SECOND;
    return true;
}
