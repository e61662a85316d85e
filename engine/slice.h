/* How the ranks of a run share out a batch: each has one slice of it, the slices lie in the order of the ranks and are
 * as even as whole units allow. */
#ifndef NFBENCH_ENGINE_SLICE_H
#define NFBENCH_ENGINE_SLICE_H

/* All zero: one rank, which has all. */
struct slicing {
    int rank, ranks;
    int unit; /* images that are not parted; the last unit of a batch may be smaller */
};

/* Images [first, first + n) of a batch; n may be 0. */
struct slice {
    int first, n;
};

/* This rank's slice of a batch of `total` images. */
struct slice slice_of(const struct slicing *slicing, int total);
/* No rank has more images of such a batch; one has as many, or fewer by less than a unit. */
int slice_largest(const struct slicing *slicing, int total);

#endif
