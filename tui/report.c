/* What a report tells of a session: where each part of it comes from; see report.h. */
#include "tui/report.h"

#include "sessions/checkpoint.h"
#include "viz/png.h"

#include <sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* In the order in which they stand. */
static const struct {
    const char *name, *alt, *caption;
} pictures[REPORT_PICTURES] = {
    {"loss", "Loss over the steps",
     "Loss. Faint: each recorded step; bold: smoothed; marks: validation, else test. Vertical lines: where a command "
     "changed something."},
    {"accuracy", "Accuracy over the steps", "Accuracy, in the same way."},
    {"learning-rate", "Learning rate over the steps", "Learning rate of each step."},
    {"gradient-norm", "Norm of the whole gradient over the steps", "Norm of the whole gradient of each step."},
    {"signal", "Signal propagation plot: squared mean, variance and branch variance over depth",
     "Signal propagation: what the newest probe measured over depth, faint what the first one did at the start, dashed "
     "what theory predicts."},
    {"histograms", "Distribution of each block's activations",
     "How the activations behind each block are distributed, beside a normal distribution of the predicted variance."},
    {"confusion", "Confusion matrix", "Rows: what an image is; columns: what the network takes it for."},
    {"samples", "Random test images with class, prediction and confidence",
     "Random test images: class, predicted class, confidence and loss."},
    {"mistakes", "The most confident mistakes", "The mistakes that the network is surest of."},
};

/* ---- Reading ---- */

static int add_checkpoints(struct report *report, const char *folder, bool named, struct error *error)
{
    struct checkpoint_entry *entries = NULL;
    int count = 0;
    if ((named ? checkpoint_list_named : checkpoint_list)(folder, &entries, &count, NULL) != 0)
        return 0; /* what is wrong there, verifying tells */
    const size_t all = (size_t)(report->checkpoint_count + count);
    struct report_checkpoint *grown = count ? reallocarray(report->checkpoints, all, sizeof *grown) : NULL;
    if (grown)
        report->checkpoints = grown;
    for (int i = 0; grown && i < count; i++) {
        struct report_checkpoint *checkpoint = &grown[report->checkpoint_count++];
        const char *slash = strrchr(entries[i].path, '/');
        struct stat status;
        *checkpoint = (struct report_checkpoint){.step = entries[i].step};
        snprintf(checkpoint->file, sizeof checkpoint->file, "checkpoints/%s", slash ? slash + 1 : entries[i].path);
        if (stat(entries[i].path, &status) == 0)
            checkpoint->bytes = (double)status.st_size;
        if (!SHA256File(entries[i].path, checkpoint->sha256))
            checkpoint->sha256[0] = '\0';
    }
    free(entries);
    return count && !grown ? error_set(error, "out of memory") : 0;
}

static int read_checkpoints(struct report *report, struct error *error)
{
    char folder[FILE_PATH_SIZE];
    return path_format(folder, error, "%s/checkpoints", session_path(report->session.session)) ||
                   add_checkpoints(report, folder, false, error) || add_checkpoints(report, folder, true, error)
               ? -1
               : 0;
}

int report_open(const struct settings *where, const char *name, struct report *out, struct error *error)
{
    struct settings now;
    memset(out, 0, sizeof *out);
    for (int i = 0; i < REPORT_PICTURES; i++) {
        out->pictures[i].name = pictures[i].name;
        out->pictures[i].alt = pictures[i].alt;
        out->pictures[i].caption = pictures[i].caption;
    }
    if (compared_open(where, name, &out->session, error) || session_verify(where, name, false, &out->verified, error))
        return -1;
    if (session_in_force(out->session.session, &now, &out->state, NULL))
        out->state = (struct training_state){.step = 0};
    return settings_of_origin(session_settings(out->session.session), &out->origin, error) ||
                   model_costs(&session_settings(out->session.session)->model, &out->costs, &out->cost_count, error) ||
                   read_checkpoints(out, error)
               ? -1
               : 0;
}

void report_close(struct report *report)
{
    for (int i = 0; i < REPORT_PICTURES; i++) {
        free((char *)report->pictures[i].light.png);
        free((char *)report->pictures[i].dark.png);
    }
    free(report->checkpoints);
    free(report->costs);
    export_close(&report->source);
    verify_free(&report->verified);
    compared_close(&report->session);
}

const char *report_preset(const struct report *report)
{
    const char *name;
    for (int i = 0; (name = model_preset_name(i)); i++)
        if (strcmp(name, session_settings(report->session.session)->model.preset) == 0)
            break;
    return name;
}

/* ---- Drawing ---- */

static int find_row(const char *name)
{
    const struct export_row *row;
    for (int i = 0; (row = export_row(i)); i++)
        if (strcmp(row->name, name) == 0)
            return i;
    return -1;
}

static int draw_on(struct export_source *source, const struct export_row *row, const char *theme,
                   struct page_picture *out, struct error *error)
{
    struct canvas *canvas = NULL;
    char *png = NULL;
    source->theme = theme_find(theme);
    int status = row->draw(source, &canvas, error);
    if (status == 0) {
        const uint8_t *rgb = canvas_pixels(canvas, &out->width, &out->height);
        status = png_encode(rgb, out->width, out->height, &png, &out->size, error);
        out->png = png;
    }
    canvas_destroy(canvas);
    return status;
}

static void draw(struct export_source *source, struct report_picture *picture)
{
    const struct export_row *row = export_row(find_row(picture->name));
    if (draw_on(source, row, "light", &picture->light, &picture->why) ||
        draw_on(source, row, "dark", &picture->dark, &picture->why)) {
        free((char *)picture->light.png);
        picture->light.png = NULL;
    }
}

int report_draw(struct report *report, const struct report_drawing *drawing, struct error *error)
{
    struct export_source *source = &report->source;
    if (export_open(source, report->session.session, drawing->with, error) != 0)
        return -1;
    source->progress = drawing->progress;
    source->context = drawing->context;
    for (int i = 0; i < REPORT_PICTURES; i++) {
        struct report_picture *picture = &report->pictures[i];
        const bool network = export_row(find_row(picture->name))->network;
        if (network && !drawing->network)
            error_set(&report->unmeasured, "--log-only leaves it out");
        if (network && *report->unmeasured.message) /* once is enough */
            picture->why = report->unmeasured;
        else
            draw(source, picture);
        if (network && !source->measured)
            report->unmeasured = picture->why;
    }
    return 0;
}
