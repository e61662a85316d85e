/* Frames between a run and its viewers: what is written is read back whole, and what cannot be is refused, cut off
 * anywhere, with any byte changed, or made of random bytes. */
#include "tests/tui/random.h"
#include "tui/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Static, so that what lies between the fields is zero. */
static const struct command command = {.kind = COMMAND_TRY,
                                       .value = 0.5,
                                       .count = BACK_GOOD,
                                       .when = {WHEN_LOSS, RELATION_BELOW, 1.25},
                                       .number = 7,
                                       .then = COMMAND_SAVE,
                                       .in_turn = true,
                                       .trial = {.setting = COMMAND_AGC,
                                                 .values = {1, 2, 3, 4, 5, 6, 7, 8},
                                                 .relative = {true, false, true},
                                                 .count = 3,
                                                 .steps = 100},
                                       .name = "kept",
                                       .text = "when loss < 1.25 save kept"};
static const struct event events[] = {
    {.kind = EVENT_STEPS, .steps = {3, 9, 7, 0.5f, 2.5f, 9.5, 3.25, 0.25f, 4.5f, 8.5, 0.01f, 12.5}},
    {.kind = EVENT_EPOCH, .epoch = {80, 2, 1.5f, 0.5f, 1.25f, 0.25f, -1, -1, 3.5, true, false, true}},
    {.kind = EVENT_COMMAND,
     .command = {.step = 12, .command = {.kind = COMMAND_NOTE, .text = "note ä"}, .ok = true, .outcome = "noted"}},
    {.kind = EVENT_MESSAGE, .message = "no memory"},
    {.kind = EVENT_FINDING,
     .finding = {FINDING_DEAD, FINDING_WARNING, true, 40, 30, 2, 0.95f, 0.9f, "most units are off"}},
    {.kind = EVENT_CHECKPOINT, .saved = 400},
    {.kind = EVENT_ROLLBACK, .rollback = 500},
    {.kind = EVENT_COURSE, .rollback = 600},
    {.kind = EVENT_TRIAL,
     .trial = {.news = TRIAL_STEPS,
               .name = "lr",
               .range = true,
               .low = 1e-5,
               .high = 1,
               .index = 1,
               .count = 2,
               .from = 100,
               .steps = 50,
               .result = {0.5, 12, 113, 1.75f},
               .taken = {101, 103, 3, 1, 2, 4.5, 1.5, 0.5f, 0.75f, 1.75, 0.1f, 6.5}}},
};
enum { EVENTS = sizeof events / sizeof *events };

static struct snapshot snapshot = {
    .state = TRAINER_PAUSED,
    .step = {120, 3, 1.5f, 0.25f, 0.01f, 2.5f, 4, 60.5, 1200.5},
    .epoch = {100, 2, 1.75f, 0.5f, 1.5f, 0.25f, 1.25f, 0.125f, 50.5, true, true, true},
    .steps_total = 1000,
    .steps_per_epoch = 50,
    .epochs_total = 20,
    .peak_learning_rate = 0.02f,
    .next_learning_rate = 0.015f,
    .eta_seconds = 300.5,
    .evaluated = 10,
    .evaluate_total = 100,
    .rehearsed = 5,
    .rehearse_total = 6,
    .trial = {1, 2, 30, 40},
    .saved_step = 100,
    .diverged = true,
    .diverged_step = 121,
    .good_step = 80,
    .skipped_batches = 2,
    .images = 9600,
    .trained_steps = 118,
    .trained = {60.5, {1, 2, 3, 4, 5, 6}},
    .recent = {0.5, {0.1, 0.2, 0.3, 0.4, 0.5, 0.6}},
    .evaluating_seconds = 2.5,
    .saving_seconds = 1.5,
    .options = {.epochs = 20,
                .steps = 1000,
                .batch = 64,
                .learning_rate = 0.02f,
                .schedule = SCHEDULE_COSINE,
                .warmup_epochs = 1.5f,
                .step_epochs = 10,
                .step_factor = 0.1f,
                .optimizer = OPTIMIZER_NESTEROV,
                .momentum = 0.9f,
                .weight_decay = 5e-4f,
                .decay_all = true,
                .agc = 0.02f,
                .label_smoothing = 0.1f,
                .ema = 0.99f,
                .lookahead = 5,
                .augment = AUGMENT_USUAL(AUGMENT_STANDARD),
                .mix = {0.2f, 1},
                .normalize = NORMALIZE_IMAGE,
                .validation = 500,
                .limit = 4000,
                .seed = 0x123456789abcdef0,
                .device = DEVICE_CUDA + 3,
                .precision = PRECISION_BF16,
                .threads = 2,
                .checkpoint_every = 40,
                .log_every = 10,
                .probe_every = PROBE_EVERY_AUTO,
                .on_divergence = DIVERGENCE_CONTINUE},
    .next_batch = 32,
    .extra_steps = -3,
    .memory = 1e9,
    .probe_every = 200,
    .pending_count = 1,
    .message = "diverged at step 121",
};

