#!/bin/sh
# 244 once more on a device without IPv4.
# takes 80 s
FAMILY=IPv6
. "$(dirname "$0")/244-a-suspected-service-of-each-kind.sh"
