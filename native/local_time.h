/* Local time for lines that people read; the .NET library's own time zones are large. */
#ifndef CONNMGR_LOCAL_TIME_H
#define CONNMGR_LOCAL_TIME_H

#include <stdint.h>

/* Returns the offset of local time (TZ, else /etc/localtime) from UTC at `seconds` since 1970, in seconds; 0 if unknown. */
int32_t connmgr_utc_offset(int64_t seconds);

#endif
