/* See tiny.h. */
#include "tests/fetch/tiny.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

char tiny_one[TINY_ONE], tiny_two[TINY_TWO];
const char tiny_names[] = "apple\nball\ncherry\n";

const struct packed tiny_entries[TINY_ENTRIES] = {
    {.path = "tiny-set/one.bin", .bytes = tiny_one, .size = TINY_ONE},
    {.path = "tiny-set/names.txt", .bytes = tiny_names, .size = TINY_NAMES},
    {.path = "tiny-set/two.bin", .bytes = tiny_two, .size = TINY_TWO},
};

/* Knuth's linear congruential generator (MMIX). */
static void fill(char *bytes, size_t size, uint64_t seed)
{
    for (size_t i = 1; i < size; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        bytes[i] = (char)(seed >> 56);
    }
    bytes[0] = 7;
}

void tiny_fill(void)
{
    fill(tiny_one, sizeof tiny_one, 1);
    fill(tiny_two, sizeof tiny_two, 2);
}

static int check_file(const char *folder, const char *name, long long size, struct error *error)
{
    char path[FILE_PATH_SIZE];
    struct stat status;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    const int first = file ? fgetc(file) : EOF;
    if (file)
        fclose(file);
    if (stat(path, &status) == 0 && status.st_size == size && first >= 0 && first < 10)
        return 0;
    return error_set(error, "%s is no good", path);
}

static int check(const char *folder, struct error *error)
{
    return check_file(folder, "one.bin", TINY_ONE, error) || check_file(folder, "two.bin", TINY_TWO, error) ? -1 : 0;
}

struct fetch_set tiny_set(void)
{
    return (struct fetch_set){.word = "tiny",
                              .name = "TINY-2",
                              .folder = "tiny-set",
                              .file_count = 3,
                              .files = {{.name = "one.bin", .size = TINY_ONE},
                                        {.name = "two.bin", .size = TINY_TWO},
                                        {.name = "names.txt", .size = 100, .beside = true}},
                              .check = check};
}

void assert_bytes(const char *path, const char *bytes, size_t size)
{
    static char found[TINY_ONE + 1];
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fread(found, 1, sizeof found, file), size);
    fclose(file);
    assert_memory_equal(found, bytes, size);
}
