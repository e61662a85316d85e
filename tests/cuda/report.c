/* Faults of the emulated GPU in a child process; see report.h. */
#include "tests/cuda/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

bool report_survives(void (*body)(void *data), void *data, char *text, size_t size)
{
    int ends[2], status;
    fflush(stdout);
    assert_int_equal(pipe(ends), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        body(data);
        _exit(0);
    }
    close(ends[1]);
    size_t length = 0;
    char rest[512] = {0};
    for (;;) {
        const bool fits = length + 1 < size;
        const ssize_t got = read(ends[0], fits ? text + length : rest, fits ? size - 1 - length : sizeof rest);
        if (got <= 0)
            break;
        length += fits ? (size_t)got : 0;
    }
    text[length] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void report_expect(void (*body)(void *data), void *data, const char *const *words)
{
    char text[8192];
    if (report_survives(body, data, text, sizeof text))
        fail_msg("nothing was reported, \"%s\" was expected", words[0]);
    for (; *words; words++)
        if (!strstr(text, *words))
            fail_msg("\"%s\" is not in: %s", *words, text);
}
