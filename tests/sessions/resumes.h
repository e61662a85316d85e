/* A run that is stopped and resumed has the bits of one that was not: through the session's folder, on whatever back
 * end `resumes_backend_open` opens (the CPU's with one thread, unless a test puts another here). */
#ifndef NFBENCH_TESTS_SESSIONS_RESUMES_H
#define NFBENCH_TESTS_SESSIONS_RESUMES_H

#include "kernels/kernels.h"

extern int (*resumes_backend_open)(struct backend **out, struct error *error);
int resumes_run(long steps); /* of the run; as main returns */

#endif
