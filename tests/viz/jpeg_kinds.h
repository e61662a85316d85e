/* JPEG files of every kind: grey, YCbCr with all its colours or fewer, RGB, CMYK and YCCK, baseline and progressive,
 * with an EXIF orientation or without. They show a picture of smooth colours. */
#ifndef NFBENCH_TESTS_VIZ_JPEG_KINDS_H
#define NFBENCH_TESTS_VIZ_JPEG_KINDS_H

#include <stddef.h>
#include <stdint.h>

enum { JPEG_KINDS = 9, JPEG_PROGRESSIVE = 3, JPEG_TWO_SCANS = 5, JPEG_INKS = 7 };

struct jpeg_file {
    uint8_t bytes[1 << 17];
    size_t size;
};

/* `orientation`: 0 for no EXIF. Fails the test when it cannot. */
void jpeg_kind_make(int index, int width, int height, int orientation, struct jpeg_file *file);
/* Of two components, which is no known kind of colours. */
void jpeg_two_components_make(struct jpeg_file *file);
/* What a pixel of the picture is, to about 8 as the decoded file has it. */
int jpeg_kind_value(int index, int width, int height, int x, int y, int channel);

#endif
