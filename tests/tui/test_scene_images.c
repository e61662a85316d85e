/* The view of images, drawn without a terminal from a look that is made up: what each page shows and says, that it can
 * be drawn at every size, and what its keys do. */
#include "tests/viz/viz_test.h"

#include "engine/augment.h"
#include "tui/keys.h"
#include "tui/panel.h"
#include "viz/image_grid.h"

#include <math.h>

enum { STEM = 6, STEP = 1234, BATCH = 24, ALL = 200 };

static struct dataset *dataset;
static struct scene scene;
static struct look *look;

static int open_data(void **state)
{
    struct error error;

    (void)state;
    return dataset_open("synthetic", &dataset, &error);
}

static int close_data(void **state)
{
    (void)state;
    dataset_close(dataset);
    return 0;
}

/* Image i is taken for the next class where i is a multiple of 5, with confidence 0.5 + i / 1000. */
static void make_look(void)
{
    const struct model_spec spec = {.classes = 10, .stem = STEM};
    struct error error;

    assert_int_equal(look_create(&spec, &look, &error), 0);
    look->number = 1;
    look->step = STEP;
    look->epoch = 2;
    look->batch = 7;
    look->augment.kind = AUGMENT_REPORT;
    look->seed = 3;
    look->train = ALL;
    look->batch_size = BATCH;
    look->split = SPLIT_TEST;
    look->count = 100;
    for (int i = 0; i < look->count; i++) {
        const int label = dataset_label(dataset, SPLIT_TEST, i), said = i % 5 == 0 ? (label + 1) % 10 : label;
        const float sure = 0.5f + (float)i / 1000;

        look->predictions[i] = (struct prediction){label, said, sure, said == label ? 0.5f : 2 + (float)i / 100};
        for (int c = 0; c < 10; c++)
            look->probabilities[10 * i + c] = c == said ? sure : (1 - sure) / 9;
        look->confusion[10 * label + said]++;
        look->result.correct += said == label;
    }
    look->result.count = look->count;
    look->result.accuracy = (double)look->result.correct / look->count;
    look->result.loss = 0.875;
    for (int i = 0; i < STEM * 27; i++)
        look->filters[i] = (float)(i % 27 - 13) / (float)(1 + i / 27);
}

static int set_up(void **state)
{
    struct error error;

    (void)state;
    make_look();
    scene = (struct scene){.phase = PHASE_LIVE, .best = -1, .cursor = NAN, .view = VIEW_IMAGES};
    scene.facts = (struct facts){.session = "made-up", .network = "micro", .device = "CPU", .data = "synthetic"};
    scene.snapshot.state = TRAINER_PAUSED;
    scene.snapshot.steps_total = 2000;
    scene.snapshot.step.step = STEP;
    assert_int_equal(curves_create(0.9, &scene.curves, &error), 0);
    assert_int_equal(journal_create(&scene.journal, &error), 0);
    assert_int_equal(images_create(dataset, &scene.images, &error), 0);
    images_take(scene.images, look);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    curves_destroy(scene.curves);
    journal_destroy(scene.journal);
    images_destroy(scene.images);
    look_destroy(look);
    return 0;
}

static struct canvas *draw(int columns, int rows, enum glyph_set glyphs)
{
    struct canvas *canvas = cells_of(columns, rows, glyphs);

    scene_draw(&scene, canvas);
    return canvas;
}

static bool shows(int columns, int rows, const char *words)
{
    struct canvas *canvas = draw(columns, rows, GLYPHS_BRAILLE);
    char *text = text_of(canvas);
    const bool found = strstr(text, words) != NULL;

    free(text);
    canvas_destroy(canvas);
    return found;
}

static void press(int key)
{
    assert_true(scene_key(&scene, 24, 80, key));
}

static void every_size_can_be_drawn(void **state)
{
    (void)state;
    for (int page = 0; page < IMAGES_PAGES; page++)
        for (int large = 0; large < 2; large++)
            for (int rows = 1; rows <= 100; rows += rows < 30 ? 1 : 23)
                for (int columns = 1; columns <= 300; columns += columns < 80 ? 7 : 44) {
                    images_turn(&scene.images_choice, page);
                    scene.images_choice.large = large;
                    scene.images_choice.selected = 11;
                    canvas_destroy(draw(columns, rows, GLYPHS_BRAILLE));
                }
}

/* The panel alone, as it is inside its frame. */
static struct canvas *draw_panel(int columns, int rows)
{
    struct canvas *canvas = cells_of(columns, rows, GLYPHS_ASCII);

