/* Networks that tests look into, and their input: unit Gaussian noise with made-up labels. */
#ifndef NFBENCH_TESTS_ENGINE_PROBE_RIG_H
#define NFBENCH_TESTS_ENGINE_PROBE_RIG_H

#include "engine/network_probe.h"

enum { RIG_IMAGES = 128, RIG_IMAGE = 32 * 32 * 3 };

extern struct backend *rig_backend;
extern float *rig_images; /* (RIG_IMAGES, 32, 32, 3) */
extern uint8_t rig_labels[RIG_IMAGES];

/* Group fixtures of cmocka: the CPU's back end with one thread, and the images. */
int probe_rig_open(void **state);
int probe_rig_close(void **state);

struct model_spec rig_preset(const char *name);
/* Three narrow blocks: a transition, a plain one, a transition that strides; skip gains 1. */
struct model_spec rig_narrow(enum model_family family);
struct network *rig_network(const struct model_spec *spec, int batch, uint64_t seed);
/* Moves biases, gains and the head off their initial values, where some gradients vanish. */
void rig_stir(struct network *network);
/* A probe of the first `n` images, to be destroyed by the caller; `options` NULL: with gradients. */
struct probe *rig_probe(struct network *network, int n, const struct probe_options *options);
/* Sets the first `count` values (0: all) of a parameter. */
void rig_set(struct network *network, const char *name, enum parameter_part part, float value, size_t count);

#endif
