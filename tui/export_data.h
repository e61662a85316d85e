/* What `nfbench export` makes of a session for other programs: tables (CSV), TensorBoard's events, the weights. */
#ifndef NFBENCH_TUI_EXPORT_DATA_H
#define NFBENCH_TUI_EXPORT_DATA_H

#include "tui/export.h"

/* Called with the name and the path of each file that was written. */
typedef void export_told(void *context, const char *name, const char *path);

/* The records as tables in a folder, which is made. */
int export_csv(const struct export_source *source, const char *folder, export_told *told, void *context,
               struct error *error);

/* The weights of source->checkpoint, averaged ones where the session keeps them, under the names that PyTorch's network
 * has; what `nfbench import` reads. */
int export_weights_file(struct export_source *source, const char *path, struct error *error);

/* A file of events in LOGDIR/SESSION. */
struct tensorboard;
int export_open_events(const struct export_source *source, const char *logdir, struct tensorboard **out,
                       char path[EXPORT_PATH_SIZE], struct error *error);
/* A picture of export's table for it. */
int export_write_event(struct export_source *source, int row, struct tensorboard *board, struct error *error);

#endif
