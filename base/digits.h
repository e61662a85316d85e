/* Numbers as people read them, in few digits; written once, so that they look alike everywhere. */
#ifndef NFBENCH_BASE_DIGITS_H
#define NFBENCH_BASE_DIGITS_H

enum { DIGITS_TEXT = 32 };

/* In so many significant digits (1 to 9), without zeros at the end: "0.1234", "1234", with all its digits before the
 * point: "98765" of three; "1.2e-06" below a thousandth and from a hundred thousand on, in one digit less. "NaN", "Inf",
 * "-Inf". */
void digits_significant(double value, int digits, char text[DIGITS_TEXT]);

/* A loss: "2.3012"; "5.68e+33" from a million on. */
void digits_loss(double loss, char text[DIGITS_TEXT]);

#endif
