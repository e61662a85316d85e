/* Events files of TensorBoard, version "brain.Event:2": records of u64 length, masked CRC-32C of the length, data,
 * masked CRC-32C of the data, all little-endian; the data are a protocol buffer `Event`
 * (tensorflow/core/util/event.proto, summary.proto). Only what is needed of them is written here, by hand.
 *
 * A record is written whole by one write(2), so a killed process leaves no torn one; a full disk may, and a reader
 * takes nothing behind it: who goes on begins a new file. Nothing is synced: the files can be made again of the logs.
 */
#ifndef NFBENCH_SESSIONS_TFEVENTS_H
#define NFBENCH_SESSIONS_TFEVENTS_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tfevents;

/* A new file with its first record; -1 when there is one of that name. Wall times are seconds since 1970. */
int tfevents_create(const char *path, double wall_time, struct tfevents **out, struct error *error);
/* NULL is allowed. */
void tfevents_close(struct tfevents *events);

/* A run starts with this step: TensorBoard forgets events of this and later steps that it has read so far. */
int tfevents_start(struct tfevents *events, long step, double wall_time, struct error *error);

/* An event: any number of values under their tags, then its end, which writes it. Without memory the end fails. */
void tfevents_begin(struct tfevents *events, long step, double wall_time);
void tfevents_scalar(struct tfevents *events, const char *tag, double value);
/* Markdown; bytes that are not UTF-8 become '?'. */
void tfevents_text(struct tfevents *events, const char *tag, const char *text);
void tfevents_png(struct tfevents *events, const char *tag, const void *png, size_t size, int width, int height);
struct tfevents_histogram {
    double least, most, count, sum, sum_squares; /* of the values */
    const double *limits, *counts;               /* (buckets): where each ends, ascending, and how many are in it */
    int buckets;
};
void tfevents_histogram(struct tfevents *events, const char *tag, const struct tfevents_histogram *histogram);
int tfevents_end(struct tfevents *events, struct error *error);

/* Writes a record of these bytes into `out` (size + 16), where the bytes may lie themselves. */
enum { TFEVENTS_FRAME = 16 };
void tfevents_frame(const void *data, size_t size, uint8_t *out);
/* The greatest step of the whole records of a file; -1: there are none. */
long tfevents_last_step(const char *path);
/* Whether a checksum does not fit; a torn end is none. A file that cannot be read is not known to be. */
bool tfevents_is_damaged(const char *path);

#endif
