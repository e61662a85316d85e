/* The loader's promise: what comes out depends on (seed, epoch, number) alone, never on workers, seeks or timing. */
#include "engine/loader.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { FIRST = 20, COUNT = 50, BATCH = 8, BATCHES = 7, SEED = 5 };

static struct dataset *dataset;

static int open_dataset(void **state)
{
    struct error error = {""};
    (void)state;
    return dataset_open("synthetic", &dataset, &error);
}

static int close_dataset(void **state)
{
    (void)state;
    dataset_close(dataset);
    return 0;
}

static struct loader_options usual_options(int workers)
{
    struct loader_options options = {.split = SPLIT_TRAIN,
                                     .first = FIRST,
                                     .count = COUNT,
                                     .batch = BATCH,
                                     .shuffle = true,
                                     .augment = AUGMENT_USUAL(AUGMENT_STANDARD),
                                     .normalize = NORMALIZE_DATASET,
                                     .statistics = {{0.5f, 0.5f, 0.5f}, {0.25f, 0.25f, 0.25f}},
                                     .seed = SEED,
                                     .workers = workers};
    return options;
}

static struct loader *create(const struct loader_options *options)
{
    struct loader *loader = NULL;
    struct error error = {""};
    if (loader_create(dataset, options, &loader, &error))
        fail_msg("%s", error.message);
    return loader;
}

static void augmented(const struct batch *batch, const struct loader_options *options, int i, uint8_t *image)
{
    augment_image(&options->augment, dataset_image(dataset, options->split, (int)batch->indices[i]), options->seed,
                  batch->epoch, batch->indices[i], image, NULL);
}

/* The batch holds what its indices, epoch, augmentation and mixing say, as far as it is made. */
static void check_content(const struct batch *batch, const struct loader_options *options)
{
    const struct slice made = batch->made;
    const struct mix mix = mix_draw(&options->mix, options->seed, batch->epoch, batch->number);
    assert_memory_equal(&batch->mix, &mix, sizeof mix);
    assert_true(mix_is_on(&options->mix) == (batch->partners != NULL));
    for (int i = 0; i < batch->n; i++) {
        uint8_t image[IMAGE_BYTES], other[IMAGE_BYTES];
        float expected[IMAGE_BYTES];
        int index = (int)batch->indices[i], partner = (int)batch->indices[batch->n - 1 - i];
        assert_in_range(index, options->first, options->first + options->count - 1);
        augmented(batch, options, i, image);
        augmented(batch, options, batch->n - 1 - i, other);
        if (batch->partners) {
            assert_int_equal(batch->partners[i], dataset_label(dataset, options->split, partner));
            mix_normalize(options->normalize, &options->statistics, &mix, image, other, expected);
        } else {
            normalize_image(options->normalize, &options->statistics, image, expected);
        }
        if (i >= made.first && i < made.first + made.n)
            assert_memory_equal(batch->images + i * IMAGE_BYTES, expected, sizeof expected);
        assert_int_equal(batch->labels[i], dataset_label(dataset, options->split, index));
    }
}

static void check_place(const struct batch *batch, uint32_t epoch, uint32_t number)
{
    assert_int_equal(batch->epoch, epoch);
    assert_int_equal(batch->number, number);
    assert_int_equal(batch->n, number == BATCHES - 1 ? COUNT - (BATCHES - 1) * BATCH : BATCH);
}

static void check_whole(const struct batch *batch, const struct loader_options *options)
{
    assert_int_equal(batch->made.first, 0);
    assert_int_equal(batch->made.n, batch->n);
    check_content(batch, options);
}

static void expect_same(const struct batch *a, const struct batch *b)
{
    assert_int_equal(a->n, b->n);
    assert_memory_equal(a->indices, b->indices, (size_t)a->n * sizeof *a->indices);
    assert_memory_equal(a->labels, b->labels, (size_t)a->n);
    assert_memory_equal(a->images, b->images, (size_t)a->n * IMAGE_BYTES * sizeof(float));
}

