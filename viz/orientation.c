/* See orientation.h. The bytes come from files of strangers: every offset is checked before it is followed. */
#include "viz/orientation.h"

#include <stdlib.h>
#include <string.h>

/* ---- EXIF ---- */

static uint32_t number_at(const uint8_t *at, int bytes, bool big_endian)
{
    uint32_t number = 0;
    for (int i = 0; i < bytes; i++)
        number = number << 8 | at[big_endian ? i : bytes - 1 - i];
    return number;
}

int exif_orientation(const uint8_t *segment, size_t size)
{
    static const char name[6] = "Exif";
    enum { TIFF_HEADER = 8, ENTRY = 12, TAG = 0x112, TYPE_SHORT = 3 };
    if (size < sizeof name + TIFF_HEADER || memcmp(segment, name, sizeof name) != 0)
        return 1;
    const uint8_t *tiff = segment + sizeof name;
    const bool big_endian = tiff[0] == 'M';
    size -= sizeof name;
    if (memcmp(tiff, big_endian ? "MM\0*" : "II*", 4) != 0)
        return 1;
    size_t at = number_at(tiff + 4, 4, big_endian);
    if (at > size - 2)
        return 1;
    uint32_t entries = number_at(tiff + at, 2, big_endian);
    for (at += 2; entries > 0 && size - at >= ENTRY; entries--, at += ENTRY) {
        const uint8_t *entry = tiff + at;
        if (number_at(entry, 2, big_endian) != TAG)
            continue;
        const uint32_t value = number_at(entry + 8, 2, big_endian);
        return number_at(entry + 2, 2, big_endian) == TYPE_SHORT && value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}

/* ---- Pixels ---- */

/* Where a pixel of the picture as it is seen stands in the stored one. */
struct turn {
    bool swapped;                 /* rows are columns */
    bool from_right, from_bottom; /* columns and rows of the stored picture are counted from there */
};

static const struct turn turns[] = {
    [1] = {false, false, false}, [2] = {false, true, false}, [3] = {false, true, true}, [4] = {false, false, true},
    [5] = {true, false, false},  [6] = {true, false, true},  [7] = {true, true, true},  [8] = {true, true, false},
};

int bitmap_turn(struct bitmap *bitmap, int orientation, struct error *error)
{
    const struct turn turn = turns[orientation];
    const int width = turn.swapped ? bitmap->height : bitmap->width;
    const int height = turn.swapped ? bitmap->width : bitmap->height;
    if (orientation == 1)
        return 0;
    uint8_t *rgb = malloc((size_t)width * (size_t)height * 3), *out = rgb;
    if (!rgb)
        return error_set(error, "out of memory for turning %d x %d pixels", bitmap->width, bitmap->height);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++, out += 3) {
            const int column = turn.swapped ? y : x, row = turn.swapped ? x : y;
            const size_t from_x = (size_t)(turn.from_right ? bitmap->width - 1 - column : column);
            const size_t from_y = (size_t)(turn.from_bottom ? bitmap->height - 1 - row : row);
            memcpy(out, bitmap->rgb + (from_y * (size_t)bitmap->width + from_x) * 3, 3);
        }
    free(bitmap->rgb);
    *bitmap = (struct bitmap){width, height, rgb};
    return 0;
}
