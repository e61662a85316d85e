/* A terminal with pixel graphics around the one of pty.h: it takes the pictures out of what the program writes, and
 * keeps those that stand on it; asked, it answers as it was told to. */
#ifndef NFBENCH_TESTS_TERMINAL_PICTURE_TERMINAL_H
#define NFBENCH_TESTS_TERMINAL_PICTURE_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>

enum { PICTURES_MOST = 256 };

struct standing {
    int row, column; /* from 0 */
    int columns, rows;
    unsigned id; /* kitty's; 0: sixels, which have none */
    int width, height;
    uint8_t *rgb; /* (height, width, 3) */
};

extern struct standing standing[PICTURES_MOST];
extern int standing_count;
/* Pictures sent since the start; questions heard: kitty's, and the one for attributes. */
extern int pictures_sent, kitty_questions, attribute_questions;

/* Before pty_start: what it answers to kitty's question and to that for attributes; NULL: nothing. Cells of so many
 * pixels, for sixels. */
void picture_terminal(const char *kitty_answer, const char *attributes, int cell_width, int cell_height);
void picture_terminal_end(void);
/* Waits until so many stand there, -1: any; the number may be of no picture. Fails the test when they do not come. */
void wait_for_pictures(int count);
/* Until there are some, and none reaches beyond the terminal of this size. */
void wait_for_pictures_within(int columns, int rows);

#endif
