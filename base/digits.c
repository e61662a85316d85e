/* See digits.h. */
#include "base/digits.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void digits_significant(double value, int digits, char *text, size_t size)
{
    const double amount = fabs(value);
    if (isnan(value))
        snprintf(text, size, "NaN");
    else if (isinf(value))
        snprintf(text, size, value < 0 ? "-Inf" : "Inf");
    else if (amount >= 1e5 || (amount > 0 && amount < 1e-3))
        snprintf(text, size, "%.*e", digits - 2, value);
    else if (amount >= pow(10, digits))
        snprintf(text, size, "%.0f", value);
    else
        snprintf(text, size, "%.*g", digits, value);
}

void digits_steady(double value, int digits, char *text, size_t size)
{
    snprintf(text, size, "%#.*g", digits, value);
    char *point = strchr(text, '.');
    if (point && point[1] == '\0')
        *point = '\0';
}

void digits_shortest(float value, char *text, size_t size)
{
    for (int digits = 6; digits <= 9; digits++) { /* 9 tell all floats from each other */
        snprintf(text, size, "%.*g", digits, (double)value);
        if (strtof(text, NULL) == value)
            return;
    }
}

void digits_loss(double loss, char *text, size_t size)
{
    snprintf(text, size, loss < 1e6 ? "%.4f" : "%.3g", loss);
}
