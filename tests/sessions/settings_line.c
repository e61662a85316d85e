/* See settings_line.h. */
#include "settings_line.h"

#include <stdio.h>
#include <string.h>

struct settings default_settings(void)
{
    struct error error = {""};
    struct settings settings;
    assert_ok(settings_default(&settings, &error), &error);
    return settings;
}

int parse_line(struct settings *settings, enum settings_base base, const char *line, struct error *error)
{
    char copy[512], *words[64] = {"nfbench"}, *rest = copy;
    int count = 1, first;
    snprintf(copy, sizeof copy, "%s", line);
    while (count < 64 && (words[count] = strtok_r(rest, " ", &rest)))
        count++;
    memset(error, 0, sizeof *error);
    return settings_parse(settings, base, count, words, &first, error);
}
