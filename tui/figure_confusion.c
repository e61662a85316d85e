/* The confusion matrix of figure_images.h. */
#include "tui/figure_images.h"

#include "tui/words.h"
#include "viz/heatmap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD_TEXT = 192, NAME_TEXT = 32, NOTE_TEXT = 16, FEW_CLASSES = 20, TALL_ROWS = 3 };

struct confusion {
    struct heatmap heatmap; /* of what follows */
    char title[HEAD_TEXT], note[HEAD_TEXT];
    uint32_t *counts;
    char (*names)[NAME_TEXT], (*notes)[NOTE_TEXT];
    const char **name_list, **note_list;
};

void confusion_destroy(struct confusion *confusion)
{
    if (!confusion)
        return;
    free(confusion->counts);
    free(confusion->names);
    free(confusion->notes);
    free(confusion->name_list);
    free(confusion->note_list);
    free(confusion);
}

static struct confusion *allocate(size_t classes)
{
    struct confusion *confusion = calloc(1, sizeof *confusion);
    if (!confusion)
        return NULL;
    confusion->counts = calloc(classes * classes, sizeof *confusion->counts);
    confusion->names = calloc(classes, sizeof *confusion->names);
    confusion->notes = calloc(classes, sizeof *confusion->notes);
    confusion->name_list = calloc(classes, sizeof *confusion->name_list);
    confusion->note_list = calloc(classes, sizeof *confusion->note_list);
    if (confusion->counts && confusion->names && confusion->notes && confusion->name_list && confusion->note_list)
        return confusion;
    confusion_destroy(confusion);
    return NULL;
}

int confusion_create(const struct figure_head *head, const struct dataset *dataset, const uint32_t *counts,
                     struct confusion **out, struct error *error)
{
    const int classes = dataset_classes(dataset);
    struct confusion *confusion = allocate((size_t)classes);
    if (!confusion)
        return error_set(error, "out of memory for a confusion matrix of %d classes", classes);
    memcpy(confusion->counts, counts, (size_t)classes * (size_t)classes * sizeof *counts);
    for (int c = 0; c < classes; c++) {
        snprintf(confusion->names[c], NAME_TEXT, "%s", dataset_class_name(dataset, c));
        words_percent(confusion_accuracy(counts, classes, c), confusion->notes[c], NOTE_TEXT);
        confusion->name_list[c] = confusion->names[c];
        confusion->note_list[c] = confusion->notes[c];
    }
    snprintf(confusion->title, sizeof confusion->title, "%s", head->title ? head->title : "");
    snprintf(confusion->note, sizeof confusion->note, "%s", head->note ? head->note : "");
    confusion->heatmap = (struct heatmap){.title = head->title ? confusion->title : NULL,
                                          .note = head->note ? confusion->note : NULL,
                                          .counts = confusion->counts,
                                          .rows = classes,
                                          .columns = classes,
                                          .row_names = confusion->name_list,
                                          .column_names = confusion->name_list,
                                          .row_label = "truth",
                                          .column_label = "predicted",
                                          .row_notes = confusion->note_list,
                                          .note_label = "accuracy"};
    *out = confusion;
    return 0;
}

void figure_confusion(struct canvas *canvas, struct rect area, const struct confusion *confusion)
{
    struct heatmap heatmap = confusion->heatmap;
    heatmap.map = canvas_is_light(canvas) ? COLORMAP_BLUE_LIGHT : COLORMAP_BLUE;
    heatmap_draw(canvas, area, &heatmap);
}

void confusion_size(const struct confusion *confusion, int *columns, int *rows)
{
    heatmap_size(&confusion->heatmap, columns, rows);
    *rows += 1; /* below the head */
    if (confusion->heatmap.rows <= FEW_CLASSES)
        *rows += (TALL_ROWS - 1) * confusion->heatmap.rows;
}
