/* Looks into a run's network on the CPU: see looks.h. */
#include "tests/engine/looks.h"

int main(void)
{
    return looks_run();
}
