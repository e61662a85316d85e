/* See wake.h. */
#include "base/wake.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

int wake_open(struct error *error)
{
    const int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    return wake < 0 ? error_set(error, "cannot make an eventfd: %s", strerror(errno)) : wake;
}

void wake_send(int wake)
{
    const uint64_t one = 1;

    while (write(wake, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
}

void wake_take(int wake)
{
    uint64_t count;

    while (read(wake, &count, sizeof(count)) < 0 && errno == EINTR)
        ;
}
