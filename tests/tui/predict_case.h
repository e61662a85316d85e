/* What the tests of `nfbench predict` share: a session "s" that has trained on made-up images in the layout of CIFAR-10
 * (a folder "data"), its test images as a file "test.bin", and the files that go in and come out. */
#ifndef NFBENCH_TESTS_TUI_PREDICT_CASE_H
#define NFBENCH_TESTS_TUI_PREDICT_CASE_H

#include "tests/tui/process.h"

#include <stddef.h>
#include <stdint.h>

enum { IMAGES = 100, CLASSES = 10, PIXELS = 3072, RECORD = 3073, IMAGE = 32 };

/* The test images, which are the first of each training file, too. */
extern uint8_t records[IMAGES][RECORD];

/* For group set-up. */
int predict_set_up(void **state);

/* Files in the folder of the process. */
void write_file(const char *name, const void *bytes, size_t size);
void write_png(const char *name, const uint8_t *rgb, int width, int height);
/* (rows, CLASSES) of float32; fails the test when the file has anything else. */
void read_npy(const char *name, int rows, float *out);

/* The index-th prediction of --json. */
const json_t *row(const json_t *object, size_t index);
int count_lines(const char *text);

#endif
