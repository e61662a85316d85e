/* See download.h. curl writes to a pipe, not to the file: so that it ends with this process, whichever way that ends,
 * and nothing comes into the file that was not asked for. */
#include "fetch/download.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BLOCK = 1 << 16, WORDS_SIZE = 1024, HEAD_LINE = 128, HEADS_FD = 3, URL_SHOWN = 256, LOOK_MILLISECONDS = 100 };

/* curl's exit codes (man curl, "EXIT CODES"). */
enum { CURL_HTTP_ERROR = 22, CURL_RANGE_ERROR = 33 };
static const int curl_broken[] = {16, 18, 28, 52, 55, 56, 92}; /* a connection that broke or fell silent */

struct transfer {
    pid_t pid;
    int out, err, heads; /* read ends; -1: at their end, or not wanted */
    char words[WORDS_SIZE];
    char line[HEAD_LINE]; /* of the server's answer, what came of it so far */
    size_t line_used;
    long long rest; /* that the server is going to send; 0: it does not say */
};

/* ---- Starting curl ---- */

static int spawn_curl(const char *url, const char *offset, const int ends[3], pid_t *pid)
{
    /* --proto: of redirects, too. --disable: no curlrc, whose options could put anything on standard output; proxies
     * are those of the environment. A server that sends nothing for a minute counts as broken. */
    const char *arguments[] = {"curl",
                               "--disable",
                               "--silent",
                               "--show-error",
                               "--fail",
                               "--location",
                               "--globoff",
                               "--no-buffer",
                               "--proto",
                               "=http,https",
                               "--max-redirs",
                               "10",
                               "--speed-limit",
                               "1",
                               "--speed-time",
                               "60",
                               "--output",
                               "-",
                               "--connect-timeout",
                               "30",
                               "--url",
                               url,
                               NULL,
                               NULL,
                               NULL,
                               NULL,
                               NULL};
    const char **more = arguments + sizeof arguments / sizeof *arguments - 5;
    if (offset) {
        *more++ = "--continue-at";
        *more++ = offset;
    }
    if (ends[2] >= 0) {
        *more++ = "--dump-header";
        *more++ = "/dev/fd/3"; /* HEADS_FD */
    }
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    int code = posix_spawn_file_actions_init(&actions);
    if (code)
        return code;
    if ((code = posix_spawnattr_init(&attributes)) == 0) {
        /* a group of its own: Ctrl-C is for us, who then end it */
        code = posix_spawnattr_setflags(&attributes,
                                        POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
        code = code ? code : posix_spawnattr_setsigmask(&attributes, &none);
        code = code ? code : posix_spawnattr_setsigdefault(&attributes, &all);
        code = code ? code : posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
        code = code ? code : posix_spawn_file_actions_adddup2(&actions, ends[0], 1);
        code = code ? code : posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
        if (ends[2] >= 0)
            code = code ? code : posix_spawn_file_actions_adddup2(&actions, ends[2], HEADS_FD);
        code = code ? code : posix_spawnp(pid, "curl", &actions, &attributes, (char *const *)arguments, environ);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return code;
}

static void close_all(const int ends[3])
{
    for (int i = 0; i < 3; i++)
        if (ends[i] >= 0)
            close(ends[i]);
}

/* Two pipes, and a third for the server's answer where the size of the whole is not known. */
static int make_pipes(int count, int reads[3], int writes[3], struct error *error)
{
    for (int i = 0; i < 3; i++)
        reads[i] = writes[i] = -1;
    for (int i = 0; i < count; i++) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC)) {
            error_set(error, "cannot make a pipe: %s", strerror(errno));
            close_all(reads);
            close_all(writes);
            return -1;
        }
        reads[i] = ends[0];
        writes[i] = ends[1];
    }
    return 0;
}

static int start(const struct download *download, struct transfer *transfer, struct error *error)
{
    int reads[3], writes[3];
    char offset[32];
    *transfer = (struct transfer){.out = -1, .err = -1, .heads = -1};
    if (make_pipes(download->total ? 2 : 3, reads, writes, error))
        return -1;
    snprintf(offset, sizeof offset, "%lld", download->have);
    const int code = spawn_curl(download->url, download->have ? offset : NULL, writes, &transfer->pid);
    close_all(writes);
    if (code == 0) {
        transfer->out = reads[0];
        transfer->err = reads[1];
        transfer->heads = reads[2];
        return 0;
    }
    close_all(reads);
    if (code == ENOENT)
        return error_set(error, "the program curl is not here, which downloads: install the package curl");
    return error_set(error, "cannot start curl: %s", strerror(code));
}

/* ---- Receiving ---- */

/* How many bytes came. 0: none did, and where no more will, the pipe is closed (-1). */
static size_t read_some(int *pipe, char *bytes, size_t size)
{
    const ssize_t count = read(*pipe, bytes, size);
    if (count > 0)
        return (size_t)count;
    if (count < 0 && errno == EINTR)
        return 0;
    close(*pipe);
    *pipe = -1;
    return 0;
}

/* Into the file. 0: went on, or came to the end. */
static enum download_end take_bytes(struct download *download, struct transfer *transfer, struct error *error)
{
    char block[BLOCK];
    const size_t count = read_some(&transfer->out, block, sizeof block);
    if (count == 0)
        return DOWNLOAD_DONE;
    if (download->have + (long long)count > download->most) {
        error_set(error, "sends more than the %.1f MB that it may be", (double)download->most / 1e6);
        return DOWNLOAD_TOO_LONG;
    }
    if (lseek(download->file, download->have, SEEK_SET) < 0) {
        file_failed(error, "write", download->path);
        return DOWNLOAD_HERE;
    }
    if (file_write_all(download->file, block, count, download->path, error))
        return DOWNLOAD_HERE;
    download->have += (long long)count;
    return DOWNLOAD_DONE;
}

