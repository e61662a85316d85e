/* A probe as the members of a log's record and back (metrics.h): each quantity is a list with a number a point, and the
 * counts of each point are a text of a few hundred bytes:
 *     "step":100,"images":128,"loss":2.1,"gradients":true,"channels":[16,32, ... ],"variance":[1,1.04, ... ],
 *     "values":["m7kZ1 ... ", ... ],"variances":["...", ... ]
 * A text of counts is whole numbers without blanks between: the first bin that is not empty, then the counts from there
 * to the last one. A number is its digits to the base 32, the lowest first, out of 0-9, a-v; all but its last digit are
 * of the second half of the alphabet (0-9a-zA-Z-_), 32 places on. Single channels are not kept. */
#ifndef NFBENCH_SESSIONS_PROBE_RECORD_H
#define NFBENCH_SESSIONS_PROBE_RECORD_H

#include "engine/probe.h"
#include "sessions/fields.h"

void probe_record_write(const struct probe *probe, struct text *text);
/* NULL when a member is absent or not valid, or there is no memory. The caller destroys it. */
struct probe *probe_record_read(const json_t *object);
/* The members of a probe that are one number, and those of its points that are a list with one for each. */
struct fields probe_head_fields(void);
struct fields probe_point_fields(void);

#endif
