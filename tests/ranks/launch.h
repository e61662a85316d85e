/* What the tests of ranks share: the program with MPI under the real mpirun, and its processes. */
#ifndef NFBENCH_TESTS_RANKS_LAUNCH_H
#define NFBENCH_TESTS_RANKS_LAUNCH_H

#include "tests/tui/process.h"

/* 72 images in batches of 7: the last of an epoch has 2, so that of three ranks one has none. */
#define IMAGES "--data synthetic --limit 72 --batch 7 "
#define RUN "train " NETWORK IMAGES "--lr 0.05 --probe-every 0 --log-every 1 --normalize image "

extern char ranks_program[4096];
extern char ranks_no_room[4096]; /* preload/room.c, to be loaded into it */
/* Program and mpirun, which process.h starts from then on; false: there is none of them here. */
bool ranks_find_programs(void);
/* For group set-up. */
int ranks_setup(void **state);

/* The tensors of a checkpoint, to the bit; the text before them has the time that the training took. */
void ranks_assert_same_weights(const char *one, const char *other, const char *checkpoint);
/* The process of a rank, a child of mpirun's. */
pid_t ranks_process(pid_t mpirun, int rank);
/* A run of two ranks that goes on for ever; returns when it has made some steps. */
struct process ranks_start_endless(const char *session);
/* Writes the line to the process's standard input. */
void ranks_say_line(int in, const char *line);

#endif
