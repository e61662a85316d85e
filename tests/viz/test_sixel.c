/* Pictures for terminals, decoded again: the pixels are the picture's, all of them and each once, in the size asked
 * for.
 */
#include "tests/support/pictures.h"
#include "tests/viz/viz_test.h"

#include "viz/sixel.h"

enum { SIDE = 32, BYTES = SIDE * SIDE * 3 };

struct written {
    char *bytes;
    size_t count;
    FILE *file;
};

static void open_written(struct written *written)
{
    *written = (struct written){NULL, 0, NULL};
    written->file = open_memstream(&written->bytes, &written->count);
    assert_non_null(written->file);
}

/* Between the introducer (2 or 3 bytes) and the terminator. */
static struct sixel_picture decode_sixels(struct written *written)
{
    struct sixel_picture picture;
    assert_int_equal(fclose(written->file), 0);
    assert_memory_equal(written->bytes, "\033P", 2);
    assert_memory_equal(written->bytes + written->count - 2, "\033\\", 2);
    assert_true(sixel_decode(written->bytes + 2, written->count - 4, &picture));
    free(written->bytes);
    return picture;
}

static struct sixel_picture sixels_of(const uint8_t *rgb, int source_width, int source_height, int width, int height)
{
    struct written written;
    struct error error = {""};
    open_written(&written);
    assert_int_equal(sixel_write(written.file, rgb, source_width, source_height, width, height, &error), 0);
    return decode_sixels(&written);
}

/* Of few colours each is kept, up to the hundred steps that sixels have. */
static void test_few_colors_are_exact(void **state)
{
    (void)state;
    static const int sizes[][2] = {{32, 32}, {64, 64}, {160, 160}, {37, 20}, {7, 5}, {1, 1}, {160, 163}};
    uint8_t rgb[BYTES];
    for (int i = 0; i < SIDE * SIDE; i++)
        for (int c = 0; c < 3; c++)
            rgb[3 * i + c] = (uint8_t)((i / 3 % 17 * 15 + c * 40 * (i % 3)) % 256);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        const int width = sizes[s][0], height = sizes[s][1];
        struct sixel_picture picture = sixels_of(rgb, SIDE, SIDE, width, height);
        assert_int_equal(picture.width, width);
        assert_int_equal(picture.height, height);
        assert_int_equal(picture.painted, width * height); /* each once */
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++)
                for (int c = 0; c < 3; c++) {
                    const int is = picture.rgb[3 * (y * width + x) + c];
                    const int was = rgb[3 * (y * SIDE / height * SIDE + x * SIDE / width) + c];
                    assert_true(abs(is - was) <= 2);
                }
        free(picture.rgb);
    }
}

/* A picture of 1,024 colours in 256 of its own choice: each is near. A cube of 6 x 7 x 6 would miss by up to 25. */
static void test_many_colors_are_near(void **state)
{
    (void)state;
    uint8_t rgb[BYTES];
    double sum = 0;
    int worst = 0;
    uint64_t random = 7;
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            uint8_t *pixel = rgb + 3 * (y * SIDE + x);
            pixel[0] = (uint8_t)(x * 8);
            pixel[1] = (uint8_t)(y * 8);
            pixel[2] = (uint8_t)(128 + 20 * random_part(&random));
        }
    struct sixel_picture picture = sixels_of(rgb, SIDE, SIDE, SIDE, SIDE);
    assert_int_equal(picture.colors, 256);
    for (int i = 0; i < BYTES; i++) {
        const int miss = abs(picture.rgb[i] - rgb[i]);
        sum += miss;
        worst = miss > worst ? miss : worst;
    }
    assert_true(sum / BYTES < 5);
    assert_true(worst <= 24);
    free(picture.rgb);
}

static void test_one_color_is_one_color(void **state)
{
    (void)state;
    uint8_t rgb[BYTES];
    memset(rgb, 200, sizeof rgb);
    struct sixel_picture picture = sixels_of(rgb, SIDE, SIDE, 40, 40);
    assert_int_equal(picture.colors, 1);
    assert_int_equal(picture.painted, 1600);
    free(picture.rgb);
}

/* The commands' payloads one after the other; what the first says of them is in `first`. */
static uint8_t *decode_kitty(struct written *written, struct kitty_command *first, size_t *size)
{
    uint8_t *all = NULL;
    *size = 0;
    assert_int_equal(fclose(written->file), 0);
    for (const char *at = written->bytes; at < written->bytes + written->count;) {
        const char *end = strstr(at, "\033\\");
        struct kitty_command command;
        assert_memory_equal(at, "\033_G", 3);
        assert_non_null(end);
        assert_true(kitty_decode(at + 3, (size_t)(end - at - 3), &command));
        assert_true((size_t)(end - at) <= 4096 + 100);
        if (at == written->bytes)
            *first = command;
        assert_int_equal(command.more, end + 2 < written->bytes + written->count);
        uint8_t *larger = realloc(all, *size + command.size + 1);
        assert_non_null(larger);
        all = larger;
        memcpy(all + *size, command.payload, command.size);
        *size += command.size;
        free(command.payload);
        at = end + 2;
    }
    free(written->bytes);
    return all;
}

static void test_kitty_gets_the_bytes(void **state)
{
    (void)state;
    static const int sides[] = {32, 40, 100, 3, 5, 23};
    for (size_t s = 0; s < sizeof sides / sizeof *sides; s++) {
        const int side = sides[s], factor = side < 24 ? (24 + side - 1) / side : 1, large = side * factor;
        uint8_t *rgb = malloc((size_t)(side * side * 3));
        struct written written;
        struct kitty_command first;
        struct error error = {""};
        size_t size;
        assert_non_null(rgb);
        for (int i = 0; i < side * side * 3; i++)
            rgb[i] = (uint8_t)(i * 7 + i / 256);
        open_written(&written);
        assert_int_equal(kitty_write(written.file, 17, rgb, side, side, 16, 8, &error), 0);
        uint8_t *sent = decode_kitty(&written, &first, &size);
        assert_int_equal(first.action, 'T');
        assert_int_equal(first.id, 17);
        assert_int_equal(first.width, large);
        assert_int_equal(first.height, large);
        assert_int_equal(first.columns, 16);
        assert_int_equal(first.rows, 8);
        assert_int_equal(size, large * large * 3);
        for (int y = 0; y < large; y++)
            for (int x = 0; x < large; x++)
                assert_memory_equal(sent + 3 * (y * large + x), rgb + 3 * (y / factor * side + x / factor), 3);
        free(sent);
        free(rgb);
    }
}

static void test_kitty_takes_one_away(void **state)
{
    (void)state;
    struct written written;
    struct kitty_command command;
    open_written(&written);
    kitty_delete(written.file, 9);
    assert_int_equal(fclose(written.file), 0);
    assert_true(kitty_decode(written.bytes + 3, written.count - 5, &command));
    assert_int_equal(command.action, 'd');
    assert_int_equal(command.what, 'I');
    assert_int_equal(command.id, 9);
    free(written.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_few_colors_are_exact),   cmocka_unit_test(test_many_colors_are_near),
        cmocka_unit_test(test_one_color_is_one_color), cmocka_unit_test(test_kitty_gets_the_bytes),
        cmocka_unit_test(test_kitty_takes_one_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