/* What curl says; what does not fit is dropped. */
static void take_words(struct transfer *transfer)
{
    char bytes[WORDS_SIZE];
    const size_t used = strlen(transfer->words);
    const size_t count = read_some(&transfer->err, bytes, sizeof bytes);
    const size_t room = sizeof transfer->words - 1 - used;
    const size_t fits = count < room ? count : room;
    memcpy(transfer->words + used, bytes, fits);
    transfer->words[used + fits] = '\0';
}

/* A line of an answer; a redirect has one before that which counts. */
static void take_head_line(struct transfer *transfer)
{
    static const char length[] = "content-length:";
    if (strncasecmp(transfer->line, "HTTP/", 5) == 0)
        transfer->rest = 0;
    else if (strncasecmp(transfer->line, length, sizeof length - 1) == 0)
        transfer->rest = strtoll(transfer->line + sizeof length - 1, NULL, 10);
}

static void take_heads(struct transfer *transfer)
{
    char bytes[WORDS_SIZE];
    const size_t count = read_some(&transfer->heads, bytes, sizeof bytes);
    for (size_t i = 0; i < count; i++)
        if (bytes[i] == '\n') {
            transfer->line[transfer->line_used] = '\0';
            take_head_line(transfer);
            transfer->line_used = 0;
        } else if (transfer->line_used < sizeof transfer->line - 1) {
            transfer->line[transfer->line_used++] = bytes[i];
        }
}

/* Until curl has said all; DONE then. */
static enum download_end receive(struct download *download, struct transfer *transfer, struct error *error)
{
    const struct fetch_watch *watch = download->watch;
    const long long before = download->have;
    while (transfer->out >= 0 || transfer->err >= 0) {
        struct pollfd pipes[3] = {{.fd = transfer->out, .events = POLLIN},
                                  {.fd = transfer->err, .events = POLLIN},
                                  {.fd = transfer->heads, .events = POLLIN}};
        enum download_end end = DOWNLOAD_DONE;
        if (poll(pipes, 3, LOOK_MILLISECONDS) < 0 && errno != EINTR) {
            error_set(error, "cannot wait for curl: %s", strerror(errno));
            return DOWNLOAD_HERE;
        }
        if (pipes[2].revents)
            take_heads(transfer);
        if (pipes[0].revents)
            end = take_bytes(download, transfer, error);
        if (pipes[1].revents)
            take_words(transfer);
        if (end != DOWNLOAD_DONE)
            return end;
        const long long total = download->total || !transfer->rest ? download->total : before + transfer->rest;
        if (watch->progress(watch->context, "downloading", download->have,
                            total >= download->have ? total : download->total))
            return DOWNLOAD_STOPPED;
    }
    return DOWNLOAD_DONE;
}

static int finish(struct transfer *transfer, bool kill_it)
{
    int status = 0;
    if (transfer->out >= 0)
        close(transfer->out);
    if (transfer->err >= 0)
        close(transfer->err);
    if (transfer->heads >= 0)
        close(transfer->heads);
    if (kill_it)
        kill(transfer->pid, SIGKILL);
    while (waitpid(transfer->pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* ---- What came of it ---- */

/* The last of curl's lines, without its "curl: (7) ". */
static const char *reason(char *words)
{
    size_t length = strlen(words);
    while (length && (words[length - 1] == '\n' || words[length - 1] == '\r'))
        words[--length] = '\0';
    char *line = strrchr(words, '\n');
    line = line ? line + 1 : words;
    if (strncmp(line, "curl: (", 7) == 0 && strchr(line, ')')) {
        line = strchr(line, ')') + 1;
        line += strspn(line, " ");
    }
    for (char *at = line; *at; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = '?';
    return *line ? line : "curl does not say why";
}

static enum download_end judge(const struct download *download, int code, const char *why, struct error *error)
{
    if (code == 0)
        return DOWNLOAD_DONE;
    error_set(error, "%.300s (curl: %d)", why, code);
    if (code == CURL_RANGE_ERROR || (code == CURL_HTTP_ERROR && download->have && strstr(why, "error: 416")))
        return DOWNLOAD_NO_RANGES;
    for (size_t i = 0; i < sizeof curl_broken / sizeof *curl_broken; i++)
        if (code == curl_broken[i])
            return DOWNLOAD_BROKEN;
    return DOWNLOAD_FAILED;
}

void download_shown_url(const char *url, char *text, size_t size)
{
    const char *begin = strstr(url, "://");
    begin = begin ? begin + 3 : url;
    const char *user = memrchr(begin, '@', strcspn(begin, "/?#"));
    snprintf(text, size, "%.*s%s", (int)(begin - url), url, user ? user + 1 : begin);
}

enum download_end download(struct download *download, struct error *error)
{
    struct transfer transfer;
    char shown[URL_SHOWN];
    if (start(download, &transfer, error))
        return DOWNLOAD_HERE;
    enum download_end end = receive(download, &transfer, error);
    const int code = finish(&transfer, end != DOWNLOAD_DONE);
    if (end == DOWNLOAD_DONE)
        end = judge(download, code, reason(transfer.words), error);
    download_shown_url(download->url, shown, sizeof shown);
    if (end != DOWNLOAD_DONE && end != DOWNLOAD_HERE && end != DOWNLOAD_STOPPED)
        error_prefix(error, "%s", shown);
    return end;
}
