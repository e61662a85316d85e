/* See channel.h. */
#include "tui/channel.h"

#include "base/array.h"
#include "sessions/session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { BACKLOG = 16, CHUNK = 1 << 16 };

/* ---- The socket ---- */

/* The folder by its descriptor: an address has room for 107 bytes, and sessions may lie deeper. */
static int open_folder(const char *folder, struct sockaddr_un *address, struct error *error)
{
    const int fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return error_set(error, "cannot open %s: %s", folder, strerror(errno));
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(address->sun_path, sizeof(address->sun_path), "/proc/self/fd/%d/%s", fd, SESSION_SOCKET);
    return fd;
}

static int bind_there(int fd, const struct sockaddr_un *address, int folder, const char *path, struct error *error)
{
    (void)unlinkat(folder, SESSION_SOCKET, 0); /* its process is gone: this one has the session's lock */
    /* Linux makes the file with the mode of the descriptor: nobody else can come in between */
    if (fchmod(fd, S_IRUSR | S_IWUSR) || bind(fd, (const struct sockaddr *)address, sizeof(*address)) ||
        listen(fd, BACKLOG))
        return error_set(error, "cannot make a socket in %s: %s", path, strerror(errno));
    return 0;
}

int channel_listen(const char *folder, struct error *error)
{
    struct sockaddr_un address;
    const int place = open_folder(folder, &address, error);
    int fd;

    if (place < 0)
        return -1;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        error_set(error, "cannot make a socket: %s", strerror(errno));
    else if (bind_there(fd, &address, place, folder, error)) {
        close(fd);
        fd = -1;
    }
    close(place);
    return fd;
}

void channel_unlink(const char *folder)
{
    struct sockaddr_un address;
    const int place = open_folder(folder, &address, NULL);

    if (place < 0)
        return;
    (void)unlinkat(place, SESSION_SOCKET, 0);
    close(place);
}

/* Where many come at one time there is a queue, and it may be full for a moment; a socket that has just been made, or
 * still lies there of a killed process, refuses for one. */
static int connect_soon(int fd, const struct sockaddr_un *address)
{
    enum { TRIES = 250, PAUSE_NANOSECONDS = 20000000 };

    for (int i = 0;; i++) {
        if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
            return 0;
        if (i == TRIES || (errno != EAGAIN && errno != ECONNREFUSED && errno != EINTR))
            return -1;
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_NANOSECONDS}, NULL);
    }
}

int channel_connect(const char *folder, pid_t *process, struct error *error)
{
    struct sockaddr_un address;
    const int place = open_folder(folder, &address, error);
    int fd, why = 0;

    if (place < 0)
        return -1;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect_soon(fd, &address))
        why = errno;
    close(place);
    if (why == 0 && channel_is_ours(fd, process))
        return fd;
    if (fd >= 0)
        close(fd);
    errno = why ? why : EPERM;
    return error_set(error, "%s", why ? strerror(why) : "another user's process is at its other end");
}

bool channel_is_ours(int fd, pid_t *process)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) || peer.uid != geteuid())
        return false;
    *process = peer.pid;
    return true;
}

/* ---- Frames ---- */

void channel_open(struct channel *channel, int fd, size_t most)
{
    *channel = (struct channel){.fd = fd, .most = most};
}

void channel_close(struct channel *channel)
{
    if (channel->fd >= 0)
        close(channel->fd);
    free(channel->in);
    free(channel->out.bytes);
    *channel = (struct channel){.fd = -1};
}

/* Room grows with what has come, whatever a frame says of its length. */
static bool make_room(struct channel *channel)
{
    unsigned char *grown = array_grow(channel->in, &channel->in_room, channel->in_count + CHUNK, 1);

    if (grown)
        channel->in = grown;
    return grown != NULL;
}

static void drop_taken(struct channel *channel)
{
    if (channel->taken == 0)
        return;
    memmove(channel->in, channel->in + channel->taken, channel->in_count - channel->taken);
    channel->in_count -= channel->taken;
    channel->taken = 0;
}

int channel_receive(struct channel *channel)
{
    ssize_t got;

    drop_taken(channel);
    do {
        if (channel->in_count > channel->most + CHUNK) /* these are to be taken first */
            return 0;
        if (!make_room(channel))
            return -1;
        got = recv(channel->fd, channel->in + channel->in_count, channel->in_room - channel->in_count, 0);
        if (got > 0)
            channel->in_count += (size_t)got;
    } while (got > 0 || (got < 0 && errno == EINTR));
    return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? 0 : -1;
}

enum wire_found channel_next(struct channel *channel, enum wire_kind *kind, struct wire *fields)
{
    enum wire_found found;
    size_t length;

    found = wire_take(channel->in + channel->taken, channel->in_count - channel->taken, channel->most, kind, fields,
                      &length);
    if (found == WIRE_WHOLE)
        channel->taken += length;
    return found;
}

size_t channel_waiting(const struct channel *channel)
{
    return channel->out.at - channel->sent;
}

/* What has gone makes room. */
static void drop_sent(struct channel *channel)
{
    struct wire *out = &channel->out;

    if (channel->sent < CHUNK && channel->sent < out->at)
        return;
    memmove(out->bytes, out->bytes + channel->sent, out->at - channel->sent);
    out->at -= channel->sent;
    channel->sent = 0;
}

static int send_some(struct channel *channel, bool *moved)
{
    while (channel_waiting(channel) > 0) {
        const ssize_t went = send(channel->fd, channel->out.bytes + channel->sent, channel_waiting(channel),
                                  MSG_NOSIGNAL | MSG_DONTWAIT);

        if (went < 0 && errno == EINTR)
            continue;
        if (went < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
        channel->sent += (size_t)went;
        *moved = true;
    }
    return 0;
}

int channel_send(struct channel *channel, bool *moved)
{
    int result;

    *moved = false;
    if (channel->out.failed)
        return -1;
    result = send_some(channel, moved);
    if (*moved)
        drop_sent(channel);
    return result;
}

void channel_say(struct channel *channel, enum wire_kind kind, const char *text)
{
    char copy[WIRE_TEXT];
    const size_t frame = wire_begin(&channel->out, kind);

    snprintf(copy, sizeof(copy), "%s", text);
    wire_text(&channel->out, copy, sizeof(copy));
    wire_end(&channel->out, frame);
}
