/* Calls that may not fail in the tests against PyTorch. Whoever includes it has a `static struct error error`, and
 * cmocka. */
#ifndef NFBENCH_TESTS_PEER_MUST_H
#define NFBENCH_TESTS_PEER_MUST_H

#define must(call)                                                                                                     \
    do {                                                                                                               \
        if ((call) != 0)                                                                                               \
            fail_msg("%s: %s", #call, error.message);                                                                  \
    } while (0)

#endif
