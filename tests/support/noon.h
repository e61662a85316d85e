/* For tests of what bears the day's date. */
#ifndef NFBENCH_TESTS_SUPPORT_NOON_H
#define NFBENCH_TESTS_SUPPORT_NOON_H

/* By the local time of this process, and of those that it starts, it is noon from now on: no day ends in the middle of
 * a test. */
void be_noon(void);

#endif
