/* The safetensors framing: every rule of the format with a file that breaks it, conversions, the digest, and Python's
 * own reader on a file of ours. */
#include "fixture.h"

#include "sessions/safetensors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct error error;

/* A file of a header of any length field, its text, and so many bytes of data (0, 1, 2, ...). */
static const char *make_file(uint64_t length, const char *header, size_t data)
{
    const char *path = path_of("made.safetensors");
    size_t size = strlen(header);
    uint8_t *bytes = calloc(1, 8 + size + data);
    assert_non_null(bytes);
    memcpy(bytes, &length, 8);
    memcpy(bytes + 8, header, size);
    for (size_t i = 0; i < data; i++)
        bytes[8 + size + i] = (uint8_t)i;
    write_file(path, bytes, 8 + size + data);
    free(bytes);
    return path;
}

#define TENSOR(name, dtype, shape, begin, end)                                                                         \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" begin "," end "]}"

static void test_valid_files(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t data;
        int count;
    } cases[] = {
        {"{}", 0, 0},
        {"{}      ", 0, 0},
        {"{" TENSOR("a", "F32", "[2]", "0", "8") "}", 8, 1},
        {"{" TENSOR("b", "F32", "[1]", "4", "8") "," TENSOR("a", "F32", "[]", "0", "4") "}", 8, 2},
        {"{" TENSOR("a", "F32", "[0,9]", "0", "0") "," TENSOR("b", "U8", "[3]", "0", "3") "}", 3, 2},
        {"{" TENSOR("a", "U8", "[3]", "0", "3") "," TENSOR("b", "F32", "[0]", "3", "3") "}", 3, 2},
        {"{\"__metadata__\":{\"x\":\"y\"}," TENSOR("a", "BF16", "[1]", "0", "2") "}", 2, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct safetensors *file;
        const char *path = make_file(strlen(cases[i].header), cases[i].header, cases[i].data);
        assert_ok(safetensors_open(path, &file, &error), &error);
        assert_int_equal(safetensors_count(file), cases[i].count);
        assert_null(safetensors_find(file, "zz"));
        safetensors_close(file);
    }
}

