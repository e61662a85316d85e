/* See wire.h: the fields. */
#include "tui/wire_pass.h"

/* ---- Structs ---- */

static void pass_step_record(struct wire *wire, struct step_record *record)
{
    pass_steps(wire, &record->step);
    pass_any(wire, &record->epoch);
    pass_float(wire, &record->loss);
    pass_float(wire, &record->accuracy);
    pass_float(wire, &record->learning_rate);
    pass_float(wire, &record->gradient_norm);
    pass_any(wire, &record->clipped_units);
    pass_double(wire, &record->seconds);
    pass_double(wire, &record->images_per_second);
}

static void pass_epoch_record(struct wire *wire, struct epoch_record *record)
{
    pass_steps(wire, &record->step);
    pass_any(wire, &record->epoch);
    pass_float(wire, &record->train_loss);
    pass_float(wire, &record->train_accuracy);
    pass_float(wire, &record->validation_loss);
    pass_float(wire, &record->validation_accuracy);
    pass_float(wire, &record->test_loss);
    pass_float(wire, &record->test_accuracy);
    pass_double(wire, &record->seconds);
    pass_bool(wire, &record->epoch_end);
    pass_bool(wire, &record->run_end);
    pass_bool(wire, &record->best);
}

static void pass_trial_request(struct wire *wire, struct trial_request *request)
{
    pass_any(wire, &request->setting);
    for (int i = 0; i < TRIAL_VALUES; i++) {
        pass_double(wire, &request->values[i]);
        pass_bool(wire, &request->relative[i]);
    }
    pass_int(wire, &request->count, 0, TRIAL_VALUES);
    pass_steps(wire, &request->steps);
}

static void pass_command(struct wire *wire, struct command *command)
{
    PASS_ENUM(wire, command->kind, COMMAND_KINDS - 1);
    pass_double(wire, &command->value);
    pass_long(wire, &command->count);
    PASS_ENUM(wire, command->when.quantity, WHEN_VALIDATION_ACCURACY);
    PASS_ENUM(wire, command->when.relation, RELATION_ABOVE);
    pass_double(wire, &command->when.value);
    pass_long(wire, &command->number);
    PASS_ENUM(wire, command->then, COMMAND_KINDS - 1);
    pass_bool(wire, &command->in_turn);
    pass_trial_request(wire, &command->trial);
    wire_text(wire, command->name, sizeof(command->name));
    wire_text(wire, command->text, sizeof(command->text));
}

static void pass_command_record(struct wire *wire, struct command_record *record)
{
    pass_steps(wire, &record->step);
    pass_command(wire, &record->command);
    pass_bool(wire, &record->ok);
    wire_text(wire, record->outcome, sizeof(record->outcome));
}

static void pass_finding(struct wire *wire, struct finding *finding)
{
    PASS_ENUM(wire, finding->kind, FINDING_KINDS - 1);
    PASS_ENUM(wire, finding->severity, FINDING_ALARM);
    pass_bool(wire, &finding->over);
    pass_steps(wire, &finding->step);
    pass_steps(wire, &finding->since);
    pass_int(wire, &finding->point, -1, MODEL_MAX_BLOCKS);
    pass_float(wire, &finding->measured);
    pass_float(wire, &finding->limit);
    wire_text(wire, finding->text, sizeof(finding->text));
}

static void pass_summary(struct wire *wire, struct step_summary *steps)
{
    pass_steps(wire, &steps->first_step);
    pass_steps(wire, &steps->last_step);
    pass_int(wire, &steps->count, 0, INT_MAX);
    pass_float(wire, &steps->loss_min);
    pass_float(wire, &steps->loss_max);
    pass_double(wire, &steps->loss_sum);
    pass_double(wire, &steps->accuracy_sum);
    pass_float(wire, &steps->gradient_norm_min);
    pass_float(wire, &steps->gradient_norm_max);
    pass_double(wire, &steps->gradient_norm_sum);
    pass_float(wire, &steps->learning_rate);
    pass_double(wire, &steps->seconds);
    wire->failed |= wire->reading && steps->last_step < steps->first_step;
}

