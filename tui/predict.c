/* See predict.h. Files are read in groups, by many threads; their images are gathered until they make some batches, and
 * then evaluated: what is in memory at a time does not grow with the number of files. */
#include "tui/predict.h"

#include "base/array.h"
#include "engine/data_layout.h"
#include "tui/measure.h"
#include "tui/run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { GROUP_FILES = 64, GROUP_BYTES = 64 << 20, GATHERED = 4096 };

/* ---- The network ---- */

static int take_input_of_data(struct predictor *predictor, struct error *error)
{
    struct dataset *dataset = NULL;
    struct partition parts;
    if (run_open_session_data(&predictor->settings, &dataset, error) != 0)
        return -1;
    const int result = partition_make(dataset, &predictor->settings.train, &parts, error);
    if (result == 0)
        session_input_of(dataset, &parts.statistics, &predictor->input);
    dataset_close(dataset);
    return result;
}

static int take_input(struct predictor *predictor, const struct session *session, struct error *error)
{
    struct error why, why_not;
    if (session_read_input(session, &predictor->input, &why) == 0)
        return 0;
    const bool absent = errno == ENOENT;
    if (!absent && errno != EBADMSG)
        return error_set(error, "%s", why.message);
    if (take_input_of_data(predictor, &why_not) == 0)
        return 0;
    return error_set(error, "%.200s: --data DIR names the data set that it was trained on (%.200s)",
                     absent ? "the session has no record of how its images are normalised" : why.message,
                     why_not.message);
}

int predictor_open(struct predictor *predictor, struct session *session, const struct settings *settings,
                   const struct checkpoint_choice *checkpoint, struct error *error)
{
    *predictor = (struct predictor){.settings = *settings, .averaged = settings->train.ema > 0};
    if (take_input(predictor, session, error) != 0 ||
        run_open_network(&predictor->settings, NULL, &predictor->backend, &predictor->network, predictor->device,
                         predictor->device_note, error) != 0)
        return -1;
    return measure_load(session, checkpoint, predictor->network, &predictor->state, predictor->note, error);
}

void predictor_close(struct predictor *predictor)
{
    if (predictor->network)
        network_destroy(predictor->network);
    if (predictor->backend)
        predictor->backend->destroy(predictor->backend);
}

/* ---- Predicting ---- */

struct predicting {
    struct predictor *predictor;
    const struct predict_listener *listener;
    struct predictions *out;
    uint8_t *gathered; /* (room, 3, 32, 32): the last `waiting` of out->images */
    int room, waiting;
    int read; /* images so far */
};

static int tell_predicted(void *context, int done, int total)
{
    const struct predicting *p = context;
    (void)total;
    if (p->listener->predicting)
        p->listener->predicting(p->listener->context, (int)p->out->count - p->waiting + done, p->read);
    return 0;
}

/* What the network says of the images that wait. */
static int predict_gathered(struct predicting *p, struct error *error)
{
    const struct predictor *predictor = p->predictor;
    struct predictions *out = p->out;
    const size_t classes = (size_t)predictor->settings.model.classes;
    if (p->waiting == 0)
        return 0;
    float *probabilities =
        array_grow(out->probabilities, &out->probability_room, (size_t)out->count * classes, sizeof *probabilities);
    if (!probabilities)
        return error_set(error, "out of memory for %ld predictions", out->count);
    out->probabilities = probabilities;
    const size_t first = (size_t)(out->count - p->waiting);
    const struct evaluation_options options = {.count = p->waiting,
                                               .batch = predictor->settings.train.batch,
                                               .normalize = predictor->settings.train.normalize,
                                               .statistics = predictor->input.statistics,
                                               .use_ema = predictor->averaged,
                                               .tta = predictor->tta,
                                               .images = p->gathered,
                                               .probabilities = probabilities + first * classes,
                                               .progress = tell_predicted,
                                               .context = p};
    struct evaluation result;
    if (evaluate(predictor->network, NULL, &options, &result, error) != 0)
        return -1;
    for (size_t i = first; i < (size_t)out->count; i++) {
        int best;
        (void)predictions_top(probabilities + i * classes, (int)classes, 1, &best);
        out->labelled += out->images[i].label >= 0;
        out->correct += out->images[i].label == best;
    }
    p->waiting = 0;
    return 0;
}

