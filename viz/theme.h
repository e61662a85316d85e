/* The colours of roles, in one place, so that the terminal and the PNG agree. Series colours are told apart by readers
 * with any common colour vision (after Okabe and Ito 2008, lightness spread), and never stand alone: lines differ in
 * stroke and marker too. */
#ifndef NFBENCH_VIZ_THEME_H
#define NFBENCH_VIZ_THEME_H

#include "viz/canvas.h"

struct theme {
    const char *name;              /* "dark", "light", "mono" */
    uint32_t background;           /* 0xRRGGBB */
    uint32_t color[ROLE_COUNT];    /* 0xRRGGBB, of the foreground */
    uint8_t flags[ROLE_COUNT];     /* style flags that belong to the role: bold titles; in mono all there is */
    uint32_t on_color[ROLE_COUNT]; /* background of the role, or THEME_PLAIN */
};

enum { THEME_PLAIN = 0 }; /* in on_color: the theme's own background */

/* By name; NULL when there is none. */
const struct theme *theme_find(const char *name);
const struct theme *theme_at(int index); /* NULL behind the last */

/* The two colours of a style, 0xRRGGBB: exact ones, reverse, faint and the role's own flags worked in. */
void theme_resolve(const struct theme *theme, struct style style, uint32_t *foreground, uint32_t *background);
/* Index of the nearest colour of xterm's 256 (16..255, the ones that no user changes). */
int theme_color_256(uint32_t rgb);
/* The nearest of the eight ANSI colours, by hue: 0..7. */
int theme_color_8(uint32_t rgb);
uint32_t color_mix(uint32_t from, uint32_t to, double part); /* part 0: from, 1: to */

#endif
