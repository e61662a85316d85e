/* See metrics_log.h. */
#include "metrics_log.h"

#include <unistd.h>

static struct error error;

struct step_record log_step_of(long step)
{
    return (struct step_record){.step = step,
                                .epoch = (int)step / 10,
                                .loss = 2.3f / (float)(step + 1),
                                .accuracy = 1.0f / 3,
                                .learning_rate = 0.1f,
                                .gradient_norm = 1e-30f,
                                .clipped_units = 5,
                                .seconds = (double)step / 7,
                                .images_per_second = 1e9 / 3};
}

struct metrics_log *log_make(const char *path, long steps)
{
    struct metrics_log *log;
    unlink(path);
    assert_ok(metrics_log_open(path, &log, &error), &error);
    for (long i = 1; i <= steps; i++) {
        struct step_record record = log_step_of(i);
        assert_ok(metrics_log_step(log, &record, &error), &error);
    }
    return log;
}

struct metrics log_read(const char *path)
{
    struct metrics metrics = {0};
    assert_ok(metrics_read(path, &metrics, &error), &error);
    return metrics;
}

int log_cut(struct metrics_log *log, long step, long known, struct error *error)
{
    const struct training_state state = {.step = step};
    return metrics_log_cut(log, &state, known, error);
}