static void test_broken_headers(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t data;
        const char *part;
    } cases[] = {
        {"", 0, "does not begin with {"},
        {" {}", 0, "does not begin with {"},
        {"[]", 0, "does not begin with {"},
        {"{", 0, "not valid JSON"},
        {"{} x", 0, "not valid JSON"},
        {"{\"a\":\"\xff\"}", 0, "not valid JSON"},
        {"{" TENSOR("a", "F32", "[1]", "0", "4") "," TENSOR("a", "F32", "[1]", "4", "8") "}", 8, "twice"},
        {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "twice"},
        {"{\"a\":3}", 0, "tensor a: wanted dtype"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "wanted dtype, shape and data_offsets"},
        {"{" TENSOR("a", "F33", "[1]", "0", "4") "}", 4, "unknown dtype"},
        {"{\"a\":{\"dtype\":32,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "unknown dtype"},
        {"{" TENSOR("a", "F32", "1", "0", "4") "}", 4, "shape is not a list"},
        {"{" TENSOR("a", "F32", "[1,1,1,1,1,1,1,1,1]", "0", "4") "}", 4, "at most 8"},
        {"{" TENSOR("a", "F32", "[-1]", "0", "4") "}", 4, "bad shape"},
        {"{" TENSOR("a", "F32", "[1.0]", "0", "4") "}", 4, "bad shape"},
        {"{" TENSOR("a", "F32", "[\"1\"]", "0", "4") "}", 4, "bad shape"},
        {"{" TENSOR("a", "F32", "[4294967296,4294967296]", "0", "0") "}", 0, "bad shape"},
        {"{" TENSOR("a", "F32", "[4611686018427387904]", "0", "0") "}", 0, "too large"},
        {"{" TENSOR("a", "F32", "[99999999999999999999]", "0", "0") "}", 0, "not valid JSON"},
        {"{" TENSOR("a", "F32", "[2]", "0", "4") "}", 4, "4 bytes where its shape and dtype need 8"},
        {"{" TENSOR("a", "F32", "[1]", "0", "8") "}", 8, "need 4"},
        {"{" TENSOR("a", "F32", "[1]", "-4", "0") "}", 4, "outside the file"},
        {"{" TENSOR("a", "F32", "[1]", "4", "0") "}", 4, "outside the file"},
        {"{" TENSOR("a", "F32", "[1]", "0", "4.0") "}", 4, "outside the file"},
        {"{" TENSOR("a", "F32", "[2]", "0", "8") "}", 7, "outside the file"},
        {"{" TENSOR("a", "F32", "[1]", "9223372036854775804", "9223372036854775807") "}", 4, "outside the file"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,4]}}", 4, "outside the file"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":{}}}", 4, "outside the file"},
        {"{" TENSOR("a", "F32", "[1]", "4", "8") "}", 8, "leaves a hole"},
        {"{" TENSOR("a", "F32", "[1]", "0", "4") "," TENSOR("b", "F32", "[1]", "8", "12") "}", 12, "hole"},
        {"{" TENSOR("a", "F32", "[2]", "0", "8") "," TENSOR("b", "F32", "[1]", "4", "8") "}", 8, "overlaps"},
        {"{" TENSOR("a", "F32", "[1]", "0", "4") "," TENSOR("b", "F32", "[1]", "0", "4") "}", 4, "overlaps"},
        {"{" TENSOR("a", "F32", "[2]", "0", "8") "," TENSOR("b", "F32", "[0]", "4", "4") "}", 8, "overlaps"},
        {"{" TENSOR("a", "F32", "[1]", "0", "4") "}", 5, "bytes behind the last tensor"},
        {"{}", 1, "bytes behind the last tensor"},
        {"{" TENSOR("", "F32", "[1]", "0", "4") "}", 4, "name is empty"},
        {"{" TENSOR("a\\n", "F32", "[1]", "0", "4") "}", 4, "control characters"},
        {"{\"__metadata__\":[]}", 0, "__metadata__ is not an object"},
        {"{\"__metadata__\":{\"a\":1}}", 0, "something else than texts"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct safetensors *file = NULL;
        const char *path = make_file(strlen(cases[i].header), cases[i].header, cases[i].data);
        assert_error(safetensors_open(path, &file, &error), &error, cases[i].part);
        assert_null(file);
    }
}

static void test_header_length(void **state)
{
    (void)state;
    struct safetensors *file;
    assert_error(safetensors_open(make_file(3, "{}", 0), &file, &error), &error, "cut off");
    assert_error(safetensors_open(make_file(UINT64_MAX, "{}", 0), &file, &error), &error, "not a safetensors file");
    assert_error(safetensors_open(make_file(100000001, "{}", 0), &file, &error), &error, "not a safetensors file");
    assert_error(safetensors_open(make_file(100000000, "{}", 0), &file, &error), &error, "cut off");
    write_file(path_of("short"), "1234567", 7);
    assert_error(safetensors_open(path_of("short"), &file, &error), &error, "too short");
    write_file(path_of("empty"), "", 0);
    assert_error(safetensors_open(path_of("empty"), &file, &error), &error, "empty");
    assert_error(safetensors_open(folder, &file, &error), &error, "not a file");
    assert_error(safetensors_open(path_of("none"), &file, &error), &error, "No such file");
}

/* Jansson's limit on nesting must hold: a header of brackets alone would otherwise eat the stack. */
static void test_deep_nesting(void **state)
{
    (void)state;
    enum { DEPTH = 1000000 };
    struct safetensors *file;
    char *header = malloc(DEPTH + 6);
    assert_non_null(header);
    memcpy(header, "{\"a\":", 5);
    memset(header + 5, '[', DEPTH);
    header[DEPTH + 5] = '\0';
    assert_error(safetensors_open(make_file(strlen(header), header, 0), &file, &error), &error, "not valid JSON");
    free(header);
}

