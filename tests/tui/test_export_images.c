/* `nfbench export`, of images: the files are there, their pictures are those of the data and in their colours, and what
 * cannot be shown is said in one line. */
#include "tests/tui/process.h"

#include "engine/augment.h"
#include "engine/samples.h"
#include "tui/picture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PICTURES "augmentation,samples,classes,mistakes,losses,confusion,reliability,filters"

static int train_a_session(void **state)
{
    if (process_setup(state) != 0)
        return -1;
    run_expecting(0, "train " TINY "--epochs 2 --ema 0.9 --augment standard --seed 4 --session pictures");
    return 0;
}

struct image {
    int width, height;
    uint8_t *rgb;
};

static struct image read_picture(const char *name)
{
    png_image image = {.version = PNG_IMAGE_VERSION};
    struct image picture = {0};
    if (!png_image_begin_read_from_file(&image, process_path(name)))
        fail_msg("%s: %s", name, image.message);
    image.format = PNG_FORMAT_RGB;
    picture = (struct image){(int)image.width, (int)image.height, malloc(PNG_IMAGE_SIZE(image))};
    assert_non_null(picture.rgb);
    assert_true(png_image_finish_read(&image, NULL, picture.rgb, 0, NULL));
    return picture;
}

/* Whether the image stands anywhere in the picture, each of its pixels `enlarge` wide. */
static bool shows(const struct image *picture, const uint8_t *planes, int enlarge)
{
    const int side = IMAGE_SIZE * enlarge;
    for (int top = 0; top + side <= picture->height; top++)
        for (int left = 0; left + side <= picture->width; left++) {
            bool same = true;
            for (int p = 0; p < IMAGE_PIXELS && same; p++) {
                const int x = left + p % IMAGE_SIZE * enlarge, y = top + p / IMAGE_SIZE * enlarge;
                const uint8_t *pixel = picture->rgb + 3 * ((size_t)y * (size_t)picture->width + (size_t)x);
                for (int c = 0; c < 3; c++)
                    same = same && pixel[c] == planes[c * IMAGE_PIXELS + p];
            }
            if (same)
                return true;
        }
    return false;
}

static void test_all_pictures_are_written(void **state)
{
    (void)state;
    const struct outcome *outcome =
        run_expecting(0, "export pictures --what " PICTURES " --to out --scale 1 --checkpoint last --json");
    json_t *result = last_json(outcome), *files = json_object_get(result, "files");
    assert_int_equal(json_array_size(files), 8);
    for (size_t i = 0; i < 8; i++) {
        const char *name = json_text_at(json_array_get(files, i), "name");
        char path[128];
        snprintf(path, sizeof path, "out/step-%06d-%s.png", 16, name);
        assert_non_null(strstr(json_text_at(json_array_get(files, i), "path"), path));
        struct image picture = read_picture(path);
        assert_in_range(picture.width, 300, 4000);
        assert_in_range(picture.height, 200, 4000);
        free(picture.rgb);
    }
    json_decref(result);
}

/* What stands in the picture are the images that engine/samples.h picks, in their own colours. */
static void test_pictures_show_the_data(void **state)
{
    (void)state;
    enum { TESTED = 128, TRAINED = 128, SHOWN = 3, EPOCH = 1 /* the run's last */, SEED = 4 };
    struct dataset *dataset;
    struct error error;
    int places[SHOWN];
    const struct augment_options standard = AUGMENT_USUAL(AUGMENT_STANDARD);
    assert_int_equal(dataset_open("synthetic", &dataset, &error), 0);
    run_expecting(0, "export pictures --what samples,augmentation --to shown --scale 1 --checkpoint 8");

    struct image picture = read_picture("shown/step-000008-samples.png");
    assert_int_equal(samples_random(TESTED, SEED, SHOWN, places), SHOWN);
    for (int i = 0; i < SHOWN; i++)
        assert_true(shows(&picture, dataset_image(dataset, SPLIT_TEST, places[i]), 5));
    assert_false(shows(&picture, dataset_image(dataset, SPLIT_TEST, TESTED + 1), 5));
    free(picture.rgb);

    picture = read_picture("shown/step-000016-augmentation.png");
    assert_int_equal(samples_random(TRAINED, SEED, SHOWN, places), SHOWN);
    for (int i = 0; i < SHOWN; i++) {
        const uint8_t *image = dataset_image(dataset, SPLIT_TRAIN, places[i]);
        uint8_t changed[IMAGE_BYTES];
        augment_image(&standard, image, SEED, EPOCH, (uint32_t)places[i], changed, NULL);
        assert_true(shows(&picture, image, 5));
        assert_true(shows(&picture, changed, 5));
    }
    free(picture.rgb);
    dataset_close(dataset);
}

static void test_what_cannot_be_shown_is_said_in_a_line(void **state)
{
    (void)state;
    run_expecting(0, "train " TINY "--steps 3 --augment none --session plain");
    const struct outcome *outcome = run_expecting(1, "export plain --what augmentation --to none");
    assert_string_equal(outcome->err,
                        "nfbench export: augmentation: session plain trains without augmentation (--augment "
                        "none): there is nothing to show\n");
    outcome = run_expecting(1, "export pictures --what confusion --checkpoint 3");
    assert_non_null(strstr(outcome->err, "session pictures has no checkpoint at step 3\n"));
    outcome = run_expecting(1, "export pictures --what confusion --checkpoint newest");
    assert_non_null(strstr(outcome->err, "session pictures has no checkpoint newest: "));
    outcome = run_expecting(2, "export pictures --what confusion --checkpoint ../newest");
    assert_non_null(strstr(outcome->err, "--checkpoint ../newest: must be last, best, good, a step or a name\n"));
    outcome = run_expecting(2, "export pictures --what confusion --split all");
    assert_non_null(strstr(outcome->err, "--split all: must be test, validation or train\n"));
    assert_int_not_equal(access(process_path("none"), F_OK), 0); /* and nothing is left behind */
}

/* As the screen makes them, on a thread: what is missing does not hide what was written. */
static void test_the_screen_says_what_it_wrote_and_what_not(void **state)
{
    (void)state;
    struct export_set set;
    struct picture *picture;
    struct error error = {""};
    char said[PICTURE_TEXT];
    run_expecting(0, "train " TINY "--steps 3 --augment none --session shown");
    const char *names[] = {"loss,augmentation,accuracy", "augmentation", "loss"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_int_equal(export_parse(names[i], &set, &error), 0);
        assert_int_equal(picture_start_set(process_path("nfbench/shown"), &set, &picture, &error), 0);
        assert_int_equal(picture_measures(picture), i < 2); /* it opens the data, too */
        assert_int_equal(picture_finish(picture, said, &error), i == 1 ? -1 : 0);
        if (i == 0)
            assert_non_null(strstr(said, "wrote 2 pictures into"));
        assert_non_null(
            strstr(i == 1 ? error.message : said, i == 2 ? "wrote 1 picture into" : "without augmentation"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_pictures_are_written),
        cmocka_unit_test(test_pictures_show_the_data),
        cmocka_unit_test(test_what_cannot_be_shown_is_said_in_a_line),
        cmocka_unit_test(test_the_screen_says_what_it_wrote_and_what_not),
    };
    return cmocka_run_group_tests(tests, train_a_session, process_teardown);
}
