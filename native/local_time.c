#define _GNU_SOURCE
#include "local_time.h"

#include <time.h>

int32_t connmgr_utc_offset(int64_t seconds)
{
    struct tm local;
    time_t now = (time_t)seconds;
    return localtime_r(&now, &local) ? (int32_t)local.tm_gmtoff : 0;
}