static void test_conversions(void **state)
{
    (void)state;
    static const char header[] =
        "{" TENSOR("d", "F64", "[2]", "0", "16") "," TENSOR("f", "F32", "[2]", "16", "24") "," TENSOR(
            "h", "F16", "[4]", "24", "32") "," TENSOR("b", "BF16", "[2]", "32", "36") "," TENSOR("i", "I32", "[1]",
                                                                                                 "36", "40") "}";
    const double wide[] = {1.5, -1e300};
    const float single[] = {3.25f, -0.0f};
    const uint16_t half[] = {0x3c00, 0xc000, 0x0001, 0x7bff}, brain[] = {0x3f80, 0xc040};
    uint64_t length = strlen(header);
    uint8_t bytes[8 + sizeof header - 1 + 40] = {0};
    memcpy(bytes, &length, 8);
    memcpy(bytes + 8, header, length);
    memcpy(bytes + 8 + length, wide, 16);
    memcpy(bytes + 24 + length, single, 8);
    memcpy(bytes + 32 + length, half, 8);
    memcpy(bytes + 40 + length, brain, 4);
    write_file(path_of("types"), bytes, sizeof bytes);

    struct safetensors *file;
    float out[4];
    assert_ok(safetensors_open(path_of("types"), &file, &error), &error);
    assert_ok(tensor_read(safetensors_find(file, "d"), out, &error), &error);
    assert_true(out[0] == 1.5f && isinf(out[1]));
    assert_ok(tensor_read(safetensors_find(file, "f"), out, &error), &error);
    assert_true(out[0] == 3.25f && out[1] == 0 && signbit(out[1]));
    assert_ok(tensor_read(safetensors_find(file, "h"), out, &error), &error);
    assert_true(out[0] == 1 && out[1] == -2 && out[2] == 0x1p-24f && out[3] == 65504);
    assert_ok(tensor_read(safetensors_find(file, "b"), out, &error), &error);
    assert_true(out[0] == 1 && out[1] == -3);
    assert_error(tensor_read(safetensors_find(file, "i"), out, &error), &error, "tensor i: wanted F32");
    safetensors_close(file);
}

/* ---- Writing ---- */

static const struct tensor_shape shapes[] = {
    {"first", {2, 3}, 2}, {"scalar", {0}, 0}, {"\xc3\xa9\"\\", {1, 1, 2, 1}, 4}};
static const float values[] = {1, -2.5f, 3e-38f, 2e38f, 0, -0.0f, 7, 8, 9};

static void write_example(const char *path)
{
    const struct metadata metadata[] = {{"format", "pt"}, {"quoted", "a \"b\" \\ \n \xff"}};
    struct safetensors_writer *writer;
    assert_ok(safetensors_create(path, shapes, 3, metadata, 2, &writer, &error), &error);
    assert_ok(safetensors_write(writer, values, 6, &error), &error);
    assert_ok(safetensors_write(writer, values + 6, 1, &error), &error);
    assert_ok(safetensors_write(writer, values + 7, 2, &error), &error);
    assert_ok(safetensors_commit(writer, &error), &error);
}

static void test_what_is_written_is_read(void **state)
{
    (void)state;
    struct safetensors *file;
    float out[6];
    const char *path = path_of("written.safetensors");
    write_example(path);
    assert_ok(safetensors_open(path, &file, &error), &error);
    assert_ok(safetensors_verify(file, &error), &error);
    assert_int_equal(safetensors_count(file), 3);
    assert_string_equal(safetensors_metadata(file, "format"), "pt");
    assert_string_equal(safetensors_metadata(file, "quoted"), "a \"b\" \\ \n ?");
    assert_null(safetensors_metadata(file, "none"));
    for (int i = 0, at = 0; i < 3; i++) {
        const struct tensor *tensor = safetensors_find(file, shapes[i].name);
        assert_non_null(tensor);
        assert_int_equal(tensor->dim_count, shapes[i].dim_count);
        for (int k = 0; k < tensor->dim_count; k++)
            assert_int_equal(tensor->dims[k], shapes[i].dims[k]);
        assert_ok(tensor_read(tensor, out, &error), &error);
        assert_memory_equal(out, values + at, tensor->count * sizeof *out);
        at += (int)tensor->count;
    }
    safetensors_close(file);

    size_t size;
    uint64_t length;
    char *bytes = read_file(path, &size);
    memcpy(&length, bytes, 8);
    assert_int_equal(length % 8, 0);
    assert_int_equal(size, 8 + length + sizeof values);
    free(bytes);
}

