/* Numbers in few digits as people read them, by one rule for all. */
#ifndef NFBENCH_BASE_DIGITS_H
#define NFBENCH_BASE_DIGITS_H

#include <stddef.h>

/* In so many significant digits (2 to 9), without zeros at the end, but with all that stand before the point: of three
 * "0.123", "1.5", "98765". From a hundred thousand on and below a thousandth with a power of ten, and a digit less:
 * "1.2e+05". "NaN", "Inf", "-Inf". */
void digits_significant(double value, int digits, char *text, size_t size);

/* Always so many digits, that a number which changes stands still: "0.5000", "12.30", "1477"; of 0.001 to 10^digits. */
void digits_steady(double value, int digits, char *text, size_t size);

/* As few digits, 6 or more, as give the same float when they are read again: what a person typed. */
void digits_shortest(float value, char *text, size_t size);

/* A loss: "2.3012"; "5.68e+33" from a million on. */
void digits_loss(double loss, char *text, size_t size);

#endif
