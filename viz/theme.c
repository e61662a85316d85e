/* See theme.h. */
#include "viz/theme.h"

#include <string.h>

static const struct theme themes[] = {
    {
        .name = "dark",
        .background = 0x0F1419,
        .color = {[ROLE_TEXT] = 0xD8DEE6,     [ROLE_DIM] = 0x7F8B99,      [ROLE_TITLE] = 0xF2F5F8,
                  [ROLE_LABEL] = 0x98A4B3,    [ROLE_ACCENT] = 0x6CC7F5,   [ROLE_GRID] = 0x2C3642,
                  [ROLE_BORDER] = 0x46525F,   [ROLE_GOOD] = 0x5FD39A,     [ROLE_WARNING] = 0xF2C14E,
                  [ROLE_BAD] = 0xFF6B6B,      [ROLE_KEY] = 0xF2C14E,      [ROLE_HINT] = 0x98A4B3,
                  [ROLE_SELECTED] = 0x0F1419, [ROLE_HEADER] = 0xE6EDF3,   [ROLE_PROMPT] = 0x5FD39A,
                  [ROLE_CURSOR] = 0xF2F5F8,   [ROLE_EVENT] = 0xC792EA,    [ROLE_SERIES_1] = 0x56B4E9,
                  [ROLE_SERIES_2] = 0xF0A030, [ROLE_SERIES_3] = 0x2FC596, [ROLE_SERIES_4] = 0xDB8BB9,
                  [ROLE_SERIES_5] = 0xF0E442, [ROLE_SERIES_6] = 0xE8703A, [ROLE_SERIES_7] = 0x7C93F5,
                  [ROLE_SERIES_8] = 0xB8C0CC},
        .flags = {[ROLE_TITLE] = STYLE_BOLD,
                  [ROLE_BAD] = STYLE_BOLD,
                  [ROLE_KEY] = STYLE_BOLD,
                  [ROLE_SELECTED] = STYLE_BOLD,
                  [ROLE_PROMPT] = STYLE_BOLD},
        .on_color = {[ROLE_SELECTED] = 0x6CC7F5, [ROLE_HEADER] = 0x1C2530},
    },
    {
        .name = "light",
        .background = 0xFFFFFF,
        .color = {[ROLE_TEXT] = 0x24292F,     [ROLE_DIM] = 0x6E7781,      [ROLE_TITLE] = 0x11151A,
                  [ROLE_LABEL] = 0x57606A,    [ROLE_ACCENT] = 0x0969B5,   [ROLE_GRID] = 0xDDE2E8,
                  [ROLE_BORDER] = 0xA8B1BB,   [ROLE_GOOD] = 0x14804A,     [ROLE_WARNING] = 0x9A6700,
                  [ROLE_BAD] = 0xC62828,      [ROLE_KEY] = 0x9A6700,      [ROLE_HINT] = 0x57606A,
                  [ROLE_SELECTED] = 0xFFFFFF, [ROLE_HEADER] = 0x11151A,   [ROLE_PROMPT] = 0x14804A,
                  [ROLE_CURSOR] = 0x24292F,   [ROLE_EVENT] = 0x7B3FB5,    [ROLE_SERIES_1] = 0x0072B2,
                  [ROLE_SERIES_2] = 0xC75B00, [ROLE_SERIES_3] = 0x008A64, [ROLE_SERIES_4] = 0xB04A88,
                  [ROLE_SERIES_5] = 0x8F7A00, [ROLE_SERIES_6] = 0xA63A0E, [ROLE_SERIES_7] = 0x3F51C7,
                  [ROLE_SERIES_8] = 0x555F6B},
        .flags = {[ROLE_TITLE] = STYLE_BOLD,
                  [ROLE_BAD] = STYLE_BOLD,
                  [ROLE_KEY] = STYLE_BOLD,
                  [ROLE_SELECTED] = STYLE_BOLD,
                  [ROLE_PROMPT] = STYLE_BOLD},
        .on_color = {[ROLE_SELECTED] = 0x0969B5, [ROLE_HEADER] = 0xE9EDF2},
    },
    {
        /* One colour; attributes alone tell roles apart. */
        .name = "mono",
        .background = 0x000000,
        .color = {[0 ... ROLE_COUNT - 1] = 0xFFFFFF},
        .flags = {[ROLE_DIM] = STYLE_FAINT,
                  [ROLE_TITLE] = STYLE_BOLD,
                  [ROLE_ACCENT] = STYLE_BOLD,
                  [ROLE_GRID] = STYLE_FAINT,
                  [ROLE_BORDER] = STYLE_FAINT,
                  [ROLE_WARNING] = STYLE_BOLD,
                  [ROLE_BAD] = STYLE_BOLD | STYLE_REVERSE,
                  [ROLE_KEY] = STYLE_BOLD,
                  [ROLE_SELECTED] = STYLE_BOLD | STYLE_REVERSE,
                  [ROLE_HEADER] = STYLE_REVERSE,
                  [ROLE_PROMPT] = STYLE_BOLD},
    },
};

