/* See state_record.h. */
#include "sessions/state_record.h"

#include "engine/live.h"
#include "sessions/file.h"
#include "sessions/json.h"
#include "sessions/metrics_record.h"

#include <errno.h>
#include <string.h>

static const struct field figure_fields[] = {
    FIELD(training_state, last_accuracy, FIELD_FLOAT),   FIELD(training_state, last_gradient_norm, FIELD_FLOAT),
    FIELD(training_state, validation_loss, FIELD_FLOAT), FIELD(training_state, validation_accuracy, FIELD_FLOAT),
    FIELD(training_state, next_batch, FIELD_INT),        FIELD(training_state, extra_steps, FIELD_LONG),
    FIELD(training_state, pending_number, FIELD_LONG),
};
static const struct field change_fields[] = {
    FIELD_WORD(undo_entry, "action", kind, command_words),
    FIELD(undo_entry, before, FIELD_DOUBLE),
};
static const struct field pending_fields[] = {
    FIELD(command, number, FIELD_LONG),
    FIELD_WORD(command, "when", when.quantity, quantity_words),
    FIELD_WORD(command, "relation", when.relation, relation_words),
    FIELD_NAMED(command, "bound", when.value, FIELD_DOUBLE),
    FIELD_WORD(command, "action", kind, command_words),
    FIELD(command, value, FIELD_DOUBLE),
    FIELD(command, count, FIELD_LONG),
    FIELD_CHARS(command, "name", name),
    FIELD_CHARS(command, "command", text),
};

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

/* The peak learning rate is among the state's own fields. */
static bool is_kept(const struct live_setting *setting)
{
    return !setting->of_session && setting->command != COMMAND_LEARNING_RATE;
}

static const struct setting *row_of(const struct live_setting *setting)
{
    return settings_row(settings_find(setting->name));
}

static void write_list(const char *name, const struct field *fields, int field_count, const void *items, int count,
                       size_t size, struct text *text)
{
    text_add(text, ",\"%s\":[", name);
    for (int i = 0; i < count; i++) {
        text_add(text, i ? ",{" : "{");
        fields_write(fields, field_count, (const char *)items + (size_t)i * size, text);
        text_add(text, "}");
    }
    text_add(text, "]");
}

void state_record_write(const struct training_state *state, struct text *text)
{
    const struct live_setting *setting;
    const char *comma = "";
    char value[SETTINGS_VALUE_SIZE];
    text_add(text, "{");
    fields_write(figure_fields, COUNT(figure_fields), state, text);
    write_list("changes", change_fields, COUNT(change_fields), state->changes, state->change_count,
               sizeof *state->changes, text);
    write_list("pending", pending_fields, COUNT(pending_fields), state->pending, state->pending_count,
               sizeof *state->pending, text);
    if (state->has_values)
        text_add(text, ",\"settings\":{");
    for (int i = 0; state->has_values && (setting = live_setting(i)); i++) {
        if (!is_kept(setting))
            continue;
        setting_text(row_of(setting), state->values[i], value);
        text_add(text, "%s\"%s\":", comma, setting->name);
        text_add_string(text, value);
        comma = ",";
    }
    text_add(text, state->has_values ? "}}" : "}");
}

static int read_list(const json_t *list, const struct field *fields, int field_count, void *items, int most,
                     size_t size, int *count, struct error *error)
{
    if (!json_is_array(list) || json_array_size(list) > (size_t)most)
        return file_damaged(error, "a list of commands makes no sense");
    *count = (int)json_array_size(list);
    for (int i = 0; i < *count; i++)
        if (fields_read(fields, field_count, json_array_get(list, (size_t)i), (char *)items + (size_t)i * size, error))
            return -1;
    return 0;
}

/* One that is younger than the checkpoint keeps the value of its settings: NAN. */
static int read_values(const json_t *object, struct training_state *state, struct error *error)
{
    const struct live_setting *setting;
    state->has_values = object;
    for (int i = 0; object && (setting = live_setting(i)); i++) {
        const json_t *value = json_object_get(object, setting->name);
        state->values[i] = LIVE_UNKNOWN;
        if (!value || !is_kept(setting))
            continue;
        if (!json_is_string(value) ||
            setting_number(row_of(setting), json_string_value(value), &state->values[i], NULL))
            return file_damaged(error, "the setting %s makes no sense", setting->name);
    }
    return 0;
}

/* Whether the settings' table allows a command's value; of other commands there is none. */
static bool is_allowed(enum command_kind kind, double value)
{
    const struct live_setting *setting = live_of_command(kind);
    double words = 0, same;
    char text[SETTINGS_VALUE_SIZE];
    if (!setting)
        return true;
    if (setting->words) {
        while (setting->words[(int)words])
            words++;
        return value >= 0 && value < words && value == floor(value);
    }
    live_text(setting, value, text, sizeof text);
    return setting_number(row_of(setting), text, &same, NULL) == 0;
}

static int check(const struct training_state *state, struct error *error)
{
    bool sound = state->next_batch == 0 || is_allowed(COMMAND_BATCH, state->next_batch);
    for (int i = 0; i < state->change_count; i++) {
        const struct undo_entry *change = &state->changes[i];
        sound &= live_of_command(change->kind) && is_allowed(change->kind, change->before);
    }
    for (int i = 0; i < state->pending_count; i++) {
        const struct command *command = &state->pending[i];
        sound &= command->kind != COMMAND_WAIT && command->when.quantity != WHEN_NOW;
        sound &= is_allowed(command->kind, command->value);
    }
    return sound ? 0 : file_damaged(error, "its settings make no sense");
}

int state_record_read(const char *text, struct training_state *state, struct error *error)
{
    state->last_accuracy = state->last_gradient_norm = state->validation_loss = state->validation_accuracy = -1;
    if (!text)
        return 0;
    json_error_t reason;
    json_t *json = json_read(text, strlen(text), &reason);
    if (!json)
        return error_set(error, errno == ENOMEM ? "out of memory" : "not valid JSON");
    int result = fields_read(figure_fields, COUNT(figure_fields), json, state, error);
    if (!result)
        result = read_list(json_object_get(json, "changes"), change_fields, COUNT(change_fields), state->changes,
                           CHANGES_MOST, sizeof *state->changes, &state->change_count, error);
    if (!result)
        result = read_list(json_object_get(json, "pending"), pending_fields, COUNT(pending_fields), state->pending,
                           PENDING_MOST, sizeof *state->pending, &state->pending_count, error);
    if (!result)
        result = read_values(json_object_get(json, "settings"), state, error) || check(state, error) ? -1 : 0;
    json_decref(json);
    return result;
}

void state_settings(const struct training_state *state, struct settings *settings)
{
    const struct live_setting *setting;
    for (int i = 0; state->has_values && (setting = live_setting(i)); i++)
        if (is_kept(setting) && state->values[i] == state->values[i])
            live_put(setting, &settings->train, state->values[i]);
    settings->train.learning_rate = state->learning_rate;
}
