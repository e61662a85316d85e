/* Data sets on disk: what is accepted, and that each way to be wrong is named so that a person can act on it. The files
 * are sparse: they have the official sizes and cost no disk. */
#include "engine/data.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { RECORD_10 = 3073, RECORD_100 = 3074 };

static const char *const cifar10_files[] = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                                            "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin"};

struct fixture {
    char folder[64];
};

static char *in_folder(const struct fixture *fixture, const char *name)
{
    static char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", fixture->folder, name);
    return path;
}

static void make_file(const struct fixture *fixture, const char *name, off_t bytes)
{
    int descriptor = open(in_folder(fixture, name), O_CREAT | O_WRONLY | O_TRUNC, 0644);
    assert_true(descriptor >= 0);
    assert_int_equal(ftruncate(descriptor, bytes), 0);
    assert_int_equal(close(descriptor), 0);
}

static void write_at(const struct fixture *fixture, const char *name, off_t offset, const void *bytes, size_t length)
{
    int descriptor = open(in_folder(fixture, name), O_CREAT | O_WRONLY, 0644);
    assert_true(descriptor >= 0);
    assert_int_equal(pwrite(descriptor, bytes, length, offset), (ssize_t)length);
    assert_int_equal(close(descriptor), 0);
}

static void make_folder(const struct fixture *fixture, const char *name)
{
    assert_int_equal(mkdir(in_folder(fixture, name), 0755), 0);
}

/* The six files of CIFAR-10, all zero, in the fixture's folder or one below it ("x/"). */
static void make_cifar10(const struct fixture *fixture, const char *below)
{
    for (int f = 0; f < 6; f++) {
        char name[PATH_MAX];
        snprintf(name, sizeof name, "%s%s", below, cifar10_files[f]);
        make_file(fixture, name, 10000 * RECORD_10);
    }
}

static void make_cifar100(const struct fixture *fixture)
{
    make_file(fixture, "train.bin", 50000 * RECORD_100);
    make_file(fixture, "test.bin", 10000 * RECORD_100);
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    strcpy(fixture->folder, "/tmp/nfbench-data-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    assert_int_equal(chmod(fixture->folder, 0755), 0);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", fixture->folder);
    int code = system(command);
    free(fixture);
    return code;
}

static struct dataset *open_good(const char *where)
{
    struct dataset *dataset = NULL;
    struct error error = {""};
    if (dataset_open(where, &dataset, &error))
        fail_msg("%s", error.message);
    return dataset;
}

/* Opening must fail with a message that holds every one of the words (up to NULL). */
static void expect_words(const char *where, const char *const *words)
{
    struct dataset *dataset = NULL;
    struct error error = {""};
    assert_int_equal(dataset_open(where, &dataset, &error), -1);
    assert_null(dataset);
    for (; *words; words++)
        if (!strstr(error.message, *words))
            fail_msg("\"%s\" does not say \"%s\"", error.message, *words);
    assert_null(strchr(error.message, '\n'));
}
#define EXPECT_ERROR(where, ...) expect_words(where, (const char *const[]){__VA_ARGS__, NULL})

/* ---- What is accepted ---- */

static void test_cifar10_records_are_found_where_they_are(void **state)
{
    struct fixture *fixture = *state;
    uint8_t record[RECORD_10];
    make_cifar10(fixture, "");
    for (int i = 0; i < RECORD_10; i++)
        record[i] = (uint8_t)(i * 7);
    record[0] = 9;
    write_at(fixture, "data_batch_2.bin", 123 * RECORD_10, record, sizeof record);
    record[0] = 4;
    write_at(fixture, "test_batch.bin", 9999 * RECORD_10, record, sizeof record);

    struct dataset *dataset = open_good(fixture->folder);
    assert_string_equal(dataset_name(dataset), "CIFAR-10");
    assert_string_equal(dataset_location(dataset), fixture->folder);
    assert_int_equal(dataset_classes(dataset), 10);
    assert_int_equal(dataset_count(dataset, SPLIT_TRAIN), 50000);
    assert_int_equal(dataset_count(dataset, SPLIT_TEST), 10000);
    assert_int_equal(dataset_label(dataset, SPLIT_TRAIN, 10123), 9);
    assert_int_equal(dataset_label(dataset, SPLIT_TRAIN, 10122), 0);
    assert_memory_equal(dataset_image(dataset, SPLIT_TRAIN, 10123), record + 1, IMAGE_BYTES);
    assert_int_equal(dataset_label(dataset, SPLIT_TEST, 9999), 4);
    assert_memory_equal(dataset_image(dataset, SPLIT_TEST, 9999), record + 1, IMAGE_BYTES);
    assert_string_equal(dataset_class_name(dataset, 0), "airplane");
    assert_string_equal(dataset_class_name(dataset, 9), "truck");
    dataset_close(dataset);
}

