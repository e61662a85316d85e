/* The figures of images: the pictures are the data's own, red as red; captions say what was done and what the network
 * said; colours tell right from wrong. */
#include "tests/viz/viz_test.h"
#include "tui/figure_images.h"

#include "engine/augment.h"
#include "viz/font.h"
#include "viz/theme.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct dataset *dataset;

static int open_data(void **state)
{
    (void)state;
    struct error error;
    return dataset_open("synthetic", &dataset, &error);
}

static int close_data(void **state)
{
    (void)state;
    dataset_close(dataset);
    return 0;
}

/* ---- Drawing ---- */

/* The sheet on pixels, at the canvas's corner. */
static struct canvas *render(const struct sheet *sheet, int scale)
{
    struct canvas *canvas;
    struct error error = {""};
    int columns, rows;
    sheet_size(sheet, &columns, &rows);
    assert_int_equal(
        canvas_create_pixels(columns * 10 * scale, rows * 20 * scale, scale, theme_find("light"), &canvas, &error), 0);
    figure_sheet(canvas, canvas_area(canvas), sheet);
    return canvas;
}

static struct canvas *cells(int columns, int rows)
{
    return cells_of(columns, rows, GLYPHS_BRAILLE);
}

/* The picture drawn at a pixel, each of its pixels `enlarge` wide, is this planar image. */
static void assert_picture(const struct canvas *canvas, int left, int top, int enlarge, const uint8_t *planes)
{
    int width, height;
    const uint8_t *pixels = canvas_pixels(canvas, &width, &height);
    for (int y = 0; y < IMAGE_SIZE; y++)
        for (int x = 0; x < IMAGE_SIZE; x++)
            for (int c = 0; c < 3; c++) {
                const long place = (long)(top + y * enlarge) * width + left + x * enlarge;
                assert_int_equal(pixels[3 * place + c], planes[c * IMAGE_PIXELS + y * IMAGE_SIZE + x]);
            }
}

enum { HEAD = 3 * 20 }; /* pixels of title, note and the row below */

static const struct figure_head head = {"A title", "and a note"};

/* ---- Augmentation ---- */

static void test_each_image_stands_beside_what_is_made_of_it(void **state)
{
    (void)state;
    enum { COUNT = 9, TILE = 160, PAIR = 2 * TILE + 10, BAND = TILE + 2 * 20 };
    struct error error = {""};
    int images[COUNT];
    char text[AUGMENT_TEXT_SIZE];
    for (int i = 0; i < COUNT; i++)
        images[i] = 31 * i + 4;
    for (int kind = AUGMENT_REPORT; kind <= AUGMENT_STANDARD; kind++) {
        struct sheet *sheet;
        const struct augmentation_sheet what = {.head = head,
                                                .dataset = dataset,
                                                .augment = AUGMENT_USUAL((enum augment_kind)kind),
                                                .seed = 5,
                                                .epoch = 8,
                                                .images = images,
                                                .count = COUNT};
        assert_int_equal(sheet_of_augmentation(&what, &sheet, &error), 0);
        struct canvas *canvas = render(sheet, 1), *panel = cells(200, 60);
        figure_sheet(panel, canvas_area(panel), sheet);
        char *shown = text_of(panel);
        for (int i = 0; i < COUNT; i++) {
            const uint8_t *image = dataset_image(dataset, SPLIT_TRAIN, images[i]);
            uint8_t changed[IMAGE_BYTES];
            struct augmentation done;
            augment_image(&what.augment, image, 5, 8, (uint32_t)images[i], changed, &done);
            const int left = i % 4 * (PAIR + 30), top = HEAD + i / 4 * BAND;
            assert_picture(canvas, left, top, 5, image);
            assert_picture(canvas, left + TILE + 10, top, 5, changed);
            augment_describe(&done, text, sizeof text);
            assert_non_null(strstr(shown, text));
        }
        free(shown);
        canvas_destroy(panel);
        canvas_destroy(canvas);
        sheet_destroy(sheet);
    }
}

