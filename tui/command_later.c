/* `at` and `when`: a condition, and the command that waits for it. */
#include "tui/command_words.h"

#include "sessions/number.h"

#include <string.h>

static const struct quantity {
    const char *name;
    enum quantity_kind kind;
    bool fraction;
} quantities[] = {
    {"loss", WHEN_LOSS, false},
    {"accuracy", WHEN_ACCURACY, true},
    {"gradient-norm", WHEN_GRADIENT_NORM, false},
    {"val-loss", WHEN_VALIDATION_LOSS, false},
    {"val-accuracy", WHEN_VALIDATION_ACCURACY, true},
    {"step", WHEN_STEP, false},
    {"epoch", WHEN_EPOCH, false},
};
enum { QUANTITIES = sizeof(quantities) / sizeof(*quantities) };

static const char relation_marks[] = "<>=";

const char *quantity_word(int index)
{
    return index >= 0 && index < QUANTITIES ? quantities[index].name : NULL;
}

static int read_quantity(const char *word, const struct quantity **out, struct error *error)
{
    const char *like;

    for (int i = 0; i < QUANTITIES; i++)
        if (strcasecmp(quantities[i].name, word) == 0) {
            *out = &quantities[i];
            return 0;
        }
    like = command_nearest(word, quantity_word);
    if (like)
        return error_set(error, "no quantity '%s': did you mean '%s'?", word, like);
    return error_set(error,
                     "no quantity '%s': there are loss, accuracy, gradient-norm, val-loss, val-accuracy, step "
                     "and epoch",
                     word);
}

static int read_relation(const char **text, struct condition *when, struct error *error)
{
    static const char *const marks[] = {
        [RELATION_BELOW] = "<", [RELATION_UP_TO] = "<=", [RELATION_FROM] = ">=", [RELATION_ABOVE] = ">"};
    size_t length = strspn(*text, relation_marks);

    for (size_t i = RELATION_BELOW; i < sizeof(marks) / sizeof(*marks); i++)
        if (strlen(marks[i]) == length && strncmp(*text, marks[i], length) == 0) {
            when->relation = (enum relation)i;
            *text += length;
            *text += strspn(*text, " \t");
            return 0;
        }
    return error_set(error, "'%.20s': one of < <= > >= must stand behind the quantity", *text);
}

/* 0.5, or 50% of what is a fraction. */
static int read_bound(const char *word, const struct quantity *quantity, struct condition *when, struct error *error)
{
    char digits[WORD_SIZE];
    size_t length = strlen(word);
    bool percent = quantity->fraction && length > 0 && word[length - 1] == '%';

    snprintf(digits, sizeof(digits), "%.*s", (int)(length - percent), word);
    if (!number_to_double(digits, &when->value))
        return error_set(error, "'%s' is no number", word);
    if (percent)
        when->value /= 100;
    if (quantity->fraction && (when->value < 0 || when->value > 1))
        return error_set(error, "'%s': %s is a fraction from 0 to 1, or 0%% to 100%%", word, quantity->name);
    return 0;
}

static int read_condition(const struct command_entry *entry, const char **text, struct condition *when,
                          struct error *error)
{
    char word[WORD_SIZE];
    const struct quantity *quantity = NULL;
    struct action step;

    if (entry->argument == ARGUMENT_AT) {
        *text = command_split(*text, " \t", word, sizeof(word));
        if (command_read_step(word, &step, error))
            return -1;
        *when = (struct condition){WHEN_STEP, RELATION_AT, (double)step.count};
        return 0;
    }
    *text = command_split(*text, " \t<>=", word, sizeof(word));
    if (read_quantity(word, &quantity, error) || read_relation(text, when, error))
        return -1;
    when->quantity = quantity->kind;
    *text = command_split(*text, " \t", word, sizeof(word));
    return read_bound(word, quantity, when, error);
}

int command_read_later(const struct command_entry *entry, const char *text, struct action *action, struct error *error)
{
    struct condition when = {WHEN_NOW, RELATION_AT, 0};
    struct command command;
    char whole[sizeof(action->text)], usage[WORD_SIZE];

    snprintf(whole, sizeof(whole), "%s", action->text);
    if (read_condition(entry, &text, &when, error))
        return -1;
    if (!*text) {
        command_usage(entry, usage, sizeof(usage));
        return error_set(error, "'%s' needs a command: %s", entry->name, usage);
    }
    if (command_parse(text, action, error))
        return -1;
    if (action->when.quantity != WHEN_NOW)
        return error_set(error, "'%s' cannot wait in its turn", action->text);
    if (command_for_trainer(action, &command, error))
        return -1;
    if (action->kind == ACTION_TRY || action->kind == ACTION_LR_FIND)
        return error_set(error, "'%s' cannot wait: somebody must choose from what it finds", action->text);
    action->when = when;
    snprintf(action->text, sizeof(action->text), "%s", whole);
    return 0;
}

int command_read_cancel(const char *text, struct action *action, struct error *error)
{
    action->count = -1;
    if (strcasecmp(text, "all") == 0)
        return 0;
    if (!number_to_long(text, &action->count) || action->count < 1)
        return error_set(error, "'%s': give the number that 'pending' shows, or 'all'", text);
    return 0;
}

const char *command_behind_condition(const char *line)
{
    char word[WORD_SIZE];
    const struct command_entry *entry;
    struct condition when;

    line = command_split(line, " \t", word, sizeof(word));
    entry = command_find(word);
    if (!entry || (entry->argument != ARGUMENT_AT && entry->argument != ARGUMENT_WHEN) ||
        read_condition(entry, &line, &when, NULL) || !strchr(" \t", line[-1]))
        return NULL;
    return line;
}

void command_pending(const struct snapshot *now, char *text, size_t size)
{
    size_t used = 0;

    *text = 0;
    for (int i = 0; i < now->pending_count && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%ld  %s", used ? "\n" : "", now->pending[i].number,
                                 now->pending[i].text);
}