    panel_images.draw(&scene, canvas, canvas_area(canvas));
    return canvas;
}

static void pages_in_ascii(void **state)
{
    static const struct {
        enum images_page page;
        bool large;
        int columns, rows;
        const char *golden;
    } cases[] = {
        {IMAGES_AUGMENTATION, false, 80, 16, "tests/tui/golden/images-augmentation.txt"},
        {IMAGES_MISTAKES, false, 80, 16, "tests/tui/golden/images-mistakes.txt"},
        {IMAGES_MISTAKES, true, 80, 16, "tests/tui/golden/images-large.txt"},
        {IMAGES_CONFUSION, false, 80, 16, "tests/tui/golden/images-confusion.txt"},
        {IMAGES_FILTERS, false, 60, 11, "tests/tui/golden/images-filters.txt"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        images_turn(&scene.images_choice, (int)cases[i].page);
        scene.images_choice.selected = 1;
        scene.images_choice.large = cases[i].large;
        check_golden_text(cases[i].golden, draw_panel(cases[i].columns, cases[i].rows));
    }
}

/* The images of the batch that comes, and of each just what the training makes of it; r makes another draw. */
static void the_preview_is_what_is_trained_on(void **state)
{
    int images[BATCH];
    char text[AUGMENT_TEXT_SIZE];
    uint8_t changed[IMAGE_BYTES], rgb[IMAGE_BYTES];
    struct augmentation done;
    struct error error;
    struct canvas *canvas;
    struct canvas_picture picture;
    int first_draw = 0, second_draw = 0;

    (void)state;
    assert_int_equal(look_batch(look, dataset, images, &error), BATCH);
    canvas = draw(300, 100, GLYPHS_BRAILLE);
    for (int i = 0; i < BATCH; i++) {
        const uint8_t *image = dataset_image(dataset, SPLIT_TRAIN, images[i]);

        augment_image(&look->augment, image, 3, 2, (uint32_t)images[i], changed, &done);
        augment_describe(&done, text, sizeof(text));
        assert_true(shows(300, 100, text));
        rgb_from_planes(image, IMAGE_SIZE, rgb);
        assert_true(canvas_picture_at(canvas, 2 * i, &picture));
        assert_memory_equal(picture.rgb, rgb, sizeof(rgb));
        rgb_from_planes(changed, IMAGE_SIZE, rgb);
        assert_true(canvas_picture_at(canvas, 2 * i + 1, &picture));
        assert_memory_equal(picture.rgb, rgb, sizeof(rgb));
        first_draw += shows(300, 100, text);
    }
    canvas_destroy(canvas);
    assert_true(shows(80, 24, "draw 1: just what step 1,235 (epoch 3, batch 8) trains on"));
    press('r');
    assert_true(shows(80, 24, "draw 2 of the images of step 1,235"));
    for (int i = 0; i < BATCH; i++) {
        augment_image(&look->augment, dataset_image(dataset, SPLIT_TRAIN, images[i]), 3, 2, (uint32_t)images[i],
                      changed, &done);
        augment_describe(&done, text, sizeof(text));
        second_draw += shows(300, 100, text);
    }
    assert_true(second_draw < first_draw);
    press('u'); /* the next look begins anew with the training's own */
    assert_true(scene.look_wanted);
    assert_int_equal(scene.images_choice.draw, 0);
}

static void what_is_mixed_is_shown_as_it_is_trained_on(void **state)
{
    int images[BATCH];
    char text[32];
    struct error error;

    (void)state;
    look->mix.mixup = 1;
    const struct mix mix = mix_draw(&look->mix, look->seed, look->epoch, look->batch);
    const int percent = (100 * mix.partner + MIX_WHOLE / 2) / MIX_WHOLE;
    struct canvas *canvas = draw(300, 100, GLYPHS_BRAILLE);
    assert_int_equal(look_batch(look, dataset, images, &error), BATCH);
    for (int i = 0; i < BATCH; i++) {
        const int partner = images[BATCH - 1 - i];
        uint8_t own[IMAGE_BYTES], other[IMAGE_BYTES], mixed[IMAGE_BYTES], rgb[IMAGE_BYTES];
        struct canvas_picture picture;

        augment_image(&look->augment, dataset_image(dataset, SPLIT_TRAIN, images[i]), 3, 2, (uint32_t)images[i], own,
                      NULL);
        augment_image(&look->augment, dataset_image(dataset, SPLIT_TRAIN, partner), 3, 2, (uint32_t)partner, other,
                      NULL);
        mix_image(&mix, own, other, mixed);
        rgb_from_planes(mixed, IMAGE_SIZE, rgb);
        assert_true(canvas_picture_at(canvas, 2 * i + 1, &picture));
        assert_memory_equal(picture.rgb, rgb, sizeof(rgb));
    }
    canvas_destroy(canvas);
    assert_in_range(percent, 1, 99);
    snprintf(text, sizeof(text), "%d %% ", percent);
    assert_true(shows(300, 100, text));
    snprintf(text, sizeof(text), "%d %% ", 100 - percent);
    assert_true(shows(300, 100, text));
}

static void pages_turn_and_images_are_chosen(void **state)
{
    (void)state;
    press('P');
    assert_int_equal(scene.images_choice.page, IMAGES_FILTERS);
    press('p');
    press('p');
    assert_int_equal(scene.images_choice.page, IMAGES_RANDOM);
    assert_true(shows(80, 24, "1/100 \u00b7 100 test images at step 1,234: accuracy 80.00 %, loss 0.8750"));
    press(KEY_CODE_RIGHT);
    press(KEY_CODE_RIGHT);
    press(KEY_CODE_LEFT);
    assert_true(shows(80, 24, "2/100"));
    press(KEY_CODE_END);
    assert_true(shows(80, 24, "100/100"));
    press(KEY_CODE_RIGHT);
    assert_true(shows(80, 24, "100/100"));
    press(KEY_CODE_PAGE_UP);
    press(KEY_CODE_UP);
    assert_false(shows(80, 24, "100/100"));
    press(KEY_CODE_HOME);
    press(KEY_CODE_LEFT);
    assert_true(shows(80, 24, "1/100"));
    press('p');
    assert_true(shows(80, 24, "1/20")); /* the mistakes */
}

/* Whatever is chosen is in sight, with its mark. */
static void the_chosen_image_is_in_sight(void **state)
{
    static const int sizes[][2] = {{60, 18}, {80, 24}, {160, 48}, {300, 100}};

    (void)state;
    images_turn(&scene.images_choice, IMAGES_RANDOM);
    for (int i = 0; i < look->count; i++)
        for (size_t s = 0; s < sizeof(sizes) / sizeof(*sizes); s++) {
            scene.images_choice.selected = i * 37 % look->count;
            assert_true(shows(sizes[s][0], sizes[s][1], "\u25b6"));
        }
}

static void one_image_large(void **state)
{
    (void)state;
    images_turn(&scene.images_choice, IMAGES_MISTAKES);
    press(KEY_CODE_ENTER); /* the surest mistake: image 95 */
    assert_true(shows(80, 24, "test image 95"));
    assert_true(shows(80, 24, "59.5 %"));
    assert_true(shows(80, 24, "4.5 %"));
    press(KEY_CODE_RIGHT);
    assert_true(shows(80, 24, "test image 90"));
    press(KEY_CODE_ESCAPE);
    assert_false(shows(80, 24, "test image 90"));
    assert_int_equal(scene.images_choice.selected, 1);
}

static void one_class_after_the_other(void **state)
{
    char words[64];

    (void)state;
    press('c');
    assert_int_equal(scene.images_choice.page, IMAGES_CLASS);
    assert_true(shows(120, 30, dataset_class_name(dataset, 0)));
    press('C');
    assert_int_equal(scene.images_choice.of_class, 9);
    snprintf(words, sizeof(words), "%s: %u of %u right", dataset_class_name(dataset, 9), look->confusion[99],
             confusion_images(look->confusion, 10, 9));
    assert_true(shows(120, 30, words));
    press('c');
    assert_int_equal(scene.images_choice.of_class, 0);
}

/* At 80 x 24 the panel begins in row 6; below the names of the pages and the note are the pictures, 16 columns wide. */
static void click(int column, int row)
{
    const struct mouse mouse = {.act = MOUSE_PRESS, .row = row, .column = column};

    scene_mouse(&scene, 24, 80, &mouse);
}

static void the_mouse_chooses(void **state)
{
    const struct mouse down = {.act = MOUSE_WHEEL_DOWN, .row = 12, .column = 40};

    (void)state;
    click(24, 6); /* in "mistakes" */
    assert_int_equal(scene.images_choice.page, IMAGES_MISTAKES);
    click(23, 6); /* between two names */
    assert_int_equal(scene.images_choice.page, IMAGES_MISTAKES);
    click(20, 9);
    assert_int_equal(scene.images_choice.selected, 1);
    assert_false(scene.images_choice.large);
    click(16, 9); /* the gap before it */
    assert_int_equal(scene.images_choice.selected, 1);
    scene_mouse(&scene, 24, 80, &down);
    assert_int_equal(scene.images_choice.selected, 5);
    assert_true(shows(80, 24, "6/20"));
    assert_true(shows(80, 24, "Enter large"));
    assert_false(shows(80, 24, "Esc back"));
    click(20, 17); /* its caption */
    assert_true(scene.images_choice.large);
    assert_true(shows(80, 24, "Esc back"));
    assert_false(shows(80, 24, "Enter large"));
    click(20, 9);
    assert_false(scene.images_choice.large);
    assert_int_equal(scene.images_choice.selected, 5);
    images_turn(&scene.images_choice, IMAGES_CONFUSION);
    click(20, 9);
    assert_int_equal(scene.images_choice.selected, 0);
}

/* The trainer names the last batch then, whose pictures stay. */
static void the_last_batch_stays_when_no_other_follows(void **state)
{
    (void)state;
    look->over = true;
    assert_true(shows(100, 24, "the run has ended; draw 1 of the images of its last batch (epoch 3, batch 8)"));
    assert_true(shows(100, 24, "1/24 "));
    press('r');
    assert_true(shows(100, 24, "the run has ended; draw 2 "));
}

static void a_page_says_why_it_is_empty(void **state)
{
    (void)state;
    look->number++;
    look->count = 0;
    images_turn(&scene.images_choice, IMAGES_MISTAKES);
    assert_true(shows(80, 24, "neither test images nor a validation part"));
    images_turn(&scene.images_choice, IMAGES_CONFUSION);
    assert_true(shows(80, 24, "neither test images nor a validation part"));
    images_turn(&scene.images_choice, IMAGES_FILTERS); /* these need no images */
    assert_true(shows(80, 24, "the 6 filters of the stem at step 1,234"));
    look->number++;
    snprintf(look->failure, sizeof(look->failure), "out of memory for it");
    assert_true(shows(80, 24, "could not be measured: out of memory for it"));
    images_take(scene.images, NULL);
    assert_true(shows(80, 24, "comes in a moment"));
    scene.snapshot.state = TRAINER_FINISHED;
    assert_true(shows(80, 24, "The run has ended"));
    images_destroy(scene.images);
    scene.images = NULL;
    scene.phase = PHASE_STARTING;
    snprintf(scene.progress, sizeof(scene.progress), "opening the images' data");
    assert_true(shows(80, 24, "opening the images' data"));
    press(KEY_CODE_DOWN);
    press('c');
}

static void a_new_look_is_seen_and_its_age_told(void **state)
{
    (void)state;
    images_turn(&scene.images_choice, IMAGES_RANDOM);
    assert_true(shows(80, 24, "Images \u00b7 step 1,234"));
    assert_false(shows(80, 24, "u measures now"));
    scene.snapshot.state = TRAINER_RUNNING;
    scene.snapshot.step.step = STEP + 100;
    assert_true(shows(80, 24, "step 1,234, 100 steps ago"));
    assert_true(shows(80, 24, "u measures now"));
    scene.look_asked = true;
    assert_true(shows(80, 24, "being measured"));
    scene.look_asked = false;
    look->number++;
    look->step = STEP + 100;
    look->result.accuracy = 0.25;
    assert_true(shows(80, 24, "at step 1,334: accuracy 25.00 %"));
}

/* A network that has exploded: no number is made up. */
static void what_is_not_finite_is_said(void **state)
{
    (void)state;
    for (int i = 0; i < look->count; i++) {
        look->predictions[i].confidence = look->predictions[i].loss = NAN;
        for (int c = 0; c < 10; c++)
            look->probabilities[10 * i + c] = NAN;
    }
    images_turn(&scene.images_choice, IMAGES_LOSSES);
    assert_true(shows(80, 24, "not finite"));
    press(KEY_CODE_ENTER);
    assert_true(shows(80, 24, "NaN"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_size_can_be_drawn),
        TEST(pages_in_ascii),
        TEST(the_preview_is_what_is_trained_on),
        TEST(what_is_mixed_is_shown_as_it_is_trained_on),
        TEST(pages_turn_and_images_are_chosen),
        TEST(the_chosen_image_is_in_sight),
        TEST(one_image_large),
        TEST(one_class_after_the_other),
        TEST(the_mouse_chooses),
        TEST(the_last_batch_stays_when_no_other_follows),
        TEST(a_page_says_why_it_is_empty),
        TEST(a_new_look_is_seen_and_its_age_told),
        TEST(what_is_not_finite_is_said),
    };
    return cmocka_run_group_tests(tests, open_data, close_data);
}
