/* Pictures that a program sends to its terminal, decoded again: DEC's sixels, and kitty's graphics commands. */
#ifndef NFBENCH_TESTS_SUPPORT_PICTURES_H
#define NFBENCH_TESTS_SUPPORT_PICTURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sixel_picture {
    int width, height;
    uint8_t *rgb; /* (height, width, 3); the caller frees it */
    int painted;  /* pixels that were set, again and again included */
    int colors;   /* defined */
};
/* What stands between ESC P and ESC \; false when it is no picture of sixels. */
bool sixel_decode(const char *bytes, size_t count, struct sixel_picture *out);

/* What stands between ESC _ G and ESC \: keys, and a payload in base64. */
struct kitty_command {
    char action, what; /* a=, d= */
    unsigned id;
    int width, height, columns, rows; /* s=, v=, c=, r= */
    bool more;                        /* m=1: it goes on with the next command */
    uint8_t *payload;                 /* the caller frees it */
    size_t size;
};
bool kitty_decode(const char *bytes, size_t count, struct kitty_command *out);

#endif
