/* Colour maps that are even in lightness and fit for colour-blind readers. */
#ifndef NFBENCH_VIZ_COLORMAP_H
#define NFBENCH_VIZ_COLORMAP_H

#include <stdint.h>

enum colormap {
    COLORMAP_VIRIDIS,   /* matplotlib's, by Smith and van der Walt, CC0 */
    COLORMAP_BLUE,      /* from near the background to a strong blue: counts */
    COLORMAP_DIVERGING, /* blue, neutral, orange: signed values, 0.5 neutral */
    COLORMAP_BLUE_LIGHT /* COLORMAP_BLUE on a light ground: from white */
};

/* 0xRRGGBB at value 0..1 (cut); NaN gives grey. */
uint32_t colormap_color(enum colormap map, double value);
/* Black or white, whichever reads better on it (WCAG contrast). */
uint32_t color_readable_on(uint32_t rgb);

#endif
