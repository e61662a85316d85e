/* See sum.h. */
#include "fetch/sum.h"

#include <errno.h>
#include <sha2.h>
#include <unistd.h>

int fetch_sum(int descriptor, const char *path, const struct fetch_watch *watch, long long *done, long long total,
              char sum[FETCH_SHA256_SIZE], struct error *error)
{
    uint8_t block[1 << 16];
    SHA2_CTX digest;
    off_t at = 0;
    ssize_t count;
    SHA256Init(&digest);
    while ((count = pread(descriptor, block, sizeof block, at)) != 0) {
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return file_failed(error, "read", path);
        SHA256Update(&digest, block, (size_t)count);
        at += count;
        *done += count;
        if (watch->progress(watch->context, "checking", *done, total))
            return 1;
    }
    SHA256End(&digest, sum);
    return 0;
}
