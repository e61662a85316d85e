/* See tune_lines.h. */
#include "tui/tune_lines.h"

#include "base/digits.h"
#include "tui/cli_progress.h"
#include "tui/cli_signals.h"
#include "tui/words.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

enum { CELL = 32, WORDS = 256 };

/* What was said of a trial. */
struct said {
    enum tune_state state;
    int epoch;
    bool known;
};

static void say_epoch(struct progress *progress, const char *words, const struct tune_trial *trial,
                      const struct tune_status *status)
{
    char accuracy[CELL], best[CELL], loss[CELL], left[CELL] = "?";
    words_percent((double)status->accuracy, accuracy, sizeof accuracy);
    words_percent((double)status->best, best, sizeof best);
    digits_loss((double)tune_status_newest_loss(status, trial), loss, sizeof loss);
    if (status->left >= 0)
        words_duration(status->left, left, sizeof left);
    progress_line(progress, "%s: epoch %d/%d, loss %s, accuracy %s (best %s), %.0f images/s, to go %s", words,
                  status->epoch, trial->epochs, loss, accuracy, best, status->images_per_second, left);
}

static void say_state(struct progress *progress, const struct tune *tune, int index, const char *words,
                      const struct tune_status *status)
{
    char reference[FILE_PATH_SIZE], best[CELL];
    words_percent((double)status->best, best, sizeof best);
    tune_trial_reference(tune, index, reference, sizeof reference);
    switch (status->state) {
    case TUNE_TRAINING:
        progress_line(progress, "%s: training; nfbench attach %s shows it", words, reference);
        break;
    case TUNE_FINISHED:
        progress_line(progress, "%s: finished, best accuracy %s", words, best);
        break;
    case TUNE_DROPPED:
        progress_line(progress, "%s: dropped behind epoch %d, best accuracy %s", words, status->epoch, best);
        break;
    case TUNE_DIVERGED: /* as the diagnosis begins */
        progress_line(progress, "%s: %s", words, status->why);
        break;
    case TUNE_FAILED:
        progress_line(progress, "%s: failed: %s", words, status->why);
        break;
    default:
        break;
    }
}

static void say_news(struct progress *progress, const struct tune *tune, const struct tune_watch *watch,
                     struct said *said)
{
    for (int i = 0; i < tune->count; i++) {
        const struct tune_status *status = tune_watch_status(watch, i);
        char words[WORDS];
        tune_trial_words(tune, i, words, sizeof words);
        const char *name = *words ? words : tune->trials[i].session;
        if (said[i].known && status->state == TUNE_TRAINING && said[i].state != status->state)
            say_state(progress, tune, i, name, status);
        if (said[i].known && status->epoch > said[i].epoch && status->accuracy >= 0)
            say_epoch(progress, name, &tune->trials[i], status);
        if (said[i].known && status->state != TUNE_TRAINING && said[i].state != status->state)
            say_state(progress, tune, i, name, status);
        said[i] = (struct said){status->state, status->epoch, true};
    }
}

static void say_start(struct progress *progress, const struct tune_watch *watch)
{
    int counts[TUNE_STATES], done;
    tune_watch_count(watch, counts);
    done = counts[TUNE_FINISHED] + counts[TUNE_DIVERGED] + counts[TUNE_DROPPED] + counts[TUNE_FAILED];
    if (done > 0)
        progress_line(progress, "%d of them have ended before", done);
}

static void take_signal(struct progress *progress, struct tune_run *run, int signal, bool quiet)
{
    const bool again = tune_run_is_stopping(run);
    tune_run_stop(run);
    if (again)
        signals_die_of(signal);
    if (!quiet)
        progress_line(progress, "stopping: the trials save (again: leave at once, without saving)");
}

int tune_lines_run(const struct tune *tune, struct tune_run *run, bool quiet, bool leaves, struct error *error)
{
    struct progress progress;
    const sigset_t signals = signals_block();
    struct said *said = calloc((size_t)tune->count, sizeof *said);
    int result = 0;
    if (!said)
        return error_set(error, "out of memory");
    progress_open(&progress, STDERR_FILENO);
    if (!quiet) {
        say_start(&progress, tune_run_watch(run));
        say_news(&progress, tune, tune_run_watch(run), said);
    }
    while (result == 0 && !tune_run_is_over(run) && !(leaves && tune_run_is_idle(run))) {
        const int signal = signals_wait(&signals);
        if (signal)
            take_signal(&progress, run, signal, quiet);
        result = tune_run_look(run, error);
        if (result == 0 && !quiet)
            say_news(&progress, tune, tune_run_watch(run), said);
    }
    free(said);
    return result;
}
