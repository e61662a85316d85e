/* Which way up a photograph is: cameras store their sensor's rows and say beside them how they are to be turned. */
#ifndef NFBENCH_VIZ_ORIENTATION_H
#define NFBENCH_VIZ_ORIENTATION_H

#include "viz/bitmap.h"

/* The orientation, 1 (as it is) to 8, in the bytes of an EXIF segment ("Exif", two zeros, TIFF; EXIF 2.3, 4.6.4). 1 as
 * well when there is none in it or it is broken. */
int exif_orientation(const uint8_t *segment, size_t size);

/* Turns and mirrors the picture from how it is stored to how it is seen: 2 mirrored, 3 by 180 degrees, 4 mirrored and
 * by 180, 5 mirrored at its diagonal, 6 by 90 degrees clockwise, 7 mirrored at the other diagonal, 8 by 90
 * counterclockwise. -1 without memory for a second picture: it is unchanged then. */
int bitmap_turn(struct bitmap *bitmap, int orientation, struct error *error);

#endif
