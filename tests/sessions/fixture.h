/* What the tests of sessions share: a folder of their own, files in it, and a small network on the CPU. */
#ifndef NFBENCH_TESTS_SESSIONS_FIXTURE_H
#define NFBENCH_TESTS_SESSIONS_FIXTURE_H

#include "engine/network.h"
#include "sessions/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* A fresh folder as cmocka's setup and teardown; its path is in *state and in `folder`. */
extern char folder[64];
int folder_setup(void **state);
int folder_teardown(void **state);

/* "FOLDER/NAME"; four at a time. */
const char *path_of(const char *name);
void write_file(const char *path, const void *data, size_t size);
/* The file with a zero byte behind it; freed by the caller. */
char *read_file(const char *path, size_t *size);
bool exists(const char *path);

/* Fails the test unless the call failed with a one-line message that holds `part`. */
void assert_error(int result, const struct error *error, const char *part);
void assert_ok(int result, const struct error *error);

/* Settings of a network that is made in no time (custom, one block), with sessions in `folder`. */
struct settings small_settings(void);

struct rig {
    struct backend *backend;
    struct network *network;
};
/* The settings' network; a weight depends on `seed`. */
struct rig make_rig(const struct settings *settings, uint64_t seed);
void free_rig(struct rig *rig);
/* One training step, so that momentum and averages are not what they began as. */
void train_once(struct network *network);
/* Whether all values, momenta and averages are equal to the bit. */
bool same_network(struct network *a, struct network *b);

/* While it is set, a disk that changes what was stored: a file that is about to be read back has one byte flipped. */
extern bool disk_damages;

#endif
