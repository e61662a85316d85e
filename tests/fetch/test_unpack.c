/* Unpacking: the files of a set come out of whatever they are packed in, and nothing else comes out of anything. */
#include "fetch/unpack.h"

#include "tests/fetch/tiny.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <sha2.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64]; /* with out/, where it is unpacked to, and secret, which nothing may touch */

static const char *path_of(const char *name)
{
    static char paths[4][256];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof *paths, "%s/%s", folder, name);
    return path;
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status, (void)type, (void)walk;
    return remove(path);
}

static int set_up(void **state)
{
    (void)state;
    tiny_fill();
    strcpy(folder, "/tmp/nfbench-unpack-XXXXXX");
    if (!mkdtemp(folder) || mkdir(path_of("out"), 0777))
        return -1;
    write_text(path_of("secret"), "secret");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static bool go_on(void *context, const char *doing, long long done, long long total)
{
    (void)context;
    assert_string_equal(doing, "unpacking");
    assert_in_range(done, 0, total + 200);
    return false;
}

static bool give_up(void *context, const char *doing, long long done, long long total)
{
    (void)context, (void)doing, (void)total;
    return done > 0;
}

static unpack_sums sums;
static struct error error;

static enum unpack_end unpack_watched(const char *bytes, size_t size,
                                      bool (*progress)(void *, const char *, long long, long long))
{
    const struct fetch_watch watch = {.progress = progress};
    const struct fetch_set other = {.name = "LARGE-3", .file_count = 1, .files = {{.name = "large.bin"}}};
    struct fetch_set set = tiny_set();
    const int archive = memfd_create("archive", MFD_CLOEXEC);
    assert_true(archive >= 0);
    assert_int_equal(write(archive, bytes, size), (ssize_t)size);
    const int out = open(path_of("out"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(out >= 0);
    error.message[0] = '\0';
    set.other = &other;
    const enum unpack_end result = unpack(archive, &set, out, &watch, sums, &error);
    close(out);
    close(archive);
    return result;
}

static enum unpack_end unpack_bytes(const char *bytes, size_t size)
{
    return unpack_watched(bytes, size, go_on);
}

/* Whatever was unpacked: only regular files of the set are there, and nothing beside the folder is other than it was.
 */
static void assert_nothing_else(void)
{
    DIR *out = opendir(path_of("out")), *above = opendir(folder);
    const struct dirent *entry;
    assert_true(out && above);
    while ((entry = readdir(out))) {
        struct stat status;
        if (entry->d_name[0] == '.')
            continue;
        assert_true(strcmp(entry->d_name, "one.bin") == 0 || strcmp(entry->d_name, "two.bin") == 0 ||
                    strcmp(entry->d_name, "names.txt") == 0);
        assert_int_equal(fstatat(dirfd(out), entry->d_name, &status, AT_SYMLINK_NOFOLLOW), 0);
        assert_true(S_ISREG(status.st_mode) && status.st_nlink == 1 && status.st_size <= TINY_ONE);
    }
    while ((entry = readdir(above)))
        assert_true(entry->d_name[0] == '.' || strcmp(entry->d_name, "out") == 0 ||
                    strcmp(entry->d_name, "secret") == 0);
    closedir(out);
    closedir(above);
    assert_bytes(path_of("secret"), "secret", 6);
}

static void empty_out(void)
{
    assert_int_equal(nftw(path_of("out"), remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
    assert_int_equal(mkdir(path_of("out"), 0777), 0);
}

static void assert_unpacked(const char *bytes, size_t size)
{
    char sum[FETCH_SHA256_SIZE];
    if (unpack_bytes(bytes, size) != UNPACK_DONE)
        fail_msg("%s", error.message);
    assert_nothing_else();
    assert_bytes(path_of("out/one.bin"), tiny_one, TINY_ONE);
    assert_bytes(path_of("out/two.bin"), tiny_two, TINY_TWO);
    SHA256Data((const uint8_t *)tiny_two, TINY_TWO, sum);
    assert_string_equal(sums[1], sum);
    empty_out();
}

/* Refused, in one line that has the words. */
static void assert_refused(const char *words, const char *bytes, size_t size)
{
    if (unpack_bytes(bytes, size) != UNPACK_REFUSED)
        fail_msg("not refused: %s", words);
    if (!strstr(error.message, words))
        fail_msg("\"%s\" does not say \"%s\"", error.message, words);
    for (const char *at = error.message; *at; at++)
        assert_in_range((unsigned char)*at, ' ', '~');
    assert_nothing_else();
    empty_out();
}

static void assert_tar_refused(const char *words, const struct packed *entries, int count)
{
    size_t size;
    char *tar = pack_tar_gz(entries, count, &size);
    assert_refused(words, tar, size);
    free(tar);
}

/* ---- What comes out ---- */

static void the_files_come_out_whatever_they_are_packed_in(void **state)
{
    static const char *const filters[] = {"gzip", "bzip2", "xz"};
    size_t plain, size;
    char *tar = pack_tar(tiny_entries, TINY_ENTRIES, &plain);
    (void)state;
    assert_unpacked(tar, plain);
    for (int i = 0; i < 3; i++) {
        char *packed = pack_filter(filters[i], tar, plain, &size);
        assert_unpacked(packed, size);
        free(packed);
    }
    free(tar);
    char *zip = pack_zip(tiny_entries, TINY_ENTRIES, &size);
    assert_unpacked(zip, size);
    free(zip);
}

/* By their last part: at the top, in folders of any name, in another order, beside other files. */
static void paths_only_choose_among_the_names(void **state)
{
    static const struct packed entries[] = {
        {.path = "./", .type = '5'},
        {.path = "two.bin", .bytes = tiny_two, .size = TINY_TWO},
        {.path = "./some/where/", .type = '5'},
        {.path = "some/where/readme.html", .size = 5000},
        {.path = "some/where/one.bin", .bytes = tiny_one, .size = TINY_ONE},
        {.path = "some/where/..one.bin", .size = 10},
    };
    size_t size;
    char *tar = pack_tar(entries, 6, &size);
    (void)state;
    assert_unpacked(tar, size); /* and without what is beside: */
    assert_string_equal(sums[2], "");
    free(tar);
}

/* ---- What does not ---- */

#define HONEST                                                                                                         \
    {.path = "one.bin", .bytes = tiny_one, .size = TINY_ONE},                                                          \
    {                                                                                                                  \
        .path = "two.bin", .bytes = tiny_two, .size = TINY_TWO                                                         \
    }
/* An archive that has all, and one entry more. */
#define REFUSED(words, ...)                                                                                            \
    assert_tar_refused(words, (const struct packed[]){HONEST, {__VA_ARGS__}}, 3);                                      \
    assert_tar_refused(words, (const struct packed[]){{__VA_ARGS__}, HONEST}, 3)

static void paths_that_lead_out_are_refused(void **state)
{
    (void)state;
    REFUSED("leads out of its folder: ../secret", .path = "../secret", .size = 10);
    REFUSED("leads out of its folder: a/../../one.bin", .path = "a/../../one.bin", .bytes = tiny_one, .size = TINY_ONE);
    REFUSED("leads out of its folder: /tmp/one.bin", .path = "/tmp/one.bin", .bytes = tiny_one, .size = TINY_ONE);
    REFUSED("leads out of its folder", .path = "..", .type = '5');
    REFUSED("leads out of its folder: /e?[31mtc", .path = "/e\033[31mtc", .size = 10);
}

static void what_is_no_file_is_refused(void **state)
{
    (void)state;
    REFUSED("has a link: names.txt", .path = "names.txt", .type = '2', .link = "../secret");
    REFUSED("has a link: names.txt", .path = "names.txt", .type = '1', .link = "../secret");
    REFUSED("has a link: names.txt", .path = "names.txt", .type = '1', .link = "one.bin");
    REFUSED("has a link: elsewhere", .path = "elsewhere", .type = '2', .link = "/etc");
    REFUSED("names.txt in the archive is no regular file", .path = "names.txt", .type = '3');
    REFUSED("names.txt in the archive is no regular file", .path = "names.txt", .type = '6');
    REFUSED("pipe in the archive is no regular file", .path = "pipe", .type = '6');
    const struct packed folder_of_that_name[] = {{.path = "one.bin", .type = '5'}, tiny_entries[2]};
    assert_tar_refused("has no one.bin", folder_of_that_name, 2);
    /* in the place of the file that is written through it next */
    const struct packed through[] = {{.path = "one.bin", .type = '2', .link = "../secret"}, HONEST};
    assert_tar_refused("has a link: one.bin", through, 3);
}

static void sizes_are_those_of_the_set(void **state)
{
    (void)state;
    const struct packed fewer[] = {{.path = "one.bin", .bytes = tiny_one, .size = TINY_ONE - 1}};
    assert_tar_refused("one.bin in the archive has 199999 bytes, not 200000", fewer, 1);
    const struct packed more[] = {{.path = "two.bin", .bytes = tiny_one, .size = TINY_TWO + 1}};
    assert_tar_refused("two.bin in the archive has 9001 bytes, not 9000", more, 1);
    const struct packed huge[] = {{.path = "two.bin", .bytes = tiny_one, .size = 1000, .told = "77777777777"}};
    assert_tar_refused("two.bin in the archive has 8589934591 bytes", huge, 1);
    REFUSED("names.txt in the archive has 101 bytes, not at most 100", .path = "names.txt", .size = 101);
    REFUSED("much more than the files of TINY-2: film", .path = "film", .size = 1000, .told = "77777777777");
    const struct packed lost[] = {{.path = "one.bin", .bytes = tiny_one, .size = TINY_ONE},
                                  {.path = "two.bin", .bytes = tiny_two, .size = 1000, .told = "21450"}}; /* 9000 */
    assert_tar_refused("damaged", lost, 2);
}

/* A zip may have sizes behind the bytes, and without its list of files nobody knows them before. */
static void assert_untold_refused(const char *words, const struct packed *entries, int count)
{
    size_t size;
    char *zip = pack_zip(entries, count, &size), *list = memmem(zip, size, "PK\1\2", 4);
    assert_non_null(list);
    assert_refused(words, zip, (size_t)(list - zip));
    free(zip);
}

static void sizes_that_are_not_told_count_as_well(void **state)
{
    (void)state;
    char *zeros = calloc(1, 20 << 20);
    assert_non_null(zeros);
    const struct packed fewer = {.path = "one.bin", .bytes = zeros, .size = TINY_ONE - 1, .told = ""};
    assert_untold_refused("one.bin in the archive has fewer bytes, not 200000", &fewer, 1);
    const struct packed more = {.path = "one.bin", .bytes = zeros, .size = TINY_ONE + 1, .told = ""};
    assert_untold_refused("one.bin in the archive has more bytes, not 200000", &more, 1);
    const struct packed film = {.path = "film", .bytes = zeros, .size = 20 << 20, .told = ""};
    assert_untold_refused("much more than the files of TINY-2: film", &film, 1);
    free(zeros);
}

/* 20 MB of zeros in 20 kB, in files each of which would do. */
static void what_swells_is_refused(void **state)
{
    (void)state;
    static struct packed entries[22] = {HONEST};
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j",
                                        "k", "l", "m", "n", "o", "p", "q", "r", "s", "t"};
    for (int i = 0; i < 20; i++)
        entries[2 + i] = (struct packed){.path = names[i], .size = 1 << 20};
    assert_tar_refused("much more than the files of TINY-2: q", entries, 22);
}

static void crowds_are_refused(void **state)
{
    (void)state;
    static struct packed entries[120];
    for (int i = 0; i < 120; i++)
        entries[i] = (struct packed){.path = "folder/", .type = '5'};
    assert_tar_refused("more than 100 entries", entries, 120);
}

static void each_file_comes_once(void **state)
{
    (void)state;
    REFUSED("has one.bin twice", .path = "b/one.bin", .bytes = tiny_one, .size = TINY_ONE);
    assert_tar_refused("has no one.bin: it is not one of TINY-2", &tiny_entries[1], 2);
    assert_tar_refused("has no two.bin", tiny_entries, 2);
    REFUSED("the archive is one of LARGE-3, not of TINY-2", .path = "large-3/large.bin", .size = 1000);
}

static void what_is_no_archive_is_refused(void **state)
{
    static const char listing[] = "#mtree\n./one.bin type=file size=200000 contents=/etc/passwd\n";
    size_t size;
    char *tar = pack_tar_gz(tiny_entries, TINY_ENTRIES, &size);
    (void)state;
    assert_refused("damaged, or of a kind that is not known", tiny_one, TINY_ONE);
    assert_refused("", "", 0);
    assert_refused("damaged, or of a kind that is not known", listing, sizeof listing - 1); /* reads other files */
    assert_refused("the archive is cut short or damaged (libarchive: ", tar, size / 2);
    free(tar);
}

static void who_gives_up_is_heard(void **state)
{
    size_t size;
    char *tar = pack_tar(tiny_entries, TINY_ENTRIES, &size);
    (void)state;
    assert_int_equal(unpack_watched(tar, size, give_up), UNPACK_STOPPED);
    assert_nothing_else();
    free(tar);
}

/* Archives with some bytes changed: whatever they have become, nothing but the set's files comes out. In full by
 * `make faults`. */
static void random_damage_does_no_harm(void **state)
{
    const char *asked = getenv("NFBENCH_FAULTS");
    const int count = asked && strcmp(asked, "all") == 0 ? 20000 : 30;
    static const struct packed small[] = {{.path = "tiny-set/one.bin", .size = TINY_ONE},
                                          {.path = "tiny-set/two.bin", .size = TINY_TWO}};
    static char zeros[TINY_ONE];
    const struct packed zipped[] = {{.path = "one.bin", .bytes = zeros, .size = TINY_ONE},
                                    {.path = "two.bin", .bytes = zeros, .size = TINY_TWO}};
    size_t sizes[3];
    char *archives[3] = {pack_tar(small, 2, &sizes[0]), pack_tar_gz(small, 2, &sizes[1]),
                         pack_zip(zipped, 2, &sizes[2])};
    unsigned seed = 1;
    (void)state;
    for (int i = 0; i < count; i++) {
        const int kind = i % 3;
        char *bytes = malloc(sizes[kind]);
        assert_non_null(bytes);
        memcpy(bytes, archives[kind], sizes[kind]);
        const int changes = 1 + rand_r(&seed) % 8;
        for (int c = 0; c < changes; c++) /* of a tar mostly the first header: the rest is zeros */
            bytes[(unsigned)rand_r(&seed) % (rand_r(&seed) % 4 && sizes[kind] > 1024 ? 1024 : sizes[kind])] =
                (char)rand_r(&seed);
        (void)unpack_bytes(bytes, rand_r(&seed) % 8 ? sizes[kind] : (unsigned)rand_r(&seed) % sizes[kind]);
        assert_nothing_else();
        empty_out();
        free(bytes);
    }
    for (int i = 0; i < 3; i++)
        free(archives[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_files_come_out_whatever_they_are_packed_in),
        cmocka_unit_test(paths_only_choose_among_the_names),
        cmocka_unit_test(paths_that_lead_out_are_refused),
        cmocka_unit_test(what_is_no_file_is_refused),
        cmocka_unit_test(sizes_are_those_of_the_set),
        cmocka_unit_test(sizes_that_are_not_told_count_as_well),
        cmocka_unit_test(what_swells_is_refused),
        cmocka_unit_test(crowds_are_refused),
        cmocka_unit_test(each_file_comes_once),
        cmocka_unit_test(what_is_no_archive_is_refused),
        cmocka_unit_test(who_gives_up_is_heard),
        cmocka_unit_test(random_damage_does_no_harm),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
