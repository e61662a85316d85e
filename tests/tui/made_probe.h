/* Probes made up for tests of what shows them. */
#ifndef NFBENCH_TESTS_TUI_MADE_PROBE_H
#define NFBENCH_TESTS_TUI_MADE_PROBE_H

#include "engine/probe.h"

/* A network of so many blocks, 8 channels wide. */
void made_spec(struct model_spec *spec, int blocks);
/* A probe in which all is as predicted, with values spread about 0. The caller destroys it. */
struct probe *made_probe(const struct model_spec *spec, long step);
/* One of normal values whose variance is `scale` times the predicted one, that of its channels half to twice as much.
 */
struct probe *made_normal_probe(const struct model_spec *spec, long step, double scale);

#endif