static void test_mixed_batches_have_their_partners(void **state)
{
    (void)state;
    for (int workers = 0; workers < 3; workers += 2)
        for (int normalize = NORMALIZE_DATASET; normalize <= NORMALIZE_IMAGE; normalize++) {
            struct loader_options options = usual_options(workers);
            options.mix = (struct mix_options){.mixup = 0.5f, .cutmix = 1};
            options.normalize = (enum normalize_kind)normalize;
            struct loader *loader = create(&options);
            for (int i = 0; i < 2 * BATCHES; i++)
                check_content(loader_next(loader), &options);
            loader_destroy(loader);
        }
}

/* What is asked for single images is what the batches hold. */
static void test_partners_are_found_again(void **state)
{
    (void)state;
    struct loader_options options = usual_options(0);
    options.mix.cutmix = 1;
    struct loader *loader = create(&options), *asked = create(&options);
    for (int number = 0; number < BATCHES; number++) {
        const struct batch *batch = loader_next(loader);
        const int last = batch->n - 1, images[2] = {(int)batch->indices[last], (int)batch->indices[1]};
        int partners[2];
        struct mix mixes[2];
        loader_partners(asked, 0, images, 2, partners, mixes);
        assert_int_equal(partners[0], batch->indices[0]);
        assert_int_equal(partners[1], batch->indices[last - 1]);
        assert_memory_equal(&mixes[0], &batch->mix, sizeof batch->mix);
        assert_memory_equal(&mixes[1], &batch->mix, sizeof batch->mix);
    }
    loader_destroy(loader);
    loader_destroy(asked);
}

/* One slot without workers: what is written over a batch is still there in the next, where that made nothing. */
static void test_a_rank_makes_its_own_images_alone(void **state)
{
    (void)state;
    enum { RANKS = 3, MARK = 0x5a };
    for (int rank = 0; rank < RANKS; rank++) {
        struct loader_options options = usual_options(0);
        options.mix = (struct mix_options){.mixup = 0.5f, .cutmix = 1};
        options.slicing = (struct slicing){rank, RANKS, 1};
        struct loader *loader = create(&options);
        const struct batch *batch = loader_next(loader);
        for (int number = 1; number < 2 * BATCHES; number++) {
            memset(batch->images, MARK, BATCH * IMAGE_BYTES * sizeof(float));
            assert_ptr_equal(loader_next(loader), batch);
            const struct slice own = slice_of(&options.slicing, batch->n);
            assert_memory_equal(&batch->made, &own, sizeof own);
            check_content(batch, &options);
            for (int i = 0; i < BATCH; i++) {
                const unsigned char *image = (const unsigned char *)(batch->images + i * IMAGE_BYTES);
                const bool mine = i >= own.first && i < own.first + own.n;
                for (size_t b = 0; !mine && b < IMAGE_BYTES * sizeof(float); b++)
                    assert_int_equal(image[b], MARK);
            }
        }
        loader_destroy(loader);
    }
}

static void test_a_slice_is_completed_when_it_is_asked_for(void **state)
{
    (void)state;
    for (int workers = 0; workers < 3; workers += 2) {
        struct loader_options options = usual_options(workers);
        options.mix.mixup = 0.5f;
        options.slicing = (struct slicing){1, 3, 2};
        struct loader *loader = create(&options);
        loader_complete(loader); /* none in hand */
        for (int number = 0; number < BATCHES; number++) {
            const struct batch *batch = loader_next(loader);
            assert_true(batch->made.n < batch->n);
            check_content(batch, &options);
            for (int times = 0; times < 2 && number % 2 == 0; times++) {
                loader_complete(loader);
                check_whole(batch, &options);
            }
        }
        loader_destroy(loader);
    }
}

