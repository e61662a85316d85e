/* Where bytes go that a person wants in a file of a name: behind a link, the file that it leads to; and what is no file
 * (a pipe, a device) is written into, since in its place a file would be no use; and so is what a process has open and
 * is named by that (/dev/stdout), also where it is a file. */
#ifndef NFBENCH_BASE_DESTINATION_H
#define NFBENCH_BASE_DESTINATION_H

#include <limits.h>

enum destination {
    DESTINATION_FAILED =
        -1, /* errno says why: a link into a folder that is not there or in a circle, a name that is too long */
    DESTINATION_FILE,   /* real[] is to be replaced, or to be made */
    DESTINATION_SPECIAL /* destination_open(path) is to be written into; a folder, too, which it refuses */
};

enum destination destination_find(const char *path, char real[PATH_MAX]);
/* Of what is special: a descriptor for the caller to close; -1: errno says why. What is written goes behind what is
 * there, and what this process then prints, behind it. */
int destination_open(const char *path);

#endif
