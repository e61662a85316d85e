/* Pictures: PNG files are read back with libpng, the font has what is drawn with it, cells join without gaps. */
#include "tests/viz/viz_test.h"
#include "viz/chart.h"
#include "viz/font.h"
#include "viz/png.h"
#include "viz/screenshot.h"
#include "viz/theme.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct folder {
    char path[64];
};

static int make_folder(void **state)
{
    struct folder *folder = calloc(1, sizeof *folder);
    if (!folder)
        return -1;
    snprintf(folder->path, sizeof folder->path, "/tmp/nfbench-viz-XXXXXX");
    *state = folder;
    return mkdtemp(folder->path) ? 0 : -1;
}

static int remove_folder(void **state)
{
    struct folder *folder = *state;
    char path[512];
    DIR *files = opendir(folder->path);
    if (files) {
        for (struct dirent *file; (file = readdir(files));) {
            snprintf(path, sizeof path, "%s/%s", folder->path, file->d_name);
            unlink(path);
        }
        closedir(files);
    }
    int result = rmdir(folder->path);
    free(folder);
    return result;
}

static int files_in(const char *path)
{
    int count = 0;
    DIR *files = opendir(path);
    assert_non_null(files);
    for (struct dirent *file; (file = readdir(files));)
        count += file->d_name[0] != '.';
    closedir(files);
    return count;
}

/* An open PNG, decoded to RGB. */
struct decoded {
    int width, height, intent;
    uint8_t *rgb;
    char software[64], session[256];
};

static struct decoded read_png(const char *path)
{
    struct decoded decoded = {.intent = -1};
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    if (setjmp(png_jmpbuf(png)))
        fail_msg("%s is no PNG", path);
    png_init_io(png, file);
    png_read_png(png, info, PNG_TRANSFORM_IDENTITY, NULL);
    assert_int_equal(png_get_color_type(png, info), PNG_COLOR_TYPE_RGB);
    assert_int_equal(png_get_bit_depth(png, info), 8);
    decoded.width = (int)png_get_image_width(png, info);
    decoded.height = (int)png_get_image_height(png, info);
    decoded.rgb = malloc((size_t)decoded.width * (size_t)decoded.height * 3);
    assert_non_null(decoded.rgb);
    png_bytepp rows = png_get_rows(png, info);
    for (int y = 0; y < decoded.height; y++)
        memcpy(decoded.rgb + (size_t)y * (size_t)decoded.width * 3, rows[y], (size_t)decoded.width * 3);
    png_get_sRGB(png, info, &decoded.intent);
    png_textp texts = NULL;
    int count = 0;
    png_get_text(png, info, &texts, &count);
    for (int i = 0; i < count; i++) {
        assert_int_equal(texts[i].compression, PNG_ITXT_COMPRESSION_NONE);
        if (!strcmp(texts[i].key, "Software"))
            snprintf(decoded.software, sizeof decoded.software, "%s", texts[i].text);
        if (!strcmp(texts[i].key, "nfbench:session"))
            snprintf(decoded.session, sizeof decoded.session, "%s", texts[i].text);
    }
    png_destroy_read_struct(&png, &info, NULL);
    fclose(file);
    return decoded;
}

static void a_png_is_read_back_with_its_texts(void **state)
{
    const struct folder *folder = *state;
    enum { WIDTH = 37, HEIGHT = 23 };
    uint8_t rgb[WIDTH * HEIGHT * 3];
    for (size_t i = 0; i < sizeof rgb; i++)
        rgb[i] = (uint8_t)(i * 7);
    const struct png_caption caption = {"nfbench:session", "{\"session\": \"läuft → 1\"}"};
    struct error error = {""};
    char path[128];
    snprintf(path, sizeof path, "%s/a.png", folder->path);
    for (int round = 0; round < 2; round++) /* the second time over the first */
        assert_int_equal(png_write(path, rgb, WIDTH, HEIGHT, &caption, 1, &error), 0);
    struct decoded decoded = read_png(path);
    assert_int_equal(decoded.width, WIDTH);
    assert_int_equal(decoded.height, HEIGHT);
    assert_memory_equal(decoded.rgb, rgb, sizeof rgb);
    assert_int_equal(decoded.intent, PNG_sRGB_INTENT_PERCEPTUAL);
    assert_string_equal(decoded.software, "nfbench");
    assert_string_equal(decoded.session, caption.value);
    assert_int_equal(files_in(folder->path), 1);
    free(decoded.rgb);
}

