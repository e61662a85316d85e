/* See tuned.h. */
#include "tests/tui/tuned.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

json_t *tune_shown(const char *name)
{
    return last_json(run_expecting(0, "tune --show %s --json", name));
}

const json_t *tune_trial(const json_t *tune, size_t index)
{
    const json_t *trial = json_array_get(json_object_get(tune, "trials"), index);
    assert_non_null(trial);
    return trial;
}

int tune_in_state(const json_t *tune, const char *state)
{
    int count = 0;
    for (size_t i = 0; i < json_array_size(json_object_get(tune, "trials")); i++)
        count += strcmp(json_text_at(tune_trial(tune, i), "state"), state) == 0;
    return count;
}

const char *tune_file(const char *name)
{
    static char content[1 << 16];
    FILE *file = fopen(process_path(name), "r");
    assert_non_null(file);
    content[fread(content, 1, sizeof content - 1, file)] = '\0';
    fclose(file);
    return content;
}

int tune_times_in(const char *text, const char *words)
{
    int count = 0;
    for (; (text = strstr(text, words)); text++)
        count++;
    return count;
}

struct stat tune_stat(const char *name)
{
    struct stat status;
    assert_int_equal(stat(process_path(name), &status), 0);
    return status;
}