static void write_event(struct wire *wire, const void *item)
{
    struct event event;
    memcpy(&event, item, sizeof event);
    wire_event(wire, &event);
}

static struct wire written(void (*write)(struct wire *, const void *), const void *item)
{
    struct wire wire = {0};
    write(&wire, item);
    assert_false(wire.failed);
    return wire;
}

static struct wire reading(const struct wire *wire, size_t size)
{
    return (struct wire){.bytes = wire->bytes, .size = size, .reading = true};
}

/* ---- What is written is read ---- */

static void events_are_read_as_they_were_written(void **state)
{
    (void)state;
    for (int i = 0; i < EVENTS; i++) {
        static struct event read;
        struct wire wire = written(write_event, &events[i]), back = reading(&wire, wire.at);
        memset(&read, 0, sizeof read);
        wire_event(&back, &read);
        assert_true(wire_is_read(&back));
        assert_memory_equal(&read, &events[i], sizeof read);
        for (size_t cut = 0; cut < wire.at; cut++) {
            back = reading(&wire, cut);
            wire_event(&back, &read);
            assert_false(wire_is_read(&back));
        }
        free(wire.bytes);
    }
}

static void write_snapshot(struct wire *wire, const void *item)
{
    struct snapshot copy;
    memcpy(&copy, item, sizeof copy);
    wire_snapshot(wire, &copy);
}

static void snapshots_are_read_as_they_were_written(void **state)
{
    (void)state;
    static struct snapshot read;
    snapshot.pending[0] = command;
    struct wire wire = written(write_snapshot, &snapshot), back = reading(&wire, wire.at);
    wire_snapshot(&back, &read);
    assert_true(wire_is_read(&back));
    assert_memory_equal(&read, &snapshot, sizeof read);
    for (size_t cut = 0; cut < wire.at; cut++) {
        back = reading(&wire, cut);
        wire_snapshot(&back, &read);
        assert_false(wire_is_read(&back));
    }
    free(wire.bytes);
}

static void facts_are_read_as_they_were_written(void **state)
{
    (void)state;
    static struct wire_facts facts = {"CPU, 2 threads", "synthetic images", "a note", 1987, 79.5, 8e6, 120}, read;
    struct wire wire = {0};
    wire_facts(&wire, &facts);
    struct wire back = reading(&wire, wire.at);
    wire_facts(&back, &read);
    assert_true(wire_is_read(&back));
    assert_memory_equal(&read, &facts, sizeof read);
    free(wire.bytes);
}

/* ---- Of a network's size ---- */

static struct model_spec tiny_spec(void)
{
    struct model_spec spec;
    struct train_options options;
    struct error error = {""};
    assert_int_equal(model_preset("micro", &spec, &options, &error), 0);
    spec.classes = 10;
    return spec;
}

static void fill(float *values, size_t count, float first)
{
    for (size_t i = 0; i < count; i++)
        values[i] = first + (float)i;
}

static struct probe *made_probe(const struct model_spec *spec)
{
    struct probe *probe;
    struct error error = {""};
    assert_int_equal(probe_create(spec, &probe, &error), 0);
    probe->step = 12;
    probe->images = 8;
    probe->loss = 2.5f;
    probe->gradients = true;
    for (int i = 0; i < probe->count; i++) {
        struct probe_point *point = &probe->points[i];
        point->predicted = 1.25f + (float)i;
        point->variance = 1.5f;
        point->clipped = 0.5f;
        point->update_ratio = 0.01f;
        point->finite = i % 2;
        point->values[3] = 7;
        point->variances[VALUE_BINS - 1] = 9;
        fill(point->channel_mean, (size_t)point->channels, 1);
        fill(point->channel_variance, (size_t)point->channels, 100);
    }
    return probe;
}