static void a_failed_write_leaves_nothing_and_says_why(void **state)
{
    const struct folder *folder = *state;
    const uint8_t rgb[3] = {1, 2, 3};
    struct error error = {""};
    char path[128];
    snprintf(path, sizeof path, "%s/none/a.png", folder->path);
    assert_int_equal(png_write(path, rgb, 1, 1, NULL, 0, &error), -1);
    assert_non_null(strstr(error.message, path));
    snprintf(path, sizeof path, "%s/folder.png", folder->path);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(png_write(path, rgb, 1, 1, NULL, 0, &error), -1); /* cannot take a folder's place */
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(png_write(path, rgb, 0, 1, NULL, 0, &error), -1); /* libpng refuses */
    assert_non_null(strstr(error.message, "libpng"));
    assert_int_equal(files_in(folder->path), 0);
}

/* A figure of a paper's folder is often a link; and root must not put a file in the place of /dev/null. */
static void links_and_pipes_stay(void **state)
{
    const struct folder *folder = *state;
    const uint8_t rgb[6] = {1, 2, 3, 4, 5, 6}, signature[8] = "\x89PNG\r\n\x1a\n";
    struct error error = {""};
    char link[128], real[128], pipe[128], lost[128];
    uint8_t piped[sizeof signature] = {0};
    struct stat status;
    snprintf(link, sizeof link, "%s/link.png", folder->path);
    snprintf(real, sizeof real, "%s/real.png", folder->path);
    snprintf(pipe, sizeof pipe, "%s/pipe", folder->path);
    snprintf(lost, sizeof lost, "%s/lost.png", folder->path);
    assert_int_equal(symlink("real.png", link), 0);
    assert_int_equal(mknod(real, S_IFREG | 0600, 0), 0);
    assert_int_equal(png_write(link, rgb, 2, 1, NULL, 0, &error), 0);
    assert_int_equal(lstat(link, &status), 0);
    assert_true(S_ISLNK(status.st_mode));
    struct decoded decoded = read_png(real);
    assert_int_equal(decoded.width, 2);
    assert_memory_equal(decoded.rgb, rgb, sizeof rgb);
    free(decoded.rgb);
    assert_int_equal(mkfifo(pipe, 0600), 0);
    const int reader = open(pipe, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    assert_true(reader >= 0);
    assert_int_equal(png_write(pipe, rgb, 2, 1, NULL, 0, &error), 0);
    assert_int_equal(read(reader, piped, sizeof piped), sizeof piped);
    assert_memory_equal(piped, signature, sizeof piped);
    close(reader);
    assert_int_equal(lstat(pipe, &status), 0);
    assert_true(S_ISFIFO(status.st_mode));
    assert_int_equal(symlink("nowhere/x.png", lost), 0);
    assert_int_equal(png_write(lost, rgb, 2, 1, NULL, 0, &error), -1);
    assert_non_null(strstr(error.message, lost));
    assert_int_equal(files_in(folder->path), 4);
}

static void a_chart_becomes_a_figure(void **state)
{
    const struct folder *folder = *state;
    struct error error = {""};
    struct series *series;
    struct canvas *canvas;
    assert_int_equal(series_create(0.9, &series, &error), 0);
    for (int i = 0; i < 500; i++)
        assert_int_equal(series_append(series, i, (float)(2 * exp(-i / 100.0)), &error), 0);
    struct chart_series line = {.series = series, .name = "train", .role = ROLE_SERIES_1};
    struct chart chart = chart_init();
    chart.series = &line;
    chart.series_count = 1;
    const struct theme *theme = theme_find("light");
    assert_int_equal(canvas_create_pixels(640, 400, 1, theme, &canvas, &error), 0);
    chart_draw(canvas, canvas_area(canvas), &chart);
    char path[128];
    snprintf(path, sizeof path, "%s/chart.png", folder->path);
    assert_int_equal(png_write_canvas(path, canvas, NULL, 0, &error), 0);
    struct decoded decoded = read_png(path);
    int lit_columns = 0; /* the line's full colour in nearly every column of pixels */
    for (int x = 0; x < 640; x++) {
        bool lit = false;
        for (int y = 0; y < 400 && !lit; y++) {
            const uint8_t *pixel = decoded.rgb + ((size_t)y * 640 + (size_t)x) * 3;
            uint32_t color = (uint32_t)pixel[0] << 16 | (uint32_t)pixel[1] << 8 | pixel[2];
            lit = color == theme->color[ROLE_SERIES_1];
        }
        lit_columns += lit;
    }
    assert_true(lit_columns > 500);
    struct canvas *cells = cells_of(3, 3, GLYPHS_BRAILLE);
    assert_int_equal(png_write_canvas(path, cells, NULL, 0, &error), -1);
    canvas_destroy(cells);
    canvas_destroy(canvas);
    series_destroy(series);
    free(decoded.rgb);
}

static void the_font_has_what_is_drawn(void **state)
{
    (void)state;
    const char *signs = "αβγσμδελΔΣ±×…–—•·→←↑↓✓✗✕≤≥≈∞√°²³µ"
                        "●■◆▲▶⏸éäöüßñç";
    assert_true(font_covers(0xFFFD));
    for (uint32_t code = 0x20; code < 0x7F; code++)
        assert_true(font_covers(code));
    for (uint32_t code = 0xA0; code < 0x100; code++)
        assert_true(font_covers(code));
    for (uint32_t code = 0x2800; code < 0x2900; code++)
        assert_true(font_covers(code));
    for (uint32_t code = 0x2580; code < 0x25A0; code++)
        assert_true(font_covers(code));
    for (uint32_t code; (code = text_next(&signs));)
        if (!font_covers(code))
            fail_msg("U+%04X is missing", code);
    assert_false(font_covers(0x732B));
}

/* Whether a glyph's coverage at an edge of the cell is all `value`. */
static bool column_is(const uint8_t *coverage, int width, int height, int x, uint8_t value)
{
    for (int y = 0; y < height; y++)
        if (coverage[y * width + x] != value)
            return false;
    return true;
}

static void cells_join_without_gaps(void **state)
{
    (void)state;
    uint8_t a[FONT_WIDTH * FONT_HEIGHT * 32], b[sizeof a];
    for (int scale = 1; scale <= FONT_SCALE_MAX; scale++) {
        int width = FONT_WIDTH * scale, height = FONT_HEIGHT * scale;
        font_render(0x2588, scale, false, false, a);
        assert_true(column_is(a, width, height, 0, 255) && column_is(a, width, height, width - 1, 255));
        font_render(0x258C, scale, false, false, a); /* left and right half make a whole */
        font_render(0x2590, scale, false, false, b);
        for (int i = 0; i < width * height; i++)
            assert_int_equal(a[i] + b[i], 255);
        font_render(0x2580, scale, false, false, a);
        font_render(0x2584, scale, false, false, b);
        for (int i = 0; i < width * height; i++)
            assert_int_equal(a[i] + b[i], 255);
        font_render(0x2500, scale, false, false, a); /* a line meets a rounded corner in the same pixels */
        font_render(0x256D, scale, false, false, b);
        for (int y = 0; y < height; y++) {
            assert_int_equal(a[y * width + width - 1], a[y * width]);
            assert_true(abs(a[y * width] - b[y * width + width - 1]) < 32);
        }
    }
}

static uint32_t pixel_of(const struct canvas *canvas, int x, int y)
{
    int width, height;
    const uint8_t *pixel = canvas_pixels(canvas, &width, &height) + ((size_t)y * (size_t)width + (size_t)x) * 3;
    return (uint32_t)pixel[0] << 16 | (uint32_t)pixel[1] << 8 | pixel[2];
}

static void a_screenshot_shows_the_cells(void **state)
{
    (void)state;
    struct error error = {""};
    struct canvas *cells = cells_of(20, 5, GLYPHS_BRAILLE), *picture;
    const struct theme *theme = theme_find("dark");
    canvas_fill(cells, (struct rect){0, 0, 20, 1}, STYLE(ROLE_SELECTED));
    canvas_text(cells, 0, 1, STYLE(ROLE_GOOD), "█猫█");
    struct screenshot_options options = {.theme = theme, .cursor_column = 5, .cursor_row = 3, .scale = 1};
    assert_int_equal(screenshot_render(cells, &options, &picture, &error), 0);
    int width, height;
    assert_non_null(canvas_pixels(picture, &width, &height));
    int left = (width - 20 * FONT_WIDTH) / 2, top = (height - 5 * FONT_HEIGHT) / 2;
    assert_int_equal(pixel_of(picture, 0, 0), theme->background);
    assert_int_equal(pixel_of(picture, left + 100, top + 1), theme->on_color[ROLE_SELECTED]);
    assert_int_equal(pixel_of(picture, left + 5, top + FONT_HEIGHT + 5), theme->color[ROLE_GOOD]);
    assert_int_equal(pixel_of(picture, left + 35, top + FONT_HEIGHT + 5), theme->color[ROLE_GOOD]);
    assert_int_equal(pixel_of(picture, left + 55, top + 3 * FONT_HEIGHT + 5), theme->color[ROLE_TEXT]);
    canvas_destroy(picture);
    options.title = "nfbench";
    options.cursor_row = -1;
    assert_int_equal(screenshot_render(cells, &options, &picture, &error), 0);
    assert_non_null(canvas_pixels(picture, &width, &height));
    assert_int_equal(pixel_of(picture, width / 2, height / 2), theme->background);
    assert_int_not_equal(pixel_of(picture, 0, 0), theme->background);
    assert_int_equal(screenshot_render(picture, &options, &picture, &error), -1);
    canvas_destroy(picture);
    canvas_destroy(cells);
}

/* Changes between line and paper down the middle column. */
static int changes_down(const struct canvas *canvas, int x, int height)
{
    int changes = 0;
    for (int y = 1; y < height; y++)
        changes += (pixel_of(canvas, x, y) != 0xFFFFFF) != (pixel_of(canvas, x, y - 1) != 0xFFFFFF);
    return changes;
}

/* A pattern by the line's length shows where the line is steep, too, and goes on over its corners. */
static void dashes_show_on_steep_lines(void **state)
{
    (void)state;
    struct error error = {""};
    struct canvas *canvas;
    for (int stroke = STROKE_SOLID; stroke <= STROKE_DOTTED; stroke++) {
        double run = 0;
        assert_int_equal(canvas_create_pixels(40, 300, 1, theme_find("light"), &canvas, &error), 0);
        canvas_line_begin(canvas, STYLE(ROLE_TEXT), (enum stroke)stroke, 2);
        for (int y = 0; y < 300; y += 20)
            canvas_line(canvas, 20, y, 20, y + 20, (enum stroke)stroke, &run);
        canvas_path_end(canvas);
        int changes = changes_down(canvas, 20, 300);
        if (stroke == STROKE_SOLID)
            assert_int_equal(changes, 0);
        else
            assert_true(changes >= (stroke == STROKE_DOTTED ? 90 : 36)); /* 50 dots, 20 dashes */
        canvas_destroy(canvas);
    }
}

static void figures_have_margins_and_scale(void **state)
{
    (void)state;
    struct error error = {""};
    for (int scale = 1; scale <= 2; scale++) {
        struct canvas *canvas;
        struct rect inside;
        int width, height;
        assert_int_equal(canvas_create_figure(50, 20, scale, theme_find("light"), &canvas, &inside, &error), 0);
        canvas_pixels(canvas, &width, &height);
        assert_true(inside.columns == 50 && inside.rows == 20);
        assert_int_equal(width, (50 + 2 * inside.column) * FONT_WIDTH * scale);
        assert_int_equal(height, (20 + 2 * inside.row) * FONT_HEIGHT * scale);
        canvas_destroy(canvas);
    }
}

static void pictures_of_no_size_are_refused(void **state)
{
    (void)state;
    struct error error = {""};
    struct canvas *canvas;
    assert_int_equal(canvas_create_pixels(0, 5, 1, theme_at(0), &canvas, &error), -1);
    assert_int_equal(canvas_create_pixels(5, 5, 9, theme_at(0), &canvas, &error), -1);
    assert_int_equal(canvas_create_cells(-1, 5, GLYPHS_BRAILLE, &canvas, &error), -1);
    assert_int_equal(canvas_create_cells(0, 0, GLYPHS_BRAILLE, &canvas, &error), 0);
    canvas_destroy(canvas);
    canvas_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_png_is_read_back_with_its_texts, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_failed_write_leaves_nothing_and_says_why, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(links_and_pipes_stay, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_chart_becomes_a_figure, make_folder, remove_folder),
        cmocka_unit_test(the_font_has_what_is_drawn),
        cmocka_unit_test(cells_join_without_gaps),
        cmocka_unit_test(a_screenshot_shows_the_cells),
        cmocka_unit_test(dashes_show_on_steep_lines),
        cmocka_unit_test(figures_have_margins_and_scale),
        cmocka_unit_test(pictures_of_no_size_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
