/* See server.h. */
#include "tests/fetch/server.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { REQUEST_SIZE = 4096, BLOCK = 1 << 15, TICK_MILLISECONDS = 20 };

static struct {
    struct served *files;
    int count, listener, port;
    pthread_t thread;
    atomic_bool ending;
} server;

/* ---- A request ---- */

/* Up to the blank line; false when the client has gone. */
static bool read_request(int client, char request[REQUEST_SIZE])
{
    size_t used = 0;
    request[0] = '\0';
    while (!strstr(request, "\r\n\r\n")) {
        const ssize_t count = used < REQUEST_SIZE - 1 ? recv(client, request + used, REQUEST_SIZE - 1 - used, 0) : 0;
        if (count <= 0)
            return false;
        used += (size_t)count;
        request[used] = '\0';
    }
    return true;
}

static struct served *find(const char *request)
{
    for (int i = 0; i < server.count; i++) {
        const size_t length = strlen(server.files[i].path);
        if (strncmp(request, "GET ", 4) == 0 && strncmp(request + 4, server.files[i].path, length) == 0 &&
            request[4 + length] == ' ')
            return &server.files[i];
    }
    return NULL;
}

static bool send_all(int client, const void *bytes, size_t size)
{
    const char *at = bytes;
    while (size > 0) {
        const ssize_t count = send(client, at, size, MSG_NOSIGNAL);
        if (count <= 0)
            return false;
        at += count;
        size -= (size_t)count;
    }
    return true;
}

/* A byte every tick until the client goes or the server ends. */
static void send_slowly(int client, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size && !server.ending; i++) {
        struct pollfd gone = {.fd = client, .events = POLLIN | POLLRDHUP};
        if (!send_all(client, bytes + i, 1) || poll(&gone, 1, TICK_MILLISECONDS) > 0)
            return;
    }
}

static void send_body(int client, struct served *file, size_t begin)
{
    const char *bytes = file->bytes;
    size_t end = file->size;
    if (file->cuts > 0) {
        file->cuts--;
        end = begin + file->cut_after < end ? begin + file->cut_after : end;
    }
    const size_t quick = file->slow_after && file->slow_after < end ? file->slow_after : end;
    for (size_t at = begin; at < quick; at += BLOCK)
        if (!send_all(client, bytes + at, quick - at < BLOCK ? quick - at : BLOCK))
            return;
    const size_t slow = begin > quick ? begin : quick;
    if (end > slow)
        send_slowly(client, bytes + slow, end - slow);
}

static void answer(int client)
{
    char request[REQUEST_SIZE], head[1024], length[64] = "";
    size_t begin = 0;
    if (!read_request(client, request))
        return;
    struct served *file = find(request);
    if (!file) {
        static const char nothing[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\nConnection: close\r\n\r\nnone";
        send_all(client, nothing, sizeof nothing - 1);
        return;
    }
    const char *range = strcasestr(request, "\r\nRange: bytes=");
    const bool part = range && !file->no_ranges;
    if (part)
        begin = strtoul(range + strlen("\r\nRange: bytes="), NULL, 10);
    file->requests++;
    file->least_asked_for = begin;
    int status = file->status ? file->status : part ? 206 : 200;
    if (part && begin >= file->size)
        status = 416;
    if (!file->no_length)
        snprintf(length, sizeof length, "Content-Length: %zu\r\n", status == 416 ? 0 : file->size - begin);
    snprintf(head, sizeof head, "HTTP/1.1 %d Status\r\n%sConnection: close\r\n", status, length);
    if (status == 206)
        snprintf(head + strlen(head), sizeof head - strlen(head), "Content-Range: bytes %zu-%zu/%zu\r\n", begin,
                 file->size - 1, file->size);
    if (file->location)
        snprintf(head + strlen(head), sizeof head - strlen(head), "Location: %s\r\n", file->location);
    strcat(head, "\r\n");
    if (send_all(client, head, strlen(head)) && status != 416)
        send_body(client, file, begin);
}

/* ---- The server ---- */

static void *serve(void *unused)
{
    (void)unused;
    while (!server.ending) {
        const int client = accept(server.listener, NULL, NULL);
        if (client < 0)
            break;
        answer(client);
        shutdown(client, SHUT_WR);
        close(client);
    }
    return NULL;
}

void server_start(struct served *files, int count)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    server.files = files;
    server.count = count;
    server.ending = false;
    server.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(server.listener >= 0);
    assert_int_equal(bind(server.listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(server.listener, 16), 0);
    assert_int_equal(getsockname(server.listener, (struct sockaddr *)&address, &size), 0);
    server.port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&server.thread, NULL, serve, NULL), 0);
}

void server_stop(void)
{
    server.ending = true;
    shutdown(server.listener, SHUT_RDWR); /* accept then returns */
    assert_int_equal(pthread_join(server.thread, NULL), 0);
    close(server.listener);
}

const char *server_url(const char *path)
{
    static char urls[4][256];
    static int next;
    char *url = urls[next++ % 4];
    snprintf(url, sizeof *urls, "http://127.0.0.1:%d%s", server.port, path);
    return url;
}