static int gather(struct predicting *p, const char *path, const struct file_images *images, struct error *error)
{
    struct predictions *out = p->out;
    const struct session_input *input = &p->predictor->input;
    const bool labelled = images->labels && strcmp(input->data, images->of->name) == 0;
    if (images->labels && !labelled && p->listener->foreign_labels)
        p->listener->foreign_labels(p->listener->context, path);
    p->read += images->count;
    for (int i = 0; i < images->count; i++) {
        struct predicted_image *known =
            array_grow(out->images, &out->image_room, (size_t)out->count + 1, sizeof *known);
        if (!known)
            return error_set(error, "out of memory for %ld images", out->count);
        out->images = known;
        memcpy(p->gathered + (size_t)p->waiting * IMAGE_BYTES, images->images + (size_t)i * IMAGE_BYTES, IMAGE_BYTES);
        known[out->count++] = (struct predicted_image){
            .path = path,
            .record = images->labels ? i : -1,
            .label = labelled && images->labels[i] < input->class_count ? images->labels[i] : -1};
        if (++p->waiting == p->room && predict_gathered(p, error) != 0)
            return -1;
    }
    return 0;
}

/* ---- Reading ---- */

struct group {
    int count;
    struct file_images images[GROUP_FILES];
    bool failed[GROUP_FILES];
    struct error errors[GROUP_FILES]; /* of those that failed */
};

/* Files from `first` on that are read at a time: some, but of large ones few. */
static int group_size(const struct file_list *files, size_t first)
{
    long long bytes = 0;
    int count = 0;
    while (count < GROUP_FILES && first + (size_t)count < files->count) {
        struct stat status;
        if (stat(files->paths[first + (size_t)count], &status) == 0)
            bytes += status.st_size;
        if (count > 0 && bytes > GROUP_BYTES)
            break;
        count++;
    }
    return count;
}

static void read_group(const struct predictor *predictor, const struct file_list *files, size_t first,
                       struct group *group)
{
    const int threads = predictor->settings.train.threads, classes = predictor->settings.model.classes;
    memset(group, 0, sizeof *group);
    group->count = group_size(files, first);
#pragma omp parallel for schedule(dynamic) num_threads(threads > 0 ? threads : 1)
    for (int i = 0; i < group->count; i++)
        group->failed[i] =
            file_images_read(files->paths[first + (size_t)i], classes, &group->images[i], &group->errors[i]) != 0;
}

static int take_group(struct predicting *p, const struct file_list *files, size_t first, const struct group *group,
                      struct error *error)
{
    for (int i = 0; i < group->count; i++) {
        const char *path = files->paths[first + (size_t)i];
        if (group->failed[i] && p->listener->failed)
            p->listener->failed(p->listener->context, path, &group->errors[i]);
        if (gather(p, path, &group->images[i], error) != 0)
            return -1;
    }
    return 0;
}

static int read_files(struct predicting *p, const struct file_list *files, struct group *group, struct error *error)
{
    int result = 0;
    for (size_t first = 0; result == 0 && first < files->count; first += (size_t)group->count) {
        if (p->listener->reading)
            p->listener->reading(p->listener->context, (int)first, (int)files->count);
        read_group(p->predictor, files, first, group);
        result = take_group(p, files, first, group, error);
        for (int i = 0; i < group->count; i++)
            file_images_free(&group->images[i]);
    }
    return result == 0 ? predict_gathered(p, error) : -1;
}

int predict_files(struct predictor *predictor, const struct file_list *files, const struct predict_listener *listener,
                  struct predictions *out, struct error *error)
{
    const int batch = predictor->settings.train.batch;
    struct predicting p = {
        .predictor = predictor, .listener = listener, .out = out, .room = (GATHERED + batch - 1) / batch * batch};
    struct group *group = malloc(sizeof *group);
    int result = -1;
    *out = (struct predictions){0};
    p.gathered = malloc((size_t)p.room * IMAGE_BYTES);
    if (group && p.gathered)
        result = read_files(&p, files, group, error);
    else
        error_set(error, "out of memory");
    free(p.gathered);
    free(group);
    return result;
}

void predictions_free(struct predictions *predictions)
{
    free(predictions->images);
    free(predictions->probabilities);
}

int predictions_top(const float *probabilities, int classes, int most, int *top)
{
    int count = 0;
    for (int c = 0; c < classes; c++) {
        int at = count;
        while (at > 0 && probabilities[top[at - 1]] < probabilities[c])
            at--;
        if (at == most)
            continue;
        count += count < most;
        for (int i = count - 1; i > at; i--)
            top[i] = top[i - 1];
        top[at] = c;
    }
    return count;
}
