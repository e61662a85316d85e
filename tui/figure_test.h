/* The figures of `nfbench test`: reliability diagram, and accuracy on corrupted images. */
#ifndef NFBENCH_TUI_FIGURE_TEST_H
#define NFBENCH_TUI_FIGURE_TEST_H

#include "engine/calibration.h"
#include "engine/robustness.h"
#include "tui/figure_images.h"
#include "viz/theme.h"

/* Each on a new canvas of pixels, which the caller destroys. `images`: a second note. */
int figure_reliability(const struct figure_head *head, const char *images, const struct calibration *calibration,
                       const struct theme *theme, int scale, struct canvas **out, struct error *error);
/* `plain`: the accuracy of the images as they are. */
int figure_corruptions(const struct figure_head *head, const struct robustness *robustness, double plain,
                       const struct theme *theme, int scale, struct canvas **out, struct error *error);

#endif
