/* UTF-8 and the width of characters, the same in every locale: a chart in a test, in a log and on a terminal has to
 * come out alike. */
#include "viz/canvas.h"

enum { REPLACEMENT = 0xFFFD };

/* The continuation bytes behind a lead byte; -1 when it is none. */
static int continuation_bytes(unsigned char lead)
{
    if (lead < 0x80)
        return 0;
    if (lead >= 0xC2 && lead < 0xE0)
        return 1;
    if (lead >= 0xE0 && lead < 0xF0)
        return 2;
    return lead >= 0xF0 && lead < 0xF5 ? 3 : -1;
}

uint32_t text_next(const char **text)
{
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    const unsigned char *bytes = (const unsigned char *)*text;
    if (!bytes[0])
        return 0;
    int more = continuation_bytes(bytes[0]);
    uint32_t code = more <= 0 ? bytes[0] : bytes[0] & (0x3Fu >> more);
    int used = 1;
    while (used <= more && (bytes[used] & 0xC0) == 0x80)
        code = code << 6 | (bytes[used++] & 0x3F);
    *text += used;
    bool broken =
        more < 0 || used <= more || code < least[more] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000);
    return broken ? REPLACEMENT : code;
}

struct code_range {
    uint32_t first, last;
};

static bool in_ranges(const struct code_range *ranges, size_t count, uint32_t code)
{
    for (size_t i = 0; i < count; i++)
        if (code >= ranges[i].first && code <= ranges[i].last)
            return true;
    return false;
}

int code_columns(uint32_t code)
{
    /* Combining marks and joiners of the scripts that reach a file name or a class name; then East Asian wide. */
    static const struct code_range combining[] = {
        {0x0300, 0x036F}, {0x0483, 0x0489}, {0x0591, 0x05BD}, {0x064B, 0x065F}, {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF},
        {0x200B, 0x200F}, {0x2060, 0x2064}, {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}, {0xFEFF, 0xFEFF}};
    static const struct code_range wide[] = {
        {0x1100, 0x115F},   {0x231A, 0x231B},   {0x2E80, 0x303E},   {0x3041, 0x33FF},
        {0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xA000, 0xA4CF},   {0xAC00, 0xD7A3},
        {0xF900, 0xFAFF},   {0xFE30, 0xFE4F},   {0xFF00, 0xFF60},   {0xFFE0, 0xFFE6},
        {0x1F300, 0x1F64F}, {0x1F680, 0x1F6FF}, {0x1F900, 0x1F9FF}, {0x20000, 0x3FFFD}};
    if (code < 0x300)
        return 1;
    if (in_ranges(combining, sizeof combining / sizeof combining[0], code))
        return 0;
    return in_ranges(wide, sizeof wide / sizeof wide[0], code) ? 2 : 1;
}

int text_columns(const char *text)
{
    int columns = 0;
    for (uint32_t code; (code = text_next(&text));)
        columns += code_columns(code);
    return columns;
}
