/* Changes of a run on the CPU; see live_changes.h. */
#include "tests/engine/live_changes.h"

int main(void)
{
    return live_changes_run(false);
}
