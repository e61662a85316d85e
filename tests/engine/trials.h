/* What-if trials: a value's steps are those of a run that really has it, and the run is afterwards what it was before,
 * to the bit, however the trial ended. Run on the back end of all tiny runs. */
#ifndef NFBENCH_TESTS_ENGINE_TRIALS_H
#define NFBENCH_TESTS_ENGINE_TRIALS_H

/* Run all tests, or those that matter to another back end; the number that failed. */
int trials_run(void);
int trials_run_few(void);

#endif
