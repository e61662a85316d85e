/* Checkpoints: safetensors files with a network and the state to go on from. Weights stand under the peer's parameter
 * names ("stem.weight", OIHW), so that other programs can load them; "momentum." and "ema." before a name mark the
 * optimizer's tensors. The metadata holds the training state, a digest of the settings and the SHA-256 of the file.
 *
 * On failure of what reads one errno is EBADMSG when the file is damaged, ENOTSUP when a newer nfbench wrote it; else
 * it is the machine that cannot read it now.
 *
 * A checkpoint is written beside its final name, synced, read again, verified and renamed before an older one goes. */
#ifndef NFBENCH_SESSIONS_CHECKPOINT_H
#define NFBENCH_SESSIONS_CHECKPOINT_H

#include "engine/trainer.h"
#include "sessions/file.h"
#include "sessions/settings.h"

enum { CHECKPOINTS_KEPT = 2 }; /* newest, and newest sound ones; beside the best and those with a name */

struct checkpoint_info {
    struct training_state state;
    long commands; /* recorded in the session so far */
    bool best;     /* was the best so far when it was written */
    char settings_digest[SETTINGS_DIGEST_SIZE];
    const struct settings *settings; /* to be saved with it; NULL: none. Not read back: see checkpoint_read_settings */
};

/* One file of a folder of checkpoints. */
struct checkpoint_entry {
    char path[FILE_PATH_SIZE];
    long step; /* by the file's name; of one with a name, by what it holds, -1 when that cannot be read */
    char name[CHECKPOINT_NAME_SIZE]; /* empty: it has none */
};

/* Writes and verifies one file. Fails, leaving what was there, when a value is not finite. */
int checkpoint_save(const char *path, struct network *network, const struct checkpoint_info *info, struct error *error);

/* Whether a file that could not be read, errno being `reason`, is as good as not there: the one before it is taken.
 * Else it may be whole, and its reader must fail. */
bool checkpoint_is_lost(int reason);

/* Reads the metadata alone, without verifying the digest: cheap for any size. */
int checkpoint_read_info(const char *path, struct checkpoint_info *info, struct error *error);

/* Reads the metadata and verifies the digest; whether it fits a network is not asked. */
int checkpoint_verify(const char *path, struct checkpoint_info *info, struct error *error);

/* The settings that were saved with it, once it is verified, over what is there: for a session that has lost its own.
 */
int checkpoint_read_settings(const char *path, struct settings *settings, struct error *error);

/* Verifies, then loads all of the network's parameters, with momentum and averages. The network is unchanged when
 * something does not fit. */
int checkpoint_load(const char *path, struct network *network, struct checkpoint_info *info, struct error *error);

/* The folder's checkpoints with a step, newest first; *out is freed by the caller. An absent folder has none. */
int checkpoint_list(const char *folder, struct checkpoint_entry **out, int *count, struct error *error);

/* Those that have a name, by their steps, the first first; *out is freed by the caller. */
int checkpoint_list_named(const char *folder, struct checkpoint_entry **out, int *count, struct error *error);

/* Removes all but the newest CHECKPOINTS_KEPT, as many of the newest that are not unsound, the best and those with a
 * name; also what a crash left half written. */
int checkpoint_prune(const char *folder, struct error *error);

#endif
