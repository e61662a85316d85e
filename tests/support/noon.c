/* See noon.h. */
#include "tests/support/noon.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

void be_noon(void)
{
    const time_t now = time(NULL);
    struct tm there;
    char zone[32];
    gmtime_r(&now, &there);
    snprintf(zone, sizeof zone, "NOON%d", there.tm_hour - 12); /* so many hours west of Greenwich */
    setenv("TZ", zone, 1);
    tzset();
}
