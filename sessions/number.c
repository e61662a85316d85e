/* Strict number parsing and shortest printing; see number.h. A screen sets the user's locale, whose decimal point may
 * be a comma: everything here happens in the C locale. */
#include "sessions/number.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static locale_t c_locale;

static void make_c_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", NULL);
}

static locale_t get_c_locale(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_c_locale);
    return c_locale;
}

/* Prints with as few of `least` .. `most` significant digits as keep the value. */
static void print_shortest(double value, bool single, int least, int most, char text[NUMBER_SIZE])
{
    locale_t old = uselocale(get_c_locale());
    for (int digits = least; digits <= most; digits++) {
        snprintf(text, NUMBER_SIZE, "%.*g", digits, value);
        if (single ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value)
            break;
    }
    uselocale(old);
}

void number_from_float(float value, char text[NUMBER_SIZE])
{
    print_shortest(value, true, 6, 9, text);
}

void number_from_double(double value, char text[NUMBER_SIZE])
{
    print_shortest(value, false, 15, 17, text);
}

bool number_to_double(const char *text, double *value)
{
    /* strtod would also take blanks, hexadecimal, "nan" and "inf" */
    if (!*text || strspn(text, "0123456789+-.eE") != strlen(text))
        return false;
    char *end;
    *value = strtod_l(text, &end, get_c_locale());
    return end != text && !*end && isfinite(*value);
}

bool number_to_long(const char *text, long *value)
{
    if (!*text || strspn(text, "0123456789+-") != strlen(text))
        return false;
    char *end;
    errno = 0;
    *value = strtol(text, &end, 10);
    return end != text && !*end && errno == 0;
}

bool number_to_uint64(const char *text, uint64_t *value)
{
    if (!*text || strspn(text, "0123456789") != strlen(text))
        return false;
    errno = 0;
    *value = strtoull(text, NULL, 10);
    return errno == 0;
}