/* Blended or with a rectangle of the partner, which was augmented as it is itself. */
static void test_mixed_images_show_what_is_trained_on(void **state)
{
    (void)state;
    enum { COUNT = 3, TILE = 160 };
    struct error error = {""};
    const int images[COUNT] = {4, 11, 20}, partners[COUNT] = {17, 30, 20};
    const struct mix mixes[COUNT] = {{.partner = MIX_WHOLE / 4},
                                     {.partner = 320, .left = 0, .right = 10, .top = 0, .bottom = 32},
                                     {.partner = MIX_WHOLE / 2}};
    static const char *const shares[COUNT] = {"mixup: 75 % ", "cutmix: 69 % ", "mixup: 100 % "};
    struct sheet *sheet;
    const struct augmentation_sheet what = {.head = head,
                                            .dataset = dataset,
                                            .augment = AUGMENT_USUAL(AUGMENT_STANDARD),
                                            .seed = 5,
                                            .epoch = 8,
                                            .images = images,
                                            .count = COUNT,
                                            .partners = partners,
                                            .mixes = mixes};
    assert_int_equal(sheet_of_augmentation(&what, &sheet, &error), 0);
    struct canvas *canvas = render(sheet, 1), *panel = cells(200, 60);
    figure_sheet(panel, canvas_area(panel), sheet);
    char *shown = text_of(panel);
    for (int i = 0; i < COUNT; i++) {
        uint8_t own[IMAGE_BYTES], other[IMAGE_BYTES], mixed[IMAGE_BYTES];
        char text[64];
        augment_image(&what.augment, dataset_image(dataset, SPLIT_TRAIN, images[i]), 5, 8, (uint32_t)images[i], own,
                      NULL);
        augment_image(&what.augment, dataset_image(dataset, SPLIT_TRAIN, partners[i]), 5, 8, (uint32_t)partners[i],
                      other, NULL);
        mix_image(&mixes[i], own, other, mixed);
        assert_picture(canvas, i * (2 * TILE + 40) + TILE + 10, HEAD, 5, mixed);
        snprintf(text, sizeof text, "%s%s", shares[i],
                 dataset_class_name(dataset, dataset_label(dataset, SPLIT_TRAIN, images[i])));
        assert_non_null(strstr(shown, text));
    }
    assert_non_null(strstr(shown, "25 % "));
    assert_non_null(strstr(shown, "31 % "));
    free(shown);
    canvas_destroy(panel);
    canvas_destroy(canvas);
    sheet_destroy(sheet);
}

/* ---- Samples ---- */

static void test_samples_say_what_the_network_said(void **state)
{
    (void)state;
    enum { FIRST = 100, COUNT = 3, TILE = 18 }; /* columns: "checked_triangle" and a mark */
    struct error error = {""};
    struct prediction predictions[12];
    for (int i = 0; i < 12; i++)
        predictions[i] = (struct prediction){dataset_label(dataset, SPLIT_TEST, FIRST + i), 0, 0.5f, 1};
    const int label = predictions[7].label;
    predictions[7].predicted = label;
    predictions[7].confidence = 0.914f;
    predictions[7].loss = 0.09f;
    predictions[2].predicted = (predictions[2].label + 1) % 10;
    predictions[2].loss = 12.345f;
    const int places[COUNT] = {7, -1, 2};
    const struct samples_sheet what = {.head = head,
                                       .dataset = dataset,
                                       .split = SPLIT_TEST,
                                       .first = FIRST,
                                       .predictions = predictions,
                                       .places = places,
                                       .count = COUNT};
    struct sheet *sheet;
    assert_int_equal(sheet_of_samples(&what, &sheet, &error), 0);
    struct canvas *canvas = render(sheet, 2);
    assert_picture(canvas, 0, 2 * HEAD, 11, dataset_image(dataset, SPLIT_TEST, FIRST + 7));
    assert_picture(canvas, 2 * (TILE + 1) * 20, 2 * HEAD, 11, dataset_image(dataset, SPLIT_TEST, FIRST + 2));
    canvas_destroy(canvas);

    enum { COLUMNS = 3 * (TILE + 1) - 1, ROWS = 2 + TILE / 2 + 3 };
    canvas = cells(COLUMNS, ROWS);
    figure_sheet(canvas, canvas_area(canvas), sheet);
    char *text = text_of(canvas), expected[64];
    assert_int_equal(strncmp(text, "A title\nand a note\n", 19), 0);
    snprintf(expected, sizeof expected, "\u2713 %s", dataset_class_name(dataset, label));
    assert_non_null(strstr(text, expected));
    snprintf(expected, sizeof expected, "\u2717 %s", dataset_class_name(dataset, predictions[2].predicted));
    assert_non_null(strstr(text, expected));
    assert_non_null(strstr(text, "91 %, loss 0.09"));
    assert_non_null(strstr(text, "50 %, loss 12.3"));
    const struct cell *caption = canvas_cells(canvas) + (ROWS - 3) * COLUMNS;
    assert_int_equal(caption[0].style.role, ROLE_GOOD);
    assert_int_equal(caption[TILE + 1].code, ' '); /* the empty place */
    assert_int_equal(caption[2 * (TILE + 1)].style.role, ROLE_BAD);
    free(text);
    canvas_destroy(canvas);
    sheet_destroy(sheet);
}

/* ---- Filters ---- */

