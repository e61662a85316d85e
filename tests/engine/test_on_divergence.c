/* --on-divergence on the CPU: see divergences.h. */
#include "tests/engine/divergences.h"

int main(void)
{
    return divergences_run();
}
