/* Numbers as text and back, strictly, to the same bits, and with a decimal point in any locale. */
#ifndef NFBENCH_SESSIONS_NUMBER_H
#define NFBENCH_SESSIONS_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NUMBER_SIZE = 32 };

/* The shortest text that reads back to the same value; "nan", "inf" and "-inf" for what is not finite. */
void number_from_float(float value, char text[NUMBER_SIZE]);
void number_from_double(double value, char text[NUMBER_SIZE]);

/* The whole text must be a finite decimal number ("0.1", "-3", "1e-4"): false otherwise. */
bool number_to_double(const char *text, double *value);
/* The whole text must be a decimal integer in the type's range. */
bool number_to_long(const char *text, long *value);
bool number_to_uint64(const char *text, uint64_t *value);

#endif
