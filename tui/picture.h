/* Pictures that the screen makes: itself as it is, with each chart as a figure where that is wanted, or those that
 * `nfbench export` makes of the session. Packed and written on a thread, since that takes longer than a frame. */
#ifndef NFBENCH_TUI_PICTURE_H
#define NFBENCH_TUI_PICTURE_H

#include "tui/export.h"
#include "tui/scene.h"
#include "viz/theme.h"

struct picture;

enum { PICTURE_TEXT = 1400 };

/* Draws the scene, so many cells large, and begins to write PATH; with `charts` each of these, too, into PATH's name
 * with -loss, -accuracy and so on before its .png. `path` ends in .png. `settings`: the run's, for the text in the
 * files. The theme must outlive it. */
int picture_start(struct scene *scene, const struct settings *settings, const struct theme *theme, struct rect cells,
                  enum glyph_set glyphs, const char *path, bool charts, struct picture **out, struct error *error);
/* Begins to write the pictures of a set, as `nfbench export` does, into the images of the session at `path`, from what
 * is in its log now; the network's from its best checkpoint, or its last, on one processor thread, so that the run
 * beside it goes on. */
int picture_start_set(const char *path, const struct export_set *set, struct picture **out, struct error *error);
/* Readable (an eventfd) when one more is written, and when all are, or it has failed. */
int picture_fd(const struct picture *picture);
/* Looks how far it is: true when nothing more comes, and picture_finish() will not wait. Of a set `done` of `total` are
 * written or could not be; else both are 0. */
bool picture_follow(struct picture *picture, int *done, int *total);
/* Gives up what takes long: the network's pictures. */
void picture_cancel(struct picture *picture);
/* Whether it is one of those. */
bool picture_measures(const struct picture *picture);
/* What is being written, a file or a folder. */
const char *picture_path(const struct picture *picture);
/* Waits for the end, frees, and says how it went: `said` is what was written, in a sentence. */
int picture_finish(struct picture *picture, char said[PICTURE_TEXT], struct error *error);

#endif
