/* A run on the processor, stopped at each of its hundred steps: see resumes.h. */
#include "tests/sessions/resumes.h"

int main(void)
{
    return resumes_run(100);
}