enum { THEME_COUNT = sizeof themes / sizeof themes[0] };

const struct theme *theme_at(int index)
{
    return index >= 0 && index < THEME_COUNT ? &themes[index] : NULL;
}

const struct theme *theme_find(const char *name)
{
    for (int i = 0; i < THEME_COUNT; i++)
        if (!strcmp(themes[i].name, name))
            return &themes[i];
    return NULL;
}

uint32_t color_mix(uint32_t from, uint32_t to, double part)
{
    uint32_t mixed = 0;
    for (int shift = 16; shift >= 0; shift -= 8) {
        double a = from >> shift & 0xFF, b = to >> shift & 0xFF;
        mixed |= (uint32_t)(a + (b - a) * part + 0.5) << shift;
    }
    return mixed;
}

void theme_resolve(const struct theme *theme, struct style style, uint32_t *foreground, uint32_t *background)
{
    int role = style.role < ROLE_COUNT ? style.role : ROLE_TEXT;
    uint8_t flags = style.flags | theme->flags[role];
    uint32_t front = style.foreground & COLOR_EXACT ? style.foreground & 0xFFFFFF : theme->color[role];
    uint32_t back = style.background & COLOR_EXACT         ? style.background & 0xFFFFFF
                    : theme->on_color[role] != THEME_PLAIN ? theme->on_color[role]
                                                           : theme->background;
    if (flags & STYLE_FAINT)
        front = color_mix(front, back, 0.55);
    *foreground = flags & STYLE_REVERSE ? back : front;
    *background = flags & STYLE_REVERSE ? front : back;
}

static int channel(uint32_t rgb, int shift)
{
    return (int)(rgb >> shift & 0xFF);
}

static int distance(uint32_t a, uint32_t b)
{
    int red = channel(a, 16) - channel(b, 16), green = channel(a, 8) - channel(b, 8),
        blue = channel(a, 0) - channel(b, 0);
    return 3 * red * red + 6 * green * green + blue * blue; /* about how much the eye makes of each */
}

int theme_color_256(uint32_t rgb)
{
    static const uint8_t steps[6] = {0, 95, 135, 175, 215, 255};
    int best = 16, best_distance = -1;
    for (int index = 16; index < 256; index++) {
        uint32_t candidate;
        if (index < 232) {
            int cube = index - 16;
            candidate = (uint32_t)steps[cube / 36] << 16 | (uint32_t)steps[cube / 6 % 6] << 8 | steps[cube % 6];
        } else {
            candidate = (uint32_t)(8 + 10 * (index - 232)) * 0x010101;
        }
        int away = distance(rgb, candidate);
        if (best_distance < 0 || away < best_distance)
            best = index, best_distance = away;
    }
    return best;
}

int theme_color_8(uint32_t rgb)
{
    int most = 0, least = 255, index = 0;
    for (int shift = 0; shift <= 16; shift += 8) {
        most = channel(rgb, shift) > most ? channel(rgb, shift) : most;
        least = channel(rgb, shift) < least ? channel(rgb, shift) : least;
    }
    if (most - least < 48) /* a grey */
        return most >= 96 ? 7 : 0;
    int middle = (most + least) / 2;
    for (int bit = 0; bit < 3; bit++) /* ANSI counts red 1, green 2, blue 4 */
        index |= (channel(rgb, 16 - 8 * bit) > middle) << bit;
    return index;
}
