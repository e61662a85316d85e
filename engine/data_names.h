/* Class names of the CIFAR sets, for folders that come without their names file. */
#ifndef NFBENCH_ENGINE_DATA_NAMES_H
#define NFBENCH_ENGINE_DATA_NAMES_H

extern const char *const cifar10_names[10];
extern const char *const cifar100_names[100]; /* the fine labels */

#endif
