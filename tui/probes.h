/* The probes that a viewer keeps: the one at the start of training, the newest, and between them as many as have room,
 * spread over the steps, for charts and strips over time; and the health of the points of the one that is shown, worked
 * out when it is first asked for. The memory is bounded however long a run goes on. */
#ifndef NFBENCH_TUI_PROBES_H
#define NFBENCH_TUI_PROBES_H

#include "engine/health.h"

enum { PROBES_MOST = 128, PROBES_LEAST = 16, PROBES_WHY = 160 };

struct probes;

/* For a network of this spec, which is copied. */
int probes_create(const struct model_spec *spec, struct probes **out, struct error *error);
void probes_destroy(struct probes *probes);

/* Keeps a copy; of a log's probe one without single channels. One of an earlier step than the newest means that the run
 * went back: what lies behind it goes. One of the same step replaces it. When all room is taken, the probe goes whose
 * neighbours are nearest to one another: never the first, never the newest. */
int probes_add(struct probes *probes, const struct probe *probe, struct error *error);

/* The run went back to this step: what lies behind it goes. */
void probes_cut(struct probes *probes, long step);

/* How many are kept; at most PROBES_MOST. */
int probes_count(const struct probes *probes);
/* 0 is the oldest, probes_count() - 1 the newest. Valid until the next probes_add, as the two below; NULL outside. */
const struct probe *probes_at(const struct probes *probes, int index);
const struct probe *probes_first(const struct probes *probes);
const struct probe *probes_newest(const struct probes *probes);
/* The one that a person looks at: the newest, or an earlier one walked back to. */
const struct probe *probes_shown(const struct probes *probes);
/* So many probes later, back when below 0; at the newest it stays with those that come. */
void probes_walk(struct probes *probes, int by);
/* All of them, oldest first, for the figures: probes_count() pointers. */
struct probe *const *probes_all(const struct probes *probes);

/* Another number whenever one is added or goes, or another is shown. */
long probes_version(const struct probes *probes);
const struct model_spec *probes_spec(const struct probes *probes);
/* 1 + the network's blocks. */
int probes_points(const struct probes *probes);
/* Of a point of the probe that is shown, and why; good without a word before the first. */
enum health probes_health(struct probes *probes, int point, const char **why);
/* The point that is worst off in the probe that is shown, of equals the first; -1 when all are good. */
int probes_worst(struct probes *probes);

#endif
