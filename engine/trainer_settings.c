/* Settings that change while the run trains: what hangs on each, how one is undone, and how a state that comes from a
 * checkpoint brings its own. Called with nothing in flight, so that a value holds from the next step on, on a GPU, too:
 * there the optimizer's go with each step in device memory, and what a recorded pass was made for is part of its key.
 */
#include "engine/live.h"
#include "engine/network_probe.h"
#include "engine/ranks.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- What is made by the settings ---- */

/* Workers that prepare batches: few, since the step itself uses all processors. */
static int loader_workers(int threads)
{
    if (threads <= 0)
        threads = (int)sysconf(_SC_NPROCESSORS_ONLN);
    int workers = threads / 4;
    return workers < 1 ? 1 : workers > 4 ? 4 : workers;
}

/* In place of the one that is there, if any. */
int trainer_make_loader(struct trainer *trainer, struct error *error)
{
    const struct train_options *options = &trainer->options;
    const struct loader_options loading = {
        .split = SPLIT_TRAIN,
        .count = trainer->parts.train,
        .batch = options->batch,
        .shuffle = true,
        .augment = options->augment,
        .mix = options->mix,
        .normalize = options->normalize,
        .statistics = trainer->parts.statistics,
        .slicing = network_slicing(trainer->network),
        .seed = options->seed,
        .workers = network_backend(trainer->network)->load_batch ? 0 : loader_workers(options->threads),
    };
    struct loader *loader;
    if (loader_create(trainer->dataset, &loading, &loader, error) < 0)
        return -1;
    loader_destroy(trainer->loader);
    trainer->loader = loader;
    trainer->batch = NULL;
    trainer->fetched = false;
    return 0;
}

void trainer_count_steps(struct trainer *trainer)
{
    const struct train_options *options = &trainer->options;
    trainer->steps_per_epoch = loader_batches(trainer->loader);
    trainer->steps_total =
        options->epochs > 0 ? options->epochs * trainer->steps_per_epoch + trainer->state.extra_steps : LONG_MAX;
    if (options->steps > 0 && options->steps < trainer->steps_total)
        trainer->steps_total = options->steps;
    const long steps = trainer->steps_total - trainer->state.extra_steps;
    trainer->now.steps_total = trainer->steps_total;
    trainer->now.steps_per_epoch = trainer->steps_per_epoch;
    trainer->now.epochs_total = (int)((steps + trainer->steps_per_epoch - 1) / trainer->steps_per_epoch);
}

int trainer_make_source(struct trainer *trainer, struct error *error)
{
    uint32_t place;
    const struct device_view view = {
        .split = SPLIT_TRAIN,
        .ordered = true,
        .augment = trainer->options.augment,
        .normalize = trainer->options.normalize,
        .statistics = trainer->parts.statistics,
        .seed = trainer->options.seed,
    };
    return trainer->device ? device_data_source(trainer->device, &view, 0, &trainer->source, &place, error) : 0;
}

static int make_images(struct trainer *trainer, struct error *error)
{
    if (trainer_without_signals(trainer, trainer_make_loader, error) < 0 || trainer_make_source(trainer, error) < 0)
        return -1;
    trainer_count_steps(trainer);
    return 0;
}

/* ---- The state's values ---- */

static void keep_values(struct trainer *trainer)
{
    const struct live_setting *setting;
    trainer->options.learning_rate = trainer->state.learning_rate;
    for (int i = 0; (setting = live_setting(i)); i++)
        trainer->state.values[i] = live_get(setting, &trainer->options);
    trainer->state.has_values = true;
}

static bool images_differ(const struct train_options *a, const struct train_options *b)
{
    return a->augment.kind != b->augment.kind || a->mix.mixup != b->mix.mixup || a->mix.cutmix != b->mix.cutmix;
}

int trainer_adopt_settings(struct trainer *trainer, struct error *error)
{
    const struct training_state *state = &trainer->state;
    const struct train_options before = trainer->options;
    const struct live_setting *setting;
    for (int i = 0; (setting = live_setting(i)); i++) {
        const bool known = state->has_values && !isnan(state->values[i]);
        if (!setting->of_session)
            live_put(setting, &trainer->options, known ? state->values[i] : live_get(setting, &trainer->given));
    }
    keep_values(trainer);
    if (trainer->options.batch != before.batch && ranks_batch(trainer, trainer->options.batch, true, error) != 0)
        return -1;
    if (!trainer->loader || trainer->options.batch != before.batch || images_differ(&trainer->options, &before))
        return make_images(trainer, error);
    trainer_count_steps(trainer);
    return 0;
}

