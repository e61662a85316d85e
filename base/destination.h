/* Where bytes go that a person wants in a file of a name: behind a link, the file that it leads to; and what is no file
 * (a pipe, a device) is written into, since in its place a file would be no use. */
#ifndef NFBENCH_BASE_DESTINATION_H
#define NFBENCH_BASE_DESTINATION_H

#include <limits.h>

enum destination {
    DESTINATION_FAILED =
        -1, /* errno says why: a link into a folder that is not there or in a circle, a name that is too long */
    DESTINATION_FILE,   /* real[] is to be replaced, or to be made */
    DESTINATION_SPECIAL /* `path` is to be opened and written into; a folder, too, which open() refuses */
};

enum destination destination_find(const char *path, char real[PATH_MAX]);

#endif
