/* See array.h. */
#include "base/array.h"

#include <stdlib.h>

void *array_grow(void *items, size_t *room, size_t count, size_t size)
{
    enum { FIRST = 16 };
    size_t wanted = *room ? *room : FIRST, bytes;
    void *grown;

    if (count <= *room)
        return items;
    while (wanted < count && wanted <= (size_t)-1 / 2)
        wanted *= 2;
    grown = wanted < count || __builtin_mul_overflow(wanted, size, &bytes) ? NULL : realloc(items, bytes);
    if (grown)
        *room = wanted;
    return grown;
}