static void test_filters_are_scaled_by_their_largest_weight(void **state)
{
    (void)state;
    enum { COUNT = 3, TILE = 100 / 3 * 3 };
    struct error error = {""};
    float weights[COUNT * 27] = {0};
    weights[0 * 9 + 0] = 0.5f;    /* red, top left: the largest */
    weights[1 * 9 + 0] = -0.5f;   /* green there: none at all */
    weights[2 * 9 + 8] = 0.25f;   /* blue, bottom right: three quarters */
    weights[27 + 4] = -2;         /* the second filter has its own scale */
    weights[2 * 27] = (float)NAN; /* of the third nothing is known but zeros */
    struct sheet *sheet;
    const struct filters_sheet what = {head, weights, COUNT};
    assert_int_equal(sheet_of_filters(&what, &sheet, &error), 0);
    struct canvas *canvas = render(sheet, 1);
    int width, height;
    const uint8_t *pixels = canvas_pixels(canvas, &width, &height);
    const struct {
        int filter, x, y;
        uint8_t rgb[3];
    } expected[] = {{0, 0, 0, {255, 0, 128}},  {0, 2, 2, {128, 128, 191}}, {0, 1, 1, {128, 128, 128}},
                    {1, 1, 1, {0, 128, 128}},  {1, 0, 0, {128, 128, 128}}, {2, 0, 0, {128, 128, 128}},
                    {2, 2, 2, {128, 128, 128}}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        const int x = expected[i].filter * 110 + TILE / 3 * expected[i].x + TILE / 6;
        const int y = HEAD + TILE / 3 * expected[i].y + TILE / 6;
        assert_memory_equal(pixels + 3 * ((long)y * width + x), expected[i].rgb, 3);
    }
    canvas_destroy(canvas);
    canvas = cells(60, 12);
    figure_sheet(canvas, canvas_area(canvas), sheet);
    char *text = text_of(canvas);
    assert_non_null(strstr(text, "\u00b10.500 "));
    assert_non_null(strstr(text, "\u00b12.00 "));
    free(text);
    canvas_destroy(canvas);
    sheet_destroy(sheet);
}

/* ---- The confusion matrix ---- */

static void test_the_confusion_matrix_has_names_counts_and_shares(void **state)
{
    (void)state;
    uint32_t counts[100];
    char expected[64];
    struct error error = {""};
    struct confusion *confusion;
    for (int i = 0; i < 100; i++)
        counts[i] = i % 11 == 0 ? 730 : 30;
    memset(counts + 40, 0, 10 * sizeof *counts); /* a class without images */
    assert_int_equal(confusion_create(&head, dataset, counts, &confusion, &error), 0);
    int columns, rows;
    confusion_size(confusion, &columns, &rows);
    struct canvas *canvas = cells(columns, rows);
    figure_confusion(canvas, canvas_area(canvas), confusion);
    char *text = text_of(canvas);
    assert_int_equal(strncmp(text, "A title\nand a note\n", 19), 0);
    const char *heading = strstr(text, "truth");
    assert_non_null(heading);
    for (int c = 0; c < 10; c++) {
        snprintf(expected, sizeof expected, "\n%s ", dataset_class_name(dataset, c));
        const char *row = strstr(text, expected), *column = strstr(heading, expected + 1);
        snprintf(expected, sizeof expected, "%s", dataset_class_name(dataset, c));
        assert_non_null(row);
        assert_non_null(column);
        assert_true(column < strchr(heading, '\n'));
        const char *note = strpbrk(row + 1, "\n") - (c == 4 ? 1 : 7);
        assert_int_equal(strncmp(note, c == 4 ? "-" : "73.00 %", c == 4 ? 1 : 7), 0);
    }
    free(text);
    canvas_destroy(canvas);
    for (int light = 0; light < 2; light++) { /* what is seldom has nearly the ground's colour */
        const struct theme *theme = theme_find(light ? "light" : "dark");
        assert_int_equal(canvas_create_pixels(columns * FONT_WIDTH, rows * FONT_HEIGHT, 1, theme, &canvas, &error), 0);
        figure_confusion(canvas, canvas_area(canvas), confusion);
        int width, height;
        const uint8_t *pixel = canvas_pixels(canvas, &width, &height);
        int bright = 0;
        for (int i = 0; i < width * height; i++)
            bright += pixel[3 * i] > 128;
        assert_true(light ? bright > width * height * 4 / 5 : bright < width * height / 5);
        canvas_destroy(canvas);
    }
    for (rows = 0; rows < 40; rows += 3) /* and no size fails */
        for (columns = 0; columns < 150; columns += 10) {
            canvas = cells(columns, rows);
            figure_confusion(canvas, canvas_area(canvas), confusion);
            canvas_destroy(canvas);
        }
    confusion_destroy(confusion);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_image_stands_beside_what_is_made_of_it),
        cmocka_unit_test(test_mixed_images_show_what_is_trained_on),
        cmocka_unit_test(test_samples_say_what_the_network_said),
        cmocka_unit_test(test_filters_are_scaled_by_their_largest_weight),
        cmocka_unit_test(test_the_confusion_matrix_has_names_counts_and_shares),
    };
    return cmocka_run_group_tests(tests, open_data, close_data);
}