static void pass_trial_result(struct wire *wire, struct trial_result *result)
{
    pass_double(wire, &result->value);
    pass_steps(wire, &result->steps);
    pass_steps(wire, &result->diverged);
    pass_float(wire, &result->loss);
}

static void pass_trial_event(struct wire *wire, struct trial_event *trial)
{
    PASS_ENUM(wire, trial->news, TRIAL_GONE);
    wire_text(wire, trial->name, sizeof(trial->name));
    pass_bool(wire, &trial->range);
    pass_double(wire, &trial->low);
    pass_double(wire, &trial->high);
    pass_int(wire, &trial->index, 0, TRIAL_VALUES - 1);
    pass_int(wire, &trial->count, 0, TRIAL_VALUES);
    pass_steps(wire, &trial->from);
    pass_steps(wire, &trial->steps);
    pass_trial_result(wire, &trial->result);
    pass_summary(wire, &trial->taken);
    wire->failed |= wire->reading && trial->news == TRIAL_STEPS && trial->taken.count < 1;
}

static void pass_trial_progress(struct wire *wire, struct trial_progress *trial)
{
    pass_int(wire, &trial->index, 0, TRIAL_VALUES);
    pass_int(wire, &trial->count, 0, TRIAL_VALUES);
    pass_steps(wire, &trial->step);
    pass_steps(wire, &trial->steps);
}

static void pass_step_time(struct wire *wire, struct step_time *time)
{
    pass_double(wire, &time->whole);
    wire_pass(wire, time->parts, sizeof(time->parts));
}

static void pass_augment(struct wire *wire, struct augment_options *augment)
{
    PASS_ENUM(wire, augment->kind, AUGMENT_STANDARD);
    PASS_ENUM(wire, augment->flip, FLIP_ALTERNATING);
    pass_int(wire, &augment->crop, 0, AUGMENT_MOST_CROP);
    pass_int(wire, &augment->cutout, 0, IMAGE_SIZE);
    pass_int(wire, &augment->growing, 0, INT_MAX);
}

static void pass_mix(struct wire *wire, struct mix_options *mix)
{
    pass_float(wire, &mix->mixup);
    pass_float(wire, &mix->cutmix);
    wire->failed |=
        wire->reading && !(mix->mixup >= 0 && mix->mixup <= MIX_MOST && mix->cutmix >= 0 && mix->cutmix <= MIX_MOST);
}

static void pass_options(struct wire *wire, struct train_options *options)
{
    pass_any(wire, &options->epochs);
    pass_steps(wire, &options->steps);
    pass_int(wire, &options->batch, 0, INT_MAX);
    pass_float(wire, &options->learning_rate);
    PASS_ENUM(wire, options->schedule, SCHEDULE_ONECYCLE);
    pass_float(wire, &options->warmup_epochs);
    pass_any(wire, &options->step_epochs);
    pass_float(wire, &options->step_factor);
    PASS_ENUM(wire, options->optimizer, OPTIMIZER_NESTEROV);
    pass_float(wire, &options->momentum);
    pass_float(wire, &options->weight_decay);
    pass_bool(wire, &options->decay_all);
    pass_float(wire, &options->agc);
    pass_float(wire, &options->label_smoothing);
    pass_float(wire, &options->ema);
    pass_int(wire, &options->lookahead, 0, INT_MAX);
    pass_augment(wire, &options->augment);
    pass_mix(wire, &options->mix);
    PASS_ENUM(wire, options->normalize, NORMALIZE_IMAGE);
    pass_int(wire, &options->validation, 0, INT_MAX);
    pass_int(wire, &options->limit, 0, INT_MAX);
    wire_pass(wire, &options->seed, sizeof(options->seed));
    PASS_ENUM(wire, options->device, DEVICE_CUDA_LAST);
    PASS_ENUM(wire, options->precision, PRECISION_TF32);
    pass_any(wire, &options->threads);
    pass_steps(wire, &options->checkpoint_every);
    pass_any(wire, &options->log_every);
    pass_steps(wire, &options->probe_every);
    PASS_ENUM(wire, options->on_divergence, DIVERGENCE_CONTINUE);
}

