/* Reads TensorBoard's events files back, by the rules of the format and not by the code that wrote them. */
#ifndef NFBENCH_TESTS_SESSIONS_EVENTS_H
#define NFBENCH_TESTS_SESSIONS_EVENTS_H

#include <stdbool.h>
#include <stddef.h>

/* One value of an event, or an event without values. */
struct event_value {
    long step;
    double wall_time;
    bool start;          /* SessionLog START */
    char tag[80];        /* empty: none */
    float scalar;        /* 0: it is no scalar */
    char text[4096];     /* of a tensor: its string, cut */
    size_t image_bytes;  /* of a PNG */
    double histogram[5]; /* least, most, count, sum of buckets, last limit */
};

/* All of a file, which must be whole and valid; freed by the caller. */
struct event_value *read_events(const char *path, int *count);
/* All that a folder's files leave in TensorBoard: those in the order of their names, of which each SessionLog START
 * takes away what was read of its step and those behind it. Texts of `files` (at most 16): their names. Freed by the
 * caller. */
enum { EVENTS_FILES = 16 };
struct event_value *view_events(const char *folder, char files[EVENTS_FILES][256], int *file_count, int *count);

#endif