static void test_cifar100_takes_the_fine_label(void **state)
{
    struct fixture *fixture = *state;
    uint8_t record[RECORD_100];
    make_cifar100(fixture);
    memset(record, 200, sizeof record);
    record[0] = 19;
    record[1] = 99;
    write_at(fixture, "train.bin", 49999 * (off_t)RECORD_100, record, sizeof record);

    struct dataset *dataset = open_good(fixture->folder);
    assert_string_equal(dataset_name(dataset), "CIFAR-100");
    assert_int_equal(dataset_classes(dataset), 100);
    assert_int_equal(dataset_count(dataset, SPLIT_TRAIN), 50000);
    assert_int_equal(dataset_count(dataset, SPLIT_TEST), 10000);
    assert_int_equal(dataset_label(dataset, SPLIT_TRAIN, 49999), 99);
    assert_memory_equal(dataset_image(dataset, SPLIT_TRAIN, 49999), record + 2, IMAGE_BYTES);
    assert_string_equal(dataset_class_name(dataset, 0), "apple");
    assert_string_equal(dataset_class_name(dataset, 99), "worm");
    dataset_close(dataset);
}

static void test_the_archives_own_folder_below_is_found(void **state)
{
    struct fixture *fixture = *state;
    make_folder(fixture, "cifar-10-batches-bin");
    make_cifar10(fixture, "cifar-10-batches-bin/");
    struct dataset *dataset = open_good(fixture->folder);
    assert_string_equal(dataset_location(dataset), in_folder(fixture, "cifar-10-batches-bin"));
    dataset_close(dataset);
}

static void test_names_come_from_the_folder_when_they_are_sound(void **state)
{
    struct fixture *fixture = *state;
    make_cifar10(fixture, "");
    const char *good = "a0\na1\r\na2\na3 \na4\na5\na6\na7\na8\na9\n\n";
    write_at(fixture, "batches.meta.txt", 0, good, strlen(good));
    struct dataset *dataset = open_good(fixture->folder);
    assert_string_equal(dataset_class_name(dataset, 1), "a1");
    assert_string_equal(dataset_class_name(dataset, 3), "a3");
    assert_string_equal(dataset_class_name(dataset, 9), "a9");
    dataset_close(dataset);

    static const char *const bad[] = {"a\nb\n", "a0\na1\na2\na3\na4\na5\na6\na7\na8\na9\na10\n",
                                      "a0\na1\na2\na3\na4\na5\na6\na7\na8\n\033[2J\n", "", "\n\n\n"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        make_file(fixture, "batches.meta.txt", 0);
        write_at(fixture, "batches.meta.txt", 0, bad[i], strlen(bad[i]));
        dataset = open_good(fixture->folder);
        assert_string_equal(dataset_class_name(dataset, 0), "airplane");
        assert_string_equal(dataset_class_name(dataset, 9), "truck");
        dataset_close(dataset);
    }
}

static void test_statistics_are_exact_over_the_images_asked_for(void **state)
{
    struct fixture *fixture = *state;
    uint8_t record[RECORD_10] = {0};
    make_cifar10(fixture, "");
    memset(record + 1, 255, IMAGE_PIXELS);                   /* red: one image 255, one 0 */
    memset(record + 1 + IMAGE_PIXELS, 51, IMAGE_PIXELS / 2); /* green: a quarter of all 0.2 */
    write_at(fixture, "data_batch_1.bin", RECORD_10, record, sizeof record);
    memset(record, 77, sizeof record);
    record[0] = 1;
    write_at(fixture, "data_batch_1.bin", 2 * RECORD_10, record, sizeof record); /* not counted */

    struct dataset *dataset = open_good(fixture->folder);
    struct channel_statistics statistics = dataset_statistics(dataset, 2);
    assert_float_equal(statistics.mean[0], 0.5, 1e-7);
    assert_float_equal(statistics.deviation[0], 0.5, 1e-7);
    assert_float_equal(statistics.mean[1], 0.05, 1e-7);
    assert_float_equal(statistics.deviation[1], sqrt(0.25 * 0.04 - 0.0025), 1e-7);
    assert_float_equal(statistics.mean[2], 0, 0);
    assert_float_equal(statistics.deviation[2], 0, 0);
    dataset_close(dataset);
}