void wire_snapshot(struct wire *wire, struct snapshot *now)
{
    PASS_ENUM(wire, now->state, TRAINER_FAILED);
    PASS_ENUM(wire, now->standstill, STANDSTILLS - 1);
    pass_step_record(wire, &now->step);
    pass_epoch_record(wire, &now->epoch);
    pass_steps(wire, &now->steps_total);
    pass_steps(wire, &now->steps_per_epoch);
    pass_any(wire, &now->epochs_total);
    pass_float(wire, &now->peak_learning_rate);
    pass_float(wire, &now->next_learning_rate);
    pass_double(wire, &now->eta_seconds);
    pass_any(wire, &now->evaluated);
    pass_any(wire, &now->evaluate_total);
    pass_steps(wire, &now->rehearsed);
    pass_steps(wire, &now->rehearse_total);
    pass_trial_progress(wire, &now->trial);
    pass_steps(wire, &now->saved_step);
    pass_bool(wire, &now->diverged);
    pass_steps(wire, &now->diverged_step);
    pass_steps(wire, &now->good_step);
    pass_steps(wire, &now->skipped_batches);
    pass_steps(wire, &now->images);
    pass_steps(wire, &now->trained_steps);
    pass_step_time(wire, &now->trained);
    pass_step_time(wire, &now->recent);
    pass_double(wire, &now->evaluating_seconds);
    pass_double(wire, &now->saving_seconds);
    pass_options(wire, &now->options);
    pass_int(wire, &now->next_batch, 0, INT_MAX);
    pass_long(wire, &now->extra_steps);
    pass_double(wire, &now->memory);
    pass_steps(wire, &now->probe_every);
    pass_int(wire, &now->pending_count, 0, PENDING_MOST);
    for (int i = 0; i < now->pending_count; i++)
        pass_command(wire, &now->pending[i]);
    wire_text(wire, now->message, sizeof(now->message));
}

void wire_facts(struct wire *wire, struct wire_facts *facts)
{
    wire_text(wire, facts->device, sizeof(facts->device));
    wire_text(wire, facts->data, sizeof(facts->data));
    wire_text(wire, facts->note, sizeof(facts->note));
    pass_double(wire, &facts->parameters);
    pass_double(wire, &facts->image_flops);
    pass_double(wire, &facts->memory);
    pass_steps(wire, &facts->resumed_step);
}

void wire_event(struct wire *wire, struct event *event)
{
    PASS_ENUM(wire, event->kind, EVENT_TRIAL);
    switch (event->kind) {
    case EVENT_STEPS:
        pass_summary(wire, &event->steps);
        break;
    case EVENT_EPOCH:
        pass_epoch_record(wire, &event->epoch);
        break;
    case EVENT_COMMAND:
        pass_command_record(wire, &event->command);
        break;
    case EVENT_MESSAGE:
        wire_text(wire, event->message, sizeof(event->message));
        break;
    case EVENT_FINDING:
        pass_finding(wire, &event->finding);
        break;
    case EVENT_CHECKPOINT:
        pass_steps(wire, &event->saved);
        break;
    case EVENT_ROLLBACK:
    case EVENT_COURSE:
        pass_steps(wire, &event->rollback);
        break;
    case EVENT_TRIAL:
        pass_trial_event(wire, &event->trial);
        break;
    }
}

/* ---- Of the network's size ---- */

