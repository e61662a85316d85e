/* A socket in a session's folder with frames on it (wire.h): buffers that never make their thread wait. Both ends
 * belong to one person: the file is for its owner alone, and each end asks the kernel who the other is. */
#ifndef NFBENCH_TUI_CHANNEL_H
#define NFBENCH_TUI_CHANNEL_H

#include "tui/wire.h"

#include <sys/types.h>

struct channel {
    int fd;
    size_t most;       /* bytes of a frame that comes in */
    unsigned char *in; /* what has come, and room */
    size_t in_count, in_room, taken;
    struct wire out; /* what is to go, of which `sent` have gone */
    size_t sent;
};

/* Makes the socket, in place of one that a killed process has left; it listens and does not block. The caller holds the
 * session's lock. -1 and why: a file system without sockets, a folder that is only read. */
int channel_listen(const char *folder, struct error *error);
/* Takes it away again. */
void channel_unlink(const char *folder);
/* Connects to it: the descriptor, and the other process (0: in another container). -1 with errno kept: ENOENT and
 * ECONNREFUSED where nobody listens. */
int channel_connect(const char *folder, pid_t *process, struct error *error);
/* The user at the other end is this process's. */
bool channel_is_ours(int fd, pid_t *process);

/* Takes the descriptor. */
void channel_open(struct channel *channel, int fd, size_t most);
void channel_close(struct channel *channel);
/* Takes in what has come. -1 when nothing will come any more. */
int channel_receive(struct channel *channel);
/* The oldest frame that has come whole; its fields are valid until the next call. */
enum wire_found channel_next(struct channel *channel, enum wire_kind *kind, struct wire *fields);
/* Bytes that wait to go. */
size_t channel_waiting(const struct channel *channel);
/* Sends what goes without waiting. -1 when the other end is gone; else 0, and whether anything went. */
int channel_send(struct channel *channel, bool *moved);
/* A frame of one text, to what waits. */
void channel_say(struct channel *channel, enum wire_kind kind, const char *text);

#endif
