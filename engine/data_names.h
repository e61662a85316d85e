/* Class names: what they may be, and those of the CIFAR sets, for folders that come without their names file. */
#ifndef NFBENCH_ENGINE_DATA_NAMES_H
#define NFBENCH_ENGINE_DATA_NAMES_H

#include <stdbool.h>
#include <stddef.h>

enum { CLASS_NAME_SIZE = 32 };

/* Whether a name is fit to be shown on a terminal: printable ASCII, at least one and less than CLASS_NAME_SIZE bytes.
 * Names come from files that people hand on. */
bool class_name_fits(const char *name, size_t length);

extern const char *const cifar10_names[10];
extern const char *const cifar100_names[100]; /* the fine labels */

#endif
