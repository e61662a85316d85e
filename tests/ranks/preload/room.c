/* Loaded into the program by a test: rank 1 has no room for more than TEST_ROOM bytes at a time. The tensors of a batch
 * lie in one allocation, which the CPU back end asks aligned_alloc for. */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

void *aligned_alloc(size_t alignment, size_t size)
{
    const char *rank = getenv("OMPI_COMM_WORLD_RANK"), *room = getenv("TEST_ROOM");
    if (!rank || strcmp(rank, "1") != 0 || !room || size <= strtoul(room, NULL, 10))
        return memalign(alignment, size);
    errno = ENOMEM;
    return NULL;
}