static void pass_point(struct wire *wire, struct probe_point *point)
{
    float *const scalars[] = {&point->predicted,
                              &point->squared_mean,
                              &point->variance,
                              &point->shortcut_variance,
                              &point->branch_variance,
                              &point->least,
                              &point->most,
                              &point->dead,
                              &point->gradient_norm,
                              &point->gradient_variance,
                              &point->weight_norm,
                              &point->weight_gradient_norm,
                              &point->update_ratio,
                              &point->clipped};
    const size_t bytes = (size_t)point->channels * sizeof(*point->channel_mean);

    pass_int(wire, &point->channels, point->channels, point->channels);
    for (size_t i = 0; i < sizeof(scalars) / sizeof(*scalars); i++)
        pass_float(wire, scalars[i]);
    pass_bool(wire, &point->finite);
    wire_pass(wire, point->values, sizeof(point->values));
    wire_pass(wire, point->variances, sizeof(point->variances));
    wire_pass(wire, point->channel_mean, bytes);
    wire_pass(wire, point->channel_variance, bytes);
}

void wire_probe(struct wire *wire, struct probe *probe)
{
    pass_steps(wire, &probe->step);
    pass_int(wire, &probe->images, 0, INT_MAX);
    pass_float(wire, &probe->loss);
    pass_bool(wire, &probe->gradients);
    pass_int(wire, &probe->count, probe->count, probe->count);
    for (int i = 0; i < probe->count; i++)
        pass_point(wire, &probe->points[i]);
}

static void pass_prediction(struct wire *wire, struct prediction *prediction, int classes)
{
    pass_int(wire, &prediction->label, 0, classes - 1);
    pass_int(wire, &prediction->predicted, 0, classes - 1);
    pass_float(wire, &prediction->confidence);
    pass_float(wire, &prediction->loss);
}

/* Its images, and those of the next batch, are of the data set. */
static bool is_within(const struct look *look, const struct wire_limits *limits)
{
    const long images = look->split == SPLIT_TEST ? limits->test : limits->train;
    const bool batch = (look->train >= 1 && look->train <= limits->train && look->batch_size >= 1 &&
                        look->batch <= (uint32_t)(look->train - 1) / (uint32_t)look->batch_size);

    return batch && (long)look->first + look->count <= images;
}

void wire_look(struct wire *wire, struct look *look, const struct wire_limits *limits)
{
    const size_t classes = (size_t)look->classes;

    pass_steps(wire, &look->number);
    pass_steps(wire, &look->step);
    wire_pass(wire, &look->epoch, sizeof(look->epoch));
    wire_pass(wire, &look->batch, sizeof(look->batch));
    pass_bool(wire, &look->over);
    wire_text(wire, look->failure, sizeof(look->failure));
    pass_augment(wire, &look->augment);
    pass_mix(wire, &look->mix);
    wire_pass(wire, &look->seed, sizeof(look->seed));
    pass_int(wire, &look->train, 0, INT_MAX);
    pass_int(wire, &look->batch_size, 0, INT_MAX);
    PASS_ENUM(wire, look->split, SPLIT_TEST);
    pass_int(wire, &look->first, 0, INT_MAX);
    pass_int(wire, &look->count, 0, LOOK_IMAGES);
    pass_bool(wire, &look->averaged);
    pass_int(wire, &look->classes, look->classes, look->classes);
    pass_double(wire, &look->result.loss);
    pass_double(wire, &look->result.accuracy);
    pass_steps(wire, &look->result.correct);
    pass_steps(wire, &look->result.count);
    for (int i = 0; i < look->count; i++)
        pass_prediction(wire, &look->predictions[i], look->classes);
    wire_pass(wire, look->probabilities, (size_t)look->count * classes * sizeof(*look->probabilities));
    wire_pass(wire, look->confusion, classes * classes * sizeof(*look->confusion));
    pass_int(wire, &look->filter_count, look->filter_count, look->filter_count);
    pass_bool(wire, &look->standardized);
    wire_pass(wire, look->filters, (size_t)look->filter_count * LOOK_FILTER_WEIGHTS * sizeof(*look->filters));
    wire->failed |= wire->reading && !is_within(look, limits);
}