/* Whatever single bit flips, the file is either refused or its digest does not fit. */
static void test_every_flipped_bit_is_found(void **state)
{
    (void)state;
    size_t size;
    const char *path = path_of("written.safetensors"), *damaged = path_of("flipped.safetensors");
    write_example(path);
    char *bytes = read_file(path, &size);
    for (size_t i = 0; i < size; i++) {
        struct safetensors *file;
        bytes[i] ^= (char)(1 << i % 8);
        write_file(damaged, bytes, size);
        bytes[i] ^= (char)(1 << i % 8);
        if (safetensors_open(damaged, &file, &error))
            continue;
        if (safetensors_verify(file, &error) == 0)
            fail_msg("the flipped bit in byte %zu of %zu was not found", i, size);
        safetensors_close(file);
    }
    for (size_t cut = 0; cut < size; cut++) {
        struct safetensors *file;
        write_file(damaged, bytes, cut);
        assert_int_equal(safetensors_open(damaged, &file, &error), -1);
    }
    free(bytes);
}

static void test_a_foreign_file_has_no_digest(void **state)
{
    (void)state;
    struct safetensors *file;
    assert_ok(safetensors_open(make_file(2, "{}", 0), &file, &error), &error);
    assert_error(safetensors_verify(file, &error), &error, "no checksum");
    safetensors_close(file);
}

static void test_writer_counts(void **state)
{
    (void)state;
    struct safetensors_writer *writer;
    const char *path = path_of("count.safetensors"), *temporary = path_of("count.safetensors.tmp");
    assert_ok(safetensors_create(path, shapes, 1, NULL, 0, &writer, &error), &error);
    assert_true(exists(temporary));
    assert_error(safetensors_write(writer, values, 7, &error), &error, "more values");
    assert_ok(safetensors_write(writer, values, 5, &error), &error);
    assert_error(safetensors_commit(writer, &error), &error, "fewer values");
    assert_false(exists(path) || exists(temporary));
    assert_error(safetensors_create(path_of("no/folder"), shapes, 1, NULL, 0, &writer, &error), &error, "No such file");
}

/* The disk is full at the first byte, as /dev/full plays it. */
static void test_full_disk(void **state)
{
    (void)state;
    struct safetensors_writer *writer;
    const char *path = path_of("full.safetensors"), *temporary = path_of("full.safetensors.tmp");
    assert_int_equal(symlink("/dev/full", temporary), 0);
    assert_error(safetensors_create(path, shapes, 3, NULL, 0, &writer, &error), &error, "No space left on device");
    assert_false(exists(path));
}

static void test_python_reads_it(void **state)
{
    (void)state;
    char command[1024];
    const char *path = path_of("python.safetensors");
    write_example(path);
    if (system("python3 -c 'import safetensors.numpy' 2>/dev/null")) {
        print_message("SKIPPED: Python's safetensors is not installed\n");
        skip();
    }
    snprintf(command, sizeof command,
             "python3 -c 'import sys; from safetensors.numpy import load_file\n"
             "t = load_file(sys.argv[1])\n"
             "assert t[\"first\"].shape == (2, 3) and t[\"first\"][0][1] == -2.5 and t[\"scalar\"].shape == ()\n"
             "assert len(t) == 3 and t[\"scalar\"] == 7' %s",
             path);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid_files),
        cmocka_unit_test(test_broken_headers),
        cmocka_unit_test(test_header_length),
        cmocka_unit_test(test_deep_nesting),
        cmocka_unit_test(test_conversions),
        cmocka_unit_test(test_what_is_written_is_read),
        cmocka_unit_test(test_every_flipped_bit_is_found),
        cmocka_unit_test(test_a_foreign_file_has_no_digest),
        cmocka_unit_test(test_writer_counts),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_python_reads_it),
    };
    return cmocka_run_group_tests(tests, folder_setup, folder_teardown);
}
