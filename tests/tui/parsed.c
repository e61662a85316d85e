/* See parsed.h. */
#include "tests/tui/parsed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

struct action parsed(const char *line)
{
    struct action action;
    struct error error = {""};

    if (command_parse(line, &action, &error))
        fail_msg("'%s': %s", line, error.message);
    return action;
}

void refused(const char *line, const char *with)
{
    struct action action;
    struct error error = {""};

    assert_int_equal(command_parse(line, &action, &error), -1);
    if (!strstr(error.message, with))
        fail_msg("'%s': '%s' lacks '%s'", line, error.message, with);
}