static void test_an_epoch_has_each_image_once_in_a_new_order(void **state)
{
    (void)state;
    struct loader_options options = usual_options(2);
    struct loader *loader = create(&options);
    uint32_t order[2][COUNT];
    assert_int_equal(loader_batches(loader), BATCHES);
    for (uint32_t epoch = 0; epoch < 2; epoch++) {
        int seen[COUNT] = {0}, at = 0;
        for (uint32_t number = 0; number < BATCHES; number++) {
            const struct batch *batch = loader_next(loader);
            check_place(batch, epoch, number);
            check_whole(batch, &options);
            for (int i = 0; i < batch->n; i++) {
                order[epoch][at++] = batch->indices[i];
                seen[batch->indices[i] - FIRST]++;
            }
        }
        for (int i = 0; i < COUNT; i++)
            assert_int_equal(seen[i], 1);
    }
    assert_true(memcmp(order[0], order[1], sizeof order[0]) != 0);
    loader_destroy(loader);
}

static void test_batches_are_the_same_for_any_number_of_workers(void **state)
{
    (void)state;
    static const int workers[] = {1, 3, 16};
    for (size_t w = 0; w < sizeof workers / sizeof workers[0]; w++) {
        struct loader_options alone = usual_options(0), many = usual_options(workers[w]);
        struct loader *a = create(&alone), *b = create(&many);
        for (int i = 0; i < 3 * BATCHES; i++) {
            const struct batch *one = loader_next(a);
            expect_same(one, loader_next(b));
        }
        loader_destroy(a);
        loader_destroy(b);
    }
}

static void test_a_sought_batch_is_the_one_that_came_by_itself(void **state)
{
    (void)state;
    for (int workers = 0; workers <= 3; workers += 3) {
        static const uint32_t places[][2] = {{2, 3}, {0, 0}, {2, 6}, {1, 5}, {1, 5}, {0, 6}};
        struct loader_options options = usual_options(workers), alone = usual_options(0);
        struct loader *seeker = create(&options);
        for (size_t p = 0; p < sizeof places / sizeof places[0]; p++) {
            struct loader *walker = create(&alone);
            for (uint32_t i = 0; i < places[p][0] * BATCHES + places[p][1]; i++)
                loader_next(walker);
            loader_seek(seeker, places[p][0], places[p][1]);
            for (int i = 0; i < 3; i++) { /* and what follows, into the next epoch */
                const struct batch *batch = loader_next(seeker);
                uint32_t flat = places[p][0] * BATCHES + places[p][1] + (uint32_t)i;
                check_place(batch, flat / BATCHES, flat % BATCHES);
                expect_same(loader_next(walker), batch);
            }
            loader_destroy(walker);
        }
        loader_destroy(seeker);
    }
}

static void test_seeking_wildly_neither_stalls_nor_mixes(void **state)
{
    (void)state;
    struct loader_options options = usual_options(3);
    struct loader *loader = create(&options);
    for (uint32_t i = 0; i < 300; i++) {
        loader_seek(loader, i % 11, i % BATCHES);
        if (i % 3 == 0) {
            const struct batch *batch = loader_next(loader);
            check_place(batch, i % 11, i % BATCHES);
            check_content(batch, &options);
        }
    }
    loader_destroy(loader);
}

static void test_a_batch_in_hand_stays_whole_until_the_next_call(void **state)
{
    (void)state;
    struct loader_options options = usual_options(3);
    struct loader *loader = create(&options);
    const struct batch *batch = loader_next(loader);
    loader_seek(loader, 4, 0);
    loader_seek(loader, 3, 0);
    for (int i = 0; i < 20; i++) /* the workers are busy with other batches meanwhile */
        check_content(batch, &options);
    check_place(batch, 0, 0);
    loader_destroy(loader);
}

static void test_without_shuffle_images_come_in_order(void **state)
{
    (void)state;
    struct loader_options options = usual_options(2);
    options.split = SPLIT_TEST;
    options.shuffle = false;
    options.augment.kind = AUGMENT_NONE;
    options.normalize = NORMALIZE_IMAGE;
    struct loader *loader = create(&options);
    for (uint32_t number = 0; number < BATCHES; number++) {
        const struct batch *batch = loader_next(loader);
        check_place(batch, 0, number);
        check_content(batch, &options);
        for (int i = 0; i < batch->n; i++)
            assert_int_equal(batch->indices[i], FIRST + (int)number * BATCH + i);
    }
    loader_destroy(loader);
}