/* ---- Batch ---- */

/* The change that was asked for is none to undo. */
static void forget_batch(struct training_state *state, int batch)
{
    for (int i = state->change_count - 1; i >= 0; i--)
        if (state->changes[i].kind == COMMAND_BATCH) {
            if (state->changes[i].before != batch)
                return;
            state->change_count--;
            memmove(state->changes + i, state->changes + i + 1,
                    (size_t)(state->change_count - i) * sizeof *state->changes);
            return;
        }
}

/* There was memory for it when it was asked for. Steps that are not the run's own say nothing. */
static enum progress report_refused_batch(struct trainer *trainer, int batch, const struct error *why)
{
    forget_batch(&trainer->state, trainer->options.batch);
    if (trainer->rehearsal)
        return RUN_ON;
    struct command_record record = {.step = trainer->state.step, .command = {.kind = COMMAND_BATCH, .value = batch}};
    snprintf(record.command.text, sizeof record.command.text, "set batch %d", batch);
    trainer_outcome(&record, "the batch stays %d: %s", trainer->options.batch, why->message);
    return trainer_report_command(trainer, &record) < 0 ? RUN_FAILED : RUN_ON;
}

/* `why` says that there is no memory for it. */
static enum progress change_batch(struct trainer *trainer, int batch, struct error *why)
{
    struct training_state *state = &trainer->state;
    state->next_batch = 0;
    const int changed = ranks_batch(trainer, batch, true, why);
    if (changed < 0) {
        trainer->failure = *why;
        return RUN_FAILED;
    }
    if (changed == NETWORK_BATCH_REFUSED)
        return RUN_ON;
    trainer->options.batch = batch;
    keep_values(trainer);
    if (trainer_without_signals(trainer, trainer_make_loader, &trainer->failure) < 0)
        return RUN_FAILED;
    state->extra_steps = state->step - state->epoch * (long)loader_batches(trainer->loader);
    trainer_count_steps(trainer);
    trainer_seek(trainer);
    return RUN_ON;
}

enum progress trainer_change_batch(struct trainer *trainer)
{
    const struct training_state *state = &trainer->state;
    struct error why = {""};
    const int batch = state->next_batch;
    if (batch == 0 || batch == trainer->options.batch || state->batch_in_epoch != 0)
        return RUN_ON;
    const enum progress progress = change_batch(trainer, batch, &why);
    return progress == RUN_ON && trainer->options.batch != batch ? report_refused_batch(trainer, batch, &why)
                                                                 : progress;
}

static enum progress set_batch(struct trainer *trainer, struct command_record *record)
{
    struct training_state *state = &trainer->state;
    struct error why = {""};
    const int now = trainer->options.batch, before = state->next_batch ? state->next_batch : now;
    const int batch = (int)record->command.value;
    if (batch > trainer->parts.train)
        return trainer_refuse(record, "a batch of %d: there are only %d training images; it stays %d", batch,
                              trainer->parts.train, before);
    const int refused = ranks_batch(trainer, batch, false, &why);
    if (refused < 0) {
        trainer->failure = why;
        return RUN_FAILED;
    }
    if (refused)
        return trainer_refuse(record, "%.300s", why.message);
    trainer->unsaved = true;
    const enum progress progress =
        batch != now && state->batch_in_epoch == 0 ? change_batch(trainer, batch, &why) : RUN_ON;
    if (progress != RUN_ON || *why.message) {
        record->ok = false;
        trainer_outcome(record, "batch stays %d: no memory for %d", now, batch);
        if (trainer->leads)
            trainer_add_outcome(record, " (%.200s)", why.message);
        return progress;
    }
    state->next_batch = batch == trainer->options.batch ? 0 : batch;
    if (batch != before)
        trainer_remember_change(trainer, COMMAND_BATCH, before);
    if (state->next_batch) {
        const long start = state->step - state->batch_in_epoch + trainer->steps_per_epoch;
        trainer_outcome(record, "batch %d -> %d from step %ld on, where epoch %d begins", before, batch, start,
                        state->epoch + 2);
        return RUN_ON;
    }
    trainer_outcome(record, "batch %d -> %d", before, batch);
    return RUN_ON;
}

/* ---- The others ---- */