/* ---- What is wrong ---- */

static void test_a_missing_batch_is_named(void **state)
{
    struct fixture *fixture = *state;
    make_cifar10(fixture, "");
    assert_int_equal(unlink(in_folder(fixture, "data_batch_4.bin")), 0);
    EXPECT_ERROR(fixture->folder, fixture->folder, "data_batch_4.bin", "CIFAR-10", "`nfbench fetch cifar10`");
    assert_int_equal(unlink(in_folder(fixture, "test_batch.bin")), 0);
    make_file(fixture, "data_batch_4.bin", 10000 * RECORD_10);
    EXPECT_ERROR(fixture->folder, "no test_batch.bin");
}

/* Some of the training files or none: there are no training images then. */
static void test_the_test_images_alone_can_be_opened(void **state)
{
    struct fixture *fixture = *state;
    struct error error;
    struct dataset *dataset;
    const uint8_t record[2] = {3, 200};
    make_cifar10(fixture, "");
    write_at(fixture, "test_batch.bin", 9999 * RECORD_10, record, sizeof record);
    for (int f = 0; f < 5; f += 4) {
        assert_int_equal(dataset_open_for_test(fixture->folder, &dataset, &error), 0);
        assert_int_equal(dataset_count(dataset, SPLIT_TRAIN), f == 0 ? 50000 : 0);
        assert_int_equal(dataset_count(dataset, SPLIT_TEST), 10000);
        assert_int_equal(dataset_label(dataset, SPLIT_TEST, 9999), 3);
        assert_int_equal(dataset_image(dataset, SPLIT_TEST, 9999)[0], 200);
        dataset_close(dataset);
        assert_int_equal(unlink(in_folder(fixture, cifar10_files[f])), 0);
    }
    assert_int_equal(unlink(in_folder(fixture, "test_batch.bin")), 0);
    assert_int_equal(dataset_open_for_test(fixture->folder, &dataset, &error), -1);
    assert_non_null(strstr(error.message, "no test_batch.bin"));
}

static void test_a_missing_test_file_of_cifar100_is_named(void **state)
{
    struct fixture *fixture = *state;
    make_file(fixture, "train.bin", 50000 * RECORD_100);
    EXPECT_ERROR(fixture->folder, "no test.bin", "CIFAR-100", "`nfbench fetch cifar100`");
}

static void test_a_wrong_size_is_told_with_both_sizes(void **state)
{
    struct fixture *fixture = *state;
    make_cifar10(fixture, "");
    make_file(fixture, "data_batch_3.bin", 10000 * RECORD_10 - 1);
    EXPECT_ERROR(fixture->folder, "data_batch_3.bin", "30729999", "30730000");
    make_file(fixture, "data_batch_3.bin", 9999 * RECORD_10); /* whole records, but too few */
    EXPECT_ERROR(fixture->folder, "data_batch_3.bin", "30726927");
    make_file(fixture, "data_batch_3.bin", 10001 * RECORD_10);
    EXPECT_ERROR(fixture->folder, "data_batch_3.bin", "30733073");
    make_file(fixture, "data_batch_3.bin", 0);
    EXPECT_ERROR(fixture->folder, "data_batch_3.bin is empty");
}

static void test_a_label_out_of_range_is_told_with_file_and_record(void **state)
{
    struct fixture *fixture = *state;
    const uint8_t ten = 10, twenty = 20, hundred = 100, zero = 0;
    make_cifar10(fixture, "");
    write_at(fixture, "data_batch_5.bin", 4321 * RECORD_10, &ten, 1);
    EXPECT_ERROR(fixture->folder, "data_batch_5.bin", "record 4321", "label 10", "0 to 9");
    for (int f = 0; f < 6; f++)
        assert_int_equal(unlink(in_folder(fixture, cifar10_files[f])), 0);

    make_cifar100(fixture);
    write_at(fixture, "test.bin", 7 * RECORD_100, &twenty, 1);
    EXPECT_ERROR(fixture->folder, "test.bin", "record 7", "coarse label 20", "0 to 19");
    write_at(fixture, "test.bin", 7 * RECORD_100, &zero, 1);
    write_at(fixture, "test.bin", 8 * RECORD_100 + 1, &hundred, 1);
    EXPECT_ERROR(fixture->folder, "test.bin", "record 8", "fine label 100", "0 to 99");
}