static void probes_are_read_as_they_were_written(void **state)
{
    (void)state;
    const struct model_spec spec = tiny_spec();
    struct probe *probe = made_probe(&spec), *read;
    struct error error = {""};
    struct wire wire = {0};
    assert_int_equal(probe_create(&spec, &read, &error), 0);
    wire_probe(&wire, probe);
    struct wire back = reading(&wire, wire.at), again = {0};
    wire_probe(&back, read);
    assert_true(wire_is_read(&back));
    wire_probe(&again, read);
    assert_int_equal(again.at, wire.at);
    assert_memory_equal(again.bytes, wire.bytes, wire.at);
    assert_true(read->points[1].channel_variance[2] == 102);
    assert_int_equal(read->points[0].variances[VALUE_BINS - 1], 9);
    back = reading(&wire, wire.at - 1);
    wire_probe(&back, read);
    assert_false(wire_is_read(&back));
    free(wire.bytes);
    free(again.bytes);
    probe_destroy(probe);
    probe_destroy(read);
}

static struct look *made_look(const struct model_spec *spec)
{
    struct look *look;
    struct error error = {""};
    assert_int_equal(look_create(spec, &look, &error), 0);
    look->number = 3;
    look->step = 120;
    look->epoch = 2;
    look->batch = 6;
    look->augment = (struct augment_options){AUGMENT_STANDARD, FLIP_RANDOM, 3, 12, 5};
    look->mix = (struct mix_options){0.4f, 100};
    look->seed = 42;
    look->train = 100;
    look->batch_size = 16;
    look->split = SPLIT_TEST;
    look->first = 0;
    look->count = 5;
    look->averaged = true;
    look->result = (struct evaluation){1.5, 0.5, 2, 5};
    look->standardized = true;
    for (int i = 0; i < look->count; i++)
        look->predictions[i] = (struct prediction){i, 9 - i, 0.5f, 1.5f};
    fill(look->probabilities, 50, 0);
    look->confusion[11] = 4;
    fill(look->filters, (size_t)look->filter_count * LOOK_FILTER_WEIGHTS, -5);
    return look;
}

static const struct wire_limits limits = {.train = 100, .test = 50};

static void looks_are_read_as_they_were_written(void **state)
{
    (void)state;
    const struct model_spec spec = tiny_spec();
    struct look *look = made_look(&spec), *read;
    struct error error = {""};
    struct wire wire = {0};
    assert_int_equal(look_create(&spec, &read, &error), 0);
    wire_look(&wire, look, NULL);
    struct wire back = reading(&wire, wire.at), again = {0};
    wire_look(&back, read, &limits);
    assert_true(wire_is_read(&back));
    wire_look(&again, read, NULL);
    assert_int_equal(again.at, wire.at);
    assert_memory_equal(again.bytes, wire.bytes, wire.at);
    assert_int_equal(read->predictions[4].predicted, 5);
    free(wire.bytes);
    free(again.bytes);
    look_destroy(look);
    look_destroy(read);
}

/* Whatever reads images or classes by the numbers in it must find them. */
static void looks_beyond_the_data_are_refused(void **state)
{
    (void)state;
    const struct model_spec spec = tiny_spec();
    struct look *look = made_look(&spec), *read;
    struct error error = {""};
    assert_int_equal(look_create(&spec, &read, &error), 0);
    for (int wrong = 0; wrong < 6; wrong++) {
        struct look *bad = made_look(&spec);
        struct wire wire = {0};
        if (wrong == 0)
            bad->first = 46; /* of 50 */
        else if (wrong == 1)
            bad->predictions[2].label = 10;
        else if (wrong == 2)
            bad->predictions[2].predicted = -1;
        else if (wrong == 3)
            bad->train = 101;
        else if (wrong == 4)
            bad->batch = 7; /* begins behind the last of 100 */
        else
            bad->batch_size = 0;
        wire_look(&wire, bad, NULL);
        struct wire back = reading(&wire, wire.at);
        wire_look(&back, read, &limits);
        assert_false(wire_is_read(&back));
        free(wire.bytes);
        look_destroy(bad);
    }
    look_destroy(look);
    look_destroy(read);
}

/* ---- Frames ---- */

