/* States kept in memory on the CPU: see kept_states.h. */
#include "tests/engine/kept_states.h"

int main(void)
{
    return kept_states_run() + kept_back_run(false) + kept_refused_run();
}