/* What more than the value must change; `record` gets why it cannot. */
static enum progress follow(struct trainer *trainer, struct command_record *record)
{
    struct error why = {""};
    switch (record->command.kind) {
    case COMMAND_AUGMENT:
    case COMMAND_MIXUP:
    case COMMAND_CUTMIX:
        if (make_images(trainer, &trainer->failure) < 0)
            return RUN_FAILED;
        trainer_seek(trainer);
        break;
    case COMMAND_EPOCHS:
    case COMMAND_STEPS:
        trainer_count_steps(trainer);
        break;
    case COMMAND_PROBE_EVERY:
        if (trainer_schedule_probes(trainer, &why) < 0)
            return trainer_refuse(record, "%.150s", why.message);
        break;
    default:
        break;
    }
    return RUN_ON;
}

/* With the batch that waits for the next epoch, whose epochs have other steps. */
static long find_end(const struct trainer *trainer)
{
    const struct training_state *state = &trainer->state;
    const struct train_options *options = &trainer->options;
    const long start = state->step - state->batch_in_epoch + trainer->steps_per_epoch; /* of the next epoch */
    const long epochs = options->epochs - state->epoch - 1;
    const int batch = state->next_batch;
    if (batch == 0 || epochs <= 0)
        return trainer->steps_total;
    const long end = start + epochs * loader_batches_of(trainer->parts.train, batch);
    return options->steps > 0 && options->steps < end ? options->steps : end;
}

static void add_end(const struct trainer *trainer, struct command_record *record)
{
    const long end = find_end(trainer);
    trainer_add_outcome(
        record, end > trainer->state.step ? "; the run ends at step %ld" : "; the run ends here, behind step %ld", end);
}

static void add_next_rate(const struct trainer *trainer, struct command_record *record)
{
    const double rate = trainer->state.learning_rate * trainer_factor(trainer, trainer->state.step);
    trainer_add_outcome(record, "; the next step has lr %.3g", rate);
}

enum progress trainer_set(struct trainer *trainer, struct command_record *record)
{
    const struct live_setting *setting = live_of_command(record->command.kind);
    const double before = live_get(setting, &trainer->options), after = record->command.value;
    const char *const refusal = live_refusal(setting, &trainer->given, after);
    char old[32], new[32];
    if (record->command.kind == COMMAND_BATCH)
        return set_batch(trainer, record);
    if (refusal)
        return trainer_refuse(record, "%s", refusal);
    live_put(setting, &trainer->options, after);
    const enum progress progress = follow(trainer, record);
    if (!record->ok || progress == RUN_FAILED) {
        live_put(setting, &trainer->options, before);
        return progress;
    }
    keep_values(trainer);
    trainer->unsaved |= !setting->of_session;
    if (after != before)
        trainer_remember_change(trainer, setting->command, before);
    live_text(setting, before, old, sizeof old);
    live_text(setting, live_get(setting, &trainer->options), new, sizeof new);
    trainer_outcome(record, "%s %s -> %s", setting->name, old, new);
    if (record->command.kind == COMMAND_SCHEDULE)
        add_next_rate(trainer, record);
    if (record->command.kind == COMMAND_EPOCHS || record->command.kind == COMMAND_STEPS)
        add_end(trainer, record);
    return progress;
}

/* ---- Undo ---- */

void trainer_remember_change(struct trainer *trainer, enum command_kind kind, double before)
{
    struct training_state *state = &trainer->state;
    keep_values(trainer);
    if (trainer->undoing)
        return;
    if (state->change_count == CHANGES_MOST)
        memmove(state->changes, state->changes + 1, (size_t)--state->change_count * sizeof *state->changes);
    state->changes[state->change_count++] = (struct undo_entry){kind, before};
}

enum progress trainer_undo(struct trainer *trainer, struct command_record *record)
{
    struct training_state *state = &trainer->state;
    if (state->change_count == 0)
        return trainer_refuse(record, "there is nothing to undo: no setting was changed");
    const struct undo_entry change = state->changes[state->change_count - 1];
    struct command_record back = {.step = record->step, .command = {.kind = change.kind, .value = change.before}};
    back.ok = true;
    state->change_count--; /* before it: it may save, and so go back to a state that has no such change */
    trainer->undoing = true;
    const enum progress progress = trainer_do(trainer, &back);
    trainer->undoing = false;
    if (!back.ok)
        state->changes[state->change_count++] = change;
    trainer->unsaved = true;
    record->ok = back.ok;
    record->command.kind = change.kind; /* what it comes to, for who reads the record */
    record->command.count = COUNT_OF_UNDO;
    record->command.value = change.before;
    memcpy(record->outcome, back.outcome, sizeof record->outcome);
    return progress;
}