static void a_frame_is_taken_when_it_is_whole(void **state)
{
    (void)state;
    struct wire wire = {0}, fields;
    enum wire_kind kind;
    size_t length;
    char text[WIRE_TEXT] = "lr x0.5", read[WIRE_TEXT];
    const size_t frame = wire_begin(&wire, WIRE_LINE);
    wire_text(&wire, text, sizeof text);
    wire_end(&wire, frame);
    for (size_t count = 0; count < wire.at; count++)
        assert_int_equal(wire_take(wire.bytes, count, WIRE_SMALL, &kind, &fields, &length), WIRE_PART);
    assert_int_equal(wire_take(wire.bytes, wire.at, WIRE_SMALL, &kind, &fields, &length), WIRE_WHOLE);
    assert_int_equal(kind, WIRE_LINE);
    assert_int_equal(length, wire.at);
    wire_text(&fields, read, sizeof read);
    assert_true(wire_is_read(&fields));
    assert_string_equal(read, text);

    uint32_t header[2] = {WIRE_SMALL - WIRE_HEADER + 1, WIRE_LINE}; /* longer than any of a viewer's */
    assert_int_equal(wire_take((unsigned char *)header, sizeof header, WIRE_SMALL, &kind, &fields, &length),
                     WIRE_BROKEN);
    header[0] = 0xffffffff;
    assert_int_equal(wire_take((unsigned char *)header, sizeof header, WIRE_LARGE, &kind, &fields, &length),
                     WIRE_BROKEN);
    header[0] = 0;
    header[1] = WIRE_KINDS;
    assert_int_equal(wire_take((unsigned char *)header, sizeof header, WIRE_SMALL, &kind, &fields, &length),
                     WIRE_BROKEN);
    free(wire.bytes);
}

/* Everything that is read of bytes lies in its range, whatever they are: what was taken can be written and read. */
static void read_all(const unsigned char *bytes, size_t size, struct probe *probe, struct look *look)
{
    static struct event event;
    static struct snapshot now;
    static struct wire_facts facts;
    struct wire wire = {.bytes = (unsigned char *)bytes, .size = size, .reading = true}, back = wire, again = {0};
    wire_event(&back, &event);
    assert_in_range(event.kind, 0, EVENT_TRIAL);
    if (wire_is_read(&back)) {
        wire_event(&again, &event);
        assert_int_equal(again.at, size);
        free(again.bytes);
    }
    back = wire;
    wire_snapshot(&back, &now);
    assert_in_range(now.state, 0, TRAINER_FAILED);
    assert_in_range(now.pending_count, 0, PENDING_MOST);
    assert_non_null(memchr(now.message, 0, sizeof now.message));
    back = wire;
    wire_facts(&back, &facts);
    back = wire;
    wire_probe(&back, probe);
    back = wire;
    wire_look(&back, look, &limits);
    assert_in_range(look->count, 0, LOOK_IMAGES);
}

static void random_bytes_harm_nothing(void **state)
{
    (void)state;
    const struct model_spec spec = tiny_spec();
    struct probe *probe = made_probe(&spec);
    struct look *look = made_look(&spec);
    unsigned char bytes[2048];
    for (int trial = 0; trial < 2000; trial++) {
        const size_t size = next_random() % sizeof bytes;
        for (size_t i = 0; i < size; i++)
            bytes[i] = (unsigned char)next_random();
        if (size > 3)
            memset(bytes + trial % 4, 0, (size_t)(trial % 3)); /* small kinds and lengths, too */
        read_all(bytes, size, probe, look);
    }
    probe_destroy(probe);
    look_destroy(look);
}

static void a_byte_that_was_changed_harms_nothing(void **state)
{
    (void)state;
    const struct model_spec spec = tiny_spec();
    struct probe *probe = made_probe(&spec);
    struct look *look = made_look(&spec);
    for (int i = 0; i < EVENTS + 1; i++) {
        struct wire wire = i < EVENTS ? written(write_event, &events[i]) : written(write_snapshot, &snapshot);
        for (size_t at = 0; at < wire.at; at++)
            for (int turn = 1; turn < 256; turn += 50) {
                wire.bytes[at] ^= (unsigned char)turn;
                read_all(wire.bytes, wire.at, probe, look);
                wire.bytes[at] ^= (unsigned char)turn;
            }
        free(wire.bytes);
    }
    probe_destroy(probe);
    look_destroy(look);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_are_read_as_they_were_written),
        cmocka_unit_test(snapshots_are_read_as_they_were_written),
        cmocka_unit_test(facts_are_read_as_they_were_written),
        cmocka_unit_test(probes_are_read_as_they_were_written),
        cmocka_unit_test(looks_are_read_as_they_were_written),
        cmocka_unit_test(looks_beyond_the_data_are_refused),
        cmocka_unit_test(a_frame_is_taken_when_it_is_whole),
        cmocka_unit_test(random_bytes_harm_nothing),
        cmocka_unit_test(a_byte_that_was_changed_harms_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
