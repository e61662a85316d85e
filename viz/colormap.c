/* See colormap.h. */
#include "viz/colormap.h"
#include "viz/theme.h"

#include <math.h>

enum { STOPS_MAX = 9 };

static const struct {
    int count;
    uint32_t stop[STOPS_MAX]; /* evenly spaced */
} maps[] = {
    [COLORMAP_VIRIDIS] = {9,
                          {0x440154, 0x472D7B, 0x3B528B, 0x2C728E, 0x21918C, 0x28AE80, 0x5EC962, 0xADDC30, 0xFDE725}},
    [COLORMAP_BLUE] = {5, {0x17202B, 0x1D4467, 0x2573A9, 0x56B4E9, 0xCDEBFB}},
    [COLORMAP_DIVERGING] = {5, {0x2166AC, 0x67A9CF, 0xF4F4F4, 0xF1A340, 0xB35806}},
    [COLORMAP_BLUE_LIGHT] = {5, {0xFFFFFF, 0xBFDDF2, 0x6DB0DE, 0x2573A9, 0x163F63}},
};

uint32_t colormap_color(enum colormap map, double value)
{
    if (isnan(value))
        return 0x808080;
    double at = fmin(fmax(value, 0), 1) * (maps[map].count - 1);
    int stop = (int)fmin(floor(at), maps[map].count - 2);
    return color_mix(maps[map].stop[stop], maps[map].stop[stop + 1], at - stop);
}

/* Relative luminance of WCAG 2. */
static double luminance(uint32_t rgb)
{
    static const double weights[3] = {0.2126, 0.7152, 0.0722};
    double sum = 0;
    for (int channel = 0; channel < 3; channel++) {
        double value = (double)(rgb >> (16 - 8 * channel) & 0xFF) / 255;
        sum += weights[channel] * (value <= 0.04045 ? value / 12.92 : pow((value + 0.055) / 1.055, 2.4));
    }
    return sum;
}

uint32_t color_readable_on(uint32_t rgb)
{
    double light = luminance(rgb);
    return 1.05 / (light + 0.05) >= (light + 0.05) / 0.05 ? 0xFFFFFF : 0x000000;
}