static void test_a_folder_with_nothing_says_what_was_looked_for(void **state)
{
    struct fixture *fixture = *state;
    EXPECT_ERROR(fixture->folder, fixture->folder, "data_batch_1.bin", "train.bin", "cifar-100-binary",
                 "--data synthetic", "`nfbench fetch cifar10`");
    make_file(fixture, "data_batch_1", 10);
    EXPECT_ERROR(fixture->folder, "Python version", "binary version");
}

static void test_what_is_no_folder_is_told_apart(void **state)
{
    struct fixture *fixture = *state;
    make_file(fixture, "cifar-10-binary.tar.gz", 100);
    EXPECT_ERROR(in_folder(fixture, "cifar-10-binary.tar.gz"), "cifar-10-binary.tar.gz", "not a folder");
    EXPECT_ERROR(in_folder(fixture, "nowhere"), "nowhere", strerror(ENOENT), "`nfbench fetch cifar10`",
                 "--data synthetic");
    EXPECT_ERROR("", "no data folder");
    make_cifar10(fixture, "");
    assert_int_equal(unlink(in_folder(fixture, "data_batch_1.bin")), 0);
    make_folder(fixture, "data_batch_1.bin");
    EXPECT_ERROR(fixture->folder, "data_batch_1.bin", "not a regular file");
}

static void test_no_permission_is_told(void **state)
{
    struct fixture *fixture = *state;
    uid_t user = geteuid();
    make_cifar10(fixture, "");
    assert_int_equal(chmod(in_folder(fixture, "data_batch_2.bin"), 0), 0);
    if (user == 0) /* the superuser may read everything: be someone else meanwhile */
        assert_int_equal(seteuid(65534), 0);
    EXPECT_ERROR(fixture->folder, "data_batch_2.bin", strerror(EACCES));
    assert_int_equal(seteuid(user), 0);
    assert_int_equal(chmod(fixture->folder, 0), 0);
    if (user == 0)
        assert_int_equal(seteuid(65534), 0);
    EXPECT_ERROR(fixture->folder, fixture->folder, strerror(EACCES));
    assert_int_equal(seteuid(user), 0);
    assert_int_equal(chmod(fixture->folder, 0755), 0);
}

/* ---- Real images ---- */

static void test_real_images_open_and_have_the_known_statistics(void **state)
{
    (void)state;
    const char *folder = getenv("NFBENCH_CIFAR10");
    if (!folder) {
        print_message("NFBENCH_CIFAR10 is not set: no real images to test with\n");
        skip();
    }
    struct dataset *dataset = open_good(folder);
    int count[10] = {0};
    for (int i = 0; i < 10000; i++)
        count[dataset_label(dataset, SPLIT_TEST, i)]++;
    for (int c = 0; c < 10; c++)
        assert_int_equal(count[c], 1000);
    struct channel_statistics statistics = dataset_statistics(dataset, 50000);
    static const double mean[3] = {0.4914, 0.4822, 0.4465}, deviation[3] = {0.2470, 0.2435, 0.2616};
    for (int c = 0; c < 3; c++) { /* well known; the JPEG copy differs a little */
        assert_float_equal(statistics.mean[c], mean[c], 0.003);
        assert_float_equal(statistics.deviation[c], deviation[c], 0.006);
    }
    dataset_close(dataset);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_cifar10_records_are_found_where_they_are),
        TEST(test_cifar100_takes_the_fine_label),
        TEST(test_the_archives_own_folder_below_is_found),
        TEST(test_names_come_from_the_folder_when_they_are_sound),
        TEST(test_statistics_are_exact_over_the_images_asked_for),
        TEST(test_a_missing_batch_is_named),
        TEST(test_the_test_images_alone_can_be_opened),
        TEST(test_a_missing_test_file_of_cifar100_is_named),
        TEST(test_a_wrong_size_is_told_with_both_sizes),
        TEST(test_a_label_out_of_range_is_told_with_file_and_record),
        TEST(test_a_folder_with_nothing_says_what_was_looked_for),
        TEST(test_what_is_no_folder_is_told_apart),
        TEST(test_no_permission_is_told),
        cmocka_unit_test(test_real_images_open_and_have_the_known_statistics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
