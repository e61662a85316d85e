/* What-if trials on the CPU: see trials.h. */
#include "tests/engine/trials.h"

int main(void)
{
    return trials_run();
}