static void test_the_order_depends_on_the_seed(void **state)
{
    (void)state;
    struct loader_options options = usual_options(0), other = usual_options(0);
    other.seed = SEED + 1;
    struct loader *a = create(&options), *b = create(&other);
    assert_true(memcmp(loader_next(a)->indices, loader_next(b)->indices, BATCH * sizeof(uint32_t)) != 0);
    loader_destroy(a);
    loader_destroy(b);
}

static void test_a_batch_larger_than_the_whole_is_the_whole(void **state)
{
    (void)state;
    struct loader_options options = usual_options(3);
    options.batch = 1000;
    struct loader *loader = create(&options);
    assert_int_equal(loader_batches(loader), 1);
    for (uint32_t epoch = 0; epoch < 8; epoch++) {
        const struct batch *batch = loader_next(loader);
        assert_int_equal(batch->n, COUNT);
        assert_int_equal(batch->epoch, epoch);
        assert_int_equal(batch->number, 0);
    }
    loader_destroy(loader);
}

static void test_nothing_is_allocated_after_creation(void **state)
{
    (void)state;
    struct loader_options options = usual_options(0); /* the same code as on a worker, on this thread's heap */
    struct loader *loader = create(&options);
    size_t before = mallinfo2().uordblks;
    for (int i = 0; i < 3 * BATCHES; i++)
        loader_next(loader);
    loader_seek(loader, 9, 1);
    loader_next(loader);
    assert_int_equal(mallinfo2().uordblks, before);
    loader_destroy(loader);
}

static void test_impossible_options_are_refused(void **state)
{
    (void)state;
    static const struct {
        int first, count, batch, workers;
        const char *word;
    } cases[] = {{0, 50001, 8, 0, "50000"},         {49990, 11, 8, 0, "50000"},
                 {-1, 5, 8, 0, "images -1"},        {0, 0, 8, 0, "50000"},
                 {0, 5, 0, 0, "batch of 0"},        {0, 5, 8, -1, "-1 loader threads"},
                 {0, 5, 8, 65, "65 loader threads"}};
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        struct loader_options options = usual_options(cases[c].workers);
        struct loader *loader = NULL;
        struct error error = {""};
        options.first = cases[c].first;
        options.count = cases[c].count;
        options.batch = cases[c].batch;
        assert_int_equal(loader_create(dataset, &options, &loader, &error), -1);
        assert_null(loader);
        assert_non_null(strstr(error.message, cases[c].word));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mixed_batches_have_their_partners),
        cmocka_unit_test(test_partners_are_found_again),
        cmocka_unit_test(test_a_rank_makes_its_own_images_alone),
        cmocka_unit_test(test_a_slice_is_completed_when_it_is_asked_for),
        cmocka_unit_test(test_an_epoch_has_each_image_once_in_a_new_order),
        cmocka_unit_test(test_batches_are_the_same_for_any_number_of_workers),
        cmocka_unit_test(test_a_sought_batch_is_the_one_that_came_by_itself),
        cmocka_unit_test(test_seeking_wildly_neither_stalls_nor_mixes),
        cmocka_unit_test(test_a_batch_in_hand_stays_whole_until_the_next_call),
        cmocka_unit_test(test_without_shuffle_images_come_in_order),
        cmocka_unit_test(test_the_order_depends_on_the_seed),
        cmocka_unit_test(test_a_batch_larger_than_the_whole_is_the_whole),
        cmocka_unit_test(test_nothing_is_allocated_after_creation),
        cmocka_unit_test(test_impossible_options_are_refused),
    };
    return cmocka_run_group_tests(tests, open_dataset, close_dataset);
}
