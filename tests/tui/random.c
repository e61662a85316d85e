/* See random.h. */
#include "tests/tui/random.h"

uint32_t next_random(void)
{
    static uint64_t seed = 88172645463325252u; /* xorshift64 */

    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 16);
}
