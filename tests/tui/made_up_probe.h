/* Probes of known content: normal values of the variances that a test names. */
#ifndef NFBENCH_TESTS_TUI_MADE_UP_PROBE_H
#define NFBENCH_TESTS_TUI_MADE_UP_PROBE_H

#include "engine/probe.h"

enum { MADE_UP_VALUES = 1000000 };

/* The micro preset's network. */
struct model_spec made_up_model(void);
/* Point p measures `scale` times what is predicted; its channels from half to twice of that. The caller destroys it. */
struct probe *made_up_probe(const struct model_spec *spec, long step, double scale);
/* Counts of so many normal values. */
void made_up_counts(uint32_t counts[VALUE_BINS], double mean, double variance, double number);

#endif
